# SPDX-License-Identifier: Apache-2.0
# mlbd: one non-recursive make. Each folder lists its own files in module.mk; see CONTRIBUTING.md.
#
#   make               build mlbd and mlbctl            make check    all tests
#   make demo          three nodes, failovers, 40 s     make help     everything else
#   make install DESTDIR= PREFIX=                       MODE=debug|release|asan|tsan|cov|fuzz

MODE ?= release
PREFIX ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0
B := build/$(MODE)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

# Packages that are missing are installed before anything else is looked at (root only, apt only); SETUP=no: they are there.
ifeq ($(filter clean help,$(MAKECMDGOALS))$(filter no,$(SETUP)),)
setup_done := $(shell tools/setup.sh >&2 || echo failed)
ifneq ($(setup_done),)
$(error tools/setup.sh could not install what is missing)
endif
endif

CC := $(if $(filter fuzz,$(MODE)),clang,$(or $(filter-out cc,$(CC)),gcc))
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wcast-qual -Wwrite-strings -Wformat=2 -Wundef -Wvla -Wswitch-enum -Wimplicit-fallthrough
WERROR ?= -Werror
CPPFLAGS += -I. -D_GNU_SOURCE -DMLB_VERSION='"$(VERSION)"'
CFLAGS_MODE_debug := -O0 -g3
CFLAGS_MODE_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
LDFLAGS_MODE_release := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
CFLAGS_MODE_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS_MODE_asan := -fsanitize=address,undefined
CFLAGS_MODE_tsan := -O1 -g -fsanitize=thread
LDFLAGS_MODE_tsan := -fsanitize=thread
CFLAGS_MODE_cov := -O0 -g --coverage
LDFLAGS_MODE_cov := --coverage
CFLAGS_MODE_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
LDFLAGS_MODE_fuzz := -fsanitize=address,undefined
ifeq ($(filter $(MODE),debug release asan tsan cov fuzz),)
$(error MODE=$(MODE) is none of debug, release, asan, tsan, cov, fuzz)
endif
# One short line for each command; V=1 shows the commands themselves.
say = $(if $(V),,@printf '  %-3s %s\n' $(1) $@;)
ALL_CFLAGS = -std=gnu11 $(WARN) $(WERROR) $(CFLAGS_MODE_$(MODE)) $(CFLAGS)
ALL_LDFLAGS = $(LDFLAGS_MODE_$(MODE)) $(LDFLAGS)

PKGS := libsodium libmnl libnftnl libcurl libcjson libuv yaml-0.1 libmicrohttpd libseccomp
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS))
core_libs := -lsodium -lmnl
shell_libs := $(shell pkg-config --libs $(PKGS))
check_libs = $(shell pkg-config --libs check)

# Filled by the module.mk files:
core_src :=     # pure: one archive that tests, simulator and fuzzers link without any shell object
shell_src :=    # I/O: the second archive
prog_src :=     # one program per file (its main)
unit_src :=     # tests/unit: one libcheck program per file
fuzz_src :=     # tests/fuzz: one harness per file
sim_src :=      # tests/sim
scale_src :=    # tests/scale
lab_src :=      # tests/lab: C programs, one per file
bench_src :=    # tests/bench: the same
vectors_src :=  # tests/vectors: one program
include $(sort $(wildcard */module.mk tests/*/module.mk))

core_obj := $(core_src:%.c=$(B)/%.o)
shell_obj := $(shell_src:%.c=$(B)/%.o)
prog := $(prog_src:%.c=$(B)/%)
unit := $(unit_src:%.c=$(B)/%)
fuzz := $(fuzz_src:%.c=$(B)/%)
lab := $(lab_src:%.c=$(B)/%)
bench := $(bench_src:%.c=$(B)/%)

all: $(prog)

$(B)/libcore.a: $(core_obj)
	@rm -f $@
	$(call say,AR)$(AR) rcs $@ $^
$(B)/libshell.a: $(shell_obj)
	@rm -f $@
	$(call say,AR)$(AR) rcs $@ $^

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(prog): $(B)/%: $(B)/%.o $(B)/libshell.a $(B)/libcore.a
	$(call say,LD)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(B)/libshell.a $(B)/libcore.a $(shell_libs) -lm
$(lab) $(bench): $(B)/%: $(B)/%.o $(B)/libshell.a $(B)/libcore.a
	$(call say,LD)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(B)/libshell.a $(B)/libcore.a $(shell_libs) -lm
$(unit): $(B)/%: $(B)/%.o $(B)/libshell.a $(B)/libcore.a
	$(call say,LD)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(B)/libshell.a $(B)/libcore.a $(shell_libs) $(check_libs) -lm
# A harness is a fuzzer in MODE=fuzz, and a program that replays its corpus in every other mode.
fuzz_main := $(if $(filter fuzz,$(MODE)),,$(B)/tests/fuzz/replay.o)
$(fuzz): $(B)/%: $(B)/%.o $(fuzz_main) $(B)/libshell.a $(B)/libcore.a
	$(call say,LD)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(if $(fuzz_main),,-fsanitize=fuzzer) -o $@ $< $(fuzz_main) \
		$(B)/libshell.a $(B)/libcore.a $(shell_libs) -lm
$(B)/tests/sim/sim: $(sim_src:%.c=$(B)/%.o) $(B)/libcore.a
	$(call say,LD)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(core_libs) -lm

$(B)/tests/vectors/run: $(vectors_src:%.c=$(B)/%.o) $(B)/libshell.a $(B)/libcore.a
	$(call say,LD)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(shell_libs) -lm

$(B)/tests/scale/scale: $(scale_src:%.c=$(B)/%.o) $(B)/libcore.a
	$(call say,LD)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(core_libs) -lm

sim-bin: $(B)/tests/sim/sim $(B)/tests/scale/scale
unit-bin: $(unit)
fuzz-bin: $(fuzz)
lab-bin: $(lab) $(prog)

clean:
	rm -rf build

.PHONY: all sim-bin unit-bin fuzz-bin lab-bin clean
.SECONDARY:
include tests/targets.mk
-include $(shell find $(B) -name '*.d' -type f 2>/dev/null)

# SPDX-License-Identifier: Apache-2.0
# Checks, demo and installation. `make check` is everything that must hold before a commit; `make check-fast` is its
# quick half. tests/run-all runs the steps, counts cases and prints the closing line.

JOBS ?= $(shell nproc)
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(JOBS)
endif

# The simulator: random runs, and how long each lasts in virtual seconds. `make sim SEEDS=100000 START=1` for more.
SEEDS ?= 200
SECONDS_VIRTUAL ?= 60
START ?= 1
# `make fuzz FUZZ_SECONDS=600`: seconds for each harness.
FUZZ_SECONDS ?= 60
# The lab: runs of each combination of `make lab-full`, and minutes of `make chaos`.
REPEAT ?= 1
MINUTES ?= 2
# `make check-vectors DIR=path`: the folder whose *.json are run.
DIR ?= tests/vectors

our_c := $(core_src) $(shell_src) $(prog_src) $(unit_src) $(fuzz_src) $(sim_src) $(scale_src) $(lab_src) \
	$(bench_src) $(vectors_src) tests/fuzz/replay.c
find_ours = find . \( -name build -o -name .git \) -prune -o -type f
man_pages := $(wildcard man/*.[1578])
run_all := tests/run-all
again = $(MAKE) --no-print-directory MODE=$(MODE)

help:
	@sed -n 's/^# \(make .*\)/\1/p' tests/targets.mk

# make                   build mlbd and mlbctl into build/release (MODE=debug|release|asan|tsan|cov|fuzz)
# make check             every check; the last line is "N passed, N failed, N skipped"
# make check-fast        the quick half: layers, purity, format, documents, shell scripts, unit tests, fuzz corpora
# make check-unit, check-sim, check-lab, check-asan, check-tidy, ...: one of them
# make check-vectors DIR=path   what users of MetalLB rely on: each *.json of the folder (tests/vectors) against the real code
# make demo              three nodes, an address, three failures, a timeline; about 40 s; needs root
# make sim SEEDS=10000   more random runs of the simulator (START=N SECONDS_VIRTUAL=60)
# make sim-large         large clusters and long times in virtual time; some hours
# make lab ARGS='...'    the failover lab with arguments of your own
# make lab-full          every fault with every claim mode and family, with a report; an hour (REPEAT=20 ARGS='...')
# make chaos MINUTES=30  random faults on real daemons, and in the simulator (SEED=n repeats)
# make lab-long          hogs for 10 min, a flood of 1,000,000 packets, pauses, two paths: the promises in full; 13 min
# make footprint         memory and processor time of idle daemons over 60 s; needs root
# make bench             mlbd beside serf: detection, false deaths, traffic, CPU, memory; 10 min; needs root (ARGS='...')
# make bench-failover    mlbd beside keepalived and ucarp, an hour; REPEAT=3 ADDRESSES="1 1000" SYSTEMS="mlbd-lan ucarp" FAULTS=silent
# make bench-allocator   what addresses for services cost: filling pools, pairs of allocate and release, sharing
# make bench-short       the same for half a minute: does the benchmark work?
# make fuzz              libFuzzer on each decoder (FUZZ_SECONDS=60)
# make deb               Debian packages of the daemon and of mlbctl, in build/release/deb
# make install           mlbd, mlbctl, man pages, systemd units (DESTDIR= PREFIX=/usr/local); make uninstall

fast_steps := runner layers pure format docs man systemd docker shell completion schema alerts unit vectors fuzz
check_steps := $(fast_steps) install deb tidy compilers asan sim scale model lab apiserver kube

# One step of run-all: the target of that name, by a make of its own.
make_steps = $(foreach step,$(1),'$(step)=$(again) check-$(step)')

# The first time the API server is built, which takes longer than a step may otherwise.
check: export STEP_SECONDS ?= 1800
check:
	+@$(run_all) $(call make_steps,$(check_steps))
check-fast:
	+@$(run_all) --label fast $(call make_steps,$(fast_steps))

check-runner:
	@tests/check-run-all.sh

check-layers:
	@CORE_SRC='$(core_src)' SHELL_SRC='$(shell_src)' tools/check-layers.sh --self-test

# Sanitizers and coverage add symbols of their own, so this one looks at release objects whatever MODE is.
check-pure:
	@$(MAKE) --no-print-directory MODE=release CC=gcc check-pure-objects
check-pure-objects: $(core_obj)
	@CC='$(CC)' tools/check-pure.sh --self-test $(core_obj)

check-format:
	@$(find_ours) -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run -Werror

check-tidy:
	@JOBS=$(JOBS) tools/check-tidy.sh $(our_c) -- -std=gnu11 $(CPPFLAGS) $(PKG_CFLAGS)

# How far the units are shut in, in tenths, by systemd's own measure: what they are now, so that nobody opens them unnoticed.
# The aim for the daemon is 15; what keeps it from that is told in mlbd.service.
check-systemd:
	@tools/check-units.sh mlbd=25 mlbd-guard=18

# The image's rules, each seen to find what breaks it.
check-docker:
	@tools/check-docker.sh --self-test

check-docs:
	@tools/check-docs.sh

check-man:
	@command -v mandoc >/dev/null
	@! mandoc -T lint -W style $(man_pages) 2>&1 | grep -vE 'referenced manual not found|mandoc\.db'

check-shell:
	@$(find_ours) -print0 | xargs -0 grep -lIE -m1 '^#!/(usr/bin/env (ba)?sh|bin/(ba)?sh)|^# shellcheck shell=' | xargs shellcheck -x

check-schema: $(prog)
	@tests/check-schema.py $(B)/daemon/mlbd

check-completion: $(prog)
	@B=$(B) tests/check-completion.sh

check-alerts:
	@tests/check-alerts.sh

# The whole tree with warnings as errors by both compilers. The gcc build is the one that the other checks use.
check-compilers:
	+@$(run_all) --label compilers \
		'gcc=$(MAKE) MODE=release CC=gcc WERROR=-Werror everything' \
		'clang=$(MAKE) MODE=release CC=clang WERROR=-Werror B=build/check-clang everything'
everything: $(prog) $(unit) $(fuzz) $(lab) $(bench) $(B)/tests/vectors/run $(B)/tests/sim/sim $(B)/tests/scale/scale

check-unit: $(unit)
	@$(run_all) --label unit --jobs $(JOBS) $(foreach test,$(unit),'$(notdir $(test))=$(test)')

check-vectors: $(B)/tests/vectors/run
	@$< '$(DIR)'
bench-allocator: $(bench)
	@$(B)/tests/bench/allocator

check-fuzz: $(fuzz)
	@$(run_all) --label fuzz --jobs $(JOBS) $(call fuzz_steps,$(fuzz))
fuzz_steps = $(foreach bin,$(1),'$(notdir $(bin))=$(bin) tests/fuzz/corpus/$(patsubst fuzz_%,%,$(notdir $(bin)))')

check-asan:
	@$(MAKE) --no-print-directory MODE=asan check-asan-run
check-asan-run: $(unit) $(fuzz) $(B)/tests/vectors/run
	@$(run_all) --label asan --jobs $(JOBS) $(foreach test,$(unit),'$(notdir $(test))=$(test)') $(call fuzz_steps,$(fuzz)) \
		'vectors=$(B)/tests/vectors/run tests/vectors'

check-scale: $(B)/tests/scale/scale
	+@$(run_all) --label scale 'experiments=$< list tests/scale/short.txt' 'same=tests/scale/same' 'mutants=tests/scale/mutants'
sim-large: $(B)/tests/scale/scale
	$< list tests/scale/large.txt
check-sim: $(B)/tests/sim/sim
	@$< --seeds $(SEEDS) --seconds $(SECONDS_VIRTUAL)
sim: $(B)/tests/sim/sim
	$< --seeds $(SEEDS) --seconds $(SECONDS_VIRTUAL) --start $(START)

check-model:
	@tests/model/run

# These measure time on a machine that others may share: what fails is tried once more, and shown (tests/run-all; the scenarios
# of tests/lab/run see to that themselves).
check-lab: $(lab) $(prog)
	@failed=0; $(run_all) --label lab 'lab=B=$(B) tests/lab/run' || failed=1; \
	$(run_all) --label lab --again 'errors=B=$(B) tests/lab/errors' 'keys=B=$(B) tests/lab/keys' 'pools=B=$(B) tests/lab/pools' 'user=B=$(B) tests/lab/user' 'hogs=B=$(B) tests/lab/hogs' \
		'flood=B=$(B) tests/lab/flood' 'pause=B=$(B) tests/lab/pause' 'paths=B=$(B) tests/lab/paths' \
		'strangers=B=$(B) tests/lab/strangers always yield6 first' 'metrics=B=$(B) tests/lab/metrics' 'diagnose=B=$(B) tests/lab/diagnose' \
		'tutorial=B=$(B) tests/lab/tutorial' 'api=B=$(B) tests/lab/api' 'hostile=B=$(B) tests/lab/hostile --requests 2000' \
		'bench=B=$(B) tests/bench/gossip --short --systems mlbd-lan,mlbd-fast --json $(B)/bench/short.json' \
		'failover=B=$(B) tests/bench/failover --short --json $(B)/bench/failover-short.json' || failed=1; exit $$failed
lab: $(lab) $(prog)
	B=$(B) tests/lab/run $(ARGS)
lab-full: $(lab) $(prog)
	B=$(B) tests/lab/matrix --repeat $(REPEAT) $(ARGS)
chaos: $(lab) $(prog) $(B)/tests/sim/sim
	B=$(B) tests/lab/chaos --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(ARGS)
	$(B)/tests/sim/sim --seeds $(SEEDS) --seconds 600 --start $(or $(SEED),1)
footprint: $(lab) $(prog)
	B=$(B) tests/lab/footprint
# The same steps for as long, and with as many packets, as the promises say.
lab-long: $(lab) $(prog)
	@STEP_SECONDS=1800 $(run_all) --label lab-long 'hogs=B=$(B) tests/lab/hogs --seconds 600' \
		'flood=B=$(B) tests/lab/flood --packets 1000000' 'pause=B=$(B) tests/lab/pause --long' 'paths=B=$(B) tests/lab/paths' \
		'strangers=B=$(B) tests/lab/strangers' 'hostile=B=$(B) tests/lab/hostile'

# serf is what mlbd is measured against. It is in Debian; nothing else needs it.
bench bench-short: $(lab) $(prog) $(B)/tests/scale/scale
	@tools/setup.sh bench
	@B=$(B) tests/bench/gossip $(if $(filter bench-short,$@),--short) $(ARGS)

# The peers are in Debian; nothing else needs them. REPEAT counts only when it is given: its default is that of `make lab-full`.
given = $(if $($(1)),$(if $(filter-out file default undefined,$(firstword $(origin $(1)))),$(2) '$($(1))'))
bench-failover: $(lab) $(prog)
	@tools/setup.sh bench-failover
	@B=$(B) tests/bench/failover $(call given,REPEAT,--repeat) $(call given,SYSTEMS,--systems) $(call given,FAULTS,--faults) \
		$(call given,ADDRESSES,--addresses) $(ARGS)

demo: $(lab) $(prog)
	@B=$(B) tools/demo.sh

# A real kube-apiserver, built once: the first time takes long.
check-apiserver:
	@tests/kube/build.sh >/dev/null
check-kube: $(lab) $(prog)
	@$(run_all) --label kube --again 'client=B=$(B) tests/kube/run' 'cluster=B=$(B) tests/kube/cluster' 'manifests=tests/kube/manifests' \
		'chart=B=$(B) tests/kube/chart'

check-install: $(prog)
	+@MAKE='$(MAKE)' B=$(B) tests/check-install.sh

deb:
	@tools/deb.sh $(B)/deb $(VERSION)
	@ls $(B)/deb/*.deb
check-deb: $(lab)
	@B=$(B) VERSION=$(VERSION) tests/check-deb.sh

fuzz:
	$(MAKE) MODE=fuzz fuzz-run
# What it finds goes to build/fuzz/found: new inputs to a folder for each harness, crashes beside them.
fuzz-run: $(fuzz)
	@set -e; for bin in $(fuzz); do \
		name=$${bin##*/fuzz_}; mkdir -p $(B)/found/$$name; echo "== $$name"; \
		$$bin -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=$(B)/found/$$name- -print_final_stats=1 $(B)/found/$$name tests/fuzz/corpus/$$name; \
	done

# The units and the example name the paths of a Debian package; those of the units are rewritten for PREFIX.
units := $(notdir $(wildcard deploy/systemd/*.service))
unit_dir = $(DESTDIR)$(PREFIX)/lib/systemd/system
man_dir = $(DESTDIR)$(PREFIX)/share/man
doc_dir = $(DESTDIR)$(PREFIX)/share/doc/mlbd
# Where the shells look for what completes the command lines of a program.
completions := bash-completion/completions/mlbctl zsh/site-functions/_mlbctl fish/vendor_completions.d/mlbctl.fish
shell_of = $(patsubst %-completion,%,$(firstword $(subst /, ,$(1))))
install: all
	install -D -m 755 $(B)/daemon/mlbd $(DESTDIR)$(PREFIX)/sbin/mlbd
	install -D -m 755 $(B)/tools/mlbctl $(DESTDIR)$(PREFIX)/bin/mlbctl
	$(foreach page,$(man_pages),install -D -m 644 $(page) $(man_dir)/man$(subst .,,$(suffix $(page)))/$(notdir $(page)) &&) true
	install -d $(unit_dir)
	$(foreach unit_file,$(units),sed 's|/usr/sbin/mlbd|$(PREFIX)/sbin/mlbd|' deploy/systemd/$(unit_file) > $(unit_dir)/$(unit_file) &&) true
	chmod 644 $(addprefix $(unit_dir)/,$(units))
	install -D -m 644 deploy/sysusers.d/mlbd.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/mlbd.conf
	install -D -m 644 deploy/tmpfiles.d/mlbd.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/mlbd.conf
	install -d $(addprefix $(DESTDIR)$(PREFIX)/share/,$(dir $(completions)))
	$(foreach file,$(completions),$(B)/tools/mlbctl completion $(call shell_of,$(file)) > $(DESTDIR)$(PREFIX)/share/$(file) &&) true
	chmod 644 $(addprefix $(DESTDIR)$(PREFIX)/share/,$(completions))
	install -D -m 644 deploy/mlbd.schema.json $(DESTDIR)$(PREFIX)/share/mlbd/mlbd.schema.json
	install -D -m 644 deploy/mlbd.yaml $(doc_dir)/mlbd.yaml
	sed -i '1s|/usr/share|$(PREFIX)/share|' $(doc_dir)/mlbd.yaml
	install -m 644 README.md CHANGELOG.md LICENSE $(doc_dir)

uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/lib/,sysusers.d/mlbd.conf tmpfiles.d/mlbd.conf)
	rm -f $(DESTDIR)$(PREFIX)/sbin/mlbd $(DESTDIR)$(PREFIX)/bin/mlbctl $(addprefix $(unit_dir)/,$(units))
	rm -f $(foreach page,$(man_pages),$(man_dir)/man$(subst .,,$(suffix $(page)))/$(notdir $(page)))
	rm -f $(DESTDIR)$(PREFIX)/share/mlbd/mlbd.schema.json
	rm -f $(addprefix $(doc_dir)/,mlbd.yaml README.md CHANGELOG.md LICENSE)
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/share/,$(completions))
	-rmdir $(doc_dir)

.PHONY: check-scale sim-large check-model help check check-fast check-runner check-layers check-pure check-pure-objects check-format check-tidy check-docs check-man \
	check-shell check-completion check-schema check-apiserver check-kube check-compilers everything check-unit check-fuzz check-asan check-asan-run check-sim sim check-lab lab lab-full chaos lab-long footprint \
	bench bench-short bench-allocator bench-failover check-vectors demo \
	check-install check-systemd check-docker deb check-deb fuzz fuzz-run install uninstall

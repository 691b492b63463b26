#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Are the cores pure? Each undefined symbol of a core's object must be on the list of allowed ones or be defined by another
# core, and no core may have a variable that can be written to (state outside its struct would break replay from a seed).
#
#   tools/check-pure.sh [--self-test] OBJECT...      objects as gcc makes them; sanitizers add symbols of their own
#
# The self-test plants one impure object of each kind and expects it to be refused. CC is used for that.
set -eu
export LC_ALL=C

allow=$(dirname "$0")/pure-allow.txt

# Print one line for each thing that makes the given objects, taken together, impure.
violations() {
	{
		nm -A --defined-only "$@" | awk '$2 ~ /^[A-TV-Z]$/ { print "own", $3 }'
		nm -A -u "$@" | awk '{ sub(/:$/, "", $1); print "uses", $3, $1 }'
		size -A "$@" | awk '$2 == ":" { o = $1 }
			$1 ~ /^\.(data|bss|data\.rel|data\.rel\.local|tdata|tbss)$/ && $2 > 0 { print "writes", $1, o }'
	} | awk -v allow="$allow" '
		# The list names objects from the root of the source tree; the build folder stands before that.
		function is_object(path, listed) {
			return path == listed || substr(path, length(path) - length(listed)) == "/" listed
		}
		function allowed(symbol, path,    i, j, n, part, pattern) {
			for (i = 1; i <= rules; i++) {
				n = split(rule[i], part, " ")
				pattern = "^" part[1] "$"
				gsub(/\*/, ".*", pattern)
				if (symbol !~ pattern)
					continue
				if (n == 1)
					return 1
				for (j = 2; j <= n; j++)
					if (is_object(path, part[j])) {
						used[i, j] = 1
						return 1
					}
			}
			return 0
		}
		BEGIN {
			while ((getline line < allow) > 0)
				if (line !~ /^(#|$)/)
					rule[++rules] = line
		}
		$1 == "own" { own[$2] = 1 }
		$1 == "writes" { print $3 ": has a variable that can be written to (" $2 ")" }
		$1 == "uses" && !($2 in own) && !allowed($2, $3) { print $3 ": " $2 " is not pure (see " allow ")" }
		END {
			for (i = 1; i <= rules; i++) {
				n = split(rule[i], part, " ")
				for (j = 2; j <= n; j++)
					if (!((i, j) in used))
						print allow ": " part[j] " does not use " part[1] " any more"
			}
		}'
}

self_test() {
	local dir kind code found failed=0 n=0
	dir=$(mktemp -d)
	# shellcheck disable=SC2064
	trap "rm -rf '$dir'" EXIT
	while IFS='|' read -r kind code; do
		n=$((n + 1))
		printf '%s\n' "$code" >"$dir/$kind$n.c"
		"${CC:-gcc}" -std=gnu11 -O2 -fPIE -w -c -o "$dir/$kind$n.o" "$dir/$kind$n.c"
	done <<-'END'
		pure|const char *planted(int i) { static const char *const t[] = { "a", "b" }; return t[i]; }
		pure|int planted(const char *a, const char *b) { return __builtin_strcmp(a, b); }
		impure|int clock_gettime(int, void *); int planted(void *t) { return clock_gettime(1, t); }
		impure|long time(long *); long planted(void) { return time(0); }
		impure|int socket(int, int, int); int planted(void) { return socket(1, 2, 0); }
		impure|int open(const char *, int, ...); int planted(void) { return open("/etc/mlb", 0); }
		impure|char *getenv(const char *); char *planted(void) { return getenv("HOME"); }
		impure|extern char **environ; char **planted(void) { return environ; }
		impure|long getrandom(void *, unsigned long, unsigned); long planted(void *p) { return getrandom(p, 8, 0); }
		impure|int rand(void); int planted(void) { return rand(); }
		impure|void randombytes_buf(void *, unsigned long); void planted(void *p) { randombytes_buf(p, 8); }
		impure|int puts(const char *); int planted(void) { return puts("x"); }
		impure|extern void *stderr; void *planted(void) { return stderr; }
		impure|void *malloc(unsigned long); void *planted(void) { return malloc(8); }
		impure|void *calloc(unsigned long, unsigned long); void *planted(void) { return calloc(8, 1); }
		impure|int planted(void) { static int calls; return ++calls; }
		impure|int planted_n = 3; int planted(void) { return planted_n++; }
	END
	found=$(violations "$@" "$dir"/*.o)
	for code in "$dir"/*.c; do
		case "$(basename "$code")$(grep -c "^${code%.c}.o: " <<<"$found")" in
		pure*.c0 | impure*.c[1-9]*) ;;
		*)
			echo "self-test: wrong about $(basename "$code" .c): $(cat "$code")"
			failed=1
			;;
		esac
	done
	return "$failed"
}

test=no
if [ "${1-}" = --self-test ]; then
	test=yes
	shift
fi
if [ $# -eq 0 ]; then
	echo "check-pure: no object given" >&2
	exit 1
fi
found=$(violations "$@")
if [ -n "$found" ]; then
	echo "$found"
	exit 1
fi
if [ "$test" = yes ]; then
	self_test "$@"
fi

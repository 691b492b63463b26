#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang-tidy over the given .c files with the checks of .clang-tidy, JOBS at a time (default: one for each processor). A file
# that was found clean is not looked at again until its text, what it includes, the flags or the checks change: CACHE_DIR
# (default mlbd/tidy in the user's cache folder, so that it outlives the tree) holds one empty file for each hash.
#
#   tools/check-tidy.sh FILE.c... -- COMPILER_FLAGS...
#
# Prints what was found and closes with "tidy: N passed, N failed, 0 skipped"; exit 1 when anything failed.
set -eu
export LC_ALL=C

cache=${CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/mlbd/tidy}

# uthash's macros lead the analyzer along paths that cannot be (a bucket that is empty and holds the element): in files that
# use it, the two checks that follow pointers through them are off.
uthash_off='-clang-analyzer-unix.Malloc,-clang-analyzer-core.NullDereference'

check_one() {
	local file=$1 hash out checks=''
	shift
	hash=$({
		clang-tidy --version
		cat .clang-tidy tests/.clang-tidy "$file" "$0"
		echo "$@"
		clang "$@" -E "$file" 2>&1 || true
	} | sha256sum | cut -c1-40)
	[ ! -f "$cache/$hash" ] || return 0
	if grep -q '<uthash\.h>' "$file"; then
		checks=$uthash_off
	fi
	if out=$(clang-tidy --quiet --checks="$checks" "$file" -- "$@" 2>/dev/null); then
		: >"$cache/$hash"
	else
		# The analyzer tells its whole path in notes; clang-tidy by hand on the one file shows them.
		printf '%s\n' "${out:-$file: error: clang-tidy failed without a word}" |
			awk '/: note: / { quiet = 1 } /: (error|warning): / { quiet = 0 } !quiet' | sed "s|$PWD/||" >&2
		return 1
	fi
}

if [ "${1-}" = --one ]; then # one file, called by xargs below
	shift
	if check_one "$@"; then echo passed; else echo failed; fi
	exit 0
fi

files=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
	files+=("$1")
	shift
done
[ $# -eq 0 ] || shift
if [ ${#files[@]} -eq 0 ]; then
	echo "check-tidy: no file given" >&2
	exit 1
fi
mkdir -p "$cache"
result=$(printf '%s\n' "${files[@]}" | xargs -P "${JOBS:-$(nproc)}" -I '{}' "$0" --one '{}' "$@")
passed=$(grep -c passed <<<"$result" || true)
failed=$((${#files[@]} - passed))
echo "tidy: $passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]

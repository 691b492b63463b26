#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Does tests/run-all judge rightly? Each case: expected last line, expected exit status, then the steps.
set -u

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

expect() {
	local last=$1 status=$2 got got_status
	shift 2
	got=$(LOG_DIR="$dir" STEP_SECONDS=1 tests/run-all "$@" 2>&1)
	got_status=$?
	if [ "${got##*$'\n'}" = "$last" ] && [ "$got_status" -eq "$status" ]; then
		passed=$((passed + 1))
		return
	fi
	failed=$((failed + 1))
	printf 'run-all %s\n  expected "%s" (exit %s), got "%s" (exit %s)\n' "$*" "$last" "$status" "${got##*$'\n'}" "$got_status"
}

expect '1 passed, 0 failed, 0 skipped' 0 'a=true'
expect '0 passed, 1 failed, 0 skipped' 1 'a=false'
expect '0 passed, 0 failed, 1 skipped' 0 'a=exit 77'
expect '0 passed, 0 failed, 0 skipped' 1
expect '0 passed, 1 failed, 0 skipped' 1 'empty=echo "x: 0 passed, 0 failed, 0 skipped"'
expect '12 passed, 0 failed, 0 skipped' 0 'a=echo "100%: Checks: 12, Failures: 0, Errors: 0"'
expect '10 passed, 2 failed, 0 skipped' 1 'a=echo "83%: Checks: 12, Failures: 1, Errors: 1"; exit 1'
# Failed cases count even when the program forgets its exit status, and a crash after good counts is a failure.
expect '10 passed, 2 failed, 0 skipped' 1 'a=echo "83%: Checks: 12, Failures: 1, Errors: 1"'
expect '12 passed, 1 failed, 0 skipped' 1 'a=echo "100%: Checks: 12, Failures: 0, Errors: 0"; kill -SEGV $$'
expect '3 passed, 0 failed, 2 skipped' 0 'a=echo "lab: 3 passed, 0 failed, 2 skipped"'
expect '0 passed, 0 failed, 4 skipped' 0 'a=echo "lab: 0 passed, 0 failed, 4 skipped"; exit 77'
expect '5 passed, 0 failed, 0 skipped' 0 'a=echo "sim: 4 passed, 0 failed"; echo "sim2: 1 passed, 0 failed"'
# What a failing step shows of an inner run is indented and is not counted again.
expect '0 passed, 1 failed, 0 skipped' 1 'a=echo "    | 9 passed, 0 failed, 0 skipped"; exit 1'
expect '0 passed, 1 failed, 0 skipped' 1 'slow=sleep 20'
expect '3 passed, 1 failed, 1 skipped' 1 --jobs 3 'a=true' 'b=sleep 0.2' 'c=false' 'd=exit 77' 'e=true'
expect 'u: 1 passed, 0 failed, 0 skipped' 0 --label u 'a=true'
# Tried again: the second run counts, a third is not made, a crash is not tried again, and what the first run said is shown.
once() {
	echo "mkdir '$dir/$1' 2>/dev/null && echo '$2' && exit 1; echo 'x: 3 passed, 0 failed'"
}
expect '3 passed, 0 failed, 0 skipped' 0 --again "a=$(once first 'x: 2 passed, 1 failed')"
expect '4 passed, 0 failed, 0 skipped' 0 --again --jobs 2 "a=$(once second late)" 'b=true'
expect '0 passed, 1 failed, 0 skipped' 1 "a=$(once third late)"
expect '0 passed, 2 failed, 0 skipped' 1 --again 'a=echo "x: 0 passed, 2 failed"; exit 1'
expect '0 passed, 1 failed, 0 skipped' 1 --again "a=$(once fourth 'n1 has ended: killed')"
if LOG_DIR="$dir" tests/run-all --again "a=$(once fifth 'FAIL 3.1 s')" | grep -q '^    | FAIL 3.1 s$'; then
	passed=$((passed + 1))
else
	failed=$((failed + 1))
	echo 'run-all --again does not show what failed first'
fi

echo "run-all: $passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The systemd units: how far they are shut in, by systemd's own measure, and that they let mlbd make the system calls that it makes.
#
#   tools/check-units.sh UNIT=TENTHS...     deploy/systemd/UNIT.service; its exposure at the most
set -eu
export LC_ALL=C

status=0
complain() {
	echo "$1"
	status=1
}

# calls GROUP: the names in it and in the groups that it names.
calls() {
	local name
	while read -r name; do
		case $name in
		'' | '#'* | "$1") ;;
		@*) calls "$name" ;;
		*) echo "$name" ;;
		esac
	done < <(systemd-analyze syscall-filter --no-pager "$1")
}

# unit_calls UNIT: what its SystemCallFilter= lines allow, in their order, one name a line.
unit_calls() {
	local line word now='' here
	while read -r line; do
		here=$(for word in ${line#\~}; do if [ "${word#@}" = "$word" ]; then echo "$word"; else calls "$word"; fi; done | sort -u)
		if [ "${line#\~}" = "$line" ]; then
			now=$(sort -u <<<"$now"$'\n'"$here")
		else
			now=$(comm -23 <(echo "$now") <(echo "$here"))
		fi
	done < <(sed -n 's/^SystemCallFilter=//p' "deploy/systemd/$1.service")
	echo "$now"
}

for limit in "$@"; do
	unit=deploy/systemd/${limit%=*}.service
	systemd-analyze security --offline=yes --no-pager --threshold="${limit#*=}" "$unit" >/dev/null || complain "$unit: exposure above ${limit#*=}"
done

# The guard keeps only what it uses, so the unit has to allow all of it.
guard=$(sed -n '/^static const char guard_calls\[\] =/,/;$/s/.*"\(.*\)";*$/\1/p' daemon/syscall_filter.c | tr ' ' '\n' | grep . | sort -u)
[ "$(wc -l <<<"$guard")" -gt 20 ] || complain "daemon/syscall_filter.c: the guard's calls are not found"
refused=$(comm -23 <(echo "$guard") <(unit_calls mlbd-guard) | paste -sd' ')
[ -z "$refused" ] || complain "deploy/systemd/mlbd-guard.service refuses what the guard uses: $refused"
exit "$status"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The demo: three nodes with mlbd in network namespaces, a service with an IPv4 and an IPv6 address, and a client that pings both
# 1,000 times a second. The owner's daemon is killed, the next owner is cut off and comes back, the third is drained; the client's
# view of each is shown. Needs root; touches nothing outside its own namespaces; cleans up, also on Ctrl-C. B: build folder.
set -u
export LC_ALL=C
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=tests/lab/lab.sh
. tests/lab/lab.sh

BAR_BEFORE=6 # bins of 50 ms before the event
BAR_LEN=72   # together with the label 80 columns: 0.3 s before and 3.3 s behind it
window_number=0
summary=()

fail() {
	echo "demo: $1" >&2
	for log in "$LAB_TMP"/n*.log; do
		[ -f "$log" ] && echo "--- $(basename "$log" .log)" >&2 && tail -n 5 "$log" >&2
	done
	exit 1
}

# say TIME TEXT: a line of the timeline; TIME in us of the lab's clock.
say() {
	printf '%8s s  %s\n' "$(lab_ms $((($1 - start) / 1000)))" "$2"
}

# The client's view around an event: view TARGET LABEL AT.
view() {
	local line bins from
	line=$(grep "^bar window=$window_number target=$1 " "$LAB_TMP/prober.out")
	bins=${line#*view=}
	from=$((($3 - $(lab_field "$line" from_us)) / 50000 - BAR_BEFORE))
	printf '  %-5s %s\n' "$2" "${bins:$((from > 0 ? from : 0)):BAR_LEN}"
}

# phase_end EVENT AT FROM: close the client's window, show what it saw since then, note it for the table.
phase_end() {
	local report4 report6 holder two i rest
	rest=$(($2 + (BAR_LEN - BAR_BEFORE) * 50000 - $(lab_now)))
	((rest <= 0)) || lab_sleep "$((rest / 1000000)).$(printf %06d $((rest % 1000000)))"
	lab_signal USR1 prober
	for ((i = 0; i < 150; i++)); do
		grep -q "^end window=$window_number$" "$LAB_TMP/prober.out" && break
		lab_sleep 0.02
	done
	report4=$(lab_report "$window_number" "${LAB_VIPS[0]}")
	report6=$(lab_report "$window_number" "${LAB_VIPS[1]}")
	[ -n "$report6" ] || fail 'the client died'
	holder=$(lab_field "$report4" holder)
	[ "$holder" = "$3" ] && holder='' # stays
	two=$(lab_field "$report4" dual_us)
	[ "$(lab_field "$report6" dual_us)" -gt "$two" ] && two=$(lab_field "$report6" dual_us)
	printf '%*sv %s\n' $((8 + BAR_BEFORE)) '' "$1"
	view "${LAB_VIPS[0]}" IPv4 "$2"
	view "${LAB_VIPS[1]}" IPv6 "$2"
	echo
	summary+=("$(printf '%-30s %-10s %9s ms %9s ms %9s ms' "$1" "$3${holder:+ -> $holder}" \
		"$(lab_ms "$(lab_field "$report4" outage_us)")" "$(lab_ms "$(lab_field "$report6" outage_us)")" "$(lab_ms "$two")")")
	window_number=$((window_number + 1))
}

# taken_from NODE TEXT: wait until the others agree on another owner, and tell.
taken_from() {
	local others=() node deadline=$((SECONDS + 10))
	for node in "${LAB_NODES[@]}"; do
		[ "$node" = "$1" ] || others+=("$node")
	done
	until lab_owner_agreed "${others[@]}" && [ "$LAB_OWNER" != "$1" ]; do
		((SECONDS <= deadline)) || fail "nobody took over from $1 within 10 s: $LAB_WHY"
		lab_sleep 0.02
	done
	say "$(lab_now)" "$LAB_OWNER holds web${2:+; $2}"
}

# Does the kernel of that node still have an address of ours?
holds() {
	local vip
	for vip in "${LAB_VIPS[@]}"; do
		ip -n "$LAB_PREFIX$1" -o addr show to "$vip" 2>/dev/null | grep -q . && return 0
	done
	return 1
}

event_kill() {
	local owner=$LAB_OWNER at i
	at=$(lab_now)
	lab_kill "$owner"
	say "$at" "kill -9: the daemon on $owner is gone, its kernel still has the addresses"
	for ((i = 0; i < 300; i++)); do
		holds "$owner" || break
		lab_sleep 0.02
	done
	taken_from "$owner"
	phase_end "kill -9 of mlbd on $owner" "$at" "$owner"
	lab_daemon_start "$owner"
	lab_owner_wait 15 || fail "$LAB_WHY"
	say "$(lab_now)" "$owner: daemon started again; $LAB_OWNER keeps web"
}

event_isolate() {
	local owner=$LAB_OWNER at
	at=$(lab_switch isolate "$owner")
	say "$at" "the switch drops everything from and to $owner"
	taken_from "$owner"
	phase_end "$owner falls silent" "$at" "$owner"
	at=$(lab_switch restore "$owner")
	say "$at" "$owner is reachable again"
	lab_owner_wait 15 || fail "$LAB_WHY"
	say "$(lab_now)" "all agree again: $LAB_OWNER holds web"
	phase_end "$owner comes back" "$at" "$LAB_OWNER"
}

event_drain() {
	local owner=$LAB_OWNER at
	at=$(lab_now)
	lab_ctl "$owner" drain >/dev/null || fail "mlbctl drain on $owner was refused"
	say "$at" "mlbctl drain on $owner"
	taken_from "$owner"
	phase_end "mlbctl drain on $owner" "$at" "$owner"
}

lab_possible tests/lab/labswitch tests/lab/prober daemon/mlbd tools/mlbctl || {
	echo "demo: $LAB_WHY" >&2
	exit 1
}
lab_open
lab_net_open 3 1 || fail "$LAB_WHY"
LAB_VIPS=("$(lab_vip 10.0.100.1)" "$(lab_vip fd00:100::1)")
lab_config_write 4 lan
echo "Three nodes n1 n2 n3 on one switch, a service \"web\" with ${LAB_VIPS[0]} and ${LAB_VIPS[1]}, and a client that pings"
echo 'both 1,000 times a second. In the bars each character is 50 ms: # all pings answered, : some, . none; v the event.'
echo
start=$(lab_now)
for node in "${LAB_NODES[@]}"; do
	lab_daemon_start "$node"
done
say "$start" 'mlbd starts on n1, n2 and n3'
lab_owner_wait 15 || fail "$LAB_WHY"
lab_owner_gather || fail "$LAB_WHY"
lab_prober_start || fail "$LAB_WHY"
say "$LAB_READY" "$LAB_OWNER holds web; the client sees it"
lab_sleep 1
event_kill
event_isolate
event_drain
lab_prober_stop || fail "$LAB_WHY"

printf '%-30s %-10s %12s %12s %12s\n' event owner 'outage IPv4' 'outage IPv6' 'two owners'
printf '%s\n' "${summary[@]}"

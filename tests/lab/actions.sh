# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What can be done to the hosts of the lab while the client looks. Sourced after lab.sh by tests/lab/run and tests/lab/chaos.
#
# Actions on a node (n1...). Words that stand for one: owner (who held the address at the first mention), owner2 (who held it at
# the first mention of that), other and other2 (the first and the second running node that was not `owner`); `*` stands for all
# nodes where the text says so.
#
#   isolate, restore N         the switch drops everything from and to N; undo, with every cut from or to N
#   carrier N down|up          the switch takes N's carrier away
#   linkdown, linkup N         N sets its link down
#   flap N PERIOD COUNT        carrier down and up; returns when it is over
#   cut A B, heal [A B]        one way; `*` stands for every other host, the client included; heal alone: all
#   partition A,B|C,D          at the switch, both ways; a `*` is whom the other side does not name, the client included
#   gossipcut, gossipheal N    N's own firewall drops gossip; ARP, NDP and pings pass
#   datacut, dataheal N        N's cable on the network of the services, with gossip on another one
#   loss|dup A B P%, delay A B TIME [jitter TIME]
#   kill9, sigterm, restart N  the daemon (restart: SIGKILL unless it has ended)
#   stop, cont N               SIGSTOP and SIGCONT: the daemon, which its guard may kill (cont then starts it again, as systemd
#                              would),
#   kill9guard, stopguard, contguard N   its guard,
#   killboth, stopboth, contboth N       both by one kill(1)
#   pausevm N TIME             daemon and guard stopped and the cable pulled, for so long; returns when it is over. Of a virtual
#                              machine that is paused this lacks one thing: its kernel's timers would stand still, too
#   drain N [--wait], undrain N   by mlbctl
#   handover SERVICE N         by mlbctl of the node that has the address
#   rolling                    SIGTERM and start, node after node, each when the one before has joined again
#   sick, well N               what the health checks of check*.scn look at
#   flush N                    nft flush ruleset
#   addrdel N                  the service's addresses, or routes, deleted by hand
#   diskfull N|*               the file system of N's log and socket is filled (LAB_DISK)
#   memlimit N|*               daemon and guard get no more address space than they have now
#
# The wall clock cannot be stepped for one namespace, and for all it would be the machine's: tests/sim steps it.

declare -A ROLE=() # owner, other, ... -> node
declare -A DOWN=() # node -> signal of ours for which its daemon may have ended

# A new run: nobody is anything.
actions_reset() {
	ROLE=()
	DOWN=()
}

# The first running nodes that are not the owner: `node` becomes the one of that number.
other_of() {
	local left=$1 name owner
	node_of owner || return 1
	owner=$node
	for name in "${LAB_NODES[@]}"; do
		node=$name
		[ "$name" = "$owner" ] || ! lab_alive "$name" || [ $((left -= 1)) -gt 0 ] || return 0
	done
	LAB_WHY="nobody is other$1"
	return 1
}

# The owner in the eyes of the nodes but one; an owner that was isolated or killed still believes, or says nothing.
holder_of() {
	local asked
	for asked in "${LAB_NODES[@]}"; do
		if [ "$asked" = "$1" ] || ! lab_alive "$asked"; then
			continue
		fi
		node=$(lab_owner "$asked" "${LAB_VIPS[0]}")
		[ -n "$node" ] && [ "$node" != "$1" ] && return 0
	done
	LAB_WHY='nobody has the address'
	return 1
}

# Names that stand for nodes become nodes: into `node`. They are remembered for the run.
node_of() {
	local name=$1
	node=${ROLE[$name]:-}
	[ -z "$node" ] || return 0
	case $name in
	owner) holder_of '' || return 1 ;;
	owner2) holder_of "${ROLE[owner]:-}" || return 1 ;;
	other) other_of 1 || return 1 ;;
	other2) other_of 2 || return 1 ;;
	*)
		node=$name
		return 0
		;;
	esac
	ROLE[$name]=$node
}

# The same for a word like `owner,other|*`: into `node`.
word_of() {
	local rest=$1 piece all=''
	while [ -n "$rest" ]; do
		piece=${rest%%[,|]*}
		node_of "$piece" || return 1
		rest=${rest#"$piece"}
		all+=$node${rest:0:1}
		rest=${rest:1}
	done
	node=$all
}

# Into `nodes`: that one, or all that run.
nodes_of() {
	local name
	nodes=("$1")
	[ "$1" = '*' ] || return 0
	nodes=()
	for name in "${LAB_NODES[@]}"; do
		! lab_alive "$name" || nodes+=("$name")
	done
}

in_node() {
	ip netns exec "$LAB_PREFIX$1" "${@:2}"
}

us_sleep() {
	(($1 <= 0)) || lab_sleep "$(($1 / 1000000)).$(printf %06d $(($1 % 1000000)))"
}

# ---- processes ----

# to_processes SIGNAL NODE daemon|guard|both: all by one kill(1). A guard that is missing is an error.
to_processes() {
	local pids=() guard
	if [ "$3" != guard ]; then
		lab_alive "$2" || { LAB_WHY="the daemon of $2 does not run"; return 1; }
		pids+=("${LAB_PID[$2]}")
	fi
	if [ "$3" != daemon ]; then
		guard=$(lab_guard "$2") || { LAB_WHY="$2 has no guard"; return 1; }
		pids+=("$guard")
	fi
	kill -s "$1" "${pids[@]}" || { LAB_WHY="cannot signal $3 of $2"; return 1; }
	[ "$3" = guard ] && return 0
	case $1 in
	KILL | TERM | STOP) DOWN[$2]=$1 ;;
	esac
	[ "$1" != KILL ] || lab_reap "$2" 2>/dev/null
}

# to_continue NODE daemon|both: what was stopped runs on, or was killed by its guard and is started again.
to_continue() {
	local guard
	[ "$2" = daemon ] || { guard=$(lab_guard "$1") && kill -s CONT "$guard"; }
	lab_signal CONT "$1" || daemon_restart "$1"
}

# A daemon that got SIGTERM must end with 0 within 10 s.
ended_well() {
	local i
	for ((i = 0; i < 200; i++)); do
		lab_alive "$1" || break
		lab_sleep 0.05
	done
	lab_alive "$1" && { LAB_WHY="$1 did not end within 10 s of SIGTERM"; return 1; }
	lab_reap "$1"
	[ "${LAB_EXIT[$1]:-0}" -eq 0 ] || { LAB_WHY="$1 ended with ${LAB_EXIT[$1]} on SIGTERM"; return 1; }
}

# A daemon that hung may have been killed, but not have failed.
killed_well() {
	lab_reap "$1" 2>/dev/null
	[ "${LAB_EXIT[$1]:-137}" -eq 137 ] || { LAB_WHY="$1 ended with ${LAB_EXIT[$1]} after it was stopped"; return 1; }
}

# Daemons that we ended by SIGTERM must have left with 0; the others must still run.
daemons_check() {
	local name
	for name in "${LAB_NODES[@]}"; do
		case ${DOWN[$name]:-} in
		TERM) ended_well "$name" || return 1 ;;
		STOP) lab_alive "$name" || killed_well "$name" || return 1 ;;
		'') lab_alive "$name" || { LAB_WHY="$name ended by itself"; return 1; } ;;
		esac
	done
}

daemon_restart() {
	if [ "${DOWN[$1]:-}" = TERM ]; then
		ended_well "$1" || return 1
	else
		lab_kill "$1"
	fi
	unset "DOWN[$1]"
	lab_daemon_start "$1"
}

# Every node that runs has joined when it counts all of them, and names the same owner.
joined_wait() {
	lab_members_wait 20 "${#LAB_NODES[@]}" && lab_owner_wait 20
}

rolling() {
	local name
	for name in "${LAB_NODES[@]}"; do
		to_processes TERM "$name" daemon && daemon_restart "$name" && joined_wait || return 1
		lab_sleep 1
	done
}

# ---- the host ----

gossip_cut() {
	in_node "$1" nft -f - <<-END
		table inet lab {
			chain in { type filter hook input priority -300; udp dport 7946 drop; tcp dport 7946 drop; tcp sport 7946 drop; }
			chain out { type filter hook output priority -300; udp dport 7946 drop; tcp dport 7946 drop; tcp sport 7946 drop; }
		}
	END
}

addresses_delete() {
	local vip
	for vip in "${LAB_VIPS[@]}"; do
		case $LAB_CLAIM in
		address) ip -n "$LAB_PREFIX$1" addr del "$vip/$([ "$(lab_family "$vip")" = -4 ] && echo 32 || echo 128)" dev eth0 ;;
		route) ip -n "$LAB_PREFIX$1" "$(lab_family "$vip")" route del table local "$vip" ;;
		none) false ;;
		esac || { LAB_WHY="$1 has no $vip to delete"; return 1; }
	done
}

flap() {
	local half i next
	half=$(($(to_us "$2") / 2)) next=${EPOCHREALTIME/./}
	for ((i = 0; i < $3 * 2; i++)); do
		lab_switch carrier "$1" "$([ $((i % 2)) -eq 0 ] && echo down || echo up)" >/dev/null || return 1
		next=$((next + half))
		us_sleep $((next - ${EPOCHREALTIME/./}))
	done
}

pause_host() {
	lab_switch isolate "$1" >/dev/null && to_processes STOP "$1" "$(daemon_and_guard "$1")" || return 1
	us_sleep "$(to_us "$2")"
	to_continue "$1" both && lab_switch restore "$1" >/dev/null
}

# `both` where there is a guard.
daemon_and_guard() {
	if lab_guard "$1" >/dev/null; then echo both; else echo daemon; fi
}

memory_limit() {
	local pid kib
	for pid in "${LAB_PID[$1]}" $(lab_guard "$1"); do
		kib=$(awk '$1 == "VmSize:" { print $2 }' "/proc/$pid/status")
		prlimit --pid "$pid" --as=$((kib * 1024)) || return 1
	done
}

disk_fill() {
	[ -n "$LAB_DISK" ] || return 1
	dd if=/dev/zero of="$LAB_TMP/$1.disk/full" bs=1024 2>/dev/null
	! dd if=/dev/zero of="$LAB_TMP/$1.disk/more" bs=1024 count=8 2>/dev/null
}

# for_nodes N|* FUNCTION
for_nodes() {
	local name nodes
	nodes_of "$1"
	for name in "${nodes[@]}"; do
		"$2" "$name" || return 1
	done
}

hand_over() {
	holder_of '' && lab_ctl "$node" handover "$1" "$2" >/dev/null
}

# ---- one action ----

# act_resolved ACTION WORD...: with nodes by their names.
act_resolved() {
	case $1 in
	isolate | restore | cut | loss | delay | dup | carrier | partition) lab_switch "$@" >/dev/null ;;
	heal) if [ $# -eq 1 ]; then lab_switch heal '*' '*'; else lab_switch "$@"; fi >/dev/null ;;
	datacut) lab_switch isolate "$2" >/dev/null ;;
	dataheal) lab_switch restore "$2" >/dev/null ;;
	gossipcut) gossip_cut "$2" ;;
	gossipheal) in_node "$2" nft delete table inet lab ;;
	linkdown) ip -n "$LAB_PREFIX$2" link set eth0 down ;;
	linkup) ip -n "$LAB_PREFIX$2" link set eth0 up ;;
	flap) flap "$2" "$3" "$4" ;;
	kill9) to_processes KILL "$2" daemon ;;
	kill9guard) to_processes KILL "$2" guard ;;
	killboth) to_processes KILL "$2" both ;;
	stop) to_processes STOP "$2" daemon ;;
	cont) to_continue "$2" daemon ;;
	stopguard) to_processes STOP "$2" guard ;;
	contguard) to_processes CONT "$2" guard ;;
	stopboth) to_processes STOP "$2" both ;;
	contboth) to_continue "$2" both ;;
	sigterm) to_processes TERM "$2" daemon ;;
	restart) daemon_restart "$2" ;;
	pausevm) pause_host "$2" "$3" ;;
	drain) LAB_CTL_SECONDS=30 lab_ctl "$2" drain "${@:3}" >/dev/null ;;
	undrain) lab_ctl "$2" undrain >/dev/null ;;
	handover) hand_over "$2" "$3" ;;
	rolling) rolling ;;
	# what the health check of check.scn looks at
	sick) in_node "$2" sh -c 'echo 66 >/proc/sys/net/ipv4/ip_default_ttl' ;;
	well) in_node "$2" sh -c 'echo 64 >/proc/sys/net/ipv4/ip_default_ttl' ;;
	flush) in_node "$2" nft flush ruleset ;;
	addrdel) addresses_delete "$2" ;;
	diskfull) for_nodes "$2" disk_fill ;;
	memlimit) for_nodes "$2" memory_limit ;;
	*)
		LAB_WHY="$1: unknown action"
		return 1
		;;
	esac
}

# act WORD...: one action. Its time is noted in `events` and, the first time, in `first_event`, which the caller has.
act() {
	local word args=() node='' at
	for word in "${@:2}"; do
		word_of "$word" || return 1
		args+=("$node")
	done
	at=$(lab_now) || return 1
	first_event=${first_event:-$at}
	events+=("$at $1 ${args[*]} ($*)")
	LAB_WHY=''
	act_resolved "$1" "${args[@]}" && return 0
	LAB_WHY=${LAB_WHY:-failed}
	LAB_WHY="$*: $LAB_WHY"
	return 1
}

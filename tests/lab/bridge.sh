# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Hosts on kernel bridges, for tests that need speed or several paths rather than the faults of labswitch. Sourced after lab.sh,
# whose functions for daemons and the client work here, too: the hosts have the same names, addresses and MACs.
#
#   host   path 0                path 1 (bridge_net_open NODES 2)
#   nK     10.77.0.K  fd77::K    10.78.0.K  fd78::K    eth0, eth1
#   client 10.77.0.250 ...       10.78.0.250 ...
#   more   bridge_host_add NAME K: 10.77.0.K ...
#
# Bridge P of path P and its ports (HOST-P) are in the namespace `sw`; nothing appears outside our namespaces.

# shellcheck disable=SC2034 # LAB_WHY is read by those who source this
BRIDGE_PATHS=1
BRIDGE_EXTRA=() # namespaces that lab_net_close does not know

# End what runs and remove the network; another one may be opened then.
bridge_net_close() {
	local name
	lab_kill "${!LAB_PID[@]}"
	for name in "${BRIDGE_EXTRA[@]}"; do
		[ ! -e "/run/netns/$LAB_PREFIX$name" ] || ip netns del "$LAB_PREFIX$name"
	done
	BRIDGE_EXTRA=()
	lab_net_close
}

bridge_exit() {
	trap '' INT TERM HUP
	bridge_net_close
	lab_close
}

# In the place of lab_open.
bridge_open() {
	lab_open
	trap bridge_exit EXIT
}

# bridge_port HOST K PATH: a veth from the host to the bridge of that path.
bridge_port() {
	local ns=$LAB_PREFIX$1 port=$1-$3 mac
	mac=$(printf '02:4d:4c:%02x:00:%02x' "$3" "$2")
	ip -n "${LAB_PREFIX}sw" link add "$port" type veth peer name "eth$3" address "$mac" netns "$ns" &&
		ip netns exec "$ns" sh -c "echo 0 >/proc/sys/net/ipv6/conf/eth$3/accept_dad" || return 1
	ip -n "${LAB_PREFIX}sw" link set "$port" master "br$3" up || return 1
	ip -n "$ns" -batch - <<-END
		link set lo up
		link set eth$3 txqueuelen 2000 up
		addr add 10.7$((7 + $3)).0.$2/24 dev eth$3
		addr add fd7$((7 + $3))::$2/64 dev eth$3 nodad
	END
}

# bridge_host_add NAME K: a host that is no node.
bridge_host_add() {
	local path
	ip netns add "$LAB_PREFIX$1" || { LAB_WHY="cannot create namespace $LAB_PREFIX$1"; return 1; }
	BRIDGE_EXTRA+=("$1")
	for ((path = 0; path < BRIDGE_PATHS; path++)); do
		bridge_port "$1" "$2" "$path" || { LAB_WHY="cannot set up $1"; return 1; }
	done
}

# bridge_net_open NODES [PATHS]: namespaces, bridges, addresses, and the client.
bridge_net_open() {
	local i path
	BRIDGE_PATHS=${2:-1}
	ip netns add "${LAB_PREFIX}sw" || { LAB_WHY="cannot create namespace ${LAB_PREFIX}sw"; return 1; }
	BRIDGE_EXTRA+=(sw)
	for ((path = 0; path < BRIDGE_PATHS; path++)); do
		if ! ip -n "${LAB_PREFIX}sw" link add "br$path" type bridge forward_delay 0 mcast_snooping 0 ||
			! ip -n "${LAB_PREFIX}sw" link set "br$path" up; then
			LAB_WHY='cannot make a bridge'
			return 1
		fi
	done
	for ((i = 1; i <= $1; i++)); do
		bridge_host_add "n$i" "$i" || return 1
		LAB_NODES+=("n$i")
	done
	bridge_host_add client 250
}

# bridge_port_state HOST PATH forward|drop: frames from and to the host pass, or vanish; its link stays up.
bridge_port_state() {
	local state=3 # forwarding
	[ "$3" = forward ] || state=0
	bridge -n "${LAB_PREFIX}sw" link set dev "$1-$2" state "$state"
}

# Microseconds of CLOCK_MONOTONIC are not to be had from the shell; logs carry the wall clock, so this does, too.
bridge_now() {
	echo "${EPOCHREALTIME/./}"
}

# bridge_log_us TIMESTAMP: 2026-01-01T00:00:00.000Z as microseconds.
bridge_log_us() {
	echo "$(($(date -ud "$1" +%s%3N) * 1000))"
}

# bridge_lines NODE EVENT [SINCE_US]: the log lines of that event since then, the time in microseconds.
bridge_lines() {
	local at rest
	grep -aE "^[^ ]+ [a-z]+ $2 " "$LAB_TMP/$1.log" | while read -r at _ rest; do
		at=$(bridge_log_us "$at")
		((at < ${3:-0})) || echo "$at $rest"
	done
}

# bridge_members NODE [SINCE_US]: what its log says about members since then: "TIME_US NAME FROM TO REASON".
bridge_members() {
	bridge_lines "$1" member "${2:-0}" | sed 's/ member / /; s/ [a-z]*=/ /g'
}

# bridge_accusations [SINCE_US [STATES]]: every member that anyone called so since then: "NODE TIME_US NAME FROM TO REASON".
# STATES is a regular expression.
bridge_accusations() {
	local node
	for node in "${LAB_NODES[@]}"; do
		bridge_members "$node" "${1:-0}" | awk -v node="$node" -v states="^(${2:-suspect|dead})\$" '$4 ~ states { print node, $0 }'
	done
}

# bridge_status NODE KEY: a number of `mlbctl -o json status`; empty: it has none of that name.
bridge_status() {
	lab_ctl "$1" -o json status 2>/dev/null | sed -n "s/.*\"$2\": \([0-9]*\),\{0,1\}\$/\1/p" | head -n 1
}

# bridge_owner_changes [SINCE_US]: "NODE TIME_US owner ip=... from=... to=...", but not from nobody: those are first owners.
bridge_owner_changes() {
	local node
	for node in "${LAB_NODES[@]}"; do
		bridge_lines "$node" owner "${1:-0}" | grep -v ' from=none ' | sed "s/^/$node /"
	done
}

# bridge_daemons_run [EXCEPT]: have none of the daemons ended?
bridge_daemons_run() {
	local node
	for node in "${LAB_NODES[@]}"; do
		[ "$node" = "${1:-}" ] || lab_alive "$node" && continue
		LAB_WHY="$node has ended: $(tail -n 1 "$LAB_TMP/$node.log")"
		return 1
	done
}

# bridge_cluster_start NODES PATHS PROFILE: network and daemons, until all know all, and LAB_VIPS have owners.
bridge_cluster_start() {
	local node
	bridge_net_open "$1" "$2" || return 1
	lab_config_write 4 "$3"
	[ "$2" -eq 1 ] || bridge_config_paths
	for node in "${LAB_NODES[@]}"; do
		lab_daemon_start "$node"
	done
	lab_owner_wait 20 && lab_members_wait 20 "$1"
}

# Every node gets an address on each path.
bridge_config_paths() {
	local node
	for node in "${LAB_NODES[@]}"; do
		sed -i "s/^  bind: .*/  bind: [\"10.77.0.${node#n}\", \"10.78.0.${node#n}\"]/" "$LAB_TMP/$node.yaml"
	done
}

# bridge_lateness_judge BOUND_US NODE...: prints how late the loops were; 1 when one is known to be over the bound (0: none).
bridge_lateness_judge() {
	local bound=$1 node p99 max bad=0
	shift
	for node in "$@"; do
		p99=$(bridge_status "$node" latenessP99Us) max=$(bridge_status "$node" latenessMaxUs)
		echo "     $node: loop lateness p99 ${p99:-n/a} us, worst ${max:-n/a} us"
		[ "$bound" -eq 0 ] || [ -z "$p99" ] || [ "$p99" -lt "$bound" ] || bad=1
	done
	return "$bad"
}

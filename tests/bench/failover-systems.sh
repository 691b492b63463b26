# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034 # LAB_WHY, LAB_PID and OWNER are for those who source this
# The systems that tests/bench/failover compares: how each is configured, started and found. Sourced after lab.sh and bridge.sh.
#
# Every system runs on all hosts, takes LAB_VIPS, and has its own defaults but for what system_about says. None of them is run under
# a service manager: nobody restarts what was killed but the system itself.
#
#   LAB_PID[nK]      the process that was started
#   $LAB_TMP/nK.log  what it said

SYSTEMS=(mlbd-lan mlbd-fast keepalived keepalived-100ms keepalived-10ms ucarp)
QUIET_S=10
CHUNK=1000 # addresses of one service of mlbd; it allows 1024

system_known() {
	printf '%s\n' "${SYSTEMS[@]}" | grep -qx -e "$1"
}

# system_program SYSTEM: what has to be installed.
system_program() {
	case $1 in
	keepalived*) echo keepalived ;;
	ucarp) echo ucarp ;;
	*) echo nft ;;
	esac
}

# system_about SYSTEM: how it is configured, for the report.
system_about() {
	local vrrp='VRRP alone (-P), all hosts state BACKUP with nopreempt, priorities 140, 130, 120'
	case $1 in
	mlbd-*)
		echo "profile ${1#mlbd-}, else defaults; many addresses: services of $CHUNK, preferred on one host"
		;;
	keepalived) echo "defaults: VRRPv2, advert_int 1; $vrrp; many addresses: all but the first one excluded from adverts" ;;
	keepalived-*) echo "vrrp_version 3, advert_int $(keepalived_interval "$1"); else as keepalived" ;;
	ucarp) echo 'defaults: advbase 1, advskew 0 on all hosts; --shutdown; the scripts add and delete the addresses by ip(8)' ;;
	esac
}

# The version that runs, or as its package says.
system_version() {
	case $1 in
	mlbd-*) "$LAB_B/daemon/mlbd" --version 2>/dev/null | tail -n 1 ;;
	*) dpkg-query -W -f '${Package} ${Version}' "$(system_program "$1")" 2>/dev/null || echo 'no package: version unknown' ;;
	esac
}

# ---- configurations ----

# Services of CHUNK addresses each; with several, all of them are preferred on n1, or every host would have a part.
mlbd_services() {
	local i vip list
	for ((i = 0; i < ${#LAB_VIPS[@]}; i += CHUNK)); do
		list=''
		for vip in "${LAB_VIPS[@]:i:CHUNK}"; do
			list+="${list:+, }\"$vip\""
		done
		printf '  - name: bench-%d\n    claim: %s\n    addresses: [%s]\n' $((i / CHUNK)) "$LAB_CLAIM" "$list"
		[ ${#LAB_VIPS[@]} -eq 1 ] ||
			printf '    preferences:\n      - weight: 100\n        matchLabels: {bench: first}\n'
	done
}

# mlbd_config SYSTEM NODE
mlbd_config() {
	local node join=''
	for node in "${LAB_NODES[@]}"; do
		join+="${join:+, }\"10.77.0.${node#n}\""
	done
	[ -f "$LAB_TMP/gossip.key" ] || (umask 077 && head -c 32 /dev/urandom | base64 >"$LAB_TMP/gossip.key")
	cat <<-END
		node:
		  name: $2
		$([ "$2" != n1 ] || echo '  labels: {bench: first}')
		gossip:
		  bind: "10.77.0.${2#n}"
		  join: [$join]
		  keyFile: $LAB_TMP/gossip.key
		  profile: ${1#mlbd-}
		services:
		$(mlbd_services)
		control:
		  socket: $LAB_TMP/$2.sock
	END
}

keepalived_interval() {
	case $1 in
	keepalived-100ms) echo 0.1 ;;
	keepalived-10ms) echo 0.01 ;;
	*) echo 1 ;;
	esac
}

# keepalived_config SYSTEM NODE
keepalived_config() {
	cat <<-END
		global_defs {
			router_id $2
			$([ "$1" = keepalived ] || echo 'vrrp_version 3')
		}
		vrrp_instance bench {
			state BACKUP
			nopreempt
			interface eth0
			virtual_router_id 42
			priority $((150 - 10 * ${2#n}))
			advert_int $(keepalived_interval "$1")
			virtual_ipaddress {
				${LAB_VIPS[0]}/32
			}
	END
	if [ ${#LAB_VIPS[@]} -gt 1 ]; then
		printf '\tvirtual_ipaddress_excluded {\n'
		printf '\t\t%s/32\n' "${LAB_VIPS[@]:1}"
		printf '\t}\n'
	fi
	printf '}\n'
}

# The scripts of ucarp: all addresses by one ip(8), and without a word about those that are there, or gone, already.
ucarp_scripts() {
	local what
	for what in add del; do
		printf "addr $what %s/32 dev eth0\n" "${LAB_VIPS[@]}" >"$LAB_TMP/ucarp.$what"
		printf '#!/bin/sh\nip -force -batch %s 2>/dev/null\n' "$LAB_TMP/ucarp.$what" >"$LAB_TMP/ucarp-$what"
		chmod 755 "$LAB_TMP/ucarp-$what"
	done
}

# ---- processes ----

# system_command SYSTEM NODE: its configuration is written; the command goes to `command`.
system_command() {
	local base=$LAB_TMP/$2
	case $1 in
	mlbd-*)
		mlbd_config "$1" "$2" >"$base.yaml"
		command=("$LAB_B/daemon/mlbd" --config "$base.yaml")
		;;
	keepalived*)
		keepalived_config "$1" "$2" >"$base.conf"
		command=(keepalived -P --dont-fork --log-console -f "$base.conf" -p "$base.pid" -r "$base.vrrp.pid")
		;;
	ucarp)
		ucarp_scripts
		command=(ucarp -i eth0 -s "10.77.0.${2#n}" -v 42 -p bench -a "${LAB_VIPS[0]}" --shutdown
			-u "$LAB_TMP/ucarp-add" -d "$LAB_TMP/ucarp-del")
		;;
	esac
}

# node_start SYSTEM NODE
node_start() {
	local command
	system_command "$1" "$2"
	ip netns exec "$LAB_PREFIX$2" "${command[@]}" >"$LAB_TMP/$2.log" 2>&1 &
	LAB_PID["$2"]=$!
}

# first_has SECONDS: until n1 has all addresses, or time is over, or its daemon.
first_has() {
	local deadline=$((SECONDS + $1))
	until lab_claimed n1 "${LAB_VIPS[0]}" && lab_claimed n1 "${LAB_VIPS[-1]}"; do
		if ((SECONDS > deadline)) || ! lab_alive n1; then
			return
		fi
		lab_sleep 0.1
	done
}

# system_start SYSTEM SECONDS: on all hosts. The peers start on one host, and on the others when that one has the addresses, or time is
# over; with many of them after QUIET_S more, for keepalived announces all of them a second time 5 s later and is busy with that: all
# at once would never come to rest. mlbd claims nothing without a majority, so it starts everywhere.
system_start() {
	local node
	for node in "${LAB_NODES[@]}"; do
		node_start "$1" "$node"
		[[ $1 != mlbd-* && $node = n1 ]] || continue
		first_has "$2"
		[ ${#LAB_VIPS[@]} -eq 1 ] || lab_sleep "$QUIET_S"
	done
}

# system_worker SYSTEM NODE: the process that speaks the protocol; keepalived's is a child of the one that was started.
system_worker() {
	local pid=${LAB_PID[$2]:-}
	case $1 in
	keepalived*) read -r pid _ < <(cat "/proc/${pid:-none}/task/"*/children 2>/dev/null) ;;
	esac
	[ -n "$pid" ] && echo "$pid"
}

# Every process on a host: of the system, for nothing else runs there.
system_all() {
	ip netns pids "$LAB_PREFIX$1"
}

# Whatever still runs on the hosts, stopped or not.
systems_kill() {
	local node pid
	for node in "${LAB_NODES[@]}"; do
		[ -e "/run/netns/$LAB_PREFIX$node" ] || continue
		for pid in $(system_all "$node"); do
			kill -s KILL "$pid" 2>/dev/null
		done
	done
}

# systems_run SYSTEM [EXCEPT]: does it run on all other hosts?
systems_run() {
	bridge_daemons_run "${2:-}" && return
	LAB_WHY="$1 on $LAB_WHY"
	return 1
}

# Which hosts have the address in their kernel: into `holders`.
holders_of() {
	local node
	holders=''
	for node in "${LAB_NODES[@]}"; do
		! lab_claimed "$node" "$1" || holders+="${holders:+ }$node"
	done
}

# owner_settled SYSTEM SECONDS SETTLE_S: until one host has had the first and the last address, and no other one, for SETTLE_S; it goes
# to OWNER. 1: a daemon has ended; 2: not in time.
owner_settled() {
	local deadline=$((SECONDS + $2)) since=$SECONDS holders first
	OWNER=''
	while :; do
		systems_run "$1" || return 1
		holders_of "${LAB_VIPS[0]}"
		first=$holders
		holders_of "${LAB_VIPS[-1]}"
		[ "$first" = "$holders" ] && [[ $first = n? ]] || first=''
		[ -n "$first" ] && [ "$first" = "$OWNER" ] || since=$SECONDS
		OWNER=$first
		[ -z "$OWNER" ] || ((SECONDS - since < $3)) || return 0
		((SECONDS <= deadline)) && lab_sleep 0.1 && continue
		LAB_WHY="within $2 s no host had all addresses alone; in the end the last one was with: ${holders:-nobody}"
		return 2
	done
}

# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The failover lab as a library: namespaces on a switch of our own (labswitch), daemons in them, and a client (prober).
# Sourced by tests/lab/run, tests/lab/selftest and tools/demo.sh; needs root.
#
#   host   address               device
#   nK     10.77.0.K  fd77::K    eth0, 02:4d:4c:00:00:0K (a TAP on port K of the switch)
#   client 10.77.0.250 fd77::250 eth0, the last port; asks ARP in the name of 10.77.0.251
#   nK     10.78.0.K  fd78::K    eth1, 02:4d:4c:01:00:0K, on a second switch with LAB_NETWORKS=2: gossip is there then
#
# Everything lives in one temporary folder (LAB_TMP) and in namespaces whose names begin with LAB_PREFIX; lab_close, which
# lab_open sets as the exit trap, ends the processes that were started here and removes both. Functions return 0, or 1 with
# LAB_WHY set. Times are microseconds of CLOCK_MONOTONIC, the clock of the switch, the prober and the daemons' logs.

LAB_B=${B:-build/release}
LAB_TMP=''
LAB_PREFIX=''
LAB_WHY=''
LAB_NODES=()          # n1 n2 ...
LAB_VIPS=()           # addresses of the service, as they are in the lab
LAB_SERVICE=web
# A system call that the filters of mlbd would refuse ends it, and so the test: daemon/syscall_filter.h.
export MLB_SYSCALLS=trap
# Set these before lab_net_open; they hold until they are set again.
LAB_CLAIM=address     # claim mode of the service: address, route, none
LAB_NETWORKS=1        # 2: gossip has a network of its own
LAB_DISK=''           # 64k: each node's log and socket are on a file system of that size; empty: on ours
LAB_GOSSIP_LINES=()   # more lines for the gossip part of the configuration
LAB_SERVICE_LINES=()  # and for the service
LAB_LINES=()          # and of its own
declare -A LAB_PID    # switch, switch1, prober, n1 ...: process of ours that was not waited for yet
declare -A LAB_EXIT   # n1 ...: exit status of a daemon that we waited for
LAB_CLOCK_FD=''
LAB_STOLEN_AT=0 LAB_STOLEN_MS=0

# Pause; unlike sleep(1) a signal ends it at once and no process is left behind.
lab_sleep() {
	read -r -t "$1" -u "$LAB_CLOCK_FD" || true
}

# lab_wait_for SECONDS COMMAND...: until it succeeds; 1: not in time. It is tried every LAB_WAIT_S (0.05).
lab_wait_for() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS <= deadline)) || return 1
		lab_sleep "${LAB_WAIT_S:-0.05}"
	done
}

# lab_possible PROGRAM...: can the lab run here, and are those programs built?
lab_possible() {
	local program
	LAB_WHY=''
	if [ "$(id -u)" -ne 0 ]; then
		LAB_WHY='needs root (network namespaces and TAP devices)'
	elif [ ! -c /dev/net/tun ]; then
		LAB_WHY='no /dev/net/tun'
	fi
	for program in "$@"; do
		[ -n "$LAB_WHY" ] || [ -x "$LAB_B/$program" ] || LAB_WHY="$LAB_B/$program is not built"
	done
	[ -z "$LAB_WHY" ]
}

# Temporary folder and clean-up.
lab_open() {
	LAB_PREFIX="mlblab-$$-"
	LAB_TMP=$(mktemp -d "${TMPDIR:-/tmp}/mlblab.XXXXXX") || exit 1
	mkfifo "$LAB_TMP/clock"
	exec {LAB_CLOCK_FD}<>"$LAB_TMP/clock"
	# It cannot be caught, but with a trap bash does not report children that somebody else killed.
	# shellcheck disable=SC2173
	trap : KILL
	trap lab_close EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

# Is the process of that name still one of our running children? Guards against numbers used again.
lab_alive() {
	local pid=${LAB_PID[$1]:-}
	[ -n "$pid" ] && jobs -rp | grep -qx "$pid"
}

lab_signal() {
	lab_alive "$2" && kill -s "$1" "${LAB_PID[$2]}" 2>/dev/null
}

# Wait for a child that ends or has ended; its status goes to LAB_EXIT.
lab_reap() {
	local status=0
	[ -n "${LAB_PID[$1]:-}" ] || return 0
	wait "${LAB_PID[$1]}" 2>/dev/null || status=$?
	LAB_EXIT[$1]=$status
	unset "LAB_PID[$1]"
}

# Kill children and wait for them. The shell's own words about killed jobs are not wanted.
lab_kill() {
	local name
	{
		for name in "$@"; do
			lab_signal KILL "$name"
		done
		for name in "$@"; do
			lab_reap "$name"
		done
	} 2>/dev/null
}

# What still runs in a namespace of ours: guards, helpers of daemons.
lab_leftovers_kill() {
	local pid
	for pid in $(ip netns pids "$LAB_PREFIX$1"); do
		kill -s KILL "$pid" 2>/dev/null
	done
}

# End processes, switch last, so that no daemon sees its device vanish, and remove the namespaces.
lab_net_close() {
	local name
	lab_kill prober "${LAB_NODES[@]}"
	for name in "${LAB_NODES[@]}"; do
		[ ! -e "/run/netns/$LAB_PREFIX$name" ] || lab_leftovers_kill "$name"
	done
	for name in switch switch1; do
		lab_signal TERM "$name"
		lab_reap "$name"
	done
	for name in "${LAB_NODES[@]}" client; do
		[ -e "/run/netns/$LAB_PREFIX$name" ] && ip netns del "$LAB_PREFIX$name"
		[ ! -d "$LAB_TMP/$name.disk" ] || lab_disk_remove "$name"
	done
	LAB_NODES=()
	LAB_VIPS=()
	LAB_EXIT=()
	return 0
}

lab_close() {
	trap '' INT TERM HUP
	lab_net_close
	exec {LAB_CLOCK_FD}>&-
	rm -rf "$LAB_TMP"
}

# to_us 5ms -> 5000; empty: not a time.
to_us() {
	local number=${1%%[a-z]*} unit=${1##*[0-9]} factor whole part
	case $unit in
	us) factor=1 ;;
	ms) factor=1000 ;;
	s) factor=1000000 ;;
	*) return ;;
	esac
	whole=${number%.*} part=0
	case $number in *.*) part=${number#*.} ;; esac
	part=$(printf '%s000000' "$part" | cut -c1-6)
	echo $((10#$whole * factor + 10#$part * factor / 1000000))
}

# ---- the network ----

# lab_host_up NAME K [NETWORK]: eth0 on network 0, eth1 on network 1.
lab_host_up() {
	local ns=$LAB_PREFIX$1 dev=eth${3:-0} net=$((77 + ${3:-0}))
	# No duplicate address detection: a link-local address is usable at once. A link that is set down keeps what a host's
	# configuration would give it again.
	ip netns exec "$ns" sh -c "cd /proc/sys/net/ipv6/conf/$dev && echo 0 >accept_dad && echo 1 >keep_addr_on_down" || return 1
	ip -n "$ns" -batch - <<-END
		link set lo up
		link set $dev txqueuelen 2000 up
		addr add 10.$net.0.$2/24 dev $dev
		addr add fd$net::$2/64 dev $dev nodad
	END
}

# lab_node_up NAME K
lab_node_up() {
	lab_host_up "$1" "$2" || return 1
	[ "$LAB_NETWORKS" -eq 1 ] || lab_host_up "$1" "$2" 1 || return 1
	[ -z "$LAB_DISK" ] || lab_disk_add "$1"
}

# lab_switch_start NAME SEED NETWORK PORT...: a switch, until it takes commands at NAME.sock.
lab_switch_start() {
	local name=$1 i
	rm -f "$LAB_TMP/$name.sock"
	"$LAB_B/tests/lab/labswitch" --seed "$2" --network "$3" --realtime --socket "$LAB_TMP/$name.sock" \
		${LAB_PCAP:+--pcap "$LAB_TMP/$name.pcap"} "${@:4}" 2>"$LAB_TMP/$name.log" &
	LAB_PID[$name]=$!
	for ((i = 0; i < 100; i++)); do
		[ -S "$LAB_TMP/$name.sock" ] && return 0
		lab_alive "$name" || break
		lab_sleep 0.02
	done
	LAB_WHY="$name did not start: $(cat "$LAB_TMP/$name.log")"
	return 1
}

# A small file system for what the daemon of a node writes; its log is found at the usual place.
lab_disk_add() {
	local disk=$LAB_TMP/$1.disk
	mkdir "$disk" && mount -t tmpfs -o "size=$LAB_DISK,nr_inodes=64" mlblab "$disk" || return 1
	ln -s "$1.disk/log" "$LAB_TMP/$1.log"
	ln -s "$1.disk/sock" "$LAB_TMP/$1.sock"
}

# Its log is kept.
lab_disk_remove() {
	local disk=$LAB_TMP/$1.disk
	cp --remove-destination "$disk/log" "$LAB_TMP/$1.log" 2>/dev/null
	rm -f "$LAB_TMP/$1.sock"
	umount "$disk" && rmdir "$disk"
}

# lab_net_open NODES SEED: namespaces, switches, addresses.
lab_net_open() {
	local name i ports=() ports1=()
	for ((i = 1; i <= $1; i++)); do
		LAB_NODES+=("n$i")
	done
	for name in "${LAB_NODES[@]}" client; do
		ip netns add "$LAB_PREFIX$name" || { LAB_WHY="cannot create namespace $LAB_PREFIX$name"; return 1; }
		ports+=("$name=$LAB_PREFIX$name")
	done
	ports1=("${ports[@]:0:$1}")
	lab_switch_start switch "$2" 0 "${ports[@]}" || return 1
	[ "$LAB_NETWORKS" -eq 1 ] || lab_switch_start switch1 "$2" 1 "${ports1[@]/%/:eth1}" || return 1
	for ((i = 1; i <= $1; i++)); do
		lab_node_up "n$i" "$i" || { LAB_WHY="cannot set up n$i"; return 1; }
	done
	lab_host_up client 250 || { LAB_WHY='cannot set up the client'; return 1; }
}

# Give the switch of the services a command; prints the time at which it took effect.
lab_switch() {
	local answer
	if answer=$("$LAB_B/tests/lab/labswitch" --control "$LAB_TMP/switch.sock" "$@" 2>&1); then
		answer=${answer%%$'\n'*}
		echo "${answer#ok }"
	else
		echo "switch: $*: $answer" >&2
		return 1
	fi
}

# The time now.
lab_now() {
	lab_switch mark now
}

# The name that a node's MAC has in the prober's lines.
lab_prober_names() {
	local i
	for ((i = 1; i <= ${#LAB_NODES[@]}; i++)); do
		printf -- '--name 02:4d:4c:00:00:%02x=n%d ' "$i" "$i"
	done
}

# An address of a scenario, brought into the subnet of the lab: 10.0.100.K -> 10.77.0.(100+K), fd00:100::K -> fd77::100:K.
lab_vip() {
	case $1 in
	*:*) echo "fd77::100:${1##*:}" ;;
	*) echo "10.77.0.$((100 + ${1##*.}))" ;;
	esac
}

# -4 or -6, as ip(8) takes it.
lab_family() {
	case $1 in
	*:*) echo -6 ;;
	*) echo -4 ;;
	esac
}

# ---- daemons ----

# lab_lines INDENT [LINE...]
lab_lines() {
	[ $# -eq 1 ] || printf "$1%s\n" "${@:2}"
}

# lab_config_write FAMILY PROFILE [TIMER-LINE...]: one configuration for each node; FAMILY of the gossip: 4 or 6.
lab_config_write() {
	local family=$1 profile=$2 node k join='' vips='' net=$((76 + LAB_NETWORKS)) socket=sock
	shift 2
	if [ "$family" = 6 ]; then net=fd$net::; else net=10.$net.0.; fi
	[ -z "$LAB_DISK" ] || socket=disk/sock
	(umask 077 && head -c 32 /dev/urandom | base64 >"$LAB_TMP/gossip.key")
	for node in "${LAB_NODES[@]}"; do
		join+="${join:+, }\"$net${node#n}\""
	done
	for k in "${LAB_VIPS[@]}"; do
		vips+="${vips:+, }\"$k\""
	done
	for node in "${LAB_NODES[@]}"; do
		cat >"$LAB_TMP/$node.yaml" <<-END
			node:
			  name: $node
			gossip:
			  bind: "$net${node#n}"
			  join: [$join]
			  keyFile: $LAB_TMP/gossip.key
			  profile: $profile
			$(lab_lines '  ' "${LAB_GOSSIP_LINES[@]}")
			$([ $# -eq 0 ] || echo '  timers:' && lab_lines '    ' "$@")
			services:
			  - name: $LAB_SERVICE
			    claim: $LAB_CLAIM
			    addresses: [$vips]
			$(lab_lines '    ' "${LAB_SERVICE_LINES[@]}")
			control:
			  socket: $LAB_TMP/$node.$socket
			$(lab_lines '' "${LAB_LINES[@]}")
		END
	done
}

# With claim mode none something else takes the packets: every node has the addresses where nobody asks for them, as kube-proxy in
# its IPVS mode does, and answers ARP only for what is on the interface that was asked.
lab_packets_take() {
	local node vip
	for node in "${LAB_NODES[@]}"; do
		ip netns exec "$LAB_PREFIX$node" sh -c 'cd /proc/sys/net/ipv4/conf/all && echo 1 >arp_ignore && echo 2 >arp_announce' || return 1
		for vip in "${LAB_VIPS[@]}"; do
			ip -n "$LAB_PREFIX$node" addr add "$vip" dev lo || return 1
		done
	done
}

# lab_claimed NODE IP: does the kernel of that node have the address, as far as it should?
lab_claimed() {
	case $LAB_CLAIM in
	address) ip -n "$LAB_PREFIX$1" -o addr show dev eth0 to "$2" 2>/dev/null | grep -q . ;;
	route) ip -n "$LAB_PREFIX$1" "$(lab_family "$2")" route show table local "$2" 2>/dev/null | grep -q . ;;
	none) return 0 ;;
	esac
}

# The process id of the guard of a node's daemon: as the daemon said last, or its child of that name; fails when there is none.
lab_guard() {
	local pid said ours
	said=$(sed -nE 's/^[^ ]+ [a-z]+ guard (.* )?pid=([0-9]+).*/\2/p' "$LAB_TMP/$1.log" | tail -n 1)
	ours=$(ip netns pids "$LAB_PREFIX$1")
	for pid in $said $(cat "/proc/${LAB_PID[$1]:-none}/task/"*/children 2>/dev/null); do
		grep -qx "$pid" <<<"$ours" || continue
		[ "$pid" != "$said" ] && ! tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q guard && continue
		echo "$pid"
		return 0
	done
	return 1
}

lab_daemon_start() {
	ip netns exec "$LAB_PREFIX$1" "$LAB_B/daemon/mlbd" --config "$LAB_TMP/$1.yaml" >>"$LAB_TMP/$1.log" 2>&1 &
	LAB_PID[$1]=$!
	unset "LAB_EXIT[$1]"
}

# lab_ctl NODE ARGUMENT...
lab_ctl() {
	local node=$1
	shift
	timeout "${LAB_CTL_SECONDS:-2}" "$LAB_B/tools/mlbctl" --socket "$LAB_TMP/$node.sock" "$@"
}

# lab_owner NODE IP: who owns the address in the eyes of that node; empty: nobody.
lab_owner() {
	lab_ctl "$1" -o json services 2>/dev/null | tr -d '\n' | tr '{' '\n' | grep -F "\"$2\"" |
		sed -n 's/.*"owner":[[:space:]]*"\([^"]*\)".*/\1/p'
}

# lab_owner_agreed NODE...: do those nodes name one owner for every address, and its kernel has it? The first address's owner
# goes to LAB_OWNER.
lab_owner_agreed() {
	local node vip owner seen first=''
	for vip in "${LAB_VIPS[@]}"; do
		owner=''
		for node in "$@"; do
			seen=$(lab_owner "$node" "$vip")
			if [ -z "$seen" ] || [ "${owner:-$seen}" != "$seen" ]; then
				LAB_WHY="$node says that $vip is owned by ${seen:-nobody}, not ${owner:-decided}"
				return 1
			fi
			owner=$seen
		done
		if ! lab_claimed "$owner" "$vip"; then
			LAB_WHY="$owner should have $vip but its kernel has not"
			return 1
		fi
		first=${first:-$owner}
	done
	LAB_OWNER=$first
}

# lab_owner_wait SECONDS [NODE...]: until all nodes (or those named) agree.
lab_owner_wait() {
	local deadline=$((SECONDS + $1))
	shift
	[ $# -gt 0 ] || set -- "${LAB_NODES[@]}"
	while ! lab_owner_agreed "$@"; do
		if ((SECONDS > deadline)); then
			LAB_WHY="no agreed owner in time: $LAB_WHY"
			return 1
		fi
		lab_sleep 0.05
	done
}

# lab_members_wait SECONDS N [NODE...]: until each of the nodes (default: all) counts N alive.
lab_members_wait() {
	local deadline=$((SECONDS + $1)) want=$2 node count
	shift 2
	[ $# -gt 0 ] || set -- "${LAB_NODES[@]}"
	for node in "$@"; do
		until count=$(lab_ctl "$node" -o json status 2>/dev/null | sed -n 's/.*"alive": \([0-9]*\).*/\1/p') &&
			[ "${count:-0}" -eq "$want" ]; do
			((SECONDS <= deadline)) || { LAB_WHY="$node counts ${count:-no} members alive, not $want"; return 1; }
			lab_sleep 0.05
		done
	done
}

# Bring all addresses of the service to the owner of the first one (addresses are elected one by one).
lab_owner_gather() {
	local vip i
	for vip in "${LAB_VIPS[@]}"; do
		[ "$(lab_owner "$LAB_OWNER" "$vip")" = "$LAB_OWNER" ] && continue
		lab_ctl "$LAB_OWNER" handover "$LAB_SERVICE" "$LAB_OWNER" >/dev/null || { LAB_WHY='handover refused'; return 1; }
		break
	done
	for ((i = 0; i < 100; i++)); do
		for vip in "${LAB_VIPS[@]}"; do
			[ "$(lab_owner "$LAB_OWNER" "$vip")" = "$LAB_OWNER" ] || { lab_sleep 0.05 && continue 2; }
		done
		return 0
	done
	LAB_WHY="the addresses did not come together on $LAB_OWNER"
	return 1
}

# ---- the client ----

# Returns when every address has answered; LAB_READY is then the begin of the measurement.
lab_prober_start() {
	local vip targets=() names i
	for vip in "${LAB_VIPS[@]}"; do
		targets+=(--target "$vip")
	done
	read -r -a names <<<"$(lab_prober_names)"
	: >"$LAB_TMP/prober.out"
	LAB_STOLEN_AT=$(lab_stolen) LAB_STOLEN_MS=0
	ip netns exec "${LAB_PREFIX}client" "$LAB_B/tests/lab/prober" --interface eth0 "${targets[@]}" "${names[@]}" \
		--probe-source 10.77.0.251 --realtime --json "$LAB_TMP/prober.json" \
		>"$LAB_TMP/prober.out" 2>"$LAB_TMP/prober.err" &
	LAB_PID[prober]=$!
	for ((i = 0; i < 300; i++)); do
		LAB_READY=$(sed -n 's/^ready at_us=//p' "$LAB_TMP/prober.out")
		[ -n "$LAB_READY" ] && return 0
		lab_alive prober || break
		lab_sleep 0.02
	done
	lab_kill prober
	LAB_WHY="the client gets no answer: $(cat "$LAB_TMP/prober.err")"
	return 1
}

# End the measurement; the reports are then in prober.out and prober.json.
lab_prober_stop() {
	LAB_STOLEN_MS=$(($(lab_stolen) - LAB_STOLEN_AT))
	lab_signal TERM prober
	lab_reap prober
	[ "${LAB_EXIT[prober]}" -eq 0 ] || { LAB_WHY="prober: $(tail -n 1 "$LAB_TMP/prober.err")"; return 1; }
}

# lab_field LINE KEY: the value of key=value.
lab_field() {
	local rest=" $1"
	case $rest in
	*" $2="*) rest=${rest#*" $2="} && echo "${rest%% *}" ;;
	esac
}

# Microseconds as milliseconds with one decimal.
lab_ms() {
	printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100))
}

# lab_report WINDOW IP: the prober's line.
lab_report() {
	grep "^report window=$1 target=$2 " "$LAB_TMP/prober.out"
}

# Milliseconds of all processors that the hypervisor gave to others (column 8 of /proc/stat, in ticks); 0 where it does not say.
lab_stolen() {
	awk -v tick="$(getconf CLK_TCK)" '$1 == "cpu" { print int($9 * 1000 / tick) }' /proc/stat
}

# lab_stalled LINE: did the machine stand still while this report was measured? The client has a priority that no daemon has, so
# neither its lateness (50 ms) nor the ticks that it missed (5 %) are a daemon's doing, nor is what the hypervisor took.
lab_stalled() {
	local skipped
	skipped=$(lab_field "$1" skipped)
	(($(lab_field "$1" late_us) > 50000 || skipped * 20 > $(lab_field "$1" sent) + skipped || LAB_STOLEN_MS > 150))
}

# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The failover lab as a library: namespaces on a switch of our own (labswitch), daemons in them, and a client (prober).
# Sourced by tests/lab/run, tests/lab/selftest and tools/demo.sh; needs root.
#
#   host   address               device
#   nK     10.77.0.K  fd77::K    eth0, 02:4d:4c:00:00:0K (a TAP on port K of the switch)
#   client 10.77.0.250 fd77::250 eth0, the last port; asks ARP in the name of 10.77.0.251
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
declare -A LAB_PID    # switch, prober, n1 ...: process of ours that was not waited for yet
declare -A LAB_EXIT   # n1 ...: exit status of a daemon that we waited for
LAB_CLOCK_FD=''

# Pause; unlike sleep(1) a signal ends it at once and no process is left behind.
lab_sleep() {
	read -r -t "$1" -u "$LAB_CLOCK_FD" || true
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

# End processes, switch last, so that no daemon sees its device vanish, and remove the namespaces.
lab_net_close() {
	local name
	lab_kill prober "${LAB_NODES[@]}"
	lab_signal TERM switch
	lab_reap switch
	for name in "${LAB_NODES[@]}" client; do
		[ -e "/run/netns/$LAB_PREFIX$name" ] && ip netns del "$LAB_PREFIX$name"
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

# ---- the network ----

# lab_host_up NAME IPV4 IPV6
lab_host_up() {
	local ns=$LAB_PREFIX$1
	# No duplicate address detection: a link-local address is usable at once.
	ip netns exec "$ns" sh -c 'echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad' || return 1
	ip -n "$ns" -batch - <<-END
		link set lo up
		link set eth0 txqueuelen 2000 up
		addr add $2/24 dev eth0
		addr add $3/64 dev eth0 nodad
	END
}

# lab_net_open NODES SEED: namespaces, switch, addresses.
lab_net_open() {
	local name i ports=()
	for ((i = 1; i <= $1; i++)); do
		LAB_NODES+=("n$i")
	done
	for name in "${LAB_NODES[@]}" client; do
		ip netns add "$LAB_PREFIX$name" || { LAB_WHY="cannot create namespace $LAB_PREFIX$name"; return 1; }
		ports+=("$name=$LAB_PREFIX$name")
	done
	rm -f "$LAB_TMP/switch.sock"
	"$LAB_B/tests/lab/labswitch" --seed "$2" --realtime --socket "$LAB_TMP/switch.sock" \
		${LAB_PCAP:+--pcap "$LAB_TMP/lab.pcap"} "${ports[@]}" 2>"$LAB_TMP/switch.log" &
	LAB_PID[switch]=$!
	for ((i = 0; i < 100; i++)); do
		[ -S "$LAB_TMP/switch.sock" ] && break
		lab_sleep 0.02
	done
	lab_switch mark start >/dev/null || { LAB_WHY="the switch did not start: $(cat "$LAB_TMP/switch.log")"; return 1; }
	for ((i = 1; i <= $1; i++)); do
		lab_host_up "n$i" "10.77.0.$i" "fd77::$i" || { LAB_WHY="cannot set up n$i"; return 1; }
	done
	lab_host_up client 10.77.0.250 fd77::250 || { LAB_WHY='cannot set up the client'; return 1; }
}

# Give the switch a command; prints the time at which it took effect.
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

# ---- daemons ----

# lab_config_write FAMILY PROFILE [TIMER-LINE...]: one configuration for each node; FAMILY of the gossip: 4 or 6.
lab_config_write() {
	local family=$1 profile=$2 node k join='' vips='' net=10.77.0.
	shift 2
	[ "$family" = 6 ] && net=fd77::
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
			$([ $# -eq 0 ] || printf '  timers:\n' && printf '    %s\n' "$@")
			services:
			  - name: $LAB_SERVICE
			    addresses: [$vips]
			control:
			  socket: $LAB_TMP/$node.sock
		END
	done
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
	timeout 2 "$LAB_B/tools/mlbctl" --socket "$LAB_TMP/$node.sock" "$@"
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
		if ! ip -n "$LAB_PREFIX$owner" -o addr show to "$vip" 2>/dev/null | grep -q .; then
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

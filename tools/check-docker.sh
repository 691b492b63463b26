#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The rules for the image, which no engine builds here:
#
#   stages        two at least: the compiler stays behind
#   base          each FROM names a stage, or an image with a tag that begins with a number
#   lists         who runs apt-get update removes the lists of packages in the same layer, and installs without recommended ones
#   copy          the last stage copies from another stage or from a file of this repository, never a whole folder; no ADD, no fetching in RUN
#   user          the last USER is a number, and not 0
#   capabilities  the file capabilities of mlbd are those of the DaemonSet: more, and the kernel refuses to run it; fewer, and it cannot work.
#                 They are those of mlbd.service without what health checks as other users need (setuid, setgid, kill), and
#                 with what the unit gives by limits (sys_nice, ipc_lock)
#   entry         ENTRYPOINT and CMD are lists: no shell stands between mlbd and SIGTERM
#   probes        the DaemonSet asks whether it lives and whether it is ready, or there is a HEALTHCHECK
#
#   tools/check-docker.sh [--self-test]      says what is wrong; with --self-test it first breaks each rule, and fails when nobody notices
set -eu
export LC_ALL=C
dockerfile=deploy/docker/Dockerfile
daemonset=deploy/kubernetes/base/daemonset.yaml
unit=deploy/systemd/mlbd.service

# instructions FILE: one a line, without comments, continued lines joined.
instructions() {
	sed '/^[[:space:]]*#/d; /^[[:space:]]*$/d' "$1" | sed -e ':a' -e '/\\$/{N;s/\\\n/ /;ta' -e '}' | tr -s ' \t' ' '
}

# sorted WORDS: capabilities, one a line.
sorted() {
	grep -oE '[A-Za-z_]+' <<<"${1,,}" | sed 's/^cap_//' | sort
}

# rules DOCKERFILE DAEMONSET: what is wrong, each with the name of its rule.
rules() {
	local line words stages='' last_user='' stage=0 from names capabilities
	names=$(instructions "$1" | sed -nE 's/^FROM [^ ]+ AS ([^ ]+)$/\1/p')
	stages=$(instructions "$1" | grep -c '^FROM ')
	[ "$stages" -ge 2 ] || echo 'stages: there is only one'
	while read -r line; do
		case $line in
		FROM\ *)
			stage=$((stage + 1))
			from=${line#FROM } from=${from%% *}
			grep -qxF -- "$from" <<<"$names" || [[ $from =~ ^[a-z0-9./-]+:[0-9][A-Za-z0-9._-]*(@sha256:[0-9a-f]{64})?$ ]] || echo "base: $from"
			;;
		ADD\ *) echo "copy: $line" ;;
		COPY\ --from=*) ;;
		COPY\ *)
			words=${line#COPY } words=${words%% *}
			[ "$stage" -lt "$stages" ] || [ -f "$words" ] || echo "copy: $words into the last stage"
			;;
		USER\ *) last_user=${line#USER } ;;
		ENTRYPOINT\ * | CMD\ *) [[ $line == *' ['*']' ]] || echo "entry: $line" ;;
		RUN\ *)
			[[ $line != *'apt-get update'* || $line == *'rm -rf /var/lib/apt/lists/*' ]] || echo 'lists: they stay in the layer'
			[[ $line != *'apt-get install'* || $line == *--no-install-recommends* ]] || echo 'lists: recommended packages come along'
			[[ ! $line =~ (^|[ ;&|])(curl|wget)\ +(-[^ ]+\ +)*[\"\']?(https?|ftp): ]] || echo "copy: $line"
			;;
		esac
	done < <(instructions "$1")
	[[ $last_user =~ ^[1-9][0-9]*(:[1-9][0-9]*)?$ ]] || echo "user: \"$last_user\""
	capabilities=$(instructions "$1" | sed -nE 's/.*setcap ([a-z_,]+)=ep [^ ]*sbin\/mlbd.*/\1/p')
	diff <(sorted "$capabilities") <(sorted "$(sed -nE 's/^ *add: \[(.*)\]/\1/p' "$2")") >/dev/null || echo "capabilities: $capabilities is not what the DaemonSet has"
	diff <(sorted "$capabilities") <(sorted "$(sed -n 's/^AmbientCapabilities=//p' "$unit") sys_nice ipc_lock" | grep -vxE 'setuid|setgid|kill') >/dev/null ||
		echo "capabilities: $capabilities is not what the unit has"
	instructions "$1" | grep -q '^HEALTHCHECK ' || [ "$(grep -cE '^ *(livenessProbe|readinessProbe):$' "$2")" = 2 ] || echo 'probes: there are none'
}

# broken RULE SED [SED]: with the Dockerfile, and the DaemonSet, changed so the rule complains.
broken() {
	sed -E "$2" "$dockerfile" >"$dir/Dockerfile"
	sed -E "${3:-}" "$daemonset" >"$dir/daemonset.yaml"
	if cmp -s "$dir/Dockerfile" "$dockerfile" && cmp -s "$dir/daemonset.yaml" "$daemonset"; then
		echo "self-test: $2 ${3:-} changes nothing"
		return 1
	fi
	rules "$dir/Dockerfile" "$dir/daemonset.yaml" | grep -q "^$1: " || {
		echo "self-test: $1: $2 ${3:-} goes unnoticed"
		return 1
	}
}

self_test() {
	local status=0
	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
	broken stages '/^FROM debian:12-slim$/,/lists/d' || status=1
	broken base 's/^FROM debian:12-slim AS/FROM debian AS/' || status=1
	broken base 's/^FROM debian:12-slim$/FROM debian:latest/' || status=1
	broken base 's/^FROM debian:12-slim$/FROM debian:stable-slim/' || status=1
	broken lists '0,/ && rm -rf .var.lib.apt.lists.*/s// \&\& true/' || status=1
	broken lists 's/--no-install-recommends//' || status=1
	broken copy 's/^USER/ADD https:\/\/example.org\/x \/x\nUSER/' || status=1
	broken copy 's/^USER/COPY . \/src\nUSER/' || status=1
	broken copy 's/^USER/RUN curl -fsS https:\/\/example.org\/x -o \/x\nUSER/' || status=1
	broken user '/^USER/d' || status=1
	broken user 's/^USER .*/USER root/' || status=1
	broken user 's/^USER .*/USER mlbd/' || status=1
	broken user 's/^USER .*/USER 0:0/' || status=1
	broken capabilities 's/cap_net_admin,/cap_net_admin,cap_sys_admin,/' || status=1
	broken capabilities 's/,cap_ipc_lock//' || status=1
	broken capabilities '/setcap/d' || status=1
	broken capabilities 's/ipc_lock=/sys_time=/' 's/IPC_LOCK/SYS_TIME/' || status=1
	broken capabilities '' 's/, NET_RAW//' || status=1
	broken entry 's/^ENTRYPOINT.*/ENTRYPOINT mlbd/' || status=1
	broken probes '' 's/readinessProbe/startupProbe/' || status=1
	return "$status"
}

status=0
[ "${1:-}" != --self-test ] || self_test || status=1
found=$(rules "$dockerfile" "$daemonset")
[ -z "$found" ] || {
	echo "$dockerfile: ${found//$'\n'/$'\n'$dockerfile: }"
	status=1
}
exit "$status"

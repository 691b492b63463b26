#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Build kube-apiserver and etcd, in the versions that apiserver/go.mod and etcd/go.mod pin, once: into
# ${XDG_CACHE_HOME:-~/.cache}/mlbd/kube. Debian has no such kube-apiserver. Prints the paths:
#
#   tests/kube/build.sh            KUBE_APISERVER=/path ETCD=/path
#   tests/kube/build.sh render     RENDER=/path: the engines of Helm and kustomize (render/main.go), a minute
#
# The same variables, when set, name programs that are ready, and nothing is built. The first time takes some 10 minutes on two
# cores, 0.3 GB of modules and 3 GB of build cache. Go as new as go.mod says is needed; an older one (1.21 on) fetches that by itself
# where GOTOOLCHAIN lets it. Exit 77: there is no Go, or modules cannot be fetched; the last line says what to do.
set -eu
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/mlbd/kube
jobs=${JOBS:-$(nproc)}

# version_of FOLDER MODULE: what its go.mod requires.
version_of() {
	awk -v module="$2" '$1 == "require" && $2 == module { print $3; exit } $1 == module { print $2; exit }' "$here/$1/go.mod"
}

# build FOLDER VERSION LDFLAGS: FOLDER's program, unless it is there; its path on the last line.
build() {
	local folder=$1 program=$cache/$1-$2 flags="-s -w $3" go
	if [ ! -x "$program" ]; then
		for go in go /usr/local/go/bin/go /usr/lib/go/bin/go ''; do
			[ -z "$go" ] || ! command -v "$go" >/dev/null || break
		done
		if [ -z "$go" ]; then
			echo "skipped: no Go, to build $folder $2: install Go (https://go.dev/dl), or set KUBE_APISERVER= and ETCD=" >&2
			return 77
		fi
		mkdir -p "$cache"
		echo "building $folder $2 into $cache: some minutes" >&2
		# One at a time, for whoever calls: the others wait and find it done.
		(
			flock 9
			[ -x "$program" ] || {
				cd "$here/$folder"
				"$go" mod download >&2 || exit 77
				CGO_ENABLED=0 GOMAXPROCS=$jobs nice -n 19 "$go" build -p "$jobs" -trimpath -ldflags "$flags" -o "$program.new" . >&2
				mv "$program.new" "$program"
			}
		) 9>"$cache/lock" || {
			[ $? -eq 77 ] || return 1
			echo "skipped: the modules of $folder $2 cannot be fetched: is there a network, or GOPROXY=?" >&2
			return 77
		}
	fi
	echo "$program"
}

if [ "${1:-}" = render ]; then
	# Its name tells what it was built from: it is ours, and has no version.
	[ -n "${RENDER:-}" ] || RENDER=$(build render "$(cat "$here"/render/*.go "$here"/render/go.sum | sha256sum | head -c 12)" '') || exit
	echo "RENDER=$RENDER"
	exit
fi
etcd=${ETCD:-} apiserver=${KUBE_APISERVER:-}
if [ -z "$etcd" ]; then
	etcd=$(build etcd "$(version_of etcd go.etcd.io/etcd/server/v3)" '') || exit
fi
if [ -z "$apiserver" ]; then
	version=$(version_of apiserver k8s.io/kubernetes)
	minor=${version#v1.}
	set_version=k8s.io/component-base/version.git
	apiserver=$(build apiserver "$version" "-X ${set_version}Version=$version -X ${set_version}Major=1 -X ${set_version}Minor=${minor%%.*}") || exit
fi
echo "KUBE_APISERVER=$apiserver ETCD=$etcd"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Print the folder that has promtool: the one on the path, or one unpacked from Debian's package `prometheus`, which is not installed, for that would
# start a server. Exit 1: there is none.
set -eu

if command -v promtool >/dev/null; then
	dirname "$(command -v promtool)"
	exit
fi
cache=${XDG_CACHE_HOME:-$HOME/.cache}/mlbd/promtool
if [ ! -x "$cache/promtool" ]; then
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	chmod 755 "$work" # apt downloads as a user of its own
	(cd "$work" && { apt-get -q download prometheus || { apt-get -q update && apt-get -q download prometheus; }; } &&
		dpkg-deb -x prometheus_*.deb tree) >&2
	mkdir -p "$cache"
	cp "$work/tree/usr/bin/promtool" "$cache/promtool.new"
	mv "$cache/promtool.new" "$cache/promtool"
fi
echo "$cache"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Do the #include lines keep the direction daemon -> shells -> cores -> base? The rules (see CONTRIBUTING.md):
#
#   base/           includes nothing of ours but base/
#   a core          base/ and its own folder, and of those no header of a shell; cores of kube/ also allocator/
#   a shell         base/ and its own folder
#   daemon/         everything but tools/ and tests/; its cores (node, announcer) only cores, of gossip/, election/ and base/
#   tools/          base/ and tools/
#   tests/          everything
#
# A header belongs to a shell when the .c file of its name does. Our own headers are included by their path from the root
# in double quotes, so that these lines can be read here; nobody includes a .c file.
#
#   SHELL_SRC="gossip/udp.c ..." CORE_SRC="..." tools/check-layers.sh [--self-test]
set -eu
export LC_ALL=C

# Print "file:line: what" for each line of the tree in the current folder that breaks a rule.
violations() {
	find . \( -name build -o -name '.*' ! -name . \) -prune -o -name '*.[ch]' -printf '%P\n' | sort |
		xargs grep -nE '^[[:space:]]*#[[:space:]]*include' /dev/null |
		awk -v shell_src="$SHELL_SRC" -v core_src="$CORE_SRC" '
		BEGIN {
			n = split(shell_src, list, " ")
			for (i = 1; i <= n; i++) { sub(/\.c$/, "", list[i]); shell[list[i]] = 1 }
			n = split(core_src, list, " ")
			for (i = 1; i <= n; i++) { sub(/\.c$/, "", list[i]); core[list[i]] = 1 }
		}
		function exists(path,    line, status) {
			if (path in known)
				return known[path]
			status = (getline line < path)
			close(path)
			return known[path] = (status >= 0)
		}
		function folder(path) { return path ~ /\// ? substr(path, 1, index(path, "/") - 1) : "" }
		function stem(path) { sub(/\.[ch]$/, "", path); return path }
		function bad(why) { print where ": " why }
		{
			split($0, part, ":")
			file = part[1]; where = file ":" part[2]
			match($0, /["<][^">]*[">]/)
			quote = substr($0, RSTART, 1); target = substr($0, RSTART + 1, RLENGTH - 2)
			if (quote == "<" && target !~ /\// )
				next
			if (quote == "<") {
				if (exists(target)) bad("<" target "> is ours: include it in double quotes")
				next
			}
			if (target ~ /\.c$/) { bad("includes a .c file: " target); next }
			if (target !~ /\// || !exists(target)) { bad("\"" target "\" is no path of ours from the root"); next }
			from = folder(file); to = folder(target)
			if (from == "tests")
				next
			if (to == "tests") { bad(from "/ must not include tests/"); next }
			is_core = (stem(file) in core) || (file ~ /\.h$/ && !(stem(file) in shell) && from != "daemon" && from != "tools")
			if (is_core && (stem(target) in shell)) { bad("a core must not include the shell header " target); next }
			if (from == "daemon") {
				if (to == "tools") bad("daemon/ must not include tools/")
				else if (is_core && to != "base" && to != "gossip" && to != "election" && to != "daemon")
					bad("a core of daemon/ may include base/, gossip/ and election/, not " target)
				else if (is_core && to == "daemon" && !(stem(target) in core))
					bad("a core must not include " target)
				next
			}
			if (is_core && from == "kube" && to == "allocator")
				next
			if (to != "base" && to != from)
				bad(from "/ may include base/ and " from "/, not " target)
		}'
}

# Plant one violation of each kind into a copy of the tree and see that exactly that line is named.
self_test() {
	local dir failed=0 plant file line got want
	dir=$(mktemp -d)
	# shellcheck disable=SC2064
	trap "rm -rf '$dir'" EXIT
	find . \( -name build -o -name '.*' ! -name . \) -prune -o -name '*.[ch]' -print0 |
		xargs -0 cp --parents -t "$dir"
	cd "$dir"
	while read -r file line; do
		[ -n "$file" ] || continue
		plant=$(dirname "$file")/planted_$(basename "$file")
		[ "${file#=}" = "$file" ] || plant=${file#=} # "=file": append to a file that is there
		mkdir -p "$(dirname "$plant")"
		if [ -f "$plant" ]; then cp "$plant" "$dir/.saved"; else rm -f "$dir/.saved"; fi
		printf '%s\n' "$line" >>"$plant"
		want="$plant:$(wc -l <"$plant"): "
		got=$(CORE_SRC="$CORE_SRC election/planted_core.c gossip/planted_core.c" violations)
		if [ "${got#"$want"}" = "$got" ] || [ "$(wc -l <<<"$got")" -ne 1 ]; then
			echo "self-test: planted '$line' in $plant, and got: ${got:-nothing}"
			failed=1
		fi
		if [ -f "$dir/.saved" ]; then mv "$dir/.saved" "$plant"; else rm -f "$plant"; fi
	done <<-'END'
		base/x.c #include "gossip/gossip.h"
		base/x.h #include "election/election.h"
		election/core.c #include "gossip/gossip.h"
		election/core.c #include "base/clock.h"
		election/core.c #include "daemon/log.h"
		gossip/core.c #  include "gossip/udp.h"
		=gossip/gossip.h #include "base/clock.h"
		=gossip/udp.c #include "netlink/netlink.h"
		=arp/socket.c #include "ndp/packet.h"
		=daemon/node.c #include "daemon/log.h"
		=daemon/node.h #include "netlink/table.h"
		=daemon/node.c #include "base/clock.h"
		=daemon/host.c #include "tests/fuzz/x.h"
		allocator/x.c #include "kube/model.h"
		kube/pool.c #include "arp/packet.h"
		tools/x.c #include "daemon/control.h"
		tools/x.c #include <base/addr.h>
		gossip/x.c #include "gossip.h"
		gossip/x.c #include "gossip/udp.c"
	END
	cd - >/dev/null
	return "$failed"
}

found=$(violations)
if [ -n "$found" ]; then
	echo "$found"
	exit 1
fi
if [ "${1-}" = --self-test ]; then
	self_test
fi

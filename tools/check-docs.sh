#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Do the documents name files that exist? Every word in them that looks like a path of ours (a folder of the tree, a slash, a
# name with a suffix) must be there. Each command that they show is run by a test, or has a reason not to be
# (tests/commands.txt). The manual of the configuration has every key that the parser knows, that of the protocol every message.
# ARCHITECTURE.md stays under 300 lines, so that it is read.
set -eu
export LC_ALL=C

status=0
complain() {
	echo "$1"
	status=1
}

folders=$(find . -mindepth 1 -maxdepth 1 -type d ! -name '.*' ! -name build -printf '%P|')
for doc in *.md docs/*.md docs/adr/*.md man/*; do
	while read -r path; do
		[ -e "$path" ] || complain "$doc: $path does not exist"
	done < <(grep -oE "(^|[^A-Za-z0-9_/.<-])(${folders%|})/[A-Za-z0-9_./-]+\.[a-z0-9]+" "$doc" | sed -E 's/^[^A-Za-z]//' | sort -u)
	while read -r link; do
		[ -e "$(dirname "$doc")/$link" ] || complain "$doc: link to $link goes nowhere"
	done < <(grep -oE '\]\([^):]+\)' "$doc" | sed 's/^](//; s/)$//; s/#.*//' | sort -u)
done

# The manual describes each key that the parser knows.
while read -r key; do
	grep -qE "^\.(Ss|(It )?Ic) $key( |\$)" man/mlbd.yaml.5 || complain "man/mlbd.yaml.5: does not describe the key $key"
done < <(sed -nE 's/.*TIMER\("([A-Za-z]+)".*/\1/p; s/\{ "([A-Za-z]+)", (read|config)_/\n\1\n/gp' daemon/config*.c | grep -xE '[A-Za-z]+' | sort -u)

# The manual of the protocol has each type of message, with its number.
number=0
while read -r type; do
	number=$((number + 1))
	grep -qxF ".It $type ($number)" man/mlbd-protocol.7 || complain "man/mlbd-protocol.7: no message $type ($number)"
	grep -qF "| $number | $type |" docs/PROTOCOL.md || complain "docs/PROTOCOL.md: no message $type ($number)"
done < <(sed -n '/^enum message_type/,/MESSAGE_TYPE_N/s/^\tMESSAGE_\([A-Z_]*\).*,$/\1/p' gossip/internal.h)
[ "$number" -ge 22 ] || complain "gossip/internal.h: only $number types of messages were found"

# Keys that the table for users of keepalived names, as part.key.
while read -r key; do
	grep -qE "^\\.(Ss|(It )?Ic) ${key#*.}( |\$)" man/mlbd.yaml.5 || complain "docs/from-keepalived.md: there is no key $key"
done < <(grep -oE '`(gossip|services|node|placement|control|fencing|conflict)\.[A-Za-z]+' docs/from-keepalived.md | tr -d '`' | sort -u)

# The runbook has an entry for each finding of `mlbctl diagnose`: those of the daemon, and those of mlbctl itself.
while read -r code; do
	grep -qF "| \`$code\` |" docs/runbook.md || complain "docs/runbook.md: no entry for the finding $code"
done < <(sed -n '/^static const struct finding_kind kinds/,/^};/s/^\t\t"\([a-z0-9-]*\)",$/\1/p' daemon/diagnose_finding.c
	sed -nE 's/.*add\(doc, "([a-z-]+)".*/\1/p' tools/diagnose.c)

# commands DOCUMENT: those that it shows, in fences without a language or of a shell, or indented: each without prompt and comment.
commands() {
	awk '/^```/ { shell = !fence && $0 ~ /^```(sh|bash|shell|console)?$/; fence = !fence; next }
		fence ? shell && /[^ ]/ : /^    ([A-Z]+=[^ ]+ )?[a-z(][^{]*$/' "$1" | sed -E 's/^ +//; s/^[$#] //; s/ +# .*//'
}

# Each of them is in the list, with the test that runs it or the reason why none does; and the list has no others.
list=tests/commands.txt
shown=$(for doc in README.md docs/runbook.md docs/from-keepalived.md docs/migrate-*.md; do commands "$doc"; done | sort -u)
listed=$(grep -v '^#' "$list" | grep -v '^[[:space:]]' | sed '/^$/d' | sort)
while read -r line; do
	[ -z "$line" ] || complain "$list: has not, or no document shows: $line"
done < <(diff <(echo "$shown") <(echo "$listed") | sed -n 's/^[<>] //p')
while IFS= read -r line; do
	case $line in
	'#'* | '') ;;
	$'\trun '*)
		read -r _ file text <<<"$line"
		grep -qF -- "$text" "$file" 2>/dev/null || complain "$list: $file does not have: $text"
		last=''
		;;
	$'\treason '?*) last='' ;;
	*)
		[ -z "${last:-}" ] || complain "$list: neither test nor reason: $last"
		last=$line
		;;
	esac
done <"$list"
[ -z "${last:-}" ] || complain "$list: neither test nor reason: $last"
grep -qF "'tutorial=" tests/targets.mk || complain "docs/tutorial.md: no test plays it"

[ "$(wc -l <ARCHITECTURE.md)" -lt 300 ] || complain "ARCHITECTURE.md: 300 lines or more"
exit "$status"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Do bash, zsh and fish complete the command lines of mlbctl with the scripts that it prints? And what are its exit statuses and
# colours without a daemon? B names the build folder.
set -u
export LC_ALL=C.UTF-8 # fish wants one

mlbctl=$PWD/${B:-build/release}/tools/mlbctl
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0
cd "$dir" || exit 1
touch a-file1 a-file2
for shell in bash zsh fish; do
	"$mlbctl" completion $shell >"$dir/$shell" || exit 1
done

# judge WHAT GOT WANTED
judge() {
	if [ "$2" = "$3" ]; then passed=$((passed + 1)); else
		failed=$((failed + 1))
		printf 'FAIL %s: got "%s", not "%s"\n' "$@"
	fi
}

# The words before the cursor come as arguments; what may follow goes to standard output, a word a line, sorted.
complete_bash() {
	# shellcheck disable=SC2016
	bash --norc --noprofile -c '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _mlbctl; printf "%s\n" "${COMPREPLY[@]}"' \
		"$dir/bash" "$@" 2>&1 | sort
}

# compadd and _files belong to its line editor: stand-ins say what they are asked for, as the editor would choose.
complete_zsh() {
	# shellcheck disable=SC2016
	zsh -fc 'compdef() { :; }; . "$1"; shift
		compadd() { shift; for word; do [[ $word != $cur* ]] || print -r -- $word; done; }
		_files() { print -l -- $cur*(N); }
		words=("$@"); CURRENT=$#; _mlbctl' zsh "$dir/zsh" "$@" 2>&1 | sort
}

complete_fish() {
	local line="$*"
	[ -n "${*: -1}" ] || line="${line% } "
	HOME=$dir fish --no-config -c "source $dir/fish; complete -C '$line'" 2>&1 | cut -f1 | sort -u
}

# expect 'WORDS' WORD...: the line, split at blanks (a blank at its end: a new word begins), is completed by just these.
expect() {
	local line=$1 words shell got want
	shift
	read -ra words <<<"$line"
	[ "${line% }" = "$line" ] || words+=('')
	want=$(printf '%s\n' "$@" | sort)
	for shell in bash zsh fish; do
		got=$(complete_$shell "${words[@]}")
		judge "$shell '$line'" "$got" "$want"
	done
}

commands=$("$mlbctl" help | sed -n '/^commands:/,/^$/s/^  \([^ ]*\).*/\1/p' | sort -u)
# shellcheck disable=SC2086
expect 'mlbctl ' $commands
expect 'mlbctl ke' keys
expect 'mlbctl keys ' add list remove use
expect 'mlbctl --socket /x keys a' add
expect 'mlbctl -o json log-level ' debug error info warning
expect 'mlbctl -o ' json text wide
expect 'mlbctl --output j' json
expect 'mlbctl completion z' zsh
expect 'mlbctl --socket a-f' a-file1 a-file2
expect 'mlbctl events --fo' --follow
expect 'mlbctl keys use --for' --force
expect 'mlbctl --time' --timeout

# status WANTED ARGUMENT...: what is said goes to standard error alone, where it is no success.
status() {
	local want=$1 got
	shift
	"$mlbctl" "$@" >out 2>err
	got=$?
	judge "exit status of: $*" "$got" "$want"
	[ "$want" -eq 0 ] || judge "standard output of: $*" "$(wc -c <out)" 0
	[ "$want" -eq 0 ] || judge "a reason for: $*" "$([ -s err ] && echo yes)" yes
}

status 0 help
status 0 --help
status 0 completion fish
status 0 --socket "$dir/none" version
status 2
status 2 bogus
status 2 --bogus status
status 2 keys
status 2 status more
status 2 --follow status
status 2 -o yaml status
status 2 --timeout 0 status
status 2 --timeout x status
status 2 --since x events
status 2 completion tcsh
status 2 handover web
status 3 --socket "$dir/none" status
status 3 --socket "$dir/a-file1" status
# A socket where nobody answers: --timeout ends the wait.
python3 -c 'import socket,sys,time; s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(9); time.sleep(30)' "$dir/mute" &
mute=$!
for ((i = 0; i < 100; i++)); do
	[ ! -S mute ] || break
	sleep 0.05
done
start=$EPOCHREALTIME
status 3 --socket "$dir/mute" --timeout 0.3 status
took=$(((${EPOCHREALTIME/./} - ${start/./}) / 1000))
judge "--timeout 0.3 took $took ms" "$([ "$took" -ge 300 ] && [ "$took" -lt 2000 ] && echo yes)" yes
kill "$mute"

echo "completion: $passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]

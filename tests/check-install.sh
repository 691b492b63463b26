#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Does `make install` put everything where it belongs, do the units hold together, is the example good, and does uninstall
# take all of it away? B is the build folder, MAKE the make that called.
set -u

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0 skipped=0
root=$dir/root prefix=/opt/mlb

pass_if() {
	local what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL $what"
	fi
}

is_there() {
	[ -s "$root$prefix/$2" ] && [ "$(stat -c %a "$root$prefix/$2")" = "$1" ]
}

"${MAKE:-make}" --no-print-directory install DESTDIR="$root" PREFIX="$prefix" >"$dir/install.log" 2>&1 || {
	cat "$dir/install.log"
	echo "install: 0 passed, 1 failed, 0 skipped"
	exit 1
}
while read -r mode file; do
	pass_if "$file has mode $mode" is_there "$mode" "$file"
done <<'END'
755 sbin/mlbd
755 bin/mlbctl
644 share/man/man8/mlbd.8
644 share/man/man8/mlbd-guard.8
644 share/man/man7/mlbd-protocol.7
644 share/man/man5/mlbd.yaml.5
644 share/man/man1/mlbctl.1
644 share/bash-completion/completions/mlbctl
644 share/zsh/site-functions/_mlbctl
644 share/fish/vendor_completions.d/mlbctl.fish
644 lib/systemd/system/mlbd.service
644 lib/systemd/system/mlbd-guard.service
644 lib/sysusers.d/mlbd.conf
644 lib/tmpfiles.d/mlbd.conf
644 share/mlbd/mlbd.schema.json
644 share/doc/mlbd/mlbd.yaml
644 share/doc/mlbd/LICENSE
END

units=$root$prefix/lib/systemd/system
pass_if "the unit starts the installed program" grep -q "^ExecStart=$prefix/sbin/mlbd --config" "$units/mlbd.service"
pass_if "so does the guard's" grep -q "^ExecStart=$prefix/sbin/mlbd --guard-listen" "$units/mlbd-guard.service"
# The guard listens where the example tells mlbd to look for it.
guard_socket=$(sed -n 's/^ExecStart=.*--guard-listen //p' "$units/mlbd-guard.service")
pass_if "the example names the guard's socket" grep -q "guardSocket: $guard_socket\( \|\$\)" "$root$prefix/share/doc/mlbd/mlbd.yaml"
pass_if "and the schema that is installed" grep -qF "\$schema=$prefix/share/mlbd/mlbd.schema.json" "$root$prefix/share/doc/mlbd/mlbd.yaml"
# systemd-analyze wants the program to be there: show it the one under DESTDIR.
for unit in mlbd.service mlbd-guard.service; do
	sed "s|$prefix/sbin/mlbd|$root$prefix/sbin/mlbd|" "$units/$unit" >"$dir/$unit"
done
if command -v systemd-analyze >/dev/null; then
	verify=$(systemd-analyze verify --man=no "$dir/mlbd.service" "$dir/mlbd-guard.service" 2>&1 | grep -F mlbd)
	pass_if "systemd-analyze verify: $verify" [ -z "$verify" ]
else
	echo "skipped: systemd-analyze verify (not installed)"
	skipped=$((skipped + 1))
fi

(umask 077 && head -c 32 /dev/urandom | base64 >"$dir/gossip.key")
# check_config: is the text on standard input a good configuration for the installed program?
check_config() {
	sed "s|/etc/mlb/gossip.key|$dir/gossip.key|" >"$dir/mlbd.yaml"
	[ -s "$dir/mlbd.yaml" ] || return 1
	"$root$prefix/sbin/mlbd" --check "$dir/mlbd.yaml" >"$dir/check.log" 2>&1
	local status=$?
	[ "$status" -eq 0 ] || cat "$dir/check.log"
	return "$status"
}
# What the documents show must be good: the commented keys of the example too, and each block of the manual and README.
example=$root$prefix/share/doc/mlbd/mlbd.yaml
pass_if "the example configuration is good" check_config <"$example"
pass_if "the example with its comments is good" check_config < <(sed 's/^\( *\)#\([a-z]\|  \)/\1\2/' "$example")
pass_if "the first example of mlbd.yaml(5) is good" check_config < <(awk '/^\.Ed/ { exit } on; /^\.Bd -literal/ { on = 1 }' man/mlbd.yaml.5)
pass_if "the second example of mlbd.yaml(5) is good" check_config < \
	<(awk '/^\.Ed/ { on = 0 } on; /^\.Bd -literal/ && ++n == 2 { on = 1 }' man/mlbd.yaml.5)
pass_if "the example of README.md is good" check_config < <(awk '/^```$/ { on = 0 } on; /^```yaml$/ { on = 1 }' README.md)
pass_if "the example of docs/from-keepalived.md is good" check_config < <(awk '/^```$/ { on = 0 } on; /^```yaml$/ { on = 1 }' docs/from-keepalived.md)
check_config < <(sed 's/keyFile/keyfile/' "$example") >"$dir/refusal.log"
pass_if "a misspelt key is refused with exit 2" [ $? -eq 2 ]
pass_if "and named with file and line" grep -qE "^$dir/mlbd.yaml:[0-9]+: gossip.keyfile: " "$dir/refusal.log"

"${MAKE:-make}" --no-print-directory uninstall DESTDIR="$root" PREFIX="$prefix" >"$dir/uninstall.log" 2>&1
pass_if "uninstall leaves no file" [ -z "$(find "$root" -type f)" ]

echo "install: $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]

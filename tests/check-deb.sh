#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Debian packages: built twice from this tree, once with a lower version; lintian; then, in a root of their own (an overlay over
# this one, so that nothing here changes), what tests/deb/inside does with them. B is the build folder, VERSION the project's.
set -u

passed=0 failed=0 skipped=0
old_version=0.0.9
dir=${B:-build/release}/check-deb
log=$dir/log

pass_if() {
	local what=$1
	shift
	if "$@" >"$log" 2>&1; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL $what"
		tail -n 20 "$log" | sed 's/^/     | /'
	fi
}

finish() {
	echo "deb: $passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ]
	exit
}

# The root and what it needs; everything goes with the mount namespace. The tree and its programs are seen at /mnt.
# shellcheck disable=SC2016
enter='
	set -eu
	mount -t tmpfs tmpfs /media
	mkdir /media/upper /media/work /media/root
	mount -t overlay overlay -o lowerdir=/,upperdir=/media/upper,workdir=/media/work /media/root
	mount -t proc proc /media/root/proc
	mount --rbind /dev /media/root/dev
	mount -t sysfs sysfs /media/root/sys
	mount -t tmpfs tmpfs /media/root/run
	mount -t tmpfs -o mode=1777 tmpfs /media/root/tmp
	mount --rbind . /media/root/mnt
	cd /
	exec chroot /media/root env -C /mnt "$@"'
in_root() {
	unshare --mount --pid --fork --kill-child --propagation private sh -c "$enter" sh "$@"
}

mkdir -p "$dir"
pass_if "the packages are built" tools/deb.sh "$dir/new" "$VERSION"
pass_if "they are built with a lower version" env ANY_VERSION=yes DEB_BUILD_OPTIONS=noautodbgsym tools/deb.sh "$dir/old" "$old_version"
[ "$failed" -eq 0 ] || finish
pass_if "tools/deb.sh refuses a version that debian/changelog does not have" \
	sh -c "! tools/deb.sh $dir/wrong $old_version && [ ! -e $dir/wrong ]"
pass_if "lintian has no error and no warning" lintian --allow-root --fail-on error,warning "$dir/new/mlbd_${VERSION}_$(dpkg --print-architecture).changes"
pass_if "mlbd --version is that of the package" \
	sh -c "dpkg-deb --fsys-tarfile $dir/new/mlbd_*.deb | tar -xOf - ./usr/sbin/mlbd >$dir/mlbd && chmod 755 $dir/mlbd && [ \"\$($dir/mlbd --version)\" = 'mlbd $VERSION' ]"

if ! in_root true 2>"$log"; then
	echo "skipped: install, upgrade, removal (no mount namespace with an overlay here: $(tail -n 1 "$log"))"
	skipped=$((skipped + 1))
	finish
fi
in_root env B="${B:-build/release}" OLD="$dir/old" OLD_VERSION="$old_version" NEW="$dir/new" NEW_VERSION="$VERSION" tests/deb/inside | tee "$dir/inside.log" |
	sed '$d'
counts=$(sed -n '$s/^inside: \([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$dir/inside.log")
read -r p f s <<<"${counts:-0 1 0}"
[ -n "$counts" ] || tail -n 1 "$dir/inside.log"
passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
finish

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Build the Debian packages of this tree. A copy is built, so that the tree stays clean and a test can give it another version.
#
#   tools/deb.sh FOLDER VERSION [TREE]      FOLDER/*.deb; FOLDER is emptied first; TREE: default the current folder
#
# debian/changelog names the version too: it must be that of the Makefile, unless ANY_VERSION=yes says that it is changed here.
set -eu

if [ $# -lt 2 ]; then
	echo 'usage: tools/deb.sh FOLDER VERSION [TREE]' >&2
	exit 2
fi
version=$2
tree=${3:-.}

named=$(sed -n '1s/^mlbd (\(.*\)) .*/\1/p' "$tree/debian/changelog")
if [ "$named" != "$version" ] && [ "${ANY_VERSION:-no}" != yes ]; then
	echo "debian/changelog has version $named, the Makefile $version" >&2
	exit 1
fi

rm -rf "$1"
mkdir -p "$1"
folder=$(cd "$1" && pwd)
copy=$folder/mlbd-$version
mkdir "$copy"
(cd "$tree" && tar -cf - --exclude=./build --exclude=./.git .) | tar -xf - -C "$copy"

if [ "$named" != "$version" ]; then
	sed -i "1s/(.*)/($version)/" "$copy/debian/changelog"
	sed -i "s/^VERSION := .*/VERSION := $version/" "$copy/Makefile"
fi

# The make that called, its variables and its compiler are none of the package's business.
unset MAKEFLAGS MAKELEVEL MFLAGS MAKEOVERRIDES CC CFLAGS CPPFLAGS LDFLAGS B MODE V DESTDIR PREFIX
# Of what every package may take for granted (build-essential) the C++ half is not needed: it is not asked for.
(cd "$copy" && dpkg-checkbuilddeps -I &&
	DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS:-parallel=${JOBS:-$(nproc)}}" dpkg-buildpackage --build=binary --no-check-builddeps --no-sign) \
	>"$folder/build.log" 2>&1 || {
	tail -n 40 "$folder/build.log" >&2
	echo "dpkg-buildpackage failed: $folder/build.log" >&2
	exit 1
}
rm -rf "$copy"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Install the Debian packages that building and testing need, and only those that are missing. Quiet when there is nothing
# to do. Called by make; safe to run by hand.
#
#   tools/setup.sh [bench|bench-failover]      also what mlbd is measured against there
set -eu

packages='gcc make pkg-config clang libclang-rt-14-dev clang-format clang-tidy libsodium-dev libmnl-dev libnftnl-dev libcurl4-openssl-dev
libcjson-dev libuv1-dev libyaml-dev libmicrohttpd-dev libseccomp-dev check uthash-dev mandoc shellcheck iproute2 procps spin openssl curl jq systemd
nftables zsh fish python3 python3-yaml python3-jsonschema debhelper lintian'
case ${1:-} in
'') ;;
bench) packages="$packages serf" ;;
bench-failover) packages="$packages keepalived ucarp" ;;
*)
	echo 'usage: tools/setup.sh [bench|bench-failover]' >&2
	exit 2
	;;
esac

# shellcheck disable=SC2086
installed=$(dpkg-query -W -f '${Package}=${db:Status-Status}\n' $packages 2>/dev/null | sed -n 's/=installed$//p' | tr '\n' ' ')
missing=''
for package in $packages; do
	case " $installed" in
	*" $package "*) ;;
	*) missing="$missing $package" ;;
	esac
done
[ -n "$missing" ] || exit 0

echo "setup: installing$missing"
if [ "$(id -u)" -ne 0 ]; then
	echo "setup: not root; run as root: apt-get install$missing" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# The package lists may be fresh enough: ask for them only when the install fails without.
# shellcheck disable=SC2086
apt-get install -y -q --no-install-recommends $missing >/dev/null 2>&1 || {
	apt-get update -q >/dev/null
	# shellcheck disable=SC2086
	apt-get install -y -q --no-install-recommends $missing >/dev/null
}

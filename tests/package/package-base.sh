#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The smallest Debian 12, kept in the build folder.
. "$HERE/debian.sh"
needs_root
if [ -e "$debian/base.tar" ]; then
	echo "made before"
	exit
fi

mirror=$(suites | awk '$2 == "bookworm" { print $1; exit }')
eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
for name in http_proxy https_proxy; do
	eval "[ -z \"\${$name:-}\" ] || export $name"
done
set -- --variant=minbase
case $mirror in
https:*) set -- "$@" --include=ca-certificates ;;
esac
clear_root
mkdir -p "$debian"
mounted debootstrap "$@" bookworm "$root" "$mirror" >"$debian/debootstrap.log" 2>&1 ||
	{ tail -n 20 "$debian/debootstrap.log"; exit 1; }

# What this machine's apt knows of the network.
suites | while read -r uri suite key; do
	case $key in
	/*) mkdir -p "$root$(dirname "$key")"; cp "$key" "$root$key"; echo "deb [signed-by=$key] $uri $suite main" ;;
	*) echo "deb $uri $suite main" ;;
	esac
done >"$root/etc/apt/sources.list"
apt-config dump Acquire >"$root/etc/apt/apt.conf.d/90machine"
# Nobody is there to say yes, and nothing has to survive a power cut.
echo 'APT::Get::Assume-Yes "true";' >"$root/etc/apt/apt.conf.d/91test"
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/test"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
rm -f "$root"/var/cache/apt/archives/*.deb
tar -C "$root" -cf "$debian/base.tar.new" .
mv "$debian/base.tar.new" "$debian/base.tar"
clear_root

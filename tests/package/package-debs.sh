#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The packages are made, are those that we know, and are as Debian wants them.
. "$HERE/debian.sh"
for tool in dpkg-shlibdeps file gzip; do
	command -v $tool >/dev/null || skip "$tool was not found"
done
config=$BUILD/CPackConfig.cmake debs=$debian/debs
mkdir -p "$debian"

# Who asks for something else is told what there is.
if "$CPACK" --config "$config" -G TGZ -B "$debian/tgz" >"$debian/tgz.log" 2>&1; then
	echo "cpack -G TGZ made something"
	exit 1
fi
grep -q 'vmq: .*(cpack -G DEB), not TGZ.*cmake --install' "$debian/tgz.log"
rm -rf "$debian/tgz"

rm -rf "$debs"
"$CPACK" --config "$config" -G DEB -B "$debs" || { tail -n 30 "$BUILD/package.log"; exit 1; }
rm -rf "$debs/_CPack_Packages"
cd "$debs"
for deb in *.deb; do
	echo "== $deb"
	dpkg-deb --field "$deb" Depends
	dpkg-deb --contents "$deb" | awk '{ print $6 }' | grep -E '^\./usr/local|^\./(usr/)?lib64|__pycache__' &&
		{ echo "$deb has files in places that are not Debian's"; exit 1; }
done

# in DEB FILE: it is in there.
in_deb()
{
	dpkg-deb --contents "$1"_[0-9]*.deb | awk '{ print $6 }' | grep -qxE "\./usr/$2" ||
		{ echo "$1 has no $2"; exit 1; }
}
soname=$(dpkg-deb --contents libvmq[0-9]*.deb | sed -n 's/.*\/libvmq\.so\.\([0-9]*\) ->.*/\1/p')
in_deb "libvmq$soname" "lib/[^/]*-linux-gnu[^/]*/libvmq\.so\.$soname"
in_deb libvmq-dev "lib/[^/]*-linux-gnu[^/]*/libvmq\.so"
in_deb libvmq-dev "lib/[^/]*-linux-gnu[^/]*/pkgconfig/vmq\.pc"
in_deb libvmq-dev include/vmq/vmq.h
in_deb vmq-tools bin/vmq
in_deb python3-vmq lib/python3/dist-packages/vmq/__init__.py
for package in libvmq-dev libvmq-xen vmq-tools python3-vmq; do
	ls "$package"_*.deb >/dev/null 2>&1 || continue
	dpkg-deb --field "$package"_*.deb Depends | grep -q "libvmq$soname (" ||
		{ echo "$package does not depend on the library"; exit 1; }
done
dpkg-deb --info libvmq[0-9]*.deb triggers | grep -q ldconfig
dpkg-deb --info libvmq[0-9]*.deb shlibs | grep -qx "libvmq $soname libvmq$soname (>= .*)"
if command -v lintian >/dev/null; then
	lintian --allow-root --fail-on error,warning -- *.deb
fi

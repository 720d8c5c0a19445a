#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The packages, as somebody installs, uses and removes them.
. "$HERE/debian.sh"
needs_root
ls "$debian"/debs/*.deb >/dev/null 2>&1 || skip "the packages were not made"
unpack
mkdir "$root/root/debs" "$root/root/consumer"
cp "$debian"/debs/*.deb "$root/root/debs/"
cp -r "$SOURCE/tests/consumer/." "$root/root/consumer/"
cp "$HERE/use.sh" "$root/root/"
inside bash /root/use.sh
clear_root

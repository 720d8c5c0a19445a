#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# xen.sh - runs what examples/xen/README.md says, word by word, but for the build:
# SOURCE BINARY. In a folder that looks like the source tree after the build.
. "$(dirname "$0")/hub.sh"
source=$1 binary=$2

mkdir -p "$tmp/tree/build/xen" "$binary/xen-image"
ln -s "$source/examples" "$tmp/tree/examples"
ln -s "$binary" "$tmp/tree/build/release"
# One download for all tests of a build folder.
ln -s "$binary/xen-image" "$tmp/tree/build/xen/cache"
cd "$tmp/tree" || exit 1

# line N: the commands of the README, one each line.
line()
{
	awk '/^```sh$/ { on = 1; next } /^```/ { on = 0 } on' "$source/examples/xen/README.md" | sed -n "$1p"
}

# finish NAME LINE: to its end, which must be a good one.
finish()
{
	timeout -s KILL 600 sh -c "$2" >"$tmp/$1.out" 2>&1 || fail "$1 ended with $?"
}

[ "$(line 1)" = "cmake --preset release && cmake --build --preset release" ] || fail "the README has changed"
[ -z "$(line 4)" ] || fail "the README has more commands"
finish image "$(line 2)"
finish boot "$(line 3)"
has boot "qemu-system-x86_64 -accel tcg"
[ "$(tr -d '\r' <"$tmp/boot.out" | grep -cx 'guest: hello\|guest: world')" = 2 ] || fail "the guest did not get its echoes"
has boot "host: 5 bytes from guest"
has boot " left: the peer is gone"
has boot "vmq-init: exit 0"

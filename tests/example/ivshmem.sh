#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# ivshmem.sh - runs what examples/ivshmem/README.md says, word by word, but for the build:
# SOURCE BINARY. In a folder that looks like the source tree after the build.
. "$(dirname "$0")/hub.sh"
source=$1 binary=$2

mkdir -p "$tmp/tree/build/vm" "$binary/ivshmem-image"
ln -s "$source/examples" "$tmp/tree/examples"
ln -s "$binary" "$tmp/tree/build/release"
# One download for all tests of a build folder.
ln -s "$binary/ivshmem-image" "$tmp/tree/build/vm/cache"
cd "$tmp/tree" || exit 1

# line N: the commands of the README, one each line.
line()
{
	awk '/^```sh$/ { on = 1; next } /^```/ { on = 0 } on' "$source/examples/ivshmem/README.md" | sed -n "$1p"
}

# begin NAME LINE: in the background, as it says there.
begin()
{
	case $2 in
	*' &') ;;
	*) fail "this is not for the background: $2" ;;
	esac
	start "$1" sh -c "exec timeout -s KILL 100 ${2% &}"
}

# says NAME TEXT: wait until it has.
says()
{
	tries=600
	until grep -qF -- "$2" "$tmp/$1.out"; do
		[ $tries -gt 0 ] || fail "$1 did not say in time: $2"
		tries=$((tries - 1))
		sleep 0.1
	done
}

# finish NAME LINE: to its end, which must be a good one.
finish()
{
	timeout -s KILL 100 sh -c "$2" >"$tmp/$1.out" 2>&1 || fail "$1 ended with $?"
}

[ "$(line 1)" = "cmake --preset release && cmake --build --preset release" ] || fail "the README has changed"
[ -z "$(line 7)" ] || fail "the README has more commands"
finish image "$(line 2)"
begin server "$(line 3)"
begin host "$(line 4)"
finish guest "$(line 5)"
has guest "qemu-system-x86_64 -accel tcg,thread=multi"
has guest "vmq-init: exit 0"
[ "$(tr -d '\r' <"$tmp/guest.out" | grep -cx 'hello\|world')" = 2 ] || fail "guest-1 did not get its echoes"
finish peer "$(line 6)"
[ "$(cat "$tmp/peer.out")" = "hello
from
the
host" ] || fail "guest-2, on the host, did not get its echoes"
says host "5 bytes from guest"
says host "left: "

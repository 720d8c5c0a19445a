#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# demo_hostile.sh - the demo's receiver writes nothing outside of its folder, whatever
# paths a sender names: VMQ DEMO_SEND DEMO_RECV.
. "$(dirname "$0")/hub.sh"
send=$2 recv=$3

mkdir -p "$tmp/in/sub" "$tmp/in/a/b" "$tmp/out" || exit 1
echo evil >"$tmp/in/evil"
hub_start "$1"
for path in ../in/evil sub/../evil "$tmp/in/evil" ./evil sub//../../in/evil; do
	rm -rf "$tmp/out"
	mkdir "$tmp/out"
	printf '%s\0' "$path" >"$tmp/list"
	start recv "$recv" "$(address receiver)" "$tmp/out"
	receiver=$started
	"$send" -m 0 "$(address sender)" "$tmp/list" "$tmp/in/" >"$tmp/send.out" 2>&1 &&
		fail "$path: the sender was told that all is well"
	wait "$receiver"
	[ $? = 1 ] || fail "$path: the receiver did not fail"
	has recv "refused the path"
	[ -z "$(ls "$tmp/out")" ] || fail "$path: something was written"
done
hub_stop

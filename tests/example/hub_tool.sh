#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# hub_tool.sh - the command `vmq` and its `hub`: usage, errors, counters: VMQ GUEST HOST.
. "$(dirname "$0")/hub.sh"
vmq=$1 guest=$2 host=$3

# expect CODE TEXT ARGUMENT...
expect() {
	code=$1 text=$2
	shift 2
	"$vmq" "$@" >"$tmp/vmq.out" 2>&1
	got=$?
	[ $got = "$code" ] || fail "vmq $*: exit code $got and not $code"
	has vmq "$text"
}

expect 2 "see vmq --help"
expect 0 "usage:" --help
expect 0 "vmq 0." --version
expect 2 "is not a command" nonsense
expect 2 "see vmq hub --help" hub
expect 0 "usage: vmq hub" hub --help
expect 2 "vmq hub: " hub -x "$tmp/hub"
expect 2 "1 to 10000000" hub -k 0 "$tmp/hub"
expect 1 "no.json" hub -t "$tmp/no.json" "$tmp/hub"
printf '{\n "vms": 3\n}\n' >"$tmp/bad.json"
expect 1 "bad.json:2: vms: " hub -t "$tmp/bad.json" "$tmp/hub"
expect 1 "No such file" hub "$tmp/nowhere/hub"

hub_start "$vmq" -j -k 5000
expect 1 "a hub listens at" hub "$tmp/hub"
start host "$host" "$(address host)"
hostpid=$started
hub_says "host joined"
"$guest" "$(address 'a "guest"')" hi >"$tmp/guest.out" 2>&1 || fail "the guest failed"
hub_stop
ended "$hostpid"
tail -n 1 "$tmp/hub.out" | grep -Eq '^\{"a \\"guest\\"":\{"exits_immediate":[0-9]+,.*"host":\{.*\}\}$' ||
	fail "the last line is not JSON of the counters"
[ ! -e "$tmp/hub" ] || fail "the socket is still there"

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# poll.sh - runs the example poll with three guests at a time: VMQ POLL GUEST TOPOLOGY.
. "$(dirname "$0")/hub.sh"
poll=$2 guest=$3
words='1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20'

"$poll" >"$tmp/usage.out" 2>&1
[ $? = 2 ] || fail "usage is not exit code 2"

hub_start "$1" -t "$4"
start poll "$poll" "$(address host)"
server=$started
guests=''
for n in 1 2 3; do
	# shellcheck disable=SC2086 # many words
	start "guest-$n" "$guest" "$(address "guest-$n")" $words
	guests="$guests $started"
done
for pid in $guests; do
	ended "$pid"
done
for n in 1 2 3; do
	# shellcheck disable=SC2086
	[ "$(cat "$tmp/guest-$n.out")" = "$(printf '%s\n' $words)" ] || fail "guest-$n lost something"
done
hub_stop
ended "$server"
has poll "guest-1 joined"
has poll "guest-3 joined"
has poll "stopped:"

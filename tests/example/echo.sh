#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# echo.sh - runs the examples echo_guest and echo_host: VMQ GUEST HOST TOPOLOGY.
. "$(dirname "$0")/hub.sh"
guest=$2 host=$3

"$guest" >"$tmp/usage.out" 2>&1
[ $? = 2 ] || fail "the guest's usage is not exit code 2"
has usage "usage:"
"$guest" "$(address guest-1)" x >"$tmp/nohub.out" 2>&1
[ $? = 1 ] || fail "a guest without a hub does not exit with 1"
has nohub "no hub listens at"

hub_start "$1" -t "$4"
start host "$host" "$(address host)"
hostpid=$started
start one "$guest" "$(address guest-1)" hello "a longer text"
one=$started
start two "$guest" "$(address guest-2)" salut
ended "$started"
ended "$one"
[ "$(cat "$tmp/one.out")" = "hello
a longer text" ] || fail "guest-1 did not get its echoes"
[ "$(cat "$tmp/two.out")" = salut ] || fail "guest-2 did not get its echo"

# A VM that the topology does not have.
"$guest" "$(address stranger)" x >"$tmp/stranger.out" 2>&1
[ $? = 1 ] || fail "a stranger was let in"
has stranger "stranger"

hub_stop
ended "$hostpid"
has host "stopped:"
has hub "guest-1"

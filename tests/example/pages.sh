#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# pages.sh - runs both sides of the example pages: VMQ PAGES TOPOLOGY.
. "$(dirname "$0")/hub.sh"
pages=$2

"$pages" keep nothing >"$tmp/usage.out" 2>&1
[ $? = 2 ] || fail "usage is not exit code 2"

hub_start "$1" -t "$3"
start give "$pages" give "$(address giver)"
giver=$started
start take "$pages" take "$(address taker)"
ended "$started"
ended "$giver"
hub_stop
has give "1024 pages filled"
has give "now have sum 0000000000000000"
has give "4194304 bytes back"
has give "the first is 42"
has give "4194304 bytes handed over, 9 copied"
sent=$(sed -n 's/.*filled at .*, sum //p' "$tmp/give.out")
came=$(sed -n "s/.*'yours now'.* sum //p" "$tmp/take.out")
[ -n "$sent" ] && [ "$sent" = "$came" ] || fail "the bytes differ: $sent and $came"

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# top.sh - vmq top without a terminal, and on terminals of several sizes: VMQ [PYTHON].
. "$(dirname "$0")/watch.sh"

pair s r /dev/null
# Busy until the test ends.
while echo "so it goes" >&5; do :; done 2>/dev/null &
pids="$pids $!"

run 0 top -n 3 -d 0.3 "$what"
[ "$(grep -c ' msg/s, .* byte/s, 2 VMs, 1 channel: ' "$tmp/run.out")" = 3 ] || fail "three blocks, and no more"
[ "$(grep -c '^$' "$tmp/run.out")" = 9 ] || fail "a block ends with an empty line"
grep -qE '^s +r +[0-9.]+[kM]? +[0-9.]+[kM]? +[0-9]+% +[0-9.]+[kM]? +established' "$tmp/run.out" ||
	fail "no line of the lane"
! grep -q "$(printf '\033')" "$tmp/run.out" || fail "escapes without a terminal"
[ "$(cat "$tmp/run-err.out")" = "" ] || fail "that is nothing to complain about"

# A busy lane has a rate, as soon as its VMs have run between two looks.
tries=100
until grep -qE '^s +r +([1-9]|0\.0*[1-9])' "$tmp/run.out"; do
	[ $tries -gt 0 ] || fail "a busy lane has a rate"
	tries=$((tries - 1))
	run 0 top -n 1 -d 0.3 "$what"
done

# A region by itself.
region_of_hub
run 0 top -n 1 -d 0.2 "$region"
grep -qE '^s +r +[0-9.]+' "$tmp/run.out" || fail "no line of the region's lane"

run 2 top
one_line run-err "what to look at?"
run 2 top -d 0 "$what"
one_line run-err "0.1 to 3600"
run 2 top -n 0 "$what"
run 2 top -n many "$what"
run 4 top "sim:unix=$tmp/nowhere"
one_line run-err "no hub listens"
run 1 top "$tmp/nowhere"

# A reader that goes away ends it.
timeout -s KILL 60 "$vmq" top -d 0.1 "$what" | head -n 1 >"$tmp/head.out"
has head "msg/s"

if [ -n "${2:-}" ] && no_terminals "$2"; then
	echo "[SKIP] on terminals: this machine has no pseudo terminals"
elif [ -n "${2:-}" ]; then
	"$2" -B "$(dirname "$0")/top_pty.py" "$vmq" "sim:unix=$what" "$hub" >"$tmp/pty.out" 2>&1 ||
		fail "on a terminal"
	hub=''
fi

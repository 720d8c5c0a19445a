#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# minivmm.sh - runs the example minivmm, with doorbells in the kernel and out of it:
# MINIVMM.
. "$(dirname "$0")/hub.sh"

[ -r /dev/kvm ] && [ -w /dev/kvm ] || { echo "skipped: /dev/kvm cannot be opened"; exit 77; }
"$1" --nonsense >"$tmp/usage.out" 2>&1
[ $? = 2 ] || fail "its usage is not exit code 2"

# What the guests saw must be there, whatever its order.
saw()
{
	has "$1" "a: HELLO came from b"
	has "$1" "b: HELLO came from a"
	[ "$(grep -c 'b: messages received: 64' "$tmp/$1.out")" = 3 ] || fail "b did not get 64 messages in each mode"
	has "$1" "a: 64 messages sent lazily: 0 doorbells"
	has "$1" "a: 64 messages sent, rung for each time: 64 doorbells"
	has "$1" "a: where my page was is a zero page"
	has "$1" "b: a page became mine; it says: written by a"
}

# column RUN N: of guest a's row in the table.
column()
{
	awk -v n="$2" '$1 == "a" && NF == 9 { print $n }' "$tmp/$1.out"
}

timeout -s KILL 50 "$1" >"$tmp/kernel.out" 2>&1 || fail "minivmm failed"
saw kernel
[ "$(column kernel 2)" = 0 ] || fail "doorbells left the kernel"
[ "$(column kernel 4)" -ge 64 ] || fail "no doorbells in the kernel"
[ "$(column kernel 7)" = 1 ] || fail "not one page was moved"

timeout -s KILL 50 "$1" --exits >"$tmp/exits.out" 2>&1 || fail "minivmm --exits failed"
saw exits
[ "$(column exits 2)" -ge 64 ] || fail "no immediate exits"
[ "$(column exits 4)" = 0 ] || fail "doorbells in the kernel"

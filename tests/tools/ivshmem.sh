#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# ivshmem.sh - the commands between host programs at an ivshmem server, and at a file: VMQ.
. "$(dirname "$0")/tool.sh"
start_vmq server ivshmem-server "$tmp/sock"
says server ready
truncate -s 16M "$tmp/region"
head -c 3000000 /dev/urandom >"$tmp/a"
tac "$tmp/a" >"$tmp/b"

for to in "ivshmem:unix=$tmp/sock" "ivshmem:file=$tmp/region"; do
	start_vmq r recv -n 2 "$to?name=r"
	receiver=$started
	there "$to" r
	run 0 send "$to" r hello
	echo line | run 0 send -l "$to?name=s" r
	code 0 "$receiver"
	is r 'hello\nline\n'
	timeout -s KILL 100 "$vmq" cat "$to?name=a" b <"$tmp/a" >"$tmp/a.got" 2>"$tmp/a.out" &
	timeout -s KILL 100 "$vmq" cat "$to?name=b" a <"$tmp/b" >"$tmp/b.got" 2>"$tmp/b.out" || fail "b failed"
	wait $! || fail "a failed"
	cmp -s "$tmp/a" "$tmp/b.got" && cmp -s "$tmp/b" "$tmp/a.got" || fail "something was changed"
done

# Who has a place in the region, and that it lives.
start_vmq r recv "$to?name=r"
there "$to" r
run 0 top -n 1 -d 0.5 "$to"
grep -qE '^r +[0-9]+ +[1-9][0-9.]* +[0-9]+$' "$tmp/run.out" || fail "top does not show the places"

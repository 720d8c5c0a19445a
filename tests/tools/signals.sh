#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# signals.sh - SIGINT, SIGTERM and a reader that has gone end a command at once, in good order,
# and its exit code says so: VMQ.
. "$(dirname "$0")/tool.sh"
hub_start "$vmq"
to="sim:unix=$tmp/hub"

# begin NAME ARGUMENT...: without timeout(1) between, and with SIGINT as a terminal's shell has it.
begin() {
	name=$1
	shift
	/usr/bin/env --default-signal=INT,PIPE "$vmq" "$@" >"$tmp/$name.out" 2>"$tmp/$name-err.out" &
	started=$!
	pids="$pids $started"
}

# ends SIGNAL CODE NAME: the one that began last.
ends() {
	kill -"$1" "$started"
	code "$2" "$started"
	[ ! -s "$tmp/$3-err.out" ] || fail "a signal is no reason to complain"
	hub_says "$3 left"
}

for signal in INT:130 TERM:143 HUP:129; do
	begin r recv "$to?name=r"
	hub_says "r joined"
	ends "${signal%:*}" "${signal#*:}" r
	begin s send -t 50 "$to?name=s" nobody hello
	hub_says "s joined"
	ends "${signal%:*}" "${signal#*:}" s
	begin c cat "$to?name=c" nobody
	hub_says "c joined"
	ends "${signal%:*}" "${signal#*:}" c
	begin l ls -w 50 "$to?name=l"
	hub_says "l joined"
	ends "${signal%:*}" "${signal#*:}" l
done

# A large message that waits for room: nothing of it is ever seen.
head -c 100000 /dev/zero | tr '\0' x >"$tmp/large"
mkfifo "$tmp/lines"
for signal in INT:130 TERM:143 HUP:129; do
	begin big recv "$to?name=big&lane=4096"
	receiver=$started
	begin s send -l -t 50 -f "$tmp/lines" "$to?name=s" big
	exec 5>"$tmp/lines"
	echo first >&5
	says big first
	kill -STOP "$receiver"
	cat "$tmp/large" >&5
	exec 5>&-
	flies s big "[1-9]* fragment"
	ends "${signal%:*}" "${signal#*:}" s
	kill -CONT "$receiver"
	run 0 send "$to?name=after" big 'what follows'
	says big follows
	is big 'first\nwhat follows\n'
	started=$receiver
	ends TERM 143 big
done

mkfifo "$tmp/output"
# Whoever reads what it prints has gone.
/usr/bin/env --default-signal=PIPE "$vmq" recv "$to?name=p" >"$tmp/output" 2>"$tmp/p-err.out" &
piped=$!
pids="$pids $piped"
exec 8<"$tmp/output"
hub_says "p joined"
exec 8<&-
run 0 send "$to" p hello
code 141 "$piped"
[ ! -s "$tmp/p-err.out" ] || fail "a reader that has gone is no reason to complain"

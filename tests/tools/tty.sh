#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tty.sh - on a terminal: progress after a second, and colours; elsewhere neither: VMQ PYTHON.
. "$(dirname "$0")/tool.sh"
python=$2
if no_terminals "$python"; then
	echo "skipped: this machine has no pseudo terminals"
	exit 77
fi
hub_start "$vmq"
to="sim:unix=$tmp/hub"

# tty NAME ARGUMENT...: with a terminal as standard output and error; what it shows: NAME.out.
tty() {
	name=$1
	shift
	timeout -s KILL 60 "$python" -c '
import os, pty, sys
pty.spawn(sys.argv[1:])
' "$vmq" "$@" >"$tmp/$name.out" </dev/null
}

tty wait send -t 2.5 "$to" nobody hello
has wait "waiting for 'nobody' (1 s)"
has wait "there is no 'nobody' yet"
[ "$(tail -c 60 "$tmp/wait.out" | tr -d '\n' | grep -c waiting)" = 0 ] || fail "the progress line is still there"
tty soon send -t 0.5 "$to" nobody hello
grep -q waiting "$tmp/soon.out" && fail "there is progress in less than a second"
run 3 send -t 1.5 "$to" nobody hello
grep -q waiting "$tmp/run-err.out" && fail "there is progress without a terminal"

start_vmq r recv "$to?name=r"
there "$to" r
# The line is taken back when a signal ends a large message that waits for room.
start_vmq full recv "$to?name=full&lane=4096"
receiver=$started
mkfifo "$tmp/lines"
tty large send -l -t 50 -f "$tmp/lines" "$to?name=large" full &
large=$!
exec 5>"$tmp/lines"
echo first >&5
says full first
read -r child <"/proc/$receiver/task/$receiver/children"
kill -STOP "$child"
head -c 100000 /dev/zero >&5
exec 5>&-
flies large full "[1-9]* fragment"
says large "sending to 'full'"
for pid in /proc/[0-9]*; do
	case $(tr '\0' ' ' 2>/dev/null <"$pid/cmdline") in
	"$vmq send -l -t 50 -f $tmp/lines"*) kill -INT "${pid#/proc/}" ;;
	esac
done
wait $large
tail -c 4 "$tmp/large.out" | od -c | grep -q '\\r 033   \[   K' || fail "the progress line stays behind a signal"
kill -CONT "$child"

escape=$(printf '\033[32m')
TERM=xterm tty colour ls "$to"
has colour "${escape}there"
TERM=xterm NO_COLOR=1 tty plain ls "$to"
has plain 'there'
grep -q "$(printf '\033\[3')" "$tmp/plain.out" && fail "NO_COLOR counts for nothing"
run 0 ls "$to"
grep -q "$(printf '\033')" "$tmp/run.out" && fail "there are colours without a terminal"
exit 0

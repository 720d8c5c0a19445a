#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# message.sh - `vmq send` and `vmq recv`: whatever bytes, however many, whoever comes and
# leaves: VMQ.
. "$(dirname "$0")/tool.sh"
hub_start "$vmq"
to="sim:unix=$tmp/hub"

# Arguments are messages, lines are, and all of the input is.
start_vmq r recv -n 7 "$to?name=r"
run 0 send "$to?name=s" r hello '' 'from s'
printf 'one\n\nlast' | run 0 send -l "$to" r
printf 'all\nof it\n' | run 0 send --now "$to" r
code 0 "$started"
is r 'hello\n\nfrom s\none\n\nlast\nall\nof it\n\n'

# Any bytes; what is behind a message.
start_vmq r recv -0 -n 2 "$to?name=r"
printf 'a\0b\377' | run 0 send --lazy "$to" r
run 0 send "$to" r 'c
d'
code 0 "$started"
is r 'a\0b\377\0c\nd\0'
start_vmq r recv --json -n 3 "$to?name=r"
printf 'a\0"\n' | run 0 send "$to?name=s" r
printf '\377\376\0!' | run 0 send "$to?name=s" r
run 0 send "$to?name=Jürgen" r Grüße
code 0 "$started"
has r '"len":4,"peer":"s","text":"a\u0000\"\n"}'
has r '"len":4,"peer":"s","base64":"//4AIQ=="}'
has r '"peer":"Jürgen","text":"Grüße"}'
[ "$(grep -c '^{"id":[0-9]*,.*}$' "$tmp/r.out")" = 3 ] || fail "that is not an object on each line"

# Larger than a lane, into a file; and too large for who receives.
head -c 5000001 /dev/urandom >"$tmp/large"
start_vmq r recv --raw -n 1 -o "$tmp/copy" "$to?name=r&lane=4096&max=5000001"
run 0 send -f "$tmp/large" "$to" r
code 0 "$started"
cmp -s "$tmp/large" "$tmp/copy" || fail "a large message was changed"
start_vmq r recv -n 2 "$to?name=r&max=5000"
run 1 send -f "$tmp/large" "$to" r
one_line run-err 'more bytes'
one_line run-err '5000 (max= in its address)'
tr -d '\n' <"$tmp/large" | head -c 5001 >"$tmp/line"
run 1 send -l -f "$tmp/line" "$to" r
one_line run-err 'has 5001 bytes'
head -c 5000 "$tmp/line" >"$tmp/fits"
run 0 send -l -f "$tmp/fits" "$to" r
head -c 5000 "$tmp/large" | run 0 send "$to" r
code 0 "$started"
{ cat "$tmp/fits" && echo && head -c 5000 "$tmp/large" && echo; } >"$tmp/both"
cmp -s "$tmp/both" "$tmp/r.out" || fail "messages of the largest size were changed"

# So often that a wake-up that is lost would be noticed.
for _ in 1 2 3 4 5 6 7 8 9 10; do
	start_vmq r recv --raw -n 1 -o "$tmp/copy" "$to?name=r&lane=4096&max=5000001"
	run 0 send -f "$tmp/large" "$to" r
	code 0 "$started"
done

# The receiver comes later, leaves and comes back; so do senders.
start_vmq early send "$to?name=early" r first
early=$started
hub_says "early joined"
start_vmq r recv -v -n 3 "$to?name=r"
receiver=$started
code 0 "$early"
says r-err "vmq recv: 'early' has left"
run 0 send "$to?name=early" r again
run 0 send "$to?name=s" r 'and again'
code 0 "$receiver"
is r 'first\nagain\nand again\n'

# Only of one; the others' are thrown away. And the end of that one.
start_vmq r recv --from s --until-gone "$to?name=r"
there "$to" r
run 0 send "$to?name=other" r no
run 0 send "$to?name=s" r yes
code 4 "$started"
is r 'yes\n'
one_line r-err "'s' has left"

# The time is up.
run 3 recv -t 0.1 "$to?name=r"
one_line run-err 'no message came in time'
run 3 send -t 0.1 "$to" nobody hello
one_line run-err "there is no 'nobody' yet; see who is there with: vmq ls '$to'"
mkfifo "$tmp/lines"
start_vmq r recv "$to?name=r&lane=4096"
receiver=$started
timeout -s KILL 60 "$vmq" send -l -t 0.3 -f "$tmp/lines" "$to?name=s" r >"$tmp/s.out" 2>&1 &
sender=$!
exec 5>"$tmp/lines"
echo first >&5
says r first
# timeout's child is who receives.
read -r child <"/proc/$receiver/task/$receiver/children"
kill -STOP "$child"
yes | head -n 10000 >&5
exec 5>&-
code 3 "$sender"
one_line s "'r' has no room: it receives nothing, or not fast enough"
kill -CONT "$child"

# Output that cannot be written, input that cannot be read.
start_vmq full recv -n 1 -o /dev/full "$to?name=full"
run 0 send "$to" full hello
code 1 "$started"
one_line full-err 'cannot write to /dev/full: No space left on device'
timeout -s KILL 60 "$vmq" recv "$to?name=full" >/dev/full 2>"$tmp/full.out" &
full=$!
run 0 send "$to" full hello
code 1 "$full"
one_line full 'cannot write to standard output: No space left on device'
timeout -s KILL 60 "$vmq" recv -n 1 "$to?name=closed" >&- 2>"$tmp/closed.out" &
closed=$!
run 0 send "$to" closed hello
code 1 "$closed"
one_line closed 'cannot write to standard output: Bad file descriptor'
run 1 send "$to" r <&-
one_line run-err 'cannot read standard input: Bad file descriptor'
run 1 send -f "$tmp" "$to" r
one_line run-err "cannot read $tmp: Is a directory"

# The fabric ends, after its last message.
kill -TERM "$hub"
code 4 "$receiver"
one_line r-err 'the fabric has gone'
grep -q '^y$' "$tmp/r.out" || fail "what was in the queue was not printed"

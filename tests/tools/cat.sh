#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# cat.sh - `vmq cat`: both directions at once, whatever bytes; and its ends: VMQ.
. "$(dirname "$0")/tool.sh"
hub_start "$vmq"
to="sim:unix=$tmp/hub"

# talk ADDRESS A B: 100 MB each way at once, with checksums at both ends.
talk() {
	timeout -s KILL 100 "$vmq" cat "$1?name=a$2" b <"$tmp/a" 2>"$tmp/a.out" | sha256sum >"$tmp/a.got" &
	timeout -s KILL 100 "$vmq" cat "$1?name=b$2" a <"$tmp/b" 2>"$tmp/b.out" | sha256sum >"$tmp/b.got"
	wait $!
	[ "$(sha256sum <"$tmp/b")" = "$(cat "$tmp/a.got")" ] || fail "what b said did not come to a"
	[ "$(sha256sum <"$tmp/a")" = "$(cat "$tmp/b.got")" ] || fail "what a said did not come to b"
	[ ! -s "$tmp/a.out" ] && [ ! -s "$tmp/b.out" ] || fail "somebody complained"
}
head -c 100000000 /dev/urandom >"$tmp/a"
tail -c 50000000 "$tmp/a" >"$tmp/b"
head -c 50000000 "$tmp/a" >>"$tmp/b"
talk "$to" ''
head -c 3000000 "$tmp/a" >"$tmp/b"
head -c 3000001 "$tmp/b" >"$tmp/a"
talk "$to" '&lane=4096'
talk "$to" '&max=100'

# Nothing but ends; b's output ends when a has said so, while b still talks.
start_vmq a cat "$to?name=a" b </dev/null
a=$started
mkfifo "$tmp/input" "$tmp/output"
# Not under timeout(1), which would keep the output open.
"$vmq" cat -t 60 "$to?name=b" a <"$tmp/input" >"$tmp/output" 2>"$tmp/b.out" &
b=$!
pids="$pids $b"
exec 5>"$tmp/input"
[ -z "$(cat "$tmp/output")" ] || fail "there was something"
echo 'after the end' >&5
exec 5>&-
code 0 "$b"
code 0 "$a"
is a 'after the end\n'

# It goes on where the reader of one direction is slow: the other one flows.
"$vmq" cat -t 60 "$to?name=slow" fast <"$tmp/b" 2>/dev/null | { read -r _ <"$tmp/input"; sha256sum; } >"$tmp/slow.got" &
slow=$!
timeout -s KILL 60 "$vmq" cat "$to?name=fast" slow <"$tmp/b" 2>"$tmp/fast-err.out" >"$tmp/fast.got" &
fast=$!
tries=600
until cmp -s "$tmp/fast.got" "$tmp/b"; do
	[ $tries -gt 0 ] || fail "one direction waits for the other"
	tries=$((tries - 1))
	sleep 0.05
done
echo >"$tmp/input"
code 0 "$fast"
wait $slow
[ "$(sha256sum <"$tmp/b")" = "$(cat "$tmp/slow.got")" ] || fail "what fast said did not come to slow"

# `vmq send` and `vmq recv` at the other end: an empty message is the end.
start_vmq r recv -n 2 "$to?name=p"
receiver=$started
echo hello | timeout -s KILL 60 "$vmq" cat "$to?name=a" p >"$tmp/a.out" 2>"$tmp/a-err.out" &
a=$!
code 0 "$receiver"
is r 'hello\n\n\n'
code 4 "$a"
one_line a-err "'p' has left without an end"
mkfifo "$tmp/never"
exec 6<>"$tmp/never"
start_vmq a cat "$to?name=a" p <"$tmp/never"
a=$started
run 0 send "$to?name=p" a back '' 'is not seen'
code 4 "$a"
is a 'back'
has a-err "vmq cat: 'p' sent more behind an empty message, which is the end: that is dropped"

# The same where both have ended by then.
mkfifo "$tmp/lines"
start_vmq e cat "$to?name=e" f </dev/null
e=$started
timeout -s KILL 60 "$vmq" send -l -t 50 -f "$tmp/lines" "$to?name=f" e >"$tmp/f.out" 2>&1 &
f=$!
pids="$pids $f"
exec 5>"$tmp/lines"
echo back >&5
flies e f "1 message"
says e back
read -r child <"/proc/$e/task/$e/children"
kill -STOP "$child"
printf '\nis not seen\n' >&5
flies f e "2 message"
kill -CONT "$child"
code 1 "$e"
one_line e-err "vmq cat: 'f' sent more behind an empty message, which is the end: that is dropped"
is e 'back'
exec 5>&-
wait "$f"

# --until-gone: empty messages are nothing, and leaving is the end.
start_vmq a cat -g "$to?name=a" p <"$tmp/never"
a=$started
printf 'line\n\nmore' | run 0 send -l "$to?name=p" a
code 0 "$a"
is a 'linemore'
[ ! -s "$tmp/a-err.out" ] || fail "that is nothing to complain about"
start_vmq a cat --until-gone "$to?name=a" b </dev/null
a=$started
echo back | run 0 cat "$to?name=b" a
code 0 "$a"
is a 'back\n'

# Strangers are not heard. Who left before its end leaves code 4, and no end behind.
start_vmq a cat "$to?name=a" b <"$tmp/never"
a=$started
start_vmq b cat "$to?name=b" a <"$tmp/never"
b=$started
there "$to" a
run 0 send "$to?name=x" a strange
says a-err "vmq cat: 'x' sends, too: that is dropped"
read -r child <"/proc/$b/task/$b/children"
kill -KILL "$child"
code 4 "$a"
has a-err "'b' has left without an end"
grep -q strange "$tmp/a.out" && fail "a stranger was heard"
wait "$b"

# The time is up: nobody comes; and later, nothing moves.
run 3 cat -t 0.2 "$to?name=a" b
one_line run-err "there is no 'b' yet"
start_vmq b cat "$to?name=b" a <"$tmp/never"
b=$started
timeout -s KILL 60 "$vmq" cat -t 0.5 "$to?name=a" b <"$tmp/never" >/dev/null 2>"$tmp/a.out"
[ $? = 3 ] || fail "it did not give up"
one_line a "nothing came from 'b', and nothing went to it, in time"
code 4 "$b"

# Output that cannot be written; the fabric's end.
start_vmq b cat "$to?name=b" a <"$tmp/a"
b=$started
timeout -s KILL 60 "$vmq" cat "$to?name=a" b </dev/null >/dev/full 2>"$tmp/full.out"
[ $? = 1 ] || fail "it did not fail"
one_line full 'cannot write to standard output: No space left on device'
code 4 "$b"
start_vmq b cat "$to?name=b" a <"$tmp/never"
b=$started
start_vmq a cat "$to?name=a" b <"$tmp/never"
a=$started
there "$to" a
kill -TERM "$hub"
code 4 "$a"
code 4 "$b"
# Whichever it hears of first.
grep -qE "^vmq cat: ('b' has left without an end|the fabric has gone)$" "$tmp/a-err.out" || fail "it did not say why"
exec 6>&-

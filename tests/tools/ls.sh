#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# ls.sh - `vmq ls`: who is on a fabric; and poison, which is told with its reason: VMQ.
. "$(dirname "$0")/tool.sh"
hub_start "$vmq"
to="sim:unix=$tmp/hub"

run 0 ls "$to"
[ "$(wc -l <"$tmp/run.out")" = 1 ] || fail "somebody is there"
run 0 ls -j --wait 0 "$to"
[ ! -s "$tmp/run.out" ] || fail "somebody is there"
escape=$(printf 'evil\302\233') # moves the cursor on some terminals
start_vmq r recv "$to?name=r&max=4321"
start_vmq e recv "$to?name=$escape"
hub_says joined
hub_says joined
run 0 ls "$to"
grep -Eq '^ +[0-9]+ there +4321 +[0-9]+ [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12} r$' "$tmp/run.out" ||
	fail "r is not in the list"
grep -q ' there .* evil??$' "$tmp/run.out" || fail "a name is not made fit to be shown"
grep -q vmq-ls "$tmp/run.out" && fail "it lists itself"
run 0 ls -j "$to?name=me"
grep -Eq '^\{"id":[0-9]+,"state":"there","max_msg":4321,"epoch":[0-9]+,"uuid":"[0-9a-f-]{36}","name":"r"\}$' \
	"$tmp/run.out" || fail "r is not in the JSON"
[ "$(wc -l <"$tmp/run.out")" = 2 ] || fail "there are more than two"
timeout -s KILL 60 "$vmq" ls "$to" >/dev/full 2>"$tmp/full.out"
[ $? = 1 ] || fail "it did not fail"
one_line full 'cannot write to standard output'

# What the hub says has no escapes either, and is JSON whatever names there are.
"$vmq" hub -j "$tmp/other" >"$tmp/other.out" 2>&1 &
other=$!
pids="$pids $other"
says other ready
for name in "$(printf 'x\377')" "$(printf 'x\376')" "$(printf 'x\302\233')"; do
	run 3 send -t 0 "sim:unix=$tmp/other?name=$name" nobody hello
done
kill -TERM "$other"
code 0 "$other"
has other "x? joined"
for key in x? x?#2 x??; do
	has other "\"$key\":{\"exits_immediate\":"
done

# A peer's memory is overwritten: what it did is said, and the command goes on.
"$vmq" --help | grep -q ivshmem-server || exit 0
truncate -s 16M "$tmp/region"
plain="ivshmem:file=$tmp/region"
start_vmq victim recv "$plain?name=victim"
start_vmq other recv "$plain?name=other"
there "$plain" victim
there "$plain" other
dd if=/dev/urandom of="$tmp/region" conv=notrunc bs=1M count=16 2>/dev/null
says victim-err "vmq recv: 'other' broke the protocol: "
says other-err "vmq recv: 'victim' broke the protocol: "

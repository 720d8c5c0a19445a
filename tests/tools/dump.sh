#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# dump.sh - vmq dump: the golden vectors, a live region, a saved one, a poisoned one, and what is
# no region at all: VMQ VECTORS PYTHON.
vectors=$2 python=$3 here=$(dirname "$0")
. "$here/watch.sh"

check() {
	"$python" -B "$here/dump_check.py" "$@" || fail "dump_check.py $1"
}

# The golden vectors: each number is where the format has it.
check vectors "$vectors" "$tmp/golden"
run 0 dump --json --page-words --records 100 "$tmp/golden"
check golden "$tmp/run.out"
run 0 dump -r 3 "$tmp/golden"
has run "side 0: alpha, id 287454020, uuid 10111213-1415-1617-1819-1a1b1c1d1e1f"
has run "messages: armed at 0xfffffd80; room: armed at 0xfffffa00"
has run "lane 0, from alpha to bêta: 4096 bytes, 1280 in flight, 1 pad, 1 hello, 6 message, 1 page"
has run "  0xfffffdc0 0xdc0          64     11  message  20 21 22 23 24 25 26 27 28 29 2a                  !\"#\$%&'()*"
has run "  and 6 more"
has run "  side 0 says: 2 none 2 lend"
run 0 dump -r 0 "$tmp/golden"
has run "  and 9 more"
check slots "$vectors" "$tmp/ivshmem"
run 0 dump --json "$tmp/ivshmem"
check directory "$tmp/run.out"
run 0 dump "$tmp/ivshmem"
has run "place 1: alpha, live"
run 0 stats "$tmp/ivshmem"
grep -qE '^ +1 alpha +0$' "$tmp/run.out" || fail "stats does not show a place"
run 0 stats -p "$tmp/ivshmem"
has run 'vmq_vm_heartbeats_total{vm="alpha",id="1"} 0'

# Damage is named, and fails.
printf '\001' | dd of="$tmp/golden" bs=1 seek=$((0x3d81)) conv=notrunc 2>/dev/null
run 1 dump "$tmp/golden"
has run "WRONG: lane 0: record at index 0xfffffd80: its span of 2112 bytes leaves"
run 1 dump -j "$tmp/golden"
has run '"wrong":["lane 0: record at index 0xfffffd80: its span'
head -c 20000 "$tmp/golden" >"$tmp/short"
run 1 dump "$tmp/short"
has run "WRONG: it says that it has 36864 bytes, but there are 20000"
head -c 100 "$tmp/golden" >"$tmp/short"
run 1 dump "$tmp/short"
has run "WRONG: 100 bytes are too few for a header"
head -c 100000 /dev/zero >"$tmp/zeros"
run 1 dump "$tmp/zeros"
has run "WRONG: no region begins like this"

# A live one, and what was saved of it.
pair s r /dev/null
region_of_hub
run 0 dump "$region"
has run "from s to r: 262144 bytes, 0 in flight"
kill -STOP "$receiver"
seq 1 20 >&5
tries=600
until cp "$region" "$tmp/saved" && run 0 dump -r 5 "$tmp/saved" && grep -qF ", 20 message" "$tmp/run.out"; do
	[ $tries -gt 0 ] || fail "what is in flight is not shown"
	tries=$((tries - 1))
	sleep 0.05
done
has run "  and 15 more"
grep -qE '^  0x[0-9a-f]{8} 0x[0-9a-f]+ +[0-9]+ +1  message  31 +1$' "$tmp/run.out" || fail "no bytes of the message '1'"

# The receiver finds nonsense: the channel is poisoned, and everybody says why.
check poison "$region" s
kill -CONT "$receiver"
until_stats 'poison: a record leaves its lane'
run 0 stats --json "$what"
has run '"poison":{"reason":2,"text":"a record leaves its lane"}'
run 0 stats --prometheus "$what"
grep -qE '^vmq_lane_sender_poison\{.*from="r",to="s"\} 2$' "$tmp/run.out" || fail "Prometheus does not say it"
run 0 top -n 1 -d 0.1 "$what"
has run "  poison: a record leaves its lane"
cp "$region" "$tmp/poisoned"
run 1 dump "$tmp/poisoned"
has run "  poison 2: a record leaves its lane"
grep -qE "^WRONG: lane [01]: record at index 0x[0-9a-f]+: its span of 524280 bytes leaves the lane" "$tmp/run.out" ||
	fail "dump does not say what is wrong"

# While both ends go on there is nothing wrong with a lane, however often it is read and however
# short it is.
start_vmq y recv "sim:unix=$what?name=y&lane=4096" -o /dev/null
yes 'a line of some length' | timeout -s KILL 60 "$vmq" send -l "sim:unix=$what?name=x&lane=4096" y 2>/dev/null &
pids="$pids $!"
flies x y ''
region=$flies
for i in $(seq 150); do
	"$vmq" dump -r 0 "$region" >"$tmp/run.out" || fail "dump $i says that something is wrong"
done
grep -q 'from x to y' "$tmp/run.out" || fail "that was another region"

run 2 dump
one_line run-err "what to decode?"
run 2 dump -r x "$tmp/golden"
run 1 dump "$what"
one_line run-err "is a hub's socket"
run 1 dump "$tmp/nowhere"
one_line run-err "No such file"

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# stats.sh - vmq stats: a table, JSON, and Prometheus' text, and that they say what was sent: VMQ.
. "$(dirname "$0")/watch.sh"

# A name with all that a label must escape.
r='r"\ x'
pair s "$r"
i=1
while [ $i -le 499 ]; do
	echo "line $i"
	i=$((i + 1))
done >&5
says received "line 499"
bytes=$(sed 's/$/ /' "$tmp/received.out" | tr -d '\n' | wc -c)
bytes=$((bytes - 500))

# What was sent is what is counted: exactly, once the receiver sleeps.
until_stats '"messages":500,' --json
json="$tmp/run.out"
grep -qF "\"from\":\"s\",\"to\":\"r\\\"\\\\ x\",\"messages\":500,\"bytes\":$bytes,\"size\":262144,\"depth\":0" "$json" ||
	fail "JSON does not say what was sent"
grep -qF '"poison":null' "$json" || fail "JSON does not say that nothing is poisoned"
[ "$(wc -l <"$json")" = 1 ] || fail "that is not one line"
run 0 stats "sim:unix=$what"
grep -qE "^s +r\"\\\\ x +established +500 +$bytes +0 +262144 +[0-9]+\$" "$tmp/run.out" ||
	fail "the table does not say what was sent"
grep -qE '^r"\\ x +yes +1 ' "$tmp/run.out" || fail "the table has no VM"

# Prometheus: each line by its grammar, each metric in one piece, counters named _total.
run 0 stats --prometheus "$what"
LC_ALL=C awk '
	function bad(why) { print FILENAME ":" FNR ": " why ": " $0; wrong = 1 }
	/^# HELP [a-z_]+ [^ ]/ { if ($3 in helped) bad("twice"); helped[$3] = 1; next }
	/^# TYPE [a-z_]+ (counter|gauge)$/ {
		if (!($3 in helped) || $3 in type) bad("no help, or twice")
		type[$3] = $4; name = $3
		if (($4 == "counter") != ($3 ~ /_total$/)) bad("counters, and only they, end in _total")
		next
	}
	!/^[a-z_]+\{[a-z_]+="([^"\\]|\\["\\n])*"(,[a-z_]+="([^"\\]|\\["\\n])*")*\} [0-9]+$/ { bad("no sample"); next }
	{
		sample = $0
		sub(/ [0-9]+$/, "", sample)
		if (sample in seen) bad("a series twice")
		seen[sample] = 1
		metric = $0
		sub(/\{.*/, "", metric)
		if (metric != name) bad("not with its metric")
		samples++
	}
	END { exit wrong || samples < 40 }' "$tmp/run.out" || fail "that is not the text format of Prometheus"
grep -qF 'vmq_vm_up{vm="r\"\\ x",id="' "$tmp/run.out" || fail "labels are not escaped"
grep -qE '^vmq_lane_messages_total\{channel="[0-9]+",side="[01]",from="s",to="r\\"\\\\ x"\} 500$' "$tmp/run.out" ||
	fail "Prometheus does not say what was sent"
grep -qE "^vmq_lane_bytes_total\{.*from=\"s\".*\} $bytes\$" "$tmp/run.out" || fail "nor how many bytes"
grep -qE '^vmq_vm_exits_total\{vm="s",id="[12]",kind="timer"\} [1-9]' "$tmp/run.out" || fail "no exits by kind"

# A region by itself, live and read-only.
region_of_hub
run 0 stats "$region"
grep -qE "^s +r\"\\\\ x +established +500 +$bytes " "$tmp/run.out" || fail "the region says something else"
run 0 stats -j "$region"
grep -q '^{"kind":"channel","vms":\[\],"channels":\[{' "$tmp/run.out" || fail "no JSON of a region"

# A VM that has left is still told of.
exec 5>&-
wait "$sender" || fail "the sender failed"
until_stats '^s +no '
until_stats '^vmq_vm_up\{vm="s",id="[12]"\} 0$' -p
until_stats '"name":"s","id":[12],"here":false' -j

# What cannot be.
run 2 stats
one_line run-err "what to look at?"
run 2 stats -j -p "$what"
one_line run-err "one of --json and --prometheus"
run 4 stats "sim:unix=$tmp/nowhere"
one_line run-err "no hub listens at $tmp/nowhere"
run 1 stats "$tmp/nowhere"
one_line run-err "cannot read $tmp/nowhere: No such file"
run 1 stats "$tmp"
one_line run-err "no file that holds a region"
run 1 stats /dev/null
one_line run-err "no file that holds a region"
run 1 stats "$0"
one_line run-err "holds no channel and no directory"

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# syscalls.sh PROGRAM - how many system calls do a million messages cost two processes
# that are awake? A look at the fabric each 10 ms is all there may be.
set -eu
program=$1
limit=300
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if ! strace -o "$folder/probe" true 2>/dev/null; then
	echo "skipped: strace is missing or may not trace"
	exit 77
fi
strace -ff -o "$folder/trace" "$program" "$folder/hub"
seen=0
for trace in "$folder"/trace.*; do
	grep -q '"begin"' "$trace" || continue
	calls=$(sed -n '/"begin"/,/"end"/p' "$trace" | grep -c '(' || true)
	calls=$((calls - 2))
	echo "$calls system calls in 1,000,000 messages"
	sed -n '/"begin"/,/"end"/p' "$trace" | sed 's/(.*//' | sort | uniq -c
	[ "$calls" -le "$limit" ] || { echo "more than $limit"; exit 1; }
	seen=$((seen + 1))
done
[ "$seen" -eq 2 ] || { echo "$seen processes were traced, not 2"; exit 1; }

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# watch.sh - for the tests of `vmq top`, `stats` and `dump`: a hub with a VM that sends what
# is written to descriptor 5, line by line, and one that receives. To be sourced.
. "$(dirname "$0")/tool.sh"

hub_start "$vmq" -q
what="$tmp/hub"

# pair SENDER RECEIVER [FILE]: they are there, and have met; what comes goes to received.out
# or FILE. Their pids: $sender, $receiver.
pair() {
	mkfifo "$tmp/lines"
	"$vmq" recv "sim:unix=$what?name=$2" >"${3:-$tmp/received.out}" 2>"$tmp/received-err.out" &
	receiver=$!
	"$vmq" send -t 60 -l "sim:unix=$what?name=$1" "$2" <"$tmp/lines" >"$tmp/sent.out" 2>&1 &
	sender=$!
	pids="$pids $receiver $sender"
	exec 5>"$tmp/lines"
	echo first >&5
	until_stats '"messages":1,' --json
}

# until_stats TEXT: wait until `vmq stats OPTION... WHAT` says so; into run.out.
until_stats() {
	text=$1
	shift
	tries=600
	while run 0 stats "$@" "$what" && ! grep -qE -- "$text" "$tmp/run.out"; do
		[ $tries -gt 0 ] || fail "stats never said '$text'"
		tries=$((tries - 1))
		sleep 0.05
	done
}

# The hub's descriptor of its first channel's region.
region_of_hub() {
	for region in /proc/"$hub"/fd/*; do
		case $(readlink "$region") in
		*memfd:vmq-region*) return ;;
		esac
	done
	fail "the hub has no region"
}

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# hub.sh - for the tests of this folder: a hub, and programs that are its VMs. To be
# sourced. Whatever is started here ends with the test.
set -u

tmp=$(mktemp -d "${TMPDIR:-/tmp}/vmq-test.XXXXXX") || exit 1
pids=''
hub=''

end_all() {
	trap - EXIT INT TERM
	for pid in $pids $hub; do
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	rm -rf "$tmp"
}
trap end_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
	echo "FAILED: $1" >&2
	for file in "$tmp"/*.out; do
		[ -f "$file" ] && echo "--- $file" >&2 && cat "$file" >&2
	done
	exit 1
}

# hub_start VMQ [OPTION]...: returns when it is ready.
hub_start() {
	mkfifo "$tmp/said" || exit 1
	vmq=$1
	shift
	"$vmq" hub "$@" "$tmp/hub" >"$tmp/said" &
	hub=$!
	exec 3<"$tmp/said"
	read -r line <&3
	[ "$line" = "ready $tmp/hub" ] || fail "the hub did not start"
}

# The hub's next line that holds WORDS; to wait until a VM is there.
hub_says() {
	while read -r line <&3; do
		case $line in
		*"$1"*) return ;;
		esac
	done
	fail "the hub never said '$1'"
}

# The hub ends, and says its counters: into hub.out.
hub_stop() {
	kill -TERM "$hub"
	cat <&3 >"$tmp/hub.out"
	wait "$hub" || fail "the hub failed"
	hub=''
}

# start NAME PROGRAM [ARGUMENT]...: in the background, its output into NAME.out.
start() {
	name=$1
	shift
	"$@" >"$tmp/$name.out" 2>&1 &
	started=$!
	pids="$pids $started"
}

# ended PID: it must have ended well.
ended() {
	wait "$1" || fail "a program ended with $?"
}

# has FILE TEXT: a line with that in it.
has() {
	grep -qF -- "$2" "$tmp/$1.out" || fail "$1 did not say: $2"
}

address() {
	echo "sim:unix=$tmp/hub?name=$1"
}

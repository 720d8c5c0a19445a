#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# misuse.sh - bad input gives one line that says what to do: VMQ.
. "$(dirname "$0")/tool.sh"

# bad CODE TEXT ARGUMENT...
bad() {
	wanted=$1 text=$2
	shift 2
	run "$wanted" "$@"
	one_line run-err "$text"
	[ ! -s "$tmp/run.out" ] || fail "vmq $*: that belongs on standard error"
}

for command in send recv cat ls; do
	run 0 $command --help
	has run "usage: vmq $command"
	has run 'Exit codes: 0 '
	[ ! -s "$tmp/run-err.out" ] || fail "help belongs on standard output"
	bad 2 "vmq $command: " $command
	run 2 $command --nonsense a b
	one_line run-err "vmq $command: option '--nonsense' is not known, or its value is missing; see vmq $command --help"
done

bad 2 "vmq: a COMMAND is needed; see vmq --help"
bad 2 "vmq: 'nonsense' is not a command of vmq; see vmq --help" nonsense
for command in top stats dump hub; do
	bad 2 "vmq $command: option '--nonsense' is not known, or its value is missing; see vmq $command --help" \
		$command --nonsense
	bad 2 "vmq $command: " $command
done
bad 2 "vmq hub: one SOCKET is needed; see vmq hub --help" hub a b
bad 2 "vmq hub: option -k is not known, or its value is missing; see vmq hub --help" hub -k

# Nobody is there: the command that starts one.
for command in 'send -t 1' 'recv -t 1' 'cat -t 1' ls; do
	peer=b
	case $command in recv* | ls) peer='' ;; esac
	# shellcheck disable=SC2086
	bad 1 "no hub listens at $tmp/none: No such file or directory; start one with: vmq hub $tmp/none" \
		$command "sim:unix=$tmp/none?name=a" $peer
	# shellcheck disable=SC2086
	bad 2 "as in sim:lab?name=a" $command nonsense $peer
	# shellcheck disable=SC2086
	bad 1 "there is no transport 'carrier'" $command carrier:pigeon?name=a $peer
	# shellcheck disable=SC2086
	bad 1 "; see which transports there are with: vmq doctor" $command carrier:pigeon?name=a $peer
	# shellcheck disable=SC2086
	bad 2 "'colour' is not a setting (name, lane," $command "sim:unix=$tmp/none?name=a&colour=3" $peer
	# shellcheck disable=SC2086
	bad 2 "a lane of 3 bytes is not a power of two from 4096 to" $command "sim:unix=$tmp/none?name=a&lane=3" $peer
	# shellcheck disable=SC2086
	bad 2 "name='a/b' is not a valid VM name" $command "sim:unix=$tmp/none?name=a/b" $peer
done
bad 1 "no VMM listens at $tmp/none: No such file or directory; start the VMM" ls "kvm:unix=$tmp/none"
if "$vmq" --help | grep -q ivshmem-server; then
	bad 1 "no ivshmem server at $tmp/none: No such file or directory; start one with: vmq ivshmem-server $tmp/none" \
		ls "ivshmem:unix=$tmp/none"
	bad 1 "see what is missing with: vmq doctor ivshmem" ls "ivshmem:file=$tmp/none"
fi
bad 1 "xen: cannot be looked into: its memory is shared among its domains only" stats xen:
bad 1 "cannot be looked into: it has no hub to ask; give the file of a region" top "kvm:unix=$tmp/none"
bad 1 "cannot read $tmp/none: No such file" dump "ivshmem:file=$tmp/none?name=a"
bad 4 "no hub listens at $tmp/none: " stats "sim:unix=$tmp/none?name=a"
for command in --help --version 'send --help' 'stats --help'; do
	# shellcheck disable=SC2086
	"$vmq" $command >/dev/full 2>"$tmp/full.out"
	[ $? = 1 ] || fail "vmq $command: output that could not be written is a failure"
	one_line full "cannot write to standard output: No space left on device"
done
bad 2 "option '--count' is not known, or its value is missing" recv --json --count
bad 2 "option -x is not known" recv --json -xq
bad 2 "option '--json=1' is not known" recv --json=1
bad 2 "--tick takes a number from 1 to 10000000, and not '1x'" hub -k 1x "$tmp/none"
bad 2 "'a?b' cannot be a VM's name" send sim:lab "$(printf 'a\033b')" hello
bad 2 'the address has no name=' recv "sim:unix=$tmp/none"
bad 2 'the address has no name=' cat "sim:unix=$tmp/none" b
bad 3 "sim:lab is inside of this process; between processes it is sim:unix=PATH, with: vmq hub PATH" \
	send -t 0 sim:lab b hello

# Numbers: their range.
for seconds in '' -1 1e3 .5 1. 2000000000 ten 0x10; do
	for command in send recv cat; do
		bad 2 "--timeout takes seconds, 0 to 1000000000, as 10 or 0.5, and not '$seconds'" \
			$command --timeout "$seconds" sim:lab?name=a
	done
	bad 2 "--wait takes seconds" ls --wait "$seconds" sim:lab
done
for count in 0 -3 1.5 99999999999999999999 many; do
	bad 2 "--count takes a number from 1 to 18446744073709551615, and not '$count'" recv -n "$count" sim:lab?name=a
done

# What does not go together, names that are none, files that are not there.
bad 2 'it is either --now or --lazy' send --now --lazy sim:lab b hello
bad 2 'it is either MESSAGEs, or --file and --lines' send -l sim:lab b hello
bad 2 'it is either MESSAGEs, or --file and --lines' send -f /dev/null sim:lab b hello
bad 2 'it is one of --json, --raw and --null' recv -j -0 sim:lab?name=a
bad 2 'ADDRESS and PEER are needed' send sim:lab
bad 2 'one ADDRESS is needed' recv sim:lab?name=a b
for name in '*' a/b "$(printf '%044d' 0)" ''; do
	bad 2 "'$name' cannot be a VM's name: 1 to 43 bytes" send sim:lab "$name" hello
	bad 2 "'$name' cannot be a VM's name: 1 to 43 bytes" cat sim:lab?name=a "$name"
	bad 2 "'$name' cannot be a VM's name: 1 to 43 bytes" recv --from "$name" sim:lab?name=a
done
bad 1 "cannot write to $tmp/no/file: No such file or directory" recv -o "$tmp/no/file" sim:lab?name=a

# What a hub says: who is who.
cat >"$tmp/lab.json" <<'JSON'
{ "vms": [ { "name": "a" }, { "name": "b" }, { "name": "c" } ], "refuse": [ [ "a", "c" ] ] }
JSON
hub_start "$vmq" -t "$tmp/lab.json"
to="sim:unix=$tmp/hub"
bad 1 "the topology has no VM 'x'" send "$to?name=a" x hello
bad 1 "the topology does not let this VM talk to 'c'" send "$to?name=a" c hello
bad 1 "'vmq-ls-" ls "$to"
start_vmq b recv "$to?name=b"
there "$to?name=a" b
bad 1 'take another name=, or end who has it' recv "$to?name=b"
bad 1 "cannot open $tmp/none: No such file or directory" send -f "$tmp/none" "$to?name=a" b

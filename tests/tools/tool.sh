# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# tool.sh - for the tests of this folder: the command, run in a folder of its own. To be
# sourced, with the command's path as $1.
vmq=$1
. "$(dirname "$0")/../example/hub.sh"

# no_terminals PYTHON: can none be made here?
no_terminals() {
	! "$1" -c 'import os; os.openpty()' 2>/dev/null
}

# run CODE ARGUMENT...: to its end, which must have that exit code. Into run.out, run-err.out.
run() {
	wanted=$1
	shift
	timeout -s KILL 60 "$vmq" "$@" >"$tmp/run.out" 2>"$tmp/run-err.out"
	got=$?
	[ $got = "$wanted" ] || fail "vmq $*: exit code $got and not $wanted"
}

# start_vmq NAME ARGUMENT...: in the background; into NAME.out, NAME-err.out. Its pid: $started.
start_vmq() {
	name=$1
	shift
	exec 7<&0 # what is in the background has no standard input but a given one
	timeout -s KILL 60 "$vmq" "$@" <&7 7<&- >"$tmp/$name.out" 2>"$tmp/$name-err.out" &
	started=$!
	exec 7<&-
	pids="$pids $started"
}

# code CODE PID: it must have ended with that.
code() {
	wait "$2"
	got=$?
	[ $got = "$1" ] || fail "a program ended with $got and not $1"
}

# is NAME TEXT: all that NAME printed, as printf writes TEXT.
is() {
	# shellcheck disable=SC2059
	printf "$2" >"$tmp/wanted"
	cmp -s "$tmp/wanted" "$tmp/$1.out" || fail "$1 did not print: $2"
}

# one_line NAME TEXT: one line, that begins with "vmq", with TEXT in it.
one_line() {
	has "$1" "$2"
	[ "$(wc -l <"$tmp/$1.out")" = 1 ] || fail "$1: that is not one line"
	case $(cat "$tmp/$1.out") in
	"vmq"*": "*) ;;
	*) fail "$1: that line does not say who speaks" ;;
	esac
}

# says NAME TEXT: wait until it has.
says() {
	tries=600
	until grep -qF -- "$2" "$tmp/$1.out"; do
		[ $tries -gt 0 ] || fail "$1 did not say in time: $2"
		tries=$((tries - 1))
		sleep 0.05
	done
}

# there ADDRESS NAME: wait until a VM is on the fabric.
there() {
	tries=100
	until timeout -s KILL 60 "$vmq" ls --wait 0.2 "$1" 2>/dev/null | grep -q " $2\$"; do
		[ $tries -gt 0 ] || fail "$2 never came"
		tries=$((tries - 1))
	done
}

# flies FROM TO WHAT: wait until that is in flight, as "2 message", in one of the hub's channels.
# Its region: $flies.
flies() {
	tries=600
	while :; do
		for flies in /proc/"$hub"/fd/*; do
			case $(readlink "$flies") in
			*memfd:vmq-region*) "$vmq" dump "$flies" 2>/dev/null | grep -q "from $1 to $2: .*, $3" && return ;;
			esac
		done
		[ $tries -gt 0 ] || fail "'$3' never flew from $1 to $2"
		tries=$((tries - 1))
		sleep 0.05
	done
}

#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# tutorial.sh - does what docs/tutorial.md says, as a reader would: SOURCE WORKDIR.
# WORKDIR is made; the terminals' HOME and a copy of the source tree are in it.
#
# How the text is read:
#	```sh          is typed, as it stands, into the terminal that the text named last
#	               ("terminal 2"); 1 at first. Behind "As root" it is root's, once.
#	```text        what that terminal shows then: whole lines, in this order. `...` in a
#	               line stands for anything, and alone for any lines. Is waited for.
#	Save this as `NAME`    the next block is that file's content.
#	**Ctrl-C** in terminal 1    is typed there.
# Each terminal is one shell that goes through its blocks one after another. A command
# that fails is a failure, but for one that Ctrl-C ended.
#
# Environment:
#	TUTORIAL_ROOT=no     leave out what is root's (packages are there already)
#	TUTORIAL_USER=NAME   the terminals are this user's; for root in a fresh Debian
#	TUTORIAL_CACHE=DIR   downloads of examples/ivshmem/image
#	TUTORIAL_LIMIT=S     seconds for one step (600), and three times that for a terminal
set -u -m

[ $# = 2 ] || { echo "usage: tutorial.sh SOURCE WORKDIR" >&2; exit 2; }
source=$(cd "$1" && pwd) || exit 1
mkdir -p "$2" && work=$(cd "$2" && pwd) || exit 1
limit=${TUTORIAL_LIMIT:-600}
tree=$work/libvmq steps=$work/steps
declare -A pid fed pipe

end_all()
{
	trap - EXIT
	for t in "${!pid[@]}"; do
		disown "${pid[$t]}"
		kill -KILL -- "-${pid[$t]}" 2>/dev/null
	done
}
trap end_all EXIT
trap 'exit 130' INT TERM

fail()
{
	echo "FAILED: $*" >&2
	for log in "$work"/terminal-*; do
		echo "--- ${log##*/}" >&2
		tail -n 60 "$log" >&2
	done
	exit 1
}

# ---- the text ----------------------------------------------------------------------------

# Each step into a file of its own: NUMBER.KIND.TERMINAL-OR-NAME.
cut_into_steps()
{
	awk -v to="$steps" '
	function step(kind, where) { file = sprintf("%s/%03d.%s.%s", to, ++n, kind, where); printf "" >file }
	BEGIN { terminal = 1 }
	/^```/ && file { close(file); file = ""; fenced = 0; next }
	/^```/ && fenced { fenced = 0; next }
	/^```/ {
		fenced = 1
		if (save) step("save", save)
		else if ($0 == "```sh") step("sh", root ? "root" : terminal)
		else if ($0 == "```text") step("text", terminal)
		save = ""; root = 0; next
	}
	fenced { if (file) print >file; next }
	/[Aa]s root/ { root = 1 }
	{ rest = $0; while (match(rest, /[Tt]erminal [0-9]/)) {
		terminal = substr(rest, RSTART + 9, 1); rest = substr(rest, RSTART + 10) } }
	match($0, /[Ss]ave this as `[^`]+`/) { save = substr($0, RSTART + 14, RLENGTH - 15) }
	{ rest = $0; while (match(rest, /\*\*Ctrl-C\*\* in terminal [0-9]/)) {
		step("interrupt", substr(rest, RSTART + RLENGTH - 1, 1)); close(file); file = ""
		rest = substr(rest, RSTART + RLENGTH) } }
	' "$source/docs/tutorial.md"
}

# ---- terminals -----------------------------------------------------------------------------

# What a terminal runs: one block after another, and a note when it is done.
driver()
{
	cat <<'DRIVER'
exec 2>&1 9<"$TERMINAL.in"
trap : INT
trap 'code=$?; [ $code = 130 ] || echo "code $code: $BASH_COMMAND" >>"$TERMINAL.failed"' ERR
cd "$TREE" || exit 1
while read -r block <&9; do
	. "$block" </dev/null 9<&-
	echo done >>"$TERMINAL.done"
done
DRIVER
}

# terminal N: opens it.
terminal()
{
	local name=$work/in-$1 as=()
	mkfifo "$name.in" && : >"$work/terminal-$1" >"$name.done" >"$name.failed"
	if [ -n "${TUTORIAL_USER:-}" ]; then
		as=(runuser -u "$TUTORIAL_USER" --)
		chown "$TUTORIAL_USER" "$name".*
	fi
	timeout -s KILL $((limit * 3)) "${as[@]}" env -i HOME="$work/home" PATH="$PATH" TERM=dumb \
		TERMINAL="$name" TREE="$tree" bash "$work/driver" >"$work/terminal-$1" </dev/null &
	pid[$1]=$!
	fed[$1]=0
	exec {pipe[$1]}>"$name.in"
}

finished()
{
	[ "$(wc -l <"$work/in-$1.done")" -ge "${fed[$1]}" ]
}

# until_true COMMAND...: within the limit.
until_true()
{
	local end=$((SECONDS + limit))
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

well()
{
	[ ! -s "$work/in-$1.failed" ] || fail "in terminal $1: $(cat "$work/in-$1.failed")"
}

# ---- steps ---------------------------------------------------------------------------------

# type_in FILE TERMINAL: when what was typed there before has ended.
type_in()
{
	[ -n "${pid[$2]:-}" ] || terminal "$2"
	until_true finished "$2" || fail "terminal $2 is still busy before ${1##*/}"
	well "$2"
	wc -l <"$work/terminal-$2" >"$work/in-$2.seen"
	fed[$2]=$((fed[$2] + 1))
	echo "$1" >&"${pipe[$2]}"
}

# shows FILE TERMINAL: is it there, in that order, since the last that was typed?
shows()
{
	tail -n "+$(($(cat "$work/in-$2.seen") + 1))" "$work/terminal-$2" | tr -d '\r' | awk -v text="$1" '
	function pattern(line) {
		gsub(/[][\\.^$*+?(){}|\/]/, "\\\\&", line)
		gsub(/\\\.\\\.\\\./, ".*", line)
		return "^" line "$"
	}
	BEGIN { while ((getline line <text) > 0) if (line != "..." && line != "") want[++n] = pattern(line); i = 1 }
	i <= n && $0 ~ want[i] { i++ }
	END { exit i <= n }'
}

wait_for_text()
{
	local end=$((SECONDS + limit)) over=no
	until shows "$1" "$2"; do
		well "$2"
		[ $over = no ] && [ $SECONDS -lt $end ] || fail "terminal $2 does not show this (${1##*/}):
$(cat "$1")"
		! finished "$2" || over=yes # one more look: it may just have been said
		sleep 0.1
	done
}

as_root()
{
	if [ "${TUTORIAL_ROOT:-yes}" = no ]; then
		echo "        (left out: root's)"
	elif ! bash -e "$1" >"$work/terminal-root" 2>&1 </dev/null; then
		fail "root's commands in ${1##*/}"
	fi
}

do_step()
{
	local name=${1##*/} kind where
	kind=${name#*.} kind=${kind%%.*} where=${name#*.*.}
	printf '%4d s  %s, %s\n' $SECONDS "$kind" "$where"
	case $kind.$where in
	sh.root) as_root "$1" ;;
	sh.*) sed 's/^/        $ /' "$1"; type_in "$1" "$where" ;;
	text.*) wait_for_text "$1" "$where" ;;
	save.*) cp "$1" "$tree/$where" && chmod a+r "$tree/$where" ;;
	interrupt.*) kill -INT -- "-${pid[$where]}" ;;
	esac
}

# ---- all of it -----------------------------------------------------------------------------

if [ -e "$work/driver" ]; then
	rm -rf "$tree" "$steps" "$work/home" "$work"/in-* "$work"/terminal-*
elif [ -e "$tree" ]; then
	echo "tutorial.sh: there is a $tree already" >&2
	exit 2
fi
mkdir -p "$tree" "$steps" "$work/home"
tar -C "$source" --exclude=./build --exclude=./.git -c . | tar -C "$tree" --no-same-owner -x || exit 1
driver >"$work/driver"
cut_into_steps
if [ -n "${TUTORIAL_CACHE:-}" ]; then
	mkdir -p "$tree/build/vm" "$TUTORIAL_CACHE"
	ln -s "$(cd "$TUTORIAL_CACHE" && pwd)" "$tree/build/vm/cache"
fi
[ -z "${TUTORIAL_USER:-}" ] || chown -R "$TUTORIAL_USER" "$work"
for file in "$steps"/*; do
	do_step "$file"
done
for t in "${!pid[@]}"; do
	until_true finished "$t" || fail "terminal $t does not come to an end"
	well "$t"
done
echo "the tutorial is right ($SECONDS s)"

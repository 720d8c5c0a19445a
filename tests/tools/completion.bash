#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# completion.bash - tools/completion/vmq.bash knows each sub-command and each long option:
# SCRIPT VMQ.
set -u
script=$1 vmq=$2
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/bin" "$tmp/folder"
ln -s "$vmq" "$tmp/bin/vmq"
PATH=$tmp/bin:$PATH
touch "$tmp/folder/sock" "$tmp/folder/other"
cd "$tmp" || exit 1
# shellcheck disable=SC1090
. "$script" || exit 1
failed=0

fail() {
	echo "FAILED: $1" >&2
	failed=1
}

# answers LINE: what is offered at its end, with the words broken as readline does it.
answers() {
	local word

	COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=()
	while read -r word; do
		COMP_WORDS+=("$word")
	done < <(printf '%s\n' "$1" | sed 's/[:=]/ & /g; s/  */\n/g')
	case $1 in *[:=]) unset 'COMP_WORDS[-1]' ;; esac
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
	_vmq 2>/dev/null
	[ ${#COMPREPLY[@]} = 0 ] || printf '%s\n' "${COMPREPLY[@]}"
}

# offers LINE WORD...: all of them.
offers() {
	local line=$1 word got

	got=$(answers "$line")
	shift
	for word; do
		grep -qxF -- "$word" <<<"$got" || fail "'$line': no $word, but: $(tr '\n' ' ' <<<"$got")"
	done
}

# only LINE WORD: that and nothing else.
only() {
	[ "$(answers "$1")" = "$2" ] || fail "'$1': not just '$2', but: $(answers "$1" | tr '\n' ' ')"
}

complete -p vmq >/dev/null || fail "nothing is registered"
commands=$("$vmq" --help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p')
for command in $commands; do
	offers 'vmq ' "$command"
	options=$("$vmq" "$command" --help | grep -oE '^ +(-., )?--[a-z-]+' | grep -oE '\-\-.*')
	[ -n "$options" ] || fail "$command has no options"
	for option in $options; do
		offers "vmq $command -" "$option"
	done
	for option in $(answers "vmq $command -"); do
		"$vmq" "$command" --help | grep -qF -- "$option" || fail "$command has no $option"
	done
done
only 'vmq rec' recv
only 'vmq send --tim' --timeout
only 'vmq recv -n ' ''
offers 'vmq send -f ' folder
only 'vmq recv -o fold' folder
for command in send recv cat ls stats top; do
	offers "vmq $command " sim:unix= kvm:unix= ivshmem:unix= ivshmem:file= ivshmem: xen:
	only "vmq $command s" sim:unix=
	only "vmq $command ivshmem:u" unix=
	only "vmq $command sim:unix=fol" folder
	only "vmq $command sim:unix=folder/s" folder/sock
done
offers 'vmq dump ' folder
offers 'vmq hub -t ' folder
offers 'vmq doctor ' sim kvm xen
exit $failed

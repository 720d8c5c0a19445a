# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# vmq.bash - completion of the command vmq in bash. Needs nothing but bash itself; to be sourced,
# or found by bash-completion as share/bash-completion/completions/vmq.

# Options of each sub-command; those that take a value, with what it is.
_vmq_options() {
	case $1 in
	send) echo "--lines --file --now --lazy --timeout --help" ;;
	recv) echo "--count --from --timeout --until-gone --null --raw --json --output --verbose --help" ;;
	cat) echo "--timeout --until-gone --help" ;;
	ls) echo "--json --wait --help" ;;
	hub) echo "--topology --tick --quiet --json --help" ;;
	doctor) echo "--fix --json --help" ;;
	*) _vmq_from_help "$1" ;;
	esac
}

# What its --help says, for a sub-command that is not above.
_vmq_from_help() {
	"${_vmq_program:-vmq}" "$1" --help 2>/dev/null | grep -oE '(^| )--[a-z][a-z0-9-]*' | tr -d ' ' | sort -u
}

_vmq_commands() {
	"${_vmq_program:-vmq}" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p'
}

_vmq_files() {
	local IFS=$'\n'

	# shellcheck disable=SC2207
	COMPREPLY=($(compgen -f -- "$1"))
	compopt -o filenames 2>/dev/null
}

# The value of an option, if the word before is one that takes a value. False: it is none.
_vmq_value() {
	case $1:$2 in
	send:-f | send:--file | recv:-o | recv:--output | hub:-t | hub:--topology) _vmq_files "$3" ;;
	send:-t | send:--timeout | cat:-t | cat:--timeout | recv:-t | recv:--timeout) COMPREPLY=() ;;
	recv:-n | recv:--count | recv:--from | ls:-w | ls:--wait | hub:-k | hub:--tick) COMPREPLY=() ;;
	top:-d | top:--delay | top:--interval | top:-n | top:--count) COMPREPLY=() ;;
	dump:--records) COMPREPLY=() ;;
	*) return 1 ;;
	esac
}

# Words that begin an address, and paths behind unix= and file=. Bash may break the word at
# "=" and ":"; $1 is all of it, and what was broken off stands before $2.
_vmq_address() {
	local whole=$1 part=$2 path word IFS=$'\n'

	compopt -o nospace 2>/dev/null
	case $whole in
	*:unix=* | *:file=*)
		path=${whole#*=}
		while read -r word; do
			COMPREPLY+=("$word")
		done < <(compgen -f -- "$path")
		;;
	*)
		while read -r word; do
			COMPREPLY+=("$word")
		done < <(compgen -W "sim:unix=
kvm:unix=
ivshmem:unix=
ivshmem:file=
ivshmem:
xen:" -- "$whole")
		;;
	esac
	_vmq_trim "$whole" "$part"
}

# Leave out of each answer what bash has broken off before the word.
_vmq_trim() {
	local head=${1%"$2"} i prefix=

	case $1 in
	*:unix=* | *:file=*) prefix=${1%%=*}= ;;
	esac
	for i in "${!COMPREPLY[@]}"; do
		COMPREPLY[i]=$prefix${COMPREPLY[i]}
		COMPREPLY[i]=${COMPREPLY[i]#"$head"}
	done
}

# The word at the cursor as it was typed, with what was broken off.
_vmq_word() {
	local line=${COMP_LINE:0:COMP_POINT}

	line=${line##*[[:space:]]}
	line=${line#[\'\"]}
	printf '%s\n' "$line"
}

_vmq() {
	local command=${COMP_WORDS[1]-} word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} whole
	local _vmq_program=${COMP_WORDS[0]}

	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		# shellcheck disable=SC2207
		COMPREPLY=($(compgen -W "$(_vmq_commands) help --help --version" -- "$word"))
		return
	fi
	_vmq_value "$command" "$before" "$word" && return
	case $word in
	-*)
		# shellcheck disable=SC2207
		COMPREPLY=($(compgen -W "$(_vmq_options "$command")" -- "$word"))
		return
		;;
	:|=) word='' ;;
	esac
	whole=$(_vmq_word)
	case $command in
	send | recv | cat | ls) _vmq_address "$whole" "$word" ;;
	top | stats)
		_vmq_address "$whole" "$word"
		[ "$whole" != "$word" ] || [[ $whole == *:* ]] || _vmq_more_files "$word"
		;;
	doctor)
		# shellcheck disable=SC2207
		COMPREPLY=($(compgen -W "sim kvm xen ivshmem ivshmem-guest ivshmem-host ivshmem:unix= ivshmem:file=" -- "$whole"))
		_vmq_trim "${whole//=/}" "$word"
		;;
	*) _vmq_files "$word" ;;
	esac
}

_vmq_more_files() {
	local word

	while read -r word; do
		COMPREPLY+=("$word")
	done < <(compgen -f -- "$1")
}

complete -F _vmq vmq

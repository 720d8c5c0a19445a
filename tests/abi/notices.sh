#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Does compare.sh say so? The kept files are changed, as if the last release had been
# another, and this build is compared with that.
set -eu
here=$SOURCE/tests/abi
WORK=$WORK/notices
KEPT=$WORK/kept
NOW=$WORK/now
export WORK KEPT NOW
rm -rf "$WORK"
mkdir -p "$KEPT" "$NOW"
sh "$here/dump.sh" "$DEBUG" "$NOW/libvmq.abi"
sh "$here/constants.sh" "$NOW/constants"
bad=0

# expect WANTED TEXT [FILE SED]...: WANTED is 0 or 1, what compare.sh is to answer; TEXT is in
# its report. FILE and SED: how a kept file was changed.
expect()
{
	wanted=$1 text=$2
	shift 2
	cp "$here/libvmq.abi" "$here/constants" "$KEPT"
	sed -i "3s/libvmq [0-9.]*/libvmq $was/" "$KEPT/libvmq.abi"
	while [ $# -gt 0 ]; do
		sed "$2" "$KEPT/$1" >"$WORK/changed"
		if cmp -s "$WORK/changed" "$KEPT/$1"; then
			echo "sed '$2' changes nothing in $1"
			exit 1
		fi
		mv "$WORK/changed" "$KEPT/$1"
		shift 2
	done
	got=0
	sh "$here/compare.sh" >"$WORK/said" 2>&1 || got=$?
	if [ $got -ne "$wanted" ] || ! grep -q -F -e "$text" "$WORK/said"; then
		echo "compare.sh answered $got and was to answer $wanted, with \"$text\":"
		cat "$WORK/said"
		bad=1
	fi
}

version=$(sed -n 's/^#define VMQ_VERSION_[MP][A-Z]* //p' "$SOURCE/include/vmq/version.h" | paste -s -d .)
major=${version%%.*}
this=${version%.*}
# The release before has the version of this one: nothing may differ.
was=$version
expect 0 "as libvmq $this"
expect 1 "[A] 'function int vmq_yield" libvmq.abi "s/vmq_yield/vmq_yonder/"
expect 1 "type size changed from 640 to 704" libvmq.abi "/name='vmq_msg'/s/704/640/"
expect 1 "parameter 3 of type 'typedef uint32_t' was added" libvmq.abi \
	"/function-decl name='vmq_commit'/,/\/function-decl/{/name='flags'/d}"
expect 1 "from value '4' to '3'" libvmq.abi "/VMQ_PAGE_SHARE/s/3/4/"
expect 1 "+VMQ_EAGAIN -3" constants "s/VMQ_EAGAIN -3/VMQ_EAGAIN -4/"
expect 1 "+VMQ_EAGAIN -3" constants "/VMQ_EAGAIN/d"

# It has another minor version: more may be there, but what was there stays.
was=$major.999.0
expect 0 "as libvmq $major.999"
expect 1 "[D] vmq_yonder@@VMQ" libvmq.abi "s/vmq_yield/vmq_yonder/"
expect 1 "type size changed from 640 to 704" libvmq.abi "/name='vmq_msg'/s/704/640/"
expect 0 "1 symbols more" libvmq.abi "/elf-symbol name='vmq_yield'/d" libvmq.abi \
	"/function-decl name='vmq_yield'/,/\/function-decl/d"
expect 0 "as libvmq" libvmq.abi "/name='vmq_stats'/s/1280/1216/" \
	libvmq.abi "/layout-offset-in-bits='1216'/,/\/data-member/d"
expect 1 "VMQ_EAGAIN -4" constants "s/VMQ_EAGAIN -3/VMQ_EAGAIN -4/"
expect 0 "as libvmq" constants "/VMQ_EAGAIN/d"

# Another node: old programs do not start.
if [ "$major" = 0 ]; then
	expect 0 "its symbols have other versions" libvmq.abi "s/VMQ_0\.[0-9]*/VMQ_0.999/" \
		libvmq.abi "/name='vmq_msg'/s/704/640/"
fi
was=999.0.0
expect 0 "it has another soname" libvmq.abi "/name='vmq_msg'/s/704/640/"
exit $bad

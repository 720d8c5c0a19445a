#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# This build's ABI beside the last release's (libvmq.abi and constants, here), by the rules
# of docs/abi.md. KEPT may name another folder with such files, NOW one with those of this
# build.
set -eu
export LC_ALL=C
cd "$WORK"
here=$SOURCE/tests/abi
kept=${KEPT:-$here}

version() # of a dump: MAJOR.MINOR
{
	sed -n '3s/.*libvmq \([0-9]*\.[0-9]*\)\..*/\1/p' "$1"
}

# "symbol node" of a dump, or the nodes alone
symbols()
{
	sed -n "s/.*<elf-symbol name='\([^']*\)' version='\([^']*\)'.*/\1 \2/p" "$1" | sort
}
nodes()
{
	symbols "$1" | cut -d' ' -f2 | sort -u
}

if [ -n "${NOW:-}" ]; then
	cp "$NOW/libvmq.abi" "$NOW/constants" .
else
	sh "$here/dump.sh" "$DEBUG" libvmq.abi
	sh "$here/constants.sh" constants
fi
old=$(version "$kept/libvmq.abi") new=$(version libvmq.abi)
test -n "$old" || { echo "$kept/libvmq.abi does not say which release it is of"; exit 1; }
symbols "$kept/libvmq.abi" >symbols.old
symbols libvmq.abi >symbols.new

# Options and the like, which begin with their size, may get more at their end.
awk '/^struct [a-z_]+ \{/ { name = $2; getline; if (/^\tsize_t size;/) print name }' \
	"$SOURCE"/include/vmq/*.h >sized
test -s sized || { echo "no struct with a size was found"; exit 1; }
cat >allowed <<END
[suppress_type]
	type_kind = struct
	name_regexp = ^($(paste -s -d '|' sized))\$
	has_data_member_inserted_at = end
	has_size_change = yes
END

refused()
{
	cat report
	cat <<END

The binary interface is not the one of libvmq $old, and include/vmq/version.h says $new (docs/abi.md):
- was that meant, and does it only add? Raise the minor version there, and put new symbols under a new
  node of lib/vmq.map, VMQ_MAJOR.MINOR.
- was it meant, and programs have to be built anew? docs/abi.md, "A break".
- has no release been made from that dump yet? Make it anew: tests/abi/update
END
	exit 1
}

same() # nothing has changed
{
	"$ABIDIFF" --harmless "$kept/libvmq.abi" libvmq.abi >report 2>&1 || refused
	diff -u "$kept/constants" constants >report || refused
}

adds() # what was there is as it was; names that count others may have moved
{
	"$ABIDIFF" --suppressions allowed --no-added-syms "$kept/libvmq.abi" libvmq.abi >report 2>&1 || refused
	grep -v -E '^#|_(MINOR|COUNT|KNOWN|REASONS) ' "$kept/constants" | sort >constants.old
	sort constants | comm -23 constants.old - >report
	test ! -s report || refused
	comm -13 symbols.old symbols.new | grep -v " VMQ_$new\$" >report || return 0
	echo "these are new, and not under the node VMQ_$new of lib/vmq.map" >>report
	refused
}

breaks() # anything may have changed: no program of old starts with it
{
	"$ABIDIFF" "$kept/libvmq.abi" libvmq.abi || true
	echo "libvmq $new is not compatible with $old, and does not say that it is: $1"
	exit 0
}

nodes "$kept/libvmq.abi" >nodes.old
nodes libvmq.abi >nodes.new
if [ "$old" = "$new" ]; then
	same
elif [ "${old%.*}" != "${new%.*}" ]; then
	breaks "it has another soname"
elif [ "${new%.*}" = 0 ] && [ -z "$(comm -12 nodes.old nodes.new)" ]; then
	breaks "its symbols have other versions"
else
	adds
fi
echo "as libvmq $old: $(wc -l <symbols.old) symbols, $(grep -c '^VMQ' "$kept/constants") constants"
test "$old" = "$new" || echo "$(comm -13 symbols.old symbols.new | wc -l) symbols more in $new"

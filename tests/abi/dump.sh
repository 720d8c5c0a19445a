#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# dump.sh LIBRARY FILE: write the ABI of a library that was built with -g. The same library
# gives the same bytes on any machine. ABIDW names libabigail's abidw, SOURCE this tree.
set -eu
export LC_ALL=C
library=$1 file=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What is not in a public header is opaque. abidw --headers-dir knows files by their last
# name only, and lib/vmm.h and the kernel's kvm.h are none of ours; this is what it does
# inside, with the folder. The label makes the types opaque; with another, they and all
# that names them would be left out.
cat >"$work/private" <<END
[suppress_type]
	label = Artificial private types suppression specification
	source_location_not_regexp = (^|/)include/vmq/[a-z]+[.]h$
	drop = yes
END
"$ABIDW" --suppressions "$work/private" --exported-interfaces-only --type-id-style hash \
	--no-show-locs --no-corpus-path --no-comp-dir-path --no-elf-needed \
	--out-file "$work/abi" "$library"

# A private type that is not opaque would freeze the library's inside.
sed -n "s/.*<class-decl name='\([^']*\)' size-in-bits.*/\1/p" "$work/abi" | sort -u >"$work/complete"
test -s "$work/complete" || { echo "$library: no debug information" >&2; exit 1; }
while read -r name; do
	grep -q "^struct $name {" "$SOURCE"/include/vmq/*.h ||
		{ echo "struct $name is in the dump, and in no public header" >&2; exit 1; }
done <"$work/complete"

version=$(sed -n 's/^#define VMQ_VERSION_[MP][A-Z]* //p' "$SOURCE/include/vmq/version.h" | paste -s -d .)
{
	head -n 1 "$work/abi" # by which libabigail knows such a file
	echo "  <!-- SPDX-License-Identifier: BSD-2-Clause -->"
	echo "  <!-- libvmq $version -->"
	tail -n +2 "$work/abi"
} >"$file"

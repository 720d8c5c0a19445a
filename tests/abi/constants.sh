#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# constants.sh FILE: write each constant of the public headers, macro or enumerator, and its
# number. They are compiled into programs, and no debug information has them all. CC names
# the compiler, SOURCE this tree.
set -eu
export LC_ALL=C
file=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

for header in "$SOURCE"/include/vmq/*.h; do
	echo "#include <vmq/$(basename "$header")>"
done >all.h
{
	$CC -std=gnu11 -I"$SOURCE/include" -E -P all.h | grep -o -w 'VMQ_[A-Z0-9][A-Z0-9_]*'
	$CC -std=gnu11 -I"$SOURCE/include" -E -dM all.h |
		sed -n 's/^#define \(VMQ_[A-Z0-9][A-Z0-9_]*\) .*/\1/p' | grep -v '^VMQ_VERSION_'
} | sort -u >names

# One line each; what does not compile is no number.
sed 's/.*/enum { is_& = (&) };/' names >lines
$CC -std=gnu11 -I"$SOURCE/include" -include all.h -fsyntax-only -fmax-errors=0 -x c lines 2>&1 |
	sed -n 's/^lines:\([0-9]*\):.*/\1/p' | sort -u >wrong || true
awk 'NR == FNR { wrong[$1]; next } !(FNR in wrong)' wrong names >numbers
{
	echo '#include "all.h"'
	echo '#include <stdio.h>'
	echo 'int main(void) {'
	sed 's/.*/\tprintf((&) < 0 ? "& %lld\\n" : "& %llu\\n", (unsigned long long)(&));/' numbers
	echo 'return 0; }'
} >print.c
$CC -std=gnu11 -w -I"$SOURCE/include" -I. -o print print.c
{
	echo "# SPDX-License-Identifier: BSD-2-Clause"
	./print
} >"$file"
grep -q '^VMQ_EAGAIN -3$' "$file" || { echo "the headers were not understood" >&2; exit 1; }

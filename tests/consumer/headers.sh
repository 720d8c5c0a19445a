#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Each installed header compiles alone, in C11 and C++17, with each compiler that is
# here; includes nothing but standard C and its own kind; defines no function.
set -eu
cd "$PREFIX/include"
bad=0

compile() # compiler language standard header
{
	command -v "$1" >/dev/null || return 0
	printf '#include <%s>\nextern int unit;\n' "$4" | "$1" -x "$2" -std="$3" -pedantic-errors -Wall -Wextra -Wundef -Werror \
		-fsyntax-only -I . - || { echo "$4 does not compile with $1 as $3"; bad=1; }
}

for header in vmq/*.h; do
	for compiler in "$CC" clang; do
		compile "$compiler" c c11 "$header"
	done
	for compiler in "${CXX:-c++}" clang++; do
		compile "$compiler" c++ c++17 "$header"
	done
	foreign=$(sed -n 's/^#[[:space:]]*include[[:space:]]*//p' "$header" |
		grep -v -E '^<(vmq/[a-z]+|stdbool|stddef|stdint)\.h>$' || true)
	test -z "$foreign" || { echo "$header includes $foreign"; bad=1; }
	# Without its comments.
	if $CC -fpreprocessed -dD -E -P "$header" | grep -w -E 'inline|__linux__|_GNU_SOURCE'; then
		echo "$header has one of the words above"
		bad=1
	fi
	# What is defined in a header shows up in an object file, kept at -O0.
	echo "#include <$header>" | $CC -x c -std=c11 -O0 -I . -c -o "$WORK/header.o" -
	test -z "$(nm "$WORK/header.o")" || { echo "$header defines $(nm "$WORK/header.o")"; bad=1; }
	head -n 1 "$header" | grep -q SPDX || { echo "$header has no SPDX line"; bad=1; }
done
exit $bad

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# demo.sh - runs what tools/demo does after the build: DEMO BUILD.
. "$(dirname "$0")/hub.sh"
demo=$1 build=$2

# A tree with what is awkward: empty, large, deep, odd names, modes.
mkdir -p "$tmp/in/a folder/deep/er" "$tmp/scratch" || exit 1
: >"$tmp/in/empty"
head -c 3000000 /dev/urandom >"$tmp/in/a folder/large"
head -c 8192 /dev/urandom >"$tmp/in/a folder/deep/er/two records"
printf 'x' >"$tmp/in/..odd"
printf '#!/bin/sh\n' >"$tmp/in/run"
chmod 755 "$tmp/in/run"
export TMPDIR="$tmp/scratch"

"$demo" --no-install --build "$build" --tree "$tmp/in" --stream 16 >"$tmp/demo.out" 2>&1 ||
	fail "the demo ended with $?"
has demo "every file and the stream agree; the trees agree"
grep -Eq '^  files +5,' "$tmp/demo.out" || fail "not all files were sent"
grep -Eq '^  immediate exits +sender [1-9]' "$tmp/demo.out" || fail "there was no immediate exit"
grep -Eq '^  natural exits +sender [1-9]' "$tmp/demo.out" || fail "there was no natural exit"
grep -Eq '^  pages moved +[1-9]' "$tmp/demo.out" || fail "no page was moved"
grep -Eq '^  pages lent +[1-9]' "$tmp/demo.out" || fail "no page was lent"

"$demo" --help | grep -q usage: || fail "no help"
"$demo" --nonsense >"$tmp/wrong.out" 2>&1
[ $? = 2 ] || fail "a wrong option is not exit code 2"
"$demo" --build "$tmp/in" >"$tmp/nobuild.out" 2>&1
[ $? = 1 ] || fail "a folder without programs is not exit code 1"
has nobuild "was not built"
[ -z "$(ls "$tmp/scratch")" ] || fail "it left something behind"

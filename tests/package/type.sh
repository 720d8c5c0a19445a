#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# type.sh - in a Debian: what a new user types, one line after the other, in one shell.
set -uo pipefail
cd /root/libvmq || exit 1
apt-get update >/dev/null || exit 1

# The lines of a page's sh blocks; tools/check runs this test, so it is not run here.
lines()
{
	awk '/^```sh$/ { on = 1; next } /^```/ { on = 0 } on' "$1" |
		sed -e ':more' -e '/\\$/ { N; s/\\\n//; b more' -e '}' -e '/^tools\/check/d' -e '/^$/d'
}

lines README.md >/root/typed
[ "$(wc -l </root/typed)" -ge 3 ] || { echo "FAILED: README.md has fewer commands than it had"; exit 1; }
while IFS= read -r line <&3; do
	echo "\$ $line ($SECONDS s)"
	eval "$line" >/root/out 2>&1 || { status=$?; tail -n 40 /root/out; echo "FAILED ($status): $line"; exit 1; }
	tail -n 3 /root/out
done 3</root/typed

# The first example, by the command in the text above it.
line=$(sed -n 's/.*(`\(cc example\.c [^`]*\)`).*/\1/p' README.md)
awk '/^```c$/ { on = 1; next } /^```/ { if (on) exit } on' README.md >example.c
echo "\$ $line"
eval "$line" && ./a.out || { echo "FAILED: $line"; exit 1; }

if [ -e docs/tutorial.md ]; then
	echo "== docs/tutorial.md ($SECONDS s)"
	useradd --create-home --shell /bin/bash new
	TUTORIAL_USER=new bash tests/docs/tutorial.sh /root/libvmq /home/new/tutorial || { echo "FAILED: docs/tutorial.md"; exit 1; }
fi
echo "== done ($SECONDS s)"

#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# use.sh - in a Debian: what the packages have to do there.
set -euo pipefail
cd /root

fail()
{
	echo "FAILED: $*"
	exit 1
}

say()
{
	echo "== $* ($SECONDS s)"
}

# Names of all files but for those that apt, dpkg and man keep for themselves.
files()
{
	find / -xdev \( -path /proc -o -path /dev -o -path /tmp -o -path /root -o -path /var/log \
		-o -path /var/cache/apt -o -path /var/cache/man -o -path /var/lib/apt \) -prune -o -print |
		grep -v -x -E '/var/lib/dpkg/[^/]*-old|/var/lib/dpkg/available' | sort
}

say "tools"
{
	apt-get update
	apt-get install --no-install-recommends gcc g++ libc6-dev make cmake pkg-config binutils \
		man-db python3 libxen-dev
} >apt.log 2>&1 || { tail -n 20 apt.log; fail "apt"; }
files >before

say "install"
apt-get install --no-install-recommends ./debs/*.deb >apt.log 2>&1 || { cat apt.log; fail "apt"; }
packages=$(for deb in debs/*.deb; do dpkg-deb --field "$deb" Package; done)

say "what is there"
vmq --version
for program in /usr/bin/vmq /usr/bin/vmq-xen-fabric "$(readlink -f /usr/lib/*/libvmq.so)" /usr/lib/*/vmq/xen.so; do
	readelf -d "$program" | grep -E 'RPATH|RUNPATH' && fail "$program has a run path"
	readelf -SW "$program" | grep -q '\.symtab' && fail "$program is not stripped"
done
ldconfig -p | grep -q 'libvmq\.so\.[0-9]' || fail "the loader does not know the library"
vmq-xen-fabric --help >out
grep -qi usage out || fail "vmq-xen-fabric --help"
# shellcheck disable=SC2086 # a list of words
dpkg --verify $packages | grep . && fail "files are not as packaged"
for package in $packages; do
	[ -e "/usr/share/doc/$package/copyright" ] || fail "$package has no copyright"
done

# Each page is found under its name, and those that are one with others lead there.
# shellcheck disable=SC2086
pages=$(dpkg -L $packages | sed -n 's|^/usr/share/man/man\([0-9]\)/\(.*\)\.[0-9]\.gz$|\1 \2|p')
while read -r section name; do
	[ -n "$section" ] || continue
	page=$(man -w "$section" "$name") && [ -e "$page" ] || fail "no page $name($section)"
	while line=$(zcat "$page") && [[ $line == ".so "* ]]; do
		page=/usr/share/man/${line#.so }.gz
		[ -e "$page" ] || fail "$name($section) leads to $page, which is not there"
	done
done <<<"$pages"
echo "$(wc -l <<<"$pages") pages"

say "messages"
vmq hub /run/lab.sock >hub.out 2>&1 &
hub=$!
lab='sim:unix=/run/lab.sock'
tries=100
until [ -S /run/lab.sock ]; do
	tries=$((tries - 1))
	[ $tries -gt 0 ] || fail "the hub did not start: $(cat hub.out)"
	sleep 0.1
done
vmq recv "$lab?name=b" -n 1 --timeout 20 >b.out &
receiver=$!
vmq send "$lab?name=a" b "from a" --timeout 20
wait $receiver || fail "vmq recv ended with $?"
[ "$(cat b.out)" = "from a" ] || fail "b got: $(cat b.out)"

vmq recv "$lab?name=c" -n 1 --timeout 20 >c.out &
receiver=$!
python3 - "$lab?name=p" <<'END' &
import sys
import vmq

with vmq.open(sys.argv[1]) as q:
    message = q.recv(20)
    q.send("c", b"python got " + bytes(message.data), timeout=20)
    q.flush()
END
python=$!
vmq send "$lab?name=s" p word --timeout 20
wait $receiver || fail "vmq recv ended with $?"
wait $python || fail "python ended with $?"
[ "$(cat c.out)" = "python got word" ] || fail "c got: $(cat c.out)"
kill $hub
wait $hub || true

say "consumers"
cd consumer
run()
{
	"$@" || fail "$* ended with $?"
}
# shellcheck disable=SC2046 # lists of words
{
	gcc -std=c11 -Wall -Wextra -Werror -o ../app app.c $(pkg-config --cflags --libs vmq)
	g++ -std=c++17 -Wall -Wextra -Werror -o ../app-cc app.cc $(pkg-config --cflags --libs vmq)
	gcc -std=c11 -static -o ../app-static app.c $(pkg-config --static --cflags --libs vmq)
	gcc -std=c11 -o ../xen xen.c $(pkg-config --cflags --libs vmq)
}
run ../app
run ../app-cc
run ../app-static
# The plugin is found: it is Xen that is not.
[ -e /proc/xen/capabilities ] || run ../xen VMQ_ECONN
cmake -S package -B ../package >/dev/null
cmake --build ../package >/dev/null
for program in ../package/app-*; do
	run "$program"
done
cd ..

say "remove"
# As root's own Python would leave it.
python3 -c 'import vmq'
# shellcheck disable=SC2086
apt-get purge --auto-remove $packages >apt.log 2>&1 || { cat apt.log; fail "apt"; }
rm -f /run/lab.sock
files >after
diff before after || fail "the files above are not what they were before"
say "done"

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A new user's Debian: each command of README.md and of docs/tutorial.md, as it stands.
. "$HERE/debian.sh"
needs_root
unpack
mkdir "$root/root/libvmq"
cd "$SOURCE"
if git rev-parse >/dev/null 2>&1; then
	git ls-files -z --cached --others --exclude-standard
else
	find . -type f ! -path './build/*' ! -path './.git/*' -print0
fi >"$debian/files"
# What was removed and is still in git's list is no matter.
tar -cf - --null --ignore-failed-read -T "$debian/files" 2>/dev/null | tar -C "$root/root/libvmq" -xf -
inside bash /root/libvmq/tests/package/type.sh
clear_root

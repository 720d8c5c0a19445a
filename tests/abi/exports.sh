#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What libvmq.so exports is what lib/vmq.map names, what the headers declare, and what the
# Python package has prototypes of.
set -eu
export LC_ALL=C
cd "$WORK"

nm -D --defined-only "$LIBRARY" | awk '$2 != "A" { print $3 }' | sort >exported
# A node NAME { global: ...; } with its symbols, as nm writes them: symbol@@NODE.
awk '/^VMQ_[0-9.]+ \{/ { node = $1 } /^\t\tvmq_[a-z0-9_]+;$/ { sub(/;/, ""); print $1 "@@" node }' \
	"$SOURCE/lib/vmq.map" | sort >map
sed -n 's/^VMQ_API [^(]*[ *]\(vmq_[a-z0-9_]*\)(.*/\1/p' "$SOURCE"/include/vmq/*.h | sort >declared
sed 's/@.*//' map >named

test -s map || { echo "lib/vmq.map was not understood"; exit 1; }
test "$(cat "$SOURCE"/include/vmq/*.h | grep -c '^VMQ_API')" -eq "$(wc -l <declared)" ||
	{ echo "a VMQ_API line that is not understood"; exit 1; }
diff -u map exported || { echo "the library does not export what lib/vmq.map names"; exit 1; }
diff -u named declared || { echo "the headers do not declare what lib/vmq.map names"; exit 1; }
echo "$(wc -l <map) symbols: library, map and headers agree"

if [ -z "$PYTHON" ] || [ ! -e "$SOURCE/bindings/python/vmq/_c.py" ]; then
	exit 0
fi
"$PYTHON" -c '
import runpy, sys
print("\n".join(runpy.run_path(sys.argv[1])["PROTOTYPES"]))' "$SOURCE/bindings/python/vmq/_c.py" | sort >prototypes
diff -u named prototypes || { echo "vmq/_c.py has not the prototypes that lib/vmq.map names"; exit 1; }
echo "and so do the prototypes in Python"

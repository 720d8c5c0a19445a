#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What libvmq.so exports is what lib/vmq.map names is what the headers declare.
set -eu
cd "$WORK"

nm -D --defined-only "$PREFIX/$LIBDIR/libvmq.so" | awk '$2 != "A" { print $3 }' |
	sed 's/@.*//' | sort -u >exported
sed -n 's/^[[:space:]]*\(vmq_[a-z0-9_]*\);$/\1/p' "$SOURCE/lib/vmq.map" | sort >map
sed -n 's/^VMQ_API [^(]*[ *]\(vmq_[a-z0-9_]*\)(.*/\1/p' "$PREFIX"/include/vmq/*.h | sort >declared

test "$(grep -c '^VMQ_API' "$PREFIX"/include/vmq/*.h | awk -F: '{ n += $2 } END { print n }')" \
	-eq "$(wc -l <declared)" || { echo "a VMQ_API line that is not understood"; exit 1; }
diff -u map exported || { echo "libvmq.so does not export what lib/vmq.map names"; exit 1; }
diff -u map declared || { echo "the headers do not declare what lib/vmq.map names"; exit 1; }
echo "$(wc -l <map) symbols"

# The static library brings no names that are not its own, but for that of probes' notes.
nm -g --defined-only "$PREFIX/$LIBDIR"/libvmq*.a 2>/dev/null |
	awk 'NF == 3 { print $3 }' | grep -v -E '^(vmq_|_\.stapsdt\.base$)' >foreign || true
test ! -s foreign || { echo "names without a prefix of ours:"; cat foreign; exit 1; }

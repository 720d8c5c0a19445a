#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# probes_listed.sh LIBRARY PAGE - the probes in the library are those in the page's table.
set -eu
has=$(readelf -n "$1" | awk '/Provider: vmq/ { on = 1; next } on && /Name:/ { print $2; on = 0 }' | sort -u)
says=$(sed -n 's/^| `vmq:\([a-z_]*\)(.*/\1/p' "$2" | sort -u)
[ -n "$has" ] || { echo "no probes in $1"; exit 1; }
[ "$has" = "$says" ] || { printf 'the library has:\n%s\nthe page lists:\n%s\n' "$has" "$says"; exit 1; }

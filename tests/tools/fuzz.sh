#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# fuzz.sh - options and arguments at random: VMQ PYTHON [ROUNDS [SEED]].
. "$(dirname "$0")/tool.sh"
script=$(cd "$(dirname "$0")" && pwd)/fuzz.py
python=$2
shift 2
hub_start "$vmq" -q
start_vmq b recv -o /dev/null "sim:unix=$tmp/hub?name=b"
there "sim:unix=$tmp/hub" b
mkdir "$tmp/folder"
cd "$tmp/folder" || exit 1
"$python" -B "$script" "$vmq" "$tmp/hub" "$@" >"$tmp/fuzz.out" 2>&1 || fail "a command did not take it well"

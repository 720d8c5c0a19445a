#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# lint.sh - mandoc finds nothing in any page that deserves a warning: MANDOC FOLDER.
set -u
mandoc=$1
cd "$2" || exit 1
set -- man[137]/*.[137]
[ $# -gt 100 ] || { echo "there are only $# pages in $2"; exit 1; }
# Links by .so are meant; what they lead to is looked at under its own name.
said=$("$mandoc" -Tlint -W warning "$@" | grep -v '\.so is fragile')
[ -z "$said" ] || { printf '%s\n' "$said"; exit 1; }

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Every file says its licence in its first lines. JSON has no comments, and the licence
# is itself.
set -eu
cd "$SOURCE"
bad=0

files()
{
	if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		git ls-files --cached --others --exclude-standard
	else
		find . -type f ! -path './build/*' ! -path './.git/*'
	fi
}

files | grep -v -E '\.json$|(^|/)LICENSE$|/corpus/' >"$WORK/files"
test -s "$WORK/files"
while read -r file; do
	test -f "$file" || continue
	head -n 3 "$file" | grep -q 'SPDX-License-Identifier: BSD-2-Clause' ||
		{ echo "$file has no SPDX line"; bad=1; }
done <"$WORK/files"
exit $bad

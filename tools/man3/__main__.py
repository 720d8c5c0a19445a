# SPDX-License-Identifier: BSD-2-Clause
"""man3 - make the manual pages of section 3 from the headers' comments.

usage: python3 tools/man3 HEADERS OUTDIR DATE

HEADERS is the folder of the public headers; DATE is for the pages' .Dd. What is in
OUTDIR and was not made by this run is removed: it is of a function that is no more.
"""
import sys
from pathlib import Path

import headers
from page import Page


def pages(api, date):
    """{file name: text}, a page or a link for each function."""
    made = {}
    for function in api.functions.values():
        if function.leader == function.name:
            made[function.name + ".3"] = Page(api, function.name, date).text()
        else:
            made[function.name + ".3"] = f".so man3/{function.leader}.3\n"
    return made


def write(made, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.3"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")


def main(argv):
    if len(argv) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        write(pages(headers.read(Path(argv[1])), argv[3]), Path(argv[2]))
    except (OSError, ValueError, KeyError) as error:
        print(f"man3: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))

# SPDX-License-Identifier: BSD-2-Clause
"""xref.py - each .Xr to a page of ours leads to one: MAN."""
import re
import sys
from pathlib import Path


def main(man):
    man, wrong, seen = Path(man), [], 0
    for page in sorted(man.glob("man?/*")):
        for name, section in re.findall(r"^\.(?:It |Pq |Po )?Xr (vmq\S*) (\d)", page.read_text(), re.M):
            seen += 1
            if not (man / f"man{section}" / f"{name}.{section}").exists():
                wrong.append(f"{page.name}: there is no {name}({section})")
    assert seen > 200, f"only {seen} references: are they read right?"
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

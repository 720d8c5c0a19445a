# SPDX-License-Identifier: BSD-2-Clause
"""layout.py - the tables of docs/wire-format.md and docs/ivshmem-directory.md say what the
headers say: SOURCE CC. Each row becomes assertions, and the compiler looks at them."""
import re
import subprocess
import sys
from pathlib import Path

# Which struct the table is of that follows this text.
STRUCTS = {
    "wire-format.md": [
        ("## Header", "vmq_layout_header"),
        ("An identity:", "vmq_layout_ident"),
        ("## Control area", "vmq_layout_ctl"),
        ("## Lane and records", "vmq_layout_record"),
        ("Fragment's head", "vmq_layout_frag"),
        ("Page descriptor", "vmq_layout_page"),
        ("HELLO (112 bytes", "vmq_layout_hello"),
    ],
    "ivshmem-directory.md": [
        ("## Header", "vmq_ivshmem_header"),
        ("## Slots", "vmq_ivshmem_slot"),
        ("## Cells and channels", "vmq_ivshmem_cell"),
    ],
}
FIELDS = {}  # struct: its members, as the header has them


def rows(text, start):
    """The cells of the first table behind `start`, without its two lines of head."""
    assert text.count(f"\n{start}") == 1, f"'{start}' is not there, or twice"
    table = re.search(r"(?:^\|.*\n)+", text[text.index(f"\n{start}"):], re.M).group()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def size_of(cell):
    """"8", "2, 2", "4 × (4, 4)", "1,024": bytes of all that the row has. None: no number."""
    text = re.sub(r"(?<=\d),(?=\d{3})", "", cell).replace("×", "*").replace(",", "+")
    return eval(text) if re.fullmatch(r"[\d *+()]+", text) else None  # digits and signs only


def asserted(struct, cells):
    """Lines of C for one row, none if it names no field."""
    offset, size, field = cells[:3]
    names = re.findall(r"\w+", field.split(":")[0])
    if not names or not all(re.search(rf"\b{n}\b", FIELDS[struct]) for n in names):
        return []
    at, lines = offset, []
    for n in names:
        lines.append(f"_Static_assert(offsetof(struct {struct}, {n}) == {at}, \"{struct}.{n} is not at {at}\");")
        at += f" + sizeof(((struct {struct} *)0)->{n})"
    if size_of(size):
        lines.append(f"_Static_assert({at} == {offset} + {size_of(size)}, \"{struct}: {field} has not {size} bytes\");")
    return lines


def numbers(text):
    """The record kinds, the arm words' states and the reasons for poison."""
    kinds = re.findall(r"^\| (\d) \| ([A-Z]+) \|[^|]*\|$", text, re.M)
    arms = re.findall(r"^\| (\d) \| ([A-Z]+) \|[^|]*\|[^|]*\|$", text, re.M)
    reasons = re.findall(r"\| (\d+) ([A-Z_]+)(?: \([^|]*\))? \|$", text, re.M)
    assert len(kinds) >= 5 and len(arms) >= 3 and len(reasons) >= 16, "too few numbers: are the tables read right?"
    return [f"_Static_assert(VMQ_{what}_{name} == {number}, \"{name} is not {number}\");"
            for what, pairs in (("KIND", kinds), ("ARM", arms), ("POISON", reasons)) for number, name in pairs]


def main(source, cc):
    source, lines = Path(source), []
    for name in ("layout.h", "ivshmem.h"):
        header = (source / "include/vmq" / name).read_text(encoding="utf-8")
        header = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
        FIELDS.update(re.findall(r"^struct (\w+) \{\n(.*?)^\};", header, re.M | re.S))
    for page, structs in STRUCTS.items():
        text = (source / "docs" / page).read_text(encoding="utf-8")
        for start, struct in structs:
            found = [line for cells in rows(text, start) for line in asserted(struct, cells)]
            assert len(found) >= 3, f"{page}, '{start}': only {len(found)} facts in the table"
            lines += found
        lines += numbers(text) if page == "wire-format.md" else []
    code = "\n".join(f"#include <{h}>" for h in ("stddef.h", "vmq/errors.h", "vmq/ivshmem.h")) + "\n" + "\n".join(lines)
    done = subprocess.run([cc, "-std=c11", "-fsyntax-only", f"-I{source}/include", "-xc", "-"], input=code + "\n",
                          text=True, capture_output=True, check=False)
    print(f"{len(lines)} facts", "\n".join(re.findall(r"error: .*", done.stderr)) or done.stderr, sep="\n")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

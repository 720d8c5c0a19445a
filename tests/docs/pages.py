# SPDX-License-Identifier: BSD-2-Clause
"""pages.py - no manual page is missing: SOURCE MAN VMQ ARCHIVE...

Each function that the shared library or an archive exports has one in section 3, each
command that `vmq --help` lists in section 1, each transport in section 7. And there are
none of what is no more.
"""
import re
import subprocess
import sys
from pathlib import Path


def of_map(path):
    return re.findall(r"^\s+(vmq_\w+);$", path.read_text(), re.M)


def of_archive(path):
    out = subprocess.run(["nm", "-g", "--defined-only", path], capture_output=True, text=True, check=True).stdout
    return re.findall(r" T (vmq_[a-z]\w*)$", out, re.M)


def commands(vmq):
    out = subprocess.run([vmq, "--help"], capture_output=True, text=True, check=True).stdout
    return re.findall(r"^  ([a-z][\w-]*) {2,}", out, re.M)


def transports(source):
    return [p.name for p in (source / "transports").iterdir() if p.is_dir() and p.name != "common"]


def compare(what, wanted, there):
    """Lines that say what is missing, and what is too much."""
    return [f"{what}: no page for {name}" for name in sorted(set(wanted) - set(there))] + \
           [f"{what}: a page for {name}, which there is not" for name in sorted(set(there) - set(wanted))]


def names(folder, section, prefix=""):
    return [p.name[len(prefix):-2] for p in folder.glob(f"{prefix}*.{section}")]


def misled(folder):
    """Links to a page that is not there, or is of other functions."""
    wrong = []
    for path in folder.glob("*.3"):
        link = re.match(r"\.so man3/(\S+)", path.read_text())
        page = folder / link.group(1) if link else path
        if not page.exists() or f".Nm {path.stem}" not in page.read_text():
            wrong.append(f"{path.name} does not lead to a page of {path.stem}()")
    return wrong


def main(source, man, vmq, *archives):
    source, man = Path(source), Path(man)
    functions = of_map(source / "lib/vmq.map") + [name for a in archives for name in of_archive(a)]
    listed = re.findall(r"^\.It Cm (\S+)$", (man / "man1/vmq.1").read_text(), re.M)
    assert len(functions) > 100, "too few functions: is the map read right?"
    wrong = compare("section 3", functions, names(man / "man3", 3))
    wrong += misled(man / "man3")
    wrong += compare("section 1", commands(vmq), set(names(man / "man1", 1, "vmq-")) - {"xen-fabric"})
    wrong += compare("vmq.1", commands(vmq), listed)
    wrong += compare("section 7", transports(source), names(man / "man7", 7, "vmq-"))
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

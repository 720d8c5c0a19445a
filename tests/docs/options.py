# SPDX-License-Identifier: BSD-2-Clause
"""options.py - the manual page of each command has the options of its --help, and no
others: MAN1 VMQ [VMQ-XEN-FABRIC]."""
import re
import subprocess
import sys
from pathlib import Path


def run(*command):
    return subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout


def of_help(text):
    """{"--json": "-j" or ""}, of lines that begin with an option."""
    found = re.findall(r"^ +(?:(-\w), +)?(--[a-z][\w-]*)", text, re.M)
    return {long: short for short, long in found}


def of_page(text):
    """The same of a page: ".It Fl j , -json", or with Fl before each."""
    found = re.findall(r"^\.It Fl (?:(\w) , )?(?:Fl )*-?([a-z][\w-]+)", text, re.M)
    return {"--" + long: short and "-" + short for short, long in found}


def compare(name, helped, page):
    if not page.exists():
        return [f"{page.name} is missing"]
    paged = of_page(page.read_text())
    wrong = [] if helped else [f"{name} --help: no options found"]
    for option in sorted(set(helped) | set(paged)):
        if helped.get(option) != paged.get(option):
            wrong.append(f"{name}: --help has {helped.get(option)!r} and {page.name} {paged.get(option)!r}"
                         f" for {option}")
    return wrong


def main(man, vmq, fabric=None):
    man, wrong = Path(man), []
    for command in re.findall(r"^  ([a-z][\w-]*) {2,}", run(vmq), re.M):
        wrong += compare(f"vmq {command}", of_help(run(vmq, command)), man / f"vmq-{command}.1")
    if fabric:
        wrong += compare("vmq-xen-fabric", of_help(run(fabric)), man / "vmq-xen-fabric.1")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

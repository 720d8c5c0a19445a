# SPDX-License-Identifier: BSD-2-Clause
"""What the C headers say, as the compiler understands them: functions, structs, constants.

Types and offsets come out of the debug information of a file that includes the headers;
constants out of enums made of them, in the same file. Nothing is parsed as C here, and no
list is kept by hand.
"""

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

INCLUDE = Path(__file__).resolve().parents[3] / "include"
API = ("vmq.h", "vmm.h", "kvm.h")
CC = os.environ.get("CC", "cc")


@dataclass
class Entry:
    """One entry of the debug information."""

    tag: str
    attributes: Dict[str, str] = field(default_factory=dict)
    children: List["Entry"] = field(default_factory=list)

    def number(self, name: str) -> int:
        """An attribute's number, whatever form it was stored in."""
        found = re.match(r"(?:\(\w+\)\s+)?(0x[0-9a-f]+|-?\d+)", self.attributes[name])
        assert found, self.attributes[name]
        return int(found[1], 0)

    @property
    def name(self) -> str:
        text = self.attributes.get("DW_AT_name", "")
        return re.sub(r"^\([^)]*\)\s*", "", re.sub(r"^(\(\w+\) )?\(.*offset: \w+\): ", "", text))


def run(*command: str, text: str = "") -> "subprocess.CompletedProcess[str]":
    environment = dict(os.environ, LC_ALL="C")
    return subprocess.run(
        command, input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        universal_newlines=True, env=environment,
    )


def compile_c(text: str, *options: str) -> "subprocess.CompletedProcess[str]":
    return run(CC, "-std=gnu11", f"-I{INCLUDE}", "-x", "c", *options, "-", text=text)


def includes() -> str:
    return "".join(f"#include <vmq/{name}>\n" for name in API)


def read_entries(listing: str) -> Tuple[Entry, Dict[int, Entry]]:
    """The tree that `readelf --debug-dump=info` lists, and its entries by offset."""
    root, stack, entries, entry = Entry("root"), [], {}, None
    for line in listing.splitlines():
        head = re.match(r"\s*<(\w+)><(\w+)>: Abbrev Number: \d+ \((\w+)\)", line)
        attribute = re.match(r"\s*<\w+>\s+(DW_AT_\w+)\s*: (.*)", line)
        if head:
            depth, entry = int(head[1]), Entry(head[3])
            entries[int(head[2], 16)] = entry
            del stack[depth:]
            (stack[-1] if stack else root).children.append(entry)
            stack.append(entry)
        elif attribute and entry:
            entry.attributes[attribute[1]] = attribute[2]
    return root, entries


class Headers:
    """functions: name -> entry of its type; structs: name -> entry; constants: name ->
    value; homes: constant -> the header that has it."""

    def __init__(self, folder: Path) -> None:
        self.names = self._functions()
        self.homes = self._constants()
        source = includes() + "".join(f"__typeof__({name}) *function_{name};\n" for name in self.names)
        source += self._values(source)
        obj = folder / "headers.o"
        done = compile_c(source, "-g", "-O0", "-fno-eliminate-unused-debug-types", "-c", "-o", str(obj))
        assert done.returncode == 0, done.stderr
        listing = run("readelf", "-W", "--debug-dump=info", str(obj))
        assert listing.returncode == 0, listing.stderr
        root, self.entries = read_entries(listing.stdout)
        self.constants: Dict[str, int] = {}
        self.structs: Dict[str, Entry] = {}
        self.functions: Dict[str, Entry] = {}
        for entry in root.children[0].children:
            self._sort(entry)

    @staticmethod
    def _functions() -> List[str]:
        text = "\n".join((INCLUDE / "vmq" / name).read_text() for name in API)
        return re.findall(r"^VMQ_API [^(]*?\b(vmq_\w+)\(", text, re.M)

    @staticmethod
    def _constants() -> Dict[str, str]:
        """Names of macros without arguments, and of enumerators."""
        done = compile_c(includes(), "-E", "-dD")
        assert done.returncode == 0, done.stderr
        homes: Dict[str, str] = {}
        texts: Dict[str, str] = {}
        home = ""
        for line in done.stdout.splitlines():
            marker = re.match(r'# \d+ "(.*)"', line)
            macro = re.match(r"#define (VMQ_(?!_)\w+) .", line)
            if marker:
                path = Path(marker[1])
                home = path.name if path.parent == INCLUDE / "vmq" else ""
            elif macro and home:
                homes[macro[1]] = home
            elif home and not line.startswith("#"):
                texts[home] = texts.get(home, "") + line + "\n"
        for name, text in texts.items():
            for body in re.findall(r"\benum\s+\w*\s*\{([^}]*)\}", text):
                homes.update((word, name) for word in re.findall(r"\bVMQ_\w+", body))
        return homes

    def _values(self, before: str) -> str:
        """An enum for each constant. A macro that is no number is none."""
        lines = [f"enum {{ value_{name} = ({name}) }};" for name in self.homes]
        first = before.count("\n") + 1
        wrong = compile_c(before + "\n".join(lines), "-fsyntax-only", "-fmax-errors=0").stderr
        none = {int(line) for line in re.findall(r"^<stdin>:(\d+):\d+: (?:error|note)", wrong, re.M)}
        return "".join(line + "\n" for number, line in enumerate(lines, first) if number not in none)

    def _sort(self, entry: Entry) -> None:
        if entry.tag == "DW_TAG_structure_type" and entry.name:
            if "DW_AT_declaration" not in entry.attributes:
                self.structs[entry.name] = entry
        elif entry.tag == "DW_TAG_variable" and entry.name.startswith("function_"):
            pointer = self.type_of(entry)
            assert pointer
            self.functions[entry.name[len("function_"):]] = self.type_of(pointer) or Entry("none")
        elif entry.tag == "DW_TAG_enumeration_type":
            for child in entry.children:
                if child.name.startswith("value_"):
                    self.constants[child.name[len("value_"):]] = child.number("DW_AT_const_value")

    def type_of(self, entry: Entry) -> Optional[Entry]:
        """The type that an entry refers to, without typedefs; None for void."""
        while "DW_AT_type" in entry.attributes:
            found = re.search(r"<0x(\w+)>", entry.attributes["DW_AT_type"])
            assert found
            entry = self.entries[int(found[1], 16)]
            if entry.tag != "DW_TAG_typedef":
                return entry
        return None

    def bare(self, entry: Optional[Entry]) -> Optional[Entry]:
        """A type without const and volatile."""
        while entry and entry.tag in ("DW_TAG_const_type", "DW_TAG_volatile_type"):
            entry = self.type_of(entry)
        return entry


def parts(entry: Entry, tag: str) -> List[Any]:
    return [child for child in entry.children if child.tag == tag]

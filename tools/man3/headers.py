# SPDX-License-Identifier: BSD-2-Clause
"""headers - what the public headers declare, with the comments that say what it means.

No C parser: it knows the style of include/vmq/. A comment belongs to what follows it
without an empty line, or, for a macro or a field, to what stands before it in its line.
"""
import re
from dataclasses import dataclass, field


@dataclass
class Function:
    name: str
    header: str
    returns: str
    params: list       # as written: "struct vmq *q"
    comment: str       # of its own or of the neighbour that leads
    leader: str        # name of the function whose page this is


@dataclass
class Struct:
    name: str
    comment: str
    fields: list       # (declaration, comment)


@dataclass
class Enum:
    name: str
    comment: str
    values: list       # (name, comment)


@dataclass
class Macro:
    name: str
    comment: str
    group: str         # the comment above its group
    header: str


@dataclass
class Api:
    functions: dict = field(default_factory=dict)
    structs: dict = field(default_factory=dict)
    enums: dict = field(default_factory=dict)
    macros: dict = field(default_factory=dict)
    overview: dict = field(default_factory=dict)   # header: its first comment
    errors: dict = field(default_factory=dict)     # "VMQ_EAGAIN": (number, text)
    version: str = ""


TOKEN = re.compile(r"""
    (?P<blank>\n[ \t]*\n)
  | (?P<comment>/\*.*?\*/)
  | (?P<define>\#[ ]*define(?:[^\n\\/]|\\.|/(?!\*))*)
  | (?P<cpp>\#(?:[^\n\\]|\\.)*)
  | (?P<space>\s)
  | (?P<code>[^\s])
""", re.X | re.S)


def plain(comment):
    """The text of a comment, its lines without the stars in front."""
    lines = comment[2:-2].split("\n")
    return "\n".join(re.sub(r"^\s*\* ?", "", line).rstrip() for line in lines).strip("\n ")


def end_of_declaration(text, at):
    """Where the declaration that starts at `at` ends: behind its semicolon."""
    depth = 0
    for match in re.compile(r"/\*.*?\*/|[{}();]", re.S).finditer(text, at):
        if match.group() in "{(":
            depth += 1
        elif match.group() in "})":
            depth -= 1
        elif match.group() == ";" and depth == 0:
            return match.end()
    raise ValueError("a declaration without an end: " + text[at:at + 60])


def same_line(text, start, end):
    return "\n" not in text[start:end]


class Reader:
    """Reads one header into an Api."""

    def __init__(self, api, header, text):
        self.api, self.header = api, header
        text = re.sub(r"#ifdef __cplusplus.*?#endif", "", text, flags=re.S)
        self.text = text.split("*/", 1)[1]  # the licence
        self.above = ""      # the comment above, until an empty line
        self.leader = None   # the function that the next one shares its page with
        self.macro = None    # whose comment may follow in its line
        self.ended = 0

    def read(self):
        at = 0
        while match := TOKEN.match(self.text, at):
            at = getattr(self, match.lastgroup)(match)

    def blank(self, match):
        self.above, self.leader = "", None
        return match.end() - 1

    def space(self, match):
        return match.end()

    def cpp(self, match):
        return match.end()

    def comment(self, match):
        text = plain(match.group())
        if self.macro and same_line(self.text, self.ended, match.start()):
            self.macro.comment = text
        elif self.header not in self.api.overview:
            self.api.overview[self.header] = text
        else:
            self.above, self.leader = text, None
        return match.end()

    def define(self, match):
        name = re.match(r"#\s*define\s+(\w+)", match.group()).group(1)
        self.macro = Macro(name, "", self.above, self.header)
        self.api.macros[name] = self.macro
        self.ended = match.end()
        return match.end()

    def code(self, match):
        end = end_of_declaration(self.text, match.start())
        self.macro = None
        self.declaration(self.text[match.start():end])
        return end

    def declaration(self, text):
        kind = re.match(r"(struct|enum) (\w+) \{(.*)\};$", text, re.S)
        if kind and kind.group(1) == "struct":
            self.api.structs[kind.group(2)] = Struct(kind.group(2), self.above, fields(kind.group(3)))
        elif kind:
            self.api.enums[kind.group(2)] = Enum(kind.group(2), self.above, values(kind.group(3)))
        else:
            self.function(" ".join(text.split()))

    def function(self, text):
        match = re.match(r"(?:VMQ_API )?([\w ]+?[ *]+)(vmq_\w+)\((.*)\);$", text)
        if not match:
            return
        name = match.group(2)
        if not self.above:
            raise ValueError(f"{self.header}: {name}() has no comment")
        self.leader = self.leader or name
        self.api.functions[name] = Function(name, self.header, match.group(1).strip(),
                                            params(match.group(3)), self.above, self.leader)


def params(text):
    """The parameters of a function, one a string."""
    parts, depth = [""], 0
    for char in text:
        depth += (char == "(") - (char == ")")
        if char == "," and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts if part.strip() != "void"]


def members(body, end):
    """What a struct or an enum holds: (declaration, comment), each up to `end`."""
    found, pending, at = [], "", 0
    for match in re.finditer(r"/\*.*?\*/|[^%s/]+[%s]" % (end, end), body, re.S):
        if not match.group().startswith("/*"):
            found.append([" ".join(match.group().rstrip(end).split()), pending])
            pending, at = "", match.end()
        elif found and same_line(body, at, match.start()) and not pending:
            found[-1][1] = plain(match.group())
        else:
            pending = plain(match.group())
    return [(name, " ".join(text.split())) for name, text in found if name]


def fields(body):
    return members(body, ";")


def values(body):
    return [(re.sub(r"\s*=.*", "", name), text) for name, text in members(body + ",", ",")]


def read_errors(text):
    codes = re.findall(r'X\((E\w+), (-\d+), "(.*?)"\)', text)
    return {"VMQ_" + name: (int(number), words) for name, number, words in codes}


def read_version(text):
    return ".".join(re.findall(r"#define VMQ_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", text))


def read(folder):
    """The Api of the headers in a folder."""
    api = Api()
    for path in sorted(folder.glob("*.h")):
        text = path.read_text(encoding="utf-8")
        Reader(api, path.name, text).read()
        if path.name == "errors.h":
            api.errors = read_errors(text)
        if path.name == "version.h":
            api.version = read_version(text)
    return api

# SPDX-License-Identifier: BSD-2-Clause
"""mdoc - prose of the headers as lines of mdoc(7): names become macros."""
import re

WIDTH = 78
GLUE = "\x00"  # a blank inside of one word

WORD = re.compile(r"""^
    (?P<open>[(\[]*)
    (?:(?P<function>[a-z]\w*)\(\)
     | (?P<constant>VMQ_[A-Z0-9_]+\*?|NULL\b|UINT(?:32|64)_MAX\b)
     | (?P<type>(?:struct|enum)\x00\w+)
     | `(?P<quoted>[^`]+)`
     | (?P<header>[a-z]+\.h\b)
     | (?P<path>docs/[\w/-]+\.md)
     | (?P<argument>\w+(?:(?:->|\[\]\.?|\.)[a-z]\w*)+|\*[a-z]\w*|[a-z]+(?:_[a-z0-9]+)+\b|\w+\[\])
    )
    (?P<close>[.,:;)\]?!]*)(?P<rest>.*)$""", re.X | re.S)


def escape(text):
    text = text.replace("\\", "\\e").replace(GLUE, " ")
    return "\\&" + text if text[:1] in (".", "'") else text


def argument(text):
    """One argument of a macro."""
    text = escape(text).replace('"', "\\(dq")
    return f'"{text}"' if " " in text or not text else text


class Prose:
    """Turns text into lines. `pages`: functions that have one; `own`: those of this page;
    `names`: parameters and fields that `this` may mean."""

    def __init__(self, pages, own=(), names=(), errors=(), headers=()):
        self.pages, self.own, self.names = pages, own, set(names)
        self.errors, self.headers = errors, headers
        self.mentioned = set()

    def macro(self, match):
        """The macro for a word, or None if it is just a word."""
        kind, text = next((k, v) for k, v in match.groupdict().items() if v and k != "open")
        if kind == "function":
            return self.function(text)
        if kind == "constant":
            return f".{'Er' if text in self.errors else 'Dv'} {text}"
        if kind == "type":
            return f".Vt {argument(text)}"
        if kind == "quoted":
            return f".{'Fa' if text in self.names else 'Ql'} {argument(text)}"
        if kind == "header":
            return f".In vmq/{text}" if text in self.headers else None
        if kind == "path":
            return f".Pa {text}"
        return f".Fa {argument(text)}"

    def function(self, name):
        if name in self.own or name not in self.pages:
            return f".Fn {name}"
        self.mentioned.add(name)
        return f".Xr {name} 3"

    def word(self, word):
        """Lines for a word that is more than text, or None."""
        match = WORD.match(word)
        macro = match and self.macro(match)
        if not macro:
            return None
        if match["close"]:
            macro += " " + " ".join(match["close"])
        if match["rest"]:
            macro += f" Ns {argument(match['rest'])}"
        return [f"{match['open']}\\c", macro] if match["open"] else [macro]

    def lines(self, text):
        text = re.sub(r"\b(struct|enum) (vmq_\w+|kvm_run)", rf"\1{GLUE}\2", " ".join(text.split()))
        text = re.sub(r"`[^`]+`", lambda m: m.group().replace(" ", GLUE), text)
        found, plain = [], ""
        for word in text.split(" "):
            special = self.word(word)
            if special:
                found += [escape(plain)] * bool(plain) + special
                plain = ""
            elif len(plain) + len(word) > WIDTH or re.search(r"(?:\w\w|[\d)\"])[.?]$", plain):
                found.append(escape(plain))
                plain = word
            else:
                plain = f"{plain} {word}".strip()
        return found + [escape(plain)] * bool(plain)


def tag_list(items, compact=False):
    """`items`: (line of .It, lines)."""
    found = [".Bl -tag -width Ds" + (" -compact" if compact else "")]
    for head, lines in items:
        found += [".It " + head] + lines
    return found + [".El"]


def literal(lines):
    return [".Bd -literal -offset indent"] + [escape(line) for line in lines] + [".Ed"]

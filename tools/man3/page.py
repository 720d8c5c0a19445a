# SPDX-License-Identifier: BSD-2-Clause
"""page - the manual page of one function, or of several that share a comment."""
import re

import comment
from mdoc import GLUE, Prose, argument, literal, tag_list

LIBRARIES = {"core.h": ("vmq-core", "the freestanding queue core"),
             "boot.h": ("vmq-guest", "a guest's side of the KVM transport"),
             "guest.h": ("vmq-guest", "a guest's side of the KVM transport")}
LIBVMQ = ("vmq", "message queues for virtual machines")
TRANSPORT = {"kvm.h": "vmq-kvm", "guest.h": "vmq-kvm", "boot.h": "vmq-kvm"}

# Visible so that they can stand in static memory, or layouts of shared memory: nothing
# that a caller fills in or reads.
OPAQUE = {"vmq_tx", "vmq_rx", "vmq_chan", "vmq_page_table", "vmq_page_entry", "vmq_layout_ctl",
          "vmq_layout_page", "vmq_transport", "vmq_geometry"}

# Taken by many functions: described on one page.
HOME = {"vmq_guest": "vmq_guest_init", "vmq_ident": "vmq_layout_write"}

RETURNS = {
    "int": "Returns 0, or a negative error code.",
    "bool": "Returns true if it is so, else false.",
    "const char *": "Returns a string that is not to be freed.",
}

THREADS = {
    "S": "A sending function: of one endpoint, one thread may call the sending functions while another "
         "calls the receiving ones. More than one sender need VMQ_OPEN_THREADSAFE.",
    "R": "A receiving function: of one endpoint, one thread may call the receiving functions while another "
         "calls the sending ones. More than one receiver need VMQ_OPEN_THREADSAFE.",
    "A": "May be called by the sending and by the receiving thread of an endpoint.",
    "last": "Every other call on the endpoint must have ended.",
    "none": "May be called by any thread.",
}
TIME = ("timeout_ns is in nanoseconds: VMQ_NOWAIT (0) does not wait, VMQ_FOREVER (or any negative number) "
        "has no limit.")


class Page:
    def __init__(self, api, leader, date):
        self.api, self.date = api, date
        self.functions = [f for f in api.functions.values() if f.leader == leader]
        self.first = self.functions[0]
        self.parsed = comment.parse(self.first.comment)
        self.prose = Prose(api.functions, [f.name for f in self.functions], self.names(), api.errors,
                           api.overview)
        self.structs, self.enums, self.macros = [], [], []

    def names(self):
        return [re.search(r"(\w+)(?:\[.*\])?$", p).group(1) for f in self.functions for p in f.params
                if re.search(r"\w(?:\[.*\])?$", p)]

    def has(self, pattern):
        return any(re.match(pattern, p) for f in self.functions for p in f.params)

    def takes(self, struct):
        """Is it a parameter, or a field of a struct that is shown?"""
        declarations = [p for f in self.functions for p in f.params]
        declarations += [name for shown in self.structs for name, _ in shown.fields]
        return any(re.search(rf"\bstruct {struct}\b", d) for d in declarations)

    # ---- what else the page shows -------------------------------------------------

    def collect(self):
        """Structs, enums and families of constants that the functions speak of."""
        self.look_at(" ".join(p for f in self.functions for p in f.params))
        self.look_at(self.first.comment)
        for struct in self.structs:  # grows meanwhile
            for declaration, text in struct.fields:
                self.look_at(declaration)
                self.look_at(text, "enum")

    def look_at(self, text, kinds="struct|enum"):
        for kind, name in re.findall(rf"\b({kinds}) (\w+)", text):
            table, to = (self.api.structs, self.structs) if kind == "struct" else (self.api.enums, self.enums)
            if name in table and self.shows(name) and table[name] not in to:
                to.append(table[name])
        for prefix in re.findall(r"\b(VMQ_(?:[A-Z]+_)+)\*", text):
            self.macros += [m for m in self.api.macros.values()
                            if m.name.startswith(prefix) and m.comment and m not in self.macros]

    def shows(self, name):
        return name not in OPAQUE and HOME.get(name, self.first.name) == self.first.name

    # ---- sections -------------------------------------------------------------------

    def head(self):
        name, what = LIBRARIES.get(self.first.header, LIBVMQ)
        names = [f".Nm {f.name} ," for f in self.functions]
        names[-1] = names[-1].rstrip(" ,")
        return [f".Dd {self.date}", f".Dt {self.first.name.upper()} 3", f".Os libvmq {self.api.version}",
                ".Sh NAME", *names, f".Nd {comment.first_words(self.first.comment)}",
                ".Sh LIBRARY", f"{what[0].upper()}{what[1:]}", f"(lib{name}, \\-l{name}; pkg-config {name})"]

    def synopsis(self):
        lines = [".Sh SYNOPSIS", f".In vmq/{self.first.header}"]
        for f in self.functions:
            lines += [f".Ft {argument(f.returns)}", f".Fo {f.name}"]
            lines += [f".Fa {argument(p)}" for p in f.params or ["void"]] + [".Fc"]
        return lines

    def description(self):
        lines = [".Sh DESCRIPTION"]
        for i, (kind, content) in enumerate(self.parsed.blocks):
            if kind == "text":
                lines += [".Pp"] * (i > 0) + self.prose.lines(content)
            elif kind == "code":
                lines += literal(content)
            else:
                lines += tag_list([(self.term(term), self.prose.lines(text)) for term, text in content])
        if self.has("int64_t timeout_ns"):
            lines += [".Pp"] + self.prose.lines(TIME)
        return lines

    def term(self, text):
        if re.fullmatch(r"VMQ_\w+", text):
            return f"Dv {text}"
        return "Li " + argument(text)

    def field(self, text):
        """A field's declaration, or that of several: "uint32_t first, count"."""
        if "(" in text or "," not in text:
            return f"Fa {argument(text)}"
        first, *others = text.split(", ")
        return " , ".join([f"Fa {argument(first)}"] + [f"Fa {name}" for name in others])

    def show_struct(self, struct):
        lines = [f".Ss struct {struct.name}"]
        if struct.comment:
            lines += self.prose.lines(struct.comment)
        items = [(self.field(name), self.prose.lines(text) if text else []) for name, text in struct.fields]
        return lines + tag_list(items, compact=not any(text for _, text in struct.fields))

    def show_enum(self, enum):
        lines = [f".Ss enum {enum.name}"] + (self.prose.lines(enum.comment) if enum.comment else [])
        if not enum.values or enum.name in ("vmq_error", "vmq_poison"):
            return lines + self.show_list(enum.name)
        return lines + self.constants(enum.values)

    def show_list(self, name):
        """errors.h has its two enums as lists of their own."""
        return self.prose.lines("The reasons stand in errors.h; vmq_poison_text() has their texts."
                                if name == "vmq_poison" else "errors.h lists them.")

    def constants(self, values):
        return tag_list([(f"Dv {name}", self.prose.lines(text) if text else []) for name, text in values],
                        compact=not any(text for _, text in values))

    def show_macros(self):
        lines, groups = [], {}
        for macro in self.macros:
            family = re.match(r"VMQ_(?:[A-Z]+_)", macro.name).group()
            groups.setdefault(family, []).append(macro)
        for family, members in groups.items():
            lines += [f".Ss {family}*"]
            if members[0].group:
                lines += self.prose.lines(members[0].group)
            lines += self.constants([(m.name, m.comment) for m in members])
        return lines

    def returns(self):
        text = " ".join(self.parsed.returns)
        if text in ("", "0.", "Returns 0."):
            text = RETURNS.get(self.first.returns)
        if self.first.returns == "void" or not text:
            return []
        return [".Sh RETURN VALUES"] + self.prose.lines(text)

    def all_errors(self, parsed=None, seen=()):
        """Of this function, of those it is like, and what every one of its kind has."""
        parsed = parsed or self.parsed
        found = {}
        for name in parsed.like:
            other = self.api.functions[name]
            if name not in seen and other.name != self.first.name:
                found.update(self.all_errors(comment.parse(other.comment), (*seen, name)))
        for code, text in parsed.errors.items():
            found[code] = text or found.get(code, "")
        return found

    def implied_errors(self, named):
        """What vmq.h says of all its functions, where the comment does not repeat it."""
        if self.first.header != "vmq.h" or self.first.returns not in ("int", "int64_t"):
            return {}
        found = {}
        if self.has(r"struct vmq \*q$"):
            found["VMQ_EBADF"] = ""
        if self.has("uint32_t flags"):
            found["VMQ_EINVAL"] = ""
        if self.has("int64_t timeout_ns") and "VMQ_ETIMEDOUT" not in named:
            found.update({"VMQ_EAGAIN": "", "VMQ_ETIMEDOUT": ""})
        return found

    def errors(self):
        named = self.all_errors()
        found = self.implied_errors(named) | named
        if not found:
            return []
        items = [(f"Bq Er {code}", self.error(code, found[code]))
                 for code in sorted(found, key=lambda c: -self.api.errors[c][0])]
        return [".Sh ERRORS"] + tag_list(items)

    def error(self, code, text):
        own = self.api.errors[code][1]
        lines = [f"{own[0].upper()}{own[1:]}."]
        return lines + (self.prose.lines(text[0].upper() + text[1:] + ".") if text else [])

    def threads(self):
        if self.first.header == "vmq.h":
            what = self.parsed.mark or ("last" if self.has(r"struct vmq \*q$") else "none")
            lines = self.prose.lines(THREADS[what])
            if self.parsed.more:
                more = self.parsed.more
                lines += self.prose.lines(f"That is so {more}." if more.startswith("of") else
                                          more[0].upper() + more[1:] + ".")
        else:
            match = re.search(r"Threads: (.*?)(?:\n\n|$)", self.api.overview[self.first.header], re.S)
            text = match.group(1)
            lines = self.prose.lines(text[0].upper() + text[1:])
        return [".Sh THREADS"] + lines

    def see_also(self):
        more = {TRANSPORT.get(self.first.header), "vmq-sim" if "hub" in self.first.name else None, "vmq"}
        homes = {home for name, home in HOME.items() if self.takes(name) and not self.shows(name)}
        pages = [(name, 3) for name in sorted(self.prose.mentioned | homes)]
        pages += [(name, 7) for name in sorted(more - {None})]
        lines = [f".Xr {name} {section} ," for name, section in pages]
        return [".Sh SEE ALSO", *lines[:-1], lines[-1].rstrip(" ,")]

    def details(self):
        self.collect()
        lines = []
        for struct in self.structs:
            lines += self.show_struct(struct)
        for enum in self.enums:
            lines += self.show_enum(enum)
        return lines + self.show_macros()

    def text(self):
        lines = ['.\\" Made from include/vmq/%s by tools/man3.' % self.first.header,
                 '.\\" SPDX-License-Identifier: BSD-2-Clause']
        lines += self.head() + self.synopsis() + self.description() + self.details()
        lines += self.returns() + self.errors() + self.threads() + self.see_also()
        assert not any(GLUE in line for line in lines)
        return "\n".join(lines) + "\n"

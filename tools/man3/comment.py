# SPDX-License-Identifier: BSD-2-Clause
"""comment - takes a function's comment apart: paragraphs and lists, what it returns,
which errors it names, and by which thread it may be called."""
import re
from dataclasses import dataclass, field

# "(S)", "(A; without VMQ_OPEN_THREADSAFE, ...)", "(R of each endpoint)"
MARK = re.compile(r"\s*\(([SRA])((?:;| of)[^()]*)?\)")
REFERENCE = re.compile(r"\b[Aa]s (vmq_\w+)\(\)")
CODE = re.compile(r"VMQ_E[A-Z]+\b")


@dataclass
class Parsed:
    blocks: list = field(default_factory=list)   # ("text", str), ("list", [(term, text)]), ("code", [line])
    returns: list = field(default_factory=list)  # sentences
    errors: dict = field(default_factory=dict)   # code: when, or ""
    like: list = field(default_factory=list)     # functions whose errors it has, too
    mark: str = ""                               # S, R, A
    more: str = ""                               # what the mark says besides


def blocks(text):
    """Paragraphs, and what is indented by a tab."""
    found = []
    for line in text.split("\n"):
        kind = "tab" if line.startswith("\t") else "text" if line.strip() else None
        if kind and found and found[-1][0] == kind:
            found[-1][1].append(line)
        else:
            found.append((kind, [line]))
    return [tabbed(lines) if kind == "tab" else ("text", " ".join(lines)) for kind, lines in found if kind]


def tabbed(lines):
    """A list of terms, if each has its text two blanks behind it; else code."""
    items = []
    for line in (line[1:] for line in lines):
        term = re.match(r"(\S.*?)\s{2,}(\S.*)$", line)
        if term:
            items.append([term.group(1), term.group(2)])
        elif items and line.startswith("  "):
            items[-1][1] += " " + line.strip()
        else:
            return ("code", [line[1:] for line in lines])
    return ("list", [tuple(item) for item in items])


def sentences(text):
    return re.split(r"(?<=[\w)*\"`][.?])\s+", text)


def segments(sentence):
    """The parts of a list of errors: each starts with a code, but perhaps the first."""
    return re.split(r"(?:[;,]| or)\s+(?=VMQ_E[A-Z]+\b)|[;,]\s+(?=(?:and |or )?as vmq_\w+\(\)$)", sentence.rstrip("."))


def when(segment):
    """("VMQ_EAGAIN", "when that is") of a part, or None."""
    match = re.match(r"(VMQ_E[A-Z]+)\b[:,]?\s*(.*)$", segment)
    if not match:
        return None
    text = match.group(2).strip()
    whole = re.match(r"\(([^()]*(?:\(\)[^()]*)*)\)$", text)
    return match.group(1), whole.group(1) if whole else text


def take_errors(parsed, parts):
    """Notes the errors of a list; "A, B or C: text" is said of all three."""
    alone = []
    for part in parts:
        code, text = when(part)
        parsed.errors[code] = parsed.errors.get(code) or text
        if text and ":" in part[:len(code) + 1]:
            parsed.errors.update({other: text for other in alone if not parsed.errors[other]})
        alone = [] if text else alone + [code]


def take_sentence(parsed, sentence):
    """Files a sentence; returns it if it belongs into the description."""
    sentence = re.sub(r"^Errors(?: are)?:? ", "", sentence)
    sentence = re.sub(r"(VMQ_E[A-Z]+) or (VMQ_E[A-Z]+) (\([^()]*\))", r"\1 \3, \2 \3", sentence)
    parsed.like += REFERENCE.findall(sentence)
    parts = segments(sentence)
    first = None if when(parts[0]) else parts.pop(0)
    if first and first.startswith("True "):
        first = "Returns true " + first[5:]
    is_result = first and re.match(r"Returns |0(?:$|[ ,;])", first)
    if first and not is_result and not re.match(r"as vmq_\w+\(\)$", first):
        return sentence
    take_errors(parsed, [part for part in parts if when(part)])
    if is_result:
        parsed.returns.append(first.rstrip(".,;") + ".")
    return None


def parse(text):
    """Takes a comment apart."""
    parsed = Parsed()
    mark = MARK.search(text)
    if mark:
        parsed.mark, parsed.more = mark.group(1), (mark.group(2) or "").lstrip("; ")
        text = text[:mark.start()] + text[mark.end():]
    for kind, content in blocks(text):
        if kind == "text":
            kept = [take_sentence(parsed, one) for one in sentences(content)]
            content = " ".join(one for one in kept if one)
        if content:
            parsed.blocks.append((kind, content))
    return parsed


def first_words(text):
    """What a function does, for the line under NAME."""
    sentence = sentences(MARK.sub("", " ".join(text.split())))[0]
    words = re.split(r"[:;]|\.$|\?$", sentence)[0].strip().replace("`", "")
    words = re.sub(r"\s+\([^()]*(?:\(\)[^()]*)*(?:\)|$)", "", words)
    if re.match(r"[A-Z][a-z]+\b|A ", words):
        words = words[0].lower() + words[1:]
    return words

# SPDX-License-Identifier: BSD-2-Clause
"""links.py - each link in the README and in docs/ to a file, or to a heading of one, leads
somewhere: SOURCE."""
import re
import sys
from pathlib import Path

LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")


def without_code(text):
    text = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    return re.sub(r"`[^`\n]+`", lambda m: "`" if "](" in m.group() else m.group(), text)


def anchors(path):
    """As GitHub makes them of headings."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    found = set()
    for heading in re.findall(r"^#+ +(.*?) *$", text, re.M):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        again = 0
        while anchor + (f"-{again}" if again else "") in found:
            again += 1
        found.add(anchor + (f"-{again}" if again else ""))
    return found


def broken(path, link):
    if re.match(r"[a-z]+:", link):
        return None
    name, _, anchor = link.partition("#")
    target = path.parent / name if name else path
    if not target.exists():
        return f"{link}: there is no such file"
    if anchor and anchor not in anchors(target):
        return f"{link}: there is no such heading"
    return None


def main(source):
    source = Path(source)
    pages = [*source.glob("*.md"), *source.glob("docs/**/*.md"), *source.glob("examples/**/*.md"),
             *source.glob("bindings/**/*.md"), *source.glob("bench/**/*.md")]
    wrong, seen = [], 0
    for page in sorted(pages):
        for link in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
            seen += 1
            said = broken(page, link)
            wrong += [f"{page.relative_to(source)}: {said}"] * bool(said)
    assert seen > 20, f"only {seen} links: are they read right?"
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

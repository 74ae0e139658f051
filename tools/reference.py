"""The reference of liboxbridge, made from the comments of its header: a page, and manual pages.

    python tools/reference.py            writes docs/c/reference.md
    python tools/reference.py --check    says whether it is up to date (exit code 1 if not)

What the header says is the only source. Its first comment is the introduction; each `/** ... */`
describes what follows it, in paragraphs of which some begin with a label (`Ownership:`, `Threads:`,
`NULL:`, `Returns:`). Names decide which section a thing belongs to.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = ROOT / "include" / "oxbridge.h"
PAGE = ROOT / "docs" / "c" / "reference.md"

LABELS = ("Ownership", "Threads", "NULL", "Returns")

# Title of each section, and what its names begin with, without `oxb_`. The first match counts.
SECTIONS = (
    ("Versions and features", "version|abi|has_"),
    ("Statuses and errors", "status|strerror|error|ok|err_"),
    ("The log", "log"),
    ("Bytes and callbacks", "bytes|field|str$|handler|drop"),
    ("Configuration", "config|limit|unlimited|client_auth|tls_version|tls_1"),
    ("Servers", "server|forever|turn"),
    ("Queues and notifications", "event|notify"),
    ("Exchanges", "exchange|no_exchange|live_exchanges"),
    ("Requests", "request|tls_info"),
    ("Responses", "response"),
)


@dataclass(frozen=True)
class Item:
    """A function, a type or a constant: its declaration, and the paragraphs of its comment.

    `members` are the fields of a struct or the values of an enum, each with its comment.
    """

    kind: str
    name: str
    code: str
    paragraphs: tuple[str, ...]
    members: tuple[tuple[str, str], ...] = ()

    @property
    def summary(self) -> str:
        """The first sentence."""
        first = " ".join(self.paragraphs[0].split()) if self.paragraphs else ""
        return re.split(r"(?<=[.:;])\s", first, maxsplit=1)[0].rstrip(".:;")

    def labelled(self, label: str) -> str | None:
        """The paragraph with this label, without it."""
        for paragraph in self.paragraphs:
            if paragraph.startswith(f"{label}:"):
                return paragraph.removeprefix(f"{label}:").strip()
        return None


@dataclass(frozen=True)
class Header:
    """What the header holds: its introduction, and all that it declares, in its order."""

    introduction: tuple[str, ...]
    items: tuple[Item, ...]

    @property
    def functions(self) -> dict[str, Item]:
        """Functions by name."""
        return {item.name: item for item in self.items if item.kind == "function"}


def read(header: str) -> Header:
    """Take the header apart."""
    introduction: tuple[str, ...] = ()
    paragraphs: tuple[str, ...] = ()
    items: dict[str, Item] = {}
    lines = iter(header.splitlines())
    for line in lines:
        if line.startswith("/*"):
            comment = line
            while "*/" not in comment:
                comment += "\n" + next(lines)
            if line.startswith("/**"):
                paragraphs = _paragraphs(comment)
            else:
                introduction = introduction or _paragraphs(comment)
        elif item := _item(line, lines, paragraphs):
            # An enum in C has a second declaration, of its type.
            items.setdefault(item.name, item)
            paragraphs = ()
    return Header(introduction, tuple(items.values()))


def section(name: str) -> str:
    """Title of the section that a name belongs to."""
    bare = name.lower().removeprefix("oxb_")
    for title, beginnings in SECTIONS:
        if re.match(beginnings, bare):
            return title
    sys.exit(f"tools/reference.py has no section for {name}")


def page(header: str) -> str:
    """The whole reference as Markdown."""
    held = read(header)
    out = [
        "# liboxbridge: reference",
        "",
        "Made from `include/oxbridge.h` by `tools/reference.py`.",
    ]
    for paragraph in held.introduction:
        out += ["", paragraph]
    for title, _ in SECTIONS:
        out += ["", f"## {title}"]
        for item in (item for item in held.items if section(item.name) == title):
            out += ["", f"### `{item.name}`", "", "```c", item.code, "```"]
            for paragraph in item.paragraphs:
                out += ["", re.sub(rf"^({'|'.join(LABELS)}):", r"**\1:**", paragraph)]
            if item.members:
                out += [""]
            out += [f"- `{name}`: {told}" for name, told in item.members]
    return "\n".join(out) + "\n"


def man_pages(header: str, version: str) -> dict[str, str]:
    """A manual page of section 3 for each function, by file name."""
    functions = read(header).functions
    return {f"{name}.3": _man_page(item, functions, version) for name, item in functions.items()}


def _item(line: str, lines: Iterator[str], paragraphs: tuple[str, ...]) -> Item | None:
    """Read the declaration that begins on this line. None for all that is none."""
    if defined := re.match(r"#define (OXB_\w+)", line):
        code = line
        while code.endswith("\\"):
            code += "\n" + next(lines)
        return Item("constant", defined[1], code, paragraphs)
    if not re.match(r"[a-zA-Z]", line) or line.startswith('extern "C"'):
        return None

    code = line
    while not _ended(code):
        code += "\n" + next(lines)
    if re.match(r"(?:static inline|static) ", code):
        code = re.sub(r"\s*\{.*", ";", code, flags=re.DOTALL)
    if pointer := re.match(r"typedef .*?\(\*(\w+)\)", code, re.DOTALL):
        return Item("type", pointer[1], code, paragraphs)
    if re.match(r"typedef|enum|struct|union", code) and not re.match(r"struct \w+ \*?\w+\(", code):
        tagged = re.match(r"(?:enum|struct|union) (\w+)", code)
        name = re.search(r"(\w+)\s*;\s*$", code) if code.startswith("typedef") else tagged
        if name is None:
            sys.exit(f"a type without a name: {code}")
        return Item("type", name[1], *_members(code, paragraphs))
    function = re.search(r"(\w+)\s*\(", code)
    return Item("function", function[1], code, paragraphs) if function else None


def _members(
    code: str, paragraphs: tuple[str, ...]
) -> tuple[str, tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Take the comments out of a struct or an enum, and what makes an enum's size known to C++."""
    found = re.findall(r"/\*\*(.*?)\*/\s*(.+?)\s*[,;]\n", code, re.DOTALL)
    members = []
    for comment, declared in found:
        # "OXB_OK = 0" is known by its value too, "const uint8_t *data" by its name.
        name = declared if "=" in declared else declared.split()[-1].lstrip("*")
        members.append((name, " ".join(" ".join(_paragraphs(comment)).split())))
    bare = re.sub(r"\s*/\*\*.*?\*/", "", code, flags=re.DOTALL)
    bare = re.sub(r"\n#.*|\n\s*: int32_t(?=\n)", "", bare)
    return re.sub(r"\n \{", " {", bare), paragraphs, tuple(members)


def _ended(code: str) -> bool:
    """Tell whether a declaration is whole: a semicolon, or the body of an inline function."""
    bare = re.sub(r"/\*.*?\*/", "", code, flags=re.DOTALL)
    if "/*" in bare or bare.count("{") != bare.count("}"):
        return False
    return bare.rstrip().endswith((";", "}"))


def _paragraphs(comment: str) -> tuple[str, ...]:
    """Text of a comment without its stars, in paragraphs. A label begins one of its own."""
    inner = comment.strip().removeprefix("/*").removeprefix("*").removesuffix("*/")
    lines = [re.sub(r"^\s*\* ?", "", line, count=1).rstrip() for line in inner.split("\n")]
    lines[0] = lines[0].strip()
    text = "\n".join(lines).strip("\n ")
    text = re.sub(rf"\n(?=(?:{'|'.join(LABELS)}):)", "\n\n", text)
    found: list[str] = []
    fenced = False
    for part in re.split(r"\n\s*\n", text):
        # An empty line in an example ends no paragraph.
        if fenced:
            found[-1] += "\n\n" + part
        else:
            found.append(part)
        fenced ^= part.count("```") % 2 == 1
    return tuple(found)


def _man_page(item: Item, functions: dict[str, Item], version: str) -> str:
    """One manual page."""
    out = [f'.TH {item.name} 3 "" "Oxbridge {version}" "liboxbridge"']
    out += [".SH NAME", rf"{item.name} \- {_roff(item.summary)}"]
    out += [".SH SYNOPSIS", ".nf", ".B #include <oxbridge.h>", ".PP"]
    out += [rf"\fB{_escaped(line)}\fR" for line in item.code.split("\n")]
    out += [".fi", ".SH DESCRIPTION"]
    for paragraph in item.paragraphs:
        if not re.match(rf"(?:{'|'.join(LABELS)}):", paragraph):
            out += [".PP", *_roff_block(paragraph)]
    for label in LABELS:
        if told := item.labelled(label):
            heading = "RETURN VALUE" if label == "Returns" else label.upper()
            out += [f".SH {heading}", *_roff_block(told)]
    told_of = re.findall(r"\boxb_\w+", "\n".join(item.paragraphs))
    if others := sorted({name for name in told_of if name in functions} - {item.name}):
        out += [".SH SEE ALSO", ", ".join(rf"\fB{name}\fR(3)" for name in others)]
    return "\n".join(out) + "\n"


def _roff_block(paragraph: str) -> list[str]:
    """A paragraph, a list or an example."""
    out: list[str] = []
    for index, part in enumerate(paragraph.split("```")):
        if index % 2:
            # The word after the backquotes names the language.
            code = part.split("\n", 1)[-1].rstrip("\n")
            out += [".PP", ".in +4n", ".EX", *map(_escaped, code.split("\n")), ".EE", ".in"]
            continue
        for line in part.strip("\n").split("\n"):
            if listed := re.match(r"[-*] (.*)", line):
                out += [r".IP \(bu 2", _roff(listed[1])]
            elif line.strip():
                out.append(_roff(line.strip()))
    return out


def _roff(text: str) -> str:
    """Prose: what stands in backquotes becomes bold."""
    return re.sub(r"`([^`]+)`", r"\\fB\1\\fR", _escaped(text))


def _escaped(text: str) -> str:
    r"""Keep roff from reading what is text: backslashes, hyphens, and more at a line's start."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    # Its input is ASCII.
    text = re.sub(r"[^\x00-\x7f]", lambda found: f"\\[u{ord(found[0]):04X}]", text)
    return rf"\&{text}" if text.startswith((".", "'")) else text


def main() -> int:
    """Write the page, or compare it."""
    made = page(HEADER.read_text(encoding="utf-8"))
    if sys.argv[1:] == ["--check"]:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != made:
            print(f"{PAGE.relative_to(ROOT)} is out of date: python tools/reference.py")
            return 1
        return 0
    if sys.argv[1:]:
        sys.exit(__doc__)
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

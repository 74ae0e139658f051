"""Environment files: what the parser takes, with and without python-dotenv."""

from __future__ import annotations

from pathlib import Path

import pytest

from oxbridge._cli import dotenv
from oxbridge._cli.errors import CommandError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("A=1", {"A": "1"}),
        ("A=1\nB=2\n", {"A": "1", "B": "2"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("\n\n# comment\n  # another\nA=1", {"A": "1"}),
        ("export A=1", {"A": "1"}),
        ("  A = 1 ", {"A": "1"}),
        ("A=", {"A": ""}),
        ("A= # nothing", {"A": ""}),
        ("A=1 # one", {"A": "1"}),
        ("A=1#one", {"A": "1#one"}),
        ("A=a b c", {"A": "a b c"}),
        ("A=postgres://u:p@h/d?x=y", {"A": "postgres://u:p@h/d?x=y"}),
        ("A='a # b'  # c", {"A": "a # b"}),
        (r"A='a\nb'", {"A": r"a\nb"}),
        (r'A="a\nb\"c\\"', {"A": 'a\nb"c\\'}),
        ('A="a\nb"\nB=2', {"A": "a\nb", "B": "2"}),
        ("A='a\nb'\nB=2", {"A": "a\nb", "B": "2"}),
        ("A=1\nA=2", {"A": "2"}),
        ("A='é☃'", {"A": "é☃"}),
        ("A=it's", {"A": "it's"}),
    ],
)
def test_lines(text: str, found: dict[str, str]) -> None:
    assert dotenv.parse(text) == found


@pytest.mark.parametrize(
    ("text", "line"),
    [("A", 1), ("A=1\nB C=2", 2), ("=1", 1), ("A='x", 1), ('A=1\n\nB="x', 3), ("A='x' y", 1)],
)
def test_a_wrong_line_is_named(text: str, line: int) -> None:
    with pytest.raises(CommandError, match=rf"^line {line} of \.env must be KEY=VALUE$"):
        dotenv.parse(text, ".env")


def test_what_is_in_the_environment_stays(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A=file\nB=file\n")
    environ = {"A": "before"}
    assert dotenv.load(str(file), environ) == {"B": str(file)}
    assert environ == {"A": "before", "B": "file"}


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"^the environment file \S+ cannot be read: "):
        dotenv.load(str(tmp_path / "none"), {})
    (tmp_path / "latin").write_bytes(b"A=\xe9")
    with pytest.raises(CommandError, match=r"is not UTF-8$"):
        dotenv.load(str(tmp_path / "latin"), {})

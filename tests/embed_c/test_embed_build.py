"""How tools/clib.py finds the Python to link with, and what it does where there is none."""

from __future__ import annotations

import json
import sysconfig
from pathlib import Path

import pytest

import clib
import clib_python


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What an interpreter tells of itself; to be filled in before it is asked."""
    script = tmp_path / "python"
    answer = tmp_path / "answer.json"
    script.write_text(f"#!/bin/sh\nexec cat {answer}\n", encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setenv("PYO3_PYTHON", str(script))

    class Told(dict[str, str]):
        def __setitem__(self, name: str, value: str) -> None:
            super().__setitem__(name, value)
            answer.write_text(json.dumps(self), encoding="utf-8")

    names = ("LDVERSION", "LIBS", "SYSLIBS", "py_version_short")
    told = Told({name: str(sysconfig.get_config_var(name) or "") for name in names})
    told["LIBDIR"] = str(tmp_path)
    told["LDLIBRARY"] = "libpython3.99.so"
    told["INSTSONAME"] = "libpython3.99.so.1.0"
    return told


def test_without_a_shared_libpython_the_library_is_left_out(
    told: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told["LDLIBRARY"] = "libpython3.99.a"
    told["INSTSONAME"] = "libpython3.99.a"
    (tmp_path / "libpython3.99.a").touch()
    assert clib.all_names() == ["oxbridge", "gohttp"]
    said = capsys.readouterr()
    where = f"{tmp_path / 'python'} has no shared libpython"
    assert (said.out, said.err) == ("", f"liboxbridge_embed is left out: {where}\n")


def test_the_linkers_name_alone_or_the_loaders_alone_is_not_enough(
    told: dict[str, str], tmp_path: Path
) -> None:
    assert clib_python.embeddable() is None
    (tmp_path / told["INSTSONAME"]).touch()
    assert clib_python.embeddable() is None
    (tmp_path / told["INSTSONAME"]).rename(tmp_path / told["LDLIBRARY"])
    assert clib_python.embeddable() is None


def test_a_libpython_that_the_loader_does_not_know_is_told_apart(
    told: dict[str, str], tmp_path: Path
) -> None:
    for name in ("LDLIBRARY", "INSTSONAME"):
        (tmp_path / told[name]).touch()
    python = clib_python.embeddable()
    assert python is not None
    assert not python.is_known
    assert python.place == tmp_path
    assert python.links[:2] == (f"-L{tmp_path}", f"-lpython{told['LDVERSION']}")
    assert clib.all_names() == ["oxbridge", "gohttp", "oxbridge_embed"]


def test_an_interpreter_that_is_not_there_is_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYO3_PYTHON", "/nowhere/python")
    assert Path(clib_python.executable()).is_file()

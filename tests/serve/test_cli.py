"""The command as people run it: what it says, where, and how it ends."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import oxbridge
from oxbridge import Config
from oxbridge._cli import docs, help_text
from oxbridge._cli.command import main
from oxbridge._cli.options import OPTIONS
from serving import ROOT

Write = Callable[..., Path]


def run(line: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "oxbridge", *shlex.split(line)],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("line", ["--version", "serve main:app -V"])
def test_version(line: str) -> None:
    done = run(line)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"oxbridge {oxbridge.__version__}\n"


@pytest.mark.parametrize("line", ["", "help"])
def test_help_of_the_command(line: str) -> None:
    done = run(line)
    assert (done.returncode, done.stderr) == (0, "")
    assert "oxbridge serve main:app" in done.stdout


@pytest.mark.parametrize("line", ["serve main:app --port x --help"])
def test_help_of_serve(line: str) -> None:
    done = run(line, COLUMNS="100")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == help_text.text(100)


def test_help_shows_every_option_in_100_columns() -> None:
    shown = help_text.text(200)
    assert max(map(len, shown.splitlines())) <= 100
    for option in OPTIONS:
        assert f"{option.long} " in shown or f"{option.long}," in shown or option.is_flag
        assert option.long in shown
        assert option.help.split()[0] in shown
    assert shown.index("Examples:") > shown.index("Operation:")


def test_help_fits_narrow_terminals() -> None:
    lines = help_text.text(80).split("Examples:")[0].splitlines()
    assert max(map(len, lines)) <= 80


def test_the_page_of_options_has_every_option() -> None:
    page = docs.markdown()
    for option in OPTIONS:
        assert f"| `{option.name}` |" in page
        assert f"`OXBRIDGE_{option.name.upper()}`" in page
    # Every row of a table has its five cells.
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) == len(OPTIONS)
    assert {row.replace("\\|", "").count("|") for row in rows} == {6}


def test_the_page_of_options_is_the_one_of_the_table() -> None:
    written = (ROOT / "docs" / "options.md").read_text("utf-8")
    assert written == docs.markdown(), "python -m oxbridge._cli.docs > docs/options.md"


@pytest.mark.parametrize("page", ["docs/serving.md", "examples/serve/README.md"])
def test_command_lines_of_the_guides_are_right(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    lines = re.findall(r"(?:^    |`|ExecStart=\S*/)oxbridge serve ([^`\n…]*\w)(?=$|`)", text, re.M)
    assert len(lines) > 3
    for line in lines:
        Config.read(shlex.split(line), environ={}, toml=os.devnull)


def test_importing_the_package_loads_no_table_of_options() -> None:
    """What `oxbridge serve` needs is loaded when it is asked for."""
    code = """if True:
        import sys, oxbridge
        late = {"argparse", "asyncio", "importlib.metadata", "oxbridge.config",
                "oxbridge._cli", "oxbridge._serve", "oxbridge._supervisor"}
        assert not late & set(sys.modules), late & set(sys.modules)
        assert {"Config", "ConfigError", "serve", "__version__"} <= set(dir(oxbridge))
        assert oxbridge.Config(port=1).port == 1
        assert oxbridge.serve.__module__ == "oxbridge._serve"
        assert issubclass(oxbridge.ConfigError, ValueError)
        assert all(hasattr(oxbridge, name) for name in oxbridge.__all__)
        try:
            oxbridge.nothing
        except AttributeError as error:
            assert str(error) == "module 'oxbridge' has no attribute 'nothing'"
        else:
            raise AssertionError("an attribute that is not there")
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("nonsense", 2, "there is no command nonsense; there is `oxbridge serve`"),
        ("serv main:app", 2, "there is no command serv; did you mean serve?"),
        ("main:app", 2, "main:app needs the word serve before it: oxbridge serve main:app"),
        ("serve", 2, "an application is missing; name its module and object: oxbridge serve main:"),
        ("serve main:app --prot 80", 2, "there is no option --prot; did you mean --port?"),
        ("serve main:app --port", 2, "argument --port: expected one argument"),
        ("serve main:app --port 70000", 2, "--port must be a whole number, 0 to 65535, not '7"),
        ("serve mian:app", 1, "there is no module mian in the current directory or among the "
         "installed ones; did you mean main?"),
        ("serve main:ap", 1, "main has no attribute ap; did you mean app?"),
        ("serve main:number", 1, "main:number is no application: it is an int"),
        ("serve main:app --config none.toml", 1, "the configuration none.toml cannot be read: No"),
        ("serve main:app --config bad.toml", 1, "the configuration bad.toml is not TOML: "),
        ("serve main:app --env-file none.env", 1, "the environment file none.env cannot be read"),
        ("serve main:app --env-file port.env", 1, "OXBRIDGE_PORT in port.env must be a whole"),
        ("serve main:app --log-config none.ini", 1, "the logging configuration none.ini cannot be"),
        ("serve main:app --log-config bad.json", 1, "the logging configuration bad.json is not J"),
        ("serve main:app --ssl-certfile none.pem", 1, "the certificate none.pem cannot be read: "),
        ("serve main:app --ssl-certfile main.py --ssl-keyfile none.pem", 1, "the key none.pem can"),
        ("serve main:app --static /s=none", 1, "there is no directory none to serve below /s"),
        ("serve main:app --access-log-file none/a.log", 1, "the access log none/a.log cannot be w"),
        ("serve main:app --access-log-file .", 1, "the access log . is a directory"),
        ("serve main:app --pid-file none/pid", 1, "the pid file none/pid cannot be written"),
        ("serve main:app --reload --reload-dir none", 1, "there is no directory none to watch"),
        ("serve main:app --app-dir none", 1, "there is no directory none to look for"),
    ],
)  # fmt: skip
def test_errors_are_one_sentence(
    project: Write, capsys: pytest.CaptureFixture[str], line: str, code: int, said: str
) -> None:
    project("main.py", "def app(environ, start_response): return []\nnumber = 5\n")
    project("bad.toml", "port = \n")
    project("port.env", "OXBRIDGE_PORT=x\n")
    project("bad.json", "{")
    assert main(shlex.split(line)) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"oxbridge: {said}")
    assert shown.err.count("\n") == 1


def test_a_bad_variable_is_one_sentence(project: Write) -> None:
    done = run("serve main:app", OXBRIDGE_WORKERS="many")
    assert done.returncode == 1
    assert done.stderr == (
        "oxbridge: $OXBRIDGE_WORKERS must be a whole number, 1 or more, not 'many'\n"
    )


def test_the_applications_own_traceback_is_shown_and_not_ours(project: Write) -> None:
    project("main.py", "import deeper\n")
    project("deeper.py", "import not_installed_anywhere\n")
    done = run("serve main:app")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == (
        "oxbridge: main could not be loaded: its own code raised ModuleNotFoundError"
    )
    assert "No module named 'not_installed_anywhere'" in done.stderr
    assert "deeper.py" in done.stderr
    assert "oxbridge/_cli" not in done.stderr


def test_what_the_application_exits_with_is_its_own(project: Write) -> None:
    project("main.py", "import sys\nsys.exit(7)\n")
    assert run("serve main:app").returncode == 7

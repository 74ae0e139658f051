"""Logging configurations: dictionaries, JSON, YAML and INI."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from oxbridge import Config
from oxbridge._cli import logs
from oxbridge._cli.errors import CommandError

Write = Callable[..., Path]

JSON = """
{
  "version": 1, "disable_existing_loggers": false,
  "formatters": {"plain": {"format": "<%(levelname)s> %(message)s"}},
  "handlers": {"plain": {
    "class": "logging.StreamHandler", "formatter": "plain", "stream": "ext://sys.stderr"
  }},
  "loggers": {"oxbridge": {"handlers": ["plain"], "level": "ERROR", "propagate": false}}
}
"""

INI = """
[loggers]
keys = root, oxbridge
[handlers]
keys = plain
[formatters]
keys = plain
[logger_root]
handlers =
[logger_oxbridge]
level = ERROR
handlers = plain
qualname = oxbridge
propagate = 0
[handler_plain]
class = StreamHandler
formatter = plain
[formatter_plain]
format = <%(levelname)s> %(message)s
"""


@pytest.mark.parametrize(
    ("name", "text"),
    # JSON is YAML too.
    [("log.json", JSON), ("log.yaml", JSON), ("log.yml", JSON), ("log.ini", INI)],
)
def test_files(project: Write, capsys: pytest.CaptureFixture[str], name: str, text: str) -> None:
    if name.endswith("ml"):
        pytest.importorskip("yaml")
    project(name, text)
    logs.configure(Config(log_config=name))
    logs.logger.error("hello")
    logs.logger.warning("not this")
    assert capsys.readouterr().err == "<ERROR> hello\n"


@pytest.mark.usefixtures("project")
def test_a_dictionary() -> None:
    logs.configure(Config(log_config={"version": 1, "loggers": {"oxbridge": {"level": 35}}}))
    assert logs.logger.level == 35


@pytest.mark.usefixtures("project")
def test_a_level_that_is_given_goes_before_that_of_the_configuration() -> None:
    table = {"version": 1, "loggers": {"oxbridge": {"level": "ERROR"}}}
    logs.configure(Config(log_config=table, log_level="debug"))
    assert logs.logger.level == logging.DEBUG


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("log.json", "{", "log.json is not JSON: "),
        ("log.json", "[]", "log.json must be a table at its top"),
        ("log.json", "{}", "log.json is not one: "),
        ("log.json", '{"version": 1, "handlers": {"a": {"class": "no.Such"}}}', "is not one: "),
        ("log.ini", "[loggers", "log.ini is not one: "),
        ("log.ini", "", "log.ini is not one: "),
        ("log.yaml", "a: [", "log.yaml is "),
    ],
)
def test_wrong_files(project: Write, name: str, text: str, said: str) -> None:
    project(name, text)
    with pytest.raises(CommandError) as refused:
        logs.configure(Config(log_config=name))
    assert str(refused.value).startswith("the logging configuration log.")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_trace_is_a_level(project: Write, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Config(log_level="trace"))
    logs.logger.log(logs.TRACE, "deep")
    assert capsys.readouterr().err == "TRACE:    deep\n"

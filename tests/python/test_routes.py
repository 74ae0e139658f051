"""Patterns and handlers: what reaches what, and what cannot be registered."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import oxbridge
from oxbridge import Mux, PatternError, Request, ResponseWriter
from oxbridge.testing import serve

TABLE = tomllib.loads((Path(__file__).parent / "data" / "routing.toml").read_text("utf-8"))


def nothing(w: ResponseWriter, req: Request) -> None:
    pass


@pytest.mark.parametrize("case", TABLE["case"], ids=lambda case: case.get("note", case["request"]))
def test_a_request_reaches_the_handler_of_its_pattern(case: dict[str, Any]) -> None:
    mux, names = Mux(), case.get("values", {})

    def tell(w: ResponseWriter, req: Request) -> None:
        w.header["Pattern"] = req.pattern.encode()
        w.json({name: req.path_value(name) for name in names})

    for pattern in TABLE["patterns"]:
        mux.handle(pattern, tell)
    method, target = case["request"].split(" ", 1)
    headers = {"Host": case["host"]} if "host" in case else {}
    with serve(mux) as client:
        answer = client.request(method, target, headers=headers)
    assert answer.status == case.get("status", 200)
    if "pattern" in case:
        assert answer.headers["Pattern"].encode("latin-1").decode() == case["pattern"]
        assert method == "HEAD" or answer.json() == names
    if "header" in case:
        name, value = case["header"]
        assert answer.headers[name] == value


def test_a_method_that_no_pattern_has_is_405_and_a_path_is_404() -> None:
    mux = Mux()
    mux.handle("GET /thing", nothing)
    mux.handle("PUT /thing", nothing)
    with serve(mux) as client:
        answer = client.request("DELETE", "/thing")
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET, HEAD, PUT"
        assert client.get("/other").status == 404


def test_route_returns_the_function_both_ways() -> None:
    mux = Mux()

    @mux.route("/one")
    @mux.route("/two")
    def handler(w: ResponseWriter, req: Request) -> None:
        w.write(req.pattern)

    assert mux.route("/three", handler) is handler
    assert sorted(mux.patterns) == ["/one", "/three", "/two"]
    with serve(mux) as client:
        for path in mux.patterns:
            assert client.get(path).text == path


def test_the_module_s_own_route_registers_on_the_default_mux() -> None:
    @oxbridge.route("GET /on-the-default-mux")
    def handler(w: ResponseWriter, req: Request) -> None:
        w.write("default")

    assert "GET /on-the-default-mux" in oxbridge.default_mux.patterns
    with serve() as client:
        assert client.get("/on-the-default-mux").text == "default"


def test_a_server_serves_the_handlers_that_were_there_when_it_started() -> None:
    mux = Mux()
    mux.handle("/early", nothing)
    with serve(mux) as client:
        mux.handle("/late", nothing)
        assert client.get("/late").status == 404
    with serve(mux) as client:
        assert client.get("/late").status == 200


def test_a_conflict_names_both_patterns_both_places_and_a_path() -> None:
    mux = Mux()
    mux.handle("/{x}/b", nothing)
    with pytest.raises(PatternError) as error:
        mux.handle("/a/{y}", nothing)
    said = str(error.value)
    assert "/{x}/b" in said
    assert "/a/{y}" in said
    assert "/a/b" in said
    # The three statements above stand one below the other.
    here = error.traceback[0].lineno + 1
    assert re.findall(re.escape(__file__) + r":(\d+)", said) in (
        [str(here), str(here - 2)],
        [str(here - 2), str(here)],
    )
    assert isinstance(error.value, ValueError)


@pytest.mark.parametrize(
    "pattern",
    ["", "hello", "GET", "/{", "/{x", "/{x}y", "/{x...}/y", "/{x}/{x}", "/{$}/", "B@D /", "/{a b}"],
)
def test_a_malformed_pattern_is_an_error_that_shows_it(pattern: str) -> None:
    with pytest.raises(PatternError) as error:
        Mux().handle(pattern, nothing)
    assert pattern in str(error.value)
    assert str(error.value) != pattern


def test_a_pattern_that_failed_is_not_registered() -> None:
    mux = Mux()
    mux.handle("/a", nothing)
    with pytest.raises(PatternError):
        mux.handle("/a", nothing)
    assert mux.patterns == ["/a"]


def test_route_without_a_pattern_says_what_to_write() -> None:
    with pytest.raises(TypeError, match=r"write @route\('/path'\) above the function"):
        Mux().route(nothing)  # type: ignore[call-overload]


@pytest.mark.parametrize("pattern", [None, b"/", 5])
def test_a_pattern_that_is_no_str_is_a_type_error(pattern: object) -> None:
    with pytest.raises(TypeError, match="a pattern is a str such as"):
        Mux().route(pattern, nothing)  # type: ignore[call-overload]


@pytest.mark.parametrize("handler", ["nothing", 5, object()])
def test_a_handler_that_cannot_be_called_is_a_type_error(handler: object) -> None:
    mux = Mux()
    with pytest.raises(TypeError, match=r"must be a function of \(w, req\)"):
        mux.route("/", handler)  # type: ignore[call-overload]
    assert mux.patterns == []


def test_any_callable_is_a_handler() -> None:
    class Greeter:
        def __init__(self, greeting: str) -> None:
            self.greeting = greeting

        def __call__(self, w: ResponseWriter, req: Request) -> None:
            w.write(self.greeting)

        def method(self, w: ResponseWriter, req: Request) -> None:
            w.write(self.greeting.upper())

    mux, greeter = Mux(), Greeter("hello")
    mux.handle("/object", greeter)
    mux.handle("/method", greeter.method)
    mux.handle("/lambda", lambda w, req: w.write("lambda"))
    with serve(mux) as client:
        assert client.get("/object").text == "hello"
        assert client.get("/method").text == "HELLO"
        assert client.get("/lambda").text == "lambda"

"""`Config`: values from keywords, what they become, and what is refused."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

from oxbridge import Config, ConfigError
from oxbridge._cli.options import OPTIONS


def test_every_field_is_an_option_with_its_default() -> None:
    fields = {f.name: f.default for f in dataclasses.fields(Config) if f.name != "app"}
    assert fields == {option.name: option.default for option in OPTIONS}


def test_defaults_are_values_of_their_kinds() -> None:
    config = Config()
    for option in OPTIONS:
        assert getattr(config, option.name) == option.default, option.name


@pytest.mark.parametrize(
    ("name", "given", "held"),
    [
        ("port", 0, 0),
        ("max_body", "10M", 10 * 1024 * 1024),
        ("max_body", "64 KiB", 65536),
        ("max_body", None, None),
        ("worker_max_lifetime", "1.5h", 5400.0),
        ("timeout_keep_alive", 5, 5.0),
        ("timeout_graceful_shutdown", 0, 0.0),
        ("headers", ["X-A: 1", ("X-B", "2")], (("X-A", "1"), ("X-B", "2"))),
        ("headers", {"X-A": "1"}, (("X-A", "1"),)),
        ("headers", "X-Time: 12:30", (("X-Time", "12:30"),)),
        ("static", {"/static": "files"}, (("/static", "files"),)),
        ("static", ["/static=files"], (("/static", "files"),)),
        ("compression", True, ("zstd", "br", "gzip")),
        ("compression", "gzip,br", ("gzip", "br")),
        ("compression", "off", ()),
        ("forwarded_allow_ips", ["10.0.0.0/8", "::1"], "10.0.0.0/8,::1"),
        ("forwarded_allow_ips", "127.0.0.1, unix", "127.0.0.1,unix"),
        ("forwarded_allow_ips", "127.0.0.1,*", "*"),
        ("forwarded_allow_ips", "", ""),
        ("bind", "127.0.0.1:80", ("127.0.0.1:80",)),
        ("bind", ["unix:///run/a.sock", "fd://3", "tcp://[::1]:80"],
         ("unix:/run/a.sock", "fd:3", "[::1]:80")),
        ("log_level", "INFO", "info"),
        ("log_level", 15, 15),
        ("ssl_certfile", None, None),
        ("app_dir", Path("/srv"), "/srv"),
        ("use_colors", None, None),
    ],
)  # fmt: skip
def test_values_become_one_form(name: str, given: Any, held: Any) -> None:
    assert getattr(Config(**{name: given}), name) == held


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("port", -1), ("port", 65536), ("port", "80"), ("port", True), ("port", None),
        ("port", 1.0),
        ("workers", 0), ("threads", 0), ("backlog", 0),
        ("timeout_keep_alive", 0), ("timeout_keep_alive", -1), ("timeout_keep_alive", math.nan),
        ("timeout_keep_alive", math.inf), ("timeout_keep_alive", "soon"),
        ("max_body", -1), ("max_body", "10 apples"), ("max_header_bytes", 100),
        ("reload", 1), ("reload", "yes"),
        ("headers", ["no colon"]), ("headers", [("a b", "c")]),
        ("headers", [("X-A", "1\r\nX-B: 2")]),
        ("headers", [("X-A", "é☃")]), ("headers", [("X-A",)]), ("headers", 5),
        ("static", ["static=files"]), ("static", ["/static="]), ("static", ["/static"]),
        ("compression", "lzma"), ("compression", 5),
        ("forwarded_allow_ips", "proxy.example"), ("forwarded_allow_ips", 5),
        ("bind", ["127.0.0.1:99999"]), ("bind", ["unix:"]), ("bind", ["fd:x"]), ("bind", ["a:b:c"]),
        ("bind", [""]), ("bind", [5]),
        ("log_level", "loud"), ("interface", "cgi"), ("loop", "trio"),
        ("app_dir", ""), ("app_dir", "a\0b"), ("host", 5), ("log_config", 5),
    ],
)  # fmt: skip
def test_a_bad_value_is_one_sentence_that_names_it(name: str, given: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        Config(**{name: given})
    said = str(refused.value)
    assert said.startswith(f"{name} must be ")
    assert ", not " in said
    assert "\n" not in said


def test_an_unknown_option_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="prot"):
        Config(prot=80)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"reload": True, "workers": 2}, "reload works with one worker, but workers asks for 2"),
        ({"ssl_keyfile": "k"}, "ssl_keyfile needs a certificate as well"),
        ({"ssl_cert_reqs": 2}, "ssl_cert_reqs needs a certificate as well"),
        ({"ssl_certfile": "c", "ssl_cert_reqs": 2}, "ssl_cert_reqs needs authorities as well"),
        ({"ssl_version": 3}, "ssl_version must be 17"),
        ({"root_path": "api"}, "root_path must begin with a slash, not 'api'"),
        ({"health_path": "health"}, "health_path must begin with a slash, not 'health'"),
        ({"health_path": "/x", "ready_path": "/x"}, "must be different paths"),
    ],
)
def test_values_that_do_not_go_together(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Config(**options)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("options", "binds"),
    [
        ({}, ["127.0.0.1:8000"]),
        ({"host": "::1", "port": 80}, ["[::1]:80"]),
        ({"host": "[::1]"}, ["[::1]:8000"]),
        ({"host": "", "port": 0}, [":0"]),
        ({"host": "localhost"}, ["localhost:8000"]),
        ({"uds": "/run/a.sock"}, ["unix:/run/a.sock"]),
        ({"fd": 3}, ["fd:3"]),
        ({"bind": ["127.0.0.1:1", "[::1]:2", "unix:/a", "fd:3", "systemd", ":4"]},
         ["127.0.0.1:1", "[::1]:2", "unix:/a", "fd:3", "systemd", ":4"]),
        ({"bind": "0.0.0.0", "port": 80}, ["0.0.0.0:80"]),
        ({"bind": "[::1]", "port": 80}, ["[::1]:80"]),
        ({"bind": "127.0.0.1:1", "uds": "/a", "fd": 3}, ["127.0.0.1:1", "unix:/a", "fd:3"]),
    ],
)  # fmt: skip
def test_binds(options: dict[str, Any], binds: list[str]) -> None:
    assert Config(**options).binds() == binds


def test_a_drain_without_a_bound() -> None:
    assert Config().drain_time == 30
    assert Config(timeout_graceful_shutdown=0).drain_time == 0
    assert Config(timeout_graceful_shutdown=None).drain_time > 86400


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(Config(ssl_certfile="c", ssl_keyfile_password="secret"))


def test_json_keeps_everything() -> None:
    config = Config(
        app="main:app",
        bind=["127.0.0.1:1", "unix:/a"],
        headers=["X-A: é"],
        static={"/s": "files"},
        compression=True,
        max_body="1M",
        log_config={"version": 1},
        forwarded_allow_ips="*",
        ssl_certfile="c",
        use_colors=False,
    )
    assert Config.from_json(config.to_json()) == config


def test_json_refuses_an_application_that_is_an_object() -> None:
    with pytest.raises(ConfigError, match=r"app must be text such as 'module:app'"):
        Config(app=lambda: None).to_json()


def test_core_options_of_the_defaults() -> None:
    options = Config().core_options()
    assert options["keep_alive_timeout"] == 75
    assert options["forwarded_allow_ips"] == "127.0.0.1,::1"
    assert options["server_header"] == "oxbridge"
    assert options["access_log"] == {"format": "common", "fd": 1}
    assert options["compression"] is None
    assert options["max_requests"] is None
    assert options["max_header_bytes"] == 65536


@pytest.mark.parametrize(
    ("option", "value", "key", "held"),
    [
        ("timeout_keep_alive", 5, "keep_alive_timeout", 5.0),
        ("limit_concurrency", 10, "limit_concurrency", 10),
        ("proxy_headers", False, "forwarded_allow_ips", None),
        ("forwarded_allow_ips", "", "forwarded_allow_ips", None),
        ("server_header", False, "server_header", None),
        ("date_header", False, "date_header", False),
        ("headers", ["A:1"], "headers", [("A", "1")]),
        ("h11_max_incomplete_event_size", 16384, "max_header_bytes", 16384),
        ("access_log", False, "access_log", None),
        ("log_level", "warning", "access_log", None),
        ("access_log_format", "json", "access_log", {"format": "json", "fd": 1}),
        ("compression", "br", "compression", {"algorithms": ["br"], "min_size": 1024}),
        ("static", ["/s=d"], "static", [("/s", "d")]),
        ("proxy_protocol", True, "proxy_protocol", True),
        ("proxy_protocol_from", ["10.0.0.0/8"], "proxy_protocol_from", "10.0.0.0/8"),
        ("limit_max_requests", 7, "max_requests", 7),
    ],
)
def test_core_options(option: str, value: Any, key: str, held: Any) -> None:
    assert Config(**{option: value}).core_options()[key] == held


def test_jitter_is_added_up_to_its_bound() -> None:
    config = Config(limit_max_requests=100, limit_max_requests_jitter=3)
    drawn = {config.core_options()["max_requests"] for _ in range(500)}
    assert drawn == {100, 101, 102, 103}


def test_an_access_log_goes_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    file.write_text("before\n")
    # By its path: the server opens it again when it is told to.
    log = Config(access_log_file=file, access_log_format="json").core_options()["access_log"]
    assert log == {"format": "json", "path": str(file)}
    assert file.read_text() == "before\n"


def test_tls() -> None:
    assert Config().tls() is None
    one = Config(ssl_certfile="both.pem").tls()
    assert one is not None
    assert (one.cert, one.key, one.client_ca) == (Path("both.pem"), Path("both.pem"), None)
    for required, optional in ((1, True), (2, False)):
        tls = Config(
            ssl_certfile="c", ssl_keyfile="k", ssl_ca_certs="ca", ssl_cert_reqs=required
        ).tls()
        assert tls is not None
        assert (tls.key, tls.client_ca) == (Path("k"), Path("ca"))
        assert tls.client_optional is optional
    # As uvicorn: authorities without a demand ask for nothing.
    unasked = Config(ssl_certfile="c", ssl_ca_certs="ca").tls()
    assert unasked is not None
    assert unasked.client_ca is None


@pytest.mark.parametrize(
    "options",
    [{"workers": 2}, {"reload": True}, {"limit_max_requests": 1}, {"worker_max_lifetime": 1},
     {"worker_max_memory": "1G"}],
)  # fmt: skip
def test_what_needs_a_supervisor(options: dict[str, Any]) -> None:
    assert not Config().needs_supervisor
    assert Config(**options).needs_supervisor

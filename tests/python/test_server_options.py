"""Options of `Server` about what surrounds the handlers: each is seen from outside."""

from __future__ import annotations

import gzip
import threading
from pathlib import Path
from typing import Any

import pytest

from apps import Asgi
from oxbridge import Metrics, Mux, Server
from oxbridge.testing import Response, serve
from wire import Wire

TEXT = "hello, hello, hello\n" * 200


@pytest.fixture
def mux() -> Mux:
    mux = Mux()
    mux.route("/text", lambda w, req: w.write(TEXT))
    mux.route("/who", lambda w, req: w.write(f"{req.remote_addr} {req.scheme}"))
    return mux


def ask(mux: Mux, path: str, fields: dict[str, str] | None = None, **options: Any) -> Response:
    with serve(mux, **options) as client:
        return client.get(path, fields)


def test_compression(mux: Mux) -> None:
    fields = {"Accept-Encoding": "gzip, br, zstd"}
    assert ask(mux, "/text", fields).headers["content-encoding"] is None
    assert ask(mux, "/text", fields, compression=False).headers["content-encoding"] is None
    assert ask(mux, "/text", fields, compression=True).headers["content-encoding"] == "zstd"
    only = ask(mux, "/text", fields, compression={"algorithms": ["gzip"], "gzip_level": 1})
    assert only.headers["content-encoding"] == "gzip"
    assert gzip.decompress(only.body).decode() == TEXT
    small = ask(mux, "/text", fields, compression={"min_size": 1 << 20})
    assert small.headers["content-encoding"] is None


def test_static_files_go_before_patterns(mux: Mux, tmp_path: Path) -> None:
    (tmp_path / "style.css").write_text("body {}")
    mux.route("/", lambda w, req: w.error("not found here", 404))
    for static in ({"/files": tmp_path}, [("/files", str(tmp_path))]):
        with serve(mux, static=static) as client:
            answer = client.get("/files/style.css")
            assert [answer.status, answer.text] == [200, "body {}"]
            assert answer.headers["etag"]
            assert client.get("/files/none.css").text == "not found here\n"


def test_access_log(mux: Mux, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    ask(mux, "/text", access_log={"path": log, "format": "common"})
    assert '"GET /text HTTP/1.1" 200 4000' in log.read_text()
    log.unlink()
    with log.open("wb") as file:
        ask(mux, "/text", {"User-Agent": "me"}, access_log={"fd": file.fileno()})
    assert log.read_text().rstrip().endswith('"me"')


def test_access_log_on_standard_output(mux: Mux, capfd: pytest.CaptureFixture[str]) -> None:
    ask(mux, "/text", access_log=True)
    assert '"GET /text HTTP/1.1" 200 4000' in capfd.readouterr().out
    ask(mux, "/text", access_log=False)
    assert capfd.readouterr().out == ""


def test_header_fields(mux: Mux) -> None:
    plain = ask(mux, "/text").headers
    assert [plain["server"], plain["date"] is not None] == [None, True]
    made = ask(mux, "/text", server_header="me", date_header=False, headers={"X-All": "yes"})
    assert [made.headers["server"], made.headers["date"]] == ["me", None]
    assert made.headers["x-all"] == "yes"
    twice = ask(mux, "/text", headers=[("x-all", "1"), ("x-all", "2")])
    assert twice.headers.get_all("x-all") == ["1", "2"]


def test_forwarded_allow_ips(mux: Mux) -> None:
    fields = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
    assert ask(mux, "/who", fields).text.startswith("127.0.0.1:")
    assert ask(mux, "/who", fields, forwarded_allow_ips="10.0.0.0/8").text.endswith(" http")
    for trusted in ("127.0.0.1", "*", "10.0.0.0/8, 127.0.0.0/8"):
        assert ask(mux, "/who", fields, forwarded_allow_ips=trusted).text == "192.0.2.7:0 https"


def test_proxy_protocol(mux: Mux) -> None:
    header = "PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n"
    request = "GET /who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with serve(mux, proxy_protocol=True) as client, Wire(client.url) as wire:
        wire.send(header + request)
        assert wire.answer().read() == b"192.0.2.7:4711 http"
    with (
        serve(mux, proxy_protocol=True, proxy_protocol_from="192.0.2.9") as client,
        Wire(client.url) as wire,
    ):
        wire.send(header + request)
        try:
            said = wire.rest()
        except ConnectionError:
            said = b""
        assert said == b""


def test_limit_concurrency() -> None:
    app = Asgi()
    with serve(app, limit_concurrency=1) as client:
        first = threading.Thread(target=client.get, args=("/wait",))
        first.start()
        assert app.waiting.wait(20)
        answer = client.get("/a")
        assert [answer.status, answer.headers["retry-after"] is not None] == [503, True]
        app.go()
        first.join(20)
        assert client.get("/a").status == 200


def test_metrics(mux: Mux) -> None:
    metrics = Metrics()
    with serve(mux, metrics=metrics) as client:
        assert [client.get("/text").status for _ in range(3)] == [200] * 3
    counted = [line for line in metrics.render().splitlines() if "requests_total" in line]
    assert sum(float(line.rpartition(" ")[2]) for line in counted if line[0] != "#") == 3


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"compression": "gzip"}, TypeError, "compression must be True, False, None or a dict"),
        ({"compression": {"level": 3}}, TypeError, "no setting 'level'; the settings are algor"),
        ({"compression": {"algorithms": "gzip"}}, TypeError, "algorithms must be a list"),
        ({"compression": {"algorithms": ["lzma"]}}, ValueError, "must be a list of 'zstd', 'br'"),
        ({"compression": {"min_size": -1}}, ValueError, "min_size must be a whole number"),
        ({"compression": {"gzip_level": "9"}}, TypeError, "gzip_level must be a whole number"),
        ({"compression": {"zstd_level": 0}}, ValueError, "zstd_level must be .* from 1 to 22"),
        ({"compression": {"event_streams": 1}}, TypeError, "event_streams must be True or False"),
        ({"compression": {"max_streams": -1}}, ValueError, "max_streams must be a whole number, 0"),
        ({"static": "public"}, TypeError, "static must be a dict of prefixes and directories"),
        ({"static": [("/a",)]}, TypeError, "static must be a dict"),
        ({"static": {"a": "b"}}, ValueError, "the prefix 'a' must begin with a slash"),
        ({"access_log": "log"}, TypeError, "access_log must be True, False, None or a dict"),
        ({"access_log": {"file": "x"}}, TypeError, "no setting 'file'; they are format, fd, path"),
        ({"access_log": {"fd": 1, "path": "x"}}, TypeError, "not to both"),
        ({"access_log": {"path": 5}}, TypeError, "path must be a path, not 5"),
        ({"access_log": {"fd": "1"}}, TypeError, "fd must be a whole number"),
        ({"access_log": {"format": 5}}, TypeError, "format must be a str"),
        ({"server_header": True}, TypeError, "server_header must be a str or None, not True"),
        ({"date_header": None}, TypeError, "date_header must be True or False, not None"),
        ({"headers": "a: b"}, TypeError, "headers must be a dict of names and values"),
        ({"headers": {"a": 1}}, TypeError, "headers must be a dict of names and values"),
        ({"forwarded_allow_ips": ["*"]}, TypeError, "forwarded_allow_ips must be a str or None"),
        ({"proxy_protocol": 1}, TypeError, "proxy_protocol must be True or False, not 1"),
        ({"proxy_protocol_from": 1}, TypeError, "proxy_protocol_from must be a str or None"),
        ({"limit_concurrency": 0}, ValueError, "limit_concurrency must be at least 1, not 0"),
        ({"metrics": {}}, TypeError, "metrics must be an oxbridge.Metrics or None"),
    ],
)
def test_a_wrong_option_is_one_clear_sentence(
    options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        Server(Mux(), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"forwarded_allow_ips": "nobody"}, "nobody"),
        ({"proxy_protocol_from": "10.0.0.0/99"}, "10.0.0.0/99"),
        ({"headers": {"a b": "c"}}, "no name of a header field"),
        ({"headers": {"a": "b\r\nc: d"}}, "no value of a header field"),
        ({"access_log": {"format": "%(nothing)s"}}, "nothing"),
    ],
)
def test_what_only_the_server_can_tell_it_tells_at_the_start(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Server(Mux(), **options).start()


def test_a_directory_that_is_not_there_fails_the_start(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        Server(Mux(), static={"/files": tmp_path / "nowhere"}).start()

"""What a server tells of its requests: access log, metrics, health; and bounds that count them."""

import contextlib
import datetime
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oxbridge import Mux, Request, ResponseWriter
from oxbridge._oxbridge import Admin, Core, Metrics, PatternError

PATIENCE = 30.0


@contextlib.contextmanager
def core(
    options: dict[str, object],
    on_max_requests: Callable[[], object] | None = None,
    mux: Mux | None = None,
) -> Iterator[Core]:
    if mux is None:
        mux = Mux()
        mux.handle("/fail", fail)
        mux.handle("/", hello)
    server = Core(mux._mux, ["127.0.0.1:0"], None, options, on_max_requests)
    server.start()
    try:
        yield server
    finally:
        server.begin_stop(PATIENCE)
        assert server.wait(PATIENCE)


def hello(w: ResponseWriter, req: Request) -> None:
    w.write("hello")


def fail(w: ResponseWriter, req: Request) -> None:
    raise RuntimeError("as asked")


def status(address: str, path: str = "/") -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def eventually(what: str, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def sample(metrics: Metrics, series: str) -> float:
    found = re.search(rf"^{re.escape(series)} (\S+)$", metrics.render(), re.MULTILINE)
    assert found, series
    return float(found[1])


def test_access_log_goes_to_a_descriptor() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader) as lines:
        options: dict[str, object] = {"access_log": {"format": "json", "fd": writer}}
        with core(options) as server:
            os.close(writer)  # the server has its own
            status(server.addresses[0], "/a?b")
            status(server.addresses[0], "/fail")
        first, second = (json.loads(lines.readline()) for _ in range(2))
    assert (first["path"], first["query"], first["status"], first["bytes"]) == ("/a", "b", 200, 5)
    assert first["complete"] is True
    assert first["pid"] == os.getpid()
    assert first["user_agent"].startswith("Python-urllib/")
    assert (second["path"], second["status"]) == ("/fail", 500)


def test_access_log_file_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    with core({"access_log": {"format": "%(m)s %(U)s %(s)s", "path": str(path)}}) as server:
        status(server.addresses[0], "/one")
        eventually("the line is written", lambda: path.read_text() == "GET /one 200\n")
        path.rename(tmp_path / "old.log")
        server.reopen_access_log()
        status(server.addresses[0], "/two")
    assert path.read_text() == "GET /two 200\n"
    assert (tmp_path / "old.log").read_text() == "GET /one 200\n"
    assert server.access_log_dropped == 0


ZONE = """
import urllib.request
from oxbridge import Mux
from oxbridge._oxbridge import Core
mux = Mux()
mux.handle("/", lambda w, req: w.write("hello"))
log = {"format": "%(t)s", "fd": 1}
server = Core(mux._mux, ["127.0.0.1:0"], None, {"access_log": log})
server.start()
urllib.request.urlopen(f"http://{server.addresses[0]}/").read()
server.begin_stop(30)
assert server.wait(30)
"""


@pytest.mark.parametrize(
    ("zone", "offset"), [("UTC0", "+0000"), ("XST-5:30", "+0530"), ("XST+9:30", "-0930")]
)
def test_access_log_shows_local_time(zone: str, offset: str) -> None:
    environment = {**os.environ, "TZ": zone}
    command = [sys.executable, "-c", ZONE]
    done = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True, timeout=120
    )
    shown = datetime.datetime.strptime(done.stdout, "[%d/%b/%Y:%H:%M:%S %z]\n")
    assert done.stdout.endswith(f" {offset}]\n")
    age = datetime.datetime.now(datetime.UTC) - shown
    assert datetime.timedelta(0) <= age < datetime.timedelta(seconds=120)


def test_an_access_log_without_a_path_is_not_reopened() -> None:
    with (
        open(os.devnull, "w") as null,
        core({"access_log": {"format": "common", "fd": null.fileno()}}) as server,
        pytest.raises(OSError, match="not opened by a path"),
    ):
        server.reopen_access_log()
    with core({}) as server:
        server.reopen_access_log()


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"access_log": {"format": "%(z)s", "fd": 1}}, ValueError, '"%(z)s" at byte 0 is no atom'),
        ({"access_log": {"format": "common"}}, TypeError, 'either "fd" or "path"'),
        ({"access_log": {"format": "common", "fd": 1, "path": "x"}}, TypeError, 'either "fd" or'),
        ({"access_log": {"format": "common", "fd": "1"}}, TypeError, 'either "fd" or "path"'),
        ({"access_log": {"fd": 1}}, TypeError, '"format"'),
        ({"access_log": {"format": "common", "fd": -1}}, ValueError, "-1 is no descriptor"),
        ({"access_log": {"format": "common", "fd": 1, "x": 1}}, TypeError, "access_log is"),
        ({"access_log": "common"}, TypeError, "access_log is 'common' (str)"),
        ({"metrics": {"fd": 0}}, TypeError, '"fd" and "slot"'),
        ({"metrics": 1}, TypeError, "metrics is 1 (int)"),
        ({"limit_concurrency": -1}, TypeError, "limit_concurrency is -1"),
        ({"max_requests": "x"}, TypeError, "max_requests is 'x'"),
    ],
)
def test_wrong_options_say_what_is_wrong(
    options: dict[str, object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=re.escape(text)):
        Core(Mux()._mux, ["127.0.0.1:0"], None, options)


def test_none_turns_an_option_off() -> None:
    names = ("access_log", "metrics", "limit_concurrency", "max_requests")
    with core(dict.fromkeys(names)) as server:
        assert status(server.addresses[0]) == (200, "hello")


def test_metrics_count_and_prometheus_reads_them() -> None:
    metrics = Metrics()
    with core({"metrics": metrics}) as server:
        status(server.addresses[0])
        status(server.addresses[0], "/fail")
    assert sample(metrics, 'oxbridge_http_requests_total{method="GET",status="2xx"}') == 1
    assert sample(metrics, 'oxbridge_http_requests_total{method="GET",status="5xx"}') == 1
    assert sample(metrics, "oxbridge_handler_failures_total") == 1
    assert sample(metrics, 'oxbridge_worker_pid{worker="0"}') == os.getpid()
    parser = pytest.importorskip("prometheus_client.parser")
    families = {f.name: f for f in parser.text_string_to_metric_families(metrics.render())}
    kinds = {name: family.type for name, family in families.items()}
    assert kinds["oxbridge_http_requests"] == "counter"
    assert kinds["oxbridge_http_request_duration_seconds"] == "histogram"
    assert kinds["oxbridge_connections_open"] == "gauge"
    assert "unknown" not in kinds.values()
    requests = families["oxbridge_http_requests"].samples
    assert sum(s.value for s in requests) == 2


WORKER = """
import sys, urllib.request
from oxbridge import Mux
from oxbridge._oxbridge import Core
mux = Mux()
mux.handle("/", lambda w, req: w.write("hello"))
server = Core(mux._mux, ["127.0.0.1:0"], None, {"metrics": {"fd": int(sys.argv[1]), "slot": 1}})
server.start()
urllib.request.urlopen(f"http://{server.addresses[0]}/").read()
server.begin_stop(30)
assert server.wait(30)
"""


def test_worker_processes_share_counters_with_their_supervisor() -> None:
    metrics, fd = Metrics.create_shared(2)
    assert metrics.slots == 2
    series = 'oxbridge_http_requests_total{method="GET",status="2xx"}'
    try:
        for n in (1, 2):
            command = [sys.executable, "-c", WORKER, str(fd)]
            subprocess.run(command, pass_fds=[fd], check=True, timeout=120)
            assert sample(metrics, series) == n
            assert 'oxbridge_worker_pid{worker="1"}' in metrics.render()
            metrics.retire_slot(1)
            assert sample(metrics, series) == n
            assert "worker=" not in metrics.render()
        with pytest.raises(ValueError, match="there is no slot 2"):
            Metrics.open(fd, 2)
        with pytest.raises(ValueError, match="there is no slot 2"):
            metrics.retire_slot(2)
    finally:
        os.close(fd)
    reader, writer = os.pipe()
    try:
        with pytest.raises(ValueError, match="not of shared memory"):
            Metrics.open(reader, 0)
    finally:
        os.close(reader)
        os.close(writer)


def test_past_the_bound_of_requests_under_way_clients_get_503() -> None:
    arrived, go = threading.Event(), threading.Event()

    def hold(w: ResponseWriter, req: Request) -> None:
        arrived.set()
        assert go.wait(PATIENCE)
        w.write("held")

    mux = Mux()
    mux.handle("/hold", hold)
    with core({"limit_concurrency": 1}, mux=mux) as server:
        address = server.addresses[0]
        held: list[tuple[int, str]] = []
        client = threading.Thread(target=lambda: held.append(status(address, "/hold")))
        client.start()
        assert arrived.wait(PATIENCE)
        assert status(address, "/hold")[0] == 503
        go.set()
        client.join(PATIENCE)
        assert held == [(200, "held")]


def test_max_requests_calls_back_once() -> None:
    calls: list[str] = []
    called = threading.Event()

    def reached() -> None:
        calls.append(threading.current_thread().name)
        called.set()

    with core({"max_requests": 2}, reached) as server:
        status(server.addresses[0])
        assert not calls
        for _ in range(3):
            assert status(server.addresses[0])[0] == 200
        assert called.wait(PATIENCE)
    assert len(calls) == 1


def test_the_admin_server_answers_for_others() -> None:
    metrics = Metrics()
    admin = Admin(["127.0.0.1:0"], metrics)
    address = admin.addresses[0]
    with core({"metrics": metrics}) as server:
        status(server.addresses[0])
    code, text = status(address, "/metrics")
    assert code == 200
    assert '\noxbridge_http_requests_total{method="GET",status="2xx"} 1\n' in text
    assert status(address, "/healthz") == (200, "ok\n")
    assert admin.state == "starting"
    assert status(address, "/readyz") == (503, "starting\n")
    admin.state = "ready"
    assert status(address, "/readyz") == (200, "ready\n")
    admin.state = "draining"
    assert admin.state == "draining"
    assert status(address, "/readyz") == (503, "draining\n")
    with pytest.raises(ValueError, match=r'state is "x"; wanted "starting"'):
        admin.state = "x"
    assert admin.stop(PATIENCE)
    assert admin.stop(PATIENCE)
    with pytest.raises(urllib.error.URLError):
        status(address, "/healthz")


def test_the_admin_server_has_the_paths_it_is_given() -> None:
    admin = Admin(["127.0.0.1:0"], Metrics(), metrics_path="/m", health_path="/h", ready_path="/r")
    try:
        codes = [status(admin.addresses[0], path)[0] for path in ("/m", "/h", "/r", "/metrics")]
        assert codes == [200, 200, 503, 404]
    finally:
        admin.stop(PATIENCE)
    with pytest.raises(PatternError):
        Admin(["127.0.0.1:0"], Metrics(), health_path="/{")
    with pytest.raises(ValueError, match="nowhere"):
        Admin(["nowhere"], Metrics())

"""The benchmark's own arithmetic, and each of its commands once, as short as it goes.

What the figures are is not tested here: a test machine is busy, and a figure is no test.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import programs
from cbuild import Prefix, c_prefix

__all__ = ["c_prefix"]

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"
sys.path.insert(0, str(BENCH))

import agreement  # noqa: E402
import bounds  # noqa: E402
import build  # noqa: E402
import check_latency  # noqa: E402
import check_rolling  # noqa: E402
import clients  # noqa: E402
import environments  # noqa: E402
import figures  # noqa: E402
import h2load  # noqa: E402
import interfaces  # noqa: E402
import launch  # noqa: E402
import load  # noqa: E402
import loads  # noqa: E402
import machine  # noqa: E402
import measure  # noqa: E402
import process  # noqa: E402
import report  # noqa: E402
import row  # noqa: E402
import servers  # noqa: E402
from bounds import Bound, judge  # noqa: E402

WRK_SAID = """Running 1s test @ http://127.0.0.1:5000/
  1 threads and 10 connections
{"requests":1000,"duration_us":2000000,"bytes":140000,"p50_us":50,"p90_us":70,"p99_us":90,\
"p999_us":95,"max_us":99,"errors":{"connect":0,"read":3,"write":0,"timeout":0,"status":2}}
"""

MACHINE = machine.Machine(
    taken="2030-01-01T00:00:00+00:00",
    cpu="a processor",
    cores=2,
    server_core=0,
    load_core=1,
    memory_bytes=2**30,
    kernel="a kernel",
    system="a system",
    load_average=0.0,
    commit="unknown",
)


def sample(number: int, requests: int, cpu_seconds: float) -> measure.Sample:
    """One second of load."""
    seen = load.Load(requests, 1.0, requests * 100, 1, 2, 3, 4, 5, {"read": 0}, busy=0.5)
    memory = process.Memory(rss=2**20, pss=2**20, peak=2**20)
    return measure.Sample(number, seen, process.Cpu(cpu_seconds, 0.0), memory, cpu_seconds)


def table(rates: dict[str, list[int]]) -> measure.Table:
    """A table of rows by name, with the requests/s of each round and all of one core's CPU."""
    rows = [found for found in servers.SERVERS if found.name in rates]
    made = measure.Table(measure.Plan(rows, [10], 1, 2), [measure.Row(s, 10) for s in rows])
    for made_row in made.rows:
        given = rates[made_row.server.name]
        made_row.samples += [sample(n, rate, 1.0) for n, rate in enumerate(given)]
    return made


def test_what_wrk_printed_is_read_whole() -> None:
    said = load.parse(WRK_SAID, cpu_seconds=1.0)
    assert (said.requests_per_second, said.p50_us, said.p999_us, said.busy) == (500, 50, 95, 0.5)
    assert said.trouble == {"read": 3, "status": 2}


def test_a_load_that_did_not_run_says_why() -> None:
    with pytest.raises(load.LoadError, match="unable to connect"):
        load.execute(["sh", "-c", "echo unable to connect to 127.0.0.1:1 >&2"], 1)
    with pytest.raises(load.LoadError, match="nothing of figures"):
        load.parse("nothing of figures", cpu_seconds=0.0)


def test_ratios_are_formed_within_a_round() -> None:
    # The machine was twice as fast in the second round: the ratio of the medians would be 1.07.
    made = table({"oxbridge python": [80, 180, 90], row.REFERENCE: [100, 200, 84]})
    ratio = made.rows[1].ratio("requests_per_second", made.rows[0])
    assert ratio == measure.Spread(0.9, 0.8, 90 / 84)


def test_a_ratio_leaves_out_rounds_that_the_other_row_does_not_have() -> None:
    made = table({"oxbridge python": [80, 90], row.REFERENCE: [100]})
    assert made.rows[1].ratio("cpu_us", made.rows[0]) == measure.Spread(1.25, 1.25, 1.25)


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_each_round_has_every_server_once_and_rounds_differ(rounds: int) -> None:
    plan = measure.Plan(servers.SERVERS, [10], 1, rounds)
    orders = [[server.name for server in plan.order(number)] for number in range(rounds)]
    assert all(sorted(order) == sorted(s.name for s in servers.SERVERS) for order in orders)
    assert len({tuple(order) for order in orders}) == rounds


def test_only_chooses_by_name_and_keeps_the_reference() -> None:
    names = [server.name for server in servers.select(["werkzeug"])]
    assert names == [row.REFERENCE, "werkzeug + Flask"]
    with pytest.raises(ValueError, match="no row is called 'apache'"):
        servers.select(["werkzeug", "apache"])


def test_rows_for_interfaces_are_chosen_apart_and_with_what_they_are_compared_with() -> None:
    plain = {server.name for server in servers.select([])}
    python = {server.name for server in servers.select([], ["python"])}
    assert row.REFERENCE in plain
    assert "WSGI hello: granian st" in python
    assert not plain & python
    everything = {server.name for server in servers.select([], servers.TABLES)}
    assert everything == {server.name for server in servers.SERVERS if server.default}
    assert [server.name for server in servers.select(["ASGI stream of 64 KiB: uvicorn"])] == [
        "ASGI stream of 64 KiB: oxbridge",
        "ASGI stream of 64 KiB: uvicorn",
    ]


def test_every_workload_has_ours_and_a_bound_for_each_peer() -> None:
    names = {server.name for server in interfaces.rows() if server.default}
    promised = {(bound.row, bound.to) for bound in bounds.BOUNDS}
    for workload in interfaces.WORKLOADS:
        ours = f"{workload.name}: oxbridge"
        peers = {name for name in names if name.startswith(f"{workload.name}: ")} - {ours}
        assert ours in names
        assert peers
        assert all((ours, peer) in promised for peer in peers), workload.name
    least = {(bound.row, bound.to): bound.least for bound in bounds.BOUNDS}
    assert least["WSGI hello: oxbridge", "WSGI hello: granian mt"] == 2.0
    assert least["WSGI hello: oxbridge", "WSGI hello: gunicorn gthread"] == 10
    assert least["ASGI hello: oxbridge", "ASGI hello: uvicorn"] == 2.5
    assert least["RSGI hello: oxbridge", "RSGI hello: granian st"] == 2


def test_every_load_has_ours_and_a_peer_that_it_is_promised_to_be_ahead_of() -> None:
    names = {server.name for server in servers.SERVERS}
    promised = {(bound.row, bound.to) for bound in bounds.BOUNDS}
    for asked in loads.LOADS:
        rows = [server for server in loads.rows() if server.workload == asked.name]
        peers = [server for server in rows if server.is_peer]
        assert f"{asked.name}: oxbridge native" in names
        assert len(peers) >= 2, asked.name
        for peer in peers:
            assert peer.ahead_of in names
            assert (peer.ahead_of, peer.name) in promised
    # With pauses, servers are compared by check_latency.py.
    assert {server.manner for server in loads.rows()} == set(load.Manner) - {load.Manner.PAUSES}


def test_the_best_peer_is_the_fastest_of_the_same_workload() -> None:
    rates = {row.REFERENCE: [100, 100], "go net/http": [50, 50], "libmicrohttpd": [80, 90]}
    made = table({**rates, "floor (C epoll)": [200, 200], "WSGI hello: granian st": [95, 95]})
    ours = made.row(row.REFERENCE, 10)
    assert ours is not None
    best = made.best_peer(ours)
    assert best is not None
    assert best.server.name == "libmicrohttpd"
    said = {r["server"]: r for r in report.as_json(made, MACHINE, "4.1.0", [])["rows"]}
    assert said[row.REFERENCE]["ratio_to_best_peer"]["median"] == pytest.approx(1.18, abs=0.01)
    assert said["go net/http"]["best_peer"] is None
    assert said["go net/http"]["ratio_to_ours"]["requests_per_second"]["median"] == 0.5


def test_rows_have_numbers_of_connections_of_their_own_unless_a_run_is_asked_for_others() -> None:
    rows = [
        server for server in servers.SERVERS if server.name in (row.REFERENCE, "pipelined: axum")
    ]
    plan = measure.Plan(rows, [], 1, 1)
    assert [*plan.of(rows[0])] == [1, 10, 100, 400]
    assert [*plan.of(rows[1])] == [10, 100]
    assert measure.Plan(rows, [7], 1, 1).connections == [7]


def test_bounds_hold_for_10_and_100_connections_of_a_run_that_was_asked_for_none() -> None:
    rows = [found for found in servers.SERVERS if found.name in (row.REFERENCE, "oxbridge python")]
    made = measure.Table(
        measure.Plan(rows, [], 1, 1), [measure.Row(s, c) for c in (1, 10, 100, 400) for s in rows]
    )
    for made_row in made.rows:
        made_row.samples.append(sample(0, 100, 1.0))
    least = Bound("oxbridge python", row.REFERENCE, "requests_per_second", least=0.9)
    assert [verdict.connections for verdict in judge(made, [least])] == [10, 100]


def test_results_agree_when_their_ratios_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    for number, rate in enumerate((50, 54, 60)):
        made = table({row.REFERENCE: [100, 100], "go net/http": [rate, rate]})
        files.append(str(tmp_path / f"{number}.json"))
        content = report.as_json(made, MACHINE, "4.1.0", judge(made))
        Path(files[-1]).write_text(json.dumps(content), "utf-8")
    assert agreement.main(files[0], files[1]) == 0
    assert agreement.main(files[0], files[2]) == 1
    said = capsys.readouterr().out
    assert "go net/http / oxbridge native, requests_per_second, 10: 0.50 and 0.60 (20%)" in said
    (tmp_path / "none.json").write_text('{"rows": [], "bounds": []}', "utf-8")
    assert agreement.main(files[0], str(tmp_path / "none.json")) == 2


H2LOAD_SAID = """
finished in 2.00s, 500.00 req/s, 8.4KB/s
requests: 1000 total, 1010 started, 1000 done, 998 succeeded, 2 failed, 1 errored, 1 timeout
status codes: 997 2xx, 0 3xx, 0 4xx, 1 5xx
traffic: 1.59KB (1664) total, 181B (185) headers (space savings 95.82%), 14KB (14000) data
"""


def test_what_h2load_printed_and_wrote_is_read_whole() -> None:
    times = "".join(f"1795713558058283\t200\t{took}\n" for took in range(100, 0, -1))
    said = h2load.parse(H2LOAD_SAID, times, cpu_seconds=1.0)
    assert (said.requests, said.seconds, said.bytes, said.busy) == (998, 2.0, 14000, 0.5)
    assert (said.p50_us, said.p99_us, said.p999_us, said.max_us) == (50, 99, 100, 100)
    assert said.trouble == {"read": 2, "timeout": 1, "status": 1}
    with pytest.raises(load.LoadError, match="h2load did not run: no such host"):
        h2load.parse("no such host", "", cpu_seconds=0.0)


def test_a_row_says_what_its_command_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OXBRIDGE_BENCH_PYTHON", sys.executable)
    server = row.Server("a row", ("{apps}", "-p", "{port}", "{workers}"), "", needs=("pytest",))
    assert server.command_line(81, 3) == [sys.executable, "-p", "81", "3"]
    assert server.scales
    assert (server.environment, server.missing()) == ("apps", [])
    assert server.versions().startswith(f"pytest {pytest.__version__}, ")
    other = row.Server("another", ("{robyn}",), "", needs=("surely-not-installed",))
    assert other.missing() == ["surely-not-installed"]
    assert not other.scales


def test_the_newest_interpreter_is_found_below_pyenv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, says in (("3.13.0", "3 13"), ("3.14.1", "not today"), ("3.14.1t", "3 14")):
        interpreter = tmp_path / "versions" / name / "bin" / "python"
        interpreter.parent.mkdir(parents=True)
        interpreter.write_text(f"#!/bin/sh\necho {says}\n")
        interpreter.chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    # One that does not run and one without the lock are passed over.
    assert environments.newest()[0] == str(tmp_path / "versions" / "3.13.0" / "bin" / "python")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "none"))
    assert environments.newest()[0] == sys.executable


def test_ratios_are_formed_with_the_row_of_the_same_workload() -> None:
    ours, theirs = "WSGI hello: oxbridge", "WSGI hello: granian st"
    made = table({row.REFERENCE: [1000, 1000], ours: [100, 200], theirs: [50, 100]})
    said = report.text(made, MACHINE, "4.1.0", judge(made))
    shown = said.partition("WSGI hello, 10 connections\n")[2].partition("\n\n")[0]
    assert next(line for line in shown.splitlines() if line.startswith(theirs)).count("0.50") == 1
    assert "oxbridge native" not in shown
    assert f"held    {ours} / {theirs}, requests/s, 10 connections: 2.00" in said


def test_bounds_are_judged_by_the_median() -> None:
    made = table({"oxbridge python": [80, 90, 95], row.REFERENCE: [100, 100, 100]})
    least = Bound("oxbridge python", row.REFERENCE, "requests_per_second", least=0.9)
    held, missed = judge(made, [least, Bound(least.row, least.to, least.figure, least=0.91)])
    assert held.held
    assert not missed.held
    assert judge(made, [Bound("not measured", row.REFERENCE, "cpu_us", most=1)]) == []


def test_with_several_workers_the_order_is_promised() -> None:
    ours, theirs = "WSGI hello: oxbridge", "WSGI hello: granian st"
    made = table({ours: [120, 130], theirs: [100, 100]})
    assert not any(verdict.held for verdict in judge(made))
    made.plan = dataclasses.replace(made.plan, workers=2)
    assert [verdict.held for verdict in judge(made)] == [True]


def test_a_bound_for_one_number_of_connections_is_judged_at_that_alone() -> None:
    made = table({"oxbridge python": [80, 90, 95], row.REFERENCE: [100, 100, 100]})
    name, to, figure = "oxbridge python", row.REFERENCE, "requests_per_second"
    verdicts = judge(
        made,
        [Bound(name, to, figure, least=0.9, connections=number) for number in (10, 100)],
    )
    assert [verdict.connections for verdict in verdicts] == [10]


def test_the_report_shows_figures_failures_and_disturbances() -> None:
    made = table({"oxbridge python": [80_000, 90_000], row.REFERENCE: [100_000, 100_000]})
    made.rows[1].failures.append("round 1: it ended at once")
    made.rows[0].samples[0].load.errors["read"] = 7
    said = report.text(made, MACHINE, "4.1.0", judge(made))
    shown = said.partition("10 connections\n")[2].partition("\n\n")[0]
    lines = {line.partition("  ")[0]: line for line in shown.splitlines()}
    assert "100,000" in lines["oxbridge native"]
    assert "7 read" in lines["oxbridge native"]
    assert "0.85" in lines["oxbridge python"]
    assert "failed" in lines["oxbridge python"]
    assert "FAILED: oxbridge python, 10 connections, round 1: it ended at once" in said
    assert made.failed
    page = report.markdown(made, MACHINE, "4.1.0", judge(made))
    assert page.count("\n| oxbridge") == 2
    rows = report.as_json(made, MACHINE, "4.1.0", judge(made))["rows"]
    assert rows[1]["ratio_to_reference"]["requests_per_second"]["median"] == 0.85


@pytest.mark.parametrize(
    ("values", "share", "wanted"),
    [
        ([1], 0.99, 1),
        ([1, 2, 3, 4], 0.5, 2),
        (range(1, 101), 0.99, 99),
        (range(1, 1001), 0.99, 990),
    ],
)
def test_percentiles(values: list[float], share: float, wanted: float) -> None:
    assert figures.percentile([*values], share) == wanted


def test_a_check_fails_when_a_bound_is_missed(capsys: pytest.CaptureFixture[str]) -> None:
    fine = figures.Figure("memory", 11.5, "MiB", most=12)
    assert figures.finish("a check", [fine], [], None) == 0
    assert figures.finish("a check", [figures.Figure("memory", 12.5, most=12)], [], None) == 1
    assert figures.finish("a check", [fine], ["it crashed"], None) == 1
    said = capsys.readouterr().out
    assert "held    memory: 11.50 MiB, wanted at most 12" in said
    assert "MISSED  memory: 12.50, wanted at most 12" in said
    assert "FAILED  it crashed" in said


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b""),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
            b"hello",
        ),
    ],
)
def test_an_answer_is_whole_at_its_last_byte_and_not_before(raw: bytes, body: bytes) -> None:
    reader = clients.Reader()
    for index in range(len(raw) - 1):
        assert reader.feed(raw[index : index + 1]) is None
    assert reader.feed(raw[-1:]) == clients.Answer(200, body)
    assert clients.Reader().feed(raw) == clients.Answer(200, body)


@pytest.mark.parametrize(
    "raw",
    [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]
    + [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ntoo much"],
)
def test_what_is_no_answer_is_refused(raw: bytes) -> None:
    with pytest.raises(clients.BadAnswer):
        clients.Reader().feed(raw)


def answering(answer: Callable[[socket.socket], None]) -> launch.Running:
    """A server in this process, each connection in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=converse, args=(connection,), daemon=True).start()

    def converse(connection: socket.socket) -> None:
        # Clients that have measured enough go without a word.
        with connection, contextlib.suppress(OSError):
            answer(connection)
            connection.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=serve, daemon=True).start()
    return launch.Running(os.getpid(), listener.getsockname()[1])


def requests_of(connection: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    """Head and body of each request of a connection."""
    with connection.makefile("rb") as stream:
        while line := stream.readline():
            head = line
            while (line := stream.readline()) != b"\r\n":
                head += line
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            yield head, stream.read(int(length or b"0"))


def test_a_body_in_chunks_is_verified_without_its_frames() -> None:
    chunked = (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
    )

    def answer(connection: socket.socket) -> None:
        for _ in requests_of(connection):
            connection.sendall(chunked)

    running = answering(answer)
    assert launch.verify(running, "/", b"hello") == len(chunked)
    with pytest.raises(launch.WrongAnswer, match="GET /: wanted 200 and b'hell'"):
        launch.verify(running, "/", b"hell")


@pytest.mark.needs("wrk")
def test_wrk_posts_what_a_row_is_verified_with() -> None:
    asked = set()

    def answer(connection: socket.socket) -> None:
        for head, body in requests_of(connection):
            asked.add((head.partition(b" ")[0], body))
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

    running = answering(answer)
    assert launch.verify(running, "/echo", load.posted(1024), load.posted(1024)) > 1024
    seen = load.Wrk().run(running.url("/echo"), connections=2, seconds=1, sends=1024)
    assert seen.requests > 0
    assert asked == {(b"POST", load.posted(1024))}


@pytest.mark.needs("wrk")
@pytest.mark.parametrize("manner", [load.Manner.CLOSE, load.Manner.PIPELINED, load.Manner.MIX])
def test_wrk_asks_in_the_manner_of_a_row(manner: load.Manner) -> None:
    asked: list[list[bytes]] = []

    def answer(connection: socket.socket) -> None:
        heads: list[bytes] = []
        asked.append(heads)
        for head, _ in requests_of(connection):
            heads.append(head)
            closes = b"Connection: close\r\n" if b"Connection: close" in head else b""
            connection.sendall(b"HTTP/1.1 200 OK\r\n%scontent-length: 2\r\n\r\nok" % closes)
            if closes:
                break

    running = answering(answer)
    seen = load.Wrk().run(running.url(), connections=2, seconds=1, manner=manner)
    assert seen.requests > 100
    assert seen.trouble == {}
    every = [head.partition(b" HTTP")[0] for heads in asked for head in heads]
    naps = every.count(b"GET /nap") / len(every)
    if manner is load.Manner.MIX:
        assert naps == pytest.approx(0.05, abs=0.01)
    else:
        assert naps == 0
    # The last connections may have been opened for nothing.
    most = max(map(len, asked))
    assert most == 1 if manner is load.Manner.CLOSE else most > 10


@pytest.mark.parametrize("honest", [True, False])
def test_echoes_are_compared(honest: bool) -> None:
    def answer(connection: socket.socket) -> None:
        for _ in requests_of(connection):
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
            )
            break
        first = b""
        with connection.makefile("rb") as stream:
            while head := stream.read(2):
                mask = stream.read(4)
                masked = stream.read(head[1] & 0x7F)
                text = bytes(byte ^ mask[n % 4] for n, byte in enumerate(masked))
                # The answers to the pings, which are a server's right.
                if head[0] == 0x8A:
                    assert text == b"x"
                    continue
                first = first or text
                echo = bytes([0x81, len(text)]) + (text if honest else first)
                connection.sendall(b"\x89\x01x" + echo)

    seen = load.echoes(answering(answer).address, "/ws", connections=2, seconds=1)
    if honest:
        assert seen.requests > 2
        assert seen.trouble == {}
    else:
        # The first of each connection is right either way.
        assert seen.requests == 2
        assert seen.trouble == {"status": 2}


def test_a_closed_connection_is_a_failed_request_of_its_worker() -> None:
    def answer(connection: socket.socket) -> None:
        for number, _ in enumerate(requests_of(connection)):
            if number == 2:
                break
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n42")

    stop = threading.Event()
    client = check_rolling.Client(answering(answer).address, "/pid", keeps=True)
    asking = threading.Thread(target=client.run, args=(stop,))
    asking.start()
    while not client.failures:
        assert asking.is_alive()
    stop.set()
    asking.join()
    assert client.answered >= 2
    assert client.workers == {42}
    failure = client.failures[0]
    assert (failure.what, failure.worker) == ("closed without an answer", 42)


def test_the_bare_loop_calls_an_app_and_refuses_one_that_fails(tmp_path: Path) -> None:
    (tmp_path / "made.py").write_text(
        "def wsgi(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [environ['PATH_INFO'].encode()]\n"
        "def broken(environ, start_response):\n"
        "    start_response('500 Internal Server Error', [])\n"
        "    return [b'no']\n"
        "async def asgi(scope, receive, send):\n"
        "    assert await receive() == {'type': 'http.request', 'body': b'', 'more_body': False}\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': scope['raw_path']})\n"
    )

    def run(name: str) -> subprocess.CompletedProcess[str]:
        loop = str(BENCH / "apps" / "bare_loop.py")
        return subprocess.run(
            [sys.executable, loop, f"made:{name}", "/", "0.1"],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert 0 < float(run("wsgi").stdout) < 1000
    assert 0 < float(run("asgi").stdout) < 1000
    assert "500 Internal Server Error" in run("broken").stderr


def test_cpu_time_and_memory_of_children_count() -> None:
    # The grandchild burns and stays; the child only holds it.
    burn = "import time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)\ninput()"
    hold = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"done\n"
        assert len(process.tree(child.pid)) == 2
        alive = process.cpu(child.pid)
        memory = process.memory(child.pid)
        # The kernel counts in ticks and rounds down, for user and system each.
        assert alive.total >= 0.25
        assert memory.peak >= memory.rss >= memory.pss > 0
        assert process.rss(child.pid) > process.memory(os.getpid()).rss / 100
        child.communicate(b"\n")
    assert process.tree(child.pid) == {child.pid}
    assert process.rss(child.pid) == 0


def test_one_core_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
    assert machine.cores() == machine.Cores(3, 3)
    assert machine.cores().shared
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
    assert not machine.cores().shared
    assert machine.cores(2) == machine.Cores(0, 3, (0, 1))
    assert not machine.cores(2).shared
    assert machine.cores(4).shared


# The commands. The floor stands in for the Rust program, which takes minutes to build for release.


def bench(*arguments: str, native: Path | str = "") -> subprocess.CompletedProcess[str]:
    """Run bench/run.py."""
    return subprocess.run(
        [sys.executable, str(BENCH / "run.py"), *arguments],
        env={**os.environ, "OXBRIDGE_NATIVE": str(native)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.fixture(scope="module")
def floor() -> Path:
    """The bare epoll loop, compiled."""
    return build.floor()


@pytest.fixture
def library(c_prefix: Prefix, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let handlers in C be compiled with the library that other tests have built."""
    monkeypatch.setenv("OXBRIDGE_C_PREFIX", str(c_prefix.root))


def test_the_list_names_every_row() -> None:
    said = bench("--list").stdout
    assert all(server.name in said and server.about in said for server in servers.SERVERS)


@pytest.mark.needs("wrk")
@pytest.mark.usefixtures("this_python")
def test_the_table_has_figures_for_every_row_and_load(floor: Path, tmp_path: Path) -> None:
    file = tmp_path / "made" / "table.json"
    page = tmp_path / "table.md"
    done = bench(
        *("--only", "floor", "--only", "oxbridge python blocking", "--connections", "1,4"),
        *("--seconds", "1", "--rounds", "1", "--json", str(file), "--markdown", str(page)),
        native=floor,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads(file.read_text(encoding="utf-8"))
    rows = {(row["server"], row["connections"]): row for row in content["rows"]}
    names = ["floor (C epoll)", "oxbridge native", "oxbridge python blocking=False"]
    assert [*rows] == [(name, connections) for connections in (1, 4) for name in names]
    for found in rows.values():
        medians = {name: spread["median"] for name, spread in found["figures"].items()}
        wanted = ("requests_per_second", "cpu_us", "p50_us", "p99_us", "rss_bytes", "pss_bytes")
        assert [name for name in wanted if not medians[name] > 0] == [], found["server"]
        assert found["ratio_to_reference"]["requests_per_second"]["median"] > 0
        assert (found["errors"], found["failures"]) == ({}, [])
    assert all(name in done.stdout and name in page.read_text("utf-8") for name in names)
    assert {bound["row"] for bound in content["bounds"]} == set(names[1:])


@pytest.mark.needs("wrk")
# Its time begins when the library is built.
@pytest.mark.timeout(120, func_only=True)
@pytest.mark.usefixtures("library")
def test_handlers_in_c_are_rows_of_their_own(floor: Path) -> None:
    short = ("--seconds", "1", "--rounds", "1", "--connections", "4", "--json", "-")
    done = bench("--only", "oxbridge c", *short, native=floor)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(done.stdout)["rows"]
    names = [row.REFERENCE, "oxbridge C inline", "oxbridge C"]
    assert [row["server"] for row in rows] == names
    assert all(row["rounds"][0]["requests"] > 0 for row in rows)


@pytest.mark.needs("wrk", "go", "libmicrohttpd")
def test_peers_of_other_languages_are_built_and_answer(floor: Path) -> None:
    peers = ("--only", "libmicrohttpd", "--only", "go net/http")
    done = bench(*peers, "--seconds", "1", "--rounds", "1", "--json", "-", native=floor)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(done.stdout)["rows"]
    found = {row["server"]: row for row in rows if row["connections"] == 100}
    assert "libmicrohttpd 0" in found["libmicrohttpd"]["versions"]
    assert found["go net/http"]["versions"].startswith("go1.")
    assert all(row["errors"] == {} and row["rounds"][0]["requests"] > 100 for row in rows)


def test_a_peer_that_cannot_be_compiled_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(programs, "HEADERS_IN", ("/dev/null",))
    with pytest.raises(build.CannotBuild, match="apt install libmicrohttpd-dev"):
        # Past the cache: it may have been compiled before.
        build.libmicrohttpd.__wrapped__()


@pytest.mark.needs("wrk")
def test_a_server_with_another_answer_is_no_row(floor: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text(
        f"#!{sys.executable}\n"
        "import sys, http.server\n"
        "port = int(sys.argv[1].rpartition(':')[2])\n"
        "http.server.test(http.server.SimpleHTTPRequestHandler, port=port, bind='127.0.0.1')\n"
    )
    wrong.chmod(0o755)
    done = bench("--only", "floor", "--seconds", "1", "--rounds", "1", native=wrong)
    assert done.returncode == 1
    assert "FAILED: oxbridge native, 10 connections, round 1: GET /: wanted 200" in done.stdout
    assert "FAILED: floor" not in done.stdout


@pytest.mark.needs("wrk")
def test_a_server_that_ends_at_once_is_no_row() -> None:
    done = bench("--only", "native", "--seconds", "1", "--rounds", "1", native="/bin/false")
    assert done.returncode == 1
    assert "it ended at once, with exit code 1" in done.stdout


@pytest.mark.needs("wrk", "h2load", "openssl", "go")
@pytest.mark.timeout(120, func_only=True)
@pytest.mark.usefixtures("this_python")
def test_loads_are_measured_with_what_they_are_about(tmp_path: Path) -> None:
    # Go's server stands in for the native one, which takes minutes to build for release.
    file = tmp_path / "loads.json"
    only = [f"{asked.name}: go" for asked in loads.LOADS if asked.manner is not load.Manner.CLOSE]
    short = ("--seconds", "1", "--rounds", "1", "--connections", "4", "--json", str(file))
    done = bench(
        *(part for name in only for part in ("--only", name)), *short, native=build.net_http()
    )
    rows = json.loads(file.read_text("utf-8"))["rows"]
    found = {r["server"]: r for r in rows if r["server"].endswith("go net/http")}
    assert len(found) == len(only), done.stdout + done.stderr
    for name, r in found.items():
        assert (r["errors"], r["failures"]) == ({}, []), name
        assert r["rounds"][0]["requests"] > 10, name
        # Of pipelined requests wrk tells no latency that means anything.
        assert (r["figures"]["p999_us"]["median"] > 0) == (r["workload"] != "pipelined")
    assert done.returncode == 0, done.stdout + done.stderr


Check = Callable[..., dict[str, Any]]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Run a check and return its figures by name. Bounds may be missed here; nothing may fail."""

    def run(*arguments: str) -> dict[str, Any]:
        file = tmp_path / "check.json"
        done = bench(*arguments, "--json", str(file))
        content = json.loads(file.read_text(encoding="utf-8"))
        assert content["failures"] == [], done.stdout + done.stderr
        assert done.returncode == (0 if content["held"] else 1)
        return {figure["name"]: figure["value"] for figure in content["figures"]}

    return run


@pytest.mark.parametrize("case", ["nobody slow", "handlers sleep", "bodies trickle"])
def test_stall_measures_the_others(check: Check, case: str) -> None:
    found = check("stall", "--only", f"python, {case}", "--repeats", "1", "--requests", "100")
    assert found[f"python, {case}: p99 of the others"] > 0
    if case != "nobody slow":
        # As long as a slow one must take, and not one after the other.
        assert 0.49 < found[f"python, {case}: the 60 slow ones took at most"] < 20


def test_leak_leaves_no_exchange_of_python_alive(check: Check) -> None:
    found = check("leak", "--only", "python", "--requests", "4000", "--first", "1000")
    assert found["python: requests"] == 4000
    assert found["python: exchanges alive at the end"] == 0


@pytest.mark.timeout(120, func_only=True)
@pytest.mark.usefixtures("library")
def test_leak_leaves_no_exchange_of_c_alive(check: Check) -> None:
    found = check("leak", "--only", "c", "--requests", "4000", "--first", "1000")
    assert found["c: requests"] == 4000
    assert found["c: exchanges alive at the end"] == 0


def test_stream_agrees_on_checksums(check: Check) -> None:
    found = check("stream", "--mib", "4", "--stops", "1", "--stop-seconds", "0.1")
    assert found["upload of 4 MiB: peak RSS"] > 0
    assert found["download of 4 MiB: peak RSS"] > 0


@pytest.mark.needs("wrk")
def test_idle_counts_what_a_connection_costs(check: Check) -> None:
    idle = ("idle", "--only", "python", "--idle", "300", "--rounds", "2", "--seconds", "1")
    found = check(*idle)
    assert found["python: RSS for each of 300 idle connections"] > 0
    assert found["python: requests/s of 10 others, with the idle ones / without"] > 0


# The checks of apps, with the interpreter of the tests in place of the newest one.


@pytest.fixture
def this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let rows for the interfaces of Python be started with what runs the tests."""
    monkeypatch.setenv("OXBRIDGE_BENCH_PYTHON", sys.executable)


@pytest.mark.usefixtures("this_python")
def test_rolling_replaces_and_kills_workers(check: Check) -> None:
    found = check("rolling", "--times", "1")
    assert found["SIGHUP: workers replaced"] >= 2
    assert found["SIGHUP: failed requests"] == 0
    assert found["killed: requests answered"] > 0
    assert found["killed: failed requests that were not the killed worker's"] == 0


@pytest.mark.usefixtures("this_python")
def test_slow_download_compares_every_byte(check: Check) -> None:
    short = ("--mib", "16", "--slow-mib", "1", "--rate", "1", "--stops", "1")
    found = check("slow-download", *short, "--stop-seconds", "0.1")
    assert all(found[f"{name}, download of 16 MiB: peak RSS"] > 0 for name in ("WSGI", "ASGI"))


@pytest.mark.usefixtures("this_python")
def test_vanished_clients_leave_nothing(check: Check) -> None:
    found = check("vanish", "--clients", "10", "--waves", "1")
    assert {name.partition(", 20 clients")[0] for name in found} >= {
        "events, reset",
        "events, end",
        "WebSocket, reset",
        "WebSocket, end",
        "WebSocket, no answer",
    }
    assert all(value <= 0 for name, value in found.items() if name.endswith(" left"))


@pytest.mark.needs("wrk")
@pytest.mark.usefixtures("this_python")
def test_ours_answers_every_workload_of_the_plain_apps() -> None:
    plain = [work for work in interfaces.WORKLOADS if not work.also]
    only = [part for work in plain for part in ("--only", f"{work.name}: oxbridge")]
    short = ("--seconds", "1", "--rounds", "1", "--connections", "4")
    done = bench(*only, *short, "--json", "-")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [found["workload"] for found in rows] == [work.name for work in plain]
    assert all(found["errors"] == {} and found["rounds"][0]["requests"] > 0 for found in rows)


@pytest.mark.needs("wrk")
@pytest.mark.usefixtures("this_python")
def test_start_times_the_first_answer(check: Check) -> None:
    found = check("start", "--only", "oxbridge python", "--rounds", "1")
    # An interpreter alone takes some milliseconds.
    assert 5 < found["oxbridge python: from its start to its first answer"] < 20_000
    assert found["oxbridge python: memory after 10 connections"] > 5


@pytest.mark.needs("wrk")
@pytest.mark.usefixtures("this_python")
def test_latency_has_the_server_wait_for_requests(check: Check) -> None:
    found = check("latency", "--only", "oxbridge python", "--rounds", "1", "--seconds", "1")
    assert 0 < found["oxbridge python: p50"] <= found["oxbridge python: p99"]
    # 64 connections that pause for at least 8 ms each.
    assert 0 < found["oxbridge python: requests/s"] <= 8_000


def test_latencies_are_compared_round_by_round() -> None:
    def made(p99: float) -> load.Load:
        return load.Load(4_000, 1.0, 0, 50, 60, p99, 2 * p99, 3 * p99, {}, 0.1)

    rounds = {"ours": [10, 30, 50], "theirs": [20, 20, 20]}
    loads = {name: [made(p99) for p99 in p99s] for name, p99s in rounds.items()}
    group = check_latency.Group("ours", ["theirs", "gone"])
    found = {figure.name: figure for figure in check_latency.figures_of(group, loads)}
    assert found["ours: p99"].value == 30
    assert found["theirs: p99.9"].value == 40
    assert found["ours / theirs: p99"].value == 1.5
    assert not found["ours / theirs: p99"].held
    # Of one that failed nothing is said, here.
    assert not any("gone" in name for name in found)


@pytest.mark.needs("ab")
@pytest.mark.usefixtures("this_python")
def test_classic_counts_as_ab_does(check: Check) -> None:
    found = check("classic", "--only", "oxbridge python", "--rounds", "1", "--requests", "200")
    total = found["oxbridge python: total"]
    assert found["oxbridge python: requests/s"] == pytest.approx(200 / total)
    assert found["oxbridge python: time for each request"] == pytest.approx(5 * total)

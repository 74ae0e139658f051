"""The benchmark's own arithmetic, and each of its commands once, as short as it goes.

What the figures are is not tested here: a test machine is busy, and a figure is no test.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import programs
from cbuild import Prefix, c_prefix

__all__ = ["c_prefix"]

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"
sys.path.insert(0, str(BENCH))

import clients  # noqa: E402
import figures  # noqa: E402
import load  # noqa: E402
import machine  # noqa: E402
import measure  # noqa: E402
import process  # noqa: E402
import report  # noqa: E402
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
    rows = [server for server in servers.SERVERS if server.name in rates]
    made = measure.Table(measure.Plan(rows, [10], 1, 2), [measure.Row(s, 10) for s in rows])
    for row in made.rows:
        row.samples += [sample(n, rate, 1.0) for n, rate in enumerate(rates[row.server.name])]
    return made


def test_what_wrk_printed_is_read_whole() -> None:
    said = load.parse(WRK_SAID, "", cpu_seconds=1.0)
    assert (said.requests_per_second, said.p50_us, said.p999_us, said.busy) == (500, 50, 95, 0.5)
    assert said.trouble == {"read": 3, "status": 2}


def test_a_load_that_did_not_run_says_why() -> None:
    with pytest.raises(load.LoadError, match="unable to connect"):
        load.parse("", "unable to connect to 127.0.0.1:1", cpu_seconds=0.0)


def test_ratios_are_formed_within_a_round() -> None:
    # The machine was twice as fast in the second round: the ratio of the medians would be 1.07.
    made = table({"oxbridge python": [80, 180, 90], servers.REFERENCE: [100, 200, 84]})
    ratio = made.rows[1].ratio("requests_per_second", made.rows[0])
    assert ratio == measure.Spread(0.9, 0.8, 90 / 84)


def test_a_ratio_leaves_out_rounds_that_the_other_row_does_not_have() -> None:
    made = table({"oxbridge python": [80, 90], servers.REFERENCE: [100]})
    assert made.rows[1].ratio("cpu_us", made.rows[0]) == measure.Spread(1.25, 1.25, 1.25)


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_each_round_has_every_server_once_and_rounds_differ(rounds: int) -> None:
    plan = measure.Plan(servers.SERVERS, [10], 1, rounds)
    orders = [[server.name for server in plan.order(number)] for number in range(rounds)]
    assert all(sorted(order) == sorted(s.name for s in servers.SERVERS) for order in orders)
    assert len({tuple(order) for order in orders}) == rounds


def test_only_chooses_by_name_and_keeps_the_reference() -> None:
    names = [server.name for server in servers.select(["werkzeug"])]
    assert names == [servers.REFERENCE, "werkzeug + Flask"]
    with pytest.raises(ValueError, match="no row is called 'apache'"):
        servers.select(["werkzeug", "apache"])


def test_bounds_are_judged_by_the_median() -> None:
    made = table({"oxbridge python": [80, 90, 95], servers.REFERENCE: [100, 100, 100]})
    least = Bound("oxbridge python", servers.REFERENCE, "requests_per_second", least=0.9)
    held, missed = judge(made, [least, Bound(least.row, least.to, least.figure, least=0.91)])
    assert held.held
    assert not missed.held
    assert judge(made, [Bound("not measured", servers.REFERENCE, "cpu_us", most=1)]) == []


def test_a_bound_for_one_number_of_connections_is_judged_at_that_alone() -> None:
    made = table({"oxbridge python": [80, 90, 95], servers.REFERENCE: [100, 100, 100]})
    row, to, figure = "oxbridge python", servers.REFERENCE, "requests_per_second"
    verdicts = judge(
        made,
        [Bound(row, to, figure, least=0.9, connections=number) for number in (10, 100)],
    )
    assert [verdict.connections for verdict in verdicts] == [10]


def test_the_report_shows_figures_failures_and_disturbances() -> None:
    made = table({"oxbridge python": [80_000, 90_000], servers.REFERENCE: [100_000, 100_000]})
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
    return servers.floor()


@pytest.fixture
def library(c_prefix: Prefix, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let handlers in C be compiled with the library that other tests have built."""
    monkeypatch.setenv("OXBRIDGE_C_PREFIX", str(c_prefix.root))


def test_the_list_names_every_row() -> None:
    said = bench("--list").stdout
    assert all(server.name in said and server.about in said for server in servers.SERVERS)


@pytest.mark.needs("wrk")
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
    for row in rows.values():
        medians = {name: spread["median"] for name, spread in row["figures"].items()}
        wanted = ("requests_per_second", "cpu_us", "p50_us", "p99_us", "rss_bytes", "pss_bytes")
        assert all(medians[name] > 0 for name in wanted), row
        assert row["ratio_to_reference"]["requests_per_second"]["median"] > 0
        assert (row["errors"], row["failures"]) == ({}, [])
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
    names = [servers.REFERENCE, "oxbridge C inline", "oxbridge C"]
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
    with pytest.raises(servers.CannotBuild, match="apt install libmicrohttpd-dev"):
        # Past the cache: it may have been compiled before.
        servers.libmicrohttpd.__wrapped__()


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

"""`oxbridge cache top`, as its users run it: in a terminal, in a pipe, and when things go wrong."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pyte
import pytest
import trustme
from cache_conditions import until
from prometheus_client.parser import text_string_to_metric_families
from test_cache_nodes import pem_files

from oxbridge import cache
from oxbridge._cli.cache import figures, view
from oxbridge._cli.cache.asking import Answer
from serving import ROOT, Served

COMMAND = [sys.executable, "-m", "oxbridge", "cache"]
SECRET = b"of the tests"


@pytest.fixture
def cluster() -> Iterator[list[cache.Instance]]:
    """Run three nodes that have done something."""
    nodes = [cache.Instance(peers=cache.Peers("oxbridge", secret=SECRET)) for _ in range(3)]
    addresses = [node.serve() for node in nodes]
    groups = []
    for node in nodes:
        node.set_peers(addresses)
        groups.append(node.group("pages", lambda key: key.encode() * 10, max_bytes=1 << 20))
    for number in range(200):
        groups[number % 3].get(str(number % 50))
    yield nodes
    for node in nodes:
        node.close()


def address(node: cache.Instance) -> str:
    """Give a node's address."""
    snapshot = node.snapshot()
    assert snapshot is not None
    assert snapshot["node"] is not None
    return snapshot["node"]


def run(*arguments: str, secret: bytes | None = SECRET) -> tuple[int, str, str]:
    """Run the command to its end."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    if secret is not None:
        env["OXBRIDGE_CACHE_SECRET"] = secret.decode()
    done = subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
        env=env,
    )
    return done.returncode, done.stdout, done.stderr


def test_in_a_pipe_it_is_shown_once(cluster: list[cache.Instance]) -> None:
    status, out, err = run("top", address(cluster[1]))
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert "3 nodes" in lines[0]
    assert "\x1b" not in out
    assert re.search(r"^pages +\S+ +\d+\.\d%", out, re.MULTILINE), out
    for node in cluster:
        assert re.search(rf"^{address(node)[7:]} .* 33\.3%", out, re.MULTILINE), out


def test_as_json(cluster: list[cache.Instance]) -> None:
    status, out, err = run("top", "--json", address(cluster[0]))
    assert (status, err) == (0, "")
    told = json.loads(out)
    assert {node["address"] for node in told} == {address(node) for node in cluster}
    assert sum(node["groups"][0]["stats"]["local_loads"] for node in told) == 50
    assert told[0]["problem"] is None


def test_for_prometheus(cluster: list[cache.Instance]) -> None:
    status, out, err = run("top", "--prometheus", address(cluster[0]))
    assert (status, err) == (0, "")
    families = {family.name: family for family in text_string_to_metric_families(out)}
    assert all(family.documentation for family in families.values())
    (gets,) = families["oxbridge_cache_gets"].samples
    assert (gets.labels, gets.value > 0) == ({"group": "pages"}, True)
    loads = families["oxbridge_cache_load_seconds"]
    assert loads.type == "histogram"
    counts = {s.labels["by"]: s.value for s in loads.samples if s.name.endswith("_count")}
    assert counts["getter"] > 0
    assert counts["peer"] > 0
    shares = [s.value for s in families["oxbridge_cache_node_share"].samples]
    assert sum(shares) == pytest.approx(1)
    assert out == cluster[0].prometheus() or out.count("\n") == cluster[0].prometheus().count("\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "a node is missing"),
        (("10.0.0.1",), "'10.0.0.1' is not host:port"),
        (("ftp://a:1",), "'ftp://a:1'"),
        (("http://a:1/path",), "'http://a:1/path'"),
        (("http://a:x",), "'http://a:x'"),
        (("a:1", "--colour"), "no option --colour"),
        (("a:1", "-x"), "no option -x"),
        (("a:1", "--interval"), "--interval wants a value"),
        (("a:1", "--interval", "soon"), "--interval is 'soon'"),
        (("a:1", "--timeout=0"), "--timeout is '0'"),
        (("a:1", "--json", "--once"), "--once and --json do not go together"),
        (("a:1", "b:2", "--prometheus"), "for one node"),
        (("a:1", "--cert", "x"), "--cert and --key"),
        (("a:1", "--base-path", "x"), "--base-path is 'x'"),
    ],
)
def test_wrong_usage_is_told_in_one_sentence(arguments: tuple[str, ...], said: str) -> None:
    status, out, err = run("top", *arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_other_commands_are_told_and_help_is_given() -> None:
    assert run("bottom")[0] == 2
    for asked in ((), ("--help",), ("top", "--help")):
        status, out, _ = run(*asked)
        assert status == 0
        assert "--secret-file" in out


def test_what_goes_wrong_is_told(cluster: list[cache.Instance], tmp_path: Path) -> None:
    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers = {"/json/": (200, b"{}"), "/text/": (200, b"hello"), "/none/": (404, b"")}
            status, body = answers[self.path.partition("?")[0]]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    stranger = HTTPServer(("127.0.0.1", 0), Stranger)
    Thread(target=stranger.serve_forever, daemon=True).start()
    place = f"127.0.0.1:{stranger.server_port}"
    there = address(cluster[0])
    for arguments, secret, said in (
        ((there,), None, "it wants a secret: --secret-file"),
        ((there,), b"wrong", "it wants another secret"),
        (("127.0.0.1:1",), None, "Connection refused"),
        ((place, "--base-path", "/json/"), None, "not what a node says"),
        ((place, "--base-path", "/text/"), None, "no JSON"),
        ((place, "--base-path", "/none/"), None, "answers 404"),
        ((f"https://{place}",), None, "TLS"),
        (("a:1", "--secret-file", str(tmp_path / "none")), None, "none"),
        (("https://a:1", "--ca", str(tmp_path / "no-ca")), None, "no-ca"),
    ):
        status, out, err = run("top", "--once", *arguments, secret=secret)
        assert (status, out) == (1, ""), arguments
        assert said in err
        assert "Traceback" not in err
    stranger.shutdown()
    stranger.server_close()


def test_nodes_with_certificates(tmp_path: Path) -> None:
    tls = pem_files(tmp_path, trustme.CA())
    with cache.Instance(peers=cache.Peers("oxbridge", tls=tls)) as node:
        place = node.serve()
        node.set_peers([place])
        files = ("--ca", str(tls.ca), "--cert", str(tls.cert), "--key", str(tls.key))
        status, out, err = run("top", "--once", place, *files)
        assert (status, err) == (0, "")
        assert "1 node" in out
        status, _, err = run("top", "--once", place, "--ca", str(tls.ca))
        assert status == 1


class Terminal:
    """A terminal in which the command runs."""

    def __init__(self, columns: int, rows: int, *arguments: str, color: bool = True) -> None:
        self.master, slave = pty.openpty()
        self.resize(columns, rows)
        env = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "TERM": "xterm-256color"}
        env["OXBRIDGE_CACHE_SECRET"] = SECRET.decode()
        env.pop("NO_COLOR", None)
        if not color:
            env["NO_COLOR"] = "1"
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.process = subprocess.Popen(
            [*COMMAND, "top", "--interval", "0.2", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=env,
            start_new_session=True,
        )
        self.written = b""

    def resize(self, columns: int, rows: int) -> None:
        """Be of another size; the terminal's processes are told."""
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if hasattr(self, "process"):
            os.kill(self.process.pid, signal.SIGWINCH)

    def read(self, seconds: float = 0.05) -> None:
        """Take in what is written."""
        while select.select([self.master], [], [], seconds)[0]:
            try:
                data = os.read(self.master, 1 << 16)
            except OSError:
                return
            self.written += data
            self.stream.feed(data)

    def shows(self, wanted: Callable[[str], object]) -> str:
        """Wait until the screen shows what is wanted."""

        def look() -> object:
            self.read()
            return wanted(self.text())

        until(look, 40)
        return self.text()

    def text(self) -> str:
        """What is on the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def ends(self) -> int:
        """Wait for the end; the terminal must be as it was."""

        def ended() -> bool:
            self.read()
            return self.process.poll() is not None

        until(ended, 40)
        assert termios.tcgetattr(self.slave) == self.before
        assert self.written.count(b"\x1b[?1049h") == self.written.count(b"\x1b[?1049l") == 1
        assert self.written.rstrip().endswith(b"\x1b[?1049l")
        assert b"Traceback" not in self.written
        return self.process.returncode


@contextmanager
def terminal(columns: int, rows: int, *arguments: str, color: bool = True) -> Iterator[Terminal]:
    """Run the command in a terminal."""
    running = Terminal(columns, rows, *arguments, color=color)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()
        os.close(running.master)
        os.close(running.slave)


@pytest.mark.parametrize("size", [(120, 30), (80, 24), (50, 20), (30, 8)])
def test_the_view_fits_and_moves(cluster: list[cache.Instance], size: tuple[int, int]) -> None:
    with terminal(*size, address(cluster[0])) as shown:
        shown.shows(lambda text: ("pages" in text and "NODE" in text) or "more lines" in text)
        group = cluster[0].groups["pages"]
        for number in range(500):
            group.get(str(number % 10))
        # The rates are those of the last interval: in the next quiet one they are 0.
        quiet = shown.shows(lambda text: re.search(r"^pages +.*-", text, re.MULTILINE))
        assert len(quiet.splitlines()) <= size[1]
        assert all(len(line) <= size[0] for line in quiet.splitlines())
        shown.resize(100, 25)
        shown.shows(lambda text: "share" in text and "100.0%" not in text and "33.3%" in text)
        os.write(shown.master, b"q")
        assert shown.ends() == 0


def test_a_node_that_dies_is_seen_to(cluster: list[cache.Instance]) -> None:
    gone = address(cluster[2])
    with terminal(110, 30, address(cluster[0])) as shown:
        shown.shows(lambda text: "3 nodes" in text)
        cluster[2].close()
        text = shown.shows(lambda text: "2 of 3 nodes" in text)
        assert re.search(rf"{gone[7:]} +Connection refused", text)
        # Ctrl-C, as the terminal makes a signal of it.
        os.killpg(shown.process.pid, signal.SIGINT)
        assert shown.ends() == 130


@pytest.mark.parametrize("how", [signal.SIGTERM, "error"])
def test_the_terminal_is_given_back(
    cluster: list[cache.Instance], how: signal.Signals | str
) -> None:
    with terminal(80, 24, address(cluster[0])) as shown:
        shown.shows(lambda text: "3 nodes" in text)
        if isinstance(how, signal.Signals):
            shown.process.send_signal(how)
            assert shown.ends() == 128 + how
            return
        # Nobody is left: it goes on, and says so.
        for node in cluster:
            node.close()
        shown.shows(lambda text: "0 of 3 nodes" in text)
        os.write(shown.master, b"q")
        assert shown.ends() == 0


def test_colors_are_not_for_everybody(cluster: list[cache.Instance]) -> None:
    for color in (True, False):
        with terminal(80, 24, address(cluster[0]), color=color) as shown:
            shown.shows(lambda text: "3 nodes" in text)
            assert (b"\x1b[1m" in shown.written) == color
            os.write(shown.master, b"q")
            assert shown.ends() == 0


def node_answer(gets: int, **more: Any) -> Answer:
    """What a node says, in short."""
    stats = dict.fromkeys(("gets", "cache_hits", "stale_hits", "loads"), gets)
    stats |= dict.fromkeys(("local_load_errs", "peer_errors", "tier_errors"), 0)
    caches: dict[str, Any] = {"main": {"items": 1, "bytes": 10}, "hot": {"items": 0, "bytes": 0}}
    group = {
        "name": "g",
        "max_bytes": 100,
        "stats": {**stats, **caches},
        "getter": {"counts": [0, gets], "total_micros": 1},
        "peers": {"counts": [], "total_micros": 0},
        "is_listening": True,
        **more,
    }
    told = {"version": "1", "node": "http://a:1", "groups": [group], "nodes": []}
    return Answer("http://a:1", {**told, "uptime_seconds": 10.0})


def test_rates_are_of_what_came_between_and_a_new_beginning_is_none_below_zero() -> None:
    first, second = (figures.look([node_answer(gets)]) for gets in (100, 130))
    shown = figures.between(first, second, 3)
    assert shown.groups["g"].gets == shown.total.gets == 30
    assert shown.groups["g"].quantile(0.99) == 2
    anew = figures.between(second, figures.look([node_answer(7)]), 3)
    assert anew.total.gets == 7
    deaf = figures.look([node_answer(1, is_listening=False)])
    lines = view.lines(deaf, 80, 24, "12:00:00")
    assert any("not believed" in line for line in lines)


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (view.number, 99_999, "99,999"),
        (view.number, 100_000, "100k"),
        (view.number, 9_999_999, "10.0M"),
        (view.size, 999, "999 B"),
        (view.size, 1000, "1.0 KiB"),
        (view.size, 200 << 20, "200.0 MiB"),
        (view.size, 5 << 40, "5.0 TiB"),
        (view.time, None, "-"),
        (view.time, 512, "512 µs"),
        (view.time, 32768, "32.8 ms"),
        (view.time, 2_097_152, "2.1 s"),
        (view.rate, 0.25, "0.2"),
        (view.percent, None, "-"),
    ],
)
def test_figures_are_short(write: Callable[[Any], str], value: Any, text: str) -> None:
    assert write(value) == text


def test_the_example(tmp_path: Path) -> None:
    example = ROOT / "examples" / "cache" / "three_nodes.py"
    served = Served(
        [sys.executable, str(example)],
        cwd=tmp_path,
        env={"PORT": "0", "NODES": "0", "PYTHONPATH": str(ROOT / "python")},
    )
    try:
        import httpx

        assert httpx.get(f"{served.url}/squares/12").text == "144\n"
        assert httpx.get(f"{served.url}/squares/x").status_code == 404
        assert httpx.delete(f"{served.url}/squares/12").status_code == 200
    finally:
        served.kill()

"""Each example, run as its docstring says and used as a client would use it."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from browser import Browser
from serving import ROOT, Serve, Served, ServeExample, free_port, python_command
from wire import Wire

if TYPE_CHECKING:
    from conftest import Certificates

EXAMPLES = ROOT / "examples"


# Where the examples are run that are folders.
TESTED_IN = {
    "cache": "tests/cache_py/test_cache_top.py",
    "capi": "tests/languages/test_languages.py",
    "deploy": "tests/examples/test_examples.py",
    "embed": "crates/embed/tests/example.rs",
    "serve": "tests/examples/test_serve.py",
    "gohttp": "tests/gohttp/test_gohttp_examples.py",
    "the_answer": "tests/examples/test_the_answer.py",
    "embed_c": "tests/embed_c/test_embed_examples.py",
    "embed_go": "tests/embed_c/test_embed_examples.py",
    "embed_django": "tests/examples/test_embed_sites.py",
    "embed_fastapi": "tests/examples/test_embed_sites.py",
}


def hung_up(url: str, target: str, bytes_read: int) -> None:
    """Ask for something, read a little of it, and hang up."""
    with Wire(url) as wire:
        wire.head("GET", target)
        assert len(wire.answer().read(bytes_read)) == bytes_read


def resident(served: Served) -> int:
    """The most memory that a server's process has used so far, in bytes."""
    status = Path(f"/proc/{served.process.pid}/status").read_text("ascii")
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert peak is not None
    return int(peak[1]) * 1024


def test_every_example_is_tested_here() -> None:
    tests = Path(__file__).read_text("utf-8")
    for example in EXAMPLES.glob("*.py"):
        assert f'"{example.name}"' in tests, example
    for folder in (path for path in EXAMPLES.iterdir() if path.is_dir()):
        assert (ROOT / TESTED_IN[folder.name]).is_file(), folder


def test_hello(serve_example: ServeExample) -> None:
    hello = serve_example("hello.py")
    assert httpx.get(f"{hello.url}/").text == "Hello, world.\n"
    assert httpx.get(f"{hello.url}/hello/world").text == "Hello, world!\n"
    assert httpx.get(f"{hello.url}/hello/J%C3%BCrgen").text == "Hello, J\u00fcrgen!\n"
    assert httpx.get(f"{hello.url}/any/thing").text == "Hello, world.\n"
    assert hello.stop() == 0
    # One line says where it listens; there is nothing else to say.
    assert hello.stderr == f"Serving on {hello.url}\n"


@pytest.mark.needs("curl")
def test_hello_by_curl(serve_example: ServeExample, program: Callable[[str], str]) -> None:
    hello = serve_example("hello.py")
    done = subprocess.run(
        [program("curl"), "--silent", "--show-error", "--fail", f"{hello.url}/hello/curl"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "Hello, curl!\n"


def test_echo(serve_example: ServeExample) -> None:
    echo = serve_example("echo.py")
    answer = httpx.post(
        f"{echo.url}/some/path?with=query",
        content=b"the body",
        headers={"X-Mine": "mine", "Host": "example.org"},
    )
    lines = answer.text.splitlines()
    assert lines[:4] == [
        "Method: POST",
        "Host: example.org",
        "URL: /some/path?with=query",
        "Headers:",
    ]
    assert "  X-Mine: mine" in lines
    assert lines[-2:] == ["Body:", "the body"]


def test_json_api(serve_example: ServeExample) -> None:
    with httpx.Client(base_url=serve_example("json_api.py").url) as api:
        assert api.get("/notes").json() == []

        made = api.post("/notes", json={"text": "buy milk"})
        assert (made.status_code, made.json()) == (201, {"number": 1, "text": "buy milk"})
        assert made.headers["Location"] == "/notes/1"
        assert api.post("/notes", json={"text": "write tests"}).json()["number"] == 2

        changed = api.put("/notes/1", json={"text": "buy oat milk"})
        assert changed.json() == {"number": 1, "text": "buy oat milk"}
        assert api.get(made.headers["Location"]).json() == changed.json()
        assert [note["number"] for note in api.get("/notes").json()] == [1, 2]
        assert [note["number"] for note in api.get("/notes?q=oat").json()] == [1]

        gone = api.delete("/notes/1")
        assert (gone.status_code, gone.content) == (204, b"")
        for answer in (api.get("/notes/1"), api.delete("/notes/1"), api.get("/notes/x")):
            assert answer.status_code == 404
            assert "there is no note" in answer.json()["error"]

        assert api.get("/else").status_code == 404
        assert api.get("/else").json() == {"error": "there is nothing at /else"}
        for body in ("{", "5", '{"text": 5}', "{}"):
            bad = api.post("/notes", content=body)
            assert bad.status_code == 400
            assert bad.json()["error"]


def test_upload_of_a_form(serve_example: ServeExample) -> None:
    upload = serve_example("upload.py")
    page = httpx.get(f"{upload.url}/")
    assert page.headers["Content-Type"].startswith("text/html")
    assert 'enctype="multipart/form-data"' in page.text
    answer = httpx.post(
        f"{upload.url}/upload",
        data={"note": "a note"},
        files=[("file", ("one.txt", b"one")), ("file", ("../two.txt", b"two"))],
    )
    sums = [hashlib.sha256(contents).hexdigest() for contents in (b"one", b"two")]
    assert answer.json() == {
        "fields": {"note": "a note"},
        "files": [
            {"name": "one.txt", "size": 3, "sha256": sums[0]},
            {"name": "../two.txt", "size": 3, "sha256": sums[1]},
        ],
    }


# Far more than the server may hold at the same time, and quick enough.
LARGE = 400 << 20
PIECE = bytes(range(256)) * 1024
# What a Python process with a server in it may use, whatever it is sent: see the 64 MiB.
BOUND = 64 << 20


def pieces() -> Iterator[bytes]:
    for _ in range(LARGE // len(PIECE)):
        yield PIECE


@pytest.mark.parametrize("form", [True, False])
def test_an_upload_larger_than_memory(serve_example: ServeExample, form: bool) -> None:
    upload = serve_example("upload.py")
    checksum = hashlib.sha256()
    for piece in pieces():
        checksum.update(piece)
    head = tail = b""
    if form:
        head = (
            b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="large"\r\n'
            b"Content-Type: application/octet-stream\r\n\r\n"
        )
        tail = b"\r\n--xyz--\r\n"

    def body() -> Iterator[bytes]:
        yield head
        yield from pieces()
        yield tail

    connection = http.client.HTTPConnection("127.0.0.1", upload.port, timeout=100)
    connection.request(
        "POST" if form else "PUT",
        "/upload",
        body=body(),
        headers={
            "Content-Length": str(len(head) + LARGE + len(tail)),
            "Content-Type": "multipart/form-data; boundary=xyz" if form else "image/x-large",
        },
    )
    told = json.loads(connection.getresponse().read())
    connection.close()
    file = told["files"][0] if form else told
    assert (file["size"], file["sha256"]) == (LARGE, checksum.hexdigest())
    assert resident(upload) < BOUND


def test_an_upload_that_breaks_off_leaves_the_server_well(serve_example: ServeExample) -> None:
    upload = serve_example("upload.py")
    with Wire(upload.url) as wire:
        wire.head("PUT", "/upload/x", {"Content-Length": 1 << 30})
        wire.send(bytes(1 << 20))
    answer = httpx.put(f"{upload.url}/upload/x", content=b"whole")
    assert answer.json()["size"] == 5
    assert upload.stop() == 0
    assert "Traceback" not in upload.stderr


def test_download(serve_example: ServeExample) -> None:
    download = serve_example("download.py")
    numbers = httpx.get(f"{download.url}/numbers?count=20000")
    assert numbers.headers["Content-Type"] == "text/csv"
    assert numbers.headers["Transfer-Encoding"] == "chunked"
    lines = numbers.text.splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("number,square", "19999,399960001", 20001)
    assert httpx.get(f"{download.url}/zeros?bytes=many").status_code == 400
    zeros = httpx.get(f"{download.url}/zeros?bytes=1000001")
    assert zeros.headers["Content-Length"] == "1000001"
    assert zeros.content == bytes(1_000_001)


def test_a_download_larger_than_memory(serve_example: ServeExample) -> None:
    download = serve_example("download.py")
    with Wire(download.url, receive_buffer=65536) as slow:
        # One client that takes nothing, and one that takes everything.
        slow.head("GET", f"/zeros?bytes={LARGE}")
        assert slow.answer().read(1) == b"\0"
        with httpx.stream("GET", f"{download.url}/zeros?bytes={LARGE}") as answer:
            assert sum(len(piece) for piece in answer.iter_raw()) == LARGE
    hung_up(download.url, f"/zeros?bytes={LARGE}", 1000)
    assert resident(download) < BOUND
    assert download.stop() == 0
    assert "Traceback" not in download.stderr


def test_events(serve_example: ServeExample) -> None:
    server = serve_example("events.py")
    assert "EventSource" in httpx.get(f"{server.url}/").text
    listeners = [Wire(server.url) for _ in range(3)]
    streams = []
    for wire in listeners:
        wire.head("GET", "/events", {"Accept": "text/event-stream"})
        stream = wire.answer()
        assert stream.headers["Content-Type"] == "text/event-stream"
        assert stream.readline() == b": welcome\n"
        assert stream.readline() == b"\n"
        streams.append(stream)
    # One of them leaves; the others hear what is said.
    listeners.pop().close()
    for said in ("hello", "two\nlines", "caf\u00e9"):
        assert httpx.post(f"{server.url}/say", content=said.encode()).status_code == 204
        for stream in streams[:2]:
            for line in said.splitlines():
                assert stream.readline() == f"data: {line}\n".encode()
            assert stream.readline() == b"\n"
    # Streams that are open do not keep the server from ending.
    assert server.stop() == 0
    assert "Traceback" not in server.stderr
    for wire in listeners:
        wire.close()


@pytest.mark.needs("chromium")
@pytest.mark.timeout(180)
def test_events_in_a_browser(
    serve_example: ServeExample, program: Callable[[str], str], tmp_path: Path
) -> None:
    """The page in a real browser: it listens, its form speaks, and the list shows what is said."""
    server = serve_example("events.py")
    with Browser(program("chromium"), tmp_path) as browser:
        page = browser.open(f"{server.url}/")
        shown = page.run(
            """
            if (events.readyState !== EventSource.OPEN)
              await new Promise((open) => events.addEventListener("open", open));
            const heard = new Promise((heard) => events.addEventListener("message", heard));
            const form = document.querySelector("form");
            form.text.value = "hello <b>browser</b>";
            form.requestSubmit();
            await heard;
            return document.querySelector("#said").innerHTML;
            """
        )
    assert shown == "<li>hello &lt;b&gt;browser&lt;/b&gt;</li>"


def test_static_files(serve_example: ServeExample, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    (folder / "sub").mkdir(parents=True)
    (folder / "index.html").write_text("<p>home</p>")
    (folder / "sub" / "style.css").write_text("p { color: red }")
    (folder / "letters.txt").write_text("abcdefghij")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    server = serve_example("static_files.py", str(folder))
    with httpx.Client(base_url=server.url) as browser:
        home = browser.get("/")
        assert (home.text, home.headers["Content-Type"]) == (
            "<p>home</p>",
            "text/html; charset=utf-8",
        )
        assert browser.get("/sub/style.css").headers["Content-Type"].startswith("text/css")
        letters = browser.get("/letters.txt")
        assert letters.text == "abcdefghij"
        part = browser.get("/letters.txt", headers={"Range": "bytes=2-4"})
        assert (part.status_code, part.text) == (206, "cde")
        assert part.headers["Content-Range"] == "bytes 2-4/10"
        since = {"If-Modified-Since": letters.headers["Last-Modified"]}
        assert browser.get("/letters.txt", headers=since).status_code == 304
        assert browser.head("/letters.txt").headers["Content-Length"] == "10"
        for missing in ("/nothing", "/sub/", "/link.txt", "/..%2Fsecret.txt", "/%2Fetc/passwd"):
            assert browser.get(missing).status_code == 404, missing
        assert browser.post("/letters.txt").status_code == 405


@pytest.fixture
def secure(serve: Serve, certificates: Certificates) -> Served:
    """The TLS example, with certificates that this run has made."""
    return serve(
        *python_command(EXAMPLES / "tls.py"),
        env={"TLS_CERT": str(certificates.chain), "TLS_KEY": str(certificates.key)},
    )


def test_tls(secure: Served, certificates: Certificates) -> None:
    assert secure.url.startswith("https://")
    context = ssl.create_default_context(cafile=str(certificates.authority))
    for http2, version in ((False, "HTTP/1.1"), (True, "HTTP/2.0")):
        with httpx.Client(verify=context, http1=not http2, http2=http2) as browser:
            answer = browser.get(secure.url)
            assert re.fullmatch(rf"{re.escape(version)} over TLS\S+ with \S+\n", answer.text)
    # Who asks without TLS, or trusts nobody, gets nothing.
    with pytest.raises(httpx.HTTPError):
        httpx.get(secure.url.replace("https", "http"))
    with pytest.raises(httpx.ConnectError, match="certificate"):
        httpx.get(secure.url, verify=ssl.create_default_context())


@pytest.mark.needs("curl")
def test_tls_by_curl(
    secure: Served, certificates: Certificates, program: Callable[[str], str]
) -> None:
    done = subprocess.run(
        [program("curl"), "--silent", "--show-error", "--fail", "--http2"]
        + ["--cacert", str(certificates.authority), secure.url.replace("127.0.0.1", "localhost")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith(("HTTP/2.0 over TLS", "HTTP/1.1 over TLS"))


def test_tls_without_certificates_says_what_is_missing(tmp_path: Path) -> None:
    done = subprocess.run(
        python_command(EXAMPLES / "tls.py"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert re.search(r"(FileNotFound|OS)Error: .*(cert|key)\.pem", done.stderr)


def test_graceful(serve_example: ServeExample) -> None:
    server = serve_example("graceful.py")
    with Wire(server.url) as wire:
        wire.head("GET", "/work?seconds=1")
        answer = wire.answer()
        assert answer.readline() == b"Working...\n"
        server.process.terminate()
        assert answer.readline() == b"Done.\n"
        assert answer.read() == b""
    assert server.wait() == 0


def test_graceful_stops_itself(serve_example: ServeExample) -> None:
    server = serve_example("graceful.py")
    assert httpx.get(f"{server.url}/stop").text == "Goodbye.\n"
    assert server.wait() == 0


def test_async_handlers(serve_example: ServeExample) -> None:
    server = serve_example("async_handlers.py")
    assert httpx.get(f"{server.url}/").text == "Hello from a thread.\n"
    gathered = httpx.get(f"{server.url}/gather?n=50").json()
    assert gathered["squares"] == [n * n for n in range(50)]
    # One after the other they would take five seconds.
    assert gathered["seconds"] < 4
    with httpx.stream("GET", f"{server.url}/countdown") as countdown:
        assert list(countdown.iter_lines()) == ["5", "4", "3", "2", "1", "Liftoff!"]
    body = (bytes(100_000) for _ in range(50))
    assert httpx.put(f"{server.url}/length", content=body).json() == {"bytes": 5_000_000}


# The one that is ready to be deployed


def procfile(name: str) -> list[str]:
    """The command of a line of the Procfile, run by this interpreter."""
    lines = (EXAMPLES / "deploy" / "Procfile").read_text("ascii").splitlines()
    (command,) = (line.partition(": ")[2] for line in lines if line.startswith(f"{name}: "))
    python, *arguments = command.split()
    assert python == "python"
    return [sys.executable, *arguments]


def test_deploy(serve: Serve) -> None:
    # As a platform starts it: in its folder, the port from the environment, on every interface.
    port = free_port()
    app = serve(*procfile("web"), env={"PORT": str(port), "HOST": ""}, cwd=EXAMPLES / "deploy")
    assert app.port == port
    assert httpx.get(f"{app.url}/").text == "Hello, world.\n"
    assert httpx.get(f"{app.url}/healthz").text == "ok\n"
    assert httpx.get(f"{app.url}/else").status_code == 404
    assert app.stop() == 0
    # The log is on, and says when it has ended.
    assert re.search(r"^INFO oxbridge: Stopped$", app.stderr, re.MULTILINE)


def test_deploy_s_container_runs_what_is_there() -> None:
    """What the Dockerfile copies and starts exists. Building it takes what a test has not."""
    dockerfile = (EXAMPLES / "deploy" / "Dockerfile").read_text("ascii")
    copied = re.findall(r"^COPY (examples/\S+) ", dockerfile, re.MULTILINE)
    assert copied == ["examples/deploy/app.py"]
    assert all((ROOT / path).is_file() for path in copied)
    assert 'CMD ["/venv/bin/python", "app.py"]' in dockerfile
    names = (EXAMPLES / "deploy" / "requirements.txt").read_text("ascii").split()
    assert names == ["oxbridge"]

"""Chromium without a window loads a page with many assets, sends a form and listens to events.

The page tells what it saw by a POST to the server, and the test waits for that: no debugging
protocol, and no guess at when the browser may be done.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from application import Keys

from oxbridge import Mux, Request, ResponseWriter, Tls
from oxbridge.testing import serve

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(120)]

PATIENCE = 60.0
"""How long a browser may take from its start to its report, on a machine with much to do."""

SCRIPTS, STYLES, PICTURES = 10, 10, 10

# No window, no sandbox (which root and containers cannot have), a profile of its own, and none of
# the traffic that a browser makes for itself.
FLAGS = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--no-first-run", "--no-default-browser-check", "--disable-sync", "--disable-extensions"),
    *("--disable-background-networking", "--disable-component-update", "--disable-default-apps"),
    *("--disable-domain-reliability", "--disable-breakpad", "--disable-quic", "--no-pings"),
    *("--metrics-recording-only", "--mute-audio", "--no-proxy-server", "--password-store=basic"),
    "--disable-features=OptimizationHints,MediaRouter,Translate,AutofillServerCommunication",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--ignore-certificate-errors",
]

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>A page</title>
<link rel="icon" href="data:,">
{styles}
<iframe name="answer" id="answer"></iframe>
<form id="form" action="/form" method="post" enctype="multipart/form-data" target="answer">
  <input name="text" value="some täxt"><input type="file" name="file" id="file">
</form>
<div id="events"></div>
{pictures}
<script>window.ran = [];</script>
{scripts}
<script>
const loaded = new Promise(done => addEventListener("load", done));

// Three events, as they come, into the page. The connection is then ended by the client.
const heard = new Promise((done, failed) => {{
  const source = new EventSource("/events");
  const told = [];
  source.addEventListener("told", event => {{
    document.querySelector("#events").textContent += event.data + ";";
    told.push([event.lastEventId, event.data]);
    if (told.length === 3) {{ source.close(); done(told); }}
  }});
  // It comes again by itself after an error; what it missed it asks for by Last-Event-ID.
}});

// A form with a file, sent as a person would by its button.
const answered = loaded.then(() => new Promise(done => {{
  const files = new DataTransfer();
  files.items.add(new File(["a file's content"], "täst.txt", {{type: "text/plain"}}));
  document.querySelector("#file").files = files.files;
  const frame = document.querySelector("#answer");
  frame.onload = () => done(frame.contentDocument.body.textContent);
  document.querySelector("#form").submit();
}}));

// A body larger than any buffer on the way, there and back.
const echoed = loaded.then(async () => {{
  const sent = new Uint8Array(3_000_000).map((_, at) => at % 251);
  const answer = await fetch("/echo", {{method: "POST", body: sent}});
  const got = new Uint8Array(await answer.arrayBuffer());
  return got.length === sent.length && got.every((byte, at) => byte === sent[at]);
}});

Promise.all([loaded, heard, answered, echoed]).then(([_, events, form, echo]) => {{
  const images = [...document.images];
  fetch("/report", {{method: "POST", body: JSON.stringify({{
    scripts: window.ran,
    styles: [...Array({style_count}).keys()].filter(number =>
      getComputedStyle(document.documentElement).getPropertyValue("--style-" + number) === "on"),
    pictures: images.filter(image => image.complete && image.naturalWidth === 3).length,
    protocols: [...new Set(performance.getEntriesByType("resource")
      .filter(entry => entry.initiatorType === "script").map(entry => entry.nextHopProtocol))],
    page: performance.getEntriesByType("navigation")[0].nextHopProtocol,
    events, form, echo, shown: document.querySelector("#events").textContent,
  }})}});
}}).catch(error => fetch("/report", {{method: "POST", body: JSON.stringify(String(error))}}));
</script>
"""


def picture() -> bytes:
    """A PNG of 3 by 3 black points."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + kind + data + check

    rows = zlib.compress((b"\0" + b"\0\0\0") * 3)
    size = (3).to_bytes(4, "big") * 2 + b"\x08\0\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


class Site:
    """The page and all that it asks for; `reports` gets what it tells."""

    def __init__(self) -> None:
        self.reports: queue.Queue[Any] = queue.Queue()
        self.asked: list[str] = []
        self.resumed: list[str] = []
        self.mux = Mux()
        self.mux.handle("GET /{$}", self.page)
        self.mux.handle("GET /asset/{name}", self.asset)
        self.mux.handle("POST /form", self.form)
        self.mux.handle("POST /echo", self.echo)
        self.mux.handle("GET /events", self.events)
        self.mux.handle("POST /report", self.report)

    def page(self, w: ResponseWriter, req: Request) -> None:
        w.header["Content-Type"] = "text/html; charset=utf-8"
        w.write(
            PAGE.format(
                styles="\n".join(
                    f'<link rel="stylesheet" href="/asset/{n}.css">' for n in range(STYLES)
                ),
                scripts="\n".join(f'<script src="/asset/{n}.js"></script>' for n in range(SCRIPTS)),
                pictures="\n".join(f'<img src="/asset/{n}.png">' for n in range(PICTURES)),
                style_count=STYLES,
            )
        )

    def asset(self, w: ResponseWriter, req: Request) -> None:
        name = req.path_value("name")
        self.asked.append(name)
        number, _, kind = name.partition(".")
        # Past every buffer on the way, so that they do share the connection.
        padding = "/*" + "x" * 100_000 + "*/\n"
        if kind == "js":
            w.header["Content-Type"] = "text/javascript"
            w.write(f"{padding}window.ran.push({number});\n")
        elif kind == "css":
            w.header["Content-Type"] = "text/css"
            w.write(f"{padding}:root {{ --style-{number}:on }}\n")
        else:
            w.write(picture())

    def form(self, w: ResponseWriter, req: Request) -> None:
        w.write(
            ", ".join(
                f"{part.name}={part.read().decode()} ({part.filename})" for part in req.multipart()
            )
        )

    def echo(self, w: ResponseWriter, req: Request) -> None:
        w.header["Content-Type"] = "application/octet-stream"
        for piece in req:
            w.write(piece)

    async def events(self, w: ResponseWriter, req: Request) -> None:
        """Two events, and an end; the third to a client that comes back for it."""
        w.header["Content-Type"] = "text/event-stream"
        last = req.headers.get("Last-Event-ID")
        self.resumed.append(last or "")
        await w.awrite("retry: 10\n\n")
        await w.aflush()
        for number in range(int(last or 0) + 1, 4 if last else 3):
            await w.awrite(f"event: told\nid: {number}\ndata: event {number}\n\n")
            await w.aflush()

    def report(self, w: ResponseWriter, req: Request) -> None:
        self.reports.put(req.json())
        w.set_status(204)


@pytest.fixture
def browse(program: Callable[[str], str], tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Open a URL in a browser of its own. It ends with the test."""
    started: list[subprocess.Popen[bytes]] = []
    log = tmp_path / "browser.log"

    def open_url(url: str) -> None:
        with log.open("wb") as said:
            started.append(
                subprocess.Popen(
                    [program("chromium"), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", url],
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    # Its settings and caches go where the profile goes.
                    env={**os.environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
                    start_new_session=True,
                )
            )

    yield open_url
    for browser in started:
        os.killpg(browser.pid, signal.SIGKILL)
        browser.wait(20)
    print(f"-- the browser wrote:\n{log.read_text(errors='replace')[-4000:] if started else ''}")


@pytest.mark.parametrize(("over", "protocol"), [("http", "http/1.1"), ("https", "h2")])
def test_a_page_with_assets_a_form_and_events(
    over: str, protocol: str, browse: Callable[[str], None], certificates: Keys
) -> None:
    site = Site()
    tls = Tls(cert=certificates.chain, key=certificates.key) if over == "https" else None
    with serve(site.mux, tls=tls) as client:
        browse(f"{client.url}/")
        try:
            report = site.reports.get(timeout=PATIENCE)
        except queue.Empty:
            pytest.fail(f"no report; the browser asked for {site.asked}, {site.resumed}")
        assert isinstance(report, dict), report
        assert report["scripts"] == list(range(SCRIPTS))
        assert report["styles"] == list(range(STYLES))
        assert report["pictures"] == PICTURES
        assert report["events"] == [["1", "event 1"], ["2", "event 2"], ["3", "event 3"]]
        assert report["shown"] == "event 1;event 2;event 3;"
        assert report["form"] == "text=some täxt (None), file=a file's content (täst.txt)"
        assert report["echo"] is True
        assert (report["page"], report["protocols"]) == (protocol, [protocol])
        # The stream ended once, and the browser came back with what it had heard last.
        assert site.resumed == ["", "2"]
        assert sorted(site.asked) == (
            sorted(
                [f"{n}.js" for n in range(SCRIPTS)]
                + [f"{n}.css" for n in range(STYLES)]
                + [f"{n}.png" for n in range(PICTURES)]
            )
        )

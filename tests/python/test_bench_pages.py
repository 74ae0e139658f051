"""The report of the benchmark: what the page says, and how a browser shows it."""

from __future__ import annotations

import base64
import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

import programs
from browser import Browser
from serving import ROOT

sys.path.insert(0, str(ROOT / "bench"))

import pages
from charts import Bar, chart

SVG = "{http://www.w3.org/2000/svg}"


def spread(median: float) -> dict[str, float]:
    return {"median": median, "low": median * 0.9, "high": median * 1.1}


def row(server: str, rate: float, workload: str = "", **more: Any) -> dict[str, Any]:
    """A row as `run.py --json` writes it."""
    named = ("cpu_us", "p50_us", "p99_us", "p999_us", "others_busy")
    figures = dict.fromkeys(named, spread(1))
    figures |= {"requests_per_second": spread(rate), "peak_bytes": spread(20 << 20)}
    ratios: dict[str, Any] = {"requests_per_second": None, "cpu_us": None, "p99_us": None}
    return {
        "server": f"{workload}: {server}" if workload else server,
        "workload": workload,
        "about": "<what it is>",
        "versions": "1.2 & 3",
        "connections": 10,
        "figures": figures,
        "ratio_to_reference": ratios,
        "ratio_to_ours": ratios,
        "ratio_to_best_peer": None,
        "judged_by": "requests_per_second",
        "errors": {},
        "failures": [],
        **more,
    }


def faster(by: float, p99: float = 1.0) -> dict[str, Any]:
    ratios = {"requests_per_second": spread(by), "cpu_us": spread(0.9), "p99_us": spread(p99)}
    return {"ratio_to_reference": ratios, "ratio_to_ours": ratios}


def result(*rows: dict[str, Any]) -> dict[str, Any]:
    bound = {"row": "ours", "to": "theirs", "figure": "requests_per_second"}
    return {
        "machine": {
            "cpu": "A processor",
            "cores": 2,
            "memory_bytes": 8 << 30,
            "system": "Debian",
            "kernel": "Linux",
            "taken": "2026-11-26",
            "commit": "abc",
        },
        "load_generator": "4.1",
        "method": {"rounds": 3, "seconds": 2, "h2load": "1.52"},
        "rows": [*rows],
        "bounds": [
            {**bound, "least": 2.0, "most": None, "connections": 10}
            | {"ratio": spread(1.5), "held": False}
        ],
    }


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return pages.make(
        [
            result(
                row("oxbridge native", 200_000, ratio_to_best_peer=spread(2.22)),
                row("floor (C epoll)", 220_000),
                row("go net/http", 90_000.4, **faster(0.45)),
                row("frugal", 1, "mix", **faster(0.9), judged_by="cpu_us"),
                row("broken", 1, figures={}, failures=["round 1: no port\nand more"]),
            ),
            result(
                row("oxbridge", 100_000, "WSGI hello"),
                row("fastpysgi", 120_000, "WSGI hello", **faster(1.2)),
                row(
                    "a peer with a long name that goes on", 50_000, "WSGI hello", **faster(0.5, 0.8)
                ),
            ),
            {
                "check": "start",
                "figures": [
                    {"name": "soon", "value": 99.5, "unit": "ms", "least": None, "most": 150.0}
                    | {"note": "90 to 101", "held": True},
                    {"name": "more", "value": 2.0, "unit": "", "least": None, "most": None}
                    | {"note": "", "held": True},
                ],
                "failures": [],
            },
        ],
        {"fastpysgi": "It is C."},
    )


def test_the_page_has_every_figure_and_what_is_behind(made: dict[str, str]) -> None:
    page = made["benchmarks.md"]
    assert "| **oxbridge native** | 200,000 | 180,000 to 220,000 |  | 2.22 |" in page
    assert "| go net/http | 90,000 | 81,000 to 99,000 | 0.45 |  | 1.00 |" in page
    assert "| soon (90 to 101) | 99.50 ms | ≤ 150.0 | held |" in page
    assert "| more | 2 |  |  |" in page
    assert "\n- broken: round 1: no port\n" in page
    # The first chart has the best of each server, whatever it is asked through.
    main = made["benchmarks/main.svg"]
    assert "oxbridge, WSGI 100,000" in main
    assert "go net/http 90,000" in main
    assert "| WSGI hello: fastpysgi, 10 connections | requests/s: 1.20 of ours | It is C. |" in page
    assert "goes on, 10 connections | p99: 0.80 of ours |" in page
    assert "| mix: frugal, 10 connections | CPU: 0.90 of ours |" in page
    assert "net/http, 10 connections |" not in page.split("## Promised ratios")[0]
    assert "| ours ÷ theirs, requests_per_second | 10 connections | ≥ 2.0 | 1.50" in page
    assert "**missed**" in page
    # What has no figures is not drawn as if it had.
    assert "broken |" not in page
    for name in made:
        if name.endswith(".svg"):
            assert f'src="{name}"' in page
    # The fastest comes first.
    names = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")]
    assert names.index("floor (C epoll)") < names.index("**oxbridge native**")


def test_charts_are_whole_and_say_what_they_show() -> None:
    drawn = chart('<A> & "B"', "note", [Bar("one <", 10, "10", "ours"), Bar("two", 0, "0")])
    root = ET.fromstring(drawn)
    assert root.get("aria-label") == '<A> & "B": one < 10; two 0'
    bars = [rect for rect in root.iter(f"{SVG}rect") if rect.get("class") != "page"]
    assert [float(bar.get("width", "")) for bar in bars] == [336.0, 1.0]
    assert ET.fromstring(chart("none", "", [])) is not None


def test_the_command_writes_the_files(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    file.write_text(json.dumps(result(row("oxbridge native", 5))), "utf-8")
    assert pages.main([str(file), "--into", str(tmp_path / "docs")]) == 0
    assert (tmp_path / "docs" / "benchmarks.md").is_file()
    assert (tmp_path / "docs" / "benchmarks" / "index.html").is_file()


LOOK = """(() => {
    const wide = document.documentElement.scrollWidth > innerWidth;
    const out = [];
    let least = 100;
    for (const text of document.querySelectorAll("text")) {
        const box = text.getBoundingClientRect();
        const page = text.ownerSVGElement.getBoundingClientRect();
        const size = parseFloat(getComputedStyle(text).fontSize) * page.width / 360;
        least = Math.min(least, size);
        if (box.left < page.left || box.right > page.right + 0.5 || box.bottom > page.bottom)
            out.push(text.textContent);
    }
    for (const value of document.querySelectorAll(".value")) {
        const name = value.previousElementSibling.getBoundingClientRect();
        if (name.right > value.getBoundingClientRect().left) out.push("meets " + value.textContent);
    }
    const style = getComputedStyle(document.querySelector("text"));
    const page = getComputedStyle(document.querySelector(".page"));
    return JSON.stringify({wide, out, least, text: style.fill, page: page.fill});
})()"""


@pytest.mark.needs("chromium")
@pytest.mark.timeout(180)
def test_a_browser_shows_it_on_a_phone_and_in_the_dark(
    made: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "index.html"
    file.write_text(made["benchmarks/index.html"], "utf-8")
    chromium = programs.find("chromium")
    assert chromium is not None
    seen = set()
    with Browser(chromium, tmp_path / "profile") as browser:
        page = browser.open("about:blank")
        session = page.session
        for width in (360, 1280):
            for scheme in ("light", "dark"):
                browser.call(
                    "Emulation.setDeviceMetricsOverride",
                    session,
                    width=width,
                    height=900,
                    deviceScaleFactor=1,
                    mobile=width < 800,
                )
                feature = {"name": "prefers-color-scheme", "value": scheme}
                browser.call("Emulation.setEmulatedMedia", session, features=[feature])
                browser.call("Page.navigate", session, url=file.as_uri())
                looked: dict[str, Any] = {}
                while not looked:
                    answer = browser.call("Runtime.evaluate", session, expression=LOOK)
                    looked = json.loads(answer["result"].get("value") or "{}")
                assert not looked["wide"], "it scrolls sideways"
                assert looked["out"] == []
                assert looked["least"] >= 12
                seen.add((scheme, looked["text"], looked["page"]))
                shot = browser.call("Page.captureScreenshot", session)["data"]
                picture = tmp_path / f"{width}-{scheme}.png"
                picture.write_bytes(base64.b64decode(shot))
                assert picture.stat().st_size > 5000
    # Dark is another page, of which text and ground are other colors.
    assert len(seen) == 2
    assert all(text != ground for _, text, ground in seen)

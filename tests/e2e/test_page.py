"""The web page of a run in a real browser."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from flowrun.system.http.messages import Response
from flowrun.system.http.server import HttpServer
from tests.testbed.browser import DESK, LIMIT, PHONE, Browser

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="hands pipes to the browser")

YELLOW = (235, 221, 40)  # a stripe of the test pattern
CSP = "Content-Security-Policy"

# The command line, but the page can fetch the last figures for as long as a busy machine needs.
LINGERING = f"""
import sys
from flowrun.cli import main
from flowrun.media.sinks import web
web.LINGER = {LIMIT}
sys.exit(main())
"""


def address(process: subprocess.Popen[str]) -> str:
    """Where the log says that the page is."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"watch the run at (\S+)", line):
            return found[1]
    raise AssertionError("the log names no address")


def share_of(seen: Any, color: tuple[int, ...]) -> float:
    """How much of a picture has that colour, about."""
    return float((abs(seen.astype(int) - color) < 12).all(axis=2).mean())


def test_the_page_shows_picture_and_figures_on_desk_and_phone_in_light_and_dark(
    flow: Any, started: Callable[..., Any], browser: Browser, tmp_path: Path
) -> None:
    sink = "[null, 'web:127.0.0.1:0', frames.jsonl]"
    path = flow(source="'test:640x360@30'", sink=sink, limits=None)
    process = started(path)
    browser.open(address(process))
    browser.wait_for("document.getElementById('picture')?.naturalWidth === 640")
    browser.wait_for("document.querySelectorAll('#histogram i').length > 0")
    for size in (DESK, PHONE):
        for scheme, ground in (("light", (246, 246, 244)), ("dark", (20, 22, 24))):
            seen = browser.looks(size, scheme)
            Pillow.fromarray(seen).save(tmp_path / f"{scheme}-{size[0]}.png")
            assert seen.shape == (size[1], size[0], 3)
            assert share_of(seen, ground) > 0.05
            assert share_of(seen, YELLOW) > 0.01
        assert browser.value("document.documentElement.scrollWidth <= innerWidth")
    assert browser.value("document.title") == "flow · flowrun"
    boxes = browser.value("[...document.querySelectorAll('#chain b')].map(box => box.textContent)")
    assert boxes[-3:] == ["null", "web:127.0.0.1:0", "frames.jsonl"]
    assert browser.complaints == []


def test_the_plots_of_a_report_are_whole_and_legible_on_desk_and_phone(
    flow: Any, flowrun: Any, browser: Browser, tmp_path: Path
) -> None:
    path = flow(source="'test:64x48@30'", sink=f"[null, frames.jsonl, {'long' * 20}.jsonl]")
    assert flowrun(path, "--summary", "run.json").returncode == 0
    assert flowrun("report", "run.json", "--lines", "frames.jsonl").returncode == 0
    browser.open((tmp_path / "run.html").as_uri())
    browser.wait_for("document.querySelectorAll('svg').length === 8")
    plots = "[...document.querySelectorAll('svg')].filter(plot => plot.clientWidth)"
    for size, name in ((DESK, "wide"), (PHONE, "narrow")):
        seen = browser.looks(size, "light")
        Pillow.fromarray(seen).save(tmp_path / f"report-{size[0]}.png")
        assert browser.value(f"{plots}.map(plot => plot.classList[0])") == [name] * 4
        for each in ("document.documentElement", "...document.querySelectorAll('section')"):
            widths = browser.value(f"[{each}].map(part => [part.scrollWidth, part.clientWidth])")
            assert [pair for pair in widths if pair[0] > pair[1]] == []
        texts = (
            "[...document.querySelectorAll('svg text')].map(text => text.getBoundingClientRect())"
        )
        shown = f"{texts}.filter(box => box.width)"
        assert browser.value(f"{shown}.every(box => box.left >= 0 && box.right <= innerWidth)")
        assert browser.value(f"{shown}.every(box => box.height > 10)")
    assert browser.complaints == []


def test_the_final_figures_on_the_page_are_those_of_the_summary(
    flow: Any, started: Callable[..., Any], browser: Browser, tmp_path: Path
) -> None:
    path = flow(source="'test:64x48@30'", limits=None, backpressure="latest")
    words = (path, "--web", "127.0.0.1:0", "--summary", "summary.json")
    process = started(*words, program=("-c", LINGERING))
    browser.open(address(process))
    browser.wait_for("Number(document.querySelector('#numbers dd')?.textContent) > 0")
    process.send_signal(signal.SIGINT)
    browser.wait_for("document.getElementById('state')?.textContent === 'ended'")
    process.send_signal(signal.SIGINT)  # the page has the last figures: do not wait any longer
    assert browser.value("document.getElementById('notice').textContent") == (
        "The run has ended. These figures are final."
    )
    process.communicate(timeout=LIMIT)
    summary = json.loads((tmp_path / "summary.json").read_text())
    table = "Object.fromEntries([...document.querySelectorAll('#{} tr')].map(row => {}))"
    cells = "[...row.querySelectorAll('td')].map(cell => cell.textContent)"
    fates = browser.value(table.format("ledger", f"[row.firstChild.textContent, {cells}[0]]"))
    names = {"no_response": "no response"}
    assert fates == {
        "delivered": str(summary["delivered"]),
        **{
            f"{fate}: {names.get(cause, cause)}": str(count)
            for fate in ("dropped", "failed")
            for cause, count in summary[fate].items()
        },
        "aborted": str(summary["aborted"]),
        "in progress": "0",
    }
    points = browser.value(table.format("latency", f"[row.firstChild.textContent, {cells}]"))
    names |= {"end_to_end": "end to end"}
    assert points == {
        names.get(stage, stage): [shown(value) for value in points.values()]
        for stage, points in summary["latency_ms"].items()
    }
    bars = browser.value("[...document.querySelectorAll('#histogram i')].map(bar => bar.title)")
    frames = [int(re.sub(r".*: (.*) frames", r"\1", bar)) for bar in bars]
    assert sum(frames) == summary["delivered"] > 0
    assert browser.complaints == []


def shown(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "-"
    return f"{milliseconds:.1f}" if milliseconds < 9.95 else f"{milliseconds:.0f}"


def test_a_page_reports_that_its_run_was_killed_and_keeps_its_figures(
    flow: Any, started: Callable[..., Any], browser: Browser
) -> None:
    process = started(flow(source="'test:64x48@30'", sink="'web:127.0.0.1:0'", limits=None))
    browser.open(address(process))
    browser.wait_for("Number(document.querySelector('#numbers dd')?.textContent) > 0")
    process.kill()
    browser.wait_for("document.getElementById('state')?.textContent === 'unreachable'")
    said = browser.value("document.getElementById('notice').textContent")
    assert re.fullmatch(
        r"No response from flowrun since \d\d:\d\d:\d\d\. These are the last figures received\.",
        said,
    )
    assert browser.value("Number(document.querySelector('#numbers dd')?.textContent) > 0")


# What scripts of another page can read of a run at {0}: texts, and sizes of pictures.
READ_ALL = """
(async () => {{
  const found = [];
  for (const path of ["/", "/status", "/stream"])
    for (const mode of ["cors", "no-cors"])
      try {{ found.push(await (await fetch("{0}" + path, {{mode}})).text()) }} catch (error) {{}}
  await new Promise(done => {{
    const image = new Image();
    image.onload = () => {{ found.push(image.naturalWidth); done() }};
    image.onerror = done;
    image.src = "{0}/stream";
  }});
  return found.filter(Boolean);
}})()
"""


def test_pages_of_other_sites_read_nothing_of_the_run(
    flow: Any, started: Callable[..., Any], browser: Browser
) -> None:
    url = address(started(flow(source="'test:64x48@30'", sink="'web:127.0.0.1:0'", limits=None)))
    browser.open(url)
    browser.wait_for("document.getElementById('picture')?.naturalWidth === 64")
    assert "captured" in browser.value("fetch('/status').then(response => response.text())")
    routes = {"/": lambda _: Response(b"other", "text/html", headers={CSP: "default-src *"})}
    with contextlib.closing(HttpServer("127.0.0.1:0", routes, key="other")) as other:
        browser.open(other.url)
        browser.wait_for("document.body?.textContent === 'other'")
        assert browser.value(READ_ALL.format(url)) == []
    browser.open(url.replace("127.0.0.1", "rebound.example"))
    browser.wait_for("document.body?.textContent.includes('rebound.example')")
    assert browser.value("document.body.textContent").startswith("this address does not answer to")


def test_the_address_with_the_token_opens_the_page_and_is_not_kept(
    flow: Any, started: Callable[..., Any], browser: Browser
) -> None:
    sink = "{uri: 'web:127.0.0.1:0', token: a-long-token}"
    url = address(started(flow(source="'test:64x48@30'", sink=sink, limits=None)))
    assert url.endswith("/?token=…")
    url = url.partition("?")[0]
    browser.open(url)
    browser.wait_for("document.body?.textContent.includes('token')")
    browser.open(f"{url}?token=a-long-token")
    browser.wait_for("document.getElementById('picture')?.naturalWidth === 64")
    browser.wait_for("Number(document.querySelector('#numbers dd')?.textContent) > 0")
    assert browser.value("location.href") == url
    assert browser.complaints == []

"""`flowrun report`: a page that loads nothing, with the figures of the summary and of the lines."""

from __future__ import annotations

import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from platform import node
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.cli import main
from flowrun.inspect.report.page import page
from flowrun.inspect.report.svg import clock, steps
from flowrun.inspect.report.timeline import MAX_COLUMNS, Timeline, read_lines
from flowrun.ledger.fates import DROP_CAUSES, FAIL_CAUSES, STAGES
from flowrun.ledger.histogram import Histogram
from flowrun.ledger.ledger import Ledger
from flowrun.ledger.summary import summarize
from flowrun.run import Run
from flowrun.spec.load import load_flow

FLOW = """\
source: test:64x48@30
transport: {mode: unary, address: embedded, model: identity}
sink: [null, frames.jsonl]
limits: {frames: 20}
"""
POINTS = {"p50": 1.0, "p95": 2.0, "p99": 3.0, "max": 4.0}
SUMMARY: dict[str, Any] = {
    **summarize(Ledger(), "f").to_json(),
    "captured": 100,
    "delivered": 90,
    "dropped": dict.fromkeys(DROP_CAUSES, 2),
    "failed": {**dict.fromkeys(FAIL_CAUSES, 0), "timeout": 1},
    "aborted": 1,
    "fps": 12.5,
    "latency_ms": dict.fromkeys(("end_to_end", *STAGES), POINTS),
    "period_ms": 40.0,
}


class Page(HTMLParser):
    """The text of a page, what it would load, and whether every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.texts: list[str] = []
        self.tags: Counter[str] = Counter()
        self.feed(html)
        self.close()
        self.text = " ".join(self.texts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.loads += [name for name, _ in attrs if name in ("src", "href", "srcset")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.texts.append(data)


def line(time: float, fate: str = "delivered", cause: str | None = None) -> dict[str, Any]:
    took = {"end_to_end": 6.0, "buffer": 1.0, "transport": 5.0}
    return {"index": 0, "time": time, "fate": fate, "cause": cause, "latency_ms": took, "data": {}}


def timeline(*lines: dict[str, Any]) -> Timeline:
    made = Timeline()
    for each in lines:
        made.add(each)
    return made


def test_the_report_of_a_run_has_its_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("flow.yaml").write_text(FLOW, encoding="utf-8")
    summary = Run(load_flow("flow.yaml")).run()
    Path("run.json").write_text(json.dumps(summary.to_json()), encoding="utf-8")
    assert main(["report", "run.json", "--lines", "frames.jsonl"]) == 0
    assert capsys.readouterr() == ("", "flowrun: report written to run.html\n")
    made = Page(Path("run.html").read_text(encoding="utf-8"))
    assert "20 of 20 captured frames were delivered" in made.text
    assert made.tags["svg"] == 2 * 4  # each for a screen and for a phone
    assert re.search(rf"\d\d:\d\d:\d\d \S+, on {re.escape(node())}, with flowrun \S+", made.text)
    assert "frames.jsonl 20 0 0 0 0" in made.text
    assert main(["report", "run.json", "-o", "-"]) == 0
    assert Page(capsys.readouterr().out).tags["svg"] == 2 * 2


def test_the_page_says_when_where_and_how_the_run_ended() -> None:
    run = {
        "started": "2026-11-28T22:05:01.123+01:00",
        "ended": "2026-11-29T00:05:02.456+01:00",
        "host": "box <1>",
        "version": "1.2.3",
        "exit_code": 1,
        "error": "source: rtsp://me:secret@in/a is unavailable",
    }
    text = Page(page({**SUMMARY, **run}, None)).text
    assert (
        "2026-11-28 22:05:01 UTC+01:00 to 2026-11-29 00:05:02 UTC+01:00, on box <1>,"
        " with flowrun 1.2.3"
    ) in text
    assert "Exit code 1: source: rtsp://***@in/a is unavailable" in text
    text = Page(page({**SUMMARY, **run, "exit_code": 130, "error": None}, None)).text
    assert "Exit code 130 2026" in text
    text = Page(page({**SUMMARY, **run, "exit_code": 0, "error": None}, None)).text
    assert "Exit code" not in text
    earlier = {key: value for key, value in SUMMARY.items() if key not in run}
    assert "Exit code" not in Page(page(earlier, None)).text
    assert "flowrun 1" not in Page(page({**earlier, "started": "noon"}, None)).text


def test_a_page_loads_nothing_and_runs_nothing() -> None:
    html = page(SUMMARY, timeline(line(0.0)))
    made = Page(html)
    assert made.open == []
    assert made.loads == []
    assert made.tags["script"] == made.tags["link"] == made.tags["img"] == 0
    assert not re.search(r"url\(|@import|https?:", html)


def test_the_page_has_every_fate_and_every_stage() -> None:
    text = Page(page(SUMMARY, None)).text
    for expected in (
        "90 of 100 captured frames were delivered in 0 s.",
        "delivered 90 90.0 % dropped: superseded 2 2.0 % dropped: stale 2 2.0 %",
        "dropped: hook 2 2.0 % dropped: no_response 2 2.0 % failed: timeout 1 1.0 % aborted 1",
        "not delivered 10 10.0 % of captured frames per second 12.5 source: 25",
        *(f"{stage} 1.0 ms 2.0 ms 3.0 ms 4.0 ms" for stage in STAGES),
    ):
        assert expected in text
    assert "failed: sink" not in text


def test_stages_that_were_not_measured_are_marked() -> None:
    nothing = summarize(Ledger(), "f").to_json()
    text = Page(page(nothing, None)).text
    assert text.count("not measured") == 2 * (len(STAGES) + 1)
    assert "0 of 0 captured frames were delivered in 0 s." in text


def test_the_tables_of_hooks_and_sinks_are_those_of_the_summary() -> None:
    hook = {"hook": "preprocess[0]", "name": "a:<b>", "mean_ms": 1.0, "p95_ms": 2.0, "share": 0.5}
    sink = {"sink": "sink[0]", "delivered": 1234, "dropped": 1, "failed": 2, "repeated": 3}
    made = Page(page({**SUMMARY, "hooks": [hook], "sinks": [{**sink, "reconnects": 4}]}, None))
    assert "preprocess[0] a:<b> 1.0 ms 2.0 ms 50.0 %" in made.text
    assert "sink[0] 1,234 1 2 3 4" in made.text
    named = {**sink, "uri": "rtsp://me:secret@out/b", "reconnects": 4}
    assert "rtsp://***@out/b 1,234 1 2 3 4" in Page(page({**SUMMARY, "sinks": [named]}, None)).text


@given(st.text(st.sampled_from("<>&\"'ax"), min_size=1))
def test_names_are_text_and_never_markup(name: str) -> None:
    made = Page(page({**SUMMARY, "flow": name, "bottleneck": name}, None))
    assert f"{name}: report of a run" in made.text
    assert made.tags["h1"] == 1
    assert made.open == []


def test_the_plots_over_time_have_a_column_for_each_interval() -> None:
    lines = [line(n / 4) for n in range(8)] + [line(2.0, "dropped", "superseded")]
    text = Page(page({**SUMMARY, "period_ms": 250.0}, timeline(*lines))).text
    assert "0.5 s: transport 5 ms" in text
    assert "1.5 s: delivered 4 fps" in text
    assert "2 s: dropped: superseded 4 fps" in text


TIMES = st.lists(st.floats(-1e3, 1e5), min_size=1, max_size=300)


@given(TIMES)
def test_a_timeline_of_bounded_length_counts_every_frame(times: list[float]) -> None:
    made = timeline(*map(line, times))
    assert sum(column.fates["delivered"] for column in made.columns.values()) == len(times)
    assert sum(column.end_to_end.count for column in made.columns.values()) == len(times)
    assert max(made.columns) - min(made.columns) < MAX_COLUMNS
    for time in times:
        assert made.columns[int(time // made.width)].fates["delivered"]
    for number in made.columns:
        assert 0 < made.seconds(number, 0.04) <= made.width


@given(TIMES, st.randoms())
def test_the_order_of_the_lines_makes_no_difference(times: list[float], random: Any) -> None:
    made = timeline(*map(line, times))
    random.shuffle(times)
    other = timeline(*map(line, times))
    assert other.width == made.width
    assert {n: c.fates for n, c in other.columns.items()} == {
        n: c.fates for n, c in made.columns.items()
    }


DURATIONS = st.lists(st.floats(0, 100), max_size=30)


@given(DURATIONS, DURATIONS)
def test_two_histograms_together_are_one_of_both(some: list[float], more: list[float]) -> None:
    first, second, both = Histogram(), Histogram(), Histogram()
    for histogram, values in ((first, some), (second, more), (both, some + more)):
        for value in values:
            histogram.add(value)
    first.merge(second)
    assert (first.count, first.maximum) == (both.count, both.maximum)
    assert first.total == pytest.approx(both.total)
    for share in (0.01, 0.5, 0.95, 1.0):
        assert first.percentile(share) == both.percentile(share)


@given(st.floats(1e-3, 1e9))
def test_an_axis_has_a_few_round_steps_and_includes_the_largest_value(most: float) -> None:
    found = steps(most)
    assert found[0] == 0
    assert found[-1] >= most * (1 - 1e-6)
    assert 3 <= len(found) <= 8
    assert found == sorted(set(found))


def test_times_are_formatted_for_people() -> None:
    assert [clock(each) for each in (0.5, 599, 600, 3661.9)] == [
        "0.5 s",
        "599 s",
        "0:10:00",
        "1:01:01",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "it is not JSON"),
        ("[]", "it is not a mapping"),
        ("{}", "`flow` is missing"),
        (json.dumps({**SUMMARY, "captured": "x"}), "its `captured` is not a number"),
        (json.dumps({**SUMMARY, "failed": 3}), "its `failed` is not a mapping"),
        (
            json.dumps({**SUMMARY, "latency_ms": {"sink": 3}}),
            "its `latency_ms.sink` has no percentiles",
        ),
    ],
)
def test_a_file_that_is_not_a_summary_is_a_usage_error(
    text: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run.json").write_text(text, encoding="utf-8")
    assert main(["report", "run.json"]) == 2
    assert capsys.readouterr().err == (
        f"flowrun: error: run.json is not a summary of a run: {expected}\n"
        "  write one with `flowrun FLOW.yaml --summary run.json`\n"
    )
    assert not Path("run.html").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["no.json"], "no.json: No such file or directory"),
        (["run.json", "--lines", "no.jsonl"], "--lines no.jsonl: No such file or directory"),
        (["run.json", "--lines", "empty"], "--lines empty: the file has no frames"),
        (
            ["run.json", "--lines", "run.json"],
            "--lines run.json: line 1 was not written by a `.jsonl` sink",
        ),
        (["run.json", "-o", "no/run.html"], "no/run.html: No such file or directory"),
    ],
)
def test_missing_and_invalid_files_are_usage_errors(
    words: list[str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run.json").write_text(json.dumps(SUMMARY) + "\n", encoding="utf-8")
    Path("empty").touch()
    assert main(["report", *words]) == 2
    assert capsys.readouterr().err == f"flowrun: error: {expected}\n"


def test_an_incomplete_last_line_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    path.write_text(json.dumps(line(1.0)) + '\n{"index": 1, "ti', encoding="utf-8")
    assert sum(column.fates.total() for column in read_lines(str(path)).columns.values()) == 1

"""The report as one HTML file, which loads nothing and needs no script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from flowrun.inspect.report.svg import Series, both, clock, percent, ranges, share_bar, stacked
from flowrun.inspect.report.timeline import Timeline
from flowrun.spec.secrets import redact

_STYLE = Path(__file__).with_name("style.css")
# The stages that a frame passes between capture and sink, and all CSS classes with a color.
_STAGES = ("buffer", "preprocess", "transport", "order", "postprocess", "sink")
_COLORS = (*_STAGES, "source", "total", "delivered", "superseded", "stale", "hook", "no_response",
           "failed", "aborted")  # fmt: skip


_TITLE_END = ": report of a run</title>"


def is_page(text: str) -> bool:
    """Whether `text` is that of an HTML report."""
    return text.startswith("<!DOCTYPE html>") and _TITLE_END in text


def page(summary: Mapping[str, Any], timeline: Timeline | None) -> str:
    """The HTML report for a `summary` (see `read_summary`); plots over time only with a
    `timeline`."""
    name = redact(str(summary["flow"]))
    colors = "".join(
        f".{each}{{fill:var(--{each});stroke:var(--{each})}}rect.{each},.{each} rect{{stroke:none}}"
        f"i.{each}{{background:var(--{each})}}polyline.{each}{{fill:none}}"
        for each in _COLORS
    )
    sections = [*_expectations(summary), _fates(summary), _latency(summary)]
    if timeline is not None:
        sections += [_latency_over_time(timeline), _frames_over_time(timeline, summary)]
    sections += [*_hooks(summary), *_sinks(summary)]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(name)}{_TITLE_END}"
        f"<style>{_STYLE.read_text(encoding='utf-8')}{colors}</style></head><body><main>"
        f"<h1>{escape(name)}</h1><p>{escape(_sentence(summary))}</p>{_error(summary)}"
        f"<p>{escape(_origin(summary))}</p>{_figures(summary)}"
        f"{''.join(sections)}"
        "<footer>Times are measured with flowrun's own clock; end to end is from the capture of a"
        " frame to its delivery to the sink.</footer></main></body></html>\n"
    )


def _sentence(summary: Mapping[str, Any]) -> str:
    captured, delivered = summary["captured"], summary["delivered"]
    slowest = summary.get("bottleneck")
    text = f"{delivered:,} of {captured:,} captured frames were delivered in "
    text += clock(summary["duration_s"])
    return f"{text}; bottleneck: {slowest}." if slowest else f"{text}."


def _error(summary: Mapping[str, Any]) -> str:
    """What ended the run, if it did not end well; a summary of an earlier version does not know."""
    code, error = summary.get("exit_code"), summary.get("error")
    if not code and not error:
        return ""
    text = f"Exit code {code}" + (f": {redact(str(error))}" if error else "")
    return f'<p class="error">{escape(text)}</p>'


def _origin(summary: Mapping[str, Any]) -> str:
    """When and where the run was, and with which flowrun."""
    times = [_time(summary.get(key)) for key in ("started", "ended")]
    parts = [" to ".join(filter(None, times))]
    parts += [f"on {summary['host']}"] if summary.get("host") else []
    parts += [f"with flowrun {summary['version']}"] if summary.get("version") else []
    return ", ".join(filter(None, parts))


def _time(text: object) -> str:
    """`2026-11-28 22:05:01 UTC+01:00`, empty if it is no time."""
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return ""
    return f"{time:%Y-%m-%d %H:%M:%S} {time.tzname() or ''}".rstrip()


def _figures(summary: Mapping[str, Any]) -> str:
    captured, end = summary["captured"], summary["latency_ms"].get("end_to_end", {})
    undelivered = captured - summary["delivered"]
    again = sum(summary["reconnects"].values())
    period = summary.get("period_ms")
    figures = [
        ("delivered", f"{summary['delivered']:,}", f"of {captured:,} captured"),
        (
            "not delivered",
            f"{undelivered:,}",
            f"{percent(undelivered / captured)} of captured" if captured else "",
        ),
        (
            "frames per second",
            f"{summary['fps']:g}",
            f"source: {1000 / period:.4g}" if period else "",
        ),
        ("latency, median", _ms(end.get("p50")), f"95 %: {_ms(end.get('p95'))}"),
        ("reconnects", f"{again:,}", f"{summary['repeated']:,} frames repeated"),
    ]
    cards = (
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(note)}</small></dd></div>"
        for name, value, note in figures
    )
    return f"<dl>{''.join(cards)}</dl>"


def _expectations(summary: Mapping[str, Any]) -> Iterator[str]:
    """What the flow expected, and what was found; a summary of an earlier version has none."""
    states = {True: "holds", False: "broken", None: "not judged"}
    rows = [
        (
            escape(redact(str(each["key"]))),
            escape(str(each["expected"])),
            escape(redact(str(each["found"]))),
            _label(states[each["holds"]], "delivered" if each["holds"] else "failed"),
        )
        for each in summary.get("expect", ())
    ]
    if rows:
        yield _section("Expectations", _table(("key", "expected", "found", ""), rows))


def _fates(summary: Mapping[str, Any]) -> str:
    parts = [("delivered", "delivered", summary["delivered"])]
    for fate in ("dropped", "failed"):
        for cause, number in summary[fate].items():
            known = cause if fate == "dropped" and cause in _COLORS else "failed"
            parts.append((f"{fate}: {cause}", known, number))
    parts.append(("aborted", "aborted", summary["aborted"]))
    total = summary["captured"] or 1
    rows = [
        (_label(label, color), f"{number:,}", percent(number / total))
        for label, color, number in parts
        if number or label == "delivered"
    ]
    return _section(
        "Fates", both(partial(share_bar, parts)) + _table(("fate", "frames", "share"), rows)
    )


def _latency(summary: Mapping[str, Any]) -> str:
    latency = summary["latency_ms"]
    rows = [
        (stage.replace("_", " "), stage if stage in _COLORS else "total", points)
        for stage, points in latency.items()
    ]
    numbers = [
        (_label(label, color), *(_ms(points[at]) for at in ("p50", "p95", "p99", "max")))
        for label, color, points in rows
    ]
    note = (
        "<p>Time of a frame in each stage, in ms: a dark bar up to the median, a light one up to"
        " 95 %, a line up to 99 %, a point at the maximum. Buffer and order are waiting times.</p>"
    )
    table = _table(("stage", "median", "95 %", "99 %", "maximum"), numbers)
    return _section("Latency by stage", note + both(partial(ranges, rows, "ms")) + table)


def _latency_over_time(timeline: Timeline) -> str:
    columns = dict(sorted(timeline.columns.items()))

    def mean(stage: str) -> list[float]:
        frames = ((each.took[stage], each.fates["delivered"]) for each in columns.values())
        return [total / count if count else 0.0 for total, count in frames]

    series = [Series(stage, stage, mean(stage)) for stage in _STAGES]
    late = [(each.end_to_end.percentile(0.95) or 0.0) * 1000 for each in columns.values()]
    line = Series("95 % end to end", "total", late)
    times = [n * timeline.width for n in columns]
    drawn = both(partial(stacked, times, timeline.width, series, "ms", line))
    note = f"<p>Mean time per frame in each {clock(timeline.width)} of source time, in ms.</p>"
    legend = _legend((each.label, each.color) for each in (*series, line))
    return _section("Latency over time", note + legend + drawn)


def _frames_over_time(timeline: Timeline, summary: Mapping[str, Any]) -> str:
    columns = dict(sorted(timeline.columns.items()))
    period = (summary.get("period_ms") or 0.0) / 1000
    met = dict.fromkeys(fate for each in columns.values() for fate in each.fates)
    series = []
    for fate in sorted(met, key=lambda fate: (fate != "delivered", fate)):
        kind, _, cause = fate.partition(".")
        color = next(
            (each for each in (cause, kind) if each in _COLORS and kind != "failed"), "failed"
        )
        rates = [
            each.fates[fate] / timeline.seconds(number, period) for number, each in columns.items()
        ]
        series.append(Series(fate.replace(".", ": "), color, rates))
    times = [n * timeline.width for n in columns]
    drawn = both(partial(stacked, times, timeline.width, series, "fps", None))
    note = f"<p>Fates of the frames captured in each {clock(timeline.width)} of source time.</p>"
    legend = _legend((each.label, each.color) for each in series)
    return _section("Frames per second", note + legend + drawn)


def _hooks(summary: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        (
            escape(redact(f"{each['hook']} {each['name']}")),
            _ms(each["mean_ms"]),
            _ms(each["p95_ms"]),
            "-" if each["share"] is None else percent(each["share"]),
        )
        for each in summary["hooks"]
    ]
    if rows:
        yield _section("Hooks", _table(("hook", "mean", "95 %", "share of a frame's time"), rows))


def _sinks(summary: Mapping[str, Any]) -> Iterator[str]:
    names = ("delivered", "dropped", "failed", "repeated", "reconnects")
    rows = [
        (escape(redact(each.get("uri", each["sink"]))), *(f"{each[name]:,}" for name in names))
        for each in summary["sinks"]
    ]
    if rows:
        yield _section("Sinks", _table(("sink", *names), rows))


def _section(title: str, inside: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{inside}</section>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """`rows` are HTML already."""
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _legend(parts: Iterable[tuple[str, str]]) -> str:
    return f'<ul class="legend">{"".join(f"<li>{_label(*part)}</li>" for part in parts)}</ul>'


def _label(text: str, color: str) -> str:
    return f'<i class="{color}"></i>{escape(text)}'


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f} ms"

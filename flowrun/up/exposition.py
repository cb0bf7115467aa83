"""Merge the metrics of several processes into one exposition (Prometheus text format 0.0.4)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SAMPLE = re.compile(r"([A-Za-z_:][\w:]*)(?:\{(.*)\})?( .*)", re.ASCII)
_FLOW = re.compile(r'(?:^|,)flow="')


def merge(texts: Mapping[str, str]) -> str:
    """The metrics of `texts`, which are by flow: each family once, each series with the label
    `flow`. Lines that are no metrics are skipped."""
    families: dict[str, tuple[dict[str, str], list[str]]] = {}  # name: comments by kind, samples
    for flow, text in texts.items():
        label = f'flow="{_escaped(flow)}"'
        samples: list[str] = []
        for line in text.splitlines():
            if line.startswith(("# HELP ", "# TYPE ")):
                _, kind, name, *_ = line.split(" ", 3)
                comments, samples = families.setdefault(name, ({}, []))
                comments.setdefault(kind, line)
            elif found := _SAMPLE.fullmatch(line):
                name, labels, value = found[1], found[2] or "", found[3]
                if not _FLOW.search(labels):
                    labels = f"{label},{labels}" if labels else label
                samples.append(f"{name}{{{labels}}}{value}")
    lines = [
        line
        for comments, samples in families.values()
        if samples
        for line in (*comments.values(), *samples)
    ]
    return "".join(f"{line}\n" for line in lines)


def gauge(name: str, text: str, values: Mapping[str, float], kind: str = "gauge") -> str:
    """The exposition of one metric by flow."""
    samples = [f'{name}{{flow="{_escaped(flow)}"}} {value:g}' for flow, value in values.items()]
    return "\n".join([f"# HELP {name} {text}", f"# TYPE {name} {kind}", *samples]) + "\n"


def _escaped(flow: str) -> str:
    return json.dumps(flow, ensure_ascii=False)[1:-1]

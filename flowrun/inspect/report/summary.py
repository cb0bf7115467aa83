"""Read the summary of a run from its file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flowrun.errors import UsageError

_NUMBERS = ("captured", "delivered", "aborted", "repeated", "duration_s", "fps")
_MAPPINGS = ("dropped", "failed", "reconnects", "latency_ms")
_POINTS = ("p50", "p95", "p99", "max")


def read_summary(path: str) -> dict[str, Any]:
    """Read the JSON that `--summary` (or `--benchmark`) wrote to `path`; the keys that a report
    needs are checked. Raises `UsageError` if it is not a summary."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise _no_summary(path, "it is not JSON") from error
    if not isinstance(found, dict):
        raise _no_summary(path, "it is not a mapping")
    for keys, kind, name in (
        (("flow",), str, "a string"),
        (_NUMBERS, int | float, "a number"),
        (_MAPPINGS, dict, "a mapping"),
        (("hooks", "sinks"), list, "a list"),
    ):
        for key in keys:
            if not isinstance(found.get(key), kind):
                raise _no_summary(
                    path, f"its `{key}` is not {name}" if key in found else _lacks(key)
                )
    for stage, points in found["latency_ms"].items():
        if not isinstance(points, dict) or not set(_POINTS) <= set(points):
            raise _no_summary(path, f"its `latency_ms.{stage}` has no percentiles")
    return found


def is_summary(text: str) -> bool:
    """Whether `text` is what `--summary` writes."""
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, dict) and {"flow", "captured", "delivered"} <= found.keys()


def _lacks(key: str) -> str:
    return f"`{key}` is missing"


def _no_summary(path: str, why: str) -> UsageError:
    return UsageError(
        f"{path} is not a summary of a run: {why}",
        hint=f"write one with `flowrun FLOW.yaml --summary {path}`",
    )

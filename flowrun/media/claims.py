"""Check whether an output file may replace an existing one."""

from __future__ import annotations

from pathlib import Path

from flowrun.errors import SinkError
from flowrun.spec.flow import SinkSpec


def refuse_existing(path: Path, spec: SinkSpec, key: str) -> None:
    """Raise `SinkError` if `path` exists and `spec.overwrite` is not set."""
    if path.exists() and not spec.overwrite:
        raise SinkError(
            f"{path} exists and is not overwritten",
            key=key,
            hint="choose another path, or set `overwrite: true` under `sink`",
        )

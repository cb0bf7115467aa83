"""A file that is there already."""

from __future__ import annotations

from pathlib import Path

from flowrun.errors import SinkError
from flowrun.spec.flow import SinkSpec


def refuse_existing(path: Path, spec: SinkSpec, key: str) -> None:
    """Raise `SinkError` if there is something at `path` that `spec` does not let us replace."""
    if path.exists() and not spec.overwrite:
        raise SinkError(
            f"{path} exists and is not overwritten",
            key=key,
            hint="choose another path, or say `overwrite: true` under `sink`",
        )

"""One flow of a supervisor, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from flowrun.spec.load import LoadedFlow
from flowrun.up.children import Child
from flowrun.up.restarts import Restarts

State = Literal["waiting", "starting", "running", "stopping", "ended", "failed", "invalid"]


@dataclass(slots=True, eq=False)
class Member:
    """`state` is "waiting" before a start (`due`), "ended" after the last one, "failed" if there is
    none after an error, "invalid" if the file has never been valid. Times are those of the
    supervisor's clock. The supervisor's thread writes, any thread reads."""

    file: Path
    name: str
    loaded: LoadedFlow | None = None  # the version that runs, or runs next
    problem: str = ""  # why the newest version of the file is not used
    state: State = "invalid"
    restarts: Restarts = field(default_factory=Restarts)
    due: float | None = None
    child: Child | None = None
    port: int | None = None  # of its process, for `child_client`
    running_since: float | None = None
    live: bool | None = None  # whether its source is, once that is known
    kill_at: float | None = None
    changed: bool = False  # it is stopped to be started again
    removed: bool = False  # its file does not exist any more
    starts: int = 0
    exit_code: int | None = None  # of its last process
    error: str = ""  # the last error that it has logged

    def to_json(self) -> dict[str, Any]:
        """What the status of all flows says of it."""
        return {
            "name": self.name,
            "file": str(self.file),
            "process": self.state,
            "pid": self.child.pid if self.child else None,
            "restarts": max(0, self.starts - 1),
            "exit_code": self.exit_code,
            "error": self.problem or self.error or None,
        }

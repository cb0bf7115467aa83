"""Name the files of a recording that is one file, or several after a change of size."""

from __future__ import annotations

import logging
import os
from functools import partial
from pathlib import Path

from flowrun.errors import SinkError
from flowrun.frame import Frame
from flowrun.media.protocols import SinkContext
from flowrun.media.sinks.recording import Target
from flowrun.spec.flow import SinkSpec
from flowrun.system.rename import rename_aside, rename_new

log = logging.getLogger("flowrun")


class SingleFile:
    """`name.mp4`, then `name.2.mp4` and so on. Times are counted from the first frame of all.

    What a killed run has left as `name.part.mp4` becomes `name.part-1.mp4`. If there is a
    `name.mp4` at the end that was not there at the start, the recording becomes `name-1.mp4` and
    `close` raises. `__init__` raises `SinkError` if the path is claimed (see `Claims`).
    """

    def __init__(self, spec: SinkSpec, context: SinkContext) -> None:
        self._path, self._overwrite = Path(spec.uri), spec.overwrite
        self._key, self._claims = context.key, context.claims
        self._parts = 0
        self._taken: list[str] = []  # final names that were not free, as messages
        self._claims.take(self._path, self._key, overwrite=spec.overwrite)

    def next(self, frame: Frame) -> Target:
        """The names of the next file. Raises `SinkError`."""
        self._parts += 1
        path = self._path
        if self._parts > 1:
            path = path.with_name(f"{path.stem}.{self._parts}{path.suffix}")
            self._claims.take(path, self._key, overwrite=True)
        part = Target.part_of(path)
        self._keep_earlier(part)
        return Target(path, part, partial(self._publish, part, path))

    def close(self) -> None:
        """Raises `SinkError` if a final name was not free."""
        if self._taken:
            text, self._taken = "; ".join(self._taken), []
            raise SinkError(text, key=self._key)

    def _keep_earlier(self, part: Path) -> None:
        """Rename what an earlier run has left at the name that this one is going to write."""
        if not os.path.lexists(part):
            return
        try:
            kept = rename_aside(part, part)
        except OSError as error:
            raise SinkError(
                f"{part}, left by an earlier run, cannot be renamed: {error.strerror}",
                key=self._key,
            ) from error
        log.warning(
            "%s: an earlier run did not finish its recording %s; it is kept as %s",
            *(self._key, part, kept),
        )

    def _publish(self, part: Path, path: Path) -> None:
        try:
            if self._overwrite:
                os.replace(part, path)
            else:
                rename_new(part, path)
        except FileExistsError:
            kept = rename_aside(part, path)
            text = f"{path} was created by another program; the recording is kept as {kept}"
            log.warning("%s: %s", self._key, text)
            self._taken.append(text)
        except OSError as error:
            raise SinkError(
                f"{part} cannot be renamed to {path}: {error.strerror}", key=self._key
            ) from error

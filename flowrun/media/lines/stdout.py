"""Write a line of JSON for every frame to standard output."""

from __future__ import annotations

import os
from collections.abc import Sequence

from flowrun.errors import SinkError
from flowrun.media.lines.line_queue import Line
from flowrun.media.lines.queued import BrokenError, QueuedLines
from flowrun.media.protocols import SinkContext
from flowrun.spec.flow import SinkSpec
from flowrun.system.standard_output import descriptor

_BATCH = 100


class StandardOutputSink(QueuedLines):
    """Lines to the standard output of the process, which then has nothing else. A reader that is
    slow slows nothing beside it; one that has ended is an error of the sink."""

    def __init__(self, spec: SinkSpec, context: SinkContext) -> None:
        super().__init__(spec, context, batch=_BATCH)
        self.address = "standard output"
        try:
            self._descriptor = os.dup(descriptor())
        except (OSError, ValueError) as error:
            raise SinkError("standard output is closed", key=context.key) from error
        self.start()

    def send(self, lines: Sequence[Line]) -> None:
        rest = memoryview(b"".join(line.text + b"\n" for line in lines))
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            raise BrokenError(f"standard output cannot be written: {error.strerror}") from error

    def disconnect(self) -> None:
        os.close(self._descriptor)

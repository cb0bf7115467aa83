"""Write a cassette beside its final name, and give it that name when it is complete."""

from __future__ import annotations

import contextlib
import os
import threading
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from flowrun.errors import RunError
from flowrun.kserve.cassette.content import (
    HEADER,
    INDEX,
    MAX_PART,
    Header,
    RecordedCall,
    RecordedRequest,
    part_name,
)
from flowrun.kserve.cassette.index import write_header, write_index
from flowrun.system.rename import rename_aside, rename_new

MAX_WAITING = 64 * 2**20  # bytes of responses that wait to be compressed
MAX_BYTES = 4 * 2**30  # of the file
_SAMPLE = 65_536  # bytes that show whether compression is worth its time
_WORTH = 0.9
_JOIN = 60.0  # seconds for what waits to be compressed when the file is finished
_KEY = "--to"


class CassetteWriter:
    """A zip file at `path` with ".part" appended, until `finish`. A `.part` that a killed run has
    left is kept under another name.

    Responses are compressed and written on the thread `flowrun-cassette`. `wait_for_space` blocks
    while more than `MAX_WAITING` bytes wait for it, so call that before a request. `full` is called
    once, on that thread, when the file has reached `max_bytes`, or cannot be written.

    Raises `RunError` if the file cannot be created.
    """

    def __init__(
        self, path: Path, header: Header, full: Callable[[], None], max_bytes: int = MAX_BYTES
    ) -> None:
        self.path = path
        self.error: OSError | None = None
        self._part = path.with_name(f"{path.name}.part")
        self._full = full
        self._max_bytes = max_bytes
        self._changed = threading.Condition()  # guards everything below
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._bytes = 0  # that wait
        self._parts = 0
        self._is_full = self._ended = False
        try:
            if self._part.exists():
                rename_aside(self._part, self._part)
            descriptor = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except OSError as error:
            raise self._failed(error) from error
        self._file = os.fdopen(descriptor, "wb")
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        self._write(HEADER, write_header(header), zipfile.ZIP_STORED)
        self._thread = threading.Thread(target=self._run, name="flowrun-cassette", daemon=True)
        self._thread.start()

    def add(self, data: bytes) -> int | None:
        """The number of the part that will have `data`; `None` if the file is full, or
        `data` larger than `MAX_PART`. Does not block; from any thread."""
        with self._changed:
            if self._is_full or self._ended or len(data) > MAX_PART:
                return None
            self._parts += 1
            self._waiting.append((self._parts, data))
            self._bytes += len(data)
            self._changed.notify_all()
            return self._parts

    def wait_for_space(self) -> None:
        """Wait until fewer than `MAX_WAITING` bytes wait to be written."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._bytes < MAX_WAITING or self._is_full or self._ended, _JOIN
            )

    def finish(
        self,
        requests: Sequence[RecordedRequest],
        calls: Sequence[RecordedCall],
        *,
        replace: bool,
    ) -> int:
        """Write the index, and give the file its name. Returns its size in bytes.

        An existing file is replaced only with `replace`. Raises `RunError` if the file could not be
        written, which then is removed, or renamed, which then stays. Once.
        """
        self._end()
        try:
            if self.error is not None:
                raise self.error
            if self._thread.is_alive():
                raise TimeoutError(f"writing has not ended within {_JOIN:.0f} s")
            self._write(INDEX, write_index(requests, calls))
            self._zip.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            size = self._part.stat().st_size
        except OSError as error:
            self._remove()
            raise self._failed(error) from error
        try:
            if replace:
                os.replace(self._part, self.path)
            else:
                rename_new(self._part, self.path)
        except OSError as error:
            raise RunError(
                f"the cassette is complete, but keeps the name {self._part}:"
                f" {error.strerror or error}",
                key=_KEY,
            ) from error
        return size

    def discard(self) -> None:
        """Remove the file: there is nothing in it."""
        self._end()
        self._remove()

    def _end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join(_JOIN)

    def _remove(self) -> None:
        for each in (self._zip, self._file):
            with contextlib.suppress(OSError, ValueError):  # a full disk; closed before
                each.close()
        self._part.unlink(missing_ok=True)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting) or self._ended)
                if not self._waiting:
                    return
                number, data = self._waiting.popleft()
            try:
                self._write(part_name(number), data, _compression(data))
                too_large = self._file.tell() >= self._max_bytes
            except OSError as error:
                self.error, too_large = error, True
            with self._changed:
                self._bytes -= len(data)
                became_full = too_large and not self._is_full
                self._is_full = self._is_full or too_large
                if self.error is not None:
                    self._waiting.clear()
                    self._bytes = 0
                self._changed.notify_all()
            del data  # or it stays in memory until the next one is there
            if became_full:
                self._full()

    def _write(self, name: str, data: bytes, compression: int = zipfile.ZIP_DEFLATED) -> None:
        entry = zipfile.ZipInfo(name)  # of 1980: the header has the time
        entry.external_attr = 0o644 << 16
        self._zip.writestr(entry, data, compression)

    def _failed(self, error: OSError) -> RunError:
        return RunError(
            f"cannot write the cassette {self.path}: {error.strerror or error}",
            key=_KEY,
            hint="choose another path",
        )


def _compression(data: bytes) -> int:
    sample = data[:_SAMPLE]
    worth = len(zlib.compress(sample, 1)) < _WORTH * len(sample)
    return zipfile.ZIP_DEFLATED if worth else zipfile.ZIP_STORED

"""Read a cassette, whatever its bytes."""

from __future__ import annotations

import io
import threading
import zipfile
import zlib
from pathlib import Path

from flowrun.errors import ContractError
from flowrun.kserve.cassette.checks import DamagedError
from flowrun.kserve.cassette.content import (
    HEADER,
    INDEX,
    MAX_HEADER,
    MAX_INDEX,
    MAX_PART,
    VERSION,
    part_name,
)
from flowrun.kserve.cassette.index import Index, OtherVersionError, read_header

KEY = "transport.address"
_HINT = "record it again with `flowrun record`"
_MAX_DIRECTORY = 32 * 2**20  # bytes; flowrun writes 62 for each response
_RATIO = 1100  # by which deflate shrinks data at most
_INDEX_RATIO = 50  # by which it shrinks an index that flowrun has written, at most
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What `zipfile` and `json` raise for bytes that are none.
_DAMAGES = (
    DamagedError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,  # encrypted; RecursionError, of JSON
    OverflowError,
    ValueError,  # of JSON and of UTF-8, too
    KeyError,  # no such entry
    MemoryError,
)


class Cassette:
    """The cassette at `path`, open until `close`. The index is in memory, responses are read when
    they are needed. From any thread.

    Nothing is decompressed beyond the size that the directory of the zip file declares, which has
    a bound, and no more than deflate can make of the bytes that there are.

    Raises `ContractError`, with the key `transport.address`, for a file that cannot be read, is no
    cassette, is damaged, or is of a newer version.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            self._file = _open(path)
        except FileNotFoundError as error:
            hint = "relative paths are relative to the working directory"
            raise ContractError(f"there is no cassette {path}", key=KEY, hint=hint) from error
        except OSError as error:
            raise _unreadable(path, error) from error
        try:
            self._read_all()
        except BaseException:
            self._file.close()
            raise

    def response(self, part: int) -> bytes:
        """The message in a part. Raises `DamagedError`."""
        try:
            return self._read(part_name(part), MAX_PART, _RATIO)
        except (OSError, *_DAMAGES) as error:
            raise DamagedError(f"{part_name(part)}: {_reason(error)}") from error

    def close(self) -> None:
        with self._lock:
            self._zip.close()
            self._file.close()

    def _read_all(self) -> None:
        path = self.path
        try:
            self._zip = zipfile.ZipFile(self._file)
            self._file.limit = None
        except OSError as error:
            raise _unreadable(path, error) from error
        except _DAMAGES as error:
            text = f"{path} is not a cassette, or it was cut off: {_reason(error)}"
            raise ContractError(text, key=KEY, hint=_HINT) from error
        try:
            self.header = read_header(self._read(HEADER, MAX_HEADER, _RATIO))
            index = Index(self._read(INDEX, MAX_INDEX, _INDEX_RATIO))
            self.calls, self.requests = index.calls, index.requests
        except OSError as error:
            raise _unreadable(path, error) from error
        except OtherVersionError as error:
            raise ContractError(
                f"the cassette {path} has version {error.number} of the format, and this flowrun"
                f" reads version {VERSION}",
                key=KEY,
                hint="use a newer version of flowrun, or record it again with this one",
            ) from error
        except _DAMAGES as error:
            raise ContractError(
                f"the cassette {path} is damaged, or it is another file: {_reason(error)}",
                key=KEY,
                hint=_HINT,
            ) from error

    def _read(self, name: str, limit: int, ratio: int) -> bytes:
        with self._lock:
            entry = self._zip.getinfo(name)
            if entry.compress_type not in _METHODS:
                raise DamagedError(f"{name} has the compression method {entry.compress_type}")
            packed = min(entry.compress_size, self._file.size)
            if entry.file_size > min(limit, ratio * packed + MAX_HEADER):
                raise DamagedError(f"{name} would have {entry.file_size} bytes")
            with self._zip.open(entry) as file:
                # One byte more, which makes `zipfile` check that it ends there, and its checksum.
                data = file.read(entry.file_size + 1)
        if len(data) != entry.file_size:
            raise DamagedError(f"{name} has {len(data)} bytes instead of {entry.file_size}")
        return data


class _File(io.FileIO):
    """Reads at most `limit` bytes at once. `zipfile` reads the whole directory at once."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.size = Path(path).stat().st_size
        self.limit: int | None = _MAX_DIRECTORY

    def read(self, size: int | None = -1, /) -> bytes:
        if self.limit is not None and size is not None and size > self.limit:
            raise DamagedError(f"its directory has {size} bytes")
        return super().read(-1 if size is None else size)


def _open(path: str) -> _File:
    if Path(path).exists() and not Path(path).is_file():
        raise OSError("it is not a file")  # opening a named pipe blocks
    return _File(path)


def _unreadable(path: str, error: OSError) -> ContractError:
    return ContractError(f"cannot read the cassette {path}: {error.strerror or error}", key=KEY)


def _reason(error: Exception) -> str:
    return str(error.args[0]) if error.args else type(error).__name__

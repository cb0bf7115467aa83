"""Run one model in an environment without flowrun.

    PYTHON worker.py package.module:name
    PYTHON worker.py /path/to/file.py:name

Loads the model, writes its signature to standard output, and then reads requests from standard
input until its end, and writes a response to each. The standard output of the model goes to
standard error.

A message is its length (4 bytes, little-endian), a JSON object of that length, and the bytes of the
tensors that the object lists under "tensors".

One file, because the interpreter that runs it may have nothing but numpy: flowrun's own side of the
protocol imports it, too.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import queue
import signal
import struct
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

CLOSE_TIMEOUT = 0.5  # seconds for `close` of the model after the end of the input
LENGTH = struct.Struct("<I")
ATTRIBUTES = ("input", "inputs", "outputs")


def send(file: BinaryIO, header: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
    """Write one message. Raises `TypeError` before it writes anything, for an array of objects that
    are neither bytes nor str."""
    listed: list[dict[str, Any]] = []
    raws: list[Any] = []
    for name, array in tensors.items():
        entry: dict[str, Any] = {"name": name, "dtype": array.dtype.str, "shape": array.shape}
        if array.dtype.kind in "OSU":
            elements = [_to_bytes(each) for each in array.reshape(-1).tolist()]
            entry["sizes"] = [len(each) for each in elements]
            raws.append(np.frombuffer(b"".join(elements), np.uint8))
        else:
            raws.append(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
        listed.append({**entry, "bytes": raws[-1].nbytes})
    head = json.dumps({**header, "tensors": listed}).encode()
    file.write(LENGTH.pack(len(head)) + head)
    for raw in raws:
        file.write(raw)
    file.flush()


def receive(file: BinaryIO) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read one message: its header, and its tensors (read-only). Raises `EOFError` at the end."""
    header = json.loads(_read(file, LENGTH.unpack(_read(file, LENGTH.size))[0]))
    tensors = {}
    for entry in header.pop("tensors"):
        raw = _read(file, entry["bytes"])
        if "sizes" in entry:
            ends = np.cumsum([0, *entry["sizes"]]).tolist()
            array = np.empty(len(entry["sizes"]), object)
            array[:] = [bytes(raw[a:b]) for a, b in zip(ends, ends[1:])]  # noqa: B905, RUF007 - 3.9
        else:
            array = np.frombuffer(raw, np.dtype(entry["dtype"]))
        array.flags.writeable = False
        tensors[entry["name"]] = array.reshape(entry["shape"])
    return header, tensors


def _read(file: BinaryIO, count: int) -> bytearray:
    data = bytearray(count)
    view, done = memoryview(data), 0
    while done < count:
        got = file.readinto(view[done:])  # type: ignore[attr-defined]
        if not got:
            raise EOFError
        done += got
    return data


def _to_bytes(element: Any) -> bytes:
    if not isinstance(element, (bytes, str)):
        raise TypeError(f"an array of objects may hold bytes or str, not {type(element).__name__}")
    return element.encode() if isinstance(element, str) else element


class _Served:
    """The model: loaded, and constructed for the first request."""

    def __init__(self, target: str) -> None:
        self._found = _load(target)
        if not callable(self._found):
            raise TypeError(
                f"{target!r} is of type {type(self._found).__name__}, which is not callable"
            )
        self._infer: Any = None
        found = self._found
        self.declared = {each: getattr(found, each) for each in ATTRIBUTES if hasattr(found, each)}
        outputs = self.declared.get("outputs") or "output"
        self._first_output = outputs if isinstance(outputs, str) else next(iter(outputs))

    def respond(self, tensors: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and tensors of the response."""
        if self._infer is None:
            try:
                self._infer = self._found() if isinstance(self._found, type) else self._found
            except BaseException as error:
                text = f"could not be constructed: {_described(error)}"
                return {"error": text, "unusable": True}, {}
        given = tensors if "inputs" in self.declared else next(iter(tensors.values()))
        try:
            outputs = self._infer(given)
        except BaseException as error:
            return {"error": f"raised {_described(error)}"}, {}
        if outputs is None:
            return {"nothing": True}, {}
        named = outputs if isinstance(outputs, Mapping) else {self._first_output: outputs}
        for name, array in named.items():
            if not isinstance(array, np.ndarray):
                what = f"{type(array).__name__} as {name!r}"
                return {"error": f"returned {what}; it must be a numpy array"}, {}
        return {}, dict(named)

    def close(self) -> None:
        if isinstance(self._found, type) and hasattr(self._infer, "close"):
            self._infer.close()


def _load(target: str) -> Any:
    module_name, _, name = target.rpartition(":")
    if module_name.endswith(".py"):
        spec = importlib.util.spec_from_file_location("model", module_name)
        assert spec is not None  # noqa: S101 - it ends in .py
        assert spec.loader is not None  # noqa: S101
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(module_name)
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _described(error: BaseException) -> str:
    """The exception, and where it was raised: in the model's own code rather than in a package."""
    try:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    except Exception:  # of `__str__`
        text = type(error).__name__
    frames = [each for each in traceback.extract_tb(error.__traceback__) if _is_model(each)]
    own = [each for each in frames if "site-packages" not in each.filename]
    place = (own or frames)[-1:]
    return text + "".join(f" (at {each.filename}:{each.lineno})" for each in place)


def _is_model(place: traceback.FrameSummary) -> bool:
    library = os.path.dirname(os.__file__)
    outside = not place.filename.startswith(library) or "site-packages" in place.filename
    return outside and place.filename != __file__ and not place.filename.startswith("<")


def _read_ahead(requests: BinaryIO, waiting: queue.SimpleQueue[Any]) -> None:
    """Read ahead, so that the end of the input ends the process even while the model runs."""
    try:
        while True:
            waiting.put(receive(requests))
    except EOFError:
        waiting.put(None)
        time.sleep(CLOSE_TIMEOUT)
        os._exit(0)


def main(target: str) -> int:
    requests, responses = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)  # the output of the model is not a response
    sys.stdout = sys.stderr  # line-buffered
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # on Ctrl-C flowrun ends this process
    sys.path[0] = os.getcwd()
    try:
        served = _Served(target)
        send(responses, {"declared": served.declared}, {})
    except BaseException as error:
        send(responses, {"error": f"cannot be loaded: {_described(error)}", "unusable": True}, {})
        return 1
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_read_ahead, args=(requests, waiting), daemon=True).start()
    while True:
        request = waiting.get()
        if request is None:
            served.close()
            return 0
        header, tensors = served.respond(request[1])
        try:
            send(responses, header, tensors)
        except TypeError as error:
            send(responses, {"error": f"returned an array that cannot be sent: {error}"}, {})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

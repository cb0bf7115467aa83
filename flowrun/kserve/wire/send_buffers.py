"""Messages that wait for their tensor, which is written into its message and not copied there."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from flowrun.image.buffers import Memory, address_of
from flowrun.inference import Request
from flowrun.kserve.wire import messages

_WITH_ONE_TENSOR = 3  # pieces: the message without contents, the head of the content, itself


class SendBuffers:
    """Memory for tensors, each in the message that will carry it.

    gRPC sends `bytes`, and who joins a head and a tensor to such copies the tensor. But who makes
    a `bytes` may write to it until somebody else sees it (the documentation of CPython's
    `PyBytes_AsString`). So `lend` gives out what comes behind the head of a message that nobody
    has, and `message` writes the head into it, and only then gives it away.

    The length of the head, and of the tensor, are those of the last message that had to be joined.
    `lend` is for one thread, `message` for another.
    """

    def __init__(self) -> None:
        self._form: tuple[int, int] | None = None  # bytes of the head, and of the tensor
        self._open: dict[int, bytes] = {}  # messages without a head, by where their tensors begin

    def allocate(self, size: int) -> Memory | None:
        """Memory for a tensor of `size` bytes, if one like it has been sent."""
        if self._form is None or self._form[1] != size:
            return None
        head, _ = self._form
        message = _new(None, head + size)
        begin = _address(message) + head
        place: Any = (ctypes.c_ubyte * size).from_address(begin)
        memory: Memory = np.frombuffer(place, np.uint8)
        self._open[begin] = message
        # Which also keeps the message for as long as anything shows its memory.
        weakref.finalize(memory, self._forget, begin, message).atexit = False
        return memory

    def message(self, pieces: Sequence[bytes | memoryview], request: Request) -> bytes:
        """The message of `request`, whose `pieces` these are: the one in which its tensor lies, the
        first time that it is asked for, and else a new one, as from `wire.join`."""
        *heads, tensor = pieces
        if len(pieces) == _WITH_ONE_TENSOR and isinstance(tensor, memoryview) and tensor:
            head = b"".join(heads)
            message = self._open.pop(address_of(np.frombuffer(tensor, np.uint8)), None)
            if message is not None and len(message) == len(head) + len(tensor):
                ctypes.memmove(_address(message), head, len(head))
                return message
            self._form = (len(head), len(tensor))
        return messages.join(pieces, request)

    def _forget(self, begin: int, _: bytes) -> None:
        self._open.pop(begin, None)


_new: Any = ctypes.pythonapi.PyBytes_FromStringAndSize
_new.restype, _new.argtypes = ctypes.py_object, (ctypes.c_char_p, ctypes.c_ssize_t)
_address: Any = ctypes.pythonapi.PyBytes_AsString
_address.restype, _address.argtypes = ctypes.c_void_p, (ctypes.py_object,)

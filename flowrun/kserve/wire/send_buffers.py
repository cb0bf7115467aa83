"""Allocate tensors inside the messages that will carry them, so that they need not be copied."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from flowrun.image.buffers import Memory, address_of
from flowrun.inference import Request
from flowrun.kserve.wire import requests

_WITH_ONE_TENSOR = 3  # pieces: the message without contents, the header of the content, the content


class SendBuffers:
    """Memory for tensors, each in the message that will carry it.

    gRPC sends `bytes`, and joining a header and a tensor to `bytes` copies the tensor. But new
    `bytes` may be written to until other code uses them (documentation of CPython's
    `PyBytes_AsString`). So `allocate` returns the part after the header of a new message, and
    `message` writes the header and only then returns the message.

    The lengths of header and tensor are those of the last message that had to be joined.
    `allocate` is for one thread, `message` for another.
    """

    def __init__(self) -> None:
        self._form: tuple[int, int] | None = None  # bytes of the header, and of the tensor
        # Messages without a header, by the addresses of their tensors.
        self._open: dict[int, bytes] = {}

    def allocate(self, size: int) -> Memory | None:
        """Memory for a tensor of `size` bytes, if one of that size has been sent."""
        if self._form is None or self._form[1] != size:
            return None
        header, _ = self._form
        message = _new(None, header + size)
        begin = _address(message) + header
        region: Any = (ctypes.c_ubyte * size).from_address(begin)
        memory: Memory = np.frombuffer(region, np.uint8)
        self._open[begin] = message
        # This also keeps the message for as long as any array uses its memory.
        weakref.finalize(memory, self._forget, begin, message).atexit = False
        return memory

    def message(self, pieces: Sequence[bytes | memoryview], request: Request) -> bytes:
        """The message of `request`, whose `pieces` these are: the one that contains its tensor, the
        first time that it is asked for, otherwise a new one, from `requests.join`."""
        *headers, tensor = pieces
        if len(pieces) == _WITH_ONE_TENSOR and isinstance(tensor, memoryview) and tensor:
            header = b"".join(headers)
            message = self._open.pop(address_of(np.frombuffer(tensor, np.uint8)), None)
            if message is not None and len(message) == len(header) + len(tensor):
                ctypes.memmove(_address(message), header, len(header))
                return message
            self._form = (len(header), len(tensor))
        return requests.join(pieces, request)

    def _forget(self, begin: int, _: bytes) -> None:
        self._open.pop(begin, None)


_new: Any = ctypes.pythonapi.PyBytes_FromStringAndSize
_new.restype, _new.argtypes = ctypes.py_object, (ctypes.c_char_p, ctypes.c_ssize_t)
_address: Any = ctypes.pythonapi.PyBytes_AsString
_address.restype, _address.argtypes = ctypes.c_void_p, (ctypes.py_object,)

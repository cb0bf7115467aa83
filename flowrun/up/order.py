"""What the supervisor hands to the process of a flow, over its standard input."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass

from flowrun.spec.load import LoadedFlow

_LENGTH = 8  # bytes of the number of bytes that follow

# Afterwards the supervisor writes one of these; the end of the input means that it is dead.
STOP, ABORT = b"s", b"a"


@dataclass(frozen=True, slots=True)
class Order:
    """The flow to run, as it was when it was read; the `token` of requests to its process."""

    loaded: LoadedFlow
    token: str
    log_level: str | None = None
    verbose: bool = False


def encode(order: Order) -> bytes:
    """The bytes of `order` for `read_order`."""
    data = pickle.dumps(order)
    return len(data).to_bytes(_LENGTH, "big") + data


def read_order(descriptor: int) -> Order:
    """Read an order from a file descriptor. Raises `EOFError` if the supervisor has ended."""
    length = int.from_bytes(_read(descriptor, _LENGTH), "big")
    order = pickle.loads(_read(descriptor, length))  # noqa: S301 - a pipe of the supervisor
    assert isinstance(order, Order)  # noqa: S101
    return order


def _read(descriptor: int, length: int) -> bytes:
    data = b""
    while len(data) < length:
        part = os.read(descriptor, length - len(data))
        if not part:
            raise EOFError("the supervisor has ended")
        data += part
    return data

"""The signature of a model, and a transport that has one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from flowrun.inference import TensorInfo, Transport


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the server reports about the model; `None` where it reports nothing.

    Tensors may have the datatype "INVALID" and the shape (): then only their names are known.
    `server` is the name that the server gives itself, such as "triton". `decoupled`: one request
    may have any number of responses. `stateful`: requests need a sequence. `remarks` are warnings
    for the user. `recorded`, with a cassette: the signatures of the requests in it.
    """

    name: str
    version: str | None = None
    server: str | None = None
    inputs: tuple[TensorInfo, ...] | None = None
    outputs: tuple[TensorInfo, ...] | None = None
    decoupled: bool = False
    stateful: bool = False
    remarks: tuple[str, ...] = ()
    recorded: frozenset[tuple[tuple[str, str, tuple[int, ...]], ...]] | None = None

    @property
    def signature(self) -> str:
        """All tensors in words, such as "the input 'image' UINT8 [-1, -1, 3]"."""
        found = []
        for what, tensors in (("input", self.inputs), ("output", self.outputs)):
            each = [
                f"{tensor.name!r} {tensor.datatype} {list(tensor.shape)}"
                for tensor in tensors or ()
            ]
            if each:
                found.append(f"the {what}{'s' if len(each) > 1 else ''} {', '.join(each)}")
        return " and ".join(found) or "no metadata"

    def input(self, name: str) -> TensorInfo | None:
        return next((tensor for tensor in self.inputs or () if tensor.name == name), None)


class ModelTransport(Transport, Protocol):
    """A `Transport` that knows its model."""

    model: ModelInfo

"""Requests to a model and their results, independent of the wire format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy.typing as npt

Tensor = npt.NDArray[Any]
Parameter = bool | int | float | str


Place = tuple[str, memoryview]  # the name of a region of shared memory, and its memory


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """The tensors that client and server share in memory, by name; no message carries them.

    An output that is `None` is sent in the message; without `outputs` the model returns all that it
    has, in messages.
    """

    inputs: Mapping[str, Place] = field(default_factory=dict)
    outputs: Mapping[str, Place | None] = field(default_factory=dict)


NOT_SHARED = Placement()


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor's name, KServe datatype and shape (-1 is any size).

    Undeclared: "INVALID" and (), as OpenVINO Model Server reports for its graphs.
    """

    name: str
    datatype: str = "INVALID"
    shape: tuple[int, ...] = ()

    @property
    def is_picture(self) -> bool:
        """Whether it is an image as flowrun defines it: UINT8, height x width x 3."""
        return self.datatype == "UINT8" and self.shape[2:] == (3,)


@dataclass(slots=True, eq=False)
class Request:
    """Tensors by input name. The arrays must not change until the future has ended.

    An empty name stands for the model's only input. `made_by` is the key of the flow that decides
    on datatype and shape: `transport`, or the hook that made them, such as `preprocess[1]`.
    `placement` says which of them are in shared memory. `releasable`: the arrays have no other use,
    so a transport may replace them in `inputs` by equal views of its message, to free memory.
    `last`: no request follows; only set with `transport.sequence`.
    """

    inputs: Mapping[str, Tensor]
    made_by: str = "transport"
    placement: Placement = NOT_SHARED
    releasable: bool = False
    last: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """All responses of the model to one request.

    `outputs` holds the tensors by output name (read-only views of the received bytes); of several
    responses with the same output the last one counts; empty if a graph has detected nothing
    (`ABORTED` for a unary call). `parameters` are those of the responses, later ones over earlier
    ones. `responses` counts the messages. `generation` counts the streams so far (from 1) without
    those that met no server: when it changes, a stateful graph has lost its state.
    """

    outputs: Mapping[str, Tensor]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    responses: int = 1
    generation: int = 1

    def as_numpy(self, name: str) -> Tensor | None:
        """The output `name`, or `None` if the model did not return it (as in tritonclient).

        BYTES tensors are object arrays of `bytes`. Copy before writing into it.
        """
        return self.outputs.get(name)

    @property
    def only(self) -> Tensor:
        """The one output of a model that has only one; raises `ValueError` otherwise."""
        (tensor,) = self.outputs.values()
        return tensor


class OutputReader(Protocol):
    """The postprocess hooks, as far as they read the outputs of the model."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """The outputs that they read; `None` if not all of them declare it."""

    def problems(self, outputs: Mapping[str, TensorInfo]) -> Iterable[OutputsProblem]:
        """What keeps them from reading `outputs`, which the model's metadata declares."""


class OutputsProblem(NamedTuple):
    """The key of a hook, such as `postprocess[0]`, its name, what is wrong with the outputs, and
    lines of YAML that would fit; `None` if there are none."""

    key: str
    hook: str
    message: str
    hint: str | None


def new_future() -> Future[Result | None]:
    """The future of a request; it cannot be cancelled."""
    future: Future[Result | None] = Future()
    future.set_running_or_notify_cancel()
    return future


class Transport(Protocol):
    """Sends requests to a model. `submit` is called by one thread at a time."""

    def submit(self, request: Request) -> Future[Result | None]:
        """Send, and return a future that ends within `transport.timeout` (and a bounded grace
        period): a `Result`, `None` if the model responded without a result, or a
        `TransportError`. Callbacks of the future run on any thread and must not block.
        """

    @property
    def reopened(self) -> int:
        """How often the connection was lost and restored."""

    def close(self) -> None:
        """Fail every future that is still open with a `TransportError` and close the connection.
        Idempotent, bounded, from any thread; `submit` raises `TransportError` from then on."""

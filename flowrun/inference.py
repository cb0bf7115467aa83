"""What goes to a model and what comes back, free of any wire format."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy.typing as npt

Tensor = npt.NDArray[Any]
Parameter = bool | int | float | str


Place = tuple[str, memoryview]  # the name of a region, and its memory


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Where tensors lie that client and server share, by name, so that no message carries them.

    An output that is `None` comes in the message; with no `outputs` at all the model answers all it
    has, in messages.
    """

    inputs: Mapping[str, Place] = field(default_factory=dict)
    outputs: Mapping[str, Place | None] = field(default_factory=dict)


NOT_SHARED = Placement()


@dataclass(slots=True, eq=False)
class Request:
    """Tensors by input name. The arrays must not change until the answer is there.

    An empty name stands for the model's only input. `made_by` is the key of the flow that decides
    on their form: `transport`, or the hook that made them, such as `preprocess[1]`. `places` says
    which of them lie in shared memory. `releasable`: nobody else needs the arrays, so a transport
    may put equal ones that lie in its message into `inputs` and so free theirs.
    """

    inputs: Mapping[str, Tensor]
    made_by: str = "transport"
    placement: Placement = NOT_SHARED
    releasable: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """Everything the model answered to one request.

    `outputs` holds the tensors by output name (read-only views of the received bytes); where a
    model answered several times under one name, the last answer stands; there are none if a graph
    has found nothing that it could answer (`ABORTED` to a unary call). `parameters` are the
    response's, later answers over earlier ones. `responses` counts the messages. `generation`
    counts the streams so far (from 1) without those that met no server: when it changes, a stateful
    graph has forgotten.
    """

    outputs: Mapping[str, Tensor]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    responses: int = 1
    generation: int = 1

    def as_numpy(self, name: str) -> Tensor | None:
        """The output `name`, or `None` if the model did not answer it (as in tritonclient).

        BYTES tensors are object arrays of `bytes`. Copy before writing into it.
        """
        return self.outputs.get(name)

    @property
    def only(self) -> Tensor:
        """The one output of a model that has only one; raises `ValueError` otherwise."""
        (tensor,) = self.outputs.values()
        return tensor


def new_future() -> Future[Result | None]:
    """The future of a request; it cannot be cancelled."""
    future: Future[Result | None] = Future()
    future.set_running_or_notify_cancel()
    return future


class Transport(Protocol):
    """A way to a model. `submit` is called by one thread at a time."""

    def submit(self, request: Request) -> Future[Result | None]:
        """Send, and return a future that is certain to end within `transport.timeout` (and a
        bounded grace): a `Result`, `None` if the model answered that it has nothing to say, or
        a `TransportError`. Callbacks of the future run on any thread and must not block.
        """

    @property
    def reopened(self) -> int:
        """How often the connection was lost and made again."""

    def close(self) -> None:
        """End every future that is still open (with a `TransportError`) and free the connection.
        Idempotent, bounded, from any thread; `submit` raises `TransportError` from then on."""

"""The way to a model, as the flow's `transport` says."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from flowrun.errors import ContractError
from flowrun.image.buffers import Buffers
from flowrun.inference import Request
from flowrun.kserve.client.channel import metadata, open_channel
from flowrun.kserve.client.outage import ModelTransport, OutageTransport
from flowrun.kserve.client.readiness import readiness
from flowrun.kserve.client.stream import StreamTransport
from flowrun.kserve.client.unary import UnaryTransport
from flowrun.kserve.contract.compare import check
from flowrun.kserve.contract.metadata import ModelInfo, ask
from flowrun.kserve.grpc_errors import GrpcErrors
from flowrun.spec.flow import OnOutage, TransportSpec

if TYPE_CHECKING:
    from flowrun.kserve.shared_memory.pool import Pool

__all__ = ["TRANSPORTS", "ModelTransport", "look_up", "open_supervised", "open_transport"]

TRANSPORTS: dict[str, type[StreamTransport] | type[UnaryTransport]] = {
    "stream": StreamTransport,
    "unary": UnaryTransport,
}
_MOST_ADDRESSES = 2  # in one message

_log = logging.getLogger("flowrun")


def open_transport(
    spec: TransportSpec,
    *,
    address: Sequence[str] | None = None,
    wanted: Collection[str] = (),
    like: Request | None = None,
    shown: bool = False,
) -> ModelTransport:
    """Connect, compare flow and model, and give a transport that works; within `spec.timeout`
    (2 s at least).

    `address` stands in for `spec.address` (the embedded server's). `wanted` names outputs that are
    needed beside `spec.output`. `like` is a request like those that will come, if that is known.
    `shown`: the output becomes the picture, without a hook that makes it one. In any case the first
    request is compared with the metadata: if it does not fit, it is not sent, and its future ends
    with a `ContractError`.

    Raises `TransportError` if nothing answers and `ContractError` if the model does not fit.
    """
    return _connect(spec, address, wanted, like, shown=shown)[0]


def open_supervised(
    spec: TransportSpec,
    policy: OnOutage,
    *,
    address: Sequence[str] | None = None,
    like: Request | None = None,
    shown: bool = False,
    buffers: Buffers | None = None,
) -> OutageTransport:
    """`open_transport`, and `policy` for when the server goes away later.

    `buffers` hold tensors as they will be sent: they become such that these need not be copied,
    neither into a message nor into shared memory.
    """
    inner, ready = _connect(spec, address, (), like, shown=shown, buffers=buffers)
    return OutageTransport(inner, ready, policy)


def look_up(spec: TransportSpec, address: Sequence[str]) -> ModelInfo:
    """What the server at `address` says of itself and of the model; nothing stays open. Waits and
    raises as `open_transport`."""
    grpc_errors, headers = _grpc_errors(spec, address), metadata(spec)
    with open_channel(spec, address) as channel:
        model = ask(channel, spec, grpc_errors, headers)
    if spec.shared_memory is not None:
        _pool(spec, address, grpc_errors, headers).close()
    return model


def _connect(
    spec: TransportSpec,
    address: Sequence[str] | None,
    wanted: Collection[str],
    like: Request | None,
    *,
    shown: bool,
    buffers: Buffers | None = None,
) -> tuple[ModelTransport, Callable[[float], bool]]:
    addresses = tuple(address) if address is not None else spec.address
    grpc_errors = _grpc_errors(spec, addresses)
    headers = metadata(spec)
    channel = open_channel(spec, addresses)
    try:
        model = ask(channel, spec, grpc_errors, headers)
        for remark in model.remarks:
            _log.warning("%s", remark)
        check(model, spec, like, wanted=wanted, shown=shown)
        outputs = frozenset(name for name in (spec.output, *wanted) if name)
        plain = TRANSPORTS[spec.mode](
            channel, spec, model, grpc_errors=grpc_errors, headers=headers, wanted=outputs
        )
        transport: ModelTransport = plain
        allocate = plain.send_buffers.allocate
        if spec.shared_memory is not None:
            pool = _pool(spec, addresses, grpc_errors, headers)
            transport = _sharing(plain, spec, pool)
            allocate = pool.allocate
        if buffers is not None:
            buffers.allocate = allocate
    except BaseException:
        channel.close()
        raise
    return transport, readiness(channel, spec, headers)


def _pool(
    spec: TransportSpec,
    address: Sequence[str],
    grpc_errors: GrpcErrors,
    headers: tuple[tuple[str, str], ...],
) -> Pool:
    """Shared memory, tried out with the server."""
    if sys.platform != "linux":
        raise ContractError(
            f"flowrun shares memory with a server on Linux only, and this is {sys.platform}",
            key="transport.shared_memory",
            hint="leave `shared_memory` out",
        )
    from flowrun.kserve.shared_memory.pool import Pool  # needs what only Linux has

    pool = Pool(open_channel(spec, address), grpc_errors, headers)
    try:
        pool.prepare()
    except BaseException:
        pool.close()
        raise
    return pool


def _sharing(transport: ModelTransport, spec: TransportSpec, pool: Pool) -> ModelTransport:
    from flowrun.kserve.shared_memory.transport import SharedMemoryTransport

    return SharedMemoryTransport(transport, spec, pool)


def _grpc_errors(spec: TransportSpec, addresses: Sequence[str]) -> GrpcErrors:
    further = len(addresses) - _MOST_ADDRESSES
    shown = ", ".join(addresses[:_MOST_ADDRESSES])
    return GrpcErrors(spec, f"{shown} and {further} more" if further > 0 else shown)

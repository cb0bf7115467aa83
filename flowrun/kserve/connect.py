"""Open the transport that a flow describes, or look up its model."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from flowrun.errors import ContractError, TransportError
from flowrun.image.buffers import Buffers
from flowrun.inference import OutputReader, Request
from flowrun.kserve.cassette.recorder import Recorder
from flowrun.kserve.client.address_states import AddressStates
from flowrun.kserve.client.connection import Connection, open_connection
from flowrun.kserve.client.metadata import fetch_model_info
from flowrun.kserve.client.outage import OutageTransport
from flowrun.kserve.client.readiness import is_ready
from flowrun.kserve.client.stream import StreamTransport
from flowrun.kserve.client.unary import UnaryTransport
from flowrun.kserve.contract.compare import check, mismatches
from flowrun.kserve.contract.model_info import ModelInfo, ModelTransport
from flowrun.kserve.contract.outputs import requested
from flowrun.spec.flow import OnOutage, TransportSpec

if TYPE_CHECKING:
    from flowrun.kserve.shared_memory.pool import Pool

TRANSPORTS: dict[str, type[StreamTransport] | type[UnaryTransport]] = {
    "stream": StreamTransport,
    "unary": UnaryTransport,
}

_log = logging.getLogger("flowrun")


def open_transport(
    spec: TransportSpec,
    *,
    address: Sequence[str] | None = None,
    sample: Request | None = None,
    shown: bool = False,
    reads: OutputReader | None = None,
) -> ModelTransport:
    """Connect, compare flow and model, and return a transport that works; within `spec.timeout`
    (2 s at least).

    `address` replaces `spec.address` (for the embedded server). `sample` is a request like those
    that will follow, if that is known. `shown`: the output becomes the picture, without a
    postprocess hook; otherwise the hooks `reads` read the outputs. In any case the first request is
    compared with the metadata: if it does not fit, it is not sent, and its future ends with a
    `ContractError`.

    Raises `TransportError` if there is no response and `ContractError` if the model does not fit.
    """
    addresses = spec.address if address is None else address
    connection = open_connection(spec, addresses)
    return _open(connection, addresses, sample, shown=shown, reads=reads)[0]


def open_supervised(
    spec: TransportSpec,
    policy: OnOutage,
    *,
    address: Sequence[str] | None = None,
    sample: Request | None = None,
    shown: bool = False,
    reads: OutputReader | None = None,
    buffers: Buffers | None = None,
    states: AddressStates | None = None,
    recorder: Recorder | None = None,
) -> OutageTransport:
    """`open_transport`, with `policy` for when the server becomes unavailable later.

    `buffers` hold tensors as they will be sent: they are set to allocate memory from which these
    need not be copied, neither into a message nor into shared memory. `states` gets the
    availability of each address, if there are several. `recorder` gets all messages, which are
    then not in shared memory.
    """
    addresses = spec.address if address is None else address
    connection = open_connection(spec, addresses, states)
    if recorder is not None:
        if spec.shared_memory is not None:
            _log.info("shared memory is not used while the responses are recorded")
        spec = replace(connection.spec, shared_memory=None)
        connection = replace(connection, channel=recorder.wrap(connection.channel), spec=spec)
    inner, plain = _open(connection, addresses, sample, shown=shown, reads=reads, buffers=buffers)
    return OutageTransport(
        inner,
        partial(is_ready, connection),
        policy,
        fits=partial(_fits, connection, shown, reads),
        began=plain.end_stream,
        recovered=connection.first.await_again,
    )


def look_up(spec: TransportSpec, address: Sequence[str]) -> ModelInfo:
    """Fetch the metadata of the server at `address` and of the model; nothing stays open. Waits and
    raises as `open_transport`."""
    connection = open_connection(spec, address)
    with closing(connection.channel):
        model = fetch_model_info(connection)
    if connection.spec.shared_memory is not None:
        _open_pool(spec, address).close()
    return model


def _fits(
    connection: Connection, shown: bool, reads: OutputReader | None, request: Request
) -> bool:
    """Whether the model is there and still fits the flow, which sends `request`. Raises
    `ContractError` if it does not fit."""
    try:
        model = fetch_model_info(connection)
    except (ContractError, TransportError, ValueError):  # missing; unavailable; closed
        return False
    for error in mismatches(model, connection.spec, request, shown=shown, reads=reads):
        text = (
            f"{error.message}; the model has changed during the run and now has {model.signature}"
        )
        raise ContractError(text, key=error.key, hint=error.hint)
    return True


def _open(
    connection: Connection,
    addresses: Sequence[str],
    sample: Request | None,
    *,
    shown: bool,
    reads: OutputReader | None,
    buffers: Buffers | None = None,
) -> tuple[ModelTransport, StreamTransport | UnaryTransport]:
    """The transport, and the one in it that has no shared memory."""
    spec = connection.spec
    try:
        model = fetch_model_info(connection)
        for remark in model.remarks:
            _log.warning("%s", remark)
        check(model, spec, sample, shown=shown, reads=reads)
        spec = replace(spec, outputs=requested(model, spec, reads, shown=shown) or None)
        plain = TRANSPORTS[spec.mode](replace(connection, spec=spec), model)
        transport: ModelTransport = plain
        allocate = plain.encoder.allocate
        if spec.shared_memory is not None:
            pool = _open_pool(spec, addresses)
            transport = _sharing(plain, spec, pool)
            allocate = pool.allocate
        if buffers is not None:
            buffers.allocate = allocate
    except BaseException:
        connection.channel.close()
        raise
    return transport, plain


def _open_pool(spec: TransportSpec, address: Sequence[str]) -> Pool:
    """Shared memory, tried out with the server, over a channel of its own."""
    if sys.platform != "linux":
        raise ContractError(
            f"flowrun shares memory with a server on Linux only, and this is {sys.platform}",
            key="transport.shared_memory",
            hint="leave `shared_memory` out",
        )
    from flowrun.kserve.shared_memory.pool import Pool  # needs what only Linux has

    connection = open_connection(spec, address)
    pool = Pool(connection.channel, connection.grpc_errors, connection.headers)
    try:
        pool.prepare()
    except BaseException:
        pool.close()
        raise
    return pool


def _sharing(transport: ModelTransport, spec: TransportSpec, pool: Pool) -> ModelTransport:
    from flowrun.kserve.shared_memory.transport import SharedMemoryTransport

    return SharedMemoryTransport(transport, spec, pool)

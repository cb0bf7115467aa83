"""The way to a model, as the flow's `transport` says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from flowrun.kserve.channel import metadata, open_channel
from flowrun.kserve.contract import ask
from flowrun.kserve.fit import check_flow
from flowrun.kserve.outage import ModelTransport, OutageTransport
from flowrun.kserve.readiness import readiness
from flowrun.kserve.status import Wording
from flowrun.kserve.stream import StreamTransport
from flowrun.kserve.unary import UnaryTransport
from flowrun.spec.flow import OnOutage, TransportSpec

__all__ = ["TRANSPORTS", "ModelTransport", "open_supervised", "open_transport"]

TRANSPORTS: dict[str, type[StreamTransport] | type[UnaryTransport]] = {
    "stream": StreamTransport,
    "unary": UnaryTransport,
}


def open_transport(
    spec: TransportSpec,
    *,
    address: Sequence[str] | None = None,
    wanted: Collection[str] = (),
    pictures: bool = True,
) -> ModelTransport:
    """Connect, compare flow and model, and give a transport that works; within `spec.timeout`
    (2 s at least).

    `address` stands in for `spec.address` (the embedded server's). `wanted` names outputs that are
    needed beside `spec.output`. `pictures` is false if hooks may send tensors of their own: then
    names are compared, but not datatypes and shapes. In any case the first request is compared with
    the metadata: if it does not fit, it is not sent, and its future ends with a `ContractError`.

    Raises `TransportError` if nothing answers and `ContractError` if the model does not fit.
    """
    return _connect(spec, address, wanted, pictures)[0]


def open_supervised(
    spec: TransportSpec,
    policy: OnOutage,
    *,
    address: Sequence[str] | None = None,
    pictures: bool = True,
) -> OutageTransport:
    """`open_transport`, and `policy` for when the server goes away later."""
    inner, ready = _connect(spec, address, (), pictures)
    return OutageTransport(inner, ready, policy)


def _connect(
    spec: TransportSpec, address: Sequence[str] | None, wanted: Collection[str], pictures: bool
) -> tuple[ModelTransport, Callable[[float], bool]]:
    addresses = tuple(address) if address is not None else spec.address
    wording = Wording(spec, ", ".join(addresses))
    headers = metadata(spec)
    channel = open_channel(spec, addresses)
    try:
        model = ask(channel, spec, wording, headers)
        check_flow(model, spec, wanted, pictures=pictures)
        outputs = frozenset(name for name in (spec.output, *wanted) if name)
        transport = TRANSPORTS[spec.mode](
            channel, spec, model, wording=wording, headers=headers, wanted=outputs
        )
    except BaseException:
        channel.close()
        raise
    return transport, readiness(channel, spec, headers)

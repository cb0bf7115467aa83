"""A connection to a model server: the channel, and what every call over it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tritonclient.grpc import service_pb2 as pb

from flowrun.kserve.cassette.content import Signature
from flowrun.kserve.cassette.errors import ReplayErrors
from flowrun.kserve.cassette.reader import Cassette
from flowrun.kserve.cassette.replay import Replay
from flowrun.kserve.cassette.replay_channel import ReplayChannel
from flowrun.kserve.channel import SERVICE, Channel
from flowrun.kserve.client.address_states import AddressStates
from flowrun.kserve.client.balancer import Balancer, is_balanced
from flowrun.kserve.client.channel import call_metadata, open_channel
from flowrun.kserve.client.first_response import FirstResponse
from flowrun.kserve.client.targets import Target
from flowrun.kserve.grpc_errors import GrpcErrors
from flowrun.spec.flow import TransportSpec

_MOST_ADDRESSES = 2  # in one message


@dataclass(frozen=True, slots=True)
class Connection:
    """`headers` are the gRPC metadata of every call. `recorded`: the signatures of the requests
    that a cassette can answer."""

    channel: Channel
    spec: TransportSpec
    grpc_errors: GrpcErrors
    headers: tuple[tuple[str, str], ...] = ()
    first: FirstResponse = field(default_factory=FirstResponse)
    recorded: frozenset[Signature] | None = None

    @property
    def timeout(self) -> float:
        """Seconds for the response to a request that is sent now."""
        return self.spec.first_timeout if self.first.awaited else self.spec.timeout

    def unary(self, method: str) -> Any:
        """The unary call `method`, from bytes to bytes."""
        return self.channel.unary_unary(
            SERVICE + method, request_serializer=None, response_deserializer=None
        )

    def stream(self, method: str) -> Any:
        """The bidirectional stream `method`, from bytes to bytes."""
        return self.channel.stream_stream(
            SERVICE + method, request_serializer=None, response_deserializer=None
        )

    def ask(
        self, method: str, *, timeout: float, wait_for_ready: bool = False, **fields: Any
    ) -> Any:
        """The response to the unary call `method`, whose request has these `fields`.

        Raises `grpc.RpcError`, and protobuf's `DecodeError` if the response cannot be parsed.
        """
        request = getattr(pb, f"{method}Request")(**fields)
        data = self.unary(method)(
            request.SerializeToString(),
            timeout=timeout,
            wait_for_ready=wait_for_ready,
            metadata=self.headers,
        )
        return getattr(pb, f"{method}Response").FromString(data)


def open_connection(
    spec: TransportSpec, addresses: Sequence[str], states: AddressStates | None = None
) -> Connection:
    """Open a channel to `addresses`; it connects with the first call. Raises `TransportError`, and
    `ContractError` for a cassette that the flow cannot use.

    In `mode: unary` the calls are balanced over all servers at `addresses`, whose availability is
    written to `states`, unless they are those of a sequence. Looks up host names if there are
    several addresses.
    """
    if spec.cassette is not None:
        return _open_cassette(spec, spec.cassette)
    further = len(addresses) - _MOST_ADDRESSES
    shown = ", ".join(addresses[:_MOST_ADDRESSES])
    errors = GrpcErrors(spec, f"{shown} and {further} more" if further > 0 else shown)
    headers = call_metadata(spec)

    def connect(target: Target) -> Connection:
        channel = open_channel(spec, target)
        return Connection(channel, spec, GrpcErrors(spec, str(target)), headers)

    one_server = spec.shared_memory is not None or spec.sequence
    if not one_server and is_balanced(spec.mode, addresses):
        balancer = Balancer(addresses, connect, states or AddressStates())
        return Connection(balancer, spec, errors, headers)
    return Connection(open_channel(spec, Target(addresses[0])), spec, errors, headers)


def _open_cassette(spec: TransportSpec, path: str) -> Connection:
    """A cassette has no memory to share, and no secrets."""
    cassette = Cassette(path)
    try:
        replay = Replay(cassette, spec)
    except BaseException:
        cassette.close()
        raise
    signatures = frozenset(each.signature for each in cassette.requests)
    errors = ReplayErrors(spec, spec.address[0])
    own = replace(spec, shared_memory=None)
    return Connection(ReplayChannel(replay), own, errors, recorded=signatures)

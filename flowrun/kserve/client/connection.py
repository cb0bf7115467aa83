"""A connection to a model server: the channel, and what every call over it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from tritonclient.grpc import service_pb2 as pb

from flowrun.kserve.client.channel import call_metadata, open_channel
from flowrun.kserve.grpc_errors import GrpcErrors
from flowrun.spec.flow import TransportSpec

SERVICE = "/inference.GRPCInferenceService/"
_MOST_ADDRESSES = 2  # in one message


@dataclass(frozen=True, slots=True)
class Connection:
    """`headers` are the gRPC metadata of every call."""

    channel: grpc.Channel
    spec: TransportSpec
    grpc_errors: GrpcErrors
    headers: tuple[tuple[str, str], ...] = ()

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


def open_connection(spec: TransportSpec, addresses: Sequence[str]) -> Connection:
    """Open a channel to `addresses`; it connects with the first call. Raises `TransportError`."""
    further = len(addresses) - _MOST_ADDRESSES
    shown = ", ".join(addresses[:_MOST_ADDRESSES])
    errors = GrpcErrors(spec, f"{shown} and {further} more" if further > 0 else shown)
    headers = call_metadata(spec)
    return Connection(open_channel(spec, addresses), spec, errors, headers)

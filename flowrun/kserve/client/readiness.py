"""Whether a server that was away takes requests again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from tritonclient.grpc import service_pb2 as pb

from flowrun.kserve.contract.metadata import SERVICE
from flowrun.spec.flow import TransportSpec

ANSWER = 2.0  # seconds that a server which is there has to answer


def readiness(
    channel: grpc.Channel, spec: TransportSpec, headers: tuple[tuple[str, str], ...] = ()
) -> Callable[[float], bool]:
    """A function that tells whether server and model are ready, as far as the server implements the
    calls; one that implements neither is ready as soon as it answers.

    Its argument is the seconds to wait for a connection and the first answer, as soon as gRPC has
    one; 0 asks over the connection that is there or can be made at once. Then each answer may take
    `ANSWER` seconds.
    """

    def ask(method: str, request: Any, patience: float) -> bool:
        call: Any = channel.unary_unary(
            SERVICE + method,
            request_serializer=type(request).SerializeToString,
            response_deserializer=getattr(pb, f"{method}Response").FromString,
        )
        answer = call(
            request, timeout=patience or ANSWER, metadata=headers, wait_for_ready=patience > 0
        )
        return bool(answer.ready)

    def says(method: str, request: Any, patience: float = 0.0) -> bool | None:
        try:
            return ask(method, request, patience)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                return None
            raise

    def ready(patience: float) -> bool:
        try:
            server = says("ServerReady", pb.ServerReadyRequest(), patience)
            model = says("ModelReady", pb.ModelReadyRequest(name=spec.model, version=spec.version))
        except grpc.RpcError:  # the next attempt may tell more
            return False
        except ValueError:  # the channel was closed meanwhile
            return False
        # The model's word counts: another model may be why the server says that it is not ready.
        return server is not False if model is None else model

    return ready

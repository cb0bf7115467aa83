"""Echo servers, as cheap as Python can make them: `python -m benchmarks.echo`.

One speaks KServe v2 over gRPC (and over a Unix socket) without ever parsing a tensor; the other
moves bytes over TCP. The first line of output names their addresses as JSON; they serve until
standard input ends.
"""

from __future__ import annotations

import json
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from tritonclient.grpc import service_pb2 as pb

from flowrun.kserve.wire.fields import REQUEST, Splitter, field_header
from flowrun.system.malloc import keep_freed_memory

MODEL = "identity"
OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
_CHUNK = 1 << 20
_CONTENTS = 7  # raw_input_contents of a request
_ANSWERED = 6  # raw_output_contents of an answer
_RESPONSE = 2  # infer_response of an answer in a stream


def answer(data: bytes) -> list[bytes | memoryview]:
    """The pieces of the ModelInferResponse that returns the tensor of a request."""
    reduced, contents = Splitter().reduce(memoryview(data), REQUEST, _CONTENTS)
    request = pb.ModelInferRequest.FromString(b"".join(reduced))
    message = pb.ModelInferResponse(model_name=MODEL, model_version="1", id=request.id)
    for tensor in request.inputs:
        message.outputs.add(name="output", datatype=tensor.datatype, shape=tensor.shape)
    pieces: list[bytes | memoryview] = [message.SerializeToString()]
    for raw in contents:
        pieces += (field_header(_ANSWERED, len(raw)), raw)
    return pieces


def unary(data: bytes, _context: Any) -> bytes:
    return b"".join(answer(data))


def stream(requests: Iterator[bytes], _context: Any) -> Iterator[bytes]:
    for data in requests:
        pieces = answer(data)
        yield b"".join([field_header(_RESPONSE, sum(map(len, pieces))), *pieces])


def _metadata(_request: Any, _context: Any) -> Any:
    def tensor(name: str) -> Any:
        return pb.ModelMetadataResponse.TensorMetadata(
            name=name, datatype="UINT8", shape=[-1, -1, 3]
        )

    return pb.ModelMetadataResponse(
        name=MODEL, versions=["1"], inputs=[tensor("image")], outputs=[tensor("output")]
    )


def handler() -> grpc.GenericRpcHandler:
    said = {
        "ServerLive": lambda _request, _context: pb.ServerLiveResponse(live=True),
        "ServerReady": lambda _request, _context: pb.ServerReadyResponse(ready=True),
        "ModelReady": lambda _request, _context: pb.ModelReadyResponse(ready=True),
        "ServerMetadata": lambda _request, _context: pb.ServerMetadataResponse(name="echo"),
        "ModelMetadata": _metadata,
    }
    handlers: dict[str, Any] = {
        name: grpc.unary_unary_rpc_method_handler(
            call, response_serializer=lambda message: message.SerializeToString()
        )
        for name, call in said.items()
    }
    handlers["ModelInfer"] = grpc.unary_unary_rpc_method_handler(unary)
    handlers["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(stream)
    return grpc.method_handlers_generic_handler("inference.GRPCInferenceService", handlers)


def _echo(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = memoryview(bytearray(_CHUNK))
    with connection:
        while count := connection.recv_into(buffer):
            connection.sendall(buffer[:count])


def _accept(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_echo, args=(connection,), daemon=True).start()


def main() -> None:
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        unix = f"unix:{folder}/echo"
        server = grpc.server(ThreadPoolExecutor(64), handlers=[handler()], options=OPTIONS)
        port = server.add_insecure_port("127.0.0.1:0")
        server.add_insecure_port(unix)
        server.start()
        listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=_accept, args=(listener,), daemon=True).start()
        addresses = {
            "grpc": f"127.0.0.1:{port}",
            "unix": unix,
            "tcp": f"127.0.0.1:{listener.getsockname()[1]}",
        }
        print(json.dumps(addresses), flush=True)
        sys.stdin.read()
        server.stop(0)


if __name__ == "__main__":
    main()

"""A KServe v2 server that follows a script, request by request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
import pytest
from tritonclient.grpc import service_pb2 as pb

from flowrun.inference import OutputsProblem, TensorInfo
from flowrun.kserve.connect import open_transport
from flowrun.kserve.contract.model_info import ModelTransport
from flowrun.kserve.wire.fields import MAX_FIELDS
from flowrun.spec.flow import TransportSpec

LIMIT = 10.0  # seconds, a guard against hanging
TIMESTAMP = "OVMS_MP_TIMESTAMP"
FINAL = "triton_final_response"
ENABLE_FINAL = "triton_enable_empty_final_response"
NAMES = {
    "ovms": "OpenVINO Model Server",
    "triton": "triton",
    "mlserver": "mlserver",
    "flowrun": "flowrun",
}

Tensors = Sequence[tuple[str, str, Sequence[int]]]
PICTURE: Tensors = (("image", "UINT8", (-1, -1, 3)),)
OUTPUT: Tensors = (("output", "UINT8", (-1, -1, 3)),)
GRAPH: Tensors = (("image", "INVALID", ()),)  # what OVMS reports for a MediaPipe graph
GRAPH_OUTPUT: Tensors = (("output", "INVALID", ()),)


JUNK = b"\x78\x01" * (MAX_FIELDS + 1)  # a message with fields that the protocol does not have


@dataclass
class ScriptedServer:
    """Responds to each request with its own tensor, unless `plan` has another action for it.

    OVMS has a graph, unless `inputs` are given.

    Actions: "answer", "never", "late" (after the next request), "drain" (when the client has
    half-closed), "gated" (when `gate` is set), "twice", "unknown" (with an id and a timestamp of no
    request), "other output", "nothing" (a response without outputs), "half" (the first output only,
    not final), "error" (in the stream, without an id), "error: TEXT", "error with id", "malformed"
    (the tensor is too short), "garbage" (no message at all), "junk" (`JUNK`),
    "status X: TEXT" (the RPC ends so), "end" (the RPC ends well), "silence" (nothing until the
    client cancels).
    """

    style: str = "plain"  # a key of NAMES, or "plain"
    plan: Sequence[str] = ()
    inputs: Tensors = PICTURE
    outputs: Tensors = OUTPUT
    versions: Sequence[str] = ("1",)
    models: Sequence[str] = ("model",)
    unimplemented: Sequence[str] = ()
    server_ready: bool = True
    model_ready: bool = True
    reason: str = ""
    missing: str = "NOT_FOUND"  # the status for an unknown model
    limit: int = -1  # bytes of a message
    blocked: Sequence[str] = ()  # methods that never respond
    at_half_close: str = ""  # the status after a half-close
    decoupled: bool = False  # as Triton reports

    address: str = ""
    requests: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)  # `:authority` of each call of `ServerReady`
    streams: int = 0
    left: threading.Event = field(
        default_factory=threading.Event
    )  # set when a client has cancelled
    half_closed: threading.Event = field(default_factory=threading.Event)
    gate: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        if self.style == "ovms":
            self.inputs = GRAPH if self.inputs is PICTURE else self.inputs
            self.outputs = GRAPH_OUTPUT if self.outputs is OUTPUT else self.outputs

    def start(self, address: str = "127.0.0.1:0", credentials: Any = None) -> None:
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="scripted")
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            name: grpc.unary_unary_rpc_method_handler(
                getattr(self, method),
                request_deserializer=getattr(pb, f"{name}Request").FromString,
                response_serializer=lambda message: message.SerializeToString(),
            )
            for name, method in {
                "ServerReady": "_server_ready",
                "ServerMetadata": "_server_metadata",
                "ModelReady": "_model_ready",
                "ModelMetadata": "_model_metadata",
                "RepositoryIndex": "_repository_index",
                "ModelConfig": "_model_config",
            }.items()
            if name not in self.unimplemented
        }
        handlers["ModelInfer"] = grpc.unary_unary_rpc_method_handler(
            self._infer, request_deserializer=pb.ModelInferRequest.FromString
        )
        handlers["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(
            self._stream, request_deserializer=pb.ModelInferRequest.FromString
        )
        self._server = grpc.server(
            self._pool,
            handlers=[
                grpc.method_handlers_generic_handler("inference.GRPCInferenceService", handlers)
            ],
            options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", self.limit)],
        )
        port = (
            self._server.add_secure_port(address, credentials)
            if credentials
            else self._server.add_insecure_port(address)
        )
        self.address = f"127.0.0.1:{port}"
        self._server.start()

    def stop(self) -> None:
        self._server.stop(0).wait(LIMIT)
        self._pool.shutdown()

    def seen_all(self, count: int) -> bool:
        """Wait until so many requests have arrived; false if they do not."""
        with self._lock:
            return self._lock.wait_for(lambda: len(self.requests) >= count, LIMIT)

    # Health and metadata.

    def _server_ready(self, _request: Any, context: grpc.ServicerContext) -> Any:
        self._block("ServerReady", context)
        self.headers.append({str(k): str(v) for k, v in context.invocation_metadata() or ()})
        call: Any = context  # grpcio has no public name for the host
        self.hosts.append(call._rpc_event.call_details.host.decode())
        return pb.ServerReadyResponse(ready=self.server_ready)

    def _server_metadata(self, _request: Any, context: grpc.ServicerContext) -> Any:
        self._block("ServerMetadata", context)
        return pb.ServerMetadataResponse(name=NAMES.get(self.style, "something"))

    def _model_ready(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._block("ModelReady", context)
        if not self._knows(request) and self.style != "triton":
            context.abort(grpc.StatusCode[self.missing], f"{request.name} is not here")
        return pb.ModelReadyResponse(ready=self._knows(request) and self.model_ready)

    def _model_metadata(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._block("ModelMetadata", context)
        if not self._knows(request):
            context.abort(grpc.StatusCode[self.missing], f"{request.name} is not here")
        message = pb.ModelMetadataResponse(name=request.name, versions=self.versions)
        for tensors, slot in ((self.inputs, message.inputs), (self.outputs, message.outputs)):
            for name, datatype, shape in tensors:
                slot.add(name=name, datatype=datatype, shape=shape)
        return message

    def _repository_index(self, _request: Any, _context: grpc.ServicerContext) -> Any:
        index = pb.RepositoryIndexResponse()
        for name in self.models:
            index.models.add(name=name, reason=self.reason)
        return index

    def _model_config(self, _request: Any, _context: grpc.ServicerContext) -> Any:
        answer = pb.ModelConfigResponse()
        answer.config.model_transaction_policy.decoupled = self.decoupled
        return answer

    def _knows(self, request: Any) -> bool:
        return request.name in self.models and request.version in ("", *self.versions)

    def _block(self, method: str, context: grpc.ServicerContext) -> None:
        if method in self.blocked:
            self._wait(context)

    # Inference.

    def _infer(self, request: Any, context: grpc.ServicerContext) -> bytes:
        if not request.inputs:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a request without inputs")
        action = self._next(request)
        if action == "gated":
            self.gate.wait(LIMIT)
        if action in ("never", "silence"):
            self._wait(context)
        if action.startswith("status "):
            _abort(context, action)
        if action == "garbage":
            return b"\xff\xff\xff"
        if action == "junk":
            return JUNK
        message = self._answers(request)[0]
        if action == "nothing":
            message = pb.ModelInferResponse(id=request.id)
        if action == "malformed":
            message.raw_output_contents[0] = message.raw_output_contents[0][1:]
        return bytes(message.SerializeToString())

    def _stream(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[bytes]:
        with self._lock:
            self.streams += 1
        late: list[bytes] = []
        drained: list[bytes] = []
        last = 0
        for request in requests:
            action = self._next(request)
            if self.style == "ovms":
                timestamp = request.parameters[TIMESTAMP].int64_param
                if timestamp <= last:
                    context.abort(grpc.StatusCode.INVALID_ARGUMENT, "timestamps must increase")
                last = timestamp
            ready, late = late, []
            if action == "gated":
                self.gate.wait(LIMIT)
            if action == "silence":
                self._wait(context)
                return
            if action == "end":
                return
            if action.startswith("status "):
                _abort(context, action)
            answers = list(self._messages(action, request))
            if action == "late":
                late += answers
            elif action == "drain":
                drained += answers
            else:
                yield from answers
            yield from ready
        self.half_closed.set()
        if self.at_half_close:
            status, self.at_half_close = self.at_half_close, ""
            context.abort(grpc.StatusCode[status], "as the script says")
        yield from late
        yield from drained

    def _messages(self, action: str, request: Any) -> Iterator[bytes]:
        if action in ("garbage", "junk"):
            yield JUNK if action == "junk" else b"\xff\xff\xff"
            return
        if action.startswith("error"):
            text = action.partition(": ")[2] or "this picture is bad"
            error = pb.ModelStreamInferResponse(error_message=text)
            if action == "error with id":
                error.infer_response.id = request.id
            yield bytes(error.SerializeToString())
            return
        times = {"never": 0, "twice": 2}.get(action, 1)
        answers = [answer for _ in range(times) for answer in self._answers(request)]
        for answer in answers:
            if action == "unknown":
                answer.id = "4711"
                if self.style == "ovms":
                    answer.parameters[TIMESTAMP].int64_param = 4711
            elif action == "other output":
                answer.outputs[0].name = "other"
            elif action == "malformed":
                answer.raw_output_contents[0] = answer.raw_output_contents[0][1:]
            elif action == "nothing":
                del answer.outputs[:], answer.raw_output_contents[:]
            elif action == "half":
                del answer.outputs[1:], answer.raw_output_contents[1:]
                answer.parameters[FINAL].bool_param = False
            yield self._framed(answer)
            if action == "half":
                return

    def _answers(self, request: Any) -> list[Any]:
        """Every output in a message of its own on OVMS, else all in one."""
        raw = request.raw_input_contents[0]
        shape, datatype = request.inputs[0].shape, request.inputs[0].datatype
        names = [name for name, _, _ in self.outputs]
        answers = []
        for group in [[name] for name in names] if self.style == "ovms" else [names]:
            answer = pb.ModelInferResponse(model_name=request.model_name, model_version="1")
            for name in group:
                answer.outputs.add(name=name, datatype=datatype, shape=shape)
                answer.raw_output_contents.append(raw)
            if self.style != "ovms":
                answer.id = request.id if self.style != "mlserver" else self.requests[0].id
            if self.style in ("ovms", "plain") and TIMESTAMP in request.parameters:
                answer.parameters[TIMESTAMP].CopyFrom(request.parameters[TIMESTAMP])
            if self.style == "triton" and ENABLE_FINAL in request.parameters:
                answer.parameters[FINAL].bool_param = True
            answers.append(answer)
        return answers

    def _framed(self, answer: Any) -> bytes:
        if self.style == "mlserver":
            return bytes(answer.SerializeToString())
        return bytes(pb.ModelStreamInferResponse(infer_response=answer).SerializeToString())

    def _next(self, request: Any) -> str:
        with self._lock:
            number = len(self.requests)
            self.requests.append(request)
            self._lock.notify_all()
        return self.plan[number] if number < len(self.plan) else "answer"

    def _wait(self, context: grpc.ServicerContext) -> None:
        """Until the client has cancelled."""
        gone = threading.Event()
        if context.add_callback(gone.set) and not gone.wait(LIMIT):
            return
        self.left.set()


def _abort(context: grpc.ServicerContext, action: str) -> NoReturn:
    """End the RPC as "status CODE" or "status CODE: TEXT" says."""
    status, _, text = action.partition(": ")
    context.abort(grpc.StatusCode[status.split()[1]], text or "as the script says")


@pytest.fixture
def scripted() -> Iterator[Callable[..., ScriptedServer]]:
    """Start a `ScriptedServer` of these fields."""
    servers: list[ScriptedServer] = []

    def build(style: str = "plain", plan: Sequence[str] = (), **fields: Any) -> ScriptedServer:
        server = ScriptedServer(style, plan, **fields)
        server.start()
        servers.append(server)
        return server

    yield build
    for server in servers:
        server.stop()


@dataclass(frozen=True)
class Reading:
    """Hooks that read the outputs `names`, whatever their form."""

    names: tuple[str, ...]

    def problems(self, _: Mapping[str, TensorInfo]) -> Iterable[OutputsProblem]:
        return ()


@pytest.fixture
def connect() -> Iterator[Callable[..., ModelTransport]]:
    """Open a transport to a scripted server; the keywords are fields of the flow's `transport`."""
    transports: list[ModelTransport] = []

    def build(
        server: Any,
        mode: Any = "stream",
        *,
        sample: Any = None,
        shown: bool = False,
        reads: Sequence[str] | None = None,
        **fields: Any,
    ) -> ModelTransport:
        servers = server if isinstance(server, list) else [server]
        fields = {"timeout": LIMIT, "model": "model", **fields}
        fields = {"first_timeout": fields["timeout"], **fields}
        spec = TransportSpec(mode=mode, address=tuple(s.address for s in servers), **fields)
        hooks = None if reads is None else Reading(tuple(reads))
        transports.append(open_transport(spec, sample=sample, shown=shown, reads=hooks))
        return transports[-1]

    yield build
    for transport in transports:
        transport.close()


@pytest.fixture
def threads() -> Callable[[], list[str]]:
    """The names of the threads of the client that are still alive some time after they should
    have ended; those of servers do not count."""

    def of_the_client() -> set[threading.Thread]:
        return {
            thread
            for thread in threading.enumerate()
            if not thread.name.startswith("scripted") and "_serve" not in thread.name
        }

    before = of_the_client()

    def left() -> list[str]:
        for thread in of_the_client() - before:
            thread.join(LIMIT)
        return sorted(thread.name for thread in of_the_client() - before)

    return left

"""The embedded KServe v2 server, to try flowrun out, develop hooks and test."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, TypeVar, cast

import grpc

from flowrun.errors import InvalidFlowError, RunError, UsageError
from flowrun.kserve.server.models import Model, parse_name, resolve_isolated, resolve_model
from flowrun.kserve.server.models.openvino_file import Shapes, is_file, parse_shape
from flowrun.kserve.server.servicer import Servicer
from flowrun.spec.flow import TransportSpec

CALLS = 128  # concurrent unary calls and streams; further ones fail with RESOURCE_EXHAUSTED
GRACE = 0.5  # seconds in which calls may complete when the server closes
CLOSE_TIMEOUT = 2.0  # seconds that `close` waits for a model that does not return
MODELS_TIMEOUT = 10.0  # seconds for the `close()` of all models

_log = logging.getLogger(__name__)

_OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),  # or a second server would silently share the port
]
_T = TypeVar("_T")


class EmbeddedServer:
    """Serves `models` over gRPC from construction until `close`, which closes them, too.

    Each unary call and each stream has a daemon thread of its own, at most `CALLS` of them, and
    holds one request and one response in memory. `address` is "host:port"; with port 0 the system
    chooses a free port, which the attribute `address` contains. Raises `UsageError` for an invalid
    address and `RunError` if the server cannot listen there.
    """

    def __init__(self, models: Mapping[str, Model], *, address: str = "127.0.0.1:0") -> None:
        host, port = _split(address)
        _check_free(host, port, address)
        self.models = dict(models)
        self._servicer = Servicer(models)
        self._threads = _ThreadPerCall()
        self._server = grpc.server(
            cast(ThreadPoolExecutor, self._threads),  # gRPC uses only `submit` of it
            handlers=[self._servicer.handler()],
            options=_OPTIONS,
            maximum_concurrent_rpcs=CALLS,
        )
        try:
            bound = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:  # in use since it was checked
            raise RunError(f"cannot listen on {address}: {error}", key="--address") from error
        self._server.start()
        self.address = f"{host}:{bound}"

    def close(self) -> None:
        """End every call and free the port. Idempotent, from any thread. Takes `GRACE` if calls are
        open and at most `GRACE + CLOSE_TIMEOUT`, plus up to `MODELS_TIMEOUT` to close the models;
        only a model that has not returned by then keeps its (daemon) thread."""
        end = time.monotonic() + GRACE + CLOSE_TIMEOUT
        stopped = self._server.stop(GRACE)
        stopped.wait(GRACE)
        closing = threading.Thread(
            target=self._close_models, name="flowrun-embedded-server", daemon=True
        )
        closing.start()
        closing.join(MODELS_TIMEOUT)
        if closing.is_alive():
            names = " or ".join(map(repr, self.models))
            _log.warning("the close() of model %s has not returned", names)
        stopped.wait(max(0.0, end - time.monotonic()))
        self._threads.join(end)

    def _close_models(self) -> None:
        self._servicer.close()
        for model in self.models.values():
            model.close()

    def __enter__(self) -> EmbeddedServer:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()


@contextlib.contextmanager
def serving(spec: TransportSpec) -> Iterator[tuple[str, ...]]:
    """The addresses of the flow's model server; the embedded one runs within the block.

    Raises `InvalidFlowError` for an unknown embedded model, and what `EmbeddedServer` raises."""
    if not spec.embedded:
        yield spec.address
        return
    with EmbeddedServer({spec.model: resolve_model(spec.model, folders=spec.folders)}) as server:
        yield (server.address,)


def serve(
    models: Sequence[str], address: str, python: str | None = None, shapes: Sequence[str] = ()
) -> EmbeddedServer:
    """An `EmbeddedServer` for these models (`NAME=MODEL` or `MODEL`), as `flowrun serve` starts it.
    If `python` is given, user models and those that need an environment run in that interpreter.
    `shapes` (`NAME=1,3,640,640`) are those for the inputs of the model in a file.

    Raises `UsageError` for an unknown model or shape, and what `EmbeddedServer` raises.
    """
    given = dict(map(parse_shape, shapes))
    files = [model for _, model in map(parse_name, models) if is_file(model)]
    if given and len(files) != 1:
        raise UsageError(
            "it is for the inputs of one model file",
            key="--shape",
            hint=f"{len(files)} of the models that are served are files; serve this one alone",
        )
    with contextlib.ExitStack() as undo:
        found: dict[str, Model] = {}
        for argument in models:
            name, model = parse_name(argument)
            if name in found:
                raise UsageError(
                    f"two models have the name {name!r}",
                    hint="give one of them another name: NAME=MODEL",
                )
            found[name] = _resolve(model, name, python, given)
            undo.callback(found[name].close)
        server = EmbeddedServer(found, address=address)
        undo.pop_all()
    return server


def _resolve(model: str, name: str, python: str | None, shapes: Shapes) -> Model:
    try:
        if python and not is_file(model):
            return resolve_isolated(model, name, python)
        return resolve_model(model, name, shapes)
    except InvalidFlowError as error:
        key = error.key if error.key == "--python" else None
        raise UsageError(error.message, key=key, hint=error.hint) from error


class _ThreadPerCall(Executor):
    """Runs each call on a daemon thread of its own, so that a model that hangs cannot keep the
    program alive. `maximum_concurrent_rpcs` limits their number."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[threading.Thread] = set()

    def submit(self, fn: Callable[..., _T], /, *args: Any, **kwargs: Any) -> Future[_T]:
        future: Future[_T] = Future()
        thread = threading.Thread(
            target=_call,
            args=(future, fn, args, kwargs),
            name="flowrun-embedded-server",
            daemon=True,
        )
        with self._lock:
            thread.start()
            self._running = {each for each in self._running if each.is_alive()} | {thread}
        return future

    def join(self, end: float) -> None:
        """Wait for the calls, at most until `time.monotonic()` is `end`."""
        with self._lock:
            running = list(self._running)
        for thread in running:
            thread.join(max(0.0, end - time.monotonic()))


def _call(future: Future[_T], fn: Callable[..., _T], args: Any, kwargs: Any) -> None:
    try:
        future.set_result(fn(*args, **kwargs))
    except BaseException as error:
        future.set_exception(error)


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004
        raise UsageError(
            f"{address!r} is not an address",
            key="--address",
            hint="write HOST:PORT, for instance 127.0.0.1:9000; port 0 chooses a free one",
        )
    return host, int(port)


def _check_free(host: str, port: int, address: str) -> None:
    """Bind a socket first: the error of the operating system has a reason, gRPC's has none."""
    try:
        family, kind, protocol, _, endpoint = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM
        )[0]
        with contextlib.closing(socket.socket(family, kind, protocol)) as probe:
            if os.name == "posix":  # elsewhere the option means something else
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(endpoint)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunError(
            f"cannot listen on {address}: {reason}",
            key="--address",
            hint="choose another port; port 0 chooses a free one",
        ) from error

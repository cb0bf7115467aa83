"""Connections stay open while nothing is sent, and dead ones are found."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest

from flowrun.inference import Request
from flowrun.kserve.client import channel
from flowrun.kserve.client.channel import open_channel
from flowrun.kserve.client.targets import Target
from flowrun.spec.flow import TransportSpec

LIMIT = 30.0  # seconds, a guard against hanging
DEFAULT_INTERVAL = 300.0  # seconds between two pings that a gRPC server accepts by default
SCALE = 3.2 / channel.KEEPALIVE  # the client pings once per second at most
PINGS = 2


def strict_server(pool: ThreadPoolExecutor, after: float) -> tuple[grpc.Server, str]:
    """Responds to `/a/Call` after so many seconds, and to `/a/Stream` at once. Accepts pings as
    often as gRPC servers do by default, scaled, and closes the connection at the second other."""

    def call(request: bytes, context: grpc.ServicerContext) -> bytes:
        ended = threading.Event()
        if context.add_callback(ended.set):
            ended.wait(after)
        return request

    def stream(requests: Iterator[bytes], _context: grpc.ServicerContext) -> Iterator[bytes]:
        yield from requests

    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "Call": grpc.unary_unary_rpc_method_handler(call),
        "Stream": grpc.stream_stream_rpc_method_handler(stream),
    }
    options = [
        ("grpc.http2.min_ping_interval_without_data_ms", round(DEFAULT_INTERVAL * SCALE * 1000)),
        ("grpc.http2.max_ping_strikes", 1),
    ]
    server = grpc.server(
        pool, handlers=[grpc.method_handlers_generic_handler("a", handlers)], options=options
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, f"127.0.0.1:{port}"


@pytest.mark.slow
def test_a_server_with_the_default_ping_policy_keeps_idle_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Scaled: a call and a stream without messages that last for more than ten minutes."""
    after = (PINGS + 0.1) * channel.KEEPALIVE * SCALE
    with ThreadPoolExecutor(8) as pool:
        server, address = strict_server(pool, after)
        spec = TransportSpec("stream", (address,), "m")

        def opened(keepalive: float) -> Any:
            monkeypatch.setattr(channel, "KEEPALIVE", keepalive * SCALE)
            return open_channel(spec, Target(address))

        with opened(channel.KEEPALIVE) as kept, opened(20.0) as cut:
            going = threading.Event()

            def messages() -> Iterator[bytes]:
                yield b"first"
                going.wait(LIMIT)
                yield b"second"

            calls = [
                each.unary_unary("/a/Call").future(b"x", timeout=LIMIT) for each in (kept, cut)
            ]
            stream = kept.stream_stream("/a/Stream")(messages(), timeout=LIMIT)
            assert next(stream) == b"first"
            assert calls[0].result() == b"x"
            going.set()
            assert next(stream) == b"second"
            # The server is as strict as this test needs it.
            assert calls[1].code() is grpc.StatusCode.UNAVAILABLE
            assert calls[1].details() == "Too many pings"
        server.stop(0).wait(LIMIT)


def test_pings_are_rarer_than_servers_demand_and_more_frequent_than_balancers_need() -> None:
    assert DEFAULT_INTERVAL < channel.KEEPALIVE < 350


@pytest.mark.skipif(sys.platform != "linux", reason="gRPC sets TCP_USER_TIMEOUT on Linux only")
def test_a_connection_whose_peer_acknowledges_nothing_is_closed_after_ten_seconds(
    scripted: Any, connect: Any
) -> None:
    server = scripted()
    transport = connect(server, "unary")
    transport.submit(Request({"": np.ones((1, 1, 3), np.uint8)})).result(LIMIT)
    port = int(server.address.rpartition(":")[2])
    assert timeouts_of_connections_to(port) == {10_000}


def timeouts_of_connections_to(port: int) -> set[int]:
    """TCP_USER_TIMEOUT of this process's connections to a port of this machine, in ms."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # closed meanwhile, or not connected
            if not os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(name))) as each:
                if each.getpeername()[1] == port:
                    found.add(each.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
    return found

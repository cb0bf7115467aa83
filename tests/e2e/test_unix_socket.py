"""A server on this machine, reached without a port."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from flowrun.kserve.server.models import resolve_model
from flowrun.kserve.server.servicer import Servicer


@pytest.mark.skipif(sys.platform == "win32", reason="gRPC has no Unix sockets there")
@pytest.mark.parametrize("mode", ["stream", pytest.param("unary", marks=pytest.mark.slow)])
def test_a_flow_reaches_its_server_over_a_unix_socket(
    mode: str, flow: Callable[..., Path], finished: Callable[[Path], dict[str, Any]]
) -> None:
    handler = Servicer({"identity": resolve_model("identity")}).handler()
    server = grpc.server(ThreadPoolExecutor(4), handlers=[handler])
    with tempfile.TemporaryDirectory() as folder:  # a socket's path may have 107 bytes
        address = f"unix:{folder}/server"
        assert server.add_insecure_port(address)
        server.start()
        try:
            transport = f"{{mode: {mode}, address: '{address}', model: identity}}"
            assert finished(flow(transport=transport))["delivered"] == 20
        finally:
            server.stop(None).wait()

"""What `validate --budget` foresees, against the bytes of a real run."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from flowrun.kserve.server.embedded import serving
from flowrun.spec.flow import TransportSpec

FPS, FRAMES = 25, 50


class CountingProxy:
    """Passes connections on to a server. `sent` and `returned` count the bytes of all of them."""

    def __init__(self, server: str) -> None:
        host, _, port = server.rpartition(":")
        self._server = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.sent = self.returned = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return  # closed
            server = socket.create_connection(self._server)
            for one, other, name in ((client, server, "sent"), (server, client, "returned")):
                threading.Thread(target=self._pass, args=(one, other, name), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket, name: str) -> None:
        with closing(one), suppress(OSError):  # the other direction has closed it
            while data := one.recv(1 << 20):
                setattr(self, name, getattr(self, name) + len(data))
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy() -> Iterator[CountingProxy]:
    """A proxy before a server with the model `identity`."""
    spec = TransportSpec("unary", ("embedded",), "identity")
    with serving(spec) as (address,), closing(CountingProxy(address)) as proxy:
        yield proxy


@pytest.mark.parametrize("preprocess", ["[]", "[{hook: resize, with: {size: 160x120}}]"])
def test_the_traffic_of_a_run_is_as_foreseen(
    folder: Path, flowrun_here: Any, proxy: CountingProxy, preprocess: str
) -> None:
    Path("f.yaml").write_text(
        f"version: 1\nsource: test:320x240@{FPS}\npreprocess: {preprocess}\nsink: 'null'\n"
        f"transport: {{mode: unary, address: '{proxy.address}', model: identity}}\n"
        f"limits: {{frames: {FRAMES}}}\n"
    )
    assert flowrun_here("f.yaml", "--summary", "run.json").returncode == 0
    done = flowrun_here("validate", "f.yaml", "--budget", "--from", "run.json", "--format", "json")
    (found,) = json.loads(done.stdout)["budget"]["flows"]
    for foreseen, size in (
        (found["to_server_mbits"], proxy.sent),
        (found["from_server_mbits"], proxy.returned),
    ):
        assert foreseen == pytest.approx(size * 8 / 1e6 / (FRAMES / FPS), rel=0.15)
    assert found["measured"] is True

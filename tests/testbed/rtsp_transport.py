"""A small RTSP server (RFC 2326) that supports one transport, and answers 461 to any other."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from itertools import takewhile
from pathlib import Path

from tests.testbed.process import READY_WITHIN

_SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
    "c=IN IP4 127.0.0.1\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"
    "a=control:track1\r\n"
)
_RATE = 25  # pictures per second


class OneTransportServer:
    """Plays `path`, raw H.264 with one slice per picture, again and again. `supports` is `tcp`,
    `udp` or empty, and may be changed; `setups` are the transports that clients asked for."""

    def __init__(self, path: Path, supports: str) -> None:
        self.supports = supports
        self.setups: list[str] = []
        self._units = [unit for unit in path.read_bytes().split(b"\0\0\1") if unit.strip(b"\0")]
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtsp://127.0.0.1:{self._listener.getsockname()[1]}/cam"
        self._sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sender.bind(("127.0.0.1", 0))
        self._clients: list[socket.socket] = []
        self._closed = threading.Event()
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def disconnect(self) -> None:
        """End all connections; the server still listens."""
        clients, self._clients = self._clients, []
        for client in clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._closed.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._sender.close()
        self.disconnect()
        for thread in self._threads:
            thread.join(READY_WITHIN)
            assert not thread.is_alive()  # it would slow down every later test

    def _start(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._clients.append(client)
                self._start(partial(self._serve, client))

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), closing(client), client.makefile("rb") as lines:
            send: Callable[[bytes], object] = client.sendall
            while request := b"".join(takewhile(b"\r\n".__ne__, lines)).decode("latin1"):
                method = request.split()[0]
                number = re.search(r"CSeq: *(\d+)", request, re.IGNORECASE)
                status, headers, body = "200 OK", "Session: 1\r\n", ""
                if method == "DESCRIBE":
                    headers, body = "Content-Type: application/sdp\r\n", _SDP
                if method == "SETUP":
                    status, headers, send = self._set_up(client, request)
                client.sendall(
                    f"RTSP/1.0 {status}\r\nCSeq: {number[1] if number else 0}\r\n{headers}"
                    f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
                )
                if method == "PLAY":
                    self._start(partial(self._play, send))

    def _set_up(
        self, client: socket.socket, request: str
    ) -> tuple[str, str, Callable[[bytes], object]]:
        asked = re.search(r"Transport: *(\S+)", request, re.IGNORECASE)
        transport = asked[1] if asked else ""
        name = "tcp" if "TCP" in transport else "udp"
        self.setups.append(name)
        if name != self.supports:
            return "461 Unsupported Transport", "", client.sendall
        headers = f"Transport: {transport}\r\nSession: 1\r\n"
        if name == "tcp":
            return (
                "200 OK",
                headers,
                lambda packet: client.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet),
            )
        ports = re.search(r"client_port=(\d+)", transport)
        address = ("127.0.0.1", int(ports[1]) if ports else 0)
        port = self._sender.getsockname()[1]
        headers = headers.replace("\r\nSession", f";server_port={port}-{port + 1}\r\nSession", 1)
        return "200 OK", headers, lambda packet: self._sender.sendto(packet, address)

    def _play(self, send: Callable[[bytes], object]) -> None:
        """Send each unit in a packet of RTP (RFC 6184, 5.6)."""
        number = picture = 0
        with suppress(OSError):
            while True:
                for unit in self._units:
                    ends = unit[0] & 0x1F in (1, 5)  # a slice
                    time = picture * 90_000 // _RATE
                    send(
                        bytes([0x80, 96 | (ends << 7)])
                        + (number & 0xFFFF).to_bytes(2, "big")
                        + time.to_bytes(4, "big")
                        + b"flow"
                        + unit
                    )
                    number += 1
                    picture += ends
                    if ends and self._closed.wait(1 / _RATE):
                        return


@contextmanager
def one_transport(path: Path, supports: str) -> Iterator[OneTransportServer]:
    """The server, listening."""
    with closing(OneTransportServer(path, supports)) as server:
        yield server

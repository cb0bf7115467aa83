"""A real MQTT broker, and a client that collects what is published."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.testbed.process import READY_WITHIN, running, wait_until_ready

_CONFIG = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
user {user}
"""


@contextlib.contextmanager
def mosquitto(executable: str, folder: Path, port: int, *, user: str) -> Iterator[None]:
    """A broker without persistence on `port` while the block runs."""
    (folder / "mosquitto.conf").write_text(_CONFIG.format(port=port, user=user), encoding="utf-8")
    command = [executable, "-c", str(folder / "mosquitto.conf")]
    with running(command, folder / "mosquitto.log") as process:
        wait_until_ready(process, folder / "mosquitto.log", lambda: _listens(port))
        yield


class Subscriber:
    """Collects the messages of topics: (topic, payload as text, whether it was retained)."""

    def __init__(self, port: int, topic: str) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.messages: list[tuple[str, str, bool]] = []
        self._changed = threading.Condition()
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, 1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._note
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._subscribed.wait(READY_WITHIN)

    def _note(self, _: Any, __: Any, message: Any) -> None:
        with self._changed:
            self.messages.append((message.topic, message.payload.decode(), message.retain))
            self._changed.notify_all()

    def of(self, topic: str) -> list[str]:
        """The payloads so far."""
        return [text for name, text, _ in self.messages if name == topic]

    def until(self, condition: Callable[[], object]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, READY_WITHIN), self.messages

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False

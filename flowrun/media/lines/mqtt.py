"""Publish a line of JSON for every frame to an MQTT broker (MQTT 3.1.1)."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from flowrun.errors import SinkError
from flowrun.foreign import exception_text
from flowrun.media.lines.line_queue import Line
from flowrun.media.lines.queued import QueuedLines, UnavailableError
from flowrun.media.lines.tls import client_context
from flowrun.media.protocols import SinkContext
from flowrun.spec.flow import SinkSpec

if TYPE_CHECKING:
    from paho.mqtt.client import Client
    from paho.mqtt.reasoncodes import ReasonCode

_BATCH = 20  # lines that are published before the first is acknowledged
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_KEEPALIVE = 15  # seconds
_TIMEOUT = 10.0  # seconds without an acknowledgement
_GOODBYE = 2.0  # seconds for the last status
_AT_LEAST_ONCE = 1  # quality of service


class MqttSink(QueuedLines):
    """Lines to the topic of the URL, each at least once (quality of service 1), and a retained
    status to `TOPIC/status`: `online`, `offline` (also published by the broker if the run does not
    end in order), or what the run waits for and which expectations it breaks.

    After an interruption, lines without an acknowledgement are published again; a receiver tells
    repetitions by `run` and `index`.
    """

    def __init__(self, spec: SinkSpec, context: SinkContext) -> None:
        super().__init__(spec, context, batch=_BATCH)
        self._topic = unquote(urlsplit(spec.uri).path[1:])
        self._status_topic = f"{self._topic}/status"
        self._status: str | None = None  # the last one that was published
        self._sent: Sequence[Line] = ()  # published, and not all acknowledged
        self._published: set[int] = set()  # the numbers of their messages
        self._acknowledged: set[int] = set()
        self._connected = self._stopped = False
        self._reason = ""  # why it is not connected; empty while it tries for the first time
        self._news = threading.Condition()  # held for short, and never while the library is called
        self._client = _client(f"flowrun-{context.run}-{context.key}", self.key)
        self._connect(spec)
        self.start()

    def send(self, lines: Sequence[Line]) -> None:
        self._await_connection()
        if self._sent != lines:  # otherwise the library publishes them again by itself
            self._published = {self._publish(self._topic, line.text) for line in lines}
            self._sent = lines
        if not self._await(self._published, _TIMEOUT):
            raise UnavailableError(self._reason or f"no acknowledgement for {_TIMEOUT:g} s")
        self._sent = ()

    def tick(self) -> None:
        if self._connected:
            known = self._context.status()
            reasons = [*known.get("waiting_for", ()), *known.get("broken", ())]
            status = "; ".join(reasons) or "online"
            if status != self._status:
                self._status = status
                self._publish(self._status_topic, status, retain=True)

    def disconnect(self) -> None:
        if self._connected:
            last = self._publish(self._status_topic, "offline", retain=True)
            self._await({last}, _GOODBYE)
        self._client.disconnect()

    def interrupt(self) -> None:
        with self._news:
            self._stopped = True
            self._news.notify_all()

    def _connect(self, spec: SinkSpec) -> None:
        """Start the library's thread, which connects, and connects again."""
        url, client = urlsplit(spec.uri), self._client
        if url.username is not None:
            password = None if url.password is None else unquote(url.password)
            client.username_pw_set(unquote(url.username), password)
        if url.scheme == "mqtts":
            client.tls_set_context(client_context(spec.tls, self.key))
        client.will_set(self._status_topic, "offline", _AT_LEAST_ONCE, retain=True)
        first, longest = spec.reconnect.initial, spec.reconnect.maximum
        client.reconnect_delay_set(first, longest)  # type: ignore[arg-type]  # fractions, too
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_connect_fail, client.on_publish = self._on_connect_fail, self._on_publish
        client.connect_async(url.hostname or "", url.port or _PORTS[url.scheme], _KEEPALIVE)
        client.loop_start()

    def _publish(self, topic: str, text: bytes | str, *, retain: bool = False) -> int:
        return self._client.publish(topic, text, _AT_LEAST_ONCE, retain=retain).mid

    def _await_connection(self) -> None:
        with self._news:
            self._news.wait_for(lambda: self._connected or self._reason or self._stopped, _TIMEOUT)
            if not self._connected:
                raise UnavailableError(self._reason or "it does not respond")

    def _await(self, messages: set[int], timeout: float) -> bool:
        """Wait until the broker has all `messages`; whether it has. `timeout` is for each."""
        with self._news:
            while not messages <= self._acknowledged:
                if not self._connected or self._stopped or not self._news.wait(timeout):
                    return False
            self._acknowledged -= messages
            return True

    # The library's thread calls the methods below.

    def _on_connect(self, _: Client, __: Any, ___: Any, reason: ReasonCode, *____: Any) -> None:
        with self._news:
            self._connected = not reason.is_failure
            self._reason = f"it refuses the connection: {reason}" if reason.is_failure else ""
            self._status = None  # the broker may have published the last will
            self._news.notify_all()
        if not reason.is_failure:
            self.resume()

    def _on_disconnect(self, _: Client, __: Any, ___: Any, reason: ReasonCode, *____: Any) -> None:
        with self._news:
            self._connected = False
            self._reason = self._reason or f"the connection was lost: {reason}"
            self._news.notify_all()

    def _on_connect_fail(self, _: Client, __: Any) -> None:
        with self._news:
            self._reason = exception_text(sys.exc_info()[1] or OSError("no connection"))
            self._news.notify_all()

    def _on_publish(self, _: Client, __: Any, message: int, *___: Any) -> None:
        with self._news:
            self._acknowledged.add(message)
            self._news.notify_all()


def _client(name: str, key: str) -> Client:
    try:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion
    except ImportError as error:
        raise SinkError(
            "MQTT needs the package paho-mqtt", key=key, hint="pip install 'flowrun-kserve[mqtt]'"
        ) from error
    return Client(CallbackAPIVersion.VERSION2, name)

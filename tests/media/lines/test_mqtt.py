"""Lines on the topic of a real MQTT broker, and the status of the run beside it."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from flowrun.frame import VideoInfo
from flowrun.media.lines.mqtt import MqttSink
from flowrun.media.protocols import SinkContext
from flowrun.spec.flow import Reconnect, SinkSpec
from tests.media.lines.test_queued import Fate
from tests.testbed.mosquitto import Subscriber, mosquitto
from tests.testbed.process import free_ports

SOON = Reconnect(initial=0.05, maximum=0.1)
TOPIC = "yard/cam"


class Broker:
    def __init__(self, executable: str, folder: Path) -> None:
        (self.port,) = free_ports(1)
        self._executable, self._folder = executable, folder
        self._running = ExitStack()

    def start(self) -> None:
        broker = mosquitto(self._executable, self._folder, self.port, user=getpass.getuser())
        self._running.enter_context(broker)

    def stop(self) -> None:
        self._running.close()


@pytest.fixture
def broker(mosquitto_executable: str, tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(mosquitto_executable, tmp_path)
    yield broker
    broker.stop()


@pytest.fixture
def subscribe() -> Iterator[Callable[..., Subscriber]]:
    with ExitStack() as stack:

        def subscribe(broker: Broker, topic: str = f"{TOPIC}/#") -> Subscriber:
            subscriber = Subscriber(broker.port, topic)
            stack.callback(subscriber.close)
            return subscriber

        yield subscribe


def opened(broker: Broker, **context: Any) -> MqttSink:
    spec = SinkSpec(f"mqtt://127.0.0.1:{broker.port}/{TOPIC}", reconnect=SOON)
    return MqttSink(spec, SinkContext(VideoInfo(4, 2), run="4ae0", **context))


def test_lines_arrive_in_order_between_online_and_offline(broker: Broker, subscribe: Any) -> None:
    broker.start()
    subscriber = subscribe(broker)
    sink = opened(broker)
    subscriber.until(lambda: subscriber.of(f"{TOPIC}/status") == ["online"])
    for index in range(60):
        sink.note(Fate(index))
    sink.close()
    subscriber.until(lambda: subscriber.of(f"{TOPIC}/status") == ["online", "offline"])
    assert [json.loads(text)["index"] for text in subscriber.of(TOPIC)] == list(range(60))
    assert (sink.delivered, sink.failed) == (60, 0)
    later = subscribe(broker, f"{TOPIC}/status")
    later.until(lambda: later.messages == [(f"{TOPIC}/status", "offline", True)])


def test_the_status_is_what_the_run_waits_for(broker: Broker, subscribe: Any) -> None:
    broker.start()
    subscriber = subscribe(broker, f"{TOPIC}/status")
    waiting = {"waiting_for": ["source: rtsp://cam is unavailable since 12:00:01"], "broken": []}
    sink = opened(broker, status=lambda: waiting)
    subscriber.until(lambda: subscriber.of(f"{TOPIC}/status") == waiting["waiting_for"])
    waiting["waiting_for"] = []
    subscriber.until(lambda: subscriber.of(f"{TOPIC}/status")[1:] == ["online"])
    waiting["broken"] = ["expect.delivered is 90%, expected >= 99%"]
    subscriber.until(lambda: subscriber.of(f"{TOPIC}/status")[2:] == waiting["broken"])
    sink.close()


def test_lines_wait_for_a_broker_that_starts_later(broker: Broker, subscribe: Any) -> None:
    sink = opened(broker)
    sink.note(Fate(0))
    while sink.unavailable_since is None:
        sink._thread.join(0.01)
    broker.start()
    subscriber = subscribe(broker)
    subscriber.until(lambda: "online" in subscriber.of(f"{TOPIC}/status"))
    sink.note(Fate(1))
    sink.close()
    assert (sink.delivered, sink.failed, sink.reconnects) == (2, 0, 1)


def test_a_broker_that_is_restarted_gets_the_lines_of_the_meantime(
    broker: Broker, subscribe: Any
) -> None:
    broker.start()
    before = subscribe(broker, TOPIC)
    sink = opened(broker)
    sink.note(Fate(0))
    before.until(lambda: len(before.messages) == 1)
    broker.stop()
    while sink.unavailable_since is None:
        sink.note(Fate(1))
        sink._thread.join(0.01)
    broker.start()
    after = subscribe(broker, f"{TOPIC}/#")
    after.until(lambda: "online" in after.of(f"{TOPIC}/status"))
    sink.note(Fate(2))
    sink.close()
    assert sink.failed == 0
    after.until(lambda: [json.loads(line)["index"] for line in after.of(TOPIC)][-1:] == [2])


def test_a_broker_that_is_unavailable_does_not_keep_the_sink_open(broker: Broker) -> None:
    sink = opened(broker)
    sink.note(Fate(0))
    while sink.unavailable_since is None:
        sink._thread.join(0.01)
    sink.abort()
    sink.close()
    assert not sink._thread.is_alive()
    assert (sink.delivered, sink.missing) == (0, 1)

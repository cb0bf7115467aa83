from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from flowrun.spec.load import load
from flowrun.up.child import obey
from flowrun.up.order import ABORT, STOP, Order, encode, read_order

FLOW = """version: 1
source: rtsp://me:secret@cam/1
transport: {mode: unary, address: "a:1", model: m, headers: {key: "${KEY}"}}
sink: 'null'
"""


def test_a_flow_arrives_as_it_was_read(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(FLOW)
    order = Order(load(tmp_path / "f.yaml", environ={"KEY": "k"}), "token", "debug", verbose=True)
    reading, writing = os.pipe()
    os.write(writing, encode(order) + STOP)
    got = read_order(reading)
    assert got.loaded.flow == order.loaded.flow
    assert got.loaded.flow.transport.headers == {"key": "k"}
    assert (got.token, got.log_level, got.verbose) == ("token", "debug", True)
    assert os.read(reading, 10) == STOP
    os.close(reading)
    os.close(writing)


def test_without_a_supervisor_there_is_no_order() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"\0\0")
    os.close(writing)
    with pytest.raises(EOFError):
        read_order(reading)
    os.close(reading)


def test_a_run_obeys_its_supervisor() -> None:
    class Run:
        stopped, aborted = threading.Event(), threading.Event()

        def stop(self) -> None:
            self.stopped.set()

        def abort(self) -> None:
            self.aborted.set()

    run = Run()
    reading, writing = os.pipe()
    obey(run, reading)
    os.write(writing, STOP)
    assert run.stopped.wait(10)
    assert not run.aborted.is_set()
    os.write(writing, ABORT)
    assert run.aborted.wait(10)
    # The thread reads on, as in the process of a flow: the pipe stays open until the tests end.

"""What a flow expects, in runs as a user starts them: the exit code, the table, `/readyz`."""

from __future__ import annotations

import itertools
import json
import re
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowrun.run import Run
from flowrun.spec.expectations import expectations
from flowrun.spec.flow import (
    ExpectSpec,
    Flow,
    MetricsSpec,
    SinkSpec,
    SourceSpec,
    TransportSpec,
)
from tests.testbed.process import until_printed

LIMIT = 60.0  # seconds, a guard against hanging
MODULE = """
def people(frame, result):
    return None if frame.index % 10 == 3 else frame.attach(people=frame.index % 3)
def going(frame, result):
    if frame.index == 30:
        print("going", flush=True)
    return frame
def no(frame, result):
    raise ValueError("no")
"""


@pytest.fixture
def expecting(flow: Any, tmp_path: Path) -> Callable[..., Any]:
    (tmp_path / "watched.py").write_text(MODULE)
    return lambda expect, **keys: flow(expect=expect, **keys)


def expected(summary: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(each["key"], each["holds"], each["found"]) for each in summary["expect"]]


def test_a_run_that_breaks_an_expectation_ends_with_3_and_says_what_was_found(
    expecting: Any, flowrun_here: Any, tmp_path: Path
) -> None:
    path = expecting(
        '{delivered: 95%, dropped.hook: 2, attached.people: ">= 2", attached.cars: 0}',
        postprocess="[watched:people]",
    )
    done = flowrun_here(path, "--summary", "summary.json")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert done.returncode == summary["exit_code"] == 3
    assert expected(summary) == [
        ("delivered", False, "90% (18 of 20)"),
        ("dropped.hook", True, "2"),
        ("attached.people", True, "2"),
        ("attached.cars", False, "nothing"),
    ]
    lines = done.stderr.splitlines()
    assert lines[-5:-1] == [
        "  expected delivered >= 95%      broken: 90% (18 of 20)",
        "  expected dropped.hook == 2     holds: 2",
        "  expected attached.people >= 2  holds: 2",
        "  expected attached.cars == 0    broken: nothing",
    ]
    assert lines[-1] == f"flowrun: error: {summary['error']}"
    assert summary["error"].startswith("2 of 4 expectations broken: delivered is 90% (18 of 20),")
    assert flowrun_here("report", "summary.json").returncode == 0
    page = re.sub(r"<[^>]+>", " ", (tmp_path / "summary.html").read_text(encoding="utf-8"))
    assert re.search(r"delivered\s+&gt;= 95%\s+90% \(18 of 20\)\s+broken", page)


def test_a_run_that_keeps_its_expectations_ends_with_0(
    expecting: Any, flowrun_here: Any, tmp_path: Path
) -> None:
    done = flowrun_here(expecting("{delivered: 100%, failed: 0}"), "--summary", "summary.json")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (done.returncode, summary["error"]) == (0, None)
    assert [each[1] for each in expected(summary)] == [True, True]


def test_an_error_has_precedence_over_a_broken_expectation(
    expecting: Any, flowrun_here: Any, tmp_path: Path
) -> None:
    path = expecting("{delivered: 100%}", postprocess="[watched:no]")
    done = flowrun_here(path, "--summary", "summary.json")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert done.returncode == summary["exit_code"] == 1
    assert "watched:no raised ValueError" in summary["error"]
    assert [each[1] for each in expected(summary)] == [False]


@pytest.mark.parametrize("key", ["delivred: 99%", "latency.p95: 1s", "delivered: 1s"])
def test_an_expectation_that_cannot_be_judged_is_an_error_at_its_line(
    expecting: Any, flowrun_here: Any, key: str
) -> None:
    done = flowrun_here("validate", expecting(f"{{{key}}}"))
    assert done.returncode == 78
    assert f"expect.{key.partition(':')[0]}" in done.stdout


def test_a_run_that_is_stopped_is_judged_and_keeps_the_exit_code_of_the_signal(
    expecting: Any, started: Any, tmp_path: Path
) -> None:
    path = expecting(
        '{delivered: ">= 1000000", captured: ">= 30"}',
        source="test:64x48@30",
        limits=None,
        postprocess="[watched:going]",
    )
    running = started(path, "--summary", "summary.json")
    until_printed(running, "going")
    running.send_signal(signal.SIGTERM)
    _, text = running.communicate(timeout=LIMIT)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert running.returncode == summary["exit_code"] == 143
    assert [each[1] for each in expected(summary)] == [False, True]
    assert "1 of 2 expectations broken: delivered is " in text


class Model:
    """A model that takes `seconds`, as a server would."""

    seconds = 0.05
    image = threading.Event()  # never set: a wait that takes the time

    def __call__(self, image: Any) -> Any:
        self.image.wait(self.seconds)
        return image


MODEL = Model()


def readyz(address: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}/readyz", timeout=LIMIT) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.read().decode()
    except OSError:
        return 0, ""


def test_a_model_that_becomes_ten_times_slower_makes_the_run_not_ready_until_it_recovers(
    free_address: Callable[[], str],
) -> None:
    address = free_address()
    limit = "400ms"
    run = Run(
        Flow(
            name="f",
            source=SourceSpec("test:64x48@15", pace="realtime"),
            transport=TransportSpec("unary", ("embedded",), f"{__name__}:MODEL"),
            sinks=(SinkSpec("null"),),
            expect=ExpectSpec(1.0, expectations({"latency.transport.p50": limit})),
            metrics=MetricsSpec(address),
        )
    )
    running = threading.Thread(target=run.run)

    def until(code: int) -> str:
        end = time.monotonic() + LIMIT
        for _ in itertools.takewhile(lambda _: time.monotonic() < end, itertools.count()):
            found, text = readyz(address)
            if found == code and "open" not in text:
                return text
            running.join(0.05)
        pytest.fail(f"/readyz was never {code}: {text}")

    running.start()
    try:
        until(200)
        MODEL.seconds *= 10
        assert re.fullmatch(
            r"expect\.latency\.transport\.p50 is \S+, expected <= 400ms \(in the last 1 s\)\n",
            until(503),
        )
        MODEL.seconds /= 10
        until(200)
        assert run.status()["broken"] == []
    finally:
        MODEL.seconds = 0.05
        run.stop()
        running.join(LIMIT)
    assert not running.is_alive()

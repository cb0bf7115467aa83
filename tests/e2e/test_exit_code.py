"""The exit code of a run that lost frames: 3 if it had promised every frame."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.testbed.process import until_printed

# Both raise for the 8th frame.
MODULE = """
calls = 0
def model(image):
    global calls
    calls += 1
    if calls == 8:
        raise ValueError("no")
    return image
def hook(frame, result):
    if frame.index == 7:
        raise ValueError("no")
    return frame
def sieve(frame, result):
    return None if frame.index % 2 else frame
def going(frame, result):
    if frame.index == 30:
        print("going", flush=True)
    return frame
"""
PROMISE = ", and backpressure: every_frame promises to deliver all; the first was frame 7: "

Ended = Callable[..., "tuple[int, dict[str, Any], str]"]


@pytest.fixture
def ended(flow: Any, flowrun_here: Any, tmp_path: Path) -> Ended:
    """Run a flow with keys; exit status, summary and the log's last line."""
    (tmp_path / "faulty.py").write_text(MODULE)

    def ended(**keys: str) -> tuple[int, dict[str, Any], str]:
        done = flowrun_here(flow(**keys), "--summary", "summary.json")
        summary = json.loads((tmp_path / "summary.json").read_text())
        assert summary["exit_code"] == done.returncode
        return done.returncode, summary, done.stderr.splitlines()[-1]

    return ended


def transport(mode: str = "unary", **keys: str) -> str:
    more = "".join(f", {key}: {value}" for key, value in keys.items())
    alone = "in_flight: 1"  # so that the 8th request is that of frame 7
    return f"{{mode: {mode}, address: embedded, model: 'faulty:model', {alone}{more}}}"


@pytest.mark.parametrize("mode", ["unary", "stream"])
@pytest.mark.parametrize("backpressure", [None, "every_frame"])
def test_a_lost_request_of_a_file_is_exit_code_3(
    ended: Ended, mode: str, backpressure: str | None
) -> None:
    code, summary, last = ended(transport=transport(mode), backpressure=backpressure)
    assert (code, summary["delivered"], summary["failed"]["transport"]) == (3, 19, 1)
    assert last.startswith(f"flowrun: error: 1 of 20 frames lost (transport 1){PROMISE}")
    assert "faulty:model' raised ValueError: no" in last
    assert last == f"flowrun: error: {summary['error']}"


@pytest.mark.parametrize(
    ("keys", "delivered"),
    [
        ({"transport": transport(on_error="passthrough")}, 20),
        ({"postprocess": "[{hook: 'faulty:hook', on_error: passthrough}]"}, 20),
        ({"postprocess": "['faulty:sieve']"}, 10),
        ({"postprocess": "[{hook: 'faulty:hook', on_error: drop}]"}, 19),
    ],
)
def test_a_frame_that_passes_or_that_a_hook_or_its_on_error_drops_is_not_lost(
    ended: Ended, keys: dict[str, str], delivered: int
) -> None:
    code, summary, _ = ended(**keys)
    assert (code, summary["error"], summary["delivered"]) == (0, None, delivered)


@pytest.mark.parametrize("policy", ["latest", "{policy: bounded_age, max_age: 5s}"])
def test_a_policy_that_drops_frames_has_promised_nothing(ended: Ended, policy: str) -> None:
    code, summary, _ = ended(backpressure=policy, transport=transport())
    assert (code, summary["error"]) == (0, None)
    assert 0 < summary["delivered"] < 20


def test_an_error_that_ends_the_run_is_in_the_summary(ended: Ended) -> None:
    code, summary, _ = ended(transport=transport(on_error="fail"))
    assert code == 1
    assert summary["error"].startswith("transport: the server answered INTERNAL: ")


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_after_a_signal_the_exit_code_is_that_of_the_signal(
    flow: Any, running: Any, tmp_path: Path
) -> None:
    (tmp_path / "faulty.py").write_text(MODULE)
    path = flow(transport=transport(), postprocess="['faulty:going']", limits="{frames: 100000000}")
    run = running(path)
    until_printed(run.process, "going")
    run.process.send_signal(signal.SIGINT)
    code, summary, said = run.ends()
    assert (code, summary["exit_code"]) == (130, 130)
    assert said.splitlines()[-1] == f"flowrun: error: {summary['error']}"
    assert PROMISE in summary["error"]

"""A model server that is killed in the middle of a run, and started again."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as stubs

from tests.testbed.process import until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")

MODES = ["stream", pytest.param("unary", marks=pytest.mark.slow)]
FRAMES = 150
LIMIT = 10.0  # seconds, a guard against hanging
# The source waits at frames 50 and 100 until the test opens the gate, which is a pipe.
HOOKS = """
from pathlib import Path
def gate(frame):
    if frame.index in (50, 100):
        Path(f"waiting-{frame.index}").touch()
        Path("gate").read_bytes()
    return frame
def note(frame, result):
    with Path("seen").open("a") as seen:
        print(frame.index, result.generation, file=seen)
    return frame
"""
MEANWHILE = {
    "drop": "frames are dropped until it is available again",
    "passthrough": "frames pass unchanged until it is available again",
}


class Run:
    """A run that stands at frame 50."""

    def __init__(self, running: Any) -> None:
        self.folder: Path = running.folder
        self.process = running.process
        self.until_logged, self.ends = running.until_logged, running.ends

    def stands_at(self, frame: int) -> None:
        file = self.folder / f"waiting-{frame}"
        until(file.exists, f"the run has not come to frame {frame}")

    def open_gate(self) -> None:
        (self.folder / "gate").write_bytes(b"")

    def recovers(self) -> tuple[str, dict[str, Any]]:
        """The server is available again, and the run delivers all of its frames: the line of the
        log, and the summary."""
        line = self.until_logged("is available again after")
        self.stands_at(100)
        self.open_gate()
        code, summary, said = self.ends()
        assert code == 0, said
        assert summary["captured"] == summary["delivered"] == FRAMES
        return line, summary

    def generations(self) -> list[int]:
        lines = (self.folder / "seen").read_text().splitlines()
        return [int(line.split()[1]) for line in lines]


@pytest.fixture
def embedded(model_server: Any) -> Any:
    model_server.start()
    return model_server


@pytest.fixture
def run(flow: Any, running: Any, tmp_path: Path) -> Callable[..., Run]:
    (tmp_path / "hooks.py").write_text(HOOKS)
    os.mkfifo(tmp_path / "gate")

    def run(server: Any, mode: str, policy: str, **keys: str) -> Run:
        address = server.address
        transport = f"mode: {mode}, address: '{address}', model: identity, on_outage: {policy}"
        path = flow(
            transport=f"{{{transport}}}",
            preprocess="['hooks:gate']",
            postprocess="['hooks:note']",
            limits=f"{{frames: {FRAMES}}}",
            **keys,
        )
        started = Run(running(path))
        started.stands_at(50)
        return started

    return run


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_file_waits_for_its_server_and_no_frame_is_dropped(
    run: Any, embedded: Any, probe: Any, mode: str, number: int
) -> None:
    running = run(embedded, mode, "auto", sink="out.mp4")
    embedded.kill(number)
    running.open_gate()
    assert running.until_logged("the model server is unavailable").endswith(
        "; frames are held until it is available again\n"
    )
    embedded.start()
    line, summary = running.recovers()
    assert re.search(r"resent: [1-9]\d*, failed: 0\n$", line)
    assert summary["reconnects"]["transport"] == 1
    assert summary["unavailable_s"]["transport"] > 0
    assert summary["bottleneck"] != "source"
    assert summary["generation"] == (2 if mode == "stream" else 1)
    generations = running.generations()
    assert len(generations) == FRAMES
    assert (generations[0], generations[-1]) == (1, summary["generation"])
    assert generations == sorted(generations)
    assert len(probe(running.folder / "out.mp4").times) == FRAMES


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["stream", "unary"])
def test_a_run_survives_a_second_outage(run: Any, embedded: Any, mode: str) -> None:
    running = run(embedded, mode, "hold")
    for frame in (100, None):
        embedded.kill()
        running.open_gate()
        running.until_logged("the model server is unavailable")
        embedded.start()
        running.until_logged("is available again after")
        if frame:
            running.stands_at(frame)
    code, summary, said = running.ends()
    assert code == 0, said
    assert summary["delivered"] == FRAMES
    assert summary["reconnects"]["transport"] == 2


@pytest.mark.parametrize(
    ("policy", "mode"),
    [
        ("drop", "stream"),
        pytest.param("passthrough", "unary", marks=pytest.mark.slow),
        pytest.param("drop", "unary", marks=pytest.mark.slow),
        pytest.param("passthrough", "stream", marks=pytest.mark.slow),
    ],
)
def test_without_hold_the_run_continues_and_uses_the_server_when_it_is_available_again(
    run: Any, embedded: Any, mode: str, policy: str
) -> None:
    running = run(embedded, mode, policy)
    embedded.kill()
    running.open_gate()
    assert running.until_logged("the model server is unavailable").endswith(
        f"; {MEANWHILE[policy]}\n"
    )
    embedded.start()
    assert "resent: 0, failed: " in running.until_logged("is available again after")
    running.stands_at(100)
    running.open_gate()
    code, summary, said = running.ends()
    assert code == (0 if policy == "passthrough" else 3), said  # a file promises every frame
    answered = len(running.generations())
    assert FRAMES - 54 <= answered <= FRAMES - 50  # four were in flight, at most
    assert summary["delivered"] == (FRAMES if policy == "passthrough" else answered)
    assert summary["delivered"] + summary["failed"]["transport"] == FRAMES
    assert summary["reconnects"]["transport"] == 1
    lost = re.findall("error: (.*)", said)
    if policy == "passthrough":
        assert not lost
    else:
        assert lost == [summary["error"]]
        assert lost[0].startswith(f"{FRAMES - answered} of {FRAMES} frames lost (transport ")
    assert "WARNING" not in said  # it was logged already


@pytest.mark.parametrize("mode", MODES)
def test_with_fail_the_run_ends_and_reports_the_reason(
    run: Any, embedded: Any, probe: Any, tmp_path: Path, mode: str
) -> None:
    running = run(embedded, mode, "fail", sink="out.mp4")
    embedded.kill()
    running.open_gate()
    code, summary, said = running.ends()
    line = (tmp_path / "flow.yaml").read_text().splitlines()[2]
    column = line.index("fail")
    assert code == 1
    error = said[said.index("flow.yaml") :]
    why = re.search(r"cannot connect to \S+ \((connection refused|connection reset)\)", error)
    assert why is not None
    assert error == (
        f"flow.yaml:3:{column + 1}: error: transport.on_outage:"
        f" the model server is unavailable: {why[0]}\n"
        f"    {line}\n"
        f"    {' ' * column}^\n"
        "    `hold` waits for the server; `drop` and `passthrough` continue without it\n"
    )
    assert summary["failed"]["transport"] == 1
    assert len(probe(tmp_path / "out.mp4").times) == summary["delivered"] > 0


@pytest.mark.parametrize("mode", MODES)
def test_a_signal_ends_the_waiting_and_the_file_plays(
    run: Any, embedded: Any, probe: Any, tmp_path: Path, mode: str
) -> None:
    running = run(embedded, mode, "hold", sink="out.mp4")
    embedded.kill()
    running.open_gate()
    running.until_logged("the model server is unavailable")
    running.process.send_signal(signal.SIGTERM)
    code, summary, said = running.ends()
    assert code == 143, said
    assert summary["captured"] == summary["delivered"] + summary["failed"]["transport"]
    assert summary["failed"]["transport"] > 0
    assert 46 <= len(probe(tmp_path / "out.mp4").times) == summary["delivered"] <= 50


def ask_triton(address: str, method: str) -> None:
    """Load or unload the model `identity`."""
    with grpc.insecure_channel(address) as channel:
        request = getattr(pb, f"{method}Request")(model_name="identity")
        getattr(stubs.GRPCInferenceServiceStub(channel), method)(request, timeout=LIMIT)


@pytest.mark.parametrize("mode", MODES)
def test_triton_unloads_and_loads_the_model(run: Any, triton: Any, mode: str) -> None:
    running = run(triton, mode, "hold")
    ask_triton(triton.address, "RepositoryModelUnload")
    running.open_gate()
    running.until_logged("the model is not ready")
    ask_triton(triton.address, "RepositoryModelLoad")
    running.recovers()


@pytest.mark.parametrize("mode", MODES)
def test_triton_is_killed_and_its_model_takes_a_while_to_load(
    run: Any, triton: Any, mode: str
) -> None:
    running = run(triton, mode, "hold")
    triton.kill()
    running.open_gate()
    running.until_logged("the model server is unavailable")
    triton.start()
    _, summary = running.recovers()
    assert summary["reconnects"]["transport"] == 1

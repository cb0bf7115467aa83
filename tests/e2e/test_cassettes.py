"""`flowrun record`, and `address: replay:FILE` in place of the server."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowrun.kserve.server.embedded import serve
from tests.e2e.conftest import Flowrun, ffmpeg

HOLISTIC = Path(__file__).parents[2] / "flows" / "holistic_file.yaml"
FRAMES = 12

FLOW = """\
version: 1
source: test:64x48@10
transport: {{mode: {mode}, address: '{address}', model: {model}, on_error: drop, timeout: 5s}}
postprocess: [taken:digest]
sink: {out}.jsonl
limits: {{frames: 12}}
"""
# Stateful: the response depends on how many requests there were before.
MODEL = """\
import numpy as np


class Counter:
    def __init__(self):
        self.count = 0

    def __call__(self, image):
        self.count += 1
        if self.count % 5 == 0:
            return None
        return np.ascontiguousarray(np.roll(image, self.count, axis=1))
"""
HOOK = """\
import hashlib


def digest(frame, result):
    found = hashlib.sha256(result.as_numpy("output")).hexdigest() if result.outputs else None
    return frame.attach(sha=found)
"""


@pytest.fixture
def flow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Write a flow, with a hook that attaches the digest of the output."""
    (folder / "taken.py").write_text(HOOK)
    (folder / "counting.py").write_text(MODEL)
    monkeypatch.syspath_prepend(folder)
    for name in ("taken", "counting"):
        monkeypatch.delitem(sys.modules, name, raising=False)

    def flow(out: str, address: str, mode: str = "stream", model: str = "counted") -> str:
        path = folder / f"{out}.yaml"
        path.write_text(FLOW.format(out=out, address=address, mode=mode, model=model))
        return path.name

    return flow


def lines(folder: Path, name: str) -> list[tuple[Any, ...]]:
    found = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
    return [(each["index"], each["fate"], each.get("data", {}).get("sha")) for each in found]


def checksums(path: Path) -> list[str]:
    """A checksum for each picture of a video."""
    text = ffmpeg(*("-loglevel", "error", "-i", path, "-f", "framemd5", "-")).stdout
    return [line.split(",")[-1] for line in text.splitlines() if not line.startswith("#")]


def ledger(folder: Path, name: str) -> dict[str, Any]:
    found = json.loads((folder / f"{name}.json").read_text())
    return {key: found[key] for key in ("captured", "delivered", "dropped", "failed", "aborted")}


@pytest.mark.parametrize("mode", ["stream", "unary"])
def test_a_replay_has_the_same_ledger_and_results(
    folder: Path, flow: Callable[..., str], flowrun_here: Flowrun, mode: str
) -> None:
    with serve(["counted=counting:Counter"], "127.0.0.1:0") as server:
        path = flow("recorded", server.address, mode)
        done = flowrun_here("record", path, "--to", "a.tape", "--summary", "recorded.json")
    assert done.returncode in (0, 3)
    for name, address in (("first", "replay:a.tape"), ("second", "replay:a.tape")):
        again = flowrun_here(flow(name, address, mode), "--summary", f"{name}.json")
        assert again.returncode == done.returncode, again.stderr
        assert lines(folder, name) == lines(folder, "recorded")
        assert ledger(folder, name) == ledger(folder, "recorded")
    assert ledger(folder, "recorded")["captured"] == FRAMES


def test_a_cassette_is_replaced_only_with_y(
    folder: Path, flow: Callable[..., str], flowrun_here: Flowrun
) -> None:
    path = flow("once", "embedded", "unary", "edges")
    (folder / "a.tape").write_text("precious")
    refused = flowrun_here("record", path, "--to", "a.tape")
    assert (refused.returncode, refused.stderr) == (
        2,
        "flowrun: error: --to a.tape: the file exists\n"
        "  choose another path, or replace it with -y\n",
    )
    assert (folder / "a.tape").read_text() == "precious"
    assert flowrun_here("record", path, "--to", "a.tape", "-y").returncode == 0
    assert (folder / "a.tape").read_bytes().startswith(b"PK")
    assert not (folder / "a.tape.part").exists()


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("once.yaml", "this is the flow"),
        ("once.jsonl", "a sink writes this file"),
        (".", "this is a directory"),
        ("-", "this is not a file"),
        ("a.pipe", "this is not a file"),
    ],
)
def test_a_cassette_is_no_other_file_of_the_run(
    folder: Path, flow: Callable[..., str], flowrun_here: Flowrun, target: str, why: str
) -> None:
    if target == "a.pipe":
        os.mkfifo(folder / target)
    done = flowrun_here("record", flow("once", "embedded", "unary", "edges"), "--to", target, "-y")
    assert done.returncode == 2
    assert f"--to {target}: {why}" in done.stderr


def test_a_run_without_a_request_leaves_no_cassette(
    folder: Path, flow: Callable[..., str], flowrun_here: Flowrun
) -> None:
    path = flow("none", "embedded", "unary", "missing")
    assert flowrun_here("record", path, "--to", "a.tape").returncode == 78
    assert not list(folder.glob("a.tape*"))


def test_a_full_cassette_ends_the_run(
    folder: Path, flow: Callable[..., str], flowrun_here: Flowrun
) -> None:
    path = flow("many", "embedded", "unary", "identity")
    done = flowrun_here(
        *("record", path, "--to", "a.tape", "--max-size", "0.02M", "--set", "limits.frames=2000")
    )
    assert done.returncode == 0, done.stderr
    count = len(lines(folder, "many"))
    assert 0 < count < 2000
    again = flowrun_here(flow("again", "replay:a.tape", "unary", "identity"))
    assert again.returncode in (0, 3)
    assert lines(folder, "again")[:2] == lines(folder, "many")[:2]


def test_validate_and_run_report_a_cassette_alike(
    folder: Path, flow: Callable[..., str], flowrun_here: Flowrun
) -> None:
    (folder / "a.tape").write_bytes(b"nothing")
    path = flow("wrong", "replay:a.tape")
    text = "transport.address: a.tape is not a cassette, or it was cut off: File is not a zip file"
    assert text in flowrun_here(path).stderr
    checked = flowrun_here("validate", "--live", path)
    assert text in checked.stdout + checked.stderr


def test_graph_and_explain_show_the_cassette(
    flow: Callable[..., str], flowrun_here: Flowrun
) -> None:
    path = flow("shown", "replay:a.tape")
    assert "stream, counted from the cassette a.tape" in flowrun_here("graph", path).stdout
    assert "replay:a.tape" in flowrun_here("explain", path).stdout


PICTURES = """\
version: 1
source: test:64x48@10
transport: {{mode: unary, address: '{address}', model: edges}}
postprocess: [picture, {{hook: mark:mark, with: {{since: {since}}}}}]
sink: {{uri: {out}.avi, codec: ffv1}}
limits: {{frames: 12}}
"""
MARK = """\
def mark(frame, result, since):
    image = frame.image.copy()
    if frame.index >= since:
        image[:8, :8] = 255
    return image
"""


def test_a_changed_hook_shows_in_the_pictures_and_only_there(
    folder: Path, flowrun_here: Flowrun
) -> None:
    (folder / "mark.py").write_text(MARK)

    def made(out: str, address: str, since: int, *command: str) -> list[str]:
        path = folder / f"{out}.yaml"
        path.write_text(PICTURES.format(out=out, address=address, since=since))
        done = flowrun_here(*command[:1], path.name, *command[1:])
        assert done.returncode == 0, done.stderr
        return checksums(folder / f"{out}.avi")

    recorded = made("recorded", "embedded", 5, "record", "--to", "a.tape")
    assert len(recorded) == FRAMES
    assert made("same", "replay:a.tape", 5) == recorded
    changed = made("changed", "replay:a.tape", 9)
    differ = [one != other for one, other in zip(recorded, changed, strict=True)]
    assert differ == [5 <= index < 9 for index in range(FRAMES)]


def test_a_replay_of_mediapipe_has_the_same_ledger_and_pictures(
    mediapipe_python: str, footage: Path, folder: Path, flowrun_here: Flowrun
) -> None:
    def made(out: str, address: str, *command: str) -> tuple[dict[str, Any], list[str]]:
        done = flowrun_here(
            *(*command[:1], HOLISTIC, *command[1:], "--grpc-address", address),
            *("--input-stream", footage / "again.mkv", "--limit-frames", "25"),
            *("--set", f"sink={{uri: {out}.avi, codec: ffv1}}", "--summary", f"{out}.json"),
        )
        assert done.returncode == 0, done.stderr
        return ledger(folder, out), checksums(folder / f"{out}.avi")

    with serve(["holisticTracking"], "127.0.0.1:0", mediapipe_python) as server:
        recorded = made("recorded", server.address, "record", "--to", "a.tape")
    counters, pictures = recorded
    assert counters["delivered"] == len(pictures) == 25
    assert made("fast", "replay:a.tape") == recorded
    at_pace = made("paced", "replay:a.tape", "run", "--set", "transport.replay_pace=recorded")
    assert at_pace == recorded

"""What a test of a flow may use, and where it writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowrun.inspect.testing.isolation import isolated
from flowrun.spec.flow import Flow
from flowrun.spec.load import load
from flowrun.spec.problems import FlowError

CAMERA = """
version: 1
source: rtsp://me:secret@camera.example/door
transport: {mode: unary, address: [one.example:9000, two.example:9000], model: m}
sink: [rtsp://out.example/door, recordings/door.mp4, screen]
metrics: 127.0.0.1:9100
"""
REPLACED = {
    "source": "source: test:64x48@10",
    "address": "transport: {address: embedded}",
    "sink": "sink: 'null'",
    "limits": "limits: {frames: 10}",
}


def flow(folder: Path, base: str = CAMERA, **lines: str) -> Flow:
    (folder / "camera.yaml").write_text(base)
    test = folder / "door.test.yaml"
    test.write_text("\n".join(["extends: camera.yaml", *lines.values()]))
    own = folder / "own"
    own.mkdir(exist_ok=True)
    return isolated(load(test), own)


def problems(folder: Path, base: str = CAMERA, **lines: str) -> dict[str, str]:
    with pytest.raises(FlowError) as raised:
        flow(folder, base, **lines)
    return {problem.key: f"{problem.message}\n{problem.hint}" for problem in raised.value.problems}


def test_everything_remote_that_is_inherited_is_refused_with_what_to_replace(folder: Path) -> None:
    found = problems(folder)
    assert list(found) == ["source", "transport.address", "sink[0]", "sink[2]"]
    assert "rtsp://***@camera.example/door" in found["source"]
    assert "one.example:9000, two.example:9000" in found["transport.address"]
    for text in found.values():
        assert f"replace it in {folder / 'door.test.yaml'}: `" in text


@pytest.mark.parametrize(
    ("missing", "keys"),
    [
        ("source", ["source"]),
        ("address", ["transport.address"]),
        ("sink", ["sink[0]", "sink[2]"]),
    ],
)
def test_what_is_not_replaced_is_refused(folder: Path, missing: str, keys: list[str]) -> None:
    lines = {name: line for name, line in REPLACED.items() if name != missing}
    assert list(problems(folder, **lines)) == keys


def test_a_long_form_that_only_adds_a_key_inherits_the_uri(folder: Path) -> None:
    lines = {**REPLACED, "source": "source: {size: 64x48}"}
    long = CAMERA.replace("rtsp://me:secret@camera.example/door", "{uri: 'rtsp://camera.example'}")
    assert list(problems(folder, long, **lines)) == ["source"]


def test_what_the_test_itself_names_is_used(folder: Path) -> None:
    lines = {**REPLACED, "source": "source: rtsp://127.0.0.1/x", "sink": "sink: udp://127.0.0.1:9"}
    made = flow(folder, **lines)
    assert (made.source.uri, made.sinks[0].uri) == ("rtsp://127.0.0.1/x", "udp://127.0.0.1:9")


def test_a_source_without_an_end_is_refused(folder: Path) -> None:
    lines = {name: line for name, line in REPLACED.items() if name != "limits"}
    assert "has no end" in problems(folder, **lines)["source"]


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("out.mp4", "out.mp4"),
        ("a/b/out.jsonl", "a/b/out.jsonl"),
        ("../../out.mkv", "out.mkv"),
        ("/var/rec/out.mp4", "var/rec/out.mp4"),
        ("rec/%Y/%H.mp4", "rec/%Y/%H.mp4"),
        ("live/cam.m3u8", "live/cam.m3u8"),
        ("-", "lines.jsonl"),
    ],
)
def test_files_are_written_to_the_folder_of_the_test(folder: Path, uri: str, expected: str) -> None:
    made = flow(folder, **REPLACED | {"sink": f"sink: ['null', '{uri}']"})
    assert made.sinks[0].uri == "null"
    assert Path(made.sinks[1].uri) == folder / "own" / "1" / expected
    if "%" not in uri:
        assert Path(made.sinks[1].uri).parent.is_dir()


def test_a_test_opens_no_port_for_metrics(folder: Path) -> None:
    assert flow(folder, **REPLACED).metrics is None

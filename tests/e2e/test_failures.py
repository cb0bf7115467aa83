"""Whatever is wrong ends with one message that names the key, and with the right exit code."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowrun.kserve.server.models.registry import ISOLATED, MODELS

EMBEDDED = "mode: stream, address: embedded, model: identity"


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is bound and does not listen: it refuses connections, and stays reserved."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


CASES: dict[str, tuple[dict[str, str], int, str]] = {
    "a missing file": (
        {"source": "missing.mp4"},
        1,
        "flow.yaml:2:9: error: source: there is no file missing.mp4\n"
        "    source: missing.mp4\n"
        "            ^\n"
        "    relative paths start at the working directory, {cwd}\n",
    ),
    "a refused port": (
        {"transport": "{mode: stream, address: '127.0.0.1:{port}', model: identity}"},
        1,
        "flow.yaml:3:36: error: transport.address: cannot connect to 127.0.0.1:{port}"
        " (connection refused)\n"
        "    transport: {mode: stream, address: '127.0.0.1:{port}', model: identity}\n"
        "                                       ^\n"
        "    start the model server, or correct the address\n",
    ),
    "an unknown model": (
        {"transport": "{mode: stream, address: embedded, model: identiti}"},
        78,
        "flow.yaml:3:53: error: transport.model: there is no built-in model 'identiti'\n"
        "    transport: {mode: stream, address: embedded, model: identiti}\n"
        "                                                        ^\n"
        f"    did you mean 'identity'? built-in models: {', '.join([*MODELS, *ISOLATED])}; for your"
        " own write package.module:name, or the path of an .onnx or .xml file\n",
    ),
    "a wrong input name": (
        {"transport": "{" + EMBEDDED + ", input: picture}"},
        1,
        "flow.yaml:3:70: error: transport.input: model 'identity' has no input 'picture'\n"
        "    transport: {" + EMBEDDED + ", input: picture}\n"
        "                                                                         ^\n"
        "    write under `transport`:\n"
        "      input: image\n",
    ),
    "a hook that does not import": (
        {"preprocess": "[no_such_package.hooks:blur]"},
        78,
        "flow.yaml:6:14: error: preprocess[0].hook: there is no module 'no_such_package'"
        " (in 'no_such_package.hooks:blur')\n"
        "    preprocess: [no_such_package.hooks:blur]\n"
        "                 ^\n"
        "    looked in {cwd} and in the installed packages\n",
    ),
    "a hook that raises": (
        {"postprocess": "[bad:raises]"},
        1,
        "flow.yaml:6:15: error: postprocess[0]: bad:raises raised ValueError: no good at frame 0"
        " ({cwd}/bad.py:2)\n"
        "    postprocess: [bad:raises]\n"
        "                  ^\n",
    ),
    "an unwritable output": (
        {"sink": "bad.py/out.mp4"},
        1,
        "flow.yaml:4:7: error: sink: bad.py/out.mp4 cannot be written: File exists\n"
        "    sink: bad.py/out.mp4\n"
        "          ^\n",
    ),
    "an existing output": (
        {"sink": "there.mp4"},
        1,
        "flow.yaml:4:7: error: sink: there.mp4 exists and is not overwritten\n"
        "    sink: there.mp4\n"
        "          ^\n"
        "    choose another path, or set `overwrite: true` under `sink`\n",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_error_is_reported_once_and_at_its_line(
    case: str, flow: Any, flowrun_here: Any, closed_port: int, tmp_path: Path
) -> None:
    keys, code, text = CASES[case]
    (tmp_path / "bad.py").write_text(
        "def raises(frame, result):\n    raise ValueError('no good')\n"
    )
    (tmp_path / "there.mp4").write_text("")
    filled = {key: value.replace("{port}", str(closed_port)) for key, value in keys.items()}
    flow(**filled)
    done = flowrun_here("flow.yaml")
    wanted = text.replace("{port}", str(closed_port)).replace("{cwd}", str(tmp_path))
    said = done.stderr[done.stderr.index("flow.yaml:") :]
    assert (done.returncode, said) == (code, wanted)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not list(tmp_path.glob("*.part.*"))


def test_verbose_shows_the_traceback_as_well(flow: Any, flowrun_here: Any) -> None:
    done = flowrun_here(flow(source="missing.mp4"), "--verbose")
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr


def test_an_invalid_flow_exits_with_78_and_runs_nothing(flow: Any, flowrun: Any) -> None:
    done = flowrun(flow(sourse="x.mp4"))
    assert done.returncode == 78
    assert "flow.yaml:6:1: error: " in done.stderr


def test_a_wrong_command_line_exits_with_2(flowrun: Any) -> None:
    done = flowrun("--no-such-flag")
    assert done.returncode == 2
    assert "flowrun: error: " in done.stderr


def test_options_that_the_encoder_rejects_are_reported_with_the_message_of_ffmpeg(
    flow: Any, flowrun_here: Any
) -> None:
    done = flowrun_here(flow(sink="{uri: out.mp4, preset: no_such_preset}"))
    assert done.returncode == 1
    assert "error: sink: ffmpeg could not write out.part.mp4: " in done.stderr
    assert "Error setting preset/tune no_such_preset/(null)." in done.stderr


def test_an_unknown_encoder_is_an_error_at_its_key(flow: Any, flowrun_here: Any) -> None:
    done = flowrun_here(flow(sink="{uri: out.mp4, codec: no_such_codec}"))
    assert done.returncode == 78
    assert "error: sink.codec: ffmpeg has no video encoder 'no_such_codec'" in done.stderr


def test_a_model_that_does_not_fit_is_reported_before_a_file_that_exists(
    flow: Any, flowrun_here: Any, tmp_path: Path
) -> None:
    (tmp_path / "out.jsonl").write_text("mine")
    unfit = flow(
        transport="{mode: unary, address: embedded, model: identity, input: none}", sink="out.jsonl"
    )
    assert "transport.input" in flowrun_here(unfit).stderr
    fit = flowrun_here(flow(sink="[new.jsonl, out.jsonl]"))
    assert fit.returncode == 1
    assert "out.jsonl exists and is not overwritten" in fit.stderr
    assert not (tmp_path / "new.jsonl").exists()


@pytest.mark.usefixtures("pyav")
@pytest.mark.skipif(sys.platform == "win32", reason="limits files as POSIX does")
@pytest.mark.parametrize(
    ("encoder", "ending"),
    [
        ("ffmpeg", "mp4"),
        ("av", "mkv"),
        pytest.param("ffmpeg", "mkv", marks=pytest.mark.slow),
        pytest.param("av", "mp4", marks=pytest.mark.slow),
    ],
)
def test_on_a_full_disk_the_recording_plays_and_has_the_frames_that_count_as_delivered(
    flow: Any, flowrun: Any, probe: Any, tmp_path: Path, encoder: str, ending: str
) -> None:
    (tmp_path / "small.py").write_text(
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "def hook(frame, result):\n"
        "    return frame\n"
    )
    sink = f"{{uri: out.{ending}, encoder: {encoder}, preset: ultrafast, quality: 1}}"
    path = flow(sink=sink, postprocess="[small:hook]", limits="{frames: 500}")
    done = flowrun(path, "--summary", "summary.json")
    assert done.returncode == 1
    assert f"error: sink: {encoder} could not write out.part.{ending}: " in done.stderr
    assert "File too large" in done.stderr or "File size limit exceeded" in done.stderr
    assert "Traceback" not in done.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["delivered"] == len(probe(tmp_path / f"out.{ending}").times) > 1
    assert summary["sinks"][0]["delivered"] == summary["delivered"]
    assert summary["failed"]["sink"] > 1
    lost = summary["failed"]["sink"] + summary["aborted"]
    assert summary["captured"] == summary["delivered"] + lost
    assert f"delivered {summary['delivered']} " in done.stderr


def test_a_run_in_which_every_frame_failed_has_failed(flow: Any, flowrun_here: Any) -> None:
    Path(flow().parent, "broken.py").write_text("def model(image):\n    raise ValueError('no')\n")
    done = flowrun_here(flow(transport="{mode: unary, address: embedded, model: 'broken:model'}"))
    assert done.returncode == 1
    assert "error: no frame was delivered (transport 20); the first was frame 0: " in done.stderr
    assert "captured 20 = delivered 0 + dropped 0 + failed 20 (transport 20)" in done.stderr


@pytest.mark.parametrize(
    ("key", "hook"),
    [("preprocess", "def drop(frame):"), ("postprocess", "def drop(frame, result):")],
)
def test_a_run_whose_hook_drops_every_frame_has_failed(
    flow: Any, flowrun_here: Any, tmp_path: Path, key: str, hook: str
) -> None:
    (tmp_path / "forgets.py").write_text(f"{hook}\n    frame.image.copy()\n")
    done = flowrun_here(flow(**{key: "['forgets:drop']"}))
    assert done.returncode == 1
    assert done.stderr.endswith(
        "flowrun: error: no frame was delivered (hook 20); the first was frame 0:"
        f" {key}[0]: forgets:drop returned None\n"
    )


@pytest.mark.parametrize("backpressure", ["every_frame", "latest"])
def test_a_run_in_which_every_call_of_a_hook_fails_has_failed(
    flow: Any, flowrun_here: Any, tmp_path: Path, backpressure: str
) -> None:
    (tmp_path / "broken.py").write_text("def hook(frame):\n    raise ValueError('no')\n")
    hook = "[{hook: 'broken:hook', on_error: drop}]"
    done = flowrun_here(flow(preprocess=hook, backpressure=backpressure))
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("flowrun: error: no frame was delivered (")
    assert "preprocess[0]: broken:hook raised ValueError: no at frame" in last

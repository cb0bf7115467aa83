"""Runs with a window on a real display."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowrun.media.ffmpeg.process import executable
from tests.testbed.process import until

LIMIT = 60  # seconds; a guard against hanging


def screenshot(display: str) -> Any:
    command = [executable(), "-nostdin", "-loglevel", "error", "-f", "x11grab"]
    command += [
        "-draw_mouse",
        "0",
        "-i",
        display,
        "-frames:v",
        "1",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-",
    ]
    data = subprocess.run(command, capture_output=True, timeout=LIMIT, check=True).stdout
    return np.frombuffer(data, np.uint8).reshape(1024, 1280, 3)


def xdotool(display: str, *words: str) -> str:
    done = subprocess.run(
        ["xdotool", *words],
        env={**os.environ, "DISPLAY": display},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("key", ["q", "Escape"])
def test_the_picture_is_on_the_screen_and_a_key_ends_the_run(
    display: str, flow: Any, probe: Any, tmp_path: Path, key: str
) -> None:
    path = flow(source="'test:640x480@30'", sink="[screen, out.mp4]", limits=None)
    process = subprocess.Popen(
        [sys.executable, "-m", "flowrun", str(path), "--summary", "summary.json"],
        cwd=tmp_path,
        env={**os.environ, "DISPLAY": display},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:

        def is_shown() -> bool:
            assert process.poll() is None, process.communicate()
            return bool(screenshot(display).any())

        until(is_shown, "no window has come")
        lit = np.argwhere(screenshot(display).any(axis=2))
        top, left = lit.min(axis=0)
        picture = screenshot(display)[top : top + 480, left : left + 640]
        bars = picture[10, 40::80]  # colours from left to right, see the test pattern
        assert [int(color.argmax()) for color in bars[[5, 6]]] == [0, 2], bars  # red, blue
        assert (bars[0] > 200).all()  # white
        window = xdotool(display, "search", "--class", "^flowrun$").split()[-1]
        xdotool(display, "windowfocus", window, "key", key)
        _, said = process.communicate(timeout=LIMIT)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, said
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["captured"] == summary["delivered"] > 0
    assert len(probe(tmp_path / "out.mp4").times) == summary["captured"]


def test_without_a_display_the_error_names_alternatives(
    flow: Any, flowrun: Any, tmp_path: Path
) -> None:
    pytest.importorskip("pygame")
    done = flowrun(flow(sink="screen"), DISPLAY="", WAYLAND_DISPLAY="")
    assert done.returncode == 1
    said = done.stderr[done.stderr.index("flow.yaml:") :]
    assert said.startswith("flow.yaml:4:7: error: sink: ")
    assert re.search(r"sink: \S+\.mp4.*sink: rtsp://", said)

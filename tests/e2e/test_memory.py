"""However slow the sink, the number of frames in memory is the one that is promised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

BUFFER, WINDOW, BETWEEN = 4, 4, 2  # the defaults, and one frame in the hands of each worker

HOOK = """
import gc
from flowrun import Frame
gc.disable()  # what is only garbage counts as well
most = n = 0
def count(frame, result):
    global most, n
    n += 1
    images = {id(o.image.base if o.image.base is not None else o.image)
              for o in gc.get_objects() if isinstance(o, Frame)}
    most = max(most, len(images))
    if n == 50:
        with open("most", "w") as file:
            file.write(str(most))
    return frame
"""


@pytest.mark.slow
def test_a_slow_sink_keeps_no_more_frames_than_buffer_and_window_hold(
    flow: Any, flowrun: Any, tmp_path: Path
) -> None:
    (tmp_path / "hooks.py").write_text(HOOK)
    done = flowrun(flow(postprocess="['hooks:count']", limits="{frames: 50}"))
    assert done.returncode == 0, done.stderr
    # Looking through all objects makes this the slowest stage by far, so the window is full.
    assert WINDOW <= int((tmp_path / "most").read_text()) <= BUFFER + WINDOW + BETWEEN

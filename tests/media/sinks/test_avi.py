"""Gaps of any length, and times that do not start at 0, in AVI."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowrun.frame import Frame, VideoInfo
from flowrun.media.protocols import SinkContext
from flowrun.media.sinks import open_sink
from flowrun.media.sources import make_source
from flowrun.spec.flow import SinkSpec, SourceSpec


def shown(path: Path) -> list[tuple[float, int]]:
    """Time and brightness of the frames of a file."""
    source = make_source(SourceSpec(str(path)))
    source.open()
    return [(frame.time, round(float(frame.image.mean()))) for frame in source]


@pytest.mark.parametrize("tick", [Fraction(1, 25), Fraction(1, 1000), Fraction(1, 12800)])
def test_every_frame_plays_at_its_distance_from_the_first_one(
    tmp_path: Path, encoder: Any, tick: Fraction
) -> None:
    path = tmp_path / "out.avi"
    info = VideoInfo(64, 48, fps=25, time_base=tick)
    sink = open_sink(SinkSpec(str(path), encoder=encoder), SinkContext(info))
    times = [600.0, 600.04, 800.0, 800.04, 1000.0]
    for n, time in enumerate(times):
        image = np.full((48, 64, 3), 50 * n + 20, np.uint8)
        sink.write(Frame(image, n, time, 0.04, 0.0))
    sink.close()
    found = shown(path)
    for n, time in enumerate(times):
        assert any(
            at == pytest.approx(time - 600, abs=0.045)
            and level == pytest.approx(50 * n + 20, abs=4)
            for at, level in found
        )
    repeated = [level for at, level in found if 0.08 < at < 199]
    assert repeated == pytest.approx([70] * 6, abs=4)  # every 30 s

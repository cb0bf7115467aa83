"""A picture is read from the decoder's pipe into the message that carries it."""

from __future__ import annotations

from typing import Any

import pytest

from flowrun.run import Run
from flowrun.spec.flow import Flow, SinkSpec, SourceSpec, TransportSpec

FRAMES = 90


@pytest.mark.parametrize("mode", ["stream", "unary"])
def test_only_the_first_pictures_of_a_run_are_copied_into_their_messages(
    clip: Any, mode: Any, joined: list[int]
) -> None:
    source = SourceSpec(str(clip("64x48", FRAMES)))
    transport = TransportSpec(mode, ("embedded",), "identity")
    summary = Run(Flow("copies", source, transport, (SinkSpec("null"),))).run()
    assert summary.delivered == FRAMES
    # All that were read before the first was sent: the buffer, one on its way, and the window. For
    # unary calls once more when the tenth call makes heads longer.
    assert 0 < len(joined) <= (4 + 1 + 4) * (2 if mode == "unary" else 1)

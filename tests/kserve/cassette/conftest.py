"""Record what a scripted server answers, and replay it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from flowrun.spec.flow import OnOutage, TransportSpec
from tests.testbed.cassettes import COUNT, LIMIT, Recording, tensor


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return Recording(tmp_path / "a.tape")


@pytest.fixture
def recorded(scripted: Callable[..., Any], recording: Recording) -> Callable[..., Any]:
    """Record `COUNT` requests to a scripted server, which has stopped when this returns: the spec
    for a replay and what became of the requests."""

    def build(
        style: str = "plain",
        plan: Sequence[str] = (),
        mode: Any = "stream",
        policy: OnOutage = "drop",
        **fields: Any,
    ) -> tuple[TransportSpec, list[Any]]:
        server = scripted(style, plan)
        fields = {"timeout": LIMIT, "first_timeout": LIMIT, **fields}
        spec = TransportSpec(mode=mode, address=(server.address,), model="model", **fields)
        found = recording.record(spec, [tensor(number) for number in range(COUNT)], policy)
        server.stop()
        return spec, found

    return build

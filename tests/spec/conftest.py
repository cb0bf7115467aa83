"""Load a flow from text, or get its problems."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from flowrun.spec.flow import Flow
from flowrun.spec.load import load_flow
from flowrun.spec.problems import FlowError

Load = Callable[..., Flow]
Complain = Callable[..., list[str]]

BASE = "source: test\ntransport: {mode: unary, address: 'localhost:9000', model: m}\nsink: null\n"


@pytest.fixture
def base() -> str:
    """The smallest flow, in three lines; further lines may be appended."""
    return BASE


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load the flow in a text (or bytes)."""
    monkeypatch.chdir(tmp_path)

    def _load(
        text: str | bytes, overrides: Sequence[str] = (), environ: Mapping[str, str] | None = None
    ) -> Flow:
        data = text.encode() if isinstance(text, str) else text
        Path("flow.yaml").write_bytes(data)
        return load_flow("flow.yaml", overrides=overrides, environ=environ or {})

    return _load


@pytest.fixture
def complain(load: Load) -> Complain:
    """The problems of a text as the user sees them, each in full."""

    def _complain(
        text: str | bytes, overrides: Sequence[str] = (), environ: Mapping[str, str] | None = None
    ) -> list[str]:
        with pytest.raises(FlowError) as caught:
            load(text, overrides, environ)
        return [str(problem) for problem in caught.value.problems]

    return _complain

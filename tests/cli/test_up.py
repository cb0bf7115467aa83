from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flowrun.cli import main

FLOW = """version: 1
source: test:64x48@15
transport: {mode: unary, address: embedded, model: identity}
sink: 'null'
limits: {frames: 3}
"""


def test_localhost_is_the_loopback_address_so_that_one_server_has_the_page_and_the_metrics(
    tmp_path: Path, free_address: Callable[[], str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.yaml").write_text(FLOW)
    port = free_address().rpartition(":")[2]
    words = ["--web", f"LocalHost:{port}", "--metrics", port]
    with caplog.at_level("INFO", "flowrun"):
        assert main(["up", str(tmp_path / "a.yaml"), *words]) == 0
    assert f"metrics: http://127.0.0.1:{port}/metrics" in caplog.text


@pytest.mark.parametrize("address", ["99999", "127.0.0.1", ":", "host:70000"])
def test_a_wrong_address_is_an_error_of_usage(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["up", "a.yaml", "--metrics", address]) == 2
    assert f"--metrics {address}: expected HOST:PORT" in capsys.readouterr().err

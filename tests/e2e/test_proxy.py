"""A real nginx between the run and its model server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.testbed.nginx import HOST, nginx
from tests.testbed.process import until_printed

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="runs nginx on a POSIX system")

MODES = ["stream", "unary"]
FRAMES = 60
# `busy`: the proxy is busy from frame 20 on, until the test removes the file.
HOOKS = """
from pathlib import Path
def busy(frame):
    if frame.index == 20:
        Path("proxy/busy").touch()
    return frame
def going(frame, result):
    if frame.index == 10:
        print("going", flush=True)
    return frame
"""


@pytest.fixture
def proxy(nginx_executable: str, model_server: Any, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """`proxy(limit=…, by_host=…)`: the address of an nginx before `model_server`, which runs."""
    model_server.start()
    (tmp_path / "proxy").mkdir()
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(
            nginx(nginx_executable, tmp_path / "proxy", model_server.address, **options)
        )


def transport(mode: str, address: str, more: str = "") -> str:
    return f"{{mode: {mode}, address: '{address}', model: identity{more}}}"


@pytest.mark.parametrize("mode", ["unary", pytest.param("stream", marks=pytest.mark.slow)])
def test_a_proxy_that_is_too_busy_costs_no_frame(
    proxy: Callable[..., str], flow: Any, running: Any, tmp_path: Path, mode: str
) -> None:
    (tmp_path / "hooks.py").write_text(HOOKS)
    path = flow(
        transport=transport(mode, proxy()),
        preprocess="['hooks:busy']",
        limits=f"{{frames: {FRAMES}}}",
    )
    run = running(path)
    if mode == "unary":  # a stream that is open stays open
        run.until_logged("overloaded.*429")
    (tmp_path / "proxy/busy").unlink(missing_ok=True)
    code, summary, said = run.ends()
    assert code == 0, said
    assert summary["delivered"] == FRAMES


@pytest.mark.parametrize("mode", ["stream", pytest.param("unary", marks=pytest.mark.slow)])
def test_a_server_that_restarts_behind_a_proxy_costs_no_frame(
    proxy: Callable[..., str],
    model_server: Any,
    flow: Any,
    running: Any,
    tmp_path: Path,
    mode: str,
) -> None:
    (tmp_path / "hooks.py").write_text(HOOKS)
    path = flow(
        source="{uri: 'test:64x48@30', pace: realtime}",
        transport=transport(mode, proxy()),
        postprocess="['hooks:going']",
        limits=f"{{frames: {FRAMES}}}",
    )
    run = running(path)
    until_printed(run.process, "going")
    model_server.kill()
    run.until_logged("the model server is unavailable")
    model_server.start()
    code, summary, said = run.ends()
    assert code == 0, said
    assert summary["delivered"] == FRAMES


@pytest.mark.parametrize("mode", MODES)
def test_a_proxy_that_routes_by_host_is_reached_by_authority(
    proxy: Callable[..., str], flow: Any, flowrun_here: Any, mode: str
) -> None:
    address = proxy(by_host=True)
    done = flowrun_here(flow(transport=transport(mode, address, f", authority: {HOST}")))
    assert done.returncode == 0, done.stderr
    done = flowrun_here(flow(transport=transport(mode, address)))
    assert done.returncode == 1
    assert "behind a proxy that routes by host, set `authority`" in done.stderr


def test_a_proxy_that_refuses_large_requests_says_so(
    proxy: Callable[..., str], flow: Any, flowrun: Any
) -> None:
    path = flow(source="'test:640x360@30'", transport=transport("unary", proxy(limit="100k")))
    done = flowrun(path)
    assert done.returncode == 1
    assert "413" in done.stderr
    assert "raise the proxy's limit for the size of a request" in done.stderr

"""`shared_memory: system` with a real Triton, as a user runs it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.testbed.process import until_printed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")

FRAMES = 30
MEMORY = Path("/dev/shm")


def transport(address: str, mode: str = "stream", *more: str) -> str:
    return f"{{{', '.join((f'mode: {mode}', f'address: {address!r}', 'model: identity', *more))}}}"


@pytest.mark.parametrize("mode", ["stream", "unary"])
def test_the_recording_is_the_same_as_with_messages(
    triton_address: str,
    clip: Any,
    flow: Any,
    flowrun: Any,
    finished: Any,
    psnr: Any,
    tmp_path: Path,
    mode: str,
) -> None:
    keys = {"source": f"'{clip('640x360', FRAMES)}'", "limits": None}
    for name, more in {"messages": (), "shared": ("shared_memory: system",)}.items():
        path = flow(transport=transport(triton_address, mode, *more), sink=f"{name}.mkv", **keys)
        checked = flowrun("validate", "--live", path)
        assert (checked.returncode, checked.stdout) == (0, "1 flow checked: no problems\n")
        assert finished(path)["delivered"] == FRAMES
    assert psnr(tmp_path / "messages.mkv", tmp_path / "shared.mkv") == float("inf")


@pytest.mark.parametrize(("hooks", "region"), [("[]", True), ("['hooks:probe']", False)])
def test_an_unchanged_picture_is_made_in_shared_memory(
    triton_address: str,
    flow: Any,
    finished: Any,
    clip: Any,
    tmp_path: Path,
    hooks: str,
    region: bool,
) -> None:
    (tmp_path / "hooks.py").write_text(
        "import numpy as np\n"
        "def probe(frame):\n"
        "    return frame\n"
        "def note(frame, result):\n"
        "    owner = frame.image\n"
        "    while isinstance(owner, np.ndarray):\n"
        "        owner = owner.base\n"
        "    region = not type(owner).__module__.startswith('av')\n"
        "    print('in a region' if region else 'elsewhere', file=open('noted', 'a'))\n"
        "    return frame\n"
    )
    path = flow(
        source=f"'{clip('640x360', FRAMES)}'",
        transport=transport(triton_address, "stream", "shared_memory: system"),
        preprocess=hooks,
        postprocess="['hooks:note']",
        limits=None,
    )
    assert finished(path)["delivered"] == FRAMES
    noted = (tmp_path / "noted").read_text().splitlines()
    assert noted == ["in a region" if region else "elsewhere"] * FRAMES


def test_the_next_run_cleans_up_what_a_killed_one_left(
    triton_address: str, flow: Any, finished: Any, running: Any, tmp_path: Path
) -> None:
    (tmp_path / "hooks.py").write_text(
        "import sys\n"
        "def wait(frame, result):\n"
        "    if frame.index == 10:\n"
        "        print('waiting', flush=True)\n"
        "        sys.stdin.read()\n"
        "    return frame\n"
    )
    with_memory = transport(triton_address, "stream", "shared_memory: system")
    run = running(flow(transport=with_memory, postprocess="['hooks:wait']"))
    until_printed(run.process, "waiting")
    pattern = f"flowrun.{run.process.pid}.*"
    assert set(MEMORY.glob(pattern))
    run.process.kill()
    run.process.wait()  # now any run cleans up, that of a test in another process, too
    finished(flow(transport=with_memory))
    assert not set(MEMORY.glob(pattern))


def test_a_server_without_shared_memory_is_reported_at_its_line(
    model_server: Any, flow: Any, refused: Any
) -> None:
    model_server.start()
    line = f"transport: {transport(model_server.address, 'unary', 'shared_memory: system')}"
    path = flow(transport=line.partition(": ")[2])
    column = line.index("system")
    text = (
        f"flow.yaml:3:{column + 1}: error: transport.shared_memory: the model server at"
        f" {model_server.address} does not support shared memory\n"
        f"    {line}\n"
        f"    {' ' * column}^\n"
        "    remove `shared_memory`; of the supported servers only Triton has it\n"
    )
    refused(path, text)

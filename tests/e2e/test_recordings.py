"""What goes in comes out: every frame, its time, its size and its colours."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MODES = ["stream", "unary"]
SHORT = ["again.mkv", "walk.mkv"]
FOOTAGE = [*SHORT, "bottle-detection.mp4", "car-detection.mp4"]
# What a mode could lose, a short recording shows.
RUNS = [*((name, "stream") for name in FOOTAGE), *((name, "unary") for name in SHORT)]


@pytest.fixture
def passes(
    flow: Any, flowrun_here: Any, probe: Any, psnr: Any, tmp_path: Path
) -> Callable[[Path, str], tuple[int, int]]:
    """Run a recording through a transport, and compare what comes out with what went in; the
    size of it."""

    def passes(source: Path, transport: str) -> tuple[int, int]:
        path = flow(
            source=str(source),
            transport=transport,
            sink="{uri: out.mp4, quality: 5, preset: ultrafast}",
            limits=None,
        )
        done = flowrun_here(path, "--summary", "summary.json")
        assert done.returncode == 0, done.stderr
        before, after = probe(source), probe(tmp_path / "out.mp4")
        summary = json.loads((tmp_path / "summary.json").read_text())
        assert summary["captured"] == summary["delivered"] == len(before.times)
        assert after.size == before.size
        assert after.seconds == pytest.approx(before.since_first, abs=1e-6)
        assert after.length == pytest.approx(before.length, abs=float(2 * before.tick))
        assert psnr(source, tmp_path / "out.mp4") >= 40
        size: tuple[int, int] = after.size
        return size

    return passes


@pytest.mark.media
@pytest.mark.parametrize(("name", "mode"), RUNS)
def test_footage_comes_out_of_the_embedded_server_as_it_went_in(
    footage: Path, passes: Any, name: str, mode: str
) -> None:
    passes(footage / name, f"{{mode: {mode}, address: embedded, model: identity}}")


@pytest.mark.media
@pytest.mark.parametrize(("name", "mode"), RUNS)
def test_footage_comes_out_of_triton_as_it_went_in(
    footage: Path, triton_address: str, passes: Any, name: str, mode: str
) -> None:
    passes(footage / name, f"{{mode: {mode}, address: '{triton_address}', model: identity}}")


@pytest.mark.parametrize(("mode", "model"), [("unary", "jitter"), ("stream", "jitter_decoupled")])
def test_out_of_order_responses_of_two_instances_of_triton_change_nothing(
    clip: Any, triton_address: str, passes: Any, mode: str, model: str
) -> None:
    passes(clip("160x120", 60), f"{{mode: {mode}, address: '{triton_address}', model: {model}}}")


@pytest.mark.media
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SHORT)
def test_footage_comes_out_of_mlserver_as_it_went_in(
    footage: Path, mlserver_address: str, passes: Any, name: str, mode: str
) -> None:
    passes(footage / name, f"{{mode: {mode}, address: '{mlserver_address}', model: identity}}")


@pytest.mark.parametrize(
    ("video", "mode"),
    [
        ("641x361@25", "stream"),
        ("320x240@30000/1001", "unary"),
        pytest.param("641x361@25", "unary", marks=pytest.mark.slow),
        pytest.param("320x240@30000/1001", "stream", marks=pytest.mark.slow),
        pytest.param("1920x1080@30", "stream", marks=pytest.mark.slow),
        pytest.param("1920x1080@30", "unary", marks=pytest.mark.slow),
    ],
)
def test_no_size_and_no_rate_is_changed(clip: Any, passes: Any, video: str, mode: str) -> None:
    size, _, rate = video.partition("@")
    transport = f"{{mode: {mode}, address: embedded, model: identity}}"
    assert passes(clip(size, 12, rate), transport) == tuple(map(int, size.split("x")))


@pytest.mark.usefixtures("pyav")
def test_a_recording_decoded_and_encoded_in_process_comes_out_as_it_went_in(
    flow: Any, flowrun_here: Any, probe: Any, clip: Any, psnr: Any, tmp_path: Path
) -> None:
    source = clip("321x241", 30, "30000/1001")
    path = flow(
        source=f"{{uri: '{source}', decoder: av}}",
        sink="{uri: out.mp4, encoder: av, quality: 5, preset: ultrafast}",
        limits=None,
    )
    done = flowrun_here(path)
    assert done.returncode == 0, done.stderr
    before, after = probe(source), probe(tmp_path / "out.mp4")
    assert (after.size, len(after.times)) == (before.size, 30)
    assert after.seconds == pytest.approx(before.seconds, abs=1e-6)
    assert psnr(source, tmp_path / "out.mp4") >= 40


def test_a_model_that_answers_at_another_size_decides_the_size_of_the_recording(
    flow: Any, flowrun_here: Any, probe: Any, clip: Any, tmp_path: Path
) -> None:
    (tmp_path / "small.py").write_text(
        "import numpy as np\n"
        "def to_320(image):\n"
        "    rows = np.arange(320) * image.shape[0] // 320\n"
        "    columns = np.arange(320) * image.shape[1] // 320\n"
        "    return image[rows][:, columns]\n"
    )
    path = flow(
        source=clip("640x360", 20),
        transport="{mode: stream, address: embedded, model: small:to_320}",
        sink="out.mp4",
    )
    done = flowrun_here(path)
    assert done.returncode == 0, done.stderr
    assert probe(tmp_path / "out.mp4").size == (320, 320)
    assert len(probe(tmp_path / "out.mp4").times) == 20


@pytest.mark.parametrize(
    ("words", "frames"),
    [(("--limit-frames", "30"), 30), pytest.param((), 150, marks=pytest.mark.slow)],
)
def test_the_quickstart_makes_five_seconds_of_video(
    flowrun: Any, probe: Any, tmp_path: Path, words: tuple[str, ...], frames: int
) -> None:
    done = flowrun(Path(__file__).parents[2] / "flows" / "quickstart.yaml", *words)
    assert done.returncode == 0, done.stderr
    video = probe(tmp_path / "quickstart.mp4")
    assert (video.size, len(video.times)) == ((1280, 720), frames)
    assert video.length == pytest.approx(frames / 30)


def test_limit_frames_captures_exactly_that_many(
    flow: Any, flowrun_here: Any, probe: Any, tmp_path: Path
) -> None:
    done = flowrun_here(flow(sink="out.mkv", limits=None), "--limit-frames", "10", "--summary", "-")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["captured"], summary["delivered"]) == (10, 10)
    assert len(probe(tmp_path / "out.mkv").times) == 10

"""What tests of live video stand on: the RTSP server, seen by plain ffmpeg."""

from __future__ import annotations

import itertools
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from flowrun.media.ffmpeg.process import executable
from tests.testbed.rtsp import read_stamps

LIMIT = 60  # seconds; a guard against hanging


def ffmpeg(*arguments: str | Path, check: bool = True) -> str:
    command = [executable(), "-hide_banner", "-nostdin", "-nostats", *map(str, arguments)]
    return subprocess.run(
        command, stderr=subprocess.PIPE, text=True, timeout=LIMIT, check=check
    ).stderr


def play(url: str, transport: str = "tcp") -> list[str]:
    # Without looking ahead; otherwise ffmpeg gives the first two pictures the same time.
    at_once = ("-fpsprobesize", "0", "-probesize", "32")
    return ["-rtsp_transport", transport, "-timeout", "5000000", *at_once, "-i", url]


def sending(url: str, seconds: int) -> list[str]:
    video = ("-re", "-f", "lavfi", "-i", f"testsrc2=s=64x48:r=25:d={seconds}")
    coding = ("-c:v", "libx264", "-tune", "zerolatency", "-g", "25", "-pix_fmt", "yuv420p")
    return [*video, *coding, "-f", "rtsp", "-rtsp_transport", "tcp", url]


def frames(path: Path) -> int:
    said = ffmpeg("-stats", "-i", path, "-f", "null", "-")
    return int(re.findall(r"frame= *(\d+)", said)[-1])


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_every_picture_of_the_live_stream_has_the_time_at_which_it_was_made(
    rtsp_server: Any, tmp_path: Path, transport: str
) -> None:
    server = rtsp_server()
    server.start()
    path = tmp_path / "live.mkv"
    ffmpeg(*play(server.url("live"), transport), "-t", "2", "-c", "copy", path)
    found = read_stamps(path)
    assert len(found) > 50
    if transport == "tcp":  # on a busy machine the camera itself skips pictures
        numbers = [each.number for each in found]
        assert numbers == sorted(set(numbers))
    for one, next_ in itertools.pairwise(found):
        assert abs((next_.shown - one.shown) - (next_.made - one.made)) <= 3


def test_two_viewers_see_the_same_pictures(rtsp_server: Any, tmp_path: Path) -> None:
    server = rtsp_server()
    server.start()
    ends = [tmp_path / "one.mkv", tmp_path / "other.mkv"]
    both = [*play(server.url("live")), *play(server.url("live"))]
    outputs = [(*("-map", str(i), "-t", "1", "-c", "copy"), end) for i, end in enumerate(ends)]
    ffmpeg(*both, *outputs[0], *outputs[1])
    one, other = ({each.number: each.made for each in read_stamps(end)} for end in ends)
    common = one.keys() & other.keys()
    assert common
    assert all(one[number] == other[number] for number in common)


def test_a_file_is_played_to_its_end(rtsp_server: Any, tmp_path: Path) -> None:
    file = tmp_path / "file.mp4"
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=1"),
        *("-c:v", "libx264", "-bf", "0", "-pix_fmt", "yuv420p", file),
    )
    server = rtsp_server(file=file)
    server.start()
    ffmpeg(*play(server.url("file")), "-c", "copy", tmp_path / "played.mkv")
    assert frames(tmp_path / "played.mkv") == 25


def test_what_is_sent_before_and_after_the_server_was_killed_is_two_recordings(
    rtsp_server: Any,
) -> None:
    server = rtsp_server()
    server.start()
    ffmpeg(*sending(server.url("record/a"), seconds=1))
    server.kill()
    assert "Connection refused" in ffmpeg(*play(server.url("live")), check=False)
    server.start()
    ffmpeg(*sending(server.url("record/a"), seconds=2))
    assert [path.name for path in server.recordings("a")] == ["a-1.mkv", "a-2.mkv"]
    assert [frames(path) for path in server.recordings("a")] == [25, 50]


def test_what_was_sent_when_the_server_was_killed_can_be_played(rtsp_server: Any) -> None:
    server = rtsp_server()
    server.start()
    sender = subprocess.Popen(
        [executable(), "-progress", "pipe:1", *sending(server.url("record/b"), 30)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with sender:
        assert sender.stdout is not None
        sent = (int(line[6:]) for line in sender.stdout if line.startswith("frame="))
        assert next(count for count in sent if count > 40)
        server.kill()
        sender.communicate(timeout=LIMIT)
    (path,) = server.recordings("b")
    assert frames(path) > 20


def test_the_secret_stream_asks_for_a_password(rtsp_server: Any, tmp_path: Path) -> None:
    server = rtsp_server()
    server.start()
    url = server.url("secret")
    assert "401 Unauthorized" in ffmpeg(*play(url), check=False)
    assert "401 Unauthorized" in ffmpeg(*play(url.replace("//", "//viewer:no@")), check=False)
    path = tmp_path / "secret.mkv"
    ffmpeg(*play(url.replace("//", "//viewer:pass@")), "-frames:v", "1", "-c", "copy", path)
    assert frames(path) == 1


def test_an_unknown_mount_is_not_found(rtsp_server: Any) -> None:
    server = rtsp_server()
    server.start()
    assert "404 Not Found" in ffmpeg(*play(server.url("nothing")), check=False)


def test_a_paused_server_does_not_respond_until_it_is_resumed(rtsp_server: Any) -> None:
    server = rtsp_server()
    server.start()
    server.pause()
    patient = ("-rtsp_transport", "tcp", "-timeout", "300000", "-i", server.url("live"))
    assert "Connection timed out" in ffmpeg(*patient, check=False)
    server.resume()
    ffmpeg(*play(server.url("live")), "-frames:v", "1", "-f", "null", "-")


def test_a_terminated_server_exits_with_0(rtsp_server: Any) -> None:
    server = rtsp_server()
    server.start()
    assert server.terminate() == 0


def test_the_stream_of_sound_has_no_video(rtsp_server: Any) -> None:
    server = rtsp_server()
    server.start()
    only_video = ("-map", "0:v", "-f", "null", "-")
    assert "matches no streams" in ffmpeg(*play(server.url("sound")), *only_video, check=False)

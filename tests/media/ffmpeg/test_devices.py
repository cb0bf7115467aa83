"""The lists of cameras, as Linux keeps them and as ffmpeg prints them elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowrun.errors import RunError
from flowrun.media.ffmpeg import devices as listing
from flowrun.media.ffmpeg.devices import (
    Device,
    devices,
    parse_avfoundation,
    parse_dshow,
    query_ffmpeg,
    read_sysfs,
)

MAC_7 = """\
[AVFoundation indev @ 0x600001d30000] [info] AVFoundation video devices:
[AVFoundation indev @ 0x600001d30000] [info] [0] FaceTime HD Camera
[AVFoundation indev @ 0x600001d30000] [info] [1] Ann's iPhone Camera [2]
[AVFoundation indev @ 0x600001d30000] [info] [2] Capture screen 0
[AVFoundation indev @ 0x600001d30000] [info] AVFoundation audio devices:
[AVFoundation indev @ 0x600001d30000] [info] [0] MacBook Pro Microphone
[in#0 @ 0x600002e2c000] [error] Error opening input: Input/output error
[error] Error opening input file .
"""
MAC_5 = """\
[AVFoundation indev @ 0x7fe781422c00] AVFoundation video devices:
[AVFoundation indev @ 0x7fe781422c00] [0] FaceTime HD Camera
[AVFoundation indev @ 0x7fe781422c00] [1] Capture screen 0
[AVFoundation indev @ 0x7fe781422c00] AVFoundation audio devices:
[AVFoundation indev @ 0x7fe781422c00] [0] Built-in Microphone
: Input/output error
"""
WINDOWS_6 = r"""[dshow @ 000001d8a2b0f2c0] [info] "Integrated Camera" (video)
[dshow @ 000001d8a2b0f2c0] [info]   Alternative name "@device_pnp_\\?\usb#vid_13d3&pid_56a6#{65e8773d-8f56-11d0-a3b9-00a0c9223196}\global"
[dshow @ 000001d8a2b0f2c0] [info] "Card: HDMI (2)" (audio, video)
[dshow @ 000001d8a2b0f2c0] [info]   Alternative name "@device_pnp_\\?\usb#vid_534d&pid_2109#{65e8773d-8f56-11d0-a3b9-00a0c9223196}\global"
[dshow @ 000001d8a2b0f2c0] [info] "OBS Virtual Camera" (none)
[dshow @ 000001d8a2b0f2c0] [info]   Alternative name "@device_sw_{860BB310-5D01-11D0-BD3B-00A0C911CE86}\{A3FCE0F5-3493-419F-958A-ABA1250EC20B}"
[dshow @ 000001d8a2b0f2c0] [info] "Microphone Array (Realtek(R) Audio)" (audio)
[dshow @ 000001d8a2b0f2c0] [info]   Alternative name "@device_cm_{33D9A762-90C8-11D0-BD43-00A0C911CE86}\wave_{5E5B4B5C}"
[in#0 @ 000001d8a2b0e000] [error] Error opening input: Immediate exit requested
"""  # noqa: E501
WINDOWS_8 = r"""[in#0 @ 000001bd07e70b00] "screen-capture-recorder" (video)
[in#0 @ 000001bd07e70b00]   Alternative name "@device_sw_{860BB310-5D01-11D0-BD3B-00A0C911CE86}\{4EA69364}"
[dshow @ 000002798dd4fb80] "virtual-audio-capturer" (audio)
[dshow @ 000002798dd4fb80]   Alternative name "@device_sw_{33D9A762-90C8-11D0-BD43-00A0C911CE86}\{8E146464}"
"""  # noqa: E501


def node(folder: Path, number: int, *, index: int | None, name: str | None) -> None:
    path = folder / f"video{number}"
    path.mkdir()
    if index is not None:
        (path / "index").write_text(f"{index}\n")
    if name is not None:
        (path / "name").write_text(f"{name}\n")


def test_linux_lists_cameras_by_number_without_their_metadata_nodes(tmp_path: Path) -> None:
    node(tmp_path, 10, index=0, name="C922 Pro Stream Webcam")
    node(tmp_path, 0, index=0, name="Integrated Camera: Integrated C")
    node(tmp_path, 1, index=1, name="Integrated Camera: Integrated C")
    (tmp_path / "v4l-subdev0").mkdir()
    assert read_sysfs(tmp_path) == [
        Device("camera:0", "Integrated Camera: Integrated C", "/dev/video0"),
        Device("camera:10", "C922 Pro Stream Webcam", "/dev/video10"),
    ]


def test_a_node_without_attributes_is_still_a_camera(tmp_path: Path) -> None:
    node(tmp_path, 2, index=None, name=None)
    assert read_sysfs(tmp_path) == [Device("camera:2", "video2", "/dev/video2")]


def test_linux_without_video_drivers_has_no_cameras(tmp_path: Path) -> None:
    assert read_sysfs(tmp_path / "video4linux") == []


def test_a_mac_lists_cameras_without_screens_and_microphones() -> None:
    assert parse_avfoundation(MAC_7.splitlines()) == [
        Device("camera:0", "FaceTime HD Camera", "0"),
        Device("camera:1", "Ann's iPhone Camera [2]", "1"),
    ]
    assert parse_avfoundation(MAC_5.splitlines()) == [Device("camera:0", "FaceTime HD Camera", "0")]


def test_windows_lists_video_devices_under_their_unique_name() -> None:
    global_ = r"#{65e8773d-8f56-11d0-a3b9-00a0c9223196}\global"
    obs = r"{860BB310-5D01-11D0-BD3B-00A0C911CE86}\{A3FCE0F5-3493-419F-958A-ABA1250EC20B}"
    assert parse_dshow(WINDOWS_6.splitlines()) == [
        Device(
            "camera:0",
            "Integrated Camera",
            rf"@device_pnp_\\?\usb#vid_13d3&pid_56a6{global_}",
        ),
        Device("camera:1", "Card: HDMI (2)", rf"@device_pnp_\\?\usb#vid_534d&pid_2109{global_}"),
        Device("camera:2", "OBS Virtual Camera", f"@device_sw_{obs}"),
    ]


def test_the_component_that_ffmpeg_logs_does_not_matter() -> None:
    address = r"@device_sw_{860BB310-5D01-11D0-BD3B-00A0C911CE86}\{4EA69364}"
    assert parse_dshow(WINDOWS_8.splitlines()) == [
        Device("camera:0", "screen-capture-recorder", address)
    ]


@pytest.mark.parametrize("parse", [parse_avfoundation, parse_dshow])
def test_a_machine_without_cameras_lists_none(parse: object) -> None:
    assert parse(["[error] Could not enumerate video devices (or none found)."]) == []  # type: ignore[operator]


def test_ffmpeg_lists_devices_on_macos_and_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    answers = {"avfoundation": MAC_7, "dshow": WINDOWS_8}

    def answer(arguments: tuple[str, ...]) -> list[str]:
        asked.append(arguments)
        return answers[arguments[1]].splitlines()

    monkeypatch.setattr(listing, "query_ffmpeg", answer)
    assert [device.uri for device in devices("darwin")] == ["camera:0", "camera:1"]
    assert [device.uri for device in devices("win32")] == ["camera:0"]
    assert asked == [
        ("-f", "avfoundation", "-list_devices", "true", "-i", ""),
        ("-f", "dshow", "-list_devices", "true", "-i", "dummy"),
    ]


def test_the_log_of_ffmpeg_is_returned_line_by_line_whatever_its_exit_status() -> None:
    lines = query_ffmpeg(["-f", "v4l2", "-i", "/dev/no-such-video"])
    assert any("Cannot open video device /dev/no-such-video" in line for line in lines)


def test_an_ffmpeg_that_does_not_finish_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_TIMEOUT", 0.2)
    with pytest.raises(RunError) as caught:
        query_ffmpeg(["-f", "lavfi", "-re", "-i", "testsrc", "-f", "null", "-"])
    assert str(caught.value) == "ffmpeg did not list the cameras within 0.2 s"

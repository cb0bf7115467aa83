"""The input options for cameras, whole, on all three platforms; and how a camera is found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from flowrun.errors import SourceError
from flowrun.media.ffmpeg import camera_input as camera
from flowrun.media.ffmpeg.camera_input import camera_input, locate, offers_mjpeg, open_options
from flowrun.media.ffmpeg.devices import Device

LOW_DELAY = ["-fflags", "nobuffer", "-flags", "low_delay"]
HD = (1280, 720)
FORMATS = [
    "[video4linux2,v4l2 @ 0x55] [info] Raw       :     yuyv422 :           YUYV 4:2:2 : 640x480",
    "[video4linux2,v4l2 @ 0x55] [info] Compressed:       mjpeg :          Motion-JPEG :"
    " 640x480 1280x720",
]


def nothing() -> Sequence[Device]:
    raise AssertionError("devices were listed")


@pytest.mark.parametrize(
    ("platform", "size", "fps", "options"),
    [
        ("linux", None, None, ["-f", "v4l2", "-i", "A"]),
        (
            *("linux", HD, 29.97),
            ["-f", "v4l2", "-framerate", "29.97", "-video_size", "1280x720", "-i", "A"],
        ),
        (
            *("darwin", None, None),
            ["-f", "avfoundation", "-pixel_format", "uyvy422", "-framerate", "30", "-i", "A:none"],
        ),
        (
            *("darwin", HD, 60.0),
            [
                *("-f", "avfoundation", "-pixel_format", "uyvy422", "-framerate", "60"),
                *("-video_size", "1280x720", "-i", "A:none"),
            ],
        ),
        (
            *("win32", None, None),
            ["-f", "dshow", "-rtbufsize", "16588800", "-i", "video=A"],
        ),
        (
            *("win32", HD, 30.0),
            [
                *("-f", "dshow", "-rtbufsize", "7372800", "-framerate", "30"),
                *("-video_size", "1280x720", "-i", "video=A"),
            ],
        ),
    ],
)
def test_a_camera_is_opened_with_size_rate_and_low_delay(
    platform: str, size: tuple[int, int] | None, fps: float | None, options: list[str]
) -> None:
    assert camera_input("A", size, fps, platform) == LOW_DELAY + options


def test_mjpeg_is_an_option_of_the_input() -> None:
    assert camera_input("/dev/video0", HD, None, "linux", mjpeg=True) == [
        *LOW_DELAY,
        *("-f", "v4l2", "-input_format", "mjpeg", "-video_size", "1280x720", "-i", "/dev/video0"),
    ]


def test_a_camera_offers_mjpeg_if_it_offers_it_in_the_size() -> None:
    assert offers_mjpeg(FORMATS, None)
    assert offers_mjpeg(FORMATS, HD)
    assert not offers_mjpeg(FORMATS, (1920, 1080))
    assert not offers_mjpeg(FORMATS[:1], (640, 480))
    assert offers_mjpeg(["Compressed: mjpeg : JFIF JPEG : {32-2592, 2}x{32-1944, 2}"], HD)


@pytest.mark.parametrize(
    ("name", "platform", "address"),
    [
        ("0", "linux", "/dev/video0"),
        ("/dev/v4l/by-id/usb-1", "linux", "/dev/v4l/by-id/usb-1"),
        ("1", "darwin", "1"),
        (r"@device_pnp_\\?\usb#1", "win32", r"@device_pnp_\\?\usb#1"),
    ],
)
def test_a_name_that_is_an_address_needs_no_list_of_devices(
    name: str, platform: str, address: str
) -> None:
    assert locate(name, platform, nothing) == address


@pytest.mark.parametrize(
    ("name", "platform"),
    [("4K: Cam", "linux"), ("4K: Cam", "darwin"), ("4K: Cam", "win32"), ("1", "win32")],
)
def test_the_name_of_a_device_is_looked_up(name: str, platform: str) -> None:
    found = [Device("camera:0", "Other", "first"), Device("camera:1", "4K: Cam", "second")]
    assert locate(name, platform, lambda: found) == "second"


def test_a_missing_camera_is_an_error_that_names_the_others() -> None:
    found = [Device("camera:0", "Front", "0"), Device("camera:1", "Back", "1")]
    with pytest.raises(SourceError) as caught:
        locate("Side", "darwin", lambda: found)
    assert caught.value.reason == "not found"
    assert str(caught.value) == (
        "source: there is no camera Side\n"
        "  `flowrun devices` finds camera:0 (Front), camera:1 (Back)"
    )


def test_on_linux_a_number_or_path_without_a_device_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera, "devices", lambda platform: [])
    with pytest.raises(SourceError) as caught:
        open_options(f"camera:{tmp_path}/video0", None, None, "linux")
    assert caught.value.reason == "not found"
    assert str(caught.value) == (
        f"source: there is no camera {tmp_path}/video0\n"
        "  `flowrun devices` finds none on this machine"
    )
    with pytest.raises(SourceError, match=r"^source: there is no camera 987654\n"):
        open_options("987654", None, None, "linux")


def test_on_linux_large_frames_are_requested_compressed_if_the_camera_supports_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "video0"
    path.touch()
    asked: list[tuple[str, ...]] = []

    def answer(arguments: tuple[str, ...]) -> list[str]:
        asked.append(arguments)
        return FORMATS

    monkeypatch.setattr(camera, "query_ffmpeg", answer)
    small = open_options(f"camera:{path}", (640, 480), 30, "linux")
    assert small == camera_input(str(path), (640, 480), 30, "linux")
    assert asked == []
    large = open_options(f"camera:{path}", HD, 30, "linux")
    assert large == camera_input(str(path), HD, 30, "linux", mjpeg=True)
    assert asked == [("-f", "v4l2", "-list_formats", "compressed", "-i", str(path))]
    larger = open_options(f"camera:{path}", (1920, 1080), 30, "linux")
    assert larger == camera_input(str(path), (1920, 1080), 30, "linux")


def test_on_macos_and_windows_the_options_follow_from_the_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(camera, "devices", lambda platform: [Device("camera:0", "Cam", "address")])
    for platform in ("darwin", "win32"):
        assert open_options("camera:Cam", HD, 30, platform) == camera_input(
            "address", HD, 30, platform
        )

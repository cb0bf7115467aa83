"""`flowrun devices`: what it prints where, and its exit code."""

from __future__ import annotations

import pytest

from flowrun.cli import main
from flowrun.media.ffmpeg import devices
from flowrun.media.ffmpeg.devices import Device


def test_cameras_are_listed_as_a_flow_names_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [Device("camera:0", "Front", "/dev/video0"), Device("camera:10", "Back", "/dev/video9")]
    monkeypatch.setattr(devices, "devices", lambda: found)
    assert main(["devices"]) == 0
    assert capsys.readouterr() == ("camera:0   Front\ncamera:10  Back\n", "")


def test_a_machine_without_a_camera_is_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(devices, "devices", list)
    assert main(["devices"]) == 0
    assert capsys.readouterr() == ("", "flowrun: no camera was found on this machine\n")

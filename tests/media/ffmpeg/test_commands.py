"""The command lines are functions of the flow; only a pipe differs between platforms."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import PurePosixPath

from flowrun.frame import VideoInfo
from flowrun.media.ffmpeg import commands
from flowrun.media.ffmpeg.pipe import open_second_output
from flowrun.media.ffmpeg.process import process_group
from flowrun.spec.flow import SinkSpec, SourceSpec

INFO = VideoInfo(64, 48, time_base=Fraction(1, 11456))


def after(command: list[str], option: str) -> list[str]:
    return [command[n + 1] for n, word in enumerate(command) if word == option]


def test_times_leave_the_decoder_through_a_descriptor_or_on_windows_through_loopback() -> None:
    for platform in ("linux", "darwin"):
        lines, url, inherited = open_second_output(platform)
        assert url == f"pipe:{inherited[0]}"
        os.close(inherited[0])
        assert lines.read() == b""
        lines.close()
    lines, url, inherited = open_second_output("win32")
    assert url.startswith("tcp://127.0.0.1:")
    assert inherited == ()
    lines.close()


def test_a_ctrl_c_at_the_terminal_does_not_reach_ffmpeg_on_any_platform() -> None:
    assert process_group("linux") == process_group("darwin") == {"start_new_session": True}
    assert process_group("win32") == {"creationflags": 0x08000200}


def test_the_decoder_writes_pixels_and_times_of_the_same_frames() -> None:
    command = commands.decode(
        SourceSpec("in.mp4", fps=5, size=(32, 16)), ["-i", "file:in.mp4"], "pipe:7"
    )
    assert after(command, "-i") == ["file:in.mp4"]
    assert after(command, "-map") == ["0:V:0", "0:V:0"]
    assert after(command, "-fps_mode") == ["passthrough", "passthrough"]
    pictures, times = after(command, "-vf")
    assert pictures.startswith("fps=5,scale=w=32:h=16:")
    assert pictures.endswith(",format=gbrp")
    assert times == "fps=5"
    assert after(command, "-pix_fmt") == ["rgb24"]
    assert command[-1] == "pipe:7"


def test_a_flow_in_bgr_decodes_to_bgr() -> None:
    command = commands.decode(SourceSpec("in.mp4", color="bgr"), ["-i", "file:in.mp4"], "pipe:7")
    assert after(command, "-pix_fmt") == ["bgr24"]


def test_the_encoder_keeps_the_unit_of_time_and_the_size() -> None:
    command = commands.encode(SinkSpec("o.mp4"), INFO, (64, 48), PurePosixPath("o.part.mp4"))
    assert after(command, "-enc_time_base") == ["1/11456"]
    assert after(command, "-video_track_timescale") == ["11456"]
    assert "w=" not in after(command, "-vf")[0]
    assert after(command, "-vf")[0].endswith("format=yuv420p")
    assert command[-1] == "file:o.part.mp4"


def test_an_odd_size_is_encoded_without_subsampling() -> None:
    command = commands.encode(SinkSpec("o.mp4"), INFO, (641, 361), PurePosixPath("o.part.mp4"))
    assert after(command, "-vf")[0].endswith("format=yuv444p")


def test_the_keys_of_the_sink_reach_the_encoder() -> None:
    spec = SinkSpec("o.mkv", codec="libx265", preset="fast", quality=18)
    command = commands.encode(spec, INFO, (64, 48), PurePosixPath("o.part.mkv"))
    assert after(command, "-c:v") == ["libx265"]
    assert after(command, "-preset") == ["fast"]
    assert after(command, "-crf") == ["18"]
    spec = SinkSpec("o.avi", codec="libx264", bitrate="4M")
    command = commands.encode(spec, INFO, (64, 48), PurePosixPath("o.part.avi"))
    assert after(command, "-b:v") == ["4M"]
    spec = SinkSpec("o.avi", codec="mpeg4", quality=2.6)
    command = commands.encode(spec, INFO, (64, 48), PurePosixPath("o.part.avi"))
    assert (after(command, "-qmin"), after(command, "-qmax")) == (["3"], ["3"])
    assert (after(command, "-lmin"), after(command, "-lmax")) == (["354"], ["354"])
    spec = SinkSpec("o.mkv", codec="h264_vaapi", quality=20)
    command = commands.encode(spec, INFO, (64, 48), PurePosixPath("o.part.mkv"))
    assert (after(command, "-flags"), after(command, "-global_quality")) == (["+qscale"], ["2360"])


def test_matrix_and_range_of_the_source_are_restored_and_tagged() -> None:
    info = VideoInfo(64, 48, color_range="pc", color_space="bt709", color_primaries="bt709")
    command = commands.encode(SinkSpec("o.mp4"), info, (64, 48), PurePosixPath("o.part.mp4"))
    assert "out_range=pc" in after(command, "-vf")[0]
    assert "out_color_matrix=bt709" in after(command, "-vf")[0]
    assert after(command, "-color_range") == ["pc"]
    assert after(command, "-colorspace") == ["bt709"]
    assert after(command, "-color_primaries") == ["bt709"]
    assert after(command, "-color_trc") == []


def test_a_source_stored_as_rgb_is_not_tagged_as_rgb() -> None:
    info = VideoInfo(64, 48, color_range="pc", color_space="gbr", color_transfer="iec61966-2-1")
    command = commands.encode(SinkSpec("o.mp4"), info, (64, 48), PurePosixPath("o.part.mp4"))
    assert after(command, "-colorspace") == ["smpte170m"]
    assert after(command, "-color_trc") == ["iec61966-2-1"]
    assert "out_range=pc" in after(command, "-vf")[0]


def test_a_live_stream_has_no_delay_a_key_frame_every_second_and_even_sides() -> None:
    command = commands.publish(SinkSpec("rtsp://h/1"), INFO, (64, 48), ["-f", "rtsp", "rtsp://h/1"])
    assert after(command, "-c:v") == ["libx264"]
    assert after(command, "-preset") == ["veryfast"]
    assert after(command, "-tune") == ["zerolatency"]
    assert after(command, "-bf") == ["0"]
    assert after(command, "-force_key_frames") == [
        "expr:if(isnan(prev_forced_t),1,gte(t,prev_forced_t+1))"
    ]
    assert "pad=ceil(iw/2)*2:ceil(ih/2)*2,format=yuv420p" in after(command, "-vf")[0]
    assert command[-3:] == ["-f", "rtsp", "rtsp://h/1"]


def test_the_options_of_the_sink_for_ffmpeg_stand_before_its_output() -> None:
    options = {"threads": 2, "shortest": True}
    command = commands.publish(SinkSpec("rtsp://h/1", ffmpeg=options), INFO, (64, 48), ["out"])
    assert command[-4:] == ["-threads", "2", "-shortest", "out"]
    spec = SinkSpec("o.mp4", ffmpeg=options)
    command = commands.encode(spec, INFO, (64, 48), PurePosixPath("o.part.mp4"))
    assert command[-4:] == ["-threads", "2", "-shortest", "file:o.part.mp4"]


def test_the_keys_of_the_sink_reach_a_live_stream() -> None:
    spec = SinkSpec("rtsp://h/1", codec="h264_nvenc", preset="p1", bitrate="2M", fps=12.5)
    command = commands.publish(spec, INFO, (64, 48), ["out"])
    assert after(command, "-preset") == ["p1"]
    assert after(command, "-b:v") == ["2M"]
    assert "-tune" not in command
    assert after(command, "-vf")[0].startswith("fps=12.5,")
    command = commands.publish(SinkSpec("rtsp://h/1", preset="medium"), INFO, (64, 48), ["out"])
    assert after(command, "-preset") == ["medium"]

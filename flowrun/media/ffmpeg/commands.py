"""Build the command lines of decoders and encoders: pure functions of the flow."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from flowrun.frame import VideoInfo
from flowrun.media import colors, encoding
from flowrun.media.clock_jumps import MAX_GAP
from flowrun.media.ffmpeg.stderr import LOG_LEVEL
from flowrun.spec.flow import SinkSpec, SourceSpec

# A smaller gap in a container whose clock may step is a gap.
_GAPS = ("-dts_delta_threshold", str(MAX_GAP))
# Do not hold the packets of one stream until the other has one.
_AT_ONCE = ("-max_interleave_delta", "1")
# What to copy of the sound. A muxer holds frames back for so long (microseconds) while there is no
# sound; by default it is 10 s.
_SOUND = ("-map", "0:a:0", "-c:a", "copy", "-max_interleave_delta", "1000000")
# With more threads, even an encoder of raw pictures holds one frame back.
_NO_DELAY = ("-threads", "1")


def decode(
    spec: SourceSpec, inputs: Sequence[str], times: str, tone_map: Sequence[str] = ()
) -> list[str]:
    """Decode to raw pictures on standard output, and to one line per picture with its time at the
    URL `times`.

    `inputs` are the options of the input, `-i` included; `tone_map` are the filters of a `ToneMap`.
    Both outputs get the same frames; the second one reads no pixels. Without `-copyts`, ffmpeg
    repairs the times of containers whose clock steps.
    """
    rate = [f"fps={spec.fps}"] if spec.fps else []
    escaped = [re.sub(r"[\\'\[\],;]", r"\\\g<0>", text) for text in tone_map]  # for the graph
    filters = ",".join([*rate, *colors.to_rgb(spec.size, tone_map=escaped)])
    stream = ["-map", "0:V:0", "-fps_mode", "passthrough", "-enc_time_base", "filter"]
    output = ["-flush_packets", "1", "-f"]
    return [
        *LOG_LEVEL,
        *("-nostdin", *_GAPS, *own_options(spec.ffmpeg), *inputs),
        *(*stream, "-vf", filters, "-pix_fmt", colors.PIXEL_FORMATS[spec.color]),
        *("-c:v", "rawvideo", *_NO_DELAY, *output, "rawvideo", "pipe:1"),
        *(*stream, *(["-vf", rate[0]] if rate else [])),
        *("-c:v", "wrapped_avframe", *_NO_DELAY, *output, "framecrc", times),
    ]


def fetch(spec: SourceSpec, inputs: Sequence[str], *, sound: bool = False) -> list[str]:
    """Pass the packets of the video on to standard output, each as soon as it is there, with those
    of the `sound` if it is wanted.

    `inputs` as those of `decode`. The muxer needs a time for every packet; some demuxers leave out
    those that follow from others.
    """
    return [
        *LOG_LEVEL,
        *(
            "-nostdin",
            *_GAPS,
            "-fflags",
            "+genpts",
            *own_options(spec.ffmpeg, decodes=False),
            *inputs,
        ),
        *("-map", "0:V:0", *(("-map", "0:a:0?", *_AT_ONCE) if sound else ())),
        *("-c", "copy", "-copyinkf"),
        *("-flush_packets", "1", "-f", "nut", "pipe:1"),
    ]


def own_options(ffmpeg: Mapping[str, Any], *, decodes: bool = True) -> list[str]:
    """The options of the key `ffmpeg`; without those of hardware decoders for a process that does
    not decode."""
    options: list[str] = []
    for name, value in ffmpeg.items():
        if name.startswith("hwaccel") and not decodes:
            continue
        if isinstance(value, bool):
            options.append(f"-{name}" if value else f"-no{name}")
        else:
            options += [f"-{name}", str(value)]
    return options


def loop_options(spec: SourceSpec) -> list[str]:
    """The input options that restart a recording at its end, if `spec.loop` is set."""
    return ["-stream_loop", "-1"] if spec.loop else []


def encode(
    spec: SinkSpec,
    info: VideoInfo,
    size: tuple[int, int],
    target: PurePath,
    *,
    sound: bool = False,
) -> list[str]:
    """Encode a Matroska stream of raw pictures from standard input into the file `target`, and
    copy its `sound`, if it has any."""
    how = encoding.file_encoding(spec, info, size, target.suffix)
    return [
        *LOG_LEVEL,
        *("-y", "-copyts", "-probesize", "32", "-f", "matroska", "-i", "pipe:0"),
        *("-map", "0:v:0", "-fps_mode", "passthrough", "-enc_time_base", f"{how.tick}"),
        *("-vf", ",".join(how.filters), *(_SOUND if sound else ())),
        *("-c:v", how.codec, *_arguments(how.codec_options), *_arguments(how.container_options)),
        *own_options(spec.ffmpeg),
        f"file:{target}",  # a colon in a file's name is not a protocol
    ]


def publish(
    spec: SinkSpec,
    info: VideoInfo,
    size: tuple[int, int],
    output: Sequence[str],
    *,
    sound: bool = False,
) -> list[str]:
    """Encode a Matroska stream of raw pictures of `size` (width, height) from standard input, and
    publish it as the arguments `output` say, with low delay: no look-ahead, and a key frame every
    second. Its `sound`, if it has any, is copied.

    An odd width or height is padded, because players expect 4:2:0.
    """
    codec = spec.codec or "libx264"
    info = colors.encoded(info, size, codec)
    options = encoding.codec_options(spec, codec) | {"bf": "0"} | colors.color_options(info)
    if codec in ("libx264", "libx265"):
        options |= {"preset": spec.preset or "veryfast", "tune": "zerolatency"}
    rate = [f"fps={spec.fps:g}"] if spec.fps else []
    aspect = encoding.aspect_filter(info)
    even = "pad=ceil(iw/2)*2:ceil(ih/2)*2"
    return [
        *LOG_LEVEL,
        *("-copyts", "-probesize", "32", "-f", "matroska", "-i", "pipe:0"),
        *("-map", "0:v:0", "-fps_mode", "passthrough", "-enc_time_base", "1/90000"),
        *("-vf", ",".join([*rate, *colors.from_rgb(info), aspect, even, "format=yuv420p"])),
        *("-c:v", codec, *_arguments(options), *(_SOUND if sound else ())),
        *("-force_key_frames", "expr:if(isnan(prev_forced_t),1,gte(t,prev_forced_t+1))"),
        *own_options(spec.ffmpeg),
        *output,
    ]


def _arguments(options: Mapping[str, str]) -> list[str]:
    """Options as command-line arguments; `-b` alone could mean the audio."""
    names = {"b": "-b:v"}
    return [
        word for name, value in options.items() for word in (names.get(name, f"-{name}"), value)
    ]

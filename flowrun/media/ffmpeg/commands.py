"""The command lines of the decoder and the encoder: pure functions of what is wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath

from flowrun.frame import VideoInfo
from flowrun.media import encoding
from flowrun.media.ffmpeg.stderr import LOG_LEVEL
from flowrun.spec.flow import SinkSpec, SourceSpec

# Exact chroma: without these what is decoded is darker by a level and some decibels off.
TO_RGB = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
PIXELS = {"rgb": "rgb24", "bgr": "bgr24"}
_AT_ONCE = ("-threads", "1")  # with threads, even an encoder of raw pictures holds one back


def decode(spec: SourceSpec, inputs: Sequence[str], times: str) -> list[str]:
    """Raw pictures to standard output, one line per picture with its time to the URL `times`.

    `inputs` are the options of the input, `-i` and all. Both outputs see the same frames; the
    second one never touches a pixel.
    """
    rate = [f"fps={spec.fps}"] if spec.fps else []
    first = ["-map", "0:V:0", "-fps_mode", "passthrough", "-enc_time_base", "filter"]
    last = ["-flush_packets", "1", "-f"]
    return [
        *LOG_LEVEL,
        *("-nostdin", "-copyts", *inputs),
        *(*first, "-vf", ",".join([*rate, *pictures(spec.size)]), "-pix_fmt", PIXELS[spec.color]),
        *("-c:v", "rawvideo", *_AT_ONCE, *last, "rawvideo", "pipe:1"),
        *(*first, *(["-vf", rate[0]] if rate else [])),
        *("-c:v", "wrapped_avframe", *_AT_ONCE, *last, "framecrc", times),
    ]


def pictures(size: tuple[int, int] | None) -> list[str]:
    """The filters that make pictures of what was decoded, of `size` and as planes of G, B and R.

    Taking the planes together is left to whoever reads them: swscale makes planes with the
    processor's vector units, and gets the same pixels at once three times slower.
    """
    scaled = f"w={size[0]}:h={size[1]}:" if size else ""
    return [f"scale={scaled}out_range=pc:{TO_RGB}", "format=gbrp"]


def loop(spec: SourceSpec) -> list[str]:
    """The input options that start a recording again at its end, if `spec` says so."""
    return ["-stream_loop", "-1"] if spec.loop else []


def encode(spec: SinkSpec, info: VideoInfo, size: tuple[int, int], target: PurePath) -> list[str]:
    """A Matroska stream of raw pictures from standard input into the file `target`."""
    how = encoding.file(spec, info, size, target.suffix)
    return [
        *LOG_LEVEL,
        *("-y", "-copyts", "-probesize", "32", "-f", "matroska", "-i", "pipe:0"),
        *("-map", "0:v:0", "-fps_mode", "passthrough", "-enc_time_base", f"{how.tick}"),
        *("-vf", ",".join(how.filters)),
        *("-c:v", how.codec, *_words(how.options), *_words(how.muxing)),
        f"file:{target}",  # a colon in a file's name is not a protocol
    ]


def publish(spec: SinkSpec, info: VideoInfo) -> list[str]:
    """A Matroska stream of raw pictures from standard input to the RTSP server of `spec`, without
    delay: nothing is looked ahead, and viewers find a key frame every second.

    An odd width or height is padded, for every player wants 4:2:0.
    """
    codec = spec.codec or "libx264"
    options = encoding.codec_options(spec, codec) | {"bf": "0"} | encoding.labels(info)
    if codec in ("libx264", "libx265"):
        options |= {"preset": spec.preset or "veryfast", "tune": "zerolatency"}
    rate = [f"fps={spec.fps:g}"] if spec.fps else []
    even = "pad=ceil(iw/2)*2:ceil(ih/2)*2"
    return [
        *LOG_LEVEL,
        *("-copyts", "-probesize", "32", "-f", "matroska", "-i", "pipe:0"),
        *("-map", "0:v:0", "-fps_mode", "passthrough", "-enc_time_base", "1/90000"),
        *("-vf", ",".join([*rate, *encoding.colors(info), even, "format=yuv420p"])),
        *("-c:v", codec, *_words(options)),
        *("-force_key_frames", "expr:if(isnan(prev_forced_t),1,gte(t,prev_forced_t+1))"),
        *("-f", "rtsp", "-rtsp_transport", "tcp", spec.uri),
    ]


def _words(options: Mapping[str, str]) -> list[str]:
    """Options as on a command line, where `b` alone could be that of the sound."""
    spelt = {"b": "-b:v"}
    return [
        word for name, value in options.items() for word in (spelt.get(name, f"-{name}"), value)
    ]

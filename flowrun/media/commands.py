"""The command lines of the decoder and the encoder: pure functions of what is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import PurePath

from flowrun.frame import VideoInfo
from flowrun.media.ffmpeg import LOG_LEVEL
from flowrun.spec.flow import SinkSpec, SourceSpec

# Exact chroma: without these what is decoded is darker by a level and some decibels off.
TO_RGB = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
# All pixels count for the chroma. The mean of those that share one is nearer to what was decoded
# than a cubic curve through them, and half the work.
FROM_RGB = "flags=area+full_chroma_inp"
PIXELS = {"rgb": "rgb24", "bgr": "bgr24"}
CODECS = {".mp4": "libx264", ".mov": "libx264", ".mkv": "libx264", ".avi": "libx264"}
CODECS[".webm"] = "libvpx-vp9"
_AT_ONCE = ("-threads", "1")  # with threads, even an encoder of raw pictures holds one back
_MATRICES = {"bt709", "fcc", "bt470bg", "smpte170m", "smpte240m", "bt2020nc"}


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
    """A Matroska stream of raw pictures from standard input into the file `target`.

    Presentation times stay as they are, in the source's own unit where the container can hold it.
    Colours get the source's matrix and range back, and are labelled with them. An odd width or
    height is kept by not subsampling the chroma.
    """
    ending = target.suffix.lower()
    codec = spec.codec or CODECS[ending]
    tick = Fraction(1, info.time_base.denominator)
    odd = size[0] % 2 or size[1] % 2
    return [
        *LOG_LEVEL,
        *("-y", "-copyts", "-probesize", "32", "-f", "matroska", "-i", "pipe:0"),
        *("-map", "0:v:0", "-fps_mode", "passthrough", "-enc_time_base", f"{tick}"),
        *("-vf", f"{_colors(info)},format={'yuv444p' if odd else 'yuv420p'}"),
        *("-c:v", codec, *_codec_options(spec, codec), *_labels(info)),
        # To the disk at once: what waits in memory is lost with the process.
        *("-flush_packets", "1", *_muxer_options(ending, tick)),
        f"file:{target}",  # a colon in a file's name is not a protocol
    ]


def publish(spec: SinkSpec, info: VideoInfo) -> list[str]:
    """A Matroska stream of raw pictures from standard input to the RTSP server of `spec`, without
    delay: nothing is looked ahead, and viewers find a key frame every second.

    An odd width or height is padded, for every player wants 4:2:0.
    """
    codec = spec.codec or "libx264"
    fast: list[str] = []
    if codec in ("libx264", "libx265"):
        fast = ["-preset", spec.preset or "veryfast", "-tune", "zerolatency"]
    rate = [f"fps={spec.fps:g}"] if spec.fps else []
    even = "pad=ceil(iw/2)*2:ceil(ih/2)*2"
    return [
        *LOG_LEVEL,
        *("-copyts", "-probesize", "32", "-f", "matroska", "-i", "pipe:0"),
        *("-map", "0:v:0", "-fps_mode", "passthrough", "-enc_time_base", "1/90000"),
        *("-vf", ",".join([*rate, _colors(info), even, "format=yuv420p"])),
        *("-c:v", codec, *_codec_options(replace(spec, preset=None) if fast else spec, codec)),
        *(*fast, "-bf", "0", *_labels(info)),
        *("-force_key_frames", "expr:if(isnan(prev_forced_t),1,gte(t,prev_forced_t+1))"),
        *("-f", "rtsp", "-rtsp_transport", "tcp", spec.uri),
    ]


def _colors(info: VideoInfo) -> str:
    """The filter that gives RGB the matrix and the range of the source back."""
    matrix = f":out_color_matrix={info.color_space}" if info.color_space in _MATRICES else ""
    return f"scale=out_range={info.color_range or 'tv'}:{FROM_RGB}{matrix}"


def _codec_options(spec: SinkSpec, codec: str) -> list[str]:
    options: list[str] = []
    if spec.preset is not None:
        options += ["-preset", spec.preset]
    if codec.startswith("libvpx"):
        options += ["-deadline", "good", "-cpu-used", "5", "-row-mt", "1"]
        options += ["-b:v", "0"] if spec.bitrate is None else []
    if spec.bitrate is not None:
        options += ["-b:v", spec.bitrate]
    if spec.quality is not None:
        has_crf = codec in ("libx264", "libx265", "libsvtav1", "libaom-av1") or "vpx" in codec
        options += ["-crf" if has_crf else "-q:v", f"{spec.quality:g}"]
    return options


def _labels(info: VideoInfo) -> list[str]:
    labels = {
        "-color_range": info.color_range or "tv",
        # What was stored as RGB has no matrix: "gbr" is no label for what is encoded here.
        "-colorspace": info.color_space if info.color_space in _MATRICES else None,
        "-color_primaries": info.color_primaries,
        "-color_trc": info.color_transfer,
    }
    return [word for name, value in labels.items() if value for word in (name, value)]


def _muxer_options(ending: str, tick: Fraction) -> list[str]:
    if ending in (".mp4", ".mov"):
        # Fragments of a second while it is written, an ordinary file once it is finished. The
        # header waits for the first fragment, or it could not say where the time line starts.
        # No frames that are reordered: finishing such a file cuts off the last ones if the steps
        # between its frames grow.
        flags = (
            "-bf",
            "0",
            "-movflags",
            "+hybrid_fragmented+delay_moov",
            "-frag_duration",
            "1000000",
        )
        return ["-video_track_timescale", str(tick.denominator), *flags]
    return ["-bf", "0"] if ending == ".avi" else []  # AVI has no presentation times

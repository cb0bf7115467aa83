"""Choose codec, options and filters for a video file, in ffmpeg's names, for any encoder."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from flowrun.frame import VideoInfo
from flowrun.media import colors, pixel_aspect
from flowrun.spec.flow import SinkSpec

FINISH_TIMEOUT = 60.0  # seconds for an encoder to write its look-ahead and the trailer
ABORT_TIMEOUT = 0.4  # seconds for the same after `abort`

CODECS = dict.fromkeys((".mp4", ".mov", ".mkv", ".avi", ".ts"), "libx264")
CODECS[".webm"] = "libvpx-vp9"
_DEFAULT_QUALITY = 5.0  # of the codecs below
_QUANTIZER_CODECS = {
    "mpeg4", "mjpeg", "mpeg1video", "mpeg2video", "msmpeg4", "msmpeg4v2", "h263", "flv"
}  # fmt: skip
_LAMBDA = 118  # ffmpeg's FF_QP2LAMBDA: its internal unit for one step of a quantiser


@dataclass(frozen=True, slots=True)
class Encoding:
    """`filters` turn RGB into `pixel_format`; `codec` and `codec_options` are those of the encoder,
    `container_options` those of the muxer. `tick` is the unit of time in seconds, `frame_rate` the
    nominal frames per second, if known. `pixel_aspect` is that of the stream."""

    filters: list[str]
    pixel_format: str
    codec: str
    codec_options: dict[str, str]
    container_options: dict[str, str]
    tick: Fraction
    frame_rate: Fraction | None
    pixel_aspect: Fraction


def file_encoding(spec: SinkSpec, info: VideoInfo, size: tuple[int, int], suffix: str) -> Encoding:
    """The encoding for frames of `size` (width, height), with the colours and the pixel aspect of
    `info`, in a file with `suffix`, such as `.mp4`.

    Presentation times keep the source's own unit where the container supports it. Colours get the
    source's matrix and range back, and are tagged with them. An odd width or height is kept by not
    subsampling the chroma.
    """
    suffix = suffix.lower()
    codec = spec.codec or CODECS[suffix]
    info = colors.encoded(info, size, codec)
    tick = Fraction(1, info.time_base.denominator)
    pixel_format = "yuv444p" if size[0] % 2 or size[1] % 2 else "yuv420p"
    options = {**codec_options(spec, codec), **colors.color_options(info)}
    container = {"flush_packets": "1"}  # to the disk: data in memory would be lost with the process
    if suffix in (".mp4", ".mov"):
        # Fragments of a second while the file is written, an ordinary file once it is finished. The
        # header waits for the first fragment, which decides where the time line starts.
        container["video_track_timescale"] = str(tick.denominator)
        container["movflags"] = "+hybrid_fragmented+delay_moov"
        container["frag_duration"] = "1000000"
    if suffix in (".mp4", ".mov", ".avi"):
        # No reordered frames: finishing such an MP4 cuts off the last ones if the steps between
        # its frames grow, and AVI has no presentation times.
        options["bf"] = "0"
    filters = [*colors.from_rgb(info), aspect_filter(info), f"format={pixel_format}"]
    rate = Fraction(info.fps).limit_denominator(1001) if info.fps else None
    aspect = info.pixel_aspect
    return Encoding(filters, pixel_format, codec, options, container, tick, rate, aspect)


def aspect_filter(info: VideoInfo) -> str:
    """The filter that sets the pixel aspect of frames, which players read from the file."""
    aspect = info.pixel_aspect
    return f"setsar={aspect.numerator}/{aspect.denominator}:max={pixel_aspect.MAX_TERM}"


def keeps_aspect(codec: str, suffix: str) -> bool:
    """Whether a muxer that has only the parameters of the codec writes its pixel aspect: MP4 does,
    elsewhere the bit stream must contain it."""
    return suffix in (".mp4", ".mov") or any(
        name in codec for name in ("264", "265", "hevc", "mpeg")
    )


def supports_bitrate(codec: str) -> bool:
    """False for the old codecs: they distribute bits by counting frames, and take the unit of time
    for the duration of a frame. So they always get a constant quality."""
    return codec not in _QUANTIZER_CODECS


def codec_options(spec: SinkSpec, codec: str) -> dict[str, str]:
    """The options of the encoder `codec` for the keys of the sink."""
    options: dict[str, str] = {}
    if spec.preset is not None:
        options["preset"] = spec.preset
    if codec.startswith("libvpx"):
        options |= {"deadline": "good", "cpu-used": "5", "row-mt": "1"}
        options |= {"b": "0"} if spec.bitrate is None else {}
    if codec == "libx265":
        options["x265-params"] = "log-level=error"  # it logs by itself, not through ffmpeg
    if not supports_bitrate(codec):  # `global_quality` would let them vary the quality per frame
        quality = _DEFAULT_QUALITY if spec.quality is None else spec.quality
        step = min(max(round(quality), 1), 31)
        options |= dict.fromkeys(("qmin", "qmax"), str(step))
        options |= dict.fromkeys(("lmin", "lmax"), str(step * _LAMBDA))
    elif spec.bitrate is not None:
        options["b"] = spec.bitrate
    elif spec.quality is not None:
        if codec in ("libx264", "libx265", "libsvtav1", "libaom-av1") or "vpx" in codec:
            options["crf"] = f"{spec.quality:g}"
        else:
            options["flags"] = "+qscale"
            options["global_quality"] = str(int(spec.quality * _LAMBDA))
    return options

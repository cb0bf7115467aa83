"""How raw pictures become a video file, whoever encodes them: in ffmpeg's names, as data."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from flowrun.frame import VideoInfo
from flowrun.spec.flow import SinkSpec

# All pixels count for the chroma. The mean of those that share one is nearer to what was decoded
# than a cubic curve through them, and half the work.
FROM_RGB = "flags=area+full_chroma_inp"
CODECS = {".mp4": "libx264", ".mov": "libx264", ".mkv": "libx264", ".avi": "libx264"}
CODECS[".webm"] = "libvpx-vp9"
_MATRICES = {"bt709", "fcc", "bt470bg", "smpte170m", "smpte240m", "bt2020nc"}
_QUALITY = 5.0  # of these, where the flow says nothing
_QUANTIZERS = {"mpeg4", "mjpeg", "mpeg1video", "mpeg2video", "msmpeg4", "msmpeg4v2", "h263", "flv"}
_LAMBDA = 118  # what ffmpeg calculates with, for one step of a quantiser


@dataclass(frozen=True, slots=True)
class Encoding:
    """`filters` make of RGB what is encoded, in the form `pixels`; `codec` and `options` are the
    encoder's name and what it is told; `muxing` is what the container is told. `tick` is the unit
    of time in seconds, `rate` how many frames a second has as a rule, if that is known."""

    filters: list[str]
    pixels: str
    codec: str
    options: dict[str, str]
    muxing: dict[str, str]
    tick: Fraction
    rate: Fraction | None


def file(spec: SinkSpec, info: VideoInfo, size: tuple[int, int], ending: str) -> Encoding:
    """Into a file whose name ends in `ending`, such as `.mp4`.

    Presentation times stay as they are, in the source's own unit where the container can hold it.
    Colours get the source's matrix and range back, and are labelled with them. An odd width or
    height is kept by not subsampling the chroma.
    """
    ending = ending.lower()
    codec = spec.codec or CODECS[ending]
    tick = Fraction(1, info.time_base.denominator)
    pixels = "yuv444p" if size[0] % 2 or size[1] % 2 else "yuv420p"
    options = {**codec_options(spec, codec), **labels(info)}
    muxing = {"flush_packets": "1"}  # to the disk: what waits in memory is lost with the process
    if ending in (".mp4", ".mov"):
        # Fragments of a second while it is written, an ordinary file once it is finished. The
        # header waits for the first fragment, or it could not say where the time line starts.
        muxing["video_track_timescale"] = str(tick.denominator)
        muxing["movflags"] = "+hybrid_fragmented+delay_moov"
        muxing["frag_duration"] = "1000000"
    if ending in (".mp4", ".mov", ".avi"):
        # No frames that are reordered: finishing such an MP4 cuts off the last ones if the steps
        # between its frames grow, and AVI has no presentation times.
        options["bf"] = "0"
    filters = [*colors(info), f"format={pixels}"]
    rate = Fraction(info.fps).limit_denominator(1001) if info.fps else None
    return Encoding(filters, pixels, codec, options, muxing, tick, rate)


def colors(info: VideoInfo) -> list[str]:
    """The filters that give RGB the matrix and the range of the source back, and label it with the
    source's primaries and transfer: what pictures say of themselves, ffmpeg believes more than the
    options of the encoder."""
    matrix = f":out_color_matrix={info.color_space}" if info.color_space in _MATRICES else ""
    known = {"color_primaries": info.color_primaries, "color_trc": info.color_transfer}
    said = ":".join(f"{name}={value}" for name, value in known.items() if value)
    return [
        f"scale=out_range={info.color_range or 'tv'}:{FROM_RGB}{matrix}",
        *([f"setparams={said}"] if said else []),
    ]


def keeps_bitrate(codec: str) -> bool:
    """Not the old ones: they count frames where they share out bits, and take the unit of time for
    a frame. So they get a constant quality in any case."""
    return codec not in _QUANTIZERS


def codec_options(spec: SinkSpec, codec: str) -> dict[str, str]:
    """What the keys of the sink mean to the encoder `codec`."""
    options: dict[str, str] = {}
    if spec.preset is not None:
        options["preset"] = spec.preset
    if codec.startswith("libvpx"):
        options |= {"deadline": "good", "cpu-used": "5", "row-mt": "1"}
        options |= {"b": "0"} if spec.bitrate is None else {}
    if codec == "libx265":
        options["x265-params"] = "log-level=error"  # it speaks for itself, past ffmpeg
    if not keeps_bitrate(codec):  # for `global_quality` they look into each single picture
        step = min(max(round(_QUALITY if spec.quality is None else spec.quality), 1), 31)
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


def labels(info: VideoInfo) -> dict[str, str]:
    """What the file says of its colours."""
    found = {
        "color_range": info.color_range or "tv",
        # What was stored as RGB has no matrix: "gbr" is no label for what is encoded here.
        "colorspace": info.color_space if info.color_space in _MATRICES else None,
        "color_primaries": info.color_primaries,
        "color_trc": info.color_transfer,
    }
    return {name: value for name, value in found.items() if value}

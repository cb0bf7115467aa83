"""Correct a value of the flow: other spellings of units, sizes, addresses, names and URLs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fractions import Fraction

from flowrun.spec.scalars import scalar
from flowrun.spec.schema import Schema, types

_MAX_LENGTH = 200  # characters of a value that is corrected
# Names that other programs use, in lower case.
_NAMES = {
    **dict.fromkeys(("float32", "float", "f32", "single", "np.float32"), "fp32"),
    **dict.fromkeys(("float16", "half", "f16", "np.float16"), "fp16"),
    **dict.fromkeys(("float64", "double", "f64", "np.float64"), "fp64"),
    **dict.fromkeys(("u8", "byte", "uint8_t", "np.uint8"), "uint8"),
    **dict.fromkeys(("rgb24", "rgb8"), "rgb"),
    **dict.fromkeys(("bgr24", "bgr8"), "bgr"),
    **dict.fromkeys(("webcam", "camera", "cam", "usb"), "camera:0"),
    **dict.fromkeys(("block", "blocking", "all", "lossless"), "every_frame"),
    **dict.fromkeys(("newest", "drop_oldest", "realtime"), "latest"),
    **dict.fromkeys(("window", "display", "show"), "screen"),
    **dict.fromkeys(("none", "discard", "/dev/null"), "null"),
    **dict.fromkeys(("async", "streaming", "bidi"), "stream"),
    **dict.fromkeys(("sync", "single_request"), "unary"),
}
_SIZES = {
    **dict.fromkeys(("4k", "uhd", "2160p"), "3840x2160"),
    **dict.fromkeys(("1440p", "qhd", "2k"), "2560x1440"),
    **dict.fromkeys(("1080p", "1080i", "fullhd", "full hd", "fhd", "1080"), "1920x1080"),
    **dict.fromkeys(("720p", "hd", "720"), "1280x720"),
    **dict.fromkeys(("480p", "480"), "854x480"),
    **dict.fromkeys(("360p", "360"), "640x360"),
    "vga": "640x480",
    "qvga": "320x240",
}
_UNITS = {
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
}
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_THOUSANDS = {"k": 1000, "m": 1_000_000}
_SIZE = re.compile("(\\d+)\\s*(?:[*\N{MULTIPLICATION SIGN}xX,;/]|by|\\s)\\s*(\\d+)")
_TERM = re.compile(r"(\d*\.?\d+)\s*([a-z]+)[\s,]*(?:and\s+)?")


def corrections(value: object, of: Schema) -> Iterator[str]:
    """Spellings of `value`, a scalar or a list of scalars, that the schema `of` allows; the most
    probable one first."""
    any_text = "pattern" in of and re.search(of["pattern"], "any/path.x") is not None
    if isinstance(value, list):
        text = "x".join(map(str, value))
        is_size = not any_text and _SIZE.fullmatch(text)
        candidates: Iterable[str] = [text] if is_size or len(value) == 1 else []
    else:
        text = str(value)
        candidates = _uris(text) if any_text else _spellings(text)
    if isinstance(value, bool | float) or len(text) > _MAX_LENGTH:
        candidates = ()
    return (each for each in candidates if each not in (value, str(value)) and _allows(of, each))


def _uris(text: str) -> Iterator[str]:
    """Spellings of a value that may be any path."""
    low = text.lower()
    if low in _NAMES:
        yield _NAMES[low]
    if text.startswith("/dev/video"):
        yield f"camera:{text}"
    if low.startswith("file:"):
        yield re.sub(r"^file:(//(localhost)?(?=/))?", "", text, flags=re.IGNORECASE)


def _spellings(text: str) -> Iterator[str]:
    bare, low = text.strip(), text.strip().lower()
    for table in (_NAMES, _SIZES):
        if low in table:
            yield table[low]
    yield from (re.sub(r"\s", "", text), re.sub(r"\s", "", low), text.upper())
    if size := _SIZE.fullmatch(bare):
        yield f"{size[1]}x{size[2]}"
    yield from _durations(low)
    yield from _numbers(low)
    yield from _addresses(bare)
    yield ":".join(bare.rsplit(".", 1))  # of a dotted path


def _durations(text: str) -> Iterator[str]:
    clock = re.fullmatch(r"(?:(\d+):)?(\d\d?):(\d\d)", text)
    if clock is not None:
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        yield f"{hours * 3600 + minutes * 60 + seconds}s"
    terms = [(Fraction(n), _UNITS.get(unit)) for n, unit in _TERM.findall(text)]
    if not terms or _TERM.sub("", text) or not all(unit for _, unit in terms):
        return
    number, unit = terms[0]
    if len(terms) == 1 and number.denominator == 1:
        yield f"{number}{unit}"
    total = sum(number * _MILLISECONDS[unit or ""] for number, unit in terms)
    for unit in ("h", "m", "s", "ms") if len(terms) == 1 else ("s", "ms"):
        if total % _MILLISECONDS[unit] == 0:
            yield f"{total // _MILLISECONDS[unit]}{unit}"


def _numbers(text: str) -> Iterator[str]:
    if fraction := re.fullmatch(r"(\d{1,9})\s*/\s*([1-9]\d{0,8})", text):
        yield f"{int(fraction[1]) / int(fraction[2]):.6g}"
    if rate := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([km])(?:b|bit|bps|bit/s|bits)", text):
        yield f"{rate[1]}{rate[2]}"
        yield f"{rate[1]}{rate[2].upper()}"
    if thousands := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([km])", text):
        yield f"{Fraction(thousands[1]) * _THOUSANDS[thousands[2]]}"
    if amount := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([mgt])(?:i?b)?", text):
        yield f"{amount[1]}{amount[2].upper()}"
    if rate := re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:fps|hz|x|px|%)", text):
        yield rate[1]
    if re.fullmatch(r"\d{1,3}([,_ '.]\d{3})+", text):
        yield re.sub(r"\D", "", text)


def _addresses(text: str) -> Iterator[str]:
    """Without the scheme or the path of a URL; with the host or the port that is missing."""
    host = text.partition("://")[2].rpartition("@")[2].partition("/")[0] or text
    yield host
    for prefix in ("web:", ""):
        rest = host.removeprefix(prefix).lstrip("/:")
        if host.startswith(prefix) and rest.isdigit():
            yield f"{prefix}127.0.0.1:{rest}"
    if text.startswith("web:") and not (rest := host.removeprefix("web:")).isdigit():
        yield from (f"web:{rest}", f"web:{rest}:8080")
    if re.fullmatch(r"[0-9a-fA-F:]*::[0-9a-fA-F:]*:\d+", host):
        yield "[{}]:{}".format(*host.rsplit(":", 1))
    if host not in ("embedded", "replay") and ":" not in host:
        yield f"{host}:9000"


def _allows(of: Schema, text: str) -> bool:
    value, allowed = scalar(text), types(of)
    if "enum" in of and value not in of["enum"]:
        return False
    if isinstance(value, str):
        return bool({"pattern", "enum"} & set(of)) and bool(re.search(of.get("pattern", ""), text))
    if value is None or isinstance(value, bool):
        return ("null" if value is None else "boolean") in allowed
    fits = "number" in allowed or ("integer" in allowed and value == int(value))
    return fits and bool(of.get("minimum", value) <= value <= of.get("maximum", value))

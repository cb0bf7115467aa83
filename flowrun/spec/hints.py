"""Suggest corrections: the key or the value that the user probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from flowrun.spec.corrections import corrections
from flowrun.spec.expectations import KEYS
from flowrun.spec.flow import LIBRARY
from flowrun.spec.nodes import Node, Path, dotted
from flowrun.spec.scalars import scalar
from flowrun.spec.schema import Schema, inlined, types

_MAX_COMPARED = 60  # characters; comparing takes quadratic time
_SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "srt", "udp", "rtp", "http", "https")
# Not misspelt, but not supported: the message lists what is.
_OTHER_SCHEMES = ("ftp", "sftp", "file", "s3", "gs", "ws", "wss", "mms", "smb", "tcp", "data")
_BOOLEAN_WORDS = {
    "on": "true",
    "yes": "true",
    "y": "true",
    "off": "false",
    "no": "false",
    "n": "false",
}


# Keys by the names that other programs give them.
_KEYS = {
    **dict.fromkeys(("url", "path", "file", "filename", "src", "dst"), ("uri", "address")),
    **dict.fromkeys(("host", "server", "endpoint", "target", "listen"), ("address", "transport")),
    **dict.fromkeys(("input", "inputs", "sources", "video", "camera"), ("source",)),
    **dict.fromkeys(("output", "outputs", "destination", "destinations"), ("sink",)),
    **dict.fromkeys(("args", "arguments", "kwargs", "options", "params"), ("with",)),
    **dict.fromkeys(("name", "function", "class", "module", "callable"), ("hook",)),
    **dict.fromkeys(("width", "height", "resolution", "scale"), ("size",)),
    **dict.fromkeys(("framerate", "frame_rate", "rate"), ("fps",)),
    **dict.fromkeys(("ssl", "secure", "certificates"), ("tls",)),
    **dict.fromkeys(("window", "concurrency", "max_in_flight", "parallel"), ("in_flight",)),
    **dict.fromkeys(("protocol", "method"), ("mode",)),
    **dict.fromkeys(("metadata",), ("headers",)),
    **dict.fromkeys(("replace", "force"), ("overwrite",)),
    **dict.fromkeys(("time", "seconds", "timeout"), ("duration",)),
    **dict.fromkeys(("count", "max_frames"), ("frames",)),
}


@lru_cache(maxsize=1024)
def closest_match(word: str, words: tuple[str, ...]) -> str | None:
    """The one of `words` that is most similar to `word`, first of all one with the same letters;
    None if none is similar."""
    if len(word) > _MAX_COMPARED:
        return None
    by_fold = {each.casefold(): each for each in words}
    letters = sorted(word.casefold())
    swapped = [each for each in by_fold if sorted(each) == letters]
    found = swapped or difflib.get_close_matches(word.casefold(), by_fold, n=1)
    return by_fold[found[0]] if found else None


def intended_path(path: Path, of: Schema) -> Path | None:
    """The path of the known key that the unknown one at `path` probably stands for: one that other
    programs call so, a similar key at the same level, or one of the same name a level above or
    below."""
    *parent, key = path
    word = str(key)
    if parent == ["expect"]:
        return ("expect", near) if (near := _expected_key(word)) else None
    for other in _KEYS.get(word.lower(), ()):
        if other in of.get("properties", {}):
            return (*parent, other)
    elsewhere = _unique_path(word)
    if elsewhere and elsewhere[:-1] != tuple(parent):
        return elsewhere
    near = closest_match(word, tuple(of.get("properties", ())))
    return (*parent, near) if near else None


def unknown_key(path: Path, of: Schema) -> str:
    """The hint for an unknown key; `of` is the schema of the mapping that has it."""
    better = intended_path(path, of)
    if path[0] == "expect" and better is None:
        return (
            "keys are those of the summary, such as `delivered`, `dropped.superseded` or"
            " `latency.end_to_end.p95`, and `attached.NAME` for what hooks attach"
        )
    if "hook" in of.get("properties", {}) and (better is None or better[:-1] != path[:-1]):
        return _hook_key(str(path[-1]), of["properties"]["hook"].get("examples", ()))
    if better is None:
        return "known keys: " + ", ".join(f"`{key}`" for key in of.get("properties", {}))
    if better[:-1] == path[:-1]:
        return f"did you mean `{better[-1]}`?"
    if len(better) == 1:
        return f"`{better[0]}` belongs to the top level: is it indented too far?"
    return f"`{better[-1]}` belongs under `{dotted(better[:-1])}`"


def _expected_key(word: str) -> str | None:
    """The key of the summary that is most similar to `word`, or to its last part."""
    if word.startswith("latency") and f"latency.end_to_end.{word.rpartition('.')[2]}" in KEYS:
        return f"latency.end_to_end.{word.rpartition('.')[2]}"
    return closest_match(word, (*KEYS, "window")) or closest_match(word.rpartition(".")[2], KEYS)


def _hook_key(key: str, library: Sequence[str]) -> str:
    """The hint for a key of a hook's mapping: the hook itself, or one of its options."""
    if re.fullmatch(r"[\w.]+:\w+", key) or key in library:
        return f"write `hook: {key}`, and its options under `with`"
    return "known keys: `hook`, `with`, `on_error`; options of the hook belong under `with`"


def wrong_value(node: Node, of: Schema) -> str:
    """The hint for a value that the schema does not allow; empty if there is none."""
    value = node.value
    if node.style == "empty":
        return "give it a value, or remove the key"
    if isinstance(value, str):
        return _wrong_text(value, node.style == "quoted", of) if value else ""
    if value is True and "object" in types(of) and not of.get("required"):
        return "write `{}` for the defaults"
    plain = [item.value for item in value] if isinstance(value, list) else value
    return _meant(corrections(plain, of))


def _wrong_text(text: str, quoted: bool, of: Schema) -> str:
    if quoted and _fits_unquoted(text, of):
        return "remove the quotes"
    if types(of) == ["array"] and _is_short(text):
        return f"write it as a list: `[{text}]`"
    if "boolean" in types(of) and text.lower() in _BOOLEAN_WORDS:
        return f"write `{_BOOLEAN_WORDS[text.lower()]}`"
    return _special(text, of) or _similar(text, of)


def _special(text: str, of: Schema) -> str:
    """The hint for a mistake that another spelling of the value alone does not correct."""
    if text.upper() in ("NCHW", "NHWC") and text.upper()[1:] in of.get("enum", ()):
        return f"did you mean `{text.upper()[1:]}`? `batch: true` adds the N"
    if re.search(of.get("pattern", "^$"), "package.module:name"):
        file, _, name = text.removesuffix("()").partition(":")
        module = re.sub(r"[/\\]+", ".", file.removesuffix(".py")).strip(".")
        if name and f"{module}:{name}" != text and re.fullmatch(r"[\w.]+:\w+", f"{module}:{name}"):
            return f"did you mean `{module}:{name}`?"
        if file.endswith(".py"):
            return f"write `{module}:NAME`, where NAME is the function or the class in that file"
    return ""


def _similar(text: str, of: Schema) -> str:
    near = (
        _with_scheme(text, of)
        or _library_hook(text, of)
        or closest_match(text, tuple(of.get("examples", ())))
        or next(corrections(text, of), None)
        or closest_match(text, tuple(filter(None, of.get("enum", ()))))
    )
    return f"did you mean `{near}`?" if near else ""


def _with_scheme(text: str, of: Schema) -> str:
    """`text` with the scheme that is most similar to its own and allowed; empty if none is."""
    scheme, separator, rest = text.partition("://")
    if not separator or not _is_short(text):
        return ""
    near = None if scheme.lower() in _OTHER_SCHEMES else closest_match(scheme, _SCHEMES)
    better = f"{near}://{rest}" if near else ""
    return better if re.search(of.get("pattern", "^$"), better) else ""


def _library_hook(text: str, of: Schema) -> str:
    """The dotted path of the hook of flowrun's whose name is similar to that in `text`."""
    module = text.rpartition(".")[2].partition(":")[0]
    if not text.startswith(f"{LIBRARY}."):
        return ""
    near = closest_match(module, tuple(of.get("examples", ())))
    return f"{LIBRARY}.{near}:{near}" if near else ""


def _meant(words: Iterator[str]) -> str:
    word = next(words, None)
    return f"did you mean `{word}`?" if word else ""


def _fits_unquoted(text: str, of: Schema) -> bool:
    read = scalar(text)
    names = {bool: "boolean", int: "integer", float: "number", type(None): "null"}
    return read != text and (names.get(type(read)) in types(of) or read == of.get("const"))


def _is_short(text: str) -> bool:
    return len(text) <= _MAX_COMPARED


def _unique_path(key: str) -> Path | None:
    """The path of `key` in the two upper levels of the schema, if it occurs there only once."""
    root = inlined()["properties"]
    if key in root:
        return (key,)
    holders = [name for name, of in root.items() if key in of.get("properties", {})]
    return (holders[0], key) if len(holders) == 1 else None

"""Find sinks that write the same file, or the file that the source reads."""

from __future__ import annotations

import contextlib
import os
import sys
import unicodedata
from collections.abc import Hashable, Iterator

from flowrun.spec import strftime
from flowrun.spec.kinds import FILE_SINKS, sink_kind, source_kind
from flowrun.spec.nodes import Finding, Node, Path, dotted, printable

_OTHER_SINK = "give each sink a file of its own"
_SOURCE = "a sink cannot write the file that the source reads: choose another path"


def same_files(root: Node) -> Iterator[tuple[Path, Finding]]:
    """A finding for each sink whose file a sink before it writes, or the source reads."""
    flow = root.value if isinstance(root.value, dict) else {}
    users: dict[Hashable, Path] = {}
    for path, uri in [*_uris(flow, "source"), *_uris(flow, "sink")]:
        file = _file(path, uri.value)
        if file is None:
            continue
        used_by = users.setdefault(identity(file), path)
        if used_by != path:
            name, other = dotted(path), dotted(used_by)
            message = f"`{name}` is '{printable(file)}', the same file as `{other}`"
            hint = _SOURCE if other == "source" else _OTHER_SINK
            yield path, Finding(message, uri.location, name, hint)


def identity(path: str, platform: str = sys.platform) -> Hashable:
    """Equal for two paths to one file, in whatever spelling. Of a file that does not exist yet,
    upper and lower case are the same on macOS and Windows; a run finds other file systems where
    they are."""
    try:
        real = os.path.realpath(path)
    except (OSError, ValueError):  # a NUL
        return path
    with contextlib.suppress(OSError):
        found = os.stat(real)
        if found.st_ino:
            return (found.st_dev, found.st_ino)
    if platform in ("darwin", "win32"):
        return unicodedata.normalize("NFC", real).casefold()
    return real


def _uris(flow: dict[str, Node], key: str) -> Iterator[tuple[Path, Node]]:
    """The URI of the source or of each sink, by the path of the source or sink."""
    node = flow.get(key)
    if node is not None and isinstance(node.value, list):
        items: list[tuple[Path, Node]] = [((key, n), each) for n, each in enumerate(node.value)]
    else:
        items = [] if node is None else [((key,), node)]
    for path, item in items:
        uri = item.value.get("uri") if isinstance(item.value, dict) else item
        if uri is not None:
            yield path, uri


def _file(path: Path, uri: object) -> str | None:
    """The file of a source or sink; `None` if it is none."""
    if not isinstance(uri, str):
        return None
    try:
        if path[0] == "source":
            return uri if source_kind(uri) == "file" else None
        kind = sink_kind(uri)
    except ValueError:
        return None
    if kind == "video" and not strftime.is_dated(uri):
        return strftime.literal(uri)
    return uri if kind in FILE_SINKS else None

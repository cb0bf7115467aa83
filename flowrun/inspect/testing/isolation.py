"""The flow of a test: it writes to its own folder, and reaches nothing that it has inherited."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePath

from flowrun.spec.flow import Flow, SinkSpec
from flowrun.spec.kinds import SinkKind
from flowrun.spec.load import LoadedFlow
from flowrun.spec.nodes import find
from flowrun.spec.problems import FlowError, Remark
from flowrun.spec.secrets import redact

_REMOTE = frozenset({"camera", "rtsp", "stream", "http"})  # kinds of sources
_FILES: frozenset[SinkKind] = frozenset({"video", "hls", "jsonl", "stdout"})
_LINES = "lines.jsonl"  # the file in place of standard output


def isolated(loaded: LoadedFlow, folder: Path) -> Flow:
    """The flow of a test. Its sinks write to `folder`, which exists; it has no metrics and traces.

    Raises `FlowError` for a live source, a remote server and a remote sink that it has inherited
    from the flow that it extends, and for a source without an end. Those that stand in the test's
    own file are used.
    """
    remarks = [*_inherited(loaded)] or [*_endless(loaded.flow)]
    if remarks:
        raise FlowError([loaded.problem(remark) for remark in remarks])
    flow = loaded.flow
    sinks = (_redirected(spec, folder / str(n)) for n, spec in enumerate(flow.sinks))
    return replace(flow, sinks=tuple(sinks), metrics=None, traces=None)


def _inherited(loaded: LoadedFlow) -> Iterator[Remark]:
    flow, where = loaded.flow, loaded.flow_text.path
    if flow.source.kind in _REMOTE and _is_inherited(loaded, "source", "uri"):
        yield Remark(
            "source",
            f"a test does not use the inherited source {redact(flow.source.uri)}",
            f"replace it in {where}: `source: test:160x120@10`, or a recording",
        )
    spec = flow.transport
    if spec.has_server and _is_inherited(loaded, "transport", "address"):
        yield Remark(
            "transport.address",
            f"a test does not use the inherited server {redact(', '.join(spec.address))}",
            f"replace it in {where}: `transport: {{address: embedded, model: identity}}`",
        )
    for number, (key, sink) in enumerate(flow.sinks_by_key.items()):
        index = (number,) if "[" in key else ()
        if sink.kind not in {*_FILES, "null"} and _is_inherited(loaded, "sink", *index, "uri"):
            yield Remark(
                key,
                f"a test does not use the inherited sink {redact(sink.uri)}",
                f"replace it in {where}: `sink: 'null'`, or a file",
            )


def _is_inherited(loaded: LoadedFlow, *path: str | int) -> bool:
    """Whether the value at `path`, or its short form, is in a file that the test extends."""
    location = find(loaded.root, path).location
    return location.text > 0 and not location.override


def _endless(flow: Flow) -> Iterator[Remark]:
    source, limits = flow.source, flow.limits
    endless = source.kind == "test" or source.loop or source.live
    if endless and limits.frames is None and limits.duration is None:
        hint = "add `limits: {frames: 50}`"
        yield Remark("source", f"{redact(source.uri)} has no end, a test needs one", hint)


def _redirected(sink: SinkSpec, folder: Path) -> SinkSpec:
    """`sink`, writing below `folder` if it writes a file."""
    if sink.kind not in _FILES:
        return sink
    path = PurePath(_LINES if sink.kind == "stdout" else sink.uri)
    below = PurePath(*(part for part in path.parts if part not in (path.anchor, "..")))
    series = "%" in sink.uri  # its folders are made as they are needed
    (folder / below).parent.mkdir(parents=True, exist_ok=True) if not series else folder.mkdir()
    parent = str(folder).replace("%", "%%") if sink.kind == "video" else str(folder)
    return replace(sink, uri=str(PurePath(parent) / below))

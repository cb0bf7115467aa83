"""Check whether a flow can run in a pod: errors that prevent it, and notes about what it needs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from flowrun.deploy.plan import Plan, raw_leaves
from flowrun.spec.flow import Flow
from flowrun.spec.flow_text import FlowText
from flowrun.spec.interpolate import InterpolationError, literal
from flowrun.spec.load import LoadedFlow
from flowrun.spec.nodes import Finding, Location, dotted
from flowrun.spec.problems import Problem, Remark
from flowrun.spec.secrets import writes_secret

MAX_CONFIG = 1_000_000  # bytes of a ConfigMap
_VARIABLE = "\N{SYMBOL FOR NULL}"  # stands for a variable
_IN_COMMENT = re.compile(r"#.*?://[^\s/@:$]*:(?![^\s/@]*\$\{)[^\s/@]+@")
_LOOPBACK = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?(/.*)?")


def secrets_in(loaded: LoadedFlow) -> list[Problem]:
    """A problem for each password, token or header that the flow, or a file that it extends, has as
    text: the ConfigMap would contain it."""
    return [
        loaded.flow_text.problem(replace(each, location=each.location._replace(text=number)))
        for number, text in enumerate([loaded.flow_text, *loaded.flow_text.bases])
        for each in (*_written(text), *_commented(text))
    ]


def _written(text: FlowText) -> Iterator[Finding]:
    for path, node in raw_leaves(text):
        if node.value is None or isinstance(node.value, bool):
            continue
        try:
            value = literal(str(node.value), _VARIABLE)
        except InterpolationError:
            value = str(node.value)
        if writes_secret(path, value, _VARIABLE):
            name = _variable(path)
            yield Finding(
                f"`{dotted(path)}` has a secret in it, which the manifests would contain",
                node.location,
                dotted(path),
                f"write `${{{name}}}` in its place: in the cluster, {name} comes from a Secret",
            )


def _commented(text: FlowText) -> Iterator[Finding]:
    for number, line in enumerate(text.lines, start=1):
        if found := _IN_COMMENT.search(line):
            yield Finding(
                "a comment has a password in it, which the manifests would contain",
                Location(0, number, found.start() + 1),
                hint="remove it",
            )


def _variable(path: Sequence[str | int]) -> str:
    """The name of a variable for the secret at `path`: SOURCE_PASSWORD, AUTHORIZATION, TOKEN."""
    words = [each for each in path if isinstance(each, str)]
    words = [words[0], "password"] if words[-1] in ("source", "sink", "uri") else words[-1:]
    return re.sub(r"\W+", "_", "_".join(words)).strip("_").upper()


def remarks(plan: Plan) -> Iterator[Remark]:
    """Errors and notes about the flow in a pod."""
    flow = plan.flow
    if not plan.name:
        hint = "set `name` to a name with letters or digits (a-z, 0-9)"
        yield Remark("name", f"Kubernetes has no name for {flow.name!r}", hint)
    if plan.name == "kustomization":
        yield Remark("name", "a file of Kustomize has this name", "set another `name`")
    if flow.source.kind == "camera":
        hint = "publish it over RTSP on the machine that has it, or run the flow there"
        yield Remark("source", "a pod has no camera", hint)
    if sum(len(text.encode()) for text in plan.files.values()) > MAX_CONFIG:
        yield Remark("", "the flow and the files that it extends exceed 1 MB, a ConfigMap's limit")
    if any(mount.folder == "/" for mount in plan.mounts):
        yield Remark("", "a file directly in / cannot be mounted", "move it into a folder")
    yield from _sinks(flow)
    yield from _server(flow)
    yield from _hooks(flow)


def _sinks(flow: Flow) -> Iterator[Remark]:
    for key, sink in flow.sinks_by_key.items():
        if sink.kind == "screen":
            yield Remark(key, "a pod has no screen", "use `web`, a file or a stream")
        if sink.tls:
            yield _note(f"{key}.tls", "the pod needs these files: mount a Secret with them")
        host = sink.uri.partition("://")[2].rpartition("@")[2]
        if sink.kind not in ("web", "jsonl", "video", "hls") and _LOOPBACK.fullmatch(host):
            yield _note(key, "in a pod, this address is the pod itself")
        if sink.kind == "web" and sink.uri.partition(":")[2].partition(":")[0] in ("", "127.0.0.1"):
            yield _note(key, "the page is reached with `kubectl port-forward` only")
    host = flow.source.uri.partition("://")[2].rpartition("@")[2]
    if _LOOPBACK.fullmatch(host):
        yield _note("source", "in a pod, this address is the pod itself")


def _server(flow: Flow) -> Iterator[Remark]:
    transport = flow.transport
    if any(map(_LOOPBACK.fullmatch, transport.address)):
        message = "in a pod, this address is the pod itself"
        yield _note("transport.address", message, "name the Service of the model server")
    if any(each.startswith("unix:") for each in transport.address):
        yield _note("transport.address", "the pod needs this socket: mount its folder")
    if any(each.startswith("replay:") for each in transport.address):
        yield _note("transport.address", "the image must contain this file")
    if transport.embedded and re.search(r"[./:\\]", transport.model):
        yield _note("transport.model", "the image must contain this model")
    if transport.shared_memory:
        message = "shared memory needs the model server as a container of the same pod"
        yield _note("transport.shared_memory", message)
    if transport.tls:
        yield _note("transport.tls", "the pod needs these files: mount a Secret with them")


def _hooks(flow: Flow) -> Iterator[Remark]:
    for key in ("preprocess", "postprocess"):
        for number, hook in enumerate(getattr(flow, key)):
            if not hook.is_brought:
                module = hook.hook.partition(":")[0]
                message = f"the image must contain `{module}` among its installed packages"
                yield _note(f"{key}[{number}].hook", message)
            labels = hook.with_.get("labels")
            if isinstance(labels, str) and "." in labels:
                yield _note(f"{key}[{number}].with.labels", "the image must contain this file")


def _note(key: str, message: str, hint: str = "") -> Remark:
    return Remark(key, message, hint, "note")

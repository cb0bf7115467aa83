"""Find what only one of several flows on a machine can have: a name, a file, an address."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import NamedTuple

from flowrun.media.sinks.web import ADDRESS
from flowrun.spec.flow import Flow
from flowrun.spec.load import LoadedFlow
from flowrun.spec.problems import Problem, Remark
from flowrun.spec.same_file import identity
from flowrun.spec.secrets import redact

_STREAMS = ("rtsp", "stream")
_ANY_PORT = ":0"  # the system chooses a free one
_PROGRAM = "`flowrun up`"


class _Use(NamedTuple):
    what: Hashable
    key: str  # of the flow
    text: str  # of what is used, for the message
    hint: str


class Used:
    """What the flows that were added have. `addresses` are those of the supervisor."""

    def __init__(self, addresses: tuple[str, ...] = ()) -> None:
        self._owners: dict[Hashable, str] = {_listener(each): _PROGRAM for each in addresses}

    def add(self, loaded: LoadedFlow) -> None:
        for use in _uses(loaded.flow):
            self._owners.setdefault(use.what, loaded.flow_text.path)

    def problem(self, loaded: LoadedFlow) -> Problem | None:
        """The first thing that `loaded` needs and another flow has."""
        for use in _uses(loaded.flow):
            owner = self._owners.get(use.what)
            if owner is not None:
                message = f"{use.text} is also that of {owner}"
                return loaded.problem(Remark(use.key, message, use.hint))
        return None


def _uses(flow: Flow) -> Iterator[_Use]:
    yield _Use(("name", flow.name), "name", f"the name {flow.name!r}", "give it another `name`")
    for key, sink in flow.sinks_by_key.items():
        if sink.file is not None or sink.is_series:
            what = identity(str(sink.file or sink.uri))
            yield _Use(("file", what), key, f"the file {sink.uri}", "choose another path")
        elif sink.kind in _STREAMS:
            text = f"the stream {redact(sink.uri)}"
            yield _Use(("stream", sink.uri), key, text, "publish under another address")
        elif sink.kind == "web":
            address = sink.uri.partition(":")[2] or ADDRESS
            hint = "choose another port; `flowrun up --web` has one page for all flows"
            if not address.endswith(_ANY_PORT):
                yield _Use(_listener(address), key, f"the address {address}", hint)
    if flow.metrics is not None:
        address = flow.metrics.address
        hint = "choose another port; `flowrun up --metrics` has the metrics of all flows"
        yield _Use(_listener(address), "metrics", f"the address {address}", hint)


def _listener(address: str) -> Hashable:
    """The same for `localhost:PORT` and `127.0.0.1:PORT`."""
    host, _, port = address.rpartition(":")
    return "address", "127.0.0.1" if host.lower() == "localhost" else host, port

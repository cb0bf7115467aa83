"""Record what a model server answers to requests, and replay it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from flowrun.errors import TransportError
from flowrun.inference import Request, Result
from flowrun.kserve.cassette.content import Header
from flowrun.kserve.cassette.recorder import Recorder
from flowrun.kserve.connect import open_supervised
from flowrun.spec.flow import OnOutage, TransportSpec

LIMIT = 10.0  # seconds, a guard against hanging
COUNT = 8  # requests


def tensor(number: int) -> Request:
    """A request whose elements are all `number`."""
    return Request({"image": np.full((2, 3, 3), number, np.uint8)})


def outcome(future: Future[Result | None]) -> Any:
    """What became of a request, for comparison."""
    try:
        result = future.result(LIMIT)
    except TransportError as error:
        return type(error).__name__, error.condition, error.code
    if result is None:
        return None
    return {name: array.tobytes() for name, array in result.outputs.items()}, result.responses


@dataclass
class Recording:
    """`record` and `replay` send requests and return what became of them."""

    path: Path

    def record(
        self,
        spec: TransportSpec,
        requests: Sequence[Request],
        policy: OnOutage = "drop",
        **fields: Any,
    ) -> list[Any]:
        header = Header("flow", "2030-01-01T00:00:00+00:00", "1.0", spec.mode, spec.model)
        fields = {"timeout": spec.timeout, "headers": spec.headers, **fields}
        recorder = Recorder(self.path, header, replace=True, **fields)
        found = self.send(spec, requests, policy, recorder)
        assert recorder.finish()
        return found

    def replay(self, spec: TransportSpec, requests: Sequence[Request], **fields: Any) -> list[Any]:
        return self.send(replace(spec, address=(f"replay:{self.path}",), **fields), requests)

    def send(
        self,
        spec: TransportSpec,
        requests: Sequence[Request],
        policy: OnOutage = "drop",
        recorder: Recorder | None = None,
    ) -> list[Any]:
        """Send `requests`, with at most `spec.in_flight` at once."""
        transport = open_supervised(spec, policy, sample=requests[0], recorder=recorder)
        window = spec.in_flight if isinstance(spec.in_flight, int) else 1
        futures: list[Future[Result | None]] = []
        found = []
        try:
            for request in requests:
                if len(futures) >= window:
                    found.append(outcome(futures.pop(0)))
                futures.append(transport.submit(request))
            found += map(outcome, futures)
        finally:
            transport.close()
        return found

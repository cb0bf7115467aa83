"""How much more a recording can hold, so that a reader accepts what was written."""

from __future__ import annotations

import json

from flowrun.kserve.cassette.content import MAX_INDEX, MAX_REQUESTS, MAX_RESPONSES, Signature

_NEARLY = 0.95  # what is in flight must fit, too
_ENTRY = 200  # bytes of JSON of a request, a response or a call, without its texts
_ESCAPED = 6  # bytes of JSON for a character, at most
_BASE64 = 4 / 3


class Budget:
    """Counts requests, responses and the bytes of the index, the latter at their most. Not
    thread-safe."""

    def __init__(self) -> None:
        self._requests = self._responses = 0
        self._bytes = 0.0
        self._signatures: set[Signature] = set()

    @property
    def used(self) -> float:
        """From 0 to 1, by whatever is closest to its limit."""
        return max(
            self._requests / MAX_REQUESTS,
            self._responses / MAX_RESPONSES,
            self._bytes / MAX_INDEX,
        )

    @property
    def is_nearly_spent(self) -> bool:
        """Whether no more requests are to be recorded."""
        return self.used >= _NEARLY

    def request(self, signature: Signature) -> None:
        self._requests += 1
        self._bytes += _ENTRY
        if signature not in self._signatures:
            self._signatures.add(signature)
            self._bytes += len(json.dumps(signature))

    def response(self, details: str = "") -> bool:
        """Count a response or an end of a stream; whether it fits."""
        if self.used >= 1:
            return False
        self._responses += 1
        self._bytes += _ENTRY + _ESCAPED * len(details)
        return True

    def call(self, response: bytes, details: str) -> bool:
        """Count a call; whether it fits."""
        if self.used >= 1:
            return False
        self._bytes += _ENTRY + _BASE64 * len(response) + _ESCAPED * len(details)
        return True

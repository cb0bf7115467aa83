"""Which addresses of the model server are available, for status and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType


class AddressStates:
    """Written by the balancer, read by any thread; empty where calls are not balanced."""

    def __init__(self) -> None:
        self._unavailable_since: Mapping[str, datetime | None] = {}

    def set(self, unavailable_since: Mapping[str, datetime | None]) -> None:
        """By address, in the order of the flow; `None` for those that are available."""
        self._unavailable_since = MappingProxyType(dict(unavailable_since))

    @property
    def unavailable_since(self) -> Mapping[str, datetime | None]:
        return self._unavailable_since

    def to_json(self) -> list[dict[str, str | None]]:
        return [
            {"address": address, "unavailable_since": f"{since:%H:%M:%S}" if since else None}
            for address, since in self._unavailable_since.items()
        ]

"""Whether the model still owes its first response, which may take longer than the others."""

from __future__ import annotations


class FirstResponse:
    """Until it is `received`, at the start of a run and after an outage, a request may take
    `transport.first_timeout`: a server may build or load what the model needs. From any thread."""

    def __init__(self) -> None:
        self.awaited = True
        self.after_outage = False

    def received(self) -> None:
        self.awaited = False

    def await_again(self) -> None:
        """The server was unavailable, or its model was not ready."""
        self.awaited = self.after_outage = True

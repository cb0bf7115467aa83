"""The parameters by which Triton recognizes the requests to a stateful model."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from flowrun.inference import Parameter
from flowrun.kserve.wire.parameters import SEQUENCE_END, SEQUENCE_ID, SEQUENCE_START
from flowrun.kserve.wire.requests import parameter_bytes

START: Mapping[str, Parameter] = {SEQUENCE_START: True}
START_BYTES = parameter_bytes(START)  # to append to a message that has been made


class Sequence:
    """All requests of a run have one id; the last one ends the sequence, and whoever sends the
    first one over a new connection, or to a server that has lost the sequence, adds `START`.

    https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_sequence.md
    """

    def __init__(self) -> None:
        self._id = secrets.randbelow(2**63 - 1) + 1  # 0 is no sequence

    def parameters(self, *, last: bool) -> Mapping[str, Parameter]:
        """Those of each request, and of the last one."""
        return {SEQUENCE_ID: self._id, **({SEQUENCE_END: True} if last else {})}

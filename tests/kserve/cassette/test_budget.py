"""A recording ends before it is more than a reader accepts."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from tritonclient.grpc import service_pb2 as pb

from flowrun.kserve.cassette import budget
from flowrun.kserve.cassette.budget import Budget
from flowrun.kserve.cassette.content import (
    MAX_DETAILS,
    MAX_INDEX,
    Header,
    RecordedCall,
    RecordedRequest,
    RecordedResponse,
    Signature,
    StreamEnd,
)
from flowrun.kserve.cassette.index import write_index
from flowrun.kserve.cassette.reader import Cassette
from flowrun.kserve.cassette.recorder import Recorder

IMAGE: Signature = (("image", "UINT8", (1080, 1920, 3)),)
LONGEST = "\x01" * MAX_DETAILS  # six bytes each in JSON
SECONDS = 123456.123456
DIGEST = "a" * 32


def test_the_bytes_of_the_index_are_estimated_at_their_most() -> None:
    spent = Budget()
    requests = []
    for number in range(100):
        signature = (("image", "UINT8", (number, 1920, 3)), *IMAGE)
        failed = RecordedResponse(SECONDS, None, "RESOURCE_EXHAUSTED", LONGEST)
        good = RecordedResponse(SECONDS, 400_000, has_id=True, has_timestamp=True)
        end = StreamEnd(SECONDS, "RESOURCE_EXHAUSTED", LONGEST, last=False, half_closed=False)
        spent.request(signature)
        for details in (LONGEST, "", LONGEST):
            assert spent.response(details)
        requests.append(RecordedRequest(DIGEST, signature, SECONDS, [failed, good], end))
    call = RecordedCall("ServerMetadata", 200_000, SECONDS, b"\0" * 10_000, "UNKNOWN", LONGEST)
    assert spent.call(call.response, call.details)
    size = len(write_index(requests, [call]))
    assert size <= spent.used * MAX_INDEX < 1.1 * size


@pytest.mark.parametrize("name", ["MAX_REQUESTS", "MAX_RESPONSES", "MAX_INDEX"])
def test_the_run_ends_before_the_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(budget, name, {"MAX_INDEX": 20_000}.get(name, 40))
    header = Header("flow", "2030-01-01T00:00:00+00:00", "1.0", "stream", "model")
    recorder = Recorder(tmp_path / "a.tape", header, timeout=1.0)
    stops: list[bool] = []
    recorder.stop = lambda: stops.append(True)
    request = pb.ModelInferRequest()
    request.inputs.add(name="image", datatype="UINT8", shape=[1])
    message = request.SerializeToString()
    sent = 0
    while recorder.sent(message) is not None:
        recorder.responded(sent, b"")
        sent += 1
    assert 30 <= sent < 60
    assert stops == [True]
    for _ in range(100):
        recorder.responded(0, b"")
    assert recorder.finish()
    with closing(Cassette(str(tmp_path / "a.tape"))) as cassette:
        assert sum(len(each.responses) for each in cassette.requests) < 140

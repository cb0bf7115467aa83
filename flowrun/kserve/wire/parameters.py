"""Names of the parameters with which servers extend the streams of KServe v2."""

from __future__ import annotations

# OpenVINO Model Server; int64, in requests and in their responses: increases strictly in a stream.
TIMESTAMP = "OVMS_MP_TIMESTAMP"
# Triton; bool, in requests: send an empty final response if the model has no other.
ENABLE_FINAL = "triton_enable_empty_final_response"
# Triton; in requests to a stateful model: the id of the sequence, not 0, and whether the request is
# the first or the last one of it.
SEQUENCE_ID, SEQUENCE_START, SEQUENCE_END = "sequence_id", "sequence_start", "sequence_end"
# Triton; bool, in responses: the last one to its request.
FINAL = "triton_final_response"

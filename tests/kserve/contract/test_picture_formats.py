"""Flows changed as suggested fit the model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from flowrun.chain.tensors import to_request
from flowrun.inference import TensorInfo
from flowrun.kserve.contract.compare import mismatches
from flowrun.kserve.contract.model_info import ModelInfo
from flowrun.kserve.contract.servers import EMBEDDED, OVMS, TRITON
from flowrun.kserve.contract.suggestions import unknown_name, yaml_lines
from flowrun.spec.flow import TransportSpec

sides = st.sampled_from([-1, 24, 32, 300])
Dtype = Literal["uint8", "int8", "uint16", "int16", "int32", "fp16", "fp32", "fp64"]
dtypes: st.SearchStrategy[Dtype] = st.sampled_from(
    ["uint8", "int8", "uint16", "int16", "int32", "fp16", "fp32", "fp64"]
)


@st.composite
def shapes(draw: st.DrawFn) -> tuple[int, ...]:
    """Of inputs that accept a picture, or have no shape."""
    height, width = draw(sides), draw(sides)
    channels = draw(st.sampled_from([3, -1]))
    rest = draw(st.sampled_from([(height, width, channels), (channels, height, width)]))
    return draw(st.sampled_from([(), rest, (1, *rest), (-1, *rest)]))


@st.composite
def tensors(draw: st.DrawFn) -> TensorInfo:
    if draw(st.booleans()):
        return TensorInfo("image", "BYTES", draw(st.sampled_from([(), (-1,), (1,)])))
    return TensorInfo("image", draw(dtypes).upper(), draw(shapes()))


@st.composite
def flows(draw: st.DrawFn) -> TransportSpec:
    spec = TransportSpec("unary", ("h:1",), "m", encoding="jpeg")
    if draw(st.booleans()):
        return spec
    return replace(
        spec,
        encoding="raw",
        dtype=draw(dtypes),
        layout=draw(st.sampled_from(["HWC", "CHW"])),
        batch=draw(st.booleans()),
    )


def suggested(hint: str) -> tuple[dict[str, Any], tuple[int, int] | None]:
    """The keys of `transport` and the size in the lines of a hint."""
    keys: dict[str, Any] = {}
    size = None
    for block in hint.removeprefix("if it decodes pictures, ").split("and as"):
        words, _, text = block.partition(":\n")
        if "`transport`" in words:
            keys = yaml.safe_load(text)
        else:
            (hook,) = yaml.safe_load(text)
            width, height = hook["with"]["size"].split("x")
            size = int(width), int(height)
    return keys, size


@given(tensors(), flows(), st.sampled_from([OVMS, TRITON, EMBEDDED, None]))
def test_a_flow_changed_as_the_error_suggests_fits(
    tensor: TensorInfo, spec: TransportSpec, server: str | None
) -> None:
    model = ModelInfo("m", server=server, inputs=(tensor,))
    image = np.zeros((24, 32, 3), np.uint8)
    errors = list(mismatches(model, spec, to_request(image, spec, "rgb")))
    assert len(errors) <= 1  # one fix for everything that is wrong
    for error in errors:
        keys, size = suggested(error.hint or "")
        assert keys or size
        assert all(getattr(spec, key) != value for key, value in keys.items())
        # What is compressed has no size any more: one side alone cannot be asked for.
        assume(spec.encoding == "raw" or size or max(tensor.shape, default=0) < 24)
        spec = replace(spec, **keys)
        width, height = size or (32, 24)
        changed = to_request(np.zeros((height, width, 3), np.uint8), spec, "rgb")
        assert list(mismatches(model, spec, changed)) == []


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_any_name_can_be_written_as_suggested(name: str) -> None:
    words, _, text = yaml_lines({"input": name}).partition("\n")
    assert words == "write under `transport`:"
    assert yaml.safe_load(text) == {"input": name}


def test_of_many_names_the_most_similar_are_listed() -> None:
    error = unknown_name("there is no", "n7", [f"n{n}" for n in range(20)], "preprocess[0]")
    assert error.hint == "it has 'n7', 'n17', 'n0', 'n1', 'n2', 'n3', 'n4', 'n5' and 12 more"

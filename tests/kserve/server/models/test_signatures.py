"""Models of any signature behind the embedded server, and the pictures that it decodes."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image as Pillow
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as stubs

from flowrun.errors import InvalidFlowError
from flowrun.inference import TensorInfo
from flowrun.kserve.server.embedded import EmbeddedServer
from flowrun.kserve.server.models import MODELS, Model, resolve_model
from flowrun.kserve.server.models.signature import read_signature
from flowrun.kserve.wire.tensors import DATATYPES, from_raw, to_raw

LIMIT = 10.0  # seconds, a guard against hanging
Array = npt.NDArray[Any]

CALLABLES = '''
import numpy as np

def blend(given):
    """The mean of both, rounded; nothing if there is no weight."""
    if not given["weight"].any():
        return None
    return {"mean": (given["a"] + given["b"]) / np.float32(2), "names": given["names"]}

blend.inputs = {
    "a": ("FP32", (1, 3, -1)),
    "b": ("FP32", (1, 3, -1)),
    "weight": ("FP16", (1,)),
    "names": ("BYTES", (-1,)),
}
blend.outputs = {"mean": ("FP32", (1, 3, -1)), "names": ("BYTES", (-1,))}

def doubles(given):
    return {"boxes": np.zeros(given["n"].tolist(), np.float64)}

doubles.inputs = {"n": ("INT64", (2,))}
doubles.outputs = {"boxes": ("FP64", (-1, 4))}

def wrong_type(given):
    return given["n"].astype(np.float64)

wrong_type.inputs = {"n": ("INT64", (2,))}
wrong_type.outputs = {"sum": ("FP32", ())}

def objects(image):
    return np.array([image, None], dtype=object)
'''


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Model]]:
    folder = tmp_path_factory.mktemp("signatures")
    (folder / "signature_models.py").write_text(CALLABLES)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", list(sys.path))
        names = ("blend", "doubles", "wrong_type", "objects")
        yield {name: resolve_model(f"signature_models:{name}") for name in names}
        del sys.modules["signature_models"]


@pytest.fixture(scope="module")
def stub(models: dict[str, Model]) -> Iterator[Any]:
    echo = {
        datatype: Model(
            datatype,
            lambda: lambda given: {"output": given["input"]},
            (TensorInfo("input", datatype),),
            (TensorInfo("output", datatype),),
            by_name=True,
        )
        for datatype in (*DATATYPES, "BYTES")
    }
    with (
        EmbeddedServer({model.name: model for model in models.values()} | echo | MODELS) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        yield stubs.GRPCInferenceServiceStub(channel)


def request(model: str, **tensors: tuple[str, Array]) -> Any:
    message = pb.ModelInferRequest(model_name=model)
    for name, (datatype, array) in tensors.items():
        message.inputs.add(name=name, datatype=datatype, shape=array.shape)
        message.raw_input_contents.append(bytes(to_raw(array, datatype)))
    return message


def blend(**others: tuple[str, Array]) -> Any:
    ones = np.ones((1, 3, 2), np.float32)
    tensors = {
        "names": ("BYTES", np.array([b"cat", b""], object)),
        "weight": ("FP16", np.ones(1, np.float16)),
        "b": ("FP32", ones * 3),
        "a": ("FP32", ones),
    }
    return request("signature_models:blend", **(tensors | others))


def answer(stub: Any, message: Any) -> dict[str, Array]:
    got = stub.ModelInfer(message, timeout=LIMIT)
    return {
        output.name: from_raw(raw, output.datatype, tuple(output.shape))
        for output, raw in zip(got.outputs, got.raw_output_contents, strict=True)
    }


def failure(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code().name, caught.value.details() or ""


def test_inputs_reach_a_model_by_name_in_any_order(stub: Any) -> None:
    outputs = answer(stub, blend())
    assert outputs["mean"].tolist() == [[[2.0, 2.0]] * 3]
    assert outputs["names"].tolist() == [b"cat", b""]


def test_a_model_of_several_inputs_may_return_no_response(stub: Any) -> None:
    message = blend(weight=("FP16", np.zeros(1, np.float16)))
    assert failure(lambda: stub.ModelInfer(message, timeout=LIMIT))[0] == "ABORTED"
    assert list(stub.ModelStreamInfer(iter([message]), timeout=LIMIT)) == []


def test_the_signature_of_a_callable_is_its_metadata(stub: Any) -> None:
    asked = pb.ModelMetadataRequest(name="signature_models:blend")
    metadata = stub.ModelMetadata(asked, timeout=LIMIT)
    assert [(each.name, each.datatype, list(each.shape)) for each in metadata.inputs] == [
        ("a", "FP32", [1, 3, -1]),
        ("b", "FP32", [1, 3, -1]),
        ("weight", "FP16", [1]),
        ("names", "BYTES", [-1]),
    ]
    assert [(each.name, each.datatype, list(each.shape)) for each in metadata.outputs] == [
        ("mean", "FP32", [1, 3, -1]),
        ("names", "BYTES", [-1]),
    ]


def test_an_output_may_be_empty(stub: Any) -> None:
    message = request("signature_models:doubles", n=("INT64", np.array([0, 4])))
    assert answer(stub, message)["boxes"].shape == (0, 4)


@given(st.data())
def test_every_datatype_passes_unchanged(stub: Any, data: st.DataObject) -> None:
    datatype = data.draw(st.sampled_from([*DATATYPES, "BYTES"]))
    dtype = DATATYPES[datatype][0] if datatype in DATATYPES else np.dtype(object)
    elements = st.binary(max_size=9) if datatype == "BYTES" else None
    given = data.draw(arrays(dtype, array_shapes(max_dims=4, max_side=4), elements=elements))
    output = answer(stub, request(datatype, input=(datatype, given)))["output"]
    assert (output.dtype, output.shape) == (dtype, given.shape)
    assert to_raw(output, datatype) == to_raw(given, datatype)  # NaN included


TWO = np.ones((1, 3, 2), np.float32)
MISFITS: dict[str, tuple[Callable[[], Any], str]] = {
    "one missing": (
        lambda: request("signature_models:blend", a=("FP32", TWO), n=("FP32", TWO)),
        "model 'signature_models:blend' takes the inputs 'a', 'b', 'weight', 'names'; got 'a', 'n'",
    ),
    "another type": (
        lambda: blend(b=("FP64", TWO)),
        "input 'b' is FP32, got FP64",
    ),
    "another rank": (
        lambda: blend(b=("FP32", TWO[0])),
        "input 'b' has the shape [1, 3, -1], got [3, 2]",
    ),
    "another size": (
        lambda: blend(b=("FP32", TWO[:, :2])),
        "input 'b' has the shape [1, 3, -1], got [1, 2, 2]",
    ),
    "nothing in it": (
        lambda: blend(b=("FP32", TWO[:, :, :0])),
        "input 'b' has the shape [1, 3, -1], got [1, 3, 0]",
    ),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_invalid_inputs_are_an_invalid_argument(stub: Any, misfit: str) -> None:
    make, text = MISFITS[misfit]
    got = failure(lambda: stub.ModelInfer(make(), timeout=LIMIT))
    assert got == ("INVALID_ARGUMENT", text)


def test_a_tensor_without_its_bytes_is_an_invalid_argument(stub: Any) -> None:
    message = blend()
    del message.raw_input_contents[-1]
    assert failure(lambda: stub.ModelInfer(message, timeout=LIMIT)) == (
        "INVALID_ARGUMENT",
        "the 4 inputs must have 4 entries in raw_input_contents, got 3",
    )


def test_a_wrong_number_of_bytes_is_an_invalid_argument(stub: Any) -> None:
    message = blend()
    message.raw_input_contents[0] = b"\x09\0\0\0cat\0\0\0\0"
    assert failure(lambda: stub.ModelInfer(message, timeout=LIMIT)) == (
        "INVALID_ARGUMENT",
        "input 'names' is malformed: BYTES with 2 elements has wrong element lengths",
    )


def test_outputs_that_differ_from_the_signature_are_an_error(stub: Any) -> None:
    message = request("signature_models:wrong_type", n=("INT64", np.array([1, 2])))
    assert failure(lambda: stub.ModelInfer(message, timeout=LIMIT)) == (
        "INTERNAL",
        "model 'signature_models:wrong_type' returned 'sum' as FP64 [2], but declares it as FP32"
        " []",
    )
    message = request("signature_models:doubles", n=("INT64", np.array([3, 5])))
    assert failure(lambda: stub.ModelInfer(message, timeout=LIMIT)) == (
        "INTERNAL",
        "model 'signature_models:doubles' returned 'boxes' as FP64 [3, 5], but declares it as FP64"
        " [-1, 4]",
    )


def test_objects_that_are_not_bytes_cannot_be_returned(stub: Any) -> None:
    image = np.zeros((1, 1, 3), np.uint8)
    message = request("signature_models:objects", image=("UINT8", image))
    assert failure(lambda: stub.ModelInfer(message, timeout=LIMIT)) == (
        "INTERNAL",
        "output 'output' of model 'signature_models:objects' cannot be sent: an array of objects"
        " may hold bytes or str, not ndarray",
    )


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"inputs": {}}, "'m:f' has `inputs` = {}"),
        ({"inputs": "image"}, "'m:f' has `inputs` = 'image'"),
        ({"inputs": {"x": "FP32"}}, "'m:f' has `inputs` with 'x' = 'FP32'"),
        ({"inputs": {"x": ("FP32", 3)}}, "'m:f' has `inputs` with 'x' = ('FP32', 3)"),
        ({"inputs": {"x": ("float", (3,))}}, "'m:f' has `inputs` with 'x' = ('float', (3,))"),
        ({"outputs": {"x": ("FP32", (-2,))}}, "'m:f' has `outputs` with 'x' = ('FP32', (-2,))"),
    ],
)
def test_an_invalid_signature_is_refused_with_the_syntax(
    declared: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidFlowError) as caught:
        read_signature("m:f", declared)
    assert str(caught.value) == (
        f"transport.model: {message}\n"
        '  a tensor is declared as {"name": ("FP32", (1, 3, -1, -1))}; datatypes are BOOL, UINT8,'
        " UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, FP32, FP64 and BYTES, -1 is any"
        " size"
    )


def test_a_callable_has_an_image_or_tensors_by_name_and_not_both() -> None:
    with pytest.raises(InvalidFlowError) as caught:
        read_signature("m:f", {"input": "frame", "inputs": {"x": ("FP32", (3,))}})
    assert str(caught.value) == (
        "transport.model: 'm:f' has the attributes `input` and `inputs`\n  remove one of them"
    )


# Pictures


def compressed(picture: Array, form: str) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(picture).save(file, form, quality=95)
    return file.getvalue()


def sent(*data: bytes) -> Any:
    return request("identity", image=("BYTES", np.array(data, object)))


@pytest.mark.parametrize(("form", "off"), [("PNG", 0), ("JPEG", 6)])
def test_a_compressed_picture_reaches_the_model_as_rgb(stub: Any, form: str, off: int) -> None:
    picture = np.empty((16, 24, 3), np.uint8)
    picture[:] = (200, 60, 20)
    output = answer(stub, sent(compressed(picture, form)))["output"]
    assert output.shape == (16, 24, 3)
    assert np.abs(output.astype(int) - picture).max() <= off


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_a_png_of_other_channels_becomes_rgb(stub: Any, mode: str) -> None:
    file = io.BytesIO()
    Pillow.new("L", (3, 2), 77).convert(mode).save(file, "PNG")
    assert answer(stub, sent(file.getvalue()))["output"].tolist() == [[[77] * 3] * 3] * 2


def test_an_invalid_picture_is_an_invalid_argument(stub: Any) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (64, 64, 3), np.uint8)
    jpeg = compressed(noise, "JPEG")

    def refused(*data: bytes) -> tuple[str, str]:
        return failure(lambda: stub.ModelInfer(sent(*data), timeout=LIMIT))

    assert refused(b"nothing") == ("INVALID_ARGUMENT", "input 'image' is neither JPEG nor PNG")
    assert refused(jpeg, jpeg) == (
        "INVALID_ARGUMENT",
        "input 'image' takes one JPEG or PNG, BYTES [1], got [2]",
    )
    code, text = refused(jpeg[: len(jpeg) // 2])
    assert code == "INVALID_ARGUMENT"
    assert text.startswith("input 'image' cannot be decoded: image file is truncated")


def test_bytes_for_a_tensor_that_is_not_a_picture_are_not_decoded(stub: Any) -> None:
    message = blend(a=("BYTES", np.array([compressed(np.zeros((8, 8, 3), np.uint8), "PNG")])))
    assert failure(lambda: stub.ModelInfer(message, timeout=LIMIT)) == (
        "INVALID_ARGUMENT",
        "input 'a' is FP32, got BYTES",
    )

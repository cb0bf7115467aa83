"""Models in worker processes. Their interpreter is that of the tests; that it needs nothing of
flowrun is tested in tests/test_imports.py."""

from __future__ import annotations

import io
import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as stubs

from flowrun.errors import UsageError
from flowrun.kserve.server.embedded import EmbeddedServer, serve
from flowrun.kserve.server.models import worker_process, workers
from flowrun.kserve.server.models.isolated.worker import receive, send
from flowrun.kserve.wire.tensors import DATATYPES, datatype_of, from_raw, to_raw

LIMIT = 30.0  # seconds, a guard against hanging
Array = npt.NDArray[Any]
IMAGE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)

MODELS = """
import os, signal, sys, threading
from pathlib import Path
import numpy as np

def invert(image):
    print("inverting")
    return 255 - image

def pid(image):
    return np.array([os.getpid()])

def unlucky(image):
    if image.max() > 100:
        raise ValueError("too bright")
    return image

def text(image):
    return image.tolist()

def objects(image):
    return np.array([None])

def fall(image):
    if image.max() > 100:
        print("no more memory", file=sys.stderr)
        os._exit(3)
    return image

def shot(image):
    os.kill(os.getpid(), signal.SIGKILL)

def stuck(image):
    open("entered", "wb").close()  # a pipe that the test made
    threading.Event().wait()

class Count:
    inputs = {"x": ("INT64", (-1,)), "names": ("BYTES", (-1,))}
    outputs = {"sum": ("INT64", (-1,)), "names": ("BYTES", (-1,))}

    def __init__(self):
        self.seen = 0

    def __call__(self, given):
        self.seen += 1
        if not given["x"].any():
            return None
        return {"sum": given["x"] + self.seen, "names": given["names"][::-1]}

    def close(self):
        Path("closed").write_text(str(self.seen))

class Broken:
    def __init__(self):
        raise OSError("no weights")

    def __call__(self, image): ...

class Held:
    def __init__(self):
        self.pipe = open("held", "wb")  # ends when the process does

    def __call__(self, image):
        return np.array([os.getpid()])
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "far.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[Callable[..., EmbeddedServer]]:
    """Serve these models of the module `far`, each under its own name."""
    servers = []

    def start(*names: str) -> EmbeddedServer:
        server = serve([f"{name}=far:{name}" for name in names], "127.0.0.1:0", sys.executable)
        servers.append(server)
        return server

    yield start
    for each in servers:
        each.close()


@pytest.fixture
def stub(server: Callable[..., EmbeddedServer]) -> Iterator[Callable[..., Any]]:
    channels = []

    def connect(*names: str) -> Any:
        channels.append(grpc.insecure_channel(server(*names).address))
        return stubs.GRPCInferenceServiceStub(channels[-1])

    yield connect
    for channel in channels:
        channel.close()


def request(model: str, **tensors: Array) -> Any:
    message = pb.ModelInferRequest(model_name=model)
    for name, array in (tensors or {"image": IMAGE}).items():
        datatype = datatype_of(array)
        message.inputs.add(name=name, datatype=datatype, shape=array.shape)
        message.raw_input_contents.append(bytes(to_raw(array, datatype)))
    return message


def read(message: Any) -> dict[str, Array]:
    return {
        output.name: from_raw(raw, output.datatype, tuple(output.shape))
        for output, raw in zip(message.outputs, message.raw_output_contents, strict=True)
    }


def infer(stub: Any, message: Any) -> dict[str, Array]:
    return read(stub.ModelInfer(message, timeout=LIMIT))


def failure(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code().name, caught.value.details() or ""


BRIGHT = np.full((1, 1, 3), 200, np.uint8)


@given(st.data())
def test_every_array_passes_a_pipe_unchanged(data: st.DataObject) -> None:
    anything = np.dtype(object)
    dtype = data.draw(st.sampled_from([*(dtype for dtype, _ in DATATYPES.values()), anything]))
    elements = st.binary(max_size=9) if dtype == anything else None
    shapes = array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
    sent = data.draw(arrays(dtype, shapes, elements=elements))
    pipe = io.BytesIO()
    send(pipe, {"a": [1]}, {"x": sent, "y": sent.T})
    pipe.seek(0)
    header, tensors = receive(pipe)
    assert header == {"a": [1]}
    for got, expected in ((tensors["x"], sent), (tensors["y"], sent.T)):
        assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
        assert not got.flags.writeable
        assert to_raw(got, datatype_of(got)) == to_raw(expected, datatype_of(expected))
    with pytest.raises(EOFError):
        receive(pipe)


def test_a_model_in_another_process_gets_and_returns_an_image(
    server: Callable[..., EmbeddedServer], caplog: pytest.LogCaptureFixture
) -> None:
    here = server("invert", "pid")
    with (
        caplog.at_level("INFO", "flowrun"),
        grpc.insecure_channel(here.address) as channel,
    ):
        stub = stubs.GRPCInferenceServiceStub(channel)
        assert infer(stub, request("invert"))["output"].tolist() == (255 - IMAGE).tolist()
        assert infer(stub, request("pid"))["output"].item() != os.getpid()
        here.close()
    assert "invert: inverting" in caplog.messages  # its output is not a response


def test_its_signature_is_its_metadata(stub: Callable[..., Any]) -> None:
    metadata = stub("Count").ModelMetadata(pb.ModelMetadataRequest(name="Count"), timeout=LIMIT)
    assert [(each.name, each.datatype, list(each.shape)) for each in metadata.inputs] == [
        ("x", "INT64", [-1]),
        ("names", "BYTES", [-1]),
    ]
    assert [(each.name, each.datatype) for each in metadata.outputs] == [
        ("sum", "INT64"),
        ("names", "BYTES"),
    ]


def counted(*numbers: int) -> Any:
    names = np.array([b"cat", b""], object)
    return request("Count", x=np.array(numbers, np.int64), names=names)


def test_a_stream_has_a_process_of_its_own_and_unary_calls_share_one(
    stub: Callable[..., Any], folder: Path
) -> None:
    here = stub("Count")
    for expected in ([11], [12]):
        answer = infer(here, counted(10))
        assert answer["sum"].tolist() == expected
        assert answer["names"].tolist() == [b"", b"cat"]
    for _ in range(2):
        answers = here.ModelStreamInfer(iter([counted(10), counted(0), counted(20)]))
        sums = [read(each.infer_response)["sum"].tolist() for each in answers]
        assert sums == [[11], [23]]  # nothing for the second request
        assert (folder / "closed").read_text() == "3"
    assert infer(here, counted(10))["sum"].tolist() == [13]
    assert failure(lambda: infer(here, counted(0)))[0] == "ABORTED"


def test_an_exception_of_a_model_names_its_line(stub: Callable[..., Any], folder: Path) -> None:
    here = stub("unlucky", "Broken", "text", "objects")
    line = MODELS.splitlines().index('        raise ValueError("too bright")') + 1
    assert failure(lambda: infer(here, request("unlucky", image=BRIGHT))) == (
        "INTERNAL",
        f"model 'unlucky' raised ValueError: too bright (at {folder / 'far.py'}:{line})",
    )
    assert infer(here, request("unlucky"))["output"].tolist() == IMAGE.tolist()
    code, text = failure(lambda: infer(here, request("Broken")))
    assert code == "INTERNAL"
    assert text.startswith("model 'Broken' could not be constructed: OSError: no weights (at ")
    assert failure(lambda: infer(here, request("text"))) == (
        "INTERNAL",
        "model 'text' returned list as 'output'; it must be a numpy array",
    )
    assert failure(lambda: infer(here, request("objects"))) == (
        "INTERNAL",
        "model 'objects' returned an array that cannot be sent: an array of objects may hold bytes"
        " or str, not NoneType",
    )


def test_an_exception_of_a_model_fails_one_request_of_a_stream(stub: Callable[..., Any]) -> None:
    requests = [request("unlucky", image=BRIGHT), request("unlucky")]
    error, answer = stub("unlucky").ModelStreamInfer(iter(requests), timeout=LIMIT)
    assert error.error_message.startswith("model 'unlucky' raised ValueError: too bright (at ")
    assert read(answer.infer_response)["output"].tolist() == IMAGE.tolist()


EXITED = (
    "INTERNAL",
    "model 'fall' failed: its worker exited with status 3; its last output: no more memory",
)


def test_a_worker_that_exits_fails_its_call_and_is_replaced(
    stub: Callable[..., Any],
) -> None:
    here = stub("fall", "shot")
    assert infer(here, request("fall"))["output"].tolist() == IMAGE.tolist()
    assert failure(lambda: infer(here, request("fall", image=BRIGHT))) == EXITED
    assert infer(here, request("fall"))["output"].tolist() == IMAGE.tolist()
    if os.name == "posix":
        assert failure(lambda: infer(here, request("shot"))) == (
            "INTERNAL",
            "model 'shot' failed: its worker was killed by SIGKILL",
        )


def test_a_worker_that_exits_ends_its_stream(
    stub: Callable[..., Any],
) -> None:
    here = stub("fall")
    requests = [request("fall"), request("fall", image=BRIGHT), request("fall")]
    answers = here.ModelStreamInfer(iter(requests), timeout=LIMIT)
    assert read(next(answers).infer_response)["output"].tolist() == IMAGE.tolist()
    assert failure(lambda: next(answers)) == EXITED
    again = here.ModelStreamInfer(iter([request("fall")]), timeout=LIMIT)
    assert [read(each.infer_response)["output"].tolist() for each in again] == [IMAGE.tolist()]


def test_a_worker_that_exited_before_its_first_request_is_replaced(
    server: Callable[..., EmbeddedServer],
) -> None:
    here = server("pid")
    pool = here.models["pid"].close.__self__  # type: ignore[attr-defined]
    (first,) = pool._workers
    first.kill()
    first._process.wait()
    with grpc.insecure_channel(here.address) as channel:
        stub = stubs.GRPCInferenceServiceStub(channel)
        assert infer(stub, request("pid"))["output"].item() != first._process.pid
    assert first not in pool._workers


def test_a_worker_that_times_out_is_killed(
    stub: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "RESPONSE_TIMEOUT", 0.2)
    (folder / "entered").touch()
    assert failure(lambda: infer(stub("stuck"), request("stuck"))) == (
        "INTERNAL",
        "model 'stuck' did not respond within 0.2 s; its worker was killed",
    )


def test_more_streams_than_workers_are_refused(
    stub: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "WORKERS", 2)
    here = stub("pid")
    feeds: list[queue.SimpleQueue[Any]] = [queue.SimpleQueue(), queue.SimpleQueue()]
    streams = [here.ModelStreamInfer(iter(feed.get, None), timeout=LIMIT) for feed in feeds]
    for feed, stream in zip(feeds, streams, strict=True):
        feed.put(request("pid"))
        next(stream)
    refused = failure(lambda: next(here.ModelStreamInfer(iter([request("pid")]), timeout=LIMIT)))
    assert refused == (
        "FAILED_PRECONDITION",
        "model 'pid' has 2 workers already, for open streams and for unary calls; this is the"
        " limit",
    )
    feeds[0].put(None)
    assert list(streams[0]) == []
    assert len(list(here.ModelStreamInfer(iter([request("pid")]), timeout=LIMIT))) == 1
    feeds[1].put(None)


# Starting


def refusal(*models: str, python: str = sys.executable) -> str:
    with pytest.raises(UsageError) as caught:
        serve(models, "127.0.0.1:0", python)
    return str(caught.value)


def test_a_module_that_is_missing_is_named_when_the_server_starts(folder: Path) -> None:
    (folder / "needy.py").write_text("import heavy_framework\ndef model(image): ...\n")
    assert refusal("far:invert", "needy:model") == (
        "--python: model 'needy:model' cannot be loaded: ModuleNotFoundError: No module named"
        f" 'heavy_framework' (at {folder / 'needy.py'}:1)"
    )


def test_for_an_environment_without_mediapipe_the_command_to_install_it_is_named(
    folder: Path,
) -> None:
    said = refusal("holisticTracking")
    assert said.startswith("--python: model 'holisticTracking' cannot be loaded: Module")
    assert said.endswith(
        "\n  python3 -m venv .venv-mediapipe && .venv-mediapipe/bin/pip install mediapipe==0.10.21"
    )


def test_a_missing_interpreter_is_named(folder: Path) -> None:
    assert refusal("far:invert", python="nowhere/python") == (
        "--python: 'nowhere/python' cannot be run: No such file or directory\n"
        "  set it to the python of an environment"
    )
    assert refusal("irisTracking", python="nowhere/python") == (
        "--python: 'nowhere/python' cannot be run: No such file or directory\n"
        "  set it to the python of an environment: python3 -m venv .venv-mediapipe &&"
        " .venv-mediapipe/bin/pip install mediapipe==0.10.21"
    )


def test_a_model_of_its_own_environment_is_not_served_without_one() -> None:
    with pytest.raises(UsageError) as caught:
        serve(["holisticTracking"], "127.0.0.1:0")
    assert str(caught.value) == (
        "model 'holisticTracking' needs an environment of its own\n"
        "  python3 -m venv .venv-mediapipe && .venv-mediapipe/bin/pip install mediapipe==0.10.21"
        " && flowrun serve holisticTracking --python .venv-mediapipe/bin/python"
    )


def test_built_in_models_need_no_other_interpreter(folder: Path) -> None:
    with serve(["identity"], "127.0.0.1:0", "nowhere/python") as server:
        assert list(server.models) == ["identity"]


def test_an_object_that_is_not_callable_is_refused(folder: Path) -> None:
    (folder / "flat.py").write_text("model = 3\n")
    assert refusal("flat:model") == (
        "--python: model 'flat:model' cannot be loaded: TypeError: 'flat:model' is of type int,"
        " which is not callable"
    )


def test_loading_a_model_times_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "START_TIMEOUT", 0.2)
    (folder / "endless.py").write_text("import threading\nthreading.Event().wait()\n")
    assert refusal("endless:model") == (
        "--python: model 'endless:model' did not load within 0.2 s; its worker was killed"
    )


# Ending

posix = pytest.mark.skipif(os.name != "posix", reason="named pipes")


@posix
def test_closing_the_server_ends_a_worker_that_is_stuck(
    server: Callable[..., EmbeddedServer], folder: Path
) -> None:
    os.mkfifo(folder / "entered")
    here = server("stuck")
    with grpc.insecure_channel(here.address) as channel:
        call = stubs.GRPCInferenceServiceStub(channel).ModelInfer.future(request("stuck"))
        (folder / "entered").read_bytes()  # the model runs
        here.close()
        assert failure(call.result)[0] in ("CANCELLED", "UNAVAILABLE")
    assert here.models["stuck"].close.__self__._workers == set()  # type: ignore[attr-defined]
    assert not [each for each in threading.enumerate() if "worker" in each.name]


@posix
def test_no_worker_outlives_a_server_that_was_killed(folder: Path) -> None:
    os.mkfifo(folder / "held")
    command = [sys.executable, "-m", "flowrun", "serve", "held=far:Held"]
    with subprocess.Popen(
        [*command, "--python", sys.executable, "--address", "127.0.0.1:0"],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        found = re.search(r"serving held at (\S+);", process.stderr.readline())
        assert found
        with grpc.insecure_channel(found[1]) as channel:
            here = stubs.GRPCInferenceServiceStub(channel)
            call = here.ModelInfer.future(request("held"), timeout=LIMIT)
            with (folder / "held").open("rb") as pipe:
                assert read(call.result())["output"].item() != process.pid
                process.kill()
                assert pipe.read() == b""  # the process with the other end has exited

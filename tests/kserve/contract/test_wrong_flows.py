"""Flows that do not fit their server: the report of `flowrun validate --live`, and of a run."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest

from flowrun.cli import main
from flowrun.cli.exit_codes import DONE, FAILED, INVALID

LIMIT = 10.0  # seconds, a guard against hanging
Build = Callable[..., Any]
FACES: dict[str, Any] = {"style": "ovms", "models": ["faces"]}

FLOW = """\
source: test:64x48@30
preprocess: []
transport:
  mode: unary
  address: {address}
  model: faces
sink: null
limits: {{frames: 3}}
"""


def plain(datatype: str, *shape: int) -> dict[str, Any]:
    """A plain model of OVMS."""
    output = [("picture", "UINT8", (-1, -1, 3))]
    return {**FACES, "inputs": [("data", datatype, shape)], "outputs": output}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Build]:
    """Write flow.yaml into the working directory: FLOW with changes `old => new`, in which `\\n` is
    a line end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("halves.py").write_text(
        "import numpy as np\n"
        "def narrow(frame): return frame.image[:, ::2].copy()\n"
        "def tensor(frame): return np.zeros(7)\n"
    )

    def write(address: str, *changes: str) -> None:
        text = FLOW.format(address=address)
        for change in changes:
            old, new = (part.replace("\\n", "\n") for part in change.split(" => "))
            assert text.count(old) == 1
            text = text.replace(old, new)
        Path("flow.yaml").write_text(text, encoding="utf-8")

    yield write
    sys.modules.pop("halves", None)
    logging.getLogger("flowrun").setLevel(logging.NOTSET)


@pytest.fixture
def says(capsys: pytest.CaptureFixture[str], threads: Build) -> Build:
    """The report for flow.yaml; a run must report the same, and neither leaves a thread."""

    def says(*, run: bool = True) -> str:
        code = main(["validate", "--live", "flow.yaml"])
        *lines, last = capsys.readouterr().out.splitlines(keepends=True)
        said = "".join(lines)
        assert (code == INVALID) == (" error: " in said)
        assert last.startswith("1 flow checked: ")
        if run:
            assert main(["flow.yaml"]) == FAILED
            assert capsys.readouterr().err.endswith(said)
        assert threads() == []
        return said

    return says


CASES: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "a wrong name of the input": (
        plain("UINT8", -1, -1, 3),
        ["model: faces => model: faces\\n  input: date"],
        "flow.yaml:7:10: error: transport.input: model 'faces' has no input 'date'\n"
        "      input: date\n"
        "             ^\n"
        "    write under `transport`:\n"
        "      input: data\n",
    ),
    "a wrong dtype": (
        plain("FP32", -1, -1, 3),
        [],
        "flow.yaml:3:1: error: transport.dtype: model 'faces' expects 'data' as FP32 [-1, -1, 3],"
        " but"
        " the flow sends UINT8 [48, 64, 3]\n"
        "    transport:\n"
        "    ^\n"
        "    write under `transport`:\n"
        "      dtype: fp32\n",
    ),
    "a wrong layout": (
        plain("UINT8", 3, 48, 64),
        ["model: faces => model: faces\\n  layout: HWC"],
        "flow.yaml:7:11: error: transport.layout: model 'faces' expects 'data' as UINT8 [3, 48,"
        " 64],"
        " but the flow sends UINT8 [48, 64, 3]\n"
        "      layout: HWC\n"
        "              ^\n"
        "    write under `transport`:\n"
        "      layout: CHW\n",
    ),
    "a wrong rank": (
        plain("UINT8", 1, 100),
        [],
        "flow.yaml:3:1: error: transport.input: model 'faces' expects 'data' as UINT8 [1, 100], but"
        " the flow sends UINT8 [48, 64, 3], and no picture of 3 channels fits\n"
        "    transport:\n"
        "    ^\n"
        "    let a preprocess hook return what the model expects\n",
    ),
    "a wrong size": (
        plain("UINT8", 300, 480, 3),
        [],
        "flow.yaml:3:1: error: transport.input: model 'faces' expects 'data' as UINT8 [300, 480,"
        " 3],"
        " but the flow sends UINT8 [48, 64, 3]\n"
        "    transport:\n"
        "    ^\n"
        "    write as the last item of `preprocess`:\n"
        "      - hook: flowrun.hooks.resize:resize\n"
        "        with: {size: 480x300}\n",
    ),
    "a wrong batch": (
        plain("UINT8", 1, -1, -1, 3),
        [],
        "flow.yaml:3:1: error: transport.batch: model 'faces' expects 'data' as UINT8 [1, -1, -1,"
        " 3],"
        " but the flow sends UINT8 [48, 64, 3]\n"
        "    transport:\n"
        "    ^\n"
        "    write under `transport`:\n"
        "      batch: true\n",
    ),
    "everything about the picture": (
        plain("FP32", 1, 3, 300, 300),
        [],
        "flow.yaml:3:1: error: transport.dtype: model 'faces' expects 'data' as FP32 [1, 3, 300,"
        " 300]"
        ", but the flow sends UINT8 [48, 64, 3]\n"
        "    transport:\n"
        "    ^\n"
        "    write under `transport`:\n"
        "      dtype: fp32\n"
        "      layout: CHW\n"
        "      batch: true\n"
        "    and as the last item of `preprocess`:\n"
        "      - hook: flowrun.hooks.resize:resize\n"
        "        with: {size: 300x300}\n",
    ),
    "what hooks have made of the picture": (
        plain("FP32", 1, 48, 32, 3),
        ["preprocess: [] => preprocess: ['halves:narrow']"],
        "flow.yaml:3:1: error: transport.dtype: model 'faces' expects 'data' as FP32 [1, 48, 32,"
        " 3],"
        " but the flow sends UINT8 [48, 32, 3]\n"
        "    transport:\n"
        "    ^\n"
        "    write under `transport`:\n"
        "      dtype: fp32\n"
        "      batch: true\n",
    ),
    "a tensor that a hook has made": (
        plain("FP32", 1, 3, 300, 300),
        ["preprocess: [] => preprocess:\\n  - halves:narrow\\n  - halves:tensor"],
        "flow.yaml:4:5: error: preprocess[1]: model 'faces' expects 'data' as FP32 [1, 3, 300,"
        " 300],"
        " but the flow sends FP64 [7]\n"
        "      - halves:tensor\n"
        "        ^\n"
        "    let this hook return what the model expects\n",
    ),
    "a mode that OVMS does not have for the model": (
        plain("UINT8", -1, -1, 3),
        ["mode: unary => mode: stream"],
        "flow.yaml:4:9: error: transport.mode: model 'faces' is not a MediaPipe graph, and OpenVINO"
        " Model Server streams only those\n"
        "      mode: stream\n"
        "            ^\n"
        "    write under `transport`:\n"
        "      mode: unary\n",
    ),
    "a mode that Triton does not have for the model": (
        {"style": "triton", "models": ["faces"], "decoupled": True},
        [],
        "flow.yaml:4:9: error: transport.mode: model 'faces' is decoupled: it sends any number of"
        " responses, which needs a stream\n"
        "      mode: unary\n"
        "            ^\n"
        "    write under `transport`:\n"
        "      mode: stream\n",
    ),
    "a wrong name of the output": (
        plain("UINT8", -1, -1, 3),
        ["model: faces => model: faces\\n  output: boxes"],
        "flow.yaml:7:11: error: transport.output: model 'faces' has no output 'boxes'\n"
        "      output: boxes\n"
        "              ^\n"
        "    write under `transport`:\n"
        "      output: picture\n",
    ),
    "an output that is no picture": (
        {"models": ["faces"], "outputs": [("boxes", "FP32", (1, 1, 200, 7))]},
        ["model: faces => model: faces\\n  output: boxes"],
        "flow.yaml:7:11: error: transport.output: model 'faces' returns 'boxes' as FP32"
        " [1, 1, 200, 7], which is not a picture\n"
        "      output: boxes\n"
        "              ^\n"
        "    use a postprocess hook to make a picture from it\n",
    ),
    "a model that is not ready": (
        {"models": ["faces"], "model_ready": False, "reason": "no weights"},
        [],
        "flow.yaml:6:10: error: transport.model: model 'faces' is not ready (the server reports: no"
        " weights)\n"
        "      model: faces\n"
        "             ^\n"
        "    wait until it is loaded, or see the server's log\n",
    ),
    "a model that is not there": (
        {"style": "triton", "models": ["face", "text"]},
        [],
        "flow.yaml:6:10: error: transport.model: the server has no model 'faces'\n"
        "      model: faces\n"
        "             ^\n"
        "    it has 'face', 'text'\n"
        "    write under `transport`:\n"
        "      model: face\n",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_flow_that_does_not_fit_gets_a_suggestion_and_sends_nothing(
    case: str, scripted: Build, write: Build, says: Build
) -> None:
    fields, changes, text = CASES[case]
    server = scripted(**fields)
    write(server.address, *changes)
    assert says() == text
    assert server.requests == []


@contextlib.contextmanager
def http() -> Iterator[int]:
    """A REST interface, which supports HTTP/1.1 only."""

    class Rest(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Rest) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="scripted")
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def speaking(words: bytes, *, hangs_up: bool) -> Iterator[int]:
    """A server that sends `words` and then nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        taken: list[socket.socket] = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    connection.sendall(words)
                    taken.append(connection)
                    if hangs_up:
                        connection.close()

        thread = threading.Thread(target=accept, name="scripted")
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in taken:
            connection.close()


@contextlib.contextmanager
def other_grpc() -> Iterator[int]:
    """A gRPC server without any service."""
    with ThreadPoolExecutor(2, thread_name_prefix="scripted") as pool:
        server = grpc.server(pool)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield port
        server.stop(0).wait(LIMIT)


REFUSAL = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
REST = "use the server's gRPC port, not its REST port"
OTHERS: dict[str, tuple[Callable[[], Any], str, str]] = {
    "a REST interface": (http, "the server at {} is not a gRPC server", REST),
    "a REST interface that closes": (
        lambda: speaking(REFUSAL, hangs_up=True),
        "the server at {} is not a gRPC server",
        REST,
    ),
    "something of an older time": (
        lambda: speaking(b"SSH-2.0-OpenSSH_9.2\r\n", hangs_up=False),
        "the server at {} is not a gRPC server",
        REST,
    ),
    "something silent": (
        lambda: speaking(b"", hangs_up=False),
        "the server at {} does not respond",
        f"{REST}; if the server uses TLS, write `tls: {{}}` at least",
    ),
    "another gRPC server": (
        other_grpc,
        "the gRPC server at {} does not support KServe v2",
        "correct the address; OpenVINO Model Server, Triton and MLServer support it",
    ),
}


SILENT = pytest.param("something silent", "unary", marks=pytest.mark.slow)  # 2 s for each command


@pytest.mark.parametrize(
    ("other", "mode"),
    [
        *((other, "stream") for other in OTHERS),
        *((other, "unary") for other in OTHERS if other != "something silent"),
        SILENT,
    ],
)
def test_a_server_of_another_kind_is_told_apart_from_an_unavailable_one(
    other: str, mode: str, write: Build, says: Build
) -> None:
    server, message, hint = OTHERS[other]
    with server() as port:
        address = f"127.0.0.1:{port}"
        write(address, f"mode: unary => mode: {mode}")
        assert says() == (
            f"flow.yaml:5:12: error: transport.address: {message.format(address)}\n"
            f"      address: {address}\n"
            "               ^\n"
            f"    {hint}\n"
        )


def test_everything_that_is_wrong_is_reported_at_once(
    scripted: Build, write: Build, says: Build
) -> None:
    server = scripted(**plain("FP32", 1, -1, -1, 3))
    write(
        server.address,
        "source: test:64x48@30 => source: gone.mp4",
        "model: faces => model: faces\\n  input: date\\n  output: pictures",
    )
    assert says(run=False) == (
        "flow.yaml:1:9: error: source: there is no file gone.mp4\n"
        "    source: gone.mp4\n"
        "            ^\n"
        f"    relative paths start at the working directory, {Path.cwd()}\n"
        "flow.yaml:1:9: note: source: a blank image of 640x480 is used instead of the first frame\n"
        "    source: gone.mp4\n"
        "            ^\n"
        "flow.yaml:3:1: error: transport.dtype: model 'faces' expects 'data' as FP32 [1, -1, -1,"
        " 3],"
        " but the flow sends UINT8 [480, 640, 3]\n"
        "    transport:\n"
        "    ^\n"
        "    write under `transport`:\n"
        "      dtype: fp32\n"
        "      batch: true\n"
        "flow.yaml:7:10: error: transport.input: model 'faces' has no input 'date'\n"
        "      input: date\n"
        "             ^\n"
        "    write under `transport`:\n"
        "      input: data\n"
        "flow.yaml:8:11: error: transport.output: model 'faces' has no output 'pictures'\n"
        "      output: pictures\n"
        "              ^\n"
        "    write under `transport`:\n"
        "      output: picture\n"
    )
    assert server.requests == []


def test_of_a_graph_of_ovms_only_the_names_are_compared_and_that_is_no_error(
    scripted: Build, write: Build, says: Build
) -> None:
    write(scripted(**FACES).address, "mode: unary => mode: stream")
    assert says(run=False) == (
        "flow.yaml:6:10: note: transport.model: OpenVINO Model Server reports only the names of the"
        " inputs and outputs of 'faces': types and shapes are not checked\n"
        "      model: faces\n"
        "             ^\n"
    )


def test_a_server_without_metadata_is_a_note(scripted: Build, write: Build, says: Build) -> None:
    calls = ["ServerReady", "ServerMetadata", "ModelReady", "ModelMetadata"]
    server = scripted(models=["faces"], unimplemented=calls)
    write(server.address, "model: faces => model: faces\\n  input: image")
    assert says(run=False) == (
        f"flow.yaml:5:12: note: transport.address: the server at {server.address} has no model"
        " metadata; the flow is not checked against it\n"
        f"      address: {server.address}\n"
        "               ^\n"
    )
    assert server.requests == []


def test_of_several_addresses_each_is_asked(scripted: Build, write: Build, says: Build) -> None:
    good, bad = (scripted(models=["faces"]), scripted(models=["faces"], model_ready=False))
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))
        unavailable = f"127.0.0.1:{taken.getsockname()[1]}"
        write(f"['{good.address}', '{bad.address}', '{unavailable}']")
        said = says(run=False)
    listed = f"      address: ['{good.address}', '{bad.address}', '{unavailable}']\n"
    column = listed.index(unavailable) - 4  # its quote, and from 1
    assert said == (
        f"flow.yaml:5:{column}: error: transport.address[2]: cannot connect to {unavailable}"
        " (connection refused)\n"
        f"{listed}"
        f"{' ' * (column + 3)}^\n"
        "    start the model server, or correct the address\n"
        "flow.yaml:6:10: error: transport.model: model 'faces' is not ready (at"
        f" {bad.address})\n"
        "      model: faces\n"
        "             ^\n"
        "    wait until it is loaded, or see the server's log\n"
    )


def test_programs_get_the_fix_and_the_notes_too(
    scripted: Build, write: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    write(scripted(**FACES).address, "model: faces => model: faces\\n  output: out")
    assert main(["validate", "--live", "flow.yaml", "--format", "json"]) == INVALID
    found = json.loads(capsys.readouterr().out)
    assert [problem["hint"] for problem in found["problems"]] == [
        "write under `transport`:\n  output: output"
    ]
    assert [note["key"] for note in found["notes"]] == ["transport.model"]
    assert main(["validate", "--live", "flow.yaml", "--format", "github"]) == INVALID
    note, error = capsys.readouterr().out.splitlines()
    assert error == (
        "::error file=flow.yaml,line=7,col=11,title=invalid flow::transport.output: model 'faces'"
        " has no output 'out'%0Awrite under `transport`:%0A  output: output"
    )
    assert note.startswith("::notice file=flow.yaml,line=6,")


def test_a_flow_that_fits_has_no_problems(
    scripted: Build, write: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    write(scripted("triton", models=["faces"]).address)
    assert main(["validate", "--live", "flow.yaml"]) == DONE
    assert capsys.readouterr().out == "1 flow checked: no problems\n"

"""Turns into a real tritonserver that serves the models of `triton_models.py`.

    PYTHON run_triton.py GRPC_PORT DIRECTORY

PYTHON is that of an environment with `nvidia-pytriton`, whose wheel holds the server and its Python
backend. DIRECTORY is empty and takes the model repository. The process is replaced by the server,
which is stopped by a signal to its process group.
"""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

IMAGE = "data_type: TYPE_UINT8 dims: [-1, -1, 3]"
COMPRESSED = "data_type: TYPE_STRING dims: [1]"

# name: (class in triton_models.py, instances, decoupled); `decode` takes a compressed picture
MODELS = {
    "identity": ("Identity", 1, False),
    "jitter": ("Jitter", 2, False),
    "jitter_decoupled": ("JitterDecoupled", 2, True),
    "resize320": ("Resize320", 1, False),
    "repeat": ("Repeat", 1, True),
    "decode": ("Decode", 1, False),
}


def config(name: str, instances: int, decoupled: bool) -> str:
    return f"""\
backend: "python"
max_batch_size: 0
input [{{ name: "image" {COMPRESSED if name == "decode" else IMAGE} }}]
output [{{ name: "output" {IMAGE} }}]
instance_group [{{ count: {instances} kind: KIND_CPU }}]
model_transaction_policy {{ decoupled: {decoupled} }}
"""


def write_repository(repository: Path) -> None:
    source = Path(__file__).with_name("triton_models.py").read_text(encoding="utf-8")
    for name, (cls, instances, decoupled) in MODELS.items():
        version = repository / name / "1"
        version.mkdir(parents=True)
        (version / "model.py").write_text(f"{source}\n\nTritonPythonModel = {cls}\n")
        (version.parent / "config.pbtxt").write_text(config(name, instances, decoupled))


def prepare_backend(wheel: Path, backends: Path) -> None:
    """The wheel brings one stub per Python version; the backend looks for it beside itself."""
    shutil.copytree(wheel / "tritonserver/backends", backends)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = wheel / "tritonserver/python_backend_stubs" / version / "triton_python_backend_stub"
    shutil.copy(stub, backends / "python")


def main(port: str, directory: Path) -> None:
    spec = find_spec("pytriton")
    if spec is None or spec.origin is None:
        sys.exit(f"{sys.executable} has no nvidia-pytriton")
    wheel = Path(spec.origin).parent
    write_repository(directory / "models")
    prepare_backend(wheel, directory / "backends")
    libraries = str(wheel.parent / "nvidia_pytriton.libs")
    environment = os.environ | {
        "LD_LIBRARY_PATH": os.pathsep.join(
            filter(None, [os.environ.get("LD_LIBRARY_PATH"), libraries])
        ),
        "PATH": os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ["PATH"]]),
    }
    command = [
        str(wheel / "tritonserver/bin/tritonserver"),
        f"--model-repository={directory / 'models'}",
        f"--backend-directory={directory / 'backends'}",
        f"--backend-config=python,shm-region-prefix-name=flowrun-{port}-",
        "--disable-auto-complete-config",
        "--allow-http=false",
        "--allow-metrics=false",
        "--grpc-address=127.0.0.1",
        f"--grpc-port={port}",
    ]
    os.execve(command[0], command, environment)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

"""Turns into a real tritonserver that serves the models of `triton_models.py`.

    PYTHON run_triton.py GRPC_PORT DIRECTORY [MODEL…]

PYTHON is that of an environment with `nvidia-pytriton`, whose wheel holds the server and its Python
backend. DIRECTORY is empty and takes the model repository, of the named models or of all. The
process is replaced by the server, which is stopped by a signal to its process group.
"""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from signatures import SIGNATURES, Declared

IMAGE = ("UINT8", (-1, -1, 3))
COMPRESSED = ("STRING", (1,))

# name: (class in triton_models.py, instances, decoupled), image to output; `decode` takes a
# compressed picture
MODELS = {
    "identity": ("Identity", 1, False),
    "jitter": ("Jitter", 2, False),
    "jitter_decoupled": ("JitterDecoupled", 2, True),
    "resize320": ("Resize320", 1, False),
    "repeat": ("Repeat", 1, True),
    "decode": ("Decode", 1, False),
    "grow": ("Grow", 1, False),
    "slow_stream": ("Slow", 1, False),  # one for each mode: only the first response is slow
    "slow_unary": ("Slow", 1, False),
}

SEQUENCE = """
sequence_batching {
  max_sequence_idle_microseconds: 1000000
  control_input [
    { name: "START" control [{ kind: CONTROL_SEQUENCE_START int32_false_true: [0, 1] }] },
    { name: "END" control [{ kind: CONTROL_SEQUENCE_END int32_false_true: [0, 1] }] },
    { name: "READY" control [{ kind: CONTROL_SEQUENCE_READY int32_false_true: [0, 1] }] }
  ]
}
"""


def config(
    inputs: Declared,
    outputs: Declared,
    *,
    instances: int = 1,
    decoupled: bool = False,
    more: str = "",
) -> str:
    def tensors(declared: Declared) -> str:
        return ", ".join(
            f'{{ name: "{name}" data_type: TYPE_{datatype} dims: {list(shape)} }}'
            for name, (datatype, shape) in declared.items()
        )

    return f"""\
backend: "python"
max_batch_size: 0
input [{tensors(inputs)}]
output [{tensors(outputs)}]
instance_group [{{ count: {instances} kind: KIND_CPU }}]
model_transaction_policy {{ decoupled: {str(decoupled).lower()} }}
{more}
"""


def write_repository(repository: Path, names: list[str]) -> None:
    for name in names:
        cls, text = described(name)
        write_model(repository / name, cls, text)


def described(name: str) -> tuple[str, str]:
    """The class in triton_models.py and the configuration of a model."""
    if name in SIGNATURES:
        signature = SIGNATURES[name]
        return "Signed", config(signature.inputs, signature.outputs)
    if name == "label":
        image_and_text = {"image": IMAGE, "text": COMPRESSED}
        return "Label", config(image_and_text, {"output": IMAGE, "label": COMPRESSED})
    if name == "queue":  # `jitter` that refuses what exceeds one request and one that waits
        queue = "dynamic_batching { default_queue_policy { max_queue_size: 1 } }"
        return "Jitter", config({"image": IMAGE}, {"output": IMAGE}, more=queue)
    if name.startswith("stateful"):
        return "Stateful", config({"image": IMAGE}, {"output": IMAGE}, more=SEQUENCE)
    cls, instances, decoupled = MODELS[name]
    image = {"image": COMPRESSED if name == "decode" else IMAGE}
    return cls, config(image, {"output": IMAGE}, instances=instances, decoupled=decoupled)


def write_model(folder: Path, cls: str, text: str) -> None:
    version = folder / "1"
    version.mkdir(parents=True)
    here = Path(__file__).parent
    source = (here / "triton_models.py").read_text(encoding="utf-8")
    (version / "model.py").write_text(f"{source}\n\nTritonPythonModel = {cls}\n")
    shutil.copy(here / "signatures.py", version)
    (folder / "config.pbtxt").write_text(text)


def prepare_backend(wheel: Path, backends: Path) -> None:
    """The wheel brings one stub per Python version; the backend looks for it beside itself."""
    shutil.copytree(wheel / "tritonserver/backends", backends)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = wheel / "tritonserver/python_backend_stubs" / version / "triton_python_backend_stub"
    shutil.copy(stub, backends / "python")


def main(port: str, directory: Path, models: list[str]) -> None:
    spec = find_spec("pytriton")
    if spec is None or spec.origin is None:
        sys.exit(f"{sys.executable} has no nvidia-pytriton")
    wheel = Path(spec.origin).parent
    others = ["label", "queue", "stateful_stream", "stateful_unary", *SIGNATURES]
    write_repository(directory / "models", models or [*MODELS, *others])
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
        "--model-control-mode=explicit",  # so that tests may unload a model
        "--load-model=*",
        "--allow-http=false",
        "--allow-metrics=false",
        "--grpc-address=127.0.0.1",
        f"--grpc-port={port}",
    ]
    os.execve(command[0], command, environment)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])

"""Packages import only from lower layers, and each library has one package that imports it."""

from __future__ import annotations

import ast
import functools
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "flowrun"

# The layers from the bottom up. A subpackage imports from the layers below its own; subpackages of
# one layer never import each other. Modules of the lowest layer may.
VOCABULARY = {"errors", "view", "frame", "sound", "detection", "inference", "foreign"}
LAYERS: list[set[str]] = [
    {"system", "image", "spec", "operators"},
    {"ledger", "hooks", "media", "kserve"},
    {"chain"},
    {"observe"},
    {"run"},
    {"inspect", "up"},
    {"deploy"},
    {"cli"},
]
# The same inside the two large subpackages.
INSIDE: dict[str, list[set[str]]] = {
    "media": [
        {"claims", "file_pattern", "pixel_aspect", "sound_queue", "when"},
        {"protocols"},
        {
            "authorization",
            "backoff",
            "clock_jumps",
            "colors",
            "monotonic",
            "source_errors",
            "tone_map",
        },
        {"encoding"},
        {"ffmpeg"},
        {"pyav"},
        {"lines", "sources"},
        {"sinks"},
    ],
    "kserve": [
        {"channel", "conditions", "connection_failures", "header_secrets", "wire"},
        {"grpc_errors", "server"},
        {"contract"},
        {"cassette"},
        {"client"},
        {"shared_memory"},
        {"connect", "startup"},
    ],
}
OWNERS = {  # library → the only places that import it
    "grpc": {"kserve"},
    "tritonclient": {"kserve"},
    "imageio_ffmpeg": {"media/ffmpeg"},
    "av": {"media/pyav"},
    "reactivex": {"operators", "chain/compile", "run"},
    "yaml": {"spec"},
    "jsonschema": {"spec"},
    "openvino": {"kserve/server/models/openvino_file"},
    "prometheus_client": {"observe"},
    "opentelemetry": {"observe/traces"},
    "cv2": {"kserve/server/models/face_detection"},
    "tqdm": {"cli"},
    "pygame": {"media/sinks/pygame_window"},
    "PIL.ImageFont": {"image/fonts"},
    "paho": {"media/lines/mqtt"},
    "supervision": {"hooks/supervision"},
}
MODULES = sorted(PACKAGE.rglob("*.py"))


@functools.cache
def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def module_path(path: Path) -> str:
    """`media/ffmpeg/process` of flowrun/media/ffmpeg/process.py, `media/ffmpeg` of its package."""
    return path.relative_to(PACKAGE).with_suffix("").as_posix().removesuffix("/__init__")


def ranks(layers: list[set[str]], lowest: set[str]) -> dict[str, int]:
    return {name: rank for rank, names in enumerate([lowest, *layers]) for name in names}


def check_direction(path: Path, ranks: dict[str, int], inside: str = "") -> None:
    """Every import between two packages of `ranks`, which are in `inside`, goes to a lower one."""
    prefix = f"flowrun.{inside}." if inside else "flowrun."
    own = module_path(path).removeprefix(f"{inside}/").split("/")[0]
    for name in imported(path):
        if not name.startswith(prefix) or name == "flowrun.__version__":
            continue
        other = name.removeprefix(prefix).split(".")[0]
        allowed = other == own or ranks[other] < ranks[own] or ranks[other] == ranks[own] == 0
        assert allowed, f"{path} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=module_path)
def test_a_module_imports_only_from_lower_layers(path: Path) -> None:
    if module_path(path) in ("__init__", "__main__"):
        return
    check_direction(path, ranks(LAYERS, VOCABULARY))
    package, *below = module_path(path).split("/")
    if package in INSIDE and below:
        lowest, *layers = INSIDE[package]
        check_direction(path, ranks(layers, lowest), package)


@pytest.mark.parametrize("path", MODULES, ids=module_path)
def test_only_its_owner_imports_a_library(path: Path) -> None:
    for name in imported(path):
        for library, owners in OWNERS.items():
            if f"{name}.".startswith(f"{library}."):
                module = f"{module_path(path)}/"
                assert any(module.startswith(f"{owner}/") for owner in owners), name


@pytest.mark.parametrize("library", OWNERS)
def test_every_library_that_has_an_owner_is_imported(library: str) -> None:
    assert any(f"{name}.".startswith(f"{library}.") for p in MODULES for name in imported(p))


def test_the_root_holds_the_vocabulary_and_the_composition_root_only() -> None:
    files = {path.stem for path in PACKAGE.glob("*.py")}
    assert files == {*VOCABULARY, "run", "__init__", "__main__"}
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders == set().union(*LAYERS) - {"run"}


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "kserve/server/models/isolated").glob("*.py")), ids=module_path
)
def test_what_runs_in_another_environment_imports_nothing_of_this_one(path: Path) -> None:
    allowed = {*sys.stdlib_module_names, "numpy", "mediapipe"}
    assert {name.split(".")[0] for name in imported(path)} <= allowed

"""Imports go down only, and only one room may touch each library."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "flowrun"

# From the ground up. A room imports from the lines above its own; rooms on one line never import
# each other. Modules of the ground may.
GROUND = {"errors", "view", "frame", "detection", "inference"}
ROOMS: list[set[str]] = [
    {"system", "image", "spec", "operators"},
    {"ledger", "hooks", "media", "kserve"},
    {"chain"},
    {"observe"},
    {"run"},
    {"inspect"},
    {"cli"},
]
# The same inside the two large rooms.
INSIDE: dict[str, list[set[str]]] = {
    "media": [
        {"protocols"},
        {"backoff", "colors", "monotonic", "overwrite", "source_errors"},
        {"encoding"},
        {"ffmpeg"},
        {"pyav"},
        {"lines", "sources"},
        {"sinks"},
    ],
    "kserve": [
        {"wire"},
        {"grpc_errors", "server"},
        {"contract"},
        {"client"},
        {"shared_memory"},
        {"connect"},
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
    "PIL.ImageFont": {"image/text"},
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def place(path: Path) -> str:
    """`media/ffmpeg/process` of flowrun/media/ffmpeg/process.py, `media/ffmpeg` of its package."""
    return path.relative_to(PACKAGE).with_suffix("").as_posix().removesuffix("/__init__")


def ranks(lines: list[set[str]], ground: set[str]) -> dict[str, int]:
    return {name: rank for rank, names in enumerate([ground, *lines]) for name in names}


def check_direction(path: Path, rooms: dict[str, int], inside: str = "") -> None:
    """Every import between two of `rooms`, which lie in the room `inside`, goes down."""
    prefix = f"flowrun.{inside}." if inside else "flowrun."
    own = place(path).removeprefix(f"{inside}/").split("/")[0]
    for name in imported(path):
        if not name.startswith(prefix) or name == "flowrun.__version__":
            continue
        other = name.removeprefix(prefix).split(".")[0]
        allowed = other == own or rooms[other] < rooms[own] or rooms[other] == rooms[own] == 0
        assert allowed, f"{path} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_a_module_imports_only_from_rooms_below_its_own(path: Path) -> None:
    if place(path) in ("__init__", "__main__"):
        return
    check_direction(path, ranks(ROOMS, GROUND))
    room, *below = place(path).split("/")
    if room in INSIDE and below:
        ground, *lines = INSIDE[room]
        check_direction(path, ranks(lines, ground), room)


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_only_its_owner_imports_a_library(path: Path) -> None:
    for name in imported(path):
        for library, owners in OWNERS.items():
            if f"{name}.".startswith(f"{library}."):
                assert any(f"{place(path)}/".startswith(f"{owner}/") for owner in owners), name


@pytest.mark.parametrize("library", OWNERS)
def test_every_library_that_has_an_owner_is_imported(library: str) -> None:
    assert any(f"{name}.".startswith(f"{library}.") for p in MODULES for name in imported(p))


def test_the_root_holds_the_vocabulary_and_the_composition_root_only() -> None:
    files = {path.stem for path in PACKAGE.glob("*.py")}
    assert files == {*GROUND, "run", "__init__", "__main__"}
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders == set().union(*ROOMS) - {"run"}


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "kserve/server/models/isolated").glob("*.py")), ids=place
)
def test_what_runs_in_another_environment_needs_nothing_of_this_one(path: Path) -> None:
    allowed = {*sys.stdlib_module_names, "numpy", "mediapipe"}
    assert {name.split(".")[0] for name in imported(path)} <= allowed

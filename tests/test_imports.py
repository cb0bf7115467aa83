"""Imports go down only, and only one layer may touch each library."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "flowrun"

# From the ground up; modules on one line never import each other.
LAYERS: list[set[str]] = [
    {"errors", "histogram", "rate", "bottleneck", "ending", "view", "letters", "allocation"}
    | {"buffers"},
    {"spec", "frame", "dotted", "hook_times", "httpd"},
    {"inference", "detection"},
    {"media", "kserve", "hooks"},
    {"operators"},
    {"ledger", "pictures", "threads", "auto", "queues"},
    {"stages", "outlets"},
    {"compile", "status"},
    {"exposition", "traces"},
    {"metrics"},
    {"run", "live", "graph"},
    {"bench", "explain", "report"},
    {"signals"},
    {"cli"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
OWNERS = {
    "grpc": {"kserve"},
    "tritonclient": {"kserve"},
    "imageio_ffmpeg": {"media"},
    "av": {"media"},
    "reactivex": {"operators", "compile", "run"},
    "yaml": {"spec"},
    "jsonschema": {"spec"},
    "openvino": {"kserve"},
    "prometheus_client": {"exposition", "metrics"},
    "opentelemetry": {"traces"},
    "cv2": {"kserve"},
    "tqdm": {"cli"},
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


def top(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_from_the_layers_below_it_and_from_its_own(path: Path) -> None:
    if top(path) in ("__init__", "__main__"):
        return
    for name in imported(path):
        library, *rest = name.split(".")
        if library == "flowrun" and rest and rest[0] != "__version__":
            assert rest[0] == top(path) or RANK[rest[0]] < RANK[top(path)], f"{path} imports {name}"
        if library in OWNERS:
            assert top(path) in OWNERS[library], f"{path} imports {name}"


def test_only_one_module_touches_imageio_ffmpeg() -> None:
    assert users("imageio_ffmpeg") == ["media/ffmpeg.py"]


def test_only_what_decodes_or_encodes_in_process_touches_pyav() -> None:
    assert users("av") == [
        "media/av_filters.py",
        "media/av_info.py",
        "media/av_output.py",
        "media/av_words.py",
        "media/sinks/av_encoder.py",
        "media/sources/av_decoder.py",
    ]


def test_only_one_module_touches_pygame() -> None:
    assert users("pygame") == ["media/sinks/window.py"]


def test_only_one_module_touches_fonts() -> None:
    touching = [p for p in MODULES if "PIL.ImageFont" in imported(p)]
    assert [path.name for path in touching] == ["letters.py"]


def test_only_one_module_touches_openvino_and_one_opencv() -> None:
    assert users("openvino") == ["kserve/models/openvino_file.py"]
    assert users("cv2") == ["kserve/models/face_detection.py"]


@pytest.mark.parametrize("path", sorted((PACKAGE / "kserve/models/alone").glob("*.py")))
def test_what_runs_in_an_environment_of_its_own_needs_nothing_of_this_one(path: Path) -> None:
    allowed = {*sys.stdlib_module_names, "numpy", "mediapipe"}
    assert {name.split(".")[0] for name in imported(path)} <= allowed


def users(library: str) -> list[str]:
    """The modules that import `library`."""
    found = (p for p in MODULES if any(n.split(".")[0] == library for n in imported(p)))
    return [path.relative_to(PACKAGE).as_posix() for path in found]

"""The manifests and the chart, with the tools of Kubernetes, without a cluster."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from flowrun.cli import main

ROOT = Path(__file__).parents[2]
Strict = Callable[[dict[str, Any]], None]


def run(*words: str | Path) -> str:
    done = subprocess.run(
        list(map(str, words)), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_flows(folder: Path) -> None:
    """All of the project's that run in a pod, two that extend a base, a test of one of them, and
    one whose name is a number."""
    shutil.copytree(ROOT / "flows", folder)
    (folder / "holistic_camera.yaml").unlink()
    (folder / "base.yaml").write_text(
        "transport: {mode: unary, address: 'ovms:9000', model: m, timeout: 30s}\n"
    )
    (folder / "007.yaml").write_text("version: 1\nextends: base.yaml\nsource: test\nsink: 'null'\n")
    (folder / "site").mkdir()
    for name in ("gate", "yard"):
        (folder / "site" / f"{name}.yaml").write_text(
            f"version: 1\nextends: ../base.yaml\nsource: 'rtsp://cam:${{PASSWORD}}@h/{name}'\n"
            f"sink: 'rtsp://media:8554/{name}'\n"
        )
    (folder / "site/gate.test.yaml").write_text("extends: gate.yaml\nlimits: {frames: 9}\n")


@pytest.fixture
def deployed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PASSWORD", "x")
    write_flows(folder / "flows")
    words = ["flows", "--image", "registry.example/flowrun:1", "-o", "k8s", "--namespace", "cams"]
    assert main(["deploy", "kubernetes", *words]) == 0
    return folder / "k8s"


def test_kustomize_and_the_strict_schemas_accept_every_flow(
    deployed: Path, kubectl: str, strict_schemas: Strict
) -> None:
    documents = list(yaml.safe_load_all(run(kubectl, "kustomize", deployed)))
    for document in documents:
        assert document["metadata"]["namespace"] == "cams"
        strict_schemas(document)
    assert len(documents) == 2 * len(list(deployed.glob("*.yaml"))) - 2


def test_the_strict_schemas_find_a_misspelt_key(deployed: Path, strict_schemas: Strict) -> None:
    (_, owner) = yaml.safe_load_all((deployed / "gate.yaml").read_text("utf-8"))
    container = owner["spec"]["template"]["spec"]["containers"][0]
    container["readynessProbe"] = container.pop("readinessProbe")
    with pytest.raises(Exception, match="readynessProbe"):
        strict_schemas(owner)


def comparable(document: dict[str, Any]) -> dict[str, Any]:
    """Without what has to differ: resources, checksums, and the name of a Job, which has one."""
    if document["kind"] == "Job":
        name = document["metadata"]["name"]
        document["metadata"]["name"] = name.rpartition("-")[0]
    template = document["spec"]["template"]
    del template["metadata"]["annotations"]["flowrun/checksum"]
    for container in (*template["spec"]["initContainers"], *template["spec"]["containers"]):
        del container["resources"]
    return document


def contents(documents: list[dict[str, Any]]) -> dict[tuple[str, str], Any]:
    """By kind and name, the data or the specification of the documents."""
    found = [each if each["kind"] == "ConfigMap" else comparable(each) for each in documents]
    return {
        (each["kind"], each["metadata"]["name"]): each.get("data") or each["spec"] for each in found
    }


def test_the_chart_makes_the_same_manifests_as_deploy(
    deployed: Path, helm: str, strict_schemas: Strict, tmp_path_factory: pytest.TempPathFactory
) -> None:
    chart = tmp_path_factory.mktemp("chart") / "flowrun"
    shutil.copytree(ROOT / "deploy/helm", chart)
    shutil.copytree(deployed.parent / "flows", chart / "flows", dirs_exist_ok=True)
    image = ("--set", "image=registry.example/flowrun:1")
    assert "0 chart(s) failed" in run(helm, "lint", chart, *image)
    made = list(yaml.safe_load_all(run(helm, "template", "cams", chart, *image)))
    for document in made:
        strict_schemas(document)
    files = [path for path in deployed.glob("*.yaml") if path.name != "kustomization.yaml"]
    found = contents(made)
    wanted = contents([d for path in files for d in yaml.safe_load_all(path.read_text("utf-8"))])
    assert found.keys() == wanted.keys()
    for key, each in wanted.items():
        assert found[key] == each, key


def test_the_chart_refuses_a_password_and_asks_for_a_gpu(
    folder: Path, helm: str, strict_schemas: Strict
) -> None:
    shutil.copytree(ROOT / "deploy/helm", folder / "chart")
    flow = folder / "chart/flows/a.yaml"
    text = "version: 1\nsource: rtsp://h/1\ntransport: {mode: unary, address: a, model: m}\n"
    flow.write_text(f"{text}sink: rtsp://me:hunter2@h/2\n")
    done = subprocess.run(
        [helm, "template", "x", "chart"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "a URL has a password in it" in done.stderr
    flow.write_text(f"{text}sink: null\n")
    _, owner = yaml.safe_load_all(run(helm, "template", "x", "chart", "--set", "gpu=true"))
    strict_schemas(owner)
    container = owner["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"] == {"memory": "1Gi", "nvidia.com/gpu": 1}

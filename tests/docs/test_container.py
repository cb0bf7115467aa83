"""Dockerfile and compose.yaml, checked without Docker: every file, flow, flag and address that they
use exists and is consistent."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from flowrun.errors import InvalidFlowError, UsageError
from flowrun.spec.flow import Flow
from flowrun.spec.load import load_flow

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+[\w.-]*")


def instructions() -> list[list[tuple[str, str]]]:
    """The instructions of the Dockerfile, stage by stage; those before the first are dropped."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    stages: list[list[tuple[str, str]]] = []
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        if name == "FROM":
            stages.append([])
        if stages and name.isupper():
            stages[-1].append((name, rest))
    return stages


BUILD, FINAL = instructions()


def mounts(service: str) -> dict[str, str]:
    """The files of the project that are mounted: path in the container -> path in the project."""
    volumes = [each.rsplit(":", 2) for each in SERVICES[service].get("volumes", ())]
    return {inside: here for here, inside, _ in volumes if not here.startswith("$")}


def flow() -> Flow:
    (name,) = SERVICES["flowrun"]["command"]
    return load_flow(ROOT / mounts("flowrun")[f"/flows/{name}"], environ={})


def test_the_image_is_pinned_and_has_one_base() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    (version,) = re.findall(r"^ARG PYTHON=(.+)$", text, re.MULTILINE)
    assert re.fullmatch(r"3\.\d+\.\d+-slim-\w+", version)
    assert [stage[0] for stage in (BUILD, FINAL)] == [
        ("FROM", "python:${PYTHON} AS build"),
        ("FROM", "python:${PYTHON}"),
    ]


def test_the_image_runs_flowrun_as_an_unprivileged_user_and_has_no_compiler() -> None:
    final = dict(FINAL)
    assert json.loads(final["ENTRYPOINT"]) == ["flowrun"]
    assert (final["USER"], final["WORKDIR"]) == ("flowrun", "/flows")
    assert FINAL.index(("USER", "flowrun")) > max(
        number for number, (name, _) in enumerate(FINAL) if name in ("RUN", "COPY")
    )
    assert "apt" not in str(BUILD + FINAL)
    assert "pip" not in str(FINAL)


def test_the_files_of_the_image_exist_and_are_not_ignored() -> None:
    copied = [source for name, rest in BUILD if name == "COPY" for source in rest.split()[:-1]]
    assert copied == ["pyproject.toml", "README.md", "LICENSE", "schemas", "flowrun"]
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    for source in copied:
        assert (ROOT / source).exists()
        assert f"!{source}" in rules
    assert fnmatch.fnmatch("tests", rules[0])


def test_the_files_of_a_wheel_are_copied() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'readme = "README.md"' in project
    assert 'packages = ["flowrun"]' in project
    wanted = re.findall(r'^"(.+)" = "flowrun/.+"$', project, re.MULTILINE)
    copied = [source for name, rest in BUILD if name == "COPY" for source in rest.split()[:-1]]
    assert wanted
    assert {path.split("/")[0] for path in wanted} <= set(copied)


def test_the_final_stage_copies_the_environment_of_the_build_stage() -> None:
    runs = [rest for name, rest in BUILD if name == "RUN"]
    assert runs[0] == "python -m venv --without-pip /opt/flowrun"
    pip = "python -m pip --python /opt/flowrun/bin/python install"
    assert shlex.split(runs[1])[:6] == shlex.split(pip)
    assert ("COPY", "--from=build /opt/flowrun /opt/flowrun") in FINAL
    assert dict(FINAL)["ENV"].startswith("PATH=/opt/flowrun/bin:")


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_pinned_and_reachable_from_this_machine_only(name: str) -> None:
    service = SERVICES[name]
    assert PINNED.fullmatch(service["image"]) or service["build"] == "."
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert set(service.get("depends_on", ())) <= set(SERVICES)
    assert service["restart"] in ("unless-stopped", "on-failure")


@pytest.mark.parametrize("name", SERVICES)
def test_every_mounted_file_exists_and_is_read_only(name: str) -> None:
    for volume in SERVICES[name].get("volumes", ()):
        assert volume.endswith(":ro")
    for here in mounts(name).values():
        assert (ROOT / here).is_file()


def test_the_flow_reads_channel1_uses_the_model_server_and_writes_channel2() -> None:
    found = flow()
    published = SERVICES["publisher"]["command"][-1]
    assert found.source.uri == published == "rtsp://mediamtx:8554/channel1"
    assert found.sinks[0].uri == "rtsp://mediamtx:8554/channel2"
    assert found.transport.address == ("model-server:9000",)
    assert "--port=9000" in SERVICES["model-server"]["command"]
    assert (
        found.transport
        == load_flow(
            ROOT / "flows/holistic_rtsp.yaml", overrides=["transport.address=model-server:9000"]
        ).transport
    )


def test_prometheus_scrapes_the_addresses_of_flowrun_and_the_model_server() -> None:
    config = yaml.safe_load((ROOT / "docs/compose/prometheus.yaml").read_text(encoding="utf-8"))
    targets = {
        job["job_name"]: each["targets"]
        for job in config["scrape_configs"]
        for each in job["static_configs"]
    }
    metrics = flow().metrics
    assert metrics is not None
    assert targets["flowrun"] == [f"flowrun:{metrics.address.rpartition(':')[2]}"]
    assert targets["ovms"] == ["model-server:8000"]
    assert {"--rest_port=8000", "--metrics_enable"} <= set(SERVICES["model-server"]["command"])
    mounted = mounts("prometheus")
    assert "/etc/prometheus/prometheus.yml" in mounted
    assert [f"/etc/prometheus/{name}" for name in config["rule_files"]] == [
        path for path in mounted if path.endswith("alerts.yaml")
    ]
    rules = (ROOT / "docs/grafana/alerts.yaml").read_text(encoding="utf-8")
    jobs = set(re.findall(r'job="(\w+)"', rules))
    assert jobs
    assert jobs <= set(targets)


def test_promtool_accepts_the_configuration(promtool: Any, tmp_path: Path) -> None:
    for inside, here in mounts("prometheus").items():
        shutil.copy(ROOT / here, tmp_path / Path(inside).name)
    promtool("check", "config", tmp_path / "prometheus.yml")


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    mounted = mounts("grafana")
    found = {}
    for kind in ("datasources", "dashboards"):
        path = ROOT / mounted[f"/etc/grafana/provisioning/{kind}/flowrun.yaml"]
        found[kind] = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert found[kind]["apiVersion"] == 1
    (source,), (provider,) = found["datasources"]["datasources"], found["dashboards"]["providers"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    (dashboard,) = [path for path in mounted if path.endswith(".json")]
    assert str(Path(dashboard).parent) == provider["options"]["path"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == dashboard
    variables = json.loads((ROOT / mounted[dashboard]).read_text())["templating"]["list"]
    assert [each["query"] for each in variables if each["type"] == "datasource"] == ["prometheus"]


def test_the_docs_set_the_variables_that_compose_requires() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (ROOT / "compose.yaml").read_text(encoding="utf-8")))
    page = (ROOT / "docs/container.md").read_text(encoding="utf-8")
    (export,) = re.findall(r"^export (.+)$", page, re.MULTILINE)
    assert asked == set(re.findall(r"(\w+)=", export))


def test_the_flow_that_the_docs_run_in_the_image_exists() -> None:
    page = (ROOT / "docs/container.md").read_text(encoding="utf-8")
    (words,) = re.findall(r"^docker run .* flowrun (.+)$", page, re.MULTILINE)
    assert (ROOT / words).is_file()


def test_the_recorder_runs_its_flow_with_the_variables_that_the_flow_and_the_docs_have() -> None:
    path = ROOT / "docs/compose/recorder.compose.yaml"
    service = yaml.safe_load(path.read_text(encoding="utf-8"))["services"]["recorder"]
    assert (path.parent / service["build"]).resolve() == ROOT
    here, inside, _ = service["volumes"][0].split(":")
    assert inside == f"/flows/{service['command'][0]}"
    folder = service["environment"]["FOLDER"]
    (sink,) = load_flow(path.parent / here, environ={"FOLDER": folder}).sinks
    assert sink.uri.startswith(f"{folder}/")
    assert service["volumes"][1].endswith(f":{folder}")
    used = set(re.findall(r"\$\{(\w+)", (path.parent / here).read_text(encoding="utf-8")))
    assert used <= set(service["environment"])
    asked = set(re.findall(r"\$\{(\w+):\?", path.read_text(encoding="utf-8")))
    page = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
    assert asked == set(re.findall(r"([A-Z]+)=\S+(?=\s(?:RECORDINGS|docker compose))", page))


def test_the_unit_of_systemd_prevents_restarts_after_errors_that_stay() -> None:
    page = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
    (unit,) = re.findall(r"```ini\n(.*?)```", page, re.DOTALL)
    keys = dict(line.split("=", 1) for line in unit.splitlines() if "=" in line)
    codes = {UsageError.exit_code, InvalidFlowError.exit_code}
    assert set(map(int, keys["RestartPreventExitStatus"].split())) == codes
    assert keys["KillMode"] == "mixed"
    assert (ROOT / "flows" / Path(keys["ExecStart"].split()[1]).name).is_file()

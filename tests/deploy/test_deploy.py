"""`flowrun deploy kubernetes`, without any tool of Kubernetes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from flowrun.cli import main
from flowrun.deploy.names import config_key, is_label, label
from flowrun.spec.load import load_flow

ROOT = Path(__file__).parents[2]
TRANSPORT = "{mode: unary, address: 'ovms:9000', model: m}"


def write(path: Path, source: str, sink: str = "rtsp://media:8554/out", more: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"version: 1\nsource: {source}\ntransport: {TRANSPORT}\nsink: {sink}\n{more}",
        encoding="utf-8",
    )


def deploy(*words: str) -> int:
    return main(["deploy", "kubernetes", *words, "--image", "registry.example/flowrun:1"])


def documents(folder: str | Path) -> list[dict[str, Any]]:
    kustomization = yaml.safe_load((Path(folder) / "kustomization.yaml").read_text("utf-8"))
    return [
        document
        for name in kustomization["resources"]
        for document in yaml.safe_load_all((Path(folder) / name).read_text("utf-8"))
    ]


def kinds(folder: str | Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for document in documents(folder):
        found.setdefault(document["kind"], []).append(document)
    return found


def pod(document: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = document["spec"]["template"]["spec"]
    return spec


def test_a_camera_is_a_deployment_and_a_file_is_a_job(folder: Path) -> None:
    write(Path("flows/gate.yaml"), "rtsp://10.1.2.3/gate")
    write(Path("flows/clip.yaml"), "clip.mp4", "out.mkv")
    assert deploy("flows", "-o", "k8s") == 0
    found = kinds("k8s")
    assert {kind: len(each) for kind, each in found.items()} == {
        "ConfigMap": 2,
        "Deployment": 1,
        "Job": 1,
    }
    (gate,) = found["Deployment"]
    assert gate["metadata"]["name"] == "gate"
    assert gate["spec"]["replicas"] == 1
    assert gate["spec"]["strategy"] == {"type": "Recreate"}
    labels = gate["spec"]["template"]["metadata"]["labels"]
    assert gate["spec"]["selector"]["matchLabels"].items() <= labels.items()
    (container,), (first,) = pod(gate)["containers"], pod(gate)["initContainers"]
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "metrics"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}
    assert container["ports"] == [{"name": "metrics", "containerPort": 9100}]
    assert first["command"] == ["flowrun", "validate", "--imports", "/etc/flowrun/gate.yaml"]
    (spread,) = pod(gate)["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    (clip,) = found["Job"]
    assert pod(clip)["restartPolicy"] == "Never"
    files = pod(clip)["volumes"][-1]
    assert files == {"name": "files", "persistentVolumeClaim": {"claimName": "clip-files"}}
    assert '# CHANGE: the volume for "clip.mp4", "out.mkv"' in Path("k8s/clip.yaml").read_text()
    mounts = pod(clip)["containers"][0]["volumeMounts"]
    assert mounts[-1] == {"name": "files", "mountPath": "/flows"}


def test_the_command_runs_the_flow_with_probes_on_the_address_of_the_pod(folder: Path) -> None:
    write(Path("gate.yaml"), "rtsp://10.1.2.3/gate", more="metrics: 127.0.0.1:9999\n")
    assert deploy("gate.yaml", "-o", "k8s") == 0
    command = pod(kinds("k8s")["Deployment"][0])["containers"][0]["command"]
    assert command[:3] == ["flowrun", "run", "/etc/flowrun/gate.yaml"]
    assert load_flow("gate.yaml", overrides=[command[4]]).metrics is not None
    assert command[3:5] == ["--set", "metrics.address=0.0.0.0:9100"]


@pytest.mark.parametrize(
    ("source", "more", "kind"),
    [
        ("test", "", "Deployment"),
        ("test", "limits: {duration: 5s}\n", "Job"),
        ("{uri: a.mp4, loop: true}", "", "Deployment"),
        ("http://h/a.mp4?x=1", "", "Job"),
        ("http://h/live.m3u8", "", "Deployment"),
        ("'frames/%04d.png'", "", "Job"),
        ("{uri: 'http://h/a.jpg', poll: 1s}", "", "Deployment"),
    ],
)
def test_what_ends_by_itself_is_a_job(folder: Path, source: str, more: str, kind: str) -> None:
    write(Path("f.yaml"), source, more=more)
    assert deploy("f.yaml", "-o", "k8s") == 0
    assert kind in kinds("k8s")


def test_the_pod_has_no_rights_and_time_to_stop(folder: Path) -> None:
    write(Path("f.yaml"), "rtsp://h/1")
    assert deploy("f.yaml", "-o", "k8s") == 0
    spec = pod(kinds("k8s")["Deployment"][0])
    assert spec["terminationGracePeriodSeconds"] >= load_flow("f.yaml").transport.timeout + 30
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert f"--uid {spec['securityContext']['runAsUser']} " in dockerfile
    assert f"WORKDIR {spec['containers'][0]['workingDir']}" in dockerfile
    for container in (*spec["initContainers"], *spec["containers"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        limits, requests = container["resources"]["limits"], container["resources"]["requests"]
        assert int(limits["memory"][:-2]) > int(requests["memory"][:-2]) > 64
        assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]


def test_variables_come_from_a_secret_and_no_value_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMERA", "rtsp://admin:open-sesame@10.9.8.7/main")
    write(Path("yard.yaml"), "'${CAMERA}'", "'${OUTPUT:-rtsp://media/yard}'")
    assert deploy("yard.yaml", "-o", "k8s") == 0
    assert all("open-sesame" not in path.read_text() for path in Path("k8s").iterdir())
    for container in ("initContainers", "containers"):
        names = {
            each["name"]: each["valueFrom"]["secretKeyRef"]
            for each in pod(kinds("k8s")["Deployment"][0])[container][0]["env"]
        }
        assert names == {
            "CAMERA": {"name": "yard-env", "key": "CAMERA"},
            "OUTPUT": {"name": "yard-env", "key": "OUTPUT", "optional": True},
        }
    assert "kubectl create secret generic yard-env" in Path("k8s/README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("source", "more", "name"),
    [
        ("rtsp://admin:hunter2@10.1.2.3/1", "", "SOURCE_PASSWORD"),
        ("rtsp://admin:${P:-hunter2}@10.1.2.3/1", "", "SOURCE_PASSWORD"),
        ("http://10.1.2.3/1?token=hunter2", "", "SOURCE_PASSWORD"),
        ("rtsp://h/1", "preprocess: [{hook: 'm:h', with: {api_key: hunter2}}]\n", "API_KEY"),
        ("rtsp://h/1", "# was rtsp://admin:hunter2@10.1.2.3/1\n", None),
    ],
)
def test_a_secret_in_a_flow_is_refused_with_the_variable_to_write(
    folder: Path, capsys: pytest.CaptureFixture[str], source: str, more: str, name: str | None
) -> None:
    write(Path("f.yaml"), source, more=more)
    assert deploy("f.yaml", "-o", "k8s") == 78
    error = capsys.readouterr().err
    assert "hunter2" not in error
    assert "which the manifests would contain" in error
    assert name is None or f"write `${{{name}}}` in its place" in error
    assert not Path("k8s").exists()


def test_a_secret_in_a_file_that_is_extended_is_found_there(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("base.yaml").write_text("sink: rtsp://me:hunter2@media/1\n")
    Path("f.yaml").write_text(
        f"version: 1\nextends: base.yaml\nsource: test\ntransport: {TRANSPORT}\n"
    )
    assert deploy("f.yaml", "-o", "k8s") == 78
    assert "base.yaml:1:7: error: `sink` has a secret in it" in capsys.readouterr().err


def test_tests_are_not_deployed(folder: Path) -> None:
    write(Path("flows/a.yaml"), "rtsp://h/1")
    Path("flows/a.test.yaml").write_text("extends: a.yaml\nlimits: {frames: 3}\n")
    assert deploy("flows", "-o", "k8s") == 0
    assert sorted(path.name for path in Path("k8s").glob("*.yaml")) == [
        "a.yaml",
        "kustomization.yaml",
    ]


def test_a_note_about_a_file_that_two_flows_extend_is_printed_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(Path("base.yaml"), "rtsp://h/1", more="postprocess: [own:hook]\n")
    for name in ("one", "two"):
        Path(f"{name}.yaml").write_text(f"extends: base.yaml\nname: {name}\n")
    assert deploy("one.yaml", "two.yaml", "-o", "k8s") == 0
    assert capsys.readouterr().err.count("the image must contain `own`") == 1


def test_a_variable_for_the_password_is_accepted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_PASSWORD", "x")
    write(Path("f.yaml"), "rtsp://admin:${SOURCE_PASSWORD}@10.1.2.3/1")
    assert deploy("f.yaml", "-o", "k8s") == 0


def test_the_files_that_a_flow_extends_are_shipped_as_they_are(folder: Path) -> None:
    Path("flows/cams").mkdir(parents=True)
    base = f"# for all\ntransport: {TRANSPORT}\nsink: ${{OUT:-rtsp://media/1}}\n"
    Path("flows/base.yaml").write_text(base)
    Path("flows/cams/a b.yaml").write_text(
        "version: 1\nname: A B\nextends: ../base.yaml\nsource: rtsp://h/1\n"
    )
    assert deploy("flows", "-o", "k8s") == 0
    (config,), (owner,) = kinds("k8s")["ConfigMap"], kinds("k8s")["Deployment"]
    assert config["data"]["base.yaml"] == base
    items = {each["path"]: each["key"] for each in pod(owner)["volumes"][0]["configMap"]["items"]}
    assert items == {"cams/a b.yaml": "cams_a_b.yaml", "base.yaml": "base.yaml"}
    assert pod(owner)["containers"][0]["command"][2] == "/etc/flowrun/cams/a b.yaml"
    for path, key in items.items():  # the flow is valid where it is mounted
        target = folder / "etc" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(config["data"][key])
    assert main(["validate", str(folder / "etc/cams/a b.yaml")]) == 0


def test_a_changed_flow_or_base_changes_the_checksum_and_the_name_of_the_job(folder: Path) -> None:
    def found(sink: str) -> tuple[str, str]:
        write(Path("a.yaml"), "test")
        write(Path("b.yaml"), "in.mp4", sink)
        assert deploy("a.yaml", "b.yaml", "-o", "k8s") == 0
        job = kinds("k8s")["Job"][0]
        annotations = job["spec"]["template"]["metadata"]["annotations"]
        return job["metadata"]["name"], annotations["flowrun/checksum"]

    first, again, other = found("a.mkv"), found("a.mkv"), found("b.mkv")
    assert first == again
    assert first[0] != other[0]
    assert first[1] != other[1]


def test_names_are_valid_in_kubernetes_and_may_not_collide(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert label("Eingang Süd (1)") == "eingang-sud-1"
    assert is_label(label("-A" * 80))
    assert (label("门"), is_label("a.b"), is_label("")) == ("", False, False)
    assert config_key("a b.yaml", {"a_b.yaml"}) == "_a_b.yaml"
    write(Path("one.yaml"), "test", more="name: Cam_1\n")
    write(Path("two.yaml"), "test", more="name: cam 1\n")
    assert deploy("one.yaml", "two.yaml", "-o", "k8s") == 78
    error = capsys.readouterr().err
    assert "two.yaml:5:7: error: name: one.yaml has the name cam-1 in Kubernetes, too" in error


def test_a_name_that_looks_like_a_number_stays_a_text(folder: Path) -> None:
    write(Path("007.yaml"), "test")
    assert deploy("007.yaml", "-o", "k8s", "--namespace", "1") == 0
    (config,), (owner,) = kinds("k8s")["ConfigMap"], kinds("k8s")["Deployment"]
    assert config["metadata"]["name"] == owner["metadata"]["name"] == "007"
    assert pod(owner)["volumes"][0]["configMap"]["name"] == "007"
    labels = owner["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/instance"] == "007"
    assert yaml.safe_load(Path("k8s/kustomization.yaml").read_text())["namespace"] == "1"


@pytest.mark.parametrize(
    ("source", "sink", "text"),
    [
        ("camera:0", "web", "source: a pod has no camera"),
        ("test", "screen", "sink: a pod has no screen"),
    ],
)
def test_what_a_pod_does_not_have_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str], source: str, sink: str, text: str
) -> None:
    write(Path("f.yaml"), source, sink)
    assert deploy("f.yaml", "-o", "k8s") == 78
    assert text in capsys.readouterr().err


def test_what_the_pod_needs_is_a_note(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("f.yaml").write_text(
        "version: 1\nsource: rtsp://h/1\nsink: web\npostprocess: ['mine.hooks:count']\n"
        "transport: {mode: unary, address: 'localhost:9000', model: m}\n"
    )
    assert deploy("f.yaml", "-o", "k8s") == 0
    error = capsys.readouterr().err
    assert "note: transport.address: in a pod, this address is the pod itself" in error
    assert "the image must contain `mine.hooks` among its installed packages" in error
    assert "the page is reached with `kubectl port-forward` only" in error


def test_own_files_are_replaced_and_those_of_others_only_with_y(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(Path("a.yaml"), "test")
    write(Path("b.yaml"), "test")
    assert deploy("a.yaml", "b.yaml", "-o", "k8s") == 0
    Path("k8s/mine.yaml").write_text("kind: Secret\n")
    assert deploy("a.yaml", "-o", "k8s") == 0
    assert sorted(path.name for path in Path("k8s").iterdir()) == [
        *("README.md", "a.yaml", "kustomization.yaml", "mine.yaml"),
    ]
    assert "b.yaml removed: there is no such flow any more" in capsys.readouterr().err
    Path("k8s/a.yaml").write_text("kind: Secret\n")
    before = Path("k8s/kustomization.yaml").read_text()
    assert deploy("a.yaml", "b.yaml", "-o", "k8s") == 2
    assert Path("k8s/kustomization.yaml").read_text() == before
    assert "is not a file of an earlier `deploy`" in capsys.readouterr().err
    assert deploy("a.yaml", "b.yaml", "-o", "k8s", "-y") == 0
    assert deploy("a.yaml", "-o", ".", "-y") == 2  # the flow itself
    assert "the file is a flow and is not replaced" in capsys.readouterr().err


def test_namespace_and_gpu(folder: Path) -> None:
    write(Path("a.yaml"), "test")
    assert deploy("a.yaml", "-o", "k8s", "--namespace", "cams", "--gpu") == 0
    kustomization = yaml.safe_load(Path("k8s/kustomization.yaml").read_text())
    assert kustomization["namespace"] == "cams"
    assert "`kubectl create namespace cams`" in Path("k8s/README.md").read_text("utf-8")
    spec = pod(kinds("k8s")["Deployment"][0])
    assert spec["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert spec["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]
    assert deploy("a.yaml", "-o", "k8s", "--namespace", "Cams") == 2
    assert main(["deploy", "kubernetes", "a.yaml", "--image", "a b", "-o", "k8s"]) == 2


def test_every_flow_of_the_project_is_deployed_but_that_of_a_camera_and_a_screen(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flows = sorted((ROOT / "flows").glob("*.yaml"))
    chosen = [str(path) for path in flows if path.stem != "holistic_camera"]
    assert deploy(*chosen, "-o", "k8s") == 0
    assert len(kinds("k8s")["ConfigMap"]) == len(flows) - 1
    capsys.readouterr()
    assert deploy(str(ROOT / "flows/holistic_camera.yaml"), "-o", "other") == 78
    error = capsys.readouterr().err
    assert "a pod has no camera" in error
    assert "a pod has no screen" in error

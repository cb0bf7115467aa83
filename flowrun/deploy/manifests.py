"""The manifests of a flow as text, as a person would write them. One template: it is long."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from math import ceil
from textwrap import indent

from flowrun.deploy.plan import CONFIG, HOME, Mount, Plan

MARK = "# Written by `flowrun deploy kubernetes`"
USER = 10001  # of the image
DRAIN = 30.0  # seconds beyond `transport.timeout` that a stop may take
CLOSE = 15  # seconds more, to finish files
_PLAIN = re.compile(
    r"(?!(?:true|false|yes|no|on|off|null|y|n)$)(--)?[A-Za-z/][\w./:=-]*(?<!:)", re.IGNORECASE
)


def manifests(plan: Plan, image: str, *, gpu: bool = False) -> str:
    """The ConfigMap and the Deployment or Job of a flow."""
    template = _pod(plan, image, gpu=gpu)
    owner = _deployment(plan) if plan.kind == "Deployment" else _job(plan, template)
    pod = indent(template, "    ")
    return f"{_head(plan)}{_config_map(plan)}---\n{owner}  template:\n{pod}"


def job_name(plan: Plan, template: str) -> str:
    """A Job cannot be changed: another flow, image or resource makes another one."""
    return f"{plan.name}-{hashlib.sha256((template + checksum(plan)).encode()).hexdigest()[:8]}"


def checksum(plan: Plan) -> str:
    """Of the flow and the files that it extends."""
    return hashlib.sha256(json.dumps(plan.files, sort_keys=True).encode()).hexdigest()


def quoted(text: str) -> str:
    """`text` as a YAML scalar: plain where that is safe."""
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _head(plan: Plan) -> str:
    return (
        f"{MARK} from {json.dumps(plan.path, ensure_ascii=False)}.\n"
        "# The next one replaces this file: put your changes into an overlay of Kustomize.\n"
    )


def _labels(plan: Plan, indentation: str) -> str:
    pairs = {"app.kubernetes.io/name": "flowrun", "app.kubernetes.io/instance": quoted(plan.name)}
    return "".join(f"{indentation}{key}: {value}\n" for key, value in pairs.items())


def _config_map(plan: Plan) -> str:
    text = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n"
        f"  name: {quoted(plan.name)}\n  labels:\n{_labels(plan, '    ')}data:\n"
    )
    for key, path in plan.keys().items():
        content = plan.files[path]
        header = "|2" if content[0] in " \n" else "|"
        body = indent(content, "    ", lambda line: line != "\n")
        text += f"  {quoted(key)}: {header}\n{body}"
    return text


def _deployment(plan: Plan) -> str:
    return (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n"
        f"  name: {quoted(plan.name)}\n  labels:\n{_labels(plan, '    ')}"
        "spec:\n"
        "  replicas: 1  # a second one would read the camera and write the sinks twice\n"
        "  strategy:\n    type: Recreate\n"
        f"  selector:\n    matchLabels:\n{_labels(plan, '      ')}"
    )


def _job(plan: Plan, template: str) -> str:
    return (
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n"
        f"  name: {job_name(plan, template)}  # another flow or image is another Job\n"
        f"  labels:\n{_labels(plan, '    ')}"
        "spec:\n"
        "  backoffLimit: 3\n"
        "  podFailurePolicy:\n    rules:\n"
        "      - action: FailJob  # 2, 78: the flow is invalid; 3: it ran, but frames were lost\n"
        "        onExitCodes:\n          operator: In\n          values: [2, 3, 78]\n"
        "      - action: Ignore  # the node was drained\n"
        '        onPodConditions:\n          - type: DisruptionTarget\n            status: "True"\n'
    )


def _pod(plan: Plan, image: str, *, gpu: bool) -> str:
    lines = [
        "metadata:",
        "  labels:",
        *_labels(plan, "    ").splitlines(),
        "  annotations:",
        f"    flowrun/checksum: {checksum(plan)}  # a changed flow restarts the pod",
        '    prometheus.io/scrape: "true"',
        f'    prometheus.io/port: "{plan.port}"',
        "    prometheus.io/path: /metrics",
        "spec:",
        *_when(plan.kind == "Job", "  restartPolicy: Never"),
        "  automountServiceAccountToken: false",
        f"  terminationGracePeriodSeconds: {_grace(plan)}  # transport.timeout + 45 s",
        "  securityContext:",
        "    runAsNonRoot: true",
        f"    runAsUser: {USER}",
        f"    runAsGroup: {USER}",
        f"    fsGroup: {USER}",
        "    seccompProfile:",
        "      type: RuntimeDefault",
        "  topologySpreadConstraints:",
        "    - maxSkew: 1",
        "      topologyKey: kubernetes.io/hostname",
        "      whenUnsatisfiable: ScheduleAnyway",
        "      labelSelector:",
        "        matchLabels:",
        "          app.kubernetes.io/name: flowrun",
        *_when(gpu, *_TOLERATION),
        "  initContainers:",
        *_container(plan, image, "validate", ["validate", "--imports", f"{CONFIG}/{plan.entry}"]),
        *_resources(plan, gpu=False),
        "  containers:",
        *_container(plan, image, "flowrun", _run(plan)),
        "      ports:",
        "        - name: metrics",
        f"          containerPort: {plan.port}",
        *_probe("startup", "/livez", period=2, failures=60),
        *_probe("liveness", "/livez", period=10, failures=6),
        *_when(plan.kind == "Deployment", *_probe("readiness", "/readyz", period=5, failures=2)),
        *_resources(plan, gpu=gpu),
        "  volumes:",
        *_volumes(plan),
    ]
    return "\n".join(lines) + "\n"


_TOLERATION = ("  tolerations:", "    - key: nvidia.com/gpu", "      operator: Exists")


def _when(condition: bool, *lines: str) -> Iterable[str]:
    return lines if condition else ()


def _grace(plan: Plan) -> int:
    return ceil(plan.flow.transport.timeout + DRAIN) + CLOSE


def _run(plan: Plan) -> list[str]:
    listen = f"metrics.address=0.0.0.0:{plan.port}"  # probes come to the address of the pod
    return ["run", f"{CONFIG}/{plan.entry}", "--set", listen, "--log-format", "json"]


def _container(plan: Plan, image: str, name: str, words: Sequence[str]) -> list[str]:
    lines = [
        f"    - name: {name}",
        f"      image: {quoted(image)}",
        "      command:",
        *(f"        - {quoted(word)}" for word in ("flowrun", *words)),
        f"      workingDir: {HOME}",
    ]
    if plan.variables:
        lines.append("      env:  # see README.md")
        for variable, optional in plan.variables.items():
            lines += [
                f"        - name: {quoted(variable)}",
                "          valueFrom:",
                "            secretKeyRef:",
                f"              name: {plan.secret}",
                f"              key: {quoted(variable)}",
                *_when(optional, "              optional: true  # the flow has a default"),
            ]
    mounts = [("flow", CONFIG, True), ("tmp", "/tmp", False)]  # noqa: S108
    mounts += [(volume, mount.folder, False) for volume, mount in _files(plan)]
    lines += [
        "      securityContext:",
        "        allowPrivilegeEscalation: false",
        "        readOnlyRootFilesystem: true",
        "        capabilities:",
        "          drop: [ALL]",
        "      volumeMounts:",
    ]
    for volume, path, read_only in mounts:
        lines += [f"        - name: {volume}", f"          mountPath: {quoted(path)}"]
        lines += _when(read_only, "          readOnly: true")
    return lines


def _probe(name: str, path: str, *, period: int, failures: int) -> list[str]:
    return [
        f"      {name}Probe:",
        "        httpGet:",
        f"          path: {path}",
        "          port: metrics",
        f"        periodSeconds: {period}",
        "        timeoutSeconds: 3",
        f"        failureThreshold: {failures}",
    ]


def _resources(plan: Plan, *, gpu: bool) -> list[str]:
    return [
        "      resources:  # estimated; flowrun validate --budget --from SUMMARY measures",
        "        requests:",
        f"          cpu: {plan.cpu}m",
        f"          memory: {plan.memory}Mi",
        "        limits:",
        f"          memory: {plan.memory_limit}Mi",
        *_when(gpu, "          nvidia.com/gpu: 1"),
    ]


def _files(plan: Plan) -> list[tuple[str, Mount]]:
    """The names of the volumes for files, with their folders."""
    return [(f"files-{n}" if n else "files", mount) for n, mount in enumerate(plan.mounts)]


def _volumes(plan: Plan) -> list[str]:
    keys = plan.keys()
    lines = ["    - name: flow", "      configMap:", f"        name: {quoted(plan.name)}"]
    if any(key != path for key, path in keys.items()):
        lines.append("        items:")
        for key, path in keys.items():
            lines += [f"          - key: {quoted(key)}", f"            path: {quoted(path)}"]
    lines += ["    - name: tmp", "      emptyDir: {}"]
    for volume, mount in _files(plan):
        names = ", ".join(json.dumps(each, ensure_ascii=False) for each in mount.files)
        lines += [
            f"    - name: {volume}  # CHANGE: the volume for {names}",
            "      persistentVolumeClaim:",
            f"        claimName: {plan.name}-{volume}",
        ]
    return lines

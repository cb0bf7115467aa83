"""The files of a folder for `kubectl apply -k`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flowrun.deploy.manifests import MARK, manifests, quoted
from flowrun.deploy.plan import Plan

README_MARK = "<!-- Written by `flowrun deploy kubernetes` -->"


def files(
    plans: Sequence[Plan], image: str, *, namespace: str | None = None, gpu: bool = False
) -> dict[str, str]:
    """The text of each file by its name."""
    found = {f"{plan.name}.yaml": manifests(plan, image, gpu=gpu) for plan in plans}
    found["kustomization.yaml"] = _kustomization(sorted(found), namespace)
    found["README.md"] = _readme(plans, namespace)
    return found


def is_written(text: str) -> bool:
    """Whether `text` is a file of an earlier `deploy`."""
    return text.startswith((MARK, README_MARK))


def stale(folder: Path, names: Sequence[str]) -> list[Path]:
    """The manifests of an earlier `deploy` in `folder` that are not among `names`: those of flows
    that are gone."""
    found = []
    for path in sorted(folder.glob("*.yaml")):
        if path.name not in names and path.is_file():
            with path.open(encoding="utf-8", errors="replace") as file:
                if is_written(file.readline()):
                    found.append(path)
    return found


def _kustomization(names: Sequence[str], namespace: str | None) -> str:
    lines = [
        f"{MARK}: kubectl apply -k .",
        "apiVersion: kustomize.config.k8s.io/v1beta1",
        "kind: Kustomization",
        *([f"namespace: {quoted(namespace)}"] if namespace else []),
        "resources:",
        *(f"  - {quoted(name)}" for name in names),
    ]
    return "\n".join(lines) + "\n"


def _readme(plans: Sequence[Plan], namespace: str | None) -> str:
    option = f" --namespace {namespace}" if namespace else ""
    lines = [README_MARK, "# Flows for Kubernetes", ""]
    lines += ["| flow | kind | file |", "|---|---|---|"]
    lines += [f"| {plan.name} | {plan.kind} | `{plan.name}.yaml` |" for plan in plans]
    lines += ["", "    kubectl apply -k .", ""]
    if namespace:
        lines += [f"The namespace has to exist: `kubectl create namespace {namespace}`.", ""]
    secrets = [plan for plan in plans if plan.variables]
    if secrets:
        lines += [
            "## Variables",
            "",
            "The variables of a flow come from a Secret, which this folder does not contain.",
            "Create it before the flow; after a change, `kubectl rollout restart` the Deployment.",
            "Those in brackets have a default.",
            "",
        ]
    for plan in secrets:
        required = [name for name, optional in plan.variables.items() if not optional]
        others = [name for name, optional in plan.variables.items() if optional]
        words = [f"--from-literal={name}='…'" for name in required]
        words += [f"[--from-literal={name}='…']" for name in others]
        command = f"kubectl create secret generic {plan.secret}{option}"
        lines += [f"    {command} \\", *(f"      {word} \\" for word in words)]
        lines[-1] = lines[-1].removesuffix(" \\")
        lines.append("")
    mounted = [plan for plan in plans if plan.mounts]
    if mounted:
        lines += [
            "## Files",
            "",
            "These flows read or write files. Each folder is a volume: create the claim, or put",
            "another volume in its place (`CHANGE` in the manifest). It must be writable for the",
            "group 10001.",
            "",
        ]
        for plan in mounted:
            for number, mount in enumerate(plan.mounts):
                claim = f"{plan.name}-files" + (f"-{number}" if number else "")
                names = ", ".join(f"`{name}`" for name in mount.files)
                lines.append(f"- {plan.name}: claim `{claim}`, at `{mount.folder}`: {names}")
        lines.append("")
    lines += [
        "## Changes",
        "",
        "`flowrun deploy kubernetes` replaces the files of this folder and removes those of flows",
        "that are gone (delete their objects with `kubectl delete`). Keep changes in an overlay of",
        "Kustomize: a folder with a `kustomization.yaml` that lists this one under `resources` and",
        "has `patches`. A changed flow restarts its Deployment, and is a new Job.",
    ]
    return "\n".join(lines) + "\n"

"""`flowrun deploy`"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from flowrun.cli.env_file import add_env_file, environ_of
from flowrun.cli.exit_codes import DONE, FAILED, INVALID
from flowrun.cli.output_file import check_output
from flowrun.cli.parser import Parser
from flowrun.cli.stderr import print_stderr
from flowrun.errors import UsageError

if TYPE_CHECKING:
    from flowrun.deploy.plan import Plan
    from flowrun.spec.problems import Problem


def main(argv: Sequence[str]) -> int:
    """Write manifests for the flows."""
    parser = Parser(prog="flowrun deploy", description="Write manifests for flows.")
    parser.add_argument("target", choices=("kubernetes",), metavar="kubernetes")
    parser.add_argument("paths", metavar="PATH", nargs="+", help="files, directories, globs")
    parser.add_argument("--image", required=True, help="of flowrun, with the hooks of the flows")
    parser.add_argument(
        "-o", metavar="FOLDER", dest="folder", required=True, help="where the files are written"
    )
    parser.add_argument("--namespace", metavar="NAME", help="of all objects")
    parser.add_argument("--gpu", action="store_true", help="ask for an NVIDIA GPU for each flow")
    parser.add_argument("-y", action="store_true", help="replace files of others, too")
    add_env_file(parser)
    options = parser.parse_args(argv)
    _check(options)

    from flowrun.deploy.folder import files, is_written, stale

    plans, problems = _plans(options.paths, environ_of(options))
    for problem in problems:
        print_stderr(str(problem))
    if any(problem.severity == "error" for problem in problems):
        return INVALID
    folder = Path(options.folder)
    texts = files(plans, options.image, namespace=options.namespace, gpu=options.gpu)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"-o {folder} is not a folder")
    gone = stale(folder, list(texts)) if folder.is_dir() else []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in texts:
            path, what = folder / name, "a file of an earlier `deploy`"
            check_output(path, str(path), what, is_written, replace=options.y)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
        for path in gone:
            path.unlink()
            print_stderr(f"flowrun: {path} removed: there is no such flow any more")
    except OSError as error:
        print_stderr(f"flowrun: error: {folder}: {error.strerror}")
        return FAILED
    count = f"{len(plans)} flow" if len(plans) == 1 else f"{len(plans)} flows"
    print_stderr(f"flowrun: {folder}: {count}; read {folder / 'README.md'}, then")
    print_stderr(f"  kubectl apply -k {folder}")
    return DONE


def _check(options: argparse.Namespace) -> None:
    from flowrun.deploy.names import is_label

    if not re.fullmatch(r"[^\s\"'{}]+", options.image):
        raise UsageError(f"--image {options.image!r} is not the name of an image")
    if options.namespace is not None and not is_label(options.namespace):
        raise UsageError(
            f"--namespace {options.namespace!r} is not a name of Kubernetes",
            hint="at most 63 of a-z, 0-9 and `-`, such as `cameras`",
        )
    if "-" in options.paths:
        raise UsageError("standard input cannot be deployed", hint="name a file")


def _plans(paths: Sequence[str], environ: Mapping[str, str]) -> tuple[list[Plan], list[Problem]]:
    """What is to be deployed for each flow in `paths` that is no test, and the problems, each
    once."""
    from flowrun.deploy.checks import remarks, secrets_in
    from flowrun.deploy.plan import plan
    from flowrun.spec.load import load
    from flowrun.spec.problems import FlowError, Remark
    from flowrun.spec.validate_files import find_flows_to_run

    found = find_flows_to_run(paths)
    plans: dict[str, Plan] = {}
    problems: list[Problem] = list(found.problems)
    for file in found.files:
        try:
            loaded = load(file, environ=environ)
        except FlowError as error:
            problems += error.problems
            continue
        secrets = secrets_in(loaded)
        problems += secrets
        if secrets:
            continue
        each = plan(loaded)
        listed = list(remarks(each))
        if each.name in plans and each.name:
            other = plans[each.name].path
            message = f"{other} has the name {each.name} in Kubernetes, too"
            listed.append(Remark("name", message, "set another `name` in one of them"))
        else:
            plans[each.name] = each
        problems += [
            replace(problem, severity=remark.severity)
            for remark in listed
            for problem in [loaded.problem(remark)]
        ]
    return list(plans.values()), list(dict.fromkeys(problems))

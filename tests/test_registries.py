"""A kind is one file, one line in a dict, one branch of the schema and one flow."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

from flowrun import hooks
from flowrun.kserve.connect import TRANSPORTS
from flowrun.media.sinks import SINKS
from flowrun.media.sources import SOURCES
from flowrun.spec.kinds import SINK_PATTERNS, SOURCE_PATTERNS
from flowrun.spec.load import load_flow
from flowrun.spec.schema import schema

FLOWS = sorted((Path(__file__).parents[1] / "flows").glob("*.yaml"))
README = Path(__file__).parents[1] / "README.md"
HOOKS = Path(__file__).parents[1] / "docs/hook-library.md"


def branches(prefix: str) -> set[str]:
    names = schema()["$defs"]
    return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}


def test_every_kind_that_the_schema_knows_runs() -> None:
    assert set(SOURCES) == set(SOURCE_PATTERNS) | {"file"}
    assert set(SINKS) == set(SINK_PATTERNS)
    assert set(TRANSPORTS) == set(schema()["properties"]["transport"]["properties"]["mode"]["enum"])


def test_every_kind_has_its_branch_in_the_schema() -> None:
    assert branches("source_") - {"uri"} == {*SOURCE_PATTERNS, "file"}
    assert branches("sink_") - {"uri", "long"} == set(SINK_PATTERNS)


def test_every_kind_of_source_and_transport_that_runs_has_a_flow() -> None:
    flows = [load_flow(path, environ={}) for path in FLOWS]
    assert set(SOURCES) <= {flow.source.kind for flow in flows}
    assert set(TRANSPORTS) == {flow.transport.mode for flow in flows}
    assert set(SINKS) - {"null"} <= {sink.kind for flow in flows for sink in flow.sinks}


def test_every_hook_that_flowrun_brings_has_a_flow_and_a_line_in_the_docs() -> None:
    paths = {f"flowrun.hooks.{name}:{name}" for name in library()}
    flows = [load_flow(path, environ={}) for path in FLOWS]
    assert paths == {h.hook for flow in flows for h in (*flow.preprocess, *flow.postprocess)}
    documented = re.findall(r"^\| `(\w+)` \|", HOOKS.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(documented) == sorted(library())


def library() -> list[str]:
    """The hooks that flowrun brings: each module that has something callable of its own name."""
    modules = [module.name for module in pkgutil.iter_modules(hooks.__path__)]
    found = {name: importlib.import_module(f"flowrun.hooks.{name}") for name in modules}
    return [name for name, module in found.items() if callable(getattr(module, name, None))]


@pytest.mark.parametrize("page", [README, *sorted(README.parent.glob("docs/*.md"))])
def test_every_flow_in_the_readme_and_in_the_docs_is_valid(page: Path, tmp_path: Path) -> None:
    path = tmp_path / "documented.yaml"
    for text in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        path.write_text(text, encoding="utf-8")
        load_flow(path, environ={})

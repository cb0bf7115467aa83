"""A kind is one file, one line in a dict, one definition in the schema and one flow."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest

from flowrun import hooks
from flowrun.kserve.connect import TRANSPORTS
from flowrun.kserve.server import models
from flowrun.kserve.server.models.registry import MODELS
from flowrun.media.sinks import SINKS
from flowrun.media.sources import SOURCES
from flowrun.spec.kinds import SINK_PATTERNS, SOURCE_PATTERNS
from flowrun.spec.load import load_flow
from flowrun.spec.schema import schema

FLOWS = sorted((Path(__file__).parents[1] / "flows").glob("*.yaml"))
README = Path(__file__).parents[1] / "README.md"
HOOKS = Path(__file__).parents[1] / "docs/hook-library.md"
MODEL_PAGE = Path(__file__).parents[1] / "docs/models.md"


def definitions(prefix: str) -> set[str]:
    names = schema()["$defs"]
    return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}


def test_every_kind_that_the_schema_knows_runs() -> None:
    assert set(SOURCES) == set(SOURCE_PATTERNS) | {"file"}
    assert set(SINKS) == set(SINK_PATTERNS)
    assert set(TRANSPORTS) == set(schema()["properties"]["transport"]["properties"]["mode"]["enum"])


def test_every_kind_has_its_definition_in_the_schema() -> None:
    assert definitions("source_") - {"uri"} == {*SOURCE_PATTERNS, "file"}
    assert definitions("sink_") - {"uri", "long"} == set(SINK_PATTERNS)


def test_the_schema_says_for_every_kind_which_keys_do_not_apply_to_it() -> None:
    source = schema()["properties"]["source"]
    assert conditions(source, "source_") == {*SOURCE_PATTERNS, "file"}
    assert conditions(schema()["$defs"]["sink_long"], "sink_") == set(SINK_PATTERNS)


def conditions(mapping: dict[str, Any], prefix: str) -> set[str]:
    """The kinds for which `mapping` has an `if`."""
    references = [rule["if"]["properties"].get("uri", {}).get("$ref") for rule in mapping["allOf"]]
    found = [each.rpartition("/")[2] for each in references if each]
    return {name.removeprefix(prefix) for name in found}


def test_every_kind_of_source_and_transport_that_runs_has_a_flow() -> None:
    flows = [load_flow(path, environ={}) for path in FLOWS]
    assert set(SOURCES) <= {flow.source.kind for flow in flows}
    assert set(TRANSPORTS) == {flow.transport.mode for flow in flows}
    assert set(SINKS) - {"null"} <= {sink.kind for flow in flows for sink in flow.sinks}


def test_every_hook_that_flowrun_brings_has_a_flow_and_a_line_in_the_docs() -> None:
    paths = {f"flowrun.hooks.{name}:{name}" for name in library()}
    flows = [load_flow(path, environ={}) for path in FLOWS]
    used = {h.hook for flow in flows for h in (*flow.preprocess, *flow.postprocess)}
    assert paths == used, "each hook needs a flow in flows/"
    documented = re.findall(r"^\| `(\w+)` \|", HOOKS.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(documented) == set(library()), "each hook needs a row in docs/hook-library.md"
    assert len(documented) == len(library())


def test_the_schema_knows_the_name_of_every_hook_that_flowrun_brings() -> None:
    assert schema()["$defs"]["hook_path"]["examples"] == library()
    names = "|".join(library())
    assert schema()["$defs"]["hook_path"]["pattern"].startswith(f"^({names}|")
    assert f"(?!({names}):)" in schema()["$defs"]["hook_path"]["pattern"]


def test_every_built_in_model_is_in_the_registry_and_in_the_docs() -> None:
    modules = [module.name for module in pkgutil.iter_modules(models.__path__)]
    found = {name: importlib.import_module(f"{models.__name__}.{name}") for name in modules}
    own = {name for name, module in found.items() if callable(getattr(module, name, None))}
    assert own <= {name.replace("-", "_") for name in MODELS}, "add it to MODELS in registry.py"
    page = MODEL_PAGE.read_text(encoding="utf-8")
    described = schema()["properties"]["transport"]["properties"]["model"]["description"]
    for name in MODELS:
        assert f"`{name}`" in page, "each model needs its name in docs/models.md"
        assert f"`{name}`" in described, "and in the schema's description of transport.model"


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

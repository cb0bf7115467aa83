"""The schema has the options of the hooks that flowrun brings: those of the code."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from pathlib import Path
from typing import Any

import pytest

from flowrun import hooks as package
from flowrun.errors import InvalidFlowError
from flowrun.spec.flow import Flow
from flowrun.spec.hook_options import hooks
from flowrun.spec.load import load_flow
from flowrun.spec.problems import FlowError
from flowrun.spec.schema import schema, types

# The JSON types of a parameter by its annotation. Text is allowed beside numbers where a variable
# may hold a list: "[1, 2, 3]".
TYPES = {
    "str": ["string"],
    "int": ["integer"],
    "float": ["number"],
    "bool": ["boolean"],
    "str | None": ["string", "null"],
    "int | None": ["integer", "null"],
    "float | None": ["number", "null"],
    "str | Sequence[int]": ["string", "array"],
    "str | Sequence[str] | None": ["string", "array", "null"],
    "int | Sequence[int]": ["integer", "array", "string"],
    "float | Sequence[float]": ["number", "array", "string"],
    "Labels | None": ["string", "array", "object", "null"],
    "Classes | None": ["array", "string", "integer", "null"],
    "str | float": ["string", "number"],
    "Mapping[str, Any] | None": ["object", "null"],
    "str | Sequence[Sequence[int]] | None": ["string", "array", "null"],
}
# Of hooks without required options that need one of several.
NEEDED: dict[str, dict[str, Any]] = {"zones": {"zones": {"yard": [[0, 0], [9, 0], [9, 9]]}}}
DOCS = Path(__file__).parents[2] / "docs/hook-library.md"


def code() -> dict[str, Any]:
    """Each hook by its name, from its module."""
    modules = [module.name for module in pkgutil.iter_modules(package.__path__)]
    found = {name: importlib.import_module(f"flowrun.hooks.{name}") for name in modules}
    return {
        name: getattr(module, name)
        for name, module in found.items()
        if callable(getattr(module, name, None))
    }


def parameters(hook: Any) -> list[inspect.Parameter]:
    found = [*inspect.signature(hook).parameters.values()]
    return found if inspect.isclass(hook) else [p for p in found if p.name not in ARGUMENTS]


ARGUMENTS = ("frame", "result")
EVERY = pytest.mark.parametrize("name", sorted(code()))


def test_the_schema_has_every_hook_and_a_condition_that_selects_its_options() -> None:
    assert sorted(hooks()) == sorted(code()), "add `$defs/hook_NAME` to the schema"
    conditions = schema()["$defs"]["hook"]["allOf"]
    assert conditions == [
        {
            "if": {
                "required": ["hook"],
                "properties": {"hook": {"pattern": f"^({name}|flowrun\\.hooks\\.{name}:{name})$"}},
            },
            "then": {
                "properties": {"with": {"$ref": f"#/$defs/hook_{name}"}},
                **({"required": ["with"]} if hooks()[name].get("required") else {}),
            },
        }
        for name in sorted(code())
    ]


@EVERY
def test_options_defaults_and_types_are_those_of_the_code(name: str) -> None:
    of, hook = hooks()[name], code()[name]
    named = {parameter.name: parameter for parameter in parameters(hook)}
    assert list(of["properties"]) == list(named)
    required = [p.name for p in named.values() if p.default is p.empty]
    assert of.get("required", []) == required
    for option, part in of["properties"].items():
        assert types(part) == TYPES[str(named[option].annotation)], option
        if option not in required:
            assert part["default"] == named[option].default, option
    module = inspect.getmodule(hook)
    assert module is not None
    assert of["description"] == (module.__doc__ or "").splitlines()[0]
    call = vars(hook)["__call__"] if inspect.isclass(hook) else hook
    stage = "postprocess" if "result" in inspect.signature(call).parameters else "preprocess"
    assert of["x-hook"] == stage


@EVERY
def test_the_code_rejects_what_the_schema_does_not_allow(name: str) -> None:
    of, hook = hooks()[name], code()[name]
    least = NEEDED.get(name) or dict.fromkeys(of.get("required", ()), "64x64")
    for option, part in of["properties"].items():
        if "enum" in part:
            for value in part["enum"]:
                hook(**{**least, option: value})
            with pytest.raises(InvalidFlowError):
                hook(**{**least, option: "no such word"})
        if "minimum" in part:
            hook(**{**least, option: part["minimum"]})
            with pytest.raises(InvalidFlowError):
                hook(**{**least, option: part["minimum"] - 1})


@EVERY
def test_the_page_of_the_hooks_names_every_option(name: str) -> None:
    lines = DOCS.read_text(encoding="utf-8").splitlines()
    (row,) = [line for line in lines if line.startswith(f"| `{name}` |")]
    for option in hooks()[name]["properties"]:
        assert f"`{option}" in row, option


def load(tmp_path: Path, *hooks: str, environ: Any = None) -> Flow:
    path = tmp_path / "flow.yaml"
    path.write_text(
        "source: test\n"
        f"preprocess: [{', '.join(hooks)}]\n"
        "transport: {mode: unary, address: embedded, model: identity}\n"
        "sink: null\n"
    )
    return load_flow(path, environ=environ or {})


@pytest.mark.parametrize(
    ("hook", "text"),
    [
        (
            "{hook: letterbox, with: {sise: 300x300}}",
            "letterbox has no option `sise`\n    did you mean `size`?",
        ),
        (
            "{hook: 'flowrun.hooks.color_order:color_order', with: {a: 1}}",
            "color_order has no option `a`\n    its options: none",
        ),
        (
            "{hook: letterbox, with: {fill: 7}}",
            "`preprocess[0].with.size` is missing\n",
        ),
        (
            "{hook: letterbox}",
            "`preprocess[0].with` is missing\n",
        ),
        (
            "{hook: resize, with: {size: 640*640}}",
            "`preprocess[0].with.size` is '640*640', expected a size in pixels: `640x640` or"
            " `[640, 640]`\n    did you mean `640x640`?",
        ),
        (
            "{hook: to_tensor, with: {dtype: float32}}",
            "`preprocess[0].with.dtype` is 'float32', expected `uint8`, `fp16` or `fp32`\n"
            "    did you mean `fp32`?",
        ),
        (
            "{hook: to_tensor, with: {scale: '0.5'}}",
            "`preprocess[0].with.scale` is '0.5', expected a number\n    remove the quotes",
        ),
    ],
)
def test_a_wrong_option_is_one_problem_at_its_place(tmp_path: Path, hook: str, text: str) -> None:
    with pytest.raises(FlowError) as raised:
        load(tmp_path, hook)
    (problem,) = raised.value.problems
    shown = str(problem)
    said = [line for line in shown.splitlines() if "^" not in line and "preprocess: [" not in line]
    assert "\n".join(said).partition("error: ")[2] == text.rstrip("\n")


def test_variables_become_what_the_options_are(tmp_path: Path) -> None:
    flow = load(
        tmp_path,
        '{hook: letterbox, with: {size: "${SIZE}", fill: "${FILL}"}}',
        '{hook: to_tensor, with: {scale: "${SCALE}", mean: "${MEAN}"}}',
        environ={"SIZE": "64x32", "FILL": "7", "SCALE": "0.5", "MEAN": "[1, 2, 3]"},
    )
    letterbox, to_tensor = (dict(hook.with_) for hook in flow.preprocess)
    assert letterbox["size"] == "64x32"
    assert to_tensor == {"scale": 0.5, "mean": "[1, 2, 3]"}
    assert json.loads(str(letterbox["fill"])) == 7


def test_the_options_of_hooks_of_the_user_are_not_in_the_schema(tmp_path: Path) -> None:
    flow = load(tmp_path, "{hook: 'mine:letterbox', with: {sise: 1}}")
    assert flow.preprocess[0].with_ == {"sise": 1}

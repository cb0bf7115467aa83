"""Interpolate `${NAME}`, `${NAME:-default}`, `${NAME:?message}`, and `$${` for a literal `${`.

As in a shell, `:-` and `:?` treat an empty variable as unset. Defaults and messages may contain
variables, which are looked up only when needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from flowrun.spec.flow_text import FlowText
from flowrun.spec.nodes import Finding, Location, Node, UsedVariable, dotted, leaves, printable

MAX_LENGTH = 65_536  # characters of a result
_MAX_DEPTH = 10

_SPECIAL = re.compile(r"\$\$\{|\$\{|\}")
_OPENING = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(\}|:-|:\?)")
_FORMS = "write `${NAME}`, `${NAME:-default}` or `${NAME:?message}`, and `$${` for a literal `${`"


class InterpolationError(ValueError):
    """`text` is the part of the scalar that cannot be interpolated."""

    def __init__(self, message: str, text: str, hint: str = "") -> None:
        super().__init__(message)
        self.text = text
        self.hint = hint


@dataclass(frozen=True, slots=True)
class _Variable:
    name: str
    operator: str  # "}" for none, ":-" or ":?"
    argument: tuple[str | _Variable, ...] = ()


def interpolate(root: Node, environ: Mapping[str, str], flow_text: FlowText) -> list[Finding]:
    """Replace the variables in every string below `root`, in place, and return the problems.

    Strings with variables are marked `untyped` and get their `variables`; a string that cannot be
    interpolated is unchanged.
    """
    findings = []
    for path, node in leaves(root):
        if not isinstance(node.value, str) or "${" not in node.value:
            continue
        try:
            node.value, node.variables = expand(node.value, environ)
            node.untyped = node.untyped or bool(node.variables)
        except InterpolationError as error:
            at = flow_text.line(node.location).find(error.text, node.location.column - 1)
            location = (
                Location(node.location.text, node.location.line, at + 1)
                if at >= 0
                else node.location
            )
            findings.append(Finding(str(error), location, dotted(path), error.hint))
    return findings


def expand(text: str, environ: Mapping[str, str]) -> tuple[str, tuple[UsedVariable, ...]]:
    """Replace the variables in `text`; also return those that were looked up, in order.

    Raises `InterpolationError` for an unset variable, a malformed one, or a result longer than
    `MAX_LENGTH`.
    """
    parts, _ = _parse(text, 0, 0)
    used: list[UsedVariable] = []
    return _value(parts, environ, used), tuple(used)


def references(text: str) -> dict[str, bool]:
    """The variables in `text`, those in defaults, too, each with whether it has a default wherever
    it is used. Raises `InterpolationError` for a malformed one."""
    found: dict[str, bool] = {}
    todo = list(_parse(text, 0, 0)[0])
    while todo:
        part = todo.pop(0)
        if isinstance(part, _Variable):
            found[part.name] = found.get(part.name, True) and part.operator == ":-"
            todo += part.argument
    return found


def literal(text: str, variable: str) -> str:
    """What `text` says itself: its defaults as text, every other variable as `variable`. Raises
    `InterpolationError` for a malformed one."""

    def of(parts: tuple[str | _Variable, ...]) -> str:
        return "".join(
            part
            if isinstance(part, str)
            else of(part.argument)
            if part.operator == ":-" and any(part.argument)
            else variable
            for part in parts
        )

    return of(_parse(text, 0, 0)[0])


def _parse(text: str, at: int, depth: int) -> tuple[tuple[str | _Variable, ...], int]:
    """Parse `text` from `at` to its end or, if nested, to the closing brace."""
    parts: list[str | _Variable] = []
    while found := _SPECIAL.search(text, at):
        if found[0] == "}" and depth:
            parts.append(text[at : found.start()])
            return tuple(parts), found.end()
        parts.append(text[at : found.start()])
        if found[0] == "}":
            parts.append("}")
            at = found.end()
        elif found[0] == "$${":
            parts.append("${")
            at = found.end()
        else:
            variable, at = _variable(text, found.start(), depth)
            parts.append(variable)
    if depth:
        raise InterpolationError("a `${` is not closed", "${", _FORMS)
    return (*parts, text[at:]), len(text)


def _variable(text: str, at: int, depth: int) -> tuple[_Variable, int]:
    opening = _OPENING.match(text, at)
    if opening is None or depth == _MAX_DEPTH:
        end = text.find("}", at)
        wrong = text[at : end + 1] if end >= 0 else text[at:]
        # The message does not repeat it: it may be a part of a password.
        raise InterpolationError("this `${` does not start a variable", wrong, _FORMS)
    name, operator = opening.groups()
    if operator == "}":
        return _Variable(name, operator), opening.end()
    argument, end = _parse(text, opening.end(), depth + 1)
    return _Variable(name, operator, argument), end


def _value(
    parts: tuple[str | _Variable, ...], environ: Mapping[str, str], used: list[UsedVariable]
) -> str:
    values: list[str] = []
    length = 0
    for part in parts:
        value = part if isinstance(part, str) else _look_up(part, environ, used)
        length += len(value)
        if length > MAX_LENGTH:
            raise InterpolationError(f"the result is longer than {MAX_LENGTH:,} characters", "${")
        values.append(value)
    return "".join(values)


def _look_up(variable: _Variable, environ: Mapping[str, str], used: list[UsedVariable]) -> str:
    value = environ.get(variable.name)
    if value or (value is not None and variable.operator == "}"):
        used.append(UsedVariable(variable.name, found=True))
        return value
    if variable.operator == ":-":
        used.append(UsedVariable(variable.name, found=False))
        return _value(variable.argument, environ, used)
    text = f"${{{variable.name}"
    explanation = printable(_value(variable.argument, environ, used).strip())
    message = f"the environment variable `{printable(variable.name)}` is not set"
    if explanation:
        raise InterpolationError(f"{message}: {explanation}", text)
    default = f"give it a default: `{text}:-…}}`"
    raise InterpolationError(message, text, f"set it, read it with `--env-file`, or {default}")

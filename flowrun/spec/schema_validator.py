"""The JSON Schema validator of flows. Only this module imports jsonschema, and it is imported late:
importing it takes longer than the rest of this package."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, TypeChecker
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from flowrun.spec.schema import Schema, inlined


@cache
def validator() -> Validator:
    """The validator for whole flows, created once."""
    dialect: type[Validator] = extend(  # type: ignore[no-untyped-call]
        Draft202012Validator,
        {"pattern": _pattern},
        type_checker=Draft202012Validator.TYPE_CHECKER.redefine("number", _is_number),
    )
    return dialect(inlined())


def _is_number(checker: TypeChecker, value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _pattern(on: Validator, pattern: str, value: Any, of: Schema) -> Iterator[ValidationError]:
    if isinstance(value, str) and not _compiled(pattern).search(value):
        yield ValidationError("does not match")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile with JSON Schema's meaning of `$`: the end, not before a final newline."""
    return re.compile(f"{pattern[:-1]}\\Z" if pattern.endswith("$") else pattern)

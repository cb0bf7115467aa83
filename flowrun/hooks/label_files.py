"""What the numbers of a model's classes are called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flowrun.errors import InvalidFlowError

Labels = str | Sequence[Any] | Mapping[Any, Any]  # as `labels` stands in a flow

_SHIPPED = Path(__file__).parent / "labels"
_NUMBERED = re.compile(r"(\d+)(?:\s*:\s*|\s+)(.+)")


def read_labels(labels: Labels | None, first_id: int = 0) -> dict[int, str]:
    """The name of each class id; none without `labels`.

    `labels` is a list or a mapping of the flow, the path of a file, or `coco`, the ids that
    TensorFlow's models have for COCO. A file has one label per line, or `id: label` or `id label`
    on each; where there are no ids, they count from `first_id`. An empty line is an id without a
    name. Raises `InvalidFlowError` for the option `labels`.
    """
    if labels is None:
        return {}
    if isinstance(labels, str):
        return _parsed(_lines(labels), first_id)
    if isinstance(labels, Mapping):
        return {_id(key): str(name) for key, name in labels.items()}
    if isinstance(labels, Sequence):
        return {n: str(name) for n, name in enumerate(labels, first_id)}
    raise _wrong(
        f"{labels!r} is neither a file of labels nor a list nor a mapping from id to label"
    )


def _lines(name: str) -> list[str]:
    shipped = _SHIPPED / f"{name}.txt"
    path = shipped if Path(name).name == name and shipped.is_file() else Path(name)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        known = ", ".join(sorted(file.stem for file in _SHIPPED.glob("*.txt")))
        raise _wrong(
            f"there is no file {name} (relative paths start at {Path.cwd()}); flowrun"
            f" brings {known}"
        ) from None
    except UnicodeDecodeError as error:
        raise _wrong(f"{name} is not UTF-8 text: {error.reason}") from None
    except OSError as error:
        raise _wrong(f"{name} cannot be read: {error.strerror}") from None
    return [line.strip() for line in text.rstrip().splitlines()]


def _parsed(lines: list[str], first_id: int) -> dict[int, str]:
    numbered = [_NUMBERED.fullmatch(line) for line in lines if line]
    if all(numbered):  # one line without an id, and the numbers belong to the labels: "3 wheeler"
        return {int(match[1]): match[2] for match in numbered if match}
    return {n: line for n, line in enumerate(lines, first_id) if line}


def _wrong(message: str) -> InvalidFlowError:
    return InvalidFlowError(message, key="labels")


def _id(key: Any) -> int:
    try:
        return int(key)
    except ValueError:
        raise _wrong(f"{key!r} is not a class id, which is a whole number") from None

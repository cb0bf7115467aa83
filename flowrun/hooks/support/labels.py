"""Read the labels of a model's classes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flowrun.errors import InvalidFlowError
from flowrun.hooks.support import options
from flowrun.spec.hints import closest_match

Labels = str | Sequence[Any] | Mapping[Any, Any]  # the option `labels` of a hook
Classes = int | str | Sequence[int | str]  # the option `classes`

_INCLUDED = Path(__file__).parent / "label_files"
_NUMBERED = re.compile(r"(\d+)(?:\s*:\s*|\s+)(.+)")


def read_labels(
    labels: Labels | None, first_id: int = 0, *, consecutive: bool = False
) -> dict[int, str]:
    """The label of each class id; empty without `labels`.

    `labels` is a list or a mapping of the flow, the path of a file, or `coco`: the COCO classes
    with the ids of TensorFlow's models. Each line of a file is a label, or `id: label` or
    `id label`; without ids, lines are numbered from `first_id`. An empty line is an id without a
    label. `consecutive`: the included labels are numbered from `first_id`, without gaps, as for
    most other models. Raises `InvalidFlowError` for the option `labels`.
    """
    if labels is None:
        return {}
    if consecutive and isinstance(labels, str) and _included(labels).is_file():
        return dict(enumerate(_parsed(_lines(labels), first_id).values(), first_id))
    if isinstance(labels, str):
        return _parsed(_lines(labels), first_id)
    if isinstance(labels, Mapping):
        return {_id(key): str(name) for key, name in labels.items()}
    if isinstance(labels, Sequence):
        return {n: str(name) for n, name in enumerate(labels, first_id)}
    raise _invalid(
        f"{labels!r} is not a label file, a list of labels or a mapping from id to label"
    )


def class_ids(classes: Classes | None, names: Mapping[int, str]) -> list[int] | None:
    """The class ids of the option `classes`, ids and labels in `names`, one or a list; `None`
    without it. Raises `InvalidFlowError` for the option `classes`."""
    if classes is None:
        return None
    found: list[int] = []
    for each in [classes] if isinstance(classes, (int, str)) else classes:
        if isinstance(each, int) and not isinstance(each, bool) and each >= 0:
            found.append(each)
        elif isinstance(each, str) and each in names.values():
            found += [number for number, name in names.items() if name == each]
        elif isinstance(each, str) and each.isdecimal():
            found.append(int(each))
        else:
            known = tuple(names.values())
            near = closest_match(each, known) if isinstance(each, str) else None
            hint = f"did you mean `{near}`?" if near else "labels are those of the option `labels`"
            options.reject("classes", each, "a class id or a label", hint)
    return found


def _included(name: str) -> Path:
    """The file of the labels of this name that flowrun includes, if it does."""
    return _INCLUDED / f"{Path(name).name if Path(name).name == name else ''}.txt"


def _lines(name: str) -> list[str]:
    path = _included(name) if _included(name).is_file() else Path(name)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        included = ", ".join(sorted(file.stem for file in _INCLUDED.glob("*.txt")))
        raise _invalid(
            f"file {name} not found (relative paths start at {Path.cwd()});"
            f" labels included in flowrun: {included}"
        ) from None
    except UnicodeDecodeError as error:
        raise _invalid(f"{name} is not UTF-8 text: {error.reason}") from None
    except OSError as error:
        raise _invalid(f"{name} cannot be read: {error.strerror}") from None
    return [line.strip() for line in text.rstrip().splitlines()]


def _parsed(lines: list[str], first_id: int) -> dict[int, str]:
    numbered = [_NUMBERED.fullmatch(line) for line in lines if line]
    if all(numbered):  # if one line has no id, a number is part of the label: "3 wheeler"
        return {int(match[1]): match[2] for match in numbered if match}
    return {n: line for n, line in enumerate(lines, first_id) if line}


def _invalid(message: str) -> InvalidFlowError:
    return InvalidFlowError(message, key="labels")


def _id(key: Any) -> int:
    try:
        return int(key)
    except ValueError:
        raise _invalid(f"{key!r} is not a class id: expected an integer") from None

"""Tell the layouts of YOLO's outputs apart by their shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Name = Literal["v5", "v8", "end2end"]
Layout = Literal["auto", "v5", "v8", "end2end"]

BOX = 4
_FINISHED = 6  # columns of a row end to end: a box, score and class
_MOST_FINISHED = 1000  # rows that exports with NMS return; raw candidates are more
_ANY = -1


@dataclass(frozen=True, slots=True)
class Table:
    """How to read an output: which layout it has, whether a candidate is a column instead of a row,
    and the number of classes (0 end to end)."""

    layout: Name
    transposed: bool
    classes: int


class LayoutError(Exception):
    """The shape fits no layout, or several. `expected` says what would fit."""

    def __init__(self, expected: str) -> None:
        super().__init__(expected)
        self.expected = expected


def find_table(shape: tuple[int, ...], layout: Layout, extra: int) -> Table:
    """How to read an output of this `shape`, (candidates, values) or (values, candidates), both
    also with a batch of 1 before; -1 is any size.

    A candidate has `extra` values beside its box and its scores. There are more candidates than
    values. Raises `LayoutError`.
    """
    if len(shape) == BOX - 1 and shape[0] in (1, _ANY):
        shape = shape[1:]
    if len(shape) != BOX - 2:
        raise LayoutError(_expected(layout, extra))
    first, last = shape
    if layout == "auto":
        layout = _by_shape(first, last, extra)
    if layout == "end2end":
        if last not in (_FINISHED + extra, _ANY):
            raise LayoutError(_expected(layout, extra))
        return Table("end2end", transposed=False, classes=0)
    transposed = first != _ANY and (last == _ANY or first <= last)
    if first == last == _ANY:
        transposed = layout == "v8"
    values = first if transposed else last
    classes = values - BOX - extra - (layout == "v5")
    if classes < 1 and values != _ANY:
        raise LayoutError(_expected(layout, extra))
    return Table(layout, transposed, max(classes, 0))


def _by_shape(first: int, last: int, extra: int) -> Name:
    if last == _FINISHED + extra and first <= _MOST_FINISHED:
        return "end2end"
    if last == _FINISHED + extra:
        raise LayoutError(
            "a shape with one meaning: write `layout: v5` (one class and objectness), `layout: v8`"
            " (two classes, no objectness) or `layout: end2end` (after NMS)"
        )
    one_class = last == BOX + 1 + extra  # and no objectness, which would leave no class
    return "v8" if one_class or (first != _ANY and (last == _ANY or first <= last)) else "v5"


def _expected(layout: Layout, extra: int) -> str:
    more = f" + {extra}" if extra else ""
    shapes = {
        "v8": f"(1, 4 + classes{more}, n)",
        "v5": f"(1, n, 5 + classes{more})",
        "end2end": f"(1, n, {_FINISHED + extra})",
    }
    wanted = shapes.values() if layout == "auto" else [shapes[layout]]
    return f"numbers with shape {' or '.join(wanted)}"

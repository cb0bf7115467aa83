"""A line of JSON for every fate, whatever hooks attach and whatever happens to the file."""

from __future__ import annotations

import errno
import json
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from flowrun.detection import Classification, Detection, Mask, with_detections
from flowrun.errors import SinkError
from flowrun.frame import Frame, VideoInfo
from flowrun.media.lines.jsonl import JsonLinesSink
from flowrun.media.protocols import SinkContext
from flowrun.media.when import When
from flowrun.spec.flow import SinkSpec

LINE_SCHEMA = Path(__file__).parents[3] / "schemas/line.schema.json"
CONTEXT = SinkContext(VideoInfo(4, 2), key="sink[1]", run="4ae0")
FRAME = Frame(np.zeros((2, 4, 3), np.uint8), 0, 0.0, 0.0, 0.0)
full_device = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="has no full device")


@dataclass(frozen=True)
class Fate:
    index: int = 0
    time: float = 0.0
    fate: str = "delivered"
    cause: str | None = None
    took: Mapping[str, float] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Box:
    name: str
    corner: Any
    lock: Any = None


def opened(path: Path, **keys: Any) -> JsonLinesSink:
    return JsonLinesSink(SinkSpec(str(path), **keys), CONTEXT)


def strict(text: str) -> Any:
    """As JSON is defined, without Python's NaN."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def written(path: Path) -> list[Any]:
    return [strict(line) for line in path.read_text("utf-8").splitlines()]


def test_a_line_has_all_fields_of_a_fate(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.jsonl"
    sink = opened(path)
    took = {"end_to_end": 0.0123456, "sink": 1.0}
    sink.note(Fate(7, 1 / 3, "failed", "timeout", took, {"faces": [1, "zwölf"]}))
    line, _, end = path.read_text("utf-8").partition("\n")  # before the sink is closed
    assert not end
    assert re.sub(r'"at": "[^"]+"', '"at": ""', line) == (
        '{"version": 1, "run": "4ae0", "index": 7, "time": 0.333333, "at": "", "fate": "failed",'
        ' "cause": "timeout", "latency_ms": {"end_to_end": 12.346, "sink": 1000.0},'
        ' "data": {"faces": [1, "zwölf"]}}'
    )
    sink.note(Fate(8))
    sink.close()
    assert [line["index"] for line in written(path)] == [7, 8]
    assert written(path)[1]["cause"] is None


def test_a_line_says_when_the_frame_was_captured(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    sink = opened(path)
    before = datetime.now().astimezone()
    sink.note(Fate(took={"end_to_end": 3600.0}))
    sink.close()
    at = datetime.fromisoformat(written(path)[0]["at"])
    assert at.utcoffset() == before.utcoffset()
    assert timedelta(minutes=59) < before - at <= timedelta(hours=1, milliseconds=1)


def test_only_selected_lines_are_written(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    sink = JsonLinesSink(SinkSpec(str(path)), replace(CONTEXT, when=When("hit")))
    attached: list[dict[str, Any]] = [{"hit": True}, {"hit": []}, {}, {"hit": np.ones(3)}]
    for index, data in enumerate(attached):
        sink.note(Fate(index, data=data))
    sink.close()
    assert [line["index"] for line in written(path)] == [0, 3]
    assert sink.delivered == 2


@pytest.mark.parametrize("fate", ["delivered", "dropped", "failed", "aborted"])
def test_every_line_is_valid_by_the_published_schema(tmp_path: Path, fate: str) -> None:
    path = tmp_path / "a.jsonl"
    sink = opened(path)
    mask = Mask(np.ones((2, 1), bool), 1, 0, width=4, height=2)
    seen = [
        Detection((0.5, 1, 20, 30), 0.75, 1, "sign", "stop"),
        Detection((1, 0, 2, 2), 0.5, keypoints=((1.5, 0.5, 0.9),), mask=mask, track_id=3, angle=1),
    ]
    data = with_detections(FRAME, seen).attach(classes=(Classification(3, 0.5, "cat"),)).data
    sink.note(Fate(fate=fate, took={"end_to_end": 0.5}, data=data))
    sink.close()
    schema = json.loads(LINE_SCHEMA.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(written(path)[0])


def test_frames_are_accepted_and_discarded(tmp_path: Path) -> None:
    sink = opened(tmp_path / "a.jsonl")
    sink.write(FRAME)
    sink.abort()
    sink.close()
    sink.close()
    assert (tmp_path / "a.jsonl").read_text() == ""


def test_a_fate_after_close_is_not_written(tmp_path: Path) -> None:
    sink = opened(tmp_path / "a.jsonl")
    sink.close()
    sink.note(Fate())
    assert (tmp_path / "a.jsonl").read_text() == ""


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (np.arange(4, dtype=np.int16).reshape(2, 2), [[0, 1], [2, 3]]),
        (np.float32(0.5), 0.5),
        (np.int64(2**60), 2**60),
        (np.bool_(True), True),
        (np.array([1.5, np.nan, np.inf]), [1.5, None, None]),
        (np.float32("nan"), None),
        (np.zeros((2, 0)), [[], []]),
        (np.array([np.datetime64("2024-05-06")]), ["datetime.date(2024, 5, 6)"]),
        (np.array([(1, 0.5)], dtype=[("a", "i4"), ("b", "f4")]), [[1, 0.5]]),
        ([float("nan"), float("-inf"), 1e300], [None, None, 1e300]),
        (Box("a", np.array([1, 2])), {"name": "a", "corner": [1, 2], "lock": None}),
        (Box("a", Box("b", {1}), 2),
         {"name": "a", "corner": {"name": "b", "corner": [1], "lock": None}, "lock": 2}),
        (MappingProxyType({"a": np.uint8(3)}), {"a": 3}),
        ({1: "a", (2, 3): "b", np.int8(4): "c", None: "d"},
         {"1": "a", "(2, 3)": "b", "4": "c", "None": "d"}),
        ((1, [2], {"b": (3,)}), [1, [2], {"b": [3]}]),
        ({"b", "a"}, ["a", "b"]),
        (b"caf\xc3\xa9 \xff", "café \ufffd"),
        (1 + 2j, "(1+2j)"),
        (Box, repr(Box)),
        ("a\nb\u2028\ud83d", "a\nb\u2028\ud83d"),
    ],
)  # fmt: skip
def test_values_without_a_json_type_are_converted(tmp_path: Path, value: Any, found: Any) -> None:
    path = tmp_path / "a.jsonl"
    sink = opened(path)
    sink.note(Fate(data={"it": value}))
    sink.close()
    assert path.read_bytes().count(b"\n") == 1
    assert strict(path.read_text("utf-8"))["data"] == {"it": found}


class Mute:
    def __repr__(self) -> str:
        raise RuntimeError("no text")


def nested(levels: int, times: int = 1) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value] * times
    return value


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda: 10**5000, None),
        (lambda: -(10**400), None),
        (Mute, "<Mute without a JSON form: RuntimeError: no text>"),
        (lambda: {Mute()}, "<set without a JSON form: RuntimeError: no text>"),
        (lambda: [1, Mute()], [1, "<Mute without a JSON form: RuntimeError: no text>"]),
        (lambda: {Mute(): 1}, {"<Mute without a text>": 1}),
        (lambda: np.array([Mute()], object), ["<Mute without a JSON form: RuntimeError: no text>"]),
        (lambda: nested(60, times=2), "<more than 100000 values>"),
        (lambda: [0] * 200_000, "<more than 100000 values>"),
    ],
)
def test_a_value_that_cannot_be_converted_becomes_a_text_in_its_place(
    tmp_path: Path, make: Any, found: Any
) -> None:
    path = tmp_path / "a.jsonl"
    sink = opened(path)
    sink.note(Fate(data={"it": make(), "next": [1]}))
    sink.close()
    assert written(path)[0]["data"] == {"it": found, "next": [1]}


def test_five_thousand_levels_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    sink = opened(path)
    sink.note(Fate(data={"it": nested(5000)}))
    sink.close()
    text = path.read_text()
    assert '["<nested more than 32 levels deep>"]' in text
    assert len(text) < 1000


def test_values_that_cannot_be_copied_or_are_recursive_are_converted(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.jsonl"
    lock = threading.Lock()
    circle: list[Any] = [1]
    circle.append(circle)
    sink = opened(path)
    sink.note(
        Fate(data={"box": Box("a", 1, lock), "wide": np.ones(1, np.longdouble), "circle": circle})
    )
    sink.close()
    (line,) = written(path)
    assert line["data"]["box"] == {"name": "a", "corner": 1, "lock": repr(lock)}
    assert line["data"]["wide"] in ([repr(np.longdouble(1))], [1.0])
    assert line["data"]["circle"][0] == line["data"]["circle"][1][0] == 1


def test_detections_are_written_with_their_field_names(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    sink = opened(path)
    seen = Detection((0.5, 1, 20, 30), 0.75, 1, "sign", "stop")
    made = with_detections(FRAME, [seen]).attach(classes=(Classification(3, 0.5, "cat"),))
    sink.note(Fate(data=made.data))
    sink.close()
    assert json.dumps(written(path)[0]["data"]) == (
        '{"detections": [{"box": [0.5, 1, 20, 30], "score": 0.75, "class_id": 1, "label": "sign",'
        ' "text": "stop"}], "classes": [{"class_id": 3, "score": 0.5, "label": "cat"}]}'
    )


def test_points_masks_and_tracks_are_written_where_there_are_any(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    sink = opened(path)
    mask = Mask(np.ones((2, 1), bool), 1, 0, width=4, height=2)
    seen = Detection((1, 0, 2, 2), 0.5, keypoints=((1.5, 0.5, 0.9),), mask=mask, track_id=3)
    sink.note(Fate(data=with_detections(FRAME, [seen]).data))
    sink.close()
    (line,) = written(path)[0]["data"]["detections"]
    assert line["keypoints"] == [[1.5, 0.5, 0.9]]
    assert line["track_id"] == 3
    assert line["mask"] == {"size": [2, 4], "counts": [2, 2, 4]}


@given(
    data=st.dictionaries(
        st.text() | st.integers(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(st.text() | st.integers(), inner)
                | st.tuples(inner)
            ),
            max_leaves=10,
        ),
        max_size=4,
    )
)
def test_every_line_is_json_whatever_hooks_attach(tmp_path_factory: Any, data: Any) -> None:
    path = tmp_path_factory.mktemp("any") / "a.jsonl"
    sink = opened(path)
    sink.note(Fate(data=data))
    sink.close()
    assert path.read_bytes().count(b"\n") == 1
    assert list(strict(path.read_text("utf-8"))["data"]) == list({str(key): 0 for key in data})


def test_lines_from_several_threads_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    sink = opened(path)

    def note(start: int) -> None:
        for index in range(start, start + 200):
            sink.note(Fate(index))

    threads = [threading.Thread(target=note, args=(start,)) for start in (0, 1000, 2000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sink.close()
    indices = [line["index"] for line in written(path)]
    assert sorted(indices) == [start + i for start in (0, 1000, 2000) for i in range(200)]


def test_an_existing_file_is_not_overwritten_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("precious\n")
    with pytest.raises(SinkError) as raised:
        opened(path)
    assert str(raised.value) == (
        f"sink[1]: {path} exists and is not overwritten\n"
        "  choose another path, or set `overwrite: true` under `sink`"
    )
    assert path.read_text() == "precious\n"
    opened(path, overwrite=True).close()
    assert path.read_text() == ""


def test_a_file_that_another_sink_writes_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    first = opened(path)
    first.note(Fate(1))
    context = SinkContext(VideoInfo(4, 2), key="sink[1]")
    with pytest.raises(SinkError, match=r"a\.jsonl is being written by another run or sink"):
        JsonLinesSink(SinkSpec(str(path), overwrite=True), context)
    first.close()
    assert [line["index"] for line in written(path)] == [1]
    assert os.listdir(tmp_path) == ["a.jsonl"]


def test_a_file_that_cannot_be_opened_is_reported_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "a.jsonl"
    with pytest.raises(SinkError) as raised:
        opened(path)
    assert str(raised.value) in (
        f"sink[1]: {path} cannot be written: Not a directory",
        f"sink[1]: {path} cannot be written: File exists",
    )
    folder = tmp_path / "b.jsonl"
    folder.mkdir()
    with pytest.raises(SinkError, match=r"b\.jsonl is a directory$"):
        opened(folder, overwrite=True)


@full_device
def test_a_full_disk_is_logged_once_and_ends_the_sink(caplog: Any) -> None:
    sink = opened(Path("/dev/full"), overwrite=True)
    message = "sink[1]: /dev/full cannot be written: No space left on device"
    sink.write(FRAME)
    sink.note(Fate())
    sink.note(Fate())
    assert caplog.messages == [f"{message}; no more lines are written"]
    assert sink.missing == 1  # the second frame failed
    assert (sink.delivered, sink.failed) == (0, 2)
    for act in (partial(sink.write, FRAME), sink.close):
        with pytest.raises(SinkError) as raised:
            act()
        assert str(raised.value) == message
    sink.close()


@full_device
def test_a_full_disk_at_a_line_that_does_not_fit_the_buffer(caplog: Any) -> None:
    sink = opened(Path("/dev/full"), overwrite=True)
    sink.note(Fate(data={"long": "x" * 100_000}))
    assert len(caplog.messages) == 1
    with pytest.raises(SinkError, match=r"No space left on device$"):
        sink.close()


def test_a_line_that_does_not_fit_the_disk_is_not_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "fates.jsonl"
    sink = opened(path)
    sink.note(Fate(index=0))
    monkeypatch.setattr(sink, "_file", Nearly(sink._file, space=40))
    sink.note(Fate(index=1))
    with pytest.raises(SinkError, match=r"No space left on device$"):
        sink.close()
    assert [line["index"] for line in written(path)] == [0]


class Nearly:
    """A file on a disk that has `space` bytes left."""

    def __init__(self, file: Any, space: int) -> None:
        self._file, self._space = file, space

    def write(self, data: memoryview) -> int:
        if not self._space:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        count: int = self._file.write(data[: self._space])
        self._space -= count
        return count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

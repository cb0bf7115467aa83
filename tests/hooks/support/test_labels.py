"""The labels of a model's classes, from files, lists and mappings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.errors import InvalidFlowError
from flowrun.hooks.support.labels import read_labels


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("person\nbicycle\n", {0: "person", 1: "bicycle"}),
        ("person\n\n 3 wheeler \n", {0: "person", 2: "3 wheeler"}),
        ("1: person\r\n\r\n3:car\r\n", {1: "person", 3: "car"}),
        ("1 traffic light\n10  stop sign\n", {1: "traffic light", 10: "stop sign"}),
        ("\ufeffcat", {0: "cat"}),
        ("", {}),
    ],
)
def test_a_file_has_a_label_per_line_with_or_without_its_id(
    tmp_path: Path, text: str, labels: dict[int, str]
) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(text.encode())
    assert read_labels(str(path)) == labels


def test_ids_count_from_the_first_one_where_there_are_none(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("a\nb\n")
    assert read_labels(str(path), 1) == {1: "a", 2: "b"} == read_labels(["a", "b"], 1)
    path.write_text("7: a\n")
    assert read_labels(str(path), 1) == {7: "a"}


def test_labels_may_be_a_list_or_a_mapping() -> None:
    assert read_labels(["a", 2]) == {0: "a", 1: "2"}
    assert read_labels({"1": "a", 3: "b"}) == {1: "a", 3: "b"}
    assert read_labels(None) == {}


LABELS = st.from_regex(r"\w[\w -]*\w", fullmatch=True)


@given(st.dictionaries(st.integers(0, 2000), LABELS, max_size=5))
def test_every_file_with_ids_is_read_as_it_was_written(
    tmp_path_factory: Any, labels: dict[int, str]
) -> None:
    path = tmp_path_factory.mktemp("labels") / "labels.txt"
    path.write_text("".join(f"{n}: {label}\n" for n, label in labels.items()), encoding="utf-8")
    assert read_labels(str(path)) == labels


def test_coco_has_the_ids_of_tensorflow() -> None:
    labels = read_labels("coco")
    assert len(labels) == len(set(labels.values())) == 80
    assert (labels[1], labels[44], labels[90]) == ("person", "bottle", "toothbrush")
    assert not {0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91} & set(labels)


def test_a_path_with_a_folder_is_not_one_of_the_included_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "coco").write_text("mine\n")
    monkeypatch.chdir(tmp_path)
    assert read_labels("./coco") == {0: "mine"}


def test_a_label_file_that_cannot_be_read_is_reported_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latin").write_bytes(b"caf\xe9\n")
    (tmp_path / "folder").mkdir()
    expected = {
        "coc": f"labels: file coc not found (relative paths start at {tmp_path});"
        " labels included in flowrun: coco",
        "latin": "labels: latin is not UTF-8 text: invalid continuation byte",
        "folder": "labels: folder cannot be read: Is a directory",
    }
    for name, text in expected.items():
        with pytest.raises(InvalidFlowError) as raised:
            read_labels(name)
        assert str(raised.value) == text


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ({"a": "b"}, "labels: 'a' is not a class id: expected an integer"),
        (
            3,
            "labels: 3 is not a label file, a list of labels or a mapping from id to label",
        ),
    ],
)
def test_other_values_and_ids_are_rejected(labels: Any, text: str) -> None:
    with pytest.raises(InvalidFlowError) as raised:
        read_labels(labels)
    assert str(raised.value) == text

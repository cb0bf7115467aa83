"""Which files are tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowrun.errors import UsageError
from flowrun.inspect.testing.find import find_tests


def test_directories_and_globs_are_searched_and_each_test_is_found_once(folder: Path) -> None:
    (folder / "a/b").mkdir(parents=True)
    for name in ("a/one.test.yaml", "a/b/two.test.yml", "a/flow.yaml", "a/test.yaml", "a/x.txt"):
        (folder / name).touch()
    expected = [Path("a/b/two.test.yml"), Path("a/one.test.yaml")]
    assert find_tests(["a"]) == expected
    assert sorted(find_tests(["a/one.test.yaml", "a/*", "a"])) == expected
    assert find_tests(["a", str(folder / "a"), "./a/b/../one.test.yaml"]) == expected


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (".", "there is no test in ."),
        ("*.test.yaml", "there is no test in"),
        ("flow.yaml", "flow.yaml is not a test"),
        ("flow.yml", "there is no such file: flow.yml"),
    ],
)
def test_a_path_without_a_test_is_a_usage_error(folder: Path, path: str, message: str) -> None:
    (folder / "flow.yaml").touch()
    with pytest.raises(UsageError, match=message.replace("*", r"\*")) as raised:
        find_tests([path])
    assert raised.value.hint

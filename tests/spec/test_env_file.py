"""Files of variables: which lines are read as a shell reads them, which are errors."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from flowrun.errors import UsageError
from flowrun.spec.env_file import environment

VALUES = {
    "A=1": "1",
    "A=": "",
    "A=''": "",
    'A=""': "",
    "  A=1  ": "1",
    "export A=1": "1",
    "A=rtsp://cam/s?x=1": "rtsp://cam/s?x=1",
    "A=a=b": "a=b",
    "A=a#b": "a#b",
    "A=#b": "#b",
    "A=a # comment": "a",
    "A= # comment": "",
    "A='a # b'": "a # b",
    "A='a \"b\" \\c'": 'a "b" \\c',
    "A=\"a 'b' # c\"": "a 'b' # c",
    r'A="a \" \\ \$ \` \n"': r'a " \ $ ` \n',
    r"A=a\ b\#\\": r"a b#\ ".rstrip(),
    "A='it'\\''s'": "it's",
    "A=x'y z'\"w\"": "xy zw",
    "A=é": "é",
    "A='{\"a\": [1]}'": '{"a": [1]}',
    "A=1\nA=2": "2",
    "# c\n\n   # d\nA=1\n": "1",
}


def read(folder: Path, text: str | bytes, environ: dict[str, str] | None = None) -> dict[str, str]:
    file = folder / "cams.env"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return environment([str(file)], environ or {})


@pytest.mark.parametrize(("text", "value"), VALUES.items())
def test_a_line_sets_a_variable(tmp_path: Path, text: str, value: str) -> None:
    assert read(tmp_path, text) == {"A": value}


@pytest.mark.skipif(shutil.which("sh") is None, reason="there is no sh")
@pytest.mark.parametrize(("text", "value"), VALUES.items())
def test_a_shell_reads_the_same_value(tmp_path: Path, text: str, value: str) -> None:
    (tmp_path / "cams.env").write_text(text, encoding="utf-8")
    command = ["sh", "-c", '. ./cams.env; printf %s "$A"']
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=True)
    assert done.stdout.decode() == value


@pytest.mark.parametrize(
    ("text", "value"), [("A=$B", "$B"), ("A=x?a=1&b=2;c", "x?a=1&b=2;c"), ('A="$(b)"', "$(b)")]
)
def test_the_operators_of_a_shell_are_ordinary_characters(
    tmp_path: Path, text: str, value: str
) -> None:
    assert read(tmp_path, text) == {"A": value}


def test_a_byte_order_mark_and_line_ends_of_windows_are_skipped(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbfA=1\r\nB='2'\r\n") == {"A": "1", "B": "2"}


def test_the_environment_wins_and_of_several_files_the_last(tmp_path: Path) -> None:
    (tmp_path / "first.env").write_text("A=1\nB=1\nC=1\n")
    (tmp_path / "second.env").write_text("B=2\nC=2\n")
    files = [str(tmp_path / "first.env"), str(tmp_path / "second.env")]
    assert environment(files, {"C": "", "D": "3"}) == {"A": "1", "B": "2", "C": "", "D": "3"}


NAME = "expected NAME=VALUE, or a # comment"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("A=1\nhunter2\n", 2, NAME),
        ("A =hunter2", 1, NAME),
        ("1A=hunter2", 1, NAME),
        ("=hunter2", 1, NAME),
        ("A: hunter2", 1, NAME),
        ("A=hunter2 hunter2", 1, "there is text after the value"),
        ("A= hunter2", 1, "there is text after the value"),
        ("\n\nA='hunter2", 3, "this ' is not closed"),
        ('A="hunter2\\"', 1, 'this " is not closed'),
        ("A=hunter2\\", 1, "the line ends with a backslash"),
        (b"A=1\nB=\xff", 2, "this is not UTF-8"),
    ],
)
def test_a_wrong_line_is_an_error_with_its_number_and_without_its_value(
    tmp_path: Path, text: str | bytes, line: int, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'cams.env'}:{line}: {message}\n")
    assert "hunter2" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^--env-file none\.env: there is no such file$"):
        environment(["none.env"], {})
    with pytest.raises(UsageError, match=r"^--env-file .*: "):
        environment([str(tmp_path)], {})
    with pytest.raises(UsageError, match="this is not a file of NAME=VALUE lines"):
        read(tmp_path, b"\0")

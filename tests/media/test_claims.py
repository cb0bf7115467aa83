"""A file is written by one sink of one run at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowrun.errors import SinkError
from flowrun.media.claims import Claims

no_links = pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege there")
CLAIMS = """
import sys
from pathlib import Path
from flowrun.media.claims import Claims
claims = Claims()
claims.take(Path(sys.argv[1]), "sink", overwrite=True)
print("claimed", flush=True)
sys.stdin.read()
"""


def refusal(claims: Claims, path: Path, key: str = "sink") -> str:
    with pytest.raises(SinkError) as raised:
        claims.take(path, key, overwrite=True)
    assert raised.value.key == key
    return raised.value.message


def test_a_claim_of_another_process_ends_with_it_however_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    command = [sys.executable, "-c", CLAIMS, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline().strip() == b"claimed"
        text = refusal(Claims(), path)
        process.kill()
    assert text == f"{path} is being written by another run or sink"
    claims = Claims()
    claims.take(path, "sink", overwrite=False)
    claims.close()
    assert os.listdir(tmp_path) == []


@no_links
def test_a_sink_may_claim_its_file_again_and_no_other_may_in_any_spelling(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    claims = Claims()
    claims.take(path, "sink[0]", overwrite=False)
    claims.take(path, "sink[0]", overwrite=False)
    (tmp_path / "b").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path)
    path.touch()
    (tmp_path / "link.jsonl").symlink_to(path)
    for spelling in ("a.jsonl", "b/../a.jsonl", "linked/a.jsonl", "link.jsonl"):
        assert "is being written by another run or sink" in refusal(
            claims, tmp_path / spelling, "sink[1]"
        )
    claims.release("sink[1]")
    assert "is being written" in refusal(claims, path, "sink[1]")
    claims.release("sink[0]")
    claims.take(path, "sink[1]", overwrite=True)
    claims.close()
    claims.close()
    assert not (tmp_path / ".a.jsonl.lock").exists()


@no_links
def test_an_existing_file_a_link_and_a_directory_are_not_claimed(tmp_path: Path) -> None:
    (tmp_path / "there.mp4").touch()
    (tmp_path / "nowhere.mp4").symlink_to(tmp_path / "missing.mp4")
    claims = Claims()
    for name in ("there.mp4", "nowhere.mp4"):
        with pytest.raises(SinkError, match=f"{name} exists and is not overwritten"):
            claims.take(tmp_path / name, "sink", overwrite=False)
    assert refusal(claims, tmp_path) == f"{tmp_path} is a directory"
    assert sorted(os.listdir(tmp_path)) == ["nowhere.mp4", "there.mp4"]


def test_a_file_system_without_locks_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unsupported(descriptor: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("flowrun.system.file_lock._lock", unsupported)
    claims = Claims()
    claims.take(tmp_path / "a.mp4", "sink", overwrite=False)
    claims.close()
    assert f"sink: the file system of {tmp_path / 'a.mp4'} has no locks" in caplog.text

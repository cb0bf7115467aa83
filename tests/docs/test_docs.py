"""What README and docs show is true: commands run or at least parse, texts of errors exist, links
lead somewhere. (Their flows are checked in test_registries.py.)"""

from __future__ import annotations

import argparse
import ast
import functools
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from flowrun.cli import main
from flowrun.run import Run
from flowrun.spec.load import load_flow

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
GUIDE = (ROOT / "docs/getting-started.md").read_text(encoding="utf-8")
TROUBLES = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def commands(page: str) -> list[list[str]]:
    """The words of every `flowrun …` in the shell blocks, without variables and redirections."""
    found = []
    for block in blocks(page, "sh"):
        for part in re.split(r"\n|&&|;", re.sub(r"\\\n", " ", block)):
            words = shlex.split(re.sub(r">.*", "", part), comments=True)
            words = words[next((n for n, word in enumerate(words) if "=" not in word), 0) :]
            if words and Path(words[0]).name == "flowrun":
                found.append(words[1:])
    return found


EVERY = [
    pytest.param(words, id=" ".join(["flowrun", *words]))
    for page in PAGES
    for words in commands(page.read_text(encoding="utf-8"))
]


class Parsed(BaseException):
    """The command line was understood; nothing more is wanted of it."""


@pytest.mark.parametrize("words", EVERY)
def test_every_command_shown_is_one_that_flowrun_understands(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parse = argparse.ArgumentParser.parse_args

    def parse_only(self: Any, *arguments: Any) -> NoReturn:
        parse(self, *arguments)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    with pytest.raises(Parsed):
        main(words)


def test_there_are_commands_on_the_pages() -> None:
    assert len(EVERY) > 25


def is_run(words: list[str]) -> bool:
    """Not a server that goes on for ever, a camera, a window, or a flow that the reader has."""
    return not {"serve", "devices", "camera:0", "flow.yaml"} & set(words)


def test_getting_started_works_from_the_first_command_to_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for text in (*blocks(GUIDE, "yaml"), *blocks(GUIDE, "python")):
        Path(text.partition("\n")[0].removeprefix("# ")).write_text(text, encoding="utf-8")
    run = [words for words in commands(GUIDE) if is_run(words)]
    assert len(run) == 9
    for words in run:
        assert main(words) == 0, words
    made = ["counting.html", "counting.json", "counting.jsonl", "counting.mp4", "edges.mp4"]
    assert sorted(path.name for path in Path().glob("*.[hjm]*")) == made
    assert len(Path("counting.jsonl").read_text().splitlines()) == 60
    assert '"share":' in Path("counting.jsonl").read_text()
    capsys.readouterr()
    assert main(["edges.yaml"]) == 1
    assert "edges.mp4 exists and is not overwritten" in capsys.readouterr().err


def literals() -> Iterator[str]:
    """A pattern for every text in the code: what it fills in may be anything."""
    for path in sorted((ROOT / "flowrun").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield re.escape(node.value)
            elif isinstance(node, ast.JoinedStr):
                yield "".join(
                    re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".*?"
                    for part in node.values
                )


@functools.cache
def patterns() -> list[re.Pattern[str]]:
    """Those with enough words of their own to be told from others."""
    wordy = {text for text in literals() if len(re.findall(r"[a-z]{2,}", text)) > 1}
    return [re.compile(text) for text in wordy]


def is_said(text: str) -> bool:
    return any(each.fullmatch(text) or text in each.pattern for each in patterns())


QUOTED = [found[1] for found in re.findall(r"^### (`+)(.+)\1$", TROUBLES, re.MULTILINE)]


NOT_OURS = {"assignment destination is read-only"}  # numpy's


@pytest.mark.parametrize("text", [text for text in QUOTED if text not in NOT_OURS])
def test_every_error_that_is_explained_is_one_that_flowrun_says(text: str) -> None:
    if text == "unknown key":
        assert "unknown key `sorce`" in (ROOT / "tests/spec/messages.txt").read_text("utf-8")
    else:
        assert is_said(text)


def test_an_error_that_flowrun_never_says_is_found_out() -> None:
    assert not is_said("there is no moon within reach")
    assert not is_said("the server answers too late")
    assert len(QUOTED) > 20


def test_the_error_that_is_numpys_is_numpys() -> None:
    import numpy as np

    picture = np.zeros(1)
    picture.flags.writeable = False
    with pytest.raises(ValueError, match="assignment destination is read-only"):
        picture[0] = 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


def test_the_readme_leads_to_every_page() -> None:
    links = re.findall(r"\]\((docs/[^)#]+)\)", PAGES[0].read_text(encoding="utf-8"))
    assert {page.name for page in PAGES[1:]} <= {Path(link).name for link in links}


def test_the_hooks_of_the_page_on_the_demo_client_run_in_its_flow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs/moving-from-the-demo-client.md").read_text(encoding="utf-8")
    (code,), (flow,) = blocks(page, "python"), blocks(page, "yaml")
    (tmp_path / "tracking.py").write_text(code, encoding="utf-8")
    (tmp_path / "flow.yaml").write_text(flow, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    here = ["source.uri=test:64x48@30", "sink=null", "limits.frames=5"]
    here += [f"transport.{key}" for key in ("address=embedded", "model=identity", "input=image")]
    try:
        summary = Run(load_flow(tmp_path / "flow.yaml", overrides=here)).run()
    finally:
        sys.modules.pop("tracking", None)
    assert (summary.captured, summary.delivered) == (5, 5)

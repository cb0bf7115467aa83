"""README and docs are correct: commands run or at least parse, quoted messages exist in the code,
links are valid. (test_registries.py checks their flows.)"""

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
TESTING = (ROOT / "docs/testing-flows.md").read_text(encoding="utf-8")
TROUBLES = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def outputs(page: str) -> list[str]:
    """The blocks without a language."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return [text for language, text in fenced if not language]


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
    """Raised after the arguments were parsed, to stop the command."""


@pytest.mark.parametrize("words", EVERY)
def test_every_command_on_the_pages_is_valid(
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
    """Not a server that runs forever, a camera, a window, or a flow of the reader."""
    return not {"serve", "devices", "camera:0", "flow.yaml"} & set(words)


def test_all_commands_of_getting_started_work(
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


def test_the_way_from_an_empty_folder_to_tested_flows_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    way = TESTING.partition("## From an empty folder")[2]
    Path("media").mkdir()
    Path("flows").mkdir()
    Path("flows/door.test.yaml").write_text(outputs(way)[1], encoding="utf-8")
    for words in commands(way):
        assert main(words) == 0, words
    assert "golden/door updated: 5 pictures and the lines" in capsys.readouterr().out
    listed = re.findall(r"^((?:flows|media|golden)/\S+)", outputs(way)[0], re.MULTILINE)
    assert len(listed) == 4
    assert all(Path(each).exists() for each in listed)


def literals() -> Iterator[str]:
    """A pattern for every string in the code; the fields of an f-string match anything."""
    for path in sorted((ROOT / "flowrun").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield re.escape(node.value)
            elif isinstance(node, ast.JoinedStr):
                yield "".join(
                    re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".*?"
                    for part in node.values
                )


COMMON = {"the", "is", "of"}


@functools.cache
def patterns() -> list[re.Pattern[str]]:
    """Those with at least two words that are not common; the others match almost any message."""
    words = {text: set(re.findall(r"[a-z]{2,}", text)) for text in literals()}
    return [re.compile(text) for text, found in words.items() if len(found - COMMON) > 1]


def is_in_the_code(text: str) -> bool:
    """Whether the code can produce `text`, or a text that starts or ends with it."""
    return any(each.fullmatch(text) or re.escape(text) in each.pattern for each in patterns())


EXPLAINED = [found[1] for found in re.findall(r"^### (`+)(.+)\1$", TROUBLES, re.MULTILINE)]
SHOWN = [  # path:line:column: error: key: message; test_hooks_guide.py checks the one in hooks.md
    pytest.param(text, id=f"{page.name}: {text[:40]}")
    for page in PAGES
    if page.name != "hooks.md"
    for block in outputs(page.read_text(encoding="utf-8"))
    for text in re.findall(r"^\S+:\d+:\d+: error: \S+: (.+)$", block, re.MULTILINE)
]


NOT_OURS = {"assignment destination is read-only"}  # numpy's


@pytest.mark.parametrize("text", [*(text for text in EXPLAINED if text not in NOT_OURS), *SHOWN])
def test_every_message_quoted_on_the_pages_is_in_the_code(text: str) -> None:
    if text == "unknown key":
        assert "unknown key `sorce`" in (ROOT / "tests/spec/messages.txt").read_text("utf-8")
    else:
        assert is_in_the_code(text)


@pytest.mark.parametrize(("page", "number"), [("operating.md", 0), ("hooks.md", -1)])
def test_a_line_of_readyz_or_of_the_summary_is_in_the_code(page: str, number: int) -> None:
    output = outputs((ROOT / "docs" / page).read_text(encoding="utf-8"))[number]
    assert is_in_the_code(output.splitlines()[-1])


@pytest.mark.parametrize(
    "text",
    [
        "there is no moon within reach",
        "the server answers too late",
        "the run is over, and nothing happened",
        "out.mp4 is not here",
    ],
)
def test_a_message_that_is_not_in_the_code_is_detected(text: str) -> None:
    assert not is_in_the_code(text)


def test_there_are_messages_on_the_pages() -> None:
    assert len(EXPLAINED) > 20


def test_the_message_of_numpy_is_the_one_of_numpy() -> None:
    import numpy as np

    picture = np.zeros(1)
    picture.flags.writeable = False
    with pytest.raises(ValueError, match="assignment destination is read-only"):
        picture[0] = 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_project_is_valid(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


def test_the_readme_links_to_every_page() -> None:
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

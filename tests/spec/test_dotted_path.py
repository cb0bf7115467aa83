from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from flowrun.spec.dotted_path import DottedPathError, raised_at, resolve


def refusal(path: str) -> tuple[str, str]:
    with pytest.raises(DottedPathError) as caught:
        resolve(path)
    return caught.value.message, caught.value.hint


def test_a_name_of_an_installed_package_is_found() -> None:
    assert resolve("json:dumps") is json.dumps


def test_a_module_of_the_working_directory_is_found(folder: Path) -> None:
    (folder / "wd_hooks.py").write_text("def blur(frame): return frame\n")
    assert resolve("wd_hooks:blur").__name__ == "blur"


def test_the_working_directory_comes_before_the_installed_packages(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    installed = tmp_path_factory.mktemp("site")
    (installed / "wd_twice.py").write_text("mine = False\n")
    (folder / "wd_twice.py").write_text("mine = True\n")
    sys.path.insert(0, str(installed))
    assert resolve("wd_twice:mine") is True


def test_a_module_that_was_written_after_a_failed_attempt_is_found(folder: Path) -> None:
    refusal("wd_late:blur")
    (folder / "wd_late.py").write_text("blur = 1\n")
    assert resolve("wd_late:blur") == 1


def test_the_name_may_be_an_attribute_of_a_class(folder: Path) -> None:
    (folder / "wd_class.py").write_text("class A:\n    @staticmethod\n    def f(): return 7\n")
    assert resolve("wd_class:A.f")() == 7


def test_a_module_is_imported_once(folder: Path) -> None:
    (folder / "wd_once.py").write_text("class A: pass\n")
    assert resolve("wd_once:A") is resolve("wd_once:A")


@pytest.mark.parametrize(
    "path", ["", "json", "json.dumps", ":dumps", "json:", "json:a:b", "a..b:c", "a/b.py:c", "a b:c"]
)
def test_an_invalid_dotted_path_is_rejected(path: str) -> None:
    assert refusal(path) == (
        f"{path!r} is not a dotted path",
        "write it as package.module:name, with one colon",
    )


def test_an_unknown_module_is_reported_with_the_search_path(folder: Path) -> None:
    assert refusal("wd_nowhere.at_all:f") == (
        "there is no module 'wd_nowhere' (in 'wd_nowhere.at_all:f')",
        f"looked in {folder} and in the installed packages",
    )


def test_for_a_misspelt_module_of_the_working_directory_a_correction_is_suggested(
    folder: Path,
) -> None:
    (folder / "wd_hooks.py").touch()
    assert refusal("wd_hoks:f") == (
        "there is no module 'wd_hoks' (in 'wd_hoks:f')",
        "did you mean 'wd_hooks'?",
    )


def test_for_a_misspelt_module_of_a_package_a_correction_is_suggested() -> None:
    assert refusal("json.decodr:f") == (
        "there is no module 'json.decodr' (in 'json.decodr:f')",
        "did you mean 'decoder'?",
    )


def test_a_module_that_is_not_a_package_is_reported(folder: Path) -> None:
    (folder / "wd_flat.py").touch()
    assert refusal("wd_flat.deep:f") == (
        "there is no module 'wd_flat.deep' (in 'wd_flat.deep:f')",
        "'wd_flat' is a module, not a package",
    )


def test_for_a_misspelt_name_a_correction_is_suggested() -> None:
    assert refusal("json:dupms") == (
        "'json' has no 'dupms' (in 'json:dupms')",
        "did you mean 'dumps'?",
    )


def test_a_name_without_similar_ones_is_reported_with_the_file(folder: Path) -> None:
    (folder / "wd_empty.py").touch()
    assert refusal("wd_empty:blur") == (
        "'wd_empty' has no 'blur' (in 'wd_empty:blur')",
        f"looked in {folder / 'wd_empty.py'}",
    )


def test_a_module_that_misses_a_dependency_names_it_and_the_line(folder: Path) -> None:
    (folder / "wd_needs.py").write_text("\n\nimport wd_missing_dependency\n")
    assert refusal("wd_needs:f") == (
        "importing 'wd_needs' (in 'wd_needs:f') raised "
        "ModuleNotFoundError: No module named 'wd_missing_dependency'",
        f"at {folder / 'wd_needs.py'}:3",
    )


def test_an_import_that_raises_in_a_library_names_the_users_own_line(folder: Path) -> None:
    (folder / "wd_raises.py").write_text("import json\njson.loads('{')\n")
    message, hint = refusal("wd_raises:f")
    assert message.startswith("importing 'wd_raises' (in 'wd_raises:f') raised JSONDecodeError: ")
    assert hint == f"at {folder / 'wd_raises.py'}:2"


def test_a_syntax_error_names_its_line(folder: Path) -> None:
    (folder / "wd_syntax.py").write_text("x = 1\ndef f(:\n")
    message, hint = refusal("wd_syntax:f")
    assert message.startswith("importing 'wd_syntax' (in 'wd_syntax:f') raised SyntaxError: ")
    assert hint == f"at {folder / 'wd_syntax.py'}:2"


def test_a_script_that_exits_on_import_does_not_end_the_program(folder: Path) -> None:
    (folder / "wd_exits.py").write_text("import sys\nsys.exit()\n")
    assert refusal("wd_exits:f") == (
        "importing 'wd_exits' (in 'wd_exits:f') raised SystemExit",
        f"at {folder / 'wd_exits.py'}:2",
    )


def test_an_error_inside_a_library_only_still_has_a_location() -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads("{")
    caught.value.__traceback__ = caught.tb.tb_next  # without this file's own frame
    file, _, line = raised_at(caught.value).rpartition(":")
    assert Path(file).name == "decoder.py"
    assert line.isdigit()


def test_an_error_that_was_never_raised_has_no_location() -> None:
    assert raised_at(ValueError("x")) == ""

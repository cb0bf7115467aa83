"""What `import flowrun` offers is what it says, and costs nothing before it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import flowrun


def test_every_public_name_is_there_and_every_name_is_public() -> None:
    for name in flowrun.__all__:
        assert getattr(flowrun, name).__name__ == name
    tree = ast.parse(Path(flowrun.__file__).read_text(encoding="utf-8"))
    declared = {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    assert declared == set(flowrun.__all__) == set(flowrun._HOMES)


def test_checking_a_flow_imports_neither_numpy_nor_grpc(tmp_path: Path) -> None:
    code = (
        "import sys; from flowrun.cli import main; main(['validate', sys.argv[1]]);"
        "print(sorted({'numpy', 'grpc', 'reactivex'} & set(sys.modules)))"
    )
    flows = Path(flowrun.__file__).parents[1] / "flows"
    done = subprocess.run(
        [sys.executable, "-c", code, str(flows)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=tmp_path,
    )
    count = len(list(flows.glob("*.yaml")))
    assert done.stdout.splitlines()[-2:] == [f"{count} flows checked: no problems", "[]"]

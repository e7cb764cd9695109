"""The simulator shares no code with what it tests."""

import ast
from pathlib import Path

FOLDER = Path(__file__).parents[4] / "tools" / "simex"
FORBIDDEN = ("cext", "feeds", "engine", "bench", "tests")


def test_simex_imports_nothing_of_the_parts_it_tests():
    files = sorted(FOLDER.rglob("*.py"))
    assert len(files) > 10
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}:{node.lineno}: relative import"
                names = [node.module or ""]
            for name in names:
                assert name.split(".")[0] not in FORBIDDEN, f"{path}:{node.lineno} imports {name}"
                if name.startswith("tools"):
                    assert name.startswith("tools.simex"), f"{path}:{node.lineno} imports {name}"

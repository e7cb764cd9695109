"""Imports point one way: tools, bench, tests -> engine -> feeds -> cext; tools/simex shares no code with what it tests."""
import ast
import pathlib
import re

import pytest

from tests.tidy import tree

OURS = {"cext", "feeds", "engine", "tools", "bench", "tests", "setup"}
ALLOWED = {
    "cext": {"cext"},
    "feeds": {"cext", "feeds"},
    "engine": {"cext", "feeds", "engine"},
    "tools": {"cext", "feeds", "engine", "tools"},
    "bench": OURS,
    "tests": OURS,
}
CYTHON_IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+c?import\b|c?import[ \t]+([\w., \t]+))", re.MULTILINE)


def imported(text: str, is_cython: bool) -> set[str]:
    """Dotted names of the modules that a source names in its import statements, wherever in the file they stand."""
    if is_cython:
        found = set()
        for source, plain in CYTHON_IMPORT.findall(text):
            found |= {source} if source else {one.split()[0] for one in plain.split(",") if one.split()}
        return found
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where a name comes from"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def complaints(path: str, modules: set[str]) -> list[str]:
    ours = {module for module in modules if module.split(".")[0] in OURS}
    if path.startswith("tools/simex/"):
        return [f"{path} imports {module}: the simulated venues stand alone" for module in sorted(ours)
                if not module.startswith("tools.simex")]
    folder = path.split("/", maxsplit=1)[0]
    return [f"{path} imports {module}" for module in sorted(ours) if module.split(".")[0] not in ALLOWED[folder]]


def sources() -> list[pathlib.Path]:
    return [path for path in tree.code(*ALLOWED) if path.suffix not in (".h", ".c")]


def test_imports_point_one_way() -> None:
    found = []
    for path in sources():
        modules = imported(path.read_text(), path.suffix in (".pyx", ".pxd"))
        found += complaints(tree.name(path), modules)
    assert found == []


@pytest.mark.parametrize(("path", "text", "is_cython"), [
    ("cext/x.py", "def f():\n    from feeds.config import load\n", False),
    ("cext/x.pyx", "from engine.events cimport y\n", True),
    ("feeds/x.py", "import engine.shell\n", False),
    ("engine/x.pyx", "cimport cython, tools.build as b\n", True),
    ("tools/simex/x.py", "from cext import layout\n", False),
    ("tools/simex/x.py", "from tools import build\n", False),
    ("tools/x.py", "from tests.support import hot_scan\n", False),
])
def test_an_import_against_the_direction_is_found(path: str, text: str, is_cython: bool) -> None:
    assert len(complaints(path, imported(text, is_cython))) == 1


def test_imports_along_the_direction_pass() -> None:
    assert complaints("engine/x.py", imported("from cext import layout\nfrom feeds.config import A\nimport engine.events, os\n",
                                              False)) == []
    assert complaints("tools/simex/x.py", imported("from tools.simex import book\nimport orjson\n", False)) == []

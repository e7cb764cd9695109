"""What README and docs name is there: files, make targets, modules; what a person types is executable."""
import fnmatch
import os
import re

import pytest

from tests.tidy import tree

PAGES = [path for path in tree.files() if path.suffix == ".md"]
PATH = re.compile(r"(?<![\w./-])((?:cext|feeds|engine|tools|bench|tests|docs|config|deploy)/[\w./*-]*[\w*])")
TARGET = re.compile(r"(?:^|`)[ ]*make ([a-z][a-z-]*)", re.MULTILINE)
MODULE = re.compile(r"python -m ((?:cext|feeds|engine|tools|bench)(?:\.\w+)*)")
MADE = ("bench/results/",)  # filled by measuring


def exists(named: str) -> bool:
    """A file, a folder, a module without its suffix, or a pattern that matches something; NAME is any name."""
    named = named.replace("NAME", "*")
    if named.startswith(MADE) or named + "/" in MADE:
        return True
    if "*" in named:
        return any(fnmatch.fnmatch(tree.name(path), named) for path in tree.files())
    return any((tree.ROOT / (named + suffix)).exists() for suffix in ("", ".py", ".pyx", ".h"))


@pytest.mark.parametrize("page", PAGES, ids=tree.name)
def test_every_file_that_a_page_names_exists(page) -> None:
    text = page.read_text()
    missing = sorted({named for named in PATH.findall(text) if not exists(named)})
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=tree.name)
def test_every_target_and_module_that_a_page_names_exists(page) -> None:
    text = page.read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", (tree.ROOT / "Makefile").read_text(), re.MULTILINE))
    assert sorted(set(TARGET.findall(text)) - targets) == []
    for module in MODULE.findall(text):
        place = tree.ROOT / module.replace(".", "/")
        assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), f"python -m {module}"


def test_scripts_are_executable_and_nothing_else_is() -> None:
    wrong = []
    for path in tree.files():
        is_script = path.read_bytes().startswith(b"#!")
        if is_script != os.access(path, os.X_OK):
            wrong.append(f"{tree.name(path)}: {'a script without its executable bit' if is_script else 'executable without #!'}")
    assert wrong == []

"""Each numbered fault has a test that proves what must follow, or stands among the pending ones with its reason."""
import ast
import pathlib

from tests.faults.numbers import FAULTS, PENDING, TESTS, table

TESTS_DIR = pathlib.Path(__file__).resolve().parents[1]
PAGE = TESTS_DIR.parent / "docs" / "reliability.md"


def functions(path: pathlib.Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_number_has_a_test_or_a_reason():
    wanted = [f"{letter}{number}" for letter, last in (("A", 20), ("B", 32), ("C", 24)) for number in range(1, last + 1)]
    assert list(FAULTS) == wanted
    orphans = [number for number in wanted if not TESTS.get(number) and number not in PENDING]
    assert orphans == [], "no test, and no word why"
    assert sorted(set(TESTS) & set(PENDING)) == [], "pending, and has a test all the same"
    assert set(TESTS) | set(PENDING) == set(wanted)


def test_the_named_tests_exist():
    known: dict[str, set[str]] = {}
    missing = []
    for number, names in TESTS.items():
        for name in names:
            file, _, function = name.partition("::")
            if file not in known:
                path = TESTS_DIR / file
                known[file] = functions(path) if path.exists() else set()
            if function not in known[file]:
                missing.append(f"{number}: {name}")
    assert missing == []


def test_the_page_has_this_table():
    assert "\n".join(table()) in PAGE.read_text(), "python -m tests.faults.numbers prints the table for docs/reliability.md"

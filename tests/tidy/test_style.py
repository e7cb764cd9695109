"""Style that a program can judge: ruff, line length, unfinished marks, words that tie the project to one machine, skips without a
reason."""
import ast
import re
import subprocess
import sys

from tests.tidy import tree

COLUMNS_MAX = 130
MESSAGE_COLUMNS_MAX = 155   # a message or a recorded frame stays in one piece, so that it can be searched for
LITERAL = re.compile(r"""\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'""")
# Written with [] so that this file does not hold what it looks for.
MACHINE_WORDS = re.compile(
    r"/[w]ork/|/[f]arm/|/[r]oot/|/[h]ome/\w|index[-]url|find[-]links|[f]arm[-]bench|pypi[.](org|io)|[p]ythonhosted|[a]rtifactory"
    r"|\b(ai|coding) (agent|assistant)\b", re.IGNORECASE)
UNFINISHED = re.compile(
    r"\b(TO[D]O|FIX[M]E|XX[X])\b|NotImplemented[E]rror|(?i:\bnot [i]mplemented\b|\bstub[b]ed\b|\bsome [d]ay\b)|@@[A-Z_]+@@"
)
PRODUCT = ("engine", "feeds", "cext", "tools", "bench", "config", "docs")


def hits(pattern: re.Pattern[str], paths: list) -> list[str]:
    """`file:line: text` of every line that matches."""
    return [f"{tree.name(path)}:{number}: {line.strip()[:100]}" for path in paths
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1) if pattern.search(line)]


def test_ruff_is_content() -> None:
    done = subprocess.run([sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "concise", "."], cwd=tree.ROOT,
                          check=False,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def is_too_long(line: str) -> bool:
    """Over 130 columns; one text literal that reaches to about there may run on."""
    if len(line) <= COLUMNS_MAX:
        return False
    ends_in_text = any(found.end() - found.start() >= 40 and found.end() >= 110 for found in LITERAL.finditer(line))
    return not ends_in_text or len(line) > MESSAGE_COLUMNS_MAX


def test_lines_fit_130_columns() -> None:
    assert [f"{tree.name(path)}:{number}: {len(line)}" for path in tree.code()
            for number, line in enumerate(path.read_text().splitlines(), 1) if is_too_long(line)] == []


def test_no_unfinished_marks() -> None:
    assert hits(UNFINISHED, [*tree.files(*PRODUCT), tree.ROOT / "setup.py", tree.ROOT / "README.md",
                             tree.ROOT / "CHANGELOG.md"]) == []


def test_no_words_of_one_machine_or_workplace() -> None:
    assert hits(MACHINE_WORDS, tree.files()) == []


def test_the_patterns_find_what_they_are_for(tmp_path) -> None:
    for word in ("/wo" + "rk/x", "/ro" + "ot/x", "--index" + "-url", "an AI " + "agent", "files.python" + "hosted.org"):
        assert MACHINE_WORDS.search(word), word
    for word in ("# TO" + "DO later", "raise NotImplemented" + "Error", "@@" + "NUMBERS@@"):
        assert UNFINISHED.search(word), word
    assert not MACHINE_WORDS.search("/networking/ rooted workshop")


def test_every_skip_says_why() -> None:
    """pytest.skip("..."), skipif(..., reason="..."), importorskip(..., reason="..."): a sentence, not nothing."""
    silent = []
    for path in [*tree.code("tests"), *tree.code("bench")]:
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            reasons = [word.value for word in node.keywords if word.arg == "reason"]
            if node.func.attr == "skip" and ast.unparse(node.func).startswith("pytest."):
                reasons += node.args[:1]
            elif node.func.attr not in ("skipif", "importorskip", "xfail"):
                continue
            if not any(len(ast.unparse(reason).split()) >= 4 for reason in reasons):
                silent.append(f"{tree.name(path)}:{node.lineno}: {ast.unparse(node)[:80]}")
    assert silent == []


def test_recorded_data_is_reached_only_through_the_helper_that_says_why_it_skips() -> None:
    around = [path for path in tree.code("tests")
              if "LOCKSTEP" + "_SHARED" in path.read_text() and path.name != "shared_data.py"]
    assert [tree.name(path) for path in around] == []

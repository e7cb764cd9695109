"""What the build produced for every `# hot` function: no Python API call, and only hot callees. Read from the C that was
compiled."""
import pathlib
import subprocess
import sys

import pytest

from tests.support import hot_scan
from tools import build

DEFINITIONS = hot_scan.definitions()
IN_PYX = [hot for hot in DEFINITIONS if hot.path.suffix == ".pyx"]
IN_PXD = [hot for hot in DEFINITIONS if hot.path.suffix == ".pxd"]


@pytest.fixture(scope="module")
def allowed() -> set[str]:
    return hot_scan.hot_names()


def generated(path: pathlib.Path) -> str:
    """The C of a .pyx; fails when it is missing or older than its source: then something else than this source was compiled."""
    c_file = hot_scan.c_path(path)
    assert c_file.exists(), f"{c_file} is missing: run `make build`"
    assert c_file.stat().st_mtime >= path.stat().st_mtime, f"{path} is newer than its C: run `make build`"
    return c_file.read_text()


def test_there_are_hot_functions() -> None:
    names = {hot.name for hot in DEFINITIONS}
    assert {"ring_publish_book", "ring_poll_book", "journal_append", "doorbell_ring_if_sleeping", "state_trading_word"} <= names


@pytest.mark.parametrize("hot", IN_PYX, ids=str)
def test_hot_function_calls_no_python_and_nothing_cold(hot: hot_scan.Hot, allowed: set[str]) -> None:
    body = hot_scan.body_of(generated(hot.path), hot.name)
    assert body is not None, f"{hot}: not found in the generated C"
    assert "noexcept" in hot.suffix and "nogil" in hot.suffix, f"{hot}: is {hot.suffix!r}"
    assert hot_scan.faults(body, allowed) == []


@pytest.mark.parametrize("hot", IN_PXD, ids=str)
def test_hot_inline_of_a_pxd_is_clean_wherever_it_is_compiled(hot: hot_scan.Hot, allowed: set[str]) -> None:
    bodies = [hot_scan.body_of(hot_scan.c_path(path).read_text(), hot.name) for path in hot_scan.sources()
              if path.suffix == ".pyx" and hot_scan.c_path(path).exists() and hot.name in path.read_text()]
    bodies = [body for body in bodies if body is not None]
    assert bodies, f"{hot}: used by no compiled module"
    assert "noexcept" in hot.suffix and "nogil" in hot.suffix
    for body in bodies:
        assert hot_scan.faults(body, allowed) == []


PLANTED = """
cdef int cold(int x) noexcept nogil:
    return x + 1

cdef int {name}(int[:] values, int x) noexcept nogil:  # hot
    {body}
"""


@pytest.mark.parametrize(("body", "complaint"), [
    ("with gil:\n        return len(str(x))", "calls"),
    ("return cold(x)", "not marked hot"),
    ("return 7 // x", "calls __Pyx_"),      # cdivision left at its default: takes the GIL to report a division by zero
    ("return values[x]", "calls __Pyx_"),   # boundscheck left at its default
    # Cython indents by every brace of a line: behind these nothing stands where it would
    ("if x == c'}':\n        return 1\n    while x != c'}':\n        x += 1\n    return cold(x)", "not marked hot"),
    ("if x == c'{' or x == c'{':\n        return 1\n    return cold(x)", "not marked hot"),
])
def test_scan_finds_what_is_planted(body: str, complaint: str, tmp_path: pathlib.Path) -> None:
    source = tmp_path / "planted.pyx"
    source.write_text(PLANTED.format(name="planted_hot", body=body))
    subprocess.run([sys.executable, "-m", "cython", "-3", str(source)], check=True, capture_output=True)
    [hot] = hot_scan.marked(source.read_text(), source)
    found = hot_scan.faults(hot_scan.body_of(source.with_suffix(".c").read_text(), hot.name) or "", {hot.name})
    assert any(complaint in fault for fault in found), found


@pytest.mark.parametrize("character", ["{", "}", '"', "\\'", "/"])
def test_characters_and_texts_do_not_lead_the_scan_into_another_function(character: str, tmp_path: pathlib.Path) -> None:
    source = tmp_path / "planted.pyx"
    source.write_text(f"""
cdef int planted_hot(int x) noexcept nogil:  # hot
    return 1 if x == c'{character}' or x == c'{character}' or x == c'{character}' else 0

cdef int cold(int x) noexcept nogil:
    return x + 1

cdef int planted_after(int x) noexcept nogil:  # hot
    return cold(x) if x == c'{character}' else 2

def surface(int x):
    return planted_hot(x) + planted_after(x)
""")
    subprocess.run([sys.executable, "-m", "cython", "-3", str(source)], check=True, capture_output=True)
    text = source.with_suffix(".c").read_text()
    names = {hot.name for hot in hot_scan.marked(source.read_text(), source)}
    first, second = (hot_scan.body_of(text, name) for name in ("planted_hot", "planted_after"))
    assert first is not None and hot_scan.faults(first, names) == []
    assert second is not None and len(hot_scan.faults(second, names)) == 1


def test_mark_without_signature_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="1 marks"):
        hot_scan.marked("x = 1  # hot\n", tmp_path / "x.pyx")


def test_strict_build_has_no_performance_hint() -> None:
    """The strict build fails on the text `performance hint:`; its stamp says for which sources that was checked."""
    if build.STAMP.exists() and build.STAMP.read_text() == build.source_hash():
        return
    pytest.skip("the extensions were not built strictly from these sources (make test does)")


def test_cython_prints_a_hint_where_an_exception_check_takes_the_gil(tmp_path: pathlib.Path) -> None:
    source = tmp_path / "hinted.pyx"
    source.write_text("cdef void f() nogil:\n    pass\n\ncdef void g() noexcept nogil:\n    f()\n")
    done = subprocess.run([sys.executable, "-m", "cython", "-3", str(source)], check=False, capture_output=True, text=True)
    assert "performance hint:" in done.stdout + done.stderr

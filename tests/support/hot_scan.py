"""Finds the functions marked `# hot` in all .pyx and .pxd files, and what is wrong with them in the C that the build produced."""
import pathlib
import re
from dataclasses import dataclass
from functools import cache

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("cext", "feeds", "engine", "tools", "bench", "tests")
MARK = re.compile(r"#\s*hot$", re.MULTILINE)
# A signature may run over several lines; its parameters hold no parentheses.
SIGNATURE = re.compile(r"^[ ]*cdef [^\n(]*?\b(\w+)\(([^()]*)\)([^\n#]*)#\s*hot$", re.MULTILINE)
# What is no code: comments, texts, characters.
ASIDE = re.compile(r"""/\*.*?\*/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'""", re.DOTALL)
BRACE = re.compile(r"[{}]")
API = re.compile(r"\b(_?Py[A-Z]\w*|__Pyx_\w+)\s*\(")
LOCAL = re.compile(r"\b(__pyx_f_\w+)\s*\(")
VIRTUAL = re.compile(r"__pyx_vtab\)?->(\w+)\s*\(")


@dataclass(frozen=True)
class Hot:
    """One marked definition (in a .pxd only those with a body count: declarations are defined elsewhere)."""

    path: pathlib.Path
    name: str
    suffix: str  # what stands between the parameters and the mark

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.name}"


def sources() -> list[pathlib.Path]:
    """All Cython files of the tree."""
    return [path for folder in FOLDERS for suffix in ("*.pyx", "*.pxd") for path in sorted((ROOT / folder).rglob(suffix))]


def marked(text: str, path: pathlib.Path) -> list[Hot]:
    """Every marked signature of a file. ValueError when a mark stands where no signature is found: it would protect nothing."""
    found = [Hot(path, match.group(1), match.group(3).strip()) for match in SIGNATURE.finditer(text)]
    if len(found) != len(MARK.findall(text)):
        raise ValueError(f"{path}: {len(MARK.findall(text))} marks `# hot`, {len(found)} signatures; "
                         "the mark belongs at the end of a `cdef ... noexcept nogil:` line")
    return found


def definitions() -> list[Hot]:
    """Marked functions that have a body."""
    return [hot for path in sources() for hot in marked(path.read_text(), path) if hot.suffix.endswith(":")]


def hot_names() -> set[str]:
    """Names that a hot function may call."""
    return {hot.name for path in sources() for hot in marked(path.read_text(), path)}


def c_path(path: pathlib.Path) -> pathlib.Path:
    """Where the build put the C of a .pyx."""
    return (ROOT / "build" / "cython" / path.relative_to(ROOT)).with_suffix(".c")


@cache
def bare(c_text: str) -> str:
    """C without comments and with empty texts: every brace in it is one of the language."""
    return ASIDE.sub(lambda aside: "" if aside.group().startswith("/") else '""', c_text)


def body_of(c_text: str, name: str) -> str | None:
    """The body of a cdef function in generated C, without comments and texts; None when it is not there.

    Braces are counted: where they are indented to says nothing, because Cython counts those in characters and texts too."""
    text = bare(c_text)
    start = re.search(rf"^[ ]*static [^;{{]*\b__pyx_f_(?:\d\w*_)?{name}\([^;{{]*\{{\n", text, re.MULTILINE)
    depth = 1
    for brace in BRACE.finditer(text, start.end()) if start else ():
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return text[start.end():brace.start()]
    return None


def plain_name(mangled: str) -> str:
    """`__pyx_f_4cext_4ring_ring_poll_book` -> `ring_poll_book`: modules and classes stand in front with their lengths."""
    rest = mangled.removeprefix("__pyx_f_")
    while match := re.match(r"\d+", rest):
        rest = rest[match.end() + int(match.group()) + 1:]
    return rest


def faults(body: str, allowed: set[str]) -> list[str]:
    """Python API calls, and calls of functions that are not hot themselves."""
    out = [f"calls {name}()" for name in API.findall(body)]
    for callee in LOCAL.findall(body):
        if plain_name(callee) not in allowed:
            out.append(f"calls {callee}(), which is not marked hot")
    out += [f"calls method {name}(), which is not marked hot" for name in VIRTUAL.findall(body) if name not in allowed]
    return sorted(set(out))

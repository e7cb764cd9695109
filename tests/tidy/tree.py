"""The project's own files, as the tidy tests see them: what a checkout holds, not what was built or run in it."""
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("cext", "feeds", "engine", "tools", "bench", "tests", "docs", "config", "deploy", ".ci")
CODE = (".py", ".pyi", ".pyx", ".pxd", ".h", ".c")
MADE = ("__pycache__", "results", "build", "var")  # folders that building, running and measuring fill


def files(*folders: str) -> list[pathlib.Path]:
    """All text files below the folders (default: all of FOLDERS, and the files at the top)."""
    found = [path for folder in folders or FOLDERS for path in sorted((ROOT / folder).rglob("*")) if path.is_file()]
    if not folders:
        found += sorted(path for path in ROOT.iterdir() if path.is_file())
    return [path for path in found if path.suffix not in (".so", ".pyc") and not set(path.relative_to(ROOT).parts) & set(MADE)]


def code(*folders: str) -> list[pathlib.Path]:
    """Those that are compiled or interpreted, scripts without a suffix included."""
    return [path for path in files(*folders) if path.suffix in CODE or path.suffix == "" and path.read_bytes().startswith(b"#!")]


def name(path: pathlib.Path) -> str:
    return str(path.relative_to(ROOT))

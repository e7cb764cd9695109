"""First import of every executable in tools/: `import _bootstrap; _bootstrap.enter()`.

Typed as `tools/replay ...` from anywhere, a tool must run with the project's own interpreter and import the project's packages.
`enter` starts .venv/bin/python again when another Python was found on the path, puts the project's root in front of the import
path, and says in one sentence what is missing when the project was not built. Standard library only."""
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PYTHON = ROOT / ".venv" / "bin" / "python"


def enter() -> pathlib.Path:
    """Returns the project's root. Does not return when the interpreter has to be changed; exits with 2 when there is none."""
    if not PYTHON.exists():
        sys.exit(_say("is not built yet: run `make build` in " + str(ROOT)))
    if pathlib.Path(sys.prefix).resolve() != (ROOT / ".venv").resolve():
        os.execv(PYTHON, [str(PYTHON), *sys.argv])
    here = str(ROOT / "tools")
    sys.path[:] = [str(ROOT), *(entry for entry in sys.path if entry not in (here, str(ROOT)))]
    if not any((ROOT / "cext").glob("*.so")):
        sys.exit(_say("needs the compiled modules: run `make build` in " + str(ROOT)))
    return ROOT


def _say(text: str) -> int:
    print(f"{pathlib.Path(sys.argv[0]).name}: {text}", file=sys.stderr)
    return 2

"""Make .venv and install one lock file into it, with hashes. Called by make; runs on the system's Python with nothing installed.

    python3 tools/make_venv.py requirements.lock

Says in one sentence what is missing on a fresh machine (Python 3.11, venv, a C compiler, Python's headers) and ends with code
1."""
import pathlib
import shutil
import subprocess
import sys
import sysconfig

ROOT = pathlib.Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"


def fail(message: str) -> None:
    sys.exit(f"lockstep: {message}")


def check_machine() -> None:
    """Everything that a build needs and pip cannot bring."""
    if sys.version_info < (3, 11):  # noqa: UP036 - any Python may be tried
        fail(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}; try: make PYTHON=python3.11")
    if not any(shutil.which(name) for name in ("cc", "gcc", "clang")):
        fail("no C compiler found (cc, gcc or clang); on Debian and Ubuntu: apt-get install build-essential")
    header = pathlib.Path(sysconfig.get_paths()["include"]) / "Python.h"
    if not header.exists():
        fail(f"Python's C headers are missing ({header}); on Debian and Ubuntu: apt-get install python3-dev")
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        fail("Python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv")


def main() -> None:
    lock = ROOT / sys.argv[1]
    check_machine()
    python = VENV / "bin" / "python"
    if not python.exists():
        print("lockstep: making .venv", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    print(f"lockstep: installing {lock.name} (pinned, with hashes)", flush=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", str(lock)]
    if subprocess.run(command, check=False).returncode != 0:
        fail(f"pip could not install {lock.name}; its own message stands above")
    stamps = ("run-stamp", "test-stamp") if "test" in lock.name else ("run-stamp",)
    for stamp in stamps:
        (VENV / stamp).touch()


if __name__ == "__main__":
    main()

"""Compile the extensions in place; called by make. Incremental: what did not change is not compiled again.

    .venv/bin/python tools/build.py            quiet unless something is compiled or fails
    .venv/bin/python tools/build.py --strict   compiler warnings and Cython performance hints are errors; everything is compiled
                                               anew
                                               unless this very source was already compiled strictly

A performance hint is Cython's word for "this takes the GIL after all"; -Werror does not catch it, so its text is looked for."""
import hashlib
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
SOURCES = ("cext", "feeds", "engine", "tools", "bench", "tests")
STAMP = ROOT / "build" / "strict-stamp"


def source_hash() -> str:
    """One hash over everything that decides what is compiled."""
    digest = hashlib.blake2b(digest_size=16)
    files = [ROOT / "setup.py"]
    for folder in SOURCES:
        for suffix in ("*.pyx", "*.pxd", "*.h"):
            files += sorted((ROOT / folder).rglob(suffix))
    for path in files:
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def compile_all(strict: bool, force: bool) -> str:
    """Run setup.py; returns what it printed. Ends the process with the compiler's message when it fails."""
    command = [sys.executable, "setup.py", "build_ext", "--inplace", "--parallel", str(os.cpu_count() or 1)]
    if force:
        command.append("--force")
    environment = dict(os.environ, LOCKSTEP_STRICT="1" if strict else "0")
    done = subprocess.run(command, check=False, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    if done.returncode != 0:
        sys.stderr.write(done.stdout[-20000:])
        sys.exit("lockstep: the build failed; the compiler's message stands above")
    return done.stdout


def main() -> None:
    strict = "--strict" in sys.argv[1:]
    if strict:
        wanted = source_hash()
        if STAMP.exists() and STAMP.read_text() == wanted:
            return
        print("lockstep: compiling strictly (warnings are errors)", flush=True)
    elif not list((ROOT / "cext").glob("*.so")):
        print("lockstep: compiling the extensions (first time: about two minutes)", flush=True)
    output = compile_all(strict, force=strict)
    hints = [line for line in output.splitlines() if "performance hint:" in line]
    if strict and hints:
        sys.exit("lockstep: Cython performance hints (each takes the GIL somewhere):\n" + "\n".join(hints))
    if strict:
        STAMP.parent.mkdir(exist_ok=True)
        STAMP.write_text(wanted)


if __name__ == "__main__":
    main()

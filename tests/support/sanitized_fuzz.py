"""The decoders under the address and undefined-behaviour sanitizers: compiles them anew into a folder of its own and runs the
mutation loops there, frames of market data and replies to orders.

    .venv/bin/python -m tests.support.sanitized_fuzz [frames]        some minutes, most of them the compiler

Needs a C compiler with libasan. Ends with the sanitizer's report and exit code 1 when one of them finds something."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
# All decoders and encoders, whatever venues there are, and what they and their tests stand on.
BASE = ("cext.layout", "cext.scan", "cext.book", "cext.instrument", "cext.client_id", "engine.event_codec",
        "tests.support.decoder_fuzz", "tests.support.alloc_count")
CODECS = ("cext/decoders", "cext/encoders")
# Tests of tests/wire that feed damaged bytes, by their names; they run against the sanitized modules.
DAMAGE = "mutated or changed_byte or cut_at_any_byte or truncation or garbage"
FLAGS = "-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1"
LOOP = """
import sys
import pytest
from tests.support import decoder_fuzz
from tests.support.market_rig import make_market
from tests.unit.cext import test_scan, test_book
from tests.wire import test_binance_hostile as hostile, test_binance_market_frames as frames
count = int(sys.argv[1])
for market, symbols, some in (("spot", frames.SPOT, frames.ALL_SPOT), ("linear", frames.LINEAR, frames.ALL_LINEAR)):
    corpus = [*some, *hostile.CHAIN, *hostile.TOPS, *map(frames.wrapped, some)]
    print(market, decoder_fuzz.run(make_market(market, symbols), corpus, hostile.SNAPSHOTS, count, 21), flush=True)
test_scan.test_fast_and_slow_way_agree_on_random_text()
test_scan.test_level_way_agrees_with_two_decimals()
test_book.test_best_price_may_jump_any_distance()
test_book.test_random_changes_match_the_twin_and_keep_every_invariant(1, 9_000, 5_000)
test_book.test_random_changes_match_the_twin_and_keep_every_invariant(2, 4_000_000, 5_000)
options = ["-q", "-x", "--noconftest", "-p", "no:cacheprovider", "-k", sys.argv[2], *sys.argv[3:]]
sys.exit(pytest.main(options) or print("clean"))
"""


def modules() -> list[str]:
    """Names of the extensions that are compiled."""
    found = [path for folder in CODECS for path in sorted((ROOT / folder).glob("*.pyx"))]
    return [*BASE, *(str(path.relative_to(ROOT).with_suffix("")).replace("/", ".") for path in found)]


def damage_tests() -> list[str]:
    """Files of tests/wire about decoders: those of simulated venues and of recordings need more than is compiled here."""
    return [str(path.relative_to(ROOT)) for path in sorted((ROOT / "tests" / "wire").glob("test_*.py"))
            if "simex" not in path.name and "recorded" not in path.name]


def copy_tree(target: pathlib.Path) -> None:
    """The sources, without what was built."""
    for name in ("cext", "feeds", "engine", "tests", "bench", "setup.py"):
        source = ROOT / name
        if source.is_file():
            shutil.copy(source, target / name)
        else:
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("*.so", "__pycache__", "results"))


def asan_library() -> str:
    """Path of the runtime that must be loaded before anything else; RuntimeError when the compiler has none."""
    found = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout.strip()
    if not os.path.isabs(found):
        raise RuntimeError("the compiler has no libasan")
    return found


def run(count: int) -> subprocess.CompletedProcess[str]:
    """Build and run; the result's output ends with `clean` when nothing was found."""
    library = asan_library()
    with tempfile.TemporaryDirectory(prefix="lockstep-sanitized-") as folder:
        copy_tree(pathlib.Path(folder))
        environment = dict(os.environ, LOCKSTEP_ONLY=",".join(modules()), CFLAGS=FLAGS, LDFLAGS=FLAGS)
        subprocess.run([sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=folder, env=environment, check=True,
                       capture_output=True)
        # Leaks: CPython keeps what it likes until its end; they are not looked for.
        environment = dict(os.environ, LD_PRELOAD=library, ASAN_OPTIONS="detect_leaks=0", PYTHONPATH=folder,
                           PYTHONMALLOC="malloc")
        command = [sys.executable, "-c", LOOP, str(count), DAMAGE, *damage_tests()]
        return subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True, text=True)


if __name__ == "__main__":
    done = run(int(sys.argv[1]) if len(sys.argv) > 1 else 300_000)
    print(done.stdout + done.stderr)
    sys.exit(0 if done.stdout.rstrip().endswith("clean") and done.returncode == 0 else 1)

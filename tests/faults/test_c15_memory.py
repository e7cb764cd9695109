"""C15: memory runs out. What the engine is made of either is there whole or says MemoryError, whichever allocation fails; a
feed's book that cannot grow ends the feed at once, before anything wrong is published. The hot path allocates nothing
(tests/hot/test_allocations.py)."""
from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SOURCE = ROOT / "tests" / "support" / "failing_alloc.c"

PRELUDE = '''
import ctypes, gc, sys
from tests.support.core_world import World, instrument
from tests.support.order_rows import order_table
from cext.core import PairParams
from cext.decoders.binance_orders import BinanceOrderDecoder
from cext.instrument import make_instrument_array
lib = ctypes.CDLL(None)
def engine():
    world = World([instrument(0, "spot"), instrument(1, "linear")])
    for _ in range(70):                      # more pairs than fit at first
        world.core.add_pair(0, 1, PairParams())
    world.book(0, [("60000.00", "1")], [("60000.10", "1")])
    world.evaluate()
    array = order_table().to_array()
    return world, array, BinanceOrderDecoder(array, "spot"), BinanceOrderDecoder(array, "linear")
def book():
    from cext.book import Book
    made = Book()
    for px in range(1, 40_000_000, 90_001):
        made.set("bids", px, 5)
    return made
'''
EVERY_N = PRELUDE + '''
work, failed, n = globals()[sys.argv[1]], 0, 0
work()
while True:
    n += 1
    lib.fail_at(n)
    try:
        work()
    except MemoryError:
        failed += 1
    lib_count = lib.alloc_count()
    lib.fail_at(0)
    gc.collect()
    if lib_count < n:
        break
print("failed", failed, "of", n - 1)
'''
ONE_N = PRELUDE + '''
work = globals()[sys.argv[1]]
lib.fail_at(int(sys.argv[2]))
work()
print("count", lib.alloc_count())
'''


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> pathlib.Path:
    made = tmp_path_factory.mktemp("alloc") / "failing_alloc.so"
    subprocess.run([os.environ.get("CC", "cc"), "-O1", "-fPIC", "-shared", "-o", str(made), str(SOURCE), "-ldl"], check=True)
    return made


def play(library: pathlib.Path, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script, *words], check=False, cwd=ROOT, text=True, capture_output=True,
                          timeout=120, env={**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": str(ROOT)})


def test_c15_whichever_allocation_of_the_engine_fails_it_is_said_and_nothing_breaks(library):
    done = play(library, EVERY_N, "engine")
    assert done.returncode == 0, done.stderr[-2000:]
    failed, tried = (int(word) for word in re.findall(r"\d+", done.stdout))
    assert failed == tried > 15, done.stdout


@pytest.mark.parametrize("soft, hard, after, is_said", [(64, 4096, 4096, False), (64, 128, 128, True),
                                                         (4096, 4096, 4096, False)])
def test_c15_open_files_are_seen_to_at_the_start(soft, hard, after, is_said):
    script = (f"import resource, sys; from engine import host; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard})); "
              "said = host.allow_files(); print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], said or '-')")
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, text=True, capture_output=True, check=True)
    word, _, said = done.stdout.strip().partition(" ")
    assert int(word) == after and (("ulimit -n" in said) == is_said)


def test_c15_a_book_that_cannot_grow_ends_its_feed_at_once(library):
    counted = play(library, ONE_N, "book", "1000000")
    assert counted.returncode == 0, counted.stderr[-2000:]
    total = int(counted.stdout.split()[-1])
    assert total > 8, "nothing grew"
    for n in (1, total // 2, total):
        done = play(library, ONE_N, "book", str(n))
        assert done.returncode != 0 and done.stdout == "", f"allocation {n} of {total} failed and the book went on"
        assert done.returncode == -6 or "MemoryError" in done.stderr, (done.returncode, done.stderr[-500:])

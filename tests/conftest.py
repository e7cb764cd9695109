"""For all tests: `--seed N` repeats a seeded test exactly, and nothing may be left behind.

After each test an autouse fixture looks for what the test made and did not take away: shared segments (/dev/shm/lockstep.*),
child processes, sockets. Things of fixtures with a wider scope (a module's server) are there before the test begins and are not
its business.
"""
from __future__ import annotations

import gc
import itertools
import os
import pathlib
import re
import tempfile
import time
from collections.abc import Iterator

import pytest

from cext import shm
from tests.faults.numbers import TESTS

SHM = pathlib.Path("/dev/shm")
GRACE_S = 2.0          # children may need a moment to go
FOREIGN_GRACE_S = 30.0  # a test elsewhere that kills a process clears its segments away within this
OWNER = "LOCKSTEP_TEST_OWNER"
# run ids that tests and benches make themselves carry their process number
NUMBERED_RUN = re.compile(r"lockstep\.[a-z-]+-(\d+)(?:-\d+)?\.")
HELPERS = ("resource_tracker", "forkserver")  # the standard library keeps these for the whole run


_numbers = itertools.count()
os.environ[OWNER] = str(os.getpid())  # inherited by every process that a test starts


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=None, help="run seeded tests with this one seed only")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The number of a fault is a keyword of the tests that prove it: `pytest -k B18`."""
    here = pathlib.Path(__file__).parent
    numbers: dict[str, list[str]] = {}
    for number, names in TESTS.items():
        for name in names:
            numbers.setdefault(name, []).append(number)
    for item in items:
        if here in item.path.parents:
            name = f"{item.path.relative_to(here)}::{getattr(item, 'originalname', item.name)}"
            item.extra_keyword_matches.update(numbers.get(name, ()))


@pytest.fixture
def seeds(request: pytest.FixtureRequest) -> range:
    """Seeds of a seeded test: its `seed_count` (default 20) first ones, or the one given on the command line."""
    only = request.config.getoption("--seed")
    marker = getattr(request.function, "seed_count", 20)
    return range(only, only + 1) if only is not None else range(1, 1 + marker)


@pytest.fixture
def run_id() -> Iterator[str]:
    """A fresh run id; whatever the test leaves on /dev/shm under it fails the test."""
    name = f"test-{os.getpid()}-{next(_numbers)}"
    yield name
    assert shm.unlink_run(name) == [], "the test left segments behind"


@pytest.fixture
def home() -> Iterator[pathlib.Path]:
    """A directory with a short path: unix sockets take 107 bytes, pytest's own tmp_path is most of that."""
    with tempfile.TemporaryDirectory(prefix="ls-") as path:
        yield pathlib.Path(path)


def is_ours(process: pathlib.Path) -> bool:
    """Whether /proc/<pid> is this test process or was started, at whatever remove, by it: its environment carries our mark."""
    if process.name == str(os.getpid()):
        return True
    try:
        return f"{OWNER}={os.getpid()}".encode() in (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return False  # gone, or not ours to read


def is_mapped_by_others(name: str) -> bool:
    """Whether a live process that this test run did not start maps the segment: then it belongs to somebody else's run."""
    for maps in pathlib.Path("/proc").glob("[0-9]*/maps"):
        try:
            if name in maps.read_text() and not is_ours(maps.parent):
                return True
        except OSError:
            continue  # gone, or not ours to read
    return False


def segments() -> set[str]:
    return {path.name for path in SHM.glob("lockstep.*")} if SHM.is_dir() else set()


def left_segments(before: set[str]) -> set[str]:
    """New segments that this test process left. Others (a second worker, another checkout) make segments too: theirs carry
    another process's number in the run id, or are mapped by a process of theirs, or go away within FOREIGN_GRACE_S."""
    started = time.monotonic()
    while True:
        new = segments() - before
        numbered = {name: match.group(1) for name in new if (match := NUMBERED_RUN.match(name))}
        own = {name for name, pid in numbered.items() if pid == str(os.getpid())}
        unsure = {name for name in new - set(numbered) if not is_mapped_by_others(name)}
        waited = time.monotonic() - started
        if not own and not unsure or own and waited > GRACE_S or waited > FOREIGN_GRACE_S:
            return own | unsure
        gc.collect()
        time.sleep(0.02 if waited < GRACE_S else 0.5)


def children() -> dict[int, str]:
    """Direct children of this process (zombies too: nobody waited for them) -> command line."""
    found = {}
    for task in pathlib.Path("/proc/self/task").glob("*/children"):
        for pid in task.read_text().split():
            try:
                command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            except OSError:
                continue
            if not any(helper in command for helper in HELPERS):
                found[int(pid)] = command or "(zombie)"
    return found


def sockets() -> set[str]:
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


def new_after_grace(look, before):
    """What `look` finds beyond `before`, after it had a moment (and the collector a chance) to go away."""
    deadline = time.monotonic() + GRACE_S
    while left := set(look()) - set(before):
        if time.monotonic() > deadline:
            return left
        gc.collect()
        time.sleep(0.02)
    return set()


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    segments_before, children_before, sockets_before = segments(), children(), sockets()
    yield
    problems = []
    if left := left_segments(segments_before):
        problems.append(f"shared segments: {sorted(left)}")
    if left := new_after_grace(children, children_before):
        commands = children()
        problems.append(f"child processes: {[(pid, commands.get(pid, '')) for pid in sorted(left)]}")
    if left := new_after_grace(sockets, sockets_before):
        problems.append(f"{len(left)} sockets still open: {sorted(left)}")
    if problems:
        pytest.fail("left behind: " + "; ".join(problems))

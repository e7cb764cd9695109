"""For all tests: `--seed N` repeats a seeded test exactly, and nothing may be left behind.

After each test an autouse fixture looks for what the test made and did not take away: shared segments (/dev/shm/lockstep.*), child processes,
sockets. Things of fixtures with a wider scope (a module's server) are there before the test begins and are not its business.
"""
from __future__ import annotations

import gc
import os
import pathlib
import time
from collections.abc import Iterator

import pytest

SHM = pathlib.Path("/dev/shm")
GRACE_S = 2.0          # children may need a moment to go
HELPERS = ("resource_tracker", "forkserver")  # the standard library keeps these for the whole run


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=None, help="run seeded tests with this one seed only")


@pytest.fixture
def seeds(request: pytest.FixtureRequest) -> range:
    """Seeds of a seeded test: its `seed_count` (default 20) first ones, or the one given on the command line."""
    only = request.config.getoption("--seed")
    marker = getattr(request.function, "seed_count", 20)
    return range(only, only + 1) if only is not None else range(1, 1 + marker)


def segments() -> set[str]:
    return {path.name for path in SHM.glob("lockstep.*")} if SHM.is_dir() else set()


def is_mapped_elsewhere(name: str) -> bool:
    """Whether a live process other than this one maps the segment: then it belongs to somebody else's run."""
    for maps in pathlib.Path("/proc").glob("[0-9]*/maps"):
        if maps.parent.name == str(os.getpid()):
            continue
        try:
            if name in maps.read_text():
                return True
        except OSError:
            continue  # gone, or not ours to read
    return False


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
    if left := {name for name in new_after_grace(segments, segments_before) if not is_mapped_elsewhere(name)}:
        problems.append(f"shared segments: {sorted(left)}")
    if left := new_after_grace(children, children_before):
        commands = children()
        problems.append(f"child processes: {[(pid, commands.get(pid, '')) for pid in sorted(left)]}")
    if left := new_after_grace(sockets, sockets_before):
        problems.append(f"{len(left)} sockets still open: {sorted(left)}")
    if problems:
        pytest.fail("left behind: " + "; ".join(problems))

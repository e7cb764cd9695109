"""Virtual time for a whole process: `run_under_virtual_time()` starts this command again with virtual_time.c loaded before libc;
`VirtualClock` moves its clocks."""
from __future__ import annotations

import ctypes
import os
import pathlib
import subprocess
import sys

SOURCE = pathlib.Path(__file__).with_name("virtual_time.c")
LIBRARY = pathlib.Path(__file__).resolve().parents[2] / "build" / "virtual_time.so"
BEGIN_MONO_NS = 1_000 * 1_000_000_000
BEGIN_WALL_NS = 1_767_225_600 * 1_000_000_000   # 2026-01-01


def library() -> pathlib.Path:
    """Compiled when it is older than its source; two at once do not meet."""
    if not LIBRARY.exists() or LIBRARY.stat().st_mtime < SOURCE.stat().st_mtime:
        LIBRARY.parent.mkdir(exist_ok=True)
        fresh = LIBRARY.with_suffix(f".{os.getpid()}.so")
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", str(SOURCE), "-o",
                        str(fresh)], check=True)
        fresh.replace(LIBRARY)
    return LIBRARY


def environment() -> dict[str, str]:
    """For a process that is to run under virtual time."""
    return {**os.environ, "LD_PRELOAD": str(library()), "MALLOC_ARENA_MAX": "1"}


def run_under_virtual_time(module: str) -> None:
    """Replace this process by itself, with the library loaded; returns when it is there already."""
    if str(LIBRARY) not in os.environ.get("LD_PRELOAD", ""):
        os.execve(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]], environment())


class VirtualClock:
    """The process's clocks. They stand still until `advance_to`."""

    def __init__(self) -> None:
        loaded = ctypes.CDLL(str(LIBRARY))
        self._mono = ctypes.c_int64.in_dll(loaded, "virtual_mono_ns")
        self._wall_minus_mono = ctypes.c_int64.in_dll(loaded, "virtual_wall_minus_mono_ns")
        self._wall_minus_mono.value = BEGIN_WALL_NS - BEGIN_MONO_NS
        self._mono.value = BEGIN_MONO_NS

    @property
    def now_ns(self) -> int:
        return int(self._mono.value)

    def advance_to(self, mono_ns: int) -> None:
        self._mono.value = max(self._mono.value, mono_ns)

    def step_wall(self, by_ns: int) -> None:
        """The wall clock jumps, as an operator or a time service makes it."""
        self._wall_minus_mono.value += by_ns

    def stop(self) -> None:
        """Back to the machine's own."""
        self._mono.value = 0

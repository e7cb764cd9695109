"""Segments: names, modes, left-overs, full /dev/shm."""
import errno
import os
import pathlib
import stat
import subprocess
import sys

import pytest

from cext import shm


def test_segment_is_private_zeroed_and_reserved(run_id: str) -> None:
    segment = shm.create_segment(shm.segment_name(run_id, "state"), 5000)
    status = os.stat(shm.path_of(segment.name))
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert segment.bytes == status.st_size == 8192
    assert status.st_blocks * 512 >= 8192, "blocks must be reserved, not sparse"
    assert segment.map[:] == bytes(8192)
    assert segment.is_linked()
    assert shm.list_run(run_id) == [segment.name] and run_id in shm.list_runs()
    assert shm.unlink_run(run_id) == [segment.name]
    assert not segment.is_linked()


def test_existing_name_is_not_taken(run_id: str) -> None:
    name = shm.segment_name(run_id, "x")
    shm.create_segment(name, 10)
    with pytest.raises(shm.ShmError, match="exists already"):
        shm.create_segment(name, 10)
    assert shm.unlink(name) and not shm.unlink(name)


def test_full_shm_is_said_with_sizes_and_leaves_nothing(run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(shm.ShmError, match="needs 8192 bytes") as caught:
        shm.create_segment(shm.segment_name(run_id, "x"), 8192)
    assert caught.value.reason == "full"
    assert shm.list_run(run_id) == []


def test_more_than_shm_has_is_refused_by_the_kernel_itself(run_id: str) -> None:
    free = os.statvfs("/dev/shm")
    with pytest.raises(shm.ShmError) as caught:
        shm.create_segment(shm.segment_name(run_id, "x"), (free.f_bavail + (1 << 20)) * free.f_frsize, prefault=False)
    assert caught.value.reason == "full"


def test_run_ids_of_others_are_not_touched(run_id: str) -> None:
    shm.create_segment(shm.segment_name(run_id, "x"), 10)
    assert shm.list_run(run_id[:-1]) == []
    shm.unlink_run(run_id)


def test_reader_cannot_write(run_id: str) -> None:
    name = shm.segment_name(run_id, "x")
    shm.create_segment(name, 10)
    with pytest.raises(TypeError):
        shm.open_segment(name).map[0] = 1
    shm.unlink(name)


def test_process_is_recognised_by_pid_and_start_time() -> None:
    start = shm.process_start(os.getpid())
    assert shm.is_producer_alive(os.getpid(), start)
    assert not shm.is_producer_alive(os.getpid(), start + 1), "a reused pid has another start time"
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    begun = shm.process_start(child.pid)
    pathlib.Path(f"/proc/{child.pid}/stat").exists()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not shm.is_producer_alive(child.pid, begun), "a zombie is dead"
    child.wait()
    assert shm.process_start(child.pid) == 0

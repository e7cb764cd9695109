"""The flusher as a process: what is committed reaches the disk, also when the engine or the flusher itself is killed."""
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from cext import layout, shm
from cext.journal import JournalReader
from cext.state_page import StatePage
from engine import flusher as flusher_module
from engine.flusher import Flusher

ENGINE = """
import os, pathlib, sys, time
sys.path.insert(0, {root!r})
from cext import layout
from cext.journal import JournalWriter
from cext.state_page import StatePage
page = StatePage.create({run_id!r})
writer = JournalWriter({run_id!r}, 9, segment_bytes=65536, run_dir={run_dir!r})
for number in range(1, {count} + 1):
    while not writer.append_json(layout.JR_CONTROL, {{"n": number}}, number, number):
        writer.tend()
    if number % 50 == 0:
        writer.tend()
        time.sleep(0.001)
print("written", flush=True)
if {orderly}:
    sys.stdin.readline()
    writer.close()
    page.close(unlink=True)
else:
    os.kill(os.getpid(), 9)
"""


def start_flusher(run_dir: pathlib.Path, run_id: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "engine.flusher", "--run-dir", str(run_dir), "--run-id", run_id],
                            stderr=subprocess.PIPE)


def start_engine(run_dir: pathlib.Path, run_id: str, count: int, orderly: bool) -> subprocess.Popen[str]:
    code = ENGINE.format(root=os.getcwd(), run_id=run_id, run_dir=str(run_dir), count=count, orderly=orderly)
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def numbers_on_disk(run_dir: pathlib.Path) -> list[int]:
    return [record.decode()["n"] for record in JournalReader(run_dir)]


@pytest.mark.parametrize("orderly", [True, False])
def test_everything_is_on_disk_and_off_shm_when_the_engine_ended(run_id: str, tmp_path: pathlib.Path, orderly: bool) -> None:
    flusher = start_flusher(tmp_path, run_id)
    engine = start_engine(tmp_path, run_id, 3000, orderly)
    engine.communicate("stop\n", timeout=60)
    assert flusher.wait(30) == 0
    assert numbers_on_disk(tmp_path) == list(range(1, 3001))
    shm.unlink(shm.segment_name(run_id, "state"))  # a killed engine leaves its page to the supervisor, and nothing else
    assert shm.list_run(run_id) == []


def test_flusher_killed_and_started_again_goes_on_where_it_was(run_id: str, tmp_path: pathlib.Path) -> None:
    engine = start_engine(tmp_path, run_id, 4000, orderly=True)
    assert engine.stdin is not None
    for _ in range(4):
        flusher = start_flusher(tmp_path, run_id)
        time.sleep(0.5)
        flusher.send_signal(signal.SIGKILL)
        flusher.wait()
    flusher = start_flusher(tmp_path, run_id)
    engine.communicate("stop\n", timeout=60)
    assert flusher.wait(30) == 0
    assert numbers_on_disk(tmp_path) == list(range(1, 4001))
    assert shm.unlink_run(run_id) == []


def test_stop_without_any_engine_ends_at_once(run_id: str, tmp_path: pathlib.Path) -> None:
    flusher = start_flusher(tmp_path, run_id)
    while not (tmp_path / "journal").exists():
        time.sleep(0.01)
    time.sleep(0.1)
    flusher.terminate()
    assert flusher.wait(10) == 0


def test_commits_are_on_disk_within_the_period(run_id: str, tmp_path: pathlib.Path) -> None:
    """Bound 5 ms; the test allows for a busy machine and demands it of the best of ten."""
    flusher = start_flusher(tmp_path, run_id)
    from cext.journal import JournalWriter
    page = StatePage.create(run_id)
    writer = JournalWriter(run_id, 1, segment_bytes=65536)
    path = tmp_path / "journal" / "000000.lsj"
    waits = []
    for _ in range(10):
        time.sleep(0.02)
        before = path.stat().st_size if path.exists() else 0
        started = time.monotonic()
        writer.append(layout.JR_ALERT, b"x" * 100, 1, 2)
        while not path.exists() or path.stat().st_size == before:
            assert time.monotonic() - started < 10
            time.sleep(0.0002)
        waits.append(time.monotonic() - started)
    flusher.kill()
    flusher.wait()
    writer.close()
    page.close(unlink=True)
    shm.unlink_run(run_id)
    assert min(waits) < 0.008, waits


def test_first_disk_error_ends_it_for_good_and_restricts_trading(run_id: str, tmp_path: pathlib.Path,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    from cext.journal import JournalWriter
    page = StatePage.create(run_id)
    writer = JournalWriter(run_id, 1, segment_bytes=8192)
    writer.append(layout.JR_ALERT, b"x", 1, 2)
    for failing in ("fdatasync", "pwrite"):
        with monkeypatch.context() as patched:
            def fail(*args: object) -> None:
                raise OSError(5, "Input/output error")
            patched.setattr(os, failing, fail)
            with pytest.raises(SystemExit) as ended:
                flusher_module.main.callback(run_dir=tmp_path, run_id=run_id)
        assert ended.value.code == 3
        assert page.trading_word() == layout.TRADING_RESTRICTED
        page.set_guard_word(layout.TRADING_ACTIVE)
    page.set_guard_word(layout.TRADING_EMERGENCY)
    flusher_module.restrict_trading(run_id)
    assert page.trading_word() == layout.TRADING_EMERGENCY, "it never lowers a word"
    writer.close()
    page.close(unlink=True)
    shm.unlink_run(run_id)


def test_file_of_another_journal_is_not_overwritten(run_id: str, tmp_path: pathlib.Path) -> None:
    from cext.journal import JournalWriter
    writer = JournalWriter(run_id, 1, segment_bytes=8192)
    writer.append(layout.JR_ALERT, b"x", 1, 2)
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "000000.lsj").write_bytes(b"somebody's journal" * 100)
    with pytest.raises(flusher_module.FlushError, match="not overwritten"):
        Flusher(tmp_path, run_id).step()
    assert (tmp_path / "journal" / "000000.lsj").read_bytes().startswith(b"somebody's")
    writer.close()
    shm.unlink_run(run_id)

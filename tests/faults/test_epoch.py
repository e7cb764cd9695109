"""The epoch grows with every start, is on disk before it is used, and is never given out twice."""
import multiprocessing
import os
import pathlib

import pytest

from engine import epoch


def test_epoch_grows_by_one_and_is_written_as_text(tmp_path: pathlib.Path) -> None:
    assert epoch.read_epoch(tmp_path) == 0
    assert [epoch.raise_epoch(tmp_path) for _ in range(3)] == [1, 2, 3]
    assert (tmp_path / "epoch").read_text() == "3\n"


@pytest.mark.parametrize("failing", ["fsync", "replace", "write"])
def test_epoch_is_not_used_when_it_cannot_be_made_durable(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch,
                                                          failing: str) -> None:
    epoch.raise_epoch(tmp_path)

    def fail(*args: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, failing, fail)
        with pytest.raises(OSError, match="Input/output"):
            epoch.raise_epoch(tmp_path)
    assert epoch.raise_epoch(tmp_path) >= 2


def test_file_and_directory_are_synced(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    epoch.raise_epoch(tmp_path)
    assert synced == [str(tmp_path / ".epoch.tmp"), str(tmp_path)]


@pytest.mark.parametrize("content", ["", "x", "-1", "1.5"])
def test_unreadable_epoch_stops_the_start(tmp_path: pathlib.Path, content: str) -> None:
    (tmp_path / "epoch").write_text(content)
    with pytest.raises(epoch.EpochError, match="not a number"):
        epoch.raise_epoch(tmp_path)


def test_epoch_beyond_32_bits_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "epoch").write_text(str(epoch.EPOCH_MAX))
    with pytest.raises(epoch.EpochError, match="does not fit"):
        epoch.raise_epoch(tmp_path)


def _take(folder: str, queue: "multiprocessing.Queue[list[int]]") -> None:
    queue.put([epoch.raise_epoch(pathlib.Path(folder)) for _ in range(20)])


def test_processes_that_start_together_get_different_epochs(tmp_path: pathlib.Path) -> None:
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[list[int]] = context.Queue()
    processes = [context.Process(target=_take, args=(str(tmp_path), queue)) for _ in range(4)]
    for process in processes:
        process.start()
    taken = [value for _ in processes for value in queue.get(timeout=30)]
    for process in processes:
        process.join()
    assert sorted(taken) == list(range(1, 81))

"""The flusher process: copies committed journal bytes from /dev/shm to <run_dir>/journal/<n>.lsj and syncs them, at most 5 ms
behind.

    python -m engine.flusher --run-dir D

Keeps the disk off the engine's path. It outlives the engine: when that process is gone it copies the rest, removes the copied
segments from /dev/shm and ends. The file's header promises (committed_bytes) only what was synced. The first error of the disk
ends it for good, with the trading word raised to RESTRICTED: a later "success" of the same file would be a lie."""
import logging
import mmap
import os
import pathlib
import re
import signal
import sys
import time
from itertools import pairwise

import click

from cext import layout, shm
from cext.journal import FILE_SUFFIX, JournalCorrupt, SegmentView, map_live
from cext.state_page import StatePage
from engine.logs import setup_logging

log = logging.getLogger("flusher")
SYNC_PERIOD_S = 0.005
IDLE_PERIOD_S = 0.004           # between two looks when nothing is new
ALIVE_LOOK_PERIOD_S = 0.1
STOP_WITH_ENGINE_ALIVE_S = 8.0  # the supervisor gives ten
HEADER_BYTES = layout.STRUCT_BYTES["journal_header_t"]
COMMITTED_OFFSET = layout.DTYPES["journal_header_t"].fields["committed_bytes"][1]


class FlushError(Exception):
    """The disk failed, or would overwrite another run's journal."""


class SegmentCopy:
    """One segment on its way to disk."""

    def __init__(self, name: str, index: int, mapping: mmap.mmap, folder: pathlib.Path) -> None:
        self.name = name
        self.index = index
        self.path = folder / f"{index:06d}{FILE_SUFFIX}"
        self.mapping = mapping
        self.view = SegmentView(self.mapping, name)
        self.descriptor = -1
        self.copied = 0

    def is_used(self) -> bool:
        """False while it is a spare that waits."""
        return self.view.is_used()

    def advance(self) -> int:
        """Copy what was committed since the last look and sync it; returns how many bytes."""
        if not self.is_used():
            return 0
        if self.descriptor < 0:
            self._open()
        end = self.view.skip_all()
        fresh = end - self.copied
        if fresh:
            _write_all(self.descriptor, self.mapping[self.copied:end], self.copied)
            os.fdatasync(self.descriptor)
            # Only now may the file say so; durable with the next sync, true already.
            _write_all(self.descriptor, end.to_bytes(8, "little"), COMMITTED_OFFSET)
            self.copied = end
        return fresh

    def _open(self) -> None:
        """Create the file, or go on with one that an earlier flusher of this run began."""
        self.view.restart()
        header = bytes(self.mapping[:COMMITTED_OFFSET]) + bytes(8) + bytes(self.mapping[COMMITTED_OFFSET + 8:HEADER_BYTES])
        self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        before = os.pread(self.descriptor, HEADER_BYTES, 0)
        if len(before) == HEADER_BYTES and before[:COMMITTED_OFFSET] != header[:COMMITTED_OFFSET]:
            raise FlushError(f"{self.path} is another journal's segment; it is not overwritten. Start in a fresh run directory")
        _write_all(self.descriptor, header, 0)
        self.copied = HEADER_BYTES
        _sync_folder(self.path.parent)

    def finish(self) -> None:
        """Last sync, so that the promise in the header is durable too."""
        if self.descriptor >= 0:
            os.fdatasync(self.descriptor)
            os.close(self.descriptor)
            self.descriptor = -1


def is_left_over(name: str) -> bool:
    """A spare that the engine died with, unused. What a living writer has made, an engine that was started again, is not touched;
    nor is one whose header is not finished, which may be that engine's."""
    try:
        mapping = map_live(name)
    except shm.ShmError:
        return False
    return mapping is not None and not SegmentView(mapping, name).is_writer_alive()


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


def _sync_folder(folder: pathlib.Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class StreamCopier:
    """The segments of one stream of a run: its journal, or its input log."""

    def __init__(self, run_dir: pathlib.Path, run_id: str, stream: str) -> None:
        self.run_id = run_id
        self.folder = run_dir / stream
        self.copies: dict[int, SegmentCopy] = {}
        self.total_bytes = 0
        self._name = re.compile(rf"\.{stream}\.(\d+)$")

    def step(self) -> int:
        """One look over all segments; returns the bytes copied."""
        self._find()
        fresh = 0
        for index in sorted(self.copies):
            fresh += self.copies[index].advance()
        self._drop_full()
        self.total_bytes += fresh
        return fresh

    def _find(self) -> None:
        """New segments. Listing /dev/shm is cheap, but only worth it when the newest known one is in use."""
        newest = max(self.copies, default=-1)
        if newest >= 0 and not self.copies[newest].is_used():
            return
        for name in shm.list_run(self.run_id):
            match = self._name.search(name)
            if match and int(match.group(1)) not in self.copies and int(match.group(1)) > newest:
                mapping = map_live(name)
                if mapping is not None:  # else its writer is still making it: the next look finds it finished
                    self.folder.mkdir(exist_ok=True)
                    self.copies[int(match.group(1))] = SegmentCopy(name, int(match.group(1)), mapping, self.folder)

    def _drop_full(self) -> None:
        """A segment is done when its successor is in use: everything of it is synced by now."""
        indexes = sorted(self.copies)
        for index, successor in pairwise(indexes):
            if self.copies[successor].is_used() and not self.copies[index].advance():
                self._finish_one(self.copies.pop(index), unlink=True)

    def _finish_one(self, copy: SegmentCopy, unlink: bool) -> None:
        copy.finish()
        if unlink:
            shm.unlink(copy.name)

    def finish(self, unlink: bool) -> None:
        """Close everything; with `unlink` the copied segments leave /dev/shm."""
        for copy in self.copies.values():
            self._finish_one(copy, unlink)
        for name in shm.list_run(self.run_id) if unlink else []:
            if self._name.search(name) and is_left_over(name):
                shm.unlink(name)


class Flusher:
    """Copies journal and input log in turn, ends when it should."""

    def __init__(self, run_dir: pathlib.Path, run_id: str) -> None:
        self.journal = StreamCopier(run_dir, run_id, "journal")
        self.inputs = StreamCopier(run_dir, run_id, "inputs")
        self.journal.folder.mkdir(exist_ok=True)
        self.stop_asked = False
        self._next_alive_look_s = 0.0

    def run(self) -> None:
        """Until the engine is gone and everything is on disk, or until told to stop."""
        deadline_s = 0.0
        while True:
            started = time.monotonic()
            is_gone = self._is_engine_gone()  # asked before copying: what a dead engine wrote is complete then
            fresh = self.step()
            if is_gone and not fresh:
                return self.finish(unlink=True)
            if self.stop_asked:
                deadline_s = deadline_s or started + STOP_WITH_ENGINE_ALIVE_S
                if not fresh and (not self.journal.copies or started >= deadline_s):
                    return self.finish(unlink=False)
            time.sleep(max(0.0, (SYNC_PERIOD_S if fresh else IDLE_PERIOD_S) - (time.monotonic() - started)))

    def _is_engine_gone(self) -> bool:
        """True when segments were found and the process that made the newest runs no more. Asked of the system ten times a
        second."""
        now, copies = time.monotonic(), self.journal.copies
        if copies and now >= self._next_alive_look_s:
            self._next_alive_look_s = now + ALIVE_LOOK_PERIOD_S
            return not copies[max(copies)].view.is_writer_alive()
        return False

    def step(self) -> int:
        """One look over all segments, the journal's first; returns the bytes copied."""
        return self.journal.step() + self.inputs.step()

    def finish(self, unlink: bool) -> None:
        """Close everything; with `unlink` the copied segments leave /dev/shm."""
        self.journal.finish(unlink)
        self.inputs.finish(unlink)
        log.info("journal is on disk", extra={"fields": {"bytes": self.journal.total_bytes,
                                                         "input_log_bytes": self.inputs.total_bytes, "segments_removed": unlink}})


def restrict_trading(run_id: str) -> None:
    """No durable journal, no new risk: raise the guard's word to RESTRICTED, never lower it."""
    try:
        page = StatePage.open(run_id, writable=True)
    except shm.ShmError:
        return  # no engine to tell
    if int(page.snapshot()["guard_word"]) < layout.TRADING_RESTRICTED:  # type: ignore[call-overload]
        page.set_guard_word(layout.TRADING_RESTRICTED)
    page.close()


@click.command()
@click.option("--run-dir", required=True, type=click.Path(exists=True, file_okay=False, path_type=pathlib.Path))
@click.option("--run-id", default="", help="defaults to the directory's name")
def main(run_dir: pathlib.Path, run_id: str) -> None:
    """Copy a run's journal to disk as it grows."""
    run_dir = run_dir.resolve()
    logs = setup_logging(run_dir, "flusher")
    run_id = run_id or run_dir.name
    flusher = Flusher(run_dir, run_id)

    def on_signal(number: int, frame: object) -> None:
        flusher.stop_asked = True

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    try:
        flusher.run()
    except (OSError, FlushError, JournalCorrupt) as error:
        restrict_trading(run_id)
        log.error("journal is not being written to disk any more: %s; trading is RESTRICTED to reducing orders", error)
        sys.exit(3)
    finally:
        logs.close()


if __name__ == "__main__":
    main()

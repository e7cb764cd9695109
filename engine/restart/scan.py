"""Reads the journal of a run's earlier lives into a TradeManager.

Times: CLOCK_MONOTONIC goes on while the machine does. Records of another boot are shifted so that their distance to now is what
the wall clocks say."""
import pathlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from cext.journal import JournalReader, Record, boot_id
from engine.trade.manager import TradeManager
from engine.trade.restore import Restored, Restorer

UNCLEAN_WINDOW_S = 600.0


@dataclass(slots=True)
class EarlierLives:
    """What was found of them. `restorer` is None on the first start of a run."""
    restorer: Restorer | None = None
    restored: Restored = field(default_factory=Restored)
    unclean_wall_ns: list[int] = field(default_factory=list)   # last record of each life that ended without RUN_STOP
    torn_bytes: int = 0
    elapsed_s: float = 0.0

    def unclean_lately(self, now_wall_ns: int) -> int:
        """Lives that ended badly within the last ten minutes."""
        return sum(now_wall_ns - at < UNCLEAN_WINDOW_S * 1e9 for at in self.unclean_wall_ns)


def earlier_records(reader: JournalReader, epoch: int) -> Iterator[Record]:
    """Those of the epochs before this one."""
    for record in reader:
        if record.epoch >= epoch:
            return
        yield record


def restore_run(run_id: str, run_dir: pathlib.Path, epoch: int, manager: TradeManager, *, boot: str = "",
                wall_minus_mono_ns: int = 0) -> EarlierLives:
    """Raises JournalCorrupt (file, byte, what is wrong) or RestoreRefused: then nothing may be traded before a person has
    looked. `boot`, `wall_minus_mono_ns`: of the engine that restores, where that is not this process (input_replay.py)."""
    started = time.monotonic()
    lives = EarlierLives()
    reader = JournalReader.of_run(run_id, run_dir)
    this_boot = boot or boot_id()
    offset_ns = wall_minus_mono_ns if boot else time.time_ns() - time.monotonic_ns()
    last: Record | None = None
    for record in earlier_records(reader, epoch):
        if lives.restorer is None:
            lives.restorer = Restorer(manager)
        if last is None or record.epoch != last.epoch:
            _note_end(lives, last)
            is_same_boot = reader.headers[-1]["boot_id"] == this_boot
            lives.restorer.set_shift(0 if is_same_boot else (record.wall_ns - record.mono_ns) - offset_ns)
        lives.restorer.apply(record)
        last = record
    if lives.restorer is not None:
        _note_end(lives, last)
        lives.restored = lives.restorer.settle()
        lives.torn_bytes = reader.torn_bytes
    lives.elapsed_s = time.monotonic() - started
    return lives


def _note_end(lives: EarlierLives, last: Record | None) -> None:
    if last is not None and lives.restorer is not None and not lives.restorer.found.was_clean:
        lives.unclean_wall_ns.append(last.wall_ns)

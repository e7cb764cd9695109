"""The run epoch: a number that grows with every start of an engine on this host, part of every id that leaves for a venue.

Raised and on disk (file and directory synced) before the first socket opens, so ids are unique even if everything written later
is lost."""
import fcntl
import os
import pathlib

EPOCH_FILE = "epoch"
EPOCH_MAX = (1 << 32) - 1  # intent_id = epoch << 32 | sequence


class EpochError(Exception):
    """The epoch file cannot be read or raised: no order id would be safe, so nothing starts."""


def read_epoch(var_dir: pathlib.Path) -> int:
    """The last epoch given out; 0 when there never was one."""
    path = var_dir / EPOCH_FILE
    try:
        text = path.read_text()
    except FileNotFoundError:
        return 0
    if not text.strip().isascii() or not text.strip().isdigit():
        raise EpochError(
            f"{path} holds {text[:40]!r}, not a number; put the largest epoch ever used there (journal headers name it)"
        )
    return int(text)


def raise_epoch(var_dir: pathlib.Path) -> int:
    """Take the next epoch: durable when this returns. Two processes never get the same one (lock file beside it)."""
    var_dir.mkdir(parents=True, exist_ok=True)
    lock = os.open(var_dir / f".{EPOCH_FILE}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        epoch = read_epoch(var_dir) + 1
        if epoch > EPOCH_MAX:
            raise EpochError(f"epoch {epoch} does not fit into ids any more (32 bits)")
        _write_durably(var_dir, epoch)
        return epoch
    finally:
        os.close(lock)


def _write_durably(var_dir: pathlib.Path, epoch: int) -> None:
    """New file, synced, renamed over the old one, directory synced."""
    temporary = var_dir / f".{EPOCH_FILE}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, f"{epoch}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(temporary, var_dir / EPOCH_FILE)
    folder = os.open(var_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

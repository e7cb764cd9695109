"""POSIX shared-memory segments: creating, opening, finding out whose they are, removing what a dead run left.

Names are "/lockstep.<run_id>.<what>", what = feed.<feed>, state, hist.<component>, journal.<n>. Mode 0600. Blocks are reserved
with posix_fallocate at creation: a sparse mapping on a full /dev/shm would die of SIGBUS at some later store. Cold code only."""
import errno
import mmap
import os
import pathlib
import re

import posix_ipc

SHM_DIR = pathlib.Path("/dev/shm")
PREFIX = "lockstep"
PAGE_BYTES = mmap.PAGESIZE
_RUN_ID = re.compile(r"^[A-Za-z0-9_-]{1,63}$")


class ShmError(Exception):
    """A segment cannot be created, opened or trusted. The text says which one and what is wrong with it."""

    def __init__(self, text: str, reason: str = "") -> None:
        super().__init__(text)
        self.reason = reason


class Segment:
    """A mapped segment: `map` (mmap), `name`, `bytes`. Unmapping waits for the last buffer view."""

    def __init__(self, name: str, mapping: mmap.mmap, inode: int) -> None:
        self.name = name
        self.map = mapping
        self.bytes = len(mapping)
        self.inode = inode

    def is_linked(self) -> bool:
        """True while the name still leads to this very segment."""
        try:
            return os.stat(path_of(self.name)).st_ino == self.inode
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Unmap; views into the mapping must be gone before."""
        self.map.close()


def segment_name(run_id: str, what: str) -> str:
    """'/lockstep.<run_id>.<what>'; refuses run ids that would not be one path component."""
    if not _RUN_ID.match(run_id):
        raise ShmError(f"run id {run_id!r} cannot name a segment: letters, digits, - and _ only, at most 63")
    return f"/{PREFIX}.{run_id}.{what}"


def path_of(name: str) -> pathlib.Path:
    """Where the kernel shows a segment."""
    return SHM_DIR / name.lstrip("/")


def create_segment(name: str, size_bytes: int, *, prefault: bool = True) -> Segment:
    """A new zeroed segment. The name must be free (see retire/unlink); ShmError when it is not, or when /dev/shm is full."""
    size = -(-size_bytes // PAGE_BYTES) * PAGE_BYTES
    try:
        shared = posix_ipc.SharedMemory(name, posix_ipc.O_CREX, mode=0o600)
    except posix_ipc.ExistentialError:
        raise ShmError(f"segment {name} exists already", "exists") from None
    except OSError as error:
        raise ShmError(f"segment {name} cannot be created: {error}", "create") from error
    try:
        os.ftruncate(shared.fd, size)
        _reserve(shared.fd, name, size)
        flags = mmap.MAP_SHARED | (mmap.MAP_POPULATE if prefault else 0)
        mapping = mmap.mmap(shared.fd, size, flags, mmap.PROT_READ | mmap.PROT_WRITE)
        _no_huge_pages(mapping)
        return Segment(name, mapping, os.fstat(shared.fd).st_ino)
    except BaseException:
        unlink(name)
        raise
    finally:
        shared.close_fd()


def _reserve(fd: int, name: str, size: int) -> None:
    try:
        os.posix_fallocate(fd, 0, size)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.ENOMEM):
            raise ShmError(f"segment {name}: cannot reserve {size} bytes: {error}", "create") from error
        free = os.statvfs(SHM_DIR)
        raise ShmError(f"segment {name} needs {size} bytes, {SHM_DIR} has {free.f_bavail * free.f_frsize} free; remove left-over "
                       f"{SHM_DIR}/{PREFIX}.* of dead runs or mount it larger", "full") from error


def _no_huge_pages(mapping: mmap.mmap) -> None:
    """A huge page that is split or collapsed later is a pause of milliseconds; absent support is fine."""
    try:
        mapping.madvise(mmap.MADV_NOHUGEPAGE)
    except OSError:
        return


def open_segment(name: str, *, writable: bool = False, prefault: bool = True) -> Segment:
    """Map an existing segment whole; read-only unless asked. ShmError(reason="missing" | "empty" | "denied")."""
    try:
        shared = posix_ipc.SharedMemory(name, 0, read_only=not writable)
    except posix_ipc.ExistentialError:
        raise ShmError(f"segment {name} does not exist", "missing") from None
    except (posix_ipc.PermissionsError, PermissionError):
        raise ShmError(f"segment {name} belongs to somebody else", "denied") from None
    try:
        status = os.fstat(shared.fd)
        if status.st_size == 0:
            raise ShmError(f"segment {name} is empty: its creator has not sized it yet", "empty")
        flags = mmap.MAP_SHARED | (mmap.MAP_POPULATE if prefault else 0)
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        return Segment(name, mmap.mmap(shared.fd, status.st_size, flags, protection), status.st_ino)
    finally:
        shared.close_fd()


def unlink(name: str) -> bool:
    """Remove the name; mappings live on. False when there was none."""
    try:
        posix_ipc.unlink_shared_memory(name)
        return True
    except posix_ipc.ExistentialError:
        return False


def process_start(pid: int) -> int:
    """Start time of a process in clock ticks since boot (/proc/<pid>/stat, field 22); 0 when there is no such process."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    fields = text.rsplit(")", 1)[1].split()  # the name in parentheses may hold anything
    return 0 if fields[0] in ("Z", "X") else int(fields[19])


def is_producer_alive(pid: int, start: int) -> bool:
    """True when exactly that process still runs: a reused pid has another start time, a zombie does not count."""
    return pid > 0 and start > 0 and process_start(pid) == start


def list_run(run_id: str) -> list[str]:
    """Names of a run's segments."""
    pattern = path_of(segment_name(run_id, "")).name
    return sorted("/" + entry.name for entry in SHM_DIR.iterdir() if entry.name.startswith(pattern))


def unlink_run(run_id: str) -> list[str]:
    """Remove whatever a run left; returns the names."""
    return [name for name in list_run(run_id) if unlink(name)]


def list_runs() -> list[str]:
    """Run ids that own segments on this host."""
    found = (entry.name.split(".") for entry in SHM_DIR.iterdir() if entry.name.startswith(PREFIX + "."))
    return sorted({parts[1] for parts in found if len(parts) >= 3})

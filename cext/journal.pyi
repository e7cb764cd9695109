import pathlib
from collections.abc import Iterator
from typing import Any

class JournalCorrupt(Exception):
    """A journal that must not be trusted; says file, offset and what is wrong."""

class Record:
    seq: int
    type: int
    type_name: str           # "INTENT"
    mono_ns: int
    wall_ns: int
    correlation_id: int
    epoch: int
    segment_index: int
    payload: bytes
    def decode(self) -> Any:
        """dict for JSON types; dict of the struct's fields (layout names) for struct types."""

class JournalWriter:
    run_id: str
    stream: str
    segment_bytes: int
    def __init__(self, run_id: str, epoch: int, *, segment_bytes: int = ..., first_seq: int = ...,
                 run_dir: pathlib.Path | str | None = ..., stream: str = "journal") -> None:
        """`stream` names the segments and the folder of the run directory they go to."""
    def append(self, type: int, payload: bytes, mono_ns: int, wall_ns: int, correlation_id: int = ...) -> int:
        """seq, or 0 when full."""
    def append_json(self, type: int, value: Any, mono_ns: int, wall_ns: int, correlation_id: int = ...) -> int: ...
    def tend(self) -> None:
        """Calm side, every few ms: prepares the next spare segment on a thread, drops full ones. Raises ShmError once when that
        failed."""
    def has_spare(self) -> bool: ...
    def next_seq(self) -> int: ...
    def full_count(self) -> int: ...
    def segment_index(self) -> int: ...
    def close(self) -> None:
        """Unmaps. Segments stay linked: the flusher unlinks them once they are on disk."""

class JournalReader:
    """Committed records of <run_dir>/journal/*.lsj, of one file, or of the live segments of a run id, in order."""
    def __init__(self, path: pathlib.Path | str) -> None: ...
    @classmethod
    def live(cls, run_id: str) -> JournalReader: ...
    @classmethod
    def of_run(cls, run_id: str, run_dir: pathlib.Path | str, stream: str = "journal") -> JournalReader:
        """Everything of a run: segments on /dev/shm, the others from their files; may hold nothing."""
    def __iter__(self) -> Iterator[Record]: ...
    torn_bytes: int          # after iteration: bytes of an uncommitted tail that were left out
    headers: list[dict[str, Any]]

class SegmentView:
    """One segment as bytes, its header checked, its records walked (flusher, readers)."""
    what: str
    position: int
    next_seq: int
    def __init__(self, buffer: Any, what: str) -> None: ...
    def is_used(self) -> bool: ...
    def header(self) -> dict[str, Any]: ...
    def is_writer_alive(self) -> bool: ...
    def restart(self) -> None: ...
    def promised_bytes(self) -> int: ...
    def skip(self) -> bool: ...
    def skip_all(self) -> int: ...
    def next_record(self) -> Record | None: ...
    def check_end(self) -> int: ...

SEGMENT_BYTES: int
FILE_SUFFIX: str
TYPE_NAMES: dict[int, str]

def boot_id() -> str: ...
def map_live(name: str) -> Any:
    """A live segment as bytes; None while its writer is still making it or when it is gone."""
def crc32c(data: bytes, use_table: bool = ...) -> int: ...
def crc32c_is_hardware() -> bool: ...

from collections.abc import Iterator
from typing import TypeAlias

FORMAT_VERSION: int
PAYLOAD_MAX: int
FRAME: int
SNAPSHOT: int
CONNECT: int
DISCONNECT: int
NOTE: int
RECORD_BYTES: int

CaptureTuple: TypeAlias = tuple[int, int, int, int, int, int, int, bytes]

class BlockCursor:
    def __init__(self, block: bytes = b"") -> None: ...
    def load(self, block: bytes) -> None: ...
    @property
    def offset(self) -> int: ...
    def __iter__(self) -> Iterator[CaptureTuple]: ...
    def __next__(self) -> CaptureTuple: ...

def whole_records(block: bytes) -> int: ...
def count_types(block: bytes) -> tuple[int, int, int, int, int]: ...

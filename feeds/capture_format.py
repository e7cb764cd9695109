"""The capture file: raw frames with receive stamps, connection ids, REST snapshots and the instrument table, in one compressed
file.

`CaptureWriter` is used by the feed process (compressing on a thread of its own, never waited for) and by `tools/capture import`;
`CaptureReader` by `tools/capture info` and `tools/replay`. docs/capture-format.md draws the bytes. Records inside a block are
those of cext/capture.h. A file that was cut off (crash, full disk) is readable up to the cut: the reader gives every whole record
and then says where the file is torn. Nothing here decodes a frame.
"""
from __future__ import annotations

import contextlib
import json
import os
import pathlib
import queue
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import zstandard

from cext import capture

FILE_MAGIC = b"LOCKSCAP"
END_MAGIC = b"LSCAPEND"
BLOCK_MAGIC = 0x314B4C42  # "BLK1", little-endian
INDEX_MAGIC = 0x31584449  # "IDX1"
FORMAT_VERSION = capture.FORMAT_VERSION

FILE_HEADER = struct.Struct("<8sIII")        # magic, version, header bytes, CRC32 of the header
# magic, compressed bytes, raw bytes, records, first and last wall ns, frames, CRC32 of the payload, CRC32 of the words before
BLOCK_HEADER = struct.Struct("<IIIIqqIII")
TRAILER = struct.Struct("<Q8s")              # offset of the index block, end magic
RECORD_HEADER = struct.Struct("<IBBBBIiqq")  # capture_record_t
assert RECORD_HEADER.size == capture.RECORD_BYTES

# 512 KiB: a decompressed block still lies in the second-level cache when it is decoded; larger blocks compress no better
# (measured on Binance frames: 256 KiB to 4 MiB within 1 %).
BLOCK_BYTES = 512 * 1024
BLOCK_RAW_MAX = 2 * capture.PAYLOAD_MAX  # a header that claims more is damaged: nothing is allocated for it
HEADER_BYTES_MAX = 256 * 1024 * 1024
QUEUE_BLOCKS = 128                       # 64 MiB wait for the disk at most; beyond that whole blocks are dropped and counted

TYPE_NAMES = {capture.FRAME: "frame", capture.SNAPSHOT: "snapshot", capture.CONNECT: "connect", capture.DISCONNECT: "disconnect",
              capture.NOTE: "note"}
MARKET_CODES = {"": 0, "spot": 1, "linear": 2}  # MARKET_* of cext/instrument.h
MARKET_NAMES = {code: name for name, code in MARKET_CODES.items()}


class CaptureError(Exception):
    """A capture cannot be read or written; the message names the file, the place and what is wrong."""


class CaptureTorn(CaptureError):
    """The file ends, or is damaged, before its index: `offset` says where; everything before it was given out."""

    def __init__(self, message: str, offset: int):
        super().__init__(message)
        self.offset = offset


class CaptureRecord(NamedTuple):
    """One record as read: fields of capture_record_t, then the payload."""
    type: int
    market: int
    venue_index: int
    connection_id: int
    row: int
    recv_wall_ns: int
    recv_mono_ns: int
    payload: bytes


@dataclass(slots=True)
class BlockInfo:
    """One block as the index has it."""
    offset: int
    compressed_bytes: int
    raw_bytes: int
    records: int
    frames: int
    first_wall_ns: int
    last_wall_ns: int


@dataclass(slots=True)
class CaptureHeader:
    """The JSON at the start of the file."""
    version: int
    venues: list[str]
    instruments: Any       # InstrumentTable.to_json() of the recorder, as a JSON value; rows refer to it
    created_wall_ns: int
    source: str            # who recorded it, from what
    extra: dict[str, Any] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        return json.dumps({"format": "lockstep-capture", "version": self.version, "venues": self.venues,
                           "created_wall_ns": self.created_wall_ns, "source": self.source, "extra": self.extra,
                           "instruments": self.instruments}, separators=(",", ":")).encode()


def as_json_value(table: Any) -> Any:
    """The instrument table as a JSON value: what to_json() gives may be the value itself or its text."""
    value = table.to_json() if hasattr(table, "to_json") else table
    return json.loads(value) if isinstance(value, (str, bytes)) else value


class CaptureWriter:
    """Writes one capture file. Call `frame`, `snapshot`, `connect`, `disconnect`, `note` in the order of arrival, then `close`.

    threaded: compression and disk run on a thread of their own, and a call costs one copy of the payload (a feed's loop). When
    the disk cannot follow, whole blocks are dropped and counted in `dropped_records`; when it fails, `error` says so: the caller
    goes on. Without threaded (importers) a failing disk raises CaptureError.
    flush_s: write a block at least this often, so that a crash loses no more; 0 = only full blocks.
    """

    def __init__(self, path: str | os.PathLike[str], *, venues: list[str], table: Any, source: str, threaded: bool = False,
                 level: int = 3, block_bytes: int = BLOCK_BYTES, flush_s: float = 0.0, extra: dict[str, Any] | None = None):
        self.path = pathlib.Path(path)
        self.counts = dict.fromkeys(TYPE_NAMES, 0)
        self.dropped_records = 0
        self.error: str | None = None
        self._compressor = zstandard.ZstdCompressor(level=level)
        self._block_bytes = block_bytes
        self._flush_ns = int(flush_s * 1e9)
        self._blocks: list[BlockInfo] = []
        self._block = bytearray()
        self._records = self._frames = 0
        self._first_wall_ns = self._last_wall_ns = 0  # of the block
        header = CaptureHeader(FORMAT_VERSION, list(venues), as_json_value(table), time.time_ns(), source, extra or {}).to_bytes()
        try:
            self._file = open(self.path, "xb")  # noqa: SIM115 (close() closes it)
            self._put(FILE_HEADER.pack(FILE_MAGIC, FORMAT_VERSION, len(header), zlib.crc32(header)) + header)
        except FileExistsError:
            raise CaptureError(f"{self.path}: exists already; a capture is never overwritten, name another file") from None
        except OSError as error:
            raise CaptureError(f"{self.path}: cannot be written: {error.strerror}") from None
        self._queue: queue.Queue[tuple[bytes, int, int, int, int] | None] | None = None
        if threaded:
            self._queue = queue.Queue(QUEUE_BLOCKS)
            self._thread = threading.Thread(target=self._drain, name="capture", daemon=True)
            self._thread.start()

    # ---- records

    def frame(self, market: int, connection_id: int, recv_wall_ns: int, recv_mono_ns: int, payload: Any, row: int = -1) -> None:
        """A WebSocket message as received."""
        self.record(capture.FRAME, market, connection_id, recv_wall_ns, recv_mono_ns, payload, row)

    def snapshot(self, market: int, row: int, recv_wall_ns: int, recv_mono_ns: int, payload: Any, connection_id: int = 0) -> None:
        """The body of a REST depth reply for the instrument in `row`."""
        self.record(capture.SNAPSHOT, market, connection_id, recv_wall_ns, recv_mono_ns, payload, row)

    def connect(self, market: int, connection_id: int, recv_wall_ns: int, recv_mono_ns: int, address: str) -> None:
        self.record(capture.CONNECT, market, connection_id, recv_wall_ns, recv_mono_ns, address.encode())

    def disconnect(self, market: int, connection_id: int, recv_wall_ns: int, recv_mono_ns: int, reason: str) -> None:
        self.record(capture.DISCONNECT, market, connection_id, recv_wall_ns, recv_mono_ns, reason.encode())

    def note(self, recv_wall_ns: int, recv_mono_ns: int, text: str, market: int = 0) -> None:
        self.record(capture.NOTE, market, 0, recv_wall_ns, recv_mono_ns, text.encode())

    def record(self, kind: int, market: int, connection_id: int, recv_wall_ns: int, recv_mono_ns: int, payload: Any,
               row: int = -1,
               venue_index: int = 0) -> None:
        """Append one record; the payload is copied."""
        size = len(payload)
        if size > capture.PAYLOAD_MAX:
            raise CaptureError(f"{self.path}: a {TYPE_NAMES[kind]} of {size} bytes is beyond the format's {capture.PAYLOAD_MAX}")
        block = self._block
        block += RECORD_HEADER.pack(size, kind, market, venue_index, 0, connection_id, row, recv_wall_ns, recv_mono_ns)
        block += payload
        if size & 7:
            block += bytes(-size & 7)
        self._records += 1
        self._frames += kind == capture.FRAME
        self.counts[kind] += 1
        if self._first_wall_ns == 0:
            self._first_wall_ns = recv_wall_ns
        self._last_wall_ns = recv_wall_ns
        if len(block) >= self._block_bytes or (self._flush_ns and recv_wall_ns - self._first_wall_ns > self._flush_ns):
            self.flush()

    # ---- blocks

    def flush(self) -> None:
        """End the current block: it goes to the disk, or to the thread that writes there."""
        if not self._records:
            return
        done = (bytes(self._block), self._records, self._frames, self._first_wall_ns, self._last_wall_ns)
        self._start_block()
        if self._queue is None:
            self._write_block(*done)
            return
        try:
            if self.error:
                raise queue.Full
            self._queue.put_nowait(done)
        except queue.Full:
            self.dropped_records += done[1]

    def close(self) -> None:
        """Write what is left and the index. Without this the file counts as torn."""
        if self._file.closed:
            return
        self.flush()
        if self._queue is not None:
            self._queue.put(None)
            self._thread.join()
        try:
            if self.error is None:
                self._write_index()
            os.fsync(self._file.fileno())
        except OSError as error:
            self._fail(error)
        finally:
            with contextlib.suppress(OSError):
                self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start_block(self) -> None:
        self._block = bytearray()
        self._records = self._frames = 0
        self._first_wall_ns = self._last_wall_ns = 0

    def _drain(self) -> None:
        assert self._queue is not None
        while (block := self._queue.get()) is not None:
            if self.error is None:
                self._write_block(*block)
            else:
                self.dropped_records += block[1]

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()

    def _write_block(self, raw: bytes, records: int, frames: int, first_wall_ns: int, last_wall_ns: int) -> None:
        payload = self._compressor.compress(raw)
        info = BlockInfo(self._file.tell(), len(payload), len(raw), records, frames, first_wall_ns, last_wall_ns)
        try:
            self._put(pack_block_header(BLOCK_MAGIC, info, payload) + payload)
        except OSError as error:
            self._fail(error)
            self.dropped_records += records
            return
        self._blocks.append(info)

    def _write_index(self) -> None:
        counts = {TYPE_NAMES[kind]: count for kind, count in self.counts.items()}
        raw = json.dumps({"blocks": [[b.offset, b.compressed_bytes, b.raw_bytes, b.records, b.frames, b.first_wall_ns,
                                      b.last_wall_ns]
                                     for b in self._blocks], "counts": counts, "dropped_records": self.dropped_records}).encode()
        payload = self._compressor.compress(raw)
        offset = self._file.tell()
        info = BlockInfo(offset, len(payload), len(raw), 0, 0, 0, 0)
        self._put(pack_block_header(INDEX_MAGIC, info, payload) + payload + TRAILER.pack(offset, END_MAGIC))

    def _fail(self, error: OSError) -> None:
        self.error = f"{self.path}: cannot be written: {error.strerror}"
        if self._queue is None:
            raise CaptureError(self.error)


def pack_block_header(magic: int, info: BlockInfo, payload: bytes) -> bytes:
    """Header of one block; its last word is the CRC of the words before."""
    head = BLOCK_HEADER.pack(magic, info.compressed_bytes, info.raw_bytes, info.records, info.first_wall_ns, info.last_wall_ns,
                             info.frames, zlib.crc32(payload), 0)
    return head[:-4] + struct.pack("<I", zlib.crc32(head[:-4]))


class CaptureReader:
    """Reads one capture file from its start: `blocks()` for the replay, `records()` for people.

    Both raise CaptureTorn at the place where the file is cut off or damaged, after everything before it was given; with
    allow_truncated they end there instead, and `tear` says what was found.
    """

    def __init__(self, path: str | os.PathLike[str], *, allow_truncated: bool = False):
        self.path = pathlib.Path(path)
        self.allow_truncated = allow_truncated
        self.tear: CaptureTorn | None = None
        self.index: dict[str, Any] | None = None
        self._decompressor = zstandard.ZstdDecompressor()
        try:
            self._file = open(self.path, "rb")  # noqa: SIM115 (close() closes it)
            self.file_bytes = os.fstat(self._file.fileno()).st_size
            self.header = self._read_header()
        except FileNotFoundError:
            raise CaptureError(f"{self.path}: no such capture") from None
        except OSError as error:
            raise CaptureError(f"{self.path}: cannot be read: {error.strerror}") from None

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def venues(self) -> list[str]:
        return self.header.venues

    def records(self) -> Iterator[CaptureRecord]:
        """Every record in file order."""
        cursor = capture.BlockCursor()
        for info, raw in self.blocks():
            cursor.load(raw)
            try:
                for fields in cursor:
                    yield CaptureRecord(*fields)
            except ValueError as error:
                raise CaptureError(f"{self.path}: block at byte {info.offset}: {error}") from None

    def blocks(self) -> Iterator[tuple[BlockInfo, bytes]]:
        """Every block, decompressed and checked. May be called again: each call starts at the first block."""
        offset = self._first_block
        totals = [0, 0]
        self.tear = None
        try:
            while True:
                magic, info, payload = self._read_block(offset)
                raw = self._decompress(info, payload)
                if magic == INDEX_MAGIC:
                    self._finish(info, raw, totals)
                    return
                totals[0] += 1
                totals[1] += info.records
                yield info, raw
                offset += BLOCK_HEADER.size + info.compressed_bytes
        except CaptureTorn as tear:
            rest = self._salvage(offset)
            if rest:
                yield BlockInfo(offset, self.file_bytes - offset, len(rest), -1, -1, 0, 0), rest
            self.tear = tear
            if not self.allow_truncated:
                raise

    # ---- parts

    def _read_header(self) -> CaptureHeader:
        head = self._file.read(FILE_HEADER.size)
        if head[:8] != FILE_MAGIC[:len(head[:8])] or not head:
            raise CaptureError(f"{self.path}: is not a capture (starts with {head[:8]!r}, a capture starts with {FILE_MAGIC!r}); "
                               "recordings of another form are brought in with tools/capture import")
        if len(head) < FILE_HEADER.size:
            raise CaptureTorn(f"{self.path}: torn at byte {self.file_bytes}, inside the file header: nothing can be read",
                              len(head))
        _, version, header_bytes, crc = FILE_HEADER.unpack(head)
        if version != FORMAT_VERSION:
            raise CaptureError(f"{self.path}: capture format version {version}; this build reads version {FORMAT_VERSION}")
        if header_bytes > HEADER_BYTES_MAX:
            raise CaptureError(f"{self.path}: damaged: the header claims {header_bytes} bytes")
        body = self._file.read(header_bytes)
        if len(body) < header_bytes:
            raise CaptureTorn(f"{self.path}: torn at byte {self.file_bytes}, inside the header of {header_bytes} bytes: "
                              "nothing can be read", self.file_bytes)
        if zlib.crc32(body) != crc:
            raise CaptureError(f"{self.path}: damaged: checksum of the header does not match")
        self._first_block = FILE_HEADER.size + header_bytes
        fields = json.loads(body)
        return CaptureHeader(version, fields["venues"], fields["instruments"], fields["created_wall_ns"], fields["source"],
                             fields["extra"])

    def _read_block(self, offset: int) -> tuple[int, BlockInfo, bytes]:
        """Header and payload of the block at `offset`, both checked."""
        if offset == self.file_bytes:
            raise self._torn(offset, "the file ends without its index: it was not closed")
        self._file.seek(offset)
        head = self._file.read(BLOCK_HEADER.size)
        if len(head) < BLOCK_HEADER.size:
            raise self._torn(self.file_bytes, f"the file ends inside the header of the block at byte {offset}")
        magic, compressed, raw, records, first_wall_ns, last_wall_ns, frames, crc, head_crc = BLOCK_HEADER.unpack(head)
        if zlib.crc32(head[:-4]) != head_crc or magic not in (BLOCK_MAGIC, INDEX_MAGIC) or raw > BLOCK_RAW_MAX:
            raise self._torn(offset, "damaged: no valid block header")
        payload = self._file.read(compressed)
        if len(payload) < compressed:
            raise self._torn(self.file_bytes, f"the file ends inside the block at byte {offset}")
        if zlib.crc32(payload) != crc:
            raise self._torn(offset, "damaged: checksum of the block does not match")
        return magic, BlockInfo(offset, compressed, raw, records, frames, first_wall_ns, last_wall_ns), payload

    def _decompress(self, info: BlockInfo, payload: bytes) -> bytes:
        try:
            raw = self._decompressor.decompress(payload, max_output_size=info.raw_bytes)
        except zstandard.ZstdError as error:
            raise self._torn(info.offset, f"damaged: {error}") from None
        if len(raw) != info.raw_bytes:
            raise self._torn(info.offset, f"damaged: {len(raw)} bytes where the block header says {info.raw_bytes}")
        return raw

    def _finish(self, info: BlockInfo, raw: bytes, totals: list[int]) -> None:
        """Compare what was read with the index, which was written last."""
        end = info.offset + BLOCK_HEADER.size + info.compressed_bytes
        self._file.seek(end)
        trailer = self._file.read(TRAILER.size)
        if len(trailer) < TRAILER.size or TRAILER.unpack(trailer) != (info.offset, END_MAGIC):
            raise self._torn(end, "the file ends without its closing mark")
        self.index = json.loads(raw)
        expected = [len(self.index["blocks"]), sum(block[3] for block in self.index["blocks"])]
        if totals != expected:
            raise CaptureError(
                f"{self.path}: damaged: {totals[0]} blocks with {totals[1]} records found, the index has {expected}"
            )

    def _salvage(self, offset: int) -> bytes:
        """Whole records of a block whose end is missing; nothing of a block that is there whole but damaged."""
        self._file.seek(offset)
        data = self._file.read(BLOCK_HEADER.size + BLOCK_RAW_MAX)
        if len(data) <= BLOCK_HEADER.size or offset + len(data) != self.file_bytes:
            return b""
        magic, compressed, raw_bytes, *_, head_crc = BLOCK_HEADER.unpack(data[:BLOCK_HEADER.size])
        if magic != BLOCK_MAGIC or zlib.crc32(data[:BLOCK_HEADER.size - 4]) != head_crc:
            return b""
        payload = data[BLOCK_HEADER.size:]
        if len(payload) >= compressed or raw_bytes > BLOCK_RAW_MAX:
            return b""
        part = b""
        with contextlib.suppress(zstandard.ZstdError):
            part = self._decompressor.decompressobj().decompress(payload)
        return part[:capture.whole_records(part)]

    def _torn(self, offset: int, what: str) -> CaptureTorn:
        return CaptureTorn(f"{self.path}: torn at byte {offset} of {self.file_bytes}: {what}", offset)

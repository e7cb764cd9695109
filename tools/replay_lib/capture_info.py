"""`tools/capture info`: what is in a capture, counted by reading all of it (so a damaged place is found here, not in a
replay)."""
from __future__ import annotations

import pathlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cext import capture
from feeds.capture_format import MARKET_NAMES, TYPE_NAMES, CaptureReader
from feeds.instruments import InstrumentTable


@dataclass
class CaptureInfo:
    """Everything `info` prints."""
    path: str
    venues: list[str]
    source: str
    created_wall_ns: int
    file_bytes: int
    raw_bytes: int = 0
    blocks: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TYPE_NAMES.values(), 0))
    by_instrument: dict[str, dict[str, int]] = field(default_factory=dict)
    instruments: list[str] = field(default_factory=list)
    connections: int = 0
    first_wall_ns: int = 0
    last_wall_ns: int = 0
    largest_frame: int = 0
    dropped_records: int = 0
    torn: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {"path": self.path, "venues": self.venues, "source": self.source, "created_wall_ns": self.created_wall_ns,
                "file_bytes": self.file_bytes, "raw_bytes": self.raw_bytes, "blocks": self.blocks, **self.counts,
                "instruments": self.instruments, "by_instrument": self.by_instrument, "connections": self.connections,
                "first_recv_wall_ns": self.first_wall_ns, "last_recv_wall_ns": self.last_wall_ns,
                "seconds": (self.last_wall_ns - self.first_wall_ns) / 1e9, "largest_frame": self.largest_frame,
                "dropped_records": self.dropped_records, "torn": self.torn}

    def to_text(self) -> str:
        def utc(wall_ns: int) -> str:
            return datetime.fromtimestamp(wall_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        seconds = (self.last_wall_ns - self.first_wall_ns) / 1e9
        lines = [f"{self.path}: {', '.join(self.venues)}, {self.source}",
                 f"  recorded   {utc(self.first_wall_ns)} to {utc(self.last_wall_ns)} UTC, {seconds:.1f} s" if self.first_wall_ns
                 else "  recorded   nothing in it says when",
                 f"  records    {', '.join(f'{count} {name}s' for name, count in self.counts.items())}",
                 f"  size       {self.file_bytes:,} bytes, {self.raw_bytes:,} unpacked, {self.blocks} blocks",
                 f"  largest    {self.largest_frame:,} bytes; {self.connections} connections"]
        lines += [f"  {name:<28} {counts['frames']:>9} frames {counts['snapshots']:>4} snapshots"
                  for name, counts in self.by_instrument.items()]
        if self.dropped_records:
            lines.append(f"  DROPPED    {self.dropped_records} records: the disk could not follow")
        if self.torn:
            lines.append(f"  TORN       {self.torn}")
        return "\n".join(lines)


def read_info(path: pathlib.Path) -> CaptureInfo:
    """Reads the whole file; a tear is in `torn`, not raised."""
    with CaptureReader(path, allow_truncated=True) as reader:
        table = InstrumentTable.from_json(reader.header.instruments)
        info = CaptureInfo(str(path), reader.venues, reader.header.source, reader.header.created_wall_ns, reader.file_bytes)
        info.instruments = [row.name for row in table.rows]
        names = {row.id: row.name for row in table.rows}
        connections = set()
        for block, raw in reader.blocks():
            info.blocks += 1
            info.raw_bytes += block.raw_bytes
            for kind, market, _, connection, row, wall_ns, _, payload in capture.BlockCursor(raw):
                info.counts[TYPE_NAMES[kind]] += 1
                if kind not in (capture.FRAME, capture.SNAPSHOT):
                    continue
                connections.add((market, connection))
                name = names.get(row, f"(not said, {MARKET_NAMES.get(market) or 'no market'})")
                counts = info.by_instrument.setdefault(name, {"frames": 0, "snapshots": 0})
                counts["frames" if kind == capture.FRAME else "snapshots"] += 1
                info.first_wall_ns = min(info.first_wall_ns or wall_ns, wall_ns)
                info.last_wall_ns = max(info.last_wall_ns, wall_ns)
                info.largest_frame = max(info.largest_frame, len(payload))
        info.connections = len(connections)
        info.dropped_records = (reader.index or {}).get("dropped_records", 0)
        info.torn = str(reader.tear) if reader.tear else None
    return info

"""Prints docs/layouts.md: every shared struct as a table of offset, size, type, field and what layout.h says about it.

    python -m tools.draw_layouts                   to standard output
    python -m tools.draw_layouts docs/layouts.md   into the page (make layouts)

Offsets and sizes come from the compiled dtypes, comments from layout.h. tests/layout compares the page with what this prints."""
import pathlib
import re
import sys

from cext import layout
from tools.make_layout_views import HEADER, STRUCT

HEAD = """# Shared layouts

Printed from the compiled dtypes by `make layouts`; a test compares this page with them. The definition is `cext/layout.h`.
Little-endian, no implicit padding. "line" is the cache line (64 bytes) that a field starts in, relative to its struct.
"""
WHAT = {
    "level_t": "one price level", "book_record_t": "one book after one message (ring, board)",
    "trade_record_t": "one public trade (trade ring)",
    "funding_record_t": "funding and mark (board)", "board_entry_t": "the newest of everything for one instrument",
    "segment_header_t": "page 0 of a feed's segment", "state_page_t": "kill words, heartbeats, counters of the engine",
    "histogram_t": "one latency histogram", "hist_header_t": "head of a histogram page; histogram_t[histogram_count] follow",
    "journal_header_t": "head of a journal segment",
    "journal_record_t": "head of a journal record; payload, padded to 8 bytes, follows",
    "leg_order_t": "one order of an intent", "intent_t": "a decision, journaled before a byte leaves",
    "sent_t": "what happened to the bytes of one leg",
    "refusal_t": "a decision that the gate refused", "order_event_t": "one fact about one order",
}
FIELD_LINE = re.compile(r"^\s*\w+\s+(\w+)(?:\[\w+\])?;\s*(?:/\*\s*(.*?)\s*(?:\*/|$))?")
NUMPY_NAMES = {"u1": "uint8", "u2": "uint16", "u4": "uint32", "u8": "uint64", "i4": "int32", "i8": "int64"}


def field_comments(body: str) -> dict[str, str]:
    """field -> its comment in layout.h, continuation lines joined."""
    comments: dict[str, str] = {}
    current = None
    for line in body.splitlines():
        match = FIELD_LINE.match(line)
        if match:
            current = match.group(1)
            comments[current] = match.group(2) or ""
            if "/*" not in line or "*/" in line:
                current = None
        elif current and line.strip():
            comments[current] += " " + line.strip().removeprefix("*").removesuffix("*/").strip()
            if "*/" in line:
                current = None
    return comments


def type_text(kind: str, size: int) -> str:
    """'uint64', 'level_t[16]', 'uint8[24]'."""
    element = layout.DTYPES[kind].itemsize if kind in layout.DTYPES else int(kind[1])
    name = NUMPY_NAMES.get(kind, kind)
    return name if element == size else f"{name}[{size // element}]"


def struct_section(name: str, comments: dict[str, str]) -> str:
    """One struct as a heading and a table."""
    size = layout.STRUCT_BYTES[name]
    lines = ["", f"## {name}", "", f"{WHAT[name][0].upper()}{WHAT[name][1:]}. {size} bytes.", "",
             "| offset | line | bytes | type | field | |", "|---:|---:|---:|---|---|---|"]
    lines += [
        f"| {offset} | {offset // 64} | {bytes_} | {type_text(kind, bytes_)} | {field} | {comments.get(field, '').replace('|', chr(92) + '|')} |".replace(
            " |  |", " | |"
        )
        for field, offset, bytes_, kind in layout.FIELDS[name]
    ]
    return "\n".join(lines)


def draw() -> str:
    """The whole page."""
    bodies = {name: body for body, name in STRUCT.findall(HEADER.read_text())}
    parts = [HEAD.rstrip("\n"), f"Layout version {layout.LAYOUT_VERSION}, hash `{layout.LAYOUT_HASH:016x}`."]
    parts += [struct_section(name, field_comments(bodies[name])) for name in layout.STRUCT_BYTES]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        pathlib.Path(sys.argv[1]).write_text(draw())
    else:
        sys.stdout.write(draw())

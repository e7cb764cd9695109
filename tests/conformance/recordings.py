"""Recorded traffic as a list of steps in the order of arrival, whatever file it came from."""
from __future__ import annotations

import gzip
import io
import pathlib
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import orjson
import zstandard

from tests.conformance.case import Recording
from tests.support.shared_data import shared_data


class Step(NamedTuple):
    """A frame, or a REST depth reply."""

    recv_ns: int
    snapshot_of: str | None  # symbol of a REST depth reply ("" = the only one there is); None = a frame
    body: bytes


def read_steps(recording: Recording) -> list[Step]:
    """Skips the calling test, with the file's name, where the recordings are not beside the project."""
    paths = [shared_data(name) for name in recording.files]
    read = read_lines if recording.form == "lines" else read_cryptofeed
    steps = [step for path in paths for step in read(path, recording)]
    return steps if recording.form == "lines" else sorted(steps, key=lambda step: step.recv_ns)


def read_lines(path: pathlib.Path, recording: Recording) -> Iterator[Step]:
    """`<ns> <frame>` a line, gzip."""
    with gzip.open(path) as lines:
        for line in lines:
            stamp, frame = line.rstrip(b"\n").split(b" ", 1)
            yield Step(int(stamp), "" if frame.startswith(recording.snapshot_text) else None, frame)


def packed_lines(path: pathlib.Path) -> Iterator[Any]:
    """JSON values of a zstd JSONL file."""
    with path.open("rb") as packed:
        for line in io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(packed)):
            yield orjson.loads(line)


def read_cryptofeed(path: pathlib.Path, recording: Recording) -> Iterator[Step]:
    """Grouped by connection in the file: the caller sorts by time."""
    addresses: dict[str, str] = {}
    for told in packed_lines(path):
        stamp = int(Decimal(str(told.get("ts", 0))) * 1_000_000_000)
        if told.get("t") == "connect":
            addresses[told["conn"]] = told["addr"]
        elif told.get("t") == "http" and recording.snapshot_url:
            found = re.search(recording.snapshot_url, told["url"])
            if found:
                yield Step(stamp, found.group(1), told["data"].encode())
        elif told.get("t") == "recv" and "data" in told and recording.address in addresses.get(told["conn"], recording.address):
            yield Step(stamp, None, told["data"].encode())


def read_http(path: pathlib.Path, url: str) -> list[Any]:
    """JSON bodies of the REST replies whose address matches, each once."""
    bodies: dict[str, Any] = {}
    for told in packed_lines(path):
        if told.get("t") == "http" and re.search(url, told["url"]):
            bodies.setdefault(told["url"], orjson.loads(told["data"]))
    return list(bodies.values())

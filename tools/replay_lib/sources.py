"""Lines of recordings, whatever they are packed in: gzip, zstd or plain, told by their first bytes and never by their name.

A packed file that ends early, or is damaged, gives every line up to there, the last one perhaps cut, and then SourceTorn, which
names the file and the place."""
from __future__ import annotations

import pathlib
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

import zstandard

CHUNK_BYTES = 1 << 16  # a hostile file unpacks to a thousand times this at most
LINE_BYTES_MAX = 64 * 1024 * 1024


class SourceError(Exception):
    """A source cannot be read; the text names it."""


class SourceTorn(SourceError):
    """A source ends early; its lines up to there were given."""


def numbered_lines(path: pathlib.Path) -> Iterator[tuple[int, bytes]]:
    """(line number from 1, line without its end) of a source."""
    number = 0
    rest = b""
    tear = ""
    try:
        with open(path, "rb") as file:
            for chunk in _unpacked(file):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    number += 1
                    yield number, line.rstrip(b"\r")
                if len(rest) > LINE_BYTES_MAX:
                    raise SourceError(f"{path}:{number + 1}: line of more than {LINE_BYTES_MAX} bytes: not a recording of frames")
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from None
    except (EOFError, zlib.error, zstandard.ZstdError) as error:
        tear = str(error)
    if rest:
        number += 1
        yield number, rest.rstrip(b"\r")
    if tear:
        raise SourceTorn(f"{path}: torn after line {number}: {tear}")


def _unpacked(file: IO[bytes]) -> Iterator[bytes]:
    """Chunks of the unpacked content."""
    head = file.read(4)
    file.seek(0)
    if head[:2] == b"\x1f\x8b":
        return _inflate(file, lambda: zlib.decompressobj(wbits=31))
    if head == b"\x28\xb5\x2f\xfd":
        return _inflate(file, zstandard.ZstdDecompressor().decompressobj)
    return iter(lambda: file.read(CHUNK_BYTES), b"")


def _inflate(file: IO[bytes], start: Callable[[], Any]) -> Iterator[bytes]:
    """Members or frames one after another, as both formats allow."""
    member: Any = None
    while packed := file.read(CHUNK_BYTES):
        while packed:
            member = member or start()
            yield member.decompress(packed)
            packed = member.unused_data
            if member.eof:
                member = None
    if member is not None:
        raise EOFError("the file ends inside its compressed data")

"""What bench_decode is told about a venue: `CASES = [DecodeCase(...)]` in bench/support/decode_NAME.py, found by name; and a
book that changes as recorded ones do, for machines without the recordings."""
import importlib
import io
import pkgutil
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import zstandard

from bench import support
from bench.support.frames import data_path

Changes = list[tuple[str, str]]  # (price, size) as text; size "0" = gone


@dataclass(frozen=True)
class Frames:
    """What a decoder is given, in order; the first brings the book, or `snapshot` does, before the first."""

    source: str
    frames: list[bytes]
    snapshot: bytes = b""

    @property
    def timed_bytes(self) -> int:
        """Of all frames but a snapshot among them."""
        return sum(len(frame) for frame in self.frames[0 if self.snapshot else 1:])


@dataclass(frozen=True)
class DecodeCase:
    """One kind of book message of one venue."""

    name: str                                   # in the keys: decode.<name>.ns_per_kb
    venue: str
    market: str
    symbol: str
    scales: tuple[int, int]
    load: Callable[[int | None], Frames]        # at most so many frames
    reference: Callable[[bytes], Any]           # (snapshot) -> on_frame(frame), levels()


def load_cases() -> list[DecodeCase]:
    """Of all venues, by name. A module may have several."""
    cases: list[DecodeCase] = []
    for module in sorted(found.name for found in pkgutil.iter_modules(support.__path__)):
        if module.startswith("decode_") and module != "decode_case":
            cases += importlib.import_module(f"bench.support.{module}").CASES
    return cases


def recorded_frames(relative: str, wanted: Callable[[bytes], bool]) -> list[bytes] | None:
    """Received frames of a cryptofeed recording in its order; None where there is no recording."""
    path = data_path(relative)
    if path is None:
        return None
    found = []
    with path.open("rb") as packed:
        for line in io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(packed)):
            told = orjson.loads(line)
            if told.get("t") == "recv" and "data" in told and wanted(frame := told["data"].encode()):
                found.append(frame)
    return found


class MadeSide:
    """One side of a book with a window: what falls out of the best `limit` levels is told as gone."""

    def __init__(self, rng: random.Random, sign: int, limit: int, best: int) -> None:
        self.rng, self.sign, self.limit = rng, sign, limit
        self.levels = {best + sign * n * rng.randint(1, 2): self.size() for n in range(1, limit + 1)}

    def size(self) -> str:
        return f"{self.rng.choice((0.002, 0.05, 0.3, 2.0)) * self.rng.uniform(0.1, 3) + 0.001:.3f}"

    def ordered(self) -> list[int]:
        return sorted(self.levels, reverse=self.sign < 0)

    def change(self, count: int) -> dict[int, str]:
        """`count` changes near the best: six in ten a size, two a new level, two one that goes."""
        changed: dict[int, str] = {}
        rng = self.rng
        for _ in range(count):
            prices = self.ordered()
            px = prices[min(int(rng.expovariate(1 / 25)), len(prices) - 1)]
            draw = rng.random()
            if draw < 0.2 and len(prices) > self.limit // 2:
                del self.levels[px]
                changed[px] = "0"
                continue
            if draw > 0.8:
                px += self.sign * rng.randint(1, 3)
            self.levels[px] = changed[px] = self.size()
        for px in self.ordered()[self.limit:]:
            del self.levels[px]
            changed[px] = "0"
        return changed


def made_book(count: int, limit: int, seed: int, changes: tuple[int, int]) -> Iterator[tuple[Changes, Changes]]:
    """First the whole book, then `count` times what changed: (bids, asks), prices with one decimal, best first."""
    rng = random.Random(seed)
    sides = MadeSide(rng, -1, limit, 651_142), MadeSide(rng, 1, limit, 651_143)

    def text(levels: dict[int, str], sign: int) -> Changes:
        return [(f"{px / 10:.1f}", levels[px]) for px in sorted(levels, reverse=sign < 0)]

    yield text(sides[0].levels, -1), text(sides[1].levels, 1)
    for _ in range(count):
        yield text(sides[0].change(rng.randint(*changes)), -1), text(sides[1].change(rng.randint(*changes)), 1)

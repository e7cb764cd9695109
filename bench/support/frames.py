"""Depth frames for benches: a recording beside the project when there is one, else generated ones of the same shape.

The shape (USD-M BTCUSDT, depth@0ms, 2024-08-08, 6,545 messages): 1,600 bytes and 68 levels a message, sorted by price; 59 %
change a level, 19 % add one, 18 % take one away, 4 % take away one that is not there; half of all changes lie within 230 levels
of the best, one in ten beyond 1,200; the book grows to 5,000 levels a side."""
import bisect
import gzip
import os
import pathlib
import random
from dataclasses import dataclass, field

from bench.harness import ROOT

RECORDING = "hftbacktest/usdm/btcusdt_20240808.gz"
PX_SCALE, QTY_SCALE = 1, 3
SEED = 20240808


@dataclass(slots=True)
class Frames:
    """A snapshot and what follows it, as received."""

    source: str
    snapshot: bytes
    depth: list[bytes] = field(default_factory=list)  # all that are not older than the snapshot
    tops: list[bytes] = field(default_factory=list)

    @property
    def depth_bytes(self) -> int:
        return sum(len(frame) for frame in self.depth)


def data_path(relative: str) -> pathlib.Path | None:
    """Where a recording lies, if it does."""
    path = pathlib.Path(os.environ.get("LOCKSTEP_SHARED", ROOT.parent / "shared")) / "data" / relative
    return path if path.exists() else None


def load_frames(limit: int | None = None) -> Frames:
    """Recorded frames, at most `limit` of depth; generated ones when nothing is recorded."""
    path = data_path(RECORDING)
    return generated_frames(limit or 2000) if path is None else recorded_frames(path, limit)


def recorded_frames(path: pathlib.Path, limit: int | None) -> Frames:
    """The first messages of such a recording come before its snapshot: those that the snapshot makes old are left out."""
    waiting: list[bytes] = []
    frames: Frames | None = None
    with gzip.open(path) as lines:
        for line in lines:
            text = line.rstrip(b"\n").split(b" ", 1)[1]
            if text.startswith(b'{"lastUpdateId"'):
                last_id = int(text[16:text.index(b",")])
                frames = Frames(RECORDING, text, [frame for frame in waiting if final_id(frame) >= last_id])
            elif b'"depthUpdate"' in text[:80]:
                (waiting if frames is None else frames.depth).append(text)
            elif b'"bookTicker"' in text[:80] and frames is not None:
                frames.tops.append(text)
            if limit and frames is not None and len(frames.depth) >= limit:
                break
    if frames is None:
        raise ValueError(f"{path}: holds no snapshot")
    return frames


def final_id(frame: bytes) -> int:
    """`u` of a depth message, without parsing it."""
    start = frame.index(b'"u":') + 4
    return int(frame[start:frame.index(b",", start)])


class Generator:
    """One side of a book whose deltas have the recorded shape."""

    def __init__(self, rng: random.Random, sign: int) -> None:
        self.rng = rng
        self.sign = sign
        self.keys = sorted(sign * (618_000 + sign * n * rng.randint(1, 3)) for n in range(1, 1001))
        self.keys = sorted(set(self.keys))

    def qty(self) -> str:
        return f"{self.rng.choice((0.002, 0.05, 0.3, 2.0)) * self.rng.uniform(0.1, 3) + 0.001:.3f}"

    def level(self, key: int, qty: str) -> tuple[float, str]:
        return key * self.sign / 10, f'["{key * self.sign / 10:.2f}","{qty}"]'

    def change(self) -> tuple[float, str]:
        """(price, text) of one changed level."""
        rng = self.rng
        index = min(int(rng.expovariate(1 / rng.choice((60, 300, 1500)))), len(self.keys) - 1)
        draw = rng.random()
        if draw < 0.59:
            return self.level(self.keys[index], self.qty())
        if draw < 0.77 and len(self.keys) > 900:
            return self.level(self.keys.pop(index), "0.000")
        key = self.keys[index] + rng.randint(1, 4)
        if draw > 0.96 or key in self.keys[index:index + 8]:
            return self.level(self.keys[-1] + rng.randint(5, 500), "0.000")
        bisect.insort(self.keys, key)
        return self.level(key, self.qty())


def generated_frames(count: int, seed: int = SEED) -> Frames:
    """`count` depth messages with continuous ids behind a snapshot of 1,000 levels a side."""
    rng = random.Random(seed)
    sides = {"b": Generator(rng, -1), "a": Generator(rng, 1)}
    update_id = 5_123_107_852_948
    start = {side: ",".join(generator.level(key, generator.qty())[1] for key in generator.keys)
             for side, generator in sides.items()}
    frames = Frames(f"generated, seed {seed}", f'{{"lastUpdateId":{update_id},"E":1723161256501,"T":1723161256493,'
                                               f'"bids":[{start["b"]}],"asks":[{start["a"]}]}}'.encode())
    previous = update_id - 2000
    first = update_id - 1000
    for number in range(count):
        last = update_id + 100 if number == 0 else first + rng.randint(50, 5000)
        changes = {side: sorted({price: text for price, text in (generator.change() for _ in range(rng.randint(8, 60)))}.items())
                   for side, generator in sides.items()}
        text = {side: ",".join(level for _, level in rows) for side, rows in changes.items()}
        stamp = 1_723_161_256_550 + number * 50
        frames.depth.append(
            f'{{"stream":"btcusdt@depth@0ms","data":{{"e":"depthUpdate","E":{stamp},"T":{stamp - 1},"s":"BTCUSDT","U":{first},'
            f'"u":{last},"pu":{previous},"b":[{text["b"]}],"a":[{text["a"]}]}}}}'.encode()
        )
        bid, ask = -sides["b"].keys[0] / 10, sides["a"].keys[0] / 10
        frames.tops.append(
            f'{{"stream":"btcusdt@bookTicker","data":{{"e":"bookTicker","u":{last + 1},"s":"BTCUSDT","b":"{bid:.2f}","B":"2.507",'
            f'"a":"{ask:.2f}","A":"2.510","T":{stamp},"E":{stamp}}}}}'.encode()
        )
        previous, first = last, last + rng.randint(2, 400)
    return frames

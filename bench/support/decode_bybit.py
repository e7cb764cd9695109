"""Bybit linear BTCUSDT orderbook.200: recorded (414 messages, 2026-08-09), else of the same shape: 650 bytes and 26 changes a
message, near the best."""
import orjson

from bench.reference.sorteddict_bybit import Book
from bench.support.decode_case import DecodeCase, Frames, made_book, recorded_frames

RECORDING = "cryptofeed_v3/BYBIT.jsonl.zst"
SEED, DEPTH, COUNT = 20260809, 200, 400


def load(limit: int | None) -> Frames:
    # linear has `type` before `ts`, spot the other way round: that is how the two sockets of the recording are told
    found = recorded_frames(RECORDING, lambda frame: frame.startswith(b'{"topic":"orderbook.200.BTCUSDT","type":'))
    return Frames(RECORDING, found[:limit]) if found is not None else generated(limit or COUNT)


def generated(count: int) -> Frames:
    frames = []
    for number, (bids, asks) in enumerate(made_book(count, DEPTH, SEED, (1, 25))):
        stamp = 1_786_310_818_129 + number * 100
        data = {"s": "BTCUSDT", "b": bids, "a": asks, "u": 15_076_952 + number, "seq": 753_843_911_359 + number * 2500}
        frames.append(orjson.dumps({"topic": "orderbook.200.BTCUSDT", "type": "delta" if number else "snapshot", "ts": stamp,
                                    "data": data, "cts": stamp - 3}))
    return Frames(f"generated, seed {SEED}", frames)


CASES = [DecodeCase("bybit", "bybit", "linear", "BTCUSDT", (1, 3), load, lambda snapshot: Book())]

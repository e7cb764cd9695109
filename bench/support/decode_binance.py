"""Binance USD-M BTCUSDT depth@0ms: the frames of bench_decode_book."""
from bench.reference.sorteddict_book import Book
from bench.support.decode_case import DecodeCase, Frames
from bench.support.frames import PX_SCALE, QTY_SCALE, load_frames


def load(limit: int | None) -> Frames:
    frames = load_frames(limit)
    return Frames(frames.source, frames.depth, frames.snapshot)


CASES = [DecodeCase("binance", "binance", "linear", "BTCUSDT", (PX_SCALE, QTY_SCALE), load, Book)]

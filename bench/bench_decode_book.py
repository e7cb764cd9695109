"""A depth frame becomes a book and a record: decode + apply + record of 16 levels a side, per 1,000 bytes, against orjson +
SortedDict.

Frames: USD-M BTCUSDT depth@0ms, recorded (else generated of the same shape), 1,600 bytes and 68 levels each, on a book of up to
5,000 levels a side. Good: at most 1,000 ns per 1,000 bytes, at least 25 times as fast as the reference
(bench/reference/sorteddict_book.py, frozen). Also a frame of the top-of-book stream. The loop runs in Cython without the GIL;
left out are the socket and the ring (bench_ring_hop). Both are pure computing, so the clock is the thread's own CPU time: what
other processes do to the machine does not decide the figure.

Why the book is blocks of 64 levels: docs/decisions/book.md."""
import time
from decimal import Decimal
from typing import Any

from bench import harness
from bench.reference.sorteddict_book import Book
from bench.support.frames import PX_SCALE, QTY_SCALE, Frames, load_frames
from cext.decoders.binance import BinanceMarket
from cext.instrument import make_instrument_array

ROUNDS = 7
QUICK_FRAMES = 60


def instrument() -> dict[str, Any]:
    """BTCUSDT of USD-M as a table row."""
    return {"id": 0, "name": "binance:BTC/USDT:USDT", "venue": "binance", "market": "linear", "symbol": "BTCUSDT", "base": "BTC",
            "quote": "USDT",
            "settle": "USDT", "underlying": "BTC", "multiplier": 1, "contract_size": "1", "px_scale": PX_SCALE,
            "qty_scale": QTY_SCALE,
            "tick": "0.1", "lot": "0.001", "min_qty": "0.001", "max_qty": "1000", "min_notional": "100", "min_px": "0",
            "max_px": "0",
            "maker_fee": "0.0002", "taker_fee": "0.0005", "status": "TRADING"}


def synced_market(frames: Frames) -> BinanceMarket:
    """Before the first delta."""
    market = BinanceMarket(make_instrument_array([instrument()]), "linear", [0])
    outcome = market.apply_snapshot(0, frames.snapshot)
    if outcome != "waiting":
        raise AssertionError(f"the snapshot of {frames.source} was not loaded: {outcome}")
    return market


def check_result(frames: Frames) -> None:
    """Every level of the final book equals the reference's, and the record's are its best 16."""
    market, reference = synced_market(frames), Book(frames.snapshot)
    market.run(frames.depth)
    record = ()
    for frame in frames.depth:
        record = reference.on_frame(frame)
    def scaled(levels: list[tuple[float, float]]) -> list[tuple[int, int]]:
        return [(int(Decimal(repr(px)).scaleb(PX_SCALE)), int(Decimal(repr(qty)).scaleb(QTY_SCALE))) for px, qty in levels]
    wanted = dict(zip(("bids", "asks"), map(scaled, reference.levels()), strict=True))
    stats, made = market.stats(0), market.record(0)
    if (
        market.book(0) != wanted
        or stats["applied"] != len(frames.depth)
        or made["bids"] != scaled(record[2])
        or made["asks"] != scaled(record[3])
    ):
        raise AssertionError(f"book and reference differ ({stats})")


def time_ours(frames: Frames) -> float:
    market = synced_market(frames)
    started = time.thread_time_ns()
    market.run(frames.depth)
    return float(time.thread_time_ns() - started)


def time_reference(frames: Frames) -> float:
    book = Book(frames.snapshot)
    started = time.thread_time_ns()
    for frame in frames.depth:
        book.on_frame(frame)
    return float(time.thread_time_ns() - started)


def time_top(frames: Frames) -> float:
    """ns a top-of-book frame, on the synced book."""
    market = synced_market(frames)
    market.run(frames.depth[:1])
    started = time.thread_time_ns()
    market.run(frames.tops)
    return (time.thread_time_ns() - started) / len(frames.tops)


def measure(quick: bool = False) -> dict[str, Any]:
    """Flat keys; times of whole passes over all frames, interleaved with the reference."""
    frames = load_frames(QUICK_FRAMES if quick else None)
    check_result(frames)
    kilobytes = frames.depth_bytes / 1000
    with harness.quiet():
        times = harness.interleave({"ours": lambda: time_ours(frames), "reference": lambda: time_reference(frames)}, 2
                                   if quick else ROUNDS)
        tops = sorted(time_top(frames) for _ in range(2 if quick else ROUNDS))
        each = synced_market(frames).run_each(frames.depth)
    ours = sorted(times["ours"])
    return {"decode_book.ratio_vs_sorteddict": harness.median_ratio(times["reference"], times["ours"]),
            "decode_book.ns_per_kb": ours[len(ours) // 2] / kilobytes,
            "decode_book.ns_per_level": ours[len(ours) // 2] / sum(frame.count(b'["') for frame in frames.depth),
            "decode_book.reference_ns_per_kb": sorted(times["reference"])[len(ours) // 2] / kilobytes,
            "decode_book.top_ns": tops[len(tops) // 2],
            "decode_book.percentiles": harness.percentiles(each),  # wall ns a frame, one clock read included
            "decode_book.source": frames.source}


def test_decode_book_bench_runs_and_its_result_is_checked() -> None:
    figures = measure(quick=True)
    assert figures["decode_book.ratio_vs_sorteddict"] > 1
    assert figures["decode_book.percentiles"]["count"] > 0

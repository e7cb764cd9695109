"""A book message of each venue becomes a book and a record: decode + apply + record of 16 levels a side, per 1,000 bytes,
against orjson + SortedDict.

Frames, references and what they leave out: bench/support/decode_NAME.py, bench/reference/sorteddict_NAME.py. Good: at least
20 times as fast as the reference. The loop runs in Cython without the GIL; left out are the socket and the ring
(bench_ring_hop). Both are pure computing, so the clock is the thread's own CPU time. Where a recording is short its frames
are played several times over, each time into a new decoder; bringing the book (the first message, or a REST body) is not
timed."""
import time
from decimal import Decimal
from typing import Any

from bench import harness
from bench.support.decode_case import DecodeCase, Frames, load_cases
from cext.decoders.market import MarketDecoder
from cext.instrument import make_instrument_array
from feeds.instruments import InstrumentRow
from feeds.registry import UnknownVenue, feed_venue

ROUNDS = 7
QUICK_FRAMES = 60
TIMED_BYTES = 1_500_000   # at least so many a round


def instrument(case: DecodeCase) -> InstrumentRow:
    """The symbol as a table row."""
    tick, lot = Decimal(1).scaleb(-case.scales[0]), Decimal(1).scaleb(-case.scales[1])
    return InstrumentRow(
        id=0, name=f"{case.venue}:BTC/USDT" + (":USDT" if case.market == "linear" else ""), venue=case.venue, market=case.market,
        symbol=case.symbol, base="BTC", quote="USDT", settle="USDT", underlying="BTC", multiplier=1, contract_size=Decimal(1),
        px_scale=case.scales[0], qty_scale=case.scales[1], tick=tick, lot=lot, min_qty=lot, max_qty=Decimal(0),
        min_notional=Decimal(0), min_px=Decimal(0), max_px=Decimal(0), maker_fee=Decimal(0), taker_fee=Decimal(0),
        status="TRADING", account=feed_venue(case.venue).account)


def synced_decoder(case: DecodeCase, frames: Frames) -> tuple[MarketDecoder, list[bytes]]:
    """(decoder before its first change, the changes)."""
    decoder = feed_venue(case.venue).make_decoder(make_instrument_array([instrument(case)]), case.market, [0])
    if frames.snapshot:
        outcome = decoder.apply_snapshot(0, frames.snapshot)
        if outcome not in ("waiting", "synced"):
            raise AssertionError(f"{case.name}: the snapshot of {frames.source} was not loaded: {outcome}")
        return decoder, frames.frames
    told = decoder.decode(frames.frames[0])
    if told["kind"] != "book":
        raise AssertionError(f"{case.name}: the first message of {frames.source} was taken as {told['kind']}")
    return decoder, frames.frames[1:]


def begun_reference(case: DecodeCase, frames: Frames) -> tuple[Any, list[bytes]]:
    """The same of the reference."""
    book = case.reference(frames.snapshot)
    if frames.snapshot:
        return book, frames.frames
    book.on_frame(frames.frames[0])
    return book, frames.frames[1:]


def check_result(case: DecodeCase, frames: Frames) -> None:
    """Every level of the final book equals the reference's, and the record's are its best 16."""
    def scaled(levels: list[tuple[float, float]]) -> list[tuple[int, int]]:
        return [(int(Decimal(repr(px)).scaleb(case.scales[0])), int(Decimal(repr(qty)).scaleb(case.scales[1])))
                for px, qty in levels]
    decoder, changes = synced_decoder(case, frames)
    reference, _ = begun_reference(case, frames)
    decoder.run(changes)
    record: tuple = ()
    for frame in changes:
        record = reference.on_frame(frame)
    book, made = decoder.book(0), decoder.record(0)
    bids, asks = map(scaled, reference.levels())
    stats = decoder.stats(0)
    if book != {"bids": bids, "asks": asks} or (made["bids"], made["asks"]) != (scaled(record[2]), scaled(record[3])):
        raise AssertionError(f"{case.name}: book and reference differ after {len(changes)} messages ({stats})")
    if stats["gaps"] or stats["invalid"] or not made["flags"] & 1:
        raise AssertionError(f"{case.name}: the decoder lost the book ({stats})")


def passes(frames: Frames, is_quick: bool) -> int:
    return 1 if is_quick else max(1, -(-TIMED_BYTES // frames.timed_bytes))


def time_ours(case: DecodeCase, frames: Frames, times: int) -> float:
    """ns for `times` passes."""
    prepared = [synced_decoder(case, frames) for _ in range(times)]
    started = time.thread_time_ns()
    for decoder, changes in prepared:
        decoder.run(changes)
    return float(time.thread_time_ns() - started)


def time_reference(case: DecodeCase, frames: Frames, times: int) -> float:
    prepared = [begun_reference(case, frames) for _ in range(times)]
    started = time.thread_time_ns()
    for book, changes in prepared:
        for frame in changes:
            book.on_frame(frame)
    return float(time.thread_time_ns() - started)


def measure_case(case: DecodeCase, quick: bool = False) -> dict[str, Any]:
    """Flat keys decode.<name>.*; times of whole passes, interleaved with the reference."""
    frames = case.load(QUICK_FRAMES if quick else None)
    check_result(case, frames)
    times = passes(frames, quick)
    with harness.quiet():
        taken = harness.interleave({"ours": lambda: time_ours(case, frames, times),
                                    "reference": lambda: time_reference(case, frames, times)}, 2 if quick else ROUNDS)
    kilobytes = times * frames.timed_bytes / 1000
    key = f"decode.{case.name}"
    return {f"{key}.ratio_vs_sorteddict": harness.median_ratio(taken["reference"], taken["ours"]),
            f"{key}.ns_per_kb": sorted(taken["ours"])[len(taken["ours"]) // 2] / kilobytes,
            f"{key}.reference_ns_per_kb": sorted(taken["reference"])[len(taken["ours"]) // 2] / kilobytes,
            f"{key}.source": frames.source}


def measure(quick: bool = False) -> dict[str, Any]:
    """All venues that have a feed."""
    figures: dict[str, Any] = {}
    for case in load_cases():
        try:
            feed_venue(case.venue)
        except UnknownVenue as error:
            figures[f"decode.{case.name}.source"] = f"no feed: {error}"
            continue
        figures |= measure_case(case, quick)
    return figures


def test_decode_bench_runs_and_its_results_are_checked() -> None:
    figures = measure(quick=True)
    ratios = [value for key, value in figures.items() if key.endswith("ratio_vs_sorteddict")]
    assert ratios and min(ratios) > 1, figures

"""Random damage: hundreds of thousands of mutated frames must not crash anything, and what is accepted must be what a plain
parser reads."""
import random
import re
from decimal import Decimal
from typing import Any

import orjson
import pytest

from cext.decoders.binance import BinanceMarket
from cext.decoders.market import FRAME_KINDS
from tests.support import decoder_fuzz
from tests.support.market_rig import depth, make_market, snapshot, top
from tests.wire.test_binance_market_frames import ALL_LINEAR, ALL_SPOT, BIG_DEPTH, LINEAR, SPOT, wrapped

LEVEL = re.compile(rb'\["([0-9]+(?:\.[0-9]+)?)","([0-9]+(?:\.[0-9]+)?)"\]')
SNAPSHOTS = [snapshot(156, [("20.0", "1")], [("90.0", "1")]), snapshot(100),
             snapshot(170, [(f"{n}.00", "1") for n in range(20, 60)], [("99.00", "3")])]
CHAIN = [depth(100, 157 + n, [(f"{20 + n % 30}.00", f"{n % 3}")], [(f"{90 - n % 40}.50", f"{n % 2}")], previous=156 + n,
               symbol=symbol)
         for n in range(200) for symbol in SPOT]
TOPS = [top(150 + n, (f"{20 + n % 30}.10", "1"), (f"{90 - n % 40}.40", "1"), symbol=symbol) for n in range(0, 60, 7)
        for symbol in SPOT]


@pytest.mark.parametrize(("market_name", "symbols", "frames", "seed"), [
    ("spot", SPOT, [*ALL_SPOT, *CHAIN, *TOPS, *map(wrapped, ALL_SPOT)], 11),
    ("linear", LINEAR, [*ALL_LINEAR, *CHAIN, *TOPS, *map(wrapped, ALL_LINEAR)], 12),
])
def test_mutated_frames_never_crash_and_never_leave_an_unsound_record(market_name: str, symbols: Any, frames: list[bytes],
                                                                      seed: int) -> None:
    market = make_market(market_name, symbols)
    counts = dict(zip(FRAME_KINDS, decoder_fuzz.run(market, frames, SNAPSHOTS, 1_000_000, seed), strict=True))
    print(f"seed {seed}: {counts}")
    assert min(counts["error"], counts["book"]) > 100_000 and min(counts[kind]
                                                                  for kind in ("book", "nothing", "buffered", "need_snapshot",
                                                                               "unknown")) > 0


def plain_reading(frame: bytes) -> Any:
    """The payload as a strict, slow parser reads it; None when it is not JSON, or holds a key twice."""
    def refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("a key twice")
        return dict(pairs)
    import json
    try:
        orjson.loads(frame)
        told = json.loads(frame, object_pairs_hook=refuse_twice)
    except ValueError:
        return None
    return told.get("data", told) if isinstance(told, dict) else None


def fresh() -> BinanceMarket:
    market = make_market("spot", SPOT)
    for row, symbol in enumerate(SPOT):
        market.decode(depth(150, 156, symbol=symbol))
        assert market.apply_snapshot(row, snapshot(156, [("20.0", "1")], [("90.0", "1")])) == "synced"
    return market


def test_what_is_accepted_of_mutated_depth_is_what_a_plain_parser_reads() -> None:
    rng = random.Random(13)
    accepted = 0
    for number in range(20_000):
        frame = decoder_fuzz.mutated(rng.choice((BIG_DEPTH, wrapped(BIG_DEPTH), CHAIN[0])), 100 + number, rng.randint(1, 2))
        market = fresh()
        told = market.decode(frame)
        if told["kind"] not in ("book", "need_snapshot"):
            continue
        plain = plain_reading(frame)
        if plain is None or told["kind"] == "need_snapshot":
            continue
        accepted += 1
        row = told["row"]
        px_scale, qty_scale = list(SPOT.values())[row]
        wanted = {"bids": {20 * 10**px_scale: 10**qty_scale}, "asks": {90 * 10**px_scale: 10**qty_scale}}
        for side, key in (("bids", "b"), ("asks", "a")):
            for price, size in plain[key]:
                px, qty = Decimal(price).scaleb(px_scale), Decimal(size).scaleb(qty_scale)
                assert px == int(px) and qty == int(qty), f"{frame!r}"
                wanted[side].pop(int(px), None) if qty == 0 else wanted[side].__setitem__(int(px), int(qty))
        book = market.book(row)
        assert dict(book["bids"]) == wanted["bids"] and dict(book["asks"]) == wanted["asks"], f"mutation {number}: {frame!r}"
    assert accepted > 500


def test_bytes_that_are_not_json_change_no_level() -> None:
    """Text that a strict parser refuses may pass only when the damage lies in a value that we skip; its levels then stand in the
    frame."""
    rng = random.Random(14)
    for number in range(20_000):
        frame = decoder_fuzz.mutated(rng.choice((BIG_DEPTH, wrapped(BIG_DEPTH))), 900_000 + number, rng.randint(1, 3))
        market = fresh()
        told = market.decode(frame)
        if told["kind"] != "book" or plain_reading(frame) is not None:
            continue
        px_scale, qty_scale = list(SPOT.values())[told["row"]]
        levels = {(Decimal(price.decode()), Decimal(size.decode())) for price, size in LEVEL.findall(frame)} | {(20, 1), (90, 1)}
        book = market.book(told["row"])
        made = {(Decimal(px).scaleb(-px_scale), Decimal(qty).scaleb(-qty_scale)) for px, qty in book["bids"] + book["asks"]}
        assert made <= levels, f"mutation {number}: {frame!r} gave {made - levels}"


def test_mutated_top_is_read_as_a_plain_parser_reads_it() -> None:
    rng = random.Random(15)
    source = top(400, ("25.3519", "31.21"), ("25.3652", "40.66"), symbol="BNBUSDT")
    accepted = 0
    for number in range(20_000):
        frame = decoder_fuzz.mutated(rng.choice((source, wrapped(source))), 5_000_000 + number, rng.randint(1, 2))
        market = fresh()
        told = market.decode(frame)
        plain = plain_reading(frame)
        if told["kind"] != "book" or told["row"] != 0 or plain is None:
            continue
        accepted += 1
        record = market.record(0)
        assert record["top_update_id"] == plain["u"]
        assert record["bids"][:1] == [(px, qty)
                                      for px,
                                      qty in [(int(Decimal(plain["b"]).scaleb(4)), int(Decimal(plain["B"]).scaleb(2)))] if qty]
        assert record["asks"][:1] == [(px, qty)
                                      for px,
                                      qty in [(int(Decimal(plain["a"]).scaleb(4)), int(Decimal(plain["A"]).scaleb(2)))] if qty]
    assert accepted > 500

"""Random damage to Bybit frames: hundreds of thousands of mutations must not crash anything, and what is accepted must be what a
plain parser reads."""
import json
import random
import re
from decimal import Decimal
from typing import Any

import orjson
import pytest

from cext.decoders.bybit import BybitMarket
from cext.decoders.market import FRAME_KINDS
from tests.support import decoder_fuzz
from tests.support.bybit_rig import book, make_bybit, rest_book, top
from tests.wire.test_bybit_frames import ALL_LINEAR, ALL_SPOT, LINEAR, SPOT

LEVEL = re.compile(rb'\["([0-9]+(?:\.[0-9]+)?)","([0-9]+(?:\.[0-9]+)?)"\]')
BIDS, ASKS = [("20.00", "1")], [("90.00", "1")]
REPLIES = [rest_book(156, 1056, BIDS, ASKS), rest_book(170, 1070, [(f"{n}.00", "1") for n in range(20, 60)], [("99.00", "3")])]
BIG_DELTA = book("delta", 157, 1057, [(f"{50 - n / 4:.2f}", f"{n + 1}.250") for n in range(12)],
                 [(f"{61 + n / 4:.2f}", "0.010") for n in range(9)])
CHAIN = [book("delta", 157 + n % 6, 1057 + n % 6, [(f"{20 + n % 30}.00", f"{n % 3}")], [(f"{90 - n % 40}.50", f"{n % 2}")],
              symbol=symbol)
         for n in range(48) for symbol in LINEAR]
WHOLE = [book("snapshot", 156 + n % 6, 1056 + n, BIDS, ASKS, symbol=symbol) for n in range(12) for symbol in LINEAR]
TOPS = [top(700 + n, 1050 + n, (f"{20 + n % 30}.10", "1"), (f"{90 - n % 40}.40", "1"), symbol=symbol) for n in range(0, 60, 7)
        for symbol in LINEAR]


@pytest.mark.parametrize(("market_name", "symbols", "frames", "seed"), [
    ("linear", LINEAR, [*ALL_LINEAR, *CHAIN, *WHOLE, *TOPS, *TOPS], 31),
    ("spot", SPOT, [*ALL_SPOT, *CHAIN, *WHOLE, *TOPS, *TOPS], 32),
])
def test_mutated_frames_never_crash_and_never_leave_an_unsound_record(market_name: str, symbols: Any, frames: list[bytes],
                                                                      seed: int) -> None:
    market = make_bybit(market_name, symbols)
    counts = dict(zip(FRAME_KINDS, decoder_fuzz.run(market, frames, REPLIES, 1_000_000, seed), strict=True))
    print(f"seed {seed}: {counts}")
    assert min(counts["error"], counts["book"]) > 30_000 and min(counts[kind] for kind in ("nothing", "buffered", "need_snapshot",
                                                                                           "unknown")) > 0


def plain_reading(frame: bytes) -> Any:
    """The frame as a strict, slow parser reads it; None when it is not JSON, or holds a key twice."""
    def refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("a key twice")
        return dict(pairs)
    try:
        orjson.loads(frame)
        told = json.loads(frame, object_pairs_hook=refuse_twice)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def fresh() -> BybitMarket:
    market = make_bybit("linear", LINEAR)
    for symbol in LINEAR:
        assert market.decode(book("snapshot", 156, 1056, BIDS, ASKS, symbol=symbol))["kind"] == "book"
    return market


def test_what_is_accepted_of_a_mutated_delta_is_what_a_plain_parser_reads() -> None:
    rng = random.Random(33)
    accepted = 0
    for number in range(20_000):
        frame = decoder_fuzz.mutated(rng.choice((BIG_DELTA, CHAIN[0], WHOLE[-1])), 100 + number, rng.randint(1, 2))
        market = fresh()
        told = market.decode(frame)
        plain = plain_reading(frame)
        if told["kind"] != "book" or plain is None:
            continue
        accepted += 1
        scales = list(LINEAR.values())[told["row"]]
        data = plain["data"]
        is_whole = plain["type"] == "snapshot" or data["u"] == 1
        assert plain["topic"].rpartition(".")[2] == data["s"] == list(LINEAR)[told["row"]]
        assert is_whole or data["u"] == 157
        for side, key, first in (("bids", "b", (20, 1)), ("asks", "a", (90, 1))):
            wanted = {} if is_whole else {first[0] * 10 ** scales[0]: first[1] * 10 ** scales[1]}
            for price, size in data[key]:
                px, qty = Decimal(price).scaleb(scales[0]), Decimal(size).scaleb(scales[1])
                assert px == int(px) and qty == int(qty), f"{frame!r}"
                wanted.pop(int(px), None) if qty == 0 else wanted.__setitem__(int(px), int(qty))
            assert dict(market.book(told["row"])[side]) == wanted, f"mutation {number}: {frame!r}"
    assert accepted > 500


def test_bytes_that_are_not_json_change_no_level() -> None:
    """Text that a strict parser refuses may pass only when the damage lies in a value that we skip; its levels then stand in the
    frame."""
    rng = random.Random(34)
    for number in range(20_000):
        frame = decoder_fuzz.mutated(BIG_DELTA, 900_000 + number, rng.randint(1, 3))
        market = fresh()
        told = market.decode(frame)
        if told["kind"] != "book" or plain_reading(frame) is not None:
            continue
        scales = list(LINEAR.values())[told["row"]]
        levels = {(Decimal(price.decode()), Decimal(size.decode())) for price, size in LEVEL.findall(frame)} | {(20, 1), (90, 1)}
        made = {(Decimal(px).scaleb(-scales[0]), Decimal(qty).scaleb(-scales[1]))
                for side in market.book(told["row"]).values() for px, qty in side}
        assert made <= levels, f"mutation {number}: {frame!r} gave {made - levels}"


def test_mutated_top_is_read_as_a_plain_parser_reads_it() -> None:
    rng = random.Random(35)
    source = top(700, 1100, ("25.35", "31.211"), ("25.36", "40.661"))
    accepted = 0
    for number in range(20_000):
        frame = decoder_fuzz.mutated(source, 5_000_000 + number, rng.randint(1, 2))
        market = fresh()
        told = market.decode(frame)
        plain = plain_reading(frame)
        if told["kind"] != "book" or plain is None or not plain["topic"].startswith("orderbook.1."):
            continue
        accepted += 1
        record = market.record(0)
        assert record["top_update_id"] == plain["data"]["seq"]
        for side, key in (("bids", "b"), ("asks", "a")):
            levels = [(int(Decimal(px).scaleb(2)), int(Decimal(qty).scaleb(3))) for px, qty in plain["data"][key]]
            assert record[side][:1] == levels, f"{frame!r}"
    assert accepted > 500

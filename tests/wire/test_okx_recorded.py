"""Recorded OKX traffic of 2022 through the decoder: final books, counts and digests equal those that an independent script
computed with exact decimals and dictionaries (data/README.md of the recordings), and every checksum of the venue verifies.
Skipped where the recordings are not beside the project.

A dated inverse future, an inverse perpetual and a spot pair: the decoder does not care, one contract counts as one unit."""

import io
from functools import cache

import orjson
import pytest
import zstandard

from cext.decoders.okx import OkxMarket
from feeds.registry import feed_venue
from tests.support.market_rig import book_digest
from tests.support.okx_rig import market_of, okx_row
from tests.support.shared_data import shared_data

pytestmark = pytest.mark.shared

SCALES = {"BTC-USD-220527": (1, 0), "BTC-USDT": (1, 8), "UNI-USD-SWAP": (3, 0)}
WANTED = {
    "BTC-USD-220527": (99, (74, 62), 1652459236119, "b180e099e0a8f385", ("30229.4", "2"), ("30238.8", "3")),
    "BTC-USDT": (98, (400, 400), 1652459236096, "626a03fbe8842924", ("30236.1", "0.18050747"), ("30236.2", "0.001")),
    "UNI-USD-SWAP": (93, (125, 118), 1652459236094, "f8df1e27b5647c9c", ("5.137", "20"), ("5.145", "50")),
}


@cache
def recorded() -> tuple[bytes, ...]:
    """Frames received, in their order."""
    with shared_data("cryptofeed_v3/OKX.jsonl.zst").open("rb") as packed:
        lines = [orjson.loads(line) for line in io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(packed))]
    return tuple(line["data"].encode() for line in lines if line.get("t") == "recv")


def fresh(extra: int = 0) -> OkxMarket:
    """extra: decimals beyond those that were seen."""
    return market_of(
        [okx_row(number, symbol, "spot", px + extra, qty + extra) for number, (symbol, (px, qty)) in enumerate(SCALES.items())]
    )


def is_book(frame: bytes) -> bool:
    return b'"channel":"books"' in frame[:60] and b'"action"' in frame[:100]


@pytest.mark.parametrize("extra", [0, 3])
def test_recorded_books_are_the_ones_that_were_published(extra: int) -> None:
    market = fresh(extra)
    told = [market.decode(frame, number + 1, number + 1)["kind"] for number, frame in enumerate(recorded())]
    assert {kind: told.count(kind) for kind in set(told)} == {"book": 290, "trade": 74, "unknown": 28, "ack": 18}
    for symbol, (messages, counts, last_id, digest, bid, ask) in WANTED.items():
        row = market.row_of_symbol(symbol)
        stats, book = market.stats(row), market.book(row)
        px_scale, qty_scale = (scale + extra for scale in SCALES[symbol])
        assert (stats["msgs"], stats["applied"], stats["gaps"], stats["invalid"], stats["crossed"]) == (
            messages,
            messages,
            0,
            0,
            0,
        ), symbol
        assert (stats["update_id"], (len(book["bids"]), len(book["asks"]))) == (last_id, counts), symbol
        assert book_digest(book, px_scale, qty_scale) == digest, symbol
        best = market.best(row)
        assert best == tuple(
            round(float(text) * 10**scale) for text, scale in zip((*bid, *ask), (px_scale, qty_scale) * 2, strict=True)
        )
        market.check(row)
    assert market.counters()["error_frames"] == 0


def test_every_checksum_is_looked_at() -> None:
    """Each of the 290 messages, with another checksum, makes its book invalid."""
    market, frames = fresh(), [frame for frame in recorded() if is_book(frame)]
    for number, frame in enumerate(frames):
        told = orjson.loads(frame)
        told["data"][0]["checksum"] ^= 1 << number % 31
        other = fresh()
        row = market.row_of_symbol(told["arg"]["instId"])
        if told["action"] == "update":
            book = market.book(row)
            px_scale, qty_scale = SCALES[told["arg"]["instId"]]
            whole = {
                side: [
                    [f"{px / 10**px_scale:.{px_scale}f}", f"{qty / 10**qty_scale:.{qty_scale}f}", "0", "1"]
                    for px, qty in book[side]
                ]
                for side in book
            }
            start = {"arg": told["arg"], "action": "snapshot", "data": [{**whole, "ts": told["data"][0]["ts"], "checksum": 0}]}
            assert other.decode(orjson.dumps(start))["kind"] == "book"
        assert other.decode(orjson.dumps(told))["kind"] == "need_snapshot", number
        assert market.decode(frame)["kind"] == "book"


@pytest.mark.parametrize("symbol", list(SCALES))
def test_flipped_digit_of_any_level_of_the_best_25_fails(symbol: str) -> None:
    snapshot = next(frame for frame in recorded() if is_book(frame) and symbol.encode() in frame[:80])
    told = orjson.loads(snapshot)
    for side in ("bids", "asks"):
        for place in (*range(25), 25, 40):
            for part in (0, 1):
                text = told["data"][0][side][place][part]
                told["data"][0][side][place][part] = text[:-1] + str((int(text[-1]) + 1) % 9 + 1)
                kind = fresh().decode(orjson.dumps(told))["kind"]
                moved = part == 0 and place == 25  # may have come among the best, or not
                assert moved or kind == ("need_snapshot" if place < 25 else "book"), (side, place, part)
                told["data"][0][side][place][part] = text


def test_a_glance_names_symbol_and_levels() -> None:
    venue = feed_venue("okx")
    symbols = set()
    for frame in recorded():
        glance = venue.glance("spot", frame)
        assert glance is not None, frame
        symbols.add(glance.symbol)
        if is_book(frame):
            told = orjson.loads(frame)["data"][0]
            assert glance.last_update_id == int(told["ts"]) and len(glance.levels) == len(told["bids"]) + len(told["asks"])
    assert symbols == {"", *SCALES}

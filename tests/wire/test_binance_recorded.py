"""Recorded Binance traffic through the sync rules: final books, counts and digests equal those that an independent script
computed with exact decimals and dictionaries (data/README.md of the recordings). Skipped where the recordings are not beside the
project."""
import gzip
import io
import pathlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson
import pytest
import zstandard

from cext.decoders.binance import BinanceMarket
from tests.support.market_rig import book_digest, make_market
from tests.support.shared_data import shared_data

pytestmark = pytest.mark.shared


def decimals_of(text: str) -> int:
    """Digits behind the point that count."""
    return max(0, -int(Decimal(text).normalize().as_tuple().exponent))


def scales_of(messages: list[dict[str, Any]]) -> tuple[int, int]:
    """Scales from the digits seen, as the importer takes them for an instrument that is in no table."""
    px = qty = 0
    for told in messages:
        for side in ("b", "a", "bids", "asks"):
            levels = told.get(side, [])
            if isinstance(levels, str):
                levels = [[levels, told[side.upper()]]]
            for price, size in levels if isinstance(levels, list) else []:
                px, qty = max(px, decimals_of(price)), max(qty, decimals_of(size))
    return px, qty


def hftbacktest_lines(path: pathlib.Path) -> Iterator[tuple[int, bytes]]:
    """(receive ns, frame)."""
    with gzip.open(path) as lines:
        for line in lines:
            stamp, frame = line.rstrip(b"\n").split(b" ", 1)
            yield int(stamp), frame


# ---------------------------------------------------------------- hftbacktest

HFT = [
    ("spot", ["spot/btcusdt_20240808.gz"], 3451, 3449, (1209, 2196), 50093421584, "6c17ecc594630def"),
    ("spot", ["spot/btcusdt_20240808.gz", "spot/btcusdt_20240809.gz"], 6495, 6493, (1971, 2962), 50093696318, "114cb7da8dc4408c"),
    ("linear", ["usdm/btcusdt_20240808.gz"], 6551, 6547, (5018, 4578), 5123135475514, "64eaf31e2f8086ff"),
]
HFT_SCALES = {"spot": (2, 6), "linear": (1, 3)}  # digits seen: resting spot sizes have a digit more than today's lot


def play_hft(market_name: str, files: list[str]) -> tuple[BinanceMarket, dict[int, Any], dict[int, Any], int]:
    """(market, best levels of the depth after each update id, tops by update id, depth messages whose top had come before
    them)."""
    market = make_market(market_name, {"BTCUSDT": HFT_SCALES[market_name]})
    bests: dict[int, Any] = {}
    tops: dict[int, Any] = {}
    behind_top = 0
    for name in files:
        for stamp, frame in hftbacktest_lines(shared_data(f"hftbacktest/{name}")):
            if frame.startswith(b'{"lastUpdateId"'):
                assert market.apply_snapshot(0, frame, 1000, stamp, stamp) == "synced"
                continue
            kind = market.decode(frame, stamp, stamp)["kind"]
            assert kind in ("book", "trade", "nothing", "buffered"), frame
            if b'"bookTicker"' in frame[:80] or b"@bookTicker" in frame[:40]:
                told = orjson.loads(frame)["data"]
                tops[told["u"]] = tuple(Decimal(told[key]) for key in "bBaA")
            elif b'"depthUpdate"' in frame[:80] and market.stats(0)["update_id"]:
                update_id = market.stats(0)["update_id"]
                bests[update_id] = market.best(0)
                behind_top += update_id in tops
    return market, bests, tops, behind_top


@pytest.mark.parametrize(("market_name", "files", "msgs", "applied", "levels", "last_id", "digest"), HFT)
def test_hftbacktest_book_is_the_one_that_was_published(market_name: str, files: list[str], msgs: int, applied: int,
                                                        levels: tuple[int, int],
                                                       last_id: int, digest: str) -> None:
    market, _, _, _ = play_hft(market_name, files)
    stats, book = market.stats(0), market.book(0)
    assert (stats["msgs"], stats["applied"], stats["gaps"], stats["crossed"], stats["invalid"]) == (msgs, applied, 0, 0, 0)
    assert (stats["update_id"], (len(book["bids"]), len(book["asks"]))) == (last_id, levels)
    assert book_digest(book, *HFT_SCALES[market_name]) == digest
    assert market.counters()["error_frames"] == 0
    market.check(0)


@pytest.mark.parametrize(("market_name", "files", "published", "equal"), [
    ("spot", HFT[0][1], 564, 564), ("spot", HFT[1][1], 1072, 1072), ("linear", HFT[2][1], 503, 629),
])
def test_best_levels_equal_the_top_stream_whenever_their_update_ids_are_equal(market_name: str, files: list[str], published: int,
                                                                              equal: int) -> None:
    """The published count is of depth messages that came behind their top; 126 of USD-M came before it, and are equal as well."""
    market, bests, tops, behind_top = play_hft(market_name, files)
    px_scale, qty_scale = HFT_SCALES[market_name]
    scales = (px_scale, qty_scale, px_scale, qty_scale)
    common = bests.keys() & tops.keys()
    for update_id in common:
        assert bests[update_id] == tuple(int(value.scaleb(scale))
                                         for value, scale in zip(tops[update_id], scales, strict=True)), update_id
    assert (behind_top, len(common)) == (published, equal)
    assert market.stats(0)["top_checks"] > 0.9 * equal  # the decoder looks by itself whenever both are at hand


def test_quiet_and_lag_of_the_recording_are_learned() -> None:
    market, _, _, _ = play_hft("linear", HFT[2][1])
    record = market.record(0)
    assert 100 <= record["quiet_limit_ms"] <= 1000
    assert 0 <= record["lag_ns"] < 1_000_000_000
    assert -1_276_000_000 < market.stats(0)["lag_min_ns"] < -1_270_000_000  # the recorder's clock ran 1.27 s behind


# ---------------------------------------------------------------- cryptofeed_v3

CRYPTOFEED = {
    ("BINANCE", "spot"): {
        "BLZETH": (10, 9, (173, 999), 281916638, "9b6f4b1f96d0e1a8"),
        "LRCBTC": (15, 13, (176, 1000), 259345563, "9018b662a21b7160"),
        "NKNUSDT": (150, 149, (614, 994), 499870179, "a1af77d1daa8db76"),
        "RUNEEUR": (2, 1, (222, 468), 15602513, "1b129bd735039dde")},
    ("BINANCE_US", "spot"): {
        "COMPUSDT": (107, 106, (219, 525), 113129399, "0301f14560a6fc13"),
        "CRVUSDT": (29, 28, (73, 62), 1938877, "7a83dcdc162a9b02"),
        "OMGBUSD": (159, 158, (196, 183), 77819802, "88ebbe9ab131fb2e"),
        "ZRXUSDT": (41, 40, (174, 256), 96975046, "bf2f354fc445baf5")},
    ("BINANCE_FUTURES", "linear"): {
        "AKROUSDT": (189, 188, (613, 761), 600860423964, "74c9648e384173cb"),
        "CTKUSDT": (185, 180, (486, 742), 600860423222, "1b6237d7a8174bc2"),
        "KEEPUSDT": (135, 132, (401, 614), 600860420312, "bcee89f3e8309e9e"),
        "SUSHIUSDT": (255, 252, (1006, 1000), 600860425198, "441f0f946ccbb283")},
}


def cryptofeed_events(path: pathlib.Path) -> list[tuple[int, str | None, bytes]]:
    """(receive ns, symbol of a REST snapshot or None, body), in the order of time."""
    events = []
    with path.open("rb") as packed:
        for line in io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(packed)):
            told = orjson.loads(line)
            stamp = int(Decimal(str(told.get("ts", 0))) * 1_000_000_000)
            if told.get("t") == "http" and "/depth?" in told["url"]:
                symbol = told["url"].split("symbol=")[1].split("&")[0]
                events.append((stamp, symbol, told["data"].encode()))
            elif told.get("t") == "recv" and "data" in told:
                events.append((stamp, None, told["data"].encode()))
    return sorted(events, key=lambda event: event[0])


@pytest.mark.parametrize(("venue", "market_name"), list(CRYPTOFEED))
def test_cryptofeed_books_are_the_ones_that_were_published(venue: str, market_name: str) -> None:
    wanted = CRYPTOFEED[venue, market_name]
    events = cryptofeed_events(shared_data(f"cryptofeed_v3/{venue}.jsonl.zst"))
    messages: dict[str, list[dict[str, Any]]] = {symbol: [] for symbol in wanted}
    for _, symbol, body in events:
        told = orjson.loads(body)
        told = told.get("data", told)
        name = symbol or told.get("s")
        if name in messages and told.get("e") in (None, "depthUpdate", "bookTicker"):
            messages[name].append(told)
    scales = {symbol: scales_of(told) for symbol, told in messages.items()}
    market = make_market(market_name, scales)
    for stamp, symbol, body in events:
        if symbol is not None:
            assert market.apply_snapshot(market.row_of_symbol(symbol), body, 1000, stamp, stamp) in ("synced", "waiting")
        else:
            assert market.decode(body, stamp, stamp)["kind"] in ("book", "trade", "nothing", "buffered", "unknown", "ack"), body
    for symbol, (msgs, applied, levels, last_id, digest) in wanted.items():
        row = market.row_of_symbol(symbol)
        stats, book = market.stats(row), market.book(row)
        assert (stats["msgs"], stats["applied"], stats["gaps"], stats["crossed"], stats["invalid"]) == (msgs, applied, 0, 0,
                                                                                                        0), symbol
        assert (stats["update_id"], (len(book["bids"]), len(book["asks"]))) == (last_id, levels), symbol
        assert book_digest(book, *scales[symbol]) == digest, symbol
        market.check(row)
    assert market.counters()["error_frames"] == 0

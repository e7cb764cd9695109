"""Recorded Bybit traffic of 2026-08 through parser and sync rules: books, counts, digests, funding and basis equal those that an
independent script computed with exact decimals and dictionaries (README.md of the recordings). Skipped where they are not beside
the project."""
import io
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import orjson
import pytest
import zstandard

from cext.decoders.bybit import BybitMarket
from feeds.config import Fees
from feeds.venues.bybit import VENUE, funding_intervals
from tests.support.bybit_rig import make_bybit
from tests.support.market_rig import book_digest
from tests.support.shared_data import shared_data

pytestmark = pytest.mark.shared

SCALES = {"linear": {"BTCUSDT": (1, 3), "DOGEUSDT": (5, 0), "ETHUSDT": (2, 2), "SOLUSDT": (2, 1)},
          "spot": {"BTCUSDT": (1, 6), "ETHUSDT": (2, 5)}}
# messages, BBO changes, best bid, best ask, last id, digest; 200 levels a side
BOOKS = {
    ("linear", "BTCUSDT"): (414, 134, ("65114.20", "5.974"), ("65114.30", "9.060"), 15077365, "feb040f0ac90391c"),
    ("linear", "DOGEUSDT"): (380, 161, ("0.07055", "192121"), ("0.07056", "4200"), 13178638, "fce65e98d3e8d092"),
    ("linear", "ETHUSDT"): (421, 206, ("1922.54", "52.00"), ("1922.55", "19.25"), 14768880, "82db2a558a4a57eb"),
    ("linear", "SOLUSDT"): (383, 151, ("77.260", "1041.8"), ("77.270", "356.1"), 13783705, "73c5f2fb79bce66f"),
    ("spot", "BTCUSDT"): (300, 219, ("65140.4", "0.622237"), ("65140.5", "0.606831"), 62505723, "8e6b8e8adfd63cc1"),
    ("spot", "ETHUSDT"): (250, 40, ("1923.28", "9.42925"), ("1923.29", "3.44935"), 56726742, "733d8fb076009847"),
}


def lines() -> Iterator[dict[str, Any]]:
    with shared_data("cryptofeed_v3/BYBIT.jsonl.zst").open("rb") as packed:
        for line in io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(packed)):
            yield orjson.loads(line)


def frames() -> list[tuple[int, str, bytes]]:
    """(receive ns, market, frame) in the order of time."""
    market_of: dict[str, str] = {}
    found = []
    for told in lines():
        if told["t"] == "connect":
            market_of[told["conn"]] = told["addr"].rsplit("/", 1)[1]
        elif told["t"] == "recv":
            found.append((int(Decimal(str(told["ts"])) * 1_000_000_000), market_of[told["conn"]], told["data"].encode()))
    return sorted(found, key=lambda frame: frame[0])


class Played:
    """The whole recording, once: decoders of both markets, and what was seen on the way."""

    def __init__(self) -> None:
        self.markets: dict[str, BybitMarket] = {market: make_bybit(market, symbols) for market, symbols in SCALES.items()}
        self.bests: dict[tuple[str, str], list[Any]] = {}       # (market, symbol) -> distinct consecutive best levels
        self.funding: dict[str, list[Any]] = {}
        self.basis: dict[str, list[Fraction]] = {"BTCUSDT": [], "ETHUSDT": []}
        self.kinds: dict[str, dict[str, int]] = {market: {} for market in SCALES}
        self.trades: dict[str, int] = {market: 0 for market in SCALES}
        mids: dict[tuple[str, str], Fraction] = {}
        for stamp, market, frame in frames():
            told = self.markets[market].decode(frame, stamp, stamp)
            kinds = self.kinds[market]
            kinds[told["kind"]] = kinds.get(told["kind"], 0) + 1
            if told["kind"] == "trade":
                self.trades[market] += len(told["trades"])
            if told["row"] < 0:
                continue
            symbol = list(SCALES[market])[told["row"]]
            if told["kind"] == "funding":
                self.note(self.funding.setdefault(symbol, []), told["funding"])
            if told["kind"] != "book":
                continue
            best = self.markets[market].best(told["row"])
            self.note(self.bests.setdefault((market, symbol), []), best)
            mids[market, symbol] = Fraction(best[0] + best[2], 2 * 10 ** SCALES[market][symbol][0])
            if symbol in self.basis and {("spot", symbol), ("linear", symbol)} <= mids.keys():
                self.basis[symbol].append((mids["linear", symbol] / mids["spot", symbol] - 1) * 10_000)

    @staticmethod
    def note(seen: list[Any], value: Any) -> None:
        if not seen or seen[-1] != value:
            seen.append(value)


@pytest.fixture(scope="module")
def played() -> Played:
    return Played()


@pytest.mark.parametrize(("market_name", "symbol"), list(BOOKS))
def test_recorded_books_are_the_ones_that_were_published(played: Played, market_name: str, symbol: str) -> None:
    messages, changes, bid, ask, last_id, digest = BOOKS[market_name, symbol]
    market, scales = played.markets[market_name], SCALES[market_name][symbol]
    row = market.row_of_symbol(symbol)
    stats, book = market.stats(row), market.book(row)
    assert (stats["msgs"], stats["applied"], stats["gaps"], stats["crossed"], stats["invalid"]) == (messages, messages, 0, 0, 0)
    assert (stats["update_id"], len(book["bids"]), len(book["asks"])) == (last_id, 200, 200)
    assert len(played.bests[market_name, symbol]) == changes
    best = market.best(row)
    assert [Decimal(value).scaleb(-scale) for value, scale in zip(best, (*scales, *scales), strict=True)] == [
        Decimal(text) for text in (*bid, *ask)]
    assert book_digest(book, *scales) == digest
    market.check(row)


def test_no_recorded_frame_is_an_error_and_only_candles_are_unknown(played: Played) -> None:
    assert played.kinds["linear"].get("error", 0) == played.kinds["spot"].get("error", 0) == 0
    assert (played.kinds["linear"]["unknown"], played.kinds["spot"]["unknown"]) == (71, 25)
    assert (played.kinds["linear"]["ack"], played.kinds["spot"]["ack"]) == (17, 7)
    assert (played.kinds["linear"]["trade"], played.kinds["spot"]["trade"]) == (102, 18)


def test_every_recorded_trade_comes_out_once(played: Played) -> None:
    told = {market: [trade["i"] for _, of, frame in frames() if of == market and frame.startswith(b'{"topic":"publicTrade.')
                     for trade in orjson.loads(frame)["data"]] for market in SCALES}
    assert {market: len(ids) for market, ids in told.items()} == played.trades
    assert len(told["linear"]) > 102 and len(set(told["linear"])) == len(told["linear"])


def test_recorded_funding_is_what_was_published(played: Played) -> None:
    rates = {symbol: list(dict.fromkeys(record["rate_e8"] for record in records)) for symbol, records in played.funding.items()}
    assert rates == {"BTCUSDT": [10000], "DOGEUSDT": [10000], "ETHUSDT": [4617, 4709], "SOLUSDT": [876, 952]}
    for records in played.funding.values():
        assert {record["next_funding_wall_ns"] for record in records} == {1_786_320_000_000_000_000}
        assert {record["interval_s"] for record in records} == {28_800}


def test_funding_parts_merge_as_a_dictionary_merges_them(played: Played) -> None:
    merged: dict[str, dict[str, str]] = {}
    wanted: dict[str, list[Any]] = {}
    for _, market, frame in frames():
        if market == "linear" and frame.startswith(b'{"topic":"tickers.'):
            told = orjson.loads(frame)["data"]
            state = merged.setdefault(told["symbol"], {})
            state.update(told)
            scale = SCALES["linear"][told["symbol"]][0]
            Played.note(wanted.setdefault(told["symbol"], []),
                        tuple(int(Decimal(state[key]).scaleb(scale)) for key in ("markPrice", "indexPrice")))
    for symbol, records in played.funding.items():
        seen: list[Any] = []
        for record in records:
            Played.note(seen, (record["mark_px"], record["index_px"]))
        assert seen == wanted[symbol]


def test_basis_of_the_recording_is_what_was_published(played: Played) -> None:
    btc, eth = played.basis["BTCUSDT"], played.basis["ETHUSDT"]
    assert (len(btc), len(eth)) == (692, 649)
    assert {f"{float(value):.4f}" for value in btc} == {"-4.0221"}
    assert [f"{float(value):.4f}" for value in (sum(eth) / len(eth), min(eth), max(eth))] == ["-3.8682", "-4.4715", "-3.8476"]


def test_event_times_are_those_of_the_matching_engine(played: Played) -> None:
    last = {}
    for _, market, frame in frames():
        if frame.startswith(b'{"topic":"orderbook.'):
            told = orjson.loads(frame)
            last[market, told["data"]["s"]] = told["cts"]
    for (market, symbol), cts in last.items():
        decoder = played.markets[market]
        assert decoder.record(decoder.row_of_symbol(symbol))["depth_exch_ns"] == cts * 1_000_000


def test_recorded_listing_makes_a_row_of_every_perpetual_and_pair() -> None:
    counts = {}
    for told in lines():
        if told["t"] != "http":
            continue
        market = "linear" if "category=linear" in told["url"] else "spot"
        data = orjson.loads(told["data"])
        rows, problems = VENUE.parse_listing(market, data, Fees(**VENUE.fees))
        assert problems == [] and {row.status for row in rows} == {"TRADING"} and {row.account for row in rows} == {"unified"}
        assert len({row.name for row in rows}) == len(rows)
        by_symbol = {row.symbol: row for row in rows}
        for symbol, (px_scale, qty_scale) in SCALES[market].items():
            assert (by_symbol[symbol].px_scale, by_symbol[symbol].qty_scale) == (px_scale, qty_scale)
        if market == "linear":
            assert by_symbol["BTCPERP"].name == "bybit:BTC/USDC:USDC"
            assert by_symbol["SHIB1000USDT"].underlying == "SHIB" and by_symbol["1000PEPEUSDT"].multiplier == 1000
            intervals = funding_intervals(rows, data)
            assert len(intervals) == len(rows) and set(intervals.values()) == {3600, 14400, 28800}
        counts[market] = len(rows)
    assert counts == {"linear": 760, "spot": 557}

"""What Bybit's listing becomes, how its topics are spread over sockets, what requests look like."""
import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest

from cext.decoders.bybit import BybitMarket
from feeds.config import Fees, VenueConfig
from feeds.instruments import InstrumentError, InstrumentRow, InstrumentTable
from feeds.registry import feed_venue
from feeds.venue import Glance
from feeds.venues.bybit import VENUE, funding_intervals
from tests.support.bybit_rig import book, rest_book, ticker, top

PERP: dict[str, Any] = {
    "symbol": "BTCUSDT", "contractType": "LinearPerpetual", "status": "Trading", "baseCoin": "BTC", "quoteCoin": "USDT",
    "settleCoin": "USDT",
    "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.80", "tickSize": "0.10"},
    "lotSizeFilter": {"maxOrderQty": "1500.000", "minOrderQty": "0.001", "qtyStep": "0.001", "maxMktOrderQty": "150.000",
                      "minNotionalValue": "5"},
    "fundingInterval": 480, "symbolId": 5}
SPOT: dict[str, Any] = {
    "symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "status": "Trading",
    "lotSizeFilter": {"basePrecision": "0.000001", "quotePrecision": "0.0000001", "minOrderQty": "0.000001", "maxOrderQty": "230",
                      "minOrderAmt": "5",
                      "maxLimitOrderQty": "230", "maxMarketOrderQty": "120"}, "priceFilter": {"tickSize": "0.1"}}
FEES = Fees(**VENUE.fees)


def changed(told: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A copy; fields of the filters by their names, None = left out."""
    copy = orjson.loads(orjson.dumps(told))
    for name, value in fields.items():
        place = next((part for part in (copy["priceFilter"], copy["lotSizeFilter"]) if name in part), copy)
        if value is None:
            del place[name]
        else:
            place[name] = value
    return copy


def reply(market: str, *told: Any, cursor: str = "") -> dict[str, Any]:
    return {"retCode": 0, "retMsg": "OK", "result": {"category": market, "list": list(told), "nextPageCursor": cursor},
            "retExtInfo": {}, "time": 1}


def parse(market: str, *told: Any, only: set[str] | None = None) -> tuple[list[InstrumentRow], list[str]]:
    return VENUE.parse_listing(market, reply(market, *told), FEES, only)


def rows(market: str, count: int, first_id: int = 0) -> list[InstrumentRow]:
    template = PERP if market == "linear" else SPOT
    made, problems = parse(market, *(changed(template, symbol=f"C{n:03}USDT", baseCoin=f"C{n:03}") for n in range(count)))
    assert problems == []
    return [replace(row, id=first_id + number) for number, row in enumerate(made)]


# ---------------------------------------------------------------- instruments

def test_venue_is_found_by_its_name() -> None:
    assert feed_venue("bybit") is VENUE
    plans = VENUE.plan_routes([*rows("spot", 1), *rows("linear", 1)], 1, True)
    read = {limits.role for limits in VENUE.rest.values()} | {plan.role for plan in plans}
    for mode, roles in VENUE.endpoints.items():
        assert set(roles) == read < set(VENUE.roles), mode
    assert VENUE.endpoints["testnet"]["public_spot_ws"] == "wss://stream-testnet.bybit.com/v5/public/spot"
    assert VENUE.endpoints["testnet"]["rest"] == "https://api-testnet.bybit.com"


def test_perpetual_as_the_venue_lists_it() -> None:
    (row,), problems = parse("linear", PERP)
    assert problems == []
    assert (row.name, row.symbol, row.account_name) == ("bybit:BTC/USDT:USDT", "BTCUSDT", "bybit:unified")
    assert (row.px_scale, row.qty_scale, row.tick, row.lot, row.contract_size) == (1, 3, Decimal("0.1"), Decimal("0.001"), 1)
    assert (row.min_qty, row.max_qty, row.min_notional) == (Decimal("0.001"), 1500, 5)
    assert (row.min_px, row.max_px) == (Decimal("0.1"), Decimal("1999999.8"))
    assert (row.maker_fee, row.taker_fee, row.status) == (Decimal("0.0002"), Decimal("0.00055"), "TRADING")


def test_spot_pair_as_the_venue_lists_it() -> None:
    (row,), problems = parse("spot", SPOT)
    assert problems == [] and row.name == "bybit:BTC/USDT" and row.account_name == "bybit:unified"
    assert (row.px_scale, row.qty_scale, row.tick, row.lot) == (1, 6, Decimal("0.1"), Decimal("0.000001"))
    assert (row.min_qty, row.max_qty, row.min_notional, row.max_px) == (row.lot, 230, 5, 0)      # no smallest size but the step
    assert (row.maker_fee, row.taker_fee) == (Decimal("0.001"), Decimal("0.001"))


def test_usdc_perpetual_keeps_its_own_spelling() -> None:
    (row,), _ = parse("linear", changed(PERP, symbol="BTCPERP", quoteCoin="USDC", settleCoin="USDC"))
    assert (row.name, row.symbol, row.settle) == ("bybit:BTC/USDC:USDC", "BTCPERP", "USDC")


@pytest.mark.parametrize(("base", "underlying", "multiplier"), [
    ("1000PEPE", "PEPE", 1000), ("1000000MOG", "MOG", 1_000_000), ("10000SATS", "SATS", 10_000), ("SHIB1000", "SHIB", 1000),
    ("1INCH", "1INCH", 1), ("C98", "C98", 1), ("API3", "API3", 1), ("LUNA2", "LUNA2", 1), ("BANANAS31", "BANANAS31", 1),
    ("X100", "X100", 1),
])
def test_multiplier_stands_before_or_behind_the_coin(base: str, underlying: str, multiplier: int) -> None:
    (row,), _ = parse("linear", changed(PERP, symbol=f"{base}USDT", baseCoin=base))
    assert (row.underlying, row.multiplier, row.base) == (underlying, multiplier, base)


def test_dated_futures_are_no_perpetuals() -> None:
    assert parse("linear", changed(PERP, contractType="LinearFutures")) == ([], [])


def test_instrument_that_does_not_trade_is_kept_and_says_so() -> None:
    found, _ = parse("linear", changed(PERP, status="PreLaunch"), changed(PERP, symbol="XUSDT", status="Closed"))
    assert [row.status for row in found] == ["PRELAUNCH", "CLOSED"]


def test_only_the_symbols_asked_for_are_looked_at() -> None:
    found, problems = parse("linear", PERP, changed(PERP, symbol="ETHUSDT", baseCoin="ETH"), {"symbol": "BROKEN"},
                            only={"ETHUSDT"})
    assert [row.symbol for row in found] == ["ETHUSDT"] and problems == []


def test_unusable_symbol_is_told_and_the_others_stay() -> None:
    found, problems = parse("linear", PERP, {"symbol": "BAD"}, changed(PERP, symbol="ZERO", tickSize="0"), 7,
                            changed(PERP, symbol="TEXT", qtyStep="abc"), changed(PERP, symbol="NONE", settleCoin=None))
    assert [row.symbol for row in found] == ["BTCUSDT"]
    names = ["BAD", "ZERO", "7", "TEXT", "NONE"]
    assert [next(name for name in names if name in problem) for problem in problems] == names
    assert all(problem.startswith("bybit linear ") for problem in problems)


def test_order_cap_beyond_62_bits_is_lowered_not_refused() -> None:
    (row,), problems = parse("linear", changed(PERP, symbol="CHEAPUSDT", tickSize="0.0000001", minPrice="0.0000001",
                                               maxPrice="1.9999998",
                                               qtyStep="1", minOrderQty="1", maxOrderQty="99999999999999"))
    assert problems == [] and 10**8 < row.max_qty < 99999999999999
    row.check()
    _, problems = parse("linear", changed(PERP, tickSize="0.000000000000000001", maxPrice="1000000", qtyStep="0.000001"))
    assert len(problems) == 1 and "no room" in problems[0]


@pytest.mark.parametrize(("data", "words"), [
    ([], "list"), (None, "NoneType"), ({"retCode": 10006, "retMsg": "Too many visits!"}, "10006 Too many visits!"),
    ({"retCode": 0}, "no list"),
    ({"retCode": 0, "result": {"list": {}}}, "no list"), (reply("spot", SPOT), "is of 'spot', not of linear"),
])
def test_listing_that_is_none_is_refused_with_what_it_says(data: Any, words: str) -> None:
    with pytest.raises(InstrumentError, match=words):
        VENUE.parse_listing("linear", data, FEES)


def test_funding_intervals_are_minutes() -> None:
    told = [PERP, changed(PERP, symbol="HUSDT", baseCoin="H", fundingInterval=60),
            changed(PERP, symbol="NUSDT", baseCoin="N", fundingInterval=0)]
    found = funding_intervals(parse("linear", *told)[0], reply("linear", *told))
    assert found == {"bybit:BTC/USDT:USDT": 28_800, "bybit:H/USDT:USDT": 3600}


class Client:
    """Answers as the venue would, page after page."""

    def __init__(self, pages: list[Any]) -> None:
        self.pages = pages
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def get_json(self, path: str, params: dict[str, str] | None = None, *, weight: int = 1, timeout_s: float = 10.0) -> Any:
        self.asked.append((path, dict(params or {})))
        return self.pages[(len(self.asked) - 1) % len(self.pages)]


def test_all_pages_of_linear_are_read_and_spot_at_once() -> None:
    linear = Client([reply("linear", PERP, cursor="a%2Cb"), reply("linear", changed(PERP, symbol="ETHUSDT", baseCoin="ETH"))])
    spot = Client([reply("spot", SPOT)])
    listing = asyncio.run(VENUE.read_listing({"spot": spot, "linear": linear}, VenueConfig(fees=FEES)))  # type: ignore[dict-item]
    assert [row.name for row in listing.rows] == ["bybit:BTC/USDT", "bybit:BTC/USDT:USDT", "bybit:ETH/USDT:USDT"]
    assert listing.problems == []
    assert linear.asked == [("/v5/market/instruments-info", {"category": "linear", "limit": "1000"}),
                            ("/v5/market/instruments-info", {"category": "linear", "limit": "1000", "cursor": "a,b"})]
    assert spot.asked == [("/v5/market/instruments-info", {"category": "spot"})]
    assert listing.funding_s == {"bybit:BTC/USDT:USDT": 28_800, "bybit:ETH/USDT:USDT": 28_800}


def test_pages_without_an_end_are_an_error() -> None:
    with pytest.raises(InstrumentError, match="no end"):
        clients = {"linear": Client([reply("linear", PERP, cursor="x")])}
        asyncio.run(VENUE.read_listing(clients, VenueConfig()))  # type: ignore[arg-type]


def test_listing_makes_a_table_and_a_decoder() -> None:
    spot, linear = parse("spot", SPOT)[0], parse("linear", PERP)[0]
    table = InstrumentTable()
    ids = table.merge([*spot, *linear])
    decoder = VENUE.make_decoder(table.to_array(), "linear", ids[1:])
    assert isinstance(decoder, BybitMarket) and decoder.rows == [1] and decoder.row_of_symbol("BTCUSDT") == 1
    frame = book("snapshot", 1, 1, [("65114.20", "5.974")])      # a digit that the tick has not, but 0
    assert decoder.decode(frame)["kind"] == "book"
    assert decoder.best(1)[:2] == (651142, 5974)


# ---------------------------------------------------------------- sockets

def test_books_and_tops_share_a_socket_and_the_rest_stands_aside() -> None:
    plans = VENUE.plan_routes([*rows("linear", 3), *rows("spot", 2, 3)], 2, True)
    assert [(plan.name, plan.role, plan.path) for plan in plans] == [
        ("spot-book-0", "public_spot_ws", ""), ("spot-book-1", "public_spot_ws", ""), ("spot-aside-0", "public_spot_ws", ""),
        ("linear-book-0", "public_linear_ws", ""), ("linear-book-1", "public_linear_ws", ""),
        ("linear-aside-0", "public_linear_ws", "")]
    assert plans[3].streams == ("orderbook.50.C000USDT", "orderbook.1.C000USDT", "orderbook.50.C002USDT", "orderbook.1.C002USDT")
    assert (plans[3].rows, plans[3].watched) == ((0, 2), ((0, "book"), (2, "book")))
    assert plans[2].streams == ("publicTrade.C000USDT", "publicTrade.C001USDT") and plans[2].watched == () and plans[2].rows == ()
    assert plans[5].streams[:3] == ("tickers.C000USDT", "tickers.C001USDT", "tickers.C002USDT")
    assert plans[5].watched == ((0, "funding"), (1, "funding"), (2, "funding"))


def test_without_trades_spot_has_nothing_aside() -> None:
    assert [plan.name for plan in VENUE.plan_routes([*rows("spot", 1), *rows("linear", 1, 1)], 2, False)] == [
        "spot-book-0", "linear-book-0", "linear-aside-0"]


@pytest.mark.parametrize("count", [1, 400, 900])
def test_no_socket_is_asked_for_more_text_than_the_venue_takes(count: int) -> None:
    plans = VENUE.plan_routes(rows("linear", count), 2, True)
    for plan in plans:
        assert len(orjson.dumps(list(plan.streams))) <= 21_000
    streams = [stream for plan in plans for stream in plan.streams]
    assert len(streams) == len(set(streams)) == 4 * count
    assert sorted(row for plan in plans for row in plan.rows) == list(range(count))
    wanted = [(n, what) for n in range(count) for what in ("book", "funding")]
    assert sorted(watch for plan in plans for watch in plan.watched) == wanted
    for plan in plans:          # who is watched is heard there
        streams = [stream for stream in plan.streams if not stream.startswith("publicTrade")]
        assert {row for row, _ in plan.watched} == {int(stream.rpartition(".C")[2].removesuffix("USDT")) for stream in streams}


def test_spot_takes_ten_topics_a_request() -> None:
    streams = [f"orderbook.50.C{n:03}USDT" for n in range(23)]
    requests = VENUE.subscribe_requests("spot", streams, 7)
    told = [orjson.loads(request.frame) for request in requests]
    assert [(request.id, request.acks) for request in requests] == [(7, 1), (8, 1), (9, 1)]
    assert [(entry["req_id"], len(entry["args"])) for entry in told] == [("7", 10), ("8", 10), ("9", 3)]
    assert {entry["op"] for entry in told} == {"subscribe"}
    assert [stream for entry in told for stream in entry["args"]] == streams
    (request,) = VENUE.subscribe_requests("linear", streams, 1, False)
    assert orjson.loads(request.frame)["op"] == "unsubscribe"


def test_acknowledgement_names_the_request() -> None:
    request = VENUE.subscribe_requests("spot", ["orderbook.1.BTCUSDT"], 41)[0]
    table = InstrumentTable()
    decoder = VENUE.make_decoder(table.to_array(), "spot", table.merge(parse("spot", SPOT)[0])[:0])
    ack = {"success": True, "ret_msg": "", "conn_id": "c", "req_id": orjson.loads(request.frame)["req_id"], "op": "subscribe"}
    assert decoder.decode(orjson.dumps(ack))["ack_id"] == request.id


def test_streams_of_a_row_are_those_that_end_with_its_symbol() -> None:
    found, _ = parse("linear", PERP, changed(PERP, symbol="1000BTCUSDT", baseCoin="1000BTC"))
    pair = [replace(row, id=number) for number, row in enumerate(found)]
    plan = VENUE.plan_routes(pair, 1, True)[0]
    assert VENUE.streams_of_row(plan, pair[0]) == ("orderbook.50.BTCUSDT", "orderbook.1.BTCUSDT")
    assert VENUE.streams_of_row(plan, pair[1]) == ("orderbook.50.1000BTCUSDT", "orderbook.1.1000BTCUSDT")


@pytest.mark.parametrize("depth", [200, 1000])
def test_depth_of_the_books_is_a_fact_that_a_variant_may_change(depth: int) -> None:
    plan = replace(VENUE, depth=depth).plan_routes(rows("spot", 1), 1, False)[0]
    assert plan.streams == (f"orderbook.{depth}.C000USDT", "orderbook.1.C000USDT")
    with pytest.raises(ValueError, match="depth 25 is none of 50, 200, 1000"):
        replace(VENUE, depth=25)


def test_sign_of_life_is_asked_for_in_json() -> None:
    assert orjson.loads(VENUE.heartbeat.frame) == {"op": "ping"}
    assert VENUE.resync == "resubscribe"


# ---------------------------------------------------------------- REST books, recordings

def test_written_book_is_read_back_by_the_decoder() -> None:
    table = InstrumentTable()
    ids = table.merge(parse("linear", PERP)[0])
    decoder = VENUE.make_decoder(table.to_array(), "linear", ids)
    bids, asks = [(651142, 5974), (651141, 2)], [(651143, 9060)]
    body = VENUE.write_snapshot(table.rows[0], 700, bids, asks)
    assert decoder.apply_snapshot(0, body, 50) == "waiting"
    assert decoder.book(0) == {"bids": bids, "asks": asks} and decoder.stats(0)["update_id"] == 700
    assert decoder.decode(book("delta", 701, 5000))["kind"] == "book"
    assert VENUE.snapshot_request(table.rows[0]) is None


@pytest.mark.parametrize(("frame", "seen"), [
    (book("snapshot", 7, 70, [("1.0", "2")], [("3", "4.50")]), Glance("BTCUSDT", (("1.0", "2"), ("3", "4.50")), 0, 7, True)),
    (book("delta", 8, 71, [("1.0", "0")], depth=1000), Glance("BTCUSDT", (("1.0", "0"),), 8, 8, False)),
    (book("delta", 1, 71, [("1.0", "2")]), Glance("BTCUSDT", (("1.0", "2"),), 0, 1, True)),
    (top(9, 72, ("1.0", "2"), None), Glance("BTCUSDT", (("1.0", "2"),))),
    (rest_book(10, 73, [("1.0", "2")], [("3", "4")]), Glance("BTCUSDT", (("1.0", "2"), ("3", "4")), 0, 10, True)),
    (b'{"topic":"publicTrade.ETHUSDT","data":[{"p":"1923.29","v":"0.0008"},{"p":"1923.30","v":"1"}]}',
     Glance("ETHUSDT", (("1923.29", "0.0008"), ("1923.30", "1")))),
    (ticker("delta", markPrice="1.0"), Glance("BTCUSDT")), (b'{"type":"snapshot","topic":"kline.1.ETHUSDT","data":[]}', Glance("ETHUSDT")),
    (b'{"success":true,"ret_msg":"","conn_id":"c","req_id":"","op":"subscribe"}', Glance("")),
    (b'{"success":true,"ret_msg":"pong","conn_id":"c","op":"ping"}', Glance("")), (b'{"retCode":10001,"retMsg":"error","result":{}}', Glance("")),
    (b"not json", None), (b"[]", None), (b"{}", None), (b"7", None), (b'{"topic":7}', None), (b'{"topic":"orderbook.50.BTCUSDT","data":{}}', None),
    (b'{"topic":"orderbook.50.BTCUSDT","type":"delta","data":{"b":[["1"]],"a":[],"u":1}}', None), (b'{"e":"depthUpdate"}', None),
    (b'{"topic":"publicTrade.BTCUSDT","data":[7]}', None),
])
def test_glance_tells_what_a_person_would_read(frame: bytes, seen: Glance | None) -> None:
    assert VENUE.glance("linear", frame) == seen

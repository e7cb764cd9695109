"""What OKX and OKX US say of themselves: listing, streams, requests, addresses, recordings."""

import asyncio
from decimal import Decimal
from typing import Any

import orjson
import pytest

from feeds.config import Fees, VenueConfig
from feeds.instruments import InstrumentError, InstrumentRow, InstrumentTable
from feeds.registry import feed_venue
from feeds.venues.okx import PLANNED_SOCKETS_MAX
from tests.support.okx_rig import push, rest_book, snapshot, top, update

OKX, OKXUS = feed_venue("okx"), feed_venue("okxus")
FEES = Fees(spot_taker_bps=10.0, spot_maker_bps=8.0, linear_taker_bps=5.0, linear_maker_bps=2.0)
# as documented (2026-07), the fields that are read and some that are not
SWAP = {
    "instId": "ETH-USDT-SWAP",
    "instIdCode": 10461,
    "instType": "SWAP",
    "instFamily": "ETH-USDT",
    "uly": "ETH-USDT",
    "ctType": "linear",
    "ctVal": "0.1",
    "ctMult": "1",
    "ctValCcy": "ETH",
    "settleCcy": "USDT",
    "tickSz": "0.01",
    "lotSz": "0.01",
    "minSz": "0.01",
    "maxLmtSz": "100000000",
    "maxMktSz": "20000",
    "maxLmtAmt": "20000000",
    "maxMktAmt": "",
    "lever": "100",
    "state": "live",
    "ruleType": "normal",
    "listTime": "1573557408000",
    "baseCcy": "",
    "quoteCcy": "",
}
SPOT = {
    "instId": "BTC-USD",
    "instType": "SPOT",
    "baseCcy": "BTC",
    "quoteCcy": "USD",
    "tickSz": "0.1",
    "lotSz": "0.00000001",
    "minSz": "0.00001",
    "maxLmtSz": "9999999999",
    "maxLmtAmt": "20000000",
    "maxMktSz": "1000000",
    "state": "live",
    "groupId": "1",
    "instIdCode": None,
    "ctVal": "",
    "ctType": "",
    "settleCcy": "",
}


def parse(market: str, *told: Any, only: set[str] | None = None) -> tuple[list[InstrumentRow], list[str]]:
    return OKX.parse_listing(market, {"code": "0", "msg": "", "data": list(told)}, FEES, only)


# ---------------------------------------------------------------- listing


def test_perpetual_in_base_units() -> None:
    [row], problems = parse("linear", SWAP)
    assert problems == []
    assert (row.name, row.symbol, row.account_name, row.venue_code) == (
        "okx:ETH/USDT:USDT",
        "ETH-USDT-SWAP",
        "okx:unified",
        10461,
    )
    assert (row.contract_size, row.tick, row.lot, row.min_qty, row.max_qty) == tuple(
        map(Decimal, ("0.1", "0.01", "0.001", "0.001", "1E7"))
    )
    assert (row.px_scale, row.qty_scale, row.status) == (2, 3, "TRADING")
    assert (row.maker_fee, row.taker_fee, row.min_notional) == (Decimal("0.0002"), Decimal("0.0005"), 0)


def test_spot() -> None:
    [row], problems = parse("spot", SPOT)
    assert problems == []
    assert (row.name, row.settle, row.venue_code, row.contract_size) == ("okx:BTC/USD", "USD", 0, 1)
    assert (row.tick, row.lot, row.min_qty, row.qty_scale) == (Decimal("0.1"), Decimal("0.00000001"), Decimal("0.00001"), 8)


@pytest.mark.parametrize(
    ("contract", "lot", "size_scale", "size_mul"),
    [
        ("0.1", "0.01", 2, 1),
        ("0.01", "1", 0, 1),
        ("1000000", "1", 0, 1_000_000),
        ("1000", "0.1", 1, 100),
        ("10", "0.01", 2, 1),
        ("100", "0.1", 1, 10),
    ],
)
def test_sizes_of_every_contract_convert_exactly(contract: str, lot: str, size_scale: int, size_mul: int) -> None:
    [row], problems = parse("linear", {**SWAP, "ctVal": contract, "lotSz": lot, "minSz": lot})
    assert problems == []
    told = InstrumentTable([row]).to_array().row(0)
    assert (told["size_scale"], told["size_mul"]) == (size_scale, size_mul)
    assert told["lot_qty"] == size_mul  # the smallest size, in base units
    assert told["min_qty"] * 10**size_scale == told["contract_qty"] * Decimal(lot) * 10**size_scale


def test_multiplier_of_contracts_counts() -> None:
    [row], _ = parse("linear", {**SWAP, "ctVal": "0.1", "ctMult": "10"})
    assert row.contract_size == 1 and row.lot == Decimal("0.01")


@pytest.mark.parametrize(
    "told",
    [
        {**SWAP, "ctType": "inverse", "settleCcy": "ETH", "ctValCcy": "USD", "ctVal": "10"},
        {**SWAP, "settleCcy": "ETH"},
        {**SWAP, "settleCcy": "USD"},
    ],
)
def test_what_is_not_ours_is_passed_over(told: dict[str, Any]) -> None:
    assert parse("linear", told) == ([], [])


def test_usdc_perpetuals_are_ours() -> None:
    [row], _ = parse(
        "linear",
        {**SWAP, "instId": "BTC-USDC-SWAP", "uly": "BTC-USDC", "ctValCcy": "BTC", "settleCcy": "USDC", "ctVal": "0.0001"},
    )
    assert row.name == "okx:BTC/USDC:USDC" and row.contract_size == Decimal("0.0001")


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("live", "TRADING"),
        ("suspend", "SUSPEND"),
        ("preopen", "PREOPEN"),
        ("post_only", "POST_ONLY"),
        ("rebase", "REBASE"),
        ("test", "TEST"),
        ("expired", "EXPIRED"),
    ],
)
def test_only_live_instruments_trade(state: str, status: str) -> None:
    [row], _ = parse("spot", {**SPOT, "state": state})
    assert row.status == status


@pytest.mark.parametrize(
    ("market", "change", "words"),
    [
        ("linear", {"ctValCcy": "USDT"}, "not an amount of ETH"),
        ("linear", {"ctVal": ""}, "InvalidOperation"),
        ("linear", {"ctVal": "0"}, "is 0"),
        ("linear", {"uly": "ETHUSDT"}, "ValueError"),
        ("linear", {"instIdCode": "10461"}, "instIdCode"),
        ("linear", {"instIdCode": True}, "instIdCode"),
        ("linear", {"instIdCode": -1}, "instIdCode"),
        ("spot", {"tickSz": "0"}, "is 0"),
        ("spot", {"lotSz": "x"}, "InvalidOperation"),
        ("spot", {"state": None}, "AttributeError"),
        ("spot", {"baseCcy": "B" * 50}, "bytes"),
        ("spot", {"minSz": None}, "TypeError"),
    ],
)
def test_unusable_instrument_is_a_problem_that_names_it(market: str, change: dict[str, Any], words: str) -> None:
    told = {**(SWAP if market == "linear" else SPOT), **change}
    rows, [problem] = parse(market, told)
    assert rows == [] and problem.startswith(f"okx {market} {told['instId']}: not usable") and words in problem


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"code": "50011", "msg": "Too Many Requests", "data": []},
        {"code": "0", "data": None},
        {"code": 0, "data": []},
        {"code": "0", "data": [{"instType": "SWAP"}, {"instType": "FUTURES"}]},
    ],
)
def test_reply_that_lists_nothing_is_an_error(data: Any) -> None:
    with pytest.raises(InstrumentError, match="okx spot instruments"):
        OKX.parse_listing("spot", data, FEES)


def test_only_what_is_asked_for_is_looked_at() -> None:
    assert parse("spot", SPOT, {"instId": "broken"}, "x", only={"BTC-USD"})[1] == []
    assert len(parse("spot", SPOT, {"instId": "broken"}, "x")[1]) == 2


def test_largest_size_stays_within_62_bits() -> None:
    [row], problems = parse("spot", {**SPOT, "maxLmtSz": "99999999999999"})
    assert problems == [] and 0 < row.max_qty * 10**8 < 2**62


class FakeClient:
    """Answers as the venue does."""

    def __init__(self, entries: list[dict[str, Any]]) -> None:
        self.entries, self.asked = entries, []

    async def get_json(self, path: str, params: dict[str, str], *, weight: int, timeout_s: float) -> Any:
        self.asked.append((path, params))
        return {"code": "0", "msg": "", "data": self.entries}


def test_listing_is_one_request_a_market() -> None:
    spot, linear = FakeClient([SPOT]), FakeClient([SWAP, {"instId": "bad"}])
    listing = asyncio.run(OKX.read_listing({"spot": spot, "linear": linear}, VenueConfig()))
    assert spot.asked == [("/api/v5/public/instruments", {"instType": "SPOT"})] and linear.asked[0][1] == {"instType": "SWAP"}
    assert [row.market for row in listing.rows] == ["spot", "linear"] and len(listing.problems) == 1
    assert listing.funding_s == {}                           # each rate says its own interval
    only = asyncio.run(OKX.read_listing({"spot": spot, "linear": linear}, VenueConfig(), {"linear": {"ETH-USDT-SWAP"}}))
    assert [row.symbol for row in only.rows] == ["ETH-USDT-SWAP"] and only.problems == []


# ---------------------------------------------------------------- sockets


def rows_of(spot: int, linear: int) -> list[InstrumentRow]:
    made = parse("spot", *({**SPOT, "instId": f"C{n}-USDT", "baseCcy": f"C{n}", "quoteCcy": "USDT"} for n in range(spot)))[0]
    made += parse(
        "linear", *({**SWAP, "instId": f"C{n}-USDT-SWAP", "uly": f"C{n}-USDT", "ctValCcy": f"C{n}"} for n in range(linear))
    )[0]
    table = InstrumentTable()
    table.merge(made)
    return table.rows


@pytest.mark.parametrize(
    ("spot", "linear", "sockets"), [(1, 0, 2), (1, 1, 1), (14, 14, 1), (15, 29, 2), (100, 100, 2), (0, 3, 8)]
)
def test_every_stream_has_one_socket_and_no_socket_too_many(spot: int, linear: int, sockets: int) -> None:
    rows = rows_of(spot, linear)
    plans = OKX.plan_routes(rows, sockets, True)
    assert len({plan.name for plan in plans}) == len(plans) <= PLANNED_SOCKETS_MAX
    streams = [stream for plan in plans for stream in plan.streams]
    wanted = [
        f"{channel}:{row.symbol}"
        for row in rows
        for channel in (("books", "bbo-tbt", "trades") + (("mark-price", "funding-rate") if row.market == "linear" else ()))
    ]
    assert sorted(streams) == sorted(wanted)
    for plan in plans:
        depth = [stream for stream in plan.streams if stream.startswith(("books:", "bbo-tbt:"))]
        assert len(depth) < 30 and len(depth) == 2 * len(plan.rows) and (plan.role, plan.path) == ("public_ws", "")
        assert not depth or len(depth) == len(plan.streams)  # nothing else delays a book
        for row in (rows[row] for row in plan.rows):
            assert OKX.streams_of_row(plan, row) == (f"books:{row.symbol}", f"bbo-tbt:{row.symbol}")
        if plan.rows:
            assert plan.watched == tuple((row, "book") for row in plan.rows)
    funding = [watch for plan in plans if not plan.rows for watch in plan.watched]
    assert funding == [(row.id, "funding") for row in rows if row.market == "linear"]
    assert not [
        stream for plan in OKX.plan_routes(rows, sockets, False) for stream in plan.streams if stream.startswith("trades")
    ]


def test_spot_symbol_is_not_taken_for_its_perpetual() -> None:
    rows = rows_of(1, 1)
    plan = next(plan for plan in OKX.plan_routes(rows, 1, True) if plan.name == "linear-aside-0")
    assert OKX.streams_of_row(plan, rows[0]) == ()
    assert OKX.streams_of_row(plan, rows[1]) == ("mark-price:C0-USDT-SWAP", "funding-rate:C0-USDT-SWAP", "trades:C0-USDT-SWAP")


def test_more_than_a_feed_has_sockets_for_is_refused_in_words() -> None:
    with pytest.raises(
        InstrumentError, match=r"okx: 420 instruments need \d+ sockets, 14 books on each; 28 are there: lower symbols_max"
    ):
        OKX.plan_routes(rows_of(210, 210), 2, True)


def test_requests_count_their_acknowledgements_and_stay_small() -> None:
    streams = [f"books:C{n}-USDT-SWAP" for n in range(230)]
    requests = OKX.subscribe_requests("spot", streams, 7)
    assert [(request.id, request.acks) for request in requests] == [(7, 100), (8, 100), (9, 30)]
    told = [orjson.loads(request.frame) for request in requests]
    assert [entry["id"] for entry in told] == ["7", "8", "9"] and {entry["op"] for entry in told} == {"subscribe"}
    assert [f"{arg['channel']}:{arg['instId']}" for entry in told for arg in entry["args"]] == streams
    assert max(len(request.frame) for request in requests) < 65_536
    assert orjson.loads(OKX.subscribe_requests("spot", streams[:1], 1, False)[0].frame)["op"] == "unsubscribe"


def test_limits_and_heartbeat_are_those_of_the_venue() -> None:
    limits = OKX.sockets["spot"]
    assert [(rate.count, rate.window_s) for rate in limits.requests] == [(480, 3600.0)]
    assert [(rate.count, rate.window_s) for rate in OKX.attempts] == [(3, 1.0)]
    assert OKX.heartbeat.frame == b"ping" and OKX.heartbeat.idle_s < 30 and OKX.resync == "resubscribe"


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize("venue", [OKX, OKXUS])
def test_every_mode_has_every_address(venue: Any) -> None:
    for urls in venue.endpoints.values():
        assert set(urls) == set(venue.roles)
    assert {limits.role for limits in venue.rest.values()} <= set(venue.roles) and set(venue.rest) == set(venue.sockets) == set(
        venue.markets
    )
    assert venue.endpoints["testnet"]["public_ws"] != venue.endpoints["paper"]["public_ws"]
    assert venue.endpoints["testnet"]["rest"] == venue.endpoints["paper"]["rest"]
    assert venue.mode_headers == {"testnet": {"x-simulated-trading": "1"}}  # says that it is the demo that is meant


def test_okx_us_is_spot_under_other_addresses() -> None:
    assert OKXUS.markets == ("spot",) and OKXUS.account == "unified"
    assert not set(OKXUS.endpoints["paper"].values()) & set(OKX.endpoints["paper"].values())
    [row], _ = OKXUS.parse_listing("spot", {"code": "0", "data": [SPOT]}, FEES)
    assert row.name == "okxus:BTC/USD" and row.account_name == "okxus:unified"
    with pytest.raises(InstrumentError, match="okxus spot"):
        OKXUS.parse_listing("spot", {"code": "1", "data": []}, FEES)


# ---------------------------------------------------------------- books over REST, recordings


def test_snapshot_request() -> None:
    [row] = rows_of(1, 0)
    request = OKX.snapshot_request(row)
    assert request is not None
    assert (request.path, request.params, request.limit) == ("/api/v5/market/books", {"instId": "C0-USDT", "sz": "400"}, 400)


@pytest.mark.parametrize("change", [{}, {"ctVal": "1000", "lotSz": "0.1"}, {"ctVal": "0.001", "lotSz": "1"}])
def test_written_snapshot_is_read_back(change: dict[str, str]) -> None:
    [row], _ = parse("linear", {**SWAP, **change})
    instruments = InstrumentTable([row]).to_array()
    told = instruments.row(0)
    bids, asks = [(250_010, 7 * told["size_mul"]), (249_990, 12_300 * told["size_mul"])], [(250_020, told["size_mul"])]
    decoder = OKX.make_decoder(instruments, "linear", [0])
    assert decoder.apply_snapshot(0, OKX.write_snapshot(row, 77, bids, asks), 400) == "waiting"
    assert decoder.book(0) == {"bids": bids, "asks": asks} and decoder.stats(0)["update_id"] == 77


def test_glance() -> None:
    told = OKX.glance("spot", snapshot(100))
    assert told is not None
    assert (told.symbol, told.is_snapshot, told.last_update_id, told.first_update_id) == ("BTC-USDT", True, 100, 0)
    assert told.levels == (("100.0", "1"), ("99.5", "2"), ("100.5", "3"), ("101", "4"))
    told = OKX.glance("spot", update(100, 103, [("1", "2")]))
    assert told is not None and (told.first_update_id, told.last_update_id, told.is_snapshot, told.levels) == (
        103,
        103,
        False,
        (("1", "2"),),
    )
    told = OKX.glance("spot", rest_book(9))
    assert told is not None and (told.symbol, told.last_update_id, told.is_snapshot, len(told.levels)) == ("", 9, True, 4)
    told = OKX.glance("spot", top(5, ("1", "2"), None))
    assert told is not None and (told.last_update_id, told.levels) == (0, (("1", "2"),))
    trade = push("trades", [{"px": "5", "sz": "6"}])
    assert OKX.glance("spot", trade).levels == (("5", "6"),)  # type: ignore[union-attr]
    assert OKX.glance("linear", push("mark-price", [{"markPx": "5"}])).symbol == "BTC-USDT"  # type: ignore[union-attr]
    for empty in (b"pong", b'{"event":"subscribe","arg":{"channel":"books","instId":"X"}}', b'{"code":"0","data":[]}'):
        assert OKX.glance("spot", empty).symbol == ""  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"ping",
        b"{",
        b"[1]",
        b"5",
        b"null",
        b'{"x":1}',
        b'{"arg":5,"data":[]}',
        b'{"arg":{"channel":"books"},"data":[]}',
        b'{"arg":{"channel":"books","instId":"X"},"action":"update","data":[{"asks":[]}]}',
        b"\xff",
    ],
)
def test_glance_at_what_the_venue_never_sends(text: bytes) -> None:
    assert OKX.glance("spot", text) is None

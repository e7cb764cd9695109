"""What exchangeInfo becomes, which instruments are chosen, how streams are spread."""
from decimal import Decimal

import orjson

from feeds.choice import choose_rows, problems_to_tell
from feeds.config import Fees, VenueConfig
from feeds.venues import binance, binanceus

SPOT = {"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT", "filters": [
    {"filterType": "PRICE_FILTER", "minPrice": "0.01000000", "maxPrice": "1000000.00000000", "tickSize": "0.01000000"},
    {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000.00000000", "stepSize": "0.00001000"},
    {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True, "maxNotional": "9000000.00000000"}]}
PERP = {"symbol": "BTCUSDT", "contractType": "PERPETUAL", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
        "marginAsset": "USDT", "pricePrecision": 2, "quantityPrecision": 3, "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "556.80", "maxPrice": "4529764", "tickSize": "0.10"},
            {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
            {"filterType": "MIN_NOTIONAL", "notional": "50"}]}


def other(template, base, **filters):
    symbol = orjson.loads(orjson.dumps(template))
    symbol.update(symbol=f"{base}USDT", baseAsset=base)
    for entry in symbol["filters"]:
        entry.update({key: value for key, value in filters.items() if key in entry})
    return symbol


def parse(market, *symbols):
    return binance.VENUE.parse_listing(market, {"symbols": list(symbols)}, Fees())


def test_scales_come_from_tick_and_step_not_from_precision():
    (spot,), problems = parse("spot", SPOT)
    (perp,), _ = parse("linear", PERP)
    assert problems == []
    assert (spot.name, spot.px_scale, spot.qty_scale, spot.min_notional, spot.taker_fee) == (
        "binance:BTC/USDT",
        2,
        7,  # two digits finer than the step: resting sizes may be
        5,
        Decimal("0.001"),
    )
    assert (perp.name, perp.px_scale, perp.qty_scale, perp.min_notional, perp.taker_fee) == (
        "binance:BTC/USDT:USDT",
        1,
        3,
        50,
        Decimal("0.0005"),
    )
    assert (perp.min_px, perp.max_px) == (Decimal("556.8"), Decimal(4529764))


def test_dated_futures_are_no_perpetuals():
    assert parse("linear", {**PERP, "contractType": "CURRENT_QUARTER"}) == ([], [])


def test_an_unusable_symbol_is_told_and_the_others_stay():
    rows, problems = parse("spot", SPOT, {"symbol": "BAD"}, other(SPOT, "ZERO", tickSize="0.00000000"), 7)
    assert [row.base for row in rows] == ["BTC"]
    assert len(problems) == 3 and "BAD" in problems[0] and "ZEROUSDT" in problems[1]


def test_an_order_cap_beyond_62_bits_is_lowered_not_refused():
    (row,), problems = parse(
        "spot",
        other(
            SPOT,
            "SHIB",
            minPrice="0.00000001",
            maxPrice="1.00000000",
            tickSize="0.00000001",
            minQty="1.00",
            maxQty="46116860414.00",
            stepSize="1.00",
        ),
    )
    assert problems == []
    assert 10**8 < row.max_qty < 46116860414
    row.check()


def test_auto_takes_bases_that_have_every_configured_market():
    rows = (
        parse("spot", SPOT, other(SPOT, "ETH"), other(SPOT, "DOGE"))[0]
        + parse("linear", PERP, other(PERP, "ETH"), other(PERP, "1000SHIB"))[0]
    )
    chosen, problems = choose_rows(binance.VENUE, rows, VenueConfig())
    assert [row.name for row in chosen] == [
        "binance:BTC/USDT",
        "binance:BTC/USDT:USDT",
        "binance:ETH/USDT",
        "binance:ETH/USDT:USDT",
    ]
    assert problems == []
    chosen, problems = choose_rows(binance.VENUE, rows, VenueConfig(symbols_max=2))
    assert len(chosen) == 2 and "symbols_max 2" in problems[0]
    halted = [
        row if row.base != "ETH" else type(row)(**{f: getattr(row, f) if f != "status" else "BREAK" for f in row.__slots__})
        for row in rows
    ]
    assert len(choose_rows(binance.VENUE, halted, VenueConfig())[0]) == 2


def test_named_instruments_are_looked_up_and_misses_name_a_neighbour():
    rows = parse("spot", SPOT)[0] + parse("linear", PERP)[0]
    chosen, problems = choose_rows(binance.VENUE, rows, VenueConfig(symbols=["BTC/USDT:USDT", "BTC/USD"]))
    assert [row.name for row in chosen] == ["binance:BTC/USDT:USDT"]
    assert problems == ["binance lists no BTC/USD in spot or linear; did you mean BTC/USDT?"]


def rows_with_ids(count):
    spot = parse("spot", *(other(SPOT, f"C{i}") for i in range(count)))[0]
    perp = parse("linear", *(other(PERP, f"C{i}") for i in range(count)))[0]
    from feeds.instruments import InstrumentTable
    table = InstrumentTable()
    table.merge(spot + perp)
    return table.rows


def test_every_book_is_on_one_route_and_nothing_but_books_beside_it():
    rows = rows_with_ids(50)
    plans = binance.VENUE.plan_routes(rows, 2, True)
    assert [plan.name for plan in plans] == [
        "spot-book-0",
        "spot-book-1",
        "spot-aside-0",
        "linear-book-0",
        "linear-book-1",
        "linear-aside-0",
    ]
    assert sorted(row for plan in plans for row in plan.rows) == list(range(100))
    for plan in plans:
        kinds = {stream.split("@", 1)[1] for stream in plan.streams}
        assert kinds == (
            {"depth@100ms", "bookTicker"}
            if "book" in plan.name
            else {"trade"}
            if plan.market == "spot"
            else {"aggTrade", "markPrice@1s"}
        )
        assert plan.role == (
            "spot_ws" if plan.market == "spot" else "linear_ws_public" if "book" in plan.name else "linear_ws_market"
        )


def test_no_socket_carries_more_streams_than_the_venue_allows():
    for plan in binance.VENUE.plan_routes(rows_with_ids(1200), 1, True):
        assert len(plan.streams) <= binance.VENUE.sockets[plan.market].streams_per_socket


def test_subscriptions_are_split_into_small_frames_with_growing_ids():
    requests = binance.VENUE.subscribe_requests("spot", [f"c{i}usdt@depth@100ms" for i in range(250)], 7)
    assert [(request.id, request.acks) for request in requests] == [(7, 1), (8, 1), (9, 1)]
    assert all(len(request.frame) < 4096 for request in requests)
    assert sum(len(orjson.loads(request.frame)["params"]) for request in requests) == 250
    (end,) = binance.VENUE.subscribe_requests("spot", ["btcusdt@bookTicker"], 10, False)
    assert orjson.loads(end.frame) == {"method": "UNSUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 10}


def test_the_streams_of_a_row_are_those_of_its_plan():
    rows = rows_with_ids(3)
    plan = binance.VENUE.plan_routes(rows, 1, True)[0]
    assert binance.VENUE.streams_of_row(plan, rows[1]) == ("c1usdt@depth@100ms", "c1usdt@bookTicker")


def test_a_written_snapshot_is_what_the_decoder_reads():
    (row,) = parse("spot", SPOT)[0]
    from feeds.instruments import InstrumentTable
    decoder = binance.VENUE.make_decoder(InstrumentTable([row]).to_array(), "spot", [0])
    body = binance.VENUE.write_snapshot(row, 42, [(6183763, 15000000)], [(6183764, 20)])
    assert decoder.apply_snapshot(0, body) == "waiting"
    assert decoder.book(0) == {"bids": [(6183763, 15000000)], "asks": [(6183764, 20)]}
    assert decoder.stats(0)["update_id"] == 42


def test_binance_us_is_binance_spot_with_other_facts():
    venue = binanceus.VENUE
    (row,), problems = venue.parse_listing("spot", {"symbols": [SPOT]}, Fees())
    assert (row.name, row.venue, problems) == ("binanceus:BTC/USDT", "binanceus", [])
    (plan, aside) = venue.plan_routes([row], 2, True)
    assert (plan.role, plan.streams, aside.streams) == ("spot_ws", ("btcusdt@depth@100ms", "btcusdt@bookTicker"),
                                                        ("btcusdt@trade",))
    assert all(set(urls) <= set(venue.roles) for urls in venue.endpoints.values())
    assert "testnet" not in venue.endpoints and list(venue.credentials) == ["hmac"]


def test_only_problems_of_what_was_asked_for_are_told():
    problems = ["binance spot BTCUSDT: not usable: x", "binance spot 1000BTCUSDT: not usable: y", "okx linear BTC-USDT-SWAP: z"]
    assert problems_to_tell(problems, VenueConfig()) == problems
    assert problems_to_tell(problems, VenueConfig(symbols=["BTC/USDT"])) == [problems[0], problems[2]]


def test_funding_intervals():
    assert binance.parse_funding_info(
        [{"symbol": "BLZUSDT", "fundingIntervalHours": 4}, {"symbol": "X", "fundingIntervalHours": 0}]
    ) == {"BLZUSDT": 14400}

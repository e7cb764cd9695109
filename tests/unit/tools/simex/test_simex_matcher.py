"""Matching and settlement: what orders do to books, balances and positions, to the last unit."""

import random
from decimal import Decimal

import pytest

from tests.support.simex_rig import Rig
from tools.simex.contract import LINEAR, SPOT
from tools.simex.exact import E8
from tools.simex.venue import FundingState

SPOT_LEVELS = ([("100.00", "2"), ("99.90", "3")], [("100.10", "1"), ("100.20", "2"), ("100.30", "4")])


@pytest.fixture
def rig():
    rig = Rig(pairs=2, with_market=False)
    for market in (SPOT, LINEAR):
        rig.set_levels(market, "ETHUSDT", *SPOT_LEVELS)
    rig.venue.matcher.mark_px_e8["ETHUSDT"] = 100_05 * 10**6
    return rig


def free(rig, asset):
    return Decimal(rig.account.free.get(asset, 0)) / E8


def wallet(rig):
    return Decimal(rig.account.wallet["USDT"]) / E8


def test_spot_buy_walks_levels_and_pays_its_fee_in_the_base_asset(rig):
    answer = rig.api(SPOT).place("ETHUSDT", "BUY", "100.20", "2", newOrderRespType="FULL")
    result = answer["result"]
    assert result["status"] == "FILLED" and result["cummulativeQuoteQty"] == "200.30000000"
    assert [(f["price"], f["qty"], f["commission"], f["commissionAsset"]) for f in result["fills"]] == [
        ("100.10000000", "1.00000000", "0.00100000", "ETH"),
        ("100.20000000", "1.00000000", "0.00100000", "ETH"),
    ]
    assert free(rig, "ETH") == Decimal("1.998") and free(rig, "USDT") == Decimal(1_000_000) - Decimal("200.3")
    assert rig.account.locked.get("USDT", 0) == 0
    assert rig.top(SPOT, "ETHUSDT")[2:] == (10020, 10_000)


def test_spot_sell_pays_its_fee_in_the_quote_asset(rig):
    rig.account.free["ETH"] = 2 * E8
    result = rig.api(SPOT).place("ETHUSDT", "SELL", "100.00", "2", newOrderRespType="FULL")["result"]
    assert [(f["commission"], f["commissionAsset"]) for f in result["fills"]] == [("0.20000000", "USDT")]
    assert free(rig, "USDT") == Decimal(1_000_000) + Decimal("199.8") and free(rig, "ETH") == 0


def test_bnb_pays_the_fee_when_burning_is_on_and_there_is_enough(rig):
    rig.account.set_flag("bnb_burn", True)
    rig.account.free["BNB"] = E8
    result = rig.api(SPOT).place("ETHUSDT", "BUY", "100.10", "1", newOrderRespType="FULL")["result"]
    assert result["fills"][0]["commissionAsset"] == "BNB" and result["fills"][0]["commission"] == "0.00012512"
    assert free(rig, "ETH") == 1 and rig.account.free["BNB"] == E8 - 12512


@pytest.mark.parametrize("market", [SPOT, LINEAR])
def test_unfilled_ioc_ends_expired_and_frees_what_it_held(rig, market):
    before = dict(rig.account.free), dict(rig.account.wallet)
    answer = rig.api(market).place("ETHUSDT", "BUY", "100.00", "1", newOrderRespType="RESULT")
    assert answer["result"]["status"] == "EXPIRED" and answer["result"]["executedQty"].strip("0.") == ""
    if market == SPOT:
        assert answer["result"]["expiryReason"] == "UNFILLED_IOC_QUANTITY_EXPIRED"
    assert (dict(rig.account.free), dict(rig.account.wallet)) == (before[0] | {}, before[1])
    assert rig.account.locked.get("USDT", 0) == 0


def test_partly_filled_ioc_ends_expired_with_what_it_got(rig):
    result = rig.api(SPOT).place("ETHUSDT", "BUY", "100.10", "3", newOrderRespType="FULL")["result"]
    assert result["status"] == "EXPIRED" and result["executedQty"] == "1.00000000"
    assert rig.account.locked["USDT"] == 0


def test_fok_fills_whole_or_not_at_all(rig):
    spot = rig.api(SPOT)
    none = spot.place("ETHUSDT", "BUY", "100.30", "8", "FOK", newOrderRespType="RESULT")["result"]
    assert (
        none["status"] == "EXPIRED"
        and none["expiryReason"] == "UNFILLED_FOK_ORDER_EXPIRED"
        and none["executedQty"] == "0.00000000"
    )
    assert spot.place("ETHUSDT", "BUY", "100.30", "7", "FOK", newOrderRespType="RESULT")["result"]["status"] == "FILLED"
    assert rig.api(LINEAR).place("ETHUSDT", "BUY", "100.30", "8", "FOK")["error"]["code"] == -5021


def test_post_only_orders_that_would_take_are_refused_in_each_markets_words(rig):
    spot = rig.api(SPOT).place("ETHUSDT", "BUY", "100.10", "1", type="LIMIT_MAKER")
    assert spot["status"] == 400 and spot["error"] == {"code": -2010, "msg": "Order would immediately match and take."}
    assert rig.api(LINEAR).place("ETHUSDT", "BUY", "100.10", "1", "GTX")["error"]["code"] == -5022
    assert rig.api(SPOT).place("ETHUSDT", "BUY", "100.05", "1", type="LIMIT_MAKER")["result"]["status"] == "NEW"


def test_resting_order_is_shown_filled_by_the_market_and_charged_as_maker(rig):
    spot = rig.api(SPOT)
    placed = spot.place("ETHUSDT", "BUY", "100.05", "1", "GTC")["result"]
    assert rig.top(SPOT, "ETHUSDT")[:2] == (10005, 10_000)
    assert rig.account.locked["USDT"] == 100_05 * 10**6
    instrument = rig.venue.by_symbol[SPOT]["ETHUSDT"]
    rig.venue.matcher.match_resting(instrument, True, 10004, rig.clock.wall_ms())
    state = spot.ask("order.status", symbol="ETHUSDT", orderId=placed["orderId"])["result"]
    assert state["status"] == "FILLED" and rig.account.locked["USDT"] == 0
    assert rig.account.orders[SPOT][placed["orderId"]].fills[0].is_maker
    assert rig.top(SPOT, "ETHUSDT")[0] == 10000


def test_cancel_gives_back_the_lock_and_a_second_cancel_is_unknown(rig):
    spot = rig.api(SPOT)
    spot.place("ETHUSDT", "BUY", "99.00", "1", "GTC", newClientOrderId="mine")
    answer = spot.ask("order.cancel", symbol="ETHUSDT", origClientOrderId="mine")
    assert answer["result"]["status"] == "CANCELED" and answer["result"]["origClientOrderId"] == "mine"
    assert free(rig, "USDT") == 1_000_000
    again = spot.ask("order.cancel", symbol="ETHUSDT", origClientOrderId="mine")
    assert again["error"] == {"code": -2011, "msg": "Unknown order sent."}
    assert spot.ask("order.status", symbol="ETHUSDT", origClientOrderId="never")["error"]["code"] == -2013


def test_client_id_is_unique_among_open_orders_and_free_again_after(rig):
    for market, code, msg in ((SPOT, -2010, "Duplicate order sent."), (LINEAR, -4116, "ClientOrderId is duplicated.")):
        api = rig.api(market)
        api.place("ETHUSDT", "BUY", "99.00", "1", "GTC", newClientOrderId="same")
        assert api.place("ETHUSDT", "BUY", "98.90", "1", "GTC", newClientOrderId="same")["error"] == {"code": code, "msg": msg}
        api.ask("order.cancel", symbol="ETHUSDT", origClientOrderId="same")
        assert api.place("ETHUSDT", "BUY", "98.90", "1", "GTC", newClientOrderId="same")["status"] == 200


def test_too_large_an_order_is_refused_for_balance_and_for_margin(rig):
    rig.account.free["USDT"] = 50 * E8
    rig.account.wallet["USDT"] = 5 * E8
    assert rig.api(SPOT).place("ETHUSDT", "BUY", "100.10", "1")["error"] == {
        "code": -2010,
        "msg": "Account has insufficient balance for requested action.",
    }
    assert rig.api(SPOT).place("ETHUSDT", "SELL", "100.00", "1")["error"]["code"] == -2010
    assert rig.api(LINEAR).place("ETHUSDT", "BUY", "100.10", "1")["error"] == {"code": -2019, "msg": "Margin is insufficient."}
    assert rig.account.orders[SPOT] == {} and rig.account.orders[LINEAR] == {}


def test_self_trade_prevention_ends_the_side_it_names(rig):
    rig.account.free["ETH"] = 10 * E8
    spot = rig.api(SPOT)
    for mode, maker, taker in (
        ("EXPIRE_MAKER", "EXPIRED_IN_MATCH", "FILLED"),
        ("EXPIRE_TAKER", "NEW", "EXPIRED_IN_MATCH"),
        ("EXPIRE_BOTH", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH"),
        ("NONE", "FILLED", "FILLED"),
    ):
        rig.set_levels(SPOT, "ETHUSDT", [("99.00", "9")], [("101.00", "9")])
        made = spot.place("ETHUSDT", "SELL", "100.50", "1", "GTC")["result"]
        took = spot.place("ETHUSDT", "BUY", "101.00", "1", newOrderRespType="RESULT", selfTradePreventionMode=mode)["result"]
        state = spot.ask("order.status", symbol="ETHUSDT", orderId=made["orderId"])["result"]
        assert (state["status"], took["status"]) == (maker, taker), mode
        if maker == "NEW":
            spot.ask("order.cancel", symbol="ETHUSDT", orderId=made["orderId"])
        rig.venue.books[SPOT]["ETHUSDT"].check()
        assert rig.account.locked["ETH"] == 0, mode


def test_futures_position_realises_its_profit_exactly(rig):
    linear = rig.api(LINEAR)
    start = wallet(rig)
    linear.place("ETHUSDT", "BUY", "100.20", "3")
    position = rig.account.positions["ETHUSDT"]
    assert position.entry_price() == (Decimal("100.10") + 2 * Decimal("100.20")) / 3
    rig.set_levels(LINEAR, "ETHUSDT", [("100.70", "1"), ("100.60", "9")], [("100.80", "5")])
    linear.place("ETHUSDT", "SELL", "100.60", "1")
    linear.place("ETHUSDT", "SELL", "100.60", "2", reduceOnly="true")
    assert position.qty == 0 and position.cost_e8 == 0
    bought, sold = Decimal("100.10") + 2 * Decimal("100.20"), Decimal("100.70") + 2 * Decimal("100.60")
    fees = (bought + sold) * Decimal("0.0005")
    assert wallet(rig) == start + sold - bought - fees
    rows = linear.ask("account.position", symbol="ETHUSDT")["result"]
    assert rows[0]["positionAmt"] == "0.000"


def test_position_turns_through_zero(rig):
    linear = rig.api(LINEAR)
    linear.place("ETHUSDT", "BUY", "100.10", "1")
    linear.place("ETHUSDT", "SELL", "99.90", "3")
    position = rig.account.positions["ETHUSDT"]
    assert position.qty == -2000 and position.realised_e8 == -10 * 10**6
    assert position.entry_price() == (Decimal("100.00") + Decimal("99.90")) / 2


def test_reduce_only_never_opens_and_stops_at_flat(rig):
    linear = rig.api(LINEAR)
    assert linear.place("ETHUSDT", "SELL", "99.90", "1", reduceOnly="true")["error"] == {
        "code": -2022,
        "msg": "ReduceOnly Order is rejected.",
    }
    linear.place("ETHUSDT", "BUY", "100.10", "1")
    assert linear.place("ETHUSDT", "BUY", "100.20", "1", reduceOnly="true")["error"]["code"] == -2022
    result = linear.place("ETHUSDT", "SELL", "99.90", "4", reduceOnly="true", newOrderRespType="RESULT")["result"]
    assert result["executedQty"] == "1.000" and result["status"] == "EXPIRED"
    assert rig.account.positions["ETHUSDT"].qty == 0


def test_market_order_by_quote_amount_buys_whole_steps(rig):
    result = rig.api(SPOT).ask("order.place", symbol="ETHUSDT", side="BUY", type="MARKET", quoteOrderQty="150")["result"]
    assert result["status"] == "FILLED" and Decimal(result["cummulativeQuoteQty"]) <= 150
    assert Decimal(result["executedQty"]) == Decimal("1.4980")


def test_market_order_beyond_the_book_expires_its_rest(rig):
    result = rig.api(SPOT).place("ETHUSDT", "BUY", None, "9", newOrderRespType="RESULT")["result"]
    assert (
        result["status"] == "EXPIRED"
        and result["expiryReason"] == "INSUFFICIENT_LIQUIDITY"
        and result["executedQty"] == "7.00000000"
    )


def test_funding_is_paid_by_longs_when_positive_and_kept_as_income(rig):
    linear = rig.api(LINEAR)
    linear.place("ETHUSDT", "BUY", "100.20", "2")
    before = wallet(rig)
    instrument = rig.venue.by_symbol[LINEAR]["ETHUSDT"]
    rig.venue.funding["ETHUSDT"] = FundingState(10_000, 0)
    assert rig.venue.matcher.pay_funding(rig.account, instrument, 10_000, rig.clock.wall_ms()) == -2_001_000
    assert wallet(rig) == before - Decimal("0.02001")
    body = rig.operations[LINEAR].income(rig.account, {"incomeType": "FUNDING_FEE"})
    assert body[0]["income"] == "-0.02001000" and body[0]["symbol"] == "ETHUSDT"


@pytest.mark.parametrize("seed", range(4))
def test_money_is_conserved_under_random_trading(seed):
    """Every balance equals a plain Decimal recount of the fills; locks equal open orders; books keep their rules."""
    print("seed", seed)
    draw = random.Random(seed)
    rig = Rig(pairs=3, seed=seed + 1, background_msgs_per_s=800.0)
    rig.dialect.limits[SPOT].enforce = rig.dialect.limits[LINEAR].enforce = False
    apis = {SPOT: rig.api(SPOT), LINEAR: rig.api(LINEAR)}
    for step in range(400):
        rig.run(0.01)
        market = draw.choice([SPOT, LINEAR])
        symbol = draw.choice(list(rig.venue.by_symbol[market]))
        instrument = rig.venue.by_symbol[market][symbol]
        bid, _, ask, _ = rig.top(market, symbol)
        px = draw.choice([bid, ask]) + draw.randrange(-6, 7) * instrument.tick
        qty = (
            max(
                1,
                int(draw.uniform(50, 40_000) / (px / 10**instrument.px_decimals) * 10**instrument.qty_decimals)
                // instrument.step,
            )
            * instrument.step
        )
        opened = rig.venue.matcher.open_orders(rig.account, market, None)
        if opened and draw.random() < 0.2:
            order = draw.choice(opened)
            apis[market].ask("order.cancel", symbol=order.instrument.symbol, orderId=order.order_id)
        else:
            apis[market].place(
                symbol,
                draw.choice(["BUY", "SELL"]),
                instrument.px_text(px),
                instrument.qty_text(qty),
                draw.choice(["IOC", "GTC", "FOK"]),
                selfTradePreventionMode=draw.choice(["NONE", "EXPIRE_MAKER", "EXPIRE_TAKER"]),
            )
    balances: dict[str, Decimal] = {"USDT": Decimal(1_000_000)}
    held: dict[str, Decimal] = {}
    fees = Decimal(0)
    fills = 0
    for order in rig.account.orders[SPOT].values():
        for f in order.fills:
            fills += 1
            i = order.instrument
            qty, px, fee = Decimal(i.qty_text(f.qty)), Decimal(i.px_text(f.px)), Decimal(f.fee_e8) / E8
            sign = 1 if order.is_buy else -1
            balances[i.base] = balances.get(i.base, Decimal(0)) + sign * qty
            balances["USDT"] -= sign * qty * px
            balances[f.fee_asset] -= fee
    for order in rig.account.orders[LINEAR].values():
        for f in order.fills:
            fills += 1
            i = order.instrument
            fees += Decimal(f.fee_e8) / E8
            signed = Decimal(i.qty_text(f.qty)) * (1 if order.is_buy else -1)
            held[i.symbol] = held.get(i.symbol, Decimal(0)) + signed * Decimal(i.px_text(f.px))
    assert fills > 100
    for asset, expected in balances.items():
        total = Decimal(rig.account.free.get(asset, 0) + rig.account.locked.get(asset, 0)) / E8
        assert total == expected, asset
    cost = sum((Decimal(p.cost_e8) / E8 for p in rig.account.positions.values()), Decimal(0))
    assert wallet(rig) == Decimal(1_000_000) - fees - sum(held.values(), Decimal(0)) + cost
    for asset in {i.base for i in rig.venue.instruments} | {"USDT"}:
        locked = sum(
            o.locked_e8
            for o in rig.venue.matcher.open_orders(rig.account, SPOT, None)
            if (o.instrument.quote if o.is_buy else o.instrument.base) == asset
        )
        assert rig.account.locked.get(asset, 0) == locked, asset
    for books in rig.venue.books.values():
        for book in books.values():
            book.check()

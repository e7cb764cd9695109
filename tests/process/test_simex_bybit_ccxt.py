"""ccxt and ccxt.pro, clients that share no code with ours, trade on the simulated Bybit and agree with its ledger."""

import asyncio
import re
from decimal import Decimal

import ccxt
import ccxt.async_support
import ccxt.pro
import pytest

from tests.support.simex_rig import running_simex

BOTH = pytest.mark.parametrize("symbol", ["ETH/USDT", "ETH/USDT:USDT"])
FETCH = {"acknowledged": True}


@pytest.fixture(scope="module")
def simex(tmp_path_factory):
    config = {
        "venues": ["bybit"],
        "pairs": 6,
        "dislocations_per_s": 0.0,
        "inventory_usd": 50_000.0,
        "leverage": 2,
        "seed": 4,
        "enforce_limits": False,
    }
    with running_simex(tmp_path_factory.mktemp("bybit"), **config) as process:
        yield process


def point(client, simex):
    """Local addresses instead of the real ones."""
    client.urls["api"]["public"] = client.urls["api"]["private"] = simex.endpoints["rest"]
    sockets = client.urls["api"].get("ws")
    if sockets:
        sockets["public"] = {"spot": simex.endpoints["public_spot_ws"], "linear": simex.endpoints["public_linear_ws"]}
        private = simex.endpoints["private_ws"]
        sockets["private"] = {
            "contract": private,
            "usdc": private,
            "spot": {"unified": private},
            "trade": simex.endpoints["trade_ws"],
        }
    return client


def settings(simex, **more):
    return {"apiKey": simex.secret("hmac_key"), "secret": simex.secret("hmac_secret"), "enableRateLimit": False} | more


@pytest.fixture(scope="module")
def client(simex):
    client = point(ccxt.bybit(settings(simex)), simex)
    client.load_markets()
    return client


def ledger(simex):
    return simex.control(cmd="ledger")


def orders_by_link(simex):
    return {order["client_id"]: order for order in ledger(simex)["accounts"]["main"]["orders"]}


def near(client, symbol, side, factor):
    """A price that many times the best one of a side."""
    return float(client.price_to_precision(symbol, client.fetch_order_book(symbol, 5)[side][0][0] * factor))


def test_markets_load_with_exact_ticks_lots_and_minimums(client):
    assert len(client.markets) == 12, "every category was asked for, two have instruments"
    spot, perp = client.market("BTC/USDT"), client.market("BTC/USDT:USDT")
    assert (spot["precision"]["price"], spot["precision"]["amount"], spot["limits"]["cost"]["min"]) == (0.1, 0.000001, 5.0)
    assert (perp["precision"]["price"], perp["precision"]["amount"]) == (0.1, 0.001)
    assert perp["swap"] and perp["linear"] and perp["contractSize"] == 1.0 and perp["info"]["fundingInterval"] == 480
    assert client.is_unified_enabled() == [False, True] and client.options["unifiedMarginStatus"] == 5


def test_the_time_tickers_and_funding_rates_read(client):
    assert abs(client.fetch_time() - client.milliseconds()) < 2000
    ticker = client.fetch_ticker("BTC/USDT:USDT")
    assert 50_000 < ticker["bid"] < ticker["ask"] < 80_000
    rate = client.fetch_funding_rate("BTC/USDT:USDT")
    assert abs(rate["fundingRate"]) < 0.005 and rate["fundingTimestamp"] > client.milliseconds()


@BOTH
def test_orders_over_rest_agree_with_the_ledger(client, simex, symbol):
    before = ledger(simex)["totals"]["bybit:unified"]
    link = f"rest-{len(symbol)}"
    price = near(client, symbol, "asks", 1.002)
    placed = client.create_order(symbol, "limit", "buy", 0.5, price, {"timeInForce": "IOC", "clientOrderId": link})
    order = client.fetch_order(placed["id"], symbol, FETCH)
    assert order["status"] == "closed" and order["filled"] == 0.5 and order["clientOrderId"] == link
    mine = orders_by_link(simex)[link]
    assert order["average"] == pytest.approx(float(Decimal(mine["quote"]) / Decimal(mine["executed"])), rel=1e-6)
    trades = [t for t in client.fetch_my_trades(symbol) if t["order"] == placed["id"]]
    assert len(trades) == len(mine["fills"])
    assert sum(Decimal(str(t["fee"]["cost"])) for t in trades) == sum(Decimal(f["fee"]) for f in mine["fills"])
    assert {t["fee"]["currency"] for t in trades} == {"USDT" if ":" in symbol else "ETH"}
    after = ledger(simex)
    paid = sum(Decimal(f["px"]) * Decimal(f["qty"]) for f in mine["fills"])
    fee = sum(Decimal(f["fee"]) for f in mine["fills"])
    totals = after["totals"]["bybit:unified"]
    assert Decimal(before["USDT"]) - Decimal(totals["USDT"]) == (fee if ":" in symbol else paid)
    balance = client.fetch_balance()
    assert {asset: Decimal(str(balance[asset]["total"])) for asset in totals} == pytest.approx(
        {asset: Decimal(amount) for asset, amount in totals.items()}
    )
    wallet = {coin["coin"]: coin["walletBalance"] for coin in balance["info"]["result"]["list"][0]["coin"]}
    assert {asset: Decimal(wallet[asset]) for asset in totals} == {asset: Decimal(amount) for asset, amount in totals.items()}
    positions = [(p["symbol"], p["contracts"], p["side"]) for p in client.fetch_positions()]
    assert positions == ([(symbol, 0.5, "long")] if ":" in symbol else [])
    assert after["positions_by_account"]["bybit:linear"] == ({"bybit:ETH/USDT:USDT": "0.500"} if ":" in symbol else {})


@BOTH
def test_resting_orders_are_listed_cancelled_and_found_again(client, symbol):
    order = client.create_order(symbol, "limit", "buy", 0.1, near(client, symbol, "bids", 0.97))
    assert [o["id"] for o in client.fetch_open_orders(symbol)] == [order["id"]]
    assert client.fetch_order(order["id"], symbol, FETCH)["status"] == "open"
    assert client.cancel_order(order["id"], symbol)["id"] == order["id"]
    assert client.fetch_order(order["id"], symbol, FETCH)["status"] == "canceled" and client.fetch_open_orders(symbol) == []
    assert order["id"] in [o["id"] for o in client.fetch_canceled_orders(symbol)]
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order(order["id"], symbol)
    first, second = (client.create_order(symbol, "limit", "buy", 0.1, near(client, symbol, "bids", 0.97)) for _ in range(2))
    client.edit_order(first["id"], symbol, "limit", "buy", 0.2, near(client, symbol, "bids", 0.98))
    assert client.fetch_open_order(first["id"], symbol)["amount"] == 0.2
    client.cancel_all_orders(symbol)
    assert {client.fetch_order(o["id"], symbol, FETCH)["status"] for o in (first, second)} == {"canceled"}


@BOTH
def test_post_only_and_unfilled_ioc_as_ccxt_sees_them(client, symbol):
    high, low = near(client, symbol, "asks", 1.002), near(client, symbol, "bids", 0.98)
    for price, params, reason in (
        (high, {"postOnly": True}, "EC_PostOnlyWillTakeLiquidity"), (low, {"timeInForce": "IOC"}, "EC_NoImmediateQtyToFill"),
    ):  # fmt: skip
        placed = client.create_order(symbol, "limit", "buy", 0.1, price, params)
        order = client.fetch_order(placed["id"], symbol, FETCH)
        assert (order["status"], order["filled"], order["info"]["rejectReason"]) == ("canceled", 0.0, reason)


def test_refusals_become_the_right_ccxt_errors(client):
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_order("BTC/USDT", "limit", "sell", 5, 64_000)
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_order("BTC/USDT:USDT", "limit", "buy", 400, 63_000)
    with pytest.raises(ccxt.InvalidOrder, match="170140"):
        client.create_order("BTC/USDT", "limit", "buy", 0.00002, 63_000)
    with pytest.raises(ccxt.InvalidOrder, match="110017"):
        client.create_order("BTC/USDT:USDT", "market", "sell", 0.01, None, {"reduceOnly": True})
    for symbol, code in (("BTC/USDT", "170141"), ("BTC/USDT:USDT", "110072")):
        placed = client.create_order(
            symbol, "limit", "buy", 0.01, near(client, symbol, "bids", 0.98), {"clientOrderId": f"dup{code}"}
        )
        client.cancel_order(placed["id"], symbol)
        with pytest.raises(ccxt.InvalidOrder, match=code):
            client.create_order(symbol, "limit", "buy", 0.01, near(client, symbol, "bids", 0.98), {"clientOrderId": f"dup{code}"})


def test_leverage_and_fees(client):
    client.set_leverage(20, "SOL/USDT:USDT")
    with pytest.raises(ccxt.ExchangeError, match="110043"):
        client.set_leverage(20, "SOL/USDT:USDT")
    assert client.fetch_position("SOL/USDT:USDT")["leverage"] == 20.0
    fee = client.fetch_trading_fee("BTC/USDT:USDT")
    assert (fee["maker"], fee["taker"]) == (0.0002, 0.00055)


def test_funding_is_told_with_its_sign(client, simex):
    client.create_order("XRP/USDT:USDT", "market", "buy", 1000)
    simex.control(cmd="funding", instrument="bybit:XRP/USDT:USDT", rate="0.0003")
    (income,) = ledger(simex)["accounts"]["main"]["linear"]["income"]
    assert income["income_e8"] < 0
    (row,) = client.private_get_v5_account_transaction_log({"type": "SETTLEMENT", "category": "linear"})["result"]["list"]
    assert Decimal(row["funding"]) * 10**8 == income["income_e8"] and row["change"] == row["funding"]
    (paid,) = client.private_get_v5_execution_list({"category": "linear", "execType": "Funding"})["result"]["list"]
    assert Decimal(paid["execFee"]) == -Decimal(row["funding"])
    assert [h["fundingRate"] for h in client.fetch_funding_rate_history("XRP/USDT:USDT")] == [0.0003]


def test_a_changed_byte_of_a_signature_is_refused(simex):
    class Tampered(ccxt.bybit):
        def sign(self, *args, **kwargs):
            request = super().sign(*args, **kwargs)
            signature = (request.get("headers") or {}).get("X-BAPI-SIGN")
            if signature:
                request["headers"]["X-BAPI-SIGN"] = ("0" if signature[0] != "0" else "1") + signature[1:]
            return request

    options = {"fetchCurrencies": False, "enableUnifiedMargin": False, "enableUnifiedAccount": True, "unifiedMarginStatus": 5}
    count = len(ledger(simex)["accounts"]["main"]["orders"])
    wrong = [Tampered(settings(simex, options=options)), ccxt.bybit(settings(simex, secret="x" * 36, options=options))]
    for bad in wrong:
        point(bad, simex).has["fetchCurrencies"] = False
        bad.load_markets()
        for call in (
            lambda bad=bad: bad.fetch_balance(),
            lambda bad=bad: bad.create_order("BTC/USDT", "limit", "buy", 0.01, 60_000),
            lambda bad=bad: bad.create_order("BTC/USDT:USDT", "limit", "buy", 0.01, 60_000),
        ):
            with pytest.raises(ccxt.AuthenticationError, match="10004"):
                call()
    assert len(ledger(simex)["accounts"]["main"]["orders"]) == count


# ---- ccxt.pro -------------------------------------------------------------------------------------------


def run_pro(simex, work):
    async def run():
        client = point(ccxt.pro.bybit(settings(simex)), simex)
        try:
            await client.load_markets()
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(run())


@pytest.mark.parametrize(("symbol", "market"), [("BTC/USDT", "spot"), ("BTC/USDT:USDT", "linear")])
def test_pro_watches_books_that_equal_the_venues(simex, symbol, market):
    async def watch(client):
        for _ in range(6):
            book = await asyncio.wait_for(client.watch_order_book(symbol), 10)
        simex.control(cmd="quiet", traffic=False)
        await asyncio.sleep(0.5)
        truth = simex.control(cmd="book", market=market, symbol="BTCUSDT")
        simex.control(cmd="quiet", traffic=True)
        book = client.orderbooks[symbol]
        for side in ("bids", "asks"):
            ours = [(Decimal(str(p)), Decimal(str(q))) for p, q in book[side][:50]]
            assert len(ours) == 50 and ours == [(Decimal(p), Decimal(q)) for p, q in truth[side][:50]]

    run_pro(simex, watch)


def test_pro_watches_tickers_and_trades(simex):
    async def watch(client):
        for symbol in ("BTC/USDT", "BTC/USDT:USDT"):
            ticker = await asyncio.wait_for(client.watch_ticker(symbol), 10)
            assert 50_000 < ticker["last"] < 80_000
            (trade, *_) = await asyncio.wait_for(client.watch_trades(symbol), 20)
            assert trade["symbol"] == symbol and trade["side"] in ("buy", "sell") and trade["amount"] > 0

    run_pro(simex, watch)


@pytest.mark.parametrize("symbol", ["BNB/USDT", "BNB/USDT:USDT"])
def test_pro_places_and_cancels_over_the_order_socket(simex, symbol):
    async def trade(client):
        book = await client.fetch_order_book(symbol, 5)
        price = float(client.price_to_precision(symbol, book["asks"][0][0] * 1.002))
        filled = await asyncio.wait_for(client.create_order_ws(symbol, "limit", "buy", 0.5, price, {"timeInForce": "IOC"}), 10)
        low = float(client.price_to_precision(symbol, book["bids"][0][0] * 0.98))
        resting = await asyncio.wait_for(client.create_order_ws(symbol, "limit", "buy", 0.5, low), 10)
        await asyncio.wait_for(client.edit_order_ws(resting["id"], symbol, "limit", "buy", 0.6, low), 10)
        await asyncio.wait_for(client.cancel_order_ws(resting["id"], symbol), 10)
        with pytest.raises(ccxt.OrderNotFound):
            await asyncio.wait_for(client.cancel_order_ws(resting["id"], symbol), 10)
        with pytest.raises(ccxt.InsufficientFunds):
            await asyncio.wait_for(client.create_order_ws(symbol, "limit", "buy", 49_000, low), 10)
        return [await client.fetch_order(order["id"], symbol, FETCH) for order in (filled, resting)]

    filled, cancelled = run_pro(simex, trade)
    assert (filled["status"], filled["filled"]) == ("closed", 0.5)
    assert (cancelled["status"], cancelled["amount"]) == ("canceled", 0.6)


@pytest.mark.parametrize("symbol", ["SOL/USDT", "SOL/USDT:USDT"])
def test_pro_hears_of_its_orders_fills_and_balances(simex, symbol):
    async def listen(client):
        waiting = [
            asyncio.ensure_future(w)
            for w in (client.watch_orders(symbol), client.watch_my_trades(symbol), client.watch_balance())
        ]
        await asyncio.sleep(1.0)
        order = await client.create_order(symbol, "market", "buy", 1)
        _, (trade, *_), _ = await asyncio.wait_for(asyncio.gather(*waiting), 10)
        await asyncio.sleep(0.5)  # what came in the same moment is in ccxt's cache, not in a second answer
        last = client.orders[-1]
        assert (last["id"], last["status"], last["filled"]) == (order["id"], "closed", 1.0)
        assert trade["order"] == order["id"] and re.match(r"^[0-9a-f-]{36}$", trade["id"])
        return client.balance["unified"]["info"][0]["coin"]

    told = run_pro(simex, listen)
    totals = ledger(simex)["totals"]["bybit:unified"]
    assert {coin["coin"] for coin in told} == ({"SOL", "USDT"} if ":" not in symbol else {"USDT"})
    assert all(Decimal(coin["walletBalance"]) == Decimal(totals[coin["coin"]]) for coin in told)


def test_pro_with_a_changed_signature_cannot_log_on(simex):
    async def watch(client):
        client.secret = client.secret[:-1] + ("A" if client.secret[-1] != "A" else "B")
        with pytest.raises(ccxt.AuthenticationError):
            await asyncio.wait_for(client.create_order_ws("BTC/USDT", "limit", "buy", 0.01, 60_000), 10)
        client.options |= {"enableUnifiedMargin": False, "enableUnifiedAccount": True, "unifiedMarginStatus": 5}
        with pytest.raises(ccxt.AuthenticationError):
            await asyncio.wait_for(client.watch_orders("BTC/USDT"), 10)

    run_pro(simex, watch)

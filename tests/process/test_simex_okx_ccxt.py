"""ccxt and ccxt.pro, clients that share no code with ours, trade on the simulated OKX and OKX US and agree with the ledger."""

import asyncio
import re
from decimal import Decimal

import ccxt
import ccxt.pro
import pytest

from tests.support.simex_rig import running_simex

VENUES = ["okx", "okxus"]


@pytest.fixture(scope="module")
def simex(tmp_path_factory):
    config = {"venues": VENUES, "pairs": 4, "dislocations_per_s": 0.0, "inventory_usd": 50_000.0, "seed": 4}
    config |= {"accounts": [{"name": "main", "unified": {"USDT": "1000000"}}]}
    with running_simex(tmp_path_factory.mktemp("simex"), **config) as process:
        yield process


def local(kind, venue, simex, **more):
    """A client whose requests go to this machine: the host is replaced after signing."""
    endpoints = simex.info["endpoints"][venue]

    class Local(kind):
        def sign(self, *args, **kwargs):
            request = super().sign(*args, **kwargs)
            request["url"] = re.sub(r"^https://[^/]+", endpoints["rest"], request["url"])
            return request

    fields = {"apiKey": "hmac_key", "secret": "hmac_secret", "password": "passphrase"}
    keys = {ours: simex.secret(name, venue) for ours, name in fields.items()}
    client = Local(keys | {"enableRateLimit": False} | more)
    if "ws" in client.urls["api"]:
        client.urls["api"]["ws"] = endpoints["public_ws"].removesuffix("/public")
    return client


@pytest.fixture(scope="module", params=VENUES)
def trader(request, simex):
    client = local(getattr(ccxt, request.param), request.param, simex)
    client.load_markets()
    return client


def ledger(simex, venue):
    return simex.control(cmd="ledger", venue=venue)


def total(simex, venue, asset):
    return Decimal(ledger(simex, venue)["totals"][f"{venue}:unified"].get(asset, "0"))


def symbols(client):
    return [s for s in ("ETH/USDT", "ETH/USDT:USDT") if s in client.markets]


def test_markets_load_with_exact_ticks_lots_and_contracts(trader):
    assert set(trader.markets) == {
        f"{coin}/USDT{suffix}"
        for coin in ("BTC", "ETH", "BNB", "SOL")
        for suffix in (("", ":USDT") if trader.id == "okx" else ("",))
    }
    spot = trader.market("BTC/USDT")
    assert (spot["precision"]["price"], spot["precision"]["amount"], spot["limits"]["amount"]["min"]) == (0.01, 0.00001, 0.00001)
    if trader.id == "okx":
        perp = trader.market("BTC/USDT:USDT")
        assert perp["swap"] and perp["linear"] and perp["contractSize"] == 0.01
        assert (perp["precision"]["price"], perp["precision"]["amount"]) == (0.1, 0.01)
        assert trader.market("SOL/USDT:USDT")["contractSize"] == 1.0
    assert {trader.markets[s]["active"] for s in trader.markets} == {True}
    assert set(trader.currencies) >= {"BTC", "USDT"}


def test_orders_over_rest_agree_with_the_ledger(trader, simex):
    venue = trader.id
    for symbol in symbols(trader):
        is_swap = ":" in symbol
        size = 5.0 if is_swap else 0.5
        before = total(simex, venue, "USDT")
        book = trader.fetch_order_book(symbol, 5)
        price = float(trader.price_to_precision(symbol, book["asks"][0][0] * 1.002))
        client_id = f"rest{len(symbol)}"
        placed = trader.create_order(symbol, "limit", "buy", size, price, {"timeInForce": "IOC", "clientOrderId": client_id})
        order = trader.fetch_order(placed["id"], symbol)
        assert (order["status"], order["filled"], order["clientOrderId"]) == ("closed", size, client_id)
        mine = next(o for o in ledger(simex, venue)["accounts"]["main"]["orders"] if str(o["order_id"]) == placed["id"])
        assert mine["client_id"] == client_id and Decimal(mine["executed"]) == Decimal("0.5"), "coins, not contracts"
        assert order["average"] == pytest.approx(float(Decimal(mine["quote"]) / Decimal(mine["executed"])), rel=1e-9)
        fees = sum(Decimal(f["fee"]) for f in mine["fills"])
        trades = [t for t in trader.fetch_my_trades(symbol) if t["order"] == placed["id"]]
        assert {t["id"] for t in trades} == {str(f["trade_id"]) for f in mine["fills"]}
        assert sum(Decimal(str(t["fee"]["cost"])) for t in trades) == fees > 0
        assert {t["fee"]["currency"] for t in trades} == {"USDT" if is_swap else "ETH"}
        paid = before - total(simex, venue, "USDT")
        assert paid == (fees if is_swap else sum(Decimal(f["px"]) * Decimal(f["qty"]) for f in mine["fills"]))
        if is_swap:
            (position,) = trader.fetch_positions([symbol])
            assert (position["contracts"], position["side"], position["contractSize"]) == (5.0, "long", 0.1)
            assert ledger(simex, venue)["positions_by_account"]["okx:linear"] == {"okx:ETH/USDT:USDT": "0.500"}
    balance = trader.fetch_balance()
    told = {d["ccy"]: Decimal(d["cashBal"]) for d in balance["info"]["data"][0]["details"]}
    assert told == {a: Decimal(t) for a, t in ledger(simex, venue)["totals"][f"{venue}:unified"].items() if Decimal(t)}
    assert Decimal(str(balance["ETH"]["total"])) == total(simex, venue, "ETH")


def test_resting_orders_are_listed_cancelled_and_found_again(trader, simex):
    for symbol in symbols(trader):
        book = trader.fetch_order_book(symbol, 5)
        price = float(trader.price_to_precision(symbol, book["bids"][0][0] * 0.97))
        order = trader.create_order(symbol, "limit", "buy", 1.0, price, {"postOnly": True})
        assert [o["id"] for o in trader.fetch_open_orders(symbol)] == [order["id"]]
        assert trader.fetch_open_orders(symbol)[0]["status"] == "open"
        assert trader.cancel_order(order["id"], symbol)["id"] == order["id"]
        assert trader.fetch_order(order["id"], symbol)["status"] == "canceled" and trader.fetch_open_orders(symbol) == []
        with pytest.raises(ccxt.OrderNotFound):
            trader.cancel_order(order["id"], symbol)
        with pytest.raises(ccxt.OrderNotFound):
            trader.fetch_order("1", symbol)


def test_post_only_and_unfilled_ioc_end_as_cancelled(trader, simex):
    for symbol in symbols(trader):
        book = trader.fetch_order_book(symbol, 5)
        high = float(trader.price_to_precision(symbol, book["asks"][0][0] * 1.002))
        low = float(trader.price_to_precision(symbol, book["bids"][0][0] * 0.98))
        for price, params, source in (
            (high, {"postOnly": True}, "31"),
            (low, {"timeInForce": "IOC"}, "14"),
            (low, {"timeInForce": "FOK"}, "13"),
        ):
            order = trader.fetch_order(trader.create_order(symbol, "limit", "buy", 1.0, price, params)["id"], symbol)
            assert (order["status"], order["filled"], order["info"]["cancelSource"]) == ("canceled", 0.0, source)


def test_refusals_become_the_right_ccxt_errors(trader):
    with pytest.raises(ccxt.InsufficientFunds):
        trader.create_order("BTC/USDT", "limit", "sell", 5, 64_000)
    with pytest.raises(ccxt.InvalidOrder, match="51006"):
        trader.create_order("BTC/USDT", "limit", "buy", 0.01, 90_000)
    with pytest.raises(ccxt.ExchangeError, match="51000"):
        trader.create_order("BTC/USDT", "limit", "buy", 0.01, 60_000, {"clientOrderId": "with-hyphen"})
    if trader.id == "okx":
        with pytest.raises(ccxt.InsufficientFunds):
            trader.create_order("BTC/USDT:USDT", "limit", "buy", 25_000, 64_000)
        with pytest.raises(ccxt.ExchangeError, match="51169"):
            trader.create_order("BTC/USDT:USDT", "market", "sell", 1, None, {"reduceOnly": True})


def test_fees_funding_and_leverage_as_ccxt_reads_them(trader, simex):
    fee = trader.fetch_trading_fee("BTC/USDT")
    assert (fee["maker"], fee["taker"]) == ((0.0008, 0.001) if trader.id == "okx" else (0.002, 0.0035))
    assert trader.fetch_ticker("BTC/USDT")["bid"] > 0 and trader.fetch_time() > 0
    if trader.id != "okx":
        return
    funding = trader.fetch_funding_rate("BTC/USDT:USDT")
    assert funding["fundingTimestamp"] > 0 and abs(funding["fundingRate"]) < 0.01
    assert trader.fetch_trading_fee("BTC/USDT:USDT")["taker"] == 0.0005
    trader.set_leverage(7, "SOL/USDT:USDT", {"mgnMode": "cross"})
    assert trader.fetch_leverage("SOL/USDT:USDT", {"mgnMode": "cross"})["longLeverage"] == 7
    simex.control(cmd="funding", venue="okx", symbol="ETH-USDT-SWAP", rate="0.0001")
    (paid,) = trader.fetch_funding_history("ETH/USDT:USDT")
    (mine,) = ledger(simex, "okx")["accounts"]["main"]["linear"]["income"]
    assert Decimal(str(paid["amount"])) == Decimal(mine["income_e8"]) / 10**8 < 0


@pytest.mark.parametrize("venue", VENUES)
def test_a_changed_byte_of_a_signature_and_keys_of_elsewhere_are_refused(simex, venue):
    class Tampered(getattr(ccxt, venue)):
        def sign(self, *args, **kwargs):
            request = super().sign(*args, **kwargs)
            headers = request.get("headers") or {}
            if "OK-ACCESS-SIGN" in headers:
                text = headers["OK-ACCESS-SIGN"]
                headers["OK-ACCESS-SIGN"] = ("A" if text[0] != "A" else "B") + text[1:]
            return request

    def without_currencies(kind, at, **more):
        client = local(kind, at, simex, **more)
        client.has["fetchCurrencies"] = False  # those are asked for with the key
        return client

    bad = without_currencies(Tampered, venue)
    bad.load_markets()
    count = len(ledger(simex, venue)["accounts"]["main"]["orders"])
    with pytest.raises(ccxt.AuthenticationError, match="50113"):
        bad.fetch_balance()
    with pytest.raises(ccxt.AuthenticationError, match="50113"):
        bad.create_order("BTC/USDT", "limit", "buy", 0.01, 60_000)
    assert len(ledger(simex, venue)["accounts"]["main"]["orders"]) == count
    with pytest.raises(ccxt.AuthenticationError, match="50105"):
        without_currencies(getattr(ccxt, venue), venue, password="wrong").fetch_balance()
    other = without_currencies(getattr(ccxt, venue), VENUES[1 - VENUES.index(venue)], apiKey=simex.secret("hmac_key", venue))
    with pytest.raises(ccxt.ExchangeError, match="50119"):
        other.fetch_balance()


@pytest.mark.parametrize("venue", VENUES)
def test_pro_watches_books_that_equal_the_venues(simex, venue):
    async def watch():
        client = local(getattr(ccxt.pro, venue), venue, simex)
        try:
            await client.load_markets()
            for symbol in (s for s in ("BTC/USDT", "BTC/USDT:USDT") if s in client.markets):
                book = None
                for _ in range(6):
                    book = await asyncio.wait_for(client.watch_order_book(symbol), 10)
                simex.control(cmd="quiet", traffic=False)
                await asyncio.sleep(0.5)
                market, name = client.market(symbol), f"{venue}:{symbol}"
                truth = simex.control(cmd="book", instrument=name, depth=400)
                simex.control(cmd="quiet", traffic=True)
                assert book["nonce"] == truth["update_id"]
                size = Decimal(str(market["contractSize"] or 1))
                for side in ("bids", "asks"):
                    ours = [(Decimal(str(p)), Decimal(str(q)) * size) for p, q, *_ in book[side][:100]]
                    assert ours == [(Decimal(p), Decimal(q)) for p, q in truth[side][:100]]
        finally:
            await client.close()

    asyncio.run(watch())


@pytest.mark.parametrize("venue", VENUES)
def test_pro_places_and_cancels_over_the_websocket_and_hears_of_it(simex, venue):
    async def trade():
        client = local(getattr(ccxt.pro, venue), venue, simex)
        found = {}
        try:
            await client.load_markets()
            assert client.market("SOL/USDT")["instIdCode"]
            for symbol in (s for s in ("SOL/USDT", "SOL/USDT:USDT") if s in client.markets):
                waiting = asyncio.ensure_future(client.watch_orders(symbol))
                await asyncio.sleep(0.5)
                book = await client.fetch_order_book(symbol, 5)
                high = float(client.price_to_precision(symbol, book["asks"][0][0] * 1.002))
                params = {"timeInForce": "IOC"}
                order = await asyncio.wait_for(client.create_order_ws(symbol, "limit", "buy", 2.0, high, params), 10)
                await asyncio.wait_for(waiting, 10)
                await asyncio.sleep(0.5)
                told = next(o for o in reversed(client.orders) if o["id"] == order["id"])
                assert (told["status"], told["filled"]) == ("closed", 2.0)
                low = float(client.price_to_precision(symbol, book["bids"][0][0] * 0.98))
                resting = await asyncio.wait_for(client.create_order_ws(symbol, "limit", "buy", 2.0, low, {}), 10)
                await asyncio.wait_for(client.cancel_order_ws(resting["id"], symbol), 10)
                await asyncio.sleep(0.2)
                told = next(o for o in reversed(client.orders) if o["id"] == resting["id"])
                assert told["status"] == "canceled"
                with pytest.raises(ccxt.InsufficientFunds):
                    await asyncio.wait_for(client.create_order_ws(symbol, "limit", "buy", 100_000.0, low, {}), 10)
                found[order["id"]], found[resting["id"]] = "FILLED", "CANCELED"
            balance = await asyncio.wait_for(client.watch_balance(), 10)
            assert Decimal(str(balance["SOL"]["total"])) == total(simex, venue, "SOL")
            if venue == "okx":
                (position,) = await client.fetch_positions(["SOL/USDT:USDT"])
                assert position["contracts"] == 2.0
            return found
        finally:
            await client.close()

    found = asyncio.run(trade())
    by_id = {str(o["order_id"]): o["status"] for o in ledger(simex, venue)["accounts"]["main"]["orders"]}
    assert {number: by_id[number] for number in found} == found


def test_pro_is_refused_with_a_wrong_secret(simex):
    async def run():
        client = local(ccxt.pro.okx, "okx", simex, secret="x" * 32)
        client.has["fetchCurrencies"] = False
        try:
            await client.load_markets()
            with pytest.raises(ccxt.AuthenticationError, match="60007"):
                await asyncio.wait_for(client.watch_balance(), 10)
        finally:
            await client.close()

    asyncio.run(run())

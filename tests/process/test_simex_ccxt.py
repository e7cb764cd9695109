"""ccxt and ccxt.pro, clients that share no code with ours, trade on the simulated venue and agree with its ledger."""

import asyncio
import re
from decimal import Decimal

import ccxt
import ccxt.async_support
import ccxt.pro
import pytest

from tests.support.simex_rig import running_simex

OPTIONS = {"fetchCurrencies": False, "fetchMargins": False, "fetchMarkets": {"types": ["spot", "linear"]}}


@pytest.fixture(scope="module")
def simex(tmp_path_factory):
    with running_simex(tmp_path_factory.mktemp("simex"), pairs=6, dislocations_per_s=0.0, seed=4) as process:
        yield process


def point(client, simex, venue="binance"):
    """Local addresses instead of the real ones (../shared/CONFORMANCE.md 1.1 A, 2)."""
    endpoints = simex.info["endpoints"][venue]
    endpoints = {"linear_rest": "http://127.0.0.1:9"} | endpoints  # what a venue does not have leads nowhere

    def walk(node):
        for key, value in node.items():
            if isinstance(value, dict):
                walk(value)
            elif isinstance(value, str) and value.startswith("https://"):
                node[key] = re.sub(r"^https://[^/]+", endpoints["linear_rest" if "fapi" in value else "spot_rest"], value)

    walk(client.urls["api"])
    sockets = client.urls["api"].get("ws")
    if sockets:
        sockets["spot"] = endpoints["spot_ws"] + "/stream/ws"
        sockets["ws-api"] = {"spot": endpoints["spot_ws_api"]}
        if "linear_ws_api" in endpoints:
            linear = endpoints["linear_ws_public"].removesuffix("/public") + "/ws"
            sockets["linear"] = sockets["future"] = linear
            sockets["ws-api"] |= dict.fromkeys(("linear", "future", "swap"), endpoints["linear_ws_api"])
    return client


def settings(simex, venue="binance", **more):
    return {
        "apiKey": simex.secret("hmac_key", venue),
        "secret": simex.secret("hmac_secret", venue),
        "enableRateLimit": False,
        "options": OPTIONS,
    } | more


@pytest.fixture(scope="module")
def client(simex):
    client = point(ccxt.binance(settings(simex)), simex)
    client.load_markets()
    return client


def ledger(simex):
    return simex.control(cmd="ledger")


def test_markets_load_with_exact_ticks_lots_and_minimums(client):
    assert len(client.markets) == 12
    spot, perp = client.market("BTC/USDT"), client.market("BTC/USDT:USDT")
    assert (spot["precision"]["price"], spot["precision"]["amount"]) == (0.01, 0.00001)
    assert (perp["precision"]["price"], perp["precision"]["amount"]) == (0.1, 0.001)
    assert spot["limits"]["cost"]["min"] == 5.0 and perp["limits"]["cost"]["min"] == 50.0
    assert perp["swap"] and perp["linear"] and perp["contractSize"] == 1.0


@pytest.mark.parametrize("symbol", ["ETH/USDT", "ETH/USDT:USDT"])
def test_orders_over_rest_agree_with_the_ledger(client, simex, symbol):
    book = client.fetch_order_book(symbol, 5)
    before = ledger(simex)
    price = client.price_to_precision(symbol, book["asks"][0][0] * 1.002)
    order = client.create_order(
        symbol, "limit", "buy", 0.5, float(price), {"timeInForce": "IOC", "newClientOrderId": f"rest{len(symbol)}"}
    )
    assert order["status"] == "closed" and order["filled"] == 0.5
    fetched = client.fetch_order(order["id"], symbol)
    mine = next(o for o in ledger(simex)["accounts"]["main"]["orders"] if str(o["order_id"]) == order["id"])
    assert fetched["average"] == pytest.approx(float(Decimal(mine["quote"]) / Decimal(mine["executed"])), rel=1e-6)
    assert mine["recv_mono_ns"] > 0 and mine["client_id"] == f"rest{len(symbol)}"
    trades = client.fetch_my_trades(symbol)
    assert [t["id"] for t in trades if t["order"] == order["id"]] == [str(f["trade_id"]) for f in mine["fills"]]
    assert sum(Decimal(str(t["fee"]["cost"])) for t in trades if t["order"] == order["id"]) == sum(
        Decimal(f["fee"]) for f in mine["fills"]
    )
    assert {t["fee"]["currency"] for t in trades if t["order"] == order["id"]} == {"USDT" if ":" in symbol else "ETH"}
    after = ledger(simex)
    paid = sum(Decimal(f["px"]) * Decimal(f["qty"]) for f in mine["fills"])
    fee = sum(Decimal(f["fee"]) for f in mine["fills"])
    key = "binance:linear" if ":" in symbol else "binance:spot"
    assert Decimal(before["totals"][key]["USDT"]) - Decimal(after["totals"][key]["USDT"]) == (fee if ":" in symbol else paid)
    balance = client.fetch_balance({"type": "swap"} if ":" in symbol else {})
    if ":" in symbol:
        wallet = next(a["walletBalance"] for a in balance["info"]["assets"] if a["asset"] == "USDT")
        assert wallet == after["totals"][key]["USDT"], "ccxt's own total adds unrealised profit, which moves with the mark"
    else:
        assert Decimal(str(balance["USDT"]["total"])) == Decimal(after["totals"][key]["USDT"])
    if ":" in symbol:
        positions = client.fetch_positions()
        assert [(p["symbol"], p["contracts"], p["side"]) for p in positions] == [(symbol, 0.5, "long")]
        assert after["positions_by_account"]["binance:linear"] == {"binance:ETH/USDT:USDT": "0.500"}
    else:
        assert Decimal(str(balance["ETH"]["total"])) == Decimal(after["totals"][key]["ETH"]) == Decimal("0.4995")


def test_resting_orders_are_listed_cancelled_and_found_again(client):
    for symbol in ("BTC/USDT", "BTC/USDT:USDT"):
        book = client.fetch_order_book(symbol, 5)
        price = float(client.price_to_precision(symbol, book["bids"][0][0] * 0.97))
        order = client.create_order(symbol, "limit", "buy", 0.01, price)
        assert order["status"] == "open"
        assert [o["id"] for o in client.fetch_open_orders(symbol)] == [order["id"]]
        assert client.cancel_order(order["id"], symbol)["status"] == "canceled"
        assert client.fetch_order(order["id"], symbol)["status"] == "canceled" and client.fetch_open_orders(symbol) == []
        with pytest.raises(ccxt.OrderNotFound):
            client.cancel_order(order["id"], symbol)


def test_post_only_reduce_only_and_unfilled_ioc_as_ccxt_sees_them(client):
    # ccxt picks its table of futures errors by the real host name; on another host they are plain ExchangeErrors with the code.
    for symbol, error in (("BTC/USDT", "OrderImmediatelyFillable"), ("BTC/USDT:USDT", "ExchangeError")):
        book = client.fetch_order_book(symbol, 5)
        high = float(client.price_to_precision(symbol, book["asks"][0][0] * 1.002))
        low = float(client.price_to_precision(symbol, book["bids"][0][0] * 0.98))
        with pytest.raises(getattr(ccxt, error), match="immediately match" if error.startswith("Order") else "-5022"):
            client.create_order(symbol, "limit", "buy", 0.01, high, {"postOnly": True})
        assert client.create_order(symbol, "limit", "buy", 0.01, low, {"timeInForce": "IOC"})["status"] == "expired"
    with pytest.raises(ccxt.ExchangeError, match="-2022"):
        client.create_order("BTC/USDT:USDT", "market", "sell", 0.01, None, {"reduceOnly": True})


def test_refusals_become_the_right_ccxt_errors(client):
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_order("BTC/USDT", "limit", "sell", 5, 64_000)
    with pytest.raises(ccxt.ExchangeError, match="-2019"):
        client.create_order("BTC/USDT:USDT", "limit", "buy", 400, 64_000)
    with pytest.raises(ccxt.ExchangeError, match="NOTIONAL"):
        client.create_order("BTC/USDT", "limit", "buy", 0.00002, 60_000)


def test_a_changed_byte_of_a_signature_is_refused(simex):
    class Tampered(ccxt.binance):
        def sign(self, *args, **kwargs):
            request = super().sign(*args, **kwargs)
            for part in ("url", "body"):
                if isinstance(request.get(part), str) and "signature=" in request[part]:
                    head, _, tail = request[part].partition("signature=")
                    request[part] = head + "signature=" + ("0" if tail[0] != "0" else "1") + tail[1:]
            return request

    bad = point(Tampered(settings(simex)), simex)
    bad.load_markets()
    count = len(ledger(simex)["accounts"]["main"]["orders"])
    for call in (
        lambda: bad.fetch_balance(),
        lambda: bad.create_order("BTC/USDT", "limit", "buy", 0.01, 60_000),
        lambda: bad.create_order("BTC/USDT:USDT", "limit", "buy", 0.01, 60_000),
    ):
        with pytest.raises(ccxt.AuthenticationError):
            call()
    assert len(ledger(simex)["accounts"]["main"]["orders"]) == count
    wrong = point(ccxt.binance(settings(simex, secret="x" * 64)), simex)
    wrong.load_markets()
    with pytest.raises(ccxt.AuthenticationError):
        wrong.fetch_balance()


def test_pro_watches_books_that_equal_the_venues(simex):
    async def watch():
        client = point(ccxt.pro.binance(settings(simex)), simex)
        try:
            await client.load_markets()
            for symbol, market in (("BTC/USDT", "spot"), ("BTC/USDT:USDT", "linear")):
                book = None
                for _ in range(6):
                    book = await asyncio.wait_for(client.watch_order_book(symbol, 500), 10)
                simex.control(cmd="quiet", traffic=False)
                await asyncio.sleep(0.5)
                truth = simex.control(cmd="book", market=market, symbol="BTCUSDT")
                simex.control(cmd="quiet", traffic=True)
                assert book["nonce"] == truth["update_id"]
                for side in ("bids", "asks"):
                    ours = [(Decimal(str(p)), Decimal(str(q))) for p, q in book[side][:20]]
                    assert ours == [(Decimal(p), Decimal(q)) for p, q in truth[side][:20]]
        finally:
            await client.close()

    asyncio.run(watch())


@pytest.mark.parametrize("symbol", ["BNB/USDT", "BNB/USDT:USDT"])
def test_pro_places_queries_and_cancels_over_the_websocket(simex, symbol):
    async def trade():
        client = point(ccxt.pro.binance(settings(simex)), simex)
        try:
            await client.load_markets()
            book = await client.fetch_order_book(symbol, 5)
            price = client.price_to_precision(symbol, book["asks"][0][0] * 1.002)
            order = await asyncio.wait_for(
                client.create_order_ws(symbol, "limit", "buy", 0.5, float(price), {"timeInForce": "IOC"}), 10
            )
            fetched = await asyncio.wait_for(client.fetch_order_ws(order["id"], symbol), 10)
            assert fetched["status"] == "closed" and fetched["filled"] == 0.5
            low = float(client.price_to_precision(symbol, book["bids"][0][0] * 0.98))
            resting = await asyncio.wait_for(client.create_order_ws(symbol, "limit", "buy", 0.5, low), 10)
            assert resting["status"] == "open"
            cancelled = await asyncio.wait_for(client.cancel_order_ws(resting["id"], symbol), 10)
            assert cancelled["status"] == "canceled"
            return order["id"], resting["id"]
        finally:
            await client.close()

    filled, cancelled = asyncio.run(trade())
    by_id = {str(o["order_id"]): o for o in ledger(simex)["accounts"]["main"]["orders"]}
    assert by_id[filled]["status"] == "FILLED" and by_id[cancelled]["status"] == "CANCELED"


@pytest.mark.parametrize("symbol", ["SOL/USDT", "SOL/USDT:USDT"])
def test_pro_hears_of_its_orders_on_the_user_stream(simex, symbol):
    async def listen():
        client = point(ccxt.pro.binance(settings(simex)), simex)
        try:
            await client.load_markets()
            waiting = asyncio.ensure_future(client.watch_orders(symbol))
            await asyncio.sleep(1.0)
            order = await client.create_order(symbol, "market", "buy", 1)
            await asyncio.wait_for(waiting, 10)
            await asyncio.sleep(0.5)  # what came in the same moment is in ccxt's cache, not in a second answer
            last = client.orders[-1]
            assert (last["id"], last["status"], last["filled"]) == (order["id"], "closed", 1.0)
        finally:
            await client.close()

    asyncio.run(listen())


# ---- Binance.US: the same client family, the same protocol, beside Binance in one process ----------------


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    config = {"venues": ["binance", "binanceus"], "pairs": 4, "dislocations_per_s": 0.0, "inventory_usd": 50_000.0, "seed": 4}
    with running_simex(tmp_path_factory.mktemp("both"), **config) as process:
        yield process


US_OPTIONS = {"fetchCurrencies": False, "fetchMargins": False}


def test_binance_us_trades_over_rest_and_agrees_with_its_own_ledger(both):
    client = point(ccxt.binanceus(settings(both, "binanceus", options=US_OPTIONS)), both, "binanceus")
    client.load_markets()
    assert sorted(client.markets) == ["BNB/USDT", "BTC/USDT", "ETH/USDT", "SOL/USDT"]
    others = both.control(cmd="ledger", venue="binance")
    before = both.control(cmd="ledger", venue="binanceus")["totals"]["binanceus:spot"]
    book = client.fetch_order_book("ETH/USDT", 5)
    price = float(client.price_to_precision("ETH/USDT", book["bids"][0][0] * 0.998))
    order = client.create_order("ETH/USDT", "limit", "sell", 0.5, price, {"timeInForce": "IOC", "newClientOrderId": "us1"})
    assert order["status"] == "closed" and order["filled"] == 0.5
    after = both.control(cmd="ledger", venue="binanceus")
    (mine,) = after["accounts"]["main"]["orders"]
    assert (mine["client_id"], str(mine["order_id"]), mine["instrument"]) == ("us1", order["id"], "binanceus:ETH/USDT")
    paid = sum(Decimal(f["px"]) * Decimal(f["qty"]) - Decimal(f["fee"]) for f in mine["fills"])
    totals = after["totals"]["binanceus:spot"]
    assert Decimal(totals["USDT"]) == Decimal(before["USDT"]) + paid
    assert Decimal(totals["ETH"]) == Decimal(before["ETH"]) - Decimal("0.5")
    balance = client.fetch_balance()
    assert {a: Decimal(str(balance[a]["total"])) for a in totals} == {a: Decimal(t) for a, t in totals.items()}
    assert both.control(cmd="ledger", venue="binance") | {"marks": 0} == others | {"marks": 0}, "nothing happened there"
    with pytest.raises(ccxt.AuthenticationError):
        point(ccxt.binanceus(settings(both, "binance", options=US_OPTIONS)), both, "binanceus").fetch_balance()


def test_binance_us_pro_watches_its_book_and_hears_of_its_orders(both):
    async def run():
        client = point(ccxt.pro.binanceus(settings(both, "binanceus", options=US_OPTIONS)), both, "binanceus")
        try:
            await client.load_markets()
            for _ in range(4):
                book = await asyncio.wait_for(client.watch_order_book("BTC/USDT", 500), 10)
            both.control(cmd="quiet", traffic=False)
            await asyncio.sleep(0.5)
            truth = both.control(cmd="book", venue="binanceus", market="spot", symbol="BTCUSDT")
            both.control(cmd="quiet", traffic=True)
            assert book["nonce"] == truth["update_id"]
            assert [Decimal(str(p)) for p, _ in book["bids"][:20]] == [Decimal(p) for p, _ in truth["bids"][:20]]
            waiting = asyncio.ensure_future(client.watch_orders("SOL/USDT"))
            await asyncio.sleep(1.0)
            order = await client.create_order("SOL/USDT", "market", "buy", 1)
            await asyncio.wait_for(waiting, 10)
            await asyncio.sleep(0.5)
            assert (client.orders[-1]["id"], client.orders[-1]["status"]) == (order["id"], "closed")
        finally:
            await client.close()

    asyncio.run(run())

"""ccxt and ccxt.pro, which share no code with ours, trade on the simulated venue and agree with its ledger and with our
reading of its instruments; one changed byte of a signature is refused."""
from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import pytest

from tests.conformance.case import VenueCase
from tests.conformance.layers import leave, sim_of
from tests.conformance.oracle_ccxt import facts_of, local
from tests.conformance.trade_rig import TradeRig
from tests.support.feed_system import Venues, wait_until

WATCH_S = 20


class Client:
    """A synchronous ccxt client of one market, and what it needs of the simulated venue."""

    def __init__(self, case: VenueCase, market: str, simex: Venues) -> None:
        self.case, self.market, self.simex = case, market, simex
        self.facts = facts_of(case)
        sim_of(case)
        self.endpoints = simex.facts["endpoints"][case.name]
        self.keys = {key: Path(simex.facts["credentials"][case.name][name].removeprefix("file:")).read_text()
                     for key, name in self.facts.credentials.items()}
        self.symbol = self.facts.symbols[market]
        self.api = local(case, self.endpoints, self.keys)
        self.api.load_markets()
        self.contract = Decimal(str(self.api.market(self.symbol).get("contractSize") or 1))

    def pro(self) -> Any:
        return local(self.case, self.endpoints, self.keys, is_pro=True)

    def command(self, cmd: str, **fields: Any) -> dict[str, Any]:
        return self.simex.command(cmd, venue=self.case.name, **fields)

    def orders(self) -> list[dict[str, Any]]:
        return self.command("ledger")["accounts"]["main"]["orders"]

    def order(self, order_id: str) -> dict[str, Any]:
        return next(order for order in self.orders() if str(order["order_id"]) == order_id or order.get("id_text") == order_id)

    def by_client_id(self, client_id: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found[:] = [order for order in self.orders() if order["client_id"] == client_id]
            return bool(found)
        wait_until(look, 5, f"{client_id} in the ledger")
        return found[0]

    def amount(self, quote: int, px: float) -> float:
        """Worth about `quote`, in what ccxt counts in."""
        return float(self.api.amount_to_precision(self.symbol, float(Decimal(quote) / Decimal(str(px)) / self.contract)))

    def prices(self) -> tuple[float, float]:
        book = self.api.fetch_order_book(self.symbol, 5)
        return book["bids"][0][0], book["asks"][0][0]

    def price(self, px: float) -> float:
        return float(self.api.price_to_precision(self.symbol, px))

    def fetch(self, order_id: str) -> dict[str, Any]:
        return self.api.fetch_order(order_id, self.symbol, dict(self.facts.fetch_order_params))

    def create(self, side: str, amount: float, px: float, **params: Any) -> dict[str, Any]:
        return self.api.create_order(self.symbol, "limit", side, amount, px, {**self.facts.order_params, **params})


_numbers = iter(range(1, 1_000_000))


def new_client_id() -> str:
    return f"conf{next(_numbers)}"


@pytest.fixture(scope="module")
def client(case: VenueCase, market: str, simex: Venues) -> Client:
    leave(case, 4, market)
    return Client(case, market, simex)


@pytest.mark.conformance_full
def test_instruments_are_read_alike_by_ccxt_and_by_our_feed(client: Client) -> None:
    rig = TradeRig.__new__(TradeRig)
    from feeds.instruments import InstrumentTable
    from tests.conformance.layers import feed_of
    rig.case, rig.venues, rig.feed, rig.table = client.case, client.simex, feed_of(client.case), InstrumentTable()
    asyncio.run(rig.load_table())
    rows = [row for row in rig.table.rows if row.market == client.market]
    assert rows
    for row in rows:
        market = client.api.market(row.name.partition(":")[2])
        contract = Decimal(str(market.get("contractSize") or 1))
        assert Decimal(str(market["precision"]["price"])) == row.tick, row.name
        assert Decimal(str(market["precision"]["amount"])) * contract == row.lot, row.name
        assert market["id"] == row.symbol and contract == row.contract_size
        least = market["limits"]["amount"]["min"]
        assert least is None or Decimal(str(least)) * contract == row.min_qty or row.min_qty <= row.lot


def test_a_fill_is_the_ledgers(client: Client) -> None:
    client_id = new_client_id()
    _, ask = client.prices()
    amount = client.amount(2000, ask)
    made = client.create("buy", amount, client.price(ask * 1.002), timeInForce="IOC", **{client.facts.client_id_param: client_id})
    mine = client.by_client_id(client_id)
    wait_until(lambda: client.by_client_id(client_id)["status"] == "FILLED", 5, "filled")
    mine = client.by_client_id(client_id)
    fetched = client.fetch(made["id"])
    assert fetched["status"] == "closed"
    assert Decimal(str(fetched["filled"])) * client.contract == Decimal(mine["executed"])
    average = Decimal(mine["quote"]) / Decimal(mine["executed"])
    assert abs(Decimal(str(fetched["average"])) - average) <= average * Decimal("0.000001")
    trades = [trade for trade in client.api.fetch_my_trades(client.symbol) if trade["order"] == made["id"]]
    assert len(trades) == len(mine["fills"])
    assert sum(Decimal(str(t["fee"]["cost"])) for t in trades) == sum(Decimal(f["fee"]) for f in mine["fills"])
    assert {t["fee"]["currency"] for t in trades} == {f["fee_asset"] for f in mine["fills"]}


def test_resting_orders_are_listed_cancelled_and_found_again(client: Client) -> None:
    bid, _ = client.prices()
    px = client.price(bid * 0.985)
    made = client.create("buy", client.amount(2000, bid), px)
    assert [order["id"] for order in client.api.fetch_open_orders(client.symbol)] == [made["id"]]
    client.api.cancel_order(made["id"], client.symbol)
    wait_until(lambda: client.fetch(made["id"])["status"] == "canceled", 5, "cancelled")
    assert client.api.fetch_open_orders(client.symbol) == []
    with pytest.raises(ccxt.BaseError):
        client.api.cancel_order(made["id"], client.symbol)


@pytest.mark.conformance_full
def test_post_only_that_would_take_executes_nothing(client: Client) -> None:
    _, ask = client.prices()
    client_id = new_client_id()
    try:
        client.create("buy", client.amount(2000, ask), client.price(ask * 1.002), postOnly=True,
                      **{client.facts.client_id_param: client_id})
    except ccxt.BaseError:
        assert not [order for order in client.orders() if order["client_id"] == client_id and Decimal(order["executed"])]
        return
    wait_until(lambda: client.by_client_id(client_id)["status"] != "NEW", 5, "post-only ended")
    assert Decimal(client.by_client_id(client_id)["executed"]) == 0


@pytest.mark.conformance_full
def test_refusals_become_ccxts_errors(client: Client) -> None:
    _, ask = client.prices()
    with pytest.raises(ccxt.ExchangeError):
        client.create("buy", client.amount(8_000_000, ask), client.price(ask * 0.99))


@pytest.mark.conformance_full
def test_balances_and_positions_are_the_ledgers(client: Client) -> None:
    _, ask = client.prices()
    client_id = new_client_id()
    client.create("buy", client.amount(2000, ask), client.price(ask * 1.002), timeInForce="IOC",
                  **{client.facts.client_id_param: client_id})
    wait_until(lambda: client.by_client_id(client_id)["status"] == "FILLED", 5, "filled")
    ledger = client.command("ledger")
    pot = "unified" if ledger["accounts"]["main"]["is_unified"] else client.market
    totals = ledger["totals"][f"{client.case.name}:{pot}"]
    balance = client.api.fetch_balance({"type": "swap" if client.market == "linear" else "spot"})
    if client.market == "spot":
        base = client.symbol.partition("/")[0]
        assert Decimal(str(balance[base]["total"])) == Decimal(totals[base]), balance[base]
    assert balance["USDT"]["total"] is not None
    if client.market == "linear" and client.facts.positions:
        held = ledger["positions_by_account"][f"{client.case.name}:linear"]
        positions = {p["symbol"]: Decimal(str(p["contracts"])) * client.contract * (1 if p["side"] == "long" else -1)
                     for p in client.api.fetch_positions([client.symbol]) if p["contracts"]}
        assert positions == {client.symbol: Decimal(held[f"{client.case.name}:{client.symbol}"])}


def tampered(fields: tuple[str, ...]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """One character of the signature is another."""
    def other(text: str) -> str:
        return ("0" if text[0] != "0" else "1") + text[1:]

    def tamper(request: dict[str, Any]) -> dict[str, Any]:
        headers = request.get("headers") or {}
        for name in fields:
            if name in headers:
                headers[name] = other(headers[name])
            for part in ("url", "body"):
                if isinstance(request.get(part), str) and f"{name}=" in request[part]:
                    head, _, tail = request[part].partition(f"{name}=")
                    request[part] = f"{head}{name}={other(tail)}"
        return request
    return tamper


def test_a_changed_byte_of_a_signature_is_refused(client: Client) -> None:
    bad = local(client.case, client.endpoints, client.keys, tamper=tampered(client.facts.signature_fields))
    bad.load_markets()
    count = len(client.orders())
    for call in (lambda: bad.fetch_balance(),
                 lambda: bad.create_order(client.symbol, "limit", "buy", client.amount(2000, 60_000), 60_000),
                 lambda: bad.cancel_order("1", client.symbol)):
        with pytest.raises(ccxt.ExchangeError) as raised:
            call()
        assert isinstance(raised.value, ccxt.AuthenticationError) or "sign" in str(raised.value).lower(), raised.value
    assert len(client.orders()) == count
    wrong = local(client.case, client.endpoints, client.keys | {"secret": "x" * 32})
    wrong.load_markets()
    with pytest.raises(ccxt.AuthenticationError):
        wrong.fetch_balance()


# ---------------------------------------------------------------- ccxt.pro


def on_pro(client: Client, work: Callable[[Any], Any]) -> Any:
    async def go() -> Any:
        api = client.pro()
        try:
            await api.load_markets()
            return await asyncio.wait_for(work(api), WATCH_S)
        finally:
            await api.close()
    return asyncio.run(go())


def test_a_watched_book_equals_the_venues(client: Client) -> None:
    async def watch(api: Any) -> None:
        book = None
        try:
            for _ in range(3):
                book = await api.watch_order_book(client.symbol, client.facts.book_depth)
            client.command("quiet", traffic=False)
            await asyncio.sleep(0.6)
            truth = client.command("book", market=client.market, symbol=client.api.market(client.symbol)["id"])
        finally:
            client.command("quiet", traffic=True)
        assert book is not None
        for side in ("bids", "asks"):
            ours = [(Decimal(str(level[0])), Decimal(str(level[1])) * client.contract) for level in book[side][:20]]
            assert ours == [(Decimal(px), Decimal(qty)) for px, qty in truth[side][:20]], side
    on_pro(client, watch)


@pytest.mark.conformance_full
def test_orders_over_the_websocket(client: Client) -> None:
    if not client.facts.websocket_orders:
        pytest.skip(f"not offered: ccxt.pro has no websocket orders by {client.case.name}")
    bid, ask = client.prices()
    taking, resting = new_client_id(), new_client_id()

    async def trade(api: Any) -> None:
        name = client.facts.client_id_param
        await api.create_order_ws(client.symbol, "limit", "buy", client.amount(2000, ask), client.price(ask * 1.002),
                                  {"timeInForce": "IOC", name: taking, **client.facts.order_params})
        made = await api.create_order_ws(client.symbol, "limit", "buy", client.amount(2000, bid), client.price(bid * 0.985),
                                         {name: resting, **client.facts.order_params})
        await api.cancel_order_ws(made["id"], client.symbol)
    on_pro(client, trade)
    wait_until(lambda: client.by_client_id(taking)["status"] == "FILLED", 5, "filled")
    wait_until(lambda: client.by_client_id(resting)["status"] == "CANCELED", 5, "cancelled")


@pytest.mark.conformance_full
def test_orders_are_heard_on_the_user_stream(client: Client) -> None:
    client_id = new_client_id()
    _, ask = client.prices()

    async def listen(api: Any) -> None:
        waiting = asyncio.ensure_future(api.watch_orders(client.symbol))
        await asyncio.sleep(1.0)
        await api.create_order(client.symbol, "limit", "buy", client.amount(2000, ask), client.price(ask * 1.002),
                               {"timeInForce": "IOC", client.facts.client_id_param: client_id, **client.facts.order_params})
        await waiting
        for _ in range(40):
            last = [order for order in api.orders if order["clientOrderId"] == client_id]
            if last and last[-1]["status"] == "closed":
                mine = client.by_client_id(client_id)
                assert Decimal(str(last[-1]["filled"])) * client.contract == Decimal(mine["executed"])
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"ccxt.pro heard {[order['status'] for order in api.orders]}")
    on_pro(client, listen)

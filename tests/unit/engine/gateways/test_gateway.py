"""What a gateway does for any venue, the registry that finds them, their settings, and Binance.US as a variant."""
from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace
from decimal import Decimal
from importlib.metadata import EntryPoint
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from cext.client_id import encode_client_id
from cext.sign import HmacSha256
from engine.accounts_start import opening_balances
from engine.connection import ConnectionPolicy
from engine.events import BalanceUpdate, OrderStatus
from engine.gateways import binance, binanceus, registry
from engine.gateways.binance_credentials import Credentials
from engine.gateways.contract import AccountState, GatewayHooks, GatewaySettings, GatewayVenue
from engine.gateways.market_gateway import MarketGateway
from engine.gateways.registry import VenueUnknown, gateway_venue
from engine.gateways.settings import gateway_settings
from engine.rest import RestError
from feeds.instruments import InstrumentTable
from tests.support.fake_venue import FakeRest, FakeWs, fake_rest, fake_ws, until
from tests.support.order_rows import order_row, order_table
from tests.unit.engine.gateways.test_binance_market import good_routes, rig

OURS = encode_client_id(7, 5 << 32 | 1, 0)
KEYS = Credentials("H" * 64, HmacSha256(b"secret"))


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


def asked(venue: FakeRest, method: str, path: str) -> list[dict[str, list[str]]]:
    return [parse_qs(urlsplit(raw).query) for how, raw, _ in venue.seen if how == method and urlsplit(raw).path == path]


# ---------------------------------------------------------------- what the shell asks

def test_balances_by_account_and_positions() -> None:
    async def work() -> None:
        async with rig() as r:
            assert await r.gateway.balances() == {"binance:spot": {"USDT": Decimal("100.5"), "BTC": Decimal("1.75")},
                                                  "binance:linear": {"USDT": Decimal(200)}}
            [position] = await r.gateway.positions()
            assert (position.account, position.symbol, position.qty) == ("binance:linear", "BTCUSDT", -20)
            assert abs(r.gateway.server_time_ns("spot") - time.time_ns()) < 50_000_000
    run(work())


def test_cancel_all_asks_for_what_is_open_or_what_is_named() -> None:
    async def work() -> None:
        async with rig() as r:
            r.rest.routes["DELETE /api/v3/openOrders"] = []
            r.rest.routes["DELETE /fapi/v1/allOpenOrders"] = {"code": 200, "msg": "done"}
            assert await r.gateway.cancel_all("spot") == ["BTCUSDT"]
            assert await r.gateway.cancel_all("linear") == []
            assert await r.gateway.cancel_all("linear", ["BTCUSDT", "ETHUSDT"]) == ["BTCUSDT", "ETHUSDT"]
            assert [one["symbol"] for one in asked(r.rest, "DELETE", "/fapi/v1/allOpenOrders")] == [["BTCUSDT"], ["ETHUSDT"]]
            r.rest.routes["DELETE /api/v3/openOrders"] = (400, {}, b'{"code":-2011,"msg":"Unknown order sent."}')
            assert await r.gateway.cancel_all("spot") == ["BTCUSDT"]  # nothing was open any more
            r.rest.routes["DELETE /api/v3/openOrders"] = (500, {}, b'{"code":-1000,"msg":"?"}')
            with pytest.raises(RestError):
                await r.gateway.cancel_all("spot")
    run(work())


def test_cancel_timer_where_the_venue_has_one() -> None:
    async def work() -> None:
        async with rig() as r:
            r.rest.routes["POST /fapi/v1/countdownCancelAll"] = {"symbol": "BTCUSDT", "countdownTime": "30000"}
            assert await r.gateway.arm_dead_man(30) == ("linear",)
            assert [one["countdownTime"] for one in asked(r.rest, "POST", "/fapi/v1/countdownCancelAll")] == [["30000"]]
            r.gateway.markets["linear"].traded = {f"C{number}USDT" for number in range(21)}
            assert await r.gateway.arm_dead_man(30) == ()
            assert r.alerts[-1][0] == "dead_man"
            only_spot = replace(r.gateway.settings, markets=("spot",))
            assert await binance.GATEWAY.make_gateway(only_spot, order_table(), order_table().to_array()).arm_dead_man(30) is None
    run(work())


def test_funding_income_is_complete_or_no_answer() -> None:
    async def work() -> None:
        async with rig() as r:
            def income(request: Any) -> tuple[int, dict[str, str], bytes]:
                start = int(request.query["startTime"])
                rows = [{"symbol": "BTCUSDT", "asset": "USDT", "income": "-0.5", "time": at, "tranId": at}
                        for at in range(start, min(start + 1000, 2500))]
                return 200, {}, orjson.dumps(rows)
            r.rest.routes["GET /fapi/v1/income"] = income
            found = await r.gateway.funding_income(1_000 * 1_000_000)
            assert (len(found), found[0].exch_ns, found[-1].income_id) == (1500, 1_000_000_000, "2499")
            assert (found[0].account, found[0].amount) == ("binance:linear", Decimal("-0.5"))
            r.rest.routes["GET /fapi/v1/income"] = lambda _: (200, {}, orjson.dumps(
                [{"symbol": "BTCUSDT", "asset": "USDT", "income": "1", "time": 5, "tranId": n} for n in range(1000)]))
            with pytest.raises(RestError, match="more than 20 pages"):
                await r.gateway.funding_income(0)
    run(work())


def test_account_report_says_what_lacks() -> None:
    async def work() -> None:
        async with rig() as r:
            spot, linear = r.gateway.account_report()
            assert (spot.account, spot.mode, spot.dead_man, spot.lacks) == ("binance:spot", "SPOT", "none",
                                                                            ("no cancel timer at the venue",))
            assert (linear.account, linear.dead_man) == ("binance:linear", "countdownCancelAll a symbol")
            assert linear.mode == "one-way, single-asset margin, CROSSED"
    run(work())


def test_one_account_for_all_markets_is_told_once() -> None:
    unified = replace(binance.GATEWAY, account="unified")
    settings = GatewaySettings(binance.GATEWAY.endpoints["testnet"], KEYS, order_auth="hmac")
    made = unified.make_gateway(settings, order_table(), order_table().to_array())
    assert [(name, market.account, market.setup.tells_account) for name, market in made.markets.items()] == [
        ("spot", "binance:unified", True), ("linear", "binance:unified", False)]
    separate = binance.GATEWAY.make_gateway(settings, order_table(), order_table().to_array())
    assert all(market.setup.tells_account for market in separate.markets.values())


def test_opening_balances_of_one_account_are_one_entry() -> None:
    states = {"spot": AccountState("spot", "bybit:unified", balances=[
        BalanceUpdate("bybit", "spot", "USDT", wallet=Decimal(5), account="bybit:unified")]),
        "linear": AccountState("linear", "bybit:unified")}
    assert opening_balances(states) == {"bybit:unified": {"USDT": Decimal(5)}}


def test_balance_names_its_pot() -> None:
    assert BalanceUpdate("binance", "spot", "USDT").account == "binance:spot"
    assert BalanceUpdate("okx", "spot", "USDT", account="okx:unified").account == "okx:unified"


# ---------------------------------------------------------------- registry

def test_registry_finds_every_declared_venue_by_its_name() -> None:
    found = registry.names()
    assert {"binance", "binanceus"} <= set(found)
    for name in found:
        venue = gateway_venue(name)
        assert venue.name == name
        for market in venue.markets:
            assert market in venue.features
            assert venue.roles[market]
        for endpoints in venue.endpoints.values():
            assert set(venue.roles_of(venue.markets)) <= set(endpoints), name


@pytest.mark.parametrize(("name", "word"), [("kraken", "known are binance, binanceus"), ("../x", "lower case"),
                                            ("contract", "no gateway")])
def test_unknown_venue_names_those_that_there_are(name: str, word: str) -> None:
    with pytest.raises(VenueUnknown, match=word):
        gateway_venue(name)


def test_entry_point_brings_a_venue_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("otherus", "tests.unit.engine.gateways.test_gateway:OTHER", registry.GROUP)
    monkeypatch.setattr(registry, "_points", lambda: [point])
    assert gateway_venue("otherus") == OTHER
    assert "otherus" in registry.names()
    wrong = EntryPoint("another", "tests.unit.engine.gateways.test_gateway:OTHER", registry.GROUP)
    monkeypatch.setattr(registry, "_points", lambda: [wrong])
    with pytest.raises(TypeError, match="calls itself 'otherus'"):
        gateway_venue("another")


OTHER = replace(binance.GATEWAY, name="otherus")


# ---------------------------------------------------------------- settings

class Section:
    """What gateway_settings reads of a venue's configuration."""

    def __init__(self, **given: Any) -> None:
        self.markets: tuple[str, ...] = ("spot",)
        self.order_auth = "ed25519"
        self.recv_window_ms = 400
        self.endpoints: Any = {}
        self.credentials: Any = {}
        vars(self).update(given)


def secret_files(tmp_path: Any) -> dict[str, str]:
    made = {}
    for name in ("hmac_key", "hmac_secret"):
        path = tmp_path / name
        path.write_text("A1" * 32)
        path.chmod(0o600)
        made[name] = f"file:{path}"
    return made


def test_configured_addresses_replace_declared_ones_and_null_does_not(tmp_path: Any) -> None:
    section = Section(order_auth="hmac", credentials=secret_files(tmp_path),
                      endpoints={"spot_rest": "https://proxy.example", "spot_ws_api": None})
    made = gateway_settings(section, "testnet", "binance")
    assert made.endpoints["spot_rest"] == "https://proxy.example"
    assert made.endpoints["spot_ws_api"] == binance.GATEWAY.endpoints["testnet"]["spot_ws_api"]
    assert (made.is_demo, made.checks_key_restrictions) == (True, False)
    assert "A1A1" not in repr(made)


@pytest.mark.parametrize("is_flat", [True, False])
def test_simulated_credentials_by_venue_or_flat(tmp_path: Any, is_flat: bool) -> None:
    files = secret_files(tmp_path)
    simex = {"endpoints": {"binance": {"spot_rest": "http://127.0.0.1:1", "spot_ws_api": "ws://127.0.0.1:1"}},
             "credentials": files if is_flat else {"binance": files, "other": {}}, "ca": "x.pem"}
    made = gateway_settings(Section(order_auth="hmac"), "sim", "binance", simex=simex)
    assert (made.credentials.has("hmac"), made.ca_file) == (True, "x.pem")
    assert made.endpoints == simex["endpoints"]["binance"]


def test_keys_of_one_venue_are_not_another_s(tmp_path: Any) -> None:
    simex = {"endpoints": {"binanceus": dict.fromkeys(("spot_rest", "spot_ws_api", "spot_ws"), "http://127.0.0.1:1")},
             "credentials": secret_files(tmp_path)}
    with pytest.raises(ValueError, match=r"venues\.binanceus\.credentials: order_auth hmac needs hmac_key and hmac_secret"):
        gateway_settings(Section(), "sim", "binanceus", simex=simex)


def test_what_a_venue_does_not_have_is_said(tmp_path: Any) -> None:
    keys = secret_files(tmp_path)
    with pytest.raises(ValueError, match="mode testnet: binanceus has none"):
        gateway_settings(Section(credentials=keys), "testnet", "binanceus")
    with pytest.raises(ValueError, match=r"venues\.binanceus\.markets: binanceus has no linear; right is one of spot"):
        gateway_settings(Section(credentials=keys, markets=("linear",)), "live", "binanceus")
    with pytest.raises(ValueError, match=r"venues\.binance\.order_auth: 'rsa' is none of ed25519, hmac"):
        gateway_settings(Section(order_auth="rsa"), "live", "binance")
    settings = gateway_settings(Section(credentials=keys), "live", "binanceus")  # one way of signing leaves no choice
    assert settings.order_auth == "hmac"
    with pytest.raises(ValueError, match=r"venues\.binanceus\.endpoints: no address for spot_ws"):
        binanceus.GATEWAY.check(replace(settings, endpoints={"spot_rest": "x", "spot_ws_api": "y"}))


# ---------------------------------------------------------------- Binance.US

@contextlib.asynccontextmanager
async def us_rig() -> AsyncIterator[tuple[Any, FakeRest, FakeWs, list[Any]]]:
    row = replace(order_row(0, "spot", "BTC", "0.01", "0.00001"), venue="binanceus", name="binanceus:BTC/USDT")
    table = InstrumentTable([row])
    events: list[Any] = []
    async with fake_rest() as rest, fake_ws() as ws:
        good_routes(rest)
        rest.routes["GET /api/v3/account"] = {
            "canTrade": True, "accountType": "SPOT", "balances": [{"asset": "USDT", "free": "7", "locked": "1"}],
            "commissionRates": {"maker": "0.0010", "taker": "0.0040", "buyer": "0", "seller": "0.0001"}}
        for method in ("POST", "PUT", "DELETE"):
            rest.routes[f"{method} /api/v3/userDataStream"] = {"listenKey": "US1"}
        settings = GatewaySettings({"spot_rest": rest.url, "spot_ws_api": ws.url + "/ws-api/v3", "spot_ws": ws.url}, KEYS,
                                   ("spot",), "hmac", instance=7, policy=ConnectionPolicy(first_ms=100, last_ms=200))
        made = binanceus.GATEWAY.make_gateway(settings, table, table.to_array(), GatewayHooks(event=events.append,
                                                                                             account=events.append))
        await made.start(give_up_after_s=2)
        try:
            yield made, rest, ws, events
        finally:
            await made.stop()


def test_binance_us_is_binance_with_other_data() -> None:
    async def work() -> None:
        async with us_rig() as (gateway, rest, ws, events):
            assert gateway.is_ready()
            assert sorted(ws.paths) == ["/ws-api/v3?returnRateLimits=false", "/ws/US1"]
            assert not ws.requests  # no logon: each order is signed
            rates = gateway.markets["spot"].state.fees["BTCUSDT"]
            assert (rates.maker, rates.taker) == (Decimal("0.0011"), Decimal("0.0041"))
            assert await gateway.balances() == {"binanceus:spot": {"USDT": Decimal(8)}}
            gateway.sessions()["spot"].place(0, OURS, 0, 0, 100, 5)
            await until(lambda: ws.requests)
            assert ws.requests[0]["params"]["apiKey"] == "H" * 64
            user = next(peer for peer, path in zip(ws.peers, ws.paths, strict=True) if path == "/ws/US1")
            user.send({"e": "executionReport", "s": "BTCUSDT", "c": OURS, "x": "NEW", "X": "NEW", "z": "0", "i": 1, "T": 1})
            user.send({"e": "outboundAccountPosition", "u": 1, "B": [{"a": "USDT", "f": "7", "l": "0"}]})
            await until(lambda: len(events) == 2)
            assert (events[0].status, events[0].instrument_id, events[1].account) == (OrderStatus.NEW, 0, "binanceus:spot")
            [report] = gateway.account_report()
            assert "no testnet" in report.lacks
        assert rest.seen[-1][:2] == ("DELETE", "/api/v3/userDataStream?listenKey=US1")
    run(work())


def test_every_market_of_every_venue_is_a_market_gateway() -> None:
    for name in registry.names():
        venue: GatewayVenue = gateway_venue(name)
        assert isinstance(venue.make_market, type) and issubclass(venue.make_market, MarketGateway)

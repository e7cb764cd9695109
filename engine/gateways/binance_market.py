"""Binance, one market (spot or USD-M): its requests and parsers. What every venue shares is in market_gateway.py.

`venue.options` tell variants apart: `user_stream` "ws_api" or "listen_key" (spot; USD-M always has a listen key), `fees` "symbol"
(a request each) or "account" (rates of the account), `has_restrictions` (the key's permissions can be read), `weight_limits`.
"""
from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Iterable
from typing import Any

from cext.decoders.binance_orders import BinanceOrderDecoder
from cext.encoders.binance import BinanceOrderEncoder
from engine.events import BalanceUpdate, ErrorClass, EventFlag, OrderEvent, OrderStatus, PositionUpdate, Source
from engine.gateways import binance_account as account
from engine.gateways.binance_facts import DEAD_MAN_SYMBOLS_MAX, INCOME_PAGE, INCOME_PAGES_MAX, LISTEN_KEY_KEEPALIVE_S, PATHS
from engine.gateways.binance_streams import STREAM_ENDS, parse_account_event
from engine.gateways.binance_wire import BinanceRestDialect, BinanceSocketDialect
from engine.gateways.contract import AccountReport, AccountState, Answer, FeeRates, FundingIncome, MarketSetup
from engine.gateways.maintenance import Window, windows_of
from engine.gateways.market_gateway import Fact, MarketGateway
from engine.rest import RestClient, RestError, RestResponse
from engine.rest_dialect import RateState
from engine.sessions import RequestFailed, VenueSocket
from feeds.instruments import InstrumentError, to_scaled

log = logging.getLogger("lockstep.binance")

TRADES_PAGE = 1000             # the most that one answer holds
FOREIGN_LOOKUPS_MAX = 5        # unknown venue order ids looked up in one fills query
UNATTRIBUTED_SHARE_S = 1.0     # fills are asked for from this long before the order was sent
CLOCK_OWN_NS = 500_000         # serverTime is in ms: half of one is its own uncertainty
NO_OPEN_ORDERS = -2011         # a cancel-all that finds nothing


class BinanceMarket(MarketGateway):
    """BinanceMarket(setup)."""

    STREAM_ENDS = STREAM_ENDS

    def __init__(self, setup: MarketSetup) -> None:
        self.paths = PATHS[setup.market]
        self.is_keyed = setup.market == "linear" or setup.venue.options["user_stream"] == "listen_key"
        self._listen_key = ""
        super().__init__(setup)

    # ------------------------------------------------------------ parts

    def make_rest(self) -> RestClient:
        keys = self.credentials
        dialect = BinanceRestDialect(keys.rest_key(), keys.sign_rest, max(self.settings.recv_window_ms, 1000))
        return RestClient(self.name, self.settings.endpoints[f"{self.market}_rest"], dialect,
                          rate=RateState(self.venue.options["weight_limits"][self.market]), ssl_context=self.setup.ssl_context)

    def make_decoder(self) -> BinanceOrderDecoder:
        return BinanceOrderDecoder(self.instruments, self.market, self.venue.name)

    def make_encoder(self) -> BinanceOrderEncoder:
        hmac = self.credentials.hmac if self.settings.order_auth == "hmac" else None
        return BinanceOrderEncoder(self.market, self.settings.recv_window_ms, self.settings.stp_mode or "EXPIRE_MAKER",
                                   self.credentials.hmac_key if hmac else "", hmac, self.venue.name)

    def make_dialect(self) -> BinanceSocketDialect:
        self.words = BinanceSocketDialect()
        return self.words

    # ------------------------------------------------------------ clock and account

    def time_request(self) -> tuple[str, dict[str, Any]]:
        return self.paths["time"], {}

    def server_ns(self, response: RestResponse) -> tuple[int, int]:
        return int(response.json()["serverTime"]) * 1_000_000 + CLOCK_OWN_NS, CLOCK_OWN_NS

    async def fill_account(self, state: AccountState) -> None:
        now_ns = self.venue_now_ns()
        if self.market == "spot":
            if self.settings.checks_key_restrictions and self.venue.options["has_restrictions"]:
                account.check_key_restrictions(await self._signed(self.paths["restrictions"]))
            account.parse_spot_account(await self._signed(self.paths["account"]), state, exch_ns=now_ns)
            return
        state.is_hedge_mode = account.check_position_mode(await self._signed(self.paths["position_mode"]))
        state.is_multi_assets = account.check_multi_assets(await self._signed(self.paths["multi_assets"]))
        account.parse_symbol_config(await self._signed(self.paths["symbol_config"]), self.traded, state)
        state.balances = await self.read_balances()
        state.positions = await self.read_positions()
        state.mode = "one-way, single-asset margin"
        state.can_trade = True

    async def read_fee(self, symbol: str) -> FeeRates:
        parse = account.parse_spot_commission if self.market == "spot" else account.parse_linear_commission
        return parse(await self._signed(self.paths["commission"], {"symbol": symbol}), symbol)

    async def read_all_fees(self) -> dict[str, FeeRates] | None:
        """One rate for the account where that is what the venue tells; else None: 20 weight a symbol."""
        if self.venue.options["fees"] != "account":
            return None
        rates = account.parse_spot_account_rates(await self._signed(self.paths["account"]))
        return dict.fromkeys(sorted(self.traded), rates)

    async def open_orders(self) -> list[tuple[str, str]]:
        return [(str(row.get("symbol", "")), str(row.get("clientOrderId", "")))
                for row in await self._signed(self.paths["open_orders"])]

    async def read_balances(self, *, is_critical: bool = False) -> list[BalanceUpdate]:
        now_ns = self.venue_now_ns()
        if self.market == "spot":
            state = AccountState(self.market, self.account)
            account.parse_spot_account(await self._signed(self.paths["account"], is_critical=is_critical), state, exch_ns=now_ns)
            return state.balances
        return account.parse_linear_balances(await self._signed(self.paths["balance"], is_critical=is_critical), exch_ns=now_ns)

    async def read_positions(self, symbol: str | None = None, *, is_critical: bool = False) -> list[PositionUpdate]:
        if self.market == "spot":
            return []
        answer = await self._signed(self.paths["positions"], {"symbol": symbol} if symbol else None,
                                    is_critical=is_critical or symbol is not None)
        return account.parse_linear_positions(answer, self.rows, exch_ns=self.venue_now_ns())

    async def funding_income(self, since_ns: int) -> list[FundingIncome]:
        if self.market == "spot":
            return []
        found: dict[tuple[str, str], FundingIncome] = {}
        start_ms = since_ns // 1_000_000
        for _ in range(INCOME_PAGES_MAX):
            page = account.parse_linear_income(await self._signed(self.paths["income"], {
                "incomeType": "FUNDING_FEE", "startTime": start_ms, "limit": INCOME_PAGE}), self.account)
            found.update({(one.income_id, one.symbol): one for one in page})
            if len(page) < INCOME_PAGE:
                return sorted(found.values(), key=lambda one: one.exch_ns)
            start_ms = max(one.exch_ns for one in page) // 1_000_000
        raise RestError(f"{self.name} income", 200, 0, f"more than {INCOME_PAGES_MAX} pages: ask for a shorter time")

    async def arm_dead_man(self, seconds: float) -> bool:
        """USD-M: countdownCancelAll of every traded symbol. False where it is too dear: more symbols than the weight allows."""
        if self.market == "spot":
            return False
        if len(self.traded) > DEAD_MAN_SYMBOLS_MAX:
            self.hooks.alert("dead_man", f"{self.name}: the venue's cancel timer is set symbol by symbol; {len(self.traded)} symbols "
                             f"are traded, at most {DEAD_MAN_SYMBOLS_MAX} can be armed: not armed")
            return False
        for symbol in sorted(self.traded):
            await self.rest.json("POST", self.paths["countdown"], {"symbol": symbol, "countdownTime": int(seconds * 1000)},
                                 is_signed=True, is_critical=True)
        return True

    async def cancel_symbol(self, symbol: str) -> None:
        try:
            await self.rest.json("DELETE", self.paths["cancel_all"], {"symbol": symbol}, is_signed=True, is_critical=True)
        except RestError as error:
            if error.code != NO_OPEN_ORDERS:
                raise

    def account_report(self) -> AccountReport:
        burns = any(rates.burns_bnb for rates in self.state.fees.values())
        has_timer = self.venue.features[self.market].dead_man
        lacks = tuple(self.venue.options["lacks"].get(self.market, ()))
        coin = "BNB where there is some" if burns else "the asset received" if self.market == "spot" else "USDT"
        if self.market == "spot":
            return AccountReport(self.account, ("spot",), self.state.mode, coin, "none: paid in full", "no", "none", lacks)
        margin = ", ".join(sorted(set(self.state.margin_type.values())))
        return AccountReport(self.account, ("linear",), f"{self.state.mode}, {margin}", coin,
                             "leverage of each symbol is read; brackets are not", "no: single-asset margin",
                             "countdownCancelAll a symbol" if has_timer else "none", lacks)

    async def read_maintenance(self, now_wall_ns: int) -> list[Window]:
        """The venue announces nothing here: it says whether it is going on."""
        if "status" not in self.paths:
            return []
        told = await self.rest.get(self.paths["status"])
        is_on = isinstance(told, dict) and told.get("status") not in (0, "0")
        return windows_of([{"state": "ongoing", "title": str(told.get("msg", ""))}] if is_on else [], now_wall_ns)

    async def _signed(self, path: str, params: dict[str, Any] | None = None, *, is_critical: bool = False) -> Any:
        return await self.rest.get(path, params, is_signed=True,
                                   is_critical=is_critical or not self.has_account)

    # ------------------------------------------------------------ questions about one order

    async def query_order(self, row: int, client_id: str) -> Answer:
        """Status by client id, and the fills with their fees when something was executed. NOT_FOUND is an event like any
        other."""
        symbol = self.symbol(row)
        response = await self.rest.request("GET", self.paths["order"], {"symbol": symbol, "origClientOrderId": client_id},
                                           is_signed=True, is_critical=True)
        events = self.rest_events(response, client_id, "query", row)
        status = events[-1]
        if status.status == OrderStatus.NOT_FOUND:
            return Answer(events, False)
        if status.status == OrderStatus.NONE or status.error_class != ErrorClass.NONE:
            raise RestError(f"{self.name} query {client_id}", response.status, status.venue_code, status.message
                            or "no answer")
        if status.cum_qty > 0 and status.venue_order_id:
            events = await self._fills_of(symbol, row, client_id, status.venue_order_id) + events
        return Answer(events, True)

    async def query_fills(self, row: int, client_id: str, venue_order_id: int, since_mono_ns: int) -> Answer:
        """The account's trades of the instrument since then that belong to this order. Without a venue order id, trades of orders
        that nobody here has seen are looked up: the venue's trade lists do not carry client ids."""
        symbol = self.symbol(row)
        if venue_order_id:
            fills = await self._fills_of(symbol, row, client_id, venue_order_id)
            return Answer(fills, bool(fills))
        age_ms = max(0, (time.monotonic_ns() - since_mono_ns) // 1_000_000)
        start_ms = self.venue_now_ns() // 1_000_000 - age_ms - int(UNATTRIBUTED_SHARE_S * 1000)
        trades = await self._trades(symbol, {"startTime": start_ms})
        order_ids = list(dict.fromkeys(int(trade["orderId"]) for trade in trades))
        strangers = [order_id for order_id in order_ids if order_id not in self.client_of_order]
        if len(strangers) > FOREIGN_LOOKUPS_MAX:
            raise RestError(f"{self.name} fills {client_id}", 200, 0,
                            f"{len(strangers)} orders of others: cannot attribute their fills")
        for order_id in strangers:
            found = await self._signed(self.paths["order"], {"symbol": symbol, "orderId": order_id}, is_critical=True)
            self.client_of_order[order_id] = str(found.get("clientOrderId", ""))
        fills = [self._trade_event(trade, row, client_id) for trade in trades
                 if self.client_of_order.get(int(trade["orderId"])) == client_id]
        return Answer(fills, bool(fills))

    async def cancel_rest(self, row: int, client_id: str) -> list[OrderEvent]:
        """Cancel by client id over REST: the way out when the order session is down."""
        response = await self.rest.request("DELETE", self.paths["order"],
                                           {"symbol": self.symbol(row), "origClientOrderId": client_id},
                                           is_signed=True, is_critical=True)
        return self.rest_events(response, client_id, "cancel", row)

    async def _fills_of(self, symbol: str, row: int, client_id: str, venue_order_id: int) -> list[OrderEvent]:
        trades = await self._trades(symbol, {"orderId": venue_order_id})
        return [self._trade_event(trade, row, client_id) for trade in trades]

    async def _trades(self, symbol: str, which: dict[str, Any]) -> list[dict[str, Any]]:
        """The account's trades. A full page may not be all of them, so it is no answer."""
        trades = await self._signed(self.paths["my_trades"], {"symbol": symbol, **which, "limit": TRADES_PAGE}, is_critical=True)
        if not isinstance(trades, list) or len(trades) >= TRADES_PAGE:
            raise RestError(f"{self.name} trades {symbol}", 200, 0, "not a list"
                            if not isinstance(trades, list) else "more than one page")
        return trades

    def _trade_event(self, trade: dict[str, Any], row: int, client_id: str) -> OrderEvent:
        """One row of myTrades or userTrades as a fill."""
        instrument = self.instruments.row(row)
        try:
            is_maker = trade.get("isMaker", trade.get("maker")) is True
            return OrderEvent(
                client_id, instrument["instrument_id"], Source.QUERY, OrderStatus.PARTIAL, int(trade["orderId"]),
                int(trade["id"]),
                exch_ns=int(trade["time"]) * 1_000_000, recv_mono_ns=time.monotonic_ns(),
                last_qty=to_scaled(account.decimal(trade["qty"], "trade qty"), instrument["qty_scale"]),
                last_px=to_scaled(account.decimal(trade["price"], "trade price"), instrument["px_scale"]),
                fee=account.decimal(trade["commission"], "trade commission"), fee_asset=str(trade["commissionAsset"]),
                flags=EventFlag.IS_FILL | (EventFlag.MAKER if is_maker else 0))
        except (KeyError, TypeError, ValueError, InstrumentError, account.AccountRefused) as error:
            raise RestError(f"{self.name} trades {client_id}", 200, 0,
                            f"a trade that makes no sense ({error}): {trade}") from None

    # ------------------------------------------------------------ sockets

    async def order_url(self) -> str:
        # Without its rateLimits array a reply is half as long; REST headers show the counts.
        return self.settings.endpoints[f"{self.market}_ws_api"] + ("?returnRateLimits=false" if self.market == "spot" else "")

    async def user_url(self) -> str:
        if not self.is_keyed:
            return self.settings.endpoints["spot_ws_api"]
        answer = await self.rest.json("POST", self.paths["listen_key"], with_key=True, is_critical=True)
        self._listen_key = str(account.require(answer, "listenKey", "listen key"))
        base = self.settings.endpoints["spot_ws" if self.market == "spot" else "linear_ws_private"]
        return f"{base}/ws/{self._listen_key}"

    async def prepare_orders(self, socket: VenueSocket) -> None:
        if self.settings.order_auth == "ed25519":
            await self._logon(socket)

    async def prepare_user(self, socket: VenueSocket) -> None:
        if self.is_keyed:
            return
        if self.credentials.ed25519 is not None:
            await self._logon(socket)
            await self._ask(socket, "userDataStream.subscribe")
        else:
            await self._ask(socket, "userDataStream.subscribe.signature",
                            self.credentials.ws_params_hmac(self.orders.venue_time_ms()))

    async def _ask(self, socket: VenueSocket, method: str, params: dict[str, Any] | None = None) -> Any:
        key, frame = self.words.request(method, params)
        return await socket.request(key, frame, name=method)

    async def _logon(self, socket: VenueSocket) -> None:
        """session.logon; a refusal for the time's sake measures the clock before the next attempt."""
        try:
            await self._ask(socket, "session.logon", self.credentials.ws_params_ed25519(self.orders.venue_time_ms()))
        except RequestFailed as error:
            if error.code == -1021:
                await self.measure_clock()
            raise

    def keepers(self) -> Iterable[tuple[str, Coroutine[Any, Any, None]]]:
        return (("listen key", self._keep_listen_key()),) if self.is_keyed else ()

    async def _keep_listen_key(self) -> None:
        while True:
            await asyncio.sleep(LISTEN_KEY_KEEPALIVE_S)
            key = {"listenKey": self._listen_key} if self.market == "spot" else None
            try:
                await self.rest.json("PUT", self.paths["listen_key"], key, with_key=True, is_critical=True)
            except RestError as error:
                self.hooks.alert("listen_key", f"{self.name}: keep-alive failed: {error}")
                self.user_connection.replace("listen key not kept alive")

    async def release(self) -> None:
        if not self._listen_key:
            return
        key = {"listenKey": self._listen_key} if self.market == "spot" else None
        try:
            await self.rest.json("DELETE", self.paths["listen_key"], key, with_key=True, is_critical=True)
        except RestError as error:
            log.info("%s: listen key not given back: %s", self.name, error)
        self._listen_key = ""

    def parse_account_event(self, name: str, data: bytes, recv_mono_ns: int) -> list[Fact] | None:
        return parse_account_event(name, data, recv_mono_ns, self.market, self.rows, self.venue.name)

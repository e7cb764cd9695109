"""Bybit: what REST answers: public market data, and an account's orders, fills, positions, balances, payments.

Each operation takes text parameters and returns the `result`, or raises VenueError (or Refused).  Lists are paged by `cursor`,
which clients send back as it stands or decoded once.  Source: v5 docs market/*, order/*, position/*, account/*, user/apikey-info.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from tools.simex.bybit_errors import VenueError, bad_params
from tools.simex.bybit_listing import LAUNCH_MS, LEVERAGE_MAX, describe, plain_e8, px_text, qty_text, risk_rows
from tools.simex.bybit_orders import Params, market_of
from tools.simex.bybit_streams import FIRST_NUMBER, SPOT_TRADE_BASE, BybitHub
from tools.simex.bybit_words import (
    execution_row,
    funding_execution,
    order_row,
    position_row,
    seq_of,
    settlement_row,
    uuid_of,
    wallet_row,
)
from tools.simex.contract import LINEAR, SPOT
from tools.simex.instrument import Instrument
from tools.simex.ledger import Account, Order

if TYPE_CHECKING:
    from tools.simex.bybit_dialect import BybitDialect

RECENT_CLOSED = 500  # how many finished orders order/realtime still knows
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
CATEGORIES = (SPOT, LINEAR, "inverse", "option")


def int_of(params: Params, name: str, default: int, most: int = 1 << 62) -> int:
    text = params.get(name)
    if text in (None, ""):
        return default
    if not str(text).isdigit() or not 0 < int(text) <= most:
        raise bad_params(f"{name} invalid")
    return int(text)


def page(rows: list[dict[str, Any]], params: Params, default: int, most: int) -> tuple[list[dict[str, Any]], str]:
    """(the rows of a page, the cursor of the next one, "" = none)."""
    limit = int_of(params, "limit", default, most)
    start = 0
    cursor = params.get("cursor")
    if cursor:
        text = unquote(unquote(cursor))
        number = text.removeprefix("page_token=").removesuffix("&")
        if not number.isdigit() or number == text:
            raise bad_params("cursor invalid")
        start = int(number)
    rest = rows[start:]
    return rest[:limit], quote(f"page_token={start + limit}&", safe="") if len(rest) > limit else ""


class Queries:
    """Of one venue.  `hidden`: orders that a fault hid from order/realtime, still to be hidden from the history."""

    def __init__(self, dialect: BybitDialect) -> None:
        self.dialect = dialect
        self.venue = dialect.venue
        self.clock = self.venue.clock
        self.hidden: set[str] = set()

    # ---- public ----------------------------------------------------------------------------------

    def time(self, account: Account | None, params: Params) -> dict[str, Any]:
        micros = self.clock.wall_us()
        return {"timeSecond": str(micros // 1_000_000), "timeNano": str(micros * 1000)}

    def system_status(self, account: Account | None, params: Params) -> dict[str, Any]:
        return {"list": [{
            "id": uuid_of("status", one.number), "title": one.title, "state": one.state(self.clock.wall_ms()),
            "begin": str(one.begin_ms), "end": str(one.end_ms), "href": "", "serviceTypes": [1, 2, 3], "product": [1, 2],
            "uidSuffix": [], "maintainType": 1, "env": 1} for one in self.venue.maintenance]}

    def instruments(self, account: Account | None, params: Params) -> dict[str, Any]:
        """spot all at once, linear in pages; nothing is listed as inverse or option, and nothing waits for its launch."""
        category = params.get("category")
        if category not in CATEGORIES:
            raise bad_params("category invalid")
        if category not in (SPOT, LINEAR):
            return {"category": category, "list": [], "nextPageCursor": ""}
        rows = []
        for instrument in self.venue.by_symbol[category].values():
            funding = self.venue.funding.get(instrument.symbol)
            row = describe(instrument, funding.interval_ms // 60_000 if funding is not None and category == LINEAR else 480)
            if all(params.get(key) in (None, "", row.get(key)) for key in ("symbol", "baseCoin", "status")):
                rows.append(row)
        if category == SPOT:
            return {"category": category, "list": rows}
        found, cursor = page(rows, params, 500, 1000)
        return {"category": category, "list": found, "nextPageCursor": cursor}

    def _instrument(self, params: Params, market: str) -> Instrument:
        return self.venue.instrument(market, params.get("symbol"))

    def orderbook(self, account: Account | None, params: Params) -> dict[str, Any]:
        market = market_of(params)
        instrument = self._instrument(params, market)
        limit = int_of(params, "limit", 1 if market == SPOT else 25, 1000)
        book, now_ms = self.venue.book(instrument), self.clock.wall_ms()
        hub = self.venue.hubs[market]
        assert isinstance(hub, BybitHub)
        sides = [
            [[px_text(instrument, px), qty_text(instrument, qty)] for px, qty in book.levels(is_bid, limit)]
            for is_bid in (True, False)
        ]
        return {
            "s": instrument.symbol,
            "a": sides[1],
            "b": sides[0],
            "ts": now_ms,
            "u": hub.numbers.get(f"orderbook.1000.{instrument.symbol}", FIRST_NUMBER),
            "seq": seq_of(self.venue, instrument),
            "cts": now_ms,
        }

    def tickers(self, account: Account | None, params: Params) -> dict[str, Any]:
        market = market_of(params)
        hub = self.venue.hubs[market]
        assert isinstance(hub, BybitHub)
        wanted = [self._instrument(params, market)] if params.get("symbol") else list(self.venue.by_symbol[market].values())
        rows = []
        for instrument in wanted:
            row = {"symbol": instrument.symbol} | hub.ticker(instrument)
            top = self.venue.book(instrument).top()
            if market == SPOT and top is not None:
                row |= {
                    "bid1Price": px_text(instrument, top[0]),
                    "bid1Size": qty_text(instrument, top[1]),
                    "ask1Price": px_text(instrument, top[2]),
                    "ask1Size": qty_text(instrument, top[3]),
                }
            rows.append(row)
        return {"category": market, "list": rows}

    def recent_trades(self, account: Account | None, params: Params) -> dict[str, Any]:
        market = market_of(params)
        instrument = self._instrument(params, market)
        prints = list(self.venue.hubs[market].trades[instrument.symbol])[::-1]
        rows = [
            {
                "execId": str(SPOT_TRADE_BASE + p.trade_id)
                if market == SPOT
                else uuid_of("trade", instrument.symbol, p.trade_id),
                "symbol": instrument.symbol,
                "price": px_text(instrument, p.px),
                "size": qty_text(instrument, p.qty),
                "side": "Sell" if p.buyer_is_maker else "Buy",
                "time": str(p.time_ms),
                "isBlockTrade": False,
                "isRPITrade": False,
            }
            for p in prints[: int_of(params, "limit", 60 if market == SPOT else 500, 1000)]
        ]
        return {"category": market, "list": rows}

    def funding_history(self, account: Account | None, params: Params) -> dict[str, Any]:
        if market_of(params) != LINEAR:
            raise bad_params("category only support linear")
        instrument = self._instrument(params, LINEAR)
        start, end = int_of(params, "startTime", 0), int_of(params, "endTime", 1 << 62)
        funding = self.venue.funding.get(instrument.symbol)
        rows = [
            {"symbol": instrument.symbol, "fundingRate": plain_e8(f["rate_e8"]), "fundingRateTimestamp": str(f["time"])}
            for f in reversed(funding.history if funding is not None else [])
            if start <= f["time"] <= end
        ]
        return {"category": LINEAR, "list": rows[: int_of(params, "limit", 200, 200)]}

    def risk_limit(self, account: Account | None, params: Params) -> dict[str, Any]:
        if market_of(params) != LINEAR:
            raise bad_params("category only support linear")
        wanted = [self._instrument(params, LINEAR)] if params.get("symbol") else list(self.venue.by_symbol[LINEAR].values())
        return {"category": LINEAR, "list": [row for i in wanted for row in risk_rows(i)], "nextPageCursor": ""}

    # ---- orders and fills ------------------------------------------------------------------------

    def _orders(self, account: Account, params: Params, market: str) -> list[Order]:
        """Newest first, of the symbol or coin that is asked for, and by id."""
        order_id, link = params.get("orderId") or None, params.get("orderLinkId") or None
        if order_id is not None or link is not None:
            order = self.dialect.orders.find(account, params)
            return [order] if order is not None else []
        if params.get("symbol"):
            self._instrument(params, market)
        found = []
        for order in reversed(account.orders[market].values()):
            i = order.instrument
            if all(params.get(key) in (None, "", value) for key, value in _scope(i).items()):
                found.append(order)
        return found

    @staticmethod
    def _need_scope(params: Params, market: str) -> None:
        keys = ("symbol", "baseCoin", "settleCoin", "orderId", "orderLinkId")
        if market == LINEAR and not any(params.get(key) for key in keys):
            raise bad_params("Missing some parameters that must be filled in, symbol or settleCoin or baseCoin")

    def _hides(self, params: Params, market: str, is_history: bool) -> bool:
        """Fault `reject` of queries: the order is said not to exist, in both lists."""
        name = str(params.get("orderId") or params.get("orderLinkId") or "")
        if not name:
            return False
        if is_history and name in self.hidden:
            self.hidden.discard(name)
            return True
        is_hidden = self.venue.desk.hides_order(market, params.get("symbol"))
        if is_hidden and not is_history:
            self.hidden.add(name)
        return is_hidden

    def open_orders(self, account: Account, params: Params) -> dict[str, Any]:
        """order/realtime: open orders; an id also finds one of the 500 newest finished ones, openOnly=1 lists those."""
        market = market_of(params)
        self._need_scope(params, market)
        has_id = bool(params.get("orderId") or params.get("orderLinkId"))
        orders = [] if self._hides(params, market, False) else self._orders(account, params, market)
        closed = [order.order_id for order in reversed(account.orders[market].values()) if not order.is_open][:RECENT_CLOSED]
        if has_id:
            orders = [order for order in orders if order.is_open or order.order_id in closed]
        elif str(params.get("openOnly", "0")) == "1":
            orders = [order for order in orders if order.order_id in closed]
        else:
            orders = [order for order in orders if order.is_open]
        return self._listed(market, [_without_category(order_row(order)) for order in orders], params)

    def order_history(self, account: Account, params: Params) -> dict[str, Any]:
        market = market_of(params)
        orders = [] if self._hides(params, market, True) else self._orders(account, params, market)
        start, end = self._range(params, WEEK_MS)
        rows = [_without_category(order_row(order)) for order in orders if not order.is_open and start <= order.update_ms <= end]
        wanted = params.get("orderStatus")
        return self._listed(market, [row for row in rows if wanted in (None, "", row["orderStatus"])], params)

    def executions(self, account: Account, params: Params) -> dict[str, Any]:
        """execution/list: trades, and on linear funding payments, newest first."""
        market = market_of(params)
        start, end = self._range(params, WEEK_MS)
        kind = params.get("execType") or None
        rows = []
        if kind in (None, "Trade"):
            for order in self._orders(account, params, market):
                rows += [execution_row(self.venue, order, f) for f in order.fills if start <= f.time_ms <= end]
        if market == LINEAR and kind in (None, "Funding") and not (params.get("orderId") or params.get("orderLinkId")):
            for paid in account.income:
                instrument = self.venue.by_symbol[LINEAR][paid["symbol"]]
                if params.get("symbol") in (None, "", paid["symbol"]) and start <= paid["time"] <= end:
                    rows.append(funding_execution(paid, instrument))
        rows.sort(key=lambda row: int(row["execTime"]), reverse=True)
        return self._listed(market, [_without_category(row) for row in rows], params, 50, 100)

    def _range(self, params: Params, longest: int) -> tuple[int, int]:
        """(from, to): by default up to now; VenueError when it is longer than the venue looks."""
        now_ms = self.clock.wall_ms()
        end = int_of(params, "endTime", 0) or (
            int_of(params, "startTime", 0) + longest if params.get("startTime") else now_ms + 1000
        )
        start = int_of(params, "startTime", 0) or end - longest
        if not 0 <= end - start <= WEEK_MS:
            raise bad_params("The time range between startTime and endTime should be less than 7 days")
        return start, end

    @staticmethod
    def _listed(market: str, rows: list[dict[str, Any]], params: Params, default: int = 20, most: int = 50) -> dict[str, Any]:
        found, cursor = page(rows, params, default, most)
        return {"category": market, "list": found, "nextPageCursor": cursor}

    # ---- the account -----------------------------------------------------------------------------

    def positions(self, account: Account, params: Params) -> dict[str, Any]:
        """By symbol a row even without a position; by coin those that are not zero."""
        if market_of(params) != LINEAR:
            raise bad_params("category only support linear")
        if params.get("symbol"):
            positions = [account.position(self._instrument(params, LINEAR))]
        elif params.get("settleCoin") or params.get("baseCoin"):
            positions = [
                p
                for p in account.positions.values()
                if p.qty and all(params.get(key) in (None, "", value) for key, value in _scope(p.instrument).items())
            ]
        else:
            raise bad_params("Missing some parameters that must be filled in, symbol or settleCoin")
        sides = (1, 2) if account.has_flag("hedge_mode") else (0,)
        rows = [_without_category(position_row(self.venue, account, p, idx)) for p in positions for idx in sides]
        return self._listed(LINEAR, rows, params, 20, 200)

    def set_leverage(self, account: Account, params: Params) -> dict[str, Any]:
        if market_of(params) != LINEAR:
            raise bad_params("category only support linear")
        instrument = self._instrument(params, LINEAR)
        buy, sell = params.get("buyLeverage"), params.get("sellLeverage")
        if buy != sell or not isinstance(buy, str) or not buy.isdigit():
            raise bad_params("buyLeverage and sellLeverage must be the same whole number, as text")
        if not 1 <= int(buy) <= LEVERAGE_MAX:
            raise VenueError(110013, "Cannot set leverage due to risk limit level.")
        if account.leverage_of(instrument.symbol) == int(buy):
            raise VenueError(110043, "Set leverage has not been modified.")
        account.leverage[instrument.symbol] = int(buy)
        return {}

    def balance(self, account: Account, params: Params) -> dict[str, Any]:
        if params.get("accountType") != "UNIFIED":
            raise bad_params("accountType only support UNIFIED")
        coins = params.get("coin")
        return {"list": [wallet_row(self.venue, account, coins.split(",") if coins else None)]}

    def account_info(self, account: Account, params: Params) -> dict[str, Any]:
        return {
            "marginMode": "REGULAR_MARGIN",
            "updatedTime": str(LAUNCH_MS),
            "unifiedMarginStatus": 5,
            "dcpStatus": "OFF",
            "timeWindow": 10,
            "smpGroup": 0,
            "isMasterTrader": False,
            "spotHedgingStatus": "OFF",
        }

    def fee_rate(self, account: Account, params: Params) -> dict[str, Any]:
        market = market_of(params)
        wanted = [self._instrument(params, market)] if params.get("symbol") else list(self.venue.by_symbol[market].values())
        rows = [
            {
                "symbol": i.symbol,
                "baseCoin": "",
                "takerFeeRate": plain_e8(i.taker_fee_e8),
                "makerFeeRate": plain_e8(i.maker_fee_e8),
            }
            for i in wanted
        ]
        return {"category": market, "list": rows}

    def transactions(self, account: Account, params: Params) -> dict[str, Any]:
        """Funding payments, newest first; the log's other kinds of rows are not simulated."""
        if params.get("type") != "SETTLEMENT":
            raise bad_params("type: only SETTLEMENT is simulated")
        if params.get("accountType", "UNIFIED") != "UNIFIED":
            raise bad_params("accountType only support UNIFIED")
        start, end = self._range(params, DAY_MS)
        balance_e8 = account.total("USDT")
        rows = []
        if params.get("category", LINEAR) == LINEAR:
            for paid in account.income:
                if start <= paid["time"] <= end and params.get("currency") in (None, "", paid["asset"]):
                    instrument = self.venue.by_symbol[LINEAR][paid["symbol"]]
                    known = self.dialect.balances_after.get(paid["id"], balance_e8)
                    rows.append(settlement_row(account, paid | {"balance_e8": known}, instrument))
        found, cursor = page(rows[::-1], params, 20, 50)
        return {"list": found, "nextPageCursor": cursor}

    def key_info(self, account: Account, params: Params) -> dict[str, Any]:
        return {
            "id": str(account.uid),
            "note": "simulated",
            "apiKey": params["apiKey"],
            "readOnly": 0,
            "secret": "",
            "permissions": {
                "ContractTrade": ["Order", "Position"],
                "Spot": ["SpotTrade"],
                "Wallet": [],
                "Options": [],
                "Derivatives": ["DerivativesTrade"],
                "CopyTrading": [],
                "BlockTrade": [],
                "Exchange": [],
                "NFT": [],
                "Affiliate": [],
            },
            "ips": ["127.0.0.1"],
            "type": 1,
            "deadlineDay": 90,
            "expiredAt": "2030-01-01T00:00:00Z",
            "createdAt": "2025-01-01T00:00:00Z",
            "unified": 0,
            "uta": 1,
            "userID": account.uid,
            "inviterID": 0,
            "vipLevel": "No VIP",
            "mktMakerLevel": "0",
            "affiliateID": 0,
            "rsaPublicKey": "",
            "isMaster": True,
            "parentUid": "0",
            "kycLevel": "LEVEL_DEFAULT",
            "kycRegion": "",
        }

    def coins(self, account: Account, params: Params) -> dict[str, Any]:
        """asset/coin/query-info: every coin that is traded here, without a way in or out."""
        names = dict.fromkeys(name for i in self.venue.instruments for name in (i.base, i.quote))
        wanted = params.get("coin")
        rows = [{"name": name, "coin": name, "remainAmount": "0", "chains": []} for name in names if wanted in (None, "", name)]
        return {"rows": rows}


def _scope(i: Instrument) -> dict[str, str]:
    return {"symbol": i.symbol, "baseCoin": i.base, "settleCoin": i.settle}


def _without_category(row: dict[str, Any]) -> dict[str, Any]:
    """A list names it once, beside its rows."""
    return {key: value for key, value in row.items() if key != "category"}


Operation = Callable[[Any, Params], dict[str, Any]]

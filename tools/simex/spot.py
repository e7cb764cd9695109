"""Binance spot operations: orders, account, reference data, in the venue's own fields.

Called by `rest.py` and `ws_api.py` through the tables at the end.  Sources: rest-api.md, web-socket-api.md, filters.md (2026-07).
"""

from __future__ import annotations

import re
from typing import Any

from tools.simex import errors
from tools.simex.errors import VenueError
from tools.simex.exact import format_e8, parse_plain
from tools.simex.instrument import SPOT, Instrument
from tools.simex.ledger import Account, Order
from tools.simex.operations import SIDES, STP_MODES, Operations, Params, int_param, need, one_of, scaled_param

ORDER_TYPES = ("LIMIT", "LIMIT_MAKER", "MARKET")
TIMES_IN_FORCE = ("GTC", "IOC", "FOK")
RESPONSES = ("ACK", "RESULT", "FULL")
CLIENT_ID = re.compile(r"^[a-zA-Z0-9\-_]{1,36}$")
NOTIONAL_MAX_E8 = 9_000_000 * 10**8


class SpotOperations(Operations):
    """One instance; stateless beside the venue."""

    market = SPOT

    # ---- orders ----------------------------------------------------------------------------------

    def parse_order(self, account: Account, params: Params) -> Order:
        instrument = self.instrument(params)
        side = one_of(params, "side", SIDES)
        order_type = one_of(params, "type", ORDER_TYPES)
        tif = "GTC"
        px = 0
        if order_type == "LIMIT":
            tif = one_of(params, "timeInForce", TIMES_IN_FORCE)
        elif "timeInForce" in params:
            raise errors.not_required("timeInForce")
        if order_type != "MARKET":
            px = scaled_param(params, "price", instrument.px_decimals)
        elif "price" in params:
            raise errors.not_required("price")
        quote_qty_e8 = 0
        if order_type == "MARKET" and "quantity" not in params:
            quote_qty_e8 = parse_plain(need(params, "quoteOrderQty"), 8) or 0
            qty = 0
        else:
            qty = scaled_param(params, "quantity", instrument.qty_decimals)
        stp = one_of(params, "selfTradePreventionMode", STP_MODES, "EXPIRE_MAKER")
        response = one_of(params, "newOrderRespType", RESPONSES, "FULL")
        client_id = params.get("newClientOrderId") or f"sim{self.matcher.take_order_id(SPOT)}"
        if not CLIENT_ID.match(client_id):
            raise errors.illegal("newClientOrderId", "^[a-zA-Z0-9-_]{1,36}$")
        if instrument.status != "TRADING":
            raise VenueError(-2010, "Market is closed.")
        self._check_filters(instrument, side, order_type, px, qty, quote_qty_e8)
        now = self.clock.wall_ms()
        return Order(
            account,
            instrument,
            self.matcher.take_order_id(SPOT),
            client_id,
            side,
            order_type,
            tif,
            px,
            qty,
            quote_qty_e8,
            False,
            stp,
            response,
            now,
            self.venue.recv_mono_ns,
        )

    def _check_filters(self, instrument: Instrument, side: str, order_type: str, px: int, qty: int, quote_qty_e8: int) -> None:
        book = self.books[instrument.symbol]
        if order_type != "MARKET":
            if px == -1 or not instrument.min_px <= px <= instrument.max_px or px % instrument.tick:
                raise errors.filter_failure("PRICE_FILTER")
            top = book.top()
            if top is not None:
                average = (top[0] + top[2]) // 2
                if not average * instrument.percent_down <= px <= average * instrument.percent_up:
                    raise errors.filter_failure("PERCENT_PRICE_BY_SIDE")
            reference = px
        else:
            reference = (book.best_ask() if side == "BUY" else book.best_bid()) or 0
        if quote_qty_e8:
            notional = quote_qty_e8
        else:
            if qty == -1 or not instrument.min_qty <= qty <= instrument.max_qty or qty % instrument.step:
                raise errors.filter_failure("LOT_SIZE")
            if order_type == "MARKET" and qty > instrument.market_max_qty:
                raise errors.filter_failure("MARKET_LOT_SIZE")
            notional = instrument.amount_e8(reference, qty)
        if notional < instrument.min_notional_e8 or (order_type != "MARKET" and notional > NOTIONAL_MAX_E8):
            raise errors.filter_failure("NOTIONAL")

    def order_reply(self, order: Order) -> dict[str, Any]:
        instrument = order.instrument
        reply: dict[str, Any] = {
            "symbol": instrument.symbol,
            "orderId": order.order_id,
            "orderListId": -1,
            "clientOrderId": order.client_id,
            "transactTime": order.update_ms,
        }
        if order.response == "ACK":
            return reply
        reply |= {
            "price": instrument.px_text(order.px),
            "origQty": instrument.qty_text(order.qty),
            "executedQty": instrument.qty_text(order.executed),
            "origQuoteOrderQty": format_e8(order.quote_qty_e8),
            "cummulativeQuoteQty": format_e8(order.cum_quote_e8),
            "status": order.status,
            "timeInForce": order.tif,
            "type": order.type,
            "side": order.side,
            "workingTime": order.time_ms,
        }
        if order.response == "FULL":
            reply["fills"] = [
                {
                    "price": instrument.px_text(f.px),
                    "qty": instrument.qty_text(f.qty),
                    "commission": format_e8(f.fee_e8),
                    "commissionAsset": f.fee_asset,
                    "tradeId": f.trade_id,
                }
                for f in order.fills
            ]
        reply["selfTradePreventionMode"] = order.stp
        if order.expiry_reason:
            reply["expiryReason"] = order.expiry_reason
        return reply

    def order_state(self, order: Order) -> dict[str, Any]:
        instrument = order.instrument
        state = {
            "symbol": instrument.symbol,
            "orderId": order.order_id,
            "orderListId": -1,
            "clientOrderId": order.client_id,
            "price": instrument.px_text(order.px),
            "origQty": instrument.qty_text(order.qty),
            "executedQty": instrument.qty_text(order.executed),
            "cummulativeQuoteQty": format_e8(order.cum_quote_e8),
            "status": order.status,
            "timeInForce": order.tif,
            "type": order.type,
            "side": order.side,
            "stopPrice": "0.00000000",
            "icebergQty": "0.00000000",
            "time": order.time_ms,
            "updateTime": order.update_ms,
            "isWorking": True,
            "workingTime": order.time_ms,
            "origQuoteOrderQty": format_e8(order.quote_qty_e8),
            "selfTradePreventionMode": order.stp,
        }
        if order.expiry_reason:
            state["expiryReason"] = order.expiry_reason
        return state

    def cancel_reply(self, order: Order) -> dict[str, Any]:
        state = self.order_state(order)
        return {
            "symbol": state["symbol"],
            "origClientOrderId": order.client_id,
            "orderId": order.order_id,
            "orderListId": -1,
            "clientOrderId": order.cancel_client_id,
            "transactTime": order.update_ms,
            "price": state["price"],
            "origQty": state["origQty"],
            "executedQty": state["executedQty"],
            "origQuoteOrderQty": state["origQuoteOrderQty"],
            "cummulativeQuoteQty": state["cummulativeQuoteQty"],
            "status": order.status,
            "timeInForce": order.tif,
            "type": order.type,
            "side": order.side,
            "selfTradePreventionMode": order.stp,
        }

    def test(self, account: Account, params: Params) -> dict[str, Any]:
        self.parse_order(account, params)
        return {}

    def cancel(self, account: Account, params: Params) -> dict[str, Any]:
        order = self.find_order(account, params)
        if order is None or not order.is_open:
            raise errors.unknown_order()
        restriction = params.get("cancelRestrictions")
        if (restriction == "ONLY_NEW" and order.status != "NEW") or (
            restriction == "ONLY_PARTIALLY_FILLED" and order.status == "NEW"
        ):
            raise errors.cancel_restricted()
        cancel_id = params.get("newClientOrderId") or f"simcancel{order.order_id}"
        self.matcher.cancel(order, self.clock.wall_ms(), cancel_id)
        return self.cancel_reply(order)

    def cancel_all(self, account: Account, params: Params) -> list[dict[str, Any]]:
        instrument = self.instrument(params)
        orders = self.matcher.open_orders(account, SPOT, instrument.symbol)
        if not orders:
            raise errors.unknown_order()
        for order in orders:
            self.matcher.cancel(order, self.clock.wall_ms(), f"simcancel{order.order_id}")
        return [self.cancel_reply(order) for order in orders]

    def query(self, account: Account, params: Params) -> dict[str, Any]:
        order = self.find_order(account, params)
        if order is None or self.venue.faults.has_other and self.venue.faults.take("q", SPOT, params.get("symbol"), ("reject",)):
            raise errors.no_such_order()
        return self.order_state(order)

    def open_orders(self, account: Account, params: Params) -> list[dict[str, Any]]:
        symbol = self.instrument(params).symbol if params.get("symbol") else None
        return [self.order_state(order) for order in self.matcher.open_orders(account, SPOT, symbol)]

    def all_orders(self, account: Account, params: Params) -> list[dict[str, Any]]:
        symbol = self.instrument(params).symbol
        orders = [o for o in account.orders[SPOT].values() if o.instrument.symbol == symbol]
        return [self.order_state(order) for order in orders[-(int_param(params, "limit", 500) or 500) :]]

    def my_trades(self, account: Account, params: Params) -> list[dict[str, Any]]:
        instrument = self.instrument(params)
        order_id = int_param(params, "orderId")
        start, end = int_param(params, "startTime", 0) or 0, int_param(params, "endTime", 1 << 62) or 1 << 62
        from_id = int_param(params, "fromId", 0) or 0
        rows: list[dict[str, Any]] = [
            {
                "symbol": instrument.symbol,
                "id": f.trade_id,
                "orderId": o.order_id,
                "orderListId": -1,
                "price": instrument.px_text(f.px),
                "qty": instrument.qty_text(f.qty),
                "quoteQty": format_e8(instrument.amount_e8(f.px, f.qty)),
                "commission": format_e8(f.fee_e8),
                "commissionAsset": f.fee_asset,
                "time": f.time_ms,
                "isBuyer": o.is_buy,
                "isMaker": f.is_maker,
                "isBestMatch": True,
            }
            for o in account.orders[SPOT].values()
            if o.instrument is instrument and order_id in (None, o.order_id)
            for f in o.fills
            if start <= f.time_ms <= end and f.trade_id >= from_id
        ]
        rows.sort(key=lambda row: row["id"])
        return rows[-(int_param(params, "limit", 500) or 500) :]

    # ---- account ---------------------------------------------------------------------------------

    def account(self, account: Account, params: Params) -> dict[str, Any]:
        hide_zero = params.get("omitZeroBalances") == "true"
        assets = sorted(set(account.free) | set(account.locked))
        return {
            "makerCommission": 10,
            "takerCommission": 10,
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {"maker": "0.00100000", "taker": "0.00100000", "buyer": "0.00000000", "seller": "0.00000000"},
            "canTrade": True,
            "canWithdraw": False,
            "canDeposit": True,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": self.clock.wall_ms(),
            "accountType": "SPOT",
            "balances": [
                {"asset": a, "free": format_e8(account.free.get(a, 0)), "locked": format_e8(account.locked.get(a, 0))}
                for a in assets
                if not hide_zero or account.free.get(a, 0) or account.locked.get(a, 0)
            ],
            "permissions": ["SPOT"],
            "uid": account.uid,
        }

    def commission(self, account: Account, params: Params) -> dict[str, Any]:
        instrument = self.instrument(params)
        zero = {"maker": "0.00000000", "taker": "0.00000000", "buyer": "0.00000000", "seller": "0.00000000"}
        return {
            "symbol": instrument.symbol,
            "standardCommission": zero
            | {"maker": format_e8(instrument.maker_fee_e8), "taker": format_e8(instrument.taker_fee_e8)},
            "specialCommission": zero,
            "taxCommission": zero,
            "discount": {
                "enabledForAccount": account.bnb_burn,
                "enabledForSymbol": True,
                "discountAsset": "BNB",
                "discount": "0.75000000",
            },
        }

    def order_limits(self, account: Account, params: Params) -> list[dict[str, Any]]:
        return self.limits.describe(account, self.clock.wall_ms())[:-1]

    def api_restrictions(self, account: Account, params: Params) -> dict[str, Any]:
        return {
            "ipRestrict": True,
            "createTime": 1_698_645_219_000,
            "enableReading": True,
            "enableSpotAndMarginTrading": True,
            "enableWithdrawals": False,
            "enableInternalTransfer": False,
            "enableMargin": False,
            "enableFutures": True,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enableFixApiTrade": False,
            "enableFixReadOnly": False,
            "enablePortfolioMarginTrading": False,
        }

    def all_coins(self, account: Account, params: Params) -> list[dict[str, Any]]:
        return [
            {
                "coin": asset,
                "name": asset,
                "free": format_e8(account.free.get(asset, 0)),
                "locked": format_e8(account.locked.get(asset, 0)),
                "depositAllEnable": False,
                "withdrawAllEnable": False,
                "trading": True,
                "isLegalMoney": False,
                "networkList": [],
            }
            for asset in sorted({"USDT", "BNB"} | {i.base for i in self.by_symbol.values()})
        ]

    # ---- reference and market data ---------------------------------------------------------------

    def exchange_info(self, account: Account | None, params: Params) -> dict[str, Any]:
        wanted = None
        if params.get("symbol"):
            wanted = {self.instrument(params).symbol}
        elif params.get("symbols"):
            wanted = set(re.findall(r"[A-Z0-9_]+", params["symbols"]))
            if not wanted <= set(self.by_symbol):
                raise errors.bad_symbol()
        return {
            "timezone": "UTC",
            "serverTime": self.clock.wall_ms(),
            "rateLimits": self.limits.table(),
            "exchangeFilters": [],
            "symbols": [self._describe(i) for s, i in self.by_symbol.items() if wanted is None or s in wanted],
        }

    def _describe(self, i: Instrument) -> dict[str, Any]:
        px, qty = i.px_text, i.qty_text
        return {
            "symbol": i.symbol,
            "status": i.status,
            "baseAsset": i.base,
            "baseAssetPrecision": 8,
            "quoteAsset": i.quote,
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "baseCommissionPrecision": 8,
            "quoteCommissionPrecision": 8,
            "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
            "icebergAllowed": False,
            "ocoAllowed": False,
            "otoAllowed": False,
            "quoteOrderQtyMarketAllowed": True,
            "allowTrailingStop": False,
            "cancelReplaceAllowed": False,
            "amendAllowed": False,
            "pegInstructionsAllowed": False,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": px(i.min_px), "maxPrice": px(i.max_px), "tickSize": px(i.tick)},
                {"filterType": "LOT_SIZE", "minQty": qty(i.min_qty), "maxQty": qty(i.max_qty), "stepSize": qty(i.step)},
                {"filterType": "ICEBERG_PARTS", "limit": 100},
                {
                    "filterType": "MARKET_LOT_SIZE",
                    "minQty": "0.00000000",
                    "maxQty": qty(i.market_max_qty),
                    "stepSize": "0.00000000",
                },
                {
                    "filterType": "PERCENT_PRICE_BY_SIDE",
                    "bidMultiplierUp": str(i.percent_up),
                    "bidMultiplierDown": str(i.percent_down),
                    "askMultiplierUp": str(i.percent_up),
                    "askMultiplierDown": str(i.percent_down),
                    "avgPriceMins": 5,
                },
                {
                    "filterType": "NOTIONAL",
                    "minNotional": format_e8(i.min_notional_e8),
                    "applyMinToMarket": True,
                    "maxNotional": "9000000.00000000",
                    "applyMaxToMarket": False,
                    "avgPriceMins": 5,
                },
                {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
                {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
            ],
            "permissions": [],
            "permissionSets": [["SPOT"]],
            "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
            "allowedSelfTradePreventionModes": ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
        }

    def time(self, account: Account | None, params: Params) -> dict[str, Any]:
        return {"serverTime": self.clock.wall_ms()}

    def ping(self, account: Account | None, params: Params) -> dict[str, Any]:
        return {}

    def depth(self, account: Account | None, params: Params) -> dict[str, Any]:
        instrument = self.instrument(params)
        limit = min(5000, int_param(params, "limit", 100) or 100)
        book = self.books[instrument.symbol]
        px, qty = instrument.px_text, instrument.qty_text
        return {
            "lastUpdateId": book.update_id,
            "bids": [[px(p), qty(q)] for p, q in book.levels(True, limit)],
            "asks": [[px(p), qty(q)] for p, q in book.levels(False, limit)],
        }

    def depth_weight(self, params: Params) -> int:
        limit = int_param(params, "limit", 100) or 100
        return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1000 else 250

    def ticker_book(self, account: Account | None, params: Params) -> Any:
        rows = []
        for symbol, book in self.books.items():
            top = book.top()
            if top is not None and params.get("symbol") in (None, symbol):
                i = book.instrument
                rows.append(
                    {
                        "symbol": symbol,
                        "bidPrice": i.px_text(top[0]),
                        "bidQty": i.qty_text(top[1]),
                        "askPrice": i.px_text(top[2]),
                        "askQty": i.qty_text(top[3]),
                    }
                )
        return rows[0] if params.get("symbol") and rows else rows

    def trades(self, account: Account | None, params: Params) -> list[dict[str, Any]]:
        return [dict(t, quoteQty="0", isBestMatch=True) for t in self.data.trades[self.instrument(params).symbol]]


# method, path -> operation, weight (int, or the name of a function of the parameters), signed
REST_TABLE: dict[tuple[str, str], tuple[str, int | str, bool | str]] = {
    ("GET", "/api/v3/ping"): ("ping", 1, False),
    ("GET", "/api/v3/time"): ("time", 1, False),
    ("GET", "/api/v3/exchangeInfo"): ("exchange_info", 20, False),
    ("GET", "/api/v3/depth"): ("depth", "depth_weight", False),
    ("GET", "/api/v3/trades"): ("trades", 25, False),
    ("GET", "/api/v3/ticker/bookTicker"): ("ticker_book", 4, False),
    ("POST", "/api/v3/order"): ("submit", 0, True),
    ("POST", "/api/v3/order/test"): ("test", 1, True),
    ("DELETE", "/api/v3/order"): ("cancel", 0, True),
    ("GET", "/api/v3/order"): ("query", 4, True),
    ("GET", "/api/v3/openOrders"): ("open_orders", 6, True),
    ("DELETE", "/api/v3/openOrders"): ("cancel_all", 0, True),
    ("GET", "/api/v3/allOrders"): ("all_orders", 20, True),
    ("GET", "/api/v3/account"): ("account", 20, True),
    ("GET", "/api/v3/account/commission"): ("commission", 20, True),
    ("GET", "/api/v3/myTrades"): ("my_trades", 20, True),
    ("GET", "/api/v3/rateLimit/order"): ("order_limits", 40, True),
    ("GET", "/sapi/v1/account/apiRestrictions"): ("api_restrictions", 1, True),
    ("GET", "/sapi/v1/capital/config/getall"): ("all_coins", 10, True),
}
WS_TABLE: dict[str, tuple[str, int | str, bool | str]] = {
    "ping": ("ping", 1, False),
    "time": ("time", 1, False),
    "exchangeInfo": ("exchange_info", 20, False),
    "depth": ("depth", "depth_weight", False),
    "trades.recent": ("trades", 25, False),
    "ticker.book": ("ticker_book", 4, False),
    "order.place": ("submit", 0, True),
    "order.test": ("test", 1, True),
    "order.cancel": ("cancel", 0, True),
    "order.status": ("query", 4, True),
    "openOrders.status": ("open_orders", 6, True),
    "openOrders.cancelAll": ("cancel_all", 0, True),
    "allOrders": ("all_orders", 20, True),
    "account.status": ("account", 20, True),
    "account.commission": ("commission", 20, True),
    "account.rateLimits.orders": ("order_limits", 40, True),
    "myTrades": ("my_trades", 20, True),
}

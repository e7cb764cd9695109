"""Binance spot operations: orders, account, reference data, in the venue's own fields.

Called by `binance_rest.py` and `binance_ws_api.py` through the tables at the end.  Sources: rest-api.md, web-socket-api.md,
filters.md (2026-07).
"""

from __future__ import annotations

import re
from typing import Any

from tools.simex import binance_errors as errors
from tools.simex.binance_orders import (
    SIDES,
    STP_MODES,
    Operations,
    Params,
    int_param,
    need,
    one_of,
    scaled_param,
    status_text,
)
from tools.simex.contract import LINEAR, SPOT
from tools.simex.exact import format_e8, parse_plain
from tools.simex.filters import check_band, check_notional, check_px, check_qty
from tools.simex.instrument import Instrument
from tools.simex.ledger import Account, Order
from tools.simex.refusals import END_FOK, END_IOC, END_MARKET, Refusal, Refused

ORDER_TYPES = ("LIMIT", "LIMIT_MAKER", "MARKET")
TIMES_IN_FORCE = ("GTC", "IOC", "FOK")
RESPONSES = ("ACK", "RESULT", "FULL")
CLIENT_ID = re.compile(r"^[a-zA-Z0-9\-_]{1,36}$")
NOTIONAL_MAX_E8 = 9_000_000 * 10**8
EXPIRY_REASONS = {
    END_IOC: "UNFILLED_IOC_QUANTITY_EXPIRED",
    END_FOK: "UNFILLED_FOK_ORDER_EXPIRED",
    END_MARKET: "INSUFFICIENT_LIQUIDITY",
}


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
            raise Refused(Refusal.NOT_TRADING)
        self._check_filters(instrument, side, order_type, px, qty, quote_qty_e8)
        return Order(
            account,
            instrument,
            self.matcher.take_order_id(SPOT),
            client_id,
            side,
            "MARKET" if order_type == "MARKET" else "LIMIT",
            tif,
            px,
            qty,
            quote_qty_e8,
            False,
            stp,
            self.clock.wall_ms(),
            self.venue.recv_mono_ns,
            is_post_only=order_type == "LIMIT_MAKER",
            notes={"response": response},
        )

    def _check_filters(self, instrument: Instrument, side: str, order_type: str, px: int, qty: int, quote_qty_e8: int) -> None:
        book, is_market = self.books[instrument.symbol], order_type == "MARKET"
        if is_market:
            px = (book.best_ask() if side == "BUY" else book.best_bid()) or 0
        else:
            check_px(instrument, px)
            top = book.top()
            if top is not None:
                middle_e8 = (top[0] + top[2]) // 2 * 10**8 // 10**instrument.px_decimals
                check_band(instrument, px, middle_e8, is_buy=side == "BUY", both_ends=True)
        if not quote_qty_e8:
            check_qty(instrument, qty, is_market)
        check_notional(instrument, quote_qty_e8 or instrument.amount_e8(px, qty), 0 if is_market else NOTIONAL_MAX_E8)

    def order_reply(self, order: Order) -> dict[str, Any]:
        instrument = order.instrument
        reply: dict[str, Any] = {
            "symbol": instrument.symbol,
            "orderId": order.order_id,
            "orderListId": -1,
            "clientOrderId": order.client_id,
            "transactTime": order.update_ms,
        }
        response = order.notes.get("response", "FULL")
        if response == "ACK":
            return reply
        reply |= {
            "price": instrument.px_text(order.px),
            "origQty": instrument.qty_text(order.qty),
            "executedQty": instrument.qty_text(order.executed),
            "origQuoteOrderQty": format_e8(order.quote_qty_e8),
            "cummulativeQuoteQty": format_e8(order.cum_quote_e8),
            "status": status_text(order),
            "timeInForce": order.tif,
            "type": type_text(order),
            "side": order.side,
            "workingTime": order.time_ms,
        }
        if response == "FULL":
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
        if order.end_reason in EXPIRY_REASONS:
            reply["expiryReason"] = EXPIRY_REASONS[order.end_reason]
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
            "status": status_text(order),
            "timeInForce": order.tif,
            "type": type_text(order),
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
        if order.end_reason in EXPIRY_REASONS:
            state["expiryReason"] = EXPIRY_REASONS[order.end_reason]
        return state

    def cancel_reply(self, order: Order) -> dict[str, Any]:
        state = self.order_state(order)
        return {
            "symbol": state["symbol"],
            "origClientOrderId": order.client_id,
            "orderId": order.order_id,
            "orderListId": -1,
            "clientOrderId": order.notes.get("cancel_id", ""),
            "transactTime": order.update_ms,
            "price": state["price"],
            "origQty": state["origQty"],
            "executedQty": state["executedQty"],
            "origQuoteOrderQty": state["origQuoteOrderQty"],
            "cummulativeQuoteQty": state["cummulativeQuoteQty"],
            "status": status_text(order),
            "timeInForce": order.tif,
            "type": type_text(order),
            "side": order.side,
            "selfTradePreventionMode": order.stp,
        }

    def test(self, account: Account, params: Params) -> dict[str, Any]:
        self.parse_order(account, params)
        return {}

    def cancel(self, account: Account, params: Params) -> dict[str, Any]:
        order = self.open_order_of(account, params)
        restriction = params.get("cancelRestrictions")
        if (restriction == "ONLY_NEW" and order.status != "NEW") or (
            restriction == "ONLY_PARTIALLY_FILLED" and order.status == "NEW"
        ):
            raise errors.cancel_restricted()
        order.notes["cancel_id"] = params.get("newClientOrderId") or f"simcancel{order.order_id}"
        self.matcher.cancel(order, self.clock.wall_ms())
        return self.cancel_reply(order)

    def cancel_all(self, account: Account, params: Params) -> list[dict[str, Any]]:
        orders = self.matcher.open_orders(account, SPOT, self.instrument(params).symbol)
        if not orders:
            raise Refused(Refusal.UNKNOWN_ORDER)
        for order in orders:
            order.notes["cancel_id"] = f"simcancel{order.order_id}"
            self.matcher.cancel(order, self.clock.wall_ms())
        return [self.cancel_reply(order) for order in orders]

    def my_trades(self, account: Account, params: Params) -> list[dict[str, Any]]:
        instrument = self.instrument(params)
        return [
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
            for o, f in self.fills(account, params)
        ]

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
                "enabledForAccount": account.has_flag("bnb_burn"),
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
            "enableFutures": LINEAR in self.venue.sim.markets,
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

    def depth(self, account: Account | None, params: Params) -> dict[str, Any]:
        return self.depth_of(self.instrument(params), min(5000, int_param(params, "limit", 100) or 100))

    def depth_weight(self, params: Params) -> int:
        limit = int_param(params, "limit", 100) or 100
        return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1000 else 250

    def ticker_book(self, account: Account | None, params: Params) -> Any:
        rows = list(self.tops(params))
        return rows[0] if params.get("symbol") and rows else rows

    def trades(self, account: Account | None, params: Params) -> list[dict[str, Any]]:
        return [row | {"isBestMatch": True} for row in self.trades_of(params)]


def type_text(order: Order) -> str:
    return "LIMIT_MAKER" if order.is_post_only else order.type


# Rows as in binance_orders.Row.
SpotOperations.rest_table = {
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
    ("GET", "/sapi/v1/system/status"): ("system_status", 1, False),
    ("GET", "/sapi/v1/capital/config/getall"): ("all_coins", 10, True),
}
SpotOperations.ws_table = {
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

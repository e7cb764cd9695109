"""Binance USD-M futures operations: orders, reference data, funding, in the venue's own fields.

Called by `binance_rest.py` and `binance_ws_api.py` through the tables at the end.  Sources: USD-M trade and market-data pages
(2026-05 to 2026-09).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tools.simex import binance_errors as errors
from tools.simex.binance_errors import VenueError
from tools.simex.binance_events import average_px_text, tif_text
from tools.simex.binance_linear_account import LinearAccount
from tools.simex.binance_orders import (
    SIDES,
    STP_MODES,
    Params,
    int_param,
    one_of,
    scaled_param,
    status_text,
)
from tools.simex.contract import LINEAR
from tools.simex.exact import E8, format_e8
from tools.simex.filters import check_band, check_notional, check_px, check_qty
from tools.simex.instrument import Instrument
from tools.simex.ledger import Account, Order
from tools.simex.refusals import END_COUNTDOWN, Refusal, Refused

if TYPE_CHECKING:
    from tools.simex.binance_dialect import BinanceDialect

ORDER_TYPES = ("LIMIT", "MARKET")
ALGO_TYPES = ("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")
TIMES_IN_FORCE = ("GTC", "IOC", "FOK", "GTX")
CLIENT_ID = re.compile(r"^[\.A-Z\:/a-z0-9_-]{1,36}$")
MARKET_TAKE_BOUND_PERCENT = 5


class LinearOperations(LinearAccount):
    """One instance; stateless beside the venue."""

    def __init__(self, dialect: BinanceDialect) -> None:
        super().__init__(dialect)
        self.countdowns: dict[tuple[str, str], int] = {}  # (account, symbol) -> wall ms at which its open orders are cancelled

    # ---- orders ----------------------------------------------------------------------------------

    def parse_order(self, account: Account, params: Params) -> Order:
        instrument = self.instrument(params)
        side = one_of(params, "side", SIDES)
        if params.get("type") in ALGO_TYPES:
            raise VenueError(
                -4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
            )
        order_type = one_of(params, "type", ORDER_TYPES)
        position_side = one_of(params, "positionSide", ("BOTH", "LONG", "SHORT"), "BOTH")
        if (position_side == "BOTH") == account.has_flag("hedge_mode"):
            raise errors.position_side_mismatch()
        reduce_only = one_of(params, "reduceOnly", ("true", "false"), "false") == "true"
        tif, px = "GTC", 0
        if order_type == "LIMIT":
            tif = one_of(params, "timeInForce", TIMES_IN_FORCE)
            px = scaled_param(params, "price", instrument.px_decimals, instrument.px_digits)
        qty = scaled_param(params, "quantity", instrument.qty_decimals, instrument.qty_digits)
        stp = one_of(params, "selfTradePreventionMode", STP_MODES[:4], "EXPIRE_MAKER")
        response = one_of(params, "newOrderRespType", ("ACK", "RESULT"), "ACK")
        client_id = params.get("newClientOrderId") or f"sim{self.matcher.take_order_id(LINEAR)}"
        if not CLIENT_ID.match(client_id):
            raise VenueError(-4015, "Client order id is not valid.")
        if instrument.status != "TRADING":
            raise Refused(Refusal.NOT_TRADING)
        self._check_filters(instrument, side, order_type, px, qty, reduce_only)
        return Order(
            account,
            instrument,
            self.matcher.take_order_id(LINEAR),
            client_id,
            side,
            order_type,
            "GTC" if tif == "GTX" else tif,
            px,
            qty,
            0,
            reduce_only,
            stp,
            self.clock.wall_ms(),
            self.venue.recv_mono_ns,
            is_post_only=tif == "GTX",
            notes={"response": response},
        )

    def _check_filters(self, instrument: Instrument, side: str, order_type: str, px: int, qty: int, reduce_only: bool) -> None:
        is_market, mark_e8 = order_type == "MARKET", self.venue.mark_e8(instrument)
        check_qty(instrument, qty, is_market)
        if is_market:
            book = self.books[instrument.symbol]
            px = (book.best_ask() if side == "BUY" else book.best_bid()) or 0
            distance = abs(px * 10**8 // 10**instrument.px_decimals - mark_e8)
            if mark_e8 and (px == 0 or distance * 100 > MARKET_TAKE_BOUND_PERCENT * mark_e8):
                raise Refused(Refusal.NO_LIQUIDITY)
        else:
            check_px(instrument, px)
            check_band(instrument, px, mark_e8, is_buy=side == "BUY")
        if not reduce_only:
            check_notional(instrument, instrument.amount_e8(px, qty))

    def order_reply(self, order: Order) -> dict[str, Any]:
        """ACK shows the order as it was accepted, RESULT as it ended (MARKET, IOC, FOK)."""
        if order.notes.get("response") == "RESULT":
            return self.order_state(order, is_reply=True)
        instrument = order.instrument
        zero = instrument.qty_text(0)
        return self.order_state(order, is_reply=True) | {
            "status": "NEW",
            "executedQty": zero,
            "cumQty": zero,
            "avgPrice": instrument.px_text(0),
            "cumQuote": format_e8(0),
            "updateTime": order.time_ms,
        }

    def order_state(self, order: Order, is_reply: bool = False) -> dict[str, Any]:
        instrument = order.instrument
        state: dict[str, Any] = {
            "orderId": order.order_id,
            "symbol": instrument.symbol,
            "status": status_text(order),
            "clientOrderId": order.client_id,
            "price": instrument.px_text(order.px),
            "avgPrice": average_px_text(order),
            "origQty": instrument.qty_text(order.qty),
            "executedQty": instrument.qty_text(order.executed),
            "cumQty": instrument.qty_text(order.executed),
            "cumQuote": format_e8(order.cum_quote_e8),
            "timeInForce": tif_text(order),
            "type": order.type,
            "reduceOnly": order.reduce_only,
            "closePosition": False,
            "side": order.side,
            "positionSide": "BOTH",
            "stopPrice": "0.00",
            "workingType": "CONTRACT_PRICE",
            "priceProtect": False,
            "origType": order.type,
            "priceMatch": "NONE",
            "selfTradePreventionMode": order.stp,
            "goodTillDate": 0,
            "updateTime": order.update_ms,
        }
        if not is_reply:
            state["time"] = order.time_ms
            del state["cumQty"]
        return state

    def test(self, account: Account, params: Params) -> dict[str, Any]:
        order = self.parse_order(account, params)
        return self.order_reply(order)

    def cancel(self, account: Account, params: Params) -> dict[str, Any]:
        order = self.open_order_of(account, params)
        self.matcher.cancel(order, self.clock.wall_ms())
        return self.order_state(order, is_reply=True)

    def cancel_all(self, account: Account, params: Params) -> dict[str, Any]:
        instrument = self.instrument(params)
        for order in self.matcher.open_orders(account, LINEAR, instrument.symbol):
            self.matcher.cancel(order, self.clock.wall_ms())
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def countdown(self, account: Account, params: Params) -> dict[str, Any]:
        """Dead-man switch of one symbol; 0 stops it."""
        instrument = self.instrument(params)
        milliseconds = int_param(params, "countdownTime")
        if milliseconds is None:
            raise errors.mandatory("countdownTime")
        key = (account.name, instrument.symbol)
        if milliseconds == 0:
            self.countdowns.pop(key, None)
        else:
            self.countdowns[key] = self.clock.wall_ms() + milliseconds
        return {"symbol": instrument.symbol, "countdownTime": str(milliseconds)}

    def run_countdowns(self, now_ms: int) -> None:
        """Cancel what a dead-man switch is due for."""
        for key in [k for k, due in self.countdowns.items() if now_ms >= due]:
            del self.countdowns[key]
            for order in self.matcher.open_orders(self.venue.accounts[key[0]], LINEAR, key[1]):
                self.matcher.cancel(order, now_ms, END_COUNTDOWN)
        self.venue.settle()

    def open_order(self, account: Account, params: Params) -> dict[str, Any]:
        order = self.find_order(account, params)
        if order is None or not order.is_open:
            raise Refused(Refusal.NO_SUCH_ORDER)
        return self.order_state(order)

    def no_algo_orders(self, account: Account, params: Params) -> list[dict[str, Any]]:
        return []

    def cancel_all_algo(self, account: Account, params: Params) -> dict[str, Any]:
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def all_orders(self, account: Account, params: Params) -> list[dict[str, Any]]:
        """Here the symbol may be left out."""
        if params.get("symbol"):
            return super().all_orders(account, params)
        orders = list(account.orders[LINEAR].values())
        return [self.order_state(order) for order in orders[-(int_param(params, "limit", 500) or 500) :]]

    def user_trades(self, account: Account, params: Params) -> list[dict[str, Any]]:
        instrument = self.instrument(params)
        return [
            {
                "symbol": instrument.symbol,
                "id": f.trade_id,
                "orderId": o.order_id,
                "side": o.side,
                "price": instrument.px_text(f.px),
                "qty": instrument.qty_text(f.qty),
                "realizedPnl": format_e8(f.realised_e8),
                "quoteQty": format_e8(instrument.amount_e8(f.px, f.qty)),
                "commission": format_e8(f.fee_e8),
                "commissionAsset": f.fee_asset,
                "time": f.time_ms,
                "positionSide": "BOTH",
                "buyer": o.is_buy,
                "maker": f.is_maker,
            }
            for o, f in self.fills(account, params)
        ]

    # ---- reference and market data ---------------------------------------------------------------

    def exchange_info(self, account: Account | None, params: Params) -> dict[str, Any]:
        return {
            "timezone": "UTC",
            "serverTime": self.clock.wall_ms(),
            "futuresType": "U_MARGINED",
            "rateLimits": self.limits.table(),
            "exchangeFilters": [],
            "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
            "symbols": [self._describe(i) for i in self.by_symbol.values()],
        }

    @staticmethod
    def _describe(i: Instrument) -> dict[str, Any]:
        px, qty = i.px_text, i.qty_text
        return {
            "symbol": i.symbol,
            "pair": i.symbol,
            "contractType": "PERPETUAL",
            "deliveryDate": 4_133_404_800_000,
            "onboardDate": 1_569_398_400_000,
            "status": i.status,
            "maintMarginPercent": "2.5000",
            "requiredMarginPercent": "5.0000",
            "baseAsset": i.base,
            "quoteAsset": i.quote,
            "marginAsset": i.quote,
            "pricePrecision": i.px_digits,
            "quantityPrecision": i.qty_digits,
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
            "underlyingType": "COIN",
            "underlyingSubType": [],
            "triggerProtect": "0.0500",
            "liquidationFee": "0.012500",
            "marketTakeBound": "0.05",
            "maxMoveOrderLimit": 10000,
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": px(i.min_px), "maxPrice": px(i.max_px), "tickSize": px(i.tick)},
                {"filterType": "LOT_SIZE", "minQty": qty(i.min_qty), "maxQty": qty(i.max_qty), "stepSize": qty(i.step)},
                {
                    "filterType": "MARKET_LOT_SIZE",
                    "minQty": qty(i.min_qty),
                    "maxQty": qty(i.market_max_qty),
                    "stepSize": qty(i.step),
                },
                {"filterType": "MAX_NUM_ORDERS", "limit": 200},
                {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
                {"filterType": "MIN_NOTIONAL", "notional": str(i.min_notional_e8 // E8)},
                {
                    "filterType": "PERCENT_PRICE",
                    "multiplierUp": f"{i.percent_up:.4f}",
                    "multiplierDown": f"{i.percent_down:.4f}",
                    "multiplierDecimal": "4",
                },
            ],
            "orderTypes": ["LIMIT", "MARKET"],
            "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
            "permissionSets": ["GRID", "COPY"],
        }

    def depth(self, account: Account | None, params: Params) -> dict[str, Any]:
        instrument = self.instrument(params)
        limit = int_param(params, "limit", 500) or 500
        if limit not in (5, 10, 20, 50, 100, 500, 1000):
            raise VenueError(-4021, f"{limit} is not valid depth limit.")
        now = self.clock.wall_ms()
        return {"E": now, "T": now} | self.depth_of(instrument, limit)

    def depth_weight(self, params: Params) -> int:
        limit = int_param(params, "limit", 500) or 500
        return 2 if limit <= 50 else 5 if limit <= 100 else 10 if limit <= 500 else 20

    def _premium(self, symbol: str) -> dict[str, Any]:
        funding = self.venue.funding[symbol]
        mark = self.matcher.mark_px_e8.get(symbol, 0)
        return {
            "symbol": symbol,
            "markPrice": format_e8(mark),
            "indexPrice": format_e8(self.venue.index_px_e8.get(symbol, mark)),
            "estimatedSettlePrice": format_e8(mark),
            "lastFundingRate": format_e8(funding.rate_e8),
            "interestRate": "0.00010000",
            "nextFundingTime": funding.next_ms,
            "time": self.clock.wall_ms(),
        }

    def premium_index(self, account: Account | None, params: Params) -> Any:
        if params.get("symbol"):
            return self._premium(self.instrument(params).symbol)
        return [self._premium(symbol) for symbol in self.by_symbol if symbol in self.venue.funding]

    def funding_info(self, account: Account | None, params: Params) -> list[dict[str, Any]]:
        return [
            {
                "symbol": s,
                "adjustedFundingRateCap": "0.02000000",
                "adjustedFundingRateFloor": "-0.02000000",
                "fundingIntervalHours": f.interval_hours,
                "disclaimer": False,
            }
            for s, f in self.venue.funding.items()
            if f.interval_hours != 8
        ]

    def funding_history(self, account: Account | None, params: Params) -> list[dict[str, Any]]:
        wanted = params.get("symbol")
        return [
            {
                "symbol": symbol,
                "fundingRate": format_e8(row["rate_e8"]),
                "fundingTime": row["time"],
                "markPrice": format_e8(row["mark_e8"]),
            }
            for symbol, f in self.venue.funding.items()
            if wanted in (None, symbol)
            for row in f.history
        ]

    def ticker_book(self, account: Account | None, params: Params) -> Any:
        now = self.clock.wall_ms()
        rows = [row | {"time": now, "lastUpdateId": self.books[row["symbol"]].update_id} for row in self.tops(params)]
        return rows[0] if params.get("symbol") and rows else rows

    def trades(self, account: Account | None, params: Params) -> list[dict[str, Any]]:
        return self.trades_of(params)


# Rows as in binance_orders.Row.
LinearOperations.rest_table = {
    ("GET", "/fapi/v1/ping"): ("ping", 1, False),
    ("GET", "/fapi/v1/time"): ("time", 1, False),
    ("GET", "/fapi/v1/exchangeInfo"): ("exchange_info", 1, False),
    ("GET", "/fapi/v1/depth"): ("depth", "depth_weight", False),
    ("GET", "/fapi/v1/trades"): ("trades", 5, False),
    ("GET", "/fapi/v1/ticker/bookTicker"): ("ticker_book", 5, False),
    ("GET", "/fapi/v1/premiumIndex"): ("premium_index", 10, False),
    ("GET", "/fapi/v1/fundingInfo"): ("funding_info", 0, False),
    ("GET", "/fapi/v1/fundingRate"): ("funding_history", 1, False),
    ("POST", "/fapi/v1/order"): ("submit", 0, True),
    ("POST", "/fapi/v1/order/test"): ("test", 0, True),
    ("DELETE", "/fapi/v1/order"): ("cancel", 1, True),
    ("GET", "/fapi/v1/order"): ("query", 1, True),
    ("GET", "/fapi/v1/openOrder"): ("open_order", 1, True),
    ("GET", "/fapi/v1/openOrders"): ("open_orders", 1, True),
    ("DELETE", "/fapi/v1/allOpenOrders"): ("cancel_all", 1, True),
    ("GET", "/fapi/v1/openAlgoOrders"): ("no_algo_orders", 1, True),
    ("DELETE", "/fapi/v1/algoOpenOrders"): ("cancel_all_algo", 1, True),
    ("POST", "/fapi/v1/countdownCancelAll"): ("countdown", 10, True),
    ("GET", "/fapi/v1/allOrders"): ("all_orders", 5, True),
    ("GET", "/fapi/v1/userTrades"): ("user_trades", 5, True),
    ("GET", "/fapi/v3/positionRisk"): ("position_risk", 5, True),
    ("GET", "/fapi/v2/positionRisk"): ("position_risk_v2", 5, True),
    ("GET", "/fapi/v3/balance"): ("balance", 5, True),
    ("GET", "/fapi/v2/balance"): ("balance", 5, True),
    ("GET", "/fapi/v3/account"): ("account", 5, True),
    ("GET", "/fapi/v2/account"): ("account_v2", 5, True),
    ("GET", "/fapi/v1/accountConfig"): ("account_config", 5, True),
    ("GET", "/fapi/v1/symbolConfig"): ("symbol_config", 5, True),
    ("GET", "/fapi/v1/commissionRate"): ("commission_rate", 20, True),
    ("GET", "/fapi/v1/leverageBracket"): ("leverage_bracket", 1, True),
    ("POST", "/fapi/v1/leverage"): ("set_leverage", 1, True),
    ("POST", "/fapi/v1/marginType"): ("set_margin_type", 1, True),
    ("GET", "/fapi/v1/positionSide/dual"): ("position_mode", 30, True),
    ("POST", "/fapi/v1/positionSide/dual"): ("set_position_mode", 1, True),
    ("GET", "/fapi/v1/multiAssetsMargin"): ("multi_assets", 30, True),
    ("POST", "/fapi/v1/multiAssetsMargin"): ("set_multi_assets", 1, True),
    ("GET", "/fapi/v1/income"): ("income", 30, True),
}
LinearOperations.ws_table = {
    "ping": ("ping", 1, False),
    "time": ("time", 1, False),
    "depth": ("depth", "depth_weight", False),
    "ticker.book": ("ticker_book", 5, False),
    "order.place": ("submit", 0, True),
    "order.test": ("test", 0, True),
    "order.cancel": ("cancel", 1, True),
    "order.status": ("query", 1, True),
    "account.position": ("position_risk_v2", 5, True),
    "v2/account.position": ("position_risk", 5, True),
    "account.balance": ("balance", 5, True),
    "v2/account.balance": ("balance", 5, True),
    "account.status": ("account_v2", 5, True),
    "v2/account.status": ("account", 5, True),
}

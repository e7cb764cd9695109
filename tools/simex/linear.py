"""Binance USD-M futures operations: orders, positions, account, funding, in the venue's own fields.

Called by `rest.py` and `ws_api.py` through the tables at the end.  One-way mode, cross margin.  Sources: USD-M trade, account and
market-data pages (2026-05 to 2026-09).
"""

from __future__ import annotations

import re
from typing import Any

from tools.simex import errors
from tools.simex.errors import VenueError
from tools.simex.exact import E8, format_e8, format_fixed
from tools.simex.instrument import LINEAR, Instrument
from tools.simex.ledger import Account, Order, Position
from tools.simex.operations import SIDES, STP_MODES, Operations, Params, int_param, need, one_of, scaled_param
from tools.simex.user_events import average_px_text, entry_price_text

ORDER_TYPES = ("LIMIT", "MARKET")
ALGO_TYPES = ("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")
TIMES_IN_FORCE = ("GTC", "IOC", "FOK", "GTX")
CLIENT_ID = re.compile(r"^[\.A-Z\:/a-z0-9_-]{1,36}$")
MAINTENANCE_E8 = 400_000  # 0.4 % of notional
MARKET_TAKE_BOUND_PERCENT = 5


class LinearOperations(Operations):
    """One instance; stateless beside the venue."""

    market = LINEAR

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
        if (position_side == "BOTH") == account.hedge_mode:
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
            raise VenueError(-4108, "Symbol is on delivering or delivered or settling or closed or pre-trading")
        self._check_filters(instrument, side, order_type, px, qty, reduce_only)
        now = self.clock.wall_ms()
        return Order(
            account,
            instrument,
            self.matcher.take_order_id(LINEAR),
            client_id,
            side,
            order_type,
            tif,
            px,
            qty,
            0,
            reduce_only,
            stp,
            response,
            now,
            self.venue.recv_mono_ns,
        )

    def _check_filters(self, instrument: Instrument, side: str, order_type: str, px: int, qty: int, reduce_only: bool) -> None:
        if qty == 0:
            raise VenueError(-4003, "Quantity less than or equal to zero.")
        if qty == -1 or qty % instrument.step:
            raise VenueError(-4023, "Quantity not increased by step size.")
        if qty < instrument.min_qty:
            raise VenueError(-4004, "Quantity less than min quantity.")
        if qty > (instrument.max_qty if order_type == "LIMIT" else instrument.market_max_qty):
            raise VenueError(-4005, "Quantity greater than max quantity.")
        mark_e8 = self.matcher.mark_px_e8.get(instrument.symbol, 0)
        scale = 10 ** (8 - instrument.px_decimals)
        if order_type == "LIMIT":
            if px == 0:
                raise VenueError(-4001, "Price less than 0.")
            if px == -1 or px % instrument.tick:
                raise VenueError(-4014, "Price not increased by tick size.")
            if px > instrument.max_px:
                raise VenueError(-4002, "Price greater than max price.")
            if px < instrument.min_px:
                raise VenueError(-4013, "Price less than min price.")
            upper, lower = mark_e8 * instrument.percent_up / scale, mark_e8 * instrument.percent_down / scale
            if mark_e8 and side == "BUY" and px > upper:
                raise VenueError(-4016, f"Limit price can't be higher than {instrument.px_text(int(upper))}.")
            if mark_e8 and side == "SELL" and px < lower:
                raise VenueError(-4024, f"Limit price can't be lower than {instrument.px_text(int(lower))}.")
            reference = px
        else:
            book = self.books[instrument.symbol]
            reference = (book.best_ask() if side == "BUY" else book.best_bid()) or 0
            distance = abs(reference * scale - mark_e8)
            if mark_e8 and (reference == 0 or distance * 100 > MARKET_TAKE_BOUND_PERCENT * mark_e8):
                raise VenueError(-4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit.")
        if not reduce_only and instrument.amount_e8(reference, qty) < instrument.min_notional_e8:
            raise VenueError(
                -4164,
                f"Order's notional must be no smaller than {instrument.min_notional_e8 // E8} (unless you choose reduce only).",
            )

    def order_reply(self, order: Order) -> dict[str, Any]:
        """ACK shows the order as it was accepted, RESULT as it ended (MARKET, IOC, FOK)."""
        if order.response == "RESULT":
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
            "status": order.status,
            "clientOrderId": order.client_id,
            "price": instrument.px_text(order.px),
            "avgPrice": average_px_text(order),
            "origQty": instrument.qty_text(order.qty),
            "executedQty": instrument.qty_text(order.executed),
            "cumQty": instrument.qty_text(order.executed),
            "cumQuote": format_e8(order.cum_quote_e8),
            "timeInForce": order.tif,
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
        order = self.find_order(account, params)
        if order is None or not order.is_open:
            raise errors.unknown_order()
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
            self.venue.countdowns.pop(key, None)
        else:
            self.venue.countdowns[key] = self.clock.wall_ms() + milliseconds
        return {"symbol": instrument.symbol, "countdownTime": str(milliseconds)}

    def query(self, account: Account, params: Params) -> dict[str, Any]:
        order = self.find_order(account, params)
        if (
            order is None
            or self.venue.faults.has_other
            and self.venue.faults.take("q", LINEAR, params.get("symbol"), ("reject",))
        ):
            raise errors.no_such_order()
        return self.order_state(order)

    def open_order(self, account: Account, params: Params) -> dict[str, Any]:
        order = self.find_order(account, params)
        if order is None or not order.is_open:
            raise errors.no_such_order()
        return self.order_state(order)

    def open_orders(self, account: Account, params: Params) -> list[dict[str, Any]]:
        symbol = self.instrument(params).symbol if params.get("symbol") else None
        return [self.order_state(order) for order in self.matcher.open_orders(account, LINEAR, symbol)]

    def no_algo_orders(self, account: Account, params: Params) -> list[dict[str, Any]]:
        return []

    def cancel_all_algo(self, account: Account, params: Params) -> dict[str, Any]:
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def all_orders(self, account: Account, params: Params) -> list[dict[str, Any]]:
        symbol = params.get("symbol")
        orders = [o for o in account.orders[LINEAR].values() if symbol in (None, o.instrument.symbol)]
        return [self.order_state(order) for order in orders[-(int_param(params, "limit", 500) or 500) :]]

    def user_trades(self, account: Account, params: Params) -> list[dict[str, Any]]:
        instrument = self.instrument(params)
        order_id = int_param(params, "orderId")
        start, end = int_param(params, "startTime", 0) or 0, int_param(params, "endTime", 1 << 62) or 1 << 62
        from_id = int_param(params, "fromId", 0) or 0
        rows: list[dict[str, Any]] = [
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
            for o in account.orders[LINEAR].values()
            if o.instrument is instrument and order_id in (None, o.order_id)
            for f in o.fills
            if start <= f.time_ms <= end and f.trade_id >= from_id
        ]
        rows.sort(key=lambda row: row["id"])
        return rows[-(int_param(params, "limit", 500) or 500) :]

    # ---- account ---------------------------------------------------------------------------------

    def _position_row(self, account: Account, position: Position) -> dict[str, Any]:
        i, symbol = position.instrument, position.instrument.symbol
        mark = self.matcher.mark_px_e8.get(symbol, 0)
        notional = position.qty * mark // 10**i.qty_decimals
        margin = abs(notional) // account.leverage_of(symbol)
        return {
            "symbol": symbol,
            "positionSide": "BOTH",
            "positionAmt": format_fixed(position.qty, i.qty_decimals, i.qty_decimals),
            "entryPrice": entry_price_text(account, symbol),
            "breakEvenPrice": entry_price_text(account, symbol),
            "markPrice": format_e8(mark),
            "unRealizedProfit": format_e8(position.unrealised_e8(mark)),
            "liquidationPrice": "0",
            "isolatedMargin": "0",
            "notional": format_e8(notional),
            "marginAsset": i.quote,
            "isolatedWallet": "0",
            "initialMargin": format_e8(margin),
            "maintMargin": format_e8(abs(notional) * MAINTENANCE_E8 // E8),
            "positionInitialMargin": format_e8(margin),
            "openOrderInitialMargin": "0",
            "adl": 2 if position.qty else 0,
            "bidNotional": "0",
            "askNotional": "0",
            "updateTime": position.update_ms,
        }

    def position_risk(self, account: Account, params: Params) -> list[dict[str, Any]]:
        """v3: only symbols with a position (or open orders)."""
        wanted = params.get("symbol")
        ordered = {o.instrument.symbol for o in account.open_by_client[LINEAR].values()}
        for symbol in ordered:
            account.position(self.by_symbol[symbol])
        return [
            self._position_row(account, p)
            for symbol, p in sorted(account.positions.items())
            if wanted in (None, symbol) and (p.qty or symbol in ordered)
        ]

    def position_risk_v2(self, account: Account, params: Params) -> list[dict[str, Any]]:
        """v2: every symbol, with leverage and margin type."""
        rows = []
        for symbol, instrument in self.by_symbol.items():
            if params.get("symbol") in (None, symbol):
                row = self._position_row(account, account.position(instrument))
                rows.append(
                    row
                    | {
                        "leverage": str(account.leverage_of(symbol)),
                        "maxNotionalValue": "30000000",
                        "isAutoAddMargin": "false",
                        "marginType": account.margin_type.get(symbol, "cross"),
                    }
                )
        return rows

    def balance(self, account: Account, params: Params) -> list[dict[str, Any]]:
        now = self.clock.wall_ms()
        rows = []
        for asset in sorted(set(account.wallet) | {"USDT", "BNB"}):
            wallet = account.wallet.get(asset, 0)
            available = self.matcher.available_margin_e8(account, asset) if asset == "USDT" else wallet
            unrealised = self._unrealised(account) if asset == "USDT" else 0
            rows.append(
                {
                    "accountAlias": "SimX",
                    "asset": asset,
                    "balance": format_e8(wallet),
                    "crossWalletBalance": format_e8(wallet),
                    "crossUnPnl": format_e8(unrealised),
                    "availableBalance": format_e8(max(0, available)),
                    "maxWithdrawAmount": format_e8(max(0, min(wallet, available))),
                    "marginAvailable": True,
                    "updateTime": now,
                }
            )
        return rows

    def _unrealised(self, account: Account) -> int:
        return sum(p.unrealised_e8(self.matcher.mark_px_e8.get(s, 0)) for s, p in account.positions.items() if p.qty)

    def account(self, account: Account, params: Params) -> dict[str, Any]:
        balances = self.balance(account, params)
        positions = [self._position_row(account, p) for _, p in sorted(account.positions.items()) if p.qty]
        usdt = next(row for row in balances if row["asset"] == "USDT")
        initial = sum(
            abs(p.qty) * self.matcher.mark_px_e8.get(s, 0) // 10**p.instrument.qty_decimals // account.leverage_of(s)
            for s, p in account.positions.items()
        )
        assets = [
            {
                "asset": row["asset"],
                "walletBalance": row["balance"],
                "unrealizedProfit": row["crossUnPnl"],
                "marginBalance": format_e8(
                    account.wallet.get(row["asset"], 0) + (self._unrealised(account) if row["asset"] == "USDT" else 0)
                ),
                "maintMargin": "0.00000000",
                "initialMargin": format_e8(initial) if row["asset"] == "USDT" else "0.00000000",
                "positionInitialMargin": "0.00000000",
                "openOrderInitialMargin": "0.00000000",
                "crossWalletBalance": row["balance"],
                "crossUnPnl": row["crossUnPnl"],
                "availableBalance": row["availableBalance"],
                "maxWithdrawAmount": row["maxWithdrawAmount"],
                "updateTime": row["updateTime"],
            }
            for row in balances
        ]
        return {
            "totalInitialMargin": format_e8(initial),
            "totalMaintMargin": "0.00000000",
            "totalWalletBalance": usdt["balance"],
            "totalUnrealizedProfit": usdt["crossUnPnl"],
            "totalMarginBalance": assets[-1]["marginBalance"],
            "totalPositionInitialMargin": format_e8(initial),
            "totalOpenOrderInitialMargin": "0.00000000",
            "totalCrossWalletBalance": usdt["balance"],
            "totalCrossUnPnl": usdt["crossUnPnl"],
            "availableBalance": usdt["availableBalance"],
            "maxWithdrawAmount": usdt["maxWithdrawAmount"],
            "assets": assets,
            "positions": [
                {
                    k: row[k]
                    for k in (
                        "symbol",
                        "positionSide",
                        "positionAmt",
                        "isolatedMargin",
                        "notional",
                        "isolatedWallet",
                        "initialMargin",
                        "maintMargin",
                        "updateTime",
                    )
                }
                | {"unrealizedProfit": row["unRealizedProfit"]}
                for row in positions
            ],
        }

    def account_v2(self, account: Account, params: Params) -> dict[str, Any]:
        base = self.account(account, params)
        base["positions"] = [
            row | {"unrealizedProfit": row["unRealizedProfit"], "leverage": row["leverage"], "isolated": False}
            for row in self.position_risk_v2(account, {})
        ]
        return base | {
            "feeTier": 0,
            "canTrade": True,
            "canDeposit": True,
            "canWithdraw": False,
            "multiAssetsMargin": account.multi_assets,
            "updateTime": 0,
        }

    def account_config(self, account: Account, params: Params) -> dict[str, Any]:
        return {
            "feeTier": 0,
            "canTrade": True,
            "canDeposit": True,
            "canWithdraw": False,
            "dualSidePosition": account.hedge_mode,
            "updateTime": 0,
            "multiAssetsMargin": account.multi_assets,
            "tradeGroupId": -1,
        }

    def symbol_config(self, account: Account, params: Params) -> list[dict[str, Any]]:
        wanted = self.instrument(params).symbol if params.get("symbol") else None
        return [
            {
                "symbol": s,
                "marginType": "CROSSED" if account.margin_type.get(s, "cross") == "cross" else "ISOLATED",
                "isAutoAddMargin": False,
                "leverage": account.leverage_of(s),
                "maxNotionalValue": "30000000",
            }
            for s in self.by_symbol
            if wanted in (None, s)
        ]

    def commission_rate(self, account: Account, params: Params) -> dict[str, Any]:
        i = self.instrument(params)
        return {
            "symbol": i.symbol,
            "makerCommissionRate": format_e8(i.maker_fee_e8),
            "takerCommissionRate": format_e8(i.taker_fee_e8),
            "rpiCommissionRate": "0.00000000",
        }

    def leverage_bracket(self, account: Account, params: Params) -> list[dict[str, Any]]:
        wanted = self.instrument(params).symbol if params.get("symbol") else None
        return [
            {
                "symbol": s,
                "brackets": [
                    {
                        "bracket": 1,
                        "initialLeverage": self.venue.leverage_max,
                        "notionalCap": 30_000_000,
                        "notionalFloor": 0,
                        "maintMarginRatio": 0.004,
                        "cum": 0.0,
                    }
                ],
            }
            for s in self.by_symbol
            if wanted in (None, s)
        ]

    def set_leverage(self, account: Account, params: Params) -> dict[str, Any]:
        i = self.instrument(params)
        leverage = int_param(params, "leverage")
        if leverage is None or not 1 <= leverage <= self.venue.leverage_max:
            raise VenueError(-4028, f"Leverage {leverage} is not valid")
        account.leverage[i.symbol] = leverage
        return {"leverage": leverage, "maxNotionalValue": "30000000", "symbol": i.symbol}

    def set_margin_type(self, account: Account, params: Params) -> dict[str, Any]:
        i = self.instrument(params)
        wanted = {"CROSSED": "cross", "ISOLATED": "isolated"}.get(need(params, "marginType"))
        if wanted is None:
            raise VenueError(-1130, "Data sent for parameter 'marginType' is not valid.")
        if account.margin_type.get(i.symbol, "cross") == wanted:
            raise VenueError(-4046, "No need to change margin type.")
        account.margin_type[i.symbol] = wanted
        return {"code": 200, "msg": "success"}

    def position_mode(self, account: Account, params: Params) -> dict[str, Any]:
        return {"dualSidePosition": account.hedge_mode}

    def set_position_mode(self, account: Account, params: Params) -> dict[str, Any]:
        wanted = one_of(params, "dualSidePosition", ("true", "false")) == "true"
        if wanted == account.hedge_mode:
            raise VenueError(-4059, "No need to change position side.")
        if any(p.qty for p in account.positions.values()):
            raise VenueError(-4068, "Position side cannot be changed if there exists position.")
        account.hedge_mode = wanted
        return {"code": 200, "msg": "success"}

    def multi_assets(self, account: Account, params: Params) -> dict[str, Any]:
        return {"multiAssetsMargin": account.multi_assets}

    def set_multi_assets(self, account: Account, params: Params) -> dict[str, Any]:
        wanted = one_of(params, "multiAssetsMargin", ("true", "false")) == "true"
        if wanted == account.multi_assets:
            raise VenueError(-4171, "No need to change multi assets mode.")
        account.multi_assets = wanted
        return {"code": 200, "msg": "success"}

    def income(self, account: Account, params: Params) -> list[dict[str, Any]]:
        kind, symbol = params.get("incomeType"), params.get("symbol")
        start, end = int_param(params, "startTime", 0) or 0, int_param(params, "endTime", 1 << 62) or 1 << 62
        return [
            {
                "symbol": r["symbol"],
                "incomeType": r["incomeType"],
                "income": format_e8(r["income_e8"]),
                "asset": r["asset"],
                "info": r["incomeType"],
                "time": r["time"],
                "tranId": r["tranId"],
                "tradeId": "",
            }
            for r in account.income
            if kind in (None, r["incomeType"]) and symbol in (None, r["symbol"]) and start <= r["time"] <= end
        ][-(int_param(params, "limit", 100) or 100) :]

    # ---- listen keys (API key only, no signature) ------------------------------------------------

    def start_stream(self, account: Account, params: Params) -> dict[str, Any]:
        return {"listenKey": self.venue.new_listen_key(account)}

    def keep_stream(self, account: Account, params: Params) -> dict[str, Any]:
        key = self.venue.extend_listen_key(account)
        if key is None:
            raise VenueError(-1125, "This listenKey does not exist.")
        return {"listenKey": key}

    def close_stream(self, account: Account, params: Params) -> dict[str, Any]:
        key = self.venue.extend_listen_key(account)
        if key is None:
            raise VenueError(-1125, "This listenKey does not exist.")
        self.venue.expire_listen_key(key)
        return {}

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

    def time(self, account: Account | None, params: Params) -> dict[str, Any]:
        return {"serverTime": self.clock.wall_ms()}

    def ping(self, account: Account | None, params: Params) -> dict[str, Any]:
        return {}

    def depth(self, account: Account | None, params: Params) -> dict[str, Any]:
        instrument = self.instrument(params)
        limit = int_param(params, "limit", 500) or 500
        if limit not in (5, 10, 20, 50, 100, 500, 1000):
            raise VenueError(-4021, f"{limit} is not valid depth limit.")
        book = self.books[instrument.symbol]
        px, qty = instrument.px_text, instrument.qty_text
        now = self.clock.wall_ms()
        return {
            "lastUpdateId": book.update_id,
            "E": now,
            "T": now,
            "bids": [[px(p), qty(q)] for p, q in book.levels(True, limit)],
            "asks": [[px(p), qty(q)] for p, q in book.levels(False, limit)],
        }

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
        return [row for symbol, f in self.venue.funding.items() if wanted in (None, symbol) for row in f.history]

    def ticker_book(self, account: Account | None, params: Params) -> Any:
        now = self.clock.wall_ms()
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
                        "time": now,
                        "lastUpdateId": book.update_id,
                    }
                )
        return rows[0] if params.get("symbol") and rows else rows

    def trades(self, account: Account | None, params: Params) -> list[dict[str, Any]]:
        return [dict(t, quoteQty="0") for t in self.data.trades[self.instrument(params).symbol]]


KEY_ONLY = "key"  # API key header, no signature

REST_TABLE: dict[tuple[str, str], tuple[str, int | str, bool | str]] = {
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
    ("POST", "/fapi/v1/listenKey"): ("start_stream", 1, KEY_ONLY),
    ("PUT", "/fapi/v1/listenKey"): ("keep_stream", 1, KEY_ONLY),
    ("DELETE", "/fapi/v1/listenKey"): ("close_stream", 1, KEY_ONLY),
}
WS_TABLE: dict[str, tuple[str, int | str, bool | str]] = {
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
    "userDataStream.start": ("start_stream", 5, KEY_ONLY),
    "userDataStream.ping": ("keep_stream", 1, KEY_ONLY),
    "userDataStream.stop": ("close_stream", 1, KEY_ONLY),
}

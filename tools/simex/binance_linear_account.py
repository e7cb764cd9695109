"""Binance USD-M futures: balances, positions, settings, income and listen keys of an account, in the venue's own fields.

The part of `LinearOperations` that is about accounts.  One-way mode, cross margin.  Source: USD-M account pages (2026-05 to
2026-09).
"""

from __future__ import annotations

from typing import Any

from tools.simex.binance_errors import VenueError
from tools.simex.binance_events import entry_price_text
from tools.simex.binance_orders import Operations, Params, int_param, need, one_of
from tools.simex.contract import LINEAR
from tools.simex.exact import E8, format_e8, format_fixed
from tools.simex.ledger import Account, Position

MAINTENANCE_E8 = 400_000  # 0.4 % of notional
INCOME_WORDS = {"FUNDING": "FUNDING_FEE"}


class LinearAccount(Operations):
    """Mixed into LinearOperations."""

    market = LINEAR

    def _position_row(self, account: Account, position: Position) -> dict[str, Any]:
        i, symbol = position.instrument, position.instrument.symbol
        mark = self.venue.mark_e8(i)
        notional = i.notional_e8(mark, position.qty)
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
            p.instrument.notional_e8(self.matcher.mark_px_e8.get(s, 0), abs(p.qty)) // account.leverage_of(s)
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
            "multiAssetsMargin": account.has_flag("multi_assets"),
            "updateTime": 0,
        }

    def account_config(self, account: Account, params: Params) -> dict[str, Any]:
        return {
            "feeTier": 0,
            "canTrade": True,
            "canDeposit": True,
            "canWithdraw": False,
            "dualSidePosition": account.has_flag("hedge_mode"),
            "updateTime": 0,
            "multiAssetsMargin": account.has_flag("multi_assets"),
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
                        "initialLeverage": self.venue.sim.leverage_max,
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
        if leverage is None or not 1 <= leverage <= self.venue.sim.leverage_max:
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
        return {"dualSidePosition": account.has_flag("hedge_mode")}

    def set_position_mode(self, account: Account, params: Params) -> dict[str, Any]:
        wanted = one_of(params, "dualSidePosition", ("true", "false")) == "true"
        if wanted == account.has_flag("hedge_mode"):
            raise VenueError(-4059, "No need to change position side.")
        if any(p.qty for p in account.positions.values()):
            raise VenueError(-4068, "Position side cannot be changed if there exists position.")
        account.set_flag("hedge_mode", wanted)
        return {"code": 200, "msg": "success"}

    def multi_assets(self, account: Account, params: Params) -> dict[str, Any]:
        return {"multiAssetsMargin": account.has_flag("multi_assets")}

    def set_multi_assets(self, account: Account, params: Params) -> dict[str, Any]:
        wanted = one_of(params, "multiAssetsMargin", ("true", "false")) == "true"
        if wanted == account.has_flag("multi_assets"):
            raise VenueError(-4171, "No need to change multi assets mode.")
        account.set_flag("multi_assets", wanted)
        return {"code": 200, "msg": "success"}

    def income(self, account: Account, params: Params) -> list[dict[str, Any]]:
        kind, symbol = params.get("incomeType"), params.get("symbol")
        start, end = int_param(params, "startTime", 0) or 0, int_param(params, "endTime", 1 << 62) or 1 << 62
        rows = [r | {"kind": INCOME_WORDS.get(r["kind"], r["kind"])} for r in account.income]
        return [
            {
                "symbol": r["symbol"],
                "incomeType": r["kind"],
                "income": format_e8(r["income_e8"]),
                "asset": r["asset"],
                "info": r["kind"],
                "time": r["time"],
                "tranId": r["id"],
                "tradeId": "",
            }
            for r in rows
            if kind in (None, r["kind"]) and symbol in (None, r["symbol"]) and start <= r["time"] <= end
        ][-(int_param(params, "limit", 100) or 100) :]

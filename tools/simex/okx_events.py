"""OKX: orders, fills, balances and positions as the venue tells them, in queries and in the private channels alike.

Fees are negative when charged, a rebate positive; booleans are words; what is not there is an empty text.  Source: order channel,
get order, transaction details, account and positions pages (2026-06 to 2026-09).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tools.simex.contract import LINEAR
from tools.simex.exact import E8, format_e8
from tools.simex.instrument import Instrument
from tools.simex.ledger import Account, Fill, Order, Position
from tools.simex.okx_listing import INST_TYPES, trim
from tools.simex.refusals import (
    END_COUNTDOWN,
    END_FAULT,
    END_FOK,
    END_IOC,
    END_MARKET,
    END_POST_ONLY,
    END_REDUCE,
    END_SELF_TRADE,
    END_USER,
)
from tools.simex.venue import Venue

CANCEL_SOURCES = {
    END_USER: "1",
    END_FOK: "13",
    END_IOC: "14",
    END_MARKET: "14",
    END_REDUCE: "17",
    END_COUNTDOWN: "20",
    END_POST_ONLY: "31",
    END_SELF_TRADE: "32",
    END_FAULT: "0",
}
STATES = {"NEW": "live", "PARTIALLY_FILLED": "partially_filled", "FILLED": "filled"}
# Ids of orders that were sent without one, which no customer can send: the matcher wants one, the venue tells none.
NO_CLIENT_ID = "-"
CATEGORIES = {f"{NO_CLIENT_ID}adl": "adl", f"{NO_CLIENT_ID}liq": "full_liquidation"}
FIRST_POSITION_ID = 307_173_036_051_017_730


def money(amount_e8: int) -> str:
    return trim(format_e8(amount_e8)) if amount_e8 else "0"


def client_text(order: Order) -> str:
    return "" if order.client_id.startswith(NO_CLIENT_ID) else order.client_id


def state_text(order: Order) -> str:
    return STATES.get(order.status, "canceled")


def cancel_source(order: Order) -> str:
    return CANCEL_SOURCES.get(order.end_reason, "") if order.end_reason else ""


def average_px(order: Order) -> str:
    """Exact to ten digits after the point; "" while nothing traded."""
    if not order.executed:
        return ""
    quantity = Decimal(order.executed).scaleb(-order.instrument.qty_decimals)
    return decimal_text(Decimal(order.cum_quote_e8) / E8 / quantity)


def decimal_text(value: Decimal) -> str:
    return trim(f"{value:.10f}")


def _fill_rows(order: Order, fill: Fill | None) -> dict[str, Any]:
    i = order.instrument
    if fill is None:
        return {"fillPx": "", "fillSz": "0", "tradeId": "", "fillTime": "", "fillFee": "0", "fillFeeCcy": "", "execType": "",
                "fillPnl": "0", "fillNotionalUsd": ""}  # fmt: skip
    return {
        "fillPx": trim(i.px_text(fill.px)),
        "fillSz": i.size_text(fill.qty),
        "tradeId": str(fill.trade_id),
        "fillTime": str(fill.time_ms),
        "fillFee": money(-fill.fee_e8),
        "fillFeeCcy": fill.fee_asset,
        "execType": "M" if fill.is_maker else "T",
        "fillPnl": money(fill.realised_e8),
        "fillNotionalUsd": money(i.amount_e8(fill.px, fill.qty)),
    }


def _order_row(order: Order) -> dict[str, Any]:
    i = order.instrument
    is_swap = i.market == LINEAR
    received = i.settle if is_swap else i.base if order.is_buy else i.quote
    category = next((word for prefix, word in CATEGORIES.items() if order.client_id.startswith(prefix)), "normal")
    return {
        "instType": INST_TYPES[i.market],
        "instId": i.symbol,
        "ordId": str(order.order_id),
        "clOrdId": client_text(order),
        "tag": order.notes.get("tag", ""),
        "side": order.side.lower(),
        "posSide": "net" if is_swap else "",
        "tdMode": order.notes.get("tdMode", "cross" if is_swap else "cash"),
        "ordType": order.notes.get("ordType", "limit" if order.px else "market"),
        "px": trim(i.px_text(order.px)) if order.px else "",
        "sz": order.notes.get("sz") or i.size_text(order.qty),
        "state": state_text(order),
        "accFillSz": i.size_text(order.executed),
        "fee": money(-sum(f.fee_e8 for f in order.fills)),
        "feeCcy": order.fills[-1].fee_asset if order.fills else received,
        "rebate": "0",
        "rebateCcy": i.settle if is_swap else i.quote if order.is_buy else i.base,
        "pnl": money(sum(f.realised_e8 for f in order.fills)),
        "reduceOnly": "true" if order.reduce_only else "false",
        "cancelSource": cancel_source(order),
        "category": category,
        "lever": str(order.account.leverage_of(i.symbol)) if is_swap else "0",
        "stpMode": order.notes.get("stpMode", "cancel_maker"),
        "stpId": "",
        "tgtCcy": order.notes.get("tgtCcy", ""),
        "tradeQuoteCcy": "" if is_swap else i.quote,
        "quickMgnType": "",
        "algoId": "",
        "algoClOrdId": "",
        "source": "",
        "cTime": str(order.time_ms),
        "uTime": str(order.update_ms),
    }


def order_push(order: Order, fill: Fill | None, last_px: str, is_amended: bool = False) -> dict[str, Any]:
    """A row of the orders channel; `is_amended`: it tells the result of an amendment."""
    i = order.instrument
    return (
        _order_row(order)
        | {"avgPx": average_px(order) or "0"}
        | _fill_rows(order, fill)
        | {
            "notionalUsd": money(i.amount_e8(order.px, order.qty)),
            "lastPx": last_px,
            "amendResult": "0" if is_amended else "",
            "amendSource": "1" if is_amended else "",
            "reqId": order.notes.get("reqId", "") if is_amended else "",
            "code": "0",
            "msg": "",
        }
    )


def order_details(order: Order) -> dict[str, Any]:
    """A row of the order queries."""
    last = order.fills[-1] if order.fills else None
    told = _fill_rows(order, last)
    fill = {name: told[name] for name in ("fillPx", "fillSz", "tradeId", "fillTime")}
    reasons = {"1": "Order canceled by user", "14": "Order canceled: IOC order was partially filled or not filled"}
    return (
        _order_row(order)
        | {"avgPx": average_px(order)}
        | fill
        | {"cancelSourceReason": reasons.get(cancel_source(order), ""), "attachAlgoOrds": [], "isTpLimit": "false"}
    )


def fill_row(order: Order, fill: Fill, bill_id: int) -> dict[str, Any]:
    """A row of `trade/fills`."""
    i = order.instrument
    told = _fill_rows(order, fill)
    return {
        "instType": INST_TYPES[i.market],
        "instId": i.symbol,
        "tradeId": told["tradeId"],
        "ordId": str(order.order_id),
        "clOrdId": client_text(order),
        "billId": str(bill_id),
        "subType": "1" if order.is_buy else "2",
        "tag": order.notes.get("tag", ""),
        "fillPx": told["fillPx"],
        "fillSz": told["fillSz"],
        "fillPnl": told["fillPnl"],
        "side": order.side.lower(),
        "posSide": "net",
        "execType": told["execType"],
        "fee": told["fillFee"],
        "feeCcy": told["fillFeeCcy"],
        "ts": told["fillTime"],
        "fillTime": told["fillTime"],
        "tradeQuoteCcy": "" if i.market == LINEAR else i.quote,
    }


# ---- the account -----------------------------------------------------------------------------------


@dataclass(slots=True)
class Tally:
    """Of one account's fills of one perpetual: what its position row tells of them."""

    fee_e8: int = 0
    first_ms: int = 0
    last: Fill | None = None

    def add(self, fill: Fill) -> None:
        self.fee_e8 += fill.fee_e8
        self.first_ms = self.first_ms or fill.time_ms
        self.last = fill


class Sums:
    """An account's money by coin at this moment; `tallies` by symbol."""

    def __init__(self, venue: Venue, account: Account, tallies: dict[str, Tally]) -> None:
        self.venue = venue
        self.account = account
        self.tallies = tallies
        self.matcher = venue.matcher

    def usd_e8(self, asset: str, amount_e8: int) -> int:
        """Worth in USD; a stable coin is one."""
        if asset in ("USDT", "USDC", "USD"):
            return amount_e8
        for symbol in (f"{asset}-USDT", f"{asset}-USDT-SWAP"):
            if symbol in self.venue.index_px_e8:
                return amount_e8 * self.venue.index_px_e8[symbol] // E8
        return 0

    def unrealised_e8(self, asset: str) -> int:
        return sum(
            p.unrealised_e8(self.venue.mark_e8(p.instrument))
            for p in self.account.positions.values()
            if p.qty and p.instrument.settle == asset
        )

    def margin_of_position_e8(self, position: Position) -> int:
        i = position.instrument
        return i.notional_e8(self.venue.mark_e8(i), abs(position.qty)) // self.account.leverage_of(i.symbol)

    def margins_e8(self, asset: str) -> tuple[int, int]:
        """(of positions, of open orders)."""
        account = self.account
        held = sum(self.margin_of_position_e8(p) for p in account.positions.values() if p.qty and p.instrument.settle == asset)
        ordered = sum(
            o.instrument.amount_e8(o.px, o.leaves) // account.leverage_of(o.instrument.symbol)
            for o in account.open_by_client[LINEAR].values()
            if not o.reduce_only and o.instrument.settle == asset
        )
        return held, ordered

    def detail(self, asset: str, now_ms: int) -> dict[str, Any]:
        account = self.account
        cash, upl = account.total(asset), self.unrealised_e8(asset)
        held, ordered = self.margins_e8(asset)
        locked = account.locked.get(asset, 0)
        available = max(0, self.matcher.available_margin_e8(account, asset))
        return {
            "ccy": asset,
            "eq": money(cash + upl),
            "cashBal": money(cash),
            "availBal": money(min(account.free.get(asset, 0), available)),
            "availEq": money(available),
            "frozenBal": money(locked + held + ordered),
            "ordFrozen": money(locked + ordered),
            "liab": "",
            "upl": money(upl),
            "uplLiab": "",
            "isoEq": "0",
            "isoLiab": "",
            "isoUpl": "0",
            "imr": money(held + ordered),
            "mmr": money(held // 10),
            "mgnRatio": "",
            "crossLiab": "",
            "interest": "",
            "twap": "0",
            "maxLoan": "",
            "eqUsd": money(self.usd_e8(asset, cash + upl)),
            "disEq": money(self.usd_e8(asset, cash + upl)),
            "notionalLever": "",
            "stgyEq": "0",
            "spotInUseAmt": "",
            "uTime": str(now_ms),
        }

    def assets(self) -> list[str]:
        """Those that are there."""
        return sorted(a for a in set(self.account.free) | set(self.account.locked) if self.account.total(a))

    def summary(self, assets: list[str], now_ms: int) -> dict[str, Any]:
        """`account/balance`, and the row of the account channel."""
        total = sum(self.usd_e8(a, self.account.total(a) + self.unrealised_e8(a)) for a in self.assets())
        return {
            "uTime": str(now_ms),
            "totalEq": money(total),
            "isoEq": "0",
            "adjEq": "",
            "availEq": "",
            "ordFroz": "",
            "imr": "",
            "mmr": "",
            "mgnRatio": "",
            "notionalUsd": "",
            "borrowFroz": "",
            "upl": "",
            "details": [self.detail(asset, now_ms) for asset in assets],
        }

    def position_row(self, position: Position, now_ms: int) -> dict[str, Any]:
        """One-way, cross."""
        i, account = position.instrument, self.account
        mark = self.venue.mark_e8(i)
        tally = self.tallies.get(i.symbol) or Tally()
        fee, last = -tally.fee_e8, tally.last
        funding = sum(row["income_e8"] for row in account.income if row["symbol"] == i.symbol)
        margin = self.margin_of_position_e8(position)
        upl = position.unrealised_e8(mark)
        is_held = position.qty != 0
        return {
            "instType": "SWAP",
            "instId": i.symbol,
            "posId": str(FIRST_POSITION_ID + i.index),
            "posSide": "net",
            "pos": i.size_text(position.qty),
            "posCcy": "",
            "availPos": "",
            "mgnMode": "cross",
            "avgPx": decimal_text(position.entry_price()) if is_held else "",
            "bePx": "",
            "markPx": money(mark),
            "last": trim(i.px_text(last.px)) if last else "",
            "idxPx": money(self.venue.index_px_e8.get(i.symbol, mark)),
            "liqPx": "",
            "lever": str(account.leverage_of(i.symbol)),
            "margin": "",
            "imr": money(margin) if is_held else "",
            "mmr": money(margin // 10) if is_held else "",
            "mgnRatio": "",
            "notionalUsd": money(i.notional_e8(mark, abs(position.qty))) if is_held else "",
            "upl": money(upl) if is_held else "",
            "uplRatio": decimal_text(Decimal(upl) / margin) if margin else "",
            "realizedPnl": money(position.realised_e8 + fee + funding),
            "pnl": money(position.realised_e8),
            "fee": money(fee),
            "fundingFee": money(funding),
            "liqPenalty": "0",
            "adl": "1",
            "ccy": i.settle,
            "interest": "",
            "optVal": "",
            "tradeId": str(last.trade_id) if last else "",
            "cTime": str(tally.first_ms or now_ms),
            "uTime": str(position.update_ms or now_ms),
            "pTime": str(now_ms),
        }


def bill_row(row: dict[str, Any], instruments: dict[str, Instrument]) -> dict[str, Any]:
    """A funding payment: type 8, subType 173 paid, 174 received."""
    paid = row["income_e8"]
    i = instruments[row["symbol"]]
    return {
        "billId": str(row["id"]),
        "instType": "SWAP",
        "instId": row["symbol"],
        "ccy": row["asset"],
        "mgnMode": "cross",
        "type": "8",
        "subType": "173" if paid < 0 else "174",
        "pnl": money(paid),
        "balChg": money(paid),
        "bal": "",
        "posBal": "0",
        "posBalChg": "0",
        "sz": decimal_text(abs(Decimal(row["qty"])) / i.contract_size),
        "px": money(row["mark_e8"]),
        "fee": "0",
        "from": "",
        "to": "",
        "ordId": "",
        "clOrdId": "",
        "tradeId": "",
        "execType": "",
        "interest": "0",
        "tag": "",
        "notes": "",
        "ts": str(row["time"]),
        "fillTime": str(row["time"]),
    }

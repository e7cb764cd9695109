"""Binance: user data events in the venue's own shape.

Pure functions from orders, fills and accounts to dictionaries; who receives them is `binance_users.py`'s business.  Sources:
user-data-stream.md (2026-07), USD-M user-data-streams pages (2026-05), TRADE_LITE page.
"""

from __future__ import annotations

from typing import Any

from tools.simex.binance_orders import status_text
from tools.simex.binance_spot import EXPIRY_REASONS, type_text
from tools.simex.exact import format_e8, format_fixed
from tools.simex.ledger import Account, Fill, Order
from tools.simex.refusals import END_FOK, END_IOC, END_MARKET, END_REDUCE, END_SELF_TRADE

ZERO8 = "0.00000000"
EXPIRY_CODES = {END_SELF_TRADE: "1", END_IOC: "2", END_FOK: "2", END_REDUCE: "4", END_MARKET: "9"}  # USD-M "er"
REASONS = {"FUNDING": "FUNDING_FEE"}


def execution_report(order: Order, execution: str, fill: Fill | None, execution_id: int, now_ms: int) -> dict[str, Any]:
    """Spot executionReport."""
    instrument = order.instrument
    is_cancel = execution == "CANCELED"
    event: dict[str, Any] = {
        "e": "executionReport",
        "E": now_ms,
        "s": instrument.symbol,
        "c": (order.notes.get("cancel_id") or order.client_id) if is_cancel else order.client_id,
        "S": order.side,
        "o": type_text(order),
        "f": order.tif,
        "q": instrument.qty_text(order.qty),
        "p": instrument.px_text(order.px),
        "P": ZERO8,
        "F": ZERO8,
        "g": -1,
        "C": order.client_id if is_cancel else "",
        "x": execution,
        "X": status_text(order),
        "r": "NONE",
        "i": order.order_id,
        "l": instrument.qty_text(fill.qty) if fill else ZERO8,
        "z": instrument.qty_text(order.executed),
        "L": instrument.px_text(fill.px) if fill else ZERO8,
        "n": format_e8(fill.fee_e8) if fill else "0",
        "N": fill.fee_asset if fill else None,
        "T": order.update_ms,
        "t": fill.trade_id if fill else -1,
        "I": execution_id,
        "w": execution == "NEW",
        "m": bool(fill and fill.is_maker),
        "M": False,
        "O": order.time_ms,
        "Z": format_e8(order.cum_quote_e8),
        "Y": format_e8(instrument.amount_e8(fill.px, fill.qty)) if fill else ZERO8,
        "Q": format_e8(order.quote_qty_e8),
        "W": order.time_ms,
        "V": order.stp,
    }
    if execution == "EXPIRED" and order.end_reason in EXPIRY_REASONS:
        event["eR"] = EXPIRY_REASONS[order.end_reason]
    if execution == "EXPIRED" and order.end_reason == END_SELF_TRADE:
        event["x"] = "TRADE_PREVENTION"
    return event


def outbound_account_position(account: Account, assets: list[str], now_ms: int) -> dict[str, Any]:
    return {
        "e": "outboundAccountPosition",
        "E": now_ms,
        "u": now_ms,
        "B": [{"a": a, "f": format_e8(account.free.get(a, 0)), "l": format_e8(account.locked.get(a, 0))} for a in assets],
    }


def balance_update(asset: str, delta_e8: int, now_ms: int) -> dict[str, Any]:
    return {"e": "balanceUpdate", "E": now_ms, "a": asset, "d": format_e8(delta_e8), "T": now_ms}


def tif_text(order: Order) -> str:
    """USD-M: post-only is a time in force."""
    return "GTX" if order.is_post_only else order.tif


def average_px_text(order: Order) -> str:
    """Average fill price of a USD-M order, truncated to two more digits than the tick."""
    instrument = order.instrument
    if order.executed == 0:
        return format_fixed(0, 0, instrument.px_digits)
    extra = 10**2
    scaled = order.cum_quote_e8 * 10**instrument.px_decimals * extra // (order.executed * 10 ** (8 - instrument.qty_decimals))
    digits = instrument.px_decimals + 2
    return format_fixed(scaled, digits, max(digits, instrument.px_digits))


def trade_lite(order: Order, fill: Fill, now_ms: int) -> dict[str, Any]:
    instrument = order.instrument
    return {
        "e": "TRADE_LITE",
        "E": now_ms,
        "T": order.update_ms,
        "s": instrument.symbol,
        "q": instrument.qty_text(order.qty),
        "p": instrument.px_text(order.px),
        "m": fill.is_maker,
        "c": order.client_id,
        "S": order.side,
        "L": instrument.px_text(fill.px),
        "l": instrument.qty_text(fill.qty),
        "t": fill.trade_id,
        "i": order.order_id,
    }


def order_trade_update(order: Order, execution: str, fill: Fill | None, now_ms: int) -> dict[str, Any]:
    """USD-M ORDER_TRADE_UPDATE."""
    instrument = order.instrument
    zero_qty, zero_px = instrument.qty_text(0), instrument.px_text(0)
    body: dict[str, Any] = {
        "s": instrument.symbol,
        "c": order.client_id,
        "S": order.side,
        "o": order.type,
        "f": tif_text(order),
        "q": instrument.qty_text(order.qty),
        "p": instrument.px_text(order.px),
        "ap": average_px_text(order),
        "sp": "0",
        "x": execution,
        "X": status_text(order),
        "i": order.order_id,
        "l": instrument.qty_text(fill.qty) if fill else zero_qty,
        "z": instrument.qty_text(order.executed),
        "L": instrument.px_text(fill.px) if fill else zero_px,
    }
    if fill is not None:
        body["N"] = fill.fee_asset
        body["n"] = format_e8(fill.fee_e8)
    body |= {
        "T": order.update_ms,
        "t": fill.trade_id if fill else 0,
        "b": "0",
        "a": "0",
        "m": bool(fill and fill.is_maker),
        "R": order.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": order.type,
        "ps": "BOTH",
        "cp": False,
        "rp": format_e8(fill.realised_e8) if fill else "0",
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": order.stp,
        "pm": "NONE",
        "gtd": 0,
        "er": EXPIRY_CODES.get(order.end_reason, "0"),
    }
    return {"e": "ORDER_TRADE_UPDATE", "T": order.update_ms, "E": now_ms, "o": body}


def account_update(
    account: Account,
    reason: str,
    symbols: list[str],
    mark_px_e8: dict[str, int],
    now_ms: int,
    change: tuple[str, int] | None = None,
) -> dict[str, Any]:
    """USD-M ACCOUNT_UPDATE; a funding fee on a cross position carries balances only. `change`: an asset that moved by other than
    trading, and by how much: then only that one is told, with its change in "bc"."""
    positions = []
    for symbol in symbols:
        p = account.positions[symbol]
        digits = p.instrument.qty_decimals
        positions.append(
            {
                "s": symbol,
                "pa": format_fixed(p.qty, digits, digits),
                "ep": entry_price_text(account, symbol),
                "bep": "0",
                "cr": format_e8(p.realised_e8),
                "up": format_e8(p.unrealised_e8(mark_px_e8.get(symbol, 0))),
                "mt": account.margin_type.get(symbol, "cross"),
                "iw": ZERO8,
                "ps": "BOTH",
            }
        )
    balances = [
        {"a": asset, "wb": format_e8(amount), "cw": format_e8(amount), "bc": format_e8(change[1]) if change else "0"}
        for asset, amount in account.wallet.items()
        if change is None or asset == change[0]
    ]
    told = {"m": REASONS.get(reason, reason), "B": balances, "P": positions}
    return {"e": "ACCOUNT_UPDATE", "T": now_ms, "E": now_ms, "a": told}


def entry_price_text(account: Account, symbol: str) -> str:
    p = account.positions[symbol]
    if p.qty == 0:
        return "0"
    return f"{p.entry_price():.8f}"

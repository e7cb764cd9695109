"""What OKX says about orders, in its own words, for tests of the order side: a small table, rows of channels, replies."""
from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from feeds.instruments import UNIFIED, InstrumentRow, InstrumentTable
from tests.support.order_rows import order_row

SPOT, SWAP, PEPE, NAMELESS = 0, 1, 2, 3
ORDER_ID, TRADE_ID = "312269865356374016", "242589207"


def okx_row(number: int, market: str, base: str, tick: str, lot: str, **changes: Any) -> InstrumentRow:
    row = order_row(number, market, base, tick, lot)
    symbol = f"{base}-USDT" + ("-SWAP" if market == "linear" else "")
    return replace(row, **{"venue": "okx", "name": row.name.replace("binance:", "okx:"), "symbol": symbol, "account": UNIFIED,
                           "venue_code": 10458 + number, **changes})


def okx_table() -> InstrumentTable:
    """0 BTC spot, 1 BTC swap (0.01 BTC a contract, hundredths of contracts), 2 PEPE swap (10,000,000 PEPE a contract, tenths of
    contracts), 3 ETH swap without instIdCode."""
    return InstrumentTable([
        okx_row(0, "spot", "BTC", "0.1", "0.00000001"),
        okx_row(1, "linear", "BTC", "0.1", "0.0001", contract_size=Decimal("0.01")),
        okx_row(2, "linear", "PEPE", "0.000000001", "1000000", contract_size=Decimal(10_000_000), qty_scale=0,
                max_qty=Decimal(1_000_000_000), max_px=Decimal("0.001")),
        okx_row(3, "linear", "ETH", "0.01", "0.001", contract_size=Decimal("0.1"), venue_code=0),
    ])


def order_told(client_id: str, **changes: Any) -> dict[str, Any]:
    """One row of the orders channel (the documentation's, of a swap and not executed)."""
    return {"instType": "SWAP", "instId": "BTC-USDT-SWAP", "ordId": ORDER_ID, "clOrdId": client_id, "side": "sell",
            "posSide": "net", "tdMode": "cross", "ordType": "ioc", "px": "31527.1", "sz": "2.5", "state": "live",
            "accFillSz": "0", "avgPx": "0",
            "fillPx": "", "fillSz": "0", "tradeId": "", "fillTime": "", "fillFee": "0", "fillFeeCcy": "",
            "execType": "", "fee": "0",
            "feeCcy": "USDT", "rebate": "0", "rebateCcy": "USDT", "fillPnl": "0", "pnl": "0",
            "reduceOnly": "false", "cancelSource": "",
            "amendResult": "", "amendSource": "", "reqId": "", "category": "normal", "lever": "3", "notionalUsd": "31.50818374",
            "fillNotionalUsd": "", "stpMode": "cancel_maker", "tag": "", "tgtCcy": "",
            "lastPx": "38892.2", "code": "0", "msg": "",
            "cTime": "1654084334977", "uTime": "1654084353264", **changes}


def filled(client_id: str, **changes: Any) -> dict[str, Any]:
    """A row whose latest fill is all of it: 2.5 contracts."""
    return order_told(client_id, **{"state": "filled", "accFillSz": "2.5", "avgPx": "31527.1", "fillPx": "31527.1",
                                    "fillSz": "2.5", "tradeId": TRADE_ID, "fillTime": "1654084353263",
                                    "fillFee": "-0.39408875", "fillFeeCcy": "USDT", "execType": "T", **changes})


def push(channel: str, *rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"arg": {"channel": channel, "instType": "SWAP", "uid": "614488474791936"}, **more, "data": list(rows)}


def answer_row(client_id: str, code: str = "0", text: str = "", sub_code: str = "") -> dict[str, Any]:
    return {"clOrdId": client_id, "ordId": ORDER_ID if code == "0" else "", "tag": "", "ts": "1695190491421", "sCode": code,
            "sMsg": text, "subCode": sub_code}


def reply(request_id: str, *rows: dict[str, Any], code: str = "0", text: str = "", op: str = "order") -> dict[str, Any]:
    """A reply of the order socket."""
    return {"id": request_id, "op": op, "data": list(rows), "code": code, "msg": text, "inTime": "1695190491421339",
            "outTime": "1695190491423240"}


def refusal(request_id: str, client_id: str, code: str, text: str, sub_code: str = "", op: str = "order") -> dict[str, Any]:
    return reply(request_id, answer_row(client_id, code, text, sub_code), code="1", op=op)


def envelope(*rows: dict[str, Any], code: str = "0", text: str = "") -> dict[str, Any]:
    """A REST answer."""
    return {"code": code, "msg": text, "data": list(rows)}

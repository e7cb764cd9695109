"""What Bybit says about orders, in its own words, for tests of the order side: a small table, rows of topics, replies."""
from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from feeds.instruments import UNIFIED, InstrumentRow, InstrumentTable
from tests.support.order_rows import order_row

SPOT, LINEAR, SHIB, PERP = 0, 1, 2, 3
ORDER_ID = "a4c1718e-fe53-4659-a118-1f6ecce04ad9"
EXEC_ID = "0ab1bdf7-4219-438b-b30a-32ec863018f7"


def bybit_row(number: int, market: str, base: str, tick: str, lot: str, **changes: Any) -> InstrumentRow:
    row = order_row(number, market, base, tick, lot)
    return replace(row, **{"venue": "bybit", "name": row.name.replace("binance:", "bybit:"), "account": UNIFIED, **changes})


def bybit_table() -> InstrumentTable:
    """0 BTC spot, 1 BTC linear (the same symbol), 2 SHIB1000 linear with whole sizes, 3 BTC linear settled in USDC."""
    return InstrumentTable([
        bybit_row(0, "spot", "BTC", "0.1", "0.000001"),
        bybit_row(1, "linear", "BTC", "0.1", "0.001"),
        bybit_row(2, "linear", "SHIB1000", "0.00001", "10", underlying="SHIB", multiplier=1000, max_qty=Decimal(1_000_000)),
        bybit_row(3, "linear", "BTC", "0.1", "0.001", symbol="BTCPERP", name="bybit:BTC/USDC:USDC", quote="USDC", settle="USDC"),
    ])


def order_told(client_id: str, **changes: Any) -> dict[str, Any]:
    """One row of the order topic (the documentation's, limit instead of market)."""
    return {"symbol": "BTCUSDT", "category": "linear", "orderId": ORDER_ID, "orderLinkId": client_id, "side": "Sell",
            "orderType": "Limit", "cancelType": "UNKNOWN", "price": "72.5", "qty": "1", "timeInForce": "IOC",
            "orderStatus": "New",
            "reduceOnly": False, "leavesQty": "", "leavesValue": "", "cumExecQty": "0", "cumExecValue": "0", "avgPrice": "",
            "positionIdx": 0, "cumExecFee": "0", "closedPnl": "0", "createdTime": "1672364262444", "updatedTime": "1672364262457",
            "rejectReason": "EC_NoError", "stopOrderType": "", "triggerPrice": "", "closeOnTrigger": False, "smpType": "None",
            "smpGroup": 0, "smpOrderId": "", "feeCurrency": "", "cumFeeDetail": {"MNT": "0.00242968"}, "rpiTakerAccess": False,
            "rpiMatchedQty": "0", **changes}


def execution_told(client_id: str, **changes: Any) -> dict[str, Any]:
    """One row of the execution topic (the documentation's)."""
    return {"category": "linear", "symbol": "BTCUSDT", "closedSize": "0.5", "execFee": "26.3725275", "execId": EXEC_ID,
            "execPrice": "95900.1", "execQty": "0.5", "execType": "Trade", "execValue": "47950.05", "feeRate": "0.00055",
            "markPrice": "95901.48", "leavesQty": "0", "orderId": ORDER_ID, "orderLinkId": client_id, "orderPrice": "94942.5",
            "orderQty": "0.5", "orderType": "Limit", "stopOrderType": "UNKNOWN", "side": "Sell", "execTime": "1746270400353",
            "isLeverage": "0", "isMaker": False, "seq": 140612148849382, "marketUnit": "", "execPnl": "0.05",
            "createType": "CreateByUser", "feeCurrency": "USDT", **changes}


def topic(name: str, *rows: dict[str, Any]) -> dict[str, Any]:
    return {"id": "5923240c6880ab-c59f-420b-9adb-3639adc9dd90", "topic": name, "creationTime": 1672364262474, "data": list(rows)}


def ack(request_id: str, client_id: str, op: str = "order.create", *, left: int = 9, **changes: Any) -> dict[str, Any]:
    """A reply of the order socket with retCode 0."""
    return {"reqId": request_id, "retCode": 0, "retMsg": "OK", "op": op,
            "data": {"orderId": ORDER_ID, "orderLinkId": client_id}, "retExtInfo": {},
            "header": {"X-Bapi-Limit": "10", "X-Bapi-Limit-Status": str(left), "X-Bapi-Limit-Reset-Timestamp": "1711001595208",
                       "Traceid": "38b7977b430f9bd228f4b19724794dfd", "Timenow": "1711001595209"},
            "connId": "cnt5leec0hvan15eukcg-2v", **changes}


def refusal(request_id: str, code: int, text: str, op: str = "order.create") -> dict[str, Any]:
    return {**ack(request_id, "", op, left=0), "retCode": code, "retMsg": text, "data": {}}


def envelope(result: Any, code: int = 0, text: str = "OK") -> dict[str, Any]:
    """A REST answer."""
    return {"retCode": code, "retMsg": text, "result": result, "retExtInfo": {}, "time": 1672211918471}


def listed(*rows: dict[str, Any], category: str = "linear", cursor: str = "") -> dict[str, Any]:
    """A REST answer with a list; its rows name no category."""
    return envelope({"category": category, "nextPageCursor": cursor,
                     "list": [{key: value for key, value in row.items() if key != "category"} for row in rows]})

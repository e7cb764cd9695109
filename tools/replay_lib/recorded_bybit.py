"""Bybit (v5) as recordings show it, until feeds/venues answers for it (recorded.py). Sizes are base units in both markets."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson

from feeds.config import Fees
from feeds.instruments import UNIFIED, InstrumentError, InstrumentRow
from tools.replay_lib.recorded import Glance, make_listed_row
from tools.replay_lib.recorded_binance import pairs


@dataclass(frozen=True)
class RecordedBybit:
    """Spot and linear perpetuals; the path of a connection says which: /v5/public/spot, /v5/public/linear."""
    name: str = "bybit"
    markets: tuple[str, ...] = ("spot", "linear")
    endpoints: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    fees: Mapping[str, float] = field(default_factory=lambda: {"spot_maker_bps": 10.0, "spot_taker_bps": 10.0,
                                                               "linear_maker_bps": 2.0, "linear_taker_bps": 5.5})
    account: str = UNIFIED
    resync: str = "resubscribe"

    def glance(self, market: str, text: bytes) -> Glance | None:
        try:
            message = orjson.loads(text)
            if not isinstance(message, dict):
                return None
            topic = message.get("topic")
            if isinstance(topic, str):
                return _pushed(topic, message)
            book = message.get("result")
            if isinstance(book, dict) and "b" in book and "a" in book:
                return Glance(book["s"], pairs(book["b"], book["a"]), 0, int(book["u"]), True)
            return Glance("")
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            return None

    def parse_listing(self, market: str, data: Any, fees: Fees,
                      only: set[str] | None = None) -> tuple[list[InstrumentRow], list[str]]:
        result = data.get("result") if isinstance(data, dict) else None
        if not isinstance(result, dict) or result.get("category") != market or not isinstance(result.get("list"), list):
            raise InstrumentError(f"bybit: no instruments-info of {market}")
        rows, problems = [], []
        for info in result["list"]:
            if only is not None and info.get("symbol") not in only:
                continue
            try:
                if market == "spot" or info["contractType"] == "LinearPerpetual":
                    rows.append(self._row(market, info, fees))
            except (InstrumentError, KeyError, TypeError, ArithmeticError, AttributeError) as error:
                problems.append(f"bybit {market} {str(info.get('symbol'))[:40]}: not usable: {error!r}"[:300])
        return rows, problems

    def _row(self, market: str, info: dict[str, Any], fees: Fees) -> InstrumentRow:
        lot, quote = info["lotSizeFilter"], info["quoteCoin"]
        step, notional = ("basePrecision", "minOrderAmt") if market == "spot" else ("qtyStep", "minNotionalValue")
        return make_listed_row(
            venue=self.name, market=market, symbol=info["symbol"], base=info["baseCoin"], quote=quote,
            settle=quote if market == "spot" else info["settleCoin"], tick=Decimal(info["priceFilter"]["tickSize"]),
            lot=Decimal(lot[step]), min_qty=Decimal(lot["minOrderQty"]), min_notional=Decimal(lot.get(notional) or 0), fees=fees,
            account=self.account, status="TRADING" if info.get("status", "Trading") == "Trading" else str(info["status"]))


def _pushed(topic: str, message: dict[str, Any]) -> Glance:
    kind, symbol, data = topic.split(".")[0], topic.rsplit(".", 1)[-1], message["data"]
    if kind == "orderbook":
        update_id = int(data["u"])
        return Glance(data["s"], pairs(data["b"], data["a"]), update_id, update_id, message["type"] == "snapshot")
    if kind == "publicTrade":
        return Glance(symbol, tuple((trade["p"], trade["v"]) for trade in data))
    if kind == "tickers":  # a delta holds what changed; spot's has no quotes
        sides = ((data.get(f"{side}1Price"), data.get(f"{side}1Size")) for side in ("bid", "ask"))
        return Glance(symbol, tuple((px, size) for px, size in sides if px and size))
    return Glance(symbol)


VENUES = {"bybit": RecordedBybit()}

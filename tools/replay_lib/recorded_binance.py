"""Binance and Binance.US as recordings show them, until feeds/venues answers for them (recorded.py)."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import orjson

from feeds.config import Fees
from feeds.instruments import InstrumentError, InstrumentRow
from tools.replay_lib.recorded import Glance, make_listed_row

ADDRESSES = {"spot_rest": "https://api.binance.com", "spot_ws": "wss://stream.binance.com:9443",
             "linear_rest": "https://fapi.binance.com", "linear_ws": "wss://fstream.binance.com"}
NOT_UNDERSTOOD = Glance("")


@dataclass(frozen=True)
class RecordedBinance:
    """Both markets of one of the venues."""
    name: str = "binance"
    markets: tuple[str, ...] = ("spot", "linear")
    endpoints: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: {"paper": ADDRESSES})
    fees: Mapping[str, float] = field(default_factory=lambda: {"spot_maker_bps": 10.0, "spot_taker_bps": 10.0,
                                                               "linear_maker_bps": 2.0, "linear_taker_bps": 5.0})
    account: str = ""
    resync: str = "rest"

    def glance(self, market: str, text: bytes) -> Glance | None:
        try:
            message = orjson.loads(text)
            if not isinstance(message, dict):
                return None
            if "lastUpdateId" in message and "bids" in message:
                return Glance(str(message.get("symbol", "")), pairs(message["bids"], message["asks"]), 0,
                              int(message["lastUpdateId"]), True)
            data = message.get("data", message)
            if not isinstance(data, dict) or not isinstance(data.get("s"), str):
                return NOT_UNDERSTOOD
            return _event(data, data["s"])
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            return None

    def parse_listing(self, market: str, data: Any, fees: Fees,
                      only: set[str] | None = None) -> tuple[list[InstrumentRow], list[str]]:
        if not isinstance(data, dict) or not isinstance(data.get("symbols"), list):
            raise InstrumentError(f"{self.name} {market} exchangeInfo has no list of symbols")
        rows, problems = [], []
        for info in data["symbols"]:
            if only is not None and info.get("symbol") not in only:
                continue
            try:
                # a spot pair has no contractType; a dated or delivering contract has another
                if info.get("contractType", "PERPETUAL") == "PERPETUAL" and (market == "linear") == ("contractType" in info):
                    rows.append(self._row(market, info, fees))
            except (InstrumentError, KeyError, TypeError, ArithmeticError, AttributeError) as error:
                problems.append(f"{self.name} {market} {str(info.get('symbol'))[:40]}: not usable: {error!r}"[:300])
        return rows, problems

    def _row(self, market: str, info: dict[str, Any], fees: Fees) -> InstrumentRow:
        filters = {entry["filterType"]: entry for entry in info["filters"]}
        lot, notional = filters["LOT_SIZE"], filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
        quote = info["quoteAsset"]
        return make_listed_row(
            venue=self.name, market=market, symbol=info["symbol"], base=info["baseAsset"], quote=quote,
            settle=info.get("marginAsset", quote), tick=Decimal(filters["PRICE_FILTER"]["tickSize"]),
            lot=Decimal(lot["stepSize"]), min_qty=Decimal(lot["minQty"]),
            min_notional=Decimal(notional.get("minNotional") or notional.get("notional") or 0), fees=fees, account=self.account)


def _event(data: dict[str, Any], symbol: str) -> Glance:
    kind = data.get("e")
    if kind == "depthUpdate":
        return Glance(symbol, pairs(data["b"], data["a"]), int(data["U"]), int(data["u"]))
    if kind in ("trade", "aggTrade"):
        return Glance(symbol, ((data["p"], data["q"]),))
    if kind == "bookTicker" or (kind is None and "B" in data):  # spot's has no "e"
        return Glance(symbol, ((data["b"], data["B"]), (data["a"], data["A"])))
    return Glance(symbol)


def pairs(bids: Any, asks: Any) -> tuple[tuple[str, str], ...]:
    """(price, size) of both sides; further fields of a level are no digits."""
    return tuple((level[0], level[1]) for side in (bids, asks) for level in side)


BINANCE = RecordedBinance()
VENUES = {"binance": BINANCE,
          "binanceus": replace(BINANCE, name="binanceus", markets=("spot",),
                               endpoints={"paper": {"spot_rest": "https://api.binance.us",
                                                    "spot_ws": "wss://stream.binance.us:9443"}})}

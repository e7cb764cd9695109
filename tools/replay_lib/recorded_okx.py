"""OKX (v5) and OKX US as recordings show them, until feeds/venues answers for them (recorded.py).

Linear swaps are traded in contracts: levels are in contracts as sent, lots and bounds of the rows in base units. A symbol says by
itself which market it is: BTC-USDT, BTC-USDT-SWAP; one connection carries both."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import orjson

from feeds.config import Fees
from feeds.instruments import UNIFIED, InstrumentError, InstrumentRow
from tools.replay_lib.recorded import Glance, make_listed_row
from tools.replay_lib.recorded_binance import pairs

KINDS = {"SPOT": "spot", "SWAP": "linear"}  # instType -> market; futures and options have none here


@dataclass(frozen=True)
class RecordedOkx:
    """Spot and linear swaps of OKX or of its US entity."""
    name: str = "okx"
    markets: tuple[str, ...] = ("spot", "linear")
    endpoints: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    fees: Mapping[str, float] = field(default_factory=lambda: {"spot_maker_bps": 8.0, "spot_taker_bps": 10.0,
                                                               "linear_maker_bps": 2.0, "linear_taker_bps": 5.0})
    account: str = UNIFIED
    resync: str = "resubscribe"

    def glance(self, market: str, text: bytes) -> Glance | None:
        if text == b"pong":
            return Glance("")
        try:
            message = orjson.loads(text)
            if not isinstance(message, dict):
                return None
            data = message.get("data")
            if "event" in message or not data:  # acknowledgements, errors, empty pushes
                return Glance("")
            if "arg" in message:
                return _pushed(message, data)
            if isinstance(data[0], dict) and "bids" in data[0] and "asks" in data[0]:
                return Glance("", pairs(data[0]["bids"], data[0]["asks"]), 0, int(data[0].get("seqId", 0)), True)
            return Glance("")
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            return None

    def parse_listing(self, market: str, data: Any, fees: Fees,
                      only: set[str] | None = None) -> tuple[list[InstrumentRow], list[str]]:
        listed = data.get("data") if isinstance(data, dict) else None
        if not isinstance(listed, list) or not all(isinstance(info, dict) and "tickSz" in info for info in listed):
            raise InstrumentError("okx: no instruments reply")
        rows, problems = [], []
        for info in listed:
            if KINDS.get(info["instType"]) != market or (only is not None and info["instId"] not in only):
                continue
            try:
                if market == "spot" or info["ctType"] == "linear":
                    rows.append(self._row(market, info, fees))
            except (InstrumentError, KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
                problems.append(f"{self.name} {market} {str(info['instId'])[:40]}: not usable: {error!r}"[:300])
        return rows, problems

    def _row(self, market: str, info: dict[str, Any], fees: Fees) -> InstrumentRow:
        base, quote, settle, contract = info["baseCcy"], info["quoteCcy"], info["quoteCcy"], Decimal(1)
        if market == "linear":
            base, quote = info["uly"].split("-")
            settle, contract = info["settleCcy"], Decimal(info["ctVal"]) * Decimal(info["ctMult"])
            if info["ctValCcy"] != base:
                raise InstrumentError(f"ctValCcy {info['ctValCcy']!r} is not the base currency {base}")
        return make_listed_row(
            venue=self.name, market=market, symbol=info["instId"], base=base, quote=quote, settle=settle,
            tick=Decimal(info["tickSz"]), lot=Decimal(info["lotSz"]) * contract, min_qty=Decimal(info["minSz"]) * contract,
            contract_size=contract, fees=fees, account=self.account, venue_code=int(info.get("instIdCode") or 0),
            status="TRADING" if info.get("state", "live") == "live" else str(info["state"]))


def _pushed(message: dict[str, Any], data: list[dict[str, Any]]) -> Glance:
    channel, symbol = message["arg"]["channel"], message["arg"].get("instId", "")
    first = data[0]
    if "bids" in first and "asks" in first:
        is_snapshot = message.get("action") == "snapshot" or channel in ("books5", "bbo-tbt")
        before = int(first.get("prevSeqId", 0))
        return Glance(symbol, tuple(pair for book in data for pair in pairs(book["bids"], book["asks"])),
                      max(0, before), int(first.get("seqId", 0)), is_snapshot)
    if channel.startswith("trades"):
        return Glance(symbol, tuple((trade["px"], trade["sz"]) for trade in data))
    if channel == "tickers":
        quotes = ((one.get(f"{side}Px"), one.get(f"{side}Sz")) for one in data for side in ("bid", "ask"))
        return Glance(symbol, tuple((px, size) for px, size in quotes if px and size))
    return Glance(symbol)


OKX = RecordedOkx()
VENUES = {"okx": OKX, "okxus": replace(OKX, name="okxus")}

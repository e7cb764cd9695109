"""Bybit's private topics that are not about orders: balances and positions.

Pure: JSON in, typed facts out. Order events take the decoder's way (cext/decoders/bybit_orders). A topic that nobody knows
gives no facts and is counted by the caller.
"""
from __future__ import annotations

from collections.abc import Mapping

import orjson

from engine.events import BalanceUpdate, PositionUpdate, StreamNotice
from engine.gateways.answers import require
from engine.gateways.bybit_account import parse_wallet, position_of
from feeds.instruments import InstrumentRow

Fact = BalanceUpdate | PositionUpdate | StreamNotice

FUNDING_TYPES = ("Funding", "Settle")
# Known, and of no use here.
IGNORED = frozenset({"execution", "execution.fast", "greeks", "dcp", "spread"})


def parse_account_event(name: str, data: bytes, recv_mono_ns: int, market: str, rows: Mapping[str, InstrumentRow], venue: str,
                        account: str) -> list[Fact] | None:
    """The facts of one message, None when its topic is unknown. `rows`: symbol -> instrument of this market."""
    if name in IGNORED:
        return []
    if name not in ("wallet", "position"):
        return None
    message = orjson.loads(data)
    told = require(message, "data", name)
    exch_ns = int(message.get("creationTime") or 0) * 1_000_000
    if name == "wallet":
        return [*parse_wallet(told, venue, market, account, "wallet", exch_ns, recv_mono_ns)]
    return [position_of(one, rows, venue, account, "position", exch_ns, recv_mono_ns)
            for one in told if require(one, "category", name) == market]


def has_funding(data: bytes) -> bool:
    """Whether a message of the execution topic tells of a payment that is no trade."""
    return any(one.get("execType") in FUNDING_TYPES for one in orjson.loads(data).get("data", ()) if isinstance(one, dict))

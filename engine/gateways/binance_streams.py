"""Binance's user stream events that are not about one order: balances, positions, and news about the stream itself.

Pure: JSON in, typed facts out. Order events take the decoder's way (cext/decoders/binance_orders). An event type that nobody
knows gives no facts and is counted by the caller: Binance adds new ones without notice.
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from engine.events import BalanceUpdate, PositionUpdate, StreamNotice
from engine.gateways.binance_account import decimal, position_of, require
from engine.gateways.binance_facts import VENUE
from feeds.instruments import InstrumentRow

Fact = BalanceUpdate | PositionUpdate | StreamNotice

# Event -> what the engine calls it. The socket that brought the first group is to be replaced.
STREAM_ENDS = {
    "listenKeyExpired": "listen_key_expired",
    "eventStreamTerminated": "stream_terminated",
    "serverShutdown": "server_shutdown",
}
NOTICES = {
    "MARGIN_CALL": "margin_call",
    "ACCOUNT_CONFIG_UPDATE": "config_changed",
    "ALGO_UPDATE": "algo_order",
    "externalLockUpdate": "external_lock",
}
# Known, and of no use here.
IGNORED = frozenset({"listStatus", "CONDITIONAL_ORDER_TRIGGER_REJECT", "STRATEGY_UPDATE", "GRID_UPDATE"})


def parse_account_event(name: str, data: bytes, recv_mono_ns: int, market: str,
                        rows: Mapping[str, InstrumentRow], venue: str = VENUE) -> list[Fact] | None:
    """The facts of one event, None when its type is unknown. `rows`: symbol -> instrument of this market; `venue`: the name of a
    variant of Binance."""
    event = orjson.loads(data)
    inner = event.get("event")
    if not isinstance(inner, dict):
        inner = event.get("data")
    if isinstance(inner, dict):
        event = inner
    exch_ns = int(event.get("T") or event.get("E") or 0) * 1_000_000
    if name in STREAM_ENDS:
        return [StreamNotice(venue, market, STREAM_ENDS[name], "", exch_ns, recv_mono_ns)]
    if name in NOTICES:
        return [StreamNotice(venue, market, NOTICES[name], orjson.dumps(event).decode()[:500], exch_ns, recv_mono_ns)]
    if name == "outboundAccountPosition":
        return [BalanceUpdate(venue, market, str(row["a"]), free=decimal(row["f"], name), locked=decimal(row["l"], name),
                              reason="trade",
                              exch_ns=int(event.get("u") or 0) * 1_000_000 or exch_ns, recv_mono_ns=recv_mono_ns)
                for row in require(event, "B", name)]
    if name == "balanceUpdate":
        return [BalanceUpdate(venue, market, str(require(event, "a", name)), delta=decimal(require(event, "d", name), name),
                              reason="transfer", exch_ns=exch_ns, recv_mono_ns=recv_mono_ns)]
    if name == "ACCOUNT_UPDATE":
        return _account_update(require(event, "a", name), exch_ns, recv_mono_ns, market, rows)
    return [] if name in IGNORED else None


def _account_update(update: dict[str, Any], exch_ns: int, recv_mono_ns: int, market: str,
                    rows: Mapping[str, InstrumentRow]) -> list[Fact]:
    """USD-M: wallet balances with what changed them, and positions. A FUNDING_FEE on a cross position carries balances only."""
    reason = str(update.get("m", ""))
    facts: list[Fact] = []
    for row in update.get("B", ()):
        change = row.get("bc")
        facts.append(BalanceUpdate(VENUE, market, str(require(row, "a", "ACCOUNT_UPDATE")),
                                   wallet=decimal(require(row, "wb", "ACCOUNT_UPDATE"), "wb"),
                                   delta=decimal(change, "bc") if change is not None else None, reason=reason, exch_ns=exch_ns,
                                   recv_mono_ns=recv_mono_ns))
    facts += [position_of(str(require(row, "s", "ACCOUNT_UPDATE")), require(row, "pa", "ACCOUNT_UPDATE"), row.get("ps", "BOTH"),
                          row.get("ep"),
                          reason, exch_ns, recv_mono_ns, rows)
              for row in update.get("P", ())]
    return facts

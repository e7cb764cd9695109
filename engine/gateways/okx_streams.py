"""OKX's private channels that are not about orders: balances, positions, and news about the socket itself.

Pure: JSON in, typed facts out. Order events take the decoder's way (cext/decoders/okx_orders). A channel or notice that nobody
knows gives no facts and is counted by the caller.
"""
from __future__ import annotations

from collections.abc import Mapping

import orjson

from engine.events import BalanceUpdate, PositionUpdate, StreamNotice
from engine.gateways.okx_account import parse_balances, position_of, rows_of
from feeds.instruments import InstrumentRow

Fact = BalanceUpdate | PositionUpdate | StreamNotice

# A notice's code -> what the engine calls it; the socket that brought it is to be replaced.
STREAM_ENDS = {"64008": "server_shutdown"}
# The venue took a channel away from us: too many connections of this account hold it.
CHANNEL_LOST = "channel-conn-count-error"
# Known, and of no use here.
IGNORED = frozenset({"channel-conn-count", "balance_and_position", "liquidation-warning", "account-greeks", "fills"})


def parse_account_event(name: str, data: bytes, recv_mono_ns: int, market: str, rows: Mapping[str, InstrumentRow], venue: str,
                        account: str) -> list[Fact] | None:
    """The facts of one message, None when it is unknown. `rows`: symbol -> instrument of this market."""
    if name in IGNORED:
        return []
    message = orjson.loads(data)
    if name in STREAM_ENDS:
        return [StreamNotice(venue, market, STREAM_ENDS[name], str(message.get("msg", ""))[:500], 0, recv_mono_ns)]
    if name == CHANNEL_LOST:
        return [StreamNotice(venue, market, "stream_terminated",
                             f"channel {message.get('channel')}: {message.get('connCount')} connections of this account hold it", 0,
                             recv_mono_ns)]
    if name not in ("account", "positions"):
        return None
    told = rows_of(message, name)
    reason = "snapshot" if message.get("eventType") == "snapshot" else name
    if name == "account":
        exch_ns = int((told[0].get("uTime") if told else "") or 0) * 1_000_000
        return [*parse_balances(told, venue, market, account, reason, exch_ns, recv_mono_ns)]
    return [position_of(one, rows, venue, account, reason, int(one.get("uTime") or 0) * 1_000_000, recv_mono_ns)
            for one in told if one.get("instType") == "SWAP"]

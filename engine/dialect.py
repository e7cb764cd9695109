"""What a venue says on its sockets besides orders: replies to logons and subscriptions, and heartbeats in text.

Plain Python, cold: a session asks its dialect only about messages that its decoder called DECODED_REPLY. Order replies, user
streams and pongs are the decoder's (cext/decoders/orders.pxd): a whole message that is no JSON (OKX `pong`) is DECODED_NOTHING.
"""
from __future__ import annotations

from typing import Any, NamedTuple, Protocol


class Reply(NamedTuple):
    """One reply: which request it answers and how it ended."""
    key: str          # as given to VenueSocket.request; "" = the venue does not say
    code: int         # 0 = done, else the venue's error code
    text: str = ""    # the venue's words
    status: int = 0   # HTTP-like status where the venue has one


class SocketDialect(Protocol):
    """A venue's way to answer requests."""

    def reply_key(self, message: Any) -> Reply | None:
        """Whom the parsed JSON `message` answers, or None when it is no reply at all (a notice, an echo). A refusal that names no
        request still gives a Reply, with key "" or the key of the request that it must be about: it is reported, never lost.

        Binance: (id, error.code, error.msg, status). Bybit: (req_id or reqId, else op; success/retCode). OKX: (id, else
        event[:channel]; code), where `event: error` without an id answers the login."""

"""What a simulated venue is: `SIM = SimVenue(...)` in tools/simex/NAME.py.

The declaration says in data what differs between venues (addresses, instruments, accounts, rules); `make_dialect` gives the
object that speaks the wire protocol.  What is true (books, matching, balances, positions, faults, the market) stands once, in
`venue.py` and below it, and knows no venue by name.  A variant of a venue is `replace(binance.SIM, name=..., ...)`.

Rules of a dialect: no I/O and no clock but `venue.clock`; bytes in through `Session.on_text` and `Dialect.on_http`, bytes out
through what it was given.  Answers leave first: user events wait in `venue.outbox` (put there by `venue.queue`) until
`venue.settle()`, which a dialect calls after each request that can have changed something.  An acknowledgement that comes
before the order's fate is therefore: place, answer, settle.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tools.simex.faults import Fault
    from tools.simex.hub import Hub
    from tools.simex.instrument import Coin, Instrument, Look
    from tools.simex.ledger import Account, Fill, Order
    from tools.simex.venue import Venue

SPOT = "spot"
LINEAR = "linear"
MARKETS = (SPOT, LINEAR)

MD, OE, UD, QUERIES = "md", "oe", "ud", "q"  # channels of faults; connections have the first three

HttpReply = Callable[[int, bytes, Mapping[str, str]], None]  # status, body, headers


@dataclass(frozen=True, slots=True)
class Role:
    """One address of the venue, under the name that `FeedVenue.roles` has for it.

    Roles with the same `port` are paths of one listening socket; a socket is HTTP or websocket, not both.  `path` is appended
    to the address that simex.json tells; it does not route: the dialect sees the whole path of each request.
    """

    name: str
    port: str
    path: str = ""
    is_http: bool = False


@dataclass(frozen=True, slots=True)
class SessionRules:
    """What the shell does to a websocket by itself; 0 = never, no limit."""

    ping_s: float = 0.0  # the venue sends ping frames so often, and cuts when no pong came for `pong_timeout_s`
    pong_timeout_s: float = 60.0
    life_s: float = 86_400.0
    idle_cut_s: float = 0.0  # neither side sent a message for so long
    idle_code: int = 1000  # close code of that
    messages_per_s_max: int = 0
    rate_code: int = 1008


class Link(Protocol):
    """The connection as a session sees it."""

    def send(self, frame: bytes) -> None:
        """One text frame; nothing happens when the connection is gone or silenced."""

    def close(self, code: int = 1000, reason: bytes = b"") -> None:
        """Close frame, then the end."""


class Session(abc.ABC):
    """One websocket.  `channels`: what it carries (md, oe, ud; several for a venue whose orders and events share one), for the
    faults that silence or cut a channel; `market`: spot, linear, or None for one that serves both."""

    channels: tuple[str, ...] = (MD,)
    market: str | None = None
    rules: SessionRules = SessionRules()

    def opened(self) -> None:
        """The connection is up: only now subscribe to what the path asked for."""

    @abc.abstractmethod
    def on_text(self, message: bytes, recv_mono_ns: int) -> None:
        """A text message, whole.  Heartbeats in text are the dialect's own."""

    @abc.abstractmethod
    def close(self) -> None:
        """The connection is gone: forget its subscriptions."""

    def notice(self, now_ms: int) -> None:
        """The connection will be cut soon (control `shutdown_notice`): say so in the venue's words, if it has any."""


@dataclass(frozen=True, slots=True)
class TradingRules:
    """Where venues differ in what an order may do."""

    is_unified: bool = False  # one balance for spot and linear
    unique_client_ids: str = "open"  # among open orders (free again after the end), or "ever"
    client_id_scope: str = "market"  # the ids of which orders: of the market, or of the "account"
    # Markets where such an order is refused in the answer.  Elsewhere it is accepted, and ended afterwards by an event.
    post_only_refused: frozenset[str] = frozenset()
    fok_refused: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a planted fault wants of an order: only this fraction may trade now; or accept it, then end it as REJECTED."""

    fraction: float | None = None
    is_rejected_later: bool = False


class Dialect(abc.ABC):
    """One venue's wire protocol; made once for each run by `SimVenue.make_dialect`."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue

    # ---- bytes -----------------------------------------------------------------------------------

    @abc.abstractmethod
    def open_session(self, port: str, path: str, headers: Mapping[str, str], link: Link) -> Session | None:
        """A websocket upgrade on the socket `port`, `path` with its query, header names in lower case; None refuses it.
        Nothing can be sent yet, nothing may be subscribed yet: that begins with `Session.opened`."""

    @abc.abstractmethod
    def on_http(
        self,
        port: str,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        recv_mono_ns: int,
        reply: HttpReply,
    ) -> None:
        """One request; `query` and `body` as they were sent, header names in lower case.  Answers through `reply`, at once or
        later; never, when a fault loses it."""

    @abc.abstractmethod
    def make_hub(self, market: str) -> Hub:
        """The streams of a market (`hub.py`)."""

    @abc.abstractmethod
    def make_credentials(self, account: Account) -> dict[str, bytes]:
        """New keys of an account by field name, as the venue would hand them out; the dialect remembers them.  The fields are
        those that `GatewayVenue` asks for; a run writes each to a 0600 file and names it in simex.json."""

    # ---- what happened: called in the venue's order of events; queue user events, do not send -------

    @abc.abstractmethod
    def on_order(self, order: Order, event: str, fill: Fill | None) -> None:
        """NEW (accepted), AMENDED (by `matcher.amend`), TRADE (`fill`), CANCELED, EXPIRED, REJECTED, the last three with
        `order.end_reason`.  A post-only order that was accepted and would take has no NEW: one CANCELED; fault `asyncreject`
        gives one REJECTED."""

    @abc.abstractmethod
    def on_account(
        self, account: Account, market: str, reason: str, assets: list[str], symbols: list[str], change_e8: int = 0
    ) -> None:
        """Balances of `assets` or positions of `symbols` changed.  reason: ORDER, FUNDING, DEPOSIT, WITHDRAW; `change_e8`: by how
        much, for all but ORDER.  linear ORDER comes before the TRADE of its fill, spot ORDER after all events of the request."""

    # ---- refusals that faults plant, in the venue's words; outcomes as `execute` of desk.py returns them ---

    @abc.abstractmethod
    def rejection(self, fault: Fault, market: str, is_cancel: bool) -> Any:
        """`reject`: fault.params may have `code`, `msg`, `status`."""

    @abc.abstractmethod
    def unknown_outcome(self, fault: Fault, market: str) -> Any:
        """`unknown`: the answer that leaves the execution unknown; fault.params["variant"] picks among the venue's."""

    @abc.abstractmethod
    def limit_outcome(self, fault: Fault, market: str, is_ban: bool) -> Any:
        """`ratelimit`, `ban`."""

    # ---- on time and on command -------------------------------------------------------------------

    def spot_fee(self, order: Order, commission_e8: int, fee_e8: int, asset: str) -> tuple[int, str]:
        """What a spot fill is charged: by default `fee_e8` of the received `asset`.  A dialect that charges another asset returns
        it; `commission_e8` is the fee in quote."""
        return fee_e8, asset

    def outside_client_id(self, kind: str) -> str:
        """Client id of an order not sent over the API: kind manual, adl, liquidation."""
        return f"{kind}{self.venue.matcher.take_order_id(SPOT)}"

    def limit(self, market: str, until_ms: int, is_ban: bool) -> None:
        """Control `ratelimit`: refuse everything of a market until then."""

    def on_timer(self, now_ms: int) -> None:
        """Every 10 ms: dead-man switches and other things that are due."""

    def play(self, market: str, symbol: str, frame: bytes) -> None:
        """market: capture: one recorded frame into the book, then to its subscribers."""
        raise ValueError(f"{self.venue.name} plays no recordings")

    def expire(self, account: Account) -> int:
        """Control `expire`: end what gives the account's event streams their life; returns how many ended."""
        return 0


@dataclass(frozen=True, slots=True)
class SimVenue:
    """One simulated venue, as data."""

    name: str
    markets: tuple[str, ...]
    roles: tuple[Role, ...]
    rules: TradingRules
    fees: Mapping[str, tuple[str, str]]  # market -> base-tier (maker, taker), positive = paid
    look: Callable[[Coin, str], Look | None]  # how a coin's instrument of a market looks; None = not listed there
    make_dialect: Callable[[Venue], Dialect]
    # Digits after the point of every price and size on the wire, by market; absent = as many as tick and step have.
    wire_digits: Mapping[str, int] = field(default_factory=dict)
    # How far a change of a level moves the book's update id, by market; absent = 1.
    id_step: Mapping[str, int] = field(default_factory=dict)
    account_flags: tuple[str, ...] = ("hedge_mode",)  # words that `accounts` of the config and control `account` may set
    extra_verbs: Mapping[str, frozenset[str]] = field(default_factory=dict)  # channel -> fault verbs beside the common ones
    leverage_max: int = 75
    # Reads a file of the venue's own reference data: (market, parsed JSON, (maker, taker), symbols or None) -> instruments.
    read_listing: Callable[[str, Any, tuple[str, str], list[str] | None], list[Instrument]] | None = None

    def ports(self) -> dict[str, bool]:
        """Listening sockets in the order of their roles: name -> is HTTP."""
        return {role.port: role.is_http for role in self.roles}

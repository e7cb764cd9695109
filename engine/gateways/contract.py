"""What a venue is to the order side: `GATEWAY`, a GatewayVenue, in engine/gateways/<venue>.py. Read docs/adding-a-venue.md first.

GatewayVenue is data: names, addresses, limits, features, which keys. Its `make_market` makes a MarketGateway
(engine/gateways/market_gateway.py): one market's requests and parsers. What is the same for every venue stands once:
VenueGateway (engine/gateways/gateway.py) runs the markets and is what the shell talks to (`Gateway` here); MarketGateway runs one
market's clock, fees, sockets, rate stops. A variant of a venue is `replace(other.GATEWAY, name=..., endpoints=...)`.

Facts in, facts out: everything that leaves is a dataclass of this file or of engine/events.py, in integers or Decimal. What the
venue offers that we do not know we refuse (AccountRefused), with the field, its value, and what would be right.
"""
from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from cext.decoders.order_errors import ErrorRow
from engine.connection import ConnectionPolicy
from engine.events import BalanceUpdate, OrderEvent, PositionUpdate, StreamNotice

if TYPE_CHECKING:
    from cext.instrument import InstrumentArray
    from engine.gateways.market_gateway import MarketGateway
    from engine.sessions import OrderSession
    from feeds.instruments import InstrumentTable

log = logging.getLogger("lockstep.gateway")

UNIFIED = "unified"   # feeds/instruments.py: the account of a venue on which all markets pay from one balance


class AccountRefused(Exception):
    """The account is in a state in which the engine must not trade; the text says what and what would be right."""


# ---------------------------------------------------------------- facts

@dataclass(frozen=True, slots=True)
class FeeRates:
    """Fractions of the quote amount: 0.001 = 10 bps, negative = a rebate, whatever sign the venue writes. `burns_bnb`: fees are
    taken in another coin of the account (Binance: BNB) where there is some."""
    maker: Decimal
    taker: Decimal
    burns_bnb: bool = False


@dataclass(slots=True)
class AccountState:
    """What was read of one market's account at start."""
    market: str
    account: str = ""     # the pot that pays, as InstrumentRow.account_name says it: "binance:spot", "bybit:unified"
    mode: str = ""        # the venue's word for the account's mode: "SPOT", "one-way", "UTA2", "acctLv 2, net_mode"
    can_trade: bool = False
    permissions: tuple[str, ...] = ()
    uid: str = ""
    balances: list[BalanceUpdate] = field(default_factory=list)          # empty where another market of the account reports them
    positions: list[PositionUpdate] = field(default_factory=list)
    fees: dict[str, FeeRates] = field(default_factory=dict)              # symbol -> rates
    leverage: dict[str, int] = field(default_factory=dict)               # symbol -> leverage (futures)
    margin_type: dict[str, str] = field(default_factory=dict)            # symbol -> CROSSED | ISOLATED (futures)
    is_hedge_mode: bool = False
    is_multi_assets: bool = False
    own_orders: list[tuple[str, str]] = field(default_factory=list)      # open orders of ours: (symbol, client id)
    foreign_orders: list[tuple[str, str]] = field(default_factory=list)  # open orders of somebody else


def account_totals(balances: Iterable[BalanceUpdate]) -> dict[str, Decimal]:
    """Asset -> what the account holds: the wallet where the venue has one, else free plus locked."""
    return {one.asset: one.wallet if one.wallet is not None else (one.free or Decimal(0)) + (one.locked or Decimal(0))
            for one in balances}


@dataclass(slots=True)
class Answer:
    """What a query about one order brought. `events` are in the order in which they are to be applied: fills, then the status.
    `position`: base units, signed, of a "position" query."""
    events: list[OrderEvent]
    is_found: bool
    position: Decimal | None = None


@dataclass(frozen=True, slots=True)
class FundingIncome:
    """One funding payment as the account's books have it; `amount` positive = received."""
    account: str
    symbol: str
    asset: str
    amount: Decimal
    exch_ns: int
    income_id: str        # the venue's id: the same payment read twice is told by it


@dataclass(frozen=True, slots=True)
class AccountReport:
    """What an account offers and what it lacks, for people and for the risk guard. Sentences, or words of the venue."""
    account: str
    markets: tuple[str, ...]
    mode: str
    fee_asset: str             # in which coin fees are taken
    risk_tiers: str            # how margin grows with size, where it can be read
    borrow: str                # whether balances may go below zero
    dead_man: str              # what cancels when we fall silent
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClockLimits:
    """How the venue's clock is measured, and when it is good enough for entries."""
    samples: int = 5                       # of which the one with the shortest round trip counts
    refresh_s: float = 10.0
    uncertainty_max_ns: int = 50_000_000   # beyond: no entries (RELIABILITY B14)


@dataclass(frozen=True, slots=True)
class Clock:
    """The venue's clock minus ours, from the sample with the shortest round trip."""
    offset_ns: int = 0
    uncertainty_ns: int = 1 << 62
    measured_mono_ns: int = 0
    limit_ns: int = 50_000_000

    @property
    def is_good(self) -> bool:
        return self.uncertainty_ns <= self.limit_ns


# ---------------------------------------------------------------- the venue, declared

@dataclass(frozen=True, slots=True)
class Features:
    """What one market's order entry can do. What is False is refused by the encoder or done otherwise, never left out silently."""
    ws_orders: bool = True       # place and cancel over the order socket
    ws_query: bool = False       # ask for an order over the order socket; else over REST
    post_only: bool = True
    fok: bool = True
    reduce_only: bool = False
    amend: bool = False
    cancel_all: bool = False     # one request cancels all orders of a symbol or market; else one cancel an order
    dead_man: bool = False       # a timer at the venue cancels when we fall silent
    native_ttl: bool = False     # an order or request can carry its own end of life
    acks_are_final: bool = False # a reply to a place has the outcome (Binance); else only "accepted for processing"


@dataclass(frozen=True, slots=True)
class MarketSetup:
    """Everything that one market's gateway is made from."""
    venue: GatewayVenue
    market: str
    settings: GatewaySettings
    table: InstrumentTable
    instruments: InstrumentArray
    hooks: GatewayHooks
    shared: dict[str, Any]         # of all markets of this gateway: a RateState or client that a unified account has once
    seed: int = 1                  # jitter of the connections: differs by market
    tells_account: bool = True     # this market's user stream and account answers report balances (one market an account does)
    ssl_context: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class GatewayVenue:
    """One venue's order side as data. `roles` names the addresses that its gateway connects to, of those that
    `FeedVenue.roles` lists; `endpoints` has them by mode ("live", "testnet"); a mode that is not there does not exist at the
    venue.
    """
    name: str
    markets: tuple[str, ...]
    roles: Mapping[str, tuple[str, ...]]                     # market -> roles of addresses
    endpoints: Mapping[str, Mapping[str, str]]               # mode -> role -> address
    make_market: Callable[[MarketSetup], MarketGateway]      # a MarketGateway subclass
    # references (file:...) by field name -> the venue's keys object, whose repr shows nothing; absent fields = not given
    load_credentials: Callable[[Mapping[str, Any]], Any]
    # order_auth -> the fields it needs; the first is the default
    auths: Mapping[str, tuple[str, ...]]
    features: Mapping[str, Features]                         # by market
    errors: tuple[ErrorRow, ...]
    # error codes that mean: the key is refused, asking again will not help
    key_refused: frozenset[int] = frozenset()
    account: str = ""                                        # "" = the market has its own, UNIFIED = one for all
    clock: ClockLimits = ClockLimits()
    ack_timeout_ms: int = 1000                               # a place without any word for so long is asked for
    recv_window_ms: int = 500
    # market -> (orders a second, at once) where the venue allows fewer than our own limits usually do; the gate keeps to both
    order_rates: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict) # the venue's own constants; a variant replaces some

    def account_of(self, market: str) -> str:
        """The pot that pays for a market, as InstrumentRow.account_name says it: "binance:spot", "okx:unified"."""
        return f"{self.name}:{self.account or market}"

    def roles_of(self, markets: tuple[str, ...]) -> tuple[str, ...]:
        """Roles that a gateway for these markets needs, each once."""
        return tuple(dict.fromkeys(role for market in markets for role in self.roles[market]))

    def check(self, settings: GatewaySettings) -> None:
        """ValueError, naming the field, when these settings cannot trade this venue."""
        unknown = [market for market in settings.markets if market not in self.markets]
        if unknown:
            raise ValueError(f"venues.{self.name}.markets: {self.name} has no {', '.join(unknown)}; right is one of "
                             f"{', '.join(self.markets)}")
        if settings.order_auth not in self.auths:
            raise ValueError(f"venues.{self.name}.order_auth: {settings.order_auth!r} is none of {', '.join(self.auths)}")
        if not settings.credentials.has(settings.order_auth):
            raise ValueError(f"venues.{self.name}.credentials: order_auth {settings.order_auth} needs "
                             f"{' and '.join(self.auths[settings.order_auth])}")
        missing = [role for role in self.roles_of(settings.markets) if not settings.endpoints.get(role)]
        if missing:
            raise ValueError(f"venues.{self.name}.endpoints: no address for {', '.join(missing)}")

    def make_gateway(self, settings: GatewaySettings, table: InstrumentTable, instruments: InstrumentArray,
                     hooks: GatewayHooks | None = None) -> Gateway:
        """The venue's gateway, not yet started. ValueError when the settings do not fit."""
        from engine.gateways.gateway import VenueGateway
        return VenueGateway(self, settings, table, instruments, hooks)


class Credentials(Protocol):
    """A venue's keys in memory. Values never appear in a repr, a log line or an exception."""

    def has(self, order_auth: str) -> bool:
        """Whether the keys that this way of signing orders needs are there."""


@dataclass(slots=True)
class GatewaySettings:
    """Everything that a gateway needs to know of a run."""
    endpoints: Mapping[str, str]                 # role -> address
    credentials: Any                             # what GatewayVenue.load_credentials made of the references
    markets: tuple[str, ...] = ("spot", "linear")
    order_auth: str = "ed25519"                  # a key of GatewayVenue.auths
    recv_window_ms: int = 500
    stp_mode: str = ""                           # "" = what the venue's file says
    instance: int = 0                            # of the engine: part of client ids
    seed: int = 1
    ca_file: str | None = None                   # test CA of simulated venues; None = the system's
    checks_key_restrictions: bool = False        # production only: testnets and simulators have no such answers
    is_demo: bool = False                        # the venue's demo environment (OKX: a header says so)
    policy: ConnectionPolicy | None = None       # None = the venue's own times

    def __repr__(self) -> str:
        return f"GatewaySettings(markets={self.markets}, order_auth={self.order_auth}, endpoints={dict(self.endpoints)})"


# ---------------------------------------------------------------- what the shell and a gateway say to each other

def _ignore(*_: Any) -> None:
    """A hook that nobody wants."""


def _guard(name: str, hook: Callable[..., Any], alert: Callable[[str, str], Any]) -> Callable[..., Any]:
    """The hook, or a log entry and an alert instead of what it raised."""
    def call(*arguments: Any) -> None:
        try:
            hook(*arguments)
        except Exception as error:
            log.exception("hook %s raised", name)
            if name != "alert":
                alert("hook_raised", f"hook {name}: {type(error).__name__}: {error}")
    return call


@dataclass(slots=True)
class GatewayHooks:
    """Where the gateway says what happened: plain callables on the engine's loop. One that raises is logged and stops nothing."""
    event: Callable[[OrderEvent], Any] = _ignore
    session: Callable[[str, str, str, bool, str], Any] = _ignore      # venue, market, "orders" | "user" | "clock", is_up, reason
    account: Callable[[BalanceUpdate | PositionUpdate], Any] = _ignore  # `.account` names the pot
    notice: Callable[[StreamNotice], Any] = _ignore
    alert: Callable[[str, str], Any] = _ignore                        # code, text
    fees: Callable[[str, str, FeeRates], Any] = _ignore               # market, symbol, rates: read after the start
    rate_stop: Callable[[str, str, float], Any] = _ignore             # venue, market, seconds

    def guarded(self) -> GatewayHooks:
        """The same hooks, each of which reports what it raises and goes on: a mistake in one must not end the gateway's own
        tasks."""
        alert = _guard("alert", self.alert, _ignore)
        return GatewayHooks(*(_guard(f.name, getattr(self, f.name), alert) for f in fields(self)))


class Gateway(Protocol):
    """What the shell uses of a venue. Every question that brings no answer raises engine.rest.RestError: never "not found"."""

    venue: GatewayVenue
    settings: GatewaySettings
    markets: dict[str, MarketGateway]

    async def start(self, *, give_up_after_s: float | None = None) -> dict[str, AccountState]:
        """Clock, user stream, account, order session of every market -> state by market. Tries again for ever, or so long;
        AccountRefused ends it at once."""

    async def stop(self) -> None:
        """Close sockets and clients. Orders are the calm floor's affair before this is called."""

    def sessions(self) -> dict[str, OrderSession]:
        """Order session by market; there from the beginning, ready later."""

    def is_ready(self) -> bool:
        """Every order session and user stream is up and every clock known."""

    async def query(self, ask: str, row: int, client_id: str, *, venue_order_id: int = 0, since_mono_ns: int = 0) -> Answer:
        """ask: "order", "fills" or "position" (engine/trade/commands.py)."""

    async def cancel(self, row: int, client_id: str) -> list[OrderEvent]:
        """Cancel by client id: over the order session when it can send (the answer comes as an event: empty list), else REST."""

    async def cancel_all(self, market: str, symbols: list[str] | None = None) -> list[str]:
        """Cancel every open order of these symbols, None = of all with open orders; also orders that are not ours. Returns the
        symbols that were asked for; what became of each order comes with the user stream."""

    def restart_stream(self, market: str, reason: str = "silent") -> None:
        """Take the market's user stream for dead and connect it anew."""

    async def balances(self) -> dict[str, dict[str, Decimal]]:
        """{account: {asset: total}}, read now: free plus locked, or the wallet where the venue has one; borrowed = negative."""

    async def positions(self) -> list[PositionUpdate]:
        """Every futures position, read now."""

    async def funding_income(self, since_ns: int) -> list[FundingIncome]:
        """Funding payments since then (venue's epoch ns), oldest first. Spot markets have none."""

    async def tell_funding(self) -> None:
        """Read now what venues book without telling: each funding payment since the start that was not told yet becomes a balance
        change. Nothing to do where the user stream tells them."""

    async def arm_dead_man(self, seconds: float) -> tuple[str, ...] | None:
        """Set the venue's cancel timer (0 = off) in every market that has one -> these markets; None when no market has."""

    def server_time_ns(self, market: str) -> int:
        """The venue's clock now, epoch ns, as far as it has been measured."""

    def account_report(self) -> list[AccountReport]:
        """What each account offers and lacks; valid after the start."""

    def stats(self) -> dict[str, Any]:
        """For the status screen, by market."""

"""How a venue is read: the contract of feeds/venues/<name>.py.

`VENUE` of such a module is a `FeedVenue`: facts as fields, and pure functions from facts to requests and back. It opens no
socket, reads no clock and keeps no state; connection.py, process.py and snapshots.py do what it says. A variant of a venue is
the same object with other facts: `VENUE = replace(binance.VENUE, name="binanceus", ...)`.

Money is Decimal, quantities are base units, times are seconds unless the name says otherwise."""
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from cext.decoders.market import MarketDecoder
    from cext.instrument import InstrumentArray
    from feeds.config import Fees, VenueConfig
    from feeds.instruments import InstrumentRow
    from feeds.rest import RestClient


class RestError(Exception):
    """A request that gave no usable answer; the text names host, path and cause. `retry_after_s` = what the venue asked for, or
    0."""

    def __init__(self, text: str, status: int = 0, retry_after_s: float = 0.0) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Rate:
    """At most `count` in any `window_s`."""

    count: int
    window_s: float


@dataclass(frozen=True)
class SocketLimits:
    """What one market data socket of a market may do. `messages` counts everything that we send, pings too."""

    messages: Rate
    streams_per_socket: int
    streams_per_request: int               # args of one subscription request
    requests: tuple[Rate, ...] = ()        # subscription requests, where they have a limit of their own (OKX 480 an hour)
    bytes_per_socket: int = 0              # all stream names together (Bybit 21,000); 0 = no limit


@dataclass(frozen=True)
class RestLimits:
    """Where a market's REST requests go and how many there may be."""

    role: str                              # in `endpoints`; markets with the same role share one client and one budget
    budget: int                            # weight in a window
    window_s: float = 60.0
    used_header: str = ""                  # response header with the weight used in the window; "" = the venue tells nothing
    headers: Mapping[str, str] = field(default_factory=dict)  # sent with each request, in every mode


@dataclass(frozen=True)
class Heartbeat:
    """How a socket is asked for a sign of life. `frame` b"" = a WebSocket ping; else this text frame. The answer is any frame."""

    frame: bytes = b""
    idle_s: float = 0.0                    # silence after which it is sent; 0 = feeds.ping_idle_ms


@dataclass(frozen=True)
class RoutePlan:
    """One socket to keep open: where, for which rows, with which streams."""

    name: str                              # spot-book-0; unique in a feed
    market: str
    role: str                              # its address
    path: str                              # appended to the address
    rows: tuple[int, ...]                  # rows whose books depend on it; empty for trades and funding
    streams: tuple[str, ...]
    watched: tuple[tuple[int, str], ...]   # (row, "book" | "trade" | "funding") that must speak sooner or later


@dataclass(frozen=True)
class StreamRequest:
    """A subscription request. The decoder tells each acknowledgement with its `id` (FRAME_ACK)."""

    id: int
    frame: bytes
    acks: int = 1                          # acknowledgements that answer it


@dataclass(frozen=True)
class SnapshotRequest:
    """A REST depth request."""

    path: str
    params: Mapping[str, str]
    weight: int
    limit: int                             # levels a side asked for


@dataclass
class Listing:
    """What a venue lists. rows: id 0, checked, every market asked for, status TRADING where orders are taken, else the venue's
    word; a symbol that cannot be used is a problem told."""

    rows: list[InstrumentRow] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)        # each about one symbol, which it names
    notes: list[str] = field(default_factory=list)           # what else is worth a word
    funding_s: dict[str, int] = field(default_factory=dict)  # name of a perpetual -> seconds between fundings, where known


@dataclass(frozen=True)
class Glance:
    """What a person would read off a frame. Levels are (price, size) texts as sent, of whatever kind the frame is."""

    symbol: str                            # "" = it names none
    levels: tuple[tuple[str, str], ...] = ()
    first_update_id: int = 0               # depth only; 0 = no depth
    last_update_id: int = 0                # depth and snapshot
    is_snapshot: bool = False              # a REST depth reply, or a whole book on the stream


@dataclass(frozen=True)
class FeedVenue(ABC):
    """One venue; see the module's docstring."""

    name: str                              # in configurations and instrument names
    title: str                             # in texts for people: Binance
    markets: tuple[str, ...]               # spot, linear: those it has, in this order
    roles: tuple[str, ...]                 # names of all its addresses, those of the order side too
    # mode (dry_run, paper, testnet) -> role -> address. The venue does not have a mode that is missing; sim's are simex's
    endpoints: Mapping[str, Mapping[str, str]]
    sockets: Mapping[str, SocketLimits]    # by market
    rest: Mapping[str, RestLimits]         # by market
    attempts: tuple[Rate, ...]             # connections that one address may try to open
    fees: Mapping[str, float]              # fields of feeds.config.Fees, bps: what an account without volume pays
    credentials: Mapping[str, tuple[str, ...]]  # order_auth -> fields of feeds.config.Credentials that it needs; first = default
    account: str = ""                      # "" = a pot a market, "unified" = one for all
    heartbeat: Heartbeat = Heartbeat()
    # a row that lost sync: "rest" = its deltas wait for a REST snapshot; "resubscribe" = subscribing again brings one
    resync: Literal["rest", "resubscribe"] = "rest"
    mode_headers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # mode -> headers of each REST request

    # ---------------------------------------------------------------- decoding

    @abstractmethod
    def make_decoder(self, instruments: InstrumentArray, market: str, rows: Sequence[int]) -> MarketDecoder:
        """The decoder of these rows, all of `market`."""

    # ---------------------------------------------------------------- sockets

    @abstractmethod
    def plan_routes(self, rows: Iterable[InstrumentRow], sockets_per_market: int, with_trades: bool) -> list[RoutePlan]:
        """The sockets that bring these rows. Books spread over `sockets_per_market` sockets; trades and funding on sockets of
        their own, so that they never stand before a book update in a read."""

    @abstractmethod
    def subscribe_requests(
        self, market: str, streams: Sequence[str], first_id: int, is_subscribe: bool = True
    ) -> list[StreamRequest]:
        """Requests that begin (or end) these streams, with ids from first_id on."""

    @abstractmethod
    def streams_of_row(self, plan: RoutePlan, row: InstrumentRow) -> tuple[str, ...]:
        """Those of the plan's streams that are about this row, in the plan's order."""

    # ---------------------------------------------------------------- instruments

    @abstractmethod
    async def read_listing(
        self, clients: Mapping[str, RestClient], config: VenueConfig, only: Mapping[str, set[str]] | None = None
    ) -> Listing:
        """Everything that the markets of `clients` list now, paged or not. only: market -> symbols that are enough. RestError or
        InstrumentError when the venue does not answer or says something else."""

    @abstractmethod
    def parse_listing(
        self, market: str, data: Any, fees: Fees, only: set[str] | None = None
    ) -> tuple[list[InstrumentRow], list[str]]:
        """(rows with id 0, problems) of the JSON value that lists a market; pages joined as read_listing joins them. Pure."""

    # ---------------------------------------------------------------- books over REST

    @abstractmethod
    def snapshot_request(self, row: InstrumentRow) -> SnapshotRequest | None:
        """How the book of a row is asked for; None = its snapshots do not fit its streams."""

    @abstractmethod
    def write_snapshot(
        self, row: InstrumentRow, update_id: int, bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]]
    ) -> bytes:
        """A book (levels as scaled ints, best first) in the form of the REST reply: what a recording that begins in mid-stream
        starts from. The decoder's load_snapshot reads it; update_id is `stats()["update_id"]` of the row."""

    # ---------------------------------------------------------------- recordings

    @abstractmethod
    def glance(self, market: str, text: bytes) -> Glance | None:
        """One recorded frame or REST depth reply, slowly and plainly. None = not JSON, or of a shape that the venue never
        sends."""

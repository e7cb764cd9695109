"""What the conformance suite must be told about a venue: `CASE = VenueCase(...)` in tests/conformance/venues/NAME.py.

A case is data, and a few plain readers written for the tests alone. It says what goes in (recorded frames, payloads of the
venue's documents, vectors, how ccxt is pointed at the simulated venue) and what must come out. What is checked stands once,
in test_*.py. Where a venue has no such thing, `not_offered` says so and why; what is neither there nor listed fails."""
from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.conformance import venues

# Numbers are those of test_N_*.py; docs/conformance.md says what each proves.
ITEMS = {1: "recorded", 2: "joins", 3: "signing", 4: "clients", 5: "orders", 6: "units", 7: "limits", 8: "account", 9: "cost",
         10: "hostile"}


@dataclass(frozen=True)
class Book:
    """The book at the end of a recording, as an independent script computed it (data/README.md of the recordings)."""

    symbol: str
    msgs: int              # book messages received, REST snapshots not counted
    applied: int           # of these used: the rest were older than the REST snapshot
    levels: tuple[int, int]
    digest: str            # tests.support.market_rig.book_digest
    last_id: int | None = None  # None = the published one is no id of the chain (a time)


@dataclass(frozen=True)
class Recording:
    """Recorded traffic of one market, below shared/data."""

    market: str
    files: tuple[str, ...]
    books: tuple[Book, ...]
    form: str = "cryptofeed"      # or "lines": gzip, `<ns> <frame>`
    address: str = ""             # only frames of connections to an address with this text in it
    snapshot_url: str = ""        # what a REST depth request looks like: a regular expression, group 1 = symbol
    snapshot_text: bytes = b""    # form "lines": how a line that is a REST depth reply begins
    checksum: bytes = b""         # where a book message carries one: a regular expression, group 1 = its digits
    checksums: int = 0            # how many messages carry one
    scales: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # absent = the digits seen
    is_long: bool = False         # only in `make conformance`


@dataclass(frozen=True)
class Trade:
    """A public trade as a plain reader reads it; size as sent."""

    symbol: str
    px: Decimal
    size: Decimal
    is_sell: bool                 # the taker sold


@dataclass(frozen=True)
class Funding:
    """What one message says of a perpetual's funding; None = it does not say."""

    symbol: str
    mark: Decimal | None = None
    rate: Decimal | None = None
    next_ms: int | None = None


@dataclass(frozen=True)
class Scene:
    """A few frames of the venue's documents, and what they make of one instrument."""

    name: str
    market: str
    symbol: str
    steps: tuple[tuple[str, bytes], ...]   # ("frame" | "snapshot", bytes), in the order of arrival
    kinds: tuple[str, ...]                 # what each step is: FRAME_* or SNAPSHOT_* in lower case
    scales: tuple[int, int] = (2, 3)
    contract_size: str = "1"
    bids: tuple[tuple[str, str], ...] | None = None   # the book at the end, base units; None = not asked
    asks: tuple[tuple[str, str], ...] | None = None
    is_valid: bool | None = None           # the record at the end; None = not asked
    trades: tuple[Trade, ...] = ()         # all of them, sizes in base units
    funding: Funding | None = None         # the last one
    ack: tuple[int, int] | None = None     # (request id, error code != 0 as a flag 0|1) of the last acknowledgement


def frame(body: bytes) -> tuple[str, bytes]:
    """A step of a scene: a frame of the stream."""
    return "frame", body


def snapshot(body: bytes) -> tuple[str, bytes]:
    """A step of a scene: the answer to the REST depth request."""
    return "snapshot", body


@dataclass(frozen=True)
class Answer:
    """A REST answer for a client that is given no network: requests whose path and parameters match get `body`."""

    path: str
    body: Any
    params: Mapping[str, str] = field(default_factory=dict)  # those that must be there; others may

    def fits(self, path: str, params: Mapping[str, Any]) -> bool:
        return path.endswith(self.path) and all(str(params.get(key)) == value for key, value in self.params.items())


@dataclass(frozen=True)
class Vector:
    """One signature of the venue's documents, or computed by hand from their rule."""

    name: str
    secret: str
    text: str                     # exactly the bytes that are signed
    signature: str
    form: str = "hex"             # hex, base64, or ed25519 (base64; `secret` is then the seed in hex)


@dataclass(frozen=True)
class Signed:
    """What a plain reader takes out of a request: `text` is what was signed, `signature` what the request carries."""

    text: str
    signature: str


@dataclass(frozen=True)
class Ccxt:
    """How ccxt is used at this venue."""

    id: str                                        # class name
    # (beginning of a real address, role whose address replaces scheme and host, path instead of that beginning's path or "")
    addresses: tuple[tuple[str, str, str], ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict)   # field of ccxt -> field of simex.json's credentials
    symbols: Mapping[str, str] = field(default_factory=dict)       # market -> symbol that is traded
    client_id_param: str = "clientOrderId"
    book_depth: int | None = None                  # limit of watch_order_book
    order_params: Mapping[str, Any] = field(default_factory=dict)
    fetch_order_params: Mapping[str, Any] = field(default_factory=dict)
    websocket_orders: bool = True
    positions: bool = True
    # Where a request carries its signature, for the tampering: names of headers, or of fields in URL or body.
    signature_fields: tuple[str, ...] = ("signature",)
    read_signed: Callable[[dict[str, Any], str], Signed] | None = None  # (request of ccxt, secret) -> what it signs
    read_ws_signed: Callable[[dict[str, Any], str], Signed] | None = None  # (login or order frame) -> what it signs


@dataclass(frozen=True)
class VenueCase:
    """One venue; see the module's docstring."""

    name: str
    markets: tuple[str, ...]
    listing: tuple[Answer, ...]                    # a few instruments with awkward numbers, in the venue's words
    scenes: tuple[Scene, ...]
    recordings: tuple[Recording, ...] = ()
    real_listings: tuple[tuple[str, str, str, Mapping[str, str]], ...] = ()  # (file, regular expression of its url, path, params)
    vectors: tuple[Vector, ...] = ()
    ccxt: Ccxt | None = None
    # plain readers of a market's frame (a JSON value)
    trades: Callable[[str, Any], list[Trade]] = lambda market, told: []
    funding: Callable[[str, Any], Funding | None] = lambda market, told: None
    # market -> levels a side that its book stream holds; absent = all
    depth_levels: Mapping[str, int] = field(default_factory=dict)
    # market -> replies and events about one order: <ID> its request id, <CID> its client id, <SYMBOL>, <CODE> an error code
    order_replies: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    not_offered: Mapping[int | tuple[int, str], str] = field(default_factory=dict)  # item or (item, market) -> why

    def why_not(self, item: int, market: str) -> str:
        """Why this item does not exist here; "" = it does."""
        return self.not_offered.get((item, market), self.not_offered.get(item, ""))


def case_names() -> list[str]:
    """Names of all venues with a case, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(venues.__path__))


def load_case(name: str) -> VenueCase:
    """The case of one venue."""
    case = importlib.import_module(f"tests.conformance.venues.{name}").CASE
    if case.name != name:
        raise ValueError(f"tests/conformance/venues/{name}.py: CASE is named {case.name!r}")
    return case

"""What an importer asks of a venue before any decoder can run: the symbol, digits and update ids of a frame, and what a recorded
listing says of its instruments.

`RecordedVenue` has the names of the feed contract (docs/adding-a-venue.md): a venue that the feeds' registry knows is asked
itself; until then a module recorded_<name>.py of this folder answers, found by its name (`VENUES`: name -> object). A venue that
nobody reads is None: its frames are kept whole, without instruments. Slow and plain on purpose: once for each frame of a
recording; decisions and books never come from here."""
from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl, urlsplit

import tools.replay_lib
from feeds.config import Fees
from feeds.instruments import InstrumentRow, scale_of, split_multiplier, unified_name
from tools.replay_lib.symbols import SeenSymbol, split_symbol

MARKETS = ("spot", "linear")
PREFIX = "recorded_"
BPS = Decimal(10_000)


class Glance(NamedTuple):
    """What a person would read off a frame. Levels are (price, size) texts as sent, of whatever kind the frame is."""
    symbol: str                                # "" = it names none
    levels: tuple[tuple[str, str], ...] = ()
    first_update_id: int = 0                   # depth only; 0 = no depth
    last_update_id: int = 0                    # depth and snapshot
    is_snapshot: bool = False                  # a REST depth reply, or a whole book on the stream


class RecordedVenue(Protocol):
    """The part of FeedVenue that importers use."""

    @property
    def name(self) -> str: ...
    @property
    def markets(self) -> tuple[str, ...]: ...
    @property
    def endpoints(self) -> Mapping[str, Mapping[str, str]]: ...   # mode -> role -> address
    @property
    def fees(self) -> Mapping[str, float]: ...                    # fields of feeds.config.Fees, bps
    @property
    def account(self) -> str: ...
    @property
    def resync(self) -> str: ...                                  # "resubscribe": whole books come on the stream

    def glance(self, market: str, text: bytes) -> Any:
        """A Glance; None = not JSON, or of a shape that the venue never sends."""

    def parse_listing(self, market: str, data: Any, fees: Fees,
                      only: set[str] | None = None) -> tuple[list[InstrumentRow], list[str]]:
        """(rows with id 0, problems) of a reply that lists a market; raises when it lists something else."""


def recorded_venue(name: str) -> RecordedVenue | None:
    """The venue of this name, None when nothing here reads it."""
    return _registered(name) or local_venues().get(name)


def _registered(name: str) -> RecordedVenue | None:
    if importlib.util.find_spec("feeds.registry") is None:
        return None
    registry = importlib.import_module("feeds.registry")
    return registry.feed_venue(name) if name in registry.venue_names() else None


def local_venues() -> dict[str, RecordedVenue]:
    """Those of the modules recorded_*.py of this folder."""
    found: dict[str, RecordedVenue] = {}
    for module in pkgutil.iter_modules(tools.replay_lib.__path__):
        if module.name.startswith(PREFIX):
            found |= importlib.import_module(f"tools.replay_lib.{module.name}").VENUES
    return found


def read_names() -> list[str]:
    """Names of all venues that can be read."""
    names = set(local_venues())
    if importlib.util.find_spec("feeds.registry") is not None:
        names |= set(importlib.import_module("feeds.registry").venue_names())
    return sorted(names)


def unread_text(name: str) -> str:
    """For a person: that nobody reads the venue, and which name was perhaps meant."""
    names = read_names()
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return (f"frames of {name}, which nothing here reads, kept whole without an instrument"
            + (f"; did you mean {near[0]}?" if near else f" (read are {', '.join(names)})"))


# ---------------------------------------------------------------- what an address tells


def words_of(address: str) -> Iterator[str]:
    """Everything in an address that may name a market or a symbol: labels of the host, segments of the path, query values."""
    url = urlsplit(address)
    yield from (url.hostname or "").split(".")
    yield from url.path.split("/")
    yield from (value for _, value in parse_qsl(url.query))


def market_of_address(venue: RecordedVenue | None, address: str) -> str:
    """spot or linear when the address says so: by a word in it, or as one of the venue's own addresses whose role begins with a
    market; "" when it says neither or both."""
    said = {word.lower() for word in words_of(address)} & set(MARKETS)
    if not said and venue is not None:
        host = urlsplit(address).hostname
        said = {role.split("_")[0] for roles in venue.endpoints.values() for role, own in roles.items()
                if host and urlsplit(own).hostname == host}
    return said.pop() if len(said) == 1 and said <= set(MARKETS) else ""


# ---------------------------------------------------------------- rows


def make_listed_row(*, venue: str, market: str, symbol: str, base: str, quote: str, settle: str, tick: Decimal, lot: Decimal,
                    fees: Fees, min_qty: Decimal = Decimal(0), min_notional: Decimal = Decimal(0),
                    contract_size: Decimal = Decimal(1), account: str = "", venue_code: int = 0,
                    status: str = "TRADING") -> InstrumentRow:
    """A checked row. lot, min_qty: base units. Upper bounds are left open: a recording is not traded."""
    underlying, multiplier = split_multiplier(base)
    maker, taker = ((fees.spot_maker_bps, fees.spot_taker_bps) if market == "spot"
                    else (fees.linear_maker_bps, fees.linear_taker_bps))
    zero = Decimal(0)
    row = InstrumentRow(
        id=0, name=unified_name(venue, market, base, quote, settle), venue=venue, market=market, symbol=symbol, base=base,
        quote=quote, settle=settle, underlying=underlying, multiplier=multiplier, contract_size=contract_size,
        px_scale=scale_of(tick), qty_scale=max(scale_of(lot), scale_of(contract_size), scale_of(min_qty)), tick=tick, lot=lot,
        min_qty=min_qty or lot, max_qty=zero, min_notional=min_notional, min_px=zero, max_px=zero,
        maker_fee=Decimal(str(maker)) / BPS, taker_fee=Decimal(str(taker)) / BPS, status=status, account=account,
        venue_code=venue_code)
    row.check()
    return row


def row_from_spelling(venue: RecordedVenue, market: str, symbol: str, digits: SeenSymbol) -> InstrumentRow | None:
    """An instrument as far as its symbol and digits tell; tick and lot are one unit of the last digit seen. None when the symbol
    cannot be named: an unknown quote asset, a dated contract, or a contract whose size only a listing tells."""
    parts: list[str] | tuple[str, ...] | None = re.split(r"[-_/]", symbol)
    if parts is not None and len(parts) == 1:
        parts = split_symbol(symbol)
    elif market != "spot":
        return None
    if parts is None or len(parts) != 2 or not all(part.isascii() and part.isalnum() and not part.isdigit()
                                                      for part in parts):
        return None
    base, quote = parts
    return make_listed_row(venue=venue.name, market=market, symbol=symbol, base=base, quote=quote, settle=quote,
                           tick=Decimal(1).scaleb(-digits.px_scale), lot=Decimal(1).scaleb(-digits.qty_scale),
                           fees=Fees(**dict(venue.fees)), account=venue.account)

"""What an importer asks of a venue before any decoder can run: the symbol, digits and update ids of a frame, and what a recorded
listing says of its instruments.

The venue itself answers (`glance`, `parse_listing` of feeds/venue.py). A venue that nobody reads is None: its frames are kept
whole, without instruments. Slow and plain on purpose: once for each frame of a recording; decisions and books never come from
here."""
from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import parse_qsl, urlsplit

from feeds.config import Fees
from feeds.instruments import MARKETS, InstrumentRow, split_multiplier, unified_name
from feeds.registry import feed_venue, venue_names
from feeds.venue import FeedVenue
from tools.replay_lib.symbols import SeenSymbol, split_symbol

BPS = Decimal(10_000)


def recorded_venue(name: str) -> FeedVenue | None:
    """The venue of this name, None when nothing here reads it."""
    return feed_venue(name) if name in venue_names() else None


def unread_text(name: str) -> str:
    """For a person: that nobody reads the venue, and which name was perhaps meant."""
    names = venue_names()
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


def market_of_address(venue: FeedVenue | None, address: str) -> str:
    """spot or linear when the address says so: by a word in it, or as one of the venue's own addresses whose role names a
    market; "" when it says neither or both."""
    said = {word.lower() for word in words_of(address)} & set(MARKETS)
    if not said and venue is not None:
        host = urlsplit(address).hostname
        said = {market for roles in venue.endpoints.values() for role, own in roles.items()
                if host and urlsplit(own).hostname == host for market in set(role.split("_")) & set(MARKETS)}
    return said.pop() if len(said) == 1 else ""


# ---------------------------------------------------------------- rows


def row_from_spelling(venue: FeedVenue, market: str, symbol: str, digits: SeenSymbol) -> InstrumentRow | None:
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
    return _bare_row(venue, market, symbol, base, quote, digits)


def _bare_row(venue: FeedVenue, market: str, symbol: str, base: str, quote: str, digits: SeenSymbol) -> InstrumentRow:
    """A checked row without bounds; a perpetual is settled in its quote asset."""
    underlying, multiplier = split_multiplier(base)
    fees, zero, lot = Fees(**dict(venue.fees)), Decimal(0), Decimal(1).scaleb(-digits.qty_scale)
    maker, taker = ((fees.spot_maker_bps, fees.spot_taker_bps) if market == "spot"
                    else (fees.linear_maker_bps, fees.linear_taker_bps))
    row = InstrumentRow(
        id=0, name=unified_name(venue.name, market, base, quote, quote), venue=venue.name, market=market, symbol=symbol,
        base=base, quote=quote, settle=quote, underlying=underlying, multiplier=multiplier, contract_size=Decimal(1),
        px_scale=digits.px_scale, qty_scale=digits.qty_scale, tick=Decimal(1).scaleb(-digits.px_scale), lot=lot, min_qty=lot,
        max_qty=zero, min_notional=zero, min_px=zero, max_px=zero, maker_fee=Decimal(str(maker)) / BPS,
        taker_fee=Decimal(str(taker)) / BPS, status="TRADING", account=venue.account)
    row.check()
    return row

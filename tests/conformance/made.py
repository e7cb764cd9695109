"""Instruments and decoders made for a test, of any venue."""
from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cext.instrument import make_instrument_array
from feeds.instruments import InstrumentRow, unified_name
from tests.conformance.case import VenueCase
from tests.conformance.layers import feed_of

if TYPE_CHECKING:
    from cext.decoders.market import MarketDecoder

VALID, CROSSED = 1, 2  # flags of a record


def made_row(case: VenueCase, number: int, market: str, symbol: str, scales: tuple[int, int], contract_size: str = "1",
             venue_code: int = 0) -> InstrumentRow:
    """An instrument with these scales; base and quote are made up from the symbol's letters, nothing here depends on them."""
    base, quote = f"B{number}{symbol[:6].replace('-', '').replace('_', '')}", "USDT"
    tick, lot = Decimal(1).scaleb(-scales[0]), Decimal(1).scaleb(-scales[1])
    return InstrumentRow(
        id=number, name=unified_name(case.name, market, base, quote, quote), venue=case.name, market=market, symbol=symbol,
        base=base, quote=quote, settle=quote, underlying=base, multiplier=1, contract_size=Decimal(contract_size),
        px_scale=scales[0], qty_scale=scales[1], tick=tick, lot=lot, min_qty=lot, max_qty=Decimal(0), min_notional=Decimal(0),
        min_px=Decimal(0), max_px=Decimal(0), maker_fee=Decimal(0), taker_fee=Decimal(0), status="TRADING",
        account=feed_of(case).account, venue_code=venue_code)


def made_decoder(case: VenueCase, market: str, symbols: Mapping[str, tuple[int, int]], contract_size: str = "1") -> MarketDecoder:
    """A decoder of these symbols: {"BTCUSDT": (px_scale, qty_scale)}, rows in their order."""
    rows = [made_row(case, number, market, symbol, scales, contract_size)
            for number, (symbol, scales) in enumerate(symbols.items())]
    return feed_of(case).make_decoder(make_instrument_array(rows), market, range(len(rows)))


def scaled(levels: Any, scales: tuple[int, int]) -> list[tuple[int, int]]:
    """Levels of text as scaled integers; a value that has more digits than the scale is the test's mistake."""
    made = []
    for px, qty in levels:
        pair = Decimal(px).scaleb(scales[0]), Decimal(qty).scaleb(scales[1])
        assert pair == (int(pair[0]), int(pair[1])), (px, qty, scales)
        made.append((int(pair[0]), int(pair[1])))
    return made


def decimals_of(text: str) -> int:
    """Digits behind the point that count."""
    return max(0, -int(Decimal(text).normalize().as_tuple().exponent))

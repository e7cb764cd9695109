"""Instruments of a recording that brought no table: names from the symbol's spelling, scales from the digits seen in the whole
source.

Trailing zeros are no digits (61837.63000000 has two). What cannot be named (unknown quote asset, dated contract) gets no
instrument: its frames are kept, and the importer says so. Called by the importers only."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from feeds.instruments import InstrumentRow, scale_of, split_multiplier, unified_name
from feeds.registry import feed_venue

# Quote assets of Binance by spelling, longest first where one ends another (BUSD before USD).
QUOTES = ("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USDP", "USD1", "AEUR", "EURI", "BIDR", "IDRT", "BVND", "BKRW", "DOGE", "VAI",
          "UST",
          "PAX", "USDS", "USD", "DAI", "EUR", "GBP", "AUD", "BRL", "TRY", "RUB", "UAH", "NGN", "ZAR", "PLN", "RON", "ARS", "JPY",
          "MXN",
          "CZK", "COP", "IDR", "BTC", "ETH", "BNB", "SOL", "XRP", "TRX", "DOT")


def split_symbol(symbol: str) -> tuple[str, str] | None:
    """BTCUSDT -> (BTC, USDT); None when no known quote asset ends it, or when it is a dated contract (BTCUSDT_240927)."""
    for quote in sorted(QUOTES, key=len, reverse=True):
        base = symbol.removesuffix(quote)
        if base != symbol and base and base.isascii() and base.isalnum():
            return base, quote
    return None


def decimals(text: str) -> int:
    """Digits after the point, trailing zeros not counted; ValueError when the text is no plain decimal."""
    whole, _, fraction = text.partition(".")
    if not (whole + fraction).isdecimal():
        raise ValueError(f"{text[:40]!r} is no plain decimal")
    return len(fraction.rstrip("0"))


@dataclass(slots=True)
class SeenSymbol:
    """What a recording shows of one symbol."""
    px_scale: int = 0
    qty_scale: int = 0
    frames: int = 0

    def see(self, levels: Iterable[Any]) -> None:
        """[price, size, ...] pairs as decimal texts; raises when one is none."""
        for level in levels:
            self.px_scale = max(self.px_scale, decimals(level[0]))
            self.qty_scale = max(self.qty_scale, decimals(level[1]))


@dataclass(slots=True)
class SeenSymbols:
    """All symbols of one recording, in order of appearance."""
    by_symbol: dict[str, SeenSymbol] = field(default_factory=dict)

    def of(self, symbol: str) -> SeenSymbol:
        return self.by_symbol.setdefault(symbol, SeenSymbol())


def row_from_digits(venue: str, market: str, symbol: str, seen: SeenSymbol) -> InstrumentRow | None:
    """An instrument as far as digits tell; tick and lot are one unit of the last digit seen. None when the symbol cannot be
    named."""
    parts = split_symbol(symbol)
    if parts is None:
        return None
    base, quote = parts
    return make_row(venue, market, symbol, base, quote, quote, Decimal(1).scaleb(-seen.px_scale),
                    Decimal(1).scaleb(-seen.qty_scale), seen, {})


def row_from_exchange_info(venue: str, market: str, info: dict[str, Any], seen: SeenSymbol) -> InstrumentRow | None:
    """An instrument from the exchangeInfo that the recording holds; digits beyond its ticks widen the scale. None for dated
    contracts."""
    if info.get("contractType", "PERPETUAL") != "PERPETUAL":
        return None
    filters = {entry["filterType"]: entry for entry in info["filters"]}
    tick = Decimal(filters["PRICE_FILTER"]["tickSize"])
    lot = Decimal(filters["LOT_SIZE"]["stepSize"])
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    bounds = {"min_qty": filters["LOT_SIZE"]["minQty"], "min_notional": notional.get("minNotional") or notional.get("notional")
              or "0"}
    quote = info["quoteAsset"]
    return make_row(venue, market, info["symbol"], info["baseAsset"], quote, info.get("marginAsset", quote), tick, lot, seen,
                    {name: Decimal(value) for name, value in bounds.items()})


def make_row(venue: str, market: str, symbol: str, base: str, quote: str, settle: str, tick: Decimal, lot: Decimal,
             seen: SeenSymbol,
             bounds: dict[str, Decimal]) -> InstrumentRow:
    underlying, multiplier = split_multiplier(base)
    px_scale = max(seen.px_scale, scale_of(tick))
    qty_scale = max(seen.qty_scale, scale_of(lot))
    fees = feed_venue(venue).fees  # what an account without volume pays
    maker_fee, taker_fee = (Decimal(str(fees[f"{market}_{side}_bps"])) / 10_000 for side in ("maker", "taker"))
    zero = Decimal(0)
    row = InstrumentRow(
        id=0, name=unified_name(venue, market, base, quote, settle), venue=venue, market=market, symbol=symbol, base=base,
        quote=quote,
        settle=settle, underlying=underlying, multiplier=multiplier, contract_size=Decimal(1), px_scale=px_scale,
        qty_scale=qty_scale,
        tick=tick, lot=lot, min_qty=bounds.get("min_qty", lot), max_qty=zero, min_notional=bounds.get("min_notional", zero),
        min_px=zero,
        max_px=zero, maker_fee=maker_fee, taker_fee=taker_fee, status="TRADING")
    row.check()
    return row

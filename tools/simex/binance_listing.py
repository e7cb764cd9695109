"""Binance: how its instruments look, in synthetic markets and in its own exchangeInfo files (market: capture)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tools.simex.contract import LINEAR, SPOT
from tools.simex.exact import E8, decimals_of, to_scaled
from tools.simex.instrument import Coin, Instrument, Look

WIRE_DIGITS = {SPOT: 8}


def look(coin: Coin, market: str) -> Look:
    if market == SPOT:
        return Look(f"{coin.name}USDT", coin.spot_tick, coin.spot_step, "5")
    return Look(
        f"{coin.name}USDT", coin.perp_tick, coin.perp_step, coin.perp_min_notional, percent_up="1.05", percent_down="0.95"
    )


def reader(venue: str) -> Any:
    """`read_listing` of a venue of this family."""

    def read(market: str, info: Any, fees: tuple[str, str], symbols: list[str] | None) -> list[Instrument]:
        return [
            _of_row(venue, market, row, fees)
            for row in info["symbols"]
            if (symbols is None or row["symbol"] in symbols)
            and not (market == LINEAR and row.get("contractType", "PERPETUAL") != "PERPETUAL")
        ]

    return read


def _of_row(venue: str, market: str, row: dict[str, Any], fees: tuple[str, str]) -> Instrument:
    filters = {f["filterType"]: f for f in row["filters"]}
    price, lot = filters["PRICE_FILTER"], filters["LOT_SIZE"]
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    px_decimals, qty_decimals = decimals_of(price["tickSize"]), decimals_of(lot["stepSize"])
    percent = filters.get("PERCENT_PRICE") or {}
    market_lot = filters.get("MARKET_LOT_SIZE", lot)
    scale_px, scale_qty = 10**px_decimals, 10**qty_decimals
    return Instrument(
        venue=venue,
        market=market,
        symbol=row["symbol"],
        base=row["baseAsset"],
        quote=row["quoteAsset"],
        settle=row.get("marginAsset", row["quoteAsset"]),
        tick_text=price["tickSize"],
        step_text=lot["stepSize"],
        px_decimals=px_decimals,
        qty_decimals=qty_decimals,
        tick=to_scaled(price["tickSize"], px_decimals),
        step=to_scaled(lot["stepSize"], qty_decimals),
        min_px=int(Decimal(price["minPrice"]) * scale_px),
        max_px=int(Decimal(price["maxPrice"]) * scale_px),
        min_qty=int(Decimal(lot["minQty"]) * scale_qty),
        max_qty=int(Decimal(lot["maxQty"]) * scale_qty),
        market_max_qty=int(Decimal(market_lot["maxQty"]) * scale_qty),
        min_notional_e8=int(Decimal(str(notional.get("minNotional", notional.get("notional", "5")))) * E8),
        percent_up=Decimal(str(percent.get("multiplierUp", "5"))),
        percent_down=Decimal(str(percent.get("multiplierDown", "0.2"))),
        maker_fee_e8=to_scaled(fees[0], 8),
        taker_fee_e8=to_scaled(fees[1], 8),
        start_px=0,
        status=row.get("status", "TRADING"),
        wire_digits=WIRE_DIGITS.get(market, 0),
    )

"""Bybit: how its instruments look, and how instruments-info and risk-limit tell them.

Spot and linear have the same symbols.  Linear texts are as long as tick and step are written ("64250.10", "0.100"), spot texts
have no superfluous zeros ("65140", "0.014").  Source: v5 docs market/instrument, market/risk-limit, recorded answers of
2026-08.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tools.simex.contract import LINEAR, SPOT
from tools.simex.exact import E8, decimals_of
from tools.simex.instrument import Coin, Instrument, Look

LEVERAGE_MAX = 100
BAND = "0.05"  # how far a limit price may stand on the wrong side of the market
LAUNCH_MS = 1_584_230_400_000
# Position value up to which (USDT), maintenance and initial margin rate, leverage at most.
RISK_TIERS = (
    ("2000000", "0.005", "0.01", "100.00"),
    ("10000000", "0.01", "0.02", "50.00"),
    ("30000000", "0.025", "0.05", "20.00"),
)


def look(coin: Coin, market: str) -> Look:
    """The same coins as everywhere; spot steps are ten times finer than elsewhere, and one step is the smallest size."""
    up, down = str(1 + Decimal(BAND)), str(1 - Decimal(BAND))
    symbol = f"{coin.name}USDT"
    if market == LINEAR:
        return Look(symbol, coin.perp_tick, coin.perp_step, "5", percent_up=up, percent_down=down)
    tick = "0.1" if coin.name == "BTC" else coin.spot_tick
    room = 8 - decimals_of(tick)
    step = f"{Decimal(coin.spot_step) / 10:f}"
    return Look(symbol, tick, step if decimals_of(step) <= room else coin.spot_step, "5", percent_up=up, percent_down=down)


def plain(value: Decimal) -> str:
    """A number without superfluous zeros."""
    return f"{value.normalize():f}" if value else "0"


def plain_e8(value: int) -> str:
    """An amount with 8 decimals, without superfluous zeros."""
    return plain(Decimal(value) / E8)


def px_text(instrument: Instrument, px: int) -> str:
    """A price as the wire has it."""
    text = instrument.px_text(px)
    return text.rstrip("0").rstrip(".") if instrument.market == SPOT and "." in text else text


def qty_text(instrument: Instrument, qty: int) -> str:
    """A size as the wire has it; 0 is always "0"."""
    if qty == 0:
        return "0"
    return instrument.size_text(qty) if instrument.market == SPOT else instrument.qty_text(qty)


def px_text_e8(instrument: Instrument, px_e8: int) -> str:
    """A price with 8 decimals (a mark, an index) with as many digits as the instrument's prices."""
    digits = instrument.px_digits
    return f"{Decimal(px_e8) / E8:.{digits}f}"


def status_word(instrument: Instrument) -> str:
    return "Trading" if instrument.status == "TRADING" else "Closed"


def describe(i: Instrument, funding_minutes: int) -> dict[str, Any]:
    """A row of instruments-info.  `funding_minutes`: linear."""
    px, qty = i.px_text, i.qty_text
    if i.market == SPOT:
        step = plain(Decimal(i.step_text))
        return {
            "symbolId": i.index + 1,
            "symbol": i.symbol,
            "baseCoin": i.base,
            "quoteCoin": i.quote,
            "innovation": "0",
            "status": status_word(i),
            "marginTrading": "none",
            "stTag": "0",
            "lotSizeFilter": {
                "basePrecision": step,
                "quotePrecision": "0.00000001",
                "minOrderQty": step,
                "maxOrderQty": qty_text(i, i.max_qty),
                "minOrderAmt": plain_e8(i.min_notional_e8),
                "maxOrderAmt": "30000000",
                "maxLimitOrderQty": qty_text(i, i.max_qty),
                "maxMarketOrderQty": qty_text(i, i.market_max_qty),
                "postOnlyMaxLimitOrderSize": qty_text(i, i.max_qty),
            },
            "priceFilter": {"tickSize": px_text(i, i.tick)},
            "riskParameters": {"priceLimitRatioX": BAND, "priceLimitRatioY": BAND},
            "symbolType": "",
        }
    return {
        "symbol": i.symbol,
        "contractType": "LinearPerpetual",
        "status": status_word(i),
        "baseCoin": i.base,
        "quoteCoin": i.quote,
        "launchTime": str(LAUNCH_MS),
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(i.px_digits),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": f"{LEVERAGE_MAX}.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": px(i.min_px), "maxPrice": px(i.max_px), "tickSize": px(i.tick)},
        "lotSizeFilter": {
            "maxOrderQty": qty(i.max_qty),
            "minOrderQty": qty(i.min_qty),
            "qtyStep": qty(i.step),
            "postOnlyMaxOrderQty": qty(i.max_qty),
            "maxMktOrderQty": qty(i.market_max_qty),
            "minNotionalValue": plain_e8(i.min_notional_e8),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": funding_minutes,
        "settleCoin": i.settle,
        "copyTrading": "none",
        "upperFundingRate": "0.005",
        "lowerFundingRate": "-0.005",
        "isPreListing": False,
        "preListingInfo": None,
        "riskParameters": {"priceLimitRatioX": BAND, "priceLimitRatioY": BAND},
        "displayName": "",
        "symbolType": "",
        "forbidUplWithdrawal": False,
        "symbolId": i.index + 1,
    }


def risk_rows(i: Instrument) -> list[dict[str, Any]]:
    """Rows of risk-limit."""
    return [
        {
            "id": number,
            "symbol": i.symbol,
            "riskLimitValue": value,
            "maintenanceMargin": maintenance,
            "initialMargin": initial,
            "isLowestRisk": int(number == 1),
            "maxLeverage": leverage,
            "mmDeduction": "",
        }
        for number, (value, maintenance, initial, leverage) in enumerate(RISK_TIERS, 1)
    ]

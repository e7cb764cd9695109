"""OKX: how its instruments look: symbols, contracts, steps, and the rows of `public/instruments`.

Sizes on the wire are base units on SPOT and contracts on SWAP; a lot is a part of a contract.  Contract values are those that OKX
lists (2026-09), or chosen by price for coins that are made up.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from tools.simex.contract import LINEAR, SPOT
from tools.simex.instrument import Coin, Instrument, Look

INST_TYPES = {SPOT: "SPOT", LINEAR: "SWAP"}
MARKETS_OF = {word: market for market, word in INST_TYPES.items()}
OTHER_TYPES = ("MARGIN", "FUTURES", "OPTION", "EVENTS")  # known to the venue, none are here

# Base units of a contract, and the lot in contracts.
CONTRACTS = {
    "BTC": ("0.01", "0.01"), "ETH": ("0.1", "0.01"), "SOL": ("1", "0.01"), "XRP": ("100", "0.01"), "DOGE": ("1000", "0.01"),
    "BNB": ("0.01", "1"), "ADA": ("100", "0.1"), "TRX": ("1000", "0.01"), "AVAX": ("1", "1"), "LINK": ("1", "0.1"),
    "DOT": ("1", "1"), "LTC": ("1", "0.1"), "BCH": ("0.1", "0.1"), "NEAR": ("10", "0.1"), "UNI": ("1", "1"),
    "ATOM": ("1", "1"), "ETC": ("10", "0.1"), "FIL": ("0.1", "1"), "APT": ("1", "1"), "ARB": ("10", "0.1"), "OP": ("1", "1"),
    "INJ": ("0.1", "1"), "SUI": ("1", "1"), "SEI": ("10", "1"), "TIA": ("1", "1"), "AAVE": ("0.1", "0.1"),
    "XLM": ("100", "1"), "HBAR": ("100", "0.1"),
}  # fmt: skip
# Prices may lie so far on the wrong side of the index (SPOT) or the mark (SWAP).
PERCENT_UP, PERCENT_DOWN = "1.1", "0.9"
MAX_LEVERAGE = "100"
MAX_AMOUNT_USD = 20_000_000
FIRST_CODE = 10_459


def look(coin: Coin, market: str) -> Look:
    if market == SPOT:
        return Look(
            f"{coin.name}-USDT", _plain(coin.spot_tick), _plain(coin.spot_step), percent_up=PERCENT_UP, percent_down=PERCENT_DOWN
        )
    value, lot = CONTRACTS.get(coin.name) or _contract_by_price(coin)
    step = Decimal(value) * Decimal(lot)
    return Look(
        f"{coin.name}-USDT-SWAP",
        _plain(coin.perp_tick),
        _plain(str(step)),
        contract_size=value,
        percent_up=PERCENT_UP,
        percent_down=PERCENT_DOWN,
    )


def _contract_by_price(coin: Coin) -> tuple[str, str]:
    """A power of ten of units, worth 10 to 100 USD; lots of a tenth."""
    exponent = 1 - Decimal(coin.price).adjusted()
    return _plain(str(Decimal(1).scaleb(exponent))), "0.1"


def _plain(text: str) -> str:
    return f"{Decimal(text).normalize():f}"


def give_codes(instruments: Iterable[Instrument]) -> dict[int, Instrument]:
    """instIdCode -> instrument: the number that orders over the websocket name; made up where the table has none."""
    listed = list(instruments)
    codes = {int(i.venue_code): i for i in listed if i.venue_code}
    number = FIRST_CODE
    for instrument in listed:
        if not instrument.venue_code:
            while number in codes:
                number += 1
            instrument.venue_code = str(number)
            codes[number] = instrument
    return codes


def trim(text: str) -> str:
    """Prices, sizes and amounts are written without superfluous zeros."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def family(instrument: Instrument) -> str:
    return f"{instrument.base}-{instrument.quote}"


def state_word(instrument: Instrument) -> str:
    """live, suspend, preopen, ..."""
    return "live" if instrument.status == "TRADING" else instrument.status.lower()


def instrument_row(i: Instrument) -> dict[str, Any]:
    """One row of `public/instruments`."""
    is_swap = i.market == LINEAR
    return {
        "instId": i.symbol,
        "instIdCode": int(i.venue_code),
        "instType": INST_TYPES[i.market],
        "instFamily": family(i) if is_swap else "",
        "uly": family(i) if is_swap else "",
        "baseCcy": "" if is_swap else i.base,
        "quoteCcy": "" if is_swap else i.quote,
        "settleCcy": i.settle if is_swap else "",
        "ctType": "linear" if is_swap else "",
        "ctVal": f"{i.contract_size:f}" if is_swap else "",
        "ctMult": "1" if is_swap else "",
        "ctValCcy": i.base if is_swap else "",
        "tickSz": trim(i.tick_text),
        "lotSz": i.size_text(i.step),
        "minSz": i.size_text(i.min_qty),
        "maxLmtSz": i.size_text(i.max_qty),
        "maxMktSz": i.size_text(i.market_max_qty),
        "maxLmtAmt": str(MAX_AMOUNT_USD),
        "maxMktAmt": "" if is_swap else "1000000",
        "maxTwapSz": i.size_text(i.max_qty),
        "maxIcebergSz": i.size_text(i.max_qty),
        "maxTriggerSz": i.size_text(i.max_qty),
        "maxStopSz": i.size_text(i.market_max_qty),
        "lever": MAX_LEVERAGE if is_swap else "",
        "state": state_word(i),
        "ruleType": "normal",
        "listTime": "1573557408000",
        "expTime": "",
        "contTdSwTime": "",
        "auctionEndTime": "",
        "openType": "",
        "alias": "",
        "stk": "",
        "optType": "",
        "category": "1",
        "groupId": "1",
        "futureSettlement": False,
        "tradeQuoteCcyList": [] if is_swap else [i.quote],
        "upcChg": [],
    }

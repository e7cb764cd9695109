"""What the simulated venue trades: symbols with their ticks, lots, filters and fees.

`make_pairs` builds the synthetic list (a spot and a perpetual for each coin, with ticks and lots like the real ones);
`from_exchange_info` takes the venue's own exchangeInfo instead (external and capture markets).  Prices are ints with
`px_decimals` digits, quantities ints with `qty_decimals`.  Cold code but for `px_text` and `qty_text`, which every frame uses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from tools.simex.exact import E8, decimals_of, format_fixed, to_scaled

SPOT = "spot"
LINEAR = "linear"

_TEXT_CACHE_MAX = 20_000


class Coin(NamedTuple):
    """What the simulated venues trade: the same coins everywhere.  Ticks and steps are Binance's; a venue takes them or has its own."""

    name: str
    price: str  # USD, of the right order, no more
    spot_tick: str
    spot_step: str
    perp_tick: str
    perp_step: str
    perp_min_notional: str


@dataclass(frozen=True, slots=True)
class Look:
    """How one coin's instrument looks at one venue.  All numbers as text; sizes in base units, also where the venue counts contracts."""

    symbol: str
    tick: str
    step: str
    min_notional: str = "0"
    quote: str = "USDT"
    min_qty: str = ""  # "" = one step
    contract_size: str = "1"  # base units of one contract
    venue_code: str = ""  # the number that order entry wants in place of the symbol
    percent_up: str = "5"  # a buy's price at most this times the market's
    percent_down: str = "0.2"


# symbol, price in USD, spot tick, spot step, perp tick, perp step, perp min notional.  Prices are of the right order, no more.
COINS: list[tuple[str, str, str, str, str, str, str]] = [
    ("BTC", "64250", "0.01", "0.00001", "0.10", "0.001", "50"),
    ("ETH", "3120", "0.01", "0.0001", "0.01", "0.001", "20"),
    ("BNB", "605", "0.01", "0.001", "0.010", "0.01", "5"),
    ("SOL", "148", "0.01", "0.001", "0.0100", "0.01", "5"),
    ("XRP", "0.5921", "0.0001", "0.1", "0.0001", "0.1", "5"),
    ("DOGE", "0.12345", "0.00001", "1", "0.000010", "1", "5"),
    ("ADA", "0.4512", "0.0001", "0.1", "0.00010", "1", "5"),
    ("TRX", "0.1344", "0.0001", "0.1", "0.00001", "1", "5"),
    ("AVAX", "27.45", "0.01", "0.01", "0.0010", "1", "5"),
    ("LINK", "13.88", "0.01", "0.01", "0.001", "0.01", "20"),
    ("DOT", "6.122", "0.001", "0.01", "0.001", "0.1", "5"),
    ("LTC", "71.55", "0.01", "0.001", "0.01", "0.001", "20"),
    ("BCH", "352.4", "0.1", "0.001", "0.01", "0.001", "20"),
    ("NEAR", "4.523", "0.001", "0.1", "0.0010", "1", "5"),
    ("UNI", "7.912", "0.001", "0.01", "0.0010", "1", "5"),
    ("ATOM", "6.244", "0.001", "0.01", "0.001", "0.01", "5"),
    ("ETC", "21.33", "0.01", "0.01", "0.001", "0.01", "20"),
    ("FIL", "4.215", "0.001", "0.01", "0.001", "0.1", "5"),
    ("APT", "7.455", "0.001", "0.01", "0.00100", "0.1", "5"),
    ("ARB", "0.7012", "0.0001", "0.1", "0.000100", "0.1", "5"),
    ("OP", "1.522", "0.001", "0.01", "0.0001000", "0.1", "5"),
    ("INJ", "21.87", "0.01", "0.01", "0.001000", "0.1", "5"),
    ("SUI", "1.1234", "0.0001", "0.1", "0.000100", "0.1", "5"),
    ("SEI", "0.3422", "0.0001", "0.1", "0.0001000", "1", "5"),
    ("TIA", "5.812", "0.001", "0.01", "0.0001000", "1", "5"),
    ("AAVE", "98.44", "0.01", "0.001", "0.010", "0.1", "5"),
    ("XLM", "0.1022", "0.0001", "1", "0.00001", "1", "5"),
    ("HBAR", "0.07012", "0.00001", "1", "0.00001", "1", "5"),
    ("ALGO", "0.1355", "0.0001", "1", "0.0001", "0.1", "5"),
    ("VET", "0.02455", "0.00001", "0.1", "0.000010", "1", "5"),
    ("ICP", "8.211", "0.001", "0.01", "0.001000", "1", "5"),
    ("RUNE", "4.022", "0.001", "0.1", "0.0010", "1", "5"),
    ("GRT", "0.1622", "0.0001", "1", "0.00001", "1", "5"),
    ("SAND", "0.2744", "0.0001", "1", "0.00010", "1", "5"),
    ("MANA", "0.2911", "0.0001", "1", "0.0001", "1", "5"),
    ("AXS", "5.033", "0.001", "0.01", "0.00100", "1", "5"),
    ("CRV", "0.2822", "0.0001", "0.1", "0.0001", "0.1", "5"),
    ("LDO", "1.312", "0.001", "0.01", "0.000100", "1", "5"),
    ("MKR", "2412", "1", "0.0001", "0.10", "0.001", "5"),
    ("SNX", "1.455", "0.001", "0.1", "0.0010", "0.1", "5"),
    ("COMP", "48.71", "0.01", "0.001", "0.01", "0.001", "5"),
    ("DYDX", "1.122", "0.001", "0.01", "0.001", "0.1", "5"),
    ("GMX", "27.12", "0.01", "0.001", "0.01", "0.01", "5"),
    ("IMX", "1.241", "0.0001", "0.01", "0.0001", "1", "5"),
    ("STX", "1.533", "0.001", "0.1", "0.0001", "1", "5"),
    ("WLD", "1.744", "0.001", "0.1", "0.0001000", "1", "5"),
    ("FET", "1.211", "0.001", "0.1", "0.0001", "1", "5"),
    ("PENDLE", "3.022", "0.001", "0.1", "0.0001000", "1", "5"),
    ("JUP", "0.9122", "0.0001", "0.1", "0.0001000", "1", "5"),
    ("ORDI", "33.18", "0.01", "0.01", "0.001000", "0.1", "5"),
]


@dataclass(slots=True)
class Instrument:
    """One tradable symbol of one market."""

    market: str
    symbol: str
    base: str
    quote: str
    tick_text: str
    step_text: str
    px_decimals: int
    qty_decimals: int
    tick: int
    step: int
    min_px: int
    max_px: int
    min_qty: int
    max_qty: int
    market_max_qty: int
    min_notional_e8: int
    percent_up: Decimal
    percent_down: Decimal
    maker_fee_e8: int
    taker_fee_e8: int
    start_px: int
    coin_index: int = -1
    status: str = "TRADING"
    px_digits: int = 8
    qty_digits: int = 8
    amount_factor: int = 1
    index: int = -1
    _px_cache: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        spare = 8 - self.px_decimals - self.qty_decimals
        if spare < 0:
            raise ValueError(f"{self.symbol}: tick {self.tick_text} and step {self.step_text} give amounts finer than 8 decimals")
        self.amount_factor = 10**spare
        if self.market == LINEAR:
            self.px_digits = len(self.tick_text.partition(".")[2])
            self.qty_digits = self.qty_decimals

    @property
    def name(self) -> str:
        """Name used by the rest of the project and by the control socket."""
        suffix = f":{self.quote}" if self.market == LINEAR else ""
        return f"binance:{self.base}/{self.quote}{suffix}"

    def px_text(self, px: int) -> str:
        text = self._px_cache.get(px)
        if text is None:
            if len(self._px_cache) >= _TEXT_CACHE_MAX:
                self._px_cache.clear()
            text = self._px_cache[px] = format_fixed(px, self.px_decimals, self.px_digits)
        return text

    def qty_text(self, qty: int) -> str:
        return format_fixed(qty, self.qty_decimals, self.qty_digits)

    def amount_e8(self, px: int, qty: int) -> int:
        """px * qty as money with 8 decimals, exact."""
        return px * qty * self.amount_factor

    def qty_e8(self, qty: int) -> int:
        return qty * 10 ** (8 - self.qty_decimals)


def _make(
    market: str, coin: str, price: str, tick: str, step: str, min_notional: str, fees: tuple[str, str], coin_index: int
) -> Instrument:
    px_decimals, qty_decimals = decimals_of(tick), decimals_of(step)
    tick_int, step_int = to_scaled(tick, px_decimals), to_scaled(step, qty_decimals)
    px = max(tick_int, int(Decimal(price).scaleb(px_decimals)) // tick_int * tick_int)
    max_qty = max(step_int, int(Decimal(30_000_000) / Decimal(price) * 10**qty_decimals) // step_int * step_int)
    return Instrument(
        market=market,
        symbol=f"{coin}USDT",
        base=coin,
        quote="USDT",
        tick_text=tick,
        step_text=step,
        px_decimals=px_decimals,
        qty_decimals=qty_decimals,
        tick=tick_int,
        step=step_int,
        min_px=tick_int,
        max_px=px * 20 // tick_int * tick_int,
        min_qty=step_int,
        max_qty=max_qty,
        market_max_qty=max_qty // 8 // step_int * step_int,
        min_notional_e8=to_scaled(min_notional, 8),
        percent_up=Decimal("5" if market == SPOT else "1.05"),
        percent_down=Decimal("0.2" if market == SPOT else "0.95"),
        maker_fee_e8=to_scaled(fees[0], 8),
        taker_fee_e8=to_scaled(fees[1], 8),
        start_px=px,
        coin_index=coin_index,
    )


def make_pairs(count: int, spot_fees: tuple[str, str], linear_fees: tuple[str, str]) -> list[Instrument]:
    """`count` spot instruments followed by their `count` perpetuals; after the named coins come C051, C052, ..."""
    coins = list(COINS[:count])
    for number in range(len(coins) + 1, count + 1):
        price = Decimal(1 + number * 37 % 97) + Decimal(number * 7919 % 1000) / 1000
        coins.append((f"C{number:03d}", str(price), "0.001", "0.01", "0.0010", "0.1", "5"))
    spot = [_make(SPOT, c[0], c[1], c[2], c[3], "5", spot_fees, i) for i, c in enumerate(coins)]
    linear = [_make(LINEAR, c[0], c[1], c[4], c[5], c[6], linear_fees, i) for i, c in enumerate(coins)]
    return spot + linear


def from_exchange_info(
    market: str, info: dict[str, Any], fees: tuple[str, str], symbols: Iterable[str] | None = None
) -> list[Instrument]:
    """Instruments of the venue's own exchangeInfo reply; symbols whose amounts need more than 8 decimals are left out."""
    wanted = set(symbols) if symbols is not None else None
    found: list[Instrument] = []
    for row in info["symbols"]:
        if wanted is not None and row["symbol"] not in wanted:
            continue
        if market == LINEAR and row.get("contractType", "PERPETUAL") != "PERPETUAL":
            continue
        filters = {f["filterType"]: f for f in row["filters"]}
        price, lot = filters["PRICE_FILTER"], filters["LOT_SIZE"]
        notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
        px_decimals, qty_decimals = decimals_of(price["tickSize"]), decimals_of(lot["stepSize"])
        if px_decimals + qty_decimals > 8:
            continue
        percent = filters.get("PERCENT_PRICE") or {}
        market_lot = filters.get("MARKET_LOT_SIZE", lot)
        scale_px, scale_qty = 10**px_decimals, 10**qty_decimals
        found.append(
            Instrument(
                market=market,
                symbol=row["symbol"],
                base=row["baseAsset"],
                quote=row["quoteAsset"],
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
            )
        )
    return found

"""What the simulated venues trade: symbols with their ticks, lots, filters and fees.

`list_instruments` builds the synthetic list of a venue (a spot and a perpetual for each coin, as the venue's `look` has them);
`from_table` takes an instrument table instead (market: external).  Prices are ints with `px_decimals` digits, quantities ints
with `qty_decimals`, in base units also where the venue counts contracts.  Cold code but for `px_text`, `qty_text` and
`size_text`, which every frame uses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from tools.simex.contract import LINEAR
from tools.simex.exact import E8, decimals_of, format_fixed, is_plain, to_scaled

if TYPE_CHECKING:
    from tools.simex.contract import SimVenue

_TEXT_CACHE_MAX = 20_000


class Coin(NamedTuple):
    """What the simulated venues trade: the same coins everywhere.  Ticks and steps are Binance's; a venue takes them or has its
    own."""

    name: str
    price: str  # USD, of the right order, no more
    spot_tick: str
    spot_step: str
    perp_tick: str
    perp_step: str
    perp_min_notional: str


@dataclass(frozen=True, slots=True)
class Look:
    """How one coin's instrument looks at one venue.  All numbers as text; sizes in base units, also where the venue counts
    contracts."""

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


_NAMED: list[tuple[str, str, str, str, str, str, str]] = [
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
    """One tradable symbol of one market of one venue."""

    venue: str
    market: str
    symbol: str
    base: str
    quote: str
    settle: str  # what a perpetual's profits are paid in; on spot the quote
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
    status: str = "TRADING"  # anything else: no orders
    wire_digits: int = 0  # digits after the point of every price and size on the wire; 0 = as many as tick and step show
    contract_size: Decimal = Decimal(1)
    venue_code: str = ""
    px_digits: int = 0
    qty_digits: int = 0
    index: int = -1  # over all venues of the process
    _amount_factor: int = 1
    _amount_divisor: int = 1
    _px_cache: dict[int, str] = field(default_factory=dict)
    _size_cache: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        spare = 8 - self.px_decimals - self.qty_decimals
        self._amount_factor, self._amount_divisor = 10 ** max(0, spare), 10 ** max(0, -spare)
        self.px_digits = self.wire_digits or max(self.px_decimals, len(self.tick_text.partition(".")[2]))
        self.qty_digits = self.wire_digits or self.qty_decimals

    @property
    def name(self) -> str:
        """Name used by the rest of the project and by the control socket."""
        suffix = f":{self.settle}" if self.market == LINEAR else ""
        return f"{self.venue}:{self.base}/{self.quote}{suffix}"

    def px_text(self, px: int) -> str:
        text = self._px_cache.get(px)
        if text is None:
            if len(self._px_cache) >= _TEXT_CACHE_MAX:
                self._px_cache.clear()
            text = self._px_cache[px] = format_fixed(px, self.px_decimals, self.px_digits)
        return text

    def qty_text(self, qty: int) -> str:
        return format_fixed(qty, self.qty_decimals, self.qty_digits)

    def size_text(self, qty: int) -> str:
        """A quantity as the venue counts it: contracts, without superfluous zeros; base units where a contract is one."""
        text = self._size_cache.get(qty)
        if text is None:
            if len(self._size_cache) >= _TEXT_CACHE_MAX:
                self._size_cache.clear()
            size = Decimal(qty).scaleb(-self.qty_decimals) / self.contract_size
            text = self._size_cache[qty] = f"{size.normalize():f}" if size else "0"
        return text

    def qty_of_size(self, text: str) -> int | None:
        """Inverse of `size_text`; None when the text is no plain number, -1 when it is finer than the instrument's digits."""
        if not is_plain(text):
            return None
        qty = (Decimal(text) * self.contract_size).scaleb(self.qty_decimals)
        return int(qty) if qty == qty.to_integral_value() else -1

    def amount_e8(self, px: int, qty: int) -> int:
        """px * qty as money with 8 decimals: exact, or rounded half up where tick and step need more."""
        if self._amount_divisor == 1:
            return px * qty * self._amount_factor
        return (2 * px * qty + self._amount_divisor) // (2 * self._amount_divisor)

    def qty_e8(self, qty: int) -> int:
        return qty * 10 ** (8 - self.qty_decimals)

    def notional_e8(self, px_e8: int, qty: int) -> int:
        """Value at a price with 8 decimals, such as a mark, rounded down."""
        return px_e8 * qty // 10**self.qty_decimals


def make_coins(count: int) -> list[Coin]:
    """The first `count` coins; after the named ones come C051, C052, ..."""
    coins = [Coin(*row) for row in _NAMED[:count]]
    for number in range(len(coins) + 1, count + 1):
        price = Decimal(1 + number * 37 % 97) + Decimal(number * 7919 % 1000) / 1000
        coins.append(Coin(f"C{number:03d}", str(price), "0.001", "0.01", "0.0010", "0.1", "5"))
    return coins


def _make(sim: SimVenue, market: str, coin: Coin, look: Look, fees: tuple[str, str], coin_index: int) -> Instrument:
    px_decimals, qty_decimals = decimals_of(look.tick), decimals_of(look.step)
    tick, step = to_scaled(look.tick, px_decimals), to_scaled(look.step, qty_decimals)
    px = max(tick, int(Decimal(coin.price).scaleb(px_decimals)) // tick * tick)
    max_qty = max(step, int(Decimal(30_000_000) / Decimal(coin.price) * 10**qty_decimals) // step * step)
    return Instrument(
        venue=sim.name,
        market=market,
        symbol=look.symbol,
        base=coin.name,
        quote=look.quote,
        settle=look.quote,
        tick_text=look.tick,
        step_text=look.step,
        px_decimals=px_decimals,
        qty_decimals=qty_decimals,
        tick=tick,
        step=step,
        min_px=tick,
        max_px=px * 20 // tick * tick,
        min_qty=to_scaled(look.min_qty, qty_decimals) if look.min_qty else step,
        max_qty=max_qty,
        market_max_qty=max_qty // 8 // step * step,
        min_notional_e8=to_scaled(look.min_notional, 8),
        percent_up=Decimal(look.percent_up),
        percent_down=Decimal(look.percent_down),
        maker_fee_e8=to_scaled(fees[0], 8),
        taker_fee_e8=to_scaled(fees[1], 8),
        start_px=px,
        coin_index=coin_index,
        wire_digits=sim.wire_digits.get(market, 0),
        contract_size=Decimal(look.contract_size),
        venue_code=look.venue_code,
    )


def list_instruments(sim: SimVenue, coins: list[Coin], fees: Mapping[str, tuple[str, str]]) -> list[Instrument]:
    """All instruments of a venue, market by market in the order of `sim.markets`, coin by coin."""
    return [
        _make(sim, market, coin, look, fees[market], index)
        for market in sim.markets
        for index, coin in enumerate(coins)
        if (look := sim.look(coin, market)) is not None
    ]


TABLE_FIELDS = (
    "name", "venue", "market", "symbol", "base", "quote", "settle", "contract_size", "px_scale", "qty_scale", "tick", "lot",
    "min_qty", "max_qty", "min_notional", "min_px", "max_px", "maker_fee", "taker_fee", "status",
)  # fmt: skip
NO_BOUND = 1 << 60


def from_table(
    sim: SimVenue, rows: Iterable[Any], fees: Mapping[str, tuple[str, str]] | None = None, where: str = "instrument table"
) -> list[Instrument]:
    """Instruments of a table (decimals as text, sizes in base units, 0 as a maximum = no bound) that belong to the venue and are
    not IDLE.  ValueError names the row and the field that cannot be used."""
    found: list[Instrument] = []
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or not set(TABLE_FIELDS) <= set(row):
            lacks = sorted(set(TABLE_FIELDS) - set(row)) if isinstance(row, dict) else TABLE_FIELDS
            raise ValueError(f"{where}: row {number} lacks {', '.join(lacks)}")
        if row["venue"] != sim.name or row["status"] == "IDLE" or row["market"] not in sim.markets:
            continue
        try:
            found.append(_of_row(sim, row, fees))
        except (ArithmeticError, ValueError, TypeError) as error:
            raise ValueError(f"{where}: {row['name']}: {type(error).__name__}: {error}") from None
    return found


def _of_row(sim: SimVenue, row: Mapping[str, Any], fees: Mapping[str, tuple[str, str]] | None) -> Instrument:
    market, px_decimals, qty_decimals = row["market"], int(row["px_scale"]), int(row["qty_scale"])
    maker, taker = fees[market] if fees else (row["maker_fee"], row["taker_fee"])
    max_qty = to_scaled(row["max_qty"], qty_decimals) or NO_BOUND
    step = to_scaled(row["lot"], qty_decimals)
    return Instrument(
        venue=sim.name,
        market=market,
        symbol=row["symbol"],
        base=row["base"],
        quote=row["quote"],
        settle=row["settle"],
        tick_text=row["tick"],
        step_text=row["lot"],
        px_decimals=px_decimals,
        qty_decimals=qty_decimals,
        tick=to_scaled(row["tick"], px_decimals),
        step=step,
        min_px=to_scaled(row["min_px"], px_decimals),
        max_px=to_scaled(row["max_px"], px_decimals) or NO_BOUND,
        min_qty=to_scaled(row["min_qty"], qty_decimals) or step,
        max_qty=max_qty,
        market_max_qty=max_qty,
        min_notional_e8=int(Decimal(row["min_notional"]) * E8),
        percent_up=Decimal("1.1"),
        percent_down=Decimal("0.9"),
        maker_fee_e8=to_scaled(maker, 8),
        taker_fee_e8=to_scaled(taker, 8),
        start_px=0,
        status=row["status"],
        wire_digits=sim.wire_digits.get(market, 0),
        contract_size=Decimal(row["contract_size"]),
        venue_code=str(row.get("venue_code", "") or ""),
    )

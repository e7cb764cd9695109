"""What every strategy is to the engine: it adds its pairs to the core at start, keeps their parameters fresh between polls, and
can say what a pair is. The C half (cext/detect.pyx, cext/sizing.pyx) decides; no strategy ever sees an order.

`PairStrategy` has what they share: a look at each pair once a second, in turn and bounded; pairs whose quotes differ are switched
off and on by their conversion at once, and pay its cost."""
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from cext.core import PairParams
from engine.strategies.conversions import Conversion

if TYPE_CHECKING:
    from cext.core import Core
    from feeds.instruments import InstrumentRow, InstrumentTable

log = logging.getLogger("lockstep.engine")

LOOK_EVERY_NS = 1_000_000_000   # at each pair
PAIRS_A_REFRESH = 64            # bounds the turn that a refresh takes on the engine's loop; a look takes about 5 us


class PairChoice(NamedTuple):
    """Two rows that hedge each other; `conversion` where their quotes differ."""
    row_a: int
    row_b: int
    conversion: Conversion | None = None


def pair_name(a: "InstrumentRow", b: "InstrumentRow") -> str:
    """Both legs in short: "BTC/USDT binance>bybit" (one symbol, two venues), "BTC/USDT binance>bybit perp" (spot against the
    perpetual of the same name), else both symbols."""
    first, second = a.name.partition(":")[2], b.name.partition(":")[2]
    if first == second:
        return f"{first} {a.venue}>{b.venue}"
    if second == f"{first}:{b.settle}":
        return f"{first} {a.venue}>{b.venue} perp"
    return f"{first} {a.venue}>{second} {b.venue}"


def no_maker(a: "InstrumentRow", b: "InstrumentRow") -> str:
    """Entries take on both legs."""
    return "none"


def cheaper_maker(a: "InstrumentRow", b: "InstrumentRow") -> str:
    """The leg on which resting saves most, so that maker fee there and taker fee on the other are least together."""
    saved_a, saved_b = ((row.taker_fee or 0) - (row.maker_fee or 0) for row in (a, b))
    return "a" if saved_a >= saved_b else "b"


class PairStrategy(ABC):
    name = ""

    def __init__(self, core: "Core", table: "InstrumentTable") -> None:
        self.core = core
        self.rows = table.rows
        self.pairs: list[int] = []                          # indices into the core's pairs
        self._conversions: dict[int, Conversion] = {}       # pair -> what it needs
        self._versions: dict[int, int] = {}                 # pair -> version of it that was published
        self._ready: set[int] = set()                       # pairs whose parameters are known
        self._extra: dict[int, tuple[float, float]] = {}    # pair -> own extra cost, bps by direction
        self._next = 0
        self._looked_mono_ns: int | None = None
        self._owed = 0.0

    # ---------------------------------------------------------------- set-up

    def add_pairs(self, choices: Iterable[PairChoice], params: PairParams, is_wanted: bool,
                  maker_of: "Callable[[InstrumentRow, InstrumentRow], str]" = no_maker) -> None:
        """Gives pairs to the core. What it cannot compute exactly is an error where a person asked for it (`is_wanted`), else it
        is left out and logged. `maker_of`: "a" or "b", the leg on which an order rests, or "none"."""
        for choice in choices:
            maker = maker_of(self.rows[choice.row_a], self.rows[choice.row_b])
            try:
                index = self.core.add_pair(choice.row_a, choice.row_b, replace(params, maker=maker), self.name,
                                           choice.conversion is not None)
            except ValueError as error:
                if is_wanted:
                    raise
                log.warning("%s: pair left out: %s", self.name, error)
                continue
            self.pairs.append(index)
            if choice.conversion is not None:
                self._conversions[index] = choice.conversion

    # ---------------------------------------------------------------- between polls

    def refresh(self, now_mono_ns: int, now_wall_ns: int) -> None:
        """Publish what is due. May be called as often as wanted: each pair is looked at once a second, at most PAIRS_A_REFRESH of
        them in one call."""
        for pair_index, conversion in self._conversions.items():
            if conversion.version != self._versions.get(pair_index):
                self._publish(pair_index)
        elapsed_ns = LOOK_EVERY_NS if self._looked_mono_ns is None else now_mono_ns - self._looked_mono_ns
        self._looked_mono_ns = now_mono_ns
        self._owed = min(float(len(self.pairs)), self._owed + len(self.pairs) * elapsed_ns / LOOK_EVERY_NS)
        for _ in range(min(PAIRS_A_REFRESH, int(self._owed))):
            self._owed -= 1
            self.look_at(self._next, now_mono_ns, now_wall_ns)
            self._next = (self._next + 1) % len(self.pairs)

    @abstractmethod
    def look_at(self, position: int, now_mono_ns: int, now_wall_ns: int) -> None:
        """One pair (`position` in self.pairs): signals noted, parameters published."""

    def set_ready(self, pair_index: int) -> None:
        """Its parameters are known: entries may begin."""
        if pair_index not in self._ready:
            self._ready.add(pair_index)
            self._publish(pair_index)

    def set_extra(self, pair_index: int, forward_bps: float, reverse_bps: float) -> None:
        """What an entry costs beside fees and exit, the conversion not counted."""
        if self._extra.get(pair_index, (0.0, 0.0)) != (forward_bps, reverse_bps):
            self._extra[pair_index] = (forward_bps, reverse_bps)
            self._publish(pair_index)

    def _publish(self, pair_index: int) -> None:
        """Extra cost, and whether entries are on."""
        conversion = self._conversions.get(pair_index)
        cost_bps: float | None = 0.0
        if conversion is not None:
            cost_bps = conversion.cost_bps
            self._versions[pair_index] = conversion.version
        is_ready = pair_index in self._ready
        if cost_bps is None:
            self.core.set_enabled(pair_index, False, "DEPEG")
            return
        forward_bps, reverse_bps = self._extra.get(pair_index, (0.0, 0.0))
        self.core.set_extra_cost(pair_index, forward_bps + cost_bps, reverse_bps + cost_bps)
        self.core.set_enabled(pair_index, is_ready)

    # ---------------------------------------------------------------- looking

    def describe(self, pair_index: int) -> str:
        """The pair in short, both legs visible."""
        row_a, row_b = self.core.pairs()[pair_index]
        return pair_name(self.rows[row_a], self.rows[row_b])

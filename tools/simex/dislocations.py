"""Dislocations: one book jumps away from another of the same coin for a while, by enough to pay takers, and returns.

Same venue: spot against the venue's own perpetual; cross venue: any book against one of another venue.  The jump goes through the
same calls as ordinary traffic, so customers see ordinary updates.  What starts and ends is told as records
(simex_dislocations.jsonl); a start is told when its first frame has left, or when there is none to wait for.  Sans-I/O; driven by
the market.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tools.simex.contract import LINEAR, SPOT
from tools.simex.exact import E8
from tools.simex.instrument import Instrument
from tools.simex.ledger import Fill, Order

if TYPE_CHECKING:
    from tools.simex.market import SyntheticMarket

SAME, CROSS = "same_venue", "cross_venue"
NEVER_MS = 3_600_000.0
FIRST_FRAME_NS = 250_000_000  # a start whose first frame did not leave so long after is told without

Pair = tuple[Instrument, Instrument]


@dataclass(slots=True)
class Dislocation:
    """One planted jump of one book away from its counterpart."""

    number: int
    instrument: Instrument
    counterpart: Instrument
    shift_bps: float
    start_mono_ns: int
    until_mono_ns: int
    wall_ns: int
    planted: str  # "market" or "command"
    is_taken: bool = False
    taken_mono_ns: int = 0
    record: dict[str, Any] | None = None  # the start, not told yet


class Dislocations:
    """All of one market."""

    def __init__(self, market: SyntheticMarket) -> None:
        self.market = market
        self.options = market.options
        self.is_on = self.options.dislocations_per_s > 0
        self.active: dict[int, Dislocation] = {}  # by the instrument that jumped
        self.planted_count = 0
        self.taken_count = 0
        self.records: list[dict[str, Any]] = []
        self.on_record: Callable[[dict[str, Any]], None] | None = None
        by_coin: dict[int, list[Instrument]] = {}
        for instrument in market.instruments:
            by_coin.setdefault(instrument.coin_index, []).append(instrument)
        self.pairs: dict[str, list[Pair]] = {SAME: [], CROSS: []}
        for books in by_coin.values():
            for number, a in enumerate(books):
                for b in books[number + 1 :]:
                    if a.venue != b.venue or a.market != b.market:
                        # Spot first, so that "premium" means the same for every pair that has a perpetual.
                        pair = (a, b) if a.market == SPOT or b.market == LINEAR else (b, a)
                        self.pairs[SAME if a.venue == b.venue else CROSS].append(pair)
        self.coins = {coin: [i.index for i in books] for coin, books in by_coin.items()}
        self._recent: list[int] = []
        self._next_ns = 0
        self._untold: list[Dislocation] = []
        for venue in market.venues:
            venue.fill_watchers.append(self.on_fill)

    # ---- time --------------------------------------------------------------------------------------

    def schedule(self, now_ns: int) -> None:
        """Draw when the next one is due."""
        if self.is_on and self.options.dislocations_per_s > 0:
            self._next_ns = now_ns + int(self.market.rng.exponential(1.0 / self.options.dislocations_per_s) * 1e9)

    def step(self, now_ns: int, now_ms: int) -> None:
        """End and start what is due."""
        if self._untold:
            self._tell_starts(now_ns)
        if self.active:
            for dislocation in list(self.active.values()):
                if now_ns >= dislocation.until_mono_ns:
                    self.end(dislocation, now_ms)
        if self.is_on and now_ns >= self._next_ns:
            self.schedule(now_ns)
            self.plant(now_ns, now_ms)

    # ---- planting ----------------------------------------------------------------------------------

    def _free_pair(self) -> Pair | None:
        """A random pair of a coin that is not dislocated and was not lately."""
        rng, wanted = self.market.rng, self.options.dislocation_kind
        kinds = [kind for kind, pairs in self.pairs.items() if pairs and wanted in (kind, "any")]
        if not kinds:
            return None
        kind = kinds[int(rng.integers(len(kinds)))] if len(kinds) > 1 else kinds[0]
        free = {
            coin for coin, books in self.coins.items() if coin not in self._recent and not any(i in self.active for i in books)
        }
        pairs = [pair for pair in self.pairs[kind] if pair[0].coin_index in free]
        if not pairs:
            return None
        pair = pairs[int(rng.integers(len(pairs)))]
        if len(self.coins) >= 4:
            self._recent = [*self._recent, pair[0].coin_index][-(len(self.coins) // 4) :]
        return pair

    def shift_needed(self, moved: Instrument, other: Instrument, net_bps: float, sign: float) -> float:
        """Jump, as a fraction, after which takers earn `net_bps` beyond fees and spreads: on a round trip with a perpetual in it,
        or one way between two spot books, where what the books stand apart already counts too."""
        fees = (moved.taker_fee_e8 + other.taker_fee_e8) / E8
        spreads = 0.0
        for instrument in (moved, other):
            top = self.market.books[instrument.index].top()
            if top is not None:
                spreads += (top[2] - top[0]) / top[0]
        if moved.market == SPOT and other.market == SPOT:
            apart = self.market.price(other) / self.market.price(moved) - 1.0
            return fees + spreads + net_bps * 1e-4 + sign * apart
        return 2 * fees + 2 * spreads + net_bps * 1e-4

    def plant(
        self,
        now_ns: int,
        now_ms: int,
        pair: Pair | None = None,
        net_bps: float | None = None,
        duration_ms: float | None = None,
        leg: str | None = None,
        direction: str | None = None,
    ) -> Dislocation | None:
        """Shift one book of a pair now; None when no pair is free.

        pair: the market's choice when None.  leg: the market whose book jumps; with two books of one market the second of the
        pair jumps.  direction: premium = the perpetual, or the one that jumps of two alike, becomes dear."""
        options, rng = self.options, self.market.rng
        pair = pair or self._free_pair()
        if pair is None:
            return None
        leg, direction = leg or options.dislocation_leg, direction or options.dislocation_direction
        if leg == "both":
            leg = LINEAR if rng.random() < 0.5 else SPOT
        if direction == "both":
            direction = "premium" if rng.random() < 0.5 else "discount"
        is_alike = pair[0].market == pair[1].market
        if is_alike and net_bps is None and rng.random() < 0.5:
            pair = (pair[1], pair[0])
        moved, other = pair if not is_alike and leg == pair[0].market else (pair[1], pair[0])
        if moved.index in self.active:
            return None
        sign = 1.0 if (is_alike or moved.market == LINEAR) == (direction == "premium") else -1.0
        amount = self.shift_needed(moved, other, options.dislocation_bps if net_bps is None else net_bps, sign)
        self.planted_count += 1
        lasting = options.dislocation_ms if duration_ms is None else duration_ms
        if options.dislocation_end == "taken" and duration_ms is None:
            lasting = NEVER_MS
        dislocation = Dislocation(
            self.planted_count,
            moved,
            other,
            sign * amount * 1e4,
            now_ns,
            now_ns + int(lasting * 1e6),
            self.market.clock.wall_ms() * 1_000_000,
            "market" if net_bps is None else "command",
        )
        self.active[moved.index] = dislocation
        self.market.shift[moved.index] = sign * amount
        hub = self.market.hubs[moved.index]
        hub.noted[moved.index] = 0
        self._move(moved, now_ms, self._planted_qty(moved))
        top = self.market.books[moved.index].top()
        dislocation.record = {
            "event": "start",
            "number": dislocation.number,
            "kind": SAME if moved.venue == other.venue else CROSS,
            "venue": moved.venue,
            "instrument": moved.name,
            "counterpart": other.name,
            "market": moved.market,
            "symbol": moved.symbol,
            "pair": [pair[0].name, pair[1].name],
            "direction": direction,
            "shift_bps": round(dislocation.shift_bps, 4),
            "sent_mono_ns": 0,
            "mono_ns": self.market.clock.mono_ns(),
            "wall_ns": dislocation.wall_ns,
            "bid": moved.px_text(top[0]) if top else None,
            "ask": moved.px_text(top[2]) if top else None,
        }
        self._untold.append(dislocation)
        self._tell_starts(now_ns)
        return dislocation

    def _planted_qty(self, instrument: Instrument) -> int:
        wanted = self.options.dislocation_usd / self.market.price(instrument) * 10**instrument.qty_decimals
        return max(instrument.step, int(wanted) // instrument.step * instrument.step)

    def _move(self, instrument: Instrument, now_ms: int, touch_qty: int | None) -> None:
        """Bring the book to its target and show it: streams without a period at once, the others in their turn."""
        market, index = self.market, instrument.index
        book = market.books[index]
        bid, ask = market.target(instrument)
        market.set_top(index, bid, ask)
        if touch_qty is not None:
            for is_bid, px in ((True, bid), (False, ask)):
                book.set_market(is_bid, px, touch_qty)
        market.hubs[index].book_changed(book, now_ms)
        market.venue_of[index].settle()

    def end(self, dislocation: Dislocation, now_ms: int) -> None:
        """The basis returns."""
        instrument = dislocation.instrument
        self._tell_start(dislocation)
        del self.active[instrument.index]
        self.market.shift[instrument.index] = 0.0
        self._move(instrument, now_ms, None)
        self._record(
            {
                "event": "end",
                "number": dislocation.number,
                "instrument": instrument.name,
                "is_taken": dislocation.is_taken,
                "taken_mono_ns": dislocation.taken_mono_ns,
                "mono_ns": self.market.clock.mono_ns(),
            }
        )

    def on_fill(self, instrument: Instrument, order: Order, fill: Fill) -> None:
        """An account took from a dislocated book: remember it, and let the basis return soon if so configured."""
        dislocation = self.active.get(instrument.index)
        if dislocation is None or fill.is_maker or dislocation.is_taken:
            return
        dislocation.is_taken = True
        dislocation.taken_mono_ns = self.market.clock.mono_ns()
        self.taken_count += 1
        if self.options.dislocation_end in ("taken", "either"):
            dislocation.until_mono_ns = dislocation.taken_mono_ns + int(self.options.dislocation_after_take_ms * 1e6)

    # ---- telling -----------------------------------------------------------------------------------

    def _tell_starts(self, now_ns: int) -> None:
        for dislocation in list(self._untold):
            index = dislocation.instrument.index
            hub = self.market.hubs[index]
            if hub.noted[index] or now_ns - dislocation.start_mono_ns > FIRST_FRAME_NS or not hub.hears(dislocation.instrument):
                self._tell_start(dislocation)

    def _tell_start(self, dislocation: Dislocation) -> None:
        record, index = dislocation.record, dislocation.instrument.index
        if record is None:
            return
        dislocation.record = None
        self._untold.remove(dislocation)
        record["sent_mono_ns"] = self.market.hubs[index].noted.pop(index, 0)
        self._record(record)

    def _record(self, record: dict[str, Any]) -> None:
        if self.on_record is not None:
            self.on_record(record)
        else:
            self.records.append(record)

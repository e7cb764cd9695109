"""The synthetic market: seeded prices, ordinary traffic, planted dislocations.

Coins walk together (one common factor and their own noise, both pulled back to the start price so that days do not drift); the
perpetual stands a few slowly moving basis points from spot.  Ordinary traffic touches the top of a randomly picked instrument,
sometimes moves it by ticks.  A dislocation shifts one book of a pair for a while through the same calls, so customers see an
ordinary update; then the basis returns.  Sans-I/O: `step(now)` is called every couple of milliseconds, or by a test with its
own time.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tools.simex.book import Book
from tools.simex.exact import E8
from tools.simex.instrument import LINEAR, SPOT, Instrument
from tools.simex.ledger import Fill, Order
from tools.simex.venue import Venue

STEP_NS = 2_000_000
WALK_NS = 20_000_000  # how often mids move
DRAWS = 1 << 16  # length of the precomputed random sequences
LEVELS_MIN = 60
LEVELS_MAX = 140
NEAR_LEVELS = 20  # levels rebuilt behind a top that jumped
DEPTH_SLOTS = 50  # depth events of a market are spread over their 100 ms
EIGHT_HOURS_MS = 8 * 3600 * 1000


@dataclass(slots=True)
class FundingState:
    """Funding of one perpetual."""

    rate_e8: int
    next_ms: int
    interval_hours: int = 8
    interval_ms: int = EIGHT_HOURS_MS
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Dislocation:
    """One planted jump of one book away from its pair."""

    number: int
    instrument: Instrument
    shift_bps: float
    start_mono_ns: int
    until_mono_ns: int
    wall_ns: int
    planted: str  # "market" or "command"
    is_taken: bool = False
    taken_mono_ns: int = 0


@dataclass(slots=True)
class MarketOptions:
    """What `simex:` of the config says about the market."""

    seed: int = 1
    background_msgs_per_s: float = 1500.0
    dislocations_per_s: float = 1.0
    dislocation_bps: float = 20.0  # what a round trip earns beyond all taker fees and spreads
    dislocation_ms: float = 400.0
    dislocation_end: str = "either"  # time | taken | either
    dislocation_after_take_ms: float = 25.0
    dislocation_leg: str = "both"  # linear | spot | both
    dislocation_direction: str = "premium"  # premium: perpetual dear; discount: perpetual cheap; both
    dislocation_usd: float = 60_000.0  # size planted at the touch
    level_usd: float = 20_000.0
    volatility_bps_per_s: float = 0.8
    funding_interval_s: float = 28_800.0


class SyntheticMarket:
    """Moves the books of a venue."""

    def __init__(self, venue: Venue, options: MarketOptions) -> None:
        self.venue = venue
        self.options = options
        rng = np.random.default_rng(options.seed)
        self._rng = rng
        instruments = venue.instruments
        coins = sorted({i.coin_index for i in instruments})
        self.coin_count = len(coins)
        self.pairs: list[tuple[Instrument, Instrument]] = []
        for coin in coins:
            legs = {i.market: i for i in instruments if i.coin_index == coin}
            if SPOT in legs and LINEAR in legs:
                self.pairs.append((legs[SPOT], legs[LINEAR]))
        spots = {i.coin_index: i for i in instruments if i.market == SPOT}
        # Common walk of all coins, each coin's own part, slow basis: floats, since only ticks of them reach a book.
        self._start_px = np.array([spots[c].start_px / 10 ** spots[c].px_decimals for c in coins])
        self._beta = rng.uniform(0.6, 1.4, self.coin_count)
        self._common = 0.0
        self._own = np.zeros(self.coin_count)
        self._basis = rng.normal(0.0, 2e-4, self.coin_count)
        self._basis_mean = self._basis.copy()
        self._walk_draws = rng.standard_normal((2048, self.coin_count + 1))
        self._walk_index = 0
        self.fair: list[float] = []
        self.fair_perp: list[float] = []
        # A few symbols are busy, most are not; the first coins are the busy ones on both markets.
        busy = np.sort(rng.pareto(1.6, self.coin_count) + 0.5)[::-1]
        weights = np.array([busy[i.coin_index] for i in instruments])
        weights /= weights.sum()
        self._pick = rng.choice(len(instruments), DRAWS, p=weights).tolist()
        self._uniform = rng.random(DRAWS).tolist()
        self._size = np.exp(rng.normal(0.0, 0.8, DRAWS)).tolist()
        self._cursor = 0
        # Bursts: most steps see little, a few see much; scaled below to the wanted mean.
        burst = rng.pareto(1.8, 4096) * (rng.random(4096) < 0.35)
        self._burst = (burst / burst.mean()).tolist()
        self._burst_index = 0
        self._owed = 0.0
        self._offsets = self._level_offsets(rng)
        self.shift: list[float] = [0.0] * len(instruments)
        self.is_quiet = False
        self.dislocations_on = options.dislocations_per_s > 0
        self.active: dict[int, Dislocation] = {}
        self.planted_count = 0
        self.taken_count = 0
        self.records: list[dict[str, Any]] = []
        self.on_record: Callable[[dict[str, Any]], None] | None = None
        self._recent_pairs: list[int] = []
        self._books: list[Book] = [venue.books[i.market][i.symbol] for i in instruments]
        self._unit: list[float] = []
        self._next_walk_ns = 0
        self._next_step_ns = 0
        self._next_dislocation_ns = 0
        self._slot = 0
        self._round = 0
        self._next_slot_ns = 0
        self._next_second_ns = 0
        self._event_share = 0.6
        self._last_rate_check_ns = 0
        self._last_built = 0
        venue.fill_watchers.append(self.on_fill)

    # ---- building the books ----------------------------------------------------------------------

    @staticmethod
    def _level_offsets(rng: np.random.Generator) -> list[list[int]]:
        """A few cumulative patterns of level distances in ticks: dense at the touch, thinner behind."""
        patterns = []
        for _ in range(16):
            gaps = 1 + rng.poisson(np.linspace(0.3, 6.0, LEVELS_MAX))
            patterns.append([0, *np.cumsum(gaps).tolist()])
        return patterns

    def start(self, now_ns: int) -> None:
        """Fill all books and set marks and funding; nothing is published yet."""
        self._walk(0.0)
        now_ms = self.venue.clock.wall_ms()
        for instrument in self.venue.instruments:
            price = self._price(instrument)
            base = self.options.level_usd / price * 10**instrument.qty_decimals
            self._unit.append(base)
            bid, ask = self._target(instrument)
            self._set_top(instrument.index, bid, ask, LEVELS_MIN + 20)
            if instrument.market == LINEAR:
                interval_ms = int(self.options.funding_interval_s * 1000)
                rate = int(self._rng.normal(0.0001, 0.00005) * E8)
                self.venue.funding[instrument.symbol] = FundingState(
                    rate, (now_ms // interval_ms + 1) * interval_ms, max(1, interval_ms // 3_600_000), interval_ms
                )
        for book in self._books:
            book.shown_top = book.top()
        self._next_walk_ns = now_ns + WALK_NS
        self._next_step_ns = now_ns
        self._next_slot_ns = now_ns
        self._next_second_ns = now_ns + 1_000_000_000
        self._last_rate_check_ns = now_ns
        self._schedule_dislocation(now_ns)

    def _price(self, instrument: Instrument) -> float:
        fair = self.fair if instrument.market == SPOT else self.fair_perp
        return fair[instrument.coin_index] * (1.0 + self.shift[instrument.index])

    def _target(self, instrument: Instrument) -> tuple[int, int]:
        """Best bid and ask (scaled ints on the tick grid) around the fair price."""
        ticks = self._price(instrument) * 10**instrument.px_decimals / instrument.tick
        spread = 1 if instrument.market == LINEAR or ticks < 20_000 else 2
        bid = math.floor(ticks - spread / 2 + 0.5)
        return bid * instrument.tick, (bid + spread) * instrument.tick

    def _draw_qty(self, index: int) -> int:
        self._cursor = (self._cursor + 1) & (DRAWS - 1)
        step = self.venue.instruments[index].step
        return max(1, int(self._unit[index] * self._size[self._cursor] / step)) * step

    def _set_top(self, index: int, bid: int, ask: int, near: int = NEAR_LEVELS) -> None:
        """Move the market's best prices there: what is in between goes, what is missing comes, the far end stays bounded."""
        instrument = self.venue.instruments[index]
        book = self._books[index]
        now_ms = 0
        if book.own_bids or book.own_asks:
            now_ms = self.venue.clock.wall_ms()
            self.venue.matcher.match_resting(instrument, True, ask, now_ms)
            self.venue.matcher.match_resting(instrument, False, bid, now_ms)
        self._clear_beyond(book, False, ask)
        self._clear_beyond(book, True, bid)
        self._fill_side(index, book, True, bid, near)
        self._fill_side(index, book, False, ask, near)

    @staticmethod
    def _clear_beyond(book: Book, is_bid: bool, px: int) -> None:
        prices = book.bid_prices if is_bid else book.ask_prices
        gone = prices[bisect_left(prices, px + 1) :] if is_bid else prices[: bisect_left(prices, px)]
        for price in gone:
            book.set_market(is_bid, price, 0)

    def _fill_side(self, index: int, book: Book, is_bid: bool, px: int, near: int) -> None:
        instrument = self.venue.instruments[index]
        prices = book.bid_prices if is_bid else book.ask_prices
        tick = -instrument.tick if is_bid else instrument.tick
        old = (prices[-1] if is_bid else prices[0]) if prices else None
        own = book.own_bids if is_bid else book.own_asks
        levels = book.bids if is_bid else book.asks
        if px not in levels or levels[px] == own.get(px):
            book.set_market(is_bid, px, self._draw_qty(index))
            for offset in self._offsets[self._cursor & 15][1:near]:
                price = px + offset * tick
                if price <= 0 or (old is not None and (price <= old if is_bid else price >= old)):
                    break
                book.set_market(is_bid, price, self._draw_qty(index))
        if len(prices) < LEVELS_MIN and prices:
            far = prices[0] if is_bid else prices[-1]
            for step in range(1, LEVELS_MIN - len(prices) + 4):
                price = far + 4 * step * tick
                if price > 0:
                    book.set_market(is_bid, price, self._draw_qty(index))
        elif len(prices) > LEVELS_MAX:
            for price in prices[:8] if is_bid else prices[-8:]:
                book.set_market(is_bid, price, 0)

    # ---- the passing of time ---------------------------------------------------------------------

    def step(self, now_ns: int) -> None:
        """Everything that is due until now."""
        if now_ns >= self._next_walk_ns:
            self._walk(WALK_NS / 1e9)
            self._next_walk_ns = max(self._next_walk_ns + WALK_NS, now_ns - WALK_NS)
        now_ms = self.venue.clock.wall_ms()
        if self.active:
            self._end_dislocations(now_ns, now_ms)
        if self.dislocations_on and now_ns >= self._next_dislocation_ns:
            self._schedule_dislocation(now_ns)
            self.plant(now_ns, now_ms)
        if not self.is_quiet:
            self._background(now_ns, now_ms)
        if now_ns >= self._next_slot_ns:
            self._flush_slots(now_ns, now_ms)
        if now_ns >= self._next_second_ns:
            self._next_second_ns += 1_000_000_000
            self._every_second(now_ms)

    def _walk(self, dt_s: float) -> None:
        draws = self._walk_draws[self._walk_index & 2047]
        self._walk_index += 1
        if self._walk_index & 2047 == 0:
            self._walk_draws = self._rng.standard_normal(self._walk_draws.shape)
        volatility = self.options.volatility_bps_per_s * 1e-4 * math.sqrt(dt_s)
        self._common += 0.7 * volatility * draws[0] - self._common * dt_s / 3600
        self._own += 0.7 * volatility * draws[1:] - self._own * (dt_s / 3600)
        self._basis += (self._basis_mean - self._basis) * (dt_s / 60) + 0.1 * volatility * draws[:-1]
        fair = self._start_px * np.exp(self._beta * self._common + self._own)
        self.fair = fair.tolist()
        self.fair_perp = (fair * (1.0 + self._basis)).tolist()

    def _background(self, now_ns: int, now_ms: int) -> None:
        self._burst_index = (self._burst_index + 1) & 4095
        elapsed_s = min(0.05, max(0, now_ns - self._next_step_ns + STEP_NS) / 1e9)
        self._next_step_ns = now_ns + STEP_NS
        self._owed += self.options.background_msgs_per_s * self._event_share * elapsed_s * self._burst[self._burst_index]
        count = int(self._owed)
        if count <= 0:
            return
        self._owed -= count
        instruments, books, uniform = self.venue.instruments, self._books, self._uniform
        for _ in range(min(count, 400)):
            self._cursor = cursor = (self._cursor + 1) & (DRAWS - 1)
            index = self._pick[cursor]
            instrument = instruments[index]
            book = books[index]
            bid, ask = self._target(instrument)
            dice = uniform[cursor]
            if book.best_bid() != bid or book.best_ask() != ask:
                self._set_top(index, bid, ask)
            else:
                is_bid = dice < 0.5
                px = bid if is_bid else ask
                own = (book.own_bids if is_bid else book.own_asks).get(px, 0)
                qty = self._draw_qty(index)
                if qty + own == (book.bids if is_bid else book.asks).get(px):
                    qty += instrument.step
                book.set_market(is_bid, px, qty)
            if dice > 0.6:
                self._touch_depth(index, book, dice)
            data = self.venue.data[instrument.market]
            data.top_changed(book, now_ms)
            data.realtime_depth(book, now_ms)
            if dice < 0.04:
                self._print_trade(instrument, book, dice < 0.02, now_ms)

    def _touch_depth(self, index: int, book: Book, dice: float) -> None:
        """One level behind the top gets another size."""
        is_bid = dice > 0.8
        prices = book.bid_prices if is_bid else book.ask_prices
        if len(prices) > 12:
            place = 1 + int(dice * 1000) % 11
            book.set_market(is_bid, prices[-1 - place] if is_bid else prices[place], self._draw_qty(index))

    def _print_trade(self, instrument: Instrument, book: Book, is_buy: bool, now_ms: int) -> None:
        """A trade between others at the touch."""
        top = book.top()
        if top is not None:
            trade_id = self.venue.matcher.take_trade_id(instrument)
            self.venue.data[instrument.market].trade(
                instrument, top[2] if is_buy else top[0], self._draw_qty(instrument.index), not is_buy, trade_id, now_ms
            )

    def _flush_slots(self, now_ns: int, now_ms: int) -> None:
        slot_ns = 100_000_000 // DEPTH_SLOTS
        for _ in range(DEPTH_SLOTS):
            if now_ns < self._next_slot_ns:
                return
            self._next_slot_ns += slot_ns
            for market in (SPOT, LINEAR):
                data = self.venue.data[market]
                for stream in list(data.streams.values()):
                    if stream.period_ms <= 0 or stream.instrument.index % DEPTH_SLOTS != self._slot:
                        continue
                    if stream.period_ms > 100 and (self._round * 100) % stream.period_ms >= 100:
                        continue
                    if stream.kind == "depth":
                        data.flush_depth(stream, now_ms)
                    elif stream.kind == "partial":
                        data.flush_partial(stream, now_ms)
                    elif stream.kind == "markPrice":
                        data.publish(stream, self._mark_payload(stream.instrument, now_ms))
            self._slot += 1
            if self._slot == DEPTH_SLOTS:
                self._slot = 0
                self._round += 1
        # Far behind (a stopped process): start over from now instead of sending a storm.
        self._next_slot_ns = max(self._next_slot_ns, now_ns)

    def _mark_payload(self, instrument: Instrument, now_ms: int) -> bytes:
        symbol = instrument.symbol
        mark = self.venue.matcher.mark_px_e8[symbol]
        index_px = self.venue.index_px_e8[symbol]
        funding = self.venue.funding[symbol]
        text = f"{mark // E8}.{mark % E8:08d}"
        index_text = f"{index_px // E8}.{index_px % E8:08d}"
        sign = "-" if funding.rate_e8 < 0 else ""
        rate = abs(funding.rate_e8)
        return (
            f'{{"e":"markPriceUpdate","E":{now_ms},"s":"{symbol}","p":"{text}","ap":"{text}","i":"{index_text}","P":"{text}",'
            f'"r":"{sign}{rate // E8}.{rate % E8:08d}","T":{funding.next_ms}}}'
        ).encode()

    def _every_second(self, now_ms: int) -> None:
        self.set_marks()
        for symbol, funding in self.venue.funding.items():
            if now_ms >= funding.next_ms:
                self.pay_funding(symbol, now_ms)
        self.venue.expire_old_listen_keys()

    def set_marks(self) -> None:
        """Mark and index follow the fair prices, never a dislocation."""
        marks, indices = self.venue.matcher.mark_px_e8, self.venue.index_px_e8
        for spot, perp in self.pairs:
            marks[perp.symbol] = round(self.fair_perp[perp.coin_index] * E8)
            indices[perp.symbol] = round(self.fair[spot.coin_index] * E8)
            if spot.base == "BNB":
                self.venue.matcher.bnb_px_e8 = indices[perp.symbol]

    def pay_funding(self, symbol: str, now_ms: int) -> None:
        """Settle one funding interval of a perpetual for all accounts and draw the next rate."""
        funding = self.venue.funding[symbol]
        instrument = self.venue.by_symbol[LINEAR][symbol]
        for account in self.venue.accounts.values():
            self.venue.matcher.pay_funding(account, instrument, funding.rate_e8, now_ms)
        mark = self.venue.matcher.mark_px_e8[symbol]
        funding.history.append(
            {
                "symbol": symbol,
                "fundingRate": f"{funding.rate_e8 / E8:.8f}",
                "fundingTime": funding.next_ms,
                "markPrice": f"{mark // E8}.{mark % E8:08d}",
            }
        )
        funding.next_ms += funding.interval_ms
        funding.rate_e8 = int(self._rng.normal(0.0001, 0.00005) * E8)
        self.venue.settle()

    # ---- dislocations ----------------------------------------------------------------------------

    def _schedule_dislocation(self, now_ns: int) -> None:
        if self.dislocations_on and self.options.dislocations_per_s > 0:
            self._next_dislocation_ns = now_ns + int(self._rng.exponential(1.0 / self.options.dislocations_per_s) * 1e9)

    def shift_needed(self, spot: Instrument, perp: Instrument, net_bps: float) -> float:
        """Jump, as a fraction, after which a round trip of takers earns `net_bps` beyond fees, spreads and the standing basis."""
        fees = 2 * (spot.taker_fee_e8 + perp.taker_fee_e8) / E8
        spreads = 0.0
        for instrument in (spot, perp):
            top = self._books[instrument.index].top()
            if top is not None:
                spreads += (top[2] - top[0]) / top[0]
        return fees + 2 * spreads + net_bps * 1e-4

    def plant(
        self,
        now_ns: int,
        now_ms: int,
        pair: tuple[Instrument, Instrument] | None = None,
        net_bps: float | None = None,
        duration_ms: float | None = None,
        leg: str | None = None,
        direction: str | None = None,
    ) -> Dislocation | None:
        """Shift one book of a pair now; None when no pair is free."""
        options = self.options
        if pair is None:
            free = [
                n
                for n, (s, p) in enumerate(self.pairs)
                if s.index not in self.active and p.index not in self.active and n not in self._recent_pairs
            ]
            if not free:
                return None
            number = free[int(self._rng.integers(len(free)))]
            self._recent_pairs = [*self._recent_pairs, number][-(len(self.pairs) // 4) :] if len(self.pairs) >= 4 else []
            pair = self.pairs[number]
        spot, perp = pair
        leg = leg or options.dislocation_leg
        if leg == "both":
            leg = LINEAR if self._rng.random() < 0.5 else SPOT
        direction = direction or options.dislocation_direction
        if direction == "both":
            direction = "premium" if self._rng.random() < 0.5 else "discount"
        instrument = perp if leg == LINEAR else spot
        if instrument.index in self.active:
            return None
        amount = self.shift_needed(spot, perp, options.dislocation_bps if net_bps is None else net_bps)
        sign = 1.0 if (leg == LINEAR) == (direction == "premium") else -1.0
        self.planted_count += 1
        lasting = options.dislocation_ms if duration_ms is None else duration_ms
        if options.dislocation_end == "taken" and duration_ms is None:
            lasting = 3_600_000.0
        dislocation = Dislocation(
            self.planted_count,
            instrument,
            sign * amount * 1e4,
            now_ns,
            now_ns + int(lasting * 1e6),
            self.venue.clock.wall_ms() * 1_000_000,
            "market" if net_bps is None else "command",
        )
        self.active[instrument.index] = dislocation
        self.shift[instrument.index] = sign * amount
        self._move(instrument, now_ms, self._planted_qty(instrument))
        sent_ns = self.venue.data[instrument.market].last_send_ns
        top = self._books[instrument.index].shown_top
        record = {
            "event": "start",
            "number": dislocation.number,
            "instrument": instrument.name,
            "market": instrument.market,
            "symbol": instrument.symbol,
            "pair": [spot.name, perp.name],
            "direction": direction,
            "shift_bps": round(dislocation.shift_bps, 4),
            "sent_mono_ns": sent_ns,
            "mono_ns": self.venue.clock.mono_ns(),
            "wall_ns": dislocation.wall_ns,
            "bid": instrument.px_text(top[0]) if top else None,
            "ask": instrument.px_text(top[2]) if top else None,
        }
        self._record(record)
        return dislocation

    def _planted_qty(self, instrument: Instrument) -> int:
        wanted = self.options.dislocation_usd / self._price(instrument) * 10**instrument.qty_decimals
        return max(instrument.step, int(wanted) // instrument.step * instrument.step)

    def _move(self, instrument: Instrument, now_ms: int, touch_qty: int | None) -> None:
        """Bring the book to its target and show it: bookTicker at once, depth with its next event (real-time depth at once)."""
        index = instrument.index
        book = self._books[index]
        bid, ask = self._target(instrument)
        self._set_top(index, bid, ask)
        if touch_qty is not None:
            for is_bid, px in ((True, bid), (False, ask)):
                book.set_market(is_bid, px, touch_qty)
        data = self.venue.data[instrument.market]
        data.note_send_time = True
        data.last_send_ns = 0
        data.top_changed(book, now_ms)
        data.note_send_time = False
        data.realtime_depth(book, now_ms)
        self.venue.settle()

    def _end_dislocations(self, now_ns: int, now_ms: int) -> None:
        for dislocation in list(self.active.values()):
            if now_ns >= dislocation.until_mono_ns:
                self.end(dislocation, now_ms)

    def end(self, dislocation: Dislocation, now_ms: int) -> None:
        """The basis returns."""
        instrument = dislocation.instrument
        del self.active[instrument.index]
        self.shift[instrument.index] = 0.0
        self._move(instrument, now_ms, None)
        self._record(
            {
                "event": "end",
                "number": dislocation.number,
                "instrument": instrument.name,
                "is_taken": dislocation.is_taken,
                "taken_mono_ns": dislocation.taken_mono_ns,
                "mono_ns": self.venue.clock.mono_ns(),
            }
        )

    def on_fill(self, instrument: Instrument, order: Order, fill: Fill) -> None:
        """An account took from a dislocated book: remember it, and let the basis return soon if so configured."""
        dislocation = self.active.get(instrument.index)
        if dislocation is None or fill.is_maker or dislocation.is_taken:
            return
        dislocation.is_taken = True
        dislocation.taken_mono_ns = self.venue.clock.mono_ns()
        self.taken_count += 1
        if self.options.dislocation_end in ("taken", "either"):
            dislocation.until_mono_ns = dislocation.taken_mono_ns + int(self.options.dislocation_after_take_ms * 1e6)

    def _record(self, record: dict[str, Any]) -> None:
        if self.on_record is not None:
            self.on_record(record)
        else:
            self.records.append(record)

    def calibrate(self, now_ns: int) -> None:
        """Adjust the share of events that become messages so that the configured message rate is met (called now and then)."""
        built = sum(data.frames_built for data in self.venue.data.values())
        elapsed = (now_ns - self._last_rate_check_ns) / 1e9
        if elapsed <= 0.5:
            return
        rate = (built - self._last_built) / elapsed
        self._last_rate_check_ns, self._last_built = now_ns, built
        if rate > 50 and not self.is_quiet:
            correction = self.options.background_msgs_per_s / rate
            self._event_share = min(1.0, max(0.1, self._event_share * min(1.2, max(0.8, correction))))

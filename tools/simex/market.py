"""The synthetic market: seeded prices and ordinary traffic of all simulated venues.

Coins walk together (one common factor and their own noise, both pulled back to the start price so that days do not drift); the
perpetual stands a few slowly moving basis points from spot, and each further venue a few tenths of one from the first.  Ordinary
traffic touches the top of a randomly picked instrument, sometimes moves it by ticks.  Dislocations are `dislocations.py`'s.
Sans-I/O: `step(now)` is called every couple of milliseconds, or by a test with its own time.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tools.simex.book import Book
from tools.simex.contract import LINEAR
from tools.simex.exact import E8
from tools.simex.hub import Hub, Print
from tools.simex.instrument import Instrument
from tools.simex.venue import FundingState, Venue

if TYPE_CHECKING:
    from tools.simex.dislocations import Dislocations

STEP_NS = 2_000_000
WALK_NS = 20_000_000  # how often mids move
DRAWS = 1 << 16  # length of the precomputed random sequences
LEVELS_MIN = 60
LEVELS_MAX = 140
NEAR_LEVELS = 20  # levels rebuilt behind a top that jumped
VENUE_OFFSET = 0.3e-4  # how far a venue's prices stand from the first one's, standard deviation
VENUE_OFFSET_S = 60.0  # and how slowly that moves


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
    dislocation_kind: str = "any"  # same_venue: spot against perpetual; cross_venue: one venue's book against another's; any
    dislocation_leg: str = "both"  # linear | spot | both
    dislocation_direction: str = "premium"  # premium: perpetual (or the book that jumps) dear; discount: cheap; both
    dislocation_usd: float = 60_000.0  # size planted at the touch
    level_usd: float = 20_000.0
    volatility_bps_per_s: float = 0.8
    funding_interval_s: float = 28_800.0


class SyntheticMarket:
    """Moves the books of all venues.  Their instruments are numbered one after another: `index` is the place in `instruments`."""

    def __init__(self, venues: list[Venue], options: MarketOptions) -> None:
        from tools.simex.dislocations import Dislocations

        self.venues = venues
        self.clock = venues[0].clock
        self.options = options
        rng = np.random.default_rng(options.seed)
        self._rng = self.rng = rng
        instruments = self.instruments = [i for venue in venues for i in venue.instruments]
        if [i.index for i in instruments] != list(range(len(instruments))):
            raise ValueError("instruments of the venues are not numbered one after another")
        self.venue_of: list[Venue] = [venue for venue in venues for _ in venue.instruments]
        self.coin_count = 1 + max(i.coin_index for i in instruments)
        # Common walk of all coins, each coin's own part, slow basis: floats, since only ticks of them reach a book.
        first = {i.coin_index: i for i in reversed(instruments)}
        if len(first) != self.coin_count or -1 in first:
            raise ValueError("every coin needs an instrument at one of the venues")
        self._start_px = np.array([first[c].start_px / 10 ** first[c].px_decimals for c in range(self.coin_count)])
        self._venue_offset = rng.normal(0.0, VENUE_OFFSET, (len(venues), self.coin_count))
        self._venue_offset[0] = 0.0
        # Where each instrument's price stands in the flattened array of (venue, market, coin).
        venue_number = [n for n, venue in enumerate(venues) for _ in venue.instruments]
        self._place = np.array(
            [
                (2 * n + (i.market == LINEAR)) * self.coin_count + i.coin_index
                for n, i in zip(venue_number, instruments, strict=True)
            ]
        )
        self.prices: list[float] = []  # fair price of each instrument, without dislocation
        self._beta = rng.uniform(0.6, 1.4, self.coin_count)
        self._common = 0.0
        self._own = np.zeros(self.coin_count)
        self._basis = rng.normal(0.0, 2e-4, self.coin_count)
        self._basis_mean = self._basis.copy()
        self._walk_draws = rng.standard_normal((2048, self.coin_count + 1))
        self._walk_index = 0
        self._fair = self._start_px
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
        self.books: list[Book] = [venue.book(i) for venue in venues for i in venue.instruments]
        self.hubs: list[Hub] = [venue.hubs[i.market] for venue in venues for i in venue.instruments]
        self._unit: list[float] = []
        self._next_walk_ns = 0
        self._next_step_ns = 0
        self._next_second_ns = 0
        self._event_share = 0.6
        self._last_rate_check_ns = 0
        self._last_built = 0
        self.dislocations: Dislocations = Dislocations(self)

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
        now_ms = self.clock.wall_ms()
        for instrument in self.instruments:
            price = self.price(instrument)
            base = self.options.level_usd / price * 10**instrument.qty_decimals
            self._unit.append(base)
            bid, ask = self.target(instrument)
            self.set_top(instrument.index, bid, ask, LEVELS_MIN + 20)
            if instrument.market == LINEAR:
                interval_ms = int(self.options.funding_interval_s * 1000)
                rate = int(self._rng.normal(0.0001, 0.00005) * E8)
                self.venue_of[instrument.index].funding[instrument.symbol] = FundingState(
                    rate, (now_ms // interval_ms + 1) * interval_ms, max(1, interval_ms // 3_600_000), interval_ms
                )
        for book in self.books:
            book.shown_top = book.top()
        self._next_walk_ns = now_ns + WALK_NS
        self._next_step_ns = now_ns
        self._next_second_ns = now_ns + 1_000_000_000
        self._last_rate_check_ns = now_ns
        self.dislocations.schedule(now_ns)

    def price(self, instrument: Instrument) -> float:
        """Around which its book stands now, dislocation included."""
        return self.prices[instrument.index] * (1.0 + self.shift[instrument.index])

    def target(self, instrument: Instrument) -> tuple[int, int]:
        """Best bid and ask (scaled ints on the tick grid) around the fair price."""
        ticks = self.price(instrument) * 10**instrument.px_decimals / instrument.tick
        spread = 1 if instrument.market == LINEAR or ticks < 20_000 else 2
        bid = math.floor(ticks - spread / 2 + 0.5)
        return bid * instrument.tick, (bid + spread) * instrument.tick

    def _draw_qty(self, index: int) -> int:
        self._cursor = (self._cursor + 1) & (DRAWS - 1)
        step = self.instruments[index].step
        return max(1, int(self._unit[index] * self._size[self._cursor] / step)) * step

    def set_top(self, index: int, bid: int, ask: int, near: int = NEAR_LEVELS) -> None:
        """Move the market's best prices there: what is in between goes, what is missing comes, the far end stays bounded."""
        instrument = self.instruments[index]
        book = self.books[index]
        if book.own_bids or book.own_asks:
            now_ms, matcher = self.clock.wall_ms(), self.venue_of[index].matcher
            matcher.match_resting(instrument, True, ask, now_ms)
            matcher.match_resting(instrument, False, bid, now_ms)
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
        instrument = self.instruments[index]
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
            surplus = max(8, len(prices) - LEVELS_MAX)
            for price in prices[:surplus] if is_bid else prices[-surplus:]:
                book.set_market(is_bid, price, 0)

    # ---- the passing of time ---------------------------------------------------------------------

    def step(self, now_ns: int) -> None:
        """Everything that is due until now."""
        if now_ns >= self._next_walk_ns:
            self._walk(WALK_NS / 1e9)
            self._next_walk_ns = max(self._next_walk_ns + WALK_NS, now_ns - WALK_NS)
        now_ms = self.clock.wall_ms()
        self.dislocations.step(now_ns, now_ms)
        if not self.is_quiet:
            self._background(now_ns, now_ms)
        for venue in self.venues:
            venue.pacer.step(now_ns, now_ms)
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
        perp = fair * (1.0 + self._basis)
        if len(self.venues) > 1:
            pull, noise = dt_s / VENUE_OFFSET_S, VENUE_OFFSET * math.sqrt(2.0 * dt_s / VENUE_OFFSET_S)
            self._venue_offset[1:] += (
                noise * self._rng.standard_normal(self._venue_offset[1:].shape) - pull * self._venue_offset[1:]
            )
        factors = 1.0 + self._venue_offset[:, np.newaxis, :]
        self.prices = (np.stack((fair, perp)) * factors).ravel()[self._place].tolist()
        self._fair = fair

    def _background(self, now_ns: int, now_ms: int) -> None:
        self._burst_index = (self._burst_index + 1) & 4095
        elapsed_s = min(0.05, max(0, now_ns - self._next_step_ns + STEP_NS) / 1e9)
        self._next_step_ns = now_ns + STEP_NS
        self._owed += self.options.background_msgs_per_s * self._event_share * elapsed_s * self._burst[self._burst_index]
        count = int(self._owed)
        if count <= 0:
            return
        self._owed -= count
        instruments, books, uniform, hubs = self.instruments, self.books, self._uniform, self.hubs
        for _ in range(min(count, 400)):
            self._cursor = cursor = (self._cursor + 1) & (DRAWS - 1)
            index = self._pick[cursor]
            instrument = instruments[index]
            book = books[index]
            bid, ask = self.target(instrument)
            dice = uniform[cursor]
            if book.best_bid() != bid or book.best_ask() != ask:
                self.set_top(index, bid, ask)
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
            hubs[index].book_changed(book, now_ms)
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
            trade_id = self.venue_of[instrument.index].matcher.take_trade_id(instrument)
            px, qty = top[2] if is_buy else top[0], self._draw_qty(instrument.index)
            self.hubs[instrument.index].trade(Print(instrument, px, qty, not is_buy, trade_id, now_ms))

    def _every_second(self, now_ms: int) -> None:
        self.set_marks()
        for venue in self.venues:
            for symbol, funding in venue.funding.items():
                if now_ms >= funding.next_ms:
                    self.pay_funding(venue.by_symbol[LINEAR][symbol])

    def set_marks(self) -> None:
        """Mark and index follow the fair prices, never a dislocation."""
        fair = self._fair.tolist()
        for instrument, price, venue in zip(self.instruments, self.prices, self.venue_of, strict=True):
            venue.index_px_e8[instrument.symbol] = round(fair[instrument.coin_index] * E8)
            if instrument.market == LINEAR:
                venue.matcher.mark_px_e8[instrument.symbol] = round(price * E8)

    def pay_funding(self, instrument: Instrument) -> None:
        """Settle one funding interval of a perpetual for all accounts and draw the next rate."""
        venue = self.venue_of[instrument.index]
        funding = venue.funding[instrument.symbol]
        venue.pay_funding(instrument, int(self._rng.normal(0.0001, 0.00005) * E8), funding.next_ms + funding.interval_ms)

    def calibrate(self, now_ns: int) -> None:
        """Adjust the share of events that become messages so that the configured message rate is met (called now and then)."""
        built = sum(venue.frames_built() for venue in self.venues)
        elapsed = (now_ns - self._last_rate_check_ns) / 1e9
        if elapsed <= 0.5:
            return
        rate = (built - self._last_built) / elapsed
        self._last_rate_check_ns, self._last_built = now_ns, built
        if rate > 50 and not self.is_quiet:
            correction = self.options.background_msgs_per_s / rate
            self._event_share = min(1.0, max(0.1, self._event_share * min(1.2, max(0.8, correction))))

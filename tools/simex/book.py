"""Price-level book of one instrument, with what its depth streams still have to tell.

Levels are visible quantity by price: what the market shows plus the open quantity of simulated accounts (kept apart in `own_*`,
because only that part belongs to somebody).  Every change of a level takes a new update id.  A `DepthTracker` remembers, for
one stream, which prices changed since its last event.  Sans-I/O; called by the matcher and the markets.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from tools.simex.instrument import Instrument

BUY = "BUY"
SELL = "SELL"


class DepthTracker:
    """Changed prices since the last depth event of one stream."""

    __slots__ = ("asks", "bids", "first_id", "is_empty", "last_id")

    def __init__(self, last_id: int) -> None:
        self.last_id = last_id  # u of the event sent last
        self.first_id = 0  # id of the first change after it
        self.bids: set[int] = set()
        self.asks: set[int] = set()
        self.is_empty = True

    def clear(self, last_id: int) -> None:
        """What changed was told, with `last_id` as the id of the event."""
        self.last_id = last_id
        self.bids.clear()
        self.asks.clear()
        self.is_empty = True


class Book:
    """Both sides; prices ascending in `bid_prices` and `ask_prices`, so the best bid is last and the best ask first."""

    __slots__ = (
        "_id_step",
        "ask_prices",
        "asks",
        "bid_prices",
        "bids",
        "instrument",
        "last_change_ms",
        "own_asks",
        "own_bids",
        "shown_top",
        "trackers",
        "update_id",
    )

    def __init__(self, instrument: Instrument, first_update_id: int, id_step: int = 1) -> None:
        self.instrument = instrument
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.bid_prices: list[int] = []
        self.ask_prices: list[int] = []
        self.own_bids: dict[int, int] = {}
        self.own_asks: dict[int, int] = {}
        self.update_id = first_update_id
        self._id_step = id_step
        self.trackers: list[DepthTracker] = []
        self.shown_top: tuple[int, int, int, int] | None = None
        self.last_change_ms = 0

    def _change(self, is_bid: bool, px: int, qty: int) -> None:
        side, prices = (self.bids, self.bid_prices) if is_bid else (self.asks, self.ask_prices)
        if qty > 0:
            if px not in side:
                insort(prices, px)
            elif side[px] == qty:
                return
            side[px] = qty
        else:
            if px not in side:
                return
            del side[px]
            del prices[bisect_left(prices, px)]
        self.update_id += self._id_step
        for tracker in self.trackers:
            if tracker.is_empty:
                tracker.is_empty = False
                tracker.first_id = self.update_id
            (tracker.bids if is_bid else tracker.asks).add(px)

    def set_market(self, is_bid: bool, px: int, qty: int) -> None:
        """The market's own quantity at a price becomes `qty`; what accounts have there stays on top of it."""
        own = (self.own_bids if is_bid else self.own_asks).get(px, 0)
        self._change(is_bid, px, qty + own)

    def market_qty(self, is_bid: bool, px: int) -> int:
        """Visible quantity at a price that belongs to no simulated account."""
        if is_bid:
            return self.bids.get(px, 0) - self.own_bids.get(px, 0)
        return self.asks.get(px, 0) - self.own_asks.get(px, 0)

    def add_own(self, is_bid: bool, px: int, delta: int) -> None:
        """An account's open quantity at a price grows or shrinks by `delta`."""
        own = self.own_bids if is_bid else self.own_asks
        visible = (self.bids if is_bid else self.asks).get(px, 0)
        total = own.get(px, 0) + delta
        if total < 0:
            raise ValueError(f"{self.instrument.symbol}: own quantity at {px} would become {total}")
        if total:
            own[px] = total
        else:
            own.pop(px, None)
        self._change(is_bid, px, visible + delta)

    def best_bid(self) -> int | None:
        return self.bid_prices[-1] if self.bid_prices else None

    def best_ask(self) -> int | None:
        return self.ask_prices[0] if self.ask_prices else None

    def top(self) -> tuple[int, int, int, int] | None:
        """(bid px, bid qty, ask px, ask qty), or None while a side is empty."""
        if not self.bid_prices or not self.ask_prices:
            return None
        bid, ask = self.bid_prices[-1], self.ask_prices[0]
        return bid, self.bids[bid], ask, self.asks[ask]

    def levels(self, is_bid: bool, limit: int) -> list[tuple[int, int]]:
        """Best first, at most `limit`."""
        if is_bid:
            return [(px, self.bids[px]) for px in self.bid_prices[: -limit - 1 : -1]]
        return [(px, self.asks[px]) for px in self.ask_prices[:limit]]

    def track(self) -> DepthTracker:
        tracker = DepthTracker(self.update_id)
        self.trackers.append(tracker)
        return tracker

    def untrack(self, tracker: DepthTracker) -> None:
        self.trackers.remove(tracker)

    def check(self) -> None:
        """State every rule of the structure; AssertionError when one is broken."""
        for side, prices, own in ((self.bids, self.bid_prices, self.own_bids), (self.asks, self.ask_prices, self.own_asks)):
            assert sorted(side) == prices, "prices and levels differ"
            assert all(qty > 0 for qty in side.values()), "a level without quantity"
            assert all(side[px] >= qty > 0 for px, qty in own.items()), "own quantity larger than the visible one"
        if self.bid_prices and self.ask_prices:
            assert self.bid_prices[-1] < self.ask_prices[0], f"{self.instrument.symbol} is crossed"

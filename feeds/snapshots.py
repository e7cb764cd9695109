"""Depth snapshots over REST for rows that lost sync: bounded in number, within the weight budget, with back-off and jitter.

A snapshot is joined with the buffered deltas by the venue's decoder (`BinanceMarket.apply_snapshot`), which alone decides
whether the book is in sync. One SnapshotDesk a market."""
import asyncio
import logging
import random
import time
from collections.abc import Callable

from cext.decoders.binance import BinanceMarket
from feeds.backoff import Backoff
from feeds.rest import RestClient, RestError
from feeds.venues.binance import MarketFacts

AGAIN_FIRST_S = 0.05   # a snapshot older than the first buffered delta: the next one is newer
AGAIN_LAST_S = 5.0
FAILED_FIRST_S = 0.1
FAILED_LAST_S = 30.0

log = logging.getLogger("lockstep.feed")


class SnapshotDesk:
    """`want(row)` as often as one likes: a row is fetched once at a time, until it is in sync or waits for its first delta."""

    def __init__(self, market: BinanceMarket, facts: MarketFacts, symbols: dict[int, str], client: RestClient, in_flight: int,
                 rng: random.Random, on_applied: Callable[[int, str, bytes], None]) -> None:
        self._market = market
        self._facts = facts
        self._symbols = symbols
        self._client = client
        self._slots = asyncio.Semaphore(in_flight)
        self._rng = rng
        self._on_applied = on_applied
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self.fetched = 0
        self.failed = 0

    def want(self, row: int) -> None:
        """Start fetching for a row unless that is under way."""
        if row not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._bring_in(row), name=f"snapshot {self._symbols[row]}")
            self._tasks[row] = task
            task.add_done_callback(lambda done: self._on_done(row, done))

    def _on_done(self, row: int, task: asyncio.Task[None]) -> None:
        self._tasks.pop(row, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("snapshot of %s: %r", self._symbols[row], error, exc_info=error)

    @property
    def in_flight(self) -> int:
        """Rows being brought in."""
        return len(self._tasks)

    async def _bring_in(self, row: int) -> None:
        again = Backoff(AGAIN_FIRST_S, AGAIN_LAST_S, self._rng)
        failed = Backoff(FAILED_FIRST_S, FAILED_LAST_S, self._rng)
        symbol = self._symbols[row]
        while row in self._market.needs_snapshot():
            try:
                async with self._slots:
                    body = await self._client.get_bytes(
                        self._facts.depth_path,
                        {"symbol": symbol, "limit": str(self._facts.depth_limit)},
                        weight=self._facts.depth_weight,
                    )
            except RestError as error:
                self.failed += 1
                log.warning("snapshot of %s %s: %s", self._market.market, symbol, error)
                await asyncio.sleep(max(failed.next_s(), error.retry_after_s))
                continue
            self.fetched += 1
            outcome = self._market.apply_snapshot(row, body, self._facts.depth_limit, time.monotonic_ns(), time.time_ns())
            self._on_applied(row, outcome, body)
            if outcome in ("synced", "waiting", "ignored"):
                return
            await asyncio.sleep(again.next_s())

    async def stop(self) -> None:
        """Give up what is under way."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

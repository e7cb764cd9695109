"""Depth snapshots over REST for rows that lost sync: bounded in number, within the weight budget, with back-off and jitter.

A snapshot is joined with the buffered deltas by the venue's decoder (`MarketDecoder.apply_snapshot`), which alone decides
whether the book is in sync. One SnapshotDesk a market of a venue whose `resync` is "rest"; the others fall back on it
(resubscribe.py)."""
import asyncio
import logging
import random
import time
from collections.abc import Callable

from cext.decoders.market import MarketDecoder
from feeds.backoff import Backoff
from feeds.instruments import InstrumentRow
from feeds.rest import RestClient, RestError
from feeds.venue import SnapshotRequest

AGAIN_FIRST_S = 0.05   # a snapshot older than the first buffered delta: the next one is newer
AGAIN_LAST_S = 5.0
FAILED_FIRST_S = 0.1
FAILED_LAST_S = 30.0

log = logging.getLogger("lockstep.feed")


class SnapshotDesk:
    """`want(row)` as often as one likes: a row is fetched once at a time, until it is in sync or waits for its first delta."""

    def __init__(self, market: MarketDecoder, rows: dict[int, InstrumentRow],
                 request: Callable[[InstrumentRow], SnapshotRequest | None], client: RestClient, in_flight: int,
                 rng: random.Random, on_applied: Callable[[int, str, bytes], None]) -> None:
        self._market = market
        self._rows = rows
        self._request = request
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
            task = asyncio.get_running_loop().create_task(self.bring_in(row), name=f"snapshot {self._rows[row].name}")
            self._tasks[row] = task
            task.add_done_callback(lambda done: self._on_done(row, done))

    def _on_done(self, row: int, task: asyncio.Task[None]) -> None:
        self._tasks.pop(row, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("snapshot of %s: %r", self._rows[row].name, error, exc_info=error)

    @property
    def in_flight(self) -> int:
        """Rows being brought in."""
        return len(self._tasks)

    async def bring_in(self, row: int) -> None:
        """Until the row has a usable snapshot. A row whose venue has no REST book is left as it is."""
        again = Backoff(AGAIN_FIRST_S, AGAIN_LAST_S, self._rng)
        failed = Backoff(FAILED_FIRST_S, FAILED_LAST_S, self._rng)
        request = self._request(self._rows[row])
        while request is not None and row in self._market.needs_snapshot():
            try:
                async with self._slots:
                    body = await self._client.get_bytes(request.path, dict(request.params), weight=request.weight)
            except RestError as error:
                self.failed += 1
                log.warning("snapshot of %s: %s", self._rows[row].name, error)
                await asyncio.sleep(max(failed.next_s(), error.retry_after_s))
                continue
            self.fetched += 1
            outcome = self._market.apply_snapshot(row, body, request.limit, time.monotonic_ns(), time.time_ns())
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

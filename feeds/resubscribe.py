"""Rows that lost sync, where subscribing again brings a whole book: with back-off and jitter, within the venue's limits.

The row's book streams are ended and begun anew on the socket that carries them (`Socket.begin_again`, which gathers rows). The
new stream should begin with a whole book, which puts the row in sync by itself; when it begins with a delta, the deltas wait
and the venue's REST snapshot is fetched (snapshots.py), where there is one. One ResubscribeDesk a market."""
import asyncio
import logging
import random
from collections.abc import Callable

from cext.decoders.market import MarketDecoder
from feeds.backoff import Backoff
from feeds.connection import TICK_S, Socket
from feeds.instruments import InstrumentRow
from feeds.snapshots import SnapshotDesk

AGAIN_FIRST_S = 0.1
AGAIN_LAST_S = 30.0
BOOK_WITHIN_S = 3.0   # a stream that was begun anew speaks within so long

log = logging.getLogger("lockstep.feed")


class ResubscribeDesk:
    """As SnapshotDesk: `want(row)` as often as one likes. `socket_of(row)` = the socket that carries it now, None = there is
    none. rest: the desk that fetches when a stream begins with a delta; None = the venue has no such book."""

    def __init__(self, market: MarketDecoder, rows: dict[int, InstrumentRow], socket_of: Callable[[int], Socket | None],
                 rest: SnapshotDesk | None, rng: random.Random) -> None:
        self._market = market
        self._rows = rows
        self._socket_of = socket_of
        self._rest = rest
        self._rng = rng
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self.begun = 0

    @property
    def fetched(self) -> int:
        """REST snapshots."""
        return self._rest.fetched if self._rest is not None else 0

    @property
    def in_flight(self) -> int:
        """Rows being brought in."""
        return len(self._tasks)

    def want(self, row: int) -> None:
        """Bring a row in unless that is under way."""
        if row not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._bring_in(row), name=f"resubscribe {self._rows[row].name}")
            self._tasks[row] = task
            task.add_done_callback(lambda done: self._on_done(row, done))

    def _on_done(self, row: int, task: asyncio.Task[None]) -> None:
        self._tasks.pop(row, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("subscribing %s again: %r", self._rows[row].name, error, exc_info=error)

    def _is_lost(self, row: int) -> bool:
        return row in self._market.needs_snapshot()

    def _begins_with_delta(self, row: int) -> bool:
        return bool(self._market.stats(row)["begins_with_delta"])

    async def _bring_in(self, row: int) -> None:
        again = Backoff(AGAIN_FIRST_S, AGAIN_LAST_S, self._rng)
        while self._is_lost(row):
            if self._rest is not None and self._begins_with_delta(row):
                await self._rest.bring_in(row)
                return
            socket = self._socket_of(row)
            if socket is None or not socket.is_subscribed:
                return  # being connected: subscribing brings the book; whoever sees it still lost a second later asks again
            self.begun += 1
            if await socket.begin_again(self._rows[row]) and await self._spoke(row):
                continue
            await asyncio.sleep(again.next_s())

    async def _spoke(self, row: int) -> bool:
        """Whether the new stream has begun: with a whole book, or with a delta that can be joined to a REST snapshot."""
        for _ in range(int(BOOK_WITHIN_S / TICK_S)):
            if not self._is_lost(row) or (self._rest is not None and self._begins_with_delta(row)):
                return True
            await asyncio.sleep(TICK_S)
        return False

    async def stop(self) -> None:
        """Give up what is under way."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

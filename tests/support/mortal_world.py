"""A World (sim_trade.py) whose engine dies: at chosen points, between any two records of its journal and between the sends of two
legs. The venue lives on; what it says meanwhile is lost. After a while the engine comes back with nothing but its journal."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from engine.event_codec import pack_intent, pack_order_event, pack_sent
from engine.events import Intent
from engine.trade.commands import CancelOrder
from engine.trade.manager import TradeManager
from engine.trade.restore import Restorer
from tests.support.fake_core import FakeCore
from tests.support.sim_trade import BYTES_LEFT, JR_INTENT, JR_ORDER_EVENT, JR_SENT, MS, World

PACK: dict[int, Callable[[Any], bytes]] = {JR_INTENT: pack_intent, JR_SENT: pack_sent, JR_ORDER_EVENT: pack_order_event}


class Dead(BaseException):
    """kill -9. Not an Exception: nothing of the engine may catch it."""


@dataclass
class Written:
    """A record as it lies in the journal."""
    type: int
    mono_ns: int
    wall_ns: int
    epoch: int
    correlation_id: int
    payload: bytes


class ForgivingCore(FakeCore):
    """A core that began after the orders of an earlier epoch: it holds no reservation of theirs."""

    def release(self, intent_id: int, leg_index: int) -> bool:
        return super().release(intent_id, leg_index) if intent_id >> 32 == self.epoch else False

    def shrink_plan(self, intent_id: int, qty: int) -> None:
        if intent_id >> 32 == self.epoch:
            super().shrink_plan(intent_id, qty)

    def set_leg_remaining(self, intent_id: int, leg_index: int, qty: int) -> None:
        if intent_id >> 32 == self.epoch:
            super().set_leg_remaining(intent_id, leg_index, qty)


class NoManager:
    """What the driver finds while the engine is dead: nothing to do."""

    def __init__(self) -> None:
        self._orders: dict[str, Any] = {}
        self._pair_owner: dict[int, int] = {}

    def take_commands(self) -> list[Any]:
        return []

    def next_timer_mono_ns(self) -> int:
        return (1 << 63) - 1

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


class MortalWorld(World):
    """`deaths`: after how many notes (records, and sends of a leg) of its whole life the engine dies; `down_ns` until it is
    back."""

    def __init__(self, deaths: Iterable[int] = (), down_ns: int = 200 * MS, **options: Any) -> None:
        self.records: list[Written] = []
        self.notes = 0
        self.lives = 1
        self._deaths = set(deaths)
        self._down_ns = down_ns
        self._depth = 0
        self.is_down = False
        self.is_reading = False
        super().__init__(**options)
        self.manager.open_accounts(self.venue.opening)   # journaled
        super().drain()
        self._deaths_armed = True

    # ---------------------------------------------------------------- dying

    def note(self, what: int, fact: Any) -> None:
        if what != BYTES_LEFT:
            payload = PACK[what](fact) if what in PACK else orjson.dumps(fact.payload, default=str)
            trade_id = fact.trade_id if isinstance(fact, Intent) else getattr(fact, "trade_id", 0)
            self.records.append(Written(what, self.now, self.now, self.core.epoch, trade_id, payload))
        self.notes += 1
        if self.notes in self._deaths:
            raise Dead

    def _guarded(self, work: Callable[[], Any]) -> Any:
        """The outermost call of the driver: what dies in it is dead, the driver goes on."""
        self._depth += 1
        try:
            return work()
        except Dead:
            if self._depth > 1:
                raise
            self._die()
            return None
        finally:
            self._depth -= 1

    def run_until(self, when: int) -> None:
        while self.now < when or (self.heap and self.heap[0][0] <= when):
            self._guarded(lambda: World.run_until(self, when))

    def drain(self) -> None:
        self._guarded(lambda: World.drain(self))

    def enter(self, *args: Any, **options: Any) -> Intent | None:  # type: ignore[override]
        return None if self.is_down else self._guarded(lambda: World.enter(self, *args, **options))

    def rest(self, *args: Any, **options: Any) -> Intent | None:  # type: ignore[override]
        return None if self.is_down else self._guarded(lambda: World.rest(self, *args, **options))

    def cancel_quote(self, intent_id: int) -> None:
        if not self.is_down:
            self._guarded(lambda: World.cancel_quote(self, intent_id))

    def leave(self, pair: int = 0) -> Intent | None:
        return None if self.is_down else self._guarded(lambda: World.leave(self, pair))

    def _die(self) -> None:
        self.is_down = True
        self.manager = NoManager()  # type: ignore[assignment]
        self.at(self.now + self._down_ns, self._come_back)

    def _come_back(self) -> None:
        """exec: a new core with a new epoch, the journal read, sessions up, going on."""
        old = self.core
        self.core = ForgivingCore(old.pair_list, epoch=old.epoch + 1, books=old.books, spot_rows=old.spot_rows)
        self.lives += 1
        self.is_down = False
        self.manager = restored(self.core, self.rows, self.policy, self.records)
        for order in [*self.manager._orders.values(), *(grave.order for grave in self.manager._graves.values())]:
            if order.cum_qty:   # of earlier lives: the new core got the position whole
                self.core.fills[order.row] = self.core.fills.get(order.row, 0) + order.sign * order.cum_qty
        self.resume()

    def resume(self) -> None:
        for venue, market in sorted({(row.venue, row.market) for row in self.rows}):
            is_up = venue not in self.lost_venues
            self.manager.on_session(venue, market, "orders", is_up, self.now)
            self.manager.on_session(venue, market, "user", is_up, self.now)
        self.manager.resume(self.now, self.now)
        for order in self.venue.orders.values():   # as engine/restart/sequence.py does: what stands there and is not known to
            if order.is_open and self.rows[order.row].venue not in self.lost_venues:
                self._cancel_arrives(CancelOrder(order.client_id, order.row, order.trade_id))
        World.drain(self)

    # ---------------------------------------------------------------- what a dead engine does not hear

    def _deliver(self, event: Any) -> None:
        if not self.is_down:
            super()._deliver(event)

    def _tell_sessions(self, venue: str, is_up: bool, kinds: tuple[str, ...]) -> None:
        self._guarded(lambda: World._tell_sessions(self, venue, is_up, kinds))

    def _query(self, query: Any) -> None:
        life = self.lives
        if not self.query_lost() and self.rows[query.row].venue not in self.lost_venues:
            self.at(self.now + self.query_delay,
                    lambda: self._answer(query) if self.lives == life and not self.is_down else None)


def restored(core: FakeCore, rows: list[Any], policy: Any, records: list[Written]) -> TradeManager:
    """A manager that knows what these records say; `resume` is still to come."""
    manager = TradeManager(core, rows, policy)
    restorer = Restorer(manager)
    restorer.apply_all(records)
    restorer.settle()
    return manager

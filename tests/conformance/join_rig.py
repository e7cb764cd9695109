"""One book of a simulated venue without sockets, and the real decoder that reads its frames.

The simulated venue says what each frame means: `Truth` is its book when it sent the frame, by the id that the frame ends with. A
decoder is right when its book is exactly that, level by level, or when it says that it does not know."""
from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import orjson

from cext.instrument import make_instrument_array
from feeds.config import VenueConfig
from feeds.instruments import InstrumentRow, InstrumentTable
from tests.conformance.case import VenueCase
from tests.conformance.layers import feed_of, sim_of
from tests.conformance.made import CROSSED, VALID
from tests.support.simex_rig import VenuesRig

if TYPE_CHECKING:
    from cext.decoders.market import MarketDecoder
    from feeds.venue import RoutePlan

Levels = list[tuple[int, int]]
MS = 1_000_000


@dataclass(frozen=True)
class Truth:
    """The simulated venue's whole book at one moment, in the row's scales, best first."""

    bids: Levels
    asks: Levels


@dataclass(frozen=True)
class Event:
    """What the decoder is given: a frame, or ("rest") a depth reply."""

    kind: str          # frame | rest
    body: bytes
    at_ns: int
    truth: Truth       # when it was sent


class TruthWire:
    """The other end of a websocket: keeps each frame with the book that it was sent from."""

    def __init__(self, rig: JoinRig) -> None:
        self.rig = rig
        self.events: list[Event] = []

    def send(self, frame: bytes) -> None:
        self.events.append(Event("frame", bytes(frame), self.rig.venues.clock.mono_ns(), self.rig.truth()))

    def close(self, code: int = 1000, reason: bytes = b"") -> None:
        raise AssertionError(f"the simulated venue closed the socket: {code} {reason!r}")


class RigClient:
    """What read_listing uses of a RestClient, answered by the rig."""

    def __init__(self, rig: VenuesRig, port: str) -> None:
        self.rig = rig
        self.port = port

    async def get_json(self, path: str, params: Mapping[str, str] | None = None, **_: Any) -> Any:
        return orjson.loads(await self.get_bytes(path, params))

    async def get_bytes(self, path: str, params: Mapping[str, str] | None = None, **_: Any) -> bytes:
        reply = self.rig.http(self.port, "GET", f"{path}?{urlencode(params)}" if params else path)
        assert reply is not None and reply.status == 200, (path, params, reply)
        return reply.body


class JoinRig:
    """The first instrument of a market, its book streams and its REST book."""

    def __init__(self, case: VenueCase, market: str, seed: int, **options: Any) -> None:
        self.case, self.market = case, market
        self.feed, self.sim = feed_of(case), sim_of(case)
        self.venues = VenuesRig(self.sim, pairs=1, seed=seed, **{"background_msgs_per_s": 400.0, **options})
        self.roles = {role.name: role for role in self.sim.roles}
        self.row = self._listed()
        self.array = make_instrument_array([self.row])
        self.plan: RoutePlan = next(plan for plan in self.feed.plan_routes([self.row], 1, False) if self.row.id in plan.rows)
        self.session: Any = None
        self.wire = TruthWire(self)
        self.requests = 0
        self.truths: dict[int, Truth] = {}   # by id of the depth stream or the REST book
        self.known: set[bytes] = set()
        self.connect()

    def _listed(self) -> InstrumentRow:
        """As the feed reads it from the simulated venue's own listing."""
        client = RigClient(self.venues, self.roles[self.feed.rest[self.market].role].port)
        config = VenueConfig(markets=[self.market])
        listing = asyncio.run(self.feed.read_listing({self.market: client}, config))  # type: ignore[dict-item]
        assert listing.problems == []
        rows = [row for row in listing.rows if row.market == self.market]
        table = InstrumentTable()
        table.merge(rows[:1])
        return table.rows[0]

    # ---------------------------------------------------------------- the venue's side

    def truth(self) -> Truth:
        """The book now."""
        instrument = self.venues.venue.by_symbol[self.market][self.row.symbol]
        book = self.venues.venue.books[self.market][self.row.symbol]

        def side(is_bid: bool) -> Levels:
            return [(int(Decimal(px).scaleb(self.row.px_scale - instrument.px_decimals)),
                     int(Decimal(qty).scaleb(self.row.qty_scale - instrument.qty_decimals)))
                    for px, qty in book.levels(is_bid, 1 << 30)]
        return Truth(side(True), side(False))

    def connect(self) -> None:
        """A new connection with its subscriptions; the events of the old one stay."""
        role = self.roles[self.plan.role]
        if self.session is not None:
            self.session.close()
        self.session = self.venues.venue.dialect.open_session(role.port, role.path + self.plan.path, {}, self.wire)
        assert self.session is not None, f"{self.sim.name} refuses {role.path}{self.plan.path}"
        self.session.opened()
        self.subscribe(True)

    def subscribe(self, is_subscribe: bool) -> None:
        for request in self.feed.subscribe_requests(self.market, self.plan.streams, self.requests + 1, is_subscribe):
            self.requests = max(self.requests, request.id)
            self.session.on_text(request.frame, self.venues.clock.mono_ns())

    def live(self, seconds: float) -> list[Event]:
        """What is sent meanwhile."""
        start = len(self.wire.events)
        self.venues.run(seconds)
        return self.wire.events[start:]

    def take(self) -> list[Event]:
        """What was sent and not yet taken."""
        events, self.wire.events = self.wire.events, []
        return events

    def books(self, count: int) -> list[Event]:
        """The next `count` frames that change the depth book."""
        found: list[Event] = []
        for _ in range(400):
            found += [event for event in self.live(0.05) if self.depth_id(event)]
            if len(found) >= count:
                self.take()
                return found[:count]
        raise AssertionError(f"the simulated market sent {len(found)} depth messages in 20 s")

    def rest_book(self) -> Event:
        """The REST book now."""
        request = self.feed.snapshot_request(self.row)
        assert request is not None
        reply = self.venues.http(self.roles[self.feed.rest[self.market].role].port, "GET",
                                 f"{request.path}?{urlencode(request.params)}")
        assert reply is not None and reply.status == 200, reply
        return self.know(Event("rest", reply.body, self.venues.clock.mono_ns(), self.truth()))

    def begin(self) -> list[Event]:
        """What brings a book from nothing: the snapshot that a subscription sends, or one depth message and the REST book."""
        if self.feed.resync == "resubscribe":
            self.subscribe(False)
            self.take()
            self.subscribe(True)
            events = self.take() + self.live(0.3)
            self.take()
            return [self.know(event) for event in events]
        before = self.books(1)
        self.live(0.0)
        return [self.know(before[0]), self.rest_book()]

    # ---------------------------------------------------------------- what is known of an event

    def depth_id(self, event: Event) -> int:
        """The id that a depth frame or REST book ends with; 0 = it is none."""
        glance = self.feed.glance(self.market, event.body)
        return glance.last_update_id if glance is not None else 0

    def know(self, event: Event) -> Event:
        """Remember what the book was at the event's id."""
        if event.body not in self.known:
            self.known.add(event.body)
            if update_id := self.depth_id(event):
                self.truths[update_id] = event.truth
        return event

    # ---------------------------------------------------------------- the decoder's side

    def decoder(self) -> MarketDecoder:
        return self.feed.make_decoder(self.array, self.market, [0])

    def give(self, decoder: MarketDecoder, event: Event) -> str:
        """Deliver; returns what the decoder said."""
        self.know(event)
        if event.kind == "rest":
            request = self.feed.snapshot_request(self.row)
            assert request is not None
            return decoder.apply_snapshot(0, event.body, request.limit, event.at_ns, event.at_ns)
        return decoder.decode(event.body, event.at_ns, event.at_ns)["kind"]

    def is_valid(self, decoder: MarketDecoder) -> bool:
        return bool(decoder.record(0)["flags"] & VALID)

    def check(self, decoder: MarketDecoder, where: str) -> bool:
        """The oracle: exact, or not VALID. Returns whether it is VALID."""
        decoder.check(0)
        if not self.is_valid(decoder):
            return False
        stats, book = decoder.stats(0), decoder.book(0)
        truth = self.truths.get(stats["update_id"])
        assert truth is not None, f"{where}: VALID at id {stats['update_id']}, which no message had"
        limit = self.case.depth_levels.get(self.market, 1 << 30)
        for side, wanted in (("bids", truth.bids), ("asks", truth.asks)):
            assert book[side] == wanted[:limit], (
                f"{where}: VALID at id {stats['update_id']} with {side} that the venue did not have: "
                f"ghosts {sorted(set(book[side]) - set(wanted))[:5]}, "
                f"missing {sorted(set(wanted[:limit]) - set(book[side]))[:5]}")
        assert not decoder.record(0)["flags"] & CROSSED, f"{where}: crossed, the venue's book was not"
        return True

    def heal(self, decoder: MarketDecoder, where: str) -> None:
        """What the feed does about a lost book: resubscribe, or keep buffering and ask for a REST book. Then it must be VALID."""
        self.heal_with(decoder, [*self.begin(), *self.books(3)], where)

    def heal_with(self, decoder: MarketDecoder, events: list[Event], where: str) -> None:
        """The same with a beginning and messages that were taken before."""
        if self.feed.resync == "resubscribe":
            decoder.restart_stream(0)
        for step, event in enumerate(events):
            self.give(decoder, event)
            self.check(decoder, f"{where}, step {step}")
        assert self.is_valid(decoder), f"{where}: still not VALID after a fresh beginning and messages: {decoder.stats(0)}"

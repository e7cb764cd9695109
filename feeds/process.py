"""The feed process of one venue: instruments first, then a segment, then sockets; books kept and published until SIGTERM.

    python -m feeds VENUE --run-dir D

Reads D/config.json (written by the supervisor) and, in mode sim, D/simex.json for the addresses. Writes the lasting instrument
table, D/instruments.<venue>.json (the run's copy, its own instruments alone not IDLE), the segment "feed.<venue>", the histogram
page "feed.<venue>", D/feed-<venue>.json (a line of state for people), D/logs/feed-<venue>.log. Never decides, trades, or waits
for a reader or another venue's feed. What is particular to the venue is a FeedVenue (venue.py) and its decoder.

One thread: sockets, timers and REST share the loop; a frame is handled entirely in listener.pyx. Every 20 ms a tick looks after
the rest: snapshots wanted, crossed books, pings, heartbeat; once a second the slower watches."""
import asyncio
import gc
import logging
import os
import pathlib
import random
import signal
import ssl
import time
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import orjson

from cext.decoders.market import MarketDecoder
from cext.doorbell import Doorbell
from cext.hist import HistPage
from cext.ring import FeedWriter
from cext.shm import ShmError
from feeds.backoff import Backoff
from feeds.capture_tap import CaptureTap
from feeds.choice import choose_rows, problems_to_tell
from feeds.config import LOOPBACK, FeedProcessConfig
from feeds.connection import TICK_S, Route, Socket, VenueSockets
from feeds.instruments import InstrumentError, InstrumentRow, InstrumentTable, merge_into_file, table_path, venue_table_path
from feeds.listener import STAGES, FeedPublisher
from feeds.registry import feed_venue
from feeds.rest import RestClient, RestError
from feeds.resubscribe import ResubscribeDesk
from feeds.snapshots import SnapshotDesk
from feeds.venue import FeedVenue, Listing

CROSSED_MAX_NS = 50_000_000
SECOND_TICKS = int(1 / TICK_S)
SNAPSHOT_PATIENCE_S = 1.0    # a subscribed row without any delta gets its snapshot after so long
UNREACHABLE_SAY_S = 60.0

log = logging.getLogger("lockstep.feed")


class FeedFailed(Exception):
    """The feed cannot start or go on; the text says what a person can do."""


class FeedProcess:
    """See the module's docstring. `run()` returns after an orderly stop."""

    def __init__(self, venue: str, run_dir: pathlib.Path, config: FeedProcessConfig) -> None:
        self.venue = venue
        self.facts = feed_venue(venue)
        self.run_dir = run_dir
        self.run_id = run_dir.name
        self.config = config
        self.venue_config = config.venues[venue]
        self.rng = random.Random(config.feeds.seed)
        self.stopping = asyncio.Event()
        self.endpoints, self.ssl_context = find_endpoints(self.facts, config, run_dir)
        self.clients = self._make_clients()
        self.routes: list[Route] = []
        self.markets: dict[str, MarketDecoder] = {}
        self.desks: dict[str, SnapshotDesk | ResubscribeDesk] = {}
        self.market_of_row: dict[int, str] = {}
        self.tasks: list[asyncio.Task[Any]] = []
        self.tap: CaptureTap | None = None
        self.listing = Listing()
        self.failure: str | None = None
        self._state = ""

    def _make_clients(self) -> dict[str, RestClient]:
        """By market; markets with one address share a client and its budget."""
        by_role: dict[str, RestClient] = {}
        for market in self.venue_config.markets:
            limits = self.facts.rest[market]
            limits = replace(limits, headers={**limits.headers, **self.facts.mode_headers.get(self.config.mode, {})})
            if limits.role not in by_role:
                by_role[limits.role] = RestClient(self._url(limits.role), limits, self.ssl_context)
        return {market: by_role[self.facts.rest[market].role] for market in self.venue_config.markets}

    def _url(self, role: str) -> str:
        if role not in self.endpoints:
            raise FeedFailed(f"{self.venue}: no address {role} in mode {self.config.mode}; "
                             f"give venues.{self.venue}.endpoints.{role}")
        return self.endpoints[role]

    # ---------------------------------------------------------------- life

    async def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        try:
            rows = await self._until_stopped(self._read_instruments())
            if rows is None:
                return
            self._set_up(rows)
            for route in self.routes:
                self._start(route.run(), f"route {route.plan.name}")
            self._start(self._ticks(), "ticks")
            self._start(self._refresh(), "refresh")
            gc.collect()
            gc.freeze()
            await self.stopping.wait()
        finally:
            await self._stop()
        if self.failure:
            raise FeedFailed(self.failure)

    async def _until_stopped(self, work: Any) -> Any:
        """The result of `work`, or None when a stop was asked for first."""
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self.stopping.wait())
        await asyncio.wait([task, stop], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return None

    def _start(self, work: Any, name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        task.add_done_callback(self._on_task_done)
        self.tasks.append(task)

    def _on_task_done(self, task: asyncio.Task[Any]) -> None:
        """A task that ends by itself is a mistake of ours: say so and stop; the supervisor starts a fresh process."""
        if not task.cancelled() and not self.stopping.is_set():
            error = task.exception()
            self.failure = f"{task.get_name()} ended: {error!r}"
            log.error("%s", self.failure, exc_info=error)
            self.stopping.set()

    async def _stop(self) -> None:
        """In order: capture, sockets, snapshots, histograms, segment. Capture first: that we close our sockets is no event of
        the venue, and a replay of the recording ends with the books that we had."""
        self._say_state("stopping")
        if self.tap is not None:
            self.tap.stop()
        for route in self.routes:
            route.is_stopping = True
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            _, pending = await asyncio.wait(self.tasks, timeout=3.0)
            for task in pending:
                log.error("%s did not end when asked to", task.get_name())
        await asyncio.gather(*(route.stop() for route in self.routes))
        await asyncio.gather(*(desk.stop() for desk in self.desks.values()))
        for client in set(self.clients.values()):
            await client.close()
        if self.routes:
            self._write_counters()
            self.hist.save(self.run_dir)
            self.hist.close(unlink=True)
            self.doorbell.close()
            self.writer.close(unlink=True)
        self._say_state("stopped", **self._totals())
        log.info("stopped: %s", self._totals())

    # ---------------------------------------------------------------- instruments

    async def _read_instruments(self) -> list[InstrumentRow]:
        """Ask until the venue answers; an unreachable venue is said once clearly, then once a minute."""
        backoff = Backoff(0.2, self.config.feeds.reconnect_last_ms / 1000, self.rng)
        said_s = 0.0
        while True:
            try:
                rows, problems = await self._fetch_instruments()
            except (RestError, InstrumentError) as error:
                text = f"{self.venue}: no market data: {error}; trying again with back-off"
                retry_in_s = backoff.next_s()
                self._say_state("unreachable", again=True, message=text, reason=str(error), attempts=backoff.failures,
                                retry_wall_ns=time.time_ns() + int(retry_in_s * 1e9))
                if time.monotonic() - said_s > UNREACHABLE_SAY_S or not said_s:
                    log.warning("%s", text)
                    said_s = time.monotonic()
                await asyncio.sleep(retry_in_s)
                continue
            for problem in problems[:20]:
                log.warning("%s", problem)
            if not rows:
                raise FeedFailed(f"{self.venue}: none of the configured instruments can be read "
                                 f"({'; '.join(problems[:3]) or 'venue lists none'}); see venues.{self.venue}.symbols")
            return rows

    async def _fetch_instruments(self) -> tuple[list[InstrumentRow], list[str]]:
        self.listing = await self.facts.read_listing(self.clients, self.venue_config)
        chosen, missing = choose_rows(self.facts, self.listing.rows, self.venue_config)
        return chosen, missing + problems_to_tell(self.listing.problems, self.venue_config) + self.listing.notes

    async def _refresh(self) -> None:
        """Read the instruments again now and then. A change of what prices mean takes the instrument out: a restart loads it."""
        while True:
            await asyncio.sleep(self.config.feeds.instruments_refresh_s)
            try:
                await self._compare_instruments()
            except (RestError, InstrumentError) as error:
                log.warning("%s: instruments not read again: %s", self.venue, error)

    async def _compare_instruments(self) -> None:
        rows = [self.table.rows[row] for row in self.market_of_row]
        only = {market: {row.symbol for row in rows if row.market == market} for market in self.markets}
        listing = await self.facts.read_listing(self.clients, self.venue_config, only)
        fresh = {row.name: row for row in listing.rows}
        for row in rows:
            now = fresh.get(row.name)
            if row.id not in self.retired and not means_the_same(row, now):
                log.error("%s changed its filters or status (now %s); it stays INVALID until the feed is started again", row.name,
                          now.status if now is not None else "not listed")
                self.retired.add(row.id)
                self._invalidate(row.id)
            if row.name in listing.funding_s:
                self.markets[row.market].set_funding_interval(row.id, listing.funding_s[row.name])

    def _set_up(self, rows: list[InstrumentRow]) -> None:
        """Table, segment, decoders, routes: everything that does not need a socket."""
        lasting, ids = merge_into_file(table_path(self.config.run.var_dir, self.config.mode), rows)
        self.table: InstrumentTable = lasting.for_run(ids)
        self.table.save(venue_table_path(self.run_dir, self.venue))
        chosen = [self.table.rows[row_id] for row_id in ids]
        try:
            plans = self.facts.plan_routes(chosen, self.config.feeds.connections_per_market, self.config.feeds.trades)
        except InstrumentError as error:  # more than the venue's sockets carry
            raise FeedFailed(str(error)) from None
        instruments = self.table.to_array()
        self.retired: set[int] = set()
        try:
            self.writer = FeedWriter(
                self.run_id,
                self.venue,
                len(self.table),
                ring_capacity=self.config.feeds.ring_capacity,
                trade_ring_capacity=self.config.feeds.trade_ring_capacity,
                instruments_hash=self.table.venue_hash(self.venue),
            )
            self.hist = HistPage.create(self.run_id, f"feed.{self.venue}", STAGES)
        except ShmError as error:
            raise FeedFailed(f"{self.venue}: {error}") from None
        self.doorbell = Doorbell(self.run_dir)
        self.doorbell.try_attach(self.run_id)
        self.publisher = FeedPublisher(self.writer, self.doorbell, self.hist)
        self.tap = CaptureTap(self.run_dir, self.venue, self.table, self.publisher, self._book_body)
        if self.config.feeds.capture:
            self.tap.start(self.config.feeds.capture)
        by_row = {row.id: row for row in chosen}
        for market in self.clients:
            members = [row for row in chosen if row.market == market]
            self.markets[market] = self.facts.make_decoder(instruments, market, [row.id for row in members])
            self.desks[market] = self._make_desk(market, by_row)
            for row in members:
                self.market_of_row[row.id] = market
                if row.name in self.listing.funding_s:
                    self.markets[market].set_funding_interval(row.id, self.listing.funding_s[row.name])
        self.sockets = VenueSockets(self.facts, self.config.feeds, self.publisher, self.rng, self.ssl_context, self.tap.add)
        for plan in plans:
            self.routes.append(
                Route(plan, self._url(plan.role) + plan.path, self.markets[plan.market], by_row, self.sockets, self._on_lost))
        self.route_of_row = {row: route for route in self.routes for row in route.plan.rows}
        self._say_state("connecting", instruments=len(chosen))
        log.info("%s: %d instruments, %d sockets, segment %s", self.venue, len(chosen), len(self.routes), self.writer.name)

    def _make_desk(self, market: str, rows: dict[int, InstrumentRow]) -> SnapshotDesk | ResubscribeDesk:
        """Brings rows back that lost sync, the venue's way."""
        decoder = self.markets[market]
        rest = SnapshotDesk(decoder, rows, self.facts.snapshot_request, self.clients[market],
                            self.config.feeds.snapshots_in_flight, self.rng, self._on_snapshot)
        if self.facts.resync == "rest":
            return rest
        has_rest = all(self.facts.snapshot_request(rows[row]) is not None for row in decoder.rows)
        return ResubscribeDesk(decoder, rows, self._socket_of, rest if has_rest else None, self.rng)

    # ---------------------------------------------------------------- books

    def _socket_of(self, row: int) -> Socket | None:
        return self.route_of_row[row].current

    def _connection_of(self, row: int) -> int:
        socket = self._socket_of(row)
        return socket.connection_id if socket is not None else 0

    def _on_crossed(self, row: int, how: str) -> None:
        """A crossed book that does not heal is a wrong one."""
        if row not in self.retired:
            log.warning("%s: crossed %s; INVALID, fetching it anew", self.table.rows[row].name, how)
            self._invalidate(row)
            self.publisher.want_snapshot(row)

    def _on_snapshot(self, row: int, outcome: str, body: bytes) -> None:
        """A snapshot was applied: publish what became of the book."""
        market = self.market_of_row[row]
        if self.tap is not None:
            self.tap.add("snapshot", market, self._connection_of(row), body, row)
        if row in self.retired:
            self._invalidate(row)
        elif outcome == "synced":
            self.publisher.publish_row(self.markets[market], row, self._connection_of(row))
        elif outcome in ("gap", "error"):
            log.warning("snapshot of %s: %s; fetching again", self.table.rows[row].name, outcome)

    def _book_body(self, row: int) -> tuple[str, bytes] | None:
        """The book of a row in sync, in the form of the venue's REST reply: where a recording begins in mid-stream."""
        market = self.market_of_row.get(row)
        if market is None or not self.publisher.is_valid(row):
            return None
        decoder = self.markets[market]
        book, update_id = decoder.book(row), decoder.stats(row)["update_id"]
        return market, self.facts.write_snapshot(self.table.rows[row], update_id, book["bids"], book["asks"])

    def _on_lost(self, route: Route, rows: list[int]) -> None:
        """Rows without a socket: INVALID at once."""
        for row in rows:
            self._invalidate(row)
            self.publisher.set_down(row)

    def _invalidate(self, row: int) -> None:
        """Out of sync from this moment: decoder, board and ring."""
        market = self.markets[self.market_of_row[row]]
        market.invalidate(row)
        self.publisher.publish_row(market, row, self._connection_of(row))

    # ---------------------------------------------------------------- timers

    async def _ticks(self) -> None:
        """Every 20 ms; what is slower hangs on a count of ticks."""
        loop = asyncio.get_running_loop()
        next_s = loop.time()
        count = 0
        while True:
            next_s = max(next_s + TICK_S, loop.time() - TICK_S)
            await asyncio.sleep(next_s - loop.time())
            count += 1
            self._tick()
            if count % SECOND_TICKS == 0:
                self._second()

    def _tick(self) -> None:
        now_mono_ns = time.monotonic_ns()
        for row in self.publisher.take_wanted():
            if row not in self.retired:
                self.desks[self.market_of_row[row]].want(row)
        for row in self.publisher.crossed_rows(CROSSED_MAX_NS):
            self._on_crossed(row, f"for more than {CROSSED_MAX_NS // 1_000_000} ms")
        for route in self.routes:
            for socket in list(route.sockets):
                socket.tick(now_mono_ns)
        self.publisher.write_header_counters(
            sum(market.counters()["unknown_frames"] for market in self.markets.values()), self.sockets.reconnects
        )
        if self.tap is not None:
            self.tap.drain()

    def _second(self) -> None:
        self.doorbell.try_attach(self.run_id)
        for row in self._write_counters():
            self._on_crossed(row, "beneath its top for a second")
        for market, decoder in self.markets.items():
            for row in decoder.needs_snapshot():
                socket = self.route_of_row[row].current
                if (row not in self.retired and socket is not None and socket.is_subscribed
                        and time.monotonic() - socket.opened_s > SNAPSHOT_PATIENCE_S):
                    self.desks[market].want(row)
        for route in self.routes:
            for socket in list(route.sockets):
                socket.watch_streams()
        if self.tap is not None:
            self.tap.check_request()
        valid = sum(self.publisher.is_valid(row) for row in self.market_of_row)
        up = sum(route.current is not None for route in self.routes)
        if up == len(self.routes):
            self._say_state("live" if valid == len(self.market_of_row) else "syncing")
        elif up == 0:
            self._say_state("unreachable", message=f"{self.venue}: no connection; trying again with back-off")
        else:
            self._say_state("partly connected")

    def _write_counters(self) -> list[int]:
        """Counters onto the board; returns rows with a crossed depth."""
        return [row for decoder in self.markets.values() for row in self.publisher.write_board_counters(decoder)]

    def _totals(self) -> dict[str, int]:
        if not self.routes:
            return {}
        stats = [decoder.stats(row) for decoder in self.markets.values() for row in decoder.rows]
        return {
            "frames": self.publisher.frames,
            "errors": self.publisher.errors,
            "oversized": self.publisher.oversized,
            "reconnects": self.sockets.reconnects,
            "gaps": sum(s["gaps"] for s in stats),
            "invalid": sum(s["invalid"] for s in stats),
            "resyncs": sum(s["resyncs"] for s in stats),
            "duplicates": sum(s["duplicates"] for s in stats),
            "snapshots": sum(desk.fetched for desk in self.desks.values()),
        }

    def _say_state(self, state: str, *, again: bool = False, **fields: Any) -> None:
        """State for people (supervisor, tests) in D/feed-<venue>.json, written when it changes, or `again` with fresh fields."""
        if state == self._state and not again:
            return
        if self._state and state != self._state and state in ("live", "partly connected", "syncing", "unreachable"):
            log.info("%s: %s", self.venue, state)
        self._state = state
        path = self.run_dir / f"feed-{self.venue}.json"
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(
            orjson.dumps({"venue": self.venue, "state": state, "pid": os.getpid(), "wall_ns": time.time_ns(), **fields})
        )
        os.replace(temporary, path)


def means_the_same(known: InstrumentRow, fresh: InstrumentRow | None) -> bool:
    """Whether orders priced with `known` still mean what they meant."""
    return fresh is not None and all(getattr(known, name) == getattr(fresh, name) for name in (
        "px_scale", "qty_scale", "tick", "lot", "min_qty", "max_qty", "min_notional", "multiplier", "contract_size", "status"))


def find_endpoints(
    venue: FeedVenue, config: FeedProcessConfig, run_dir: pathlib.Path
) -> tuple[dict[str, str], ssl.SSLContext | None]:
    """Addresses of this mode by role, overridden by the configuration, and the TLS context (None = no TLS needed)."""
    if config.mode == "sim":
        base, authority = read_simex(venue, run_dir / "simex.json")
    else:
        base, authority = dict(venue.endpoints[config.mode]), None
    endpoints = {**base, **config.venues[venue.name].endpoints}
    needs_tls = any(url.startswith(("wss:", "https:")) for url in endpoints.values())
    return endpoints, ssl.create_default_context(cafile=authority) if needs_tls else None


def read_simex(venue: FeedVenue, path: pathlib.Path) -> tuple[dict[str, str], str | None]:
    """Addresses of the simulated venue: loopback only, whatever the file says."""
    try:
        data = orjson.loads(path.read_bytes())
        endpoints = {role: url.rstrip("/") for role, url in data["endpoints"][venue.name].items() if role in venue.roles}
    except FileNotFoundError:
        raise FeedFailed(f"{path}: not there; the simulated venues write it when they are ready") from None
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise FeedFailed(f"{path}: does not name the simulated {venue.name}: {error!r}") from None
    for role, url in endpoints.items():
        if urlsplit(url).hostname not in LOOPBACK:
            raise FeedFailed(f"{path}: {role} is {url}; simulated venues are on this machine only")
    return endpoints, data.get("ca")

"""The feed process of one venue: instruments first, then a segment, then sockets; books kept and published until SIGTERM.

    python -m feeds binance --run-dir D

Reads D/config.json (written by the supervisor) and, in mode sim, D/simex.json for the addresses. Writes the lasting instrument
table, D/instruments.json (the run's copy), the segment "feed.binance", the histogram page "feed.binance", D/feed-binance.json
(a line of state for people), D/logs/feed-binance.log. Never decides, trades, or waits for a reader.

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
from decimal import Decimal
from typing import Any

import orjson

from cext.decoders.binance import BinanceMarket
from cext.doorbell import Doorbell
from cext.hist import HistPage
from cext.ring import FeedWriter
from cext.shm import ShmError
from feeds.backoff import Backoff
from feeds.capture_tap import CaptureTap
from feeds.config import LOOPBACK, Endpoints, FeedProcessConfig
from feeds.connection import TICK_S, Route, VenueSockets
from feeds.instruments import InstrumentError, InstrumentRow, InstrumentTable, merge_into_file, run_table_path, table_path
from feeds.listener import STAGES, FeedPublisher
from feeds.rest import RestClient, RestError
from feeds.snapshots import SnapshotDesk
from feeds.venues import binance

CROSSED_MAX_NS = 50_000_000
SECOND_TICKS = int(1 / TICK_S)
REFRESH_SYMBOLS = 50         # asked for at a time when instruments are read again: a turn of the loop stays short
SNAPSHOT_PATIENCE_S = 1.0    # a subscribed row without any delta gets its snapshot after so long
UNREACHABLE_SAY_S = 60.0

log = logging.getLogger("lockstep.feed")


class FeedFailed(Exception):
    """The feed cannot start or go on; the text says what a person can do."""


class FeedProcess:
    """See the module's docstring. `run()` returns after an orderly stop."""

    def __init__(self, venue: str, run_dir: pathlib.Path, config: FeedProcessConfig) -> None:
        self.venue = venue
        self.run_dir = run_dir
        self.run_id = run_dir.name
        self.config = config
        self.venue_config = config.venues["binance"]
        self.rng = random.Random(config.feeds.seed)
        self.stopping = asyncio.Event()
        self.endpoints, self.ssl_context = find_endpoints(config, run_dir)
        self.clients = {
            market: RestClient(
                getattr(self.endpoints, f"{market}_rest"), binance.FACTS[market].weight_per_minute, self.ssl_context
            )
            for market in self.venue_config.markets
        }
        self.routes: list[Route] = []
        self.markets: dict[str, BinanceMarket] = {}
        self.desks: dict[str, SnapshotDesk] = {}
        self.market_of_row: dict[int, str] = {}
        self.connection_of_row: dict[int, int] = {}
        self.tasks: list[asyncio.Task[Any]] = []
        self.tap: CaptureTap | None = None
        self.listings: dict[str, Any] = {}  # the venue's newest exchangeInfo by market
        self.failure: str | None = None
        self._state = ""

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
        for client in self.clients.values():
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
        listed: list[InstrumentRow] = []
        problems: list[str] = []
        for market, client in self.clients.items():
            facts = binance.FACTS[market]
            params = None
            if market == "spot" and self.venue_config.symbols != "auto":  # a few symbols instead of megabytes
                names = sorted(name.replace("/", "") for name in self.venue_config.symbols if ":" not in name)
                params = {"symbols": orjson.dumps(names).decode()} if names else None
            try:
                data = await client.get_json(facts.exchange_info_path, params, weight=facts.exchange_info_weight, timeout_s=30.0)
            except RestError as error:
                if params is None or error.status != 400:
                    raise
                data = await client.get_json(facts.exchange_info_path, weight=facts.exchange_info_weight, timeout_s=30.0)
            self.listings[market] = data
            rows, found = binance.parse_exchange_info(market, data, self.venue_config.fees)
            listed += rows
            problems += found
        if problems and self.venue_config.symbols != "auto":  # only what was asked for is worth a word
            wanted = {name.split(":")[0].replace("/", "") for name in self.venue_config.symbols}
            problems = [problem for problem in problems if any(f" {name}:" in problem for name in wanted)]
        chosen, missing = binance.choose_rows(listed, self.venue_config)
        self.funding_s: dict[str, int] = {}
        if "linear" in self.clients:
            try:
                self.funding_s = binance.parse_funding_info(await self.clients["linear"].get_json(binance.FUNDING_INFO_PATH))
            except (RestError, InstrumentError) as error:
                problems.append(f"{self.venue}: funding intervals unknown, 8 h assumed: {error}")
        return chosen, missing + problems

    async def _refresh(self) -> None:
        """Read the instruments again now and then. A change of what prices mean takes the instrument out: a restart loads it."""
        while True:
            await asyncio.sleep(self.config.feeds.instruments_refresh_s)
            for market in self.markets:
                try:
                    await self._compare_instruments(market)
                except (RestError, InstrumentError) as error:
                    log.warning("%s: instruments not read again: %s", self.venue, error)

    async def _compare_instruments(self, market: str) -> None:
        client, facts = self.clients[market], binance.FACTS[market]
        symbols = {self.table.rows[row].symbol: row for row, name in self.market_of_row.items() if name == market}
        names = sorted(symbols)
        requests: list[dict[str, str] | None] = [None]
        if market == "spot":
            requests = [
                {"symbols": orjson.dumps(names[start : start + REFRESH_SYMBOLS]).decode()}
                for start in range(0, len(names), REFRESH_SYMBOLS)
            ]
        fresh: dict[str, InstrumentRow] = {}
        for params in requests:
            data = await client.get_json(facts.exchange_info_path, params, weight=facts.exchange_info_weight, timeout_s=30.0)
            fresh.update(
                {row.symbol: row for row in binance.parse_exchange_info(market, data, self.venue_config.fees, set(names))[0]}
            )
        for symbol, row in symbols.items():
            if row not in self.retired and not means_the_same(self.table.rows[row], fresh.get(symbol)):
                log.error(
                    "%s changed its filters or status (now %s); it stays INVALID until the feed is started again",
                    self.table.rows[row].name,
                    fresh[symbol].status if symbol in fresh else "not listed",
                )
                self.retired.add(row)
                self._invalidate(row)
        if market == "linear":
            intervals = binance.parse_funding_info(await client.get_json(binance.FUNDING_INFO_PATH))
            for symbol, row in symbols.items():
                self.markets[market].set_funding_interval(row, intervals.get(symbol, binance.FUNDING_INTERVAL_S))

    def _set_up(self, rows: list[InstrumentRow]) -> None:
        """Table, segment, decoders, routes: everything that does not need a socket."""
        lasting, ids = merge_into_file(table_path(self.config.run.var_dir, self.config.mode), rows)
        self.table: InstrumentTable = lasting.for_run(ids)
        if self.config.mode == "paper":
            self._save_listings({self.table.rows[row_id].name for row_id in ids})
        self.table.save(run_table_path(self.run_dir))
        chosen = [self.table.rows[row_id] for row_id in ids]
        instruments = self.table.to_array()
        self.retired: set[int] = set()
        try:
            self.writer = FeedWriter(
                self.run_id,
                self.venue,
                len(self.table),
                ring_capacity=self.config.feeds.ring_capacity,
                trade_ring_capacity=self.config.feeds.trade_ring_capacity,
                instruments_hash=self.table.version_hash(),
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
        symbols = {row.id: row.symbol for row in chosen}
        stream_symbols = {row.id: row.symbol.lower() for row in chosen}
        for market, client in self.clients.items():
            members = [row for row in chosen if row.market == market]
            self.markets[market] = BinanceMarket(instruments, market, [row.id for row in members])
            self.desks[market] = SnapshotDesk(self.markets[market], binance.FACTS[market], symbols, client,
                                              self.config.feeds.snapshots_in_flight, self.rng, self._on_snapshot)
            for row in members:
                self.market_of_row[row.id] = market
                if market == "linear":
                    self.markets[market].set_funding_interval(row.id, self.funding_s.get(row.symbol, binance.FUNDING_INTERVAL_S))
        self.sockets = VenueSockets(self.config.feeds, self.publisher, self.rng, self.ssl_context, self.tap.add)
        for plan in binance.plan_routes(chosen, self.config.feeds.connections_per_market, self.config.feeds.trades):
            url = getattr(self.endpoints, plan.endpoint) + binance.WS_PATH
            self.routes.append(Route(plan, url, self.markets[plan.market], stream_symbols, self.sockets, self._on_lost))
        self.route_of_row = {row: route for route in self.routes for row in route.plan.rows}
        self._say_state("connecting", instruments=len(chosen))
        log.info("%s: %d instruments, %d sockets, segment %s", self.venue, len(chosen), len(self.routes), self.writer.name)

    def _save_listings(self, names: set[str]) -> None:
        """Mode paper: what the venue says of the chosen symbols, as it said it, for the venue that is simulated from it. Written
        before the run's table: whoever sees the table finds these too."""
        for market, listing in self.listings.items():
            symbols = {self.table.by_name[name].symbol for name in names if self.table.by_name[name].market == market}
            kept = {**listing, "symbols": [one for one in listing["symbols"] if one["symbol"] in symbols]}
            path = self.run_dir / f"exchange_info.{market}.json"
            temporary = path.with_suffix(".tmp")
            temporary.write_bytes(orjson.dumps(kept))
            os.replace(temporary, path)

    # ---------------------------------------------------------------- books

    def _connection_of(self, row: int) -> int:
        socket = self.route_of_row[row].current
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
        instrument, decoder = self.table.rows[row], self.markets[market]
        sides = {side: [[unscaled(px, instrument.px_scale), unscaled(qty, instrument.qty_scale)] for px, qty in levels]
                 for side, levels in decoder.book(row).items()}
        return market, orjson.dumps({"lastUpdateId": decoder.stats(row)["update_id"], **sides})

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


def unscaled(value: int, scale: int) -> str:
    """value / 10**scale as plain decimal text."""
    return format(Decimal(value).scaleb(-scale), "f")


def means_the_same(known: InstrumentRow, fresh: InstrumentRow | None) -> bool:
    """Whether orders priced with `known` still mean what they meant."""
    return fresh is not None and all(getattr(known, name) == getattr(fresh, name) for name in (
        "px_scale", "qty_scale", "tick", "lot", "min_qty", "max_qty", "min_notional", "multiplier", "contract_size", "status"))


def find_endpoints(config: FeedProcessConfig, run_dir: pathlib.Path) -> tuple[Endpoints, ssl.SSLContext | None]:
    """Addresses of this mode, overridden by the configuration, and the TLS context (None = no TLS needed)."""
    if config.mode == "sim":
        base, authority = read_simex(run_dir / "simex.json")
    else:
        base, authority = binance.ENDPOINTS[config.mode], None
    given = {key: value for key, value in config.venues["binance"].endpoints.model_dump().items() if value is not None}
    endpoints = base.model_copy(update=given)
    needs_tls = any(str(url).startswith(("wss:", "https:")) for url in endpoints.model_dump().values() if url)
    return endpoints, ssl.create_default_context(cafile=authority) if needs_tls else None


def read_simex(path: pathlib.Path) -> tuple[Endpoints, str | None]:
    """Addresses of the simulated venues: loopback only, whatever the file says."""
    try:
        data = orjson.loads(path.read_bytes())
        endpoints = Endpoints.model_validate(
            {key: value for key, value in data["endpoints"]["binance"].items() if key in Endpoints.model_fields}
        )
    except FileNotFoundError:
        raise FeedFailed(f"{path}: not there; the simulated venues write it when they are ready") from None
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise FeedFailed(f"{path}: does not name the simulated venues: {error}") from None
    for name, url in endpoints.model_dump().items():
        if url is not None and not any(f"//{host}" in url or f"//[{host}]" in url for host in LOOPBACK):
            raise FeedFailed(f"{path}: {name} is {url}; simulated venues are on this machine only")
    return endpoints, data.get("ca")

"""Keeping sockets open: connecting, subscribing within the venue's limits, pinging, giving up, replacing before the old one goes.

    Route    one planned socket (FeedVenue.plan_routes): keeps one Socket open for ever, replaces it without a hole
    Socket   one WebSocket from handshake to end

Runs on the feed's loop. The frames themselves never pass through here (listener.pyx); what does are acknowledgements, ends,
timers."""

import asyncio
import contextlib
import logging
import random
import socket as socket_module
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import picows

from cext.decoders.market import MarketDecoder
from feeds.backoff import STABLE_AFTER_S, Backoff, RateWindow
from feeds.config import FeedsConfig
from feeds.instruments import InstrumentRow
from feeds.listener import FeedListener, FeedPublisher
from feeds.venue import FeedVenue, Rate, RoutePlan, StreamRequest

CONNECT_TIMEOUT_S = 5.0
ACK_TIMEOUT_S = 5.0
ACK_TRIES = 3
OVERLAP_MAX_S = 3.0      # rows that stay silent on the new socket for so long do not keep the old one
COVERED_AFTER_S = 1.0    # both sockets up for so long: whatever happened since the new one's subscription comes through it
TICK_S = 0.02
RESUBSCRIBE_SILENCE_S = 30.0
TCP_USER_TIMEOUT_MS = 4000
SOCKETS_MAX = 32         # CONNECTIONS_MAX of layout.h
SHARE_OF_ATTEMPTS = 0.2  # of the venue's connection attempts per address
SHARE_OF_MESSAGES = 0.8
GATHER_S = 0.05          # rows that have to begin again within so long share their requests
BUDGET_PATIENCE_S = 5.0  # requests that would have to wait longer for their allowance go to a new socket

log = logging.getLogger("lockstep.feed")


def window_of(rate: Rate, share: float) -> RateWindow:
    """Our share of what the venue allows, at least one."""
    return RateWindow(max(1, int(rate.count * share)), rate.window_s)


class Host:
    """One address: one socket is being built there at a time, and while it does not answer, one route asks for all."""

    def __init__(self, config: FeedsConfig, rng: random.Random) -> None:
        self.building = asyncio.Lock()
        self.backoff = Backoff(config.reconnect_first_ms / 1000, config.reconnect_last_ms / 1000, rng)
        self.is_down_said = False


async def take_of_all(windows: list[RateWindow], step_s: float) -> None:
    """Take one of each window, as soon as all have room."""
    while any(window.wait_s() > 0 for window in windows):
        await asyncio.sleep(max(step_s, *(window.wait_s() for window in windows)))
    for window in windows:
        window.try_take()


@dataclass
class Answer:
    """What is still to come for one request."""

    left: int                      # acknowledgements
    code: asyncio.Future[int]      # 0 when all came, the venue's code with the first refusal, -1 when the socket went away


@dataclass
class VenueSockets:
    """What all sockets of one venue share: ids, attempts, hosts."""

    facts: FeedVenue
    config: FeedsConfig
    publisher: FeedPublisher
    rng: random.Random
    ssl_context: ssl.SSLContext | None
    on_capture: Callable[[str, str, int, bytes], None]
    hosts: dict[str, "Host"] = field(default_factory=dict)
    used_ids: set[int] = field(default_factory=set)
    reconnects: int = 0

    def __post_init__(self) -> None:
        self._attempts = [window_of(rate, SHARE_OF_ATTEMPTS) for rate in self.facts.attempts]

    async def take_attempt(self) -> None:
        """Wait until one more connection may be tried: a fifth of the venue's allowance per address is ours."""
        await take_of_all(self._attempts, 0.05)

    def host_of(self, url: str) -> Host:
        """The address of a url; spot and USD-M may have one each."""
        return self.hosts.setdefault(urlsplit(url).netloc, Host(self.config, self.rng))

    def take_id(self) -> int:
        """A free connection id; raises when all 32 are taken, which no configuration allows."""
        for connection_id in range(SOCKETS_MAX):
            if connection_id not in self.used_ids:
                self.used_ids.add(connection_id)
                return connection_id
        raise RuntimeError("all connection ids are in use")

    def free_id(self, connection_id: int) -> None:
        """The socket is gone."""
        self.used_ids.discard(connection_id)
        self.publisher.set_connection_alive(connection_id, 0)


class Socket:
    """One WebSocket of a route. `closed` is set when it is gone, with `why`."""

    def __init__(self, route: "Route", venue: VenueSockets) -> None:
        self.route = route
        self.venue = venue
        self.connection_id = venue.take_id()
        self.name = f"{route.plan.name}#{self.connection_id}"
        self.listener = FeedListener(venue.publisher, route.market, self.connection_id, self)
        self.transport: picows.WSTransport | None = None
        self.limits = venue.facts.sockets[route.plan.market]
        self.messages = window_of(self.limits.messages, SHARE_OF_MESSAGES)
        self._requests = [window_of(rate, SHARE_OF_MESSAGES) for rate in self.limits.requests]
        self.closed = asyncio.Event()
        self.rotate_wanted = asyncio.Event()
        self.why = ""
        self.opened_s = 0.0
        self.life_s = venue.config.rotate_after_s * venue.rng.uniform(0.9, 1.0)
        self.is_subscribed = False
        self.acks: dict[int, Answer] = {}
        self._next_request = 1
        self._pinged_mono_ns = 0
        self._subscribed_s = 0.0
        self._tasks: set[asyncio.Task[bool]] = set()
        self._changing = asyncio.Lock()                 # subscriptions change one after the other
        self._again: dict[int, InstrumentRow] = {}      # rows that have to begin again
        self._beginning: asyncio.Task[bool] | None = None
        heartbeat = venue.facts.heartbeat
        self._idle_ns = int(heartbeat.idle_s * 1e9) or venue.config.ping_idle_ms * 1_000_000
        self._dead_ns = max(venue.config.dead_after_ms * 1_000_000, 2 * self._idle_ns)

    # ---------------------------------------------------------------- opening

    async def open(self, url: str) -> None:
        """Handshake; raises OSError, TimeoutError or picows.WSError."""
        # asyncio.timeout, not wait_for: before Python 3.12 the latter can swallow a cancellation.
        async with asyncio.timeout(CONNECT_TIMEOUT_S + 1):
            await picows.ws_connect(
                lambda: self.listener, url, ssl_context=self.venue.ssl_context if url.startswith("wss") else None,
                websocket_handshake_timeout=CONNECT_TIMEOUT_S, logger_name="lockstep.feed.ws", enable_auto_ping=False,
                enable_auto_pong=False, max_frame_size=self.venue.config.frame_max_bytes, read_buffer_init_size=1 << 18)
        assert self.transport is not None
        raw = self.transport.underlying_transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket_module.IPPROTO_TCP, socket_module.TCP_NODELAY, 1)
            raw.setsockopt(socket_module.IPPROTO_TCP, socket_module.TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS)
        self.opened_s = time.monotonic()

    async def subscribe(self, streams: tuple[str, ...], is_subscribe: bool = True) -> bool:
        """Ask for streams (or for their end) in chunks, within the venue's limits, and wait for every acknowledgement."""
        async with self._changing:
            requests = self.venue.facts.subscribe_requests(self.route.plan.market, streams, self._next_request, is_subscribe)
            self._next_request += len(requests)
            for request in requests:
                if not await self._request(request):
                    return False
            self._subscribed_s = time.monotonic()
            return True

    async def _request(self, request: StreamRequest) -> bool:
        for attempt in range(ACK_TRIES):
            await take_of_all([self.messages, *self._requests], 0.01)
            if self.closed.is_set() or self.transport is None:
                return False
            answer = Answer(request.acks, asyncio.get_running_loop().create_future())
            self.acks[request.id] = answer
            self.transport.send(picows.WSMsgType.TEXT, request.frame)
            try:
                async with asyncio.timeout(ACK_TIMEOUT_S):
                    code = await answer.code
            except TimeoutError:
                log.warning("%s: %d of %d answers to request %d missing after %.0f s (try %d of %d)", self.name, answer.left,
                            request.acks, request.id, ACK_TIMEOUT_S, attempt + 1, ACK_TRIES)
                continue
            finally:
                self.acks.pop(request.id, None)
            if code == 0:
                return True
            if code > 0 or not self.closed.is_set():
                log.error("%s: the venue refused request %d with code %d: %s", self.name, request.id, code,
                          request.frame[:200].decode())
            return False
        return False

    # ---------------------------------------------------------------- beginning again

    async def begin_again(self, row: InstrumentRow) -> bool:
        """End the row's streams and begin them anew, together with the other rows that want it now. True = the venue confirmed.
        A socket whose allowance of requests is used up asks to be replaced instead: a new one has a new allowance."""
        self._again[row.id] = row
        if self._beginning is None or self._beginning.done():
            self._beginning = self._start(self._begin_gathered())
        beginning = self._beginning
        try:
            return await asyncio.shield(beginning)
        except asyncio.CancelledError:
            if beginning.cancelled():  # the socket went away, not whoever asked
                return False
            raise

    async def _begin_gathered(self) -> bool:
        await asyncio.sleep(GATHER_S)
        rows, self._again = list(self._again.values()), {}
        self._beginning = None
        if any(window.wait_s() > BUDGET_PATIENCE_S for window in self._requests):
            log.info("%s: its allowance of requests is used up; connecting anew beside it", self.name)
            self.rotate_wanted.set()
            return False
        return await self._begin(rows)

    async def _begin(self, rows: list[InstrumentRow]) -> bool:
        plan, market = self.route.plan, self.route.market
        streams = tuple(stream for row in rows for stream in self.venue.facts.streams_of_row(plan, row))
        if not await self.subscribe(streams, False):
            return False
        if self.venue.facts.resync == "resubscribe":
            lost = set(market.needs_snapshot())
            for row in rows:
                if row.id in plan.rows and row.id in lost:
                    market.restart_stream(row.id)
        return await self.subscribe(streams)

    def carries(self, row: int) -> bool:
        """Leaving another socket for this one makes no hole in the row: its sequence was seen here, or there was nothing to
        see."""
        return self.listener.is_in_sequence(row) or (
            self.is_subscribed and time.monotonic() - self._subscribed_s > COVERED_AFTER_S
        )

    # ---------------------------------------------------------------- called by the listener

    def on_connected(self, transport: picows.WSTransport) -> None:
        """Handshake done."""
        self.transport = transport
        self.venue.on_capture("connect", self.route.plan.market, self.connection_id, self.route.url.encode())

    def on_ack(self, request_id: int, code: int) -> None:
        """One reply to a subscription request; a request may have several."""
        answer = self.acks.get(request_id)
        if answer is None and code != 0 and len(self.acks) == 1:  # errors may come without the id
            answer = next(iter(self.acks.values()))
        if answer is None or answer.code.done():
            return
        answer.left -= 1
        if code != 0 or answer.left <= 0:
            answer.code.set_result(code)

    def on_shutdown_announced(self) -> None:
        """serverShutdown: replace this socket now."""
        log.info("%s: the venue announced a shutdown; connecting anew beside it", self.name)
        self.rotate_wanted.set()

    def on_ping(self, payload: bytes) -> None:
        """Answer at once: an unanswered ping drops the connection. It counts as a message of ours."""
        self.messages.try_take()
        if self.transport is not None:
            self.transport.send_pong(payload)

    def on_close(self, code: int, message: bytes) -> None:
        """The venue's close frame."""
        self.why = f"closed by the venue with code {code} {message[:80].decode('utf-8', 'replace')}".rstrip()

    def on_disconnected(self, transport: picows.WSTransport) -> None:
        """Gone, for whatever reason."""
        handshake = transport.close_handshake
        if (
            handshake is not None
            and handshake.sent is not None
            and int(handshake.sent.code) == int(picows.WSCloseCode.MESSAGE_TOO_BIG)
        ):
            self.venue.publisher.oversized += 1
            self.why = f"a frame larger than {self.venue.config.frame_max_bytes} bytes"
        self.why = self.why or "connection lost"
        self.finish()

    # ---------------------------------------------------------------- life

    def tick(self, now_mono_ns: int) -> None:
        """Every 20 ms: ping after silence, give up after too much of it."""
        if self.transport is None or self.closed.is_set():
            return
        silent_ns = now_mono_ns - self.listener.rx_mono_ns
        if silent_ns > self._dead_ns:
            self.why = f"no sign of life for {silent_ns / 1e9:.1f} s"
            self.transport.disconnect(False)
            self.finish()
        elif silent_ns > self._idle_ns and now_mono_ns - self._pinged_mono_ns > self._idle_ns and self.messages.try_take():
            self._pinged_mono_ns = now_mono_ns
            frame = self.venue.facts.heartbeat.frame
            if frame:
                self.transport.send(picows.WSMsgType.TEXT, frame)
            else:
                self.transport.send_ping(b"")

    def watch_streams(self) -> None:
        """Once a second: a stream without a first message, or silent far beyond its habit, is subscribed again."""
        config = self.venue.config
        if (
            not self.is_subscribed
            or self._tasks
            or time.monotonic() - self._subscribed_s < config.first_message_timeout_ms / 1000
        ):
            return
        publisher = self.venue.publisher
        silent = {row for row, _ in self.listener.missing(list(self.route.plan.watched))}
        if not silent and self.route.plan.rows:
            if time.monotonic() - self._subscribed_s < RESUBSCRIBE_SILENCE_S:
                return
            silent = {row for row in self.route.plan.rows if publisher.quiet_limit_ms(row) and publisher.silent_ns(row) / 1e6
                      > max(RESUBSCRIBE_SILENCE_S * 1000, 10 * publisher.quiet_limit_ms(row))}
        if silent:
            rows = [self.route.rows[row] for row in sorted(silent)]
            log.info("%s: the streams of %d instruments are silent; subscribing them again: %s", self.name, len(rows),
                     ", ".join(row.symbol for row in rows[:10]))
            self._start(self._begin(rows))

    def _start(self, work: "asyncio._CoroutineLike[bool]") -> asyncio.Task[bool]:
        task: asyncio.Task[bool] = asyncio.get_running_loop().create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)
        return task

    def _on_task_done(self, task: asyncio.Task[bool]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("%s: %r", self.name, task.exception(), exc_info=task.exception())

    def finish(self) -> None:
        """Once: release the id, wake waiters, tell the route."""
        if self.closed.is_set():
            return
        self.closed.set()
        for answer in self.acks.values():
            if not answer.code.done():
                answer.code.set_result(-1)
        for task in self._tasks:
            task.cancel()
        self.venue.on_capture("disconnect", self.route.plan.market, self.connection_id, self.why.encode())
        self.venue.free_id(self.connection_id)
        self.route.on_socket_gone(self)

    async def close(self) -> None:
        """Leave politely: close frame, then the transport; never longer than half a second."""
        self.why = self.why or "left"
        if self.transport is not None and not self.closed.is_set():
            self.transport.send_close(picows.WSCloseCode.OK)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await self.closed.wait()
            self.transport.disconnect(False)
        self.finish()


class Route:
    """Keeps the socket of one plan open. `on_lost(rows)` is called at once when rows have no socket any more."""

    def __init__(self, plan: RoutePlan, url: str, market: MarketDecoder, rows: dict[int, InstrumentRow], venue: VenueSockets,
                 on_lost: Callable[["Route", list[int]], None]) -> None:
        self.plan = plan
        self.url = url
        self.market = market
        self.rows = rows
        self.venue = venue
        self.on_lost = on_lost
        self.sockets: list[Socket] = []   # the one in use first; a second one while it is being replaced
        self.is_stopping = False
        self._backoff = Backoff(venue.config.reconnect_first_ms / 1000, venue.config.reconnect_last_ms / 1000, venue.rng)

    @property
    def current(self) -> Socket | None:
        """The socket whose records count."""
        return self.sockets[0] if self.sockets else None

    async def run(self) -> None:
        """For ever: open, watch, replace. Ends only by cancellation."""
        socket = await self._open_until()
        while True:
            why = await self._wait_for_end(socket)
            if why == "rotate":
                socket = await self._replace(socket)
            else:
                if time.monotonic() - socket.opened_s > STABLE_AFTER_S:
                    self._backoff.reset()
                self.venue.reconnects += 1
                delay_s = self._backoff.next_s()
                log.warning("%s: %s; connecting again in %.2f s", socket.name, socket.why, delay_s)
                await asyncio.sleep(delay_s)
                socket = await self._open_until()

    async def _wait_for_end(self, socket: Socket) -> str:
        """'closed' or 'rotate' (announced shutdown, or older than rotate_after_s)."""
        loop = asyncio.get_running_loop()
        waits = [loop.create_task(socket.closed.wait()), loop.create_task(socket.rotate_wanted.wait())]
        try:
            left_s = max(0.0, socket.opened_s + socket.life_s - time.monotonic())
            await asyncio.wait(waits, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return "closed" if socket.closed.is_set() else "rotate"

    async def _open_until(self) -> Socket:
        """A connected and subscribed socket, however long it takes."""
        while True:
            socket = await self._connect_until()
            self.sockets.append(socket)
            self._begin_lost_rows()
            if not socket.closed.is_set() and await socket.subscribe(self.plan.streams):
                socket.is_subscribed = True
                log.info("%s: connected, %d streams", socket.name, len(self.plan.streams))
                return socket
            if not socket.closed.is_set():
                socket.why = "subscription failed"
                await socket.close()
            delay_s = self._backoff.next_s()
            log.warning("%s: %s while subscribing; connecting again in %.2f s", socket.name, socket.why, delay_s)
            await asyncio.sleep(delay_s)

    def _begin_lost_rows(self) -> None:
        """Where subscribing brings a whole book: rows without one start with the first message of the new socket."""
        if self.venue.facts.resync == "resubscribe":
            for row in set(self.market.needs_snapshot()).intersection(self.plan.rows):
                self.market.restart_stream(row)

    async def _connect_until(self) -> Socket:
        """A connected socket. One is being built per address at a time, attempts stay within a fifth of the venue's allowance."""
        host = self.venue.host_of(self.url)
        async with host.building:
            while True:
                await self.venue.take_attempt()
                socket = Socket(self, self.venue)
                try:
                    await socket.open(self.url)
                    host.backoff.reset()
                    host.is_down_said = False
                    return socket
                except (OSError, TimeoutError, picows.WSError) as error:
                    socket.why = f"cannot connect to {self.url}: {error or type(error).__name__}"
                    socket.finish()
                except BaseException:
                    socket.finish()
                    raise
                if not host.is_down_said:
                    log.warning("%s: %s; trying again with back-off", self.plan.name, socket.why)
                    host.is_down_said = True
                await asyncio.sleep(host.backoff.next_s())

    async def _replace(self, old: Socket) -> Socket:
        """Make before break: the new socket carries every row in sequence before the old one is left."""
        new = await self._open_until()
        deadline_s = time.monotonic() + OVERLAP_MAX_S
        while (not old.closed.is_set() and not new.closed.is_set() and time.monotonic() < deadline_s
               and not all(new.carries(row) for row in self.plan.rows)):
            await asyncio.sleep(TICK_S)
        if new.closed.is_set():  # the run loop sees it closed and opens another; the old one stays first as long as it lives
            await asyncio.sleep(self._backoff.next_s())
            return new if old.closed.is_set() else old
        if old in self.sockets:
            self.sockets.remove(old)
        for row in self.plan.rows:
            self.venue.publisher.publish_row(self.market, row, new.connection_id, True)
        await old.close()
        log.info("%s: replaces %s", new.name, old.name)
        return new

    def on_socket_gone(self, socket: Socket) -> None:
        """Rows that no other live socket carries in sequence lost their feed in this moment."""
        was_serving = socket in self.sockets
        if was_serving:
            self.sockets.remove(socket)
        if not was_serving or self.is_stopping:
            return
        others = [other for other in self.sockets if not other.closed.is_set()]
        lost = [row for row in self.plan.rows if not any(other.carries(row) for other in others)]
        if lost:
            self.on_lost(self, lost)
        if others:
            for row in set(self.plan.rows) - set(lost):
                self.venue.publisher.publish_row(self.market, row, others[0].connection_id, True)

    async def stop(self) -> None:
        """Close what is open."""
        self.is_stopping = True
        await asyncio.gather(*(socket.close() for socket in list(self.sockets)))

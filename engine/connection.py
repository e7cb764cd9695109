"""Keeps one session connected: opens sockets, prepares them (logon, subscribe), replaces them before they end.

The loop: open -> prepare -> adopt -> wait until the socket ends, the venue announces its end, or it gets old. An announced or old
socket is replaced first and closed afterwards (make before break). Failures back off from `first_ms`, doubling up to `last_ms`,
with jitter from a seeded generator; a connection that held for a while starts from the beginning again.
"""
from __future__ import annotations

import asyncio
import logging
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import picows

from engine.sessions import VenueSession, VenueSocket

log = logging.getLogger("lockstep.connection")

BEATS_A_PERIOD = 4  # how finely silence is looked at
CANCEL_AGAIN_S = 0.1
HELD_S = 10.0       # a connection that lived so long was a good one: back-off starts anew


async def end_tasks(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel and wait until all are done. Cancelled again until then: a task in asyncio.wait_for may swallow a cancel that comes
    in the moment in which what it waited for ends (Python 3.11)."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)
        for task in done:
            if not task.cancelled():
                task.exception()  # looked at: whoever made the task reports it


@dataclass(frozen=True, slots=True)
class ConnectionPolicy:
    """Times of one connection. Binance cuts every socket after 24 h.

    Proof of life: websocket pings after `ping_idle_s` of silence, answered within `ping_reply_s`; or, where the venue wants its
    own words, `ping_frame` (a text frame) at the same times. Any frame that comes in is proof of life."""
    first_ms: int = 100
    last_ms: int = 30_000
    rotate_after_s: float = 82_800.0
    handshake_timeout_s: float = 5.0
    prepare_timeout_s: float = 10.0
    ping_idle_s: float = 2.0       # silence after which we ping
    ping_reply_s: float = 2.0      # a pong that takes longer = dead
    frame_max_bytes: int = 1 << 20
    ping_frame: bytes | None = None  # text heartbeat in place of websocket pings (Bybit, OKX)
    ping_every_s: float = 0.0        # text heartbeat also while frames come in, so often; 0 = only in silence


class Connection:
    """Connection(session, url, prepare, seed): `url()` is asked before each attempt (listen keys change), `prepare(socket)` logs
    on."""

    def __init__(self, session: VenueSession, url: Callable[[], Awaitable[str]],
                 prepare: Callable[[VenueSocket], Awaitable[None]], *,
                 seed: int, policy: ConnectionPolicy = ConnectionPolicy(), ssl_context: ssl.SSLContext | None = None,
                 on_failure: Callable[[str], None] | None = None) -> None:
        self.session = session
        self.failures = 0
        self.last_failure = ""
        self._url = url
        self._prepare = prepare
        self._policy = policy
        self._ssl = ssl_context
        self._random = random.Random(seed)
        self._on_failure = on_failure
        self._replace = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def policy(self) -> ConnectionPolicy:
        return self._policy

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name=f"connection {self._name()}")

    def replace(self, reason: str) -> None:
        """Open a new socket now and let the present one go afterwards."""
        log.info("%s: replacing its socket: %s", self._name(), reason)
        self._replace.set()

    async def stop(self) -> None:
        """Close the socket and end the loop; waits until the connection is gone."""
        task, self._task = self._task, None
        if task is not None:
            await end_tasks([task])
        socket = self.session.socket
        if socket is not None:
            socket.close("stopped")
            try:
                await asyncio.wait_for(asyncio.shield(socket.closed), 1.0)
            except TimeoutError:
                socket.abort("stopped")

    def back_off_s(self) -> float:
        """How long to wait after the latest failure."""
        doubled = min(self._policy.first_ms * 2 ** min(self.failures - 1, 20), self._policy.last_ms)
        return doubled * self._random.uniform(0.5, 1.0) / 1000

    def _name(self) -> str:
        return f"{self.session.venue} {self.session.market} {self.session.kind}"

    async def _run(self) -> None:
        while True:
            started = asyncio.get_running_loop().time()
            try:
                socket = await self._open()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001  whatever it was, the loop must live on: say it and try again
                self._failed(f"{type(error).__name__}: {error}")
                await asyncio.sleep(self.back_off_s())
                continue
            self._replace.clear()
            self.session.adopt(socket)
            log.info("%s: ready on socket %d after %.0f ms", self._name(), socket.number,
                     1000 * (asyncio.get_running_loop().time() - started))
            await self._hold(socket)
            if socket.closed.done():
                if asyncio.get_running_loop().time() - started > HELD_S:
                    self.failures = 0
                self._failed(str(socket.closed.result()))
                await asyncio.sleep(self.back_off_s())

    async def _open(self) -> VenueSocket:
        """A connected and prepared socket, or an exception and nothing left open."""
        policy = self._policy
        url = await self._url()
        pings = policy.ping_frame is None
        _, listener = await picows.ws_connect(
            self.session.make_socket, url, ssl_context=self._ssl, websocket_handshake_timeout=policy.handshake_timeout_s,
            enable_auto_ping=pings, auto_ping_idle_timeout=policy.ping_idle_s, auto_ping_reply_timeout=policy.ping_reply_s,
            enable_auto_pong=True, max_frame_size=policy.frame_max_bytes, max_redirects=0)
        assert isinstance(listener, VenueSocket)
        try:
            async with asyncio.timeout(policy.prepare_timeout_s):  # wait_for may swallow a cancel that comes as it ends
                await self._prepare(listener)
            if listener.closed.done():
                raise ConnectionError(listener.closed.result())
        except BaseException:
            listener.abort("not prepared")
            raise
        return listener

    async def _hold(self, socket: VenueSocket) -> None:
        """Until the socket ended, or is to be replaced."""
        loop = asyncio.get_running_loop()
        replace = loop.create_task(self._replace.wait())
        heartbeat = None if self._policy.ping_frame is None else loop.create_task(self._beat(socket, self._policy.ping_frame))
        try:
            waited: set[asyncio.Future[Any]] = {replace, socket.closed}
            await asyncio.wait(waited, timeout=self._policy.rotate_after_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            replace.cancel()
            if heartbeat is not None:
                heartbeat.cancel()

    async def _beat(self, socket: VenueSocket, ping: bytes) -> None:
        """The venue's text heartbeat: sent in silence (and every `ping_every_s`), and nothing heard within `ping_reply_s` of one
        sent in silence ends the connection. A socket that was replaced is not asked any more: it closes by itself."""
        policy = self._policy
        sent_ns = 0
        while not socket.closed.done():
            now_ns = time.monotonic_ns()
            idle_s = (now_ns - socket.alive_mono_ns) / 1e9
            since_s = (now_ns - sent_ns) / 1e9
            if socket.alive_mono_ns < sent_ns and idle_s >= policy.ping_idle_s and since_s >= policy.ping_reply_s:
                socket.abort(f"no answer to a ping within {policy.ping_reply_s:g} s")
                return
            due = idle_s >= policy.ping_idle_s and socket.alive_mono_ns >= sent_ns
            if due or (policy.ping_every_s and since_s >= policy.ping_every_s):
                sent_ns = now_ns
                socket.send_text(ping)
            await asyncio.sleep(min(policy.ping_idle_s, policy.ping_reply_s) / BEATS_A_PERIOD)

    def _failed(self, reason: str) -> None:
        self.failures += 1
        self.last_failure = reason
        level = logging.WARNING if self.failures & (self.failures - 1) == 0 else logging.DEBUG  # 1st, 2nd, 4th, 8th ... of a kind
        log.log(level, "%s: attempt %d failed: %s", self._name(), self.failures, reason)
        if self._on_failure is not None:
            self._on_failure(reason)

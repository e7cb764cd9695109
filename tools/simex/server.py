"""The socket shell of one venue: websockets (picows) and HTTP (aiohttp) around its dialect.

One thread, one event loop for all venues.  Stamps the receipt of each request first, hands bytes to the dialect, writes what it
returns; owns what a connection does by the clock (pings, idle cut, life).  Nothing here knows what a message means.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from tools.simex.contract import MD, OE, UD, Session, SessionRules
from tools.simex.venue import Venue

WRITE_BUFFER_MAX_BYTES = 32 << 20  # a reader further behind than this is cut, as the venue would
GOING_AWAY = 1001
HTTP_PATIENCE_S = 60.0
CHANNELS = (MD, OE, UD)


class Connection(WSListener):
    """One websocket; the session's link."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.server = server
        self.session: Session = None  # type: ignore[assignment]  # set by the server before the connection is used
        self.rules = SessionRules()
        self.transport: WSTransport | None = None
        self.opened_ns = time.monotonic_ns()
        self.ping_payload = b""
        self.pinged_ns = 0
        self.next_ping_ns = 0
        self.traffic = 0  # messages of either side
        self._seen_traffic = -1
        self._idle_since_ns = self.opened_ns
        self._second = 0
        self._messages = 0
        self._parts: list[bytes] = []

    def bind(self, session: Session, overrides: Mapping[str, float]) -> None:
        self.session = session
        self.rules = replace(session.rules, **overrides)  # type: ignore[arg-type]
        self.next_ping_ns = self.opened_ns + int(self.rules.ping_s * 1e9)

    def is_silenced(self) -> bool:
        silenced = self.server.silenced
        return bool(silenced) and not silenced.isdisjoint(self.session.channels)

    # ---- the session's link ------------------------------------------------------------------------

    def send(self, frame: bytes) -> None:
        transport = self.transport
        if transport is None or (self.server.silenced and self.is_silenced()):
            return
        self.traffic += 1
        self.server.frames_sent += 1
        transport.send(WSMsgType.TEXT, frame)

    def close(self, code: int = 1000, reason: bytes = b"") -> None:
        if self.transport is not None:
            self.transport.send_close(code, reason)  # type: ignore[arg-type]
            self.transport.disconnect()

    # ---- the socket --------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        transport.underlying_transport.set_write_buffer_limits(high=WRITE_BUFFER_MAX_BYTES)
        self.server.connections[self] = None
        self.session.opened()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        recv_ns = time.monotonic_ns()
        kind = frame.msg_type
        if kind == WSMsgType.TEXT or kind == WSMsgType.BINARY or kind == WSMsgType.CONTINUATION:
            self.traffic += 1
            if self.rules.messages_per_s_max and not self._count_message():
                return
            message = frame.get_payload_as_bytes()
            if not frame.fin or self._parts:
                self._parts.append(message)
                if not frame.fin:
                    return
                message = b"".join(self._parts)
                self._parts.clear()
            if self.server.latency_s > 0 and OE in self.session.channels:
                asyncio.get_running_loop().call_later(self.server.latency_s, self.session.on_text, message, recv_ns)
            else:
                self.session.on_text(message, recv_ns)
        elif kind == WSMsgType.PING:
            if not self.server.has_no_pong and not self.is_silenced():
                transport.send_pong(frame.get_payload_as_bytes())
        elif kind == WSMsgType.PONG:
            if frame.get_payload_as_bytes() == self.ping_payload:
                self.pinged_ns = 0
        elif kind == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def _count_message(self) -> bool:
        """A connection that sends more than the venue allows in a second is cut."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._messages = second, 0
        self._messages += 1
        if self._messages > self.rules.messages_per_s_max:
            self.close(self.rules.rate_code, b"Too many requests")
            return False
        return True

    def pause_writing(self) -> None:
        """The peer does not read; as at the venue, a consumer too slow is cut."""
        self.server.slow_consumers += 1
        if self.transport is not None:
            self.transport.disconnect(False)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.transport = None
        self.server.connections.pop(self, None)
        self.session.close()

    def every_second(self, now_ns: int, wall_ms: int) -> None:
        """Pings with a payload to be echoed, the end of idleness and of a connection's life."""
        transport, rules = self.transport, self.rules
        if transport is None:
            return
        if rules.life_s and now_ns - self.opened_ns > rules.life_s * 1e9:
            self.close(GOING_AWAY, b"")
            return
        if self.traffic != self._seen_traffic:
            self._seen_traffic, self._idle_since_ns = self.traffic, now_ns
        elif rules.idle_cut_s and now_ns - self._idle_since_ns > rules.idle_cut_s * 1e9:
            self.close(rules.idle_code, b"")
            return
        if self.pinged_ns:
            if now_ns - self.pinged_ns > rules.pong_timeout_s * 1e9:
                transport.disconnect(False)
        elif rules.ping_s and now_ns >= self.next_ping_ns:
            self.next_ping_ns = now_ns + int(rules.ping_s * 1e9)
            self.ping_payload = str(wall_ms).encode()
            self.pinged_ns = now_ns
            if not self.is_silenced():
                transport.send_ping(self.ping_payload)


class Server:
    """All listening sockets of one venue."""

    def __init__(
        self,
        venue: Venue,
        tls: ssl.SSLContext | None = None,
        *,
        host: str = "127.0.0.1",
        ports: Mapping[str, int] | None = None,
        sessions: Mapping[str, float] | None = None,
        latency_us: int = 0,
    ) -> None:
        """ports: socket -> fixed port; sessions: fields of SessionRules that override the venue's."""
        self.venue = venue
        self.tls = tls
        self.host = host
        self.ports = dict(ports or {})
        self.overrides = dict(sessions or {})
        if not venue.enforce_limits:
            self.overrides["messages_per_s_max"] = 0
        self.latency_s = latency_us / 1e6
        self.connections: dict[Connection, None] = {}  # in the order in which they came
        self.silenced: set[str] = set()  # channels that say nothing
        self.has_no_pong = False
        self.refuse_until_ns = 0
        self.http_fault: tuple[int, str, int] | None = None  # status, text, how often
        self.frames_sent = 0
        self.slow_consumers = 0
        self.endpoints: dict[str, str] = {}
        self._closers: list[Callable[[], Any]] = []

    # ---- opening ---------------------------------------------------------------------------------

    async def open(self) -> None:
        """Open all ports; OSError names the one that is taken."""
        opened = {
            name: await (self._open_http(name) if is_http else self._open_ws(name))
            for name, is_http in self.venue.sim.ports().items()
        }
        for role in self.venue.sim.roles:
            scheme = ("https" if self.tls else "http") if role.is_http else ("wss" if self.tls else "ws")
            self.endpoints[role.name] = f"{scheme}://{self.host}:{opened[role.port]}{role.path}"

    def _taken(self, name: str, port: int, error: OSError) -> OSError:
        return OSError(
            error.errno,
            f"{self.venue.name}: {name}: port {port} of {self.host} cannot be opened: {error.strerror or error}",
        )

    async def _open_ws(self, name: str) -> int:
        port = self.ports.get(name, 0)
        try:
            server = await ws_create_server(
                lambda request: self._upgrade(name, request),
                self.host,
                port,
                enable_auto_pong=False,
                max_frame_size=1 << 20,
                websocket_handshake_timeout=5,
                ssl=self.tls,
            )
        except OSError as error:
            raise self._taken(name, port, error) from None
        self._closers.append(server.close)
        return int(server.sockets[0].getsockname()[1])

    async def _open_http(self, name: str) -> int:
        port = self.ports.get(name, 0)

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return await self._on_http(name, request)

        runner = web.ServerRunner(web.Server(handle, access_log=None), handle_signals=False)
        await runner.setup()
        site = web.TCPSite(runner, self.host, port, ssl_context=self.tls, shutdown_timeout=0.5)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            raise self._taken(name, port, error) from None
        self._closers.append(runner.cleanup)
        return int(site._server.sockets[0].getsockname()[1])  # type: ignore[union-attr]

    async def close(self) -> None:
        """Tell every connection, then close all sockets."""
        for connection in list(self.connections):
            connection.close(GOING_AWAY, b"")
        for closer in self._closers:
            outcome = closer()
            if asyncio.iscoroutine(outcome):
                await outcome
        for connection in list(self.connections):
            if connection.transport is not None:
                connection.transport.disconnect(False)
        await asyncio.sleep(0)

    # ---- requests --------------------------------------------------------------------------------

    def _upgrade(self, name: str, request: WSUpgradeRequest) -> Connection | None:
        if time.monotonic_ns() < self.refuse_until_ns:
            return None
        headers = {key.lower(): value for key, value in request.headers.items()}
        connection = Connection(self)
        session = self.venue.dialect.open_session(name, request.path.decode("ascii", "replace"), headers, connection)
        if session is None:
            return None
        connection.bind(session, self.overrides)
        return connection

    async def _on_http(self, name: str, request: web.BaseRequest) -> web.StreamResponse:
        recv_ns = time.monotonic_ns()
        body = await request.read() if request.can_read_body else b""
        if self.http_fault is not None:
            status, text, left = self.http_fault
            self.http_fault = (status, text, left - 1) if left > 1 else None
            return web.Response(status=status, body=text.encode(), content_type="application/json")
        if self.latency_s > 0:
            await asyncio.sleep(self.latency_s)
        answer: asyncio.Future[tuple[int, bytes, Mapping[str, str]]] = asyncio.get_running_loop().create_future()

        def reply(status: int, content: bytes, headers: Mapping[str, str]) -> None:
            if not answer.done():
                answer.set_result((status, content, headers))

        path, _, query = request.raw_path.partition("?")
        asked = {key.lower(): value for key, value in request.headers.items()}
        self.venue.dialect.on_http(name, request.method, path, query, asked, body, recv_ns, reply)
        try:
            status, content, headers = await asyncio.wait_for(answer, HTTP_PATIENCE_S)
        except TimeoutError:
            return web.Response(status=504)
        return web.Response(status=status, body=content, headers=headers, content_type="application/json")

    # ---- on time and on command --------------------------------------------------------------------

    def every_second(self) -> None:
        now_ns, wall_ms = time.monotonic_ns(), self.venue.clock.wall_ms()
        for connection in list(self.connections):
            connection.every_second(now_ns, wall_ms)

    def chosen(self, channel: str | None, market: str | None) -> list[Connection]:
        """Open connections of a channel and market; None = all.  A session that serves both markets is one of each."""
        return [
            c
            for c in self.connections
            if c.transport is not None
            and (channel is None or channel in c.session.channels)
            and (market is None or c.session.market in (None, market))
        ]

    def cut(self, channel: str | None, market: str | None, graceful: bool = False) -> int:
        """Fault `disconnect`: end connections of a channel."""
        doomed = self.chosen(channel, market)
        for connection in doomed:
            if graceful:
                connection.close(GOING_AWAY, b"")
            elif connection.transport is not None:
                connection.transport.disconnect(False)
        return len(doomed)

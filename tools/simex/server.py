"""The socket shell: websockets (picows) and HTTP (aiohttp) around the sans-I/O venue.

One thread, one event loop.  Stamps the receipt of each request first, hands bytes to the dialect, writes what it returns; owns
the timers (market steps, pings, connection life).  Nothing here knows what a message means.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from tools.simex.config import SimexConfig
from tools.simex.instrument import LINEAR, SPOT
from tools.simex.linear import LinearOperations
from tools.simex.operations import Operations
from tools.simex.rest import RestDialect, RestReply
from tools.simex.spot import SpotOperations
from tools.simex.streams import MarketSession
from tools.simex.user_stream import LinearUserSession
from tools.simex.venue import Venue
from tools.simex.ws_api import WsApiSession

MESSAGES_PER_S_MAX = {SPOT: 5, LINEAR: 10}
WRITE_BUFFER_MAX_BYTES = 32 << 20  # a reader further behind than this is cut, as the venue would
PONG_TIMEOUT_S = {SPOT: 60.0, LINEAR: 600.0}


class Connection(WSListener):
    """One websocket of any role; `channel` is md, oe or ud for faults and statistics."""

    def __init__(self, server: Server, market: str, channel: str, path: str) -> None:
        super().__init__()
        self.server = server
        self.market = market
        self.channel = channel
        self.path = path
        self.session: Any = None
        self.transport: WSTransport | None = None
        self.is_silent = False
        self.opened_ns = time.monotonic_ns()
        self.ping_payload = b""
        self.pinged_ns = 0
        self.next_ping_ns = self.opened_ns + int(server.ping_s[market] * 1e9)
        self._second = 0
        self._messages = 0
        self._parts: list[bytes] = []

    def send(self, frame: bytes) -> None:
        transport = self.transport
        if transport is None or self.is_silent or self.server.silent[self.channel]:
            return
        self.server.frames_sent += 1
        transport.send(WSMsgType.TEXT, frame)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        transport.underlying_transport.set_write_buffer_limits(high=WRITE_BUFFER_MAX_BYTES)
        self.server.connections.add(self)
        if self.channel == "md":
            self.session = MarketSession(self.server.venue.data[self.market], self.path, self.send)
        elif self.channel == "oe":
            self.session = WsApiSession(self.server.venue, self.server.operations[self.market], self.path, self.send)
        else:
            self.session = LinearUserSession(self.server.venue, self.path, self.send)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        recv_ns = time.monotonic_ns()
        kind = frame.msg_type
        if kind == WSMsgType.TEXT or kind == WSMsgType.BINARY or kind == WSMsgType.CONTINUATION:
            if not self._count_message():
                return
            message = frame.get_payload_as_bytes()
            if not frame.fin or self._parts:
                self._parts.append(message)
                if not frame.fin:
                    return
                message = b"".join(self._parts)
                self._parts.clear()
            if self.channel == "oe":
                self.server.on_order_text(self, message, recv_ns)
            else:
                self.session.on_text(message)
        elif kind == WSMsgType.PING:
            if not self.is_silent and not self.server.silent[self.channel] and not self.server.has_no_pong:
                transport.send_pong(frame.get_payload_as_bytes())
        elif kind == WSMsgType.PONG:
            if frame.get_payload_as_bytes() == self.ping_payload:
                self.pinged_ns = 0
        elif kind == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def _count_message(self) -> bool:
        """Market and user streams cut a connection that sends more than the venue allows in a second."""
        if self.channel == "oe" or not self.server.config.enforce_limits:
            return True
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._messages = second, 0
        self._messages += 1
        if self._messages > MESSAGES_PER_S_MAX[self.market]:
            self.close(WSCloseCode.POLICY_VIOLATION, b"Too many requests")
            return False
        return True

    def close(self, code: WSCloseCode, reason: bytes) -> None:
        if self.transport is not None:
            self.transport.send_close(code, reason)
            self.transport.disconnect()

    def pause_writing(self) -> None:
        """The peer does not read; as at the venue, a consumer too slow is cut."""
        self.server.slow_consumers += 1
        if self.transport is not None:
            self.transport.disconnect(False)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.transport = None
        self.server.connections.discard(self)
        if self.session is not None:
            self.session.close()


class Server:
    """All listening sockets of a run."""

    def __init__(self, config: SimexConfig, venue: Venue, tls: ssl.SSLContext | None) -> None:
        self.config = config
        self.venue = venue
        self.tls = tls
        self.operations: dict[str, Operations] = {SPOT: SpotOperations(venue), LINEAR: LinearOperations(venue)}
        self.rest = {market: RestDialect(venue, self.operations[market]) for market in (SPOT, LINEAR)}
        self.connections: set[Connection] = set()
        self.silent = {"md": False, "oe": False, "ud": False}
        self.has_no_pong = False
        self.refuse_until_ns = 0
        self.http_fault: tuple[int, str, int] | None = None  # status, text, how often
        self.frames_sent = 0
        self.slow_consumers = 0
        self.endpoints: dict[str, str] = {}
        self._closers: list[Callable[[], Any]] = []
        self._latency_s = config.latency_us / 1e6
        self.ping_s = {SPOT: config.spot_ping_s, LINEAR: config.linear_ping_s}

    # ---- opening ---------------------------------------------------------------------------------

    async def open(self) -> None:
        """Open all ports; OSError names the one that is taken."""
        wss, https = ("wss", "https") if self.tls else ("ws", "http")
        ports = {
            "spot_rest": await self._open_rest(SPOT),
            "spot_ws": await self._open_ws("spot_ws", lambda request: self._market_socket(SPOT, request)),
            "spot_ws_api": await self._open_ws("spot_ws_api", lambda request: self._api_socket(SPOT, "/ws-api/v3", request)),
            "linear_rest": await self._open_rest(LINEAR),
            "linear_ws": await self._open_ws("linear_ws", lambda request: self._market_socket(LINEAR, request)),
            "linear_ws_api": await self._open_ws(
                "linear_ws_api", lambda request: self._api_socket(LINEAR, "/ws-fapi/v1", request)
            ),
        }
        host = self.config.host
        linear_ws = f"{wss}://{host}:{ports['linear_ws']}"
        self.endpoints = {
            "spot_rest": f"{https}://{host}:{ports['spot_rest']}",
            "spot_ws": f"{wss}://{host}:{ports['spot_ws']}",
            "spot_ws_api": f"{wss}://{host}:{ports['spot_ws_api']}/ws-api/v3",
            "linear_rest": f"{https}://{host}:{ports['linear_rest']}",
            "linear_ws_public": f"{linear_ws}/public",
            "linear_ws_market": f"{linear_ws}/market",
            "linear_ws_private": f"{linear_ws}/private",
            "linear_ws_api": f"{wss}://{host}:{ports['linear_ws_api']}/ws-fapi/v1",
        }

    async def _open_ws(self, role: str, factory: Callable[[WSUpgradeRequest], Connection | None]) -> int:
        port = self.config.ports.get(role, 0)
        try:
            server = await ws_create_server(
                factory,
                self.config.host,
                port,
                enable_auto_pong=False,
                max_frame_size=1 << 20,
                websocket_handshake_timeout=5,
                ssl=self.tls,
            )
        except OSError as error:
            raise OSError(
                error.errno, f"{role}: port {port} of {self.config.host} cannot be opened: {error.strerror or error}"
            ) from None
        self._closers.append(server.close)
        return int(server.sockets[0].getsockname()[1])

    async def _open_rest(self, market: str) -> int:
        role = f"{market}_rest"
        port = self.config.ports.get(role, 0)

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return await self._on_http(market, request)

        runner = web.ServerRunner(web.Server(handle, access_log=None), handle_signals=False)
        await runner.setup()
        site = web.TCPSite(runner, self.config.host, port, ssl_context=self.tls, shutdown_timeout=0.5)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            raise OSError(
                error.errno, f"{role}: port {port} of {self.config.host} cannot be opened: {error.strerror or error}"
            ) from None
        self._closers.append(runner.cleanup)
        return int(site._server.sockets[0].getsockname()[1])  # type: ignore[union-attr]

    async def close(self) -> None:
        """Tell every connection, then close all sockets."""
        for connection in list(self.connections):
            connection.close(WSCloseCode.GOING_AWAY, b"")
        for closer in self._closers:
            outcome = closer()
            if asyncio.iscoroutine(outcome):
                await outcome
        for connection in list(self.connections):
            if connection.transport is not None:
                connection.transport.disconnect(False)
        await asyncio.sleep(0)

    # ---- routing ---------------------------------------------------------------------------------

    def _market_socket(self, market: str, request: WSUpgradeRequest) -> Connection | None:
        if time.monotonic_ns() < self.refuse_until_ns:
            return None
        path = request.path.decode("ascii", "replace")
        if market == LINEAR and LinearUserSession.accepts(path, self.venue):
            return Connection(self, market, "ud", path)
        return Connection(self, market, "md", path) if MarketSession.accepts(market, path) else None

    def _api_socket(self, market: str, expected: str, request: WSUpgradeRequest) -> Connection | None:
        if time.monotonic_ns() < self.refuse_until_ns:
            return None
        path = request.path.decode("ascii", "replace")
        return Connection(self, market, "oe", path) if path.partition("?")[0] == expected else None

    def on_order_text(self, connection: Connection, message: bytes, recv_ns: int) -> None:
        if self._latency_s > 0:
            asyncio.get_running_loop().call_later(self._latency_s, connection.session.on_text, message, recv_ns)
        else:
            connection.session.on_text(message, recv_ns)

    async def _on_http(self, market: str, request: web.BaseRequest) -> web.StreamResponse:
        recv_ns = time.monotonic_ns()
        body = (await request.read()).decode("utf-8", "replace") if request.can_read_body else ""
        if self.http_fault is not None:
            status, text, left = self.http_fault
            self.http_fault = (status, text, left - 1) if left > 1 else None
            return web.Response(status=status, body=text.encode(), content_type="application/json")
        if self._latency_s > 0:
            await asyncio.sleep(self._latency_s)
        answer: asyncio.Future[RestReply] = asyncio.get_running_loop().create_future()

        def reply(outcome: RestReply) -> None:
            if not answer.done():
                answer.set_result(outcome)

        raw_path, _, raw_query = request.raw_path.partition("?")
        self.rest[market].handle(request.method, raw_path, raw_query, body, request.headers.get("X-MBX-APIKEY"), recv_ns, reply)
        try:
            outcome = await asyncio.wait_for(answer, 60)
        except TimeoutError:
            return web.Response(status=504)
        return web.Response(status=outcome.status, body=outcome.body, headers=outcome.headers, content_type="application/json")

    # ---- timers ----------------------------------------------------------------------------------

    def every_second(self) -> None:
        """Pings with a payload to be echoed, and the end of a connection's life."""
        now = time.monotonic_ns()
        for connection in list(self.connections):
            transport = connection.transport
            if transport is None:
                continue
            age_s = (now - connection.opened_ns) / 1e9
            if age_s > self.config.connection_life_s:
                connection.close(WSCloseCode.GOING_AWAY, b"")
                continue
            if connection.pinged_ns and now - connection.pinged_ns > PONG_TIMEOUT_S[connection.market] * 1e9:
                transport.disconnect(False)
                continue
            every = self.ping_s[connection.market]
            if connection.pinged_ns == 0 and now >= connection.next_ping_ns:
                connection.next_ping_ns = now + int(every * 1e9)
                connection.ping_payload = str(self.venue.clock.wall_ms()).encode()
                connection.pinged_ns = now
                if not connection.is_silent and not self.silent[connection.channel]:
                    transport.send_ping(connection.ping_payload)

    def cut(self, channel: str | None, market: str | None, graceful: bool = False) -> int:
        """Fault `disconnect`: end connections of a channel."""
        count = 0
        for connection in list(self.connections):
            if channel in (None, connection.channel) and market in (None, connection.market) and connection.transport is not None:
                count += 1
                if graceful:
                    connection.close(WSCloseCode.GOING_AWAY, b"")
                else:
                    connection.transport.disconnect(False)
        return count

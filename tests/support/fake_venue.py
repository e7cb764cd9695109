"""A scripted venue for tests of sockets and REST: answers what the test says, records what came in, misbehaves on demand.

Not a simulator (tools/simex is): no matcher, no ledger. `answer` maps a WS method to a function (request) -> reply dict, bytes,
or None for silence; REST paths map to functions (request) -> (status, headers, body).
"""
from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import picows
from aiohttp import web
from picows import WSFrame, WSListener, WSMsgType, WSTransport

WsAnswer = Callable[[dict[str, Any]], Any]
RestAnswer = Callable[[web.Request], tuple[int, dict[str, str], bytes]]


class FakePeer(WSListener):
    """One client's connection, seen from the venue."""

    def __init__(self, venue: FakeWs) -> None:
        self.venue = venue
        self.transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self.venue.peers.append(self)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.transport = None

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
            return
        if frame.msg_type != WSMsgType.TEXT:
            self.venue.control_frames.append((frame.msg_type, frame.get_payload_as_bytes()))
            return
        raw = frame.get_payload_as_bytes()
        self.venue.raw.append(raw)
        if raw in self.venue.texts:
            if (text := self.venue.texts[raw]) is not None:
                self.send(text)
            return
        request = orjson.loads(raw)
        self.venue.requests.append(request)
        made = self.venue.answers.get(request.get("method") or request.get("op"), lambda _: None)(request)
        if made is not None:
            self.send(made)

    def send(self, message: Any) -> None:
        """A dict as JSON, or bytes as they are."""
        assert self.transport is not None
        self.transport.send(WSMsgType.TEXT, message if isinstance(message, bytes) else orjson.dumps(message))


class FakeWs:
    """A websocket endpoint on a free port of 127.0.0.1."""

    def __init__(self) -> None:
        self.answers: dict[str, WsAnswer] = {"session.logon": lambda request: {"id": request["id"], "status": 200, "result": {}}}
        self.requests: list[dict[str, Any]] = []
        self.raw: list[bytes] = []
        self.texts: dict[bytes, bytes | None] = {}  # whole messages that are no requests (text heartbeats) -> the answer
        self.control_frames: list[tuple[Any, bytes]] = []
        self.peers: list[FakePeer] = []
        self.paths: list[str] = []
        self.url = ""
        self._server: asyncio.Server | None = None

    async def open(self, *, answers_pings: bool = True) -> None:
        def accept(request: Any) -> FakePeer:
            self.paths.append(request.path.decode())
            return FakePeer(self)
        self._server = await picows.ws_create_server(accept, "127.0.0.1", 0, enable_auto_pong=answers_pings)
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        for peer in self.peers:
            if peer.transport is not None:
                peer.transport.disconnect(False)
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @property
    def peer(self) -> FakePeer:
        """The newest connection."""
        return self.peers[-1]


class FakeRest:
    """An HTTP endpoint on a free port of 127.0.0.1. `routes`: "GET /api/v3/time" -> function or JSON value (status 200)."""

    def __init__(self) -> None:
        self.routes: dict[str, Any] = {}
        self.seen: list[tuple[str, str, dict[str, str]]] = []  # method, raw path with query, headers
        self.bodies: list[bytes] = []
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]

    async def close(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        self.seen.append((request.method, request.raw_path, dict(request.headers)))
        self.bodies.append(await request.read())
        made = self.routes.get(f"{request.method} {request.path}", (404, {}, b'{"code":-1,"msg":"no such route"}'))
        if callable(made):
            made = made(request)
        if asyncio.iscoroutine(made):
            made = await made
        status, headers, body = made if isinstance(made, tuple) else (200, {}, orjson.dumps(made))
        return web.Response(status=status, headers=headers, body=body)


@contextlib.asynccontextmanager
async def fake_ws(*, answers_pings: bool = True) -> AsyncIterator[FakeWs]:
    venue = FakeWs()
    await venue.open(answers_pings=answers_pings)
    try:
        yield venue
    finally:
        await venue.close()


@contextlib.asynccontextmanager
async def fake_rest() -> AsyncIterator[FakeRest]:
    venue = FakeRest()
    await venue.open()
    try:
        yield venue
    finally:
        await venue.close()


async def until(condition: Callable[[], Any], timeout_s: float = 3.0) -> None:
    """Waits for a condition; fails with its source place when it does not come true."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.002)

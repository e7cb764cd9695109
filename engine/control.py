"""The control socket: a 0600 unix socket in the run directory, one JSON object a line, both ways.

    -> {"id": 1, "cmd": "status", "args": {}, "who": "tools/status"}
    <- {"id": 1, "ok": true, "result": {...}}
    <- {"id": 1, "ok": false, "error": "unknown command 'stats'; known: ..."}
    <- {"event": "alert", "data": {...}}                      (after {"cmd": "subscribe"})

Runs on the engine's own loop in short turns; handlers are plain functions registered by the shell. Every command except the
reading ones is journaled with who and when, before it is carried out. The Python client is engine/client.py;
docs/control-protocol.md lists the commands."""
import asyncio
import os
import pathlib
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

MAX_LINE_BYTES = 1 << 20
READ_ONLY = frozenset({"ping", "status", "stats", "books", "opportunities", "positions", "trades", "report", "subscribe",
                       "commands", "manual"})

Handler = Callable[[dict[str, Any]], Any | Awaitable[Any]]


class ControlError(Exception):
    """A command that cannot be carried out; its text goes to the caller as it is."""


def peer_of(writer: asyncio.StreamWriter) -> dict[str, int]:
    """Process and user on the other end, as the kernel knows them: {"pid", "uid"}."""
    sock = writer.get_extra_info("socket")
    pid, uid, _gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return {"pid": pid, "uid": uid}


class ControlServer:
    """Serves `path`. `journal(record: dict)` is called for every command that changes something."""

    def __init__(self, path: pathlib.Path, journal: Callable[[dict[str, Any]], None]) -> None:
        self.path = path
        self._journal = journal
        self._handlers: dict[str, Handler] = {"ping": lambda args: "pong", "commands": lambda args: sorted(self._handlers)}
        self._subscribers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.AbstractServer | None = None

    def register(self, name: str, handler: Handler) -> None:
        """Make `name` a command. The handler gets args, returns what can be written as JSON, or raises ControlError."""
        self._handlers[name] = handler

    async def start(self) -> None:
        """Bind the socket, mode 0600 from its first instant. A dead run's socket file is replaced."""
        self.path.unlink(missing_ok=True)
        previous = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, str(self.path), limit=MAX_LINE_BYTES)
        finally:
            os.umask(previous)

    async def stop(self) -> None:
        """Close all; the socket file is gone afterwards."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._subscribers):
            writer.close()
        self.path.unlink(missing_ok=True)

    def publish(self, event: str, data: Any) -> None:
        """Send an event to every subscriber; one that does not read is dropped rather than waited for."""
        line = orjson.dumps({"event": event, "data": data}, default=str) + b"\n"
        for writer in list(self._subscribers):
            if writer.transport.get_write_buffer_size() > MAX_LINE_BYTES:
                self._subscribers.discard(writer)
                writer.close()
            else:
                writer.write(line)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                reply = await self._answer(line, writer)
                writer.write(orjson.dumps(reply, default=str) + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError, asyncio.LimitOverrunError):
            return  # the peer went away or sent a line without end: its own loss
        finally:
            self._subscribers.discard(writer)
            writer.close()

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> dict[str, Any]:
        try:
            request = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            return {"id": None, "ok": False, "error": f"not JSON: {error}"}
        if not isinstance(request, dict) or not isinstance(request.get("cmd"), str):
            return {"id": None, "ok": False, "error": 'want {"id": .., "cmd": "status", "args": {..}}'}
        identity, name, args = request.get("id"), request["cmd"], request.get("args") or {}
        if name == "subscribe":
            self._subscribers.add(writer)
            return {"id": identity, "ok": True, "result": "subscribed"}
        handler = self._handlers.get(name)
        if handler is None:
            return {"id": identity, "ok": False, "error": f"unknown command '{name}'; known: {', '.join(sorted(self._handlers))}"}
        if not isinstance(args, dict):
            return {"id": identity, "ok": False, "error": "args: want an object"}
        try:
            if name not in READ_ONLY:
                self._journal({"cmd": name, "args": args, "who": str(request.get("who", ""))[:64], **peer_of(writer),
                               "wall_ns": time.time_ns()})
            result = handler(args)
            if asyncio.iscoroutine(result):
                result = await result
            return {"id": identity, "ok": True, "result": result}
        except (ControlError, KeyError, TypeError, ValueError) as error:
            text = f"missing argument {error}" if isinstance(error, KeyError) else str(error)
            return {"id": identity, "ok": False, "error": f"{name}: {text}"}

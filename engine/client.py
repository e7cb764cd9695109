"""Python client of the control socket (engine/control.py), used by every tool.

    async with session("var/latest") as engine:
        print(await engine.status())
        await engine.kill("operator saw smoke")

`call(run, "status")` is the same for code without a loop. Errors: NotRunning when no engine answers there, CommandError when it
refuses."""
import asyncio
import contextlib
import pathlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson

SOCKET_NAME = "control.sock"
TIMEOUT_S = 10.0


class NotRunning(Exception):
    """No engine listens in that run directory."""


class CommandError(Exception):
    """The engine refused the command; the text says why."""


class Session:
    """One connection. Methods named as the commands; `call` for any other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, who: str) -> None:
        self._reader, self._writer, self._who = reader, writer, who
        self._next_id = 0
        self._callbacks: list[Callable[[str, Any], None]] = []

    async def call(self, command: str, **args: Any) -> Any:
        """Carry out one command; returns its result. Events that arrive meanwhile go to the callbacks."""
        self._next_id += 1
        self._writer.write(orjson.dumps({"id": self._next_id, "cmd": command, "args": args, "who": self._who}) + b"\n")
        while True:
            line = await asyncio.wait_for(self._reader.readline(), TIMEOUT_S)
            if not line:
                raise NotRunning("the engine closed the connection")
            reply = orjson.loads(line)
            if "event" in reply:
                self._dispatch(reply)
            elif reply.get("id") in (self._next_id, None):
                if not reply["ok"]:
                    raise CommandError(reply["error"])
                return reply["result"]

    async def on_event(self, callback: Callable[[str, Any], None]) -> None:
        """Call `callback(event, data)` for alerts and the like; `listen()` (or any call) reads them."""
        self._callbacks.append(callback)
        await self.call("subscribe")

    async def listen(self) -> None:
        """Read events until the engine stops."""
        while line := await self._reader.readline():
            reply = orjson.loads(line)
            if "event" in reply:
                self._dispatch(reply)

    def _dispatch(self, reply: dict[str, Any]) -> None:
        for callback in self._callbacks:
            callback(reply["event"], reply["data"])

    async def status(self) -> dict[str, Any]:
        return await self.call("status")

    async def opportunities(self, limit: int = 20) -> list[dict[str, Any]]:
        return await self.call("opportunities", limit=limit)

    async def positions(self) -> dict[str, Any]:
        return await self.call("positions")

    async def submit(self, **order: Any) -> dict[str, Any]:
        return await self.call("submit", **order)

    async def pause(self, reason: str = "") -> Any:
        return await self.call("pause", reason=reason)

    async def resume(self) -> Any:
        return await self.call("resume")

    async def kill(self, reason: str = "") -> Any:
        return await self.call("kill", reason=reason)


def socket_path(run: str | pathlib.Path) -> pathlib.Path:
    """The socket of a run directory (or of var/latest); the directory must exist."""
    path = pathlib.Path(run).resolve()
    if not path.is_dir():
        raise NotRunning(f"no run directory {run}")
    return path / SOCKET_NAME


@contextlib.asynccontextmanager
async def session(run: str | pathlib.Path = "var/latest", who: str = "client") -> AsyncIterator[Session]:
    """Connect to the engine of a run directory."""
    path = socket_path(run)
    try:
        reader, writer = await asyncio.open_unix_connection(str(path), limit=1 << 22)
    except OSError as error:
        raise NotRunning(f"no engine answers at {path}: {error.strerror or error}") from error
    try:
        yield Session(reader, writer, who)
    finally:
        writer.close()


def call(run: str | pathlib.Path, command: str, who: str = "client", **args: Any) -> Any:
    """One command from code without a loop."""
    async def once() -> Any:
        async with session(run, who) as engine:
            return await engine.call(command, **args)
    return asyncio.run(once())

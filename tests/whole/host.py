"""One host in one thread: several "processes", each an event loop of its own, and the network between them.

`Host.run_until(is_it)` gives each process its turn until it has nothing to do, then lets the clock jump to the next timer of any
of them. Connections are pairs of local sockets: what is written on one side can be read on the other at once, so a seed decides
everything. `Process.kill` is kill -9: the process's sockets close, its memory stays where nobody looks, nothing of it runs again.
"""
from __future__ import annotations

import asyncio
import selectors
import signal
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp.connector
import picows.api

from tests.whole.clock import VirtualClock

STEP_NS = 2_000            # what one turn of a loop costs
FIRST_PORT = 20_000


class Deadlock(Exception):
    """Nobody has anything to do, ever."""


class ReadySelector(selectors.EpollSelector):
    """Never waits: the host decides when time passes."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(0)


class Listening:
    """What create_server gives: a port of the host."""

    def __init__(self, network: Network, host: str, port: int) -> None:
        self._network, self._address = network, (host, port)
        self.sockets = [self]

    def getsockname(self) -> tuple[str, int]:
        return self._address

    def close(self) -> None:
        self._network.ports.pop(self._address[1], None)

    async def wait_closed(self) -> None:
        return

    def is_serving(self) -> bool:
        return self._address[1] in self._network.ports

    def close_clients(self) -> None:
        return


class Network:
    """Who listens where."""

    def __init__(self) -> None:
        self.ports: dict[int, tuple[VirtualLoop, Callable[[], Any]]] = {}
        self._next_port = FIRST_PORT

    def listen(self, loop: VirtualLoop, factory: Callable[[], Any], host: str, port: int) -> Listening:
        if not port:
            self._next_port += 1
            port = self._next_port
        if port in self.ports:
            raise OSError(98, "Address already in use")
        self.ports[port] = (loop, factory)
        return Listening(self, host, port)

    def connect(self, port: int) -> socket.socket:
        """The client's end; the server's protocol gets the other."""
        if port not in self.ports:
            raise ConnectionRefusedError(111, "Connection refused")
        loop, factory = self.ports[port]
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        loop.call_soon(loop.accept, theirs, factory)
        return ours


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, stepped by the host."""

    def __init__(self, network: Network) -> None:
        super().__init__(ReadySelector())
        self.network = network
        self.handlers: dict[int, tuple[Callable[..., Any], tuple[Any, ...]]] = {}

    def add_signal_handler(self, sig: int, callback: Callable[..., Any], *args: Any) -> None:  # type: ignore[override]
        self.handlers[sig] = (callback, args)

    def remove_signal_handler(self, sig: int) -> bool:
        return self.handlers.pop(sig, None) is not None

    async def create_server(self, protocol_factory: Any, host: Any = None,  # type: ignore[override]
                            port: Any = None, **_: Any) -> Any:
        return self.network.listen(self, protocol_factory, host, port or 0)

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, *,   # type: ignore[override]
                                sock: socket.socket | None = None, **_: Any) -> Any:
        return await super().create_connection(protocol_factory, sock=sock or self.network.connect(port))

    def accept(self, end: socket.socket, factory: Callable[[], Any]) -> None:
        self._make_socket_transport(end, factory(), extra={"peername": ("127.0.0.1", 1)})  # type: ignore[attr-defined]

    # ---- for the host

    def is_busy(self, now_s: float) -> bool:
        timer_s = self.next_timer_s()
        is_due = timer_s is not None and timer_s <= now_s
        return bool(is_due or self._ready or self._selector.select(0))  # type: ignore[attr-defined]

    def next_timer_s(self) -> float | None:
        scheduled = self._scheduled  # type: ignore[attr-defined]
        return scheduled[0]._when if scheduled else None

    def turn(self) -> None:
        asyncio._set_running_loop(self)
        try:
            self._run_once()  # type: ignore[attr-defined]
        finally:
            asyncio._set_running_loop(None)


async def _start_connection(addr_infos: Any, **_: Any) -> socket.socket:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop.network.connect(addr_infos[0][4][1])


class Process:
    """One of the host: a loop and its main task."""

    def __init__(self, host: Host, name: str, main: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self.host, self.name = host, name
        self.loop = VirtualLoop(host.network)
        asyncio._set_running_loop(self.loop)   # constructors ask for it
        try:
            self.task = self.loop.create_task(main(), name=name)
        finally:
            asyncio._set_running_loop(None)
        self.died_of = ""

    def terminate(self) -> None:
        callback, args = self.loop.handlers[signal.SIGTERM]
        self.loop.call_soon(callback, *args)

    def kill(self, *files: Any) -> None:
        """kill -9; `files`: what else it held open (locks)."""
        if self in self.host.processes:
            self.host.processes.remove(self)
        self.host.dead.append((self, asyncio.all_tasks(self.loop)))   # never collected: no `finally` of theirs may run
        for port in [port for port, (loop, _) in self.host.network.ports.items() if loop is self.loop]:
            del self.host.network.ports[port]
        for transport in list(self.loop._transports.values()):  # type: ignore[attr-defined]
            if transport._sock is not None:
                transport._sock.close()
        for file in files:
            file.close()


class Host:
    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.network = Network()
        self.processes: list[Process] = []
        self.dead: list[Any] = []
        self.turns = 0
        picows.api._HAS_AIOFASTNET = False   # connections are made by the loop, so by this host
        aiohttp.connector.aiohappyeyeballs.start_connection = _start_connection  # type: ignore[attr-defined]

    def start(self, name: str, main: Callable[[], Coroutine[Any, Any, Any]]) -> Process:
        process = Process(self, name, main)
        self.processes.append(process)
        return process

    def run_until(self, is_it: Callable[[], Any], limit_s: float) -> Any:
        """Whatever `is_it` says first that is true; TimeoutError after `limit_s` of virtual time."""
        clock = self.clock
        end_ns = clock.now_ns + int(limit_s * 1e9)
        while not (found := is_it()):
            if clock.now_ns > end_ns:
                raise TimeoutError(f"not within {limit_s} s of virtual time")
            was_busy = False
            for process in list(self.processes):
                if process.loop.is_busy(clock.now_ns / 1e9 + 1e-9):
                    try:
                        process.loop.turn()
                    except SystemExit as death:   # tests/whole/points.py
                        process.died_of = str(death)
                        self.processes.remove(process)
                    clock.advance_to(clock.now_ns + STEP_NS)
                    self.turns += 1
                    was_busy = True
            if not was_busy:
                timers = [timer for process in self.processes if (timer := process.loop.next_timer_s()) is not None]
                if not timers:
                    raise Deadlock("nobody waits for anything")
                clock.advance_to(min(int(min(timers) * 1e9) + 1, end_ns + 1))
        return found

    def run_for(self, seconds: float) -> None:
        end_ns = self.clock.now_ns + int(seconds * 1e9)
        self.run_until(lambda: self.clock.now_ns >= end_ns, seconds + 1)

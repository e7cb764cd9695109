"""Simulated venues in the hand: without sockets and with a virtual clock (`VenuesRig`; `Rig` for Binance), or as a process
(`running_simex`)."""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tools.simex import binance
from tools.simex.binance_auth import ApiKey
from tools.simex.binance_dialect import BinanceDialect
from tools.simex.clock import VirtualClock
from tools.simex.contract import LINEAR, SPOT, Session, SimVenue
from tools.simex.exact import E8
from tools.simex.instrument import list_instruments, make_coins
from tools.simex.market import MarketOptions, SyntheticMarket
from tools.simex.venue import Venue

HMAC_KEY, HMAC_SECRET, ED25519_KEY = "hmacKey" + "k" * 57, "s" * 64, "edKey" + "e" * 59
PATHS = {SPOT: "/ws-api/v3", LINEAR: "/ws-fapi/v1"}


class Wire:
    """One websocket of a rig: what the session sent, as bytes and parsed; whether it was closed, and with what code."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        self.frames: list[Any] = []
        self.close_code: int | None = None
        self.session: Session | None = None

    def send(self, frame: bytes) -> None:
        self.raw.append(frame)
        with contextlib.suppress(orjson.JSONDecodeError):
            self.frames.append(orjson.loads(frame))

    def close(self, code: int = 1000, reason: bytes = b"") -> None:
        self.close_code = code


@dataclass
class Reply:
    """What REST answered."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class VenuesRig:
    """Venues without sockets: one funded account each, a clock moved by hand, books set by the test or by the market."""

    def __init__(
        self, *sims: SimVenue, pairs: int = 2, with_market: bool = True, seed: int = 7, balance: int = 1_000_000, **options: Any
    ) -> None:
        self.clock = VirtualClock()
        self.venues: dict[str, Venue] = {}
        self.deferred: list[tuple[float, Any]] = []
        first_index = 0
        for sim in sims:
            instruments = list_instruments(sim, make_coins(pairs), sim.fees)
            venue = self.venues[sim.name] = Venue(sim, instruments, self.clock, first_index=first_index)
            first_index += len(instruments)
            account = venue.add_account("main")
            account.free["USDT"] = balance * E8
            account.wallet["USDT"] = balance * E8
            venue.faults.defer = lambda delay_s, call: self.deferred.append((delay_s, call))
        self.venue = self.venues[sims[0].name]
        self.account = self.venue.accounts["main"]
        self.market: SyntheticMarket | None = None
        if with_market:
            market_options = MarketOptions(seed=seed, **({"dislocations_per_s": 0.0} | options))
            self.market = SyntheticMarket(list(self.venues.values()), market_options)
            self.market.start(self.clock.mono_ns())
            self.market.set_marks()

    @property
    def dislocations(self) -> Any:
        assert self.market is not None
        return self.market.dislocations

    @property
    def pairs(self) -> Any:
        """Spot and perpetual of each coin at the first venue."""
        return [p for p in self.dislocations.pairs["same_venue"] if p[0].venue == self.venue.name]

    def connect(self, port: str, path: str, venue: str = "", headers: Mapping[str, str] | None = None) -> Wire:
        """An open websocket; AssertionError when the venue refuses it."""
        wire = Wire()
        chosen = self.venues[venue] if venue else self.venue
        wire.session = chosen.dialect.open_session(port, path, headers or {}, wire)
        assert wire.session is not None, f"{port}{path} is refused"
        wire.session.opened()
        return wire

    def http(
        self, port: str, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None, venue: str = ""
    ) -> Reply | None:
        """One request; None when no answer came (yet)."""
        path, _, query = target.partition("?")
        replies: list[Reply] = []
        chosen = self.venues[venue] if venue else self.venue
        chosen.dialect.on_http(
            port, method, path, query, headers or {}, body, self.clock.mono_ns(), lambda *answer: replies.append(Reply(*answer))
        )
        return replies[0] if replies else None

    def run(self, seconds: float, step_ns: int = 2_000_000) -> None:
        """Let the market live."""
        assert self.market is not None
        for number in range(int(seconds * 1e9 / step_ns)):
            self.clock.advance_ns(step_ns)
            self.market.step(self.clock.mono_ns())
            if number % 5 == 0:
                for venue in self.venues.values():
                    venue.dialect.on_timer(self.clock.wall_ms())

    def top(self, market: str, symbol: str, venue: str = "") -> tuple[int, int, int, int]:
        chosen = self.venues[venue] if venue else self.venue
        top = chosen.books[market][symbol].top()
        assert top is not None
        return top

    def set_levels(
        self, market: str, symbol: str, bids: list[tuple[str, str]], asks: list[tuple[str, str]], venue: str = ""
    ) -> None:
        """Make the market's book exactly this."""
        chosen = self.venues[venue] if venue else self.venue
        instrument = chosen.by_symbol[market][symbol]
        book = chosen.books[market][symbol]
        for is_bid in (True, False):
            for px in list(book.bid_prices if is_bid else book.ask_prices):
                book.set_market(is_bid, px, 0)
        for is_bid, levels in ((True, bids), (False, asks)):
            for px, qty in levels:
                book.set_market(
                    is_bid, int(Decimal(px).scaleb(instrument.px_decimals)), int(Decimal(qty).scaleb(instrument.qty_decimals))
                )


class Api:
    """One WS API connection of a rig; `ask` signs with HMAC and returns the answer."""

    def __init__(self, rig: Rig, market: str) -> None:
        self.rig = rig
        wire = rig.connect(f"{market}_ws_api", PATHS[market])
        self.frames: list[dict[str, Any]] = wire.frames
        assert wire.session is not None
        self.session = wire.session
        self._next_id = 0

    def send(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """Send as it is; the answer with this id, or None."""
        self._next_id += 1
        self.session.on_text(orjson.dumps({"id": self._next_id, "method": method, "params": params}), self.rig.clock.mono_ns())
        return next((f for f in self.frames if f.get("id") == self._next_id), None)

    def signed(self, params: dict[str, Any]) -> dict[str, Any]:
        params = {"apiKey": HMAC_KEY, "timestamp": self.rig.clock.wall_ms()} | params
        text = "&".join(f"{k}={params[k]}" for k in sorted(params))
        return params | {"signature": hmac.digest(HMAC_SECRET.encode(), text.encode(), "sha256").hex()}

    def ask(self, method: str, **params: Any) -> Any:
        return self.send(method, self.signed(params))

    def place(self, symbol: str, side: str, price: str | None, quantity: str, tif: str = "IOC", **more: Any) -> Any:
        params: dict[str, Any] = {
            "symbol": symbol,
            "side": side,
            "quantity": quantity,
            "type": "LIMIT" if price else "MARKET",
        } | more
        if price:
            params["price"] = price
        if params["type"] == "LIMIT":
            params["timeInForce"] = tif
        return self.ask("order.place", **params)


class Rig(VenuesRig):
    """A Binance (or another venue of its family) in the hand, with keys that the test knows."""

    def __init__(
        self, pairs: int = 2, with_market: bool = True, seed: int = 7, sim: SimVenue = binance.SIM, **options: Any
    ) -> None:
        super().__init__(sim, pairs=pairs, with_market=with_market, seed=seed, **options)
        dialect = self.venue.dialect
        assert isinstance(dialect, BinanceDialect)
        self.dialect = dialect
        self.operations = dialect.operations
        self.private = Ed25519PrivateKey.generate()
        dialect.keyring.add(self.account, ApiKey(HMAC_KEY, "hmac", HMAC_SECRET.encode()))
        dialect.keyring.add(self.account, ApiKey(ED25519_KEY, "ed25519", self.private.public_key()))

    def api(self, market: str) -> Api:
        return Api(self, market)

    def stream(self, market: str, path: str) -> tuple[Any, list[dict[str, Any]]]:
        wire = self.connect(f"{market}_ws", path)
        return wire.session, wire.frames

    def linear_user(self) -> list[dict[str, Any]]:
        return self.connect("linear_ws", f"/private/ws/{self.dialect.listen_keys[LINEAR].new(self.account)}").frames

    def ask_rest(self, market: str, method: str, target: str, body: str = "", key: str | None = HMAC_KEY) -> Reply | None:
        return self.http(f"{market}_rest", method, target, body.encode(), {"x-mbx-apikey": key} if key else {})


class Process:
    """A running simex."""

    def __init__(self, process: subprocess.Popen[str], run_dir: Path) -> None:
        self.process = process
        self.run_dir = run_dir
        self.info: dict[str, Any] = json.loads((run_dir / "simex.json").read_text())
        self.venue = next(iter(self.info["endpoints"]))
        self.endpoints: dict[str, str] = self.info["endpoints"][self.venue]

    def secret(self, name: str, venue: str = "") -> str:
        """What a key file of the first account of the venue (by default the first one) holds."""
        return Path(self.info["credentials"][venue or self.venue][name].removeprefix("file:")).read_text()

    def control(self, **command: Any) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(self.info["control"])
            connection.sendall(orjson.dumps(command) + b"\n")
            data = b""
            while not data.endswith(b"\n"):
                chunk = connection.recv(1 << 20)
                if not chunk:
                    raise ConnectionError("control socket closed")
                data += chunk
        answer = orjson.loads(data)
        assert answer["ok"], answer
        return answer

    def stop(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=10)
        return output


def start_simex(run_dir: Path, **config: Any) -> subprocess.Popen[str]:
    run_dir.mkdir(parents=True, exist_ok=True)
    path = run_dir / "config.json"
    path.write_text(json.dumps(config))
    return subprocess.Popen(
        [sys.executable, "-m", "tools.simex", "--config", str(path), "--run-dir", str(run_dir)],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=Path(__file__).parents[2],
        env=dict(os.environ),
    )


@contextlib.contextmanager
def running_simex(run_dir: Path, **config: Any) -> Iterator[Process]:
    """A simex process, ready; stopped at the end, and the test fails if it did not end well."""
    process = start_simex(run_dir, **config)
    try:
        deadline = time.monotonic() + 20
        while not (run_dir / "simex.json").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise AssertionError(f"simex did not start: {process.communicate()[0]}")
            time.sleep(0.02)
        running = Process(process, run_dir)
        yield running
        output = running.stop()
        assert process.returncode == 0, output
        assert "Traceback" not in output, output
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()

"""A simulated venue in the hand: without sockets and with a virtual clock (`Rig`), or as a process (`running_simex`)."""

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
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tools.simex.clock import VirtualClock
from tools.simex.exact import E8
from tools.simex.instrument import LINEAR, SPOT, make_pairs
from tools.simex.ledger import ApiKey
from tools.simex.linear import LinearOperations
from tools.simex.market import MarketOptions, SyntheticMarket
from tools.simex.rest import RestDialect, RestReply
from tools.simex.spot import SpotOperations
from tools.simex.streams import MarketSession
from tools.simex.user_stream import LinearUserSession
from tools.simex.venue import Venue
from tools.simex.ws_api import WsApiSession

HMAC_KEY, HMAC_SECRET, ED25519_KEY = "hmacKey" + "k" * 57, "s" * 64, "edKey" + "e" * 59
PATHS = {SPOT: "/ws-api/v3", LINEAR: "/ws-fapi/v1"}


class Api:
    """One WS API connection of a rig; `ask` signs with HMAC and returns the answer."""

    def __init__(self, rig: Rig, market: str) -> None:
        self.rig = rig
        self.frames: list[dict[str, Any]] = []
        self.session = WsApiSession(
            rig.venue, rig.operations[market], PATHS[market], lambda f: self.frames.append(orjson.loads(f))
        )
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


class Rig:
    """A venue with two or more pairs, one funded account, a clock moved by hand and books set by the test or by the market."""

    def __init__(self, pairs: int = 2, with_market: bool = True, seed: int = 7, **options: Any) -> None:
        self.clock = VirtualClock()
        self.venue = Venue(make_pairs(pairs, ("0.001", "0.001"), ("0.0002", "0.0005")), self.clock)
        self.operations = {SPOT: SpotOperations(self.venue), LINEAR: LinearOperations(self.venue)}
        self.rest = {market: RestDialect(self.venue, self.operations[market]) for market in (SPOT, LINEAR)}
        self.account = self.venue.add_account("main")
        self.account.free["USDT"] = 1_000_000 * E8
        self.account.wallet["USDT"] = 1_000_000 * E8
        self.private = Ed25519PrivateKey.generate()
        self.venue.keyring.add(self.account, ApiKey(HMAC_KEY, "hmac", HMAC_SECRET.encode()))
        self.venue.keyring.add(self.account, ApiKey(ED25519_KEY, "ed25519", self.private.public_key()))
        self.market: SyntheticMarket | None = None
        self.deferred: list[tuple[float, Any]] = []
        self.venue.faults.defer = lambda delay_s, call: self.deferred.append((delay_s, call))
        if with_market:
            self.market = SyntheticMarket(self.venue, MarketOptions(seed=seed, **({"dislocations_per_s": 0.0} | options)))
            self.market.start(self.clock.mono_ns())
            self.market.set_marks()

    def api(self, market: str) -> Api:
        return Api(self, market)

    def stream(self, market: str, path: str) -> tuple[MarketSession, list[dict[str, Any]]]:
        frames: list[dict[str, Any]] = []
        return MarketSession(self.venue.data[market], path, lambda f: frames.append(orjson.loads(f))), frames

    def linear_user(self) -> list[dict[str, Any]]:
        frames: list[dict[str, Any]] = []
        LinearUserSession(
            self.venue, f"/private/ws/{self.venue.new_listen_key(self.account)}", lambda f: frames.append(orjson.loads(f))
        )
        return frames

    def ask_rest(self, market: str, method: str, target: str, body: str = "", key: str | None = HMAC_KEY) -> RestReply | None:
        path, _, query = target.partition("?")
        replies: list[RestReply] = []
        self.rest[market].handle(method, path, query, body, key, self.clock.mono_ns(), replies.append)
        return replies[0] if replies else None

    def run(self, seconds: float, step_ns: int = 2_000_000) -> None:
        """Let the market live."""
        assert self.market is not None
        for _ in range(int(seconds * 1e9 / step_ns)):
            self.clock.advance_ns(step_ns)
            self.market.step(self.clock.mono_ns())

    def top(self, market: str, symbol: str) -> tuple[int, int, int, int]:
        top = self.venue.books[market][symbol].top()
        assert top is not None
        return top

    def set_levels(self, market: str, symbol: str, bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> None:
        """Make the market's book exactly this."""
        instrument = self.venue.by_symbol[market][symbol]
        book = self.venue.books[market][symbol]
        for is_bid, levels in ((True, bids), (False, asks)):
            for px in list(book.bid_prices if is_bid else book.ask_prices):
                book.set_market(is_bid, px, 0)
        for is_bid, levels in ((True, bids), (False, asks)):
            for px, qty in levels:
                book.set_market(
                    is_bid, int(Decimal(px).scaleb(instrument.px_decimals)), int(Decimal(qty).scaleb(instrument.qty_decimals))
                )


class Process:
    """A running simex."""

    def __init__(self, process: subprocess.Popen[str], run_dir: Path) -> None:
        self.process = process
        self.run_dir = run_dir
        self.info: dict[str, Any] = json.loads((run_dir / "simex.json").read_text())
        self.endpoints: dict[str, str] = self.info["endpoints"]["binance"]

    def secret(self, name: str) -> str:
        return Path(self.info["credentials"][name]).read_text()

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

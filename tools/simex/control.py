"""The control endpoint: a 0600 unix socket, one JSON object per line in, one per line out.

Tests, benches and people plant faults, read the ledger and the counters, dislocate on command.  `{"cmd": "help"}` lists
everything. Every answer has `ok`; a failure has `error` with what is wrong.  See docs/simex.md.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from tools.simex.errors import VenueError
from tools.simex.exact import to_scaled
from tools.simex.instrument import LINEAR, SPOT, Instrument

if TYPE_CHECKING:
    from tools.simex.app import App

LINE_MAX_BYTES = 1 << 22


class Control:
    """Commands by name; each takes the request and returns the answer's fields."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.commands: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            name[4:]: getattr(self, name) for name in dir(self) if name.startswith("cmd_")
        }
        self._server: asyncio.Server | None = None
        self._path: Path | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, str(path), limit=LINE_MAX_BYTES)
        finally:
            os.umask(mask)
        self._path = path

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while line := await reader.readline():
                writer.write(orjson.dumps(self.handle(line)) + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    def handle(self, line: bytes) -> dict[str, Any]:
        """One command; never raises."""
        try:
            request = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            return {"ok": False, "error": f"not JSON: {error}"}
        if not isinstance(request, dict) or request.get("cmd") not in self.commands:
            return {"ok": False, "error": f"cmd is none of {', '.join(sorted(self.commands))}"}
        reference = {"id": request["id"]} if "id" in request else {}
        try:
            return reference | {"ok": True} | self.commands[request["cmd"]](request)
        except VenueError as error:
            return reference | {"ok": False, "error": error.msg, "code": error.code}
        except (KeyError, ValueError, TypeError, ArithmeticError) as error:
            return reference | {"ok": False, "error": f"{type(error).__name__}: {error}"}

    # ---- helpers ---------------------------------------------------------------------------------

    def _instrument(self, request: dict[str, Any]) -> Instrument:
        """By `instrument` ("binance:BTC/USDT:USDT") or by `market` and `symbol`."""
        name = request.get("instrument")
        for instrument in self.app.venue.instruments:
            if (
                instrument.name == name
                if name
                else (instrument.symbol == request.get("symbol") and instrument.market == request.get("market", LINEAR))
            ):
                return instrument
        raise ValueError(f"no instrument {name or request.get('symbol')!r} in market {request.get('market', LINEAR)!r}")

    def _account(self, request: dict[str, Any]) -> Any:
        accounts = self.app.venue.accounts
        name = request.get("account", next(iter(accounts)))
        if name not in accounts:
            raise ValueError(f"account {name!r} is none of {sorted(accounts)}")
        return accounts[name]

    # ---- looking ---------------------------------------------------------------------------------

    def cmd_help(self, request: dict[str, Any]) -> dict[str, Any]:
        """List commands."""
        return {"commands": {name: (call.__doc__ or "").strip() for name, call in sorted(self.commands.items())}}

    def cmd_ledger(self, request: dict[str, Any]) -> dict[str, Any]:
        """Exact balances, positions, all orders and fills of every account."""
        return self.app.venue.ledger()

    def cmd_stats(self, request: dict[str, Any]) -> dict[str, Any]:
        """Counters: frames, orders with receive stamps (monotonic ns), user events, dislocations."""
        app = self.app
        receipts = [
            {
                "account": name,
                "market": market,
                "client_id": o.client_id,
                "symbol": o.instrument.symbol,
                "recv_mono_ns": o.recv_mono_ns,
                "status": o.status,
            }
            for name, account in app.venue.accounts.items()
            for market in (SPOT, LINEAR)
            for o in account.orders[market].values()
        ]
        return {
            "frames_sent": app.server.frames_sent,
            "market_payloads_built": {m: d.frames_built for m, d in app.venue.data.items()},
            "connections": {c: sum(1 for x in app.server.connections if x.channel == c) for c in ("md", "oe", "ud")},
            "slow_consumers": app.server.slow_consumers,
            "orders_received": app.venue.orders_received,
            "orders": receipts,
            "user_events_sent": app.venue.user_events_sent,
            "mono_ns": app.venue.clock.mono_ns(),
            "uptime_s": app.uptime_s(),
            "dislocations_planted": app.market.planted_count if app.market else 0,
            "dislocations_taken": app.market.taken_count if app.market else 0,
        }

    def cmd_book(self, request: dict[str, Any]) -> dict[str, Any]:
        """The book of one instrument as the venue has it."""
        instrument = self._instrument(request)
        book = self.app.venue.books[instrument.market][instrument.symbol]
        depth = int(request.get("depth", 1000))
        return {
            "update_id": book.update_id,
            "bids": [[instrument.px_text(p), instrument.qty_text(q)] for p, q in book.levels(True, depth)],
            "asks": [[instrument.px_text(p), instrument.qty_text(q)] for p, q in book.levels(False, depth)],
        }

    # ---- the market ------------------------------------------------------------------------------

    def cmd_dislocate(self, request: dict[str, Any]) -> dict[str, Any]:
        """Dislocate now: symbol, bps (net of fees and spreads), duration_ms, leg (linear|spot), direction (premium|discount)."""
        market = self._market()
        pair = next((p for p in market.pairs if p[0].symbol == request.get("symbol")), None)
        if pair is None:
            raise ValueError(f"no pair with symbol {request.get('symbol')!r}")
        planted = market.plant(
            self.app.venue.clock.mono_ns(),
            self.app.venue.clock.wall_ms(),
            pair,
            float(request.get("bps", market.options.dislocation_bps)),
            float(request.get("duration_ms", market.options.dislocation_ms)),
            request.get("leg", LINEAR),
            request.get("direction", "premium"),
        )
        if planted is None:
            raise ValueError(f"{request.get('symbol')} is dislocated already")
        return {"number": planted.number, "shift_bps": planted.shift_bps}

    def _market(self) -> Any:
        if self.app.market is None:
            raise ValueError("this needs market: synthetic")
        return self.app.market

    def cmd_quiet(self, request: dict[str, Any]) -> dict[str, Any]:
        """dislocations: false stops planting them; traffic: false stops background traffic too; true starts again."""
        market = self._market()
        if "dislocations" in request or "traffic" not in request:
            market.dislocations_on = bool(request.get("dislocations", False))
        market.is_quiet = not bool(request.get("traffic", True))
        return {"dislocations": market.dislocations_on, "traffic": not market.is_quiet}

    def cmd_set_market(self, request: dict[str, Any]) -> dict[str, Any]:
        """Change options of the running market by name (background_msgs_per_s, dislocations_per_s, dislocation_bps, ...)."""
        market = self._market()
        changed = {}
        for key, value in request.items():
            if key in ("cmd", "id"):
                continue
            if key == "seed" or not hasattr(market.options, key):
                raise ValueError(f"unknown option {key!r}")
            setattr(market.options, key, type(getattr(market.options, key))(value))
            changed[key] = getattr(market.options, key)
        market.dislocations_on = market.options.dislocations_per_s > 0
        return {"changed": changed}

    def cmd_funding(self, request: dict[str, Any]) -> dict[str, Any]:
        """Settle funding of a symbol now, at `rate` if given."""
        market = self._market()
        instrument = self._instrument(request | {"market": LINEAR})
        if "rate" in request:
            self.app.venue.funding[instrument.symbol].rate_e8 = to_scaled(str(request["rate"]), 8)
        market.pay_funding(instrument.symbol, self.app.venue.clock.wall_ms())
        return {}

    # ---- faults ----------------------------------------------------------------------------------

    def cmd_fault(self, request: dict[str, Any]) -> dict[str, Any]:
        """Plant a fault: channel md|oe|ud|q, verb, market, symbol, kind, count, duration_ms and the verb's own parameters."""
        return {"fault": self.app.venue.faults.plant(request).describe()}

    def cmd_faults(self, request: dict[str, Any]) -> dict[str, Any]:
        """List planted faults."""
        return {"faults": [f.describe() for f in self.app.venue.faults.active]}

    def cmd_clear(self, request: dict[str, Any]) -> dict[str, Any]:
        """Remove one fault (number) or all, and end channel-wide silence."""
        server = self.app.server
        for channel in server.silent:
            server.silent[channel] = False
        server.has_no_pong = False
        server.http_fault = None
        server.refuse_until_ns = 0
        return {"removed": self.app.venue.faults.clear(request.get("number"))}

    def cmd_disconnect(self, request: dict[str, Any]) -> dict[str, Any]:
        """Cut connections: channel md|oe|ud, market, graceful; refuse_ms refuses new ones for a while."""
        if "refuse_ms" in request:
            self.app.server.refuse_until_ns = self.app.venue.clock.mono_ns() + int(float(request["refuse_ms"]) * 1e6)
        return {"cut": self.app.server.cut(request.get("channel"), request.get("market"), bool(request.get("graceful", False)))}

    def cmd_silent(self, request: dict[str, Any]) -> dict[str, Any]:
        """A whole channel stays connected and says nothing (no pongs either) for duration_ms, or until cleared."""
        channel = request["channel"]
        if channel not in self.app.server.silent:
            raise ValueError(f"channel {channel!r} is none of {sorted(self.app.server.silent)}")
        self.app.server.silent[channel] = True
        if "duration_ms" in request:
            self.app.defer(float(request["duration_ms"]) / 1e3, lambda: self.app.server.silent.__setitem__(channel, False))
        return {}

    def cmd_nopong(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do not answer pings (on: true|false)."""
        self.app.server.has_no_pong = bool(request.get("on", True))
        return {}

    def cmd_http(self, request: dict[str, Any]) -> dict[str, Any]:
        """The next `count` REST requests are answered with `status` and `body`, unseen by the venue."""
        self.app.server.http_fault = (int(request["status"]), str(request.get("body", "")), int(request.get("count", 1)))
        return {}

    def cmd_shutdown_notice(self, request: dict[str, Any]) -> dict[str, Any]:
        """Announce serverShutdown on market-data connections (and on the WS API) and cut them after in_ms."""
        venue, server = self.app.venue, self.app.server
        now = venue.clock.wall_ms()
        doomed = [c for c in server.connections if c.channel in ("md", "oe") and request.get("market") in (None, c.market)]
        for market, data in venue.data.items():
            if request.get("market") in (None, market):
                data.announce_shutdown(now)
        for connection in doomed:
            if connection.channel == "oe":
                connection.send(b'{"event":{"e":"serverShutdown","E":%d}}' % now)

        def cut() -> None:
            for connection in doomed:
                if connection.transport is not None:
                    connection.transport.disconnect(False)

        self.app.defer(float(request.get("in_ms", 1000)) / 1e3, cut)
        return {"connections": len(doomed)}

    def cmd_expire(self, request: dict[str, Any]) -> dict[str, Any]:
        """Expire all listen keys of an account."""
        account = self._account(request)
        keys = [k for k, (owner, _) in self.app.venue.listen_keys.items() if owner is account]
        for key in keys:
            self.app.venue.expire_listen_key(key)
        return {"expired": len(keys)}

    def cmd_ratelimit(self, request: dict[str, Any]) -> dict[str, Any]:
        """429 for everything on a market for duration_ms; ban: true answers 418 instead."""
        limits = self.app.venue.limits[request.get("market", SPOT)]
        until = self.app.venue.clock.wall_ms() + int(request.get("duration_ms", 1000))
        if request.get("ban"):
            limits.banned_until_ms = until
        else:
            limits.retry_until_ms = until
        return {"until_ms": until}

    def cmd_skew(self, request: dict[str, Any]) -> dict[str, Any]:
        """Shift the venue's wall clock by ms."""
        self.app.venue.clock.skew_ms = int(request["ms"])
        return {}

    # ---- things done to an account ---------------------------------------------------------------

    def cmd_balance(self, request: dict[str, Any]) -> dict[str, Any]:
        """Deposit (negative: withdraw): market spot|linear, asset, amount."""
        self.app.venue.adjust_balance(
            self._account(request), request.get("market", SPOT), request["asset"], to_scaled(str(request["amount"]), 8)
        )
        self.app.venue.settle()
        return {}

    def cmd_manual_order(self, request: dict[str, Any]) -> dict[str, Any]:
        """Place an order on the account as its owner would by hand: market, symbol, side, quantity, price (none: MARKET), ..."""
        params = {k: str(v) for k, v in request.items() if k not in ("cmd", "id", "market", "account")}
        params.setdefault("type", "LIMIT" if "price" in params else "MARKET")
        if params["type"] == "LIMIT":
            params.setdefault("timeInForce", "GTC")
        params.setdefault("newClientOrderId", f"web_{self.app.venue.matcher.take_order_id(SPOT)}")
        self.app.venue.recv_mono_ns = self.app.venue.clock.mono_ns()
        result = self.app.server.operations[request.get("market", SPOT)].place(self._account(request), params)
        self.app.venue.settle()
        return {"result": result}

    def cmd_adl(self, request: dict[str, Any]) -> dict[str, Any]:
        """Take `quantity` of the account's position away, as auto-deleveraging does."""
        return self._forced_close(request, "adl_autoclose")

    def cmd_liquidate(self, request: dict[str, Any]) -> dict[str, Any]:
        """Close `quantity` of the account's position as a liquidation."""
        return self._forced_close(request, f"autoclose-{self.app.venue.clock.wall_ms()}")

    def _forced_close(self, request: dict[str, Any], client_id: str) -> dict[str, Any]:
        instrument = self._instrument(request | {"market": LINEAR})
        position = self._account(request).position(instrument)
        if position.qty == 0:
            raise ValueError(f"{instrument.symbol}: no position")
        return self.cmd_manual_order(
            {
                "market": LINEAR,
                "symbol": instrument.symbol,
                "side": "SELL" if position.qty > 0 else "BUY",
                "reduceOnly": "true",
                "quantity": request.get("quantity", instrument.qty_text(abs(position.qty))),
                "newClientOrderId": client_id,
                **({"account": request["account"]} if "account" in request else {}),
            }
        )

    def cmd_account(self, request: dict[str, Any]) -> dict[str, Any]:
        """Change an account's modes: hedge_mode, multi_assets, bnb_burn, leverage {symbol: n}, margin_type {symbol: word}."""
        account = self._account(request)
        for key in ("hedge_mode", "multi_assets", "bnb_burn"):
            if key in request:
                setattr(account, key, bool(request[key]))
        account.leverage.update(request.get("leverage", {}))
        account.margin_type.update(request.get("margin_type", {}))
        return {}

    def cmd_filter(self, request: dict[str, Any]) -> dict[str, Any]:
        """Change an instrument while running: status, min_notional, maker_fee, taker_fee."""
        instrument = self._instrument(request)
        if "status" in request:
            instrument.status = str(request["status"])
        if "min_notional" in request:
            instrument.min_notional_e8 = to_scaled(str(request["min_notional"]), 8)
        for key in ("maker_fee", "taker_fee"):
            if key in request:
                setattr(instrument, f"{key}_e8", to_scaled(str(request[key]), 8))
        return {}

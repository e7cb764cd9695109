"""The control endpoint: a 0600 unix socket, one JSON object per line in, one per line out.

Tests, benches and people plant faults, read the ledger and the counters, dislocate on command.  `{"cmd": "help"}` lists
everything. Commands take `venue`; without it they mean the first one.  Every answer has `ok`; a failure has `error` with what is
wrong.  See docs/simex.md.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from tools.simex.contract import LINEAR, MD, OE, SPOT
from tools.simex.dislocations import Pair
from tools.simex.exact import to_scaled
from tools.simex.instrument import Instrument
from tools.simex.ledger import Account, dump_order
from tools.simex.maintenance import Maintenance
from tools.simex.refusals import Refused
from tools.simex.server import CHANNELS, Server
from tools.simex.venue import Venue

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
        self._listener: asyncio.Server | None = None
        self._path: Path | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            self._listener = await asyncio.start_unix_server(self._serve, str(path), limit=LINE_MAX_BYTES)
        finally:
            os.umask(mask)
        self._path = path

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
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
        except Refused as error:
            return reference | {"ok": False, "error": f"refused: {error}"}
        except (KeyError, ValueError, TypeError, ArithmeticError) as error:
            return reference | {"ok": False, "error": f"{type(error).__name__}: {error}"}

    # ---- helpers ---------------------------------------------------------------------------------

    def _venue(self, request: dict[str, Any]) -> Venue:
        venues = self.app.venues
        name = request.get("venue", next(iter(venues)))
        if name not in venues:
            raise ValueError(f"venue {name!r} is none of {', '.join(venues)}")
        return venues[name]

    def _server(self, request: dict[str, Any]) -> Server:
        return self.app.servers[self._venue(request).name]

    def _servers(self, request: dict[str, Any]) -> list[Server]:
        """The named venue's, or all."""
        return [self._server(request)] if "venue" in request else list(self.app.servers.values())

    def _instrument(self, request: dict[str, Any]) -> tuple[Venue, Instrument]:
        """By `instrument` ("binance:BTC/USDT:USDT") or by `venue`, `market` and `symbol`."""
        name, market, symbol = request.get("instrument"), request.get("market", LINEAR), request.get("symbol")
        if name:
            for venue in self.app.venues.values():
                for instrument in venue.instruments:
                    if instrument.name == name:
                        return venue, instrument
            raise ValueError(f"no instrument {name!r}")
        venue = self._venue(request)
        if symbol not in venue.by_symbol.get(market, {}):
            raise ValueError(f"{venue.name}: no instrument {symbol!r} in market {market!r}")
        return venue, venue.by_symbol[market][symbol]

    def _account(self, venue: Venue, request: dict[str, Any]) -> Account:
        name = request.get("account", next(iter(venue.accounts)))
        if name not in venue.accounts:
            raise ValueError(f"account {name!r} is none of {sorted(venue.accounts)}")
        return venue.accounts[name]

    # ---- looking ---------------------------------------------------------------------------------

    def cmd_help(self, request: dict[str, Any]) -> dict[str, Any]:
        """List commands."""
        return {"commands": {name: (call.__doc__ or "").strip() for name, call in sorted(self.commands.items())}}

    def cmd_ledger(self, request: dict[str, Any]) -> dict[str, Any]:
        """Exact balances, positions, all orders and fills of every account: of one venue with `venue`, else of all."""
        return self._venue(request).ledger() if "venue" in request else self.app.ledger()

    def cmd_stats(self, request: dict[str, Any]) -> dict[str, Any]:
        """Counters of the named venue, or of all together: frames, orders with receive stamps (monotonic ns), user events,
        dislocations."""
        app, servers = self.app, self._servers(request)
        venues = [server.venue for server in servers]
        receipts = [
            {
                "venue": venue.name,
                "account": name,
                "market": order.instrument.market,
                "client_id": order.client_id,
                "symbol": order.instrument.symbol,
                "recv_mono_ns": order.recv_mono_ns,
                "status": order.status,
            }
            for venue in venues
            for name, account in venue.accounts.items()
            for orders in account.orders.values()
            for order in orders.values()
        ]
        return {
            "frames_sent": sum(server.frames_sent for server in servers),
            "market_payloads_built": {f"{v.name}:{m}": hub.frames_built for v in venues for m, hub in v.hubs.items()},
            "connections": {c: sum(len(server.chosen(c, None)) for server in servers) for c in CHANNELS},
            "slow_consumers": sum(server.slow_consumers for server in servers),
            "orders_received": sum(venue.orders_received for venue in venues),
            "orders": receipts,
            "user_events_sent": sum(venue.user_events_sent for venue in venues),
            "mono_ns": app.clock.mono_ns(),
            "uptime_s": app.uptime_s(),
            "dislocations_planted": app.market.dislocations.planted_count if app.market else 0,
            "dislocations_taken": app.market.dislocations.taken_count if app.market else 0,
        }

    def cmd_book(self, request: dict[str, Any]) -> dict[str, Any]:
        """The book of one instrument as the venue has it."""
        venue, instrument = self._instrument(request)
        book = venue.book(instrument)
        depth = int(request.get("depth", 1000))
        return {
            "update_id": book.update_id,
            "bids": [[instrument.px_text(p), instrument.qty_text(q)] for p, q in book.levels(True, depth)],
            "asks": [[instrument.px_text(p), instrument.qty_text(q)] for p, q in book.levels(False, depth)],
        }

    # ---- the market ------------------------------------------------------------------------------

    def cmd_dislocate(self, request: dict[str, Any]) -> dict[str, Any]:
        """Dislocate now: symbol, bps (net of fees and spreads), duration_ms, leg (linear|spot), direction (premium|discount); or
        instrument (the book that jumps) and counterpart by name, of whatever venues, with direction (premium: it becomes
        dear)."""
        market = self._market()
        pair, leg, direction = self._pair(request)
        planted = market.dislocations.plant(
            self.app.clock.mono_ns(),
            self.app.clock.wall_ms(),
            pair,
            float(request.get("bps", market.options.dislocation_bps)),
            float(request.get("duration_ms", market.options.dislocation_ms)),
            leg,
            direction,
        )
        if planted is None:
            raise ValueError(f"{pair[0].name} or {pair[1].name} is dislocated already")
        return {"number": planted.number, "shift_bps": planted.shift_bps, "instrument": planted.instrument.name}

    def _pair(self, request: dict[str, Any]) -> tuple[Pair, str, str]:
        """(pair, leg, direction) of a `dislocate` command."""
        leg, direction = request.get("leg", LINEAR), request.get("direction", "premium")
        if "counterpart" in request:
            _, moved = self._instrument(request)
            _, other = self._instrument({"instrument": request["counterpart"]})
            if moved.coin_index != other.coin_index or moved is other:
                raise ValueError(f"{moved.name} and {other.name} are not two books of one coin")
            # "premium" of a pair with one perpetual means that the perpetual is dear; here it means the book that jumps.
            if moved.market == SPOT and other.market == LINEAR:
                direction = {"premium": "discount", "discount": "premium"}.get(direction, direction)
            return (other, moved), moved.market, direction
        venue = self._venue(request)
        symbol = request.get("symbol")
        for pair in self._market().dislocations.pairs["same_venue"]:
            if pair[0].venue == venue.name and symbol in (pair[0].symbol, pair[1].symbol):
                return pair, leg, direction
        raise ValueError(f"{venue.name}: no pair with symbol {symbol!r}")

    def _market(self) -> Any:
        if self.app.market is None:
            raise ValueError("this needs market: synthetic")
        return self.app.market

    def cmd_quiet(self, request: dict[str, Any]) -> dict[str, Any]:
        """dislocations: false stops planting them; traffic: false stops background traffic too; true starts again."""
        market = self._market()
        if "dislocations" in request or "traffic" not in request:
            market.dislocations.is_on = bool(request.get("dislocations", False))
        market.is_quiet = not bool(request.get("traffic", True))
        return {"dislocations": market.dislocations.is_on, "traffic": not market.is_quiet}

    def cmd_set_market(self, request: dict[str, Any]) -> dict[str, Any]:
        """Change options of the running market by name (background_msgs_per_s, dislocations_per_s, dislocation_bps, ...)."""
        market = self._market()
        changed = {}
        for key, value in request.items():
            if key in ("cmd", "id", "venue"):
                continue
            if key == "seed" or not hasattr(market.options, key):
                raise ValueError(f"unknown option {key!r}")
            setattr(market.options, key, type(getattr(market.options, key))(value))
            changed[key] = getattr(market.options, key)
        market.dislocations.is_on = market.options.dislocations_per_s > 0
        return {"changed": changed}

    def cmd_funding(self, request: dict[str, Any]) -> dict[str, Any]:
        """Settle funding of a symbol now, at `rate` if given."""
        market = self._market()
        venue, instrument = self._instrument(request | {"market": LINEAR})
        if "rate" in request:
            venue.funding[instrument.symbol].rate_e8 = to_scaled(str(request["rate"]), 8)
        market.pay_funding(instrument)
        return {}

    # ---- faults ----------------------------------------------------------------------------------

    def cmd_fault(self, request: dict[str, Any]) -> dict[str, Any]:
        """Plant a fault: channel md|oe|ud|q, verb, market, symbol, kind, count, duration_ms and the verb's own parameters."""
        return {"fault": self._venue(request).faults.plant(request).describe()}

    def cmd_faults(self, request: dict[str, Any]) -> dict[str, Any]:
        """List planted faults."""
        return {"faults": [f.describe() | {"venue": s.venue.name} for s in self._servers(request) for f in s.venue.faults.active]}

    def cmd_clear(self, request: dict[str, Any]) -> dict[str, Any]:
        """Remove one fault of a venue (number) or all of it, or without `venue` all of all, and end channel-wide silence."""
        servers = [self._server(request)] if "number" in request else self._servers(request)
        removed = 0
        for server in servers:
            server.silenced.clear()
            server.has_no_pong = False
            server.http_fault = None
            server.refuse_until_ns = 0
            removed += server.venue.faults.clear(request.get("number"))
        return {"removed": removed}

    def cmd_disconnect(self, request: dict[str, Any]) -> dict[str, Any]:
        """Cut connections: channel md|oe|ud, market, graceful; refuse_ms refuses new ones for a while."""
        server = self._server(request)
        if "refuse_ms" in request:
            server.refuse_until_ns = self.app.clock.mono_ns() + int(float(request["refuse_ms"]) * 1e6)
        return {"cut": server.cut(request.get("channel"), request.get("market"), bool(request.get("graceful", False)))}

    def cmd_silent(self, request: dict[str, Any]) -> dict[str, Any]:
        """A whole channel stays connected and says nothing (no pongs either) for duration_ms, or until cleared."""
        channel, server = request["channel"], self._server(request)
        if channel not in CHANNELS:
            raise ValueError(f"channel {channel!r} is none of {', '.join(CHANNELS)}")
        server.silenced.add(channel)
        if "duration_ms" in request:
            self.app.defer(float(request["duration_ms"]) / 1e3, lambda: server.silenced.discard(channel))
        return {}

    def cmd_nopong(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do not answer ping frames (on: true|false)."""
        self._server(request).has_no_pong = bool(request.get("on", True))
        return {}

    def cmd_http(self, request: dict[str, Any]) -> dict[str, Any]:
        """The next `count` REST requests are answered with `status` and `body`, unseen by the venue."""
        answer = (int(request["status"]), str(request.get("body", "")), int(request.get("count", 1)))
        self._server(request).http_fault = answer
        return {}

    def cmd_maint(self, request: dict[str, Any]) -> dict[str, Any]:
        """Announce maintenance of a venue, in its words: from in_ms on, for_ms long; `clear` takes all of it back. Nothing else
        happens by itself: `disconnect`, `http` and the like are the rest of it."""
        venue, now_ms = self._venue(request), self.app.clock.wall_ms()
        if request.get("clear"):
            venue.maintenance.clear()
        else:
            begin_ms = now_ms + int(request.get("in_ms", 0))
            end_ms = begin_ms + int(request.get("for_ms", 60_000))
            venue.maintenance.append(Maintenance(len(venue.maintenance) + 1, begin_ms, end_ms,
                                                 str(request.get("title", "maintenance"))))
        return {"maintenance": [[one.begin_ms, one.end_ms] for one in venue.maintenance]}

    def cmd_shutdown_notice(self, request: dict[str, Any]) -> dict[str, Any]:
        """Announce the end on market-data and order connections, in the venue's words if it has any, and cut them after in_ms."""
        server, market, now_ms = self._server(request), request.get("market"), self.app.clock.wall_ms()
        doomed = dict.fromkeys([*server.chosen(MD, market), *server.chosen(OE, market)])
        for connection in doomed:
            connection.session.notice(now_ms)

        def cut() -> None:
            for connection in doomed:
                if connection.transport is not None:
                    connection.transport.disconnect(False)

        self.app.defer(float(request.get("in_ms", 1000)) / 1e3, cut)
        return {"connections": len(doomed)}

    def cmd_expire(self, request: dict[str, Any]) -> dict[str, Any]:
        """End what gives an account's event streams their life (listen keys)."""
        venue = self._venue(request)
        return {"expired": venue.dialect.expire(self._account(venue, request))}

    def cmd_ratelimit(self, request: dict[str, Any]) -> dict[str, Any]:
        """Everything on a market is refused as too frequent for duration_ms; ban: true refuses as banned."""
        until = self.app.clock.wall_ms() + int(request.get("duration_ms", 1000))
        self._venue(request).dialect.limit(request.get("market", SPOT), until, bool(request.get("ban")))
        return {"until_ms": until}

    def cmd_skew(self, request: dict[str, Any]) -> dict[str, Any]:
        """Shift the wall clock of all venues by ms."""
        self.app.clock.skew_ms = int(request["ms"])
        return {}

    # ---- things done to an account ---------------------------------------------------------------

    def cmd_balance(self, request: dict[str, Any]) -> dict[str, Any]:
        """Deposit (negative: withdraw): market spot|linear, asset, amount."""
        venue, amount_e8 = self._venue(request), to_scaled(str(request["amount"]), 8)
        venue.adjust_balance(self._account(venue, request), request.get("market", SPOT), request["asset"], amount_e8)
        venue.settle()
        return {}

    def cmd_manual_order(self, request: dict[str, Any]) -> dict[str, Any]:
        """Place an order on the account as its owner would by hand: market, symbol (or instrument), side, quantity, price (none:
        market order), tif, reduce_only, client_id."""
        venue, instrument = self._instrument({"market": SPOT} | request)
        return {"result": self._by_hand(venue, instrument, request)}

    def _by_hand(self, venue: Venue, instrument: Instrument, request: dict[str, Any]) -> dict[str, Any]:
        price = request.get("price")
        order = venue.place_by_hand(
            self._account(venue, request),
            instrument.market,
            instrument.symbol,
            side=_one_of(request, "side", ("BUY", "SELL")),
            quantity=str(request["quantity"]),
            price=None if price is None else str(price),
            tif=_one_of({"tif": "GTC"} | request, "tif", ("GTC", "IOC", "FOK")),
            reduce_only=bool(request.get("reduce_only", False)),
            client_id=request.get("client_id"),
        )
        return dump_order(order)

    def cmd_adl(self, request: dict[str, Any]) -> dict[str, Any]:
        """Take `quantity` of the account's position away, as auto-deleveraging does."""
        return self._forced_close(request, "adl")

    def cmd_liquidate(self, request: dict[str, Any]) -> dict[str, Any]:
        """Close `quantity` of the account's position as a liquidation."""
        return self._forced_close(request, "liquidation")

    def _forced_close(self, request: dict[str, Any], kind: str) -> dict[str, Any]:
        venue, instrument = self._instrument(request | {"market": LINEAR})
        position = self._account(venue, request).position(instrument)
        if position.qty == 0:
            raise ValueError(f"{instrument.name}: no position")
        forced = {
            "side": "SELL" if position.qty > 0 else "BUY",
            "reduce_only": True,
            "quantity": request.get("quantity", instrument.qty_text(abs(position.qty))),
            "client_id": venue.dialect.outside_client_id(kind),
        }
        account = {"account": request["account"]} if "account" in request else {}
        return {"result": self._by_hand(venue, instrument, forced | account)}

    def cmd_account(self, request: dict[str, Any]) -> dict[str, Any]:
        """Change an account: its venue's flags (hedge_mode, ...), leverage {symbol: n}, margin_type {symbol: word}."""
        venue = self._venue(request)
        account = self._account(venue, request)
        for flag in venue.sim.account_flags:
            if flag in request:
                account.set_flag(flag, bool(request[flag]))
        account.leverage.update(request.get("leverage", {}))
        account.margin_type.update(request.get("margin_type", {}))
        return {}

    def cmd_filter(self, request: dict[str, Any]) -> dict[str, Any]:
        """Change an instrument while running: status, min_notional, maker_fee, taker_fee."""
        _, instrument = self._instrument(request)
        if "status" in request:
            instrument.status = str(request["status"])
        if "min_notional" in request:
            instrument.min_notional_e8 = to_scaled(str(request["min_notional"]), 8)
        for key in ("maker_fee", "taker_fee"):
            if key in request:
                setattr(instrument, f"{key}_e8", to_scaled(str(request[key]), 8))
        return {}


def _one_of(request: dict[str, Any], key: str, allowed: tuple[str, ...]) -> str:
    value = request.get(key)
    if value not in allowed:
        raise ValueError(f"{key} {value!r} is none of {', '.join(allowed)}")
    return value

"""Binance as the engine trades it: both markets, one account. Facts as data stand in binance_facts.py and
cext/decoders/binance_errors.py.

The shell makes one `BinanceGateway`, hands `gateway.sessions()` to the poll step, and gives the calm floor's commands to `query`,
`cancel` and `restart_stream`. What happens comes back through `GatewayHooks`, plain callables on the engine's loop; one that
raises is logged and stops nothing.
"""
from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from cext.instrument import InstrumentArray
from engine.connection import ConnectionPolicy
from engine.events import BalanceUpdate, OrderEvent, PositionUpdate, Sent, StreamNotice
from engine.gateways.binance_account import AccountRefused, AccountState, FeeRates
from engine.gateways.binance_credentials import Credentials, load_credentials
from engine.gateways.binance_facts import ENDPOINTS, VENUE, OrderEndpoints
from engine.gateways.binance_market import Answer, MarketGateway, MarketSettings
from engine.rest import RestError
from engine.sessions import OrderSession
from feeds.instruments import InstrumentTable

__all__ = ["AccountRefused", "AccountState", "Answer", "BinanceGateway", "GatewayHooks", "GatewaySettings", "gateway_settings"]

log = logging.getLogger("lockstep.binance")

START_BACK_OFF_FIRST_S = 0.25
START_BACK_OFF_LAST_S = 10.0


def _ignore(*_: Any) -> None:
    """A hook that nobody wants."""


def _guard(name: str, hook: Callable[..., Any], alert: Callable[[str, str], Any]) -> Callable[..., Any]:
    """The hook, or a log entry and an alert instead of what it raised."""
    def call(*arguments: Any) -> None:
        try:
            hook(*arguments)
        except Exception as error:
            log.exception("hook %s raised", name)
            if name != "alert":
                alert("hook_raised", f"hook {name}: {type(error).__name__}: {error}")
    return call


@dataclass(slots=True)
class GatewayHooks:
    """Where the gateway says what happened."""
    event: Callable[[OrderEvent], Any] = _ignore
    session: Callable[[str, str, str, bool, str], Any] = _ignore      # venue, market, "orders" | "user" | "clock", is_up, reason
    account: Callable[[BalanceUpdate | PositionUpdate], Any] = _ignore
    notice: Callable[[StreamNotice], Any] = _ignore
    alert: Callable[[str, str], Any] = _ignore                        # code, text
    fees: Callable[[str, str, FeeRates], Any] = _ignore               # market, symbol, rates: read after the start
    rate_stop: Callable[[str, str, float], Any] = _ignore             # venue, market, seconds

    def guarded(self) -> GatewayHooks:
        """The same hooks, each of which reports what it raises and goes on: a mistake in one must not end the gateway's own
        tasks."""
        alert = _guard("alert", self.alert, _ignore)
        return GatewayHooks(*(_guard(f.name, getattr(self, f.name), alert) for f in fields(self)))


@dataclass(slots=True)
class GatewaySettings:
    """Everything that the gateway needs to know."""
    endpoints: OrderEndpoints
    credentials: Credentials
    markets: tuple[str, ...] = ("spot", "linear")
    order_auth: str = "ed25519"
    recv_window_ms: int = 500
    stp_mode: str = "EXPIRE_MAKER"
    instance: int = 0
    seed: int = 1
    ca_file: str | None = None          # test CA of simulated venues; None = the system's
    checks_key_restrictions: bool = False
    policy: ConnectionPolicy = field(default_factory=ConnectionPolicy)

    def __post_init__(self) -> None:
        if self.order_auth not in ("ed25519", "hmac"):
            raise ValueError(f"order_auth {self.order_auth!r} is neither ed25519 nor hmac")
        if (self.credentials.ed25519 if self.order_auth == "ed25519" else self.credentials.hmac) is None:
            pair = "ed25519_key and ed25519_private" if self.order_auth == "ed25519" else "hmac_key and hmac_secret"
            raise ValueError(f"venues.binance.credentials: order_auth {self.order_auth} needs {pair}")


def gateway_settings(config: Any, mode: str, *, instance: int = 0, seed: int = 1,
                     simex: dict[str, Any] | None = None) -> GatewaySettings:
    """From the venue's section of the configuration (VenueConfig) and, in sim and paper, D/simex.json. Orders of sim and paper
    never leave for a real address: without simex.json they are refused."""
    references: dict[str, Any] = {}
    ca_file = None
    if mode in ("sim", "paper"):
        if simex is None:
            raise ValueError(f"mode {mode}: orders go to the simulated venue, but there is no simex.json")
        found = simex["endpoints"][VENUE]
        missing = [name for name in OrderEndpoints.__dataclass_fields__ if not found.get(name)]
        if missing:
            raise ValueError(f"simex.json: endpoints.{VENUE} lacks {', '.join(missing)}")
        endpoints = ENDPOINTS["testnet"].replaced(found)
        references = simex.get("credentials") or {}
        ca_file = simex.get("ca")
    elif mode in ("testnet", "live"):
        endpoints = ENDPOINTS[mode].replaced(dict(config.endpoints))
        references = {name: getattr(config.credentials, name) for name in type(config.credentials).model_fields}
    else:
        raise ValueError(f"mode {mode} has no order transport")
    return GatewaySettings(endpoints, load_credentials(references), tuple(config.markets), config.order_auth,
                           config.recv_window_ms,
                           instance=instance, seed=seed, ca_file=ca_file, checks_key_restrictions=mode == "live")


class BinanceGateway:
    """BinanceGateway(settings, table, instruments, hooks)."""

    def __init__(self, settings: GatewaySettings, table: InstrumentTable, instruments: InstrumentArray,
                 hooks: GatewayHooks | None = None) -> None:
        self.settings = settings
        self.hooks = (hooks if hooks is not None else GatewayHooks()).guarded()
        self.instruments = instruments
        context = make_ssl_context(settings)
        self.markets: dict[str, MarketGateway] = {}
        for index, market in enumerate(settings.markets):
            where = settings.endpoints
            self.markets[market] = MarketGateway(market, MarketSettings(
                rest_url=where.spot_rest if market == "spot" else where.linear_rest,
                ws_api_url=where.spot_ws_api if market == "spot" else where.linear_ws_api,
                private_url="" if market == "spot" else where.linear_ws_private,
                order_auth=settings.order_auth, recv_window_ms=settings.recv_window_ms, stp_mode=settings.stp_mode,
                instance=settings.instance, seed=settings.seed * 16 + index,
                checks_key_restrictions=settings.checks_key_restrictions,
                policy=settings.policy), settings.credentials, table, instruments, self.hooks, context)
        self._market_of_row = [None if row.market not in self.markets or row.venue != VENUE else self.markets[row.market]
                               for row in table.rows]

    # ------------------------------------------------------------ life

    async def start(self, *, give_up_after_s: float | None = None) -> dict[str, AccountState]:
        """Bring both markets up; what is not reachable is tried again with back-off (alert "venue_unreachable"), for ever or
        until
        `give_up_after_s`. AccountRefused ends it at once: a wrong account does not get better by asking again."""
        started = time.monotonic()
        await asyncio.gather(*(self._start_market(market, started, give_up_after_s) for market in self.markets.values()))
        return {name: market.state for name, market in self.markets.items()}

    async def _start_market(self, market: MarketGateway, started: float, give_up_after_s: float | None) -> None:
        wait_s = START_BACK_OFF_FIRST_S
        while True:
            try:
                return await market.start()
            except (RestError, OSError) as error:
                if isinstance(error, RestError) and error.code in (-2014, -2015, -1022, -1002):
                    raise AccountRefused(f"{VENUE} {market.market}: the venue refuses the key: {error}") from None
                if give_up_after_s is not None and time.monotonic() - started + wait_s > give_up_after_s:
                    raise
                self.hooks.alert("venue_unreachable", f"{VENUE} {market.market}: {error}; next attempt in {wait_s:.1f} s")
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, START_BACK_OFF_LAST_S)

    async def stop(self) -> None:
        """Close sockets and clients; leaves nothing open. Orders are the calm floor's affair before this is called."""
        await asyncio.gather(*(market.stop() for market in self.markets.values()))

    # ------------------------------------------------------------ what the shell uses

    def sessions(self) -> dict[str, OrderSession]:
        """Order session by market."""
        return {name: market.orders for name, market in self.markets.items()}

    def is_ready(self) -> bool:
        """Every order session and user stream is up and every clock known."""
        return all(m.orders.is_ready and m.user.is_ready and m.clock.is_good for m in self.markets.values())

    def market_of(self, row: int) -> MarketGateway:
        market = self._market_of_row[row] if 0 <= row < len(self._market_of_row) else None
        if market is None:
            raise LookupError(f"row {row} is not an instrument of {VENUE} that this gateway trades")
        return market

    async def query(self, ask: str, row: int, client_id: str, *, venue_order_id: int = 0, since_mono_ns: int = 0) -> Answer:
        """ask: "order", "fills" or "position" (engine/trade/commands.py). RestError = no answer, which counts for nothing."""
        market = self.market_of(row)
        if ask not in ("order", "fills", "position"):
            raise ValueError(f"{ask!r} is not a question: order, fills or position")
        try:
            if ask == "order":
                return await market.query_order(row, client_id)
            if ask == "fills":
                return await market.query_fills(row, client_id, venue_order_id, since_mono_ns)
            return await market.query_position(row)
        except (AccountRefused, LookupError, TypeError, ValueError, AttributeError) as error:
            # JSON of another shape than the venue documents
            raise RestError(f"{VENUE} {market.market} {ask} {client_id}", 200, 0,
                            f"an answer that makes no sense: {error!r}") from None

    async def cancel(self, row: int, client_id: str) -> list[OrderEvent]:
        """Cancel by client id: over the order session when it can send (its answer comes as an event: empty list), else over
        REST."""
        market = self.market_of(row)
        if market.orders.is_sendable() and market.orders.cancel(row, client_id) == Sent.OK:
            return []
        return await market.cancel_rest(row, client_id)

    def restart_stream(self, market: str, reason: str = "silent") -> None:
        self.markets[market].restart_stream(reason)

    def stats(self) -> dict[str, Any]:
        """For the status screen."""
        return {name: {"orders": m.orders.stats(), "user": m.user.stats(), "clock_offset_ms": m.clock.offset_ns / 1e6,
                       "clock_uncertainty_ms": m.clock.uncertainty_ns / 1e6 if m.clock.measured_mono_ns else None,
                       "rest_requests": m.rest.requests, "rest_failures": m.rest.failures, "used_weight": m.rest.rate.used_weight,
                       "order_counts": dict(m.rest.rate.order_counts), "rate_stops": m.rest.rate.stops,
                       "unknown_events": dict(m.unknown_events)}
                for name, m in self.markets.items()}


def make_ssl_context(settings: GatewaySettings) -> ssl.SSLContext | None:
    """Verified TLS 1.2+; a test CA only where simex.json names one. None when nothing is encrypted (loopback simulation)."""
    urls = [getattr(settings.endpoints, name) for name in OrderEndpoints.__dataclass_fields__]
    if not any(url.startswith(("https://", "wss://")) for url in urls):
        return None
    context = ssl.create_default_context(cafile=settings.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context

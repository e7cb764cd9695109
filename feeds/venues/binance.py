"""How Binance spot and USD-M are read: hosts, streams, limits, REST paths, and what exchangeInfo means.

Facts only, no socket: connection.py and process.py do what this page says. Sources: Binance's own documentation of spot streams
and REST (web-socket-streams.md, rest-api.md, read 2026-07) and of USD-M futures (derivatives, read 2026-05, changes until
2026-10)."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import orjson

from feeds.config import Endpoints, Fees, VenueConfig
from feeds.instruments import InstrumentError, InstrumentRow, largest_max_qty, scale_of, split_multiplier, unified_name

VENUE = "binance"
MARKETS = ("spot", "linear")

# USD-M splits its streams over routes: books on /public, the rest on /market.
# A stream on the wrong route is acknowledged and stays silent.
_REAL = Endpoints(
    spot_rest="https://api.binance.com", spot_ws="wss://stream.binance.com:9443",
    linear_rest="https://fapi.binance.com", linear_ws_public="wss://fstream.binance.com/public",
    linear_ws_market="wss://fstream.binance.com/market")
_TESTNET = Endpoints(
    spot_rest="https://testnet.binance.vision", spot_ws="wss://stream.testnet.binance.vision",
    linear_rest="https://demo-fapi.binance.com", linear_ws_public="wss://demo-fstream.binance.com/public",
    linear_ws_market="wss://demo-fstream.binance.com/market")
ENDPOINTS = {"dry_run": _REAL, "paper": _REAL, "testnet": _TESTNET}
WS_PATH = "/ws"  # raw payloads, no {"stream":..,"data":..} around them


@dataclass(frozen=True)
class MarketFacts:
    """What one market allows and where its things lie."""

    messages_per_s: int        # inbound control messages and pings of one socket
    streams_per_socket: int
    weight_per_minute: int     # REST
    exchange_info_path: str
    exchange_info_weight: int
    depth_path: str
    depth_limit: int           # levels a side of a snapshot
    depth_weight: int
    depth_limit_quick: int
    trade_stream: str


FACTS = {
    "spot": MarketFacts(5, 1024, 6000, "/api/v3/exchangeInfo", 20, "/api/v3/depth", 1000, 50, 100, "trade"),
    "linear": MarketFacts(10, 1024, 2400, "/fapi/v1/exchangeInfo", 1, "/fapi/v1/depth", 1000, 20, 100, "aggTrade"),
}
FUNDING_INFO_PATH = "/fapi/v1/fundingInfo"  # only symbols whose interval is not 8 h
FUNDING_INTERVAL_S = 8 * 3600
CONNECTION_ATTEMPTS_PER_5_MIN = 300         # per address; we use a fifth
STREAMS_PER_MESSAGE = 100                   # keeps a SUBSCRIBE frame below 4 KiB


@dataclass(frozen=True)
class RoutePlan:
    """One socket to keep open: where, for which rows, with which streams."""

    name: str                 # spot-book-0
    market: str
    endpoint: str             # field of Endpoints
    rows: tuple[int, ...]     # rows whose books depend on it; empty for trades and funding
    streams: tuple[str, ...]
    watched: tuple[tuple[int, str], ...]  # (row, "book" | "trade" | "funding") that must speak sooner or later


def plan_routes(rows: Iterable[InstrumentRow], sockets_per_market: int, with_trades: bool) -> list[RoutePlan]:
    """Books of a market spread evenly over its sockets; trades (spot), and trades and mark prices (USD-M) on one socket of
    their own, so that they never stand before a book update in a read."""
    plans = []
    by_market: dict[str, list[InstrumentRow]] = {}
    for row in rows:
        by_market.setdefault(row.market, []).append(row)
    for market in MARKETS:
        members = by_market.get(market, [])
        facts = FACTS[market]
        if not members:
            continue
        count = max(min(sockets_per_market, len(members)), -(-2 * len(members) // facts.streams_per_socket))
        for index in range(count):
            part = members[index::count]
            streams = tuple(f"{row.symbol.lower()}{kind}" for row in part for kind in ("@depth@100ms", "@bookTicker"))
            plans.append(RoutePlan(f"{market}-book-{index}", market, "spot_ws" if market == "spot" else "linear_ws_public",
                                   tuple(row.id for row in part), streams, tuple((row.id, "book") for row in part)))
        streams_aside: list[str] = []
        watched: list[tuple[int, str]] = []
        if market == "linear":
            streams_aside += [f"{row.symbol.lower()}@markPrice@1s" for row in members]
            watched += [(row.id, "funding") for row in members]
        if with_trades:  # a trade may be rare: not watched
            streams_aside += [f"{row.symbol.lower()}@{facts.trade_stream}" for row in members]
        for start in range(0, len(streams_aside), facts.streams_per_socket):
            plans.append(
                RoutePlan(
                    f"{market}-aside-{start // facts.streams_per_socket}",
                    market,
                    "spot_ws" if market == "spot" else "linear_ws_market",
                    (),
                    tuple(streams_aside[start : start + facts.streams_per_socket]),
                    tuple(watched) if start == 0 else (),
                )
            )
    return plans


def subscribe_frames(streams: Iterable[str], first_id: int, method: str = "SUBSCRIBE") -> list[tuple[int, bytes]]:
    """(request id, frame) for each chunk of streams."""
    names = list(streams)
    chunks = [names[start:start + STREAMS_PER_MESSAGE] for start in range(0, len(names), STREAMS_PER_MESSAGE)]
    return [(first_id + index, orjson.dumps({"method": method, "params": chunk, "id": first_id + index}))
            for index, chunk in enumerate(chunks)]


# ---------------------------------------------------------------- instruments


def parse_exchange_info(
    market: str, data: Any, fees: Fees, only: set[str] | None = None
) -> tuple[list[InstrumentRow], list[str]]:
    """(rows with id 0, problems). Takes perpetuals only on USD-M. A symbol that cannot be used is a problem told, not the end.
    `only` = symbols to look at, None = all."""
    if not isinstance(data, dict) or not isinstance(data.get("symbols"), list):
        raise InstrumentError(f"binance {market} exchangeInfo has no list of symbols")
    rows, problems = [], []
    for symbol in data["symbols"]:
        if only is not None and (not isinstance(symbol, dict) or symbol.get("symbol") not in only):
            continue
        try:
            row = _parse_symbol(market, symbol, fees)
            if row is not None:
                row.check()
                rows.append(row)
        except (InstrumentError, KeyError, TypeError, ArithmeticError, AttributeError) as error:
            name = symbol.get("symbol") if isinstance(symbol, dict) else symbol
            problems.append(f"binance {market} {str(name)[:40]}: not usable: {error!r}"[:300])
    return rows, problems


SPOT_SPARE_DIGITS = 2
SPARE_FROM_DIGITS = 3


def _parse_symbol(market: str, symbol: dict[str, Any], fees: Fees) -> InstrumentRow | None:
    if market == "linear" and symbol.get("contractType") != "PERPETUAL":
        return None
    filters = {entry["filterType"]: entry for entry in symbol["filters"]}
    price, lot = filters["PRICE_FILTER"], filters["LOT_SIZE"]
    tick, step = Decimal(price["tickSize"]), Decimal(lot["stepSize"])
    if tick <= 0 or step <= 0:
        raise InstrumentError("tickSize or stepSize is 0: prices or sizes without a step are not supported")
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    settle = symbol["marginAsset"] if market == "linear" else symbol["quoteAsset"]
    base, quote = symbol["baseAsset"], symbol["quoteAsset"]
    underlying, multiplier = split_multiplier(base)
    bps = Decimal(10_000)
    maker, taker = (
        (fees.spot_maker_bps, fees.spot_taker_bps) if market == "spot" else (fees.linear_maker_bps, fees.linear_taker_bps)
    )
    px_scale = scale_of(tick)
    qty_scale = scale_of(step)
    row = InstrumentRow(
        id=0,
        name=unified_name(VENUE, market, base, quote, settle),
        venue=VENUE,
        market=market,
        symbol=symbol["symbol"],
        base=base,
        quote=quote,
        settle=settle,
        underlying=underlying,
        multiplier=multiplier,
        contract_size=Decimal(1),
        px_scale=px_scale,
        qty_scale=qty_scale,
        tick=tick.normalize(),
        lot=step.normalize(),
        min_qty=_on_grid(Decimal(lot["minQty"]), step, up=True),
        max_qty=_on_grid(Decimal(lot["maxQty"]), step, up=False),
        min_notional=Decimal(notional.get("minNotional") or notional.get("notional") or 0).normalize(),
        min_px=_on_grid(Decimal(price.get("minPrice", 0)), tick, up=True),
        max_px=_on_grid(Decimal(price.get("maxPrice", 0)), tick, up=False),
        maker_fee=Decimal(str(maker)) / bps,
        taker_fee=Decimal(str(taker)) / bps,
        status=symbol["status"],
    )
    if market == "spot":
        row = _with_spare_digits(row, int(symbol.get("baseAssetPrecision", 8)))
    if row.max_px > 0 and row.max_qty > 0 and row.max_qty > (limit := largest_max_qty(row)):
        # Cheap coins allow orders whose notional does not fit 62 bits: ours are far smaller, so the cap costs nothing.
        row = replace(row, max_qty=limit.normalize())
        if limit < 1000 * row.min_qty or limit <= 0:
            raise InstrumentError(f"scales {px_scale} and {qty_scale} leave no room for a useful order size")
    return row


def _with_spare_digits(row: InstrumentRow, precision: int) -> InstrumentRow:
    """Resting sizes may be finer than the step of new orders (25.426189 BTC was recorded where the step is 0.00001), and a book
    must hold them exactly. Cheap coins trade in whole units and need their 62 bits for large sizes: they get no spare digit."""
    wider = replace(row, qty_scale=min(row.qty_scale + SPOT_SPARE_DIGITS, max(precision, row.qty_scale), 8))
    is_roomy = row.max_px <= 0 or row.max_qty <= largest_max_qty(wider)
    return wider if row.qty_scale >= SPARE_FROM_DIGITS or is_roomy else row


def _on_grid(value: Decimal, step: Decimal, *, up: bool) -> Decimal:
    """A bound moved onto the grid, towards the careful side."""
    if value <= 0:
        return Decimal(0)
    steps = value / step
    whole = steps.to_integral_value(rounding="ROUND_CEILING" if up else "ROUND_FLOOR")
    return (whole * step).normalize()


def choose_rows(rows: Iterable[InstrumentRow], config: VenueConfig) -> tuple[list[InstrumentRow], list[str]]:
    """(rows of this run, problems): those named in the configuration, or every base that has all configured markets."""
    listed = {row.name: row for row in rows if row.market in config.markets}
    problems: list[str] = []
    if config.symbols != "auto":
        chosen = []
        for name in config.symbols:
            row = listed.get(f"{VENUE}:{name}")
            if row is None:
                near = difflib.get_close_matches(f"{VENUE}:{name}", listed, n=1)
                problems.append(f"binance lists no {name} in {' or '.join(config.markets)}"
                                + (f"; did you mean {near[0].removeprefix(VENUE + ':')}?" if near else ""))
            else:
                chosen.append(row)
        return chosen, problems
    by_base: dict[str, dict[str, InstrumentRow]] = {}
    for row in listed.values():
        if row.quote == config.quote and row.settle == config.quote and row.status == "TRADING" and row.multiplier == 1:
            by_base.setdefault(row.base, {})[row.market] = row
    chosen = []
    for markets in by_base.values():
        if len(markets) == len(config.markets):
            if len(chosen) + len(markets) > config.symbols_max:
                problems.append(f"binance lists more instruments in {config.quote} than symbols_max {config.symbols_max} allows")
                break
            chosen += [markets[market] for market in MARKETS if market in markets]
    return chosen, problems


def parse_funding_info(data: Any) -> dict[str, int]:
    """symbol -> seconds between fundings, for the symbols that differ from 8 h."""
    if not isinstance(data, list):
        raise InstrumentError("binance fundingInfo is not a list")
    return {entry["symbol"]: int(entry["fundingIntervalHours"]) * 3600 for entry in data
            if isinstance(entry, dict) and 1 <= int(entry.get("fundingIntervalHours", 0)) <= 24}

"""How Binance spot and USD-M are read: hosts, streams, limits, REST paths, and what exchangeInfo means.

Sources: Binance's own documentation of spot streams and REST (web-socket-streams.md, rest-api.md, read 2026-07) and of USD-M
futures (derivatives, read 2026-05, changes until 2026-10). Binance.US is the same object with other facts (binanceus.py)."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

from cext.decoders.binance import BinanceMarket
from cext.decoders.market import MarketDecoder
from cext.instrument import InstrumentArray
from feeds.config import Fees, VenueConfig
from feeds.instruments import (
    InstrumentError,
    InstrumentRow,
    largest_max_qty,
    on_grid,
    plain,
    scale_of,
    split_multiplier,
    unified_name,
    with_room,
)
from feeds.venue import (
    FeedVenue,
    Glance,
    Listing,
    Rate,
    RestError,
    RestLimits,
    RoutePlan,
    SnapshotRequest,
    SocketLimits,
    StreamRequest,
)

if TYPE_CHECKING:
    from feeds.rest import RestClient  # needs aiohttp: a configuration check need not load it

WS_PATH = "/ws"              # raw payloads, no {"stream":..,"data":..} around them
LISTING_SYMBOLS_MAX = 50     # spot: asked for at a time when few are enough: a turn of the loop stays short
FUNDING_INFO_PATH = "/fapi/v1/fundingInfo"  # only symbols whose interval is not 8 h
FUNDING_INTERVAL_S = 8 * 3600


@dataclass(frozen=True)
class BinancePaths:
    """Where the things of one market lie, and what they cost."""

    listing: str
    listing_weight: int
    depth: str
    depth_weight: int
    depth_limit: int           # levels a side of a snapshot
    trade_stream: str
    book_role: str             # USD-M splits its streams over routes: books on /public, the rest on /market.
    aside_role: str            # A stream on the wrong route is acknowledged and stays silent.


PATHS = {
    "spot": BinancePaths("/api/v3/exchangeInfo", 20, "/api/v3/depth", 50, 1000, "trade", "spot_ws", "spot_ws"),
    "linear": BinancePaths("/fapi/v1/exchangeInfo", 1, "/fapi/v1/depth", 20, 1000, "aggTrade", "linear_ws_public",
                           "linear_ws_market"),
}


@dataclass(frozen=True)
class BinanceFeed(FeedVenue):
    """Binance and what speaks like it."""

    paths: Mapping[str, BinancePaths] = field(default_factory=lambda: PATHS)  # by market

    # ---------------------------------------------------------------- decoding

    def make_decoder(self, instruments: InstrumentArray, market: str, rows: Sequence[int]) -> MarketDecoder:
        return BinanceMarket(instruments, market, list(rows))

    # ---------------------------------------------------------------- sockets

    def plan_routes(self, rows: Iterable[InstrumentRow], sockets_per_market: int, with_trades: bool) -> list[RoutePlan]:
        """Books spread evenly; trades (spot), and trades and mark prices (USD-M) on one socket of their own."""
        plans = []
        by_market: dict[str, list[InstrumentRow]] = {}
        for row in rows:
            by_market.setdefault(row.market, []).append(row)
        for market in self.markets:
            members = by_market.get(market, [])
            if not members:
                continue
            room = self.sockets[market].streams_per_socket
            count = max(min(sockets_per_market, len(members)), -(-2 * len(members) // room))
            for index in range(count):
                part = members[index::count]
                streams = tuple(f"{row.symbol.lower()}{kind}" for row in part for kind in ("@depth@100ms", "@bookTicker"))
                plans.append(RoutePlan(f"{market}-book-{index}", market, self.paths[market].book_role, WS_PATH,
                                       tuple(row.id for row in part), streams, tuple((row.id, "book") for row in part)))
            aside: list[str] = []
            watched: list[tuple[int, str]] = []
            if market == "linear":
                aside += [f"{row.symbol.lower()}@markPrice@1s" for row in members]
                watched += [(row.id, "funding") for row in members]
            if with_trades:  # a trade may be rare: not watched
                aside += [f"{row.symbol.lower()}@{self.paths[market].trade_stream}" for row in members]
            for start in range(0, len(aside), room):
                plans.append(RoutePlan(f"{market}-aside-{start // room}", market, self.paths[market].aside_role, WS_PATH, (),
                                       tuple(aside[start:start + room]), tuple(watched) if start == 0 else ()))
        return plans

    def subscribe_requests(
        self, market: str, streams: Sequence[str], first_id: int, is_subscribe: bool = True
    ) -> list[StreamRequest]:
        """One acknowledgement each."""
        size, method = self.sockets[market].streams_per_request, "SUBSCRIBE" if is_subscribe else "UNSUBSCRIBE"
        chunks = [list(streams[start:start + size]) for start in range(0, len(streams), size)]
        return [StreamRequest(number, orjson.dumps({"method": method, "params": chunk, "id": number}))
                for number, chunk in enumerate(chunks, first_id)]

    def streams_of_row(self, plan: RoutePlan, row: InstrumentRow) -> tuple[str, ...]:
        return tuple(stream for stream in plan.streams if stream.split("@")[0] == row.symbol.lower())

    # ---------------------------------------------------------------- instruments

    async def read_listing(
        self, clients: Mapping[str, RestClient], config: VenueConfig, only: Mapping[str, set[str]] | None = None
    ) -> Listing:
        """exchangeInfo of each market; fundingInfo beside it on USD-M."""
        listing = Listing()
        for market, client in clients.items():
            for data in await self._read_market(client, market, config, None if only is None else only.get(market, set())):
                rows, problems = self.parse_listing(market, data, config.fees, None if only is None else only.get(market, set()))
                listing.rows += rows
                listing.problems += problems
        if "linear" in clients:
            try:
                intervals = parse_funding_info(await clients["linear"].get_json(FUNDING_INFO_PATH))
                listing.funding_s = {row.name: intervals.get(row.symbol, FUNDING_INTERVAL_S) for row in listing.rows
                                     if row.market == "linear"}
            except (RestError, InstrumentError) as error:
                listing.notes.append(f"{self.name}: funding intervals unknown, 8 h assumed: {error}")
        return listing

    async def _read_market(self, client: RestClient, market: str, config: VenueConfig, only: set[str] | None) -> list[Any]:
        """Spot can be asked for a few symbols: kilobytes instead of megabytes. It refuses all when one of them is unknown."""
        paths = self.paths[market]
        names: list[str] = []
        if market == "spot" and only is not None:
            names = sorted(only)
        elif market == "spot" and config.symbols != "auto":
            names = sorted(name.replace("/", "") for name in config.symbols if ":" not in name)
        size = LISTING_SYMBOLS_MAX if only is not None else len(names)
        answers = []
        try:
            for start in range(0, len(names), size or 1):
                params = {"symbols": orjson.dumps(names[start:start + size]).decode()}
                answers.append(await client.get_json(paths.listing, params, weight=paths.listing_weight, timeout_s=30.0))
        except RestError as error:
            if error.status != 400 or only is not None:
                raise
            answers = []
        if answers:
            return answers
        return [await client.get_json(paths.listing, weight=paths.listing_weight, timeout_s=30.0)]

    def parse_listing(
        self, market: str, data: Any, fees: Fees, only: set[str] | None = None
    ) -> tuple[list[InstrumentRow], list[str]]:
        """Of an exchangeInfo. Takes perpetuals only on USD-M."""
        if not isinstance(data, dict) or not isinstance(data.get("symbols"), list):
            raise InstrumentError(f"{self.name} {market} exchangeInfo has no list of symbols")
        rows, problems = [], []
        for symbol in data["symbols"]:
            if only is not None and (not isinstance(symbol, dict) or symbol.get("symbol") not in only):
                continue
            try:
                row = _parse_symbol(self.name, market, symbol, fees)
                if row is not None:
                    row.check()
                    rows.append(row)
            except (InstrumentError, KeyError, TypeError, ArithmeticError, AttributeError) as error:
                name = symbol.get("symbol") if isinstance(symbol, dict) else symbol
                problems.append(f"{self.name} {market} {str(name)[:40]}: not usable: {error!r}"[:300])
        return rows, problems

    # ---------------------------------------------------------------- books over REST

    def snapshot_request(self, row: InstrumentRow) -> SnapshotRequest:
        paths = self.paths[row.market]
        return SnapshotRequest(paths.depth, {"symbol": row.symbol, "limit": str(paths.depth_limit)}, paths.depth_weight,
                               paths.depth_limit)

    def write_snapshot(
        self, row: InstrumentRow, update_id: int, bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]]
    ) -> bytes:
        sides = {side: [[plain(px, row.px_scale), plain(qty, row.qty_scale)] for px, qty in levels]
                 for side, levels in (("bids", bids), ("asks", asks))}
        return orjson.dumps({"lastUpdateId": update_id, **sides})

    # ---------------------------------------------------------------- recordings

    def glance(self, market: str, text: bytes) -> Glance | None:
        """Raw or wrapped; the REST reply names no symbol."""
        try:
            message = orjson.loads(text)
            if not isinstance(message, dict):
                return None
            if "lastUpdateId" in message and "bids" in message:
                return Glance(str(message.get("symbol", "")), _levels(message["bids"], message["asks"]), 0,
                              int(message["lastUpdateId"]), True)
            data = message.get("data", message)
            if not isinstance(data, dict) or not isinstance(data.get("s"), str):
                return Glance("")
            return _glance_event(data, data["s"])
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            return None


def _levels(*sides: Any) -> tuple[tuple[str, str], ...]:
    return tuple((level[0], level[1]) for side in sides for level in side)


def _glance_event(data: dict[str, Any], symbol: str) -> Glance:
    kind = data.get("e")
    if kind == "depthUpdate":
        return Glance(symbol, _levels(data["b"], data["a"]), int(data["U"]), int(data["u"]))
    if kind in ("trade", "aggTrade"):
        return Glance(symbol, ((data["p"], data["q"]),))
    if kind == "bookTicker" or (kind is None and "B" in data):  # spot's has no "e"
        return Glance(symbol, ((data["b"], data["B"]), (data["a"], data["A"])))
    return Glance(symbol)


# ---------------------------------------------------------------- instruments


SPOT_SPARE_DIGITS = 2
SPARE_FROM_DIGITS = 3


def _parse_symbol(venue: str, market: str, symbol: dict[str, Any], fees: Fees) -> InstrumentRow | None:
    if symbol.get("contractType") != ("PERPETUAL" if market == "linear" else None):  # a spot pair is no contract
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
        name=unified_name(venue, market, base, quote, settle),
        venue=venue,
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
        min_qty=on_grid(Decimal(lot["minQty"]), step, up=True),
        max_qty=on_grid(Decimal(lot["maxQty"]), step, up=False),
        min_notional=Decimal(notional.get("minNotional") or notional.get("notional") or 0).normalize(),
        min_px=on_grid(Decimal(price.get("minPrice", 0)), tick, up=True),
        max_px=on_grid(Decimal(price.get("maxPrice", 0)), tick, up=False),
        maker_fee=Decimal(str(maker)) / bps,
        taker_fee=Decimal(str(taker)) / bps,
        status=symbol["status"],
    )
    if market == "spot":
        row = _with_spare_digits(row, int(symbol.get("baseAssetPrecision", 8)))
    return with_room(row)


def _with_spare_digits(row: InstrumentRow, precision: int) -> InstrumentRow:
    """Resting sizes may be finer than the step of new orders (25.426189 BTC was recorded where the step is 0.00001), and a book
    must hold them exactly. Cheap coins trade in whole units and need their 62 bits for large sizes: they get no spare digit."""
    wider = replace(row, qty_scale=min(row.qty_scale + SPOT_SPARE_DIGITS, max(precision, row.qty_scale), 8))
    is_roomy = row.max_px <= 0 or row.max_qty <= largest_max_qty(wider)
    return wider if row.qty_scale >= SPARE_FROM_DIGITS or is_roomy else row


def parse_funding_info(data: Any) -> dict[str, int]:
    """symbol -> seconds between fundings, for the symbols that differ from 8 h."""
    if not isinstance(data, list):
        raise InstrumentError("binance fundingInfo is not a list")
    return {entry["symbol"]: int(entry["fundingIntervalHours"]) * 3600 for entry in data
            if isinstance(entry, dict) and 1 <= int(entry.get("fundingIntervalHours", 0)) <= 24}


# ---------------------------------------------------------------- the venue

_REAL = {
    "spot_rest": "https://api.binance.com", "spot_ws": "wss://stream.binance.com:9443",
    "linear_rest": "https://fapi.binance.com", "linear_ws_public": "wss://fstream.binance.com/public",
    "linear_ws_market": "wss://fstream.binance.com/market"}
_TESTNET = {
    "spot_rest": "https://testnet.binance.vision", "spot_ws": "wss://stream.testnet.binance.vision",
    "linear_rest": "https://demo-fapi.binance.com", "linear_ws_public": "wss://demo-fstream.binance.com/public",
    "linear_ws_market": "wss://demo-fstream.binance.com/market"}

VENUE = BinanceFeed(
    name="binance",
    title="Binance",
    markets=("spot", "linear"),
    roles=("spot_rest", "spot_ws", "spot_ws_api", "linear_rest", "linear_ws_public", "linear_ws_market", "linear_ws_private",
           "linear_ws_api"),
    endpoints={"dry_run": _REAL, "paper": _REAL, "testnet": _TESTNET},
    # pings count as messages; 100 names keep a SUBSCRIBE frame below 4 KiB
    sockets={"spot": SocketLimits(Rate(5, 1.0), 1024, 100), "linear": SocketLimits(Rate(10, 1.0), 1024, 100)},
    rest={"spot": RestLimits("spot_rest", 6000, used_header="X-MBX-USED-WEIGHT-1M"),
          "linear": RestLimits("linear_rest", 2400, used_header="X-MBX-USED-WEIGHT-1M")},
    attempts=(Rate(300, 300.0),),
    fees={"spot_taker_bps": 10.0, "spot_maker_bps": 10.0, "linear_taker_bps": 5.0, "linear_maker_bps": 2.0},
    credentials={"ed25519": ("ed25519_key", "ed25519_private"), "hmac": ("hmac_key", "hmac_secret")},
)

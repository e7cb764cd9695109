"""How Bybit v5 spot and USDT/USDC perpetuals are read: hosts, topics, limits, and what instruments-info means.

Source: Bybit v5 documentation as of 2026-07-24 (guide, websocket/public/*, market/instrument, rate-limit), fee page of the help
centre; docs/venues/bybit-market-data.md."""
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import orjson

from cext.decoders.bybit import BybitMarket
from cext.decoders.market import MarketDecoder
from cext.instrument import InstrumentArray
from feeds.config import Fees, VenueConfig
from feeds.instruments import (
    UNIFIED,
    InstrumentError,
    InstrumentRow,
    on_grid,
    plain,
    scale_of,
    split_multiplier,
    unified_name,
    with_room,
)
from feeds.rest import RestClient
from feeds.venue import (
    FeedVenue,
    Glance,
    Heartbeat,
    Listing,
    Rate,
    RestLimits,
    RoutePlan,
    SnapshotRequest,
    SocketLimits,
    StreamRequest,
)

DEPTHS = (50, 200, 1000)                # pushed every 20, 100, 200 ms; 1 is the top of book, every 10 ms
INSTRUMENTS_PATH = "/v5/market/instruments-info"
PAGE_ROWS = 1000                        # of linear; spot comes at once
PAGES_MAX = 50
STATUS = {"Trading": "TRADING"}         # any other is kept as the venue says it, and not traded
LISTED_LAST = re.compile(r"^([A-Z]+)(1000+)$")  # SHIB1000: the only place where the multiplier stands behind

@dataclass(frozen=True)
class BybitVenue(FeedVenue):
    """Bybit; see feeds/venue.py. `depth` = levels a side of the book topic: fewer come sooner."""

    depth: int = 50

    def __post_init__(self) -> None:
        if self.depth not in DEPTHS:
            raise ValueError(f"{self.name}: depth {self.depth} is none of {', '.join(map(str, DEPTHS))}")

    def make_decoder(self, instruments: InstrumentArray, market: str, rows: Sequence[int]) -> MarketDecoder:
        """Spot and linear have the same symbols: a decoder is of one of them."""
        return BybitMarket(instruments, market, list(rows))

    # ---------------------------------------------------------------- sockets

    def plan_routes(self, rows: Iterable[InstrumentRow], sockets_per_market: int, with_trades: bool) -> list[RoutePlan]:
        """Book and top of a row on one socket, rows spread evenly; tickers (funding, linear only) and trades aside."""
        by_market: dict[str, list[InstrumentRow]] = {}
        for row in rows:
            by_market.setdefault(row.market, []).append(row)
        return [plan for market in self.markets if (members := by_market.get(market))
                for plan in (*self._book_plans(market, members, sockets_per_market),
                             *self._aside_plans(market, members, with_trades))]

    def _book_plans(self, market: str, members: list[InstrumentRow], sockets: int) -> Iterator[RoutePlan]:
        def streams_of(part: list[InstrumentRow]) -> tuple[str, ...]:
            return tuple(f"orderbook.{depth}.{row.symbol}" for row in part for depth in (self.depth, 1))
        count = min(sockets, len(members))
        while not all(self._fits(market, streams_of(members[index::count])) for index in range(count)):
            count += 1
        for index in range(count):
            part = members[index::count]
            yield RoutePlan(f"{market}-book-{index}", market, f"public_{market}_ws", "", tuple(row.id for row in part),
                            streams_of(part), tuple((row.id, "book") for row in part))

    def _aside_plans(self, market: str, members: list[InstrumentRow], with_trades: bool) -> Iterator[RoutePlan]:
        wanted = [(f"tickers.{row.symbol}", (row.id, "funding")) for row in members] if market == "linear" else []
        if with_trades:                 # a trade may be rare: not watched
            wanted += [(f"publicTrade.{row.symbol}", None) for row in members]
        parts: list[list[tuple[str, tuple[int, str] | None]]] = []
        for entry in wanted:
            if not parts or not self._fits(market, [stream for stream, _ in (*parts[-1], entry)]):
                parts.append([])
            parts[-1].append(entry)
        for index, part in enumerate(parts):
            yield RoutePlan(f"{market}-aside-{index}", market, f"public_{market}_ws", "", (), tuple(stream for stream, _ in part),
                            tuple(watch for _, watch in part if watch is not None))

    def _fits(self, market: str, streams: Sequence[str]) -> bool:
        limits = self.sockets[market]
        return len(streams) <= limits.streams_per_socket and len(orjson.dumps(list(streams))) <= limits.bytes_per_socket

    def subscribe_requests(
        self, market: str, streams: Sequence[str], first_id: int, is_subscribe: bool = True
    ) -> list[StreamRequest]:
        """Spot takes ten topics a request. One that is refused refuses the whole request, and may leave out its id."""
        step = self.sockets[market].streams_per_request
        chunks = [list(streams[start:start + step]) for start in range(0, len(streams), step)]
        word = "subscribe" if is_subscribe else "unsubscribe"
        return [StreamRequest(first_id + index, orjson.dumps({"req_id": str(first_id + index), "op": word, "args": chunk}))
                for index, chunk in enumerate(chunks)]

    def streams_of_row(self, plan: RoutePlan, row: InstrumentRow) -> tuple[str, ...]:
        """The topics that end with its symbol."""
        return tuple(stream for stream in plan.streams if stream.rpartition(".")[2] == row.symbol)

    # ---------------------------------------------------------------- instruments

    async def read_listing(
        self, clients: Mapping[str, RestClient], config: VenueConfig, only: Mapping[str, set[str]] | None = None
    ) -> Listing:
        """All pages of each market; the pages of one are joined into the form of one reply."""
        listing = Listing()
        for market, client in clients.items():
            data = await _read_pages(client, market)
            wanted = None if only is None else only.get(market, set())
            rows, problems = self.parse_listing(market, data, config.fees, wanted)
            listing.rows += rows
            listing.problems += problems
            listing.funding_s |= funding_intervals(rows, data) if market == "linear" else {}
        return listing

    def parse_listing(
        self, market: str, data: Any, fees: Fees, only: set[str] | None = None
    ) -> tuple[list[InstrumentRow], list[str]]:
        """Perpetuals only on linear: USDT ones are named BTCUSDT, USDC ones BTCPERP."""
        rows, problems = [], []
        for told in _entries(market, data):
            name = told.get("symbol") if isinstance(told, dict) else told
            if only is not None and name not in only:
                continue
            try:
                row = self._parse_symbol(market, told, fees)
                if row is not None:
                    row.check()
                    rows.append(row)
            except (InstrumentError, KeyError, TypeError, ArithmeticError, AttributeError) as error:
                problems.append(f"{self.name} {market} {str(name)[:40]}: not usable: {error!r}"[:300])
        return rows, problems

    def _parse_symbol(self, market: str, told: dict[str, Any], fees: Fees) -> InstrumentRow | None:
        if market == "linear" and told["contractType"] != "LinearPerpetual":
            return None
        price, lots = told["priceFilter"], told["lotSizeFilter"]
        tick = Decimal(price["tickSize"])
        lot = Decimal(lots["qtyStep" if market == "linear" else "basePrecision"])
        if tick <= 0 or lot <= 0:
            raise InstrumentError("tickSize or the step of sizes is 0: prices or sizes without a step are not supported")
        if market == "linear":
            settle, maker, taker = told["settleCoin"], fees.linear_maker_bps, fees.linear_taker_bps
            min_qty, max_qty, min_notional = lots["minOrderQty"], lots["maxOrderQty"], lots["minNotionalValue"]
        else:                           # the smallest size is no rule any more, only the amount is
            settle, maker, taker = told["quoteCoin"], fees.spot_maker_bps, fees.spot_taker_bps
            min_qty, max_qty, min_notional = lot, lots["maxLimitOrderQty"], lots["minOrderAmt"]
        base, quote = told["baseCoin"], told["quoteCoin"]
        underlying, multiplier = split_multiplier(base)
        if match := LISTED_LAST.match(base):
            underlying, multiplier = match.group(1), int(match.group(2))
        row = InstrumentRow(
            id=0,
            name=unified_name(self.name, market, base, quote, settle),
            venue=self.name,
            market=market,
            symbol=told["symbol"],
            base=base,
            quote=quote,
            settle=settle,
            underlying=underlying,
            multiplier=multiplier,
            contract_size=Decimal(1),
            px_scale=scale_of(tick),
            qty_scale=scale_of(lot),
            tick=tick.normalize(),
            lot=lot.normalize(),
            min_qty=on_grid(Decimal(min_qty), lot, up=True),
            max_qty=on_grid(Decimal(max_qty), lot, up=False),
            min_notional=on_grid(Decimal(min_notional), tick * lot, up=True),
            min_px=on_grid(Decimal(price.get("minPrice", 0)), tick, up=True),
            max_px=on_grid(Decimal(price.get("maxPrice", 0)), tick, up=False),
            maker_fee=Decimal(str(maker)) / 10_000,
            taker_fee=Decimal(str(taker)) / 10_000,
            status=STATUS.get(told["status"], told["status"].upper()),
            account=self.account,
        )
        return with_room(row)

    # ---------------------------------------------------------------- books over REST

    def snapshot_request(self, row: InstrumentRow) -> SnapshotRequest | None:
        """None: the update id of REST books is that of the 1000-level topic, whatever limit is asked for."""
        return None

    def write_snapshot(
        self, row: InstrumentRow, update_id: int, bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]]
    ) -> bytes:
        """seq 0: older than any top of book, for nobody knows it."""
        def side(levels: Sequence[tuple[int, int]]) -> list[list[str]]:
            return [[plain(px, row.px_scale), plain(qty, row.qty_scale)] for px, qty in levels]
        return orjson.dumps({"retCode": 0, "retMsg": "OK", "result": {
            "s": row.symbol, "b": side(bids), "a": side(asks), "ts": 0, "u": update_id, "seq": 0, "cts": 0},
            "retExtInfo": {}, "time": 0})

    # ---------------------------------------------------------------- recordings

    def glance(self, market: str, text: bytes) -> Glance | None:
        """Books, tops, trades, tickers and REST books; a reply to a request has no symbol."""
        try:
            told = orjson.loads(text)
            if "topic" in told:
                return _glance_topic(told)
            if "result" in told and isinstance(told["result"], dict) and "u" in told["result"]:
                book = told["result"]
                return Glance(book["s"], _levels(book), last_update_id=int(book["u"]), is_snapshot=True)
            return Glance("") if {"op", "success", "retCode"} & told.keys() else None
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


# ---------------------------------------------------------------- listing


async def _read_pages(client: RestClient, market: str) -> Any:
    """One reply with the rows of all pages."""
    params = {"category": market}
    if market == "linear":
        params["limit"] = str(PAGE_ROWS)
    entries: list[Any] = []
    for _ in range(PAGES_MAX):
        page = await client.get_json(INSTRUMENTS_PATH, params)
        entries += _entries(market, page)
        cursor = page["result"].get("nextPageCursor")
        if not cursor:
            return {**page, "result": {**page["result"], "list": entries}}
        params = {**params, "cursor": unquote(cursor)}      # it comes percent-encoded; the client encodes again
    raise InstrumentError(f"bybit {market} instruments-info has no end after {PAGES_MAX} pages")


def _entries(market: str, data: Any) -> list[Any]:
    """The rows of an instruments-info reply; InstrumentError with what the venue says instead."""
    if not isinstance(data, dict) or data.get("retCode") != 0:
        words = f"{data.get('retCode')} {str(data.get('retMsg'))[:100]}" if isinstance(data, dict) else type(data).__name__
        raise InstrumentError(f"bybit {market} instruments-info: {words}, not retCode 0")
    result = data.get("result")
    if not isinstance(result, dict) or not isinstance(result.get("list"), list):
        raise InstrumentError(f"bybit {market} instruments-info has no list of instruments")
    if result.get("category", market) != market:
        raise InstrumentError(f"bybit instruments-info is of {result['category']!r:.40}, not of {market}")
    return result["list"]


def funding_intervals(rows: Iterable[InstrumentRow], data: Any) -> dict[str, int]:
    """Name of a perpetual -> seconds between fundings. The venue says minutes, and may change them."""
    minutes = {told.get("symbol"): told.get("fundingInterval") for told in _entries("linear", data) if isinstance(told, dict)}
    return {row.name: told * 60 for row in rows if isinstance(told := minutes.get(row.symbol), int) and 0 < told <= 24 * 60}


# ---------------------------------------------------------------- recordings


def _levels(book: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((str(px), str(qty)) for px, qty in (*book["b"], *book["a"]))


def _glance_topic(told: dict[str, Any]) -> Glance | None:
    kind, _, rest = told["topic"].partition(".")
    symbol = told["topic"].rpartition(".")[2]
    if kind == "publicTrade":
        return Glance(symbol, tuple((trade["p"], trade["v"]) for trade in told["data"]))
    depth = rest.partition(".")[0]
    if kind != "orderbook" or not depth.isdigit():
        return Glance(symbol)
    book = told["data"]
    update_id = int(book["u"])
    if depth == "1":
        return Glance(symbol, _levels(book))
    if told["type"] == "snapshot" or update_id == 1:
        return Glance(symbol, _levels(book), last_update_id=update_id, is_snapshot=True)
    return Glance(symbol, _levels(book), update_id, update_id)


# ---------------------------------------------------------------- the venue

_REAL = {
    "rest": "https://api.bybit.com",
    "public_spot_ws": "wss://stream.bybit.com/v5/public/spot",
    "public_linear_ws": "wss://stream.bybit.com/v5/public/linear"}
_TESTNET = {
    "rest": "https://api-testnet.bybit.com",
    "public_spot_ws": "wss://stream-testnet.bybit.com/v5/public/spot",
    "public_linear_ws": "wss://stream-testnet.bybit.com/v5/public/linear"}
_REST = RestLimits(role="rest", budget=600, window_s=5.0)      # an address beyond it is shut out for ten minutes


def _sockets(streams_per_request: int) -> SocketLimits:
    """The venue bounds the text of all topics of a socket, not their number; it names no bound of messages, this one is ours."""
    return SocketLimits(messages=Rate(10, 1.0), streams_per_socket=1000, streams_per_request=streams_per_request,
                        bytes_per_socket=21_000)


VENUE = BybitVenue(
    name="bybit",
    title="Bybit",
    markets=("spot", "linear"),
    roles=("rest", "public_spot_ws", "public_linear_ws", "private_ws", "trade_ws"),
    endpoints={"dry_run": _REAL, "paper": _REAL, "testnet": _TESTNET},
    sockets={"spot": _sockets(10), "linear": _sockets(100)},
    rest={"spot": _REST, "linear": _REST},
    attempts=(Rate(500, 300.0),),
    fees={"spot_taker_bps": 10.0, "spot_maker_bps": 10.0, "linear_taker_bps": 5.5, "linear_maker_bps": 2.0},
    credentials={"hmac": ("hmac_key", "hmac_secret")},
    account=UNIFIED,
    heartbeat=Heartbeat(frame=b'{"op":"ping"}'),    # JSON text, answered at once; sent after feeds.ping_idle_ms of silence
    resync="resubscribe",
)

"""How OKX v5 spot and USDT/USDC perpetuals (its SWAP) are read: hosts, channels, limits, and what the list of instruments means.

Facts only, no socket (feeds/venue.py). Contracts are turned into base units here and in the decoder; outside of OKX's files
nobody counts them. OKX US is the same object with other facts (okxus.py). Source: OKX v5 documentation (2026-06..09): overview,
websocket, order book channel, public data; docs/venues/okx.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

from feeds.instruments import (
    UNIFIED,
    InstrumentError,
    InstrumentRow,
    on_grid,
    scale_of,
    split_multiplier,
    unified_name,
    with_room,
)
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

if TYPE_CHECKING:
    from cext.decoders.market import MarketDecoder
    from cext.instrument import InstrumentArray
    from feeds.config import Fees, VenueConfig
    from feeds.rest import RestClient

INST_TYPES = {"spot": "SPOT", "linear": "SWAP"}
SETTLED_IN = ("USDT", "USDC")
INSTRUMENTS_PATH = "/api/v5/public/instruments"
INSTRUMENTS_WEIGHT = 2  # 20 in two seconds, books 40
BOOKS_PATH = "/api/v5/market/books"
BOOKS_LEVELS = 400  # of REST books and of the channel books
STATUS = {"live": "TRADING"}  # any other is kept as the venue says it, and not traded

BOOK_CHANNELS = ("books", "bbo-tbt")  # 400 levels every 100 ms; the best ones every 10 ms
DEPTH_CHANNELS_MAX = 28  # of one socket: fewer than 30, two for each row
PLANNED_SOCKETS_MAX = 28  # of the 32 that a feed has ids for; the others replace

# name of a stream: channel:instId


@dataclass(frozen=True)
class OkxVenue(FeedVenue):
    """OKX; see feeds/venue.py."""

    def make_decoder(self, instruments: InstrumentArray, market: str, rows: Sequence[int]) -> MarketDecoder:
        """The same for both markets: an instId says which it is of."""
        from cext.decoders.okx import OkxMarket

        return OkxMarket(instruments, market, list(rows))

    # ---------------------------------------------------------------- sockets

    def plan_routes(self, rows: Iterable[InstrumentRow], sockets_per_market: int, with_trades: bool) -> list[RoutePlan]:
        """Book and top of a row on one socket, rows spread evenly, few on each; mark prices and funding rates (linear) and trades
        aside. InstrumentError when that takes more sockets than a feed has."""
        by_market: dict[str, list[InstrumentRow]] = {}
        for row in rows:
            by_market.setdefault(row.market, []).append(row)
        plans = [
            plan
            for market in self.markets
            if (members := by_market.get(market))
            for plan in (*_book_plans(market, members, sockets_per_market), *self._aside_plans(market, members, with_trades))
        ]
        if len(plans) > PLANNED_SOCKETS_MAX:
            count = sum(map(len, by_market.values()))
            raise InstrumentError(
                f"{self.name}: {count} instruments need {len(plans)} sockets, {DEPTH_CHANNELS_MAX // 2} books on each; "
                f"{PLANNED_SOCKETS_MAX} are there: lower symbols_max, or read fewer symbols or no trades"
            )
        return plans

    def _aside_plans(self, market: str, members: list[InstrumentRow], with_trades: bool) -> Iterator[RoutePlan]:
        wanted: list[tuple[str, tuple[int, str] | None]] = []
        if market == "linear":
            for row in members:
                wanted += [(f"mark-price:{row.symbol}", None), (f"funding-rate:{row.symbol}", (row.id, "funding"))]
        if with_trades:  # a trade may be rare: not watched
            wanted += [(f"trades:{row.symbol}", None) for row in members]
        room = self.sockets[market].streams_per_socket
        for start in range(0, len(wanted), room):
            part = wanted[start : start + room]
            yield RoutePlan(
                f"{market}-aside-{start // room}",
                market,
                "public_ws",
                "",
                (),
                tuple(stream for stream, _ in part),
                tuple(watch for _, watch in part if watch is not None),
            )

    def subscribe_requests(
        self, market: str, streams: Sequence[str], first_id: int, is_subscribe: bool = True
    ) -> list[StreamRequest]:
        """Each stream is acknowledged by itself, all with the id of the request."""
        step = self.sockets[market].streams_per_request
        chunks = [streams[start : start + step] for start in range(0, len(streams), step)]
        word = "subscribe" if is_subscribe else "unsubscribe"
        return [
            StreamRequest(
                number, orjson.dumps({"id": str(number), "op": word, "args": [_arg(stream) for stream in chunk]}), len(chunk)
            )
            for number, chunk in enumerate(chunks, first_id)
        ]

    def streams_of_row(self, plan: RoutePlan, row: InstrumentRow) -> tuple[str, ...]:
        return tuple(stream for stream in plan.streams if stream.partition(":")[2] == row.symbol)

    # ---------------------------------------------------------------- instruments

    async def read_listing(
        self, clients: Mapping[str, RestClient], config: VenueConfig, only: Mapping[str, set[str]] | None = None
    ) -> Listing:
        """One reply a market. Funding intervals are not in it: the funding-rate channel tells each with its rate."""
        listing = Listing()
        for market, client in clients.items():
            data = await client.get_json(
                INSTRUMENTS_PATH, {"instType": INST_TYPES[market]}, weight=INSTRUMENTS_WEIGHT, timeout_s=30.0
            )
            rows, problems = self.parse_listing(market, data, config.fees, None if only is None else only.get(market, set()))
            listing.rows += rows
            listing.problems += problems
        return listing

    def parse_listing(
        self, market: str, data: Any, fees: Fees, only: set[str] | None = None
    ) -> tuple[list[InstrumentRow], list[str]]:
        """Of linear, perpetuals settled in USDT or USDC; inverse ones are not ours and are passed over."""
        rows, problems = [], []
        for told in _entries(self.name, market, data):
            name = told.get("instId") if isinstance(told, dict) else told
            if only is not None and name not in only:
                continue
            try:
                row = _parse_instrument(self.name, market, told, fees)
                if row is not None:
                    row.check()
                    rows.append(row)
            except (InstrumentError, KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
                problems.append(f"{self.name} {market} {str(name)[:40]}: not usable: {error!r}"[:300])
        return rows, problems

    # ---------------------------------------------------------------- books over REST

    def snapshot_request(self, row: InstrumentRow) -> SnapshotRequest:
        """Its seqId is of the stream's numbers: what a stream that begins without a snapshot is joined to."""
        return SnapshotRequest(BOOKS_PATH, {"instId": row.symbol, "sz": str(BOOKS_LEVELS)}, 1, BOOKS_LEVELS)

    def write_snapshot(
        self, row: InstrumentRow, update_id: int, bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]]
    ) -> bytes:
        def side(levels: Sequence[tuple[int, int]]) -> list[list[str]]:
            return [
                [_text(px, row.px_scale, Decimal(1)), _text(qty, row.qty_scale, row.contract_size), "0", "1"]
                for px, qty in levels
            ]

        return orjson.dumps(
            {"code": "0", "msg": "", "data": [{"asks": side(asks), "bids": side(bids), "ts": "0", "seqId": update_id}]}
        )

    # ---------------------------------------------------------------- recordings

    def glance(self, market: str, text: bytes) -> Glance | None:
        """Books, tops, trades and REST books; events and pong name no symbol. Recordings of 2022 have times in place of numbers."""
        if text == b"pong":
            return Glance("")
        try:
            told = orjson.loads(text)
            if "event" in told:
                return Glance("")
            if "arg" in told:
                return _glance_push(told)
            if "code" not in told or not isinstance(told["data"], list):
                return None
            book = told["data"][0] if told["data"] else {}
            return Glance("", _levels(book), last_update_id=_number(book), is_snapshot=True) if "asks" in book else Glance("")
        except (ValueError, TypeError, KeyError, AttributeError, IndexError):
            return None


# ---------------------------------------------------------------- streams


def _arg(stream: str) -> dict[str, str]:
    channel, _, symbol = stream.partition(":")
    return {"channel": channel, "instId": symbol}


def _book_plans(market: str, members: list[InstrumentRow], sockets: int) -> Iterator[RoutePlan]:
    rows_max = DEPTH_CHANNELS_MAX // len(BOOK_CHANNELS)
    count = max(min(sockets, len(members)), -(-len(members) // rows_max))
    for index in range(count):
        part = members[index::count]
        yield RoutePlan(
            f"{market}-book-{index}",
            market,
            "public_ws",
            "",
            tuple(row.id for row in part),
            tuple(f"{channel}:{row.symbol}" for row in part for channel in BOOK_CHANNELS),
            tuple((row.id, "book") for row in part),
        )


# ---------------------------------------------------------------- listing


def _entries(venue: str, market: str, data: Any) -> list[Any]:
    """The rows of a reply; InstrumentError with what the venue says instead."""
    if not isinstance(data, dict) or data.get("code") != "0":
        words = f"{data.get('code')} {str(data.get('msg'))[:100]}" if isinstance(data, dict) else type(data).__name__
        raise InstrumentError(f"{venue} {market} instruments: {words}, not code 0")
    if not isinstance(data.get("data"), list):
        raise InstrumentError(f"{venue} {market} instruments has no list of instruments")
    kinds = {str(told["instType"]) for told in data["data"] if isinstance(told, dict) and "instType" in told}
    if kinds and INST_TYPES[market] not in kinds:
        raise InstrumentError(f"{venue} {market} instruments lists {', '.join(sorted(kinds))}, not {INST_TYPES[market]}")
    return data["data"]


def _parse_instrument(venue: str, market: str, told: dict[str, Any], fees: Fees) -> InstrumentRow | None:
    """None = not ours."""
    if told["instType"] != INST_TYPES[market]:
        raise InstrumentError(f"it is a {told['instType']}, not a {INST_TYPES[market]}")
    if market == "linear":
        if told["ctType"] != "linear" or told["settleCcy"] not in SETTLED_IN:
            return None
        base, quote = told["uly"].split("-")
        settle, contract = told["settleCcy"], Decimal(told["ctVal"]) * Decimal(told["ctMult"])
        if told["ctValCcy"] != base:
            raise InstrumentError(f"a contract is {told['ctVal']} {told['ctValCcy']}, not an amount of {base}")
        maker, taker = fees.linear_maker_bps, fees.linear_taker_bps
    else:
        base, quote = told["baseCcy"], told["quoteCcy"]
        settle, contract = quote, Decimal(1)
        maker, taker = fees.spot_maker_bps, fees.spot_taker_bps
    tick, lot = Decimal(told["tickSz"]), Decimal(told["lotSz"]) * contract
    if tick <= 0 or lot <= 0:
        raise InstrumentError("tickSz, lotSz or the size of a contract is 0: prices or sizes without a step are not supported")
    underlying, multiplier = split_multiplier(base)
    qty_scale = max(scale_of(lot), scale_of(contract))
    return with_room(InstrumentRow(
        id=0,
        name=unified_name(venue, market, base, quote, settle),
        venue=venue,
        market=market,
        symbol=told["instId"],
        base=base,
        quote=quote,
        settle=settle,
        underlying=underlying,
        multiplier=multiplier,
        contract_size=contract.normalize(),
        px_scale=scale_of(tick),
        qty_scale=qty_scale,
        tick=tick.normalize(),
        lot=lot.normalize(),
        min_qty=on_grid(Decimal(told["minSz"]) * contract, lot, up=True),
        max_qty=on_grid(Decimal(told["maxLmtSz"] or 0) * contract, lot, up=False),
        min_notional=Decimal(0),
        min_px=Decimal(0),
        max_px=Decimal(0),
        maker_fee=Decimal(str(maker)) / 10_000,
        taker_fee=Decimal(str(taker)) / 10_000,
        status=STATUS.get(told["state"], told["state"].upper()),
        account=UNIFIED,
        venue_code=_venue_code(told.get("instIdCode")),
    ))


def _venue_code(code: Any) -> int:
    """null = not told: orders then go by symbol, over REST."""
    if code is None:
        return 0
    if not isinstance(code, int) or isinstance(code, bool) or code < 0:
        raise InstrumentError(f"instIdCode {code!r} is no number; right is an integer or null")
    return code


# ---------------------------------------------------------------- recordings


def _text(value: int, scale: int, unit: Decimal) -> str:
    """value / 10**scale in units of `unit`, in the shortest form."""
    return format((Decimal(value).scaleb(-scale) / unit).normalize(), "f")


def _levels(book: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((str(level[0]), str(level[1])) for level in (*book["bids"], *book["asks"]))


def _number(book: Mapping[str, Any]) -> int:
    return int(book.get("seqId", book["ts"]))


def _glance_push(told: dict[str, Any]) -> Glance:
    channel, symbol, data = told["arg"]["channel"], told["arg"].get("instId", ""), told["data"]
    if channel == "trades":
        return Glance(symbol, tuple((trade["px"], trade["sz"]) for trade in data))
    if channel == "books":
        number = _number(data[0])
        if told["action"] == "snapshot":
            return Glance(symbol, _levels(data[0]), last_update_id=number, is_snapshot=True)
        return Glance(symbol, _levels(data[0]), number, number)
    return Glance(symbol, _levels(data[0])) if channel == "bbo-tbt" else Glance(symbol)


# ---------------------------------------------------------------- the venue

REAL = {
    "rest": "https://www.okx.com",
    "public_ws": "wss://ws.okx.com:8443/ws/v5/public",
    "private_ws": "wss://ws.okx.com:8443/ws/v5/private",
}
DEMO = {role: url.replace("//ws.", "//wspap.") for role, url in REAL.items()}
# requests: subscriptions, ends of them and logins together. No bound of messages is documented, this one is ours.
SOCKETS = SocketLimits(messages=Rate(10, 1.0), streams_per_socket=240, streams_per_request=100, requests=(Rate(480, 3600.0),))
REST = RestLimits(role="rest", budget=40, window_s=2.0)

VENUE = OkxVenue(
    name="okx",
    title="OKX",
    markets=("spot", "linear"),
    roles=tuple(REAL),
    endpoints={"dry_run": REAL, "paper": REAL, "testnet": DEMO},
    sockets={"spot": SOCKETS, "linear": SOCKETS},
    rest={"spot": REST, "linear": REST},
    attempts=(Rate(3, 1.0),),
    fees={"spot_maker_bps": 8.0, "spot_taker_bps": 10.0, "linear_maker_bps": 2.0, "linear_taker_bps": 5.0},
    credentials={"hmac": ("hmac_key", "hmac_secret", "passphrase")},
    account=UNIFIED,
    heartbeat=Heartbeat(frame=b"ping"),  # text, answered by the text pong; 30 s of silence end a socket
    resync="resubscribe",
    mode_headers={"testnet": {"x-simulated-trading": "1"}},  # the same REST host: the header makes it the demo's
)

"""The instrument table: what every price and quantity of a run means.

An instrument's id is a small integer that never changes its meaning: the file only grows, ids are dense from 0, so that a row's
position is its id. Feeds merge what the venue says today (scales, filters, fees, status) before they publish anything; the
engine, captures and journals carry the whole table. `var/instruments.json` is the lasting table (simulated venues have one of
their own, so that an invented tick size never meets real data). In a run directory each feed writes the table as it stood when it
started (`venue_table_path`), in which everything but its own instruments of this run is IDLE; the engine joins them
(`join_run_table`) and writes the result for everybody else (`run_table_path`). A feed needs no other venue's feed: ids never
change, and `venue_hash` says whether two tables mean the same by the numbers of one venue.

Called when a process starts and by tools; never while records flow."""
import fcntl
import hashlib
import os
import pathlib
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, fields, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from cext.instrument import InstrumentArray

BOOK_LEVELS = 16        # levels that one walk may sum up (cext/layout.h)
NOTIONAL_LIMIT = 2**62  # px * qty * levels stays below: sums in int64 cannot overflow
SCALE_MAX = 18
ROOM_ORDERS_MIN = 1000  # smallest orders that a max_qty capped to what 62 bits hold must leave room for
STATUS_TRADING = "TRADING"
STATUS_IDLE = "IDLE"    # known from earlier, not read in this run
MARKETS = ("spot", "linear")
UNIFIED = "unified"     # the account of a venue on which all markets pay from one balance


class InstrumentError(ValueError):
    """An instrument or a table that cannot be used; the text says which one, why, and what would be right."""


def scale_of(step: Decimal) -> int:
    """Decimals of a tick or lot, trailing zeros not counted: 0.01000000 -> 2, 1.00 -> 0, 10 -> 0."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -int(exponent))


def to_scaled(value: Decimal, scale: int) -> int:
    """value * 10**scale as an exact integer; a value with more digits than the scale is an error, never rounded."""
    scaled = value.scaleb(scale)
    if scaled != scaled.to_integral_value():
        raise InstrumentError(f"{value} has more than {scale} decimals")
    return int(scaled)


@dataclass(slots=True, frozen=True)
class InstrumentRow:
    """One instrument as the venue describes it. Quantities are base units, also of futures; 0 as a maximum = no bound."""

    id: int
    name: str             # binance:BTC/USDT, binance:BTC/USDT:USDT
    venue: str
    market: str           # spot | linear
    symbol: str           # the venue's spelling
    base: str
    quote: str
    settle: str           # = quote on spot
    underlying: str       # base without a multiplier prefix: SHIB for 1000SHIB
    multiplier: int       # underlying units in one base unit: 1000 for 1000SHIB
    contract_size: Decimal  # base units of one contract, 1 on spot
    px_scale: int
    qty_scale: int
    tick: Decimal
    lot: Decimal
    min_qty: Decimal
    max_qty: Decimal
    min_notional: Decimal
    min_px: Decimal
    max_px: Decimal
    maker_fee: Decimal    # fraction: 0.001 = 10 bps
    taker_fee: Decimal
    status: str
    account: str = ""     # "" = the market has a balance of its own, "unified" = all markets of the venue pay from one
    venue_code: int = 0   # number by which the venue's order entry knows it; 0 = by symbol

    @property
    def account_name(self) -> str:
        """The pot that pays: binance:spot, bybit:unified."""
        return f"{self.venue}:{self.account or self.market}"

    def check(self) -> None:
        """Every rule that hot code relies on; raises InstrumentError with what would be right."""
        def refuse(text: str) -> None:
            raise InstrumentError(f"{self.name}: {text}")
        if self.market not in MARKETS:
            refuse(f"market {self.market!r} is unknown; right is one of {', '.join(MARKETS)}")
        if self.name != unified_name(self.venue, self.market, self.base, self.quote, self.settle):
            refuse(f"name does not match {self.base}/{self.quote} settled in {self.settle} on {self.venue} {self.market}")
        if len(self.symbol.encode()) > 31 or len(self.name.encode()) > 47 or not self.symbol:
            refuse("symbol is empty or longer than 31 bytes, or the name is longer than 47 bytes")
        if not 0 <= self.px_scale <= SCALE_MAX or not 0 <= self.qty_scale <= SCALE_MAX:
            refuse(f"scales {self.px_scale}, {self.qty_scale} are not within 0..{SCALE_MAX}")
        if self.account not in ("", UNIFIED):
            refuse(f"account {self.account!r} is unknown; right is empty or {UNIFIED}")
        if self.venue_code < 0:
            refuse(f"venue_code {self.venue_code} is negative")
        if self.tick <= 0 or self.lot <= 0 or self.contract_size <= 0 or self.multiplier < 1:
            refuse("tick, lot, contract_size and multiplier must be above 0")
        for field_name, scale in (("tick", self.px_scale), ("lot", self.qty_scale), ("min_qty", self.qty_scale),
                                  ("max_qty", self.qty_scale), ("min_px", self.px_scale), ("max_px", self.px_scale),
                                  ("contract_size", self.qty_scale), ("min_notional", self.px_scale + self.qty_scale)):
            value = getattr(self, field_name)
            if value < 0:
                refuse(f"{field_name} {value} is negative")
            try:
                scaled = to_scaled(value, scale)
            except InstrumentError as error:
                refuse(f"{field_name}: {error}")
            if scaled >= NOTIONAL_LIMIT:
                refuse(f"{field_name} {value} does not fit into 62 bits at scale {scale}")
        if self.max_px > 0 and self.max_qty > 0:
            product = to_scaled(self.max_px, self.px_scale) * to_scaled(self.max_qty, self.qty_scale) * BOOK_LEVELS
            if product >= NOTIONAL_LIMIT:
                refuse(
                    f"max_px {self.max_px} * max_qty {self.max_qty} * {BOOK_LEVELS} levels is {product} at scales "
                    f"{self.px_scale} and {self.qty_scale}: sums could reach 2**62; "
                    f"a max_qty up to {largest_max_qty(self)} would do"
                )
        for field_name in ("maker_fee", "taker_fee"):
            if not Decimal("-0.01") <= getattr(self, field_name) <= Decimal("0.05"):
                refuse(f"{field_name} {getattr(self, field_name)} is not a fraction from -0.01 to 0.05")

    def to_json(self) -> dict[str, Any]:
        """Plain values; decimals as strings, because they are exact. Fields at their default are left out, so that a table
        written before a field existed keeps its hash."""
        return {f.name: str(value) if isinstance(value, Decimal) else value for f in fields(self)
                if (value := getattr(self, f.name)) != f.default}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "InstrumentRow":
        """Inverse of to_json; names the field that is missing, unknown or of the wrong type."""
        names = {f.name for f in fields(cls)}
        required = {f.name for f in fields(cls) if f.default is MISSING}
        if not isinstance(data, dict):
            raise InstrumentError(f"an instrument is {data!r:.40}, not an object")
        if not required <= set(data) <= names:
            raise InstrumentError(f"instrument {data.get('name')!r}: missing fields {sorted(required - set(data))}, "
                                  f"unknown fields {sorted(set(data) - names)}")
        values: dict[str, Any] = {}
        for f in fields(cls):
            if f.name not in data:
                continue
            value = data[f.name]
            wanted = str if f.type in (Decimal, str, "Decimal", "str") else int
            if not isinstance(value, wanted) or isinstance(value, bool):
                raise InstrumentError(f"instrument {data.get('name')!r}: {f.name} is {value!r}, not a {wanted.__name__}")
            try:
                values[f.name] = Decimal(value) if f.type in (Decimal, "Decimal") else value
            except ArithmeticError:
                raise InstrumentError(f"instrument {data.get('name')!r}: {f.name} {value!r} is not a decimal") from None
        return cls(**values)


def largest_max_qty(row: InstrumentRow) -> Decimal:
    """The largest order, in whole lots, for which sums over a walk stay below 2**62."""
    lots = (NOTIONAL_LIMIT - 1) // BOOK_LEVELS // to_scaled(row.max_px, row.px_scale) // to_scaled(row.lot, row.qty_scale)
    return lots * row.lot


def on_grid(value: Decimal, step: Decimal, *, up: bool) -> Decimal:
    """A bound moved onto the grid of a tick or lot, towards the careful side; 0 and less = no bound, 0."""
    if value <= 0:
        return Decimal(0)
    return ((value / step).to_integral_value(rounding="ROUND_CEILING" if up else "ROUND_FLOOR") * step).normalize()


def with_room(row: InstrumentRow) -> InstrumentRow:
    """The row with a max_qty, in whole lots, with which every notional fits 62 bits. Cheap coins allow larger orders: ours are
    far smaller, so the cap costs nothing. InstrumentError when a useful order does not fit."""
    if row.max_px > 0:
        limit = largest_max_qty(row)
    else:               # no notional is known: the size alone must fit
        limit = (NOTIONAL_LIMIT - 1) // to_scaled(row.lot, row.qty_scale) * row.lot
    if row.max_qty <= limit:
        return row
    if limit <= 0 or limit < ROOM_ORDERS_MIN * row.min_qty:
        raise InstrumentError(f"scales {row.px_scale} and {row.qty_scale} leave no room for a useful order size")
    return replace(row, max_qty=limit.normalize())


def unified_name(venue: str, market: str, base: str, quote: str, settle: str) -> str:
    """binance:BTC/USDT on spot, binance:BTC/USDT:USDT for a linear perpetual; as ccxt users know them."""
    return f"{venue}:{base}/{quote}" + (f":{settle}" if market == "linear" else "")


def split_multiplier(base: str) -> tuple[str, int]:
    """1000SHIB -> (SHIB, 1000); 1MBABYDOGE -> (BABYDOGE, 1000000); BTC -> (BTC, 1); 1INCH and other names stay as they are."""
    for prefix, multiplier in (("1000000", 1_000_000), ("10000", 10_000), ("1000", 1000), ("1M", 1_000_000)):
        rest = base.removeprefix(prefix)
        if rest != base and len(rest) >= 2 and rest[0].isalpha():
            return rest, multiplier
    return base, 1


class InstrumentTable:
    """Rows by id. Changing it means making rows anew (`merge`); nothing is ever removed or renumbered."""

    def __init__(self, rows: Iterable[InstrumentRow] = ()) -> None:
        self.rows: list[InstrumentRow] = list(rows)
        for index, row in enumerate(self.rows):
            if row.id != index:
                raise InstrumentError(f"instrument table: row {index} ({row.name}) has id {row.id}; ids must be dense from 0")
            row.check()
        self.by_name: dict[str, InstrumentRow] = {row.name: row for row in self.rows}
        if len(self.by_name) != len(self.rows):
            raise InstrumentError("instrument table: a name occurs twice")

    def __len__(self) -> int:
        return len(self.rows)

    # ---------------------------------------------------------------- making

    def merge(self, rows: Iterable[InstrumentRow]) -> list[int]:
        """Take over what the venue says now. New names get the next ids, known names keep theirs (the id in `rows` is ignored).
        Returns the ids in the order given. Bad rows raise before anything is changed."""
        merged = list(rows)
        for row in merged:
            row.check()
        ids = []
        for row in merged:
            known = self.by_name.get(row.name)
            placed = replace(row, id=len(self.rows) if known is None else known.id)
            if known is None:
                self.rows.append(placed)
            else:
                if (known.venue, known.market) != (placed.venue, placed.market):
                    raise InstrumentError(f"{row.name} changed its market from {known.venue} {known.market}")
                self.rows[known.id] = placed
            self.by_name[row.name] = placed
            ids.append(placed.id)
        return ids

    def for_run(self, ids: Iterable[int]) -> "InstrumentTable":
        """The same table with every instrument that the run does not read marked IDLE."""
        wanted = set(ids)
        return InstrumentTable(row if row.id in wanted else replace(row, status=STATUS_IDLE) for row in self.rows)

    # ---------------------------------------------------------------- files

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, missing_ok: bool = False) -> "InstrumentTable":
        """Read a table file. A missing one is an empty table only when the caller says so."""
        path = pathlib.Path(path)
        try:
            data = orjson.loads(path.read_bytes())
        except FileNotFoundError:
            if missing_ok:
                return cls()
            raise InstrumentError(
                f"{path}: no instrument table; the feed process writes it when it has reached the venue"
            ) from None
        except orjson.JSONDecodeError as error:
            raise InstrumentError(
                f"{path}: not JSON ({error}); restore it from a journal or capture, ids must not change"
            ) from None
        try:
            return cls.from_json(data)
        except InstrumentError as error:
            raise InstrumentError(f"{path}: {error}") from None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Replace the file atomically (fsync of file and directory)."""
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        with temporary.open("wb") as file:
            file.write(orjson.dumps(self.to_json(), option=orjson.OPT_INDENT_2))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def to_json(self) -> dict[str, Any]:
        """What journals and captures embed."""
        return {"version": 1, "hash": f"{self.version_hash():016x}", "instruments": [row.to_json() for row in self.rows]}

    @classmethod
    def from_json(cls, data: Any) -> "InstrumentTable":
        """Inverse of to_json; the hash must fit the rows."""
        if not isinstance(data, dict) or data.get("version") != 1 or not isinstance(data.get("instruments"), list):
            raise InstrumentError("not an instrument table of version 1")
        table = cls(InstrumentRow.from_json(row) for row in data["instruments"])
        if data.get("hash") != f"{table.version_hash():016x}":
            raise InstrumentError(
                f"hash {data.get('hash')} does not fit the rows ({table.version_hash():016x}): changed by hand or damaged"
            )
        return table

    def version_hash(self) -> int:
        """64 bits over all rows: two processes with the same hash mean the same by every number."""
        return _hash_of(self.rows)

    def venue_hash(self, venue: str) -> int:
        """The same over the rows of one venue that are read in this run: feeds that started at different moments hold tables of
        different length, and still match."""
        return _hash_of(row for row in self.rows if row.venue == venue and row.status != STATUS_IDLE)

    def to_array(self) -> "InstrumentArray":
        """The C rows that decoders, core and encoders index."""
        from cext.instrument import make_instrument_array
        return make_instrument_array([row.to_json() for row in self.rows])


def _hash_of(rows: Iterable[InstrumentRow]) -> int:
    text = orjson.dumps([row.to_json() for row in rows], option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def plain(value: int, scale: int) -> str:
    """value / 10**scale as plain decimal text."""
    return format(Decimal(value).scaleb(-scale), "f")


def table_path(var_dir: str | os.PathLike[str], mode: str) -> pathlib.Path:
    """The lasting table of this kind of run."""
    return pathlib.Path(var_dir) / ("instruments.sim.json" if mode == "sim" else "instruments.json")


def run_table_path(run_dir: str | os.PathLike[str]) -> pathlib.Path:
    """The table of one run: joined and written by the engine, read by everybody else."""
    return pathlib.Path(run_dir) / "instruments.json"


def venue_table_path(run_dir: str | os.PathLike[str], venue: str) -> pathlib.Path:
    """The table of one feed: written before its segment appears."""
    return pathlib.Path(run_dir) / f"instruments.{venue}.json"


def join_run_table(run_dir: str | os.PathLike[str], venues: Iterable[str]) -> InstrumentTable:
    """The union of the feeds' tables. Every id means one name in all of them; of each venue its own feed's rows count, those of a
    venue that is not read are IDLE. InstrumentError when a table is missing, or when two of them contradict each other."""
    tables = {venue: InstrumentTable.load(venue_table_path(run_dir, venue)) for venue in venues}
    rows: list[InstrumentRow] = []
    for row in max(tables.values(), key=len, default=InstrumentTable()).rows:
        names = {table.rows[row.id].name for table in tables.values() if row.id < len(table)}
        if len(names) > 1:
            raise InstrumentError(f"{run_dir}: id {row.id} is {' and '.join(sorted(names))} in the tables of "
                                  f"{', '.join(tables)}; ids must not change: all feeds of a run use one run.var_dir")
        own = tables.get(row.venue)
        rows.append(own.rows[row.id] if own is not None and row.id < len(own) else replace(row, status=STATUS_IDLE))
    return InstrumentTable(rows)


def merge_into_file(path: str | os.PathLike[str], rows: Iterable[InstrumentRow]) -> tuple[InstrumentTable, list[int]]:
    """Load, merge and save under a lock, so that two feeds starting together never hand out one id twice."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        table = InstrumentTable.load(path, missing_ok=True)
        before = table.version_hash() if table.rows else None
        ids = table.merge(rows)
        if table.version_hash() != before:
            table.save(path)
    return table, ids

"""Makes the C rows of a run's instruments from plain dicts (feeds/instruments.py: `InstrumentRow.to_json`).

Cold: called once when a process starts. Every number is converted exactly; what does not fit is refused with the instrument's
name."""
from decimal import Decimal

from libc.stdint cimport INT64_MAX, int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy


cdef object scaled(dict row, str field, int scale):
    """row[field] * 10**scale as an exact int."""
    value = Decimal(row[field]).scaleb(scale)
    if value != value.to_integral_value():
        raise ValueError(f"{row['name']}: {field} {row[field]} has more than {scale} decimals")
    return int(value)


cdef object fee_e8(dict row, str field):
    """Fee rates are stored unsigned: a rebate counts as no fee, which errs on the careful side."""
    return max(0, int((Decimal(row[field]) * 100_000_000).to_integral_value(rounding="ROUND_CEILING")))


cdef object size_conversion(dict row, int qty_scale):
    """(decimals of the venue's sizes, qty units per unit of these). A contract counter's lot is lot / contract_size contracts."""
    contract = Decimal(row["contract_size"])
    if row["market"] != "linear" or contract == 1:
        return qty_scale, 1
    exponent = (Decimal(row["lot"]) / contract).normalize().as_tuple().exponent
    decimals = max(0, -int(exponent))
    factor = contract.scaleb(qty_scale - decimals)
    if factor != factor.to_integral_value() or factor < 1:
        raise ValueError(f"{row['name']}: contracts of {contract} with {decimals} decimals are no whole units at scale {qty_scale}")
    return decimals, int(factor)


cdef class InstrumentArray:
    """Rows by position; see instrument.pxd. Made by `make_instrument_array`."""

    def __cinit__(self):
        self.rows = NULL
        self.count = 0
        self.names = []
        self.assets = []
        self.venues = []
        self.row_of_id = {}
        self.row_of_name = {}

    def __dealloc__(self):
        free(self.rows)

    def __len__(self):
        return self.count

    def row(self, int index) -> dict:
        """One row as Python values (tests, tools)."""
        if not 0 <= index < self.count:
            raise IndexError(index)
        result = dict(self.rows[index])
        result["symbol"] = bytes(self.rows[index].symbol).rstrip(b"\0").decode()
        result["name"] = self.names[index]
        return result

    def _asset(self, str asset) -> int:
        if asset not in self.assets:
            self.assets.append(asset)
        return self.assets.index(asset)

    def _fill(self, list rows):
        cdef instrument_t *target
        cdef bytes text
        self.rows = <instrument_t *>calloc(max(1, len(rows)), sizeof(instrument_t))
        if self.rows == NULL:
            raise MemoryError
        for index, row in enumerate(rows):
            if row["id"] != index:
                raise ValueError(f"{row['name']}: id {row['id']} at row {index}; a table is loaded whole, ids are dense from 0")
            if row["venue"] not in self.venues:
                self.venues.append(row["venue"])
            if row["name"] in self.row_of_name:
                raise ValueError(f"{row['name']} occurs twice")
            target = &self.rows[index]
            px_scale = row["px_scale"]
            qty_scale = row["qty_scale"]
            target.tick_px = scaled(row, "tick", px_scale)
            target.lot_qty = scaled(row, "lot", qty_scale)
            target.min_qty = scaled(row, "min_qty", qty_scale)
            target.max_qty = scaled(row, "max_qty", qty_scale) or INT64_MAX
            target.min_px = scaled(row, "min_px", px_scale)
            target.max_px = scaled(row, "max_px", px_scale) or INT64_MAX
            target.min_notional = scaled(row, "min_notional", px_scale + qty_scale)
            target.contract_qty = scaled(row, "contract_size", qty_scale) if row["market"] == "linear" else target.lot_qty
            target.size_scale, target.size_mul = size_conversion(row, qty_scale)
            target.venue_code = row.get("venue_code", 0)
            target.px_unit = 10.0 ** -px_scale
            target.qty_unit = 10.0 ** -qty_scale
            target.taker_fee = float(row["taker_fee"])
            target.maker_fee = float(row["maker_fee"])
            target.taker_fee_e8 = fee_e8(row, "taker_fee")
            target.maker_fee_e8 = fee_e8(row, "maker_fee")
            target.instrument_id = row["id"]
            target.venue_id = self.venues.index(row["venue"])
            target.market = {"spot": MARKET_SPOT, "linear": MARKET_LINEAR}[row["market"]]
            pot = ACCOUNT_UNIFIED if row.get("account", "") == "unified" else target.market
            target.account_id = target.venue_id * ACCOUNTS_PER_VENUE + pot
            target.base_asset = self._asset(row["base"])
            target.quote_asset = self._asset(row["quote"])
            target.settle_asset = self._asset(row["settle"])
            target.is_tradable = row["status"] == "TRADING"
            target.px_scale = px_scale
            target.qty_scale = qty_scale
            target.fee_in_base = row["market"] == "spot"
            target.multiplier = row["multiplier"]
            target.underlying_asset = self._asset(row["underlying"])
            for field, room in (("symbol", sizeof(target.symbol)), ("name", sizeof(target.name))):
                text = row[field].encode()
                if not 0 < len(text) < room:
                    raise ValueError(f"{row['name']}: {field} must have 1 to {room - 1} bytes")
                if field == "symbol":
                    memcpy(target.symbol, <char *>text, len(text))
                else:
                    memcpy(target.name, <char *>text, len(text))
            self.names.append(row["name"])
            self.row_of_id[row["id"]] = index
            self.row_of_name[row["name"]] = index
            self.count = index + 1


def make_instrument_array(list rows) -> InstrumentArray:
    """Rows as dicts with the fields of feeds/instruments.py InstrumentRow, or such rows themselves."""
    array = InstrumentArray()
    array._fill([row if isinstance(row, dict) else row.to_json() for row in rows])
    return array

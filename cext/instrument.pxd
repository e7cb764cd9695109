"""One tradable instrument as the hot code sees it; see instrument.h. `InstrumentArray` (instrument.pyx) owns the memory."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

cdef extern from "instrument.h" nogil:
    const uint32_t MARKET_SPOT
    const uint32_t MARKET_LINEAR
    const uint32_t ACCOUNTS_PER_VENUE
    const uint32_t ACCOUNT_UNIFIED

    ctypedef struct instrument_t:
        int64_t tick_px
        int64_t lot_qty
        int64_t min_qty
        int64_t max_qty
        int64_t min_px
        int64_t max_px
        int64_t min_notional
        int64_t contract_qty
        int64_t size_mul
        int64_t venue_code
        double px_unit
        double qty_unit
        double taker_fee
        double maker_fee
        uint32_t taker_fee_e8
        uint32_t maker_fee_e8
        uint32_t instrument_id
        uint32_t venue_id
        uint32_t market
        uint32_t base_asset
        uint32_t quote_asset
        uint32_t settle_asset
        uint32_t is_tradable
        int32_t px_scale
        int32_t qty_scale
        uint32_t fee_in_base
        uint32_t multiplier
        uint32_t underlying_asset
        int32_t size_scale
        uint32_t account_id
        uint32_t pad0
        uint8_t symbol[32]
        uint8_t name[48]


cdef class InstrumentArray:
    """Rows indexed by position (not by id): row i of a run's table. Owns `rows`; lives as long as the process."""
    cdef instrument_t *rows
    cdef readonly int count
    cdef readonly list names       # row -> "binance:BTC/USDT"
    cdef readonly list assets      # asset id -> "USDT"
    cdef readonly list venues      # venue id -> "binance"
    cdef readonly dict row_of_id   # instrument_id -> row
    cdef readonly dict row_of_name

"""Joint sizing of the two legs of a pair; see sizing.pyx."""
from libc.stdint cimport int32_t, int64_t, uint32_t

from cext.core_types cimport *
from cext.instrument cimport instrument_t
from cext.layout cimport *
from cext.money cimport int128_t

# One side of the walk: levels of the leg that takes them, in own scale, and what brings them to the common scale.
ctypedef struct side_t:
    const level_t *levels
    int32_t count
    bint is_complete
    int64_t px_mul
    int64_t qty_mul
    int64_t qty_bound
    int64_t fee_in_base_e8  # > 0: this part of every fill is not delivered
    int64_t delivered_q60   # what is left of it
    int64_t taken           # walk: gross size of the levels opened so far, less the room for rounding up to a lot
    int64_t given           # walk: what of it is delivered

cdef uint32_t size_entry(core_t *core, uint32_t pair_index, int32_t direction, intent_t *intent) noexcept nogil
cdef uint32_t size_exit(core_t *core, uint32_t pair_index, bint is_forced, intent_t *intent) noexcept nogil
cdef int64_t limit_with_slippage(const instrument_t *instrument, uint32_t side, int64_t px, int64_t ticks,
                                 int64_t slip_e8) noexcept nogil
cdef int64_t gross_of(int64_t net_qty, int64_t lot_qty, uint32_t fee_e8) noexcept nogil
cdef int64_t delivered(int64_t qty, int64_t fee_e8) noexcept nogil
cdef int64_t gross_absorbing(int64_t net_qty, int64_t lot_qty, int64_t base_mul, uint32_t fee_e8,
                             int64_t residual_e8) noexcept nogil
cdef void fill_side(const core_t *core, const pair_cold_t *cold, int32_t row, int leg, uint32_t side,
                    side_t *out) noexcept nogil
cdef int64_t open_level(side_t *side, int32_t index) noexcept nogil
cdef int128_t cost_of(const side_t *side, int64_t qty, int32_t last) noexcept nogil
cdef int64_t at_price(const pair_cold_t *cold, int64_t cap_e8, int64_t px_common, int64_t qty) noexcept nogil
cdef void lower(int64_t *cap, int64_t bound, uint32_t *reason, uint32_t why) noexcept nogil
cdef int64_t entry_cap(const core_t *core, const pair_cold_t *cold, int32_t row, uint32_t side, int32_t other_row,
                       uint32_t *reason) noexcept nogil
cdef int64_t balance_cap(const core_t *core, int32_t row, uint32_t side) noexcept nogil
cdef int64_t base_cap(const core_t *core, const pair_cold_t *cold, int32_t row, int leg) noexcept nogil
cdef int64_t joint_cap(const core_t *core, const pair_cold_t *cold, int32_t buy_row, int64_t buy_px_common, int64_t buy_lot,
                       int64_t buy_fee_e8, int32_t sell_row, int64_t sell_px_common, int64_t qty,
                       uint32_t *reason) noexcept nogil
cdef int64_t max_order_qty(const core_t *core, const pair_cold_t *cold, int32_t row, int leg,
                           uint32_t side) noexcept nogil
cdef void fill_leg(const core_t *core, const pair_cold_t *cold, leg_order_t *leg, int32_t row, uint32_t index, uint32_t side,
                   int64_t qty, int64_t limit_px) noexcept nogil
cdef bint is_order_too_small(const instrument_t *instrument, int64_t qty, int64_t limit_px) noexcept nogil
cdef void fill_money(const pair_cold_t *cold, intent_t *intent, int128_t net, int128_t worst,
                     int128_t cost) noexcept nogil
cdef int64_t average_px_e8(const pair_cold_t *cold, int leg, int128_t total, int64_t qty) noexcept nogil
cdef bint is_price_absurd(const pair_cold_t *cold, const side_t *side, int leg) noexcept nogil
cdef uint32_t judge_money(const pair_cold_t *cold, intent_t *intent, uint32_t too_small) noexcept nogil

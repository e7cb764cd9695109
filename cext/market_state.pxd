"""The core's private market state: storing books, funding and proofs of life. See market_state.pyx."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from cext.core_types cimport *
from cext.layout cimport *

cdef void store_book(core_t *core, int32_t row, const book_record_t *record, uint32_t connection) noexcept nogil
cdef void store_funding(core_t *core, int32_t row, const funding_record_t *record) noexcept nogil
cdef bint is_funding_against(const core_t *core, const pair_hot_t *pair, const pair_cold_t *cold) noexcept nogil
cdef void store_alive(core_t *core, uint32_t connection, int64_t alive_mono_ns) noexcept nogil
cdef void store_feed_status(core_t *core, uint32_t feed, bint is_up) noexcept nogil


cdef inline void touch_row(core_t *core, int32_t row) noexcept nogil:  # hot
    """Puts the row on the list that the next EV_EVALUATE works through; once."""
    if not core.hot[row].touched:
        core.hot[row].touched = 1
        core.touched[core.touched_count] = row
        core.touched_count += 1

"""Joint sizing of the two legs of a pair; see sizing.pyx."""
from libc.stdint cimport int64_t, uint32_t

from cext.core_types cimport *
from cext.layout cimport *

cdef uint32_t size_entry(core_t *core, uint32_t pair_index, int32_t direction, intent_t *intent) noexcept nogil
cdef uint32_t size_exit(core_t *core, uint32_t pair_index, bint is_forced, intent_t *intent) noexcept nogil
cdef int64_t limit_with_slippage(const instrument_t *instrument, uint32_t side, int64_t px, int64_t ticks,
                                 int64_t slip_e8) noexcept nogil
cdef int64_t gross_of(int64_t net_qty, int64_t lot_qty, uint32_t fee_e8) noexcept nogil

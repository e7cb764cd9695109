"""The gate: the one function through which every order passes, and the reservations it takes. See gate.pyx and docs/gate.md."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from cext.core_types cimport *
from cext.layout cimport *

cdef uint32_t check_rows_data(const core_t *core, const int32_t *rows, uint32_t count, int64_t now_mono_ns) noexcept nogil
cdef uint32_t check_rows_band(const core_t *core, const int32_t *rows, uint32_t count, int64_t now_mono_ns) noexcept nogil
cdef uint32_t would_pass(core_t *core, const intent_t *intent, int64_t now_mono_ns, int64_t now_wall_ns) noexcept nogil
cdef uint32_t pass_gate(core_t *core, intent_slot_t *slot, int64_t now_mono_ns, int64_t now_wall_ns) noexcept nogil
cdef void release_leg(core_t *core, intent_slot_t *slot, uint32_t leg_index) noexcept nogil
cdef void note_outcome(core_t *core, bint is_ok, int64_t now_mono_ns) noexcept nogil
cdef void note_pnl(core_t *core, int64_t pnl_e8, int64_t now_wall_ns) noexcept nogil
cdef int64_t leg_notional_e8(const core_t *core, const leg_order_t *leg) noexcept nogil

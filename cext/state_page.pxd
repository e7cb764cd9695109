"""The state page: kill words, the engine's heartbeat and counters, the word that says "I sleep, ring me".

One page a run, created by the engine ("/lockstep.<run_id>.state"). The most severe of three writers' words counts (operator,
guard, engine); a page that is not there, or is not a state page, counts as kill."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from cext.layout cimport STATE_MAGIC, TRADING_EMERGENCY, state_page_t

cdef extern from "atomics.h" nogil:
    uint64_t load_acquire_u64(const uint64_t *p) noexcept
    uint32_t load_acquire_u32(const uint32_t *p) noexcept
    void store_release_u64(uint64_t *p, uint64_t v) noexcept
    void store_release_u32(uint32_t *p, uint32_t v) noexcept
    void fence_seq_cst() noexcept


cdef inline uint64_t state_trading_word(const state_page_t *page) noexcept nogil:  # hot
    """TRADING_*: the most severe of the three words; TRADING_EMERGENCY without a page or with a word that means nothing."""
    cdef uint64_t worst
    cdef uint64_t word
    if page == NULL or page.magic != STATE_MAGIC:
        return TRADING_EMERGENCY
    worst = load_acquire_u64(&page.operator_word)
    word = load_acquire_u64(&page.guard_word)
    if word > worst:
        worst = word
    word = load_acquire_u64(&page.engine_word)
    if word > worst:
        worst = word
    return worst if worst < TRADING_EMERGENCY else TRADING_EMERGENCY


cdef inline bint state_is_sleeping(const state_page_t *page) noexcept nogil:  # hot
    """Asked by producers after they published. The fence orders the publication before the look (the engine does the mirror
    image: says that it sleeps, fences, looks at the rings once more)."""
    fence_seq_cst()
    return page != NULL and load_acquire_u32(&page.engine_sleeping) != 0


cdef inline void state_set_sleeping(state_page_t *page, uint32_t is_sleeping) noexcept nogil:  # hot
    """Engine only. After setting 1, poll the rings once more before really sleeping."""
    store_release_u32(&page.engine_sleeping, is_sleeping)
    fence_seq_cst()


cdef class StatePage:
    """`page` is the mapped page; NULL after close()."""
    cdef state_page_t *page
    cdef readonly str name
    cdef object _segment
    cdef bint _is_owner
    cdef state_page_t *_mapped(self) except NULL

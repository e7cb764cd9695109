"""The engine's poll step: rings in, decisions out. See poll.pyx."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from cext.core cimport Core
from cext.core_types cimport FEEDS_MAX, SESSIONS_MAX, command_t, core_event_t, core_t, intent_slot_t
from cext.hist cimport HistPage
from cext.journal cimport JournalWriter, journal_t
from cext.layout cimport CONNECTIONS_MAX, LEGS_MAX, book_record_t, histogram_t, intent_t, state_page_t
from cext.ring cimport RingReader, ring_reader_t
from cext.state_page cimport StatePage

cdef enum:
    COMMANDS_MAX = 32
    BOOKS_SEEN_MAX = 1 << 20

ctypedef struct poll_t:
    # what is polled and driven; owned by the objects kept in Poller
    ring_reader_t *readers[FEEDS_MAX]
    core_t *core
    journal_t *journal
    journal_t *inputs               # engine/input_log.py; NULL = off
    state_page_t *state
    int reader_count
    int records_max                 # a poll drains at most so many of one ring, then evaluates
    # newest proof of life handed to the core, by feed and socket
    int64_t alive_mono_ns[FEEDS_MAX][CONNECTIONS_MAX]
    # what one poll found
    uint32_t lapped                 # bit per feed: read the boards, on the calm side of the turn
    uint32_t stale                  # bit per feed: its segment was retired, attach again
    uint32_t torn
    uint64_t records
    # oldest batch of this drain; INT64_MAX = what is evaluated now did not come from a record just read
    int64_t batch_min_ns
    histogram_t *h_ring
    histogram_t *h_detect
    histogram_t *h_gate
    book_record_t record


cdef class Poller:
    """Owner of the hot loop's state. One per engine."""
    cdef poll_t p
    cdef command_t commands[COMMANDS_MAX]
    cdef readonly Core core
    cdef readonly JournalWriter journal
    cdef readonly HistPage hist
    cdef readonly StatePage state
    cdef JournalWriter _inputs
    cdef readonly list readers
    cdef list _sessions             # venue * MARKETS_MAX + market -> OrderSession or None
    cdef readonly int64_t spin_ns
    # Python's side of a decision; called after the bytes left
    cdef object _on_sent            # (Intent, [SentOutcome]) -> None
    cdef object _on_refused         # (kind, reason, Intent dict or None) -> None
    cdef object _on_feed            # (feed index, what) -> None
    cdef object _on_cancel          # (intent id, SKIP_*) -> None
    cdef histogram_t *h_journal
    cdef histogram_t *h_encode
    cdef histogram_t *h_send
    cdef histogram_t *h_total
    cdef histogram_t *h_own
    cdef int64_t _wall_minus_mono_ns
    cdef intent_slot_t _scratch     # rehearsals only
    cdef uint32_t _rehearsal_turn
    cdef public bint is_rehearsing
    cdef readonly uint64_t rehearsals_passed
    cdef readonly uint64_t turns
    cdef readonly uint64_t intents
    cdef readonly uint64_t orders
    cdef readonly uint64_t abandoned
    cdef readonly uint64_t journal_full
    cdef int _rehearse(self, int64_t now_mono_ns) except -1
    cdef int _evaluate(self, int64_t now_mono_ns) except -1
    cdef int _carry_out(self, int count) except -1
    cdef int _send_intent(self, intent_t *intent, bint is_rehearsal) except -1
    cdef int _abandon(self, intent_t *intent, uint32_t reason) except -1
    cdef int _look_after_feeds(self, int64_t now_mono_ns) except -1

"""Timed loops over the hot floor, in C: what bench_detect, bench_gate and bench_scale call.

Each sample is one call between two clock reads, whose own cost (median of empty pairs) is taken off; between samples the loop
does what the engine does there: takes a record out of a ring of 4,096 into the book of a random instrument. Nothing is timed in
an empty loop."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from cext.clock cimport mono_ns
from cext.core cimport Core, core_step
from cext.core_types cimport *
from cext.detect cimport rehearse_decision
from cext.gate cimport pass_gate, release_leg
from cext.layout cimport *

cdef uint64_t next_random(uint64_t *state) noexcept nogil:
    """xorshift64*: the choice of rows, the same in every run."""
    state[0] ^= state[0] >> 12
    state[0] ^= state[0] << 25
    state[0] ^= state[0] >> 27
    return state[0] * <uint64_t>2685821657736338717


def clock_cost(int count=10_001) -> int:
    """Median ns between two reads of the clock with nothing between them."""
    samples = []
    cdef int64_t start
    for _ in range(count):
        start = mono_ns()
        samples.append(mono_ns() - start)
    return sorted(samples)[count // 2]


cdef void feed(core_t *core, const book_record_t *record, int64_t now) noexcept nogil:
    cdef core_event_t event
    event.kind = EV_BOOK
    event.row = <int>record.instrument_id
    event.connection = record.connection_id
    event.book = record
    core_step(core, &event, now, now, NULL, 0)


cdef int look(core_t *core, int64_t now, command_t *commands) noexcept nogil:
    cdef core_event_t event
    event.kind = EV_EVALUATE
    return core_step(core, &event, now, now, commands, 8)


cdef void undo(core_t *core, intent_t *intent) noexcept nogil:
    """As if the intent had never been: reservations back, pair flat and armed, liquidity there again."""
    cdef intent_slot_t *slot = <intent_slot_t *>intent
    cdef uint32_t k
    for k in range(intent.leg_count):
        release_leg(core, slot, k)
        core.hot[intent.legs[k].instrument_id].consumed_mono_ns = 0
    core.pairs[intent.pair_index].state = PAIR_FLAT
    core.pairs[intent.pair_index].is_armed = 1
    core.open_pairs -= 1


def time_updates(Core owner, const unsigned char[::1] records, long long now, long long count) -> tuple:
    """EV_BOOK and EV_EVALUATE for `count` records of the ring, each timed together with its neighbours only.
    Returns (ns of all, commands seen)."""
    cdef core_t *core = owner.c
    cdef const book_record_t *ring = <const book_record_t *>&records[0]
    cdef uint64_t mask = records.shape[0] // sizeof(book_record_t) - 1
    cdef command_t commands[8]
    cdef int64_t start, n, seen = 0
    with nogil:
        start = mono_ns()
        for n in range(count):
            feed(core, &ring[<uint64_t>n & mask], now)
            seen += look(core, now, commands)
        start = mono_ns() - start
    return start, seen


def time_evaluate(Core owner, const unsigned char[::1] records, long long[::1] rows, long long now, long long[::1] out) -> int:
    """One EV_EVALUATE a sample: a record from the ring, then the record of a chosen row (its pairs are the ones looked at),
    then the look. records: first rows.shape[0] entries are the chosen rows' records, the rest is the ring. Returns how many
    gave CMD_SEND."""
    cdef core_t *core = owner.c
    cdef const book_record_t *chosen = <const book_record_t *>&records[0]
    cdef const book_record_t *ring = chosen + rows.shape[0]
    cdef uint64_t others = records.shape[0] // sizeof(book_record_t) - rows.shape[0]
    cdef uint64_t state = 88172645463325252
    cdef command_t commands[8]
    cdef int64_t start, n
    cdef int k, count, hits = 0
    with nogil:
        for n in range(out.shape[0]):
            for k in range(8):
                feed(core, &ring[next_random(&state) % others], now)
            count = 8
            while count == 8:  # until no touched row is left
                count = look(core, now, commands)
                for k in range(count):
                    if commands[k].kind == CMD_SEND:
                        undo(core, commands[k].intent)
            feed(core, &chosen[next_random(&state) % <uint64_t>rows.shape[0]], now)
            start = mono_ns()
            count = look(core, now, commands)
            out[n] = mono_ns() - start
            for k in range(count):
                if commands[k].kind == CMD_SEND:
                    hits += 1
                    undo(core, commands[k].intent)
            memset(core.session_due_ns, 0, sizeof(core.session_due_ns))
            core.entry_due_ns = 0
    return hits


def time_gate(Core owner, const unsigned char[::1] records, list pool_indices, long long now, long long[::1] out) -> int:
    """pass_gate over intents that stand in the pool (released), a record from the ring before each. Returns how many passed."""
    cdef core_t *core = owner.c
    cdef const book_record_t *ring = <const book_record_t *>&records[0]
    cdef uint64_t count = records.shape[0] // sizeof(book_record_t)
    cdef uint64_t state = 88172645463325252
    cdef uint32_t chosen[INTENT_POOL]
    cdef uint32_t slots = <uint32_t>len(pool_indices), k, reason
    cdef intent_slot_t *slot
    cdef int64_t start, n
    cdef int passed = 0
    for k in range(slots):
        chosen[k] = pool_indices[k]
    with nogil:
        for n in range(out.shape[0]):
            for k in range(8):
                feed(core, &ring[next_random(&state) % count], now)
            slot = &core.pool[chosen[next_random(&state) % slots]]
            start = mono_ns()
            reason = pass_gate(core, slot, now, now)
            out[n] = mono_ns() - start
            if reason == GATE_OK:
                passed += 1
                for k in range(slot.intent.leg_count):
                    release_leg(core, slot, k)
            memset(core.session_due_ns, 0, sizeof(core.session_due_ns))
            core.entry_due_ns = 0
    return passed


def rehearse(Core owner, uint32_t pair_index, long long now) -> int:
    """One rehearsal of a pair, as the engine's loop has it each turn. Returns what the gate said (GATE_*), or GATE_NO_EDGE when
    sizing made nothing."""
    cdef intent_slot_t scratch
    return rehearse_decision(owner.c, pair_index, &scratch, now, now)

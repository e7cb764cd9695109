"""Detection: every touched instrument's pairs are looked at once; where best prices show an edge the pair is sized, gated and
becomes an intent.

Called by core_step for EV_EVALUATE. What leads to nothing costs one cache line of the pair and one of the instrument at its
other end, two multiplications and a counter. Everything dearer sits behind the test of the best prices, in functions of its
own."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memset

from cext.gate cimport pass_gate, would_pass
from cext.quote cimport is_quote_worth_sizing, judge_quote, note_quote, size_quote
from cext.sizing cimport size_entry, size_exit

cdef extern from "ring_prefetch.h" nogil:
    void prefetch_for_write(const void *where, uint64_t size_bytes) noexcept

cdef enum:
    REHEARSAL_GAIN_E8 = 5000000  # 5 %: more than any spread costs

cdef extern from "client_id.h" nogil:
    void client_id_encode(unsigned char *out, uint32_t instance, uint64_t intent_id, uint32_t leg) noexcept


cdef intent_slot_t *free_slot(core_t *core) noexcept nogil:  # hot
    """Next slot of the pool without an open order, NULL when every slot has one. Usually the first look."""
    cdef uint32_t k
    cdef intent_slot_t *slot
    for k in range(INTENT_POOL):
        slot = &core.pool[(core.pool_next + k) % INTENT_POOL]
        if slot.open_legs == 0:
            core.pool_next = (core.pool_next + k) % INTENT_POOL
            return slot
    return NULL


cdef void start_intent(core_t *core, intent_slot_t *slot, uint32_t purpose, uint32_t pair_index, int64_t ttl_ns,
                       int64_t now_mono_ns, int64_t now_wall_ns) noexcept nogil:  # hot
    """Clears a slot and fills what is the same for every intent. It has no id yet."""
    cdef intent_t *intent = &slot.intent
    memset(slot, 0, sizeof(intent_slot_t))
    intent.decided_mono_ns = now_mono_ns
    intent.decided_wall_ns = now_wall_ns
    intent.ttl_ns = ttl_ns
    intent.expires_mono_ns = now_mono_ns + ttl_ns
    intent.purpose = purpose
    intent.pair_index = pair_index
    intent.strategy = core.pairs_cold[pair_index].strategy if pair_index < <uint32_t>core.pair_count else STRATEGY_SPOT_FUTURES


cdef void name_intent(core_t *core, intent_t *intent) noexcept nogil:  # hot
    """Gives the intent its id and the orders theirs, and moves the pool on. Ids are never given twice: epoch is unique per
    run."""
    cdef uint32_t k
    core.intent_seq += 1
    core.pool_next = (core.pool_next + 1) % INTENT_POOL
    intent.intent_id = core.epoch << 32 | core.intent_seq
    if intent.trade_id == 0:
        intent.trade_id = intent.intent_id
    for k in range(intent.leg_count):
        client_id_encode(&intent.legs[k].client_id[0], core.instance, intent.intent_id, k)


cdef void skip(core_t *core, pair_hot_t *pair, uint32_t reason) noexcept nogil:  # hot
    """Remembers why not: globally and as the pair's newest reason."""
    core.counters.skips[reason] += 1
    pair.last_skip = reason


cdef bint is_worth_telling(core_t *core, pair_cold_t *cold, uint32_t kind, uint32_t reason,
                           int64_t now_mono_ns) noexcept nogil:  # hot
    """The same reason on a pair once in tell_every_ns, another one after a tenth of it: a lasting edge is one line, not a
    flood."""
    cdef int64_t wait = core.limits.tell_every_ns
    if cold.told_kind != kind or cold.told_reason != reason:
        wait = wait // 10
    if cold.told_kind != 0 and now_mono_ns - cold.told_mono_ns < wait:
        return False
    cold.told_kind = kind
    cold.told_reason = reason
    cold.told_mono_ns = now_mono_ns
    return True


cdef uint32_t check_readiness(const core_t *core, const pair_hot_t *pair, bint is_entry) noexcept nogil:  # hot
    """Whether the pair may fire at all: armed, nothing in flight on its instruments, both books newer than what was last traded
    on."""
    cdef const row_hot_t *hot
    cdef uint64_t ids
    cdef int32_t rows[2]
    cdef int k
    if core.trading_word >= (TRADING_RESTRICTED if is_entry else TRADING_HALTED):
        return SKIP_TRADING_STATE
    if not pair.is_armed:
        return SKIP_NOT_ARMED
    rows[0] = pair.row_a
    rows[1] = pair.row_b
    for k in range(2):
        hot = &core.hot[rows[k]]
        if hot.in_flight:
            return SKIP_ROW_BUSY
        if hot.consumed_mono_ns == 0:
            continue
        if hot.data_mono_ns <= hot.consumed_mono_ns:
            return SKIP_CONSUMED
        ids = core.books[rows[k]].depth_update_id + core.books[rows[k]].top_update_id
        if ids != 0 and ids == core.rows[rows[k]].consumed_ids:
            return SKIP_CONSUMED
    return SKIP_NONE


cdef int tell(core_t *core, pair_cold_t *cold, intent_slot_t *slot, uint32_t kind, uint32_t reason,
              command_t *command) noexcept nogil:  # hot
    """CMD_REFUSED or CMD_EXPLAIN, if it is time for one. Returns how many commands were written."""
    if not is_worth_telling(core, cold, kind, reason, slot.intent.decided_mono_ns):
        return 0
    name_intent(core, &slot.intent)
    command.kind = kind
    command.reason = reason
    command.intent = &slot.intent
    return 1


cdef uint32_t gate_timed(core_t *core, intent_slot_t *slot, int64_t now_mono_ns, int64_t now_wall_ns) noexcept nogil:  # hot
    """The gate; a live shell that lends the core a stage clock gets the time it took (histogram only, no decision reads it)."""
    cdef int64_t start_ns
    cdef uint32_t reason
    if core.stage_clock == NULL:
        return pass_gate(core, slot, now_mono_ns, now_wall_ns)
    start_ns = core.stage_clock()
    reason = pass_gate(core, slot, now_mono_ns, now_wall_ns)
    core.gate_ns += core.stage_clock() - start_ns
    return reason


cdef uint32_t rehearse_decision(core_t *core, uint32_t pair_index, intent_slot_t *scratch, int64_t now_mono_ns,
                                int64_t now_wall_ns) noexcept nogil:  # hot
    """Goes the way of an entry decision without taking one: sizes the pair as if any price paid, and asks the gate without
    counting or reserving. Keeps code, books and limits in the caches between decisions that are seconds apart. Returns what the
    gate said, or GATE_NO_EDGE when sizing made nothing. `scratch` is the caller's; it is not part of the pool and gets no id."""
    cdef pair_cold_t *cold = &core.pairs_cold[pair_index]
    cdef int64_t entry = cold.entry_net_e8, exit_forward = cold.exit_cost_e8[0], exit_reverse = cold.exit_cost_e8[1]
    cdef uint64_t depth_end = cold.depth_end
    cdef uint32_t reason, k
    cdef intent_slot_t *slot
    check_readiness(core, &core.pairs[pair_index], True)
    slot = free_slot(core)
    if slot != NULL:
        prefetch_for_write(slot, sizeof(intent_slot_t))  # the real one was last used a whole pool ago
    start_intent(core, scratch, PURPOSE_ENTRY, pair_index, cold.ttl_ns, now_mono_ns, now_wall_ns)
    scratch.intent.kind = INTENT_SIMULTANEOUS
    scratch.intent.batch_mono_ns = now_mono_ns
    cold.entry_net_e8 = 0
    cold.exit_cost_e8[0] = -REHEARSAL_GAIN_E8
    cold.exit_cost_e8[1] = -REHEARSAL_GAIN_E8
    reason = size_entry(core, pair_index, DIRECTION_FORWARD, &scratch.intent)
    if reason != SKIP_NONE and cold.allow_reverse:  # nothing to sell there: the other way, if it is allowed
        reason = size_entry(core, pair_index, DIRECTION_REVERSE, &scratch.intent)
    cold.entry_net_e8 = entry
    cold.exit_cost_e8[0] = exit_forward
    cold.exit_cost_e8[1] = exit_reverse
    cold.depth_end = depth_end
    for k in range(scratch.intent.leg_count):  # ids of sequence 0, which no intent has
        client_id_encode(&scratch.intent.legs[k].client_id[0], core.instance, core.epoch << 32, k)
    return would_pass(core, &scratch.intent, now_mono_ns, now_wall_ns) if reason == SKIP_NONE else GATE_NO_EDGE


cdef int withdraw(core_t *core, pair_cold_t *cold, uint32_t reason, command_t *command) noexcept nogil:  # hot
    """CMD_CANCEL for the pair's order that rests; once."""
    cold.quote_px = 0
    core.counters.withdrawn += 1
    command.kind = CMD_CANCEL
    command.reason = reason
    command.intent = &core.pool[cold.quote_slot].intent
    return 1


cdef int make_way(core_t *core, const pair_hot_t *pair, command_t *command) noexcept nogil:  # hot
    """An order that rests on one of the rows keeps the pair from what pays now: it goes, so that ours never meet."""
    cdef uint32_t quoting
    cdef int k
    for k in range(2):
        quoting = core.rows[pair.row_a if k == 0 else pair.row_b].quote_pair
        if quoting != 0 and core.pairs_cold[quoting - 1].quote_px != 0:
            return withdraw(core, &core.pairs_cold[quoting - 1], SKIP_ROW_BUSY, command)
    return 0


cdef int watch_quote(core_t *core, uint32_t pair_index, int64_t now_mono_ns, command_t *command) noexcept nogil:  # hot
    """The pair's order that rests, if one stands: may it? Returns 1 when a command was written."""
    cdef pair_cold_t *cold = &core.pairs_cold[pair_index]
    cdef uint32_t reason
    if cold.quote_px == 0:
        return 0
    reason = judge_quote(core, pair_index, now_mono_ns)
    if reason == SKIP_NONE:
        return 0
    skip(core, &core.pairs[pair_index], reason)
    return withdraw(core, cold, reason, command)


cdef int consider_quote(core_t *core, uint32_t pair_index, int64_t now_mono_ns, int64_t now_wall_ns,
                        command_t *command) noexcept nogil:  # hot
    """A flat pair with a maker leg and nothing to take: places an order that rests, where one pays. Returns 1 when a command was
    written."""
    cdef pair_hot_t *pair = &core.pairs[pair_index]
    cdef pair_cold_t *cold = &core.pairs_cold[pair_index]
    cdef int32_t direction = DIRECTION_FORWARD
    cdef int64_t a_ns = core.hot[pair.row_a].data_mono_ns, b_ns = core.hot[pair.row_b].data_mono_ns
    cdef intent_slot_t *slot
    cdef intent_t *intent
    cdef uint32_t reason
    if now_mono_ns < cold.quote_next_ns:
        skip(core, pair, SKIP_PAUSE)
        return 0
    if not is_quote_worth_sizing(core, pair, DIRECTION_FORWARD):
        if not cold.allow_reverse or not is_quote_worth_sizing(core, pair, DIRECTION_REVERSE):
            skip(core, pair, SKIP_NO_EDGE)
            return 0
        direction = DIRECTION_REVERSE
    reason = check_readiness(core, pair, True)
    if reason != SKIP_NONE:
        skip(core, pair, reason)
        return 0
    slot = free_slot(core)
    if slot == NULL:
        core.counters.refused[GATE_POOL_FULL] += 1
        cold.last_gate = GATE_POOL_FULL
        return 0
    start_intent(core, slot, PURPOSE_ENTRY, pair_index, cold.ttl_ns, now_mono_ns, now_wall_ns)
    intent = &slot.intent
    intent.kind = INTENT_HEDGE_ON_FILL
    intent.batch_mono_ns = a_ns if a_ns > b_ns else b_ns
    reason = size_quote(core, pair_index, direction, intent)
    if reason != SKIP_NONE:
        skip(core, pair, reason)
        return 0
    reason = gate_timed(core, slot, now_mono_ns, now_wall_ns)
    cold.last_gate = reason
    intent.leg_count = 1
    if reason != GATE_OK:
        cold.quote_next_ns = now_mono_ns + cold.rest_pause_ns   # not again with every record
        return tell(core, cold, slot, CMD_REFUSED, reason, command)
    name_intent(core, intent)
    pair.is_armed = 0
    pair.last_skip = SKIP_NONE
    cold.intents += 1
    pair.state = PAIR_ENTERING
    core.open_pairs += 1
    pair.direction = direction
    cold.trade_id = intent.trade_id
    note_quote(core, pair_index, <uint32_t>(slot - core.pool), now_mono_ns)
    command.kind = CMD_SEND
    command.reason = GATE_OK
    command.intent = intent
    return 1


cdef int pursue(core_t *core, uint32_t pair_index, int32_t direction, uint32_t exit_cause, bint is_forced, int64_t now_mono_ns,
                int64_t now_wall_ns, command_t *command) noexcept nogil:  # hot
    """The best prices pay (or the pair must be closed): sizes, gates, and makes the intent. direction: of an entry;
    DIRECTION_NONE = exit. Returns 1 when a command was written."""
    cdef pair_hot_t *pair = &core.pairs[pair_index]
    cdef pair_cold_t *cold = &core.pairs_cold[pair_index]
    cdef bint is_entry = direction != DIRECTION_NONE
    cdef intent_slot_t *slot
    cdef intent_t *intent
    cdef uint32_t reason
    cdef int64_t a_ns = core.hot[pair.row_a].data_mono_ns, b_ns = core.hot[pair.row_b].data_mono_ns
    core.counters.opportunities += 1
    cold.opportunities += 1
    reason = check_readiness(core, pair, is_entry)
    if reason != SKIP_NONE:
        skip(core, pair, reason)
        return make_way(core, pair, command) if reason == SKIP_ROW_BUSY else 0
    slot = free_slot(core)
    if slot == NULL:
        core.counters.refused[GATE_POOL_FULL] += 1
        cold.last_gate = GATE_POOL_FULL
        return 0
    start_intent(core, slot, PURPOSE_ENTRY if is_entry else PURPOSE_EXIT, pair_index, cold.ttl_ns, now_mono_ns, now_wall_ns)
    intent = &slot.intent
    intent.kind = INTENT_SIMULTANEOUS
    intent.batch_mono_ns = a_ns if a_ns > b_ns else b_ns
    if is_entry:
        reason = size_entry(core, pair_index, direction, intent)
    else:
        intent.trade_id = cold.trade_id
        reason = size_exit(core, pair_index, is_forced, intent)
    if reason != SKIP_NONE:
        skip(core, pair, reason)
        return tell(core, cold, slot, CMD_EXPLAIN, reason, command)
    reason = gate_timed(core, slot, now_mono_ns, now_wall_ns)
    cold.last_gate = reason
    if reason != GATE_OK:
        return tell(core, cold, slot, CMD_REFUSED, reason, command)
    name_intent(core, intent)
    pair.is_armed = 0
    pair.last_skip = SKIP_NONE
    cold.intents += 1
    if is_entry:
        pair.state = PAIR_ENTERING
        core.open_pairs += 1
        pair.direction = direction
        cold.trade_id = intent.trade_id
    else:
        pair.state = PAIR_EXITING
        cold.last_exit_cause = exit_cause
    command.kind = CMD_SEND
    command.reason = GATE_OK
    command.intent = intent
    return 1


cdef int evaluate_open(core_t *core, uint32_t pair_index, int64_t now_mono_ns, int64_t now_wall_ns,
                       command_t *command) noexcept nogil:  # hot
    """A held pair: is the basis gone, or must it be closed? Returns 1 when a command was written."""
    cdef pair_hot_t *pair = &core.pairs[pair_index]
    cdef const row_hot_t *sell = &core.hot[pair.row_a]
    cdef const row_hot_t *buy = &core.hot[pair.row_b]
    cdef uint32_t cause = pair.exit_cause
    if pair.direction == DIRECTION_REVERSE:
        sell = &core.hot[pair.row_b]
        buy = &core.hot[pair.row_a]
    if cause == 0:
        if core.close_all:
            cause = EXIT_REQUESTED
        elif now_mono_ns >= pair.exit_due_mono_ns:
            cause = EXIT_HORIZON
    if cause != 0 and sell.bid > 0.0 and buy.flags & BOOK_VALID:
        return pursue(core, pair_index, DIRECTION_NONE, cause, True, now_mono_ns, now_wall_ns, command)
    if sell.bid > buy.ask * pair.exit_ratio:
        return pursue(core, pair_index, DIRECTION_NONE, EXIT_CONVERGED, False, now_mono_ns, now_wall_ns, command)
    skip(core, pair, SKIP_HOLD if sell.flags & buy.flags & BOOK_VALID else SKIP_NO_BOOK)
    return 0


cdef int evaluate_pair(core_t *core, uint32_t pair_index, int64_t now_mono_ns, int64_t now_wall_ns,
                       command_t *command) noexcept nogil:  # hot
    """One look at one pair. Returns 1 when a command was written."""
    cdef pair_hot_t *pair = &core.pairs[pair_index]
    cdef const row_hot_t *a = &core.hot[pair.row_a]
    cdef const row_hot_t *b = &core.hot[pair.row_b]
    if pair.state == PAIR_FLAT:
        if b.bid > a.ask * pair.enter_ratio:
            return pursue(core, pair_index, DIRECTION_FORWARD, 0, False, now_mono_ns, now_wall_ns, command)
        if a.bid > b.ask * pair.reverse_ratio:
            return pursue(core, pair_index, DIRECTION_REVERSE, 0, False, now_mono_ns, now_wall_ns, command)
        if a.flags & b.flags & BOOK_VALID:
            if pair.rests and pair.disabled == SKIP_NONE:
                return consider_quote(core, pair_index, now_mono_ns, now_wall_ns, command)
            skip(core, pair, SKIP_NO_EDGE if pair.disabled == SKIP_NONE else pair.disabled)
        else:
            skip(core, pair, SKIP_NO_BOOK)
        return 0
    if pair.state == PAIR_OPEN:
        return evaluate_open(core, pair_index, now_mono_ns, now_wall_ns, command)
    if pair.state == PAIR_ENTERING and pair.rests:
        return watch_quote(core, pair_index, now_mono_ns, command)
    skip(core, pair, SKIP_STATE)
    return 0


cdef int watch_all(core_t *core, int64_t now_mono_ns, command_t *commands, int capacity) noexcept nogil:  # hot
    """Every order that rests, whether its rows were touched or not; what does not fit is for the next time."""
    cdef int count = 0
    cdef int32_t k
    core.watch_quotes = 0
    for k in range(core.pair_count):
        if core.pairs[k].state == PAIR_ENTERING and core.pairs[k].rests and count < capacity:
            count += watch_quote(core, <uint32_t>k, now_mono_ns, &commands[count])
    return count


cdef int evaluate_touched(core_t *core, int64_t now_mono_ns, int64_t now_wall_ns, command_t *commands,
                          int capacity) noexcept nogil:  # hot
    """Works through the touched rows, oldest first. Stops when the commands are full; what is left stays touched, a row that
    was cut short is looked at again from its start (its pairs that fired are not armed any more)."""
    cdef int count = 0
    cdef int32_t n, k, row, left = 0
    cdef row_hot_t *hot
    if core.watch_quotes:
        count = watch_all(core, now_mono_ns, commands, capacity)
    for n in range(core.touched_count):
        row = core.touched[n]
        hot = &core.hot[row]
        if count == capacity:
            core.touched[left] = row
            left += 1
            continue
        hot.touched = 0
        for k in range(hot.adjacent_begin, hot.adjacent_end):
            core.counters.evaluations += 1
            count += evaluate_pair(core, <uint32_t>core.adjacent[k], now_mono_ns, now_wall_ns, &commands[count])
            if count == capacity and k + 1 < hot.adjacent_end:
                hot.touched = 1
                core.touched[left] = row
                left += 1
                break
    core.touched_count = left
    return count

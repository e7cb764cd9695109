"""The engine's poll step, called once a loop turn by engine/shell.py on the pinned thread.

Drains every feed's ring into the core's private market state, evaluates each touched instrument once, and carries a decision out
in the same
turn: journal the intent, encode both legs, re-read the kill words, send A, send B. Python objects appear only after a decision,
when the bytes have left. Order of things and who may stop it: docs/order-flow.md."""
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from cext.client_id cimport client_id_encode
from cext.clock cimport mono_ns, wall_ns
from cext.core cimport Core, core_connection_key, core_step
from cext.core_types cimport *
from cext.hist cimport HistPage, hist_record
from cext.detect cimport rehearse_decision
from cext.journal cimport JournalWriter, journal_append, journal_rehearse
from cext.layout cimport *
from cext.ring cimport (RING_LAPPED, RING_RECORD, RING_STALE, RING_TORN, RingReader, ring_alive_mono_ns, ring_poll_book,
                        ring_read_board, ring_read_funding)
from cext.state_page cimport StatePage, state_set_sleeping, state_trading_word
from engine.event_codec cimport intent_from_c
from engine.sessions cimport OrderSession

from engine.events import SentOutcome

cdef extern from "atomics.h" nogil:
    void cpu_relax() noexcept


cdef uint32_t INPUT_HOT = 100   # engine/input_log.py HOT


cdef int64_t stage_clock() noexcept nogil:  # hot
    """What the live shell lends the core so that the gate's time can be told from detection's."""
    return mono_ns()


cdef void note_input(poll_t *p, const core_event_t *event, const void *payload, uint32_t size_bytes, int64_t mono_ns,
                     int64_t wall_ns) noexcept nogil:  # hot
    """One line of the input log, where there is one: what core_step is about to be given (engine/input_log.py)."""
    if p.inputs != NULL:
        journal_append(p.inputs, INPUT_HOT + event.kind, payload, size_bytes, mono_ns, wall_ns,
                       <uint64_t><uint32_t>event.row << 32 | event.connection)


cdef int poll_rings(poll_t *p, int64_t *read_mono_ns) noexcept nogil:  # hot
    """Records read from all rings; each is stored in the core and its row marked touched. *read_mono_ns = the clock of the last
    read. At most records_max of one ring, so that one noisy venue cannot starve the others."""
    cdef core_event_t event
    cdef int feed, count, taken = 0, result
    cdef int64_t now
    event.kind = EV_BOOK
    event.value = 0
    event.funding = NULL
    event.book = &p.record
    for feed in range(p.reader_count):
        if p.readers[feed] == NULL:
            continue
        for count in range(p.records_max):
            result = ring_poll_book(p.readers[feed], &p.record)
            if result != RING_RECORD:
                if result == RING_LAPPED:
                    p.lapped |= <uint32_t>1 << feed
                elif result == RING_STALE:
                    p.stale |= <uint32_t>1 << feed
                elif result == RING_TORN:
                    p.torn += 1
                break
            now = mono_ns()
            hist_record(p.h_ring, now - p.record.publish_mono_ns)
            event.row = <int32_t>p.record.instrument_id
            event.connection = core_connection_key(<uint32_t>feed, p.record.connection_id)
            note_input(p, &event, &p.record, sizeof(book_record_t), now, now)
            core_step(p.core, &event, now, now, NULL, 0)
            if p.record.batch_mono_ns < p.batch_min_ns:
                p.batch_min_ns = p.record.batch_mono_ns
            taken += 1
            read_mono_ns[0] = now
    p.records += <uint64_t>taken
    return taken


cdef void refresh_alive(poll_t *p) noexcept nogil:  # hot
    """Hand new proofs of life to the core: its gate never reads shared memory."""
    cdef core_event_t event
    cdef int feed
    cdef uint32_t connection
    cdef int64_t alive
    event.kind = EV_ALIVE
    event.row = -1
    event.book = NULL
    event.funding = NULL
    for feed in range(p.reader_count):
        if p.readers[feed] == NULL:
            continue
        for connection in range(CONNECTIONS_MAX):
            alive = ring_alive_mono_ns(p.readers[feed], connection)
            if alive != p.alive_mono_ns[feed][connection]:
                p.alive_mono_ns[feed][connection] = alive
                event.connection = core_connection_key(<uint32_t>feed, connection)
                event.value = alive
                note_input(p, &event, &event.value, sizeof(int64_t), alive, alive)
                core_step(p.core, &event, alive, alive, NULL, 0)


cdef class Poller:
    """`turn()` is the hot loop's body. spin_ns = 0: one pass over the rings and back (wake)."""

    def __cinit__(self):
        memset(&self.p, 0, sizeof(poll_t))
        self.p.batch_min_ns = INT64_MAX

    def __init__(self, Core core, JournalWriter journal, HistPage hist, StatePage state, *, int64_t spin_ns, int records_max,
                 on_sent, on_refused, on_feed, on_cancel=None, JournalWriter inputs=None):
        self._inputs = inputs
        self.p.inputs = NULL if inputs is None else &inputs.j
        self.core, self.journal, self.hist, self.state = core, journal, hist, state
        self.readers = []
        self._sessions = [None] * SESSIONS_MAX
        self.spin_ns = spin_ns
        self._on_sent, self._on_refused, self._on_feed, self._on_cancel = on_sent, on_refused, on_feed, on_cancel
        self.p.core = core.c
        core.c.stage_clock = stage_clock
        self.p.journal = &journal.j
        self.p.state = state.page
        self.p.records_max = records_max
        self.p.h_ring = hist.named("ring")
        self.p.h_detect = hist.named("detect")
        self.p.h_gate = hist.named("gate")
        self.h_journal = hist.named("journal")
        self.h_encode = hist.named("encode")
        self.h_send = hist.named("send")
        self.h_total = hist.named("tick_to_trade")
        self.h_own = hist.named("own")
        self.set_wall_offset(wall_ns() - mono_ns())

    def set_wall_offset(self, int64_t wall_minus_mono_ns):
        """The wall clock is not read on the hot path: it is the monotonic clock plus this, measured once a second."""
        self._wall_minus_mono_ns = wall_minus_mono_ns

    def set_reader(self, int feed, RingReader reader):
        """Attach (or with None detach) feed number `feed`. The book of every row is read from its board at once."""
        while len(self.readers) <= feed:
            self.readers.append(None)
        self.readers[feed] = reader
        self.p.readers[feed] = NULL if reader is None else &reader.r
        self.p.reader_count = len(self.readers)
        memset(&self.p.alive_mono_ns[feed][0], 0, sizeof(int64_t) * CONNECTIONS_MAX)
        if reader is not None:
            self.read_boards(feed)

    def set_session(self, int key, OrderSession session):
        """key = venue_id * MARKETS_MAX + market."""
        self._sessions[key] = session

    def feed_down(self, int feed):
        """Its process is gone: nothing that came from it may be traded on."""
        cdef core_event_t event
        memset(&event, 0, sizeof(event))
        event.kind = EV_FEED_STATUS
        event.connection = <uint32_t>feed
        note_input(&self.p, &event, &event.value, sizeof(int64_t), mono_ns(), 0)
        core_step(self.p.core, &event, mono_ns(), 0, NULL, 0)
        memset(&self.p.alive_mono_ns[feed][0], 0, sizeof(int64_t) * CONNECTIONS_MAX)

    def read_boards(self, int feed):
        """Take the latest book of every row from the board: after attaching, and after a lap."""
        cdef core_event_t event
        cdef RingReader reader = self.readers[feed]
        cdef int64_t now = mono_ns()
        cdef int32_t row
        memset(&event, 0, sizeof(event))
        event.kind = EV_BOOK
        event.book = &self.p.record
        for row in range(reader.r.instrument_count):
            if ring_read_board(&reader.r, row, &self.p.record) == RING_RECORD:
                event.row = row
                event.connection = core_connection_key(<uint32_t>feed, self.p.record.connection_id)
                note_input(&self.p, &event, &self.p.record, sizeof(book_record_t), now, now + self._wall_minus_mono_ns)
                core_step(self.p.core, &event, now, now + self._wall_minus_mono_ns, NULL, 0)
        self.read_funding(feed)

    def read_funding(self, int feed):
        """Take funding and mark of every row; about once a second, they change slowly."""
        cdef core_event_t event
        cdef funding_record_t funding
        cdef RingReader reader = self.readers[feed]
        cdef int64_t now = mono_ns()
        cdef int32_t row
        memset(&event, 0, sizeof(event))
        event.kind = EV_FUNDING
        event.funding = &funding
        for row in range(reader.r.instrument_count):
            if ring_read_funding(&reader.r, row, &funding) == RING_RECORD:
                event.row = row
                note_input(&self.p, &event, &funding, sizeof(funding_record_t), now, now + self._wall_minus_mono_ns)
                core_step(self.p.core, &event, now, now + self._wall_minus_mono_ns, NULL, 0)

    def set_sleeping(self, bint is_sleeping):
        """wake mode: after True call turn() once more before waiting for the doorbell."""
        state_set_sleeping(self.p.state, 1 if is_sleeping else 0)

    def counters(self) -> dict:
        """Totals since start."""
        return {"turns": self.turns, "records": self.p.records, "torn": self.p.torn, "intents": self.intents,
                "orders": self.orders,
                "abandoned": self.abandoned, "journal_full": self.journal_full, "rehearsals_passed": self.rehearsals_passed}

    def turn(self) -> int:
        """One loop turn: poll, evaluate, act; again until spin_ns are over. Returns the number of records read."""
        cdef int64_t now = mono_ns()
        cdef int64_t end = now + self.spin_ns
        cdef int64_t read_at = now
        cdef int taken, total = 0
        self.turns += 1
        self.p.state.engine_heartbeat_mono_ns = now
        self.p.state.engine_turns = self.turns
        refresh_alive(&self.p)
        if self.is_rehearsing:
            self._rehearse(now)
        while True:
            taken = poll_rings(&self.p, &read_at)
            if taken:
                total += taken
                self._evaluate(read_at)
                self.p.batch_min_ns = INT64_MAX
            if self.p.lapped | self.p.stale:
                self._look_after_feeds(now)
            now = mono_ns()
            if now >= end and (taken == 0 or self.spin_ns > 0):
                break
            cpu_relax()
        self.p.state.engine_records = self.p.records
        return total

    def evaluate(self) -> None:
        """Look at every touched row now (after read_boards, in tests)."""
        self._evaluate(mono_ns())

    cdef int _evaluate(self, int64_t now_mono_ns) except -1:
        """One EV_EVALUATE, until no touched row is left; decisions are carried out between rounds."""
        cdef core_event_t event
        cdef int count
        cdef int64_t capacity = COMMANDS_MAX
        cdef int64_t gate_ns, before
        memset(&event, 0, sizeof(event))
        event.kind = EV_EVALUATE
        while True:
            self.core.c.gate_ns = 0
            note_input(&self.p, &event, &capacity, sizeof(int64_t), now_mono_ns, now_mono_ns + self._wall_minus_mono_ns)
            count = core_step(self.p.core, &event, now_mono_ns, now_mono_ns + self._wall_minus_mono_ns, self.commands,
                              COMMANDS_MAX)
            before = now_mono_ns
            now_mono_ns = mono_ns()
            gate_ns = self.core.c.gate_ns
            if count:
                self._carry_out(count)
            hist_record(self.p.h_detect, now_mono_ns - before - gate_ns)
            if gate_ns:
                hist_record(self.p.h_gate, gate_ns)
            if count < COMMANDS_MAX:
                return 0

    cdef int _carry_out(self, int count) except -1:
        """Sends first: explanations can wait."""
        cdef int index
        cdef command_t *command
        cdef refusal_t refusal
        cdef int64_t now
        for index in range(count):
            if self.commands[index].kind == CMD_SEND:
                self._send_intent(self.commands[index].intent, False)
        for index in range(count):
            if self.commands[index].kind == CMD_CANCEL and self._on_cancel is not None:
                self._on_cancel(self.commands[index].intent.intent_id, self.commands[index].reason)
        for index in range(count):
            command = &self.commands[index]
            if command.kind == CMD_REFUSED:
                now = mono_ns()
                if command.reason == GATE_DRY_RUN:  # what would have been sent, then that it was not
                    journal_append(self.p.journal, JR_INTENT, command.intent, sizeof(intent_t), now,
                                   now + self._wall_minus_mono_ns,
                                   command.intent.trade_id)
                memset(&refusal, 0, sizeof(refusal))
                refusal.intent_id = command.intent.intent_id
                refusal.reason = command.reason
                refusal.leg_index = <uint32_t>0xffffffff
                refusal.pair_index = command.intent.pair_index
                refusal.purpose = command.intent.purpose
                journal_append(self.p.journal, JR_REFUSAL, &refusal, sizeof(refusal), now, now + self._wall_minus_mono_ns, 0)
            if command.kind == CMD_REFUSED or command.kind == CMD_EXPLAIN:
                self._on_refused(command.kind, command.reason, None if command.intent == NULL else intent_from_c(command.intent))
        return 0

    def warm(self) -> None:
        """Goes through a whole decision that is never taken, before trading begins."""
        self._rehearse(mono_ns())

    cdef int _rehearse(self, int64_t now_mono_ns) except -1:
        """Decisions are far apart and the loop's own code pushes theirs out of the caches. So each turn begins with one that is
        not taken: a pair of the row that was read last (of its pairs another each time) is sized and put before the gate, encoded
        into the sessions' own buffers, and thrown away. Going through all pairs would push out what it warms, where there are
        hundreds. Nothing is counted, reserved, journaled or sent; about a microsecond a turn."""
        cdef const row_hot_t *hot
        cdef uint32_t pair, row = self.p.record.instrument_id
        if self.core.c.pair_count == 0:
            return 0
        self._rehearsal_turn += 1
        hot = &self.core.c.hot[row if row < <uint32_t>self.core.c.row_count else 0]
        if hot.adjacent_end > hot.adjacent_begin:
            pair = self._rehearsal_turn % <uint32_t>(hot.adjacent_end - hot.adjacent_begin)
            pair = <uint32_t>self.core.c.adjacent[hot.adjacent_begin + <int32_t>pair]
        else:
            pair = self._rehearsal_turn % <uint32_t>self.core.c.pair_count
        if rehearse_decision(self.core.c, pair, &self._scratch, now_mono_ns,
                             now_mono_ns + self._wall_minus_mono_ns) == GATE_OK:
            self.rehearsals_passed += 1
        if self._scratch.intent.leg_count:
            self._send_intent(&self._scratch.intent, True)
        return 0

    def send_pooled(self, uint32_t pool_index) -> None:
        """Send an intent that core.submit() has just let through (repairs, exits on request, manual orders)."""
        self._send_intent(&self.core.c.pool[pool_index].intent, False)

    cdef int _send_intent(self, intent_t *intent, bint is_rehearsal) except -1:
        """Journal, encode, look at the kill words, send. The intent's reservations were taken by the gate. A rehearsal goes the
        same way up to the first byte and leaves no trace: no record, no count, nothing sent."""
        cdef OrderSession session
        cdef int leg, legs = <int>intent.leg_count
        cdef int64_t started = mono_ns(), journaled, encoded, now, send_ns = 0
        cdef sent_t sent[LEGS_MAX]
        cdef uint32_t outcome
        cdef uint64_t word
        cdef uint32_t bytes_of[LEGS_MAX]
        cdef row_cold_t *row
        memset(sent, 0, sizeof(sent))
        # Both sockets must be able to take a whole frame before the first byte leaves.
        held = []
        for leg in range(legs):
            row = &self.core.c.rows[intent.legs[leg].instrument_id]
            session = <OrderSession>self._sessions[row.session]
            if session is None or not session.can_send():
                return 0 if is_rehearsal else self._abandon(intent, GATE_SESSION_DOWN)
            held.append(session)
        if is_rehearsal:
            journal_rehearse(self.p.journal, intent, sizeof(intent_t))
        elif journal_append(self.p.journal, JR_INTENT, intent, sizeof(intent_t), started, started + self._wall_minus_mono_ns,
                            intent.trade_id) == 0:
            self.journal_full += 1
            return self._abandon(intent, GATE_POOL_FULL)
        journaled = mono_ns()
        for leg in range(legs):
            session = <OrderSession>held[leg]
            bytes_of[leg] = <uint32_t>session.encode_leg(intent, leg, journaled + self._wall_minus_mono_ns)
        encoded = mono_ns()
        if is_rehearsal:
            return state_trading_word(self.p.state) > TRADING_EMERGENCY
        for leg in range(legs):
            if bytes_of[leg] == 0:
                # the market cannot say this leg: then the other must not leave either
                return self._abandon(intent, GATE_NOT_TRADABLE)
        word = state_trading_word(self.p.state)
        if word >= TRADING_RESTRICTED and (intent.purpose == PURPOSE_ENTRY or intent.purpose == PURPOSE_MANUAL):
            return self._abandon(intent, GATE_KILLED)
        now = encoded
        for leg in range(legs):
            sent[leg].intent_id = intent.intent_id
            sent[leg].leg_index = <uint32_t>leg
            sent[leg].frame_bytes = bytes_of[leg]
            sent[leg].send_start_mono_ns = now
            if leg > 0 and sent[leg - 1].outcome != SENT_OK:
                sent[leg].outcome = SENT_NOT  # the leg before is in doubt or did not leave: do not add to it
            else:
                session = <OrderSession>held[leg]
                sent[leg].outcome = session.send_leg(leg)
            now = mono_ns()
            sent[leg].send_end_mono_ns = now
            send_ns += now - sent[leg].send_start_mono_ns
        # Bytes have left; from here on nothing is urgent.
        hist_record(self.h_journal, journaled - started)
        hist_record(self.h_encode, encoded - journaled)
        for leg in range(legs):
            hist_record(self.h_send, sent[leg].send_end_mono_ns - sent[leg].send_start_mono_ns)
            journal_append(self.p.journal, JR_SENT, &sent[leg], sizeof(sent_t), now, now + self._wall_minus_mono_ns,
                           intent.trade_id)
        # Decisions that funding, a horizon or a person brought about have no tick to count from.
        if (intent.kind == INTENT_SIMULTANEOUS and intent.batch_mono_ns >= self.p.batch_min_ns
                and (intent.purpose == PURPOSE_ENTRY or intent.purpose == PURPOSE_EXIT)):
            hist_record(self.h_total, now - intent.batch_mono_ns)
            hist_record(self.h_own, now - intent.batch_mono_ns - send_ns)
        self.intents += 1
        self.orders += <uint64_t>legs
        self.p.state.intents = self.intents
        self.p.state.orders = self.orders
        self._on_sent(intent_from_c(intent), [
            SentOutcome(intent.intent_id, leg, sent[leg].outcome, sent[leg].send_start_mono_ns, sent[leg].send_end_mono_ns,
                        bytes_of[leg])
            for leg in range(legs)])
        return 0

    cdef int _abandon(self, intent_t *intent, uint32_t reason) except -1:
        """No byte left: the decision is journaled as refused and every leg told as not sent."""
        cdef refusal_t refusal
        cdef int64_t now = mono_ns()
        memset(&refusal, 0, sizeof(refusal))
        refusal.intent_id = intent.intent_id
        refusal.reason = reason
        refusal.leg_index = <uint32_t>0xffffffff
        refusal.pair_index = intent.pair_index
        refusal.purpose = intent.purpose
        journal_append(self.p.journal, JR_REFUSAL, &refusal, sizeof(refusal), now, now + self._wall_minus_mono_ns,
                       intent.trade_id)
        self.abandoned += 1
        self.core.c.counters.refused[reason] += 1
        self._on_sent(intent_from_c(intent),
                      [SentOutcome(intent.intent_id, leg, SENT_NOT, now, now, 0) for leg in range(<int>intent.leg_count)])
        return 0

    cdef int _look_after_feeds(self, int64_t now_mono_ns) except -1:
        """After a lap: the boards have everything that was missed. A retired segment is the shell's to attach again."""
        cdef int feed
        for feed in range(self.p.reader_count):
            if self.p.lapped & (<uint32_t>1 << feed):
                self.read_boards(feed)
                self._on_feed(feed, "lapped")
            if self.p.stale & (<uint32_t>1 << feed):
                self.feed_down(feed)
                self.p.readers[feed] = NULL
                self._on_feed(feed, "stale")
        self.p.lapped = 0
        self.p.stale = 0
        self._evaluate(now_mono_ns)
        return 0

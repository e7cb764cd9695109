"""The core's private market state: a copy of the newest book record of every instrument, its funding, and when each connection
last proved itself.

Called by core_step for every record. The hot line of an instrument (row_hot_t) gets what one evaluation reads; the record itself
is copied beside it, header and given levels only. Nothing here reads a clock or shared memory."""
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from *:
    """
    #define BOOK_HEADER_BYTES (offsetof(book_record_t, bids))
    static const double NO_ASK = __builtin_inf();
    static inline void prefetch_read(const void *p) { __builtin_prefetch(p, 0, 3); }
    static inline void prefetch_write(const void *p) { __builtin_prefetch(p, 1, 3); }
    """
    const size_t BOOK_HEADER_BYTES
    const double NO_ASK
    void prefetch_read(const void *p) noexcept nogil
    void prefetch_write(const void *p) noexcept nogil


cdef void keep_reference(core_t *core, int32_t row) noexcept nogil:  # hot
    """The book is about to stop being usable: its best prices stay as the reference that reducing orders are held against."""
    cdef const book_record_t *book = &core.books[row]
    if book.bid_count > 0:
        core.rows[row].last_bid_px = book.bids[0].px
    if book.ask_count > 0:
        core.rows[row].last_ask_px = book.asks[0].px


cdef void prefetch_neighbours(const core_t *core, const row_hot_t *hot) noexcept nogil:  # hot
    """Asks for the pairs of a row, up to eight: EV_EVALUATE follows at once. Three venues give a row five."""
    cdef int32_t k, end = hot.adjacent_end
    if end > hot.adjacent_begin + 8:
        end = hot.adjacent_begin + 8
    for k in range(hot.adjacent_begin, end):
        prefetch_read(&core.pairs[core.adjacent[k]])


cdef void store_book(core_t *core, int32_t row, const book_record_t *record, uint32_t connection) noexcept nogil:  # hot
    """Takes one record. Cost does not depend on the number of instruments: one hot line, the copy, at most eight prefetches."""
    cdef row_hot_t *hot = &core.hot[row]
    cdef book_record_t *book = &core.books[row]
    cdef uint32_t flags = record.flags
    prefetch_write(book)
    if not (flags & BOOK_VALID) and (hot.flags & BOOK_VALID):
        keep_reference(core, row)
    prefetch_neighbours(core, hot)
    memcpy(book, record, BOOK_HEADER_BYTES)
    memcpy(&book.bids[0], &record.bids[0], record.bid_count * sizeof(level_t))
    memcpy(&book.asks[0], &record.asks[0], record.ask_count * sizeof(level_t))
    hot.flags = flags
    hot.connection = connection
    if not (flags & BOOK_REPEAT):
        hot.data_mono_ns = record.batch_mono_ns
    if record.alive_mono_ns > core.alive_mono_ns[connection]:
        core.alive_mono_ns[connection] = record.alive_mono_ns
    hot.bid = 0.0
    hot.ask = NO_ASK
    if (flags & (BOOK_VALID | BOOK_CROSSED)) == BOOK_VALID:
        if record.bid_count > 0:
            hot.bid = <double>record.bids[0].px * hot.px_unit
        if record.ask_count > 0:
            hot.ask = <double>record.asks[0].px * hot.px_unit
    touch_row(core, row)


cdef bint is_funding_against(const core_t *core, const pair_hot_t *pair, const pair_cold_t *cold) noexcept nogil:  # hot
    """Whether the rate per interval of the held direction is worse than the pair tolerates: a short perpetual receives a
    positive rate. Of two perpetuals the difference counts, per the longer of their intervals."""
    cdef const funding_record_t *a = &core.rows[pair.row_a].funding
    cdef const funding_record_t *b = &core.rows[pair.row_b].funding
    cdef int64_t longer = a.interval_s if a.interval_s > b.interval_s else b.interval_s
    cdef int64_t paid_on_a = a.rate_e8, paid_on_b = b.rate_e8
    if cold.funding_exit_e8 == INT64_MAX or cold.kind == KIND_SPOT_SPOT:
        return False
    if cold.kind == KIND_PERP_PERP and a.interval_s > 0 and b.interval_s > 0:
        paid_on_a = <int64_t>(<double>a.rate_e8 * <double>longer / <double>a.interval_s)
        paid_on_b = <int64_t>(<double>b.rate_e8 * <double>longer / <double>b.interval_s)
    return pair.direction * (paid_on_a - paid_on_b) > cold.funding_exit_e8


cdef bint gives_mark(const core_t *core, const pair_hot_t *pair, const row_cold_t *spot,
                     int64_t now_mono_ns) noexcept nogil:  # hot
    """Whether a spot instrument takes its mark from the perpetual of this pair: from its own venue's always; from another
    venue's while it has none of its own that counts. Prices in another quote asset are no reference."""
    if core.instruments[pair.row_a].quote_asset != core.instruments[pair.row_b].quote_asset:
        return False
    if core.instruments[pair.row_a].venue_id == core.instruments[pair.row_b].venue_id:
        return True
    return spot.mark_px == 0 or spot.mark_venue != core.instruments[pair.row_a].venue_id or (
        now_mono_ns - spot.mark_mono_ns > MARK_AGE_NS_MAX)


cdef void store_funding(core_t *core, int32_t row, const funding_record_t *record) noexcept nogil:  # hot
    """Takes rate and mark; carries the mark to spot instruments that are paired with this one, and looks whether funding
    turned."""
    cdef int32_t k, index
    cdef pair_hot_t *pair
    cdef pair_cold_t *cold
    cdef row_cold_t *spot
    core.rows[row].funding = record[0]
    core.rows[row].mark_px = record.mark_px
    core.rows[row].mark_mono_ns = record.recv_mono_ns
    for k in range(core.hot[row].adjacent_begin, core.hot[row].adjacent_end):
        index = core.adjacent[k]
        pair = &core.pairs[index]
        cold = &core.pairs_cold[index]
        if cold.kind == KIND_SPOT_PERP:
            spot = &core.rows[pair.row_a]
            if gives_mark(core, pair, spot, record.recv_mono_ns):
                spot.mark_px = <int64_t>(<double>record.mark_px * <double>cold.px_mul[1] / <double>cold.px_mul[0])
                spot.mark_mono_ns = record.recv_mono_ns
                spot.mark_venue = core.instruments[row].venue_id
        if pair.state == PAIR_OPEN and pair.exit_cause != EXIT_REQUESTED:
            pair.exit_cause = EXIT_FUNDING if is_funding_against(core, pair, cold) else 0
            touch_row(core, row)


cdef void store_alive(core_t *core, uint32_t connection, int64_t alive_mono_ns) noexcept nogil:  # hot
    """Newest proof of life of one connection as the feed has it; 0 = the connection is down."""
    core.alive_mono_ns[connection] = alive_mono_ns


cdef void store_feed_status(core_t *core, uint32_t feed, bint is_up) noexcept nogil:  # hot
    """A feed that is gone takes all its connections with it; one that is up proves nothing about them."""
    cdef uint32_t k
    if not is_up:
        for k in range(CONNECTIONS_MAX):
            core.alive_mono_ns[feed * CONNECTIONS_MAX + k] = 0

"""When is a book true? What holds for every venue: losing and gaining sync by the venue's rules, merging the depth stream with
the top-of-book stream, the crossed rule, trades that were seen already, funding that comes in parts, lag.

A delta that does not follow (sync_rules_t of stream.h) makes the book INVALID at once, and is the first of those that wait for
the next snapshot. A whole book on the stream always replaces what there is. The top of book is kept apart: while its order id
is newer than the depth's it overlays level 0 and hides what it has passed; when the ids are equal both must tell the same best
levels (where the venue's rules say so), or the book is wrong.

No I/O, no clock: times come with the frames."""
from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t
from libc.string cimport memset

from cext.book cimport book_apply, book_best, book_clear, book_levels, book_walk
from cext.decoders.frames cimport (FRAME_ACK, FRAME_BOOK, FRAME_BUFFERED, FRAME_ERROR, FRAME_FUNDING, FRAME_NEED_SNAPSHOT,
                                   FRAME_NOTHING, FRAME_SHUTDOWN, FRAME_TRADE, FRAME_UNKNOWN, SNAPSHOT_ERROR,
                                   SNAPSHOT_IGNORED, SNAPSHOT_SYNCED, SNAPSHOT_TOO_OLD, SNAPSHOT_WAITING, frame_result_t,
                                   stamps_t)
from cext.decoders.message cimport (FUNDING_INDEX, FUNDING_INTERVAL, FUNDING_MARK, FUNDING_NEEDED, FUNDING_NEXT, FUNDING_RATE,
                                    MSG_ACK, MSG_DEPTH, MSG_ERROR, MSG_FUNDING, MSG_NO_SYMBOL, MSG_PONG, MSG_SHUTDOWN,
                                    MSG_SNAPSHOT, MSG_TOP, MSG_TRADES, message_t)
from cext.layout cimport (BOOK_CROSSED, BOOK_DEPTH_COMPLETE, BOOK_LEVELS, BOOK_TOP_NEWER, BOOK_VALID, SIDE_BUY, SIDE_SELL,
                          STATUS_INVALID, STATUS_LIVE, book_record_t, level_t, trade_record_t)


# ---------------------------------------------------------------- losing sync

cdef int lose_sync(stream_t *s) noexcept nogil:  # hot
    cdef int was_in_use = s.sync != SYNC_NONE
    if s.sync == SYNC_LIVE:
        s.stats.epoch += 1
        s.stats.resyncs += 1
        s.stats.status = STATUS_INVALID
    s.sync = SYNC_NONE
    s.update_id = 0
    s.order_id = 0
    s.depth_exch_ns = 0
    s.crossed_since_mono_ns = 0
    s.is_complete[SIDE_BUY] = 0
    s.is_complete[SIDE_SELL] = 0
    book_clear(&s.book)
    return was_in_use


cdef int lose_stream(stream_t *s) noexcept nogil:  # hot
    pending_clear(&s.pending)
    s.top_id = 0
    quiet_pause(&s.quiet)
    return lose_sync(s)


cdef int refuse(stream_t *s) noexcept nogil:  # hot
    """A message that contradicts the book: one of the two is wrong, so neither is believed."""
    s.stats.invalid += 1
    lose_stream(s)
    return FRAME_NEED_SNAPSHOT


# ---------------------------------------------------------------- what a change has to fulfil

cdef inline level_t merged_best(const stream_t *s, uint32_t side) noexcept nogil:  # hot
    return s.top[side] if s.top_id > s.order_id else book_best(&s.book, side)


cdef inline bint is_crossed(level_t bid, level_t ask) noexcept nogil:  # hot
    return bid.qty > 0 and ask.qty > 0 and bid.px >= ask.px


cdef bint contradicts_top(stream_t *s) noexcept nogil:  # hot
    """Depth and top of the same order id must tell the same best levels (on Binance they did 2,139 times of 2,139 in the
    recordings)."""
    cdef level_t bid
    cdef level_t ask
    if s.top_id == 0 or not s.rules.is_top_checked or s.top_id != s.order_id:
        return False
    bid = book_best(&s.book, SIDE_BUY)
    ask = book_best(&s.book, SIDE_SELL)
    s.stats.top_checks += 1
    return (bid.px != s.top[SIDE_BUY].px or bid.qty != s.top[SIDE_BUY].qty or ask.px != s.top[SIDE_SELL].px
            or ask.qty != s.top[SIDE_SELL].qty)


cdef int settle(stream_t *s, int64_t mono_ns) noexcept nogil:  # hot
    """After a change while in sync. FRAME_BOOK, or FRAME_NEED_SNAPSHOT when the book cannot be right."""
    if s.top_id > s.order_id and mono_ns - s.top_mono_ns > TOP_AHEAD_MAX_NS:
        return refuse(s)
    if not is_crossed(merged_best(s, SIDE_BUY), merged_best(s, SIDE_SELL)):
        s.crossed_since_mono_ns = 0
        return FRAME_BOOK
    if s.crossed_since_mono_ns == 0:
        s.crossed_since_mono_ns = mono_ns
    if mono_ns - s.crossed_since_mono_ns >= CROSSED_MAX_NS:
        return refuse(s)
    return FRAME_BOOK


# ---------------------------------------------------------------- depth

cdef bint apply_delta(stream_t *s, const delta_t *d, const level_t *bids, const level_t *asks) noexcept nogil:  # hot
    """False = the book cannot be right any more."""
    cdef int is_full = book_apply(&s.book, SIDE_BUY, bids, d.bid_count)
    is_full |= book_apply(&s.book, SIDE_SELL, asks, d.ask_count)
    s.update_id = d.last_id
    s.order_id = d.order_id
    s.depth_exch_ns = d.event_ns
    s.stats.applied += 1
    s.stats.crossed += is_crossed(book_best(&s.book, SIDE_BUY), book_best(&s.book, SIDE_SELL))
    return not is_full and not contradicts_top(s)


cdef inline void go_live(stream_t *s) noexcept nogil:  # hot
    s.sync = SYNC_LIVE
    s.stats.status = STATUS_LIVE


cdef void keep_delta(stream_t *s, const delta_t *d, const message_t *m) noexcept nogil:  # hot
    """Until the snapshot comes. What lies before a hole could never be joined across it, so it goes."""
    if s.pending.count > 0:
        if s.rules.is_duplicate(d, s.pending.last_id):
            s.stats.duplicates += 1
            return
        if not s.rules.follows(d, s.pending.last_id):
            pending_clear(&s.pending)
    pending_push(&s.pending, d, m.bids, m.asks)


cdef inline bint is_verified(const stream_t *s, const message_t *m) noexcept nogil:  # hot
    return not m.has_checksum or s.rules.verify == NULL or s.rules.verify(s, m)


cdef int join_delta(stream_t *s, const delta_t *d, const message_t *m, int64_t mono_ns) noexcept nogil:  # hot
    """A delta while the snapshot waits for the one that straddles it."""
    if s.rules.is_older(d, s.update_id):
        s.stats.duplicates += 1
        if d.last_id < s.update_id:
            return FRAME_NOTHING
        go_live(s)               # the stream has reached the very id of the snapshot
        return settle(s, mono_ns)
    if not s.rules.joins(d, s.update_id):
        lose_sync(s)
        keep_delta(s, d, m)
        return FRAME_NEED_SNAPSHOT
    go_live(s)
    return settle(s, mono_ns) if apply_delta(s, d, m.bids, m.asks) and is_verified(s, m) else refuse(s)


cdef int take_depth(stream_t *s, const message_t *m, int64_t mono_ns) noexcept nogil:  # hot
    cdef delta_t d
    d.first_id = m.first_id
    d.last_id = m.last_id
    d.previous_id = m.previous_id
    d.order_id = m.order_id
    d.event_ns = m.event_ns
    d.bid_count = m.bid_count
    d.ask_count = m.ask_count
    s.stats.msgs += 1
    quiet_learn(&s.quiet, mono_ns)
    if s.sync == SYNC_NONE:
        s.begins_with_delta |= not s.has_begun
        s.has_begun = True
        keep_delta(s, &d, m)
        return FRAME_BUFFERED
    if s.sync == SYNC_JOINING:
        return join_delta(s, &d, m, mono_ns)
    if s.rules.is_duplicate(&d, s.update_id):
        s.stats.duplicates += 1
        return FRAME_NOTHING
    if not s.rules.follows(&d, s.update_id):
        s.stats.gaps += 1
        lose_sync(s)
        keep_delta(s, &d, m)
        return FRAME_NEED_SNAPSHOT
    return settle(s, mono_ns) if apply_delta(s, &d, m.bids, m.asks) and is_verified(s, m) else refuse(s)


# ---------------------------------------------------------------- whole books

cdef bint load_levels(stream_t *s, const message_t *m) noexcept nogil:  # hot
    """The book is what the message says, in sync or not. False = it cannot be a book."""
    book_clear(&s.book)
    if book_apply(&s.book, SIDE_BUY, m.bids, m.bid_count) | book_apply(&s.book, SIDE_SELL, m.asks, m.ask_count):
        return False
    s.update_id = m.last_id
    s.order_id = m.order_id
    s.depth_exch_ns = m.event_ns
    s.is_complete[SIDE_BUY] = m.bid_count < m.depth_limit
    s.is_complete[SIDE_SELL] = m.ask_count < m.depth_limit
    return True


cdef int take_whole(stream_t *s, const message_t *m, int64_t mono_ns) noexcept nogil:  # hot
    s.stats.msgs += 1
    quiet_learn(&s.quiet, mono_ns)
    if not load_levels(s, m):
        return refuse(s)
    pending_free(&s.pending)
    s.has_begun = True
    s.begins_with_delta = False
    s.stats.applied += 1
    s.stats.crossed += is_crossed(book_best(&s.book, SIDE_BUY), book_best(&s.book, SIDE_SELL))
    go_live(s)
    return refuse(s) if contradicts_top(s) or not is_verified(s, m) else settle(s, mono_ns)


cdef int take_snapshot(stream_t *s, const message_t *m, int64_t mono_ns) noexcept nogil:  # hot
    """Load, drop what is older, apply what waits."""
    cdef uint32_t offset = 0
    cdef uint32_t older = 0
    cdef bint is_joined = False
    cdef const delta_t *d
    cdef const level_t *levels
    if s.sync == SYNC_LIVE:
        return SNAPSHOT_IGNORED
    lose_sync(s)
    while offset < s.pending.used_bytes and s.rules.is_older(pending_at(&s.pending, offset), m.last_id):
        offset += delta_bytes(pending_at(&s.pending, offset))
        older += 1
    if offset < s.pending.used_bytes and not s.rules.joins(pending_at(&s.pending, offset), m.last_id):
        return SNAPSHOT_TOO_OLD
    if not load_levels(s, m):
        lose_sync(s)
        return SNAPSHOT_ERROR
    s.stats.duplicates += older
    # The newest delta ends with the very id of the snapshot: the stream has reached it.
    is_joined = s.pending.count > 0 and s.pending.last_id == m.last_id and offset == s.pending.used_bytes
    while offset < s.pending.used_bytes:
        d = pending_at(&s.pending, offset)
        levels = delta_levels(d)
        is_joined = True
        if not apply_delta(s, d, levels, levels + d.bid_count):
            s.stats.invalid += 1
            lose_stream(s)
            return SNAPSHOT_ERROR
        offset += delta_bytes(d)
    pending_free(&s.pending)
    s.sync = SYNC_JOINING
    if not is_joined:
        return SNAPSHOT_WAITING
    go_live(s)
    return SNAPSHOT_SYNCED if settle(s, mono_ns) == FRAME_BOOK else SNAPSHOT_ERROR


# ---------------------------------------------------------------- top of book

cdef int take_top(stream_t *s, const message_t *m, int64_t mono_ns) noexcept nogil:  # hot
    s.stats.tops += 1
    quiet_learn(&s.quiet, mono_ns)
    if m.order_id <= s.top_id:
        s.stats.duplicates += 1
        return FRAME_NOTHING
    s.top_id = m.order_id
    s.top_exch_ns = m.event_ns
    s.top_mono_ns = mono_ns
    s.top[SIDE_BUY] = m.bid
    s.top[SIDE_SELL] = m.ask
    if s.sync != SYNC_LIVE:
        return FRAME_NOTHING
    if s.top_id <= s.order_id:
        return refuse(s) if contradicts_top(s) else FRAME_NOTHING
    return settle(s, mono_ns)


# ---------------------------------------------------------------- trades, funding

cdef inline bint is_new_trade(stream_t *s, uint64_t trade_id, uint32_t group) noexcept nogil:  # hot
    """The same trade comes again through a second connection."""
    if s.recent_trades != NULL:
        return recent_add(s.recent_trades, trade_id)
    if trade_id <= s.trade_ids[group]:
        return False
    s.trade_ids[group] = trade_id
    return True


cdef int take_trades(stream_t *s, message_t *m, const stamps_t *stamps, frame_result_t *out) noexcept nogil:  # hot
    cdef uint32_t kept = 0
    cdef uint32_t i
    cdef trade_record_t *trade
    for i in range(m.trade_count):
        if not is_new_trade(s, m.trades[i].trade_id, m.trade_group):
            s.stats.duplicates += 1
            continue
        if kept != i:
            m.trades[kept] = m.trades[i]
        trade = &m.trades[kept]
        trade.seq = 0
        trade.pad0 = 0
        trade.recv_mono_ns = stamps.frame_mono_ns
        trade.instrument_id = <uint32_t>m.row
        kept += 1
    if kept == 0:
        return FRAME_NOTHING
    out.row = m.row
    out.trades = m.trades
    out.trade_count = kept
    return FRAME_TRADE


cdef int take_funding(stream_t *s, const message_t *m, const stamps_t *stamps, frame_result_t *out) noexcept nogil:  # hot
    cdef funding_t *f = &s.funding
    f.known |= m.funding_given
    if m.funding_given & FUNDING_MARK:
        f.mark_px = m.mark_px
    if m.funding_given & FUNDING_INDEX:
        f.index_px = m.index_px
    if m.funding_given & FUNDING_RATE:
        f.rate_e8 = m.rate_e8
    if m.funding_given & FUNDING_NEXT:
        f.next_funding_ns = m.next_funding_ns
    if m.funding_given & FUNDING_INTERVAL:
        f.interval_s = m.interval_s
    if f.known & FUNDING_NEEDED != FUNDING_NEEDED:
        return FRAME_NOTHING
    out.row = m.row
    out.funding.seq = 0
    out.funding.exch_ns = m.event_ns
    out.funding.recv_mono_ns = stamps.frame_mono_ns
    out.funding.mark_px = f.mark_px
    out.funding.index_px = f.index_px
    out.funding.rate_e8 = f.rate_e8
    out.funding.next_funding_wall_ns = f.next_funding_ns
    out.funding.instrument_id = <uint32_t>m.row
    out.funding.interval_s = f.interval_s
    return FRAME_FUNDING


# ---------------------------------------------------------------- lag, records

cdef int64_t LAG_MARK_NS = 1_000_000_000


cdef void learn_lag(stream_t *s, int64_t exch_ns, int64_t recv_wall_ns) noexcept nogil:  # hot
    """exch_ns: 0 = the message has no event time. Two clocks drift apart: the smallest difference seen is let grow by 15
    millionths (2**-16), once a second, so that a drift of hours is not taken for a lag; a lag of 100 ms is forgiven after two
    hours at the earliest."""
    cdef int64_t raw_ns = recv_wall_ns - exch_ns
    cdef int64_t since_ns
    if exch_ns == 0:
        return
    s.stats.lag_raw_ns = raw_ns
    since_ns = recv_wall_ns - s.stats.lag_mark_ns
    if raw_ns < s.stats.lag_min_ns:
        s.stats.lag_min_ns = raw_ns
        s.stats.lag_mark_ns = recv_wall_ns
    elif since_ns >= LAG_MARK_NS or since_ns < 0:
        if since_ns > 0:
            s.stats.lag_min_ns += since_ns >> 16
        s.stats.lag_mark_ns = recv_wall_ns


cdef uint32_t fill_side(const stream_t *s, uint32_t side, bint is_top_newer, level_t *out) noexcept nogil:  # hot
    """Up to 16 merged levels, the rest zeroed. Levels from the first whose px * qty could overflow a sum on are left out."""
    cdef uint32_t count = 0
    cdef uint32_t i
    if not is_top_newer:
        count = book_walk(&s.book, side, 0, out, BOOK_LEVELS)
    elif s.top[side].qty > 0:
        out[0] = s.top[side]
        count = 1 + book_walk(&s.book, side, s.top[side].px, out + 1, BOOK_LEVELS - 1)
    for i in range(count):
        if <double>out[i].px * <double>out[i].qty >= LEVEL_NOTIONAL_LIMIT:
            count = i
            break
    if count < BOOK_LEVELS:
        memset(out + count, 0, (BOOK_LEVELS - count) * sizeof(level_t))
    return count


cdef void fill_record(const stream_t *s, uint32_t instrument_id, const stamps_t *stamps,
                      book_record_t *out) noexcept nogil:  # hot
    cdef bint is_top_newer = s.top_id > s.order_id
    out.batch_mono_ns = stamps.batch_mono_ns
    out.frame_mono_ns = stamps.frame_mono_ns
    out.recv_wall_ns = stamps.recv_wall_ns
    out.connection_id = stamps.connection_id
    out.depth_update_id = s.order_id
    out.top_update_id = s.top_id
    out.depth_exch_ns = s.depth_exch_ns
    out.exch_ns = s.top_exch_ns if is_top_newer else s.depth_exch_ns
    out.instrument_id = instrument_id
    out.epoch = s.stats.epoch
    out.quiet_limit_ms = s.quiet.limit_ms
    out.lag_ns = s.stats.lag_raw_ns - s.stats.lag_min_ns if s.stats.lag_min_ns != INT64_MAX else -1
    out.bid_levels_total = book_levels(&s.book, SIDE_BUY)
    out.ask_levels_total = book_levels(&s.book, SIDE_SELL)
    out.flags = 0
    out.bid_count = 0
    out.ask_count = 0
    if s.sync != SYNC_LIVE:
        memset(out.bids, 0, sizeof(out.bids))
        memset(out.asks, 0, sizeof(out.asks))
        return
    out.bid_count = fill_side(s, SIDE_BUY, is_top_newer, out.bids)
    out.ask_count = fill_side(s, SIDE_SELL, is_top_newer, out.asks)
    out.flags = BOOK_VALID
    if is_top_newer:
        out.flags |= BOOK_TOP_NEWER
    if is_crossed(out.bids[0], out.asks[0]):
        out.flags |= BOOK_CROSSED
    if (s.is_complete[SIDE_BUY] and s.is_complete[SIDE_SELL] and out.bid_levels_total < BOOK_LEVELS
            and out.ask_levels_total < BOOK_LEVELS):
        out.flags |= BOOK_DEPTH_COMPLETE


# ---------------------------------------------------------------- any message

cdef int take_error(market_state_t *state, const message_t *m, frame_result_t *out) noexcept nogil:  # hot
    """What a malformed book message would have said is lost: the row's book is in doubt from now on."""
    cdef stream_t *s
    state.error_frames += 1
    if m.row >= 0 and m.is_book:
        s = &state.streams[m.row]
        s.stats.invalid += 1
        if lose_stream(s):
            out.row = m.row
    return FRAME_ERROR


cdef int take_rare(market_state_t *state, message_t *m, const stamps_t *stamps, frame_result_t *out) noexcept nogil:  # hot
    """What is no book."""
    if m.kind == MSG_TRADES:
        return take_trades(&state.streams[m.row], m, stamps, out)
    if m.kind == MSG_FUNDING:
        return take_funding(&state.streams[m.row], m, stamps, out)
    if m.kind == MSG_ERROR:
        return take_error(state, m, out)
    if m.kind == MSG_ACK:
        out.ack_id = m.ack_id
        out.ack_error = m.ack_error
        return FRAME_ACK
    if m.kind == MSG_PONG:
        return FRAME_NOTHING
    if m.kind == MSG_SHUTDOWN:
        return FRAME_SHUTDOWN
    if m.kind == MSG_NO_SYMBOL:
        state.unknown_symbols += 1
    state.unknown_frames += 1
    return FRAME_UNKNOWN


cdef int take_message(market_state_t *state, const stamps_t *stamps, frame_result_t *out) noexcept nogil:  # hot
    cdef message_t *m = &state.message
    cdef stream_t *s
    state.frames += 1
    out.row = -1
    if m.kind == MSG_DEPTH or m.kind == MSG_TOP or m.kind == MSG_SNAPSHOT:
        s = &state.streams[m.row]
        out.row = m.row
        learn_lag(s, m.event_ns, stamps.recv_wall_ns)
        if m.kind == MSG_DEPTH:
            out.kind = take_depth(s, m, stamps.frame_mono_ns)
        elif m.kind == MSG_TOP:
            out.kind = take_top(s, m, stamps.frame_mono_ns)
        else:
            out.kind = take_whole(s, m, stamps.frame_mono_ns)
    else:
        out.kind = take_rare(state, m, stamps, out)
    return out.kind

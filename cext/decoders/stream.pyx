"""When is a Binance book true? The venue's sync rules, spot and USD-M, and the merging of the depth stream with the top-of-book
stream.

    spot   a snapshot with id L: deltas with u <= L are old; the first one used has U <= L+1 <= u; later ones U <= previous u + 1
    USD-M  a snapshot with id L: deltas with u < L are old; the first one used has U <= L <= u; later ones pu == previous u

A delta that does not follow makes the book INVALID at once, and is the first of those that wait for the next snapshot. The top of
book is kept
apart: while its update id is newer than the depth's it overlays level 0 and hides what it has passed; when the ids are equal both
must tell the same best levels, or the book is wrong. Sources: Binance spot web-socket-streams.md (rule text of 2025-11-12), USD-M
"how to manage a local order book correctly" (2026-05).

No I/O, no clock: times come with the frames."""
from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t
from libc.string cimport memset

from cext.book cimport book_apply, book_best, book_clear, book_levels, book_walk
from cext.decoders.binance_message cimport message_t
from cext.decoders.frames cimport (FRAME_BOOK, FRAME_BUFFERED, FRAME_NEED_SNAPSHOT, FRAME_NOTHING, SNAPSHOT_ERROR,
                                   SNAPSHOT_IGNORED,
                                   SNAPSHOT_SYNCED, SNAPSHOT_TOO_OLD, SNAPSHOT_WAITING, stamps_t)
from cext.layout cimport (BOOK_CROSSED, BOOK_DEPTH_COMPLETE, BOOK_LEVELS, BOOK_TOP_NEWER, BOOK_VALID, SIDE_BUY, SIDE_SELL,
                          STATUS_INVALID,
                          STATUS_LIVE, book_record_t, level_t)


# ---------------------------------------------------------------- the venue's rules

cdef inline bint is_older(const delta_t *d, uint64_t snapshot_id, bint is_linear) noexcept nogil:  # hot
    return d.last_id < snapshot_id if is_linear else d.last_id <= snapshot_id


cdef inline bint joins_snapshot(const delta_t *d, uint64_t snapshot_id, bint is_linear) noexcept nogil:  # hot
    """Of a delta that is not older: does it straddle the snapshot, or (USD-M) name it as the state that it follows?"""
    return d.first_id <= snapshot_id or d.previous_id == snapshot_id if is_linear else d.first_id <= snapshot_id + 1


cdef inline bint follows(const delta_t *d, uint64_t update_id, bint is_linear) noexcept nogil:  # hot
    """Of a delta that is newer: is it the next one? Spot may overlap: its quantities are absolute."""
    return d.previous_id == update_id if is_linear else d.first_id <= update_id + 1


# ---------------------------------------------------------------- losing sync

cdef int lose_sync(stream_t *s) noexcept nogil:  # hot
    cdef int was_in_use = s.sync != SYNC_NONE
    if s.sync == SYNC_LIVE:
        s.stats.epoch += 1
        s.stats.resyncs += 1
        s.stats.status = STATUS_INVALID
    s.sync = SYNC_NONE
    s.update_id = 0
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
    return s.top[side] if s.top_id > s.update_id else book_best(&s.book, side)


cdef inline bint is_crossed(level_t bid, level_t ask) noexcept nogil:  # hot
    return bid.qty > 0 and ask.qty > 0 and bid.px >= ask.px


cdef bint contradicts_top(stream_t *s) noexcept nogil:  # hot
    """Depth and top of the same update id must tell the same best levels (they did 2,139 times of 2,139 in the recordings)."""
    cdef level_t bid
    cdef level_t ask
    if s.top_id == 0 or s.top_id != s.update_id:
        return False
    bid = book_best(&s.book, SIDE_BUY)
    ask = book_best(&s.book, SIDE_SELL)
    s.stats.top_checks += 1
    return (bid.px != s.top[SIDE_BUY].px or bid.qty != s.top[SIDE_BUY].qty or ask.px != s.top[SIDE_SELL].px
            or ask.qty != s.top[SIDE_SELL].qty)


cdef int settle(stream_t *s, int64_t mono_ns) noexcept nogil:  # hot
    """After a change while in sync. FRAME_BOOK, or FRAME_NEED_SNAPSHOT when the book cannot be right."""
    if s.top_id > s.update_id and mono_ns - s.top_mono_ns > TOP_AHEAD_MAX_NS:
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
    s.depth_exch_ns = d.event_ns
    s.stats.applied += 1
    s.stats.crossed += is_crossed(book_best(&s.book, SIDE_BUY), book_best(&s.book, SIDE_SELL))
    return not is_full and not contradicts_top(s)


cdef inline void go_live(stream_t *s) noexcept nogil:  # hot
    s.sync = SYNC_LIVE
    s.stats.status = STATUS_LIVE


cdef void keep_delta(stream_t *s, const delta_t *d, const message_t *m, bint is_linear) noexcept nogil:  # hot
    """Until the snapshot comes. What lies before a hole could never be joined across it, so it goes."""
    if s.pending.count > 0:
        if d.last_id <= s.pending.last_id:
            s.stats.duplicates += 1
            return
        if not follows(d, s.pending.last_id, is_linear):
            pending_clear(&s.pending)
    pending_push(&s.pending, d, m.bids, m.asks)


cdef int join_delta(stream_t *s, const delta_t *d, const message_t *m, bint is_linear, int64_t mono_ns) noexcept nogil:  # hot
    """A delta while the snapshot waits for the one that straddles it."""
    if is_older(d, s.update_id, is_linear):
        s.stats.duplicates += 1
        if d.last_id < s.update_id:
            return FRAME_NOTHING
        go_live(s)               # spot: the stream has reached the very id of the snapshot
        return settle(s, mono_ns)
    if not joins_snapshot(d, s.update_id, is_linear):
        lose_sync(s)
        keep_delta(s, d, m, is_linear)
        return FRAME_NEED_SNAPSHOT
    go_live(s)
    return settle(s, mono_ns) if apply_delta(s, d, m.bids, m.asks) else refuse(s)


cdef int take_depth(stream_t *s, const message_t *m, bint is_linear, int64_t mono_ns) noexcept nogil:  # hot
    cdef delta_t d
    d.first_id = m.first_id
    d.last_id = m.last_id
    d.previous_id = m.previous_id
    d.event_ns = m.event_ns
    d.bid_count = m.bid_count
    d.ask_count = m.ask_count
    s.stats.msgs += 1
    quiet_learn(&s.quiet, mono_ns)
    if s.sync == SYNC_NONE:
        keep_delta(s, &d, m, is_linear)
        return FRAME_BUFFERED
    if s.sync == SYNC_JOINING:
        return join_delta(s, &d, m, is_linear, mono_ns)
    if d.last_id <= s.update_id:
        s.stats.duplicates += 1
        return FRAME_NOTHING
    if not follows(&d, s.update_id, is_linear):
        s.stats.gaps += 1
        lose_sync(s)
        keep_delta(s, &d, m, is_linear)
        return FRAME_NEED_SNAPSHOT
    return settle(s, mono_ns) if apply_delta(s, &d, m.bids, m.asks) else refuse(s)


cdef int take_snapshot(stream_t *s, const message_t *m, bint is_linear, int limit, int64_t mono_ns) noexcept nogil:  # hot
    """Load, drop what is older, apply what waits."""
    cdef uint32_t offset = 0
    cdef uint32_t older = 0
    cdef bint is_joined = False
    cdef const delta_t *d
    cdef const level_t *levels
    if s.sync == SYNC_LIVE:
        return SNAPSHOT_IGNORED
    lose_sync(s)
    while offset < s.pending.used_bytes and is_older(pending_at(&s.pending, offset), m.last_id, is_linear):
        offset += delta_bytes(pending_at(&s.pending, offset))
        older += 1
    if offset < s.pending.used_bytes and not joins_snapshot(pending_at(&s.pending, offset), m.last_id, is_linear):
        return SNAPSHOT_TOO_OLD
    if book_apply(&s.book, SIDE_BUY, m.bids, m.bid_count) | book_apply(&s.book, SIDE_SELL, m.asks, m.ask_count):
        lose_sync(s)
        return SNAPSHOT_ERROR
    s.update_id = m.last_id
    s.depth_exch_ns = m.event_ns
    s.is_complete[SIDE_BUY] = <int>m.bid_count < limit
    s.is_complete[SIDE_SELL] = <int>m.ask_count < limit
    s.stats.duplicates += older
    is_joined = not is_linear and s.pending.count > 0 and s.pending.last_id == m.last_id
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
    if m.last_id <= s.top_id:
        s.stats.duplicates += 1
        return FRAME_NOTHING
    s.top_id = m.last_id
    s.top_exch_ns = m.event_ns
    s.top_mono_ns = mono_ns
    s.top[SIDE_BUY] = m.bid
    s.top[SIDE_SELL] = m.ask
    if s.sync != SYNC_LIVE:
        return FRAME_NOTHING
    if s.top_id <= s.update_id:
        return refuse(s) if contradicts_top(s) else FRAME_NOTHING
    return settle(s, mono_ns)


# ---------------------------------------------------------------- lag, records

cdef void learn_lag(stream_t *s, int64_t exch_ns, int64_t recv_wall_ns) noexcept nogil:  # hot
    """exch_ns: 0 = the message has no event time."""
    cdef int64_t raw_ns = recv_wall_ns - exch_ns
    if exch_ns == 0:
        return
    s.stats.lag_raw_ns = raw_ns
    if raw_ns < s.stats.lag_min_ns:
        s.stats.lag_min_ns = raw_ns


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
    cdef bint is_top_newer = s.top_id > s.update_id
    out.batch_mono_ns = stamps.batch_mono_ns
    out.frame_mono_ns = stamps.frame_mono_ns
    out.recv_wall_ns = stamps.recv_wall_ns
    out.connection_id = stamps.connection_id
    out.depth_update_id = s.update_id
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

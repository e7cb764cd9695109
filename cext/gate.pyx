"""The gate (pre-trade risk): one function, all legs of an intent as one batch, all or none; the last code before the encoder.

Called by detect.pyx for the strategy's intents and by Core.submit for every repair, exit and manual order. Layers are asked in
the order of docs/gate.md and the first refusal wins; its reason code is counted. Only when every layer agrees are reservations
taken, so a refusal leaves no trace but its count. Orders that provably lower exposure pass the layers marked E in core.h: those
that exist to stop new risk. Nothing here reads a clock: data are as old as `now` says."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memset

from cext.instrument cimport MARKET_SPOT, instrument_t
from cext.money cimport int128_t, is_product_gt, notional_e8_ceil, rate_ceil

cdef extern from *:
    """
    #define SECOND_NS 1000000000ll
    #define MINUTE_NS 60000000000ll
    #define DAY_NS 86400000000000ll
    """
    const int64_t MINUTE_NS
    const int64_t DAY_NS

# What the layers have worked out about one intent; lives on the stack of pass_gate.
ctypedef struct check_t:
    int64_t notional_e8[LEGS_MAX]  # quote
    int64_t usd_e8[LEGS_MAX]
    int64_t added_e8[LEGS_MAX]     # USD of it that adds exposure
    int64_t quote_e8[LEGS_MAX]     # to reserve: quote or margin
    int64_t base_e8[LEGS_MAX]
    bint is_reducing


cdef int64_t leg_notional_e8(const core_t *core, const leg_order_t *leg) noexcept nogil:  # hot
    """Quote e8, rounded up, at the dearer of limit and best price: a sell executes at the bid or above its limit."""
    cdef const row_cold_t *row = &core.rows[leg.instrument_id]
    cdef int64_t px = leg.limit_px
    if leg.side == SIDE_SELL and leg.best_px > px:
        px = leg.best_px
    return notional_e8_ceil(px, leg.qty, row.notional_mul, row.notional_div)


cdef bint lowers_position(const core_t *core, const leg_order_t *leg) noexcept nogil:  # hot
    """Whether the order brings this instrument's position towards zero, whatever our open orders do, and not past it by a lot."""
    cdef const row_cold_t *row = &core.rows[leg.instrument_id]
    cdef const instrument_t *instrument = &core.instruments[leg.instrument_id]
    cdef int64_t left, arriving = leg.qty
    if leg.side == SIDE_SELL:
        left = row.position - row.in_flight_sell
    else:
        left = -row.position - row.in_flight_buy
        if instrument.fee_in_base:
            arriving -= rate_ceil(arriving, row.fee_e8)
    return left > 0 and arriving < left + instrument.lot_qty


cdef bint lowers_delta(const core_t *core, const leg_order_t *leg) noexcept nogil:  # hot
    """Whether the order lowers |net delta| of its underlying under every outcome of our open orders: what they may still do on
    the same side counts as done."""
    cdef const row_cold_t *row = &core.rows[leg.instrument_id]
    cdef const group_t *group = &core.groups[row.group]
    cdef const instrument_t *instrument = &core.instruments[leg.instrument_id]
    cdef int64_t left, arriving = leg.qty
    if leg.side == SIDE_SELL:
        left = group.delta - group.in_flight_sell
    else:
        left = -group.delta - group.in_flight_buy
        if instrument.fee_in_base:
            arriving -= rate_ceil(arriving, row.fee_e8)
    arriving *= row.group_mul
    return left > 0 and arriving < left + instrument.lot_qty * row.group_mul and arriving < 2 * left


cdef bint lowers_holding(const core_t *core, const intent_t *intent, const leg_order_t *leg) noexcept nogil:  # hot
    """Whether an exit's order gives back what its pair holds on the instrument, and not more. The account's own position may be
    smaller, or none: other trades of ours can hold the opposite there."""
    cdef const pair_hot_t *pair
    cdef const pair_cold_t *cold
    cdef int64_t held, arriving = leg.qty
    if intent.purpose != PURPOSE_EXIT or intent.pair_index >= <uint32_t>core.pair_count:
        return False
    pair = &core.pairs[intent.pair_index]
    cold = &core.pairs_cold[intent.pair_index]
    if pair.state != PAIR_OPEN or <uint64_t>intent.trade_id != cold.trade_id:
        return False
    if leg.instrument_id == <uint32_t>pair.row_a:
        held = cold.held_a_qty
    elif leg.instrument_id == <uint32_t>pair.row_b:
        held = cold.held_b_qty
    else:
        return False
    if leg.side == SIDE_BUY:
        held = -held
        if core.instruments[leg.instrument_id].fee_in_base:
            arriving -= rate_ceil(arriving, core.rows[leg.instrument_id].fee_e8)
    return held > 0 and arriving < held + core.instruments[leg.instrument_id].lot_qty


cdef bint is_reducing(const core_t *core, const intent_t *intent) noexcept nogil:  # hot
    """Two legs reduce when each lowers its own position, or what the pair that exits holds there; a single order when it lowers
    the net delta of its underlying."""
    cdef uint32_t k
    if intent.purpose == PURPOSE_ENTRY:
        return False
    if intent.leg_count == 1:
        return lowers_delta(core, &intent.legs[0])
    for k in range(intent.leg_count):
        if not lowers_position(core, &intent.legs[k]) and not lowers_holding(core, intent, &intent.legs[k]):
            return False
    return True


cdef int64_t added_usd_e8(const core_t *core, const intent_t *intent, const leg_order_t *leg,
                          int64_t usd_e8) noexcept nogil:  # hot
    """What an order adds to exposure in USD: all of it, but for an entry that moves inventory back to where it came from. Such a
    spot order takes the row's position away first; only what it builds up beyond as much on the other side is more."""
    cdef const row_cold_t *row = &core.rows[leg.instrument_id]
    if (intent.purpose != PURPOSE_ENTRY or row.position == 0 or core.instruments[leg.instrument_id].market != MARKET_SPOT
            or (row.position > 0) == (leg.side == SIDE_BUY) or core.hot[leg.instrument_id].in_flight):
        return usd_e8
    return usd_e8 - 2 * row.exposure_e8 if usd_e8 > 2 * row.exposure_e8 else 0


cdef uint32_t check_trading_state(const core_t *core, const intent_t *intent, bint reducing) noexcept nogil:  # hot
    """ACTIVE and CAUTIOUS: everything. RESTRICTED: reducing orders. HALTED, EMERGENCY: only single orders that lower a residual
    delta."""
    cdef uint32_t word = core.trading_word
    if word <= TRADING_CAUTIOUS:
        return GATE_OK
    if word == TRADING_RESTRICTED:
        if reducing:
            return GATE_OK
        return GATE_RESTRICTED if intent.purpose == PURPOSE_ENTRY else GATE_NOT_REDUCING
    if reducing and intent.leg_count == 1:
        return GATE_OK
    return GATE_HALTED if word == TRADING_HALTED else GATE_KILLED


cdef uint32_t check_breaker(core_t *core, int64_t now_mono_ns) noexcept nogil:  # hot
    """OPEN lets nothing new through until its time is over; then HALF_OPEN lets one intent out and waits for its outcome."""
    cdef breaker_t *breaker = &core.breaker
    if breaker.state == BREAKER_CLOSED:
        return GATE_OK
    if now_mono_ns - breaker.opened_mono_ns < core.limits.breaker_recovery_ns:
        return GATE_BREAKER_OPEN if breaker.state == BREAKER_OPEN else GATE_BREAKER_PROBE
    return GATE_OK


cdef uint32_t check_locks(const core_t *core, const intent_t *intent, int64_t now_mono_ns) noexcept nogil:  # hot
    """Locks on everything, a venue or an instrument, each until its time."""
    cdef uint32_t k
    if now_mono_ns < core.lock_all_until_mono_ns:
        return GATE_LOCK_ALL
    for k in range(intent.leg_count):
        if now_mono_ns < core.venue_lock_until_mono_ns[core.instruments[intent.legs[k].instrument_id].venue_id]:
            return GATE_LOCK_VENUE
        if now_mono_ns < core.rows[intent.legs[k].instrument_id].lock_until_mono_ns:
            return GATE_LOCK_ROW
    return GATE_OK


cdef uint32_t check_sessions(const core_t *core, const intent_t *intent) noexcept nogil:  # hot
    """Every leg's order session is ready, and the venue trades the instrument."""
    cdef uint32_t k
    for k in range(intent.leg_count):
        if not core.session_ready[core.rows[intent.legs[k].instrument_id].session]:
            return GATE_SESSION_DOWN
        if not core.instruments[intent.legs[k].instrument_id].is_tradable:
            return GATE_NOT_TRADABLE
    return GATE_OK


cdef uint32_t check_opportunity(const core_t *core, const intent_t *intent, bint reducing,
                                int64_t now_mono_ns) noexcept nogil:  # hot
    """An entry must pay, in the worst case too, and come from a record that is young; nothing is sent after its time-to-live."""
    if now_mono_ns >= intent.expires_mono_ns:
        return GATE_EXPIRED
    if intent.purpose == PURPOSE_ENTRY:
        if intent.expected_net_e8 <= 0:
            return GATE_NO_EDGE
        if intent.worst_net_e8 <= 0:
            return GATE_WORST_NET
        if (intent.pair_index < <uint32_t>core.pair_count
                and intent.confidence_e4 < core.pairs_cold[intent.pair_index].quality_min_e4):
            return GATE_QUALITY
    if not reducing and intent.batch_mono_ns != 0 and now_mono_ns - intent.batch_mono_ns > core.limits.max_decision_age_ns:
        return GATE_DECISION_AGE
    return GATE_OK


cdef uint32_t check_rows_data(const core_t *core, const int32_t *rows, uint32_t count, int64_t now_mono_ns) noexcept nogil:  # hot
    """The four questions about data, of every row's book, at this moment: in sync, alive, not quiet, not lagging; and between
    them skew."""
    cdef uint32_t k
    cdef const row_hot_t *hot
    cdef const book_record_t *book
    cdef int64_t alive, age, limit, newest = 0, oldest = 0
    for k in range(count):
        hot = &core.hot[rows[k]]
        book = &core.books[rows[k]]
        if not (hot.flags & BOOK_VALID):
            return GATE_BOOK_INVALID
        if hot.flags & BOOK_CROSSED:
            return GATE_BOOK_CROSSED
        alive = core.alive_mono_ns[hot.connection]
        if alive == 0 or now_mono_ns - alive > core.limits.ws_stale_ns:
            return GATE_NOT_ALIVE
        age = now_mono_ns - hot.data_mono_ns
        limit = <int64_t>book.quiet_limit_ms * 1000000 if book.quiet_limit_ms > 0 else core.limits.quiet_unlearned_ns
        if age > limit:
            return GATE_QUIET
        if book.lag_ns > core.limits.max_lag_ns:
            return GATE_LAG
        if k == 0 or alive > newest:
            newest = alive
        if k == 0 or alive < oldest:
            oldest = alive
    if newest - oldest > core.limits.max_skew_ns:
        return GATE_SKEW
    return GATE_OK


cdef double usd_mid(const core_t *core, int32_t row) noexcept nogil:  # hot
    """Middle of the best prices of one underlying unit in USD; 0 when the book is not usable or its quote has no rate. A double:
    it is compared with a band of per cents and goes into no amount."""
    cdef const row_hot_t *hot = &core.hot[row]
    cdef const instrument_t *instrument = &core.instruments[row]
    if hot.bid <= 0.0 or hot.ask > 1e300:
        return 0.0
    return (hot.bid + hot.ask) * 0.5 / <double>instrument.multiplier * <double>core.usd_rate_e8[instrument.quote_asset]


cdef bint is_off_the_others(const core_t *core, int32_t row, int64_t now_mono_ns) noexcept nogil:  # hot
    """Whether a book's middle is further from the median of the underlying's books at other venues than the band: another symbol
    in the slot, a redenominated coin or a forked one look like an edge. Of an even number the median is all that lies between the
    two in the middle, so that of two others one wrong does not convict. Dead books have no vote, and alone nobody is wrong."""
    cdef const group_t *group = &core.groups[core.rows[row].group]
    cdef double mids[BAND_MIDS_MAX]
    cdef double mid, own = usd_mid(core, row)
    cdef uint32_t venue = core.instruments[row].venue_id
    cdef int32_t other, at, k, count = 0
    cdef int64_t alive
    for k in range(group.rows_begin, group.rows_end):
        other = core.group_rows[k]
        if core.instruments[other].venue_id == venue or count == BAND_MIDS_MAX:
            continue
        alive = core.alive_mono_ns[core.hot[other].connection]
        mid = usd_mid(core, other)
        if mid <= 0.0 or alive == 0 or now_mono_ns - alive > core.limits.ws_stale_ns:
            continue
        at = count
        while at > 0 and mids[at - 1] > mid:
            mids[at] = mids[at - 1]
            at -= 1
        mids[at] = mid
        count += 1
    if count == 0 or own <= 0.0:
        return False
    if own < mids[(count - 1) // 2]:
        return own * <double>E8 < mids[(count - 1) // 2] * <double>(E8 - core.limits.price_band_ratio_e8)
    return own * <double>E8 > mids[count // 2] * <double>(E8 + core.limits.price_band_ratio_e8)


cdef uint32_t check_rows_band(const core_t *core, const int32_t *rows, uint32_t count, int64_t now_mono_ns) noexcept nogil:  # hot
    """Each row's price against what the other venues say."""
    cdef uint32_t k
    if core.limits.price_band_ratio_e8 == 0:
        return GATE_OK
    for k in range(count):
        if is_off_the_others(core, rows[k], now_mono_ns):
            return GATE_PRICE_BAND
    return GATE_OK


cdef uint32_t check_books(const core_t *core, const intent_t *intent, int64_t now_mono_ns) noexcept nogil:  # hot
    """What is asked of the books of all legs."""
    cdef int32_t rows[LEGS_MAX]
    cdef uint32_t k, reason
    for k in range(intent.leg_count):
        rows[k] = <int32_t>intent.legs[k].instrument_id
    reason = check_rows_data(core, rows, intent.leg_count, now_mono_ns)
    return reason if reason != GATE_OK else check_rows_band(core, rows, intent.leg_count, now_mono_ns)


cdef bint is_beyond(uint32_t side, int64_t limit_px, int64_t reference_px, int64_t ratio_e8) noexcept nogil:  # hot
    """A buy above reference * (1 + ratio), a sell below reference * (1 - ratio). Prices below 2**62, ratio <= 1e8: 128 bits
    hold it."""
    if side == SIDE_BUY:
        return is_product_gt(limit_px, E8, reference_px, E8 + ratio_e8)
    return is_product_gt(reference_px, E8 - ratio_e8, limit_px, E8)


cdef uint32_t check_prices(const core_t *core, const intent_t *intent, bint reducing, int64_t now_mono_ns) noexcept nogil:  # hot
    """Collars: the limit against the best price of the side it takes, and against the mark. A reducing order has a wider one,
    and may use the last best price of a book that is not valid any more; without any reference nothing is sent."""
    cdef const limits_t *limits = &core.limits
    cdef int64_t ratio = limits.reduce_collar_ratio_e8 if reducing else limits.collar_ratio_e8
    cdef int64_t mark_ratio = limits.reduce_collar_ratio_e8 if reducing else limits.mark_collar_ratio_e8
    cdef const leg_order_t *leg
    cdef const row_cold_t *row
    cdef const book_record_t *book
    cdef int64_t best
    cdef bint has_mark
    cdef uint32_t k
    for k in range(intent.leg_count):
        leg = &intent.legs[k]
        row = &core.rows[leg.instrument_id]
        book = &core.books[leg.instrument_id]
        if leg.side == SIDE_BUY:
            best = book.asks[0].px if book.ask_count > 0 and (book.flags & BOOK_VALID) else row.last_ask_px
        else:
            best = book.bids[0].px if book.bid_count > 0 and (book.flags & BOOK_VALID) else row.last_bid_px
        has_mark = row.mark_px > 0 and now_mono_ns - row.mark_mono_ns <= MARK_AGE_NS_MAX
        if best <= 0 and not has_mark:
            return GATE_NO_REFERENCE
        if best > 0 and is_beyond(leg.side, leg.limit_px, best, ratio):
            return GATE_COLLAR_BEST
        if has_mark and is_beyond(leg.side, leg.limit_px, row.mark_px, mark_ratio):
            return GATE_COLLAR_MARK
    return GATE_OK


cdef uint32_t check_filters(const core_t *core, const intent_t *intent) noexcept nogil:  # hot
    """The venue's own filters: what it would reject is not sent."""
    cdef const leg_order_t *leg
    cdef const instrument_t *instrument
    cdef uint32_t k
    for k in range(intent.leg_count):
        leg = &intent.legs[k]
        instrument = &core.instruments[leg.instrument_id]
        if leg.qty <= 0 or leg.limit_px <= 0 or leg.side > SIDE_SELL:
            return GATE_BAD_ORDER
        if leg.limit_px < instrument.min_px:
            return GATE_MIN_PX
        if leg.limit_px > instrument.max_px:
            return GATE_MAX_PX
        if leg.limit_px % instrument.tick_px != 0:
            return GATE_TICK
        if leg.qty < instrument.min_qty:
            return GATE_MIN_QTY
        if leg.qty > instrument.max_qty:
            return GATE_MAX_QTY
        if leg.qty % instrument.lot_qty != 0:
            return GATE_LOT
        if <int128_t>leg.limit_px * leg.qty < instrument.min_notional and not (leg.flags & LEG_REDUCE_ONLY):
            return GATE_MIN_NOTIONAL
    return GATE_OK


cdef uint32_t check_exposure(const core_t *core, const intent_t *intent, check_t *check) noexcept nogil:  # hot
    """Notional of each order, and what instrument, underlying, venue and all together would carry, in USD; in flight counts."""
    cdef const limits_t *limits = &core.limits
    cdef const row_cold_t *row
    cdef const group_t *group
    cdef uint32_t k, j, venue
    cdef int64_t usd, added, max_order = limits.max_order_e8
    cdef int64_t on_row, on_group, on_venue, any_added = 0, on_all = core.exposure_e8 + core.in_flight_e8
    if core.trading_word == TRADING_CAUTIOUS:
        max_order = <int64_t>(<int128_t>max_order * limits.cautious_ratio_e8 // E8)
    for k in range(intent.leg_count):
        row = &core.rows[intent.legs[k].instrument_id]
        group = &core.groups[row.group]
        venue = core.instruments[intent.legs[k].instrument_id].venue_id
        usd = check.usd_e8[k]
        if usd < 0:
            return GATE_NO_USD_RATE
        if usd > max_order:
            return GATE_CAUTIOUS_SIZE if usd <= limits.max_order_e8 else GATE_ORDER_NOTIONAL
        on_row = row.exposure_e8 + row.in_flight_e8
        on_group = group.exposure_e8 + group.in_flight_e8
        on_venue = core.venue_exposure_e8[venue] + core.venue_in_flight_e8[venue]
        added = added_usd_e8(core, intent, &intent.legs[k], usd)
        check.added_e8[k] = added
        on_all += added
        any_added |= added
        for j in range(k + 1):
            if intent.legs[j].instrument_id == intent.legs[k].instrument_id:
                on_row += check.added_e8[j]
            if core.rows[intent.legs[j].instrument_id].group == row.group:
                on_group += check.added_e8[j]
            if core.instruments[intent.legs[j].instrument_id].venue_id == venue:
                on_venue += check.added_e8[j]
        if added:  # what adds nothing is not held back by limits that others have used up
            if on_row > limits.max_position_e8:
                return GATE_POSITION_LIMIT
            if on_group > limits.max_symbol_e8:
                return GATE_SYMBOL_NOTIONAL
            if on_venue > limits.max_venue_e8:
                return GATE_VENUE_NOTIONAL
        if group.delta_usd_e8 + usd > limits.max_delta_e8:
            return GATE_DELTA_LIMIT
    if any_added and on_all > limits.max_total_e8:
        return GATE_TOTAL_NOTIONAL
    if intent.purpose == PURPOSE_ENTRY and core.open_pairs >= limits.max_open_pairs:
        return GATE_OPEN_PAIRS
    return GATE_OK


cdef uint32_t check_losses(const core_t *core, int64_t now_wall_ns) noexcept nogil:  # hot
    """What was lost today (UTC), in the last 60 minutes, and how often in a row."""
    cdef const losses_t *losses = &core.losses
    cdef int64_t minute, hour_e8 = 0
    cdef int k
    if losses.consecutive >= core.limits.consecutive_losses:
        return GATE_LOSS_CONSECUTIVE
    if losses.day == now_wall_ns // DAY_NS and -losses.day_e8 >= core.limits.daily_loss_e8:
        return GATE_LOSS_DAILY
    if losses.peak_e8 - losses.total_e8 >= core.limits.max_drawdown_e8:
        return GATE_DRAWDOWN
    if losses.newest_minute == 0:
        return GATE_OK
    minute = now_wall_ns // MINUTE_NS
    if minute - losses.newest_minute >= LOSS_BUCKETS:
        return GATE_OK
    for k in range(LOSS_BUCKETS):
        if minute - losses.minute[k] < LOSS_BUCKETS:
            hour_e8 += losses.minute_e8[k]
    if -hour_e8 >= core.limits.hourly_loss_e8:
        return GATE_LOSS_HOURLY
    return GATE_OK


cdef int64_t held_back_e8(const core_t *core, const intent_t *intent, uint32_t leg_index,
                          int64_t pledged_e8) noexcept nogil:  # hot
    """Of what is pledged to open trades, the part that this order must leave: all of it for an entry or an order by hand, what is
    not its own trade's for a repair. An exit sells what its own pair holds."""
    cdef int64_t left
    if pledged_e8 == 0 or intent.purpose == PURPOSE_EXIT:
        return 0
    if intent.purpose == PURPOSE_ENTRY or intent.purpose == PURPOSE_MANUAL:
        return pledged_e8
    left = pledged_e8 - core.own_pledge_e8[leg_index]
    return left if left > 0 else 0


cdef uint32_t check_spot_balance(const core_t *core, const intent_t *intent, uint32_t k, check_t *check) noexcept nogil:  # hot
    """Quote for a spot buy (and its fee where taken in quote), base for a spot sell. In a unified account what margin holds stays
    as well."""
    cdef const leg_order_t *leg = &intent.legs[k]
    cdef const row_cold_t *row = &core.rows[leg.instrument_id]
    cdef const balance_t *balance
    cdef int64_t need, used
    cdef uint32_t j
    if leg.side == SIDE_BUY:
        balance = &core.balances[row.quote_slot]
        need = check.notional_e8[k]
        if not core.instruments[leg.instrument_id].fee_in_base:
            need += rate_ceil(need, row.fee_e8)
    else:
        balance = &core.balances[row.base_slot]
        need = leg.qty * row.base_mul
    used = balance.reserved_e8 + balance.margin_e8
    if balance.pledged_e8:
        used += held_back_e8(core, intent, k, balance.pledged_e8)
    for j in range(k):
        if &core.balances[core.rows[intent.legs[j].instrument_id].quote_slot] == balance:
            used += check.quote_e8[j]
        if &core.balances[core.rows[intent.legs[j].instrument_id].base_slot] == balance:
            used += check.base_e8[j]
    if need > balance.free_e8 - used:
        return GATE_BALANCE_QUOTE if leg.side == SIDE_BUY else GATE_BALANCE_BASE
    if leg.side == SIDE_BUY:
        check.quote_e8[k] = need
    else:
        check.base_e8[k] = need
    return GATE_OK


cdef uint32_t check_margin(const core_t *core, const intent_t *intent, uint32_t k, check_t *check) noexcept nogil:  # hot
    """Margin and fee of a linear order: within the wallet, and for what adds risk within the share of it that margin may use.
    What spot orders of the same account hold leaves the wallet and carries no margin."""
    cdef const leg_order_t *leg = &intent.legs[k]
    cdef const row_cold_t *row = &core.rows[leg.instrument_id]
    cdef const balance_t *wallet = &core.balances[row.quote_slot]
    cdef int64_t need = check.notional_e8[k]
    cdef int64_t leaves = wallet.reserved_spot_e8, used
    cdef uint32_t j, other
    if row.leverage_e2 != 100:
        need = (need * 100 + row.leverage_e2 - 1) // row.leverage_e2
    need += rate_ceil(check.notional_e8[k], row.fee_e8)
    used = wallet.reserved_e8 - wallet.reserved_spot_e8 + wallet.margin_e8 + need
    if wallet.pledged_e8:
        leaves += held_back_e8(core, intent, k, wallet.pledged_e8)
    for j in range(k):
        other = intent.legs[j].instrument_id
        if core.rows[other].quote_slot == row.quote_slot:
            if core.instruments[other].market == MARKET_SPOT:
                leaves += check.quote_e8[j]
            else:
                used += check.quote_e8[j]
        if check.base_e8[j] and core.rows[other].base_slot == row.quote_slot:
            leaves += check.base_e8[j]
    if used > wallet.free_e8 - leaves:
        return GATE_MARGIN
    if not check.is_reducing and is_product_gt(used, E8, wallet.free_e8 - leaves, core.limits.margin_use_ratio_e8):
        return GATE_MARGIN_USE
    check.quote_e8[k] = need
    return GATE_OK


cdef uint32_t check_balances(const core_t *core, const intent_t *intent, check_t *check) noexcept nogil:  # hot
    """What each order needs of its account's balances; earlier legs of the batch and everything in flight count. Leaves in
    `check` what each leg is to reserve."""
    cdef const leg_order_t *leg
    cdef uint32_t k, reason
    for k in range(intent.leg_count):
        leg = &intent.legs[k]
        check.quote_e8[k] = 0
        check.base_e8[k] = 0
        if core.instruments[leg.instrument_id].market == MARKET_SPOT:
            reason = check_spot_balance(core, intent, k, check)
        elif leg.flags & LEG_REDUCE_ONLY or lowers_position(core, leg):
            continue  # frees margin
        else:
            reason = check_margin(core, intent, k, check)
        if reason != GATE_OK:
            return reason
    return GATE_OK


cdef uint32_t check_rates(const core_t *core, const intent_t *intent, bint reducing, int64_t now_mono_ns) noexcept nogil:  # hot
    """Intents in flight, and orders a second of each session; the last slice of a burst is for reducing orders."""
    cdef int64_t due, burst, cost
    cdef uint32_t k, j, session, count
    if intent.kind == INTENT_HEDGE_ON_FILL:
        if core.resting >= core.limits.max_resting:
            return GATE_IN_FLIGHT
    elif not reducing and core.in_flight >= core.limits.max_in_flight:
        return GATE_IN_FLIGHT
    for k in range(intent.leg_count):
        session = core.rows[intent.legs[k].instrument_id].session
        count = 1
        for j in range(k):
            if core.rows[intent.legs[j].instrument_id].session == session:
                count += 1
        due = core.session_due_ns[session]
        if due < now_mono_ns:
            due = now_mono_ns
        cost = core.session_cost_ns[session]
        burst = core.session_burst[session] if reducing else core.session_burst_entry[session]
        if due + count * cost - now_mono_ns > burst * cost:
            return GATE_ORDER_RATE
    if intent.purpose == PURPOSE_ENTRY:
        due = core.entry_due_ns if core.entry_due_ns > now_mono_ns else now_mono_ns
        if due + core.limits.entry_cost_ns - now_mono_ns > core.limits.entry_burst * core.limits.entry_cost_ns:
            return GATE_TRADE_RATE
    return GATE_OK


cdef void reserve(core_t *core, intent_slot_t *slot, const check_t *check, int64_t now_mono_ns) noexcept nogil:  # hot
    """Every layer agreed: takes what the orders may use, until release_leg. The second leg of an order that rests is a plan: its
    amounts are held for hedges to come, but no order is out."""
    cdef intent_t *intent = &slot.intent
    cdef bint rests = intent.kind == INTENT_HEDGE_ON_FILL
    cdef uint32_t orders = 1 if rests else intent.leg_count
    cdef leg_order_t *leg
    cdef reservation_t *held
    cdef row_cold_t *row
    cdef row_hot_t *hot
    cdef group_t *group
    cdef uint32_t k, venue
    for k in range(intent.leg_count):
        leg = &intent.legs[k]
        held = &slot.legs[k]
        row = &core.rows[leg.instrument_id]
        hot = &core.hot[leg.instrument_id]
        group = &core.groups[row.group]
        held.quote_e8 = check.quote_e8[k]
        held.base_e8 = check.base_e8[k]
        held.usd_e8 = 0 if check.is_reducing else check.added_e8[k]
        held.qty = leg.qty
        held.row = <int32_t>leg.instrument_id
        held.side = leg.side
        held.is_active = 1
        held.adds_risk = 0 if check.is_reducing else 1
        held.is_plan = k >= orders
        leg.reserved_quote = held.quote_e8
        leg.reserved_base = held.base_e8
        core.balances[row.quote_slot].reserved_e8 += held.quote_e8
        core.balances[row.base_slot].reserved_e8 += held.base_e8
        if core.instruments[leg.instrument_id].market == MARKET_SPOT:
            core.balances[row.quote_slot].reserved_spot_e8 += held.quote_e8
            core.balances[row.base_slot].reserved_spot_e8 += held.base_e8
        if held.usd_e8 > 0:
            venue = core.instruments[leg.instrument_id].venue_id
            row.in_flight_e8 += held.usd_e8
            group.in_flight_e8 += held.usd_e8
            core.venue_in_flight_e8[venue] += held.usd_e8
            core.in_flight_e8 += held.usd_e8
        if held.is_plan:
            continue
        if leg.side == SIDE_BUY:
            row.in_flight_buy += leg.qty
            group.in_flight_buy += leg.qty * row.group_mul
        else:
            row.in_flight_sell += leg.qty
            group.in_flight_sell += leg.qty * row.group_mul
        hot.in_flight += 1
        # This liquidity is taken: only a later and different book may be traded on.
        if now_mono_ns > hot.consumed_mono_ns:
            hot.consumed_mono_ns = now_mono_ns
        row.consumed_ids = core.books[leg.instrument_id].depth_update_id + core.books[leg.instrument_id].top_update_id
        if core.session_due_ns[row.session] < now_mono_ns:
            core.session_due_ns[row.session] = now_mono_ns
        core.session_due_ns[row.session] += core.session_cost_ns[row.session]
    if intent.purpose == PURPOSE_ENTRY:
        if core.entry_due_ns < now_mono_ns:
            core.entry_due_ns = now_mono_ns
        core.entry_due_ns += core.limits.entry_cost_ns
    slot.open_legs = (1 << intent.leg_count) - 1
    slot.is_resting = rests
    if rests:
        core.resting += 1
    else:
        core.in_flight += 1
    core.in_flight_orders += orders
    core.counters.intents += 1
    core.counters.orders += orders
    if not check.is_reducing and core.breaker.state != BREAKER_CLOSED:
        core.breaker.state = BREAKER_HALF_OPEN
        core.breaker.opened_mono_ns = now_mono_ns  # the next probe only after another recovery time without an outcome


cdef uint32_t check_all(core_t *core, const intent_t *intent, check_t *check, int64_t now_mono_ns,
                        int64_t now_wall_ns) noexcept nogil:  # hot
    """The layers, in order. Returns the first refusal, or GATE_OK."""
    cdef uint32_t reason, k
    cdef int64_t rate
    cdef bint reducing = is_reducing(core, intent)
    check.is_reducing = reducing
    reason = check_trading_state(core, intent, reducing)
    if reason != GATE_OK:
        return reason
    if not reducing:
        reason = check_breaker(core, now_mono_ns)
        if reason != GATE_OK:
            return reason
        reason = check_locks(core, intent, now_mono_ns)
        if reason != GATE_OK:
            return reason
    reason = check_sessions(core, intent)
    if reason != GATE_OK:
        return reason
    reason = check_opportunity(core, intent, reducing, now_mono_ns)
    if reason != GATE_OK:
        return reason
    if not reducing:
        reason = check_books(core, intent, now_mono_ns)
        if reason != GATE_OK:
            return reason
    reason = check_prices(core, intent, reducing, now_mono_ns)
    if reason != GATE_OK:
        return reason
    reason = check_filters(core, intent)
    if reason != GATE_OK:
        return reason
    for k in range(intent.leg_count):
        check.notional_e8[k] = leg_notional_e8(core, &intent.legs[k])
        rate = core.usd_rate_e8[core.instruments[intent.legs[k].instrument_id].quote_asset]
        check.usd_e8[k] = check.notional_e8[k] if rate == E8 else rate_ceil(check.notional_e8[k], rate) if rate > 0 else -1
    if not reducing:
        reason = check_exposure(core, intent, check)
        if reason != GATE_OK:
            return reason
        reason = check_losses(core, now_wall_ns)
        if reason != GATE_OK:
            return reason
    reason = check_balances(core, intent, check)
    if reason != GATE_OK:
        return reason
    reason = check_rates(core, intent, reducing, now_mono_ns)
    if reason != GATE_OK:
        return reason
    return GATE_DRY_RUN if core.is_dry_run else GATE_OK


cdef uint32_t would_pass(core_t *core, const intent_t *intent, int64_t now_mono_ns, int64_t now_wall_ns) noexcept nogil:  # hot
    """What the layers say of an intent, without counting or reserving. Only while the breaker is closed: an open one changes by
    being asked."""
    cdef check_t check
    return check_all(core, intent, &check, now_mono_ns,
                     now_wall_ns) if core.breaker.state == BREAKER_CLOSED else GATE_BREAKER_OPEN


cdef uint32_t pass_gate(core_t *core, intent_slot_t *slot, int64_t now_mono_ns, int64_t now_wall_ns) noexcept nogil:  # hot
    """Asks every layer about slot.intent and, if all agree, reserves. Returns GATE_OK or the refusal, which is counted.
    The legs' instrument ids are rows of this core, leg_count is 1..LEGS_MAX (checked by who builds the intent)."""
    cdef check_t check
    cdef uint32_t reason = check_all(core, &slot.intent, &check, now_mono_ns, now_wall_ns)
    core.counters.refused[reason] += 1  # [GATE_OK] counts what passed
    if reason == GATE_OK:
        reserve(core, slot, &check, now_mono_ns)
    return reason


cdef void release_leg(core_t *core, intent_slot_t *slot, uint32_t leg_index) noexcept nogil:  # hot
    """Gives back what one order holds; the caller has seen that it holds something."""
    cdef reservation_t *held = &slot.legs[leg_index]
    cdef row_cold_t *row = &core.rows[held.row]
    cdef group_t *group = &core.groups[row.group]
    cdef uint32_t venue = core.instruments[held.row].venue_id
    core.balances[row.quote_slot].reserved_e8 -= held.quote_e8
    core.balances[row.base_slot].reserved_e8 -= held.base_e8
    if core.instruments[held.row].market == MARKET_SPOT:
        core.balances[row.quote_slot].reserved_spot_e8 -= held.quote_e8
        core.balances[row.base_slot].reserved_spot_e8 -= held.base_e8
    row.in_flight_e8 -= held.usd_e8
    group.in_flight_e8 -= held.usd_e8
    core.venue_in_flight_e8[venue] -= held.usd_e8
    core.in_flight_e8 -= held.usd_e8
    if not held.is_plan:
        if held.side == SIDE_BUY:
            row.in_flight_buy -= held.qty
            group.in_flight_buy -= held.qty * row.group_mul
        else:
            row.in_flight_sell -= held.qty
            group.in_flight_sell -= held.qty * row.group_mul
        core.hot[held.row].in_flight -= 1
        core.in_flight_orders -= 1
        if slot.is_resting:
            row.quote_pair = 0
            core.pairs_cold[slot.intent.pair_index].quote_px = 0
    held.is_active = 0
    slot.open_legs &= ~(<uint32_t>1 << leg_index)
    if slot.open_legs == 0:
        if slot.is_resting:
            core.resting -= 1
        else:
            core.in_flight -= 1


cdef bint is_error_rate_high(const core_t *core, int64_t now_mono_ns) noexcept nogil:  # hot
    """Whether too many of the outcomes in the window are failures; too few outcomes prove nothing."""
    cdef const breaker_t *breaker = &core.breaker
    cdef int64_t samples = 0, failures = 0
    cdef int64_t k
    cdef uint32_t at
    for k in range(core.limits.breaker_window):
        at = (breaker.next - 1 - <uint32_t>k) % BREAKER_WINDOW_MAX
        if breaker.outcome_mono_ns[at] == 0 or now_mono_ns - breaker.outcome_mono_ns[at] > core.limits.breaker_window_ns:
            break
        samples += 1
        failures += breaker.is_failure[at]
    return samples >= core.limits.breaker_samples_min and failures * 100 > core.limits.breaker_error_e2 * samples


cdef void open_breaker(core_t *core, int64_t now_mono_ns) noexcept nogil:  # hot
    """From now on nothing new until the recovery time is over; the window starts empty after it."""
    core.breaker.state = BREAKER_OPEN
    core.breaker.opened_mono_ns = now_mono_ns
    core.breaker.trips += 1
    memset(&core.breaker.outcome_mono_ns[0], 0, sizeof(core.breaker.outcome_mono_ns))


cdef void note_outcome(core_t *core, bint is_ok, int64_t now_mono_ns) noexcept nogil:  # hot
    """One order came back well or with an error. Opens the breaker at too many failures in a row or in the window; the outcome
    that follows a probe closes it, or opens it again."""
    cdef breaker_t *breaker = &core.breaker
    breaker.consecutive = 0 if is_ok else breaker.consecutive + 1
    if breaker.state == BREAKER_HALF_OPEN:
        if is_ok:
            breaker.state = BREAKER_CLOSED
        else:
            open_breaker(core, now_mono_ns)
        return
    if breaker.state == BREAKER_OPEN:
        return
    breaker.outcome_mono_ns[breaker.next] = now_mono_ns
    breaker.is_failure[breaker.next] = 0 if is_ok else 1
    breaker.next = (breaker.next + 1) % BREAKER_WINDOW_MAX
    if not is_ok and (breaker.consecutive >= core.limits.breaker_consecutive or is_error_rate_high(core, now_mono_ns)):
        open_breaker(core, now_mono_ns)


cdef void note_pnl(core_t *core, int64_t pnl_e8, int64_t now_wall_ns) noexcept nogil:  # hot
    """Result of one finished trade in USD: sums of the UTC day and of the minute, and losses in a row."""
    cdef losses_t *losses = &core.losses
    cdef int64_t day = now_wall_ns // DAY_NS, minute = now_wall_ns // MINUTE_NS
    cdef int bucket = <int>(minute % LOSS_BUCKETS)
    if day != losses.day:
        losses.day = day
        losses.day_e8 = 0
    losses.day_e8 += pnl_e8
    if losses.minute[bucket] != minute:
        losses.minute[bucket] = minute
        losses.minute_e8[bucket] = 0
    losses.minute_e8[bucket] += pnl_e8
    losses.newest_minute = minute
    losses.consecutive = losses.consecutive + 1 if pnl_e8 < 0 else 0
    losses.total_e8 += pnl_e8
    if losses.total_e8 > losses.peak_e8:
        losses.peak_e8 = losses.total_e8

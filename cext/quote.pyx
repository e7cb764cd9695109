"""Orders that rest: at which price and size a post-only order pays once its fill is hedged on the pair's other leg at the other
book's price of now, and when one that stands pays no more.

Called by detect.pyx for flat pairs with a maker leg (`pair.rests`), after it has found nothing to take. The price is the best
that still nets what the pair demands with the hedge at the worst level it would reach, but never more than a tick better than
its own side's best price, and never one that would take. Sizes, prices and money are as in sizing.pyx; the maker's own fee
replaces the taker's on its leg. A rebate counts as no fee. The intent has two legs while the gate looks at it: the order, and
its hedge as a plan, for which the gate holds funds; what is journaled and sent is the first alone."""
from libc.stdint cimport int32_t, int64_t, uint32_t

from cext.gate cimport check_rows_band, check_rows_data
from cext.instrument cimport MARKET_SPOT, instrument_t
from cext.money cimport ceil_div, floor_div, int128_t, is_product_ge, rate_ceil
from cext.sizing cimport (at_price, average_px_e8, balance_cap, base_cap, cost_of, delivered, entry_cap, fill_leg, fill_money,
                          fill_side, gross_absorbing, is_order_too_small, is_price_absurd, joint_cap, judge_money,
                          limit_with_slippage, lower,
                          max_order_qty, open_level, side_t)

# Which leg does what, and at which rates; worked out once for a decision.
ctypedef struct roles_t:
    int maker               # 0 = row a, 1 = row b
    int hedge
    int buy
    int sell
    bint maker_buys
    int32_t maker_row
    int32_t hedge_row
    int64_t keep            # of a unit sold, e8
    int64_t buy_fee         # of a unit bought, e8
    int64_t carry           # exit, funding, conversion, e8
    int64_t carry_worst


cdef void fill_roles(const core_t *core, uint32_t pair_index, int32_t direction, roles_t *out) noexcept nogil:  # hot
    cdef const pair_hot_t *pair = &core.pairs[pair_index]
    cdef const pair_cold_t *cold = &core.pairs_cold[pair_index]
    cdef int way = 0 if direction == DIRECTION_FORWARD else 1
    cdef int64_t funding = cold.funding_e8[way]
    out.maker = pair.rests - 1
    out.hedge = 1 - out.maker
    out.buy = way
    out.sell = 1 - way
    out.maker_buys = out.maker == out.buy
    out.maker_row = pair.row_a if out.maker == 0 else pair.row_b
    out.hedge_row = pair.row_b if out.maker == 0 else pair.row_a
    out.keep = E8 - (cold.sell_fee_e8[out.sell] if out.maker_buys else cold.maker_sell_fee_e8)
    out.buy_fee = cold.maker_buy_fee_e8 if out.maker_buys else cold.buy_fee_e8[out.buy]
    out.carry = cold.exit_cost_e8[way] + cold.extra_cost_e8[way] - funding
    out.carry_worst = cold.exit_cost_e8[way] + cold.extra_cost_e8[way] - (funding if funding < 0 else 0)


cdef bint is_quote_worth_sizing(const core_t *core, const pair_hot_t *pair, int32_t direction) noexcept nogil:  # hot
    """Whether an order at the depth limit would pay at the best prices; both books are usable."""
    cdef const row_hot_t *a = &core.hot[pair.row_a]
    cdef const row_hot_t *b = &core.hot[pair.row_b]
    cdef const pair_cold_t *cold = &core.pairs_cold[pair - core.pairs]
    if direction == DIRECTION_FORWARD:
        return b.bid > a.bid * cold.rest_ratio[0] if pair.rests == 1 else b.ask > a.ask * cold.rest_ratio[0]
    return a.ask > b.ask * cold.rest_ratio[1] if pair.rests == 1 else a.bid > b.bid * cold.rest_ratio[1]


cdef int64_t quote_px(const core_t *core, const roles_t *roles, const pair_cold_t *cold, int64_t hedge_px_common, int64_t net_e8,
                      int64_t depth_e8) noexcept nogil:  # hot
    """Price on tick at which an order nets `net_e8` when it is hedged at hedge_px_common; 0 when that is further than depth_e8
    from the best price of its side."""
    cdef const book_record_t *book = &core.books[roles.maker_row]
    cdef int64_t tick = core.instruments[roles.maker_row].tick_px
    cdef int64_t bid = book.bids[0].px, ask = book.asks[0].px
    cdef int64_t cost = E8 + roles.buy_fee + roles.carry + net_e8
    cdef int64_t px, top
    if roles.maker_buys:
        px = <int64_t>(floor_div(<int128_t>hedge_px_common * roles.keep, cost) // cold.px_mul[roles.maker])
        px -= px % tick
        top = bid + tick if bid + tick < ask else bid
        if px > top:
            px = top
        return px if px >= bid - rate_ceil(bid, depth_e8) else 0
    px = <int64_t>ceil_div(ceil_div(<int128_t>hedge_px_common * cost, roles.keep), cold.px_mul[roles.maker])
    px += tick - 1
    px -= px % tick
    top = ask - tick if ask - tick > bid else ask
    if px < top:
        px = top
    return px if px <= ask + rate_ceil(ask, depth_e8) else 0


cdef uint32_t size_quote(core_t *core, uint32_t pair_index, int32_t direction, intent_t *intent) noexcept nogil:  # hot
    """Fills both legs and the money of an order that rests (leg 0) and its planned hedge (leg 1), and sets leg_count to 2.
    Returns SKIP_NONE, or why there is none; the intent is then partly filled.

    The deepest level of the hedging book at which a price within depth is left gives the size: more is tried first."""
    cdef pair_cold_t *cold = &core.pairs_cold[pair_index]
    cdef roles_t roles
    cdef side_t hedge
    cdef int64_t reach[BOOK_LEVELS]      # delivered down to a level
    cdef const book_record_t *book
    cdef int64_t qty, qty_max, other, px, px_common, limit, limit_common, hedge_best, cap_maker, cap_hedge, lot = cold.lot_common
    cdef int64_t bound, own_buy, own_sell, gross, fee_gross, fee_quote, buy_px, buy_fee_in_base
    cdef uint32_t reason = SKIP_BELOW_MIN, why_maker, why_hedge, maker_side, hedge_side
    cdef int32_t n, levels, buy_row, sell_row
    cdef bint is_spot_bought, is_one_wallet
    cdef int128_t at_maker, at_hedge, hedge_gross, net, worst, cost, proceeds, cost_gross
    cdef const instrument_t *maker_instrument
    cdef const instrument_t *hedge_instrument
    fill_roles(core, pair_index, direction, &roles)
    book = &core.books[roles.maker_row]
    maker_instrument = &core.instruments[roles.maker_row]
    hedge_instrument = &core.instruments[roles.hedge_row]
    maker_side = SIDE_BUY if roles.maker_buys else SIDE_SELL
    hedge_side = SIDE_SELL if roles.maker_buys else SIDE_BUY
    buy_row = roles.maker_row if roles.maker_buys else roles.hedge_row
    sell_row = roles.hedge_row if roles.maker_buys else roles.maker_row
    is_spot_bought = core.instruments[buy_row].market == MARKET_SPOT
    is_one_wallet = (is_spot_bought and core.instruments[sell_row].market != MARKET_SPOT
                     and core.rows[buy_row].quote_slot == core.rows[sell_row].quote_slot)
    fill_side(core, cold, roles.hedge_row, roles.hedge, hedge_side, &hedge)
    if (hedge.count == 0 or book.bid_count == 0 or book.ask_count == 0 or is_price_absurd(cold, &hedge, roles.hedge)
            or book.asks[0].px > cold.px_bound[roles.maker] or book.bids[0].px <= 0 or book.bids[0].px >= book.asks[0].px):
        return SKIP_PRICE

    qty_max = max_order_qty(core, cold, roles.maker_row, roles.maker, maker_side)
    other = max_order_qty(core, cold, roles.hedge_row, roles.hedge, hedge_side)
    lower(&qty_max, other, &reason, SKIP_BELOW_MIN)
    if core.instruments[sell_row].market == MARKET_SPOT:
        lower(&qty_max, base_cap(core, cold, sell_row, roles.sell), &reason, SKIP_INVENTORY)
    if qty_max < lot:
        return reason
    cap_maker = entry_cap(core, cold, roles.maker_row, maker_side, roles.hedge_row, &why_maker)
    lower(&cap_maker, balance_cap(core, roles.maker_row, maker_side), &why_maker, SKIP_BALANCE if is_spot_bought else SKIP_MARGIN)
    cap_hedge = entry_cap(core, cold, roles.hedge_row, hedge_side, roles.maker_row, &why_hedge)
    lower(&cap_hedge, balance_cap(core, roles.hedge_row, hedge_side), &why_hedge,
          SKIP_BALANCE if is_spot_bought else SKIP_MARGIN)

    hedge_best = hedge.levels[0].px * hedge.px_mul
    bound = at_price(cold, cap_hedge, hedge_best, qty_max)
    levels = 0
    qty = 0
    while levels < hedge.count and qty < bound:
        qty += open_level(&hedge, levels)
        reach[levels] = qty
        levels += 1
    if levels == 0:
        return why_hedge

    # The fee that a buy pays in base makes its order larger; a maker's is its own.
    buy_fee_in_base = 0
    if core.instruments[buy_row].fee_in_base:
        buy_fee_in_base = core.rows[buy_row].maker_fee_e8 if roles.maker_buys else core.rows[buy_row].fee_e8
    fee_gross = buy_fee_in_base
    fee_quote = 0 if fee_gross > 0 else roles.buy_fee
    px = 0
    n = levels - 1
    while n >= 0:
        px = quote_px(core, &roles, cold, hedge.levels[n].px * hedge.px_mul, cold.entry_net_e8, cold.rest_depth_e8)
        limit = limit_with_slippage(hedge_instrument, hedge_side, hedge.levels[n].px, cold.slippage_ticks, cold.slippage_e8)
        if px > 0 and limit > 0:
            break
        n -= 1
    if n < 0:
        return SKIP_NET
    px_common = px * cold.px_mul[roles.maker]
    limit_common = limit * cold.px_mul[roles.hedge]
    qty = reach[n] if reach[n] < qty_max else qty_max
    buy_px = px_common if roles.maker_buys else limit_common
    other = core.instruments[buy_row].lot_qty * cold.qty_mul[roles.buy] if fee_gross > 0 else 0   # room for rounding up to a lot
    bound = at_price(cold, cap_maker if roles.maker_buys else cap_hedge, buy_px, qty + qty // 16 + 2 * other + 2)
    if fee_gross > 0:
        bound = delivered(bound, fee_gross) - other
    lower(&qty, bound, &reason, why_maker if roles.maker_buys else why_hedge)
    bound = at_price(cold, cap_hedge if roles.maker_buys else cap_maker, hedge_best if roles.maker_buys else px_common, qty)
    lower(&qty, bound, &reason, why_hedge if roles.maker_buys else why_maker)
    if is_one_wallet:
        qty = joint_cap(core, cold, buy_row, buy_px, core.instruments[buy_row].lot_qty * cold.qty_mul[roles.buy], fee_gross,
                        sell_row, hedge_best if roles.maker_buys else px_common, qty, &reason)
    qty -= qty % lot
    if qty <= 0:
        return reason

    own_sell = qty // cold.qty_mul[roles.sell]
    own_buy = qty // cold.qty_mul[roles.buy]
    if is_spot_bought:
        own_buy = gross_absorbing(own_buy, core.instruments[buy_row].lot_qty,
                                  core.rows[buy_row].base_mul * core.instruments[buy_row].multiplier, <uint32_t>fee_gross,
                                  cold.residual_e8)
    gross = own_buy * cold.qty_mul[roles.buy]
    fill_leg(core, cold, &intent.legs[0], roles.maker_row, 0, maker_side, own_buy if roles.maker_buys else own_sell, px)
    fill_leg(core, cold, &intent.legs[1], roles.hedge_row, 1, hedge_side, own_sell if roles.maker_buys else own_buy, limit)
    intent.legs[0].order_type = <unsigned char>ORDER_POST_ONLY
    intent.legs[0].best_px = px
    intent.legs[0].fee_e8 = core.rows[roles.maker_row].maker_fee_e8
    intent.leg_count = 2
    if (is_order_too_small(maker_instrument, intent.legs[0].qty, px)
            or is_order_too_small(hedge_instrument, intent.legs[1].qty, limit)):
        return reason
    if px < maker_instrument.min_px or px > maker_instrument.max_px or limit < hedge_instrument.min_px or (
            limit > hedge_instrument.max_px):
        return SKIP_PRICE

    at_maker = <int128_t>px_common * qty
    at_hedge = cost_of(&hedge, qty, n)
    hedge_gross = cost_of(&hedge, gross, n) if fee_gross > 0 and not roles.maker_buys else 0
    if roles.maker_buys:
        cost, proceeds = at_maker, at_hedge
        cost_gross = <int128_t>px_common * gross
        worst = (<int128_t>limit_common * qty) * roles.keep - at_maker * (E8 + fee_quote + roles.carry_worst)
        worst -= cost_gross * fee_gross
    else:
        cost, proceeds = at_hedge, at_maker
        cost_gross = hedge_gross
        worst = at_maker * roles.keep - (<int128_t>limit_common * qty) * (E8 + fee_quote + roles.carry_worst)
        worst -= (<int128_t>limit_common * gross) * fee_gross
    net = proceeds * roles.keep - cost * (E8 + fee_quote + roles.carry) - cost_gross * fee_gross
    fill_money(cold, intent, net, worst, cost)
    intent.legs[0].expected_px_f64e8 = average_px_e8(cold, roles.maker, at_maker, qty)
    intent.legs[1].expected_px_f64e8 = average_px_e8(cold, roles.hedge, at_hedge, qty)
    return judge_money(cold, intent, reason)


cdef void note_quote(core_t *core, uint32_t pair_index, uint32_t slot_index, int64_t now_mono_ns) noexcept nogil:  # hot
    """It passed the gate: from here on it is watched."""
    cdef pair_cold_t *cold = &core.pairs_cold[pair_index]
    cdef const intent_t *intent = &core.pool[slot_index].intent
    cold.quote_px = intent.legs[0].limit_px
    cold.quote_slot = slot_index
    cold.quote_next_ns = now_mono_ns + cold.rest_pause_ns
    core.rows[intent.legs[0].instrument_id].quote_pair = pair_index + 1
    core.counters.quotes += 1


cdef bint is_pair_locked(const core_t *core, const pair_hot_t *pair, int64_t now_mono_ns) noexcept nogil:  # hot
    cdef int k
    cdef int32_t row
    if now_mono_ns < core.lock_all_until_mono_ns:
        return True
    for k in range(2):
        row = pair.row_a if k == 0 else pair.row_b
        if (now_mono_ns < core.rows[row].lock_until_mono_ns
                or now_mono_ns < core.venue_lock_until_mono_ns[core.instruments[row].venue_id]):
            return True
    return False


cdef uint32_t judge_quote(core_t *core, uint32_t pair_index, int64_t now_mono_ns) noexcept nogil:  # hot
    """Why the pair's order has to leave its book now; SKIP_NONE = it may stand. It may while its hedge, at the level that what is
    left of it reaches, nets half of what was demanded when it was placed: who asks for all of it moves with every tick."""
    cdef pair_hot_t *pair = &core.pairs[pair_index]
    cdef pair_cold_t *cold = &core.pairs_cold[pair_index]
    cdef const intent_slot_t *slot = &core.pool[cold.quote_slot]
    cdef roles_t roles
    cdef side_t hedge
    cdef const book_record_t *book
    cdef int32_t rows[2]
    cdef int32_t n = 0
    cdef int64_t left, reached, px_common, hedge_common
    if core.trading_word >= TRADING_RESTRICTED:
        return SKIP_TRADING_STATE
    if pair.disabled != SKIP_NONE:
        return pair.disabled
    if core.close_all or pair.exit_cause != 0:
        return SKIP_STATE
    if is_pair_locked(core, pair, now_mono_ns):
        return SKIP_LOCKED
    rows[0] = pair.row_a
    rows[1] = pair.row_b
    if check_rows_data(core, rows, 2, now_mono_ns) != GATE_OK or check_rows_band(core, rows, 2, now_mono_ns) != GATE_OK:
        return SKIP_DATA
    fill_roles(core, pair_index, pair.direction, &roles)
    fill_side(core, cold, roles.hedge_row, roles.hedge, SIDE_SELL if roles.maker_buys else SIDE_BUY, &hedge)
    book = &core.books[roles.maker_row]
    if hedge.count == 0 or book.bid_count == 0 or book.ask_count == 0 or is_price_absurd(cold, &hedge, roles.hedge):
        return SKIP_PRICE
    left = slot.legs[0].qty * cold.qty_mul[roles.maker]
    reached = open_level(&hedge, 0)
    while reached < left:
        n += 1
        if n >= hedge.count:
            if not hedge.is_complete:
                return SKIP_DEPTH_END
            n -= 1
            break
        reached += open_level(&hedge, n)
    px_common = cold.quote_px * cold.px_mul[roles.maker]
    hedge_common = hedge.levels[n].px * hedge.px_mul
    if roles.maker_buys:
        if cold.quote_px < book.bids[0].px - rate_ceil(book.bids[0].px, 2 * cold.rest_depth_e8):
            return SKIP_TOO_FAR
        return SKIP_NONE if is_product_ge(hedge_common, roles.keep, px_common,
                                          E8 + roles.buy_fee + roles.carry + cold.entry_net_e8 // 2) else SKIP_NET
    if cold.quote_px > book.asks[0].px + rate_ceil(book.asks[0].px, 2 * cold.rest_depth_e8):
        return SKIP_TOO_FAR
    return SKIP_NONE if is_product_ge(px_common, roles.keep, hedge_common,
                                      E8 + roles.buy_fee + roles.carry + cold.entry_net_e8 // 2) else SKIP_NET

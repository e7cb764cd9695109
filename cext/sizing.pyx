"""How much: walks two books together, takes the size at which the next unit would no longer pay, and brings it to a lot that both
venues accept.

Called by detect.pyx when the best prices of a pair have an edge, whatever its kind: what differs follows from the market of
the instrument that buys and of the one that sells. Prices and sizes are int64 in the pair's common scales (the
finer of the two instruments'), products are 128-bit, money is exact and rounded against us. The twin that judges it is
tests/support/slow_core.py (Decimal).

One unit bought at `b` and sold at `s` is worth taking while s * keep >= b * cost, with keep = 1 - sell fee and cost = 1 + buy
fee + (entry) budgeted exit cost - expected funding + extra cost + demanded net, or (exit) - exit cost accepted, all in e8.

A spot buy whose fee is taken in base is bought gross, so that what arrives covers the other leg; the surplus is below one spot
lot. The formulas of expected and worst-case net are in docs/gate.md."""
from libc.stdint cimport int32_t, int64_t, uint32_t

from cext.instrument cimport MARKET_SPOT, instrument_t
from cext.money cimport MONEY_MAX, ceil_div, floor_div, int128_t, is_product_ge, money_clip, rate_ceil, times_q60

cdef enum:
    STEPS_MAX = 2 * BOOK_LEVELS

# State after each step of the walk: size so far and the level that each side has reached.
ctypedef struct step_t:
    int64_t qty
    int32_t buy
    int32_t sell

ctypedef struct walk_t:
    step_t steps[STEPS_MAX]
    int32_t count
    bint is_depth_end       # stopped because a side had no further given level, and there may be more behind it


cdef int64_t delivered(int64_t qty, int64_t fee_e8) noexcept nogil:  # hot
    """qty * (1 - fee), rounded down; no overflow for qty < 2**62."""
    return qty - rate_ceil(qty, fee_e8)


cdef int64_t gross_of(int64_t net_qty, int64_t lot_qty, uint32_t fee_e8) noexcept nogil:  # hot
    """Smallest multiple of the lot of which at least net_qty is left after the fee."""
    cdef int64_t gross = <int64_t>ceil_div(<int128_t>net_qty * E8, E8 - fee_e8)
    return (gross + lot_qty - 1) // lot_qty * lot_qty


cdef int64_t gross_absorbing(int64_t net_qty, int64_t lot_qty, int64_t base_mul, uint32_t fee_e8,
                             int64_t residual_e8) noexcept nogil:  # hot
    """Smallest multiple of the lot that, less its fee and together with what is left over from before, makes at least net_qty.
    base_mul: qty to 1e-8 of the underlying, in which the residual is. So remainders never add up to a lot. At least one lot."""
    cdef int128_t needed = <int128_t>net_qty * base_mul - residual_e8
    cdef int128_t lot_e8 = <int128_t>lot_qty * base_mul
    cdef int64_t lots = <int64_t>((needed * E8 + lot_e8 * (E8 - fee_e8) - 1) // (lot_e8 * (E8 - fee_e8)))
    return (lots if lots > 0 else 1) * lot_qty


cdef int64_t limit_with_slippage(const instrument_t *instrument, uint32_t side, int64_t px, int64_t ticks,
                                 int64_t slip_e8) noexcept nogil:  # hot
    """Limit price for a walk that ended at px: on tick, ticks and slip_e8 beyond it. Below one tick it is 0, which no gate
    passes."""
    cdef int64_t tick = instrument.tick_px
    cdef int64_t room = ticks * tick
    cdef int64_t limit
    if slip_e8 > 0:
        room += rate_ceil(px, slip_e8)
    if side == SIDE_BUY:
        limit = px + room
        limit += tick - 1
        return limit - limit % tick
    limit = px - room
    return limit - limit % tick if limit > 0 else 0


cdef void fill_side(const core_t *core, const pair_cold_t *cold, int32_t row, int leg, uint32_t side,
                    side_t *out) noexcept nogil:  # hot
    """The levels that an order of `side` on this instrument would take. leg: 0 = row a, 1 = row b."""
    cdef const book_record_t *book = &core.books[row]
    if side == SIDE_BUY:
        out.levels = &book.asks[0]
        out.count = book.ask_count
    else:
        out.levels = &book.bids[0]
        out.count = book.bid_count
    out.is_complete = (book.flags & BOOK_DEPTH_COMPLETE) != 0
    out.px_mul = cold.px_mul[leg]
    out.qty_mul = cold.qty_mul[leg]
    out.qty_bound = cold.qty_bound[leg]
    out.fee_in_base_e8 = 0
    out.taken = 0
    out.given = 0
    if side == SIDE_BUY and core.instruments[row].fee_in_base:
        out.fee_in_base_e8 = core.rows[row].fee_e8
        out.delivered_q60 = core.rows[row].delivered_q60
        out.taken = -core.instruments[row].lot_qty * out.qty_mul


cdef int64_t level_qty(const side_t *side, int32_t index) noexcept nogil:  # hot
    """Size of a level, common scale, cut where more could leave 64 bits."""
    cdef int64_t qty = side.levels[index].qty
    return (qty if qty < side.qty_bound else side.qty_bound) * side.qty_mul


cdef int64_t open_level(side_t *side, int32_t index) noexcept nogil:  # hot
    """What the level adds to the size that is delivered: of the sum of all levels so far, so that rounding down happens once."""
    cdef int64_t before = side.given
    side.taken += level_qty(side, index)
    if side.fee_in_base_e8 == 0:
        side.given = side.taken
    elif side.taken > 0:
        side.given = times_q60(side.taken, side.delivered_q60)
    return side.given - before


cdef void walk_both(side_t *buy, side_t *sell, int64_t keep_e8, int64_t cost_e8, int64_t qty_max,
                    walk_t *out) noexcept nogil:  # hot
    """Takes both sides level by level while the next unit pays, up to qty_max. At most 2 * BOOK_LEVELS steps."""
    cdef int32_t i = 0, j = 0
    cdef int64_t qty = 0, take
    cdef int64_t buy_left = open_level(buy, 0), sell_left = open_level(sell, 0)
    cdef int64_t keep = keep_e8 * sell.px_mul, cost = cost_e8 * buy.px_mul  # px_mul <= 1e9 (core.pyx): no overflow
    out.count = 0
    out.is_depth_end = False
    while qty < qty_max:
        if not is_product_ge(sell.levels[j].px, keep, buy.levels[i].px, cost):
            return
        take = buy_left if buy_left < sell_left else sell_left
        if take > qty_max - qty:
            take = qty_max - qty
        qty += take
        if take > 0:
            out.steps[out.count].qty = qty
            out.steps[out.count].buy = i
            out.steps[out.count].sell = j
            out.count += 1
        buy_left -= take
        sell_left -= take
        if qty >= qty_max:
            return
        if buy_left == 0:
            i += 1
            if i >= buy.count:
                out.is_depth_end = not buy.is_complete
                return
            buy_left = open_level(buy, i)
        if sell_left == 0:
            j += 1
            if j >= sell.count:
                out.is_depth_end = not sell.is_complete
                return
            sell_left = open_level(sell, j)


cdef int128_t cost_of(const side_t *side, int64_t qty, int32_t last) noexcept nogil:  # hot
    """Sum of px * qty (common scales) for taking `qty` from the top, none of it beyond level `last`."""
    cdef int128_t total = 0
    cdef int64_t at_level
    cdef int32_t k
    for k in range(last + 1):
        at_level = level_qty(side, k)
        if at_level > qty:
            at_level = qty
        total += <int128_t>(side.levels[k].px * side.px_mul) * at_level
        qty -= at_level
        if qty == 0:
            break
    return total


cdef int64_t at_price(const pair_cold_t *cold, int64_t cap_e8, int64_t px_common, int64_t qty) noexcept nogil:  # hot
    """Largest size <= qty whose notional at the price stays within the cap (quote e8)."""
    if cap_e8 <= 0:
        return 0
    if <int128_t>px_common * qty * cold.e8_div <= <int128_t>cap_e8 * cold.e8_mul:
        return qty
    return <int64_t>(<int128_t>cap_e8 * cold.e8_mul // (<int128_t>px_common * cold.e8_div))


cdef void lower(int64_t *cap, int64_t bound, uint32_t *reason, uint32_t why) noexcept nogil:  # hot
    """cap = min(cap, bound); remembers which bound was the tightest."""
    if bound < cap[0]:
        cap[0] = bound
        reason[0] = why


cdef int64_t relief_e8(const core_t *core, int32_t row, uint32_t side) noexcept nogil:  # hot
    """USD that an entry's order may have before it adds exposure on this row: a spot order against inventory that was moved
    here takes it away first, and then builds as much up on the other side. As the gate counts (added_usd_e8)."""
    cdef const row_cold_t *r = &core.rows[row]
    if r.position == 0 or core.instruments[row].market != MARKET_SPOT or (r.position > 0) == (side == SIDE_BUY):
        return 0
    return 0 if core.hot[row].in_flight else 2 * r.exposure_e8


cdef int64_t shared(int64_t room, int64_t own, int64_t other) noexcept nogil:  # hot
    """Largest notional of each of two equal orders that together use up at most `room`; each has its relief."""
    cdef int64_t low = own if own < other else other
    cdef int64_t high = own + other - low
    if room <= 0:
        return low + room if low == 0 else low
    if room <= high - low:
        return low + room
    return (room + low + high) // 2


cdef int64_t entry_cap(const core_t *core, const pair_cold_t *cold, int32_t row, uint32_t side, int32_t other_row,
                       uint32_t *reason) noexcept nogil:  # hot
    """Quote e8 that one leg of an entry on this row may cost by limits (not balances): the gate's own bounds, so that it need
    not refuse."""
    cdef const row_cold_t *r = &core.rows[row]
    cdef const group_t *group = &core.groups[r.group]
    cdef const limits_t *limits = &core.limits
    cdef int64_t rate = core.usd_rate_e8[core.instruments[row].quote_asset]
    cdef uint32_t venue = core.instruments[row].venue_id
    cdef int64_t cap = limits.max_order_e8
    cdef int64_t own = relief_e8(core, row, side)
    cdef int64_t other = relief_e8(core, other_row, SIDE_BUY + SIDE_SELL - side)
    cdef int64_t room
    reason[0] = SKIP_BELOW_MIN
    if core.trading_word == TRADING_CAUTIOUS:
        cap = <int64_t>(<int128_t>cap * limits.cautious_ratio_e8 // E8)
    room = limits.max_position_e8 - r.exposure_e8 - r.in_flight_e8
    lower(&cap, own + room if room > 0 or own == 0 else own, reason, SKIP_EXPOSURE)
    lower(&cap, shared(limits.max_symbol_e8 - group.exposure_e8 - group.in_flight_e8, own, other), reason, SKIP_EXPOSURE)
    room = limits.max_venue_e8 - core.venue_exposure_e8[venue] - core.venue_in_flight_e8[venue]
    if core.instruments[other_row].venue_id == venue:
        room = shared(room, own, other)
    elif own:
        room = own + room if room > 0 else own
    lower(&cap, room, reason, SKIP_EXPOSURE)
    lower(&cap, shared(limits.max_total_e8 - core.exposure_e8 - core.in_flight_e8, own, other), reason, SKIP_EXPOSURE)
    lower(&cap, limits.max_delta_e8 - group.delta_usd_e8, reason, SKIP_EXPOSURE)
    if rate != E8:
        cap = money_clip(<int128_t>cap * E8 // rate) if rate > 0 and cap > 0 else 0
    if core.trading_word == TRADING_CAUTIOUS:
        lower(&cap, <int64_t>(<int128_t>cold.max_notional_e8 * limits.cautious_ratio_e8 // E8), reason, SKIP_BELOW_MIN)
    lower(&cap, cold.max_notional_e8, reason, SKIP_BELOW_MIN)
    return cap


cdef int64_t free_to_spend(const balance_t *balance) noexcept nogil:  # hot
    """What an entry may take out of a balance: neither reserved, nor margin of positions, nor pledged to an open trade."""
    return balance.free_e8 - balance.reserved_e8 - balance.margin_e8 - balance.pledged_e8


cdef int64_t margin_room(const core_t *core, const balance_t *wallet) noexcept nogil:  # hot
    """Margin and fee that an entry may still use: a fraction of the wallet that stays once open spot orders have paid."""
    cdef int64_t stays_e8 = wallet.free_e8 - wallet.pledged_e8 - wallet.reserved_spot_e8
    if stays_e8 <= 0:
        return 0
    return (<int64_t>(<int128_t>stays_e8 * core.limits.margin_use_ratio_e8 // E8)
            - (wallet.reserved_e8 - wallet.reserved_spot_e8) - wallet.margin_e8)


cdef int64_t balance_cap(const core_t *core, int32_t row, uint32_t side) noexcept nogil:  # hot
    """Quote e8 that the account can carry on this row: quote for a spot buy, margin within its use limit for a linear order.
    A spot sell is bounded by base instead (base_cap)."""
    cdef const row_cold_t *r = &core.rows[row]
    cdef const balance_t *quote = &core.balances[r.quote_slot]
    cdef int64_t free_e8
    if core.instruments[row].market == MARKET_SPOT:
        if side == SIDE_SELL:
            return MONEY_MAX
        free_e8 = free_to_spend(quote)
        if free_e8 <= 0:
            return 0
        if core.instruments[row].fee_in_base or r.fee_e8 == 0:
            return free_e8
        return <int64_t>(<int128_t>(free_e8 - 1) * E8 // (E8 + r.fee_e8))
    # Margin use is bounded by a fraction of the wallet; one order needs notional / leverage + fee.
    # Two amounts are rounded up there, hence the 2.
    free_e8 = margin_room(core, quote) - 2
    if free_e8 <= 0:
        return 0
    return money_clip(<int128_t>free_e8 * (E8 * r.leverage_e2) // (100 * E8 + r.fee_e8 * r.leverage_e2))


cdef int64_t base_cap(const core_t *core, const pair_cold_t *cold, int32_t row, int leg) noexcept nogil:  # hot
    """Base that an entry may sell on a spot row, common scale."""
    cdef const row_cold_t *r = &core.rows[row]
    cdef int64_t free_e8 = free_to_spend(&core.balances[r.base_slot])
    if free_e8 <= 0:
        return 0
    return money_clip(<int128_t>(free_e8 // r.base_mul) * cold.qty_mul[leg])


cdef int64_t within(const pair_cold_t *cold, int64_t cap_e8, int128_t buy_weighted, int128_t sell_weighted,
                    int64_t qty) noexcept nogil:  # hot
    """Largest size <= qty of which the two needs together stay within the cap. *_weighted: common price * need per notional,
    e8."""
    cdef int128_t per_unit = (buy_weighted + sell_weighted) * cold.e8_div
    if cap_e8 <= 0:
        return 0
    if per_unit * qty <= <int128_t>cap_e8 * cold.e8_mul * E8:
        return qty
    return <int64_t>(<int128_t>cap_e8 * cold.e8_mul * E8 // per_unit)


cdef int64_t joint_cap(const core_t *core, const pair_cold_t *cold, int32_t buy_row, int64_t buy_px_common, int64_t buy_lot,
                       int64_t buy_fee_e8, int32_t sell_row, int64_t sell_px_common, int64_t qty,
                       uint32_t *reason) noexcept nogil:  # hot
    """A spot buy and a linear sell that pay from one balance (unified account): largest size <= qty with which both fit
    together, in the whole wallet and in the margin use of what stays of it. buy_fee_e8: > 0 = taken in base, so that the order
    is larger than what arrives, by the fee and up to one lot."""
    cdef const row_cold_t *b = &core.rows[buy_row]
    cdef const row_cold_t *s = &core.rows[sell_row]
    cdef const balance_t *wallet = &core.balances[b.quote_slot]
    cdef int64_t buy_need = E8 + (buy_fee_e8 if buy_fee_e8 > 0 else b.fee_e8)
    cdef int64_t sell_need = (100 * E8 + s.leverage_e2 - 1) // s.leverage_e2 + s.fee_e8
    cdef int64_t ratio = core.limits.margin_use_ratio_e8
    # A lot more is bought at worst; four amounts are rounded up.
    cdef int64_t spare = 4 + (money_clip(ceil_div(<int128_t>buy_px_common * buy_lot * cold.e8_div, cold.e8_mul))
                              if buy_fee_e8 > 0 else 0)
    cdef int64_t bound = within(cold, free_to_spend(wallet) - spare, <int128_t>buy_px_common * buy_need,
                                <int128_t>sell_px_common * sell_need, qty)
    if bound < qty:
        qty = bound
        reason[0] = SKIP_BALANCE
    bound = within(cold, margin_room(core, wallet) - spare, <int128_t>buy_px_common * rate_ceil(buy_need, ratio),
                   <int128_t>sell_px_common * sell_need, qty)
    if bound < qty:
        qty = bound
        reason[0] = SKIP_MARGIN
    return qty


cdef int64_t max_order_qty(const core_t *core, const pair_cold_t *cold, int32_t row, int leg,
                           uint32_t side) noexcept nogil:  # hot
    """The venue's largest order, as delivered size in common scale."""
    cdef int64_t qty = core.instruments[row].max_qty
    if qty > cold.qty_bound[leg]:
        qty = cold.qty_bound[leg]
    if side == SIDE_BUY and core.instruments[row].fee_in_base:
        qty = delivered(qty - core.instruments[row].lot_qty, core.rows[row].fee_e8)
    return qty * cold.qty_mul[leg]


cdef void fill_leg(const core_t *core, const pair_cold_t *cold, leg_order_t *leg, int32_t row, uint32_t index, uint32_t side,
                   int64_t qty, int64_t limit_px) noexcept nogil:  # hot
    """One order of an intent, with the book it was computed from."""
    cdef const book_record_t *book = &core.books[row]
    cdef const instrument_t *instrument = &core.instruments[row]
    leg.limit_px = limit_px
    leg.qty = qty
    leg.depth_update_id = book.depth_update_id
    leg.top_update_id = book.top_update_id
    leg.instrument_seq = book.instrument_seq
    leg.book_alive_mono_ns = core.alive_mono_ns[core.hot[row].connection]
    leg.instrument_id = instrument.instrument_id
    leg.book_epoch = book.epoch
    leg.side = <unsigned char>side
    leg.order_type = <unsigned char>ORDER_IOC
    leg.leg_index = <unsigned char>index
    leg.fee_e8 = core.rows[row].fee_e8
    leg.exposure_key = core.rows[row].group
    if side == SIDE_BUY:
        leg.best_px = book.asks[0].px if book.ask_count > 0 else 0
        leg.unwind_px = limit_with_slippage(instrument, SIDE_SELL, book.bids[0].px, 0,
                                            cold.unwind_e8) if book.bid_count > 0 else 0
    else:
        leg.best_px = book.bids[0].px if book.bid_count > 0 else 0
        leg.unwind_px = limit_with_slippage(instrument, SIDE_BUY, book.asks[0].px, 0, cold.unwind_e8) if book.ask_count > 0 else 0


cdef bint is_order_too_small(const instrument_t *instrument, int64_t qty, int64_t limit_px) noexcept nogil:  # hot
    return qty < instrument.min_qty or <int128_t>qty * limit_px < instrument.min_notional


cdef void fill_money(const pair_cold_t *cold, intent_t *intent, int128_t net, int128_t worst,
                     int128_t cost) noexcept nogil:  # hot
    """net, worst: px * qty * 1e8 in common scales; cost: px * qty. Rounded down to quote e8."""
    intent.expected_net_e8 = money_clip(floor_div(net, cold.common_one))
    intent.worst_net_e8 = money_clip(floor_div(worst, cold.common_one))
    intent.notional_e8 = money_clip(cost * cold.e8_div if cold.e8_mul == 1 else floor_div(cost, cold.e8_mul))
    if intent.notional_e8 > 0:
        # A statistic: a double's 15 digits are more than it has.
        intent.edge_e12 = <int64_t>(<double>intent.expected_net_e8 / <double>intent.notional_e8 * 1e12)


cdef int64_t average_px_e8(const pair_cold_t *cold, int leg, int128_t total, int64_t qty) noexcept nogil:  # hot
    """Average price * 1e8 in quote units of one own base unit; statistics, so a double is enough."""
    return <int64_t>(<double>total / <double>qty * cold.px_unit_e8[leg])


cdef bint is_price_absurd(const pair_cold_t *cold, const side_t *side, int leg) noexcept nogil:  # hot
    """A best price that would leave 60 bits in the common scale: products below count on it."""
    return side.levels[0].px > cold.px_bound[leg] or side.levels[0].px <= 0


cdef uint32_t judge_money(const pair_cold_t *cold, intent_t *intent, uint32_t too_small) noexcept nogil:  # hot
    """Whether an entry's money lets it go, and how sure that is: worst-case against expected net. `too_small`: the word for less
    than the pair's smallest notional."""
    if intent.notional_e8 < cold.min_notional_e8:
        return too_small
    if intent.expected_net_e8 <= 0:
        return SKIP_NET
    if intent.worst_net_e8 <= 0:
        return SKIP_WORST_NET
    intent.confidence_e4 = 10000
    if intent.worst_net_e8 < intent.expected_net_e8:
        intent.confidence_e4 = <uint32_t>(<double>intent.worst_net_e8 / <double>intent.expected_net_e8 * 1e4)
    return SKIP_NONE


cdef uint32_t size_entry(core_t *core, uint32_t pair_index, int32_t direction, intent_t *intent) noexcept nogil:  # hot
    """Fills legs and money of an entry (leg 0 on row a, leg 1 on row b). Returns SKIP_NONE, or why there is none; the intent is
    then partly filled."""
    cdef const pair_hot_t *pair = &core.pairs[pair_index]
    cdef pair_cold_t *cold = &core.pairs_cold[pair_index]
    cdef int32_t rows[2]
    cdef int buy_leg = 0 if direction == DIRECTION_FORWARD else 1
    cdef int sell_leg = 1 - buy_leg
    cdef side_t buy, sell
    cdef walk_t walk
    cdef int64_t funding = cold.funding_e8[sell_leg ^ 1]
    cdef int64_t exit_cost = cold.exit_cost_e8[sell_leg ^ 1]
    cdef int64_t extra = cold.extra_cost_e8[sell_leg ^ 1]
    cdef int64_t carry = exit_cost - funding + extra
    cdef int64_t carry_worst = exit_cost - (funding if funding < 0 else 0) + extra
    cdef int64_t keep, fee_quote, fee_gross, bound, other
    cdef int64_t qty, qty_max, gross, buy_limit, sell_limit, cap_buy, cap_sell
    cdef int64_t buy_limit_common, sell_limit_common, sell_best_common
    cdef int64_t own_buy, own_sell, lot_slack, lot = cold.lot_common
    cdef bint is_spot_bought, is_spot_sold, is_one_wallet
    cdef uint32_t why_buy, why_sell, reason
    cdef int32_t n
    cdef int128_t cost, proceeds, cost_gross, net, worst
    cdef const instrument_t *buy_instrument
    cdef const instrument_t *sell_instrument
    rows[0] = pair.row_a
    rows[1] = pair.row_b
    buy_instrument = &core.instruments[rows[buy_leg]]
    sell_instrument = &core.instruments[rows[sell_leg]]
    is_spot_bought = buy_instrument.market == MARKET_SPOT
    is_spot_sold = sell_instrument.market == MARKET_SPOT
    is_one_wallet = is_spot_bought and not is_spot_sold and (core.rows[rows[0]].quote_slot == core.rows[rows[1]].quote_slot)
    fill_side(core, cold, rows[buy_leg], buy_leg, SIDE_BUY, &buy)
    fill_side(core, cold, rows[sell_leg], sell_leg, SIDE_SELL, &sell)

    if buy.count == 0 or sell.count == 0 or is_price_absurd(cold, &buy, buy_leg) or is_price_absurd(cold, &sell, sell_leg):
        return SKIP_PRICE
    keep = E8 - cold.sell_fee_e8[sell_leg]
    qty_max = max_order_qty(core, cold, rows[buy_leg], buy_leg, SIDE_BUY)
    other = max_order_qty(core, cold, rows[sell_leg], sell_leg, SIDE_SELL)
    reason = SKIP_BELOW_MIN
    lower(&qty_max, other, &reason, SKIP_BELOW_MIN)
    if is_spot_sold:
        lower(&qty_max, base_cap(core, cold, rows[sell_leg], sell_leg), &reason, SKIP_INVENTORY)
    if qty_max < lot:
        return reason
    cap_buy = entry_cap(core, cold, rows[buy_leg], SIDE_BUY, rows[sell_leg], &why_buy)
    lower(&cap_buy, balance_cap(core, rows[buy_leg], SIDE_BUY), &why_buy, SKIP_BALANCE if is_spot_bought else SKIP_MARGIN)
    cap_sell = entry_cap(core, cold, rows[sell_leg], SIDE_SELL, rows[buy_leg], &why_sell)
    lower(&cap_sell, balance_cap(core, rows[sell_leg], SIDE_SELL), &why_sell, SKIP_MARGIN)
    sell_best_common = sell.levels[0].px * sell.px_mul
    # What the caps do not allow at the best prices they allow nowhere: the walk need not go there (a shifted book pays on all its
    # levels).
    bound = at_price(cold, cap_buy, buy.levels[0].px * buy.px_mul, qty_max)
    other = at_price(cold, cap_sell, sell_best_common, qty_max)
    bound = (bound if bound < other else other) + lot - 1
    bound -= bound % lot
    walk_both(&buy, &sell, keep, E8 + cold.buy_fee_e8[buy_leg] + carry + cold.entry_net_e8,
              qty_max if bound > qty_max or bound <= 0 else bound, &walk)
    if walk.is_depth_end:
        cold.depth_end += 1
        reason = SKIP_DEPTH_END
    if walk.count == 0:
        return SKIP_DEPTH_END if walk.is_depth_end else SKIP_NET

    # The deepest step whose limits still net something in the worst case, and whose size the caps allow at those limits.
    fee_quote = 0 if buy.fee_in_base_e8 > 0 else cold.buy_fee_e8[buy_leg]
    fee_gross = buy.fee_in_base_e8
    qty = 0
    n = walk.count - 1
    while n >= 0:
        buy_limit = limit_with_slippage(buy_instrument, SIDE_BUY, buy.levels[walk.steps[n].buy].px,
                                        cold.slippage_ticks, cold.slippage_e8)
        sell_limit = limit_with_slippage(sell_instrument, SIDE_SELL, sell.levels[walk.steps[n].sell].px,
                                         cold.slippage_ticks, cold.slippage_e8)
        buy_limit_common = buy_limit * buy.px_mul
        sell_limit_common = sell_limit * sell.px_mul
        if <int128_t>sell_limit_common * keep <= <int128_t>buy_limit_common * (E8 + cold.buy_fee_e8[buy_leg] + carry_worst):
            reason = SKIP_WORST_NET
            n -= 1
            continue
        qty = walk.steps[n].qty
        # The gross size is larger than the delivered one by the fee and at most a lot: the cap is for the gross.
        # The question is asked with so much room that an ample cap leaves qty as it is (fees are at most 5 %).
        lot_slack = buy_instrument.lot_qty * buy.qty_mul if fee_gross > 0 else 0
        bound = at_price(cold, cap_buy, buy_limit_common, qty + qty // 16 + 2 * lot_slack + 2)
        if fee_gross > 0:
            bound = delivered(bound, fee_gross) - lot_slack
        if bound < qty:
            qty = bound
            reason = why_buy
        bound = at_price(cold, cap_sell, sell_best_common, qty)
        if bound < qty:
            qty = bound
            reason = why_sell
        if is_one_wallet:
            qty = joint_cap(core, cold, rows[buy_leg], buy_limit_common, buy_instrument.lot_qty * buy.qty_mul,
                            cold.buy_fee_e8[buy_leg] if fee_gross > 0 else 0, rows[sell_leg], sell_best_common, qty, &reason)
        qty -= qty % lot
        if n > 0 and qty <= walk.steps[n - 1].qty:
            n -= 1
            continue
        break
    if n < 0 or qty <= 0:
        return reason

    own_sell = qty // sell.qty_mul
    own_buy = qty // buy.qty_mul
    if is_spot_bought:
        own_buy = gross_absorbing(own_buy, buy_instrument.lot_qty, core.rows[rows[buy_leg]].base_mul * buy_instrument.multiplier,
                                  <uint32_t>fee_gross, cold.residual_e8)
    gross = own_buy * buy.qty_mul
    fill_leg(core, cold, &intent.legs[buy_leg], rows[buy_leg], buy_leg, SIDE_BUY, own_buy, buy_limit)
    fill_leg(core, cold, &intent.legs[sell_leg], rows[sell_leg], sell_leg, SIDE_SELL, own_sell, sell_limit)
    if is_order_too_small(buy_instrument, own_buy, buy_limit) or is_order_too_small(sell_instrument, own_sell, sell_limit):
        return reason
    if buy_limit > buy_instrument.max_px or sell_limit < sell_instrument.min_px or sell_limit <= 0:
        return SKIP_PRICE

    cost = cost_of(&buy, qty, walk.steps[n].buy)
    proceeds = cost_of(&sell, qty, walk.steps[n].sell)
    cost_gross = cost_of(&buy, gross, walk.steps[n].buy) if fee_gross > 0 else 0
    net = proceeds * keep - cost * (E8 + fee_quote + carry) - cost_gross * fee_gross
    worst = (<int128_t>sell_limit_common * qty) * keep - (<int128_t>buy_limit_common * qty) * (E8 + fee_quote + carry_worst)
    worst -= (<int128_t>buy_limit_common * gross) * fee_gross
    fill_money(cold, intent, net, worst, cost)
    intent.legs[buy_leg].expected_px_f64e8 = average_px_e8(cold, buy_leg, cost, qty)
    intent.legs[sell_leg].expected_px_f64e8 = average_px_e8(cold, sell_leg, proceeds, qty)
    intent.leg_count = 2
    return judge_money(cold, intent, reason)


cdef int64_t exit_remainder_min(const core_t *core, const pair_cold_t *cold, const side_t *buy, const side_t *sell,
                                int32_t buy_row, int32_t sell_row) noexcept nogil:  # hot
    """Smallest size (common) that both venues would still take later, at today's best prices with 10 % to spare."""
    cdef const instrument_t *b = &core.instruments[buy_row]
    cdef const instrument_t *s = &core.instruments[sell_row]
    cdef int64_t qty = b.min_qty * buy.qty_mul
    cdef int64_t other = s.min_qty * sell.qty_mul
    if other > qty:
        qty = other
    other = (b.min_notional // buy.levels[0].px + 1) * buy.qty_mul
    if other > qty:
        qty = other
    other = (s.min_notional // sell.levels[0].px + 1) * sell.qty_mul
    if other > qty:
        qty = other
    qty += qty // 10 + cold.lot_common
    return qty - qty % cold.lot_common


cdef bint may_reduce_only(const core_t *core, const leg_order_t *leg) noexcept nogil:  # hot
    """Whether the account's position on a linear instrument is opposite to the order and at least as large, whatever our open
    orders do. Trades may hold opposite positions on one row: the venue knows the net alone, and rejects what would not reduce."""
    cdef const row_cold_t *row = &core.rows[leg.instrument_id]
    if core.instruments[leg.instrument_id].market == MARKET_SPOT:
        return False
    if leg.side == SIDE_SELL:
        return row.position - row.in_flight_sell >= leg.qty
    return -row.position - row.in_flight_buy >= leg.qty


cdef uint32_t size_exit(core_t *core, uint32_t pair_index, bint is_forced, intent_t *intent) noexcept nogil:  # hot
    """Fills legs and money of an exit of what the pair holds (leg 0 on row a, leg 1 on row b; linear legs reduce-only where the
    account's position allows it). Returns SKIP_NONE or why not.

    Whole when the walk reaches the held size; a slice only where the pair allows it, and never so that what stays is too small
    to trade."""
    cdef const pair_hot_t *pair = &core.pairs[pair_index]
    cdef pair_cold_t *cold = &core.pairs_cold[pair_index]
    cdef int32_t rows[2]
    cdef int buy_leg = 1 if pair.direction == DIRECTION_FORWARD else 0
    cdef int sell_leg = 1 - buy_leg
    cdef side_t buy, sell
    cdef walk_t walk
    cdef int64_t accepted = cold.exit_cost_e8[0 if pair.direction == DIRECTION_FORWARD else 1]
    cdef int64_t held[2]
    cdef int64_t own[2]
    cdef int64_t lot[2]
    cdef int64_t full, most, other, qty, left_min, keep, fee_quote, fee_gross, buy_limit, sell_limit, buy_common, sell_common
    cdef int128_t cost, proceeds, net, worst
    cdef int k
    if is_forced and cold.forced_exit_cost_e8 > accepted:
        accepted = cold.forced_exit_cost_e8
    rows[0] = pair.row_a
    rows[1] = pair.row_b
    fill_side(core, cold, rows[buy_leg], buy_leg, SIDE_BUY, &buy)
    fill_side(core, cold, rows[sell_leg], sell_leg, SIDE_SELL, &sell)
    if buy.count == 0 or sell.count == 0 or is_price_absurd(cold, &buy, buy_leg) or is_price_absurd(cold, &sell, sell_leg):
        return SKIP_PRICE
    for k in range(2):
        held[k] = cold.held_a_qty if k == 0 else cold.held_b_qty
        if held[k] < 0:
            held[k] = -held[k]
        lot[k] = core.instruments[rows[k]].lot_qty
        if not (k == buy_leg and buy.fee_in_base_e8 > 0):
            held[k] -= held[k] % lot[k]  # what is below a lot stays as dust
    full = held[0] * cold.qty_mul[0]
    if held[1] * cold.qty_mul[1] < full:
        full = held[1] * cold.qty_mul[1]
    if full <= 0:
        return SKIP_BELOW_MIN
    # More than the venue takes in one order goes in slices in any case.
    most = max_order_qty(core, cold, rows[buy_leg], buy_leg, SIDE_BUY)
    other = max_order_qty(core, cold, rows[sell_leg], sell_leg, SIDE_SELL)
    if other < most:
        most = other
    if most > full:
        most = full
    keep = E8 - cold.sell_fee_e8[sell_leg]
    walk_both(&buy, &sell, keep, E8 + cold.buy_fee_e8[buy_leg] - accepted, most, &walk)
    if walk.is_depth_end:
        cold.depth_end += 1
    if walk.count == 0:
        return SKIP_DEPTH_END if walk.is_depth_end else SKIP_HOLD
    qty = walk.steps[walk.count - 1].qty
    own[0] = held[0]
    own[1] = held[1]
    if qty < full:
        if not cold.exit_partial and (most == full or qty < most):
            return SKIP_DEPTH_END if walk.is_depth_end else SKIP_HOLD
        left_min = exit_remainder_min(core, cold, &buy, &sell, rows[buy_leg], rows[sell_leg])
        if full - qty < left_min:
            qty = full - left_min
        if qty > 0:
            qty -= qty % cold.lot_common
        if qty <= 0:
            return SKIP_DEPTH_END if walk.is_depth_end else SKIP_BELOW_MIN
        own[0] = qty // cold.qty_mul[0]
        own[1] = qty // cold.qty_mul[1]
    fee_gross = buy.fee_in_base_e8
    fee_quote = 0 if fee_gross > 0 else cold.buy_fee_e8[buy_leg]
    if fee_gross > 0:
        own[buy_leg] = gross_of(own[buy_leg], lot[buy_leg], <uint32_t>fee_gross)
    buy_limit = limit_with_slippage(&core.instruments[rows[buy_leg]], SIDE_BUY, buy.levels[walk.steps[walk.count - 1].buy].px,
                                    cold.slippage_ticks, cold.slippage_e8)
    sell_limit = limit_with_slippage(&core.instruments[rows[sell_leg]], SIDE_SELL,
                                     sell.levels[walk.steps[walk.count - 1].sell].px,
                                     cold.slippage_ticks, cold.slippage_e8)
    fill_leg(core, cold, &intent.legs[buy_leg], rows[buy_leg], buy_leg, SIDE_BUY, own[buy_leg], buy_limit)
    fill_leg(core, cold, &intent.legs[sell_leg], rows[sell_leg], sell_leg, SIDE_SELL, own[sell_leg], sell_limit)
    for k in range(2):
        if may_reduce_only(core, &intent.legs[k]):
            intent.legs[k].flags = <unsigned char>LEG_REDUCE_ONLY
    intent.leg_count = 2
    if is_order_too_small(&core.instruments[rows[buy_leg]], own[buy_leg], buy_limit):
        return SKIP_BELOW_MIN
    if is_order_too_small(&core.instruments[rows[sell_leg]], own[sell_leg], sell_limit):
        return SKIP_BELOW_MIN
    buy_common = buy_limit * buy.px_mul
    sell_common = sell_limit * sell.px_mul
    cost = cost_of(&buy, own[buy_leg] * buy.qty_mul, buy.count - 1)
    proceeds = cost_of(&sell, own[sell_leg] * sell.qty_mul, sell.count - 1)
    net = proceeds * keep - cost * (E8 + fee_quote)
    worst = (<int128_t>sell_common * (own[sell_leg] * sell.qty_mul)) * keep
    worst -= (<int128_t>buy_common * (own[buy_leg] * buy.qty_mul)) * (E8 + fee_quote)
    fill_money(cold, intent, net, worst, cost)
    intent.legs[buy_leg].expected_px_f64e8 = average_px_e8(cold, buy_leg, cost, own[buy_leg] * buy.qty_mul)
    intent.legs[sell_leg].expected_px_f64e8 = average_px_e8(cold, sell_leg, proceeds, own[sell_leg] * sell.qty_mul)
    return SKIP_NONE

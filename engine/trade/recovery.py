"""What to do about a residual: one pure decision, from a trade's facts and the best prices, to the next orders or to why there
are none.

Order of choice: chase the lagging leg (it completes the pair, or the exit), at most `chase_max` times and no dearer than the
slippage cap from the price on which the intent was decided; else give back the excess, in bands from the best price now that
widen by attempt, futures reduce-only; else, where the venue's filters let no such order in, close both legs. Nothing that was
executed may exceed three times what the phase's intent asked for: then a person decides.

A market that takes no orders (its session is down, or it refuses for its limits again and again) is passed over: the residual is
then hedged on the pair's other leg, or on a third instrument of the same underlying, perpetuals first, and what stands there is
closed together with what it hedges once the market is back.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from engine.events import IntentKind, LegFlag, Purpose, Side
from engine.trade.instruments import Instrument
from engine.trade.money import ZERO
from engine.trade.policy import EXECUTED_MAX_FACTOR, TradePolicy
from engine.trade.trade import ENTRY, EXIT, Trade


@dataclass(slots=True, frozen=True)
class View:
    """What a decision looks at beside the trade."""
    best: Callable[[int], tuple[int, int] | None]  # row -> (best bid, best ask) in the row's px scale, None = no usable book
    net_units: Callable[[int], Decimal]            # row -> position of all our trades together, as the venue should have it
    is_away: Callable[[int], bool] = lambda row: False     # row -> its market takes no orders just now
    elsewhere: Callable[[Instrument], list[Instrument]] = lambda instrument: []   # others of the same underlying, best first


LegTuple = tuple[int, int, int, int, int]        # (row, side, limit_px, qty, flags) as core.submit takes them


class Verdict(StrEnum):
    SEND = "send"
    NO_BOOK = "no_book"            # nothing to price it with: try again later
    TOO_SMALL = "too_small"        # no venue accepts an order for it
    CAPPED = "capped"              # three times the intent was executed already


@dataclass(slots=True)
class Step:
    verdict: Verdict
    purpose: int = Purpose.UNWIND
    legs: list[LegTuple] = field(default_factory=list)
    cause: str = ""

    @property
    def kind(self) -> int:
        return IntentKind.SINGLE if len(self.legs) == 1 else IntentKind.SIMULTANEOUS


def side_for(units: Decimal) -> int:
    """Side of the order that takes `units` of inventory away."""
    return Side.SELL if units > 0 else Side.BUY


def plan_recovery(trade: Trade, residual: Decimal, view: View, policy: TradePolicy) -> Step:
    """The next step for a residual beyond dust."""
    excess, lagging = _sort_legs(trade, residual)
    if trade.chases < policy.chase_max and trade.phase in (ENTRY, EXIT) and not trade.is_revived:
        target = lagging if trade.phase == ENTRY and lagging is not None else excess
        leg = None if view.is_away(target.row) else _chase_leg(trade, target, residual, view, policy)
        if leg is not None:
            return Step(Verdict.SEND, Purpose.CHASE, [leg], f"chase {trade.chases + 1} of {policy.chase_max}")
    if view.is_away(excess.row) and trade.is_hedged:
        step = _plan_elsewhere(trade, excess, residual, view, policy)
        if step is not None:
            return step
    return _plan_unwind(trade, excess, residual, view, policy)


def _plan_elsewhere(trade: Trade, excess: Instrument, residual: Decimal, view: View, policy: TradePolicy) -> Step | None:
    """The market of the excess takes no orders: the opposite of it on another one."""
    mine = [one for one in trade.instruments if one is not excess and not view.is_away(one.row)]
    band_index = min(trade.unwinds, len(policy.unwind_bands_bps) - 1)
    for instrument in [*mine, *(one for one in view.elsewhere(excess) if one not in trade.instruments)]:
        qty = min(instrument.floor_qty(min(abs(residual), room(trade, instrument))), instrument.max_qty)
        leg = priced_leg(instrument, residual, qty, view, policy.unwind_bands_bps[band_index])
        if leg is not None and instrument.is_orderable(leg[2], qty, bool(leg[4])):
            return Step(Verdict.SEND, Purpose.UNWIND, [leg], f"{excess.name} takes no orders: hedged on {instrument.name}")
    return None


def plan_exit(trade: Trade, view: View, policy: TradePolicy) -> Step:
    """Both legs to zero, by the calm floor itself (at a stop, or for what only closes together). A leg that no filter lets in
    stays, where the others alone leave no more than dust."""
    legs: list[LegTuple] = []
    stays, left = False, trade.residual()
    band = policy.exit_bands_bps[min(trade.exits, len(policy.exit_bands_bps) - 1)]
    for instrument in trade.instruments:
        units = trade.position(instrument.row)
        qty = instrument.floor_qty(units)
        if not qty:
            continue
        leg = priced_leg(instrument, units, qty, view, band)
        if leg is None:
            return Step(Verdict.NO_BOOK)
        if instrument.is_orderable(leg[2], qty, bool(leg[4])):
            legs.append(leg)
            left += instrument.units(qty) * (1 if leg[1] == Side.BUY else -1)
        else:
            stays = True
    if not legs or (stays and abs(left) >= trade.dust_limit):
        return Step(Verdict.TOO_SMALL)
    return Step(Verdict.SEND, Purpose.EXIT, legs, f"exit attempt {trade.exits + 1}")


def plan_half(trade: Trade, view: View, policy: TradePolicy) -> Step:
    """While one leg is UNKNOWN: give back half of what is proven on the other. Halves the worst case under either outcome."""
    unknown_rows = {order.row for order in trade.orders if order.is_live}
    for instrument in trade.instruments:
        units = trade.position(instrument.row)
        qty = instrument.floor_qty(units / 2)
        if instrument.row in unknown_rows or not qty:
            continue
        leg = priced_leg(instrument, units, qty, view, policy.unwind_bands_bps[0])
        if leg is not None and instrument.is_orderable(leg[2], qty, bool(leg[4])):
            return Step(Verdict.SEND, Purpose.UNWIND, [leg], "half of the proven leg while the other is unknown")
    return Step(Verdict.TOO_SMALL)


def _sort_legs(trade: Trade, residual: Decimal) -> tuple[Instrument, Instrument | None]:
    """(leg whose inventory is too large, the other one)."""
    ordered = sorted(trade.instruments, key=lambda one: trade.position(one.row) * (1 if residual > 0 else -1), reverse=True)
    return ordered[0], ordered[1] if len(ordered) > 1 else None


def room(trade: Trade, instrument: Instrument) -> Decimal:
    """Units that may still be executed on the row: in this phase, and by the trade at all. A late fill begins a phase of its
    own, but no new life: recoveries that hedge each other's hedges must end."""
    of_phase = EXECUTED_MAX_FACTOR * trade.intent_units - trade.executed_units(instrument.row)
    of_life = EXECUTED_MAX_FACTOR * trade.asked_units - trade.executed_ever(instrument.row)
    return max(ZERO, min(of_phase, of_life))


def _whole(trade: Trade, instrument: Instrument, residual: Decimal) -> Decimal:
    """Units to take away for a residual: all that the leg holds where that differs by dust only, so that nothing is held.

    The other leg's dust would else leave a lot standing here: hedged by nothing, too small for an exit, and its pair shut for
    the rest of the run."""
    held = trade.position(instrument.row)
    # where the gate has refused, exactly what reduces
    is_all = not trade.gate_refusal and held * residual > 0 and abs(held - residual) < trade.dust_limit
    return abs(held) if is_all else abs(residual)


def _chase_leg(trade: Trade, instrument: Instrument, residual: Decimal, view: View, policy: TradePolicy) -> LegTuple | None:
    """An order for the residual on `instrument`, at the cap; None when it is too dear, too small, or there is no price to judge
    by."""
    side = side_for(residual)
    sign = 1 if side == Side.BUY else -1
    prices = view.best(instrument.row)
    if prices is None:
        return None
    now_px = prices[1] if side == Side.BUY else prices[0]
    decided_px = trade.phase_best_px(instrument.row) or (now_px if trade.rests else 0)   # a hedge that was never sent
    if not decided_px:
        return None
    cap_px = instrument.shifted_px(decided_px, sign, policy.chase_slippage_bps)
    units = min(_whole(trade, instrument, residual), room(trade, instrument))
    qty = min(instrument.floor_qty(units), instrument.max_qty)
    flags = _reduce_flag(instrument, residual, qty, view)
    if (now_px - cap_px) * sign > 0 or not instrument.is_orderable(cap_px, qty, bool(flags)):
        return None
    return instrument.row, side, cap_px, qty, flags


def _reduce_flag(instrument: Instrument, units: Decimal, qty: int, view: View) -> int:
    """Reduce-only for an order that takes `qty` of `units` away, wherever the venue has it and the position of all our trades
    together is opposite to the order and at least as large: as cext/sizing.pyx does it for exits.

    Where another trade holds the opposite on the same row, the account's net is smaller than this trade's own: the venue would
    refuse.
    """
    net = view.net_units(instrument.row)
    shrinks = net * units > 0 and abs(net) >= instrument.units(qty)
    return int(LegFlag.REDUCE_ONLY if shrinks and not instrument.is_spot else LegFlag.NONE)


def _plan_unwind(trade: Trade, excess: Instrument, residual: Decimal, view: View, policy: TradePolicy) -> Step:
    held = trade.position(excess.row)
    left = room(trade, excess)
    units = min(_whole(trade, excess, residual), abs(held) if held * residual > 0 else abs(residual))
    qty = min(excess.floor_qty(min(units, left)), excess.max_qty)
    band_index = min(trade.unwinds, len(policy.unwind_bands_bps) - 1)
    leg = priced_leg(excess, residual, qty, view, policy.unwind_bands_bps[band_index])
    if leg is None:
        return Step(Verdict.NO_BOOK)
    if policy.slice_notional:
        leg = _sliced(excess, leg, policy.slice_notional)
    if excess.is_orderable(leg[2], leg[3], bool(leg[4])):
        return Step(Verdict.SEND, Purpose.UNWIND, [leg],
                    f"unwind {trade.unwinds + 1}, band {policy.unwind_bands_bps[band_index]} bps")
    if left < abs(residual):
        return Step(Verdict.CAPPED)
    return _plan_both(trade, view, policy)


def _plan_both(trade: Trade, view: View, policy: TradePolicy) -> Step:
    """The residual alone is below a filter: close both legs together, if that is large enough. Inventory that was moved is not
    moved back for it."""
    if len(trade.instruments) < 2 or not trade.is_paired() or trade.moves_inventory:
        return Step(Verdict.TOO_SMALL)
    step = plan_exit(trade, view, policy)
    step.purpose, step.cause = Purpose.UNWIND, "the residual alone is below a filter: both legs are closed"
    return step


def priced_leg(instrument: Instrument, units: Decimal, qty: int, view: View, band_bps: Decimal) -> LegTuple | None:
    """An order that takes `qty` of `units` away, `band_bps` beyond the best price it would take."""
    prices = view.best(instrument.row)
    if prices is None:
        return None
    side = side_for(units)
    sign = 1 if side == Side.BUY else -1
    limit_px = instrument.shifted_px(prices[1] if sign > 0 else prices[0], sign, band_bps)
    return instrument.row, side, limit_px, qty, _reduce_flag(instrument, units, qty, view)


def _sliced(instrument: Instrument, leg: LegTuple, slice_notional: Decimal) -> LegTuple:
    row, side, limit_px, qty, flags = leg
    price = instrument.price(limit_px) / instrument.multiplier
    return row, side, limit_px, min(qty, max(instrument.floor_qty(slice_notional / price), instrument.lot_qty)), flags

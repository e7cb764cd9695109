"""The slow, obvious twin of detection, sizing and gate: Fractions and plain loops, no shared code with cext.

Entry: the largest multiple of the common lot that satisfies every condition as docs/gate.md words it, found by asking about sizes
one by one (bisection: every condition is monotone in size). The fast one may stay up to two lots below where rounding a gross
size needs room; it must never be above. Money is compared to the last unit."""
from fractions import Fraction
from math import ceil, floor, lcm
from typing import Any

from tests.support.core_world import BUY, SELL, World

E8 = 10**8
SLACK_LOTS = 2


def exact(value: Any) -> Fraction:
    return Fraction(str(value))


class Leg:
    """One instrument of a pair in underlying units: prices and sizes are Fractions of quote and of the underlying."""

    def __init__(self, world: World, row: int, side: int) -> None:
        raw, market = world.rows[row], world.core.market(row)
        self.row, self.side, self.raw = row, side, raw
        self.is_spot = raw["market"] == "spot"
        self.multiplier = raw["multiplier"]
        self.px_unit = Fraction(1, 10 ** raw["px_scale"]) / self.multiplier
        self.qty_unit = Fraction(1, 10 ** raw["qty_scale"]) * self.multiplier
        self.tick = exact(raw["tick"]) / self.multiplier
        self.lot = exact(raw["lot"]) * self.multiplier
        self.fee = Fraction(market["fee_e8"], E8)
        self.in_base = self.is_spot and side == BUY and self.fee > 0
        levels = market["asks"] if side == BUY else market["bids"]
        self.levels = [(px * self.px_unit, qty * self.qty_unit) for px, qty in levels]
        self.is_complete = bool(market["flags"] & 4)

    def gross(self, qty: Fraction) -> Fraction:
        """What must be ordered so that `qty` arrives."""
        if not self.in_base:
            return qty
        return ceil(qty / (1 - self.fee) / self.lot) * self.lot

    def cost(self, qty: Fraction) -> Fraction | None:
        """Sum of px * qty from the top; None when the given levels are too thin."""
        total = Fraction(0)
        for px, at_level in self.levels:
            take = min(qty, at_level)
            total += px * take
            qty -= take
            if qty == 0:
                return total
        return None

    def worst_px(self, qty: Fraction) -> Fraction | None:
        for px, at_level in self.levels:
            if qty <= at_level:
                return px
            qty -= at_level
        return None

    def limit(self, worst: Fraction, ticks: int, slip: Fraction) -> Fraction:
        """On tick, against us."""
        own_unit = Fraction(1, 10 ** self.raw["px_scale"]) / self.multiplier
        room = ticks * self.tick + ceil(worst * slip / own_unit) * own_unit
        if self.side == BUY:
            return ceil((worst + room) / self.tick) * self.tick
        return floor((worst - room) / self.tick) * self.tick


class Entry:
    """Conditions of one entry of a pair at the present books."""

    def __init__(self, world: World, pair_index: int, direction: int) -> None:
        rows = world.core.pairs()[pair_index]
        params = world.core.params[pair_index]
        forward = direction > 0
        self.world, self.params, self.forward = world, params, forward
        self.buy = Leg(world, rows[0] if forward else rows[1], BUY)
        self.sell = Leg(world, rows[1] if forward else rows[0], SELL)
        self.lot = self._common_lot(*rows)
        buy_fees = [self._buy_fee(row) for row in rows]
        if params.exit_cost_bps is not None:
            exit_cost = exact(params.exit_cost_bps) / 10_000
        elif self.buy.is_spot and self.sell.is_spot:
            exit_cost = Fraction(0)  # nothing is held, nothing is closed
        else:
            exit_cost = sum(buy_fees, Fraction(0)) + exact(params.exit_basis_bps) / 10_000
        funding = exact(params.funding_bps) / 10_000 * (1 if forward else -1)
        extra = Fraction(world.core.pair_view(pair_index)["extra_cost_e8"][0 if forward else 1], E8)
        self.buy_fee = buy_fees[0 if forward else 1]
        self.carry = exit_cost - funding + extra
        self.carry_worst = exit_cost - min(funding, Fraction(0)) + extra
        self.entry_net = exact(params.entry_net_bps) / 10_000

    def _buy_fee(self, row: int) -> Fraction:
        """Per unit delivered: more than the fee itself where that is taken in base."""
        fee = Fraction(self.world.core.market(row)["fee_e8"], E8)
        return Fraction(ceil(fee / (1 - fee) * E8), E8) if self.world.rows[row]["market"] == "spot" else fee

    def _common_lot(self, spot_row: int, perp_row: int) -> Fraction:
        lots = [exact(self.world.rows[row]["lot"]) * self.world.rows[row]["multiplier"] for row in (spot_row, perp_row)]
        denominator = lcm(*(lot.denominator for lot in lots))
        return Fraction(lcm(*(int(lot * denominator) for lot in lots)), denominator)

    def has_edge(self) -> bool:
        """One unit at best prices nets what is asked."""
        if not self.buy.levels or not self.sell.levels:
            return False
        return self._pays(self.buy.levels[0][0], self.sell.levels[0][0])

    def _pays(self, buy_px: Fraction, sell_px: Fraction) -> bool:
        return sell_px * (1 - self.sell.fee) >= buy_px * (1 + self.buy_fee + self.carry + self.entry_net)

    def limits(self, qty: Fraction) -> tuple[Fraction, Fraction] | None:
        buy_px, sell_px = self.buy.worst_px(self.buy.gross(qty)), self.sell.worst_px(qty)
        if buy_px is None or sell_px is None:
            return None
        slip = exact(self.params.slippage_bps) / 10_000
        return self.buy.limit(buy_px, self.params.slippage_ticks, slip), self.sell.limit(sell_px, self.params.slippage_ticks,
                                                                                         slip)

    def is_allowed(self, qty: Fraction) -> bool:
        """Every condition on a size, but the minimum ones."""
        limits = self.limits(qty)
        if limits is None:
            return False
        buy_limit, sell_limit = limits
        buy_px, sell_px = self.buy.worst_px(self.buy.gross(qty)), self.sell.worst_px(qty)
        assert buy_px is not None and sell_px is not None
        if not self._pays(buy_px, sell_px):
            return False
        if sell_limit * (1 - self.sell.fee) <= buy_limit * (1 + self.buy_fee + self.carry_worst):
            return False
        gross = self.buy.gross(qty)
        notionals = {self.buy: buy_limit * gross, self.sell: max(sell_limit, self.sell.levels[0][0]) * qty}
        for leg, notional in notionals.items():
            if exact(leg.raw["max_qty"]) * leg.multiplier < (gross if leg is self.buy else qty):
                return False
            if not self._is_affordable(leg, notional, qty):
                return False
        return self._fits_together(notionals)

    def _account(self, leg: Leg, asset: str) -> tuple[tuple[str, str], Fraction, Fraction, Fraction]:
        """(account and asset, what is there and nobody's hedge, what orders hold of it, margin of positions)"""
        account = f"{leg.raw['venue']}:{leg.raw.get('account') or leg.raw['market']}"
        balance = self.world.core.account_balance(account, asset)
        return ((account, asset), Fraction(balance["free_e8"] - balance["pledged_e8"], E8), Fraction(balance["reserved_e8"], E8),
                Fraction(balance["margin_e8"], E8))

    def _fits_together(self, notionals: dict[Leg, Fraction]) -> bool:
        """Legs that pay from one balance: all of it in the wallet, and margin within its share of what the spot legs leave."""
        limits = self.world.core.limits
        needs: dict[tuple[str, str], list[Fraction]] = {}
        there: dict[tuple[str, str], tuple[Fraction, Fraction, Fraction]] = {}
        for leg, notional in notionals.items():
            if leg.is_spot and leg.side == SELL:
                continue
            key, *balance = self._account(leg, leg.raw["quote"])
            there[key] = tuple(balance)  # type: ignore[assignment]
            spot, margin = needs.setdefault(key, [Fraction(0), Fraction(0)])
            if leg.is_spot:
                needs[key] = [spot + notional, margin]
            else:
                needs[key] = [spot, margin + notional / exact(limits.leverage) + notional * leg.fee]
        for key, (spot, margin) in needs.items():
            free, reserved, held = there[key]
            if spot + margin > free - reserved - held:
                return False
            if margin and margin > (free - spot) * exact(limits.margin_use_pct) / 100 - reserved - held:
                return False
        return True

    def _is_affordable(self, leg: Leg, notional: Fraction, qty: Fraction) -> bool:
        limits = self.world.core.limits
        cautious = exact(limits.cautious_size_pct) / 100 if self.world.core.state()["trading_word"] == 1 else 1
        if notional > min(exact(limits.max_order_usd), exact(self.params.max_notional_usd)) * cautious:
            return False
        if leg.is_spot and leg.side == SELL:
            _, free, reserved, margin = self._account(leg, leg.raw["base"])
            return qty / leg.multiplier <= free - reserved - margin
        return True

    def largest(self) -> Fraction:
        """Largest size that is allowed, 0 = none."""
        low, high = 0, 1
        while self.is_allowed(high * self.lot):
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.is_allowed(middle * self.lot) else (low, middle)
        return low * self.lot

    def money(self, qty: Fraction, buy_limit: Fraction, sell_limit: Fraction) -> tuple[int, int, int]:
        """(expected net, worst net, notional) in quote e8, rounded down."""
        gross = self.buy.gross(qty)
        cost, proceeds, cost_gross = self.buy.cost(qty), self.sell.cost(qty), self.buy.cost(gross)
        assert cost is not None and proceeds is not None and cost_gross is not None
        fee = self.buy.fee * (cost_gross if self.buy.in_base else cost)
        net = proceeds * (1 - self.sell.fee) - cost * (1 + self.carry) - fee
        worst_fee = self.buy.fee * buy_limit * (gross if self.buy.in_base else qty)
        worst = sell_limit * qty * (1 - self.sell.fee) - buy_limit * qty * (1 + self.carry_worst) - worst_fee
        return floor(net * E8), floor(worst * E8), floor(cost * E8)


def check_entry(world: World, intent: dict[str, Any], state_before: "Entry | None" = None,
                largest: Fraction | None = None) -> None:
    """An intent of the fast one against the twin: sizes, lots, limits, filters, money to the last unit.

    Balances must be as they were when it was decided for `largest` (ask for it before the core decides)."""
    legs = intent["legs"]
    forward = legs[0]["side"] == BUY  # leg 0 is on row a
    twin = state_before or Entry(world, intent["pair_index"], 1 if forward else -1)
    buy, sell = (legs[0], legs[1]) if forward else (legs[1], legs[0])
    qty = sell["qty"] * twin.sell.qty_unit
    assert qty % twin.lot == 0, "not on the common lot"
    assert buy["qty"] * twin.buy.qty_unit == twin.buy.gross(qty), "gross size"
    buy_limit, sell_limit = buy["limit_px"] * twin.buy.px_unit, sell["limit_px"] * twin.sell.px_unit
    assert buy_limit % twin.buy.tick == 0 and sell_limit % twin.sell.tick == 0
    needed = twin.limits(qty)
    assert needed is not None and buy_limit >= needed[0] and sell_limit <= needed[1], "a limit does not reach the level it needs"
    expected, worst, notional = twin.money(qty, buy_limit, sell_limit)
    assert (intent["expected_net_e8"], intent["worst_net_e8"], intent["notional_e8"]) == (expected, worst, notional)
    assert expected > 0 and worst > 0
    if largest is not None:
        assert qty <= largest, f"size {float(qty)} is above what is allowed, {float(largest)}"
        assert qty >= largest - SLACK_LOTS * twin.lot, f"size {float(qty)} is far below what is allowed, {float(largest)}"


class Exit(Entry):
    """Conditions of closing what a pair holds: forward sells a and buys b back."""

    def __init__(self, world: World, pair_index: int, is_forced: bool) -> None:
        view = world.core.pair_view(pair_index)
        super().__init__(world, pair_index, -view["direction"])
        params = world.core.params[pair_index]
        self.accepted = Fraction(view["exit_cost_e8"], E8)
        if is_forced:
            self.accepted = max(self.accepted, exact(params.forced_exit_cost_bps) / 10_000)
        held = {view["row_a"]: abs(view["held_a_qty"]), view["row_b"]: abs(view["held_b_qty"])}
        self.held = {}
        for leg in (self.buy, self.sell):
            qty = held[leg.row] * leg.qty_unit
            self.held[leg] = qty if leg.in_base else floor(qty / leg.lot) * leg.lot
        self.full = min(self.held.values())

    def _pays(self, buy_px: Fraction, sell_px: Fraction) -> bool:
        return sell_px * (1 - self.sell.fee) >= buy_px * (1 + self.buy_fee - self.accepted)

    def fits_one_order(self) -> bool:
        """Neither order is above its venue's largest."""
        return all(self.held[leg] + 2 * leg.lot <= exact(leg.raw["max_qty"]) * leg.multiplier * (1 - leg.fee)
                   for leg in (self.buy, self.sell))

    def is_possible(self, qty: Fraction) -> bool:
        buy_px, sell_px = self.buy.worst_px(self.buy.gross(qty)), self.sell.worst_px(qty)
        return buy_px is not None and sell_px is not None and self._pays(buy_px, sell_px)


def check_exit(twin: Exit, intent: dict[str, Any]) -> None:
    """A whole exit: sizes, limits, and the money of both orders as they stand, to the last unit."""
    legs = {leg["instrument_id"]: leg for leg in intent["legs"]}
    buy, sell = legs[twin.buy.row], legs[twin.sell.row]
    assert (buy["side"], sell["side"]) == (BUY, SELL)
    assert (
        buy["qty"] * twin.buy.qty_unit == twin.buy.gross(twin.held[twin.buy])
        and sell["qty"] * twin.sell.qty_unit == twin.held[twin.sell]
    )
    for leg, order in ((twin.buy, buy), (twin.sell, sell)):
        position = twin.world.core.position(leg.row) * (1 if leg is twin.sell else -1)
        reduces = not leg.is_spot and position >= order["qty"]
        assert order["flags"] == reduces, "reduce-only is for a perpetual on which the account holds as much the other way"
    needed = twin.limits(twin.full)
    buy_limit, sell_limit = buy["limit_px"] * twin.buy.px_unit, sell["limit_px"] * twin.sell.px_unit
    assert needed is not None and buy_limit >= needed[0] and sell_limit <= needed[1]
    buy_qty, sell_qty = buy["qty"] * twin.buy.qty_unit, sell["qty"] * twin.sell.qty_unit
    cost, proceeds = twin.buy.cost(buy_qty), twin.sell.cost(sell_qty)
    assert cost is not None and proceeds is not None
    fee = Fraction(0) if twin.buy.in_base else twin.buy.fee
    assert intent["expected_net_e8"] == floor((proceeds * (1 - twin.sell.fee) - cost * (1 + fee)) * E8)
    assert intent["worst_net_e8"] == floor((sell_limit * sell_qty * (1 - twin.sell.fee) - buy_limit * buy_qty * (1 + fee)) * E8)

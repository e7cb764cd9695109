"""One trade: entry pair, holding, exit pair, with every order that was sent for it and its money.

Holds facts and answers questions about them; what to do next is decided in recovery.py and manager.py. Inventory is in units of
the underlying, signed, and is the net change: executed less fees taken in base, plus remainders taken over from the dust ledger.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from engine.trade.commands import SubmitIntent
from engine.trade.instruments import Instrument
from engine.trade.money import AMOUNT_UNIT, EXACT, ZERO, lcm_decimal
from engine.trade.naked import NakedClock
from engine.trade.orders import Fill, Order
from engine.trade.states import FINAL_STATES, OrderState, TradeState

ENTRY, HOLD, EXIT = "entry", "hold", "exit"


@dataclass(slots=True)
class RowMoney:
    """Average cost of what was opened on one row (8 decimals): for marking what is left at its cost."""
    units: Decimal = ZERO
    mark: Decimal = ZERO     # quote per unit; stays when the units are gone

    def add(self, units: Decimal, price: Decimal) -> None:
        """Opening moves the average, closing leaves it, going through zero starts anew at `price`."""
        left = self.units + units
        if self.units * units >= 0:
            if left:
                self.mark = ((self.units * self.mark + units * price) / left).quantize(AMOUNT_UNIT, context=EXACT)
        elif left * self.units < 0:
            self.mark = price.quantize(AMOUNT_UNIT, context=EXACT)
        self.units = left


@dataclass(slots=True)
class Money:
    """Of one trade, in quote. `cash`: what flowed by fills (buys negative), futures as if paid in full, remainders taken over at
    their value."""
    cash: Decimal = ZERO
    fees: Decimal = ZERO            # paid, valued in quote at the fill's price
    base_fees: Decimal = ZERO       # the part that was taken in base
    other_fees: Decimal = ZERO      # the part that was taken in a third asset
    funding: Decimal = ZERO
    fee_assets: dict[str, Decimal] = field(default_factory=dict)
    rows: dict[int, RowMoney] = field(default_factory=dict)


@dataclass(slots=True)
class Trade:
    trade_id: int
    pair_index: int
    strategy: int
    instruments: list[Instrument]      # of the entry's legs, in leg order
    state: TradeState = TradeState.DETECTED
    phase: str = ENTRY
    orders: list[Order] = field(default_factory=list)
    phase_start: int = 0               # first order of the present phase in `orders`
    intent_units: Decimal = ZERO       # largest leg that an entry or exit of this trade asked for: the cap of a phase is 3x of it
    asked_units: Decimal = ZERO        # what all of them asked for together: the cap of the trade's whole life is 3x of it
    executed_before: dict[int, Decimal] = field(default_factory=dict)  # row -> executed by orders that are put away
    carry: dict[int, Decimal] = field(default_factory=dict)      # remainders taken (+/-) and left
    has_taken_dust: bool = False
    is_hedged: bool = True             # False: a single order by hand, nothing to balance
    maker_row: int = -1                # entered by an order that rests there, hedged fill by fill (resting.py); -1 = by takers
    is_revived: bool = False           # a late fill on a trade that was already put away
    pending: SubmitIntent | None = None
    retry_mono_ns: int = 0             # nothing is sent for it before this; 0 = no wait
    chases: int = 0
    unwinds: int = 0
    exits: int = 0
    attempts: int = 0                  # recovery attempts since the last that executed something
    half_hedged: bool = False
    was_exhausted: bool = False        # bands used up: alerted
    is_astray_armed: bool = False      # a timer looks whether it can be closed
    is_small_armed: bool = False       # a timer looks whether a small fill found company
    is_undersized: bool = False        # residual that no venue accepts an order for: declared
    was_settle_given_up: bool = False  # fill details never came: alerted, not waited for at a stop
    opened_mono_ns: int = 0
    opened_wall_ns: int = 0
    closed_mono_ns: int = 0
    gate_refusal: str = ""             # why the gate refused the last repair; "" = it passed
    manual_cause: str = ""             # why a person decides, and since when
    manual_mono_ns: int = 0
    troubles: list[str] = field(default_factory=list)
    naked: NakedClock = field(default_factory=NakedClock)
    money: Money = field(default_factory=Money)
    dust_limit: Decimal = ZERO
    # entry facts for the attribution (quote)
    detect_edge: Decimal = ZERO
    send_edge: Decimal | None = None
    depth_cost: Decimal = ZERO
    expected_net: Decimal = ZERO
    hedge_price: Decimal = ZERO        # of the leg that hedges, when the maker was decided; quote per own unit
    hedge_flow: Decimal = ZERO         # what hedging all of it would have flowed then
    batch_mono_ns: int = 0
    _positions: dict[int, Decimal] | None = None

    def __post_init__(self) -> None:
        limit = self.instruments[0].lot
        for instrument in self.instruments[1:]:
            limit = lcm_decimal(limit, instrument.lot)
        self.dust_limit = limit

    # ---------------------------------------------------------------- questions

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES

    @property
    def rests(self) -> bool:
        """Whether its entry is (or was) an order that rests."""
        return self.maker_row >= 0

    @property
    def has_live_order(self) -> bool:
        return any(order.is_live for order in self.orders)

    @property
    def has_unknown(self) -> bool:
        return any(order.state == OrderState.UNKNOWN for order in self.orders)

    @property
    def moves_inventory(self) -> bool:
        """Spot against spot: bought here, sold from inventory there. Complete in itself: hedged is finished, nothing is held."""
        pair = self.instruments[:2]
        return (self.is_hedged and len(pair) == 2 and all(one.is_spot for one in pair) and pair[0].venue != pair[1].venue
                and not self.is_astray)

    @property
    def is_astray(self) -> bool:
        """Part of it is hedged on an instrument that is not of its pair."""
        return any(abs(self.position(one.row)) >= self.dust_limit for one in self.instruments[2:])

    @property
    def is_settled(self) -> bool:
        return all(order.is_settled for order in self.orders)

    def position(self, row: int) -> Decimal:
        """Net inventory of this trade on the row, as far as proven."""
        return self.positions().get(row, ZERO)

    def _count_position(self, row: int) -> Decimal:
        total = self.carry.get(row, ZERO)
        for order in self.orders:
            if order.cum_qty and order.instrument.row == row:
                total += order.net_units
        return total

    def positions(self) -> dict[int, Decimal]:
        """Position by row; counted once after each fact (`forget`)."""
        if self._positions is None:
            self._positions = {instrument.row: self._count_position(instrument.row) for instrument in self.instruments}
        return self._positions

    def forget(self) -> None:
        """An order or a remainder of this trade changed."""
        self._positions = None

    def residual(self) -> Decimal:
        """Net change of base inventory over all legs."""
        return sum(self.positions().values(), ZERO)

    def is_paired(self) -> bool:
        """Both legs hold something tradable; of a trade that was hedged elsewhere, two of its legs."""
        held = sum(abs(units) >= self.dust_limit for units in self.positions().values())
        return held >= min(2, len(self.instruments))

    def is_flat(self) -> bool:
        return all(abs(units) < self.dust_limit for units in self.positions().values())

    def executed_units(self, row: int) -> Decimal:
        """Gross quantity executed on the row in this phase: what the 3x cap counts."""
        return sum((order.instrument.units(order.cum_qty) for order in self.orders[self.phase_start:]
                    if order.instrument.row == row), ZERO)

    def executed_ever(self, row: int) -> Decimal:
        """Gross quantity executed on the row since the entry, in earlier lives of the trade too."""
        return self.executed_before.get(row, ZERO) + sum(
            (order.instrument.units(order.cum_qty) for order in self.orders if order.instrument.row == row), ZERO)

    def phase_best_px(self, row: int) -> int:
        """Best price on which the present phase's intent was decided for the row; 0 = it had no leg there."""
        for order in self.orders[self.phase_start:]:
            if order.instrument.row == row:
                return order.best_px or order.limit_px
        return 0

    # ---------------------------------------------------------------- money

    def mark(self, row: int) -> Decimal:
        """Cost price of one unit of what is held on the row."""
        found = self.money.rows.get(row)
        return found.mark if found else ZERO

    def post_fill(self, order: Order, fill: Fill) -> None:
        instrument, money = order.instrument, self.money
        amount = instrument.amount(fill.px, fill.qty)
        money.cash -= order.sign * amount
        self._row(instrument.row).add(order.sign * instrument.units(fill.qty), instrument.price(fill.px) / instrument.multiplier)

    def _row(self, row: int) -> RowMoney:
        found = self.money.rows.get(row)
        if found is None:
            found = self.money.rows[row] = RowMoney()
        return found

    def post_fee(self, instrument: Instrument, fill: Fill, other_price: Decimal) -> None:
        """`other_price`: quote per unit of a third fee asset."""
        fee, money = fill.fee or ZERO, self.money
        if not fee:
            return
        asset = fill.fee_asset or instrument.settle
        money.fee_assets[asset] = money.fee_assets.get(asset, ZERO) + fee
        if asset == instrument.quote:
            money.fees += fee
        elif asset == instrument.base and instrument.is_spot:
            value = fee * instrument.price(fill.px)
            money.fees += value
            money.base_fees += value
        else:
            value = fee * other_price
            money.fees += value
            money.other_fees += value

    def take_remainder(self, row: int, units: Decimal, value: Decimal) -> None:
        """From the dust ledger, at its cost."""
        self.carry[row] = self.carry.get(row, ZERO) + units
        self.forget()
        self.money.cash -= value
        if units:
            self._row(row).add(units, value / units)

    def leave_inventory(self) -> tuple[int, int, Decimal] | None:
        """(sold on row, bought on row, units): what both legs have in common stays where it is, and the trade has only its
        remainder afterwards. What was bought is worth what was sold, so no money moves. None = they have nothing in common."""
        first, second = (instrument.row for instrument in self.instruments[:2])
        held = self.positions()
        if held[first] * held[second] >= 0:
            return None
        units = min(abs(held[first]), abs(held[second]))
        bought, sold = (first, second) if held[first] > 0 else (second, first)
        for row, change in ((bought, -units), (sold, units)):
            self.carry[row] = self.carry.get(row, ZERO) + change
        self.forget()
        return sold, bought, units

    def leave_remainder(self, row: int) -> tuple[Decimal, Decimal]:
        """(units, value) of what is left on the row, for the dust ledger; the trade has nothing there afterwards."""
        units = self.position(row)
        value = units * self.mark(row)
        self.carry[row] = self.carry.get(row, ZERO) - units
        self.forget()
        self.money.cash += value
        return units, value

    def open_value(self) -> Decimal:
        """What is held, at its cost."""
        return sum((units * self.mark(row) for row, units in self.positions().items()), ZERO)

    def basis_profit(self) -> Decimal:
        """Result of prices alone: flows, plus what is held at cost, with fees taken in base given back."""
        return self.money.cash + self.open_value() + self.money.base_fees

    def net_profit(self) -> Decimal:
        return self.basis_profit() - self.money.fees + self.money.funding

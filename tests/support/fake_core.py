"""A hot core of few lines for tests of the calm floor: books set by hand, a gate that lets everything pass (or refuses on
request), and a record of what it was told. Same calls as cext.core.Core (engine/trade/core_surface.py)."""
from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from cext.core import STRATEGIES
from engine.events import Intent, IntentKind, Leg, OrderType, Purpose, Side
from engine.trade.core_surface import PairState
from feeds.instruments import InstrumentRow, unified_name


def instrument_row(row: int, market: str, base: str = "BTC", quote: str = "USDT", tick: str = "0.01", lot: str = "0.00001",
                   px_scale: int = 2,
                   qty_scale: int = 5, min_notional: str = "5", taker_fee: str = "0.001", multiplier: int = 1,
                   venue: str = "binance", account: str = "") -> InstrumentRow:
    settle = quote
    return InstrumentRow(
        id=row, name=unified_name(venue, market, base, quote, settle), venue=venue, market=market, symbol=base + quote,
        base=base, account=account,
        quote=quote, settle=settle, underlying=base, multiplier=multiplier, contract_size=Decimal(1), px_scale=px_scale,
        qty_scale=qty_scale,
        tick=Decimal(tick), lot=Decimal(lot), min_qty=Decimal(lot), max_qty=Decimal(0), min_notional=Decimal(min_notional),
        min_px=Decimal(0),
        max_px=Decimal(0), maker_fee=Decimal("0.0002"), taker_fee=Decimal(taker_fee), status="TRADING")


def pair_rows(pairs: int = 1) -> list[InstrumentRow]:
    """Spot and perpetual of several bases: row 2n is spot, row 2n + 1 the perpetual. Common lot 0.001 (spot lot 0.00001)."""
    bases = ["BTC", "ETH", "SOL", "XRP", "ADA", "DOT"]
    rows = []
    for index in range(pairs):
        rows.append(instrument_row(2 * index, "spot", bases[index]))
        rows.append(instrument_row(2 * index + 1, "linear", bases[index], tick="0.1", lot="0.001", px_scale=1, qty_scale=3,
                                   taker_fee="0.0005"))
    return rows


def venue_rows(bases: int = 1) -> list[InstrumentRow]:
    """Two venues, four rows a base: binance spot and perpetual (an account each), bybit spot and perpetual (one account)."""
    rows = []
    for base in ["BTC", "ETH", "SOL"][:bases]:
        for venue, account in (("binance", ""), ("bybit", "unified")):
            rows.append(instrument_row(len(rows), "spot", base, venue=venue, account=account))
            rows.append(instrument_row(len(rows), "linear", base, tick="0.1", lot="0.001", px_scale=1, qty_scale=3,
                                       taker_fee="0.0005", venue=venue, account=account))
    return rows


def venue_pairs(bases: int = 1) -> list[tuple[int, int]]:
    """Of each base: spot and perpetual of either venue, spot against the other's perpetual, both perpetuals, both spots."""
    return [(4 * base + a, 4 * base + b) for base in range(bases) for a, b in ((0, 1), (2, 3), (0, 3), (1, 3), (0, 2))]


@dataclass
class FakeCore:
    pair_list: list[tuple[int, int]]
    epoch: int = 1
    books: dict[int, tuple[int, int]] = field(default_factory=dict)          # row -> (best bid, best ask)
    pair_states: dict[int, tuple[int, int, int]] = field(default_factory=dict)  # pair -> (state, qty on a, qty on b)
    locks: dict[int, tuple[int, int]] = field(default_factory=dict)          # row -> (until, reason)
    held: set[tuple[int, int]] = field(default_factory=set)                  # reservations: (intent, leg)
    fills: dict[int, int] = field(default_factory=dict)                      # row -> signed quantity told by apply_fill
    rearmed: list[int] = field(default_factory=list)
    armed_from: dict[int, int] = field(default_factory=dict)                 # pair -> its books must be newer than this
    outcomes: list[bool] = field(default_factory=list)
    balances: dict[tuple[str, str], int] = field(default_factory=dict)       # (account, asset)
    pledges: dict[tuple[int, int], int] = field(default_factory=dict)        # (trade, row), none of 0
    spot_rows: set[int] = field(default_factory=set)
    positions: dict[int, int] = field(default_factory=dict)
    sessions: dict[tuple[int, int], bool] = field(default_factory=dict)
    pnl_e8: list[int] = field(default_factory=list)
    residuals: dict[int, int] = field(default_factory=dict)
    exit_requested: bool = False
    refuse_with: int = 0        # next submits are refused with this gate code
    sequence: int = 0

    def pairs(self) -> list[tuple[int, int]]:
        return self.pair_list

    def market(self, row: int) -> dict:
        if row not in self.books:
            return {"flags": 0, "bids": [], "asks": []}
        bid, ask = self.books[row]
        return {"flags": 1, "bids": [(bid, 10**9)], "asks": [(ask, 10**9)]}

    def next_intent_id(self) -> int:
        self.sequence += 1
        return self.epoch << 32 | self.sequence

    def make_intent(self, purpose: int, trade_id: int, pair_index: int, legs: list[tuple[int, int, int, int, int]], ttl_ns: int,
                    now_mono_ns: int, rests: bool = False) -> Intent:
        """What the gate hands on: ids derived from the sequence, best prices of this moment, reservations taken. `rests`: the one
        leg is post-only, and a plan is kept for its hedge."""
        intent_id = self.next_intent_id()
        made = []
        for index, (row, side, limit_px, qty, flags) in enumerate(legs):
            bid, ask = self.books.get(row, (limit_px, limit_px))
            best = ask if side == Side.BUY else bid
            made.append(Leg(client_id=f"L{intent_id:x}{index}", instrument_id=row, side=side,
                            order_type=OrderType.POST_ONLY if rests else OrderType.IOC, flags=flags, limit_px=limit_px,
                            qty=qty, leg_index=index, best_px=limit_px if rests else best))
            self.held.add((intent_id, index))
            if rests:
                self.held.add((intent_id, 1))
        if purpose == Purpose.ENTRY:
            self.pair_states[pair_index] = (PairState.ENTERING, 0, 0)
        elif purpose == Purpose.EXIT:
            self.pair_states[pair_index] = (PairState.EXITING, *self.pair_states.get(pair_index, (0, 0, 0))[1:])
        both_spot = all(row in self.spot_rows for row in (self.pair_list[pair_index] if rests else [leg[0] for leg in legs]))
        return Intent(intent_id=intent_id, trade_id=trade_id or intent_id, purpose=purpose, pair_index=pair_index,
                      strategy=STRATEGIES["cross_exchange" if both_spot else "spot_futures"],
                      kind=(IntentKind.HEDGE_ON_FILL if rests else IntentKind.SINGLE if len(made) == 1
                            else IntentKind.SIMULTANEOUS), decided_mono_ns=now_mono_ns,
                      decided_wall_ns=now_mono_ns, batch_mono_ns=now_mono_ns - 3_000, ttl_ns=ttl_ns, legs=made)

    # ---- what the calm floor tells

    def apply_fill(self, row: int, side: int, qty: int, px: int, fee_base_qty: int = 0, fee_quote_e8: int = 0,
                   adjust_balance: bool = True) -> None:
        assert qty > 0 and fee_base_qty >= 0
        self.fills[row] = self.fills.get(row, 0) + (qty if side == Side.BUY else -qty)

    def set_leg_remaining(self, intent_id: int, leg_index: int, qty: int) -> None:
        assert (intent_id, leg_index) in self.held

    def shrink_plan(self, intent_id: int, qty: int) -> None:
        assert (intent_id, 1) in self.held and qty >= 0

    def release(self, intent_id: int, leg_index: int) -> bool:
        assert (intent_id, leg_index) in self.held, "a reservation was given back twice"
        self.held.discard((intent_id, leg_index))
        return True

    def set_pair_state(self, pair_index: int, state: int, a_qty: int = 0, b_qty: int = 0, trade_id: int = 0,
                       opened_mono_ns: int = 0,
                       opened_wall_ns: int = 0) -> None:
        both_spot = all(row in self.spot_rows for row in self.pair_list[pair_index])
        assert state not in (PairState.OPEN, PairState.EXITING) or not both_spot, "spot against spot is never held"
        self.pair_states[pair_index] = (state, a_qty, b_qty)

    def set_residual(self, pair_index: int, residual_e8: int) -> None:
        self.residuals[pair_index] = residual_e8

    def rearm(self, pair_index: int, after_mono_ns: int) -> None:
        self.rearmed.append(pair_index)
        self.armed_from[pair_index] = after_mono_ns
        self.residuals: dict[int, int] = {}

    def request_exit(self, pair_index: int | None) -> None:
        self.exit_requested = True

    def lock_row(self, row: int, until_mono_ns: int, reason: int = 0) -> None:
        self.locks[row] = (until_mono_ns, reason)

    def lock_all(self, until_mono_ns: int, reason: int = 0) -> None:
        self.locks[-1] = (until_mono_ns, reason)

    def unlock(self, row: int | None = None, venue_id: int | None = None) -> None:
        if row is not None:
            self.locks.pop(row, None)

    def set_session(self, venue_id: int, market: int, is_ready: bool) -> None:
        self.sessions[venue_id, market] = is_ready

    def set_account_balance(self, account: str, asset: str, free_e8: int) -> None:
        self.balances[account, asset] = free_e8

    def set_pledge(self, trade_id: int, row: int, pledged_e8: int) -> None:
        assert row in self.spot_rows and pledged_e8 >= 0
        self.pledges[trade_id, row] = pledged_e8
        if not pledged_e8:
            del self.pledges[trade_id, row]

    def set_position(self, row: int, qty: int, px: int = 0) -> None:
        self.positions[row] = qty

    def note_outcome(self, ok: bool, now_mono_ns: int) -> None:
        self.outcomes.append(ok)

    def note_pnl(self, pnl_usd_e8: int, now_wall_ns: int) -> None:
        self.pnl_e8.append(pnl_usd_e8)

"""What Python sees of the hot floor (cext/core.pyx): the calm floor, tests and tools. Amounts named *_e8 are ints, units * 1e8;
px and qty are ints in the instrument's own scale; times are ns and always given, never read."""
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cext.instrument import InstrumentArray

GATE_NAMES: list[str]   # reason code -> "LOCK_ROW"
GATE_LAYERS: list[str]  # reason code -> "locks"
GATE_STOPS: list[str]   # reason code -> "E" stops what adds risk, "R" stops reducing orders too
SKIP_NAMES: list[str]   # "why not" code -> "NO_EDGE"
PAIR_STATES: list[str]  # PAIR_* -> "FLAT"
USD_LIKE: tuple[str, ...]
PAIR_KINDS: list[str]   # KIND_* -> "SPOT_PERP"
EXIT_CAUSES: list[str]

# EV_*, CMD_*, PAIR_*, KIND_*, GATE_*, SKIP_*, DIRECTION_*, EXIT_*, CONTROL_* are module attributes too.
PAIR_FLAT: int
PAIR_ENTERING: int
PAIR_OPEN: int
PAIR_EXITING: int
PAIR_RECOVERING: int
PAIR_LOCKED: int

@dataclass(frozen=True)
class CoreLimits:
    """Pre-trade limits of the whole core; docs/gate.md says what each one stops. *_usd and *_bps are numbers (int, Decimal,
    str)."""
    max_order_usd: Any = 1_000
    max_position_usd: Any = 5_000
    max_symbol_usd: Any = 10_000
    max_venue_usd: Any = 50_000
    max_total_usd: Any = 50_000
    max_delta_usd: Any = 2_000
    daily_loss_usd: Any = 500
    hourly_loss_usd: Any = 250
    consecutive_losses: int = 5
    max_drawdown_usd: Any = 1_000
    max_open_pairs: int = 64
    max_trades_per_minute: int = 300
    cautious_size_pct: Any = 50
    margin_use_pct: Any = 30
    price_band_pct: Any = 5
    collar_bps: Any = 50
    mark_collar_bps: Any = 200
    reduce_collar_bps: Any = 500
    max_resting: int = 16            # orders that rest, 0..64
    max_in_flight: int = 16
    max_orders_per_s: int = 20       # each (venue, market)
    order_burst: int = 20
    reserved_burst_pct: int = 20     # of the burst, for reducing orders
    ws_stale_ms: int = 500
    max_data_age_ms: int = 100
    max_skew_ms: int = 250
    quiet_unlearned_ms: int = 5_000
    max_decision_age_ms: int = 50
    breaker_window: int = 50           # newest outcomes
    breaker_window_s: int = 60         # and not older than this
    breaker_samples_min: int = 10
    breaker_error_pct: int = 20
    breaker_consecutive: int = 5
    breaker_recovery_ms: int = 30_000
    tell_every_ms: int = 1_000
    leverage: Any = 1                # linear instruments; set_leverage() sets one

@dataclass(frozen=True)
class PairParams:
    """Parameters of one pair, as engine/strategies publishes them. Ratios are in bps of notional."""
    entry_net_bps: Any = 1
    # result of the exit that is accepted, and budgeted at entry; None = both taker fees + exit_basis_bps
    exit_cost_bps: Any = None
    exit_basis_bps: Any = 1          # ask of b over bid of a at which the basis counts as gone
    forced_exit_cost_bps: Any = 100
    funding_bps: Any = 0             # expected income over the horizon, forward; the reverse direction has its negative
    funding_exit_bps: Any = None     # per interval against us: force the exit
    max_notional_usd: Any = 1_000    # quote units
    min_notional_usd: Any = 0
    quality_min_e4: int = 0          # lowest worst-case net / expected net * 1e4 that may enter
    slippage_ticks: int = 0
    slippage_bps: Any = 0
    horizon_s: Any = 28_800
    ttl_ms: int = 500
    unwind_bps: Any = 20
    allow_reverse: str = "none"      # none | inventory; spot against perpetual only, the other kinds go both ways
    exit_partial: bool = False       # slices when the books are too thin for the whole
    maker: str = "none"              # none | a | b: the row on which an order rests, post-only, while there is nothing to take
    rest_depth_bps: Any = 5          # furthest from the best price of its side that it is placed; at twice that it is withdrawn
    rest_pause_ms: int = 500         # between two such orders of the pair
    is_enabled: bool = True

class Core:
    instruments: InstrumentArray
    limits: CoreLimits
    params: list[PairParams]
    def __init__(self, instruments: InstrumentArray, limits: CoreLimits | dict | None = None, epoch: int = 1,
                 instance: int = 0) -> None: ...

    # ---- set-up
    def add_pair(self, row_a: int, row_b: int, params: PairParams | dict | None = None, strategy: str | None = None,
                 is_converted: bool = False) -> int: ...
    """Spot and perpetual (one venue or two), two perpetuals or two spot instruments (two venues), of one underlying. Quote and
    settle assets are equal unless is_converted: then amounts are compared one to one, at the cost of set_extra_cost(). strategy:
    spot_futures | cross_exchange, by default the one that makes such pairs; its intents carry it. ValueError with both names."""
    def pairs(self) -> list[tuple[int, int]]:
        """(row a, row b) of each pair, by index. The core's own list, since it is asked for on the engine's loop: to be read
        only."""
    def set_params(self, pair_index: int, params: PairParams | dict) -> None: ...
    def set_signals(self, pair_index: int, basis_bps: float, spread_bps: float, funding_bps: float) -> None: ...
    """Slow signals: normal basis (where an exit is expected), cost of crossing both books, expected funding income forward."""
    def set_extra_cost(self, pair_index: int, forward_bps: float, reverse_bps: float) -> None: ...
    """What an entry costs beside fees and exit, 0..2000 bps by direction: conversion, moving inventory back."""
    def set_enabled(self, pair_index: int, is_enabled: bool, why: str = "DISABLED") -> None: ...
    """Entries on, or off and why_not says DISABLED or DEPEG; exits go on."""
    def pair_top(self, pair_index: int) -> tuple[float, float, float, float] | None: ...
    """(bid a, ask a, bid b, ask b) per underlying unit; None while a book is not usable."""
    def pair_funding(self, pair_index: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]: ...
    """Of row a and row b: (rate * 1e8 per interval, next funding wall ns, interval s); zeros = spot, or not known yet."""
    def set_limits(self, limits: CoreLimits | dict) -> None: ...
    def set_order_rate(self, venue_id: int, market: int, per_s: int, burst: int) -> None: ...
    def set_fees(self, row: int, taker_fee: Any, maker_fee: Any = None) -> None: ...
    def set_leverage(self, row: int, leverage: Any) -> None: ...
    def set_usd_rate(self, asset: str, rate: Any) -> None: ...
    def set_trading_word(self, word: int) -> None: ...
    def set_session(self, venue_id: int, market: int, is_ready: bool) -> None: ...
    def set_dry_run(self) -> None: ...
    """For good: what every layer of the gate would let through is refused with DRY_RUN; nothing is reserved or sent."""
    def set_account_balance(self, account: str, asset: str | int, free_e8: int) -> None: ...
    """account: as InstrumentRow.account_name. Spot: what is free; linear and unified: wallet (cash) balance; margin of positions
    and what orders hold is subtracted here."""
    def set_balance(self, venue_id: int, market: int, asset: str | int, free_e8: int) -> None: ...
    """The same for the account from which a market of a venue pays."""
    def set_pledge(self, trade_id: int, row: int, pledged_e8: int) -> None: ...
    """Base that an open trade holds on a spot row; 0 = none any more. No entry may sell it, nor another trade's repair."""
    def set_position(self, row: int, qty: int, px: int = 0) -> None: ...

    # ---- orders and what became of them
    def submit(self, purpose: int, trade_id: int, pair_index: int, legs: Sequence[tuple[int, int, int, int, int]], kind: int,
               ttl_ns: int, now_mono_ns: int, now_wall_ns: int) -> tuple[int, int]: ...
    """legs = [(row, side, limit_px, qty, flags)]; passes the same gate. Returns (GATE_* code, pool index of the intent)."""
    def apply_fill(self, row: int, side: int, qty: int, px: int, fee_base_qty: int = 0, fee_quote_e8: int = 0,
                   adjust_balance: bool = True) -> None: ...
    """adjust_balance=False when an absolute balance that contains this fill was or will be set."""
    def release(self, intent_id: int, leg_index: int) -> bool: ...
    """The order is terminal (or never left): give its reservation back. False = nothing was held."""
    def set_leg_remaining(self, intent_id: int, leg_index: int, qty: int) -> None: ...
    """Partial fill: what the order may still execute (the reservation itself stays until release)."""
    def shrink_plan(self, intent_id: int, qty: int) -> None: ...
    """A hedge of an order that rests was sent: for those to come, of at most qty (the hedging row's scale), less is held."""
    def watch_quotes(self) -> bool: ...
    """Asks the next evaluation to look at every order that rests, touched or not. False = there is none."""
    @property
    def resting(self) -> int: ...
    """Orders that rest."""
    def note_outcome(self, ok: bool, now_mono_ns: int) -> None: ...
    def note_pnl(self, pnl_usd_e8: int, now_wall_ns: int) -> None: ...
    """Result of a finished trade: loss layers."""
    def clear_losses(self) -> None: ...
    """A person has looked: losses in a row start again from 0."""

    # ---- pairs
    def set_pair_state(self, pair_index: int, state: int, a_qty: int = 0, b_qty: int = 0, trade_id: int = 0,
                       opened_mono_ns: int = 0, opened_wall_ns: int = 0) -> None: ...
    """Quantities are what is held on row a and row b, signed, own scales: forward = a > 0, b < 0. Spot against spot is never
    OPEN."""
    def set_residual(self, pair_index: int, residual_e8: int) -> None: ...
    """What finished trades left over of the pair's underlying (its units * 1e8): the next entry that buys spot absorbs it."""
    def rearm(self, pair_index: int, after_mono_ns: int) -> None: ...
    """Both books must be newer than after_mono_ns (and have changed) before the pair fires again."""
    def request_exit(self, pair_index: int | None) -> None: ...
    """None = every open pair, now and when it opens."""
    def clear_exit(self) -> None: ...

    # ---- locks
    def lock_row(self, row: int, until_mono_ns: int, reason: int = 0) -> None: ...
    def lock_venue(self, venue_id: int, until_mono_ns: int, reason: int = 0) -> None: ...
    def lock_all(self, until_mono_ns: int, reason: int = 0) -> None: ...
    def unlock(self, row: int | None = None, venue_id: int | None = None) -> None: ...
    """Neither given = the lock on everything (not those on rows and venues)."""

    # ---- driving it from Python (tests, tools); the shell and replay call core_step
    def on_book(self, row: int, record: bytes, connection: int, now_mono_ns: int, now_wall_ns: int) -> None: ...
    def on_funding(self, row: int, record: bytes, now_mono_ns: int, now_wall_ns: int) -> None: ...
    def on_alive(self, connection: int, alive_mono_ns: int) -> None: ...
    def on_feed_status(self, feed: int, is_up: bool) -> None: ...
    def evaluate(self, now_mono_ns: int, now_wall_ns: int, capacity: int = 64) -> list[tuple[int, int, int]]: ...
    """[(CMD_*, reason, pool index)]"""
    def intent(self, pool_index: int) -> dict: ...
    def intent_bytes(self, pool_index: int) -> bytes: ...

    # ---- looking
    def market(self, row: int) -> dict: ...
    def pair_view(self, pair_index: int, now_mono_ns: int = 0) -> dict: ...
    def balance(self, venue_id: int, market: int, asset: str | int) -> dict: ...
    """free_e8, reserved_e8, margin_e8, pledged_e8 of the account from which the market pays; KeyError = nobody pays with it."""
    def account_balance(self, account: str, asset: str | int) -> dict: ...
    def position(self, row: int) -> int: ...
    def group_delta(self, row: int) -> tuple[int, int]: ...
    """(net delta of the row's underlying, its scale)"""
    def open_intents(self) -> list[int]: ...
    def counters(self) -> dict: ...
    def state(self) -> dict: ...
    def check(self) -> None: ...
    """Every invariant of the core; AssertionError says which one broke."""

"""The hot floor of the core: `core_step` (one event in, commands out), and `Core`, which owns its memory and is how the calm
floor, tests and tools reach it.

Live shell, replay and simulation drive the same step; they differ only in who feeds events and who carries commands out. No
clock, no socket, no file, no random: the same events with the same times give the same commands. One thread. Python holds no
market state; every number that crosses here is exact (int, Decimal, str), never a float."""
import math
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from libc.math cimport INFINITY, ceil
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from cext.detect cimport evaluate_touched, free_slot, name_intent, start_intent
from cext.gate cimport note_outcome, note_pnl, pass_gate, release_leg
from cext.instrument cimport ACCOUNT_UNIFIED, ACCOUNTS_PER_VENUE, MARKET_LINEAR, MARKET_SPOT
from cext.market_state cimport (is_funding_against, store_alive, store_book, store_feed_status, store_funding,
                                touch_row)
from cext.money cimport int128_t, money_clip, notional_e8_ceil, rate_ceil

cdef extern from *:
    """
    #include <stdlib.h>
    #include <sys/mman.h>
    #define HUGE_PAGE (2u << 20)
    #define CODE_NAME_(code, name, layer, stops) [code] = #name,
    #define CODE_LAYER_(code, name, layer, stops) [code] = layer,
    #define CODE_STOPS_(code, name, layer, stops) [code] = stops,
    #define SKIP_NAME_(code, name) [code] = #name,
    static const char *const gate_names[GATE_CODES_MAX] = { GATE_CODES(CODE_NAME_) };
    static const char *const gate_layers[GATE_CODES_MAX] = { GATE_CODES(CODE_LAYER_) };
    static const char *const gate_stops[GATE_CODES_MAX] = { GATE_CODES(CODE_STOPS_) };
    static const char *const skip_names[SKIP_CODES_MAX] = { SKIP_CODES(SKIP_NAME_) };
    /* Zeroed, written through once (so no page fault later), on huge pages where the system grants them: random access to a
       thousand books otherwise misses the TLB. */
    static void *core_memory(size_t bytes)
    {
        void *p = NULL;
        size_t align = bytes >= HUGE_PAGE / 8 ? HUGE_PAGE : 64;
        bytes = (bytes + align - 1) / align * align;
        if (posix_memalign(&p, align, bytes)) return NULL;
        if (align == HUGE_PAGE) (void)madvise(p, bytes, MADV_HUGEPAGE);
        memset(p, 0, bytes);
        return p;
    }
    """
    const char *const *gate_names
    const char *const *gate_layers
    const char *const *gate_stops
    const char *const *skip_names
    void *core_memory(size_t size) nogil


# ---------------------------------------------------------------- the step

cdef void on_control(core_t *core, const core_event_t *event) noexcept nogil:  # hot
    """CONTROL_*: trading word, and requests to close; rows of pairs to be closed are touched, so that the next evaluation
    tries."""
    cdef int32_t k
    if event.row == CONTROL_TRADING_WORD:
        core.trading_word = <uint32_t>event.value
    elif event.row == CONTROL_CLOSE_PAIR:
        if event.connection < <uint32_t>core.pair_count:
            core.pairs[event.connection].exit_cause = EXIT_REQUESTED
            touch_row(core, core.pairs[event.connection].row_a)
    elif event.row == CONTROL_CLOSE_ALL:
        core.close_all = 1
        for k in range(core.pair_count):
            if core.pairs[k].state == PAIR_OPEN:
                touch_row(core, core.pairs[k].row_a)
    elif event.row == CONTROL_WATCH:
        core.watch_quotes = 1


cdef int core_step(core_t *core, const core_event_t *event, int64_t now_mono_ns, int64_t now_wall_ns,
                   command_t *commands, int capacity) noexcept nogil:  # hot
    """One event; see core.pxd. Rows and connection keys outside the tables are ignored: the shell counts them where it maps
    them."""
    cdef uint32_t kind = event.kind
    if kind == EV_BOOK:
        if <uint32_t>event.row < <uint32_t>core.row_count and event.connection < CONNECTION_KEYS:
            core.counters.books += 1
            store_book(core, event.row, event.book, event.connection)
        return 0
    if kind == EV_EVALUATE:
        return evaluate_touched(core, now_mono_ns, now_wall_ns, commands, capacity)
    if kind == EV_ALIVE:
        if event.connection < CONNECTION_KEYS:
            store_alive(core, event.connection, event.value)
    elif kind == EV_FUNDING:
        if <uint32_t>event.row < <uint32_t>core.row_count:
            store_funding(core, event.row, event.funding)
    elif kind == EV_FEED_STATUS:
        if event.connection < FEEDS_MAX:
            store_feed_status(core, event.connection, event.value != 0)
    elif kind == EV_CONTROL:
        on_control(core, event)
    return 0


# ---------------------------------------------------------------- parameters

@dataclass(frozen=True)
class CoreLimits:
    """Pre-trade limits of the whole core; docs/gate.md says what each one stops. *_usd, *_bps, *_pct: int, str or Decimal."""
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
    collar_bps: Any = 50
    mark_collar_bps: Any = 200
    reduce_collar_bps: Any = 500
    max_in_flight: int = 16
    max_resting: int = 16
    max_orders_per_s: int = 20
    order_burst: int = 20
    reserved_burst_pct: int = 20
    ws_stale_ms: int = 500
    max_data_age_ms: int = 100
    max_skew_ms: int = 250
    price_band_pct: Any = 5
    quiet_unlearned_ms: int = 5_000
    max_decision_age_ms: int = 50
    breaker_window: int = 50
    breaker_window_s: int = 60
    breaker_samples_min: int = 10
    breaker_error_pct: int = 20
    breaker_consecutive: int = 5
    breaker_recovery_ms: int = 30_000
    tell_every_ms: int = 1_000
    leverage: Any = 1


@dataclass(frozen=True)
class PairParams:
    """Parameters of one pair, as engine/strategies publishes them (core.pyi says what each means). In bps of notional."""
    entry_net_bps: Any = 1
    exit_cost_bps: Any = None
    exit_basis_bps: Any = 1
    forced_exit_cost_bps: Any = 100
    funding_bps: Any = 0
    funding_exit_bps: Any = None
    max_notional_usd: Any = 1_000
    min_notional_usd: Any = 0
    quality_min_e4: int = 0
    slippage_ticks: int = 0
    slippage_bps: Any = 0
    horizon_s: Any = 28_800
    ttl_ms: int = 500
    unwind_bps: Any = 20
    allow_reverse: str = "none"
    exit_partial: bool = False
    maker: str = "none"
    rest_depth_bps: Any = 5
    rest_pause_ms: int = 500
    is_enabled: bool = True


MAKERS = ("none", "a", "b")   # pair_hot_t.rests
RESTING_MAX = 64        # of the pool's slots: repairs always find one
AMOUNT_USD_MAX = 1_000_000_000  # hard ceiling of every amount limit: products of sizing stay within 128 bits
USD_LIKE = ("USD", "USDT", "USDC", "FDUSD", "TUSD", "BUSD", "DAI")
PAIR_STATES = ["FLAT", "ENTERING", "OPEN", "EXITING", "RECOVERING", "LOCKED"]
PAIR_KINDS = ["", "SPOT_PERP", "PERP_PERP", "SPOT_SPOT"]
POTS = {int(MARKET_SPOT): "spot", int(MARKET_LINEAR): "linear", int(ACCOUNT_UNIFIED): "unified"}
STRATEGIES = {"spot_futures": int(STRATEGY_SPOT_FUTURES), "cross_exchange": int(STRATEGY_CROSS_EXCHANGE)}
EXIT_CAUSES = ["", "CONVERGED", "HORIZON", "FUNDING", "REQUESTED"]


def scaled(str name, value, scale, minimum, maximum, rounding=ROUND_FLOOR):
    """value * scale as an int within bounds; an error that names the parameter and its bounds otherwise."""
    if isinstance(value, float):
        value = repr(value)  # shortest decimal that is this float: what a person wrote in the configuration
    number = Decimal(value)
    if not Decimal(minimum) <= number <= Decimal(maximum):
        raise ValueError(f"{name} {value} is outside {minimum}..{maximum}")
    return int((number * scale).to_integral_value(rounding=rounding))


def ten(exponent):
    """10 ** exponent in Python ints, whatever the caller's variable is in C."""
    return 10 ** exponent


def bps_e8(str name, value, minimum, maximum, rounding=ROUND_CEILING):
    return scaled(name, value, 10_000, minimum, maximum, rounding)


cdef list code_list(const char *const *names, int count):
    return [names[k].decode() if names[k] != NULL else "" for k in range(count)]


GATE_NAMES = [name for name in code_list(gate_names, GATE_CODES_MAX) if name]
GATE_LAYERS = code_list(gate_layers, len(GATE_NAMES))
GATE_STOPS = code_list(gate_stops, len(GATE_NAMES))
SKIP_NAMES = [name for name in code_list(skip_names, SKIP_CODES_MAX) if name]
for _code, _name in enumerate(GATE_NAMES):
    globals()["GATE_" + _name] = _code
for _code, _name in enumerate(SKIP_NAMES):
    globals()["SKIP_" + _name] = _code
for _code, _name in enumerate(PAIR_STATES):
    globals()["PAIR_" + _name] = _code
for _code, _name in enumerate(PAIR_KINDS[1:], 1):
    globals()["KIND_" + _name] = _code
globals().update(
    CMD_SEND=CMD_SEND, CMD_REFUSED=CMD_REFUSED, CMD_EXPLAIN=CMD_EXPLAIN, CMD_CANCEL=CMD_CANCEL,
    EV_BOOK=EV_BOOK, EV_EVALUATE=EV_EVALUATE,
    EV_FUNDING=EV_FUNDING, EV_FEED_STATUS=EV_FEED_STATUS, EV_ALIVE=EV_ALIVE, EV_CONTROL=EV_CONTROL,
    CONTROL_TRADING_WORD=CONTROL_TRADING_WORD, CONTROL_CLOSE_PAIR=CONTROL_CLOSE_PAIR, CONTROL_CLOSE_ALL=CONTROL_CLOSE_ALL,
    DIRECTION_NONE=DIRECTION_NONE, DIRECTION_FORWARD=DIRECTION_FORWARD, DIRECTION_REVERSE=DIRECTION_REVERSE,
    EXIT_CONVERGED=EXIT_CONVERGED, EXIT_HORIZON=EXIT_HORIZON, EXIT_FUNDING=EXIT_FUNDING, EXIT_REQUESTED=EXIT_REQUESTED,
    BREAKER_CLOSED=BREAKER_CLOSED, BREAKER_OPEN=BREAKER_OPEN, BREAKER_HALF_OPEN=BREAKER_HALF_OPEN,
    PAIR_NONE=PAIR_NONE, INTENT_POOL=INTENT_POOL, CONNECTIONS_MAX=CONNECTIONS_MAX)


# ---------------------------------------------------------------- fills (cold, but without an object: replay calls it often)

cdef void revalue_row(core_t *core, int32_t row, int64_t px) noexcept nogil:
    """Exposure, margin and delta of one instrument after its position changed; sums above it follow."""
    cdef row_cold_t *r = &core.rows[row]
    cdef group_t *group = &core.groups[r.group]
    cdef uint32_t venue = core.instruments[row].venue_id
    cdef int64_t size = r.position if r.position >= 0 else -r.position
    cdef int64_t rate = core.usd_rate_e8[core.instruments[row].quote_asset]
    cdef int64_t value = notional_e8_ceil(px, size, r.notional_mul, r.notional_div)
    cdef int64_t usd = value if rate == E8 else rate_ceil(value, rate)
    cdef int64_t delta = group.delta if group.delta >= 0 else -group.delta
    cdef int64_t margin = 0
    group.exposure_e8 += usd - r.exposure_e8
    core.venue_exposure_e8[venue] += usd - r.exposure_e8
    core.exposure_e8 += usd - r.exposure_e8
    r.exposure_e8 = usd
    value = notional_e8_ceil(px, delta // r.group_mul + (delta % r.group_mul != 0), r.notional_mul, r.notional_div)
    group.delta_usd_e8 = value if rate == E8 else rate_ceil(value, rate)
    if core.instruments[row].market == MARKET_LINEAR:
        value = notional_e8_ceil(px, size, r.notional_mul, r.notional_div)
        margin = money_clip((<int128_t>value * 100 + r.leverage_e2 - 1) // r.leverage_e2)
        core.balances[r.quote_slot].margin_e8 += margin - r.margin_e8
        r.margin_e8 = margin


cdef void move_position(core_t *core, int32_t row, int64_t qty, int64_t px) noexcept nogil:
    """Adds a signed quantity to a position and to its underlying's delta."""
    core.rows[row].position += qty
    core.groups[core.rows[row].group].delta += qty * core.rows[row].group_mul
    revalue_row(core, row, px)


# ---------------------------------------------------------------- the owner

cdef class Core:
    """Owns one core_t; see core.pyi for what each method means to its caller."""

    def __cinit__(self, InstrumentArray instruments, limits=None, epoch=1, instance=0):
        self._memory = []
        self.params = []
        self._pair_rows = []
        self._slots = {}
        self._venue_rates = {}
        self._accounts = {}
        self._pledges = {}
        self._pair_capacity = 0
        self.instruments = instruments
        self.c = <core_t *>self._allocate(sizeof(core_t))
        cdef core_t *c = self.c
        if not 0 < epoch < 2**31:
            raise ValueError(f"epoch {epoch} is outside 1..2**31-1")
        c.epoch = epoch
        c.instance = instance
        c.instruments = instruments.rows
        c.row_count = instruments.count
        c.trading_word = TRADING_HALTED
        c.hot = <row_hot_t *>self._allocate(max(1, c.row_count) * sizeof(row_hot_t))
        c.rows = <row_cold_t *>self._allocate(max(1, c.row_count) * sizeof(row_cold_t))
        c.books = <book_record_t *>self._allocate(max(1, c.row_count) * sizeof(book_record_t))
        c.touched = <int32_t *>self._allocate(max(1, c.row_count) * sizeof(int32_t))
        c.pool = <intent_slot_t *>self._allocate(INTENT_POOL * sizeof(intent_slot_t))
        c.balances = <balance_t *>self._allocate((2 * c.row_count + 1) * sizeof(balance_t))
        c.groups = <group_t *>self._allocate(max(1, c.row_count) * sizeof(group_t))
        c.group_rows = <int32_t *>self._allocate(max(1, c.row_count) * sizeof(int32_t))
        if len(instruments.assets) > ASSETS_MAX or len(instruments.venues) > VENUES_MAX:
            raise ValueError(f"{len(instruments.assets)} assets, {len(instruments.venues)} venues: at most {ASSETS_MAX} and {VENUES_MAX}")
        for index, asset in enumerate(instruments.assets):
            c.usd_rate_e8[index] = E8 if asset in USD_LIKE else 0
        self._fill_rows()
        self.set_limits(limits if limits is not None else CoreLimits())
        for row in range(c.row_count):
            self.set_leverage(row, self.limits.leverage)
        self._grow_pairs(64)

    def __dealloc__(self):
        if self._memory is not None:
            for address in self._memory:
                free(<void *><size_t>address)

    cdef void *_allocate(self, size_t size) except NULL:
        cdef void *p = core_memory(size)
        if p == NULL:
            raise MemoryError(f"{size} bytes for the core")
        self._memory.append(<size_t>p)
        return p

    cdef object _release_memory(self, void *p):
        self._memory.remove(<size_t>p)
        free(p)

    # ---- set-up

    def _slot(self, account, asset) -> int:
        """Index of the balance of an asset in one account."""
        return self._slots.setdefault((account, asset), len(self._slots) + 1)

    def _fill_rows(self):
        cdef core_t *c = self.c
        cdef int row
        cdef const instrument_t *instrument
        groups = {}
        scales = {}
        for row in range(c.row_count):
            instrument = &c.instruments[row]
            if instrument.instrument_id != <uint32_t>row:
                raise ValueError(f"{self.instruments.names[row]}: id {instrument.instrument_id} at row {row}; the core wants them equal")
            if instrument.qty_scale > 8:
                raise ValueError(f"{self.instruments.names[row]}: {instrument.qty_scale} decimals of size; amounts are kept to 8")
            if instrument.tick_px <= 0 or instrument.lot_qty <= 0:
                raise ValueError(f"{self.instruments.names[row]}: tick and lot must be above 0")
            if instrument.underlying_asset not in groups:
                groups[instrument.underlying_asset] = len(groups)
            group = groups[instrument.underlying_asset]
            scales[group] = max(scales.get(group, 0), instrument.qty_scale)
        c.group_count = len(groups)
        self._fill_group_rows()
        for row in range(c.row_count):
            instrument = &c.instruments[row]
            name = self.instruments.names[row]
            group = groups[instrument.underlying_asset]
            c.groups[group].scale = scales[group]
            c.rows[row].group = group
            c.rows[row].group_mul = instrument.multiplier * ten(scales[group] - instrument.qty_scale)
            if instrument.max_qty != INT64_MAX and instrument.max_qty * int(c.rows[row].group_mul) >= 2**62:
                raise ValueError(f"{name}: max_qty {instrument.max_qty} does not fit into 62 bits at its underlying's scale")
            scale = int(instrument.px_scale + instrument.qty_scale)
            c.rows[row].notional_mul = ten(max(0, 8 - scale))
            c.rows[row].notional_div = ten(max(0, scale - 8))
            c.rows[row].base_mul = ten(8 - instrument.qty_scale)
            c.rows[row].session = instrument.venue_id * MARKETS_MAX + instrument.market
            account = int(instrument.account_id)
            venue = self.instruments.venues[instrument.venue_id]
            self._accounts[f"{venue}:{POTS[account % int(ACCOUNTS_PER_VENUE)]}"] = account
            self._accounts[int(instrument.venue_id), int(instrument.market)] = account
            c.rows[row].quote_slot = self._slot(account, instrument.settle_asset)
            c.rows[row].base_slot = self._slot(account, instrument.base_asset) if instrument.market == MARKET_SPOT else 0
            self._fill_fee(row, instrument.taker_fee_e8)
            c.rows[row].maker_fee_e8 = instrument.maker_fee_e8
            c.rows[row].leverage_e2 = 100
            c.hot[row].ask = INFINITY
            c.hot[row].px_unit = instrument.px_unit

    def _fill_group_rows(self):
        """Rows of each underlying, as one array and two indices a group; groups are numbered as their assets first appear."""
        cdef core_t *c = self.c
        cdef int32_t end = 0
        members = {}
        for row in range(c.row_count):
            members.setdefault(c.instruments[<int>row].underlying_asset, []).append(row)
        for group, rows in enumerate(members.values()):
            c.groups[<int>group].rows_begin = end
            for row in rows:
                c.group_rows[end] = row
                end += 1
            c.groups[<int>group].rows_end = end

    def _fill_fee(self, int row, fee_e8):
        self.c.rows[row].fee_e8 = fee_e8
        self.c.rows[row].delivered_q60 = 2**60 * (10**8 - fee_e8) // 10**8

    def _grow_pairs(self, int capacity):
        cdef core_t *c = self.c
        cdef pair_hot_t *pairs = <pair_hot_t *>self._allocate(capacity * sizeof(pair_hot_t))
        cdef pair_cold_t *cold = <pair_cold_t *>self._allocate(capacity * sizeof(pair_cold_t))
        cdef int32_t *adjacent = <int32_t *>self._allocate(2 * capacity * sizeof(int32_t))
        if c.pairs != NULL:
            memcpy(pairs, c.pairs, c.pair_count * sizeof(pair_hot_t))
            memcpy(cold, c.pairs_cold, c.pair_count * sizeof(pair_cold_t))
            self._release_memory(c.pairs)
            self._release_memory(c.pairs_cold)
            self._release_memory(c.adjacent)
        c.pairs = pairs
        c.pairs_cold = cold
        c.adjacent = adjacent
        self._pair_capacity = capacity

    def _rebuild_adjacency(self):
        """Pairs of each row, as one array and two indices a row."""
        cdef core_t *c = self.c
        cdef int32_t row, k, end = 0
        of_row = [[] for _ in range(c.row_count)]
        for k in range(c.pair_count):
            of_row[c.pairs[k].row_a].append(k)
            of_row[c.pairs[k].row_b].append(k)
        for row in range(c.row_count):
            c.hot[row].adjacent_begin = end
            for pair_index in of_row[row]:
                c.adjacent[end] = pair_index
                end += 1
            c.hot[row].adjacent_end = end

    def _row(self, row) -> int:
        if not 0 <= row < self.c.row_count:
            raise IndexError(f"row {row} is outside 0..{self.c.row_count - 1}")
        return row

    def _pair(self, pair_index) -> int:
        if not 0 <= pair_index < self.c.pair_count:
            raise IndexError(f"pair {pair_index} is outside 0..{self.c.pair_count - 1}")
        return pair_index

    def _kind(self, int row_a, int row_b, bint is_converted, str names) -> int:
        """KIND_* of two rows; refuses what cannot hedge each other."""
        cdef const instrument_t *a = &self.c.instruments[self._row(row_a)]
        cdef const instrument_t *b = &self.c.instruments[self._row(row_b)]
        if a.market == MARKET_SPOT and b.market == MARKET_LINEAR:
            kind = KIND_SPOT_PERP
        elif a.market == MARKET_LINEAR and b.market == MARKET_SPOT:
            raise ValueError(f"{names}: a pair is a spot and a linear instrument in this order, or two of one market")
        else:
            kind = KIND_SPOT_SPOT if a.market == MARKET_SPOT else KIND_PERP_PERP
            if a.venue_id == b.venue_id:
                raise ValueError(f"{names}: two instruments of one market and one venue; such a pair joins two venues")
        if a.quote_asset != a.settle_asset or b.quote_asset != b.settle_asset:
            raise ValueError(f"{names}: quote and settle assets differ; a pair joins equal ones")
        if a.quote_asset != b.quote_asset and not is_converted:
            raise ValueError(f"{names}: quote and settle assets differ; a pair joins equal ones, or has a conversion")
        if a.underlying_asset != b.underlying_asset:
            raise ValueError(f"{names}: underlyings differ")
        return kind

    def add_pair(self, int row_a, int row_b, params=None, strategy=None, bint is_converted=False) -> int:
        """Joins two instruments of one underlying; see core.pyi."""
        cdef core_t *c = self.c
        names = f"{self.instruments.names[self._row(row_a)]} and {self.instruments.names[self._row(row_b)]}"
        kind = self._kind(row_a, row_b, is_converted, names)
        if strategy is None:
            strategy = "cross_exchange" if kind == KIND_SPOT_SPOT else "spot_futures"
        if strategy not in STRATEGIES:
            raise ValueError(f"{names}: strategy {strategy!r}; right is one of {', '.join(STRATEGIES)}")
        if c.pair_count == self._pair_capacity:
            self._grow_pairs(2 * self._pair_capacity)
        index = c.pair_count
        memset(&c.pairs[index], 0, sizeof(pair_hot_t))
        memset(&c.pairs_cold[index], 0, sizeof(pair_cold_t))
        c.pairs[index].row_a = row_a
        c.pairs[index].row_b = row_b
        c.pairs[index].is_armed = 1
        c.pairs[index].exit_due_mono_ns = INT64_MAX
        c.pairs[index].exit_ratio = INFINITY
        c.pairs_cold[index].kind = kind
        c.pairs_cold[index].strategy = STRATEGIES[strategy]
        self._fill_scales(index, names)
        c.pair_count += 1
        self.params.append(None)
        try:
            self.set_params(index, params if params is not None else PairParams())
        except Exception:
            c.pair_count -= 1
            self.params.pop()
            raise
        self._pair_rows.append((row_a, row_b))
        self._rebuild_adjacency()
        return index

    def _fill_scales(self, int index, names):
        """Common scales and lot of a pair; refuses what could leave 64 or 128 bits."""
        cdef core_t *c = self.c
        cdef pair_cold_t *cold = &c.pairs_cold[index]
        cdef int k
        legs = [self.instruments.row(c.pairs[index].row_a), self.instruments.row(c.pairs[index].row_b)]
        for leg in legs:
            if leg["multiplier"] < 1 or 10 ** (len(str(leg["multiplier"])) - 1) != leg["multiplier"]:
                raise ValueError(f"{leg['name']}: multiplier {leg['multiplier']} is not a power of ten")
        zeros = [len(str(leg["multiplier"])) - 1 for leg in legs]
        px_scale = max(leg["px_scale"] + zero for leg, zero in zip(legs, zeros))
        qty_scale = max(leg["qty_scale"] for leg in legs)
        if px_scale + qty_scale > 18:
            raise ValueError(f"{names}: common scales {px_scale} and {qty_scale} have more than 18 decimals together")
        lots = []
        for k in range(2):
            leg = legs[k]
            px_mul = 10 ** (px_scale - leg["px_scale"] - zeros[k])
            qty_mul = leg["multiplier"] * 10 ** (qty_scale - leg["qty_scale"])
            if px_mul > 10**9 or qty_mul > 10**9:
                raise ValueError(f"{names}: scales are more than 9 decimals apart")
            cold.px_mul[k] = px_mul
            cold.qty_mul[k] = qty_mul
            cold.px_bound[k] = 2**60 // px_mul
            cold.qty_bound[k] = min(leg["max_qty"], 2**56 // qty_mul)
            cold.px_unit_e8[k] = 1e8 * leg["multiplier"] / 10.0 ** px_scale
            lots.append(leg["lot_qty"] * qty_mul)
        lot = math.lcm(*lots)
        if lot >= 2**56:
            raise ValueError(f"{names}: lots {lots[0]} and {lots[1]} have no common multiple below 2**56")
        cold.lot_common = lot
        cold.px_scale = px_scale
        cold.qty_scale = qty_scale
        cold.common_one = 10 ** (px_scale + qty_scale)
        cold.e8_mul = 10 ** max(0, px_scale + qty_scale - 8)
        cold.e8_div = 10 ** max(0, 8 - px_scale - qty_scale)

    def pairs(self) -> list:
        return self._pair_rows

    def set_params(self, int pair_index, params):
        """Publishes the parameters of a pair, between polls."""
        cdef core_t *c = self.c
        cdef pair_cold_t *cold = &c.pairs_cold[self._pair(pair_index)]
        cdef pair_hot_t *pair = &c.pairs[pair_index]
        cdef int k
        if isinstance(params, dict):
            params = PairParams(**params)
        if params.allow_reverse not in ("none", "inventory"):
            raise ValueError(f"allow_reverse {params.allow_reverse!r}: right is none or inventory")
        if params.maker not in MAKERS:
            raise ValueError(f"maker {params.maker!r}: right is none, a or b")
        if pair.state == PAIR_ENTERING and pair.rests != MAKERS.index(params.maker):
            raise ValueError(f"pair {pair_index}: the maker leg cannot change while an entry is out")
        sell_fees = [int(c.rows[row].fee_e8) for row in (pair.row_a, pair.row_b)]
        buy_fees = [-(-fee * 10**8 // (10**8 - fee)) if c.instruments[<int>row].fee_in_base else fee
                    for row, fee in zip((pair.row_a, pair.row_b), sell_fees)]
        exit_base = 0
        if params.exit_cost_bps is not None:
            exit_base = bps_e8("exit_cost_bps", params.exit_cost_bps, -1000, 1000)
        elif cold.kind != KIND_SPOT_SPOT:  # which has no exit
            exit_base = sum(buy_fees) + bps_e8("exit_basis_bps", params.exit_basis_bps, -1000, 1000)
        forced = bps_e8("forced_exit_cost_bps", params.forced_exit_cost_bps, 0, 5000)
        entry = bps_e8("entry_net_bps", params.entry_net_bps, -1000, 10_000)
        funding = bps_e8("funding_bps", params.funding_bps, -2000, 2000, ROUND_FLOOR)
        funding_exit = INT64_MAX if params.funding_exit_bps is None else bps_e8("funding_exit_bps", params.funding_exit_bps,
                                                                                -1000, 1000)
        max_notional = scaled("max_notional_usd", params.max_notional_usd, E8, 0, AMOUNT_USD_MAX)
        min_notional = scaled("min_notional_usd", params.min_notional_usd, E8, 0, AMOUNT_USD_MAX)
        quality = scaled("quality_min_e4", params.quality_min_e4, 1, 0, 10_000)
        slippage_ticks = scaled("slippage_ticks", params.slippage_ticks, 1, 0, 1_000_000)
        slippage = bps_e8("slippage_bps", params.slippage_bps, 0, 1000)
        horizon_ns = scaled("horizon_s", params.horizon_s, 10**9, 0, 10**8)
        ttl_ns = scaled("ttl_ms", params.ttl_ms, 10**6, 1, 60_000)
        unwind = bps_e8("unwind_bps", params.unwind_bps, 0, 5000)
        rest_depth = bps_e8("rest_depth_bps", params.rest_depth_bps, 0, 1000)
        rest_pause_ns = scaled("rest_pause_ms", params.rest_pause_ms, 10**6, 0, 3_600_000)
        # Everything is valid: publish.
        for k in range(2):
            cold.buy_fee_e8[k] = buy_fees[k]
            cold.sell_fee_e8[k] = sell_fees[k]
        cold.entry_net_e8 = entry
        cold.exit_base_e8 = exit_base
        cold.forced_exit_cost_e8 = forced
        cold.funding_e8[0] = funding
        cold.funding_e8[1] = -funding
        cold.funding_exit_e8 = funding_exit
        cold.max_notional_e8 = max_notional
        cold.min_notional_e8 = min_notional
        cold.quality_min_e4 = quality
        cold.slippage_ticks = slippage_ticks
        cold.slippage_e8 = slippage
        cold.horizon_ns = horizon_ns
        cold.ttl_ns = ttl_ns
        cold.unwind_e8 = unwind
        cold.allow_reverse = params.allow_reverse == "inventory" or cold.kind != KIND_SPOT_PERP
        cold.exit_partial = params.exit_partial
        cold.rest_depth_e8 = rest_depth
        cold.rest_pause_ns = rest_pause_ns
        pair.rests = MAKERS.index(params.maker)
        self._fill_maker_fees(pair_index)
        pair.disabled = SKIP_NONE if params.is_enabled else SKIP_DISABLED
        self.params[pair_index] = params
        self._fill_ratios(pair_index)

    def _fill_maker_fees(self, int pair_index):
        """Of the leg that rests: what its buy and its sell pay."""
        cdef const pair_hot_t *pair = &self.c.pairs[pair_index]
        cdef pair_cold_t *cold = &self.c.pairs_cold[pair_index]
        row = int(pair.row_b if pair.rests == 2 else pair.row_a)
        fee = int(self.c.rows[<int>row].maker_fee_e8)
        cold.maker_sell_fee_e8 = fee
        cold.maker_buy_fee_e8 = -(-fee * 10**8 // (10**8 - fee)) if self.c.instruments[<int>row].fee_in_base else fee

    def set_signals(self, int pair_index, double basis_bps, double spread_bps, double funding_bps):
        """Publishes a pair's slow signals (estimates, hence doubles): normal basis, cost of crossing both books, expected
        funding."""
        cdef pair_cold_t *cold = &self.c.pairs_cold[self._pair(pair_index)]
        cdef double value
        for value in (basis_bps, spread_bps, funding_bps):
            if not -2000.0 <= value <= 2000.0:
                raise ValueError(f"pair {pair_index}: signal of {value} bps is outside -2000..2000")
        cold.basis_e8 = <int64_t>(basis_bps * 1e4)
        cold.exit_spread_e8 = <int64_t>(spread_bps * 1e4)
        cold.funding_e8[0] = <int64_t>(funding_bps * 1e4)
        cold.funding_e8[1] = -cold.funding_e8[0]
        self._fill_ratios(pair_index)

    def set_extra_cost(self, int pair_index, double forward_bps, double reverse_bps):
        """Publishes what an entry costs beside fees and exit, by direction: conversion, moving inventory back."""
        cdef pair_cold_t *cold = &self.c.pairs_cold[self._pair(pair_index)]
        cdef double value
        for value in (forward_bps, reverse_bps):
            if not 0.0 <= value <= 2000.0:
                raise ValueError(f"pair {pair_index}: extra cost of {value} bps is outside 0..2000")
        cold.extra_cost_e8[0] = <int64_t>ceil(forward_bps * 1e4)
        cold.extra_cost_e8[1] = <int64_t>ceil(reverse_bps * 1e4)
        self._fill_ratios(pair_index)

    def set_enabled(self, int pair_index, bint is_enabled, str why="DISABLED"):
        """Entries of a pair on, or off with a word of SKIP_NAMES that says why; exits go on."""
        if why not in ("DISABLED", "DEPEG"):
            raise ValueError(f"pair {pair_index}: {why!r} is no reason to disable a pair; right is DISABLED or DEPEG")
        self.c.pairs[self._pair(pair_index)].disabled = SKIP_NONE if is_enabled else SKIP_NAMES.index(why)
        if self.params[pair_index].is_enabled != is_enabled:
            self.params[pair_index] = replace(self.params[pair_index], is_enabled=bool(is_enabled))
        self._fill_ratios(pair_index)

    def pair_top(self, int pair_index) -> tuple:
        """(bid a, ask a, bid b, ask b) in quote units of one underlying unit, or None when a book is not usable."""
        cdef const pair_hot_t *pair = &self.c.pairs[self._pair(pair_index)]
        cdef const row_hot_t *a = &self.c.hot[pair.row_a]
        cdef const row_hot_t *b = &self.c.hot[pair.row_b]
        cdef double a_units = self.c.instruments[pair.row_a].multiplier
        cdef double b_units = self.c.instruments[pair.row_b].multiplier
        if a.bid <= 0 or b.bid <= 0 or a.ask == INFINITY or b.ask == INFINITY:
            return None
        return a.bid / a_units, a.ask / a_units, b.bid / b_units, b.ask / b_units

    def pair_funding(self, int pair_index) -> tuple:
        """Of row a and of row b: (rate * 1e8 per interval, next funding wall ns, interval s); zeros = spot, or not known yet."""
        cdef const pair_hot_t *pair = &self.c.pairs[self._pair(pair_index)]
        cdef const funding_record_t *a = &self.c.rows[pair.row_a].funding
        cdef const funding_record_t *b = &self.c.rows[pair.row_b].funding
        return ((a.rate_e8, a.next_funding_wall_ns, a.interval_s), (b.rate_e8, b.next_funding_wall_ns, b.interval_s))

    def _fill_ratios(self, int pair_index):
        """Sums the exit costs and makes the tests of best prices: doubles, a hair below what the exact walk asks."""
        cdef pair_hot_t *pair = &self.c.pairs[pair_index]
        cdef pair_cold_t *cold = &self.c.pairs_cold[pair_index]
        cdef double hair = 1.0 - 1e-13
        cdef double one = <double>E8
        cdef double apart = (<double>self.c.instruments[pair.row_b].multiplier
                             / <double>self.c.instruments[pair.row_a].multiplier)
        cold.exit_cost_e8[0] = cold.exit_base_e8 + cold.exit_spread_e8 + cold.basis_e8
        cold.exit_cost_e8[1] = cold.exit_base_e8 + cold.exit_spread_e8 - cold.basis_e8
        pair.enter_ratio = INFINITY
        pair.reverse_ratio = INFINITY
        self._fill_rest_ratios(pair_index, apart, hair)
        if pair.disabled == SKIP_NONE:
            pair.enter_ratio = ((one + cold.buy_fee_e8[0] + cold.exit_cost_e8[0] - cold.funding_e8[0] + cold.extra_cost_e8[0]
                                 + cold.entry_net_e8) / (one - cold.sell_fee_e8[1]) * apart * hair)
            if cold.allow_reverse:
                pair.reverse_ratio = ((one + cold.buy_fee_e8[1] + cold.exit_cost_e8[1] - cold.funding_e8[1]
                                       + cold.extra_cost_e8[1] + cold.entry_net_e8) / (one - cold.sell_fee_e8[0]) / apart * hair)
        pair.exit_ratio = INFINITY
        if pair.direction == DIRECTION_FORWARD:
            pair.exit_ratio = (one + cold.buy_fee_e8[1] - cold.exit_cost_e8[0]) / (one - cold.sell_fee_e8[0]) / apart * hair
        elif pair.direction == DIRECTION_REVERSE:
            pair.exit_ratio = (one + cold.buy_fee_e8[0] - cold.exit_cost_e8[1]) / (one - cold.sell_fee_e8[1]) * apart * hair

    cdef int _fill_rest_ratios(self, int pair_index, double apart, double hair) except -1:
        """The test of best prices for an order that rests, a hair low: at the depth limit it would still pay."""
        cdef const pair_hot_t *pair = &self.c.pairs[pair_index]
        cdef pair_cold_t *cold = &self.c.pairs_cold[pair_index]
        cdef double one = <double>E8, depth = <double>cold.rest_depth_e8
        cdef double buy, keep, reach
        cdef int way
        for way in range(2):   # 0: buys a, sells b
            is_maker_buying = pair.rests == 1 + way
            buy = cold.maker_buy_fee_e8 if is_maker_buying else cold.buy_fee_e8[way]
            keep = one - (cold.sell_fee_e8[1 - way] if is_maker_buying else cold.maker_sell_fee_e8)
            reach = (one - depth) / one if is_maker_buying else one / (one + depth)
            cold.rest_ratio[way] = ((one + buy + cold.exit_cost_e8[way] - cold.funding_e8[way] + cold.extra_cost_e8[way]
                                     + cold.entry_net_e8) / keep * reach * (apart if way == 0 else 1 / apart) * hair)
        return 0

    def set_limits(self, limits):
        """Publishes the limits, between polls; values beyond the hard ceilings are refused."""
        cdef limits_t *target = &self.c.limits
        if isinstance(limits, dict):
            limits = CoreLimits(**limits)
        values = {}
        for name in ("max_order_usd", "max_position_usd", "max_symbol_usd", "max_venue_usd", "max_total_usd", "max_delta_usd",
                     "daily_loss_usd", "hourly_loss_usd", "max_drawdown_usd"):
            values[name] = scaled(name, getattr(limits, name), E8, 0, AMOUNT_USD_MAX)
        for name in ("collar_bps", "mark_collar_bps", "reduce_collar_bps"):
            values[name] = bps_e8(name, getattr(limits, name), 0, 5000, ROUND_FLOOR)
        for name in ("ws_stale_ms", "max_data_age_ms", "max_skew_ms", "quiet_unlearned_ms", "max_decision_age_ms",
                     "breaker_recovery_ms", "tell_every_ms"):
            values[name] = scaled(name, getattr(limits, name), 10**6, 0, 3_600_000)
        values["cautious_size_pct"] = scaled("cautious_size_pct", limits.cautious_size_pct, 10**6, 0, 100)
        values["price_band_pct"] = scaled("price_band_pct", limits.price_band_pct, 10**6, 0, 100)
        values["margin_use_pct"] = scaled("margin_use_pct", limits.margin_use_pct, 10**6, 0, 100)
        for name, minimum, maximum in (("consecutive_losses", 1, 10**6), ("max_in_flight", 0, INTENT_POOL - 16 - RESTING_MAX),
                                       ("max_resting", 0, RESTING_MAX),
                                       ("max_orders_per_s", 1, 10_000), ("order_burst", 1, 10_000),
                                       ("reserved_burst_pct", 0, 100),
                                       ("breaker_window", 1, BREAKER_WINDOW_MAX), ("breaker_window_s", 1, 86_400),
                                       ("max_open_pairs", 0, 10**6),
                                       ("max_trades_per_minute", 1, 10**6), ("breaker_samples_min", 1, BREAKER_WINDOW_MAX),
                                       ("breaker_error_pct", 0, 100), ("breaker_consecutive", 1, 10**6)):
            values[name] = scaled(name, getattr(limits, name), 1, minimum, maximum)
        target.max_order_e8 = values["max_order_usd"]
        target.max_position_e8 = values["max_position_usd"]
        target.max_symbol_e8 = values["max_symbol_usd"]
        target.max_venue_e8 = values["max_venue_usd"]
        target.max_total_e8 = values["max_total_usd"]
        target.max_delta_e8 = values["max_delta_usd"]
        target.daily_loss_e8 = values["daily_loss_usd"]
        target.hourly_loss_e8 = values["hourly_loss_usd"]
        target.consecutive_losses = values["consecutive_losses"]
        target.margin_use_ratio_e8 = values["margin_use_pct"]
        target.collar_ratio_e8 = values["collar_bps"]
        target.mark_collar_ratio_e8 = values["mark_collar_bps"]
        target.reduce_collar_ratio_e8 = values["reduce_collar_bps"]
        target.max_in_flight = values["max_in_flight"]
        target.max_resting = values["max_resting"]
        target.ws_stale_ns = values["ws_stale_ms"]
        target.max_lag_ns = values["max_data_age_ms"]
        target.max_skew_ns = values["max_skew_ms"]
        target.price_band_ratio_e8 = values["price_band_pct"]
        target.quiet_unlearned_ns = values["quiet_unlearned_ms"]
        target.max_decision_age_ns = values["max_decision_age_ms"]
        target.breaker_window = values["breaker_window"]
        target.breaker_window_ns = values["breaker_window_s"] * 10**9
        target.max_drawdown_e8 = values["max_drawdown_usd"]
        target.max_open_pairs = values["max_open_pairs"]
        target.cautious_ratio_e8 = values["cautious_size_pct"]
        target.entry_cost_ns = 60 * 10**9 // values["max_trades_per_minute"]
        target.entry_burst = max(1, values["max_trades_per_minute"] // 6)
        target.breaker_samples_min = values["breaker_samples_min"]
        target.breaker_error_e2 = values["breaker_error_pct"]
        target.breaker_consecutive = values["breaker_consecutive"]
        target.breaker_recovery_ns = values["breaker_recovery_ms"]
        target.tell_every_ns = values["tell_every_ms"]
        self.limits = limits
        for session in range(SESSIONS_MAX):
            self._fill_rate(session)

    def _fill_rate(self, session):
        """Orders a second of one session: the slower of the configuration's and the venue's."""
        cdef core_t *c = self.c
        cdef uint32_t at = session
        per_s, burst = self._venue_rates.get(session, (10_000, 10_000))
        per_s, burst = min(per_s, self.limits.max_orders_per_s), min(burst, self.limits.order_burst)
        c.session_cost_ns[at] = 10**9 // per_s
        c.session_burst[at] = burst
        c.session_burst_entry[at] = burst * (100 - self.limits.reserved_burst_pct) // 100

    def set_order_rate(self, int venue_id, int market, int per_s, int burst):
        """What a venue lets through on one market: orders a second, and how many at once."""
        if not (0 <= venue_id < VENUES_MAX and 0 <= market < MARKETS_MAX and 1 <= per_s <= 10_000 and 1 <= burst <= 10_000):
            raise ValueError(f"order rate of venue {venue_id} market {market}: {per_s} a second, {burst} at once: right is 1 to 10000")
        self._venue_rates[venue_id * MARKETS_MAX + market] = (per_s, burst)
        self._fill_rate(venue_id * MARKETS_MAX + market)

    def set_fees(self, int row, taker_fee, maker_fee=None):
        """What the account pays on this instrument, as a fraction; pairs on it are recomputed. A rebate counts as no fee."""
        cdef int k
        fee = max(0, scaled("taker_fee", taker_fee, E8, "-0.01", "0.05", ROUND_CEILING))
        self._fill_fee(self._row(row), fee)
        if maker_fee is not None:
            self.c.rows[row].maker_fee_e8 = max(0, scaled("maker_fee", maker_fee, E8, "-0.01", "0.05", ROUND_CEILING))
        for k in range(self.c.pair_count):
            if self.c.pairs[k].row_a == row or self.c.pairs[k].row_b == row:
                self.set_params(k, self.params[k])

    def set_leverage(self, int row, leverage):
        """Leverage that the account has on a linear instrument: margin = notional / leverage."""
        self.c.rows[self._row(row)].leverage_e2 = scaled("leverage", leverage, 100, 1, 125)

    def set_usd_rate(self, str asset, rate):
        """USD per unit, for limits only. Assets named like a dollar start at 1, all others at 0 (= orders are refused)."""
        self.c.usd_rate_e8[self.instruments.assets.index(asset)] = scaled("rate", rate, E8, 0, 10_000_000, ROUND_CEILING)

    def set_trading_word(self, uint32_t word):
        self.c.trading_word = word

    def set_session(self, uint32_t venue_id, uint32_t market, bint is_ready):
        if venue_id >= VENUES_MAX or market >= MARKETS_MAX:
            raise IndexError(f"venue {venue_id} market {market}")
        self.c.session_ready[venue_id * MARKETS_MAX + market] = is_ready

    def set_dry_run(self):
        """From now on, and for good, no intent passes: what every layer would let through is refused with DRY_RUN."""
        self.c.is_dry_run = 1

    def _balance_slot(self, account, asset):
        """account: its name, or (venue id, market). None = no instrument of the run pays with it."""
        if isinstance(asset, str):
            if asset not in self.instruments.assets:
                return None
            asset = self.instruments.assets.index(asset)
        return self._slots.get((self._accounts.get(account), asset))

    def set_account_balance(self, str account, asset, free_e8):
        """Assets and accounts that no instrument of the run uses are ignored. More than 4.6e10 units are counted as that much."""
        self._set_slot(self._balance_slot(account, asset), free_e8)

    def set_balance(self, venue_id, market, asset, free_e8):
        """The same for the account from which a market of a venue pays."""
        self._set_slot(self._balance_slot((venue_id, market), asset), free_e8)

    def _set_slot(self, slot, free_e8):
        if slot is not None:
            self.c.balances[<int>slot].free_e8 = max(-(2**62 - 1), min(2**62 - 1, free_e8))

    def set_pledge(self, trade_id, int row, pledged_e8):
        """Base that an open trade holds on a spot row (0 = none any more): no entry may sell it, nor another trade's repair."""
        cdef row_cold_t *r = &self.c.rows[self._row(row)]
        cdef int64_t change
        if self.c.instruments[row].market != MARKET_SPOT:
            raise ValueError(f"{self.instruments.names[row]}: only base on a spot instrument can be pledged")
        if not 0 <= pledged_e8 < 2**62:
            raise ValueError(f"{self.instruments.names[row]}: a pledge of {pledged_e8} is impossible")
        change = pledged_e8 - self._pledges.pop((trade_id, row), 0)
        if pledged_e8:
            self._pledges[trade_id, row] = pledged_e8
        r.pledged_e8 += change
        self.c.balances[r.base_slot].pledged_e8 += change

    def set_position(self, int row, int64_t qty, int64_t px=0):
        """Position as a venue tells it (start, reconciliation); px values it where no fill did (0 = mark, else best bid)."""
        cdef core_t *c = self.c
        self._row(row)
        if px == 0:
            px = c.rows[row].mark_px or (c.books[row].bids[0].px if c.books[row].bid_count else 0)
        if qty and px <= 0:
            raise ValueError(f"{self.instruments.names[row]}: a position needs a price to be valued at; no mark or book is known yet")
        move_position(c, row, qty - c.rows[row].position, px)

    # ---- orders and what became of them

    def submit(self, uint32_t purpose, uint64_t trade_id, pair_index, legs, uint32_t kind, int64_t ttl_ns,
               int64_t now_mono_ns, int64_t now_wall_ns):
        """Takes an order or a batch through the same gate; see core.pyi."""
        cdef core_t *c = self.c
        cdef intent_slot_t *slot = free_slot(c)
        cdef leg_order_t *leg
        cdef const instrument_t *instrument
        cdef const book_record_t *book
        cdef uint32_t reason, k
        if not 1 <= len(legs) <= LEGS_MAX:
            raise ValueError(f"{len(legs)} legs: 1 to {LEGS_MAX}")
        if pair_index is None or pair_index < 0 or pair_index == PAIR_NONE:
            pair_index = PAIR_NONE
        else:
            self._pair(pair_index)
        for row, side, limit_px, qty, flags in legs:
            self._row(row)
            if not (0 <= side <= 255 and 0 <= flags <= 255 and abs(limit_px) < 2**62 and abs(qty) < 2**62):
                raise ValueError(f"leg {(row, side, limit_px, qty, flags)} does not fit its fields")
        if slot == NULL:
            c.counters.refused[GATE_POOL_FULL] += 1
            return GATE_POOL_FULL, -1
        start_intent(c, slot, purpose, pair_index, ttl_ns, now_mono_ns, now_wall_ns)
        slot.intent.kind = kind
        slot.intent.trade_id = trade_id
        slot.intent.leg_count = len(legs)
        expected = worst = notional = Decimal(0)
        for k, (row, side, limit_px, qty, flags) in enumerate(legs):
            leg = &slot.intent.legs[k]
            instrument = &c.instruments[<int>row]
            book = &c.books[<int>row]
            leg.limit_px = limit_px
            leg.qty = qty
            leg.instrument_id = row
            leg.side = side
            leg.order_type = ORDER_IOC
            leg.flags = flags
            leg.leg_index = k
            leg.fee_e8 = c.rows[<int>row].fee_e8
            leg.exposure_key = c.rows[<int>row].group
            leg.depth_update_id = book.depth_update_id
            leg.top_update_id = book.top_update_id
            leg.instrument_seq = book.instrument_seq
            leg.book_epoch = book.epoch
            leg.book_alive_mono_ns = c.alive_mono_ns[c.hot[<int>row].connection]
            if side == SIDE_BUY:
                leg.best_px = book.asks[0].px if book.ask_count else 0
            else:
                leg.best_px = book.bids[0].px if book.bid_count else 0
            leg.unwind_px = limit_px
            unit = Decimal(1).scaleb(-(instrument.px_scale + instrument.qty_scale))
            sign = 1 if side == SIDE_SELL else -1
            fee = Decimal(leg.fee_e8) / 10**8
            worst += sign * limit_px * qty * unit * (1 - sign * fee)
            expected += sign * (leg.best_px or limit_px) * qty * unit * (1 - sign * fee)
            notional = max(notional, limit_px * qty * unit)
        slot.intent.expected_net_e8 = self._clip(expected)
        slot.intent.worst_net_e8 = self._clip(worst)
        slot.intent.notional_e8 = self._clip(notional)
        if notional > 0:
            slot.intent.edge_e12 = self._clip(expected / notional * 10_000)
            c.own_pledge_e8[k] = self._pledges.get((trade_id, row), 0) if side == SIDE_SELL else 0
        reason = pass_gate(c, slot, now_mono_ns, now_wall_ns)
        name_intent(c, &slot.intent)
        return reason, slot - c.pool

    @staticmethod
    def _clip(value):
        return max(-(2**62), min(2**62, int((value * 10**8).to_integral_value(rounding=ROUND_FLOOR))))

    def apply_fill(self, int row, uint32_t side, int64_t qty, int64_t px, int64_t fee_base_qty=0, int64_t fee_quote_e8=0,
                   bint adjust_balance=True):
        """One execution: position, delta, exposure, margin, and unless told otherwise the balances."""
        cdef core_t *c = self.c
        cdef row_cold_t *r = &c.rows[self._row(row)]
        cdef int64_t value, signed_qty
        if qty < 0 or px < 0 or side > SIDE_SELL or not 0 <= fee_base_qty <= qty:
            raise ValueError(f"{self.instruments.names[row]}: fill of {qty} at {px}, side {side}, fee {fee_base_qty} is impossible")
        signed_qty = qty - fee_base_qty if side == SIDE_BUY else -qty - fee_base_qty
        move_position(c, row, signed_qty, px)
        if not adjust_balance:
            return
        c.balances[r.quote_slot].free_e8 -= fee_quote_e8
        if c.instruments[row].market == MARKET_SPOT:
            value = notional_e8_ceil(px, qty, r.notional_mul, r.notional_div)
            c.balances[r.base_slot].free_e8 = money_clip(<int128_t>c.balances[r.base_slot].free_e8
                                                          + <int128_t>signed_qty * r.base_mul)
            if side == SIDE_BUY:
                c.balances[r.quote_slot].free_e8 -= value
            else:
                # Rounded up above: what comes in is rounded down.
                c.balances[r.quote_slot].free_e8 += value - (0 if <int128_t>px * qty % r.notional_div == 0 else 1)

    cdef intent_slot_t *_find(self, uint64_t intent_id):
        cdef int k
        for k in range(INTENT_POOL):
            if self.c.pool[k].intent.intent_id == intent_id and self.c.pool[k].open_legs:
                return &self.c.pool[k]
        return NULL

    def release(self, uint64_t intent_id, uint32_t leg_index) -> bool:
        cdef intent_slot_t *slot = self._find(intent_id)
        if slot == NULL or leg_index >= LEGS_MAX or not slot.legs[leg_index].is_active:
            return False
        release_leg(self.c, slot, leg_index)
        return True

    def set_leg_remaining(self, uint64_t intent_id, uint32_t leg_index, int64_t qty):
        cdef core_t *c = self.c
        cdef intent_slot_t *slot = self._find(intent_id)
        cdef reservation_t *held
        cdef int64_t less
        if slot == NULL or leg_index >= LEGS_MAX or not slot.legs[leg_index].is_active:
            return
        held = &slot.legs[leg_index]
        if not 0 <= qty <= held.qty:
            raise ValueError(f"remaining {qty} of an order of {held.qty}")
        less = held.qty - qty
        held.qty = qty
        if held.side == SIDE_BUY:
            c.rows[held.row].in_flight_buy -= less
            c.groups[c.rows[held.row].group].in_flight_buy -= less * c.rows[held.row].group_mul
        else:
            c.rows[held.row].in_flight_sell -= less
            c.groups[c.rows[held.row].group].in_flight_sell -= less * c.rows[held.row].group_mul

    def shrink_plan(self, uint64_t intent_id, int64_t qty):
        """A hedge was sent: for those to come, of at most `qty` in the hedging row's scale, so much less is held."""
        cdef core_t *c = self.c
        cdef intent_slot_t *slot = self._find(intent_id)
        cdef reservation_t *held
        cdef row_cold_t *row
        cdef uint32_t venue
        if slot == NULL or not slot.legs[1].is_active or not slot.legs[1].is_plan or qty >= slot.legs[1].qty:
            return
        if qty < 0:
            raise ValueError(f"a plan for {qty}")
        held = &slot.legs[1]
        row = &c.rows[held.row]
        venue = c.instruments[held.row].venue_id
        quote, base, usd = (int(amount) - -(-int(amount) * qty // int(held.qty))
                            for amount in (held.quote_e8, held.base_e8, held.usd_e8))   # rounded up stays
        c.balances[row.quote_slot].reserved_e8 -= quote
        c.balances[row.base_slot].reserved_e8 -= base
        if c.instruments[held.row].market == MARKET_SPOT:
            c.balances[row.quote_slot].reserved_spot_e8 -= quote
            c.balances[row.base_slot].reserved_spot_e8 -= base
        row.in_flight_e8 -= usd
        c.groups[row.group].in_flight_e8 -= usd
        c.venue_in_flight_e8[venue] -= usd
        c.in_flight_e8 -= usd
        held.quote_e8 -= quote
        held.base_e8 -= base
        held.usd_e8 -= usd
        held.qty = qty

    @property
    def resting(self) -> int:
        """Orders that rest."""
        return self.c.resting

    def watch_quotes(self) -> bool:
        """Asks the next evaluation to look at every order that rests; whether there is one."""
        cdef core_event_t event
        if not self.c.resting:
            return False
        memset(&event, 0, sizeof(event))
        event.kind = EV_CONTROL
        event.row = CONTROL_WATCH
        core_step(self.c, &event, 0, 0, NULL, 0)
        return True

    def note_outcome(self, bint ok, int64_t now_mono_ns):
        note_outcome(self.c, ok, now_mono_ns)

    def note_pnl(self, int64_t pnl_usd_e8, int64_t now_wall_ns):
        note_pnl(self.c, pnl_usd_e8, now_wall_ns)

    def clear_losses(self):
        """A person has looked: losses in a row start again from 0, day and hour stay."""
        self.c.losses.consecutive = 0

    # ---- pairs

    def set_pair_state(self, int pair_index, uint32_t state, int64_t a_qty=0, int64_t b_qty=0, uint64_t trade_id=0,
                       int64_t opened_mono_ns=0, int64_t opened_wall_ns=0):
        cdef core_t *c = self.c
        cdef pair_hot_t *pair = &c.pairs[self._pair(pair_index)]
        cdef pair_cold_t *cold = &c.pairs_cold[pair_index]
        if state > PAIR_LOCKED:
            raise ValueError(f"pair state {state}")
        if state == PAIR_OPEN and (a_qty == b_qty == 0 or a_qty > 0 and b_qty > 0 or a_qty < 0 and b_qty < 0):
            raise ValueError(f"pair {pair_index}: open with {a_qty} and {b_qty}: the two sides must be opposite")
        if state in (PAIR_OPEN, PAIR_EXITING) and cold.kind == KIND_SPOT_SPOT:
            raise ValueError(f"pair {pair_index}: {PAIR_STATES[state]}, but spot against spot is never held")
        c.open_pairs += (state != PAIR_FLAT) - (pair.state != PAIR_FLAT)
        pair.state = state
        if trade_id:
            cold.trade_id = trade_id
        if state == PAIR_OPEN:
            pair.direction = DIRECTION_FORWARD if a_qty > 0 or b_qty < 0 else DIRECTION_REVERSE
            cold.held_a_qty = a_qty
            cold.held_b_qty = b_qty
            cold.opened_mono_ns = opened_mono_ns
            cold.opened_wall_ns = opened_wall_ns
            pair.exit_due_mono_ns = opened_mono_ns + cold.horizon_ns if cold.horizon_ns > 0 else INT64_MAX
            if pair.exit_cause != EXIT_REQUESTED:
                pair.exit_cause = EXIT_FUNDING if is_funding_against(c, pair, cold) else 0
            self._fill_ratios(pair_index)
            touch_row(c, pair.row_a)
        elif state == PAIR_FLAT:
            pair.direction = DIRECTION_NONE
            pair.exit_cause = 0
            pair.exit_due_mono_ns = INT64_MAX
            cold.held_a_qty = 0
            cold.held_b_qty = 0
            self._fill_ratios(pair_index)

    def set_residual(self, int pair_index, int64_t residual_e8):
        """What finished trades left over of the pair's underlying, its units * 1e8: the next entry absorbs it."""
        self.c.pairs_cold[self._pair(pair_index)].residual_e8 = residual_e8

    def rearm(self, int pair_index, int64_t after_mono_ns):
        cdef core_t *c = self.c
        cdef pair_hot_t *pair = &c.pairs[self._pair(pair_index)]
        pair.is_armed = 1
        for row in (pair.row_a, pair.row_b):
            if after_mono_ns > c.hot[<int>row].consumed_mono_ns:
                c.hot[<int>row].consumed_mono_ns = after_mono_ns

    def request_exit(self, pair_index=None):
        cdef core_event_t event
        memset(&event, 0, sizeof(event))
        event.kind = EV_CONTROL
        event.row = CONTROL_CLOSE_ALL if pair_index is None else CONTROL_CLOSE_PAIR
        event.connection = 0 if pair_index is None else self._pair(pair_index)
        core_step(self.c, &event, 0, 0, NULL, 0)

    def clear_exit(self):
        cdef int k
        self.c.close_all = 0
        for k in range(self.c.pair_count):
            if self.c.pairs[k].exit_cause == EXIT_REQUESTED:
                self.c.pairs[k].exit_cause = 0

    # ---- locks

    def lock_row(self, int row, int64_t until_mono_ns, uint32_t reason=0):
        self.c.rows[self._row(row)].lock_until_mono_ns = until_mono_ns
        self.c.rows[row].lock_reason = reason

    def lock_venue(self, uint32_t venue_id, int64_t until_mono_ns, uint32_t reason=0):
        if venue_id >= VENUES_MAX:
            raise IndexError(f"venue {venue_id}")
        self.c.venue_lock_until_mono_ns[venue_id] = until_mono_ns
        self.c.venue_lock_reason[venue_id] = reason

    def lock_all(self, int64_t until_mono_ns, uint32_t reason=0):
        self.c.lock_all_until_mono_ns = until_mono_ns
        self.c.lock_all_reason = reason

    def unlock(self, row=None, venue_id=None):
        if row is not None:
            self.lock_row(row, 0)
        if venue_id is not None:
            self.lock_venue(venue_id, 0)
        if row is None and venue_id is None:
            self.lock_all(0)

    # ---- driving it from Python

    def on_book(self, int row, bytes record, uint32_t connection, int64_t now_mono_ns, int64_t now_wall_ns):
        cdef core_event_t event
        cdef book_record_t book
        if len(record) != sizeof(book_record_t):
            raise ValueError(f"{len(record)} bytes are not a book record of {sizeof(book_record_t)}")
        memcpy(&book, <const char *>record, sizeof(book_record_t))
        if book.bid_count > BOOK_LEVELS or book.ask_count > BOOK_LEVELS or connection >= CONNECTION_KEYS:
            raise ValueError(f"{book.bid_count} bids, {book.ask_count} asks, connection {connection}")
        memset(&event, 0, sizeof(event))
        event.kind = EV_BOOK
        event.row = self._row(row)
        event.connection = connection
        event.book = &book
        core_step(self.c, &event, now_mono_ns, now_wall_ns, NULL, 0)

    def on_funding(self, int row, bytes record, int64_t now_mono_ns, int64_t now_wall_ns):
        cdef core_event_t event
        cdef funding_record_t funding
        if len(record) != sizeof(funding_record_t):
            raise ValueError(f"{len(record)} bytes are not a funding record of {sizeof(funding_record_t)}")
        memcpy(&funding, <const char *>record, sizeof(funding_record_t))
        memset(&event, 0, sizeof(event))
        event.kind = EV_FUNDING
        event.row = self._row(row)
        event.funding = &funding
        core_step(self.c, &event, now_mono_ns, now_wall_ns, NULL, 0)

    def on_alive(self, uint32_t connection, int64_t alive_mono_ns):
        cdef core_event_t event
        memset(&event, 0, sizeof(event))
        event.kind = EV_ALIVE
        event.connection = connection
        event.value = alive_mono_ns
        core_step(self.c, &event, 0, 0, NULL, 0)

    def on_feed_status(self, uint32_t feed, bint is_up):
        cdef core_event_t event
        memset(&event, 0, sizeof(event))
        event.kind = EV_FEED_STATUS
        event.connection = feed
        event.value = is_up
        core_step(self.c, &event, 0, 0, NULL, 0)

    def evaluate(self, int64_t now_mono_ns, int64_t now_wall_ns, int capacity=64) -> list:
        cdef core_event_t event
        cdef command_t commands[64]
        cdef int k, count
        memset(&event, 0, sizeof(event))
        event.kind = EV_EVALUATE
        count = core_step(self.c, &event, now_mono_ns, now_wall_ns, commands, min(64, max(1, capacity)))
        return [(commands[k].kind, commands[k].reason, <intent_slot_t *>commands[k].intent - self.c.pool) for k in range(count)]

    def _pool_slot(self, pool_index):
        if not 0 <= pool_index < INTENT_POOL:
            raise IndexError(f"pool index {pool_index}")
        return pool_index

    def intent(self, int pool_index) -> dict:
        cdef intent_t *intent = &self.c.pool[self._pool_slot(pool_index)].intent
        cdef uint32_t k
        result = {name: value for name, value in (<dict>intent[0]).items() if name != "legs"}
        result["legs"] = []
        for k in range(intent.leg_count):
            leg = <dict>intent.legs[k]
            leg.pop("pad0")
            leg["client_id"] = (<bytes>intent.legs[k].client_id[:CLIENT_ID_BYTES]).rstrip(b"\0").decode("ascii", "replace")
            result["legs"].append(leg)
        return result

    def intent_bytes(self, int pool_index) -> bytes:
        return (<char *>&self.c.pool[self._pool_slot(pool_index)].intent)[:sizeof(intent_t)]

    # ---- looking

    def market(self, int row) -> dict:
        cdef core_t *c = self.c
        cdef const book_record_t *book = &c.books[self._row(row)]
        cdef const row_hot_t *hot = &c.hot[row]
        cdef const row_cold_t *r = &c.rows[row]
        cdef int k
        return {
            "name": self.instruments.names[row], "px_scale": c.instruments[row].px_scale,
            "flags": hot.flags, "is_valid": (hot.flags & BOOK_VALID) != 0,
            "is_crossed": (hot.flags & BOOK_CROSSED) != 0, "epoch": book.epoch, "instrument_seq": book.instrument_seq,
            "bids": [(book.bids[k].px, book.bids[k].qty) for k in range(book.bid_count)],
            "asks": [(book.asks[k].px, book.asks[k].qty) for k in range(book.ask_count)],
            "data_mono_ns": hot.data_mono_ns, "alive_mono_ns": c.alive_mono_ns[hot.connection], "lag_ns": book.lag_ns,
            "quiet_limit_ms": book.quiet_limit_ms, "connection": hot.connection, "consumed_mono_ns": hot.consumed_mono_ns,
            "in_flight": hot.in_flight, "in_flight_buy": r.in_flight_buy, "in_flight_sell": r.in_flight_sell,
            "position": r.position, "exposure_e8": r.exposure_e8, "mark_px": r.mark_px, "funding_rate_e8": r.funding.rate_e8,
            "next_funding_wall_ns": r.funding.next_funding_wall_ns, "funding_interval_s": r.funding.interval_s,
            "lock_until_mono_ns": r.lock_until_mono_ns, "lock_reason": r.lock_reason, "fee_e8": r.fee_e8}

    def pair_view(self, int pair_index, int64_t now_mono_ns=0) -> dict:
        """Basis and edges at best prices: bid of b over ask of a, and what an entry of each direction would net after costs."""
        cdef core_t *c = self.c
        cdef const pair_hot_t *pair = &c.pairs[self._pair(pair_index)]
        cdef const pair_cold_t *cold = &c.pairs_cold[pair_index]
        cdef const row_hot_t *a = &c.hot[pair.row_a]
        cdef const row_hot_t *b = &c.hot[pair.row_b]
        basis = edge = reverse = None
        apart = c.instruments[pair.row_b].multiplier / c.instruments[pair.row_a].multiplier
        if b.bid > 0 and 0 < a.ask < INFINITY:
            ratio = b.bid / apart / a.ask
            basis = (ratio - 1) * 1e4
            edge = (ratio * (E8 - cold.sell_fee_e8[1]) - (E8 + cold.buy_fee_e8[0] + cold.exit_cost_e8[0] - cold.funding_e8[0]
                                                          + cold.extra_cost_e8[0])) / 1e4
        if cold.allow_reverse and a.bid > 0 and 0 < b.ask < INFINITY:
            reverse = (a.bid * apart / b.ask * (E8 - cold.sell_fee_e8[0])
                       - (E8 + cold.buy_fee_e8[1] + cold.exit_cost_e8[1] - cold.funding_e8[1] + cold.extra_cost_e8[1])) / 1e4
        return {
            "pair_index": pair_index, "row_a": pair.row_a, "row_b": pair.row_b, "state": pair.state,
            "state_name": PAIR_STATES[pair.state], "direction": pair.direction, "is_armed": bool(pair.is_armed),
            "kind": PAIR_KINDS[cold.kind], "maker": MAKERS[pair.rests], "quote_px": cold.quote_px,
            "is_enabled": pair.disabled == SKIP_NONE, "disabled": SKIP_NAMES[pair.disabled],
            "basis_bps": basis, "edge_bps": edge, "reverse_edge_bps": reverse, "why_not": SKIP_NAMES[pair.last_skip],
            "last_gate": GATE_NAMES[cold.last_gate], "opportunities": cold.opportunities, "intents": cold.intents,
            "depth_end": cold.depth_end, "held_a_qty": cold.held_a_qty, "held_b_qty": cold.held_b_qty,
            "trade_id": cold.trade_id, "opened_mono_ns": cold.opened_mono_ns, "exit_due_mono_ns": pair.exit_due_mono_ns,
            "exit_cause": EXIT_CAUSES[cold.last_exit_cause], "lot_common": cold.lot_common, "qty_scale": cold.qty_scale,
            "exit_cost_e8": cold.exit_cost_e8[0], "entry_net_e8": cold.entry_net_e8, "funding_e8": cold.funding_e8[0],
            "extra_cost_e8": (cold.extra_cost_e8[0], cold.extra_cost_e8[1])}

    def balance(self, venue_id, market, asset) -> dict:
        return self._balance((venue_id, market), asset)

    def account_balance(self, str account, asset) -> dict:
        return self._balance(account, asset)

    def _balance(self, account, asset):
        cdef const balance_t *balance
        slot = self._balance_slot(account, asset)
        if slot is None:
            raise KeyError(f"no instrument of this run uses {asset} of account {account}")
        balance = &self.c.balances[<int>slot]
        return {"free_e8": balance.free_e8, "reserved_e8": balance.reserved_e8, "margin_e8": balance.margin_e8,
                "pledged_e8": balance.pledged_e8}

    def position(self, int row) -> int:
        return self.c.rows[self._row(row)].position

    def group_delta(self, int row) -> tuple:
        """(net delta of the row's underlying in whole units of 10**-scale, scale)."""
        cdef const group_t *group = &self.c.groups[self.c.rows[self._row(row)].group]
        return group.delta, group.scale

    def open_intents(self) -> list:
        return [self.c.pool[k].intent.intent_id for k in range(INTENT_POOL) if self.c.pool[k].open_legs]

    def counters(self) -> dict:
        cdef const core_counters_t *counters = &self.c.counters
        cdef int k
        return {"books": counters.books, "evaluations": counters.evaluations, "opportunities": counters.opportunities,
                "intents": counters.intents, "orders": counters.orders, "quotes": counters.quotes,
                "withdrawn": counters.withdrawn,
                "rejects": {name: counters.refused[code] for code, name in enumerate(GATE_NAMES) if code
                            and counters.refused[code]},
                "skips": {name: counters.skips[code] for code, name in enumerate(SKIP_NAMES) if counters.skips[code]}}

    def state(self) -> dict:
        cdef core_t *c = self.c
        return {"trading_word": c.trading_word, "in_flight": c.in_flight, "resting": c.resting,
                "in_flight_orders": c.in_flight_orders,
                "breaker": c.breaker.state, "breaker_trips": c.breaker.trips, "breaker_consecutive": c.breaker.consecutive,
                "exposure_e8": c.exposure_e8, "in_flight_e8": c.in_flight_e8, "close_all": bool(c.close_all),
                "lock_all_until_mono_ns": c.lock_all_until_mono_ns, "lock_all_reason": c.lock_all_reason,
                "open_pairs": c.open_pairs,
                "losses": {"day_e8": c.losses.day_e8, "consecutive": c.losses.consecutive, "total_e8": c.losses.total_e8,
                           "peak_e8": c.losses.peak_e8}, "intent_seq": c.intent_seq,
                "epoch": c.epoch}

    def check(self):
        """Every invariant of the core, recomputed from the open orders; AssertionError names the one that broke."""
        cdef core_t *c = self.c
        cdef int k
        cdef uint32_t leg
        cdef reservation_t *held
        cdef const intent_slot_t *stands
        balances = {}
        spot_held = {}
        pledges = {}
        rows = {}
        open_intents = open_orders = usd = resting = 0
        for k in range(INTENT_POOL):
            active = [leg for leg in range(LEGS_MAX) if c.pool[k].legs[leg].is_active]
            assert c.pool[k].open_legs == sum(1 << leg for leg in active), f"slot {k}: open_legs"
            if c.pool[k].is_resting and active:
                resting += 1
            else:
                open_intents += bool(active)
            open_orders += sum(not c.pool[k].legs[leg].is_plan for leg in active)
            for leg in active:
                held = &c.pool[k].legs[leg]
                assert min(held.quote_e8, held.base_e8, held.usd_e8, held.qty) >= 0, f"slot {k}: negative reservation"
                for slot, amount in ((c.rows[held.row].quote_slot, held.quote_e8), (c.rows[held.row].base_slot, held.base_e8)):
                    balances[slot] = balances.get(slot, 0) + amount
                    if c.instruments[held.row].market == MARKET_SPOT:
                        spot_held[slot] = spot_held.get(slot, 0) + amount
                buy, sell, value, orders = rows.get(held.row, (0, 0, 0, 0))
                out = 0 if held.is_plan else int(held.qty)
                rows[held.row] = (buy + (out if held.side == SIDE_BUY else 0), sell + (out if held.side == SIDE_SELL else 0),
                                  value + held.usd_e8, orders + (not held.is_plan))
                usd += held.usd_e8
        assert (c.in_flight, c.in_flight_orders, c.in_flight_e8, c.resting) == (
            open_intents, open_orders, usd, resting), "in flight differs from the open orders"
        for (_, row), amount in self._pledges.items():
            pledges[c.rows[<int>row].base_slot] = pledges.get(c.rows[<int>row].base_slot, 0) + amount
        for k in range(len(self._slots) + 1):
            assert c.balances[k].reserved_spot_e8 == spot_held.get(k, 0), f"balance {k}: reserved by spot differs"
            assert c.balances[k].pledged_e8 == pledges.get(k, 0), f"balance {k}: pledged differs from what trades hold"
            assert c.balances[k].reserved_e8 == balances.get(k, 0), f"balance {k}: reserved differs from the open orders"
            assert c.balances[k].reserved_e8 >= 0 and c.balances[k].margin_e8 >= 0, f"balance {k}: negative"
        groups = {}
        exposure = 0
        for k in range(c.row_count):
            buy, sell, value, orders = rows.get(k, (0, 0, 0, 0))
            r = c.rows[k]
            assert (r.in_flight_buy, r.in_flight_sell, r.in_flight_e8, c.hot[k].in_flight) == (buy, sell, value,
                                                                                               orders), f"row {k}: in flight"
            assert r.exposure_e8 >= 0 and r.margin_e8 >= 0, f"row {k}: negative exposure"
            delta, g_buy, g_sell, g_exposure = groups.get(r.group, (0, 0, 0, 0))
            groups[r.group] = (delta + r.position * r.group_mul, g_buy + buy * r.group_mul, g_sell + sell * r.group_mul,
                               g_exposure + r.exposure_e8)
            exposure += r.exposure_e8
        for k in range(c.group_count):
            group = c.groups[k]
            assert (group.delta, group.in_flight_buy, group.in_flight_sell, group.exposure_e8) == groups[k], f"group {k}: sums"
        assert exposure == c.exposure_e8 and sum(c.venue_exposure_e8[k] for k in range(VENUES_MAX)) == exposure, "exposure sums"
        assert sum(c.venue_in_flight_e8[k] for k in range(VENUES_MAX)) == usd, "venue in flight"
        assert c.open_pairs == sum(c.pairs[k].state != PAIR_FLAT for k in range(c.pair_count)), "open pairs"
        touched = {c.touched[k] for k in range(c.touched_count)}
        assert len(touched) == c.touched_count, "a row is on the touched list twice"
        for k in range(c.row_count):
            assert bool(c.hot[k].touched) == (k in touched), f"row {k}: touched flag"
        for k in range(c.pair_count):
            pair = c.pairs[k]
            assert pair.state <= PAIR_LOCKED, f"pair {k}: state"
            if c.pairs_cold[k].quote_px:
                stands = &c.pool[c.pairs_cold[k].quote_slot]
                assert stands.is_resting and stands.legs[0].is_active, f"pair {k}: its order that rests is none"
                assert stands.intent.pair_index == <uint32_t>k, f"pair {k}: the order that rests is another's"
                assert c.rows[stands.legs[0].row].quote_pair == <uint32_t>(k + 1), f"pair {k}: its order's row"
            assert pair.state != PAIR_OPEN or pair.direction != DIRECTION_NONE, f"pair {k}: open without a direction"

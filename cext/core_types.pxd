"""Structs, codes and limits of the hot floor, as core.h defines them (meaning and units are said there). Kept apart from core.pxd
so that detect, sizing and gate can use them without importing the module that uses them."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from cext.instrument cimport InstrumentArray, instrument_t
from cext.layout cimport *

cdef extern from "core.h" nogil:
    const uint32_t EV_BOOK
    const uint32_t EV_EVALUATE
    const uint32_t EV_FUNDING
    const uint32_t EV_FEED_STATUS
    const uint32_t EV_ALIVE
    const uint32_t EV_CONTROL
    const uint32_t CMD_SEND
    const uint32_t CMD_REFUSED
    const uint32_t CMD_EXPLAIN
    const uint32_t CMD_CANCEL
    const uint32_t PAIR_NONE
    const uint32_t PAIR_FLAT
    const uint32_t PAIR_ENTERING
    const uint32_t PAIR_OPEN
    const uint32_t PAIR_EXITING
    const uint32_t PAIR_RECOVERING
    const uint32_t PAIR_LOCKED
    const uint32_t EXIT_CONVERGED
    const uint32_t EXIT_HORIZON
    const uint32_t EXIT_FUNDING
    const uint32_t EXIT_REQUESTED
    const uint32_t BREAKER_CLOSED
    const uint32_t BREAKER_OPEN
    const uint32_t BREAKER_HALF_OPEN
    const int32_t CONTROL_TRADING_WORD
    const int32_t CONTROL_CLOSE_PAIR
    const int32_t CONTROL_CLOSE_ALL
    const int32_t CONTROL_WATCH
    const uint32_t KIND_SPOT_PERP
    const uint32_t KIND_PERP_PERP
    const uint32_t KIND_SPOT_SPOT
    const int32_t DIRECTION_NONE
    const int32_t DIRECTION_FORWARD
    const int32_t DIRECTION_REVERSE
    const int64_t E8
    const int64_t MARK_AGE_NS_MAX
    enum:
        FEEDS_MAX
        VENUES_MAX
        ASSETS_MAX
        MARKETS_MAX
        SESSIONS_MAX
        INTENT_POOL
        CONNECTION_KEYS
        BREAKER_WINDOW_MAX
        LOSS_BUCKETS
        BAND_MIDS_MAX
        GATE_OK
        GATE_KILLED
        GATE_HALTED
        GATE_RESTRICTED
        GATE_NOT_REDUCING
        GATE_CAUTIOUS_SIZE
        GATE_BREAKER_OPEN
        GATE_BREAKER_PROBE
        GATE_LOCK_ALL
        GATE_LOCK_VENUE
        GATE_LOCK_ROW
        GATE_SESSION_DOWN
        GATE_NOT_TRADABLE
        GATE_NO_EDGE
        GATE_WORST_NET
        GATE_QUALITY
        GATE_DECISION_AGE
        GATE_EXPIRED
        GATE_BOOK_INVALID
        GATE_BOOK_CROSSED
        GATE_NOT_ALIVE
        GATE_QUIET
        GATE_LAG
        GATE_SKEW
        GATE_COLLAR_BEST
        GATE_COLLAR_MARK
        GATE_NO_REFERENCE
        GATE_BAD_ORDER
        GATE_MIN_PX
        GATE_MAX_PX
        GATE_TICK
        GATE_MIN_QTY
        GATE_MAX_QTY
        GATE_LOT
        GATE_MIN_NOTIONAL
        GATE_ORDER_NOTIONAL
        GATE_POSITION_LIMIT
        GATE_SYMBOL_NOTIONAL
        GATE_VENUE_NOTIONAL
        GATE_TOTAL_NOTIONAL
        GATE_DELTA_LIMIT
        GATE_OPEN_PAIRS
        GATE_NO_USD_RATE
        GATE_LOSS_DAILY
        GATE_LOSS_HOURLY
        GATE_LOSS_CONSECUTIVE
        GATE_DRAWDOWN
        GATE_BALANCE_QUOTE
        GATE_BALANCE_BASE
        GATE_MARGIN
        GATE_MARGIN_USE
        GATE_IN_FLIGHT
        GATE_ORDER_RATE
        GATE_TRADE_RATE
        GATE_POOL_FULL
        GATE_DRY_RUN
        GATE_PRICE_BAND
        GATE_CODES_MAX
        SKIP_NONE
        SKIP_NO_BOOK
        SKIP_NO_EDGE
        SKIP_HOLD
        SKIP_STATE
        SKIP_DISABLED
        SKIP_NOT_ARMED
        SKIP_CONSUMED
        SKIP_ROW_BUSY
        SKIP_DEPTH_END
        SKIP_BELOW_MIN
        SKIP_BALANCE
        SKIP_MARGIN
        SKIP_INVENTORY
        SKIP_EXPOSURE
        SKIP_NET
        SKIP_WORST_NET
        SKIP_TRADING_STATE
        SKIP_PRICE
        SKIP_DEPEG
        SKIP_PAUSE
        SKIP_TOO_FAR
        SKIP_LOCKED
        SKIP_DATA
        SKIP_CODES_MAX

    ctypedef struct core_event_t:
        uint32_t kind
        int32_t row
        uint32_t connection
        uint32_t pad0
        const book_record_t *book
        const funding_record_t *funding
        int64_t value

    ctypedef struct command_t:
        uint32_t kind
        uint32_t reason
        intent_t *intent

    ctypedef struct row_hot_t:
        double bid
        double ask
        int64_t data_mono_ns
        int64_t consumed_mono_ns
        uint32_t flags
        uint32_t touched
        int32_t adjacent_begin
        int32_t adjacent_end
        uint32_t in_flight
        uint32_t connection
        double px_unit

    ctypedef struct pair_hot_t:
        double enter_ratio
        double reverse_ratio
        double exit_ratio
        int64_t exit_due_mono_ns
        int32_t row_a
        int32_t row_b
        uint32_t state
        uint16_t is_armed
        uint16_t rests
        uint32_t disabled
        uint32_t last_skip
        int32_t direction
        uint32_t exit_cause

    ctypedef struct pair_cold_t:
        int64_t entry_net_e8
        int64_t exit_cost_e8[2]
        int64_t exit_base_e8
        int64_t exit_spread_e8
        int64_t basis_e8
        int64_t forced_exit_cost_e8
        int64_t funding_e8[2]
        int64_t extra_cost_e8[2]
        int64_t funding_exit_e8
        int64_t max_notional_e8
        int64_t min_notional_e8
        int64_t quality_min_e4
        int64_t slippage_ticks
        int64_t slippage_e8
        int64_t horizon_ns
        int64_t ttl_ns
        int64_t unwind_e8
        uint32_t allow_reverse
        uint32_t exit_partial
        int64_t px_mul[2]
        int64_t qty_mul[2]
        int64_t qty_bound[2]
        int64_t lot_common
        int64_t buy_fee_e8[2]
        int64_t sell_fee_e8[2]
        int64_t px_bound[2]
        double px_unit_e8[2]
        int64_t e8_mul
        int64_t e8_div
        int64_t common_one
        int32_t px_scale
        int32_t qty_scale
        int64_t held_a_qty
        int64_t held_b_qty
        int64_t residual_e8
        int64_t opened_mono_ns
        int64_t opened_wall_ns
        uint64_t trade_id
        int64_t told_mono_ns
        uint32_t told_kind
        uint32_t told_reason
        uint32_t last_gate
        uint32_t last_exit_cause
        uint32_t kind
        uint32_t strategy
        double rest_ratio[2]
        int64_t maker_buy_fee_e8
        int64_t maker_sell_fee_e8
        int64_t rest_depth_e8
        int64_t rest_pause_ns
        int64_t quote_next_ns
        int64_t quote_px
        uint32_t quote_slot
        uint32_t pad1
        uint64_t opportunities
        uint64_t intents
        uint64_t depth_end

    ctypedef struct row_cold_t:
        funding_record_t funding
        int64_t position
        int64_t in_flight_buy
        int64_t in_flight_sell
        int64_t exposure_e8
        int64_t in_flight_e8
        int64_t margin_e8
        int64_t lock_until_mono_ns
        int64_t notional_mul
        int64_t notional_div
        int64_t base_mul
        int64_t group_mul
        int64_t mark_px
        int64_t mark_mono_ns
        uint64_t consumed_ids
        int64_t last_bid_px
        int64_t last_ask_px
        uint32_t lock_reason
        uint32_t mark_venue
        uint32_t group
        uint32_t session
        uint32_t quote_slot
        uint32_t base_slot
        int64_t leverage_e2
        uint32_t fee_e8
        uint32_t maker_fee_e8
        uint32_t quote_pair
        uint32_t pad0
        int64_t delivered_q60
        int64_t pledged_e8

    ctypedef struct balance_t:
        int64_t free_e8
        int64_t reserved_e8
        int64_t reserved_spot_e8
        int64_t margin_e8
        int64_t pledged_e8
        int64_t pad0[3]

    ctypedef struct group_t:
        int64_t delta
        int64_t in_flight_buy
        int64_t in_flight_sell
        int64_t exposure_e8
        int64_t in_flight_e8
        int64_t delta_usd_e8
        int32_t scale
        uint32_t pad0
        int32_t rows_begin
        int32_t rows_end

    ctypedef struct limits_t:
        int64_t max_order_e8
        int64_t max_position_e8
        int64_t max_symbol_e8
        int64_t max_venue_e8
        int64_t max_total_e8
        int64_t max_delta_e8
        int64_t daily_loss_e8
        int64_t hourly_loss_e8
        int64_t consecutive_losses
        int64_t max_drawdown_e8
        int64_t max_open_pairs
        int64_t cautious_ratio_e8
        int64_t entry_cost_ns
        int64_t entry_burst
        int64_t margin_use_ratio_e8
        int64_t collar_ratio_e8
        int64_t mark_collar_ratio_e8
        int64_t reduce_collar_ratio_e8
        int64_t max_in_flight
        int64_t max_resting
        int64_t ws_stale_ns
        int64_t max_lag_ns
        int64_t max_skew_ns
        int64_t price_band_ratio_e8
        int64_t quiet_unlearned_ns
        int64_t max_decision_age_ns
        int64_t breaker_window
        int64_t breaker_window_ns
        int64_t breaker_samples_min
        int64_t breaker_error_e2
        int64_t breaker_consecutive
        int64_t breaker_recovery_ns
        int64_t tell_every_ns

    ctypedef struct breaker_t:
        int64_t outcome_mono_ns[BREAKER_WINDOW_MAX]
        uint32_t is_failure[BREAKER_WINDOW_MAX]
        uint32_t next
        uint32_t state
        uint32_t consecutive
        uint32_t pad0
        int64_t opened_mono_ns
        uint64_t trips

    ctypedef struct losses_t:
        int64_t day
        int64_t day_e8
        int64_t minute[LOSS_BUCKETS]
        int64_t minute_e8[LOSS_BUCKETS]
        int64_t newest_minute
        int64_t total_e8
        int64_t peak_e8
        int64_t consecutive

    ctypedef struct reservation_t:
        int64_t quote_e8
        int64_t base_e8
        int64_t usd_e8
        int64_t qty
        int32_t row
        uint32_t side
        uint32_t is_active
        uint32_t adds_risk
        uint32_t is_plan

    ctypedef struct intent_slot_t:
        intent_t intent
        reservation_t legs[LEGS_MAX]
        uint32_t open_legs
        uint32_t is_resting

    ctypedef struct core_counters_t:
        uint64_t books
        uint64_t evaluations
        uint64_t opportunities
        uint64_t intents
        uint64_t orders
        uint64_t quotes
        uint64_t withdrawn
        uint64_t refused[GATE_CODES_MAX]
        uint64_t skips[SKIP_CODES_MAX]

    ctypedef struct core_t:
        row_hot_t *hot
        pair_hot_t *pairs
        int32_t *adjacent
        int32_t *touched
        int32_t touched_count
        int32_t row_count
        int32_t pair_count
        int32_t group_count
        book_record_t *books
        row_cold_t *rows
        pair_cold_t *pairs_cold
        const instrument_t *instruments
        group_t *groups
        int32_t *group_rows
        balance_t *balances
        intent_slot_t *pool
        uint32_t pool_next
        uint32_t in_flight
        uint32_t in_flight_orders
        uint32_t trading_word
        uint32_t close_all
        uint32_t instance
        uint32_t lock_all_reason
        uint32_t resting
        uint64_t epoch
        uint64_t intent_seq
        int64_t lock_all_until_mono_ns
        int64_t open_pairs
        int64_t entry_due_ns
        int64_t exposure_e8
        int64_t in_flight_e8
        int64_t venue_exposure_e8[VENUES_MAX]
        int64_t venue_in_flight_e8[VENUES_MAX]
        int64_t venue_lock_until_mono_ns[VENUES_MAX]
        uint32_t venue_lock_reason[VENUES_MAX]
        uint32_t session_ready[SESSIONS_MAX]
        uint32_t is_dry_run
        uint32_t watch_quotes
        int64_t session_due_ns[SESSIONS_MAX]
        int64_t session_cost_ns[SESSIONS_MAX]
        int64_t session_burst[SESSIONS_MAX]
        int64_t session_burst_entry[SESSIONS_MAX]
        int64_t alive_mono_ns[CONNECTION_KEYS]
        int64_t usd_rate_e8[ASSETS_MAX]
        limits_t limits
        breaker_t breaker
        losses_t losses
        core_counters_t counters
        int64_t own_pledge_e8[LEGS_MAX]
        int64_t (*stage_clock)() noexcept nogil
        int64_t gate_ns

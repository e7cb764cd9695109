/* The hot floor of the core: market state, pairs, limits, reservations, and the reason codes of detector and gate.
 *
 * Everything here is private memory of one thread (the engine, the replay or the simulation); nothing is shared, so nothing
 * is atomic. Detection touches three kinds of cache lines only: row_hot_t of the two instruments and pair_hot_t of the pair;
 * the full books, parameters and ledgers lie beside them and are opened when a best-price edge is there.
 * Money: quote and base amounts are int64 in 1e-8 units ("_e8"); products are 128-bit (money.h). Times are given, never read. */
#ifndef LOCKSTEP_CORE_H
#define LOCKSTEP_CORE_H
#include <stddef.h>
#include <stdint.h>
#include "instrument.h"
#include "layout.h"

/* ---------------------------------------------------------------- events in, commands out */

#define EV_BOOK 1u        /* row, connection (key), book: stored, row marked touched */
#define EV_EVALUATE 2u    /* every touched row once; the only event that gives CMD_SEND */
#define EV_FUNDING 3u     /* row, funding */
#define EV_FEED_STATUS 4u /* connection = feed index, value 0 = feed gone: all its connections are dead */
#define EV_ALIVE 5u       /* connection (key), value = proof of life mono ns, 0 = down */
#define EV_CONTROL 6u     /* row = CONTROL_*, connection and value as said there */

#define CONTROL_TRADING_WORD 0 /* value = TRADING_* (the most severe of the state page) */
#define CONTROL_CLOSE_PAIR 1   /* connection = pair index: exit at the market's price, within the forced-exit band */
#define CONTROL_CLOSE_ALL 2    /* the same for every open pair, now and when it opens */
#define CONTROL_WATCH 3        /* the next EV_EVALUATE looks at every order that rests: a dead feed touches no row */

#define CMD_SEND 1u    /* intent passed the gate, reservations are taken: journal, encode, send */
#define CMD_REFUSED 2u /* reason = GATE_*; first of its kind on the pair or once a second, counters have them all */
#define CMD_CANCEL 4u  /* reason = SKIP_*: the intent's order rests and has to leave its book; told once */
#define CMD_EXPLAIN 3u /* reason = SKIP_*: an edge at best prices that sizing could not use; throttled the same way */

typedef struct {
    uint32_t kind;      /* EV_* */
    int32_t row;
    uint32_t connection; /* feed index * CONNECTIONS_MAX + connection_id of the feed, except where EV_* says otherwise */
    uint32_t pad0;
    const book_record_t *book;
    const funding_record_t *funding;
    int64_t value;
} core_event_t;

typedef struct {
    uint32_t kind;   /* CMD_* */
    uint32_t reason; /* GATE_* or SKIP_* */
    intent_t *intent; /* in the pool: stays until its orders are released and INTENT_POOL further intents were made */
} command_t;

#define FEEDS_MAX 16
#define VENUES_MAX 16
#define ASSETS_MAX 4096
#define MARKETS_MAX 4      /* MARKET_* is 1 or 2 */
#define SESSIONS_MAX 64    /* venue * MARKETS_MAX + market */
#define INTENT_POOL 256
#define PAIR_NONE 0xffffffffu
#define CONNECTION_KEYS (FEEDS_MAX * CONNECTIONS_MAX)
#define E8 100000000ll
#define BAND_MIDS_MAX 32   /* of other venues that the price band looks at */
#define MARK_AGE_NS_MAX 60000000000ll /* an older mark is no reference */

/* ---------------------------------------------------------------- reason codes */

/* Gate: X(code, name, layer, stops). stops: E = orders that add risk, R = reducing orders too.
 * docs/gate.md is compared with this list. */
#define GATE_CODES(X) \
    X(0, OK, "-", "-") \
    X(1, KILLED, "trading state", "R") \
    X(2, HALTED, "trading state", "R") \
    X(3, RESTRICTED, "trading state", "E") \
    X(4, NOT_REDUCING, "trading state", "R") \
    X(5, CAUTIOUS_SIZE, "trading state", "E") \
    X(6, BREAKER_OPEN, "circuit breaker", "E") \
    X(7, BREAKER_PROBE, "circuit breaker", "E") \
    X(8, LOCK_ALL, "locks", "E") \
    X(9, LOCK_VENUE, "locks", "E") \
    X(10, LOCK_ROW, "locks", "E") \
    X(11, SESSION_DOWN, "session", "R") \
    X(12, NOT_TRADABLE, "session", "R") \
    X(13, NO_EDGE, "opportunity", "E") \
    X(14, WORST_NET, "opportunity", "E") \
    X(15, QUALITY, "opportunity", "E") \
    X(16, DECISION_AGE, "opportunity", "E") \
    X(17, EXPIRED, "opportunity", "R") \
    X(18, BOOK_INVALID, "data", "E") \
    X(19, BOOK_CROSSED, "data", "E") \
    X(20, NOT_ALIVE, "data", "E") \
    X(21, QUIET, "data", "E") \
    X(22, LAG, "data", "E") \
    X(23, SKEW, "data", "E") \
    X(24, COLLAR_BEST, "price", "R") \
    X(25, COLLAR_MARK, "price", "R") \
    X(26, NO_REFERENCE, "price", "R") \
    X(27, BAD_ORDER, "filters", "R") \
    X(28, MIN_PX, "filters", "R") \
    X(29, MAX_PX, "filters", "R") \
    X(30, TICK, "filters", "R") \
    X(31, MIN_QTY, "filters", "R") \
    X(32, MAX_QTY, "filters", "R") \
    X(33, LOT, "filters", "R") \
    X(34, MIN_NOTIONAL, "filters", "R") \
    X(35, ORDER_NOTIONAL, "exposure", "E") \
    X(36, POSITION_LIMIT, "exposure", "E") \
    X(37, SYMBOL_NOTIONAL, "exposure", "E") \
    X(38, VENUE_NOTIONAL, "exposure", "E") \
    X(39, TOTAL_NOTIONAL, "exposure", "E") \
    X(40, DELTA_LIMIT, "exposure", "E") \
    X(41, OPEN_PAIRS, "exposure", "E") \
    X(42, NO_USD_RATE, "exposure", "E") \
    X(43, LOSS_DAILY, "losses", "E") \
    X(44, LOSS_HOURLY, "losses", "E") \
    X(45, LOSS_CONSECUTIVE, "losses", "E") \
    X(46, DRAWDOWN, "losses", "E") \
    X(47, BALANCE_QUOTE, "balance", "R") \
    X(48, BALANCE_BASE, "balance", "R") \
    X(49, MARGIN, "balance", "R") \
    X(50, MARGIN_USE, "balance", "E") \
    X(51, IN_FLIGHT, "rate", "E") \
    X(52, ORDER_RATE, "rate", "R") \
    X(53, TRADE_RATE, "rate", "E") \
    X(54, POOL_FULL, "rate", "R") \
    X(55, DRY_RUN, "mode", "R") \
    X(56, PRICE_BAND, "data", "E")

/* Detector and sizing, "why not": X(code, name) */
#define SKIP_CODES(X) \
    X(0, NONE) \
    X(1, NO_BOOK) \
    X(2, NO_EDGE) \
    X(3, HOLD) \
    X(4, STATE) \
    X(5, DISABLED) \
    X(6, NOT_ARMED) \
    X(7, CONSUMED) \
    X(8, ROW_BUSY) \
    X(9, DEPTH_END) \
    X(10, BELOW_MIN) \
    X(11, BALANCE) \
    X(12, MARGIN) \
    X(13, INVENTORY) \
    X(14, EXPOSURE) \
    X(15, NET) \
    X(16, WORST_NET) \
    X(17, TRADING_STATE) \
    X(18, PRICE) \
    X(19, DEPEG) \
    X(20, PAUSE) \
    X(21, TOO_FAR) \
    X(22, LOCKED) \
    X(23, DATA)

#define CODE_GATE_(code, name, layer, stops) GATE_##name = code,
#define CODE_SKIP_(code, name) SKIP_##name = code,
enum { GATE_CODES(CODE_GATE_) GATE_CODES_MAX = 64 };
enum { SKIP_CODES(CODE_SKIP_) SKIP_CODES_MAX = 64 };

/* ---------------------------------------------------------------- pairs */

#define PAIR_FLAT 0u
#define PAIR_ENTERING 1u   /* entry intent is out */
#define PAIR_OPEN 2u       /* held: exits are looked for */
#define PAIR_EXITING 3u
#define PAIR_RECOVERING 4u
#define PAIR_LOCKED 5u

/* What a pair joins. Row a and row b have one underlying; a forward entry buys a and sells b, a reverse one the opposite. */
#define KIND_SPOT_PERP 1u    /* a spot, b perpetual, of one or two venues: held until an exit; reverse sells a from inventory */
#define KIND_PERP_PERP 2u    /* two venues: held until an exit; either leg can be sold short */
#define KIND_SPOT_SPOT 3u    /* two venues: bought here, sold from inventory there; complete in itself, never held */

#define DIRECTION_NONE 0
#define DIRECTION_FORWARD 1  /* buys row a, sells row b */
#define DIRECTION_REVERSE -1

#define EXIT_CONVERGED 1u
#define EXIT_HORIZON 2u
#define EXIT_FUNDING 3u
#define EXIT_REQUESTED 4u

/* What one evaluation reads of an instrument. One cache line. */
typedef struct {
    double bid;               /* best prices in quote units; 0 and +inf when the book is not usable: no edge can come of it */
    double ask;
    int64_t data_mono_ns;     /* batch stamp of the newest record that changed something */
    int64_t consumed_mono_ns; /* data not newer than this is not traded on again */
    uint32_t flags;           /* BOOK_* of the newest record, 0 = none yet */
    uint32_t touched;         /* 1 = in the touched list */
    int32_t adjacent_begin;   /* into core_t.adjacent */
    int32_t adjacent_end;
    uint32_t in_flight;       /* orders of ours on this instrument that are not terminal */
    uint32_t connection;      /* key of the connection that brought the newest record */
    double px_unit;           /* 10**-px_scale: here, so that storing a record opens no other line */
} row_hot_t;
_Static_assert(sizeof(row_hot_t) == 64, "row_hot_t is one cache line");

/* What one evaluation reads of a pair. One cache line. Ratios are a hair low (1e-13), so that the exact walk has the last
   word. */
typedef struct {
    double enter_ratio;       /* forward entry: bid of b > ask of a * this; +inf = entries are off */
    double reverse_ratio;     /* reverse entry: bid of a > ask of b * this; +inf = not allowed */
    double exit_ratio;        /* of the held direction: sell bid > buy ask * this */
    int64_t exit_due_mono_ns; /* horizon; from then on the exit is forced. INT64_MAX = none */
    int32_t row_a;
    int32_t row_b;
    uint32_t state;           /* PAIR_* */
    uint16_t is_armed;        /* 0 from an intent until rearm() */
    uint16_t rests;           /* 0 = entries take on both legs; 1, 2 = an order rests on row a, b and the other leg hedges */
    uint32_t disabled;        /* 0 = entries are on, else the SKIP_* that says why not */
    uint32_t last_skip;       /* SKIP_* of the newest evaluation */
    int32_t direction;        /* DIRECTION_* held */
    uint32_t exit_cause;      /* EXIT_FUNDING, EXIT_REQUESTED: forced now; 0 = none */
} pair_hot_t;
_Static_assert(sizeof(pair_hot_t) == 64, "pair_hot_t is one cache line");

/* The rest of a pair: parameters (ratios of notional in e8) and what is held. */
typedef struct {
    int64_t entry_net_e8;      /* every unit walked must net this, after all costs */
    int64_t exit_cost_e8[2];   /* exit result accepted (and budgeted at entry), forward and reverse: the sum of what follows */
    int64_t exit_base_e8;      /* fees of both exit legs + residual basis of the configuration */
    int64_t exit_spread_e8;    /* slow signal: what crossing both books costs */
    /* slow signal: normal basis of the pair; an exit is expected there. Forward pays it, reverse gets it */
    int64_t basis_e8;
    int64_t forced_exit_cost_e8; /* the same when the exit is forced */
    int64_t funding_e8[2];     /* expected funding income over the horizon: forward, reverse; negative = paid */
    /* of an entry, forward and reverse, beside what the exit is budgeted with: converting quotes, moving inventory back */
    int64_t extra_cost_e8[2];
    int64_t funding_exit_e8;   /* funding against us per interval beyond this forces the exit; INT64_MAX = never */
    int64_t max_notional_e8;   /* quote, per entry */
    int64_t min_notional_e8;   /* smaller entries are not worth their orders */
    int64_t quality_min_e4;    /* lowest worst-case net / expected net that may enter */
    int64_t slippage_ticks;    /* limit = worst level walked +- (ticks + bps) */
    int64_t slippage_e8;
    int64_t horizon_ns;
    int64_t ttl_ns;
    int64_t unwind_e8;         /* planned unwind limit: this far beyond the opposite best */
    uint32_t allow_reverse;    /* always 1 where neither leg needs inventory, or both directions do */
    uint32_t exit_partial;     /* 1 = an exit may be sliced when depth ends */
    /* scales: common = the finer of the two */
    int64_t px_mul[2];         /* of a and b: own px * this = common px */
    int64_t qty_mul[2];
    int64_t qty_bound[2];      /* own scale: more of one level is not counted (keeps products in range) */
    int64_t lot_common;        /* common qty scale: smallest step that both venues accept */
    int64_t buy_fee_e8[2];     /* taker fee of a buy as a fraction of what is delivered: f / (1 - f) when taken in base */
    int64_t sell_fee_e8[2];
    int64_t px_bound[2];       /* own scale: a higher best price is absurd */
    double px_unit_e8[2];      /* common px * this = price of one own base unit * 1e8 */
    int64_t e8_mul;            /* quote e8 * mul / div = common notional */
    int64_t e8_div;
    int64_t common_one;        /* 10 ** (px scale + qty scale) */
    int32_t px_scale;
    int32_t qty_scale;
    /* held, own scales, signed; spot is net of fees taken in base */
    int64_t held_a_qty;
    int64_t held_b_qty;
    /* underlying units * 1e8 left over by finished trades (dust): the next entry that buys spot is sized to absorb it */
    int64_t residual_e8;
    int64_t opened_mono_ns;
    int64_t opened_wall_ns;
    uint64_t trade_id;
    /* throttle of CMD_REFUSED / CMD_EXPLAIN */
    int64_t told_mono_ns;
    uint32_t told_kind;
    uint32_t told_reason;
    uint32_t last_gate;        /* GATE_* of the newest intent */
    uint32_t last_exit_cause;  /* EXIT_* of the newest exit intent */
    uint32_t kind;             /* KIND_* */
    uint32_t strategy;         /* STRATEGY_*: what its intents say */
    /* an order that rests (quote.pyx): best price of its row against that of the hedging one, forward and reverse */
    double rest_ratio[2];
    int64_t maker_buy_fee_e8;  /* as buy_fee_e8, of the leg that rests */
    int64_t maker_sell_fee_e8;
    int64_t rest_depth_e8;     /* further from the best price of its side none is placed; at twice that it is taken back */
    int64_t rest_pause_ns;     /* between two of the pair */
    int64_t quote_next_ns;     /* not before this */
    int64_t quote_px;          /* own scale; 0 = none stands, or it was told to end */
    uint32_t quote_slot;       /* of the pool */
    uint32_t pad1;
    uint64_t opportunities;    /* edges at best prices */
    uint64_t intents;          /* passed the gate */
    uint64_t depth_end;        /* walks that ran into the last given level */
} pair_cold_t;

/* ---------------------------------------------------------------- rows, balances, limits */

typedef struct {
    funding_record_t funding; /* newest of this instrument; all zero = none yet */
    int64_t position;         /* own scale; spot: bought less sold less fees in base; perp: signed */
    int64_t in_flight_buy;    /* own scale: what open orders may still buy */
    int64_t in_flight_sell;
    int64_t exposure_e8;      /* USD, |position| at the newest fill or mark price */
    int64_t in_flight_e8;     /* USD of orders that add risk */
    int64_t margin_e8;        /* settle asset, of the position */
    int64_t lock_until_mono_ns; /* 0 = free, INT64_MAX = until unlocked */
    int64_t notional_mul;     /* px * qty * mul / div = e8 */
    int64_t notional_div;
    int64_t base_mul;         /* qty * mul = e8 */
    int64_t group_mul;        /* qty * mul = the group's scale */
    int64_t mark_px;          /* own px scale: its own mark, or of a perpetual paired with it (its venue's first); 0 = none */
    int64_t mark_mono_ns;
    uint64_t consumed_ids;    /* depth id + top id of the book that was last traded on: must have changed */
    int64_t last_bid_px;      /* best prices before the book became INVALID: reference for reducing orders only */
    int64_t last_ask_px;
    uint32_t lock_reason;
    uint32_t mark_venue;      /* whose mark it is */
    uint32_t group;           /* instruments with the same underlying */
    uint32_t session;         /* venue * MARKETS_MAX + market: order session and rate bucket; balances go by account */
    uint32_t quote_slot;      /* into balances: quote (spot) or settle (linear) of the instrument's account */
    uint32_t base_slot;
    int64_t leverage_e2;      /* linear: 100 = 1x */
    uint32_t fee_e8;          /* taker */
    uint32_t maker_fee_e8;    /* a rebate counts as none */
    uint32_t quote_pair;      /* index + 1 of the pair that has an order resting here; 0 = none */
    uint32_t pad0;
    int64_t delivered_q60;    /* (1 - fee) * 2**60, rounded down */
    int64_t pledged_e8;       /* spot: base that open trades hold here; summed up in the base's balance */
} row_cold_t;

/* One asset of one account (instrument_t.account_id). In a unified account spot and linear pay from the same one. One cache
   line. */
typedef struct {
    int64_t free_e8;          /* spot: free; linear and unified: wallet (cash) balance without unrealised PnL */
    int64_t reserved_e8;      /* by open orders, never negative */
    int64_t reserved_spot_e8; /* the part of it that spot orders hold: it will leave the wallet, and carries no margin */
    int64_t margin_e8;        /* of linear positions */
    int64_t pledged_e8;       /* held by open trades as their hedge: no entry may sell or spend it */
    int64_t pad0[3];
} balance_t;
_Static_assert(sizeof(balance_t) == 64, "balance_t is one cache line");

typedef struct {
    int64_t delta;            /* sum of positions, group scale */
    int64_t in_flight_buy;    /* group scale: may still be bought by open orders */
    int64_t in_flight_sell;
    int64_t exposure_e8;      /* USD, sum over its instruments */
    int64_t in_flight_e8;     /* USD of orders that add risk */
    int64_t delta_usd_e8;     /* |delta| at the newest fill price, for the delta limit */
    int32_t scale;
    uint32_t pad0;
    int32_t rows_begin;       /* into core_t.group_rows */
    int32_t rows_end;
} group_t;

/* Pre-trade limits. *_e8 amounts are USD unless said otherwise, *_ratio_e8 are fractions. */
typedef struct {
    int64_t max_order_e8;
    int64_t max_position_e8;  /* one instrument */
    int64_t max_symbol_e8;    /* one underlying, both legs together */
    int64_t max_venue_e8;
    int64_t max_total_e8;
    int64_t max_delta_e8;     /* |net delta| of an underlying that an order may leave behind, one leg at a time */
    int64_t daily_loss_e8;
    int64_t hourly_loss_e8;
    int64_t consecutive_losses;
    int64_t max_drawdown_e8;
    int64_t max_open_pairs;   /* not flat */
    int64_t cautious_ratio_e8; /* size of entries in CAUTIOUS */
    int64_t entry_cost_ns;    /* token bucket of entries: 60e9 / entries a minute */
    int64_t entry_burst;
    int64_t margin_use_ratio_e8;
    int64_t collar_ratio_e8;
    int64_t mark_collar_ratio_e8;
    int64_t reduce_collar_ratio_e8; /* both collars of reducing orders */
    int64_t max_in_flight;    /* intents, those that rest not counted */
    int64_t max_resting;      /* orders that rest */
    int64_t ws_stale_ns;
    int64_t max_lag_ns;
    int64_t max_skew_ns;
    int64_t price_band_ratio_e8; /* mid against the median of the underlying's mids at other venues; 0 = not looked at */
    int64_t quiet_unlearned_ns; /* silence allowed while nothing is learned yet */
    int64_t max_decision_age_ns;
    int64_t breaker_window;   /* newest outcomes that are looked at, <= BREAKER_WINDOW_MAX */
    int64_t breaker_window_ns; /* and not older than this */
    int64_t breaker_samples_min;
    int64_t breaker_error_e2; /* percent */
    int64_t breaker_consecutive;
    int64_t breaker_recovery_ns;
    int64_t tell_every_ns;    /* CMD_REFUSED / CMD_EXPLAIN of the same reason on one pair */
} limits_t;

#define BREAKER_CLOSED 0u
#define BREAKER_OPEN 1u
#define BREAKER_HALF_OPEN 2u
#define BREAKER_WINDOW_MAX 1024
typedef struct {
    int64_t outcome_mono_ns[BREAKER_WINDOW_MAX]; /* newest outcomes, round-robin; 0 = none */
    uint32_t is_failure[BREAKER_WINDOW_MAX];
    uint32_t next;
    uint32_t state;           /* BREAKER_* */
    uint32_t consecutive;
    uint32_t pad0;
    int64_t opened_mono_ns;   /* HALF_OPEN: when the probe went out */
    uint64_t trips;
} breaker_t;

#define LOSS_BUCKETS 60       /* one a minute */
typedef struct {
    int64_t day;              /* UTC day number of day_e8 */
    int64_t day_e8;           /* PnL of the day, USD */
    int64_t minute[LOSS_BUCKETS];    /* UTC minute number of the bucket */
    int64_t minute_e8[LOSS_BUCKETS];
    int64_t newest_minute;    /* 0 = nothing noted yet */
    int64_t total_e8;         /* of the run */
    int64_t peak_e8;          /* highest total, at least 0 */
    int64_t consecutive;
} losses_t;

/* What one order holds until release(). */
typedef struct {
    int64_t quote_e8;
    int64_t base_e8;
    int64_t usd_e8;
    int64_t qty;
    int32_t row;
    uint32_t side;
    uint32_t is_active;
    uint32_t adds_risk;
    uint32_t is_plan;         /* for the hedge of an order that rests: amounts are held, but no order is out */
    uint32_t pad0;
} reservation_t;

typedef struct {
    intent_t intent;
    reservation_t legs[LEGS_MAX];
    uint32_t open_legs;
    uint32_t is_resting;
} intent_slot_t;

typedef struct {
    uint64_t books;
    uint64_t evaluations;     /* pairs looked at */
    uint64_t opportunities;   /* edges at best prices */
    uint64_t intents;         /* passed the gate */
    uint64_t orders;
    uint64_t quotes;          /* of the intents, orders that rest */
    uint64_t withdrawn;       /* of those, told to end here */
    uint64_t refused[GATE_CODES_MAX];
    uint64_t skips[SKIP_CODES_MAX];
} core_counters_t;

/* The whole hot floor. Arrays are sized at start. */
typedef struct core_t {
    row_hot_t *hot;           /* [row_count] */
    pair_hot_t *pairs;        /* [pair_count] */
    int32_t *adjacent;        /* pair indices, by row (CSR) */
    int32_t *touched;         /* rows waiting for EV_EVALUATE */
    int32_t touched_count;
    int32_t row_count;
    int32_t pair_count;
    int32_t group_count;
    book_record_t *books;     /* [row_count] private copies; levels beyond the counts are old and mean nothing */
    row_cold_t *rows;         /* [row_count] */
    pair_cold_t *pairs_cold;  /* [pair_count] */
    const instrument_t *instruments;
    group_t *groups;
    int32_t *group_rows;      /* [row_count] rows by group */
    balance_t *balances;      /* [slot] */
    intent_slot_t *pool;      /* [INTENT_POOL] */
    uint32_t pool_next;
    uint32_t in_flight;       /* intents with an open leg */
    uint32_t in_flight_orders;
    uint32_t trading_word;    /* TRADING_*, starts HALTED */
    uint32_t close_all;
    uint32_t instance;
    uint32_t lock_all_reason;
    uint32_t resting;         /* intents whose order rests */
    uint64_t epoch;
    uint64_t intent_seq;
    int64_t lock_all_until_mono_ns;
    int64_t open_pairs;       /* pairs that are not FLAT */
    int64_t entry_due_ns;     /* token bucket of entries */
    int64_t exposure_e8;      /* USD, sums over rows */
    int64_t in_flight_e8;
    int64_t venue_exposure_e8[VENUES_MAX];
    int64_t venue_in_flight_e8[VENUES_MAX];
    int64_t venue_lock_until_mono_ns[VENUES_MAX];
    uint32_t venue_lock_reason[VENUES_MAX];
    uint32_t session_ready[SESSIONS_MAX];
    uint32_t is_dry_run;      /* nothing passes the gate: what would have passed is refused with DRY_RUN */
    uint32_t watch_quotes;    /* CONTROL_WATCH came */
    /* token bucket of each session: theoretical arrival time; ns an order costs (the slower of configuration and venue); size */
    int64_t session_due_ns[SESSIONS_MAX];
    int64_t session_cost_ns[SESSIONS_MAX];
    int64_t session_burst[SESSIONS_MAX];
    int64_t session_burst_entry[SESSIONS_MAX]; /* what entries may use of it; the rest is for reducing orders */
    int64_t alive_mono_ns[CONNECTION_KEYS];           /* 0 = down or never heard of */
    int64_t usd_rate_e8[ASSETS_MAX];                  /* USD per unit; 0 = unknown */
    limits_t limits;
    breaker_t breaker;
    losses_t losses;
    core_counters_t counters;
    int64_t own_pledge_e8[LEGS_MAX]; /* of what is pledged, the part of the trade whose repair is before the gate, by leg */
    int64_t (*stage_clock)(void); /* NULL in replay and simulation; live: read around the gate, for its histogram only */
    int64_t gate_ns;          /* time in the gate since the shell last set this to 0; stays 0 without a stage clock */
} core_t;

#endif

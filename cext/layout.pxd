"""Cython's view of layout.h: same structs, same fields, same order. Written by tools/make_layout_views.py.
tests/layout compares type, name and length line by line (a wrong type here compiles and truncates silently). Who may write which
field is said in layout.h only."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "layout.h" nogil:
    const uint32_t LAYOUT_VERSION
    const uint64_t SEGMENT_MAGIC
    const uint64_t STATE_MAGIC
    const uint64_t HIST_MAGIC
    const uint64_t JOURNAL_MAGIC
    const uint32_t BOOK_VALID
    const uint32_t BOOK_CROSSED
    const uint32_t BOOK_DEPTH_COMPLETE
    const uint32_t BOOK_TOP_NEWER
    const uint32_t BOOK_REPEAT
    const uint32_t TRADE_SELL_AGGRESSOR
    const uint32_t STATUS_NONE
    const uint32_t STATUS_SYNCING
    const uint32_t STATUS_LIVE
    const uint32_t STATUS_INVALID
    const uint32_t STATUS_DOWN
    const uint32_t TRADING_ACTIVE
    const uint32_t TRADING_CAUTIOUS
    const uint32_t TRADING_RESTRICTED
    const uint32_t TRADING_HALTED
    const uint32_t TRADING_EMERGENCY
    const int64_t HIST_HIGHEST_NS
    const uint64_t JOURNAL_COMMIT
    const uint32_t JR_RUN_START
    const uint32_t JR_INTENT
    const uint32_t JR_SENT
    const uint32_t JR_ORDER_EVENT
    const uint32_t JR_TRANSITION
    const uint32_t JR_REFUSAL
    const uint32_t JR_QUERY
    const uint32_t JR_LEDGER
    const uint32_t JR_DUST
    const uint32_t JR_CONTROL
    const uint32_t JR_ALERT
    const uint32_t JR_ATTRIBUTION
    const uint32_t JR_RUN_STOP
    const uint32_t SIDE_BUY
    const uint32_t SIDE_SELL
    const uint32_t ORDER_IOC
    const uint32_t ORDER_POST_ONLY
    const uint32_t ORDER_GTC
    const uint32_t ORDER_FOK
    const uint32_t LEG_REDUCE_ONLY
    const uint32_t PURPOSE_ENTRY
    const uint32_t PURPOSE_EXIT
    const uint32_t PURPOSE_CHASE
    const uint32_t PURPOSE_UNWIND
    const uint32_t PURPOSE_MANUAL
    const uint32_t PURPOSE_HEDGE
    const uint32_t INTENT_SIMULTANEOUS
    const uint32_t INTENT_HEDGE_ON_FILL
    const uint32_t INTENT_SINGLE
    const uint32_t STRATEGY_SPOT_FUTURES
    const uint32_t STRATEGY_CROSS_EXCHANGE
    const uint32_t STRATEGY_TRIANGULAR
    const uint32_t STRATEGY_FUNDING
    const uint32_t STRATEGY_PAIRS
    const uint32_t SENT_OK
    const uint32_t SENT_NOT
    const uint32_t SENT_UNKNOWN
    const uint32_t OE_SOURCE_REPLY
    const uint32_t OE_SOURCE_STREAM
    const uint32_t OE_SOURCE_QUERY
    const uint32_t OE_SOURCE_LOCAL
    const uint32_t ORDER_STATUS_NONE
    const uint32_t ORDER_STATUS_NEW
    const uint32_t ORDER_STATUS_PARTIAL
    const uint32_t ORDER_STATUS_FILLED
    const uint32_t ORDER_STATUS_CANCELED
    const uint32_t ORDER_STATUS_EXPIRED
    const uint32_t ORDER_STATUS_REJECTED
    const uint32_t ORDER_STATUS_UNKNOWN
    const uint32_t ORDER_STATUS_NOT_FOUND
    const uint32_t ERROR_NONE
    const uint32_t ERROR_RETRY
    const uint32_t ERROR_REJECT
    const uint32_t ERROR_BALANCE
    const uint32_t ERROR_FILTER
    const uint32_t ERROR_RATE
    const uint32_t ERROR_AUTH
    const uint32_t ERROR_TIME
    const uint32_t ERROR_UNKNOWN_ORDER
    const uint32_t ERROR_UNKNOWN_EXECUTION
    const uint32_t ERROR_FATAL
    const uint32_t ERROR_UNMAPPED
    const uint32_t OE_MAKER
    const uint32_t OE_IS_FILL
    const uint32_t OE_LITE
    const uint32_t OE_FOREIGN
    const uint32_t OE_CANCEL_REPLY
    const uint32_t OE_FORCED
    enum:
        BOOK_LEVELS
        CLIENT_ID_BYTES
        LEGS_MAX
        STAGES_MAX
        CONNECTIONS_MAX
        HIST_SIGNIFICANT_DIGITS
        HIST_SUB_BUCKET_COUNT
        HIST_SUB_BUCKET_HALF_COUNT
        HIST_COUNTS_LENGTH

    ctypedef struct level_t:
        int64_t px
        int64_t qty

    ctypedef struct book_record_t:
        uint64_t seq
        uint64_t instrument_seq
        int64_t exch_ns
        int64_t batch_mono_ns
        int64_t frame_mono_ns
        int64_t publish_mono_ns
        int64_t recv_wall_ns
        int64_t alive_mono_ns
        uint64_t depth_update_id
        uint64_t top_update_id
        int64_t depth_exch_ns
        uint32_t instrument_id
        uint32_t epoch
        uint32_t flags
        uint32_t bid_levels_total
        uint32_t ask_levels_total
        uint16_t bid_count
        uint16_t ask_count
        uint32_t connection_id
        uint32_t quiet_limit_ms
        int64_t lag_ns
        level_t bids[BOOK_LEVELS]
        level_t asks[BOOK_LEVELS]

    ctypedef struct trade_record_t:
        uint64_t seq
        int64_t exch_ns
        int64_t recv_mono_ns
        uint64_t trade_id
        int64_t px
        int64_t qty
        uint32_t instrument_id
        uint32_t flags
        uint64_t pad0

    ctypedef struct funding_record_t:
        uint64_t seq
        int64_t exch_ns
        int64_t recv_mono_ns
        int64_t mark_px
        int64_t index_px
        int64_t rate_e8
        int64_t next_funding_wall_ns
        uint32_t instrument_id
        uint32_t interval_s

    ctypedef struct board_entry_t:
        book_record_t book
        funding_record_t funding
        uint64_t frames
        uint64_t records
        uint64_t gaps
        uint64_t invalid
        uint64_t crossed
        uint64_t duplicates
        uint64_t resyncs
        int64_t lag_min_ns
        int64_t lag_ns
        uint32_t instrument_id
        uint32_t status
        uint64_t pad0[6]

    ctypedef struct segment_header_t:
        uint64_t magic
        uint64_t layout_hash
        uint64_t segment_bytes
        uint64_t generation
        int64_t started_wall_ns
        uint64_t producer_start
        uint64_t instruments_hash
        uint64_t ring_offset
        uint64_t trade_ring_offset
        uint64_t board_offset
        uint32_t layout_version
        uint32_t producer_pid
        uint32_t ring_capacity
        uint32_t trade_ring_capacity
        uint32_t instrument_count
        uint32_t closed
        uint32_t venue_id
        uint32_t pad0
        uint8_t name[64]
        uint8_t pad1[144]
        uint64_t cursor
        uint64_t trade_cursor
        int64_t heartbeat_mono_ns
        uint64_t frames
        uint64_t unknown_frames
        uint64_t oversized_frames
        uint64_t doorbells
        uint64_t reconnects
        uint8_t pad2[64]
        int64_t connection_alive_mono_ns[CONNECTIONS_MAX]

    ctypedef struct state_page_t:
        uint64_t magic
        uint64_t layout_hash
        uint32_t layout_version
        uint32_t engine_pid
        uint64_t engine_start
        uint8_t run_id[64]
        uint8_t pad0[32]
        uint64_t operator_word
        uint8_t pad1[120]
        uint64_t guard_word
        uint8_t pad2[120]
        uint64_t engine_word
        int64_t engine_heartbeat_mono_ns
        uint32_t engine_sleeping
        uint32_t engine_phase
        uint64_t engine_turns
        uint64_t engine_polls
        uint64_t engine_records
        uint64_t laps
        uint64_t torn
        uint64_t opportunities
        uint64_t intents
        uint64_t orders
        uint64_t fills
        uint64_t open_trades
        uint64_t config_hash
        uint8_t pad3[24]
        uint64_t rejects[64]
        uint64_t skips[64]

    ctypedef struct histogram_t:
        uint8_t name[32]
        uint64_t total
        uint64_t refused
        int64_t min_ns
        int64_t max_ns
        uint64_t counts[HIST_COUNTS_LENGTH]

    ctypedef struct hist_header_t:
        uint64_t magic
        uint64_t layout_hash
        uint32_t layout_version
        uint32_t histogram_count
        int64_t started_wall_ns
        uint8_t component[32]

    ctypedef struct journal_header_t:
        uint64_t magic
        uint64_t layout_hash
        uint32_t layout_version
        uint32_t segment_index
        uint64_t segment_bytes
        uint64_t epoch
        uint64_t first_seq
        int64_t created_wall_ns
        uint64_t writer_start
        uint8_t boot_id[40]
        uint8_t run_id[64]
        uint32_t writer_pid
        uint32_t pad2
        uint64_t committed_bytes
        uint32_t header_crc32c
        uint32_t pad0
        uint8_t pad1[64]

    ctypedef struct journal_record_t:
        uint64_t commit
        uint32_t crc32c
        uint32_t payload_bytes
        uint64_t seq
        uint64_t epoch
        int64_t mono_ns
        int64_t wall_ns
        uint32_t type
        uint32_t pad0
        uint64_t correlation_id

    ctypedef struct leg_order_t:
        uint8_t client_id[CLIENT_ID_BYTES]
        int64_t limit_px
        int64_t qty
        int64_t best_px
        int64_t expected_px_f64e8
        int64_t unwind_px
        uint64_t depth_update_id
        uint64_t top_update_id
        uint64_t instrument_seq
        int64_t book_alive_mono_ns
        int64_t reserved_quote
        int64_t reserved_base
        uint32_t instrument_id
        uint32_t book_epoch
        uint8_t side
        uint8_t order_type
        uint8_t flags
        uint8_t leg_index
        uint32_t fee_e8
        uint64_t exposure_key
        uint64_t pad0[2]

    ctypedef struct intent_t:
        uint64_t intent_id
        uint64_t trade_id
        int64_t decided_mono_ns
        int64_t decided_wall_ns
        int64_t batch_mono_ns
        int64_t ttl_ns
        int64_t edge_e12
        int64_t expected_net_e8
        int64_t worst_net_e8
        int64_t notional_e8
        uint32_t kind
        uint32_t purpose
        uint32_t strategy
        uint32_t pair_index
        uint32_t leg_count
        uint32_t confidence_e4
        int64_t expires_mono_ns
        leg_order_t legs[LEGS_MAX]

    ctypedef struct sent_t:
        uint64_t intent_id
        int64_t send_start_mono_ns
        int64_t send_end_mono_ns
        uint32_t leg_index
        uint32_t outcome
        uint32_t frame_bytes
        uint32_t pad0

    ctypedef struct refusal_t:
        uint64_t intent_id
        uint32_t reason
        uint32_t leg_index
        uint32_t pair_index
        uint32_t purpose

    ctypedef struct order_event_t:
        uint8_t client_id[CLIENT_ID_BYTES]
        uint64_t venue_order_id
        uint64_t trade_id
        uint64_t execution_id
        int64_t exch_ns
        int64_t recv_mono_ns
        int64_t cum_qty
        int64_t last_qty
        int64_t last_px
        uint8_t cum_quote[32]
        uint8_t fee[32]
        uint8_t fee_asset[16]
        uint8_t message[64]
        uint32_t instrument_id
        uint32_t source
        uint32_t status
        uint32_t error_class
        int32_t venue_code
        uint32_t flags

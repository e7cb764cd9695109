"""Orders and their facts as the calm floor, the journal readers and the tools see them.

Each class mirrors one C struct of cext/layout.h field by field: `Intent` and `Leg` (intent_t, leg_order_t), `SentOutcome`
(sent_t),
`OrderEvent` (order_event_t). Prices and quantities stay integers in the instrument's scale; fees and quote amounts are exact
Decimals of the text that the venue sent. `engine/event_codec.pyx` converts between these and the bytes. The enums carry the
header's values (a test compares them). Account facts (`BalanceUpdate`, `PositionUpdate`, `StreamNotice`) come from user streams
and REST only and have no struct.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum, IntFlag

NO_INSTRUMENT = 0xFFFFFFFF  # order_event_t.instrument_id of a symbol that is not ours
NO_PAIR = 0xFFFFFFFF


class Side(IntEnum):
    BUY = 0
    SELL = 1


class OrderType(IntEnum):
    IOC = 0
    POST_ONLY = 1
    GTC = 2
    FOK = 3


class LegFlag(IntFlag):
    NONE = 0
    REDUCE_ONLY = 1


class Purpose(IntEnum):
    ENTRY = 0
    EXIT = 1
    CHASE = 2
    UNWIND = 3
    MANUAL = 4
    HEDGE = 5


class IntentKind(IntEnum):
    SIMULTANEOUS = 0
    HEDGE_ON_FILL = 1
    SINGLE = 2


class Sent(IntEnum):
    """What happened to the bytes of one leg."""
    OK = 0
    NOT = 1      # no byte left
    UNKNOWN = 2  # bytes may have left


class Source(IntEnum):
    """Where an order event was learnt."""
    REPLY = 0
    STREAM = 1
    QUERY = 2
    LOCAL = 3


class OrderStatus(IntEnum):
    NONE = 0
    NEW = 1
    PARTIAL = 2
    FILLED = 3
    CANCELED = 4
    EXPIRED = 5
    REJECTED = 6
    UNKNOWN = 7    # left by proof only
    NOT_FOUND = 8  # a query's "no such order": one vote for absence, no proof


TERMINAL_STATUSES = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED})


class ErrorClass(IntEnum):
    """What a venue's error means for the order that it answers."""
    NONE = 0
    RETRY = 1
    REJECT = 2
    BALANCE = 3
    FILTER = 4
    RATE = 5
    AUTH = 6
    TIME = 7
    UNKNOWN_ORDER = 8
    UNKNOWN_EXECUTION = 9
    FATAL = 10
    UNMAPPED = 11


class EventFlag(IntFlag):
    NONE = 0
    MAKER = 1
    IS_FILL = 2
    LITE = 4
    FOREIGN = 8
    CANCEL_REPLY = 16
    FORCED = 32


@dataclass(slots=True)
class OrderEvent:
    """One fact about one order. Several facts may repeat each other: fills are told apart by `trade_id`.

    A reply that carries fills arrives as one event a fill (IS_FILL, status PARTIAL) and then one with the status and `cum_qty`.
    """
    client_id: str                     # ours; of a cancel the original's; "" = the venue did not say
    instrument_id: int = NO_INSTRUMENT
    source: int = Source.LOCAL
    status: int = OrderStatus.NONE
    venue_order_id: int = 0            # 0 = not given
    trade_id: int = 0                  # 0 = no fill in this event
    execution_id: int = 0              # de-duplication key where the venue has one
    exch_ns: int = 0
    recv_mono_ns: int = 0
    cum_qty: int = -1                  # qty scale; -1 = not given
    last_qty: int = 0                  # qty scale; 0 = no fill in this event
    last_px: int = 0                   # px scale
    cum_quote: Decimal | None = None   # quote units; None = not given
    fee: Decimal | None = None         # of this fill; None = not given
    fee_asset: str = ""
    message: str = ""                  # venue's error text, control bytes replaced, cut at 63
    error_class: int = ErrorClass.NONE
    venue_code: int = 0                # venue's error code, 0 = none
    flags: int = 0                     # EventFlag

    @property
    def is_fill(self) -> bool:
        return bool(self.flags & EventFlag.IS_FILL)

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL_STATUSES


@dataclass(slots=True)
class Leg:
    """One order of an intent (leg_order_t)."""
    client_id: str
    instrument_id: int
    side: int                          # Side
    order_type: int                    # OrderType
    flags: int                         # LegFlag
    limit_px: int
    qty: int
    leg_index: int = 0
    best_px: int = 0                   # best price of the side it takes, when decided
    expected_px_f64e8: int = 0         # expected average price * 1e8
    unwind_px: int = 0                 # planned limit for giving it back
    depth_update_id: int = 0
    top_update_id: int = 0
    instrument_seq: int = 0
    book_alive_mono_ns: int = 0
    reserved_quote: int = 0            # px_scale + qty_scale
    reserved_base: int = 0             # qty scale
    book_epoch: int = 0
    fee_e8: int = 0                    # taker fee assumed, * 1e8
    exposure_key: int = 0


@dataclass(slots=True)
class Intent:
    """Everything decided at once (intent_t); in the journal before a byte leaves."""
    intent_id: int                     # epoch << 32 | sequence
    trade_id: int                      # intent_id of the entry that opened the trade
    kind: int = IntentKind.SIMULTANEOUS
    purpose: int = Purpose.ENTRY
    strategy: int = 0
    pair_index: int = NO_PAIR
    decided_mono_ns: int = 0
    decided_wall_ns: int = 0
    batch_mono_ns: int = 0             # of the record that triggered it
    ttl_ns: int = 0
    expires_mono_ns: int = 0
    edge_e12: int = 0                  # expected net / notional, * 1e12
    expected_net_e8: int = 0           # quote units * 1e8
    worst_net_e8: int = 0
    notional_e8: int = 0
    confidence_e4: int = 0
    legs: list[Leg] = field(default_factory=list)


@dataclass(slots=True)
class SentOutcome:
    """What happened to the bytes of one leg (sent_t)."""
    intent_id: int
    leg_index: int
    outcome: int                       # Sent
    send_start_mono_ns: int = 0
    send_end_mono_ns: int = 0
    frame_bytes: int = 0


@dataclass(slots=True)
class BalanceUpdate:
    """One asset of one account changed, or was read. Either `free`/`locked`/`wallet` (absolute) or `delta` is given."""
    venue: str
    market: str                        # "spot" | "linear"
    asset: str
    free: Decimal | None = None        # spendable now; futures: availableBalance (REST only)
    locked: Decimal | None = None
    wallet: Decimal | None = None      # futures wallet balance, without unrealised PnL
    delta: Decimal | None = None       # change other than trading: deposit, withdrawal, transfer, funding
    reason: str = ""                   # "snapshot", "trade", "transfer", "FUNDING_FEE", ...
    exch_ns: int = 0
    recv_mono_ns: int = 0
    account: str = ""                  # the pot: "binance:spot", "bybit:unified"; "" = that of the market

    def __post_init__(self) -> None:
        if not self.account:
            self.account = f"{self.venue}:{self.market}"


@dataclass(slots=True)
class PositionUpdate:
    """A futures position as the venue states it. `qty` is signed, in the instrument's qty scale."""
    venue: str
    market: str
    symbol: str
    instrument_id: int
    qty: int
    entry_px: Decimal | None = None
    reason: str = ""
    exch_ns: int = 0
    recv_mono_ns: int = 0
    account: str = ""                  # as BalanceUpdate.account

    def __post_init__(self) -> None:
        if not self.account:
            self.account = f"{self.venue}:{self.market}"


@dataclass(slots=True)
class StreamNotice:
    """Something about the account or its stream that is not an order: key expired, stream ended, margin call, shutdown
    announced."""
    venue: str
    market: str
    # "listen_key_expired", "stream_terminated", "server_shutdown", "margin_call", "config_changed"
    what: str
    detail: str = ""
    exch_ns: int = 0
    recv_mono_ns: int = 0

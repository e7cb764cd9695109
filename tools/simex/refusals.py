"""Why the simulated venue refuses something, in no venue's words.

The matcher and the filters raise `Refused`; each dialect words it in its own codes and texts.  How an accepted order ended is
`END_*`, kept in `Order.end_reason`; the dialect words that too.
"""

from __future__ import annotations

import enum


class Refusal(enum.Enum):
    """Every reason for which an order, a cancel or a query is refused."""

    INSUFFICIENT_BALANCE = "insufficient_balance"
    INSUFFICIENT_MARGIN = "insufficient_margin"
    DUPLICATE_CLIENT_ID = "duplicate_client_id"
    WOULD_MATCH = "would_match"  # post-only, where the venue refuses in the answer
    REDUCE_ONLY = "reduce_only"  # nothing there that it could reduce
    FOK = "fok"  # fill-or-kill, where the venue refuses in the answer
    UNKNOWN_ORDER = "unknown_order"  # to cancel or amend: never there, or ended
    NO_SUCH_ORDER = "no_such_order"  # to look up
    NO_SUCH_SYMBOL = "no_such_symbol"
    NOT_TRADING = "not_trading"
    PRICE_ZERO = "price_zero"
    PRICE_TICK = "price_tick"
    PRICE_MIN = "price_min"
    PRICE_MAX = "price_max"
    PRICE_BAND_HIGH = "price_band_high"  # a buy too far above the market; `limit` = highest allowed
    PRICE_BAND_LOW = "price_band_low"  # a sell too far below; `limit` = lowest allowed
    QTY_ZERO = "qty_zero"
    QTY_STEP = "qty_step"
    QTY_MIN = "qty_min"
    QTY_MAX = "qty_max"
    QTY_MARKET_MAX = "qty_market_max"
    NOTIONAL_MIN = "notional_min"  # `limit` = smallest allowed, 1e-8
    NOTIONAL_MAX = "notional_max"
    NO_LIQUIDITY = "no_liquidity"  # a market order and nothing (near enough) on the other side


FILTER_PRICE = frozenset({Refusal.PRICE_ZERO, Refusal.PRICE_TICK, Refusal.PRICE_MIN, Refusal.PRICE_MAX})
FILTER_BAND = frozenset({Refusal.PRICE_BAND_HIGH, Refusal.PRICE_BAND_LOW})
FILTER_LOT = frozenset({Refusal.QTY_ZERO, Refusal.QTY_STEP, Refusal.QTY_MIN, Refusal.QTY_MAX, Refusal.QTY_MARKET_MAX})
FILTER_NOTIONAL = frozenset({Refusal.NOTIONAL_MIN, Refusal.NOTIONAL_MAX})


class Refused(Exception):
    """Raised before anything changed.  `limit`: the bound that was broken, in the scale of what it bounds; 0 = none to tell."""

    def __init__(self, reason: Refusal, limit: int = 0) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.limit = limit


# Order.status: NEW, PARTIALLY_FILLED, FILLED; ended otherwise: CANCELED, EXPIRED, REJECTED (accepted first, then refused).
OPEN_STATUSES = ("NEW", "PARTIALLY_FILLED")

# Order.end_reason: why an order ended that did not fill.
END_NONE = ""
END_USER = "user"  # cancelled by its owner
END_COUNTDOWN = "countdown"  # by the owner's dead-man switch
END_IOC = "ioc"
END_FOK = "fok"
END_MARKET = "market"  # a market order that found no more
END_SELF_TRADE = "self_trade"
END_REDUCE = "reduce"  # reduce-only: the position was gone
END_POST_ONLY = "post_only"  # accepted, then found that it would take
END_FAULT = "fault"  # accepted, then refused: planted

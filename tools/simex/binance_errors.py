"""Binance's errors: code, text and HTTP status, in its own words.

Raised inside the dialect, turned into bytes only at the edge; `worded` says a neutral refusal in them.  Sources:
binance-spot-api-docs errors.md, USD-M error-code pages, read 2026-11.
"""

from __future__ import annotations

from tools.simex.contract import SPOT
from tools.simex.exact import E8
from tools.simex.instrument import Instrument
from tools.simex.refusals import FILTER_BAND, FILTER_LOT, FILTER_NOTIONAL, FILTER_PRICE, Refusal, Refused


class VenueError(Exception):
    """A refusal or failure as the venue would send it."""

    def __init__(self, code: int, msg: str, status: int = 400, data: dict | None = None) -> None:
        super().__init__(f"{code} {msg}")
        self.code = code
        self.msg = msg
        self.status = status
        self.data = data


def unknown_execution() -> VenueError:
    return VenueError(
        -1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown.", 408
    )


def unexpected_response() -> VenueError:
    return VenueError(-1006, "An unexpected response was received from the message bus. Execution status unknown.", 500)


def too_many_weight(limit: int, retry_after_ms: int) -> VenueError:
    return VenueError(
        -1003,
        f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API.",
        429,
        {"retryAfter": retry_after_ms},
    )


def too_many_orders(limit: int, interval: str, retry_after_ms: int) -> VenueError:
    return VenueError(
        -1015, f"Too many new orders; current limit is {limit} orders per {interval}.", 429, {"retryAfter": retry_after_ms}
    )


def banned(until_ms: int) -> VenueError:
    return VenueError(
        -1003,
        f"Way too much request weight used; IP banned until {until_ms}. Please use WebSocket Streams for live updates "
        "to avoid bans.",
        418,
        {"retryAfter": until_ms},
    )


def bad_signature() -> VenueError:
    return VenueError(-1022, "Signature for this request is not valid.")


def bad_key_format() -> VenueError:
    return VenueError(-2014, "API-key format invalid.", 401)


def bad_key() -> VenueError:
    return VenueError(-2015, "Invalid API-key, IP, or permissions for action.", 401)


def timestamp_ahead() -> VenueError:
    return VenueError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")


def timestamp_outside() -> VenueError:
    return VenueError(-1021, "Timestamp for this request is outside of the recvWindow.")


def mandatory(name: str) -> VenueError:
    return VenueError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal(name: str, pattern: str) -> VenueError:
    return VenueError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{pattern}'.")


def not_required(name: str) -> VenueError:
    return VenueError(-1106, f"Parameter '{name}' sent when not required.")


def bad_symbol() -> VenueError:
    return VenueError(-1121, "Invalid symbol.")


def bad_precision(name: str = "") -> VenueError:
    return VenueError(
        -1111, f"Parameter '{name}' has too much precision." if name else "Precision is over the maximum defined for this asset."
    )


def filter_failure(name: str) -> VenueError:
    return VenueError(-1013, f"Filter failure: {name}")


def unknown_order() -> VenueError:
    return VenueError(-2011, "Unknown order sent.")


def no_such_order() -> VenueError:
    return VenueError(-2013, "Order does not exist.")


def cancel_restricted() -> VenueError:
    return VenueError(-2011, "Order was not canceled due to cancel restrictions.")


def position_side_mismatch() -> VenueError:
    return VenueError(-4061, "Order's position side does not match user's setting.")


_POST_ONLY = (
    "Due to the order could not be executed as maker, the Post Only order will be rejected. "
    "The order will not be recorded in the order history"
)
_FOK = (
    "Due to the order could not be filled immediately, the FOK order has been rejected. "
    "The order will not be recorded in the order history"
)
_BOTH = {
    Refusal.UNKNOWN_ORDER: (-2011, "Unknown order sent."),
    Refusal.NO_SUCH_ORDER: (-2013, "Order does not exist."),
    Refusal.NO_SUCH_SYMBOL: (-1121, "Invalid symbol."),
}
_SPOT = _BOTH | {
    Refusal.INSUFFICIENT_BALANCE: (-2010, "Account has insufficient balance for requested action."),
    Refusal.DUPLICATE_CLIENT_ID: (-2010, "Duplicate order sent."),
    Refusal.WOULD_MATCH: (-2010, "Order would immediately match and take."),
    Refusal.NOT_TRADING: (-2010, "Market is closed."),
    Refusal.QTY_MARKET_MAX: (-1013, "Filter failure: MARKET_LOT_SIZE"),
}
_SPOT_FILTERS = (
    (FILTER_PRICE, "PRICE_FILTER"),
    (FILTER_BAND, "PERCENT_PRICE_BY_SIDE"),
    (FILTER_LOT, "LOT_SIZE"),
    (FILTER_NOTIONAL, "NOTIONAL"),
)
_LINEAR = _BOTH | {
    Refusal.INSUFFICIENT_MARGIN: (-2019, "Margin is insufficient."),
    Refusal.DUPLICATE_CLIENT_ID: (-4116, "ClientOrderId is duplicated."),
    Refusal.WOULD_MATCH: (-5022, _POST_ONLY),
    Refusal.FOK: (-5021, _FOK),
    Refusal.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
    Refusal.NOT_TRADING: (-4108, "Symbol is on delivering or delivered or settling or closed or pre-trading"),
    Refusal.QTY_ZERO: (-4003, "Quantity less than or equal to zero."),
    Refusal.QTY_STEP: (-4023, "Quantity not increased by step size."),
    Refusal.QTY_MIN: (-4004, "Quantity less than min quantity."),
    Refusal.QTY_MAX: (-4005, "Quantity greater than max quantity."),
    Refusal.QTY_MARKET_MAX: (-4005, "Quantity greater than max quantity."),
    Refusal.PRICE_ZERO: (-4001, "Price less than 0."),
    Refusal.PRICE_TICK: (-4014, "Price not increased by tick size."),
    Refusal.PRICE_MAX: (-4002, "Price greater than max price."),
    Refusal.PRICE_MIN: (-4013, "Price less than min price."),
    Refusal.PRICE_BAND_HIGH: (-4016, "Limit price can't be higher than {px}."),
    Refusal.PRICE_BAND_LOW: (-4024, "Limit price can't be lower than {px}."),
    Refusal.NO_LIQUIDITY: (-4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit."),
    Refusal.NOTIONAL_MIN: (-4164, "Order's notional must be no smaller than {amount} (unless you choose reduce only)."),
}


def worded(refused: Refused, market: str, instrument: Instrument | None) -> VenueError:
    """A neutral refusal as this market of Binance says it."""
    reason = refused.reason
    if market == SPOT:
        if reason in _SPOT:
            return VenueError(*_SPOT[reason])
        return filter_failure(next(name for reasons, name in _SPOT_FILTERS if reason in reasons))
    code, text = _LINEAR[reason]
    px = instrument.px_text(refused.limit) if instrument is not None else ""
    return VenueError(code, text.format(px=px, amount=refused.limit // E8))

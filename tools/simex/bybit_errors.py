"""Bybit's errors: code and text, in its own words; a neutral refusal is worded by `worded`.

Every answer is HTTP 200 with `retCode`, but `forbidden` over REST.  Source: v5 docs error.mdx, rate-limit, websocket/trade
guideline; texts where the docs have none are as clients report them.
"""

from __future__ import annotations

from tools.simex.contract import SPOT
from tools.simex.refusals import Refusal, Refused


class VenueError(Exception):
    """A refusal or failure as the venue would send it.  `status`: HTTP."""

    def __init__(self, code: int, msg: str, status: int = 200) -> None:
        super().__init__(f"{code} {msg}")
        self.code = code
        self.msg = msg
        self.status = status


PARAMS, WINDOW, KEY, SIGN, VISITS = 10001, 10002, 10003, 10004, 10006
SERVER_TIMEOUT, SERVER_ERROR, RESTARTING = 10000, 10016, 10019
IP_LIMIT, NO_SUCH_OP, DUPLICATE_REQUEST, REPEATED_AUTH, NOT_AUTHED = 10403, 10404, 20006, 20001, 10003
FORBIDDEN_TEXT = "access too frequent"


def bad_params(text: str) -> VenueError:
    return VenueError(PARAMS, f"params error: {text}")


def outside_window(stamp: str, now_ms: int, window: str) -> VenueError:
    return VenueError(
        WINDOW,
        "invalid request, please check your server timestamp or recv_window param. "
        f"req_timestamp[{stamp}],server_timestamp[{now_ms}],recv_window[{window}]",
    )


def bad_key() -> VenueError:
    return VenueError(KEY, "API key is invalid.")


def bad_sign(text: str) -> VenueError:
    return VenueError(SIGN, f"error sign! origin_string[{text}]")


def too_many_visits() -> VenueError:
    return VenueError(VISITS, "Too many visits. Exceeded the API Rate Limit.")


def forbidden() -> VenueError:
    """Too many requests of one address, and bans: HTTP 403 on REST; the order socket has a code."""
    return VenueError(IP_LIMIT, FORBIDDEN_TEXT, 403)


def server_timeout() -> VenueError:
    return VenueError(SERVER_TIMEOUT, "Server Timeout")


def server_error() -> VenueError:
    return VenueError(SERVER_ERROR, "Internal server error.")


def restarting() -> VenueError:
    return VenueError(RESTARTING, "ws trade service is restarting, please reconnect.")


def spot_timeout(is_cancel: bool) -> VenueError:
    """The unknown outcomes that only spot has."""
    return VenueError(170147, "Order cancel timeout.") if is_cancel else VenueError(170146, "Order creation timeout.")


def position_mode() -> VenueError:
    return VenueError(PARAMS, "position idx not match position mode")


_LINEAR = {
    Refusal.INSUFFICIENT_MARGIN: (110007, "ab not enough for new order"),
    Refusal.INSUFFICIENT_BALANCE: (110007, "ab not enough for new order"),
    Refusal.DUPLICATE_CLIENT_ID: (110072, "OrderLinkedID is duplicate"),
    Refusal.REDUCE_ONLY: (110017, "current position is zero, cannot fix reduce-only order qty"),
    Refusal.UNKNOWN_ORDER: (110001, "order not exists or too late to cancel"),
    Refusal.NO_SUCH_ORDER: (110001, "order not exists or too late to cancel"),
    Refusal.NO_SUCH_SYMBOL: (PARAMS, "params error: symbol invalid"),
    Refusal.NOT_TRADING: (110074, "This contract is not live"),
    Refusal.PRICE_ZERO: (PARAMS, "Price invalid"),
    Refusal.PRICE_TICK: (PARAMS, "Price invalid"),
    Refusal.PRICE_MIN: (110003, "Order price exceeds the allowable range."),
    Refusal.PRICE_MAX: (110003, "Order price exceeds the allowable range."),
    Refusal.PRICE_BAND_HIGH: (110003, "Order price exceeds the allowable range."),
    Refusal.PRICE_BAND_LOW: (110003, "Order price exceeds the allowable range."),
    Refusal.QTY_ZERO: (PARAMS, "Qty invalid"),
    Refusal.QTY_STEP: (PARAMS, "Qty invalid"),
    Refusal.QTY_MIN: (PARAMS, "The number of contracts exceeds minimum limit allowed"),
    Refusal.QTY_MAX: (PARAMS, "The number of contracts exceeds maximum limit allowed: too large"),
    Refusal.QTY_MARKET_MAX: (PARAMS, "The number of contracts exceeds maximum limit allowed: too large"),
    Refusal.NOTIONAL_MIN: (110094, "Order does not meet minimum order value 5USDT"),
}
_SPOT = {
    Refusal.INSUFFICIENT_BALANCE: (170131, "Insufficient balance."),
    Refusal.DUPLICATE_CLIENT_ID: (170141, "Duplicate clientOrderId."),
    Refusal.UNKNOWN_ORDER: (170213, "Order does not exist."),
    Refusal.NO_SUCH_ORDER: (170213, "Order does not exist."),
    Refusal.NO_SUCH_SYMBOL: (170121, "Invalid symbol."),
    Refusal.NOT_TRADING: (170151, "Trading is disabled for this trading pair."),
    Refusal.PRICE_ZERO: (170133, "Order price lower than the minimum."),
    Refusal.PRICE_TICK: (170134, "Order price has too many decimals."),
    Refusal.PRICE_MIN: (170133, "Order price lower than the minimum."),
    Refusal.PRICE_MAX: (170132, "Order price too high."),
    Refusal.PRICE_BAND_HIGH: (170193, "Buy order price cannot be higher than {px}."),
    Refusal.PRICE_BAND_LOW: (170194, "Sell order price cannot be lower than {px}."),
    Refusal.QTY_ZERO: (170136, "Order quantity lower than the minimum."),
    Refusal.QTY_STEP: (170137, "Order quantity has too many decimals."),
    Refusal.QTY_MIN: (170136, "Order quantity lower than the minimum."),
    Refusal.QTY_MAX: (170124, "Order amount too large."),
    Refusal.QTY_MARKET_MAX: (170124, "Order amount too large."),
    Refusal.NOTIONAL_MIN: (170140, "Order value exceeded lower limit."),
    Refusal.NOTIONAL_MAX: (170124, "Order amount too large."),
}


def worded(refused: Refused, market: str, limit_text: str = "") -> VenueError:
    """A neutral refusal as this market says it; `limit_text`: the broken bound as the wire has it."""
    code, text = (_SPOT if market == SPOT else _LINEAR)[refused.reason]
    return VenueError(code, text.format(px=limit_text))

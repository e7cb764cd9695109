"""The venue's errors: code, text and HTTP status, in Binance's own words.

Raised inside the matcher and the dialect, turned into bytes only at the edge.  Sources: binance-spot-api-docs errors.md, USD-M
error-code pages, read 2026-11.
"""

from __future__ import annotations


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


def insufficient_balance() -> VenueError:
    return VenueError(-2010, "Account has insufficient balance for requested action.")


def would_match() -> VenueError:
    return VenueError(-2010, "Order would immediately match and take.")


def duplicate_order() -> VenueError:
    return VenueError(-2010, "Duplicate order sent.")


def duplicate_client_id() -> VenueError:
    return VenueError(-4116, "ClientOrderId is duplicated.")


def unknown_order() -> VenueError:
    return VenueError(-2011, "Unknown order sent.")


def no_such_order() -> VenueError:
    return VenueError(-2013, "Order does not exist.")


def cancel_restricted() -> VenueError:
    return VenueError(-2011, "Order was not canceled due to cancel restrictions.")


def insufficient_margin() -> VenueError:
    return VenueError(-2019, "Margin is insufficient.")


def post_only_rejected() -> VenueError:
    return VenueError(
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        "The order will not be recorded in the order history",
    )


def fok_rejected() -> VenueError:
    return VenueError(
        -5021,
        "Due to the order could not be filled immediately, the FOK order has been rejected. "
        "The order will not be recorded in the order history",
    )


def reduce_only_rejected() -> VenueError:
    return VenueError(-2022, "ReduceOnly Order is rejected.")


def position_side_mismatch() -> VenueError:
    return VenueError(-4061, "Order's position side does not match user's setting.")

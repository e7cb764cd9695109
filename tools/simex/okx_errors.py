"""OKX: its refusals, by code: of a whole request (top-level `code`), or of one order (`sCode` in its row).

Source: error codes of the v5 documentation (50xxx general, 51xxx trading, 60xxx and 64xxx websocket; 2026-06 to 2026-09).
"""

from __future__ import annotations

from tools.simex.instrument import Instrument
from tools.simex.ledger import Account
from tools.simex.okx_listing import trim
from tools.simex.refusals import Refusal, Refused


class VenueError(Exception):
    """`is_request`: of the whole request.  `status`: of HTTP, when it is."""

    def __init__(self, code: int, msg: str, *, status: int = 200, sub_code: str = "", is_request: bool = False) -> None:
        super().__init__(f"{code} {msg}")
        self.code = str(code)
        self.msg = msg
        self.status = status
        self.sub_code = sub_code
        self.is_request = is_request


def request_error(code: int, msg: str, status: int = 400) -> VenueError:
    return VenueError(code, msg, status=status, is_request=True)


def empty(name: str) -> VenueError:
    return VenueError(50014, f"Parameter {name} can not be empty.", status=400)


def bad(name: str) -> VenueError:
    return VenueError(51000, f"Parameter {name} error", status=400)


def too_many(is_cap: bool = False) -> VenueError:
    if is_cap:
        return request_error(50061, "You've reached the maximum order rate limit for this account.", 429)
    return request_error(50011, "Rate limit reached. Please refer to API documentation and throttle requests accordingly.", 429)


def no_such_instrument() -> VenueError:
    return VenueError(51001, "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")


def not_cancelled() -> VenueError:
    return VenueError(51400, "Order cancellation failed as the order has been filled, canceled or does not exist.")


def wrong_mode() -> VenueError:
    return VenueError(51010, "You can't complete this request under your current account mode.")


UNKNOWN_OUTCOMES = {
    "endpoint": (
        50004,
        "API endpoint request timeout (does not mean that the request was successful or failed, please check the request result).",
        400,
    ),
    "request": (51054, "Request timed out. Please try again.", 500),
    "order": (51149, "Order timed out. Unable to obtain the execution result.", 500),
    "system": (50026, "System error. Try again later", 500),
}

_PLAIN: dict[Refusal, tuple[int, str]] = {
    Refusal.DUPLICATE_CLIENT_ID: (51016, "Client order ID already exists."),
    Refusal.NO_SUCH_ORDER: (51603, "Order does not exist."),
    Refusal.NOT_TRADING: (51022, "Contract suspended."),
    Refusal.PRICE_ZERO: (51000, "Parameter px error"),
    Refusal.PRICE_TICK: (51150, "The precision of the number of trades or the price exceeds the limit."),
    Refusal.QTY_ZERO: (51000, "Parameter sz error"),
    Refusal.QTY_STEP: (51121, "Order quantity must be a multiple of the lot size."),
    Refusal.QTY_MIN: (51020, "Your order should meet or exceed the minimum order amount."),
    Refusal.QTY_MAX: (51203, "Limit order quantity exceeds the maximum amount."),
    Refusal.QTY_MARKET_MAX: (51202, "Market order quantity exceeds the maximum amount."),
    Refusal.NOTIONAL_MIN: (51020, "Your order should meet or exceed the minimum order amount."),
    Refusal.NOTIONAL_MAX: (51185, "The maximum value allowed per order is 20,000,000 USD."),
}


def worded(refused: Refused, instrument: Instrument | None, account: Account, is_buy: bool) -> VenueError:
    """What the matcher or a filter refused, in OKX's words."""
    reason = refused.reason
    if instrument is None or reason == Refusal.NO_SUCH_SYMBOL:
        return no_such_instrument()
    if reason == Refusal.INSUFFICIENT_BALANCE:
        asset = instrument.quote if is_buy else instrument.base
        return VenueError(51008, f"Order failed. Insufficient {asset} balance in account.", sub_code="1000")
    if reason == Refusal.INSUFFICIENT_MARGIN:
        return VenueError(51008, f"Order failed. Insufficient {instrument.settle} margin in account.", sub_code="1001")
    if reason == Refusal.REDUCE_ONLY:
        if account.position(instrument).qty:
            return VenueError(
                51170,
                "Failed to place a reduce-only order. A reduce-only order can't be the same trading direction as your existing "
                "positions.",
            )
        return VenueError(51169, "Order failed because you don't have any positions in this direction to reduce or close.")
    if reason in (Refusal.PRICE_BAND_HIGH, Refusal.PRICE_BAND_LOW):
        side = "max buy" if reason == Refusal.PRICE_BAND_HIGH else "min sell"
        limit = trim(instrument.px_text(refused.limit // instrument.tick * instrument.tick))
        return VenueError(51006, f"Order price is not within the price limit ({side} price: {limit}).")
    if reason == Refusal.PRICE_MAX:
        return VenueError(51116, f"Order price or trigger price exceeds {trim(instrument.px_text(refused.limit))}.")
    if reason == Refusal.PRICE_MIN:
        return VenueError(51122, f"Order price should be higher than {trim(instrument.px_text(refused.limit))}.")
    code, msg = _PLAIN.get(reason, (51000, "Parameter error"))
    return VenueError(code, msg)

"""What Binance's errors mean for the order that they answer, as data (venues/binance.md A11, B8; venue pages errors.md,
error-code.md).

`ERRORS` is read top to bottom, the first row that fits counts; a row fits when market, status range, code and text all do. The
text is compared as "contains", ignoring case: codes -2010 and -2011 mean many things, only their message tells. What fits no row
is UNMAPPED and handled as UNKNOWN_EXECUTION: an order is rejected only by a row that says so.

Class -> what it says about a *new* order:
  definite (nothing executed): RETRY, REJECT, BALANCE, FILTER, RATE, AUTH, TIME, FATAL
  may have executed:           UNKNOWN_EXECUTION, UNMAPPED
  nothing by itself:           UNKNOWN_ORDER (of a cancel: ask; of a query: one vote for absence)
"""
from __future__ import annotations

from typing import NamedTuple

# layout.h ERROR_*: cext imports nothing of ours, tests/unit/cext compares
NONE, RETRY, REJECT, BALANCE, FILTER, RATE, AUTH, TIME, UNKNOWN_ORDER, UNKNOWN_EXECUTION, FATAL, UNMAPPED = range(12)
CLASS_NAMES = ("NONE", "RETRY", "REJECT", "BALANCE", "FILTER", "RATE", "AUTH", "TIME", "UNKNOWN_ORDER", "UNKNOWN_EXECUTION",
               "FATAL",
               "UNMAPPED")
DEFINITE = frozenset({RETRY, REJECT, BALANCE, FILTER, RATE, AUTH, TIME, FATAL})

ANY = 0  # code or status: any
BOTH, SPOT, LINEAR = 0, 1, 2


class ErrorRow(NamedTuple):
    market: int       # BOTH, SPOT, LINEAR
    status_min: int   # HTTP or WS status; ANY = any
    status_max: int
    code: int         # ANY = any code, also none
    text: str         # contained in the message; "" = any
    error_class: int
    note: str


def row(market: int, status: int | tuple[int, int], code: int, text: str, error_class: int, note: str) -> ErrorRow:
    low, high = status if isinstance(status, tuple) else (status, status)
    return ErrorRow(market, low, high, code, text.lower(), error_class, note)


SERVER_ERROR = (500, 599)

ERRORS: tuple[ErrorRow, ...] = (
    # ---- answers that leave the outcome open, whatever else they say
    row(BOTH, ANY, -1006, "", UNKNOWN_EXECUTION, "unexpected response from the message bus: execution status unknown"),
    row(BOTH, ANY, -1007, "", UNKNOWN_EXECUTION, "backend time-out: send status unknown"),
    row(BOTH, 408, ANY, "", UNKNOWN_EXECUTION, "time-out waiting for the backend"),
    row(BOTH, ANY, ANY, "unknown error, please check your request", UNKNOWN_EXECUTION, "503 of the first kind"),
    row(BOTH, ANY, ANY, "execution status unknown", UNKNOWN_EXECUTION, "said in words"),
    row(BOTH, ANY, ANY, "send status unknown", UNKNOWN_EXECUTION, "said in words"),
    # ---- bans and rates, by status first: their body may be anything
    row(BOTH, 418, ANY, "", RATE, "IP banned until Retry-After"),
    row(BOTH, 429, ANY, "", RATE, "request limit broken: back off until Retry-After"),
    row(BOTH, 403, ANY, "", RATE, "firewall refused the request before the exchange saw it"),
    # ---- server failures that are definite although the status is 5xx
    row(BOTH, ANY, -1008, "", RETRY, "overloaded, throttled before the matcher; reduce-only and cancels are exempt on USD-M"),
    row(BOTH, ANY, -1016, "", RETRY, "service is shutting down"),
    row(LINEAR, ANY, ANY, "service unavailable", RETRY, "503 of the second kind: failed"),
    row(LINEAR, ANY, ANY, "internal error; unable to process", RETRY, "503 of the third kind: failed"),
    row(LINEAR, ANY, ANY, "request throttled by system-level protection", RETRY, "as -1008"),
    # ---- every other 5xx: unknown
    row(BOTH, SERVER_ERROR, ANY, "", UNKNOWN_EXECUTION, "5xx is not a failure: the order may be live"),
    row(BOTH, ANY, -1001, "", RETRY, "internal error, unable to process (below 500)"),
    row(BOTH, ANY, -1000, "", UNKNOWN_EXECUTION, "an unknown error occurred while processing the request"),
    # ---- limits
    row(BOTH, ANY, -1003, "", RATE, "request weight"),
    row(BOTH, ANY, -1015, "", RATE, "order count"),
    row(BOTH, ANY, -1034, "", RATE, "too many connections"),
    row(SPOT, ANY, -1035, "", RATE, "too many messages on this connection"),
    # ---- time
    row(BOTH, ANY, -1021, "", TIME, "outside the receive window, or more than 1 s ahead"),
    row(LINEAR, ANY, -5028, "", TIME, "outside the receive window at the matching engine"),
    # ---- keys
    row(BOTH, ANY, -1002, "", AUTH, "not authorised"),
    row(BOTH, ANY, -1022, "", AUTH, "signature"),
    row(BOTH, ANY, -2014, "", AUTH, "key format"),
    row(BOTH, ANY, -2015, "", AUTH, "key, address or permission"),
    row(LINEAR, ANY, -2017, "", AUTH, "keys are locked on this account"),
    row(BOTH, 401, ANY, "", AUTH, "not authorised"),
    # ---- spot: one code, many meanings
    row(SPOT, ANY, -2010, "insufficient balance", BALANCE, ""),
    row(SPOT, ANY, -2010, "immediately match and take", REJECT, "post-only would have taken"),
    row(SPOT, ANY, -2010, "duplicate order sent", UNKNOWN_EXECUTION, "an order with this id is open: ours went through before"),
    row(SPOT, ANY, -2010, "market is closed", REJECT, ""),
    row(SPOT, ANY, -2010, "symbol is not permitted", FATAL, "symbol not permitted for this account"),
    row(SPOT, ANY, -2010, "action is disabled on this account", FATAL, "trading disabled"),
    row(SPOT, ANY, -2010, "may not place or cancel orders", FATAL, "trading disabled"),
    row(SPOT, ANY, -2010, "order type is not supported", REJECT, ""),
    row(SPOT, ANY, -2010, "market orders are not supported", REJECT, ""),
    row(SPOT, ANY, -2010, "iceberg orders are not supported", REJECT, ""),
    row(SPOT, ANY, -2010, "would trigger immediately", REJECT, ""),
    row(SPOT, ANY, -2010, "price * qty is zero", FILTER, ""),
    row(SPOT, ANY, -2010, "icebergqty exceeds", FILTER, ""),
    row(SPOT, ANY, -2010, "this symbol is restricted for this account", FATAL, ""),
    row(SPOT, ANY, -2010, "unsupported order combination", REJECT, ""),
    row(SPOT, ANY, -2010, "rest of this order would", REJECT, ""),
    row(SPOT, ANY, -2010, "filter failure", FILTER, ""),
    row(SPOT, ANY, -2010, "limit_maker", REJECT, "post-only would have taken"),
    row(
        SPOT, ANY, -1013, "", FILTER, "PRICE_FILTER, PERCENT_PRICE_BY_SIDE, LOT_SIZE, NOTIONAL, MAX_POSITION, MAX_NUM_ORDERS ..."
    ),
    row(SPOT, ANY, -2043, "", RETRY, "no reference price for this symbol"),
    # ---- unknown orders
    row(BOTH, ANY, -2011, "cancel restrictions", UNKNOWN_ORDER, "not cancelled because of cancelRestrictions: ask"),
    row(BOTH, ANY, -2011, "", UNKNOWN_ORDER, "cancel of an order that is not open: means nothing, ask"),
    row(LINEAR, ANY, -2012, "", UNKNOWN_ORDER, "cancel-all failed"),
    row(BOTH, ANY, -2013, "", UNKNOWN_ORDER, "no such order"),
    row(SPOT, ANY, -2026, "", UNKNOWN_ORDER, "archived: cancelled or expired without fills more than 90 days ago"),
    row(SPOT, ANY, -2039, "", UNKNOWN_ORDER, "order id and client id do not belong together"),
    # ---- cancel-replace, amend: not used by the engine, mapped so that nothing is open
    row(SPOT, ANY, -2021, "", UNKNOWN_EXECUTION, "one of two requests failed: judge each"),
    row(SPOT, ANY, -2022, "", REJECT, "cancel-replace: nothing was done"),
    row(SPOT, ANY, -2038, "", REJECT, "amend rejected"),
    row(SPOT, ANY, -2035, "", REJECT, "user stream already active on this connection"),
    row(SPOT, ANY, -2036, "", REJECT, "user stream not active on this connection"),
    # ---- USD-M: margin
    row(LINEAR, ANY, -2018, "", BALANCE, "balance not sufficient"),
    row(LINEAR, ANY, -2019, "", BALANCE, "margin not sufficient"),
    row(LINEAR, ANY, -4050, "", BALANCE, "cross balance insufficient"),
    row(LINEAR, ANY, -4051, "", BALANCE, "isolated balance insufficient"),
    row(LINEAR, ANY, -2027, "", BALANCE, "position limit at this leverage"),
    row(LINEAR, ANY, -2028, "", BALANCE, "leverage is smaller than permitted"),
    # ---- USD-M: orders that the matcher refuses
    row(LINEAR, ANY, -2010, "", REJECT, "new order rejected"),
    row(LINEAR, ANY, -2020, "", REJECT, "unable to fill"),
    row(LINEAR, ANY, -2021, "", REJECT, "would trigger immediately"),
    row(LINEAR, ANY, -5021, "", REJECT, "fill-or-kill could not be filled"),
    row(LINEAR, ANY, -5022, "", REJECT, "post-only would have taken"),
    row(LINEAR, ANY, -5041, "", REJECT, "priceMatch found no price"),
    row(LINEAR, ANY, -2022, "", REJECT, "reduce-only: there is nothing to reduce; the position model is wrong"),
    row(LINEAR, ANY, -4118, "", REJECT, "reduce-only with open orders in the way"),
    row(LINEAR, ANY, -4087, "", FATAL, "account may only reduce"),
    row(LINEAR, ANY, -4105, "", FATAL, "reduce-only mode"),
    row(LINEAR, ANY, -4106, "", FATAL, "reduce-only mode"),
    row(LINEAR, ANY, -4107, "", FATAL, "reduce-only mode"),
    row(LINEAR, ANY, -4189, "", FATAL, "reduce-only mode"),
    row(LINEAR, ANY, -4400, "", FATAL, "quantitative rules: account may only reduce"),
    row(LINEAR, ANY, -4401, "", FATAL, "compliance: account may only reduce"),
    row(LINEAR, ANY, -4116, "", UNKNOWN_EXECUTION, "duplicate client id: ours went through before"),
    row(LINEAR, ANY, -4015, "", REJECT, "client id length or characters"),
    row(LINEAR, ANY, -2025, "", FILTER, "too many open orders"),
    row(LINEAR, ANY, -4045, "", FILTER, "too many conditional orders"),
    row(LINEAR, ANY, -4061, "", FATAL, "position side does not match the account's mode (hedge mode?)"),
    row(LINEAR, ANY, -4062, "", FATAL, "reduce-only in hedge mode"),
    row(LINEAR, ANY, -4120, "", REJECT, "conditional orders live on another endpoint"),
    row(LINEAR, ANY, -2023, "", FATAL, "account is being liquidated"),
    row(LINEAR, ANY, -4046, "", REJECT, "margin type: no change needed"),
    row(LINEAR, ANY, -4059, "", REJECT, "position mode: no change needed"),
    row(LINEAR, ANY, -4171, "", REJECT, "multi-assets mode: no change needed"),
    row(LINEAR, ANY, -4531, "", RETRY, "account mode is being synchronised"),
    row(LINEAR, ANY, -5027, "", REJECT, "modify: no change"),
    row(LINEAR, ANY, -5043, "", RETRY, "a modification of this order is pending"),
    row(BOTH, ANY, -1125, "", AUTH, "listen key does not exist"),
    # ---- USD-M: price, size
    row(LINEAR, ANY, -4001, "", FILTER, "price below 0"),
    row(LINEAR, ANY, -4002, "", FILTER, "price above max"),
    row(LINEAR, ANY, -4003, "", FILTER, "quantity below 0"),
    row(LINEAR, ANY, -4004, "", FILTER, "quantity below min"),
    row(LINEAR, ANY, -4005, "", FILTER, "quantity above max"),
    row(LINEAR, ANY, -4013, "", FILTER, "price below min"),
    row(LINEAR, ANY, -4014, "", FILTER, "tick"),
    row(LINEAR, ANY, -4016, "", FILTER, "price above percent band"),
    row(LINEAR, ANY, -4023, "", FILTER, "step"),
    row(LINEAR, ANY, -4024, "", FILTER, "price below percent band"),
    row(LINEAR, ANY, -4131, "", FILTER, "market order too far from mark"),
    row(LINEAR, ANY, -4164, "", FILTER, "notional below min"),
    # ---- bad requests: refused while being parsed (-1100 .. -1199)
    row(BOTH, ANY, -1111, "", FILTER, "more decimals than the instrument has"),
    row(BOTH, ANY, -1121, "", REJECT, "no such symbol"),
    row(BOTH, ANY, -1013, "", FILTER, "invalid message"),
    row(BOTH, ANY, -1014, "", REJECT, "order composition not supported"),
    row(BOTH, ANY, -1020, "", REJECT, "operation not supported"),
    row(SPOT, ANY, -1033, "", REJECT, "component id in use"),
    *(row(BOTH, ANY, code, "", REJECT, "bad request") for code in range(-1199, -1099) if code not in (-1111, -1121, -1125)),
)

_MARKETS = {"spot": SPOT, "linear": LINEAR}


def classify(market: str, status: int, code: int, message: str) -> int:
    """Class of one answer: the plain twin of the decoder's nogil search, also used for REST."""
    text = message.lower()
    for entry in ERRORS:
        if (entry.market in (BOTH, _MARKETS[market])
            and (entry.status_min == ANY or entry.status_min <= status <= entry.status_max)
                and entry.code in (ANY, code) and entry.text in text):
            return entry.error_class
    return UNMAPPED

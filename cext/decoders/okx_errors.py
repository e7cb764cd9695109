"""What OKX v5's errors mean for the order that they answer, as data (OKX v5 documentation 2026-06..09: error codes of REST and
websocket, order channel; docs/gateway-okx.md).

`ERRORS` is read top to bottom (order_errors.py says how). The code is that of the order (`sCode`) where the answer has one, else
that of the envelope; the sub-code is `subCode`. Replies over the order socket have no status; HTTP answers 200 to most refusals.
An ack is no outcome, but an error code in its place says that the request went no further, unless a row says UNKNOWN_EXECUTION:
an order is rejected only by a row that says so.

An order that the venue accepted and then ended by itself has no code but a `cancelSource`: that is the decoder's
(okx_orders.pyx).
"""
from __future__ import annotations

from cext.decoders.order_errors import (
    ANY,
    AUTH,
    BALANCE,
    BOTH,
    FATAL,
    FILTER,
    RATE,
    REJECT,
    RETRY,
    SERVER_ERROR,
    TIME,
    UNKNOWN_EXECUTION,
    UNKNOWN_ORDER,
    ErrorRow,
    row,
)


def rows(error_class: int, note: str, *codes: int, is_absent: bool = False) -> tuple[ErrorRow, ...]:
    """One row a code, whatever market, status and text."""
    return tuple(row(BOTH, ANY, code, "", error_class, note, is_absent=is_absent) for code in codes)


def span(error_class: int, note: str, first: int, last: int) -> tuple[ErrorRow, ...]:
    """One row for each code of first..last."""
    return rows(error_class, note, *range(first, last + 1))


ERRORS: tuple[ErrorRow, ...] = (
    # ---- answers that leave the outcome open; whatever else their status or body says
    row(BOTH, SERVER_ERROR, ANY, "", UNKNOWN_EXECUTION, "5xx is not a failure: the order may be live"),
    row(BOTH, 408, ANY, "", UNKNOWN_EXECUTION, "time-out on the way"),
    *rows(UNKNOWN_EXECUTION, "service unavailable (503): probably not executed, asked all the same", 50001),
    *rows(UNKNOWN_EXECUTION, "endpoint time-out: says nothing about success", 50004),
    *rows(UNKNOWN_EXECUTION, "system busy (429): probably not executed, asked all the same", 50013),
    *rows(UNKNOWN_EXECUTION, "system error", 50026),
    *rows(UNKNOWN_EXECUTION, "request or order timed out (HTTP 500)", 51054, 51149),
    *rows(UNKNOWN_EXECUTION, "internal error of the websocket service", 64007, 63999),
    *rows(UNKNOWN_EXECUTION, "cancel timed out, or the order was triggered already", 51412),
    # ---- an id that was there before: perhaps it was this very order that went through
    *rows(UNKNOWN_EXECUTION, "duplicate clOrdId or ordId: ask what became of it", 51016, 51011, 50071),
    # ---- limits
    *rows(RATE, "requests of this endpoint in two seconds", 50011),
    *rows(RATE, "new and amended orders of this sub-account in two seconds", 50061),
    *rows(RATE, "websocket: too many requests", 60014),
    *rows(RATE, "more than 3 amendments in flight for one order", 51513),
    # ---- time
    *rows(TIME, "timestamp expired or invalid", 50102, 50112, 60004, 60006),
    *rows(TIME, "the request came after its expTime, or that is invalid", 50036, 50037),
    # ---- keys, addresses
    *rows(AUTH, "key of the other environment (demo, live)", 50101),
    *rows(AUTH, "headers of the signature missing or bad", 50103, 50104, 50106, 50107),
    *rows(AUTH, "passphrase", 50105, 60024),
    *rows(AUTH, "address is not among those of the key", 50110),
    *rows(AUTH, "key unknown, or of another OKX site", 50111, 50119, 60005),
    *rows(AUTH, "signature", 50113, 60007),
    *rows(AUTH, "authorisation", 50114, 60009),
    *rows(AUTH, "the key may not do this", 50120),
    *rows(AUTH, "not logged in on this socket", 60011),
    # ---- account
    *rows(FATAL, "the key is frozen", 50100),
    *rows(FATAL, "order placing is blocked, account frozen or under review", 51009, 51024),
    *rows(FATAL, "the account's mode does not allow this", 51010),
    *rows(FATAL, "the account may only reduce its risk", 51037),
    *rows(FATAL, "compliance rules or region", 51155, 51734),
    # ---- money: 51008 by what is missing
    *(row(BOTH, ANY, 51008, "", BALANCE, note, sub_code=sub_code) for sub_code, note in (
        (1000, "balance"), (1001, "margin"), (1002, "balance, and automatic borrowing is off"),
        (1003, "balance, and borrowing is off"),
        (1004, "borrowing limit"), (1005, "borrowing limit"), (1006, "borrowing limit"), (1007, "borrowing limit"),
        (1008, "borrowing limit"), (1009, "borrowing limit"), (1015, "collateral limit"), (1016, "collateral limit"),
        (1017, "collateral limit"), (1018, "collateral limit"), (1019, "collateral limit"),
        (1020, "quote for the fee: the account pays fees in quote"))),
    *rows(BALANCE, "balance or margin not sufficient", 51008, 51127, 51131, 51119, 51502),
    *span(BALANCE, "the coin is not enabled as collateral", 54024, 54028),
    *rows(BALANCE, "position limit at this leverage, or of the platform", 51004, 51105, 51106, 51107, 51129, 51187, 54030, 54031),
    # ---- price, size
    *rows(FILTER, "price out of range", 51006, 51031, 51116, 51122, 51135, 51136, 51137, 51138),
    *rows(FILTER, "size below the minimum, off the lot, or too precise", 51020, 51120, 51121, 51150),
    *rows(FILTER, "size above a maximum", 51005, 51101, 51201, 51202, 51203, 51185),
    *rows(FILTER, "price is missing", 51204),
    *rows(FILTER, "too many open orders", 51102, 51103, 51174, 51025),
    # ---- bad requests: refused while being parsed. 51000 names the parameter in its text
    row(BOTH, ANY, 51000, "parameter px", FILTER, "bad price"),
    row(BOTH, ANY, 51000, "parameter sz", FILTER, "bad size"),
    *rows(REJECT, "bad or missing parameter", 51000, 50014),
    *rows(REJECT, "websocket: bad request, arguments, channel or operation", 60012, 60013, 60018, 60019),
    *rows(REJECT, "channel of a higher tier, or that conflicts with another", 64003, 64004),
    # ---- unknown or finished orders; of a query: one vote for absence where the venue says that there is none
    *rows(UNKNOWN_ORDER, "order does not exist", 51603, is_absent=True),
    *rows(UNKNOWN_ORDER, "filled, cancelled, or does not exist: ask", 51400, 51503, 51063, 51509, 51510),
    *rows(UNKNOWN_ORDER, "is being cancelled already, or settled: ask", 51410),
    # ---- orders that the venue refuses
    *rows(RETRY, "funding fee is being settled", 51030),
    *rows(RETRY, "retail liquidity is busy", 54049),
    *rows(REJECT, "instrument unknown, of another type, or not listed", 51001, 51015, 51021, 51087),
    *rows(REJECT, "instrument suspended, expired, in delivery or settlement", 51022, 51027, 51028, 51029),
    *rows(REJECT, "post-only phase, or view only", 54012, 54072),
    *rows(REJECT, "post-only amendment would take", 51511),
    *rows(REJECT, "reduce-only: nothing to reduce, wrong way, or others do it already", 51023, 51112, 51148, 51169, 51170, 51171,
          51205, 51206, 51521, 51522),
    *rows(REJECT, "reduce-only does not exist on spot", 51133, 51139),
    *rows(REJECT, "fill-or-kill with self-trade prevention of both sides", 54036),
    *span(REJECT, "retail liquidity may not be taken so", 54039, 54048),
    # ---- by HTTP status, where no code said it
    row(BOTH, 429, ANY, "", RATE, "too many requests"),
    row(BOTH, 401, ANY, "", AUTH, "not authorised"),
)

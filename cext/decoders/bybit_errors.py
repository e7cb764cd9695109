"""What Bybit v5's errors mean for the order that they answer, as data (Bybit v5 documentation as of 2026-07-24: error, enum,
websocket/trade/guideline; docs/gateway-bybit.md).

`ERRORS` is read top to bottom (order_errors.py says how). Replies over the order socket have no status; HTTP answers 200 to
nearly everything, the code counts. An ack is no outcome, but an error code in its place says that the request went no further,
unless a row says UNKNOWN_EXECUTION: an order is rejected only by a row that says so. 10001 is a catch-all that only its text
tells apart.

Rows with the code REASON are about `rejectReason` of an order that the venue calls Rejected: it has no code, its word is the
text.
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

REASON = -9001   # no code of the venue: marks the rows about rejectReason


def rows(market: int, error_class: int, note: str, *codes: int, is_absent: bool = False) -> tuple[ErrorRow, ...]:
    """One row a code, whatever status and text."""
    return tuple(row(market, ANY, code, "", error_class, note, is_absent=is_absent) for code in codes)


def reasons(error_class: int, *words: str) -> tuple[ErrorRow, ...]:
    """One row a word of rejectReason."""
    return tuple(row(BOTH, ANY, REASON, word, error_class, "rejectReason") for word in words)


ERRORS: tuple[ErrorRow, ...] = (
    # ---- by HTTP status first: their body may be anything
    row(BOTH, SERVER_ERROR, ANY, "", UNKNOWN_EXECUTION, "5xx is not a failure: the order may be live"),
    row(BOTH, 408, ANY, "", UNKNOWN_EXECUTION, "time-out on the way"),
    row(BOTH, 403, ANY, "", RATE, "address shut out: too frequent (ten minutes), or from a region that is not served"),
    row(BOTH, 429, ANY, "", RATE, "system protection, or a limit of the order socket"),
    row(BOTH, 401, ANY, "", AUTH, "not authorised"),
    # ---- answers that leave the outcome open
    *rows(BOTH, UNKNOWN_EXECUTION, "server time-out", 10000),
    *rows(BOTH, UNKNOWN_EXECUTION, "server error, or the service restarts", 10016),
    *rows(BOTH, UNKNOWN_EXECUTION, "backend time-out", 170007, 170032),
    *rows(BOTH, UNKNOWN_EXECUTION, "time-out of create, cancel, amend", 170146, 170147, 170310),
    *rows(BOTH, UNKNOWN_EXECUTION, "still being processed: ask again", 110079, 170035, 170212, 170144),
    # ---- an id that was there before: perhaps it was this very order that went through
    *rows(BOTH, UNKNOWN_EXECUTION, "duplicate orderLinkId: it was used before, ask what became of it", 110072, 170141),
    *rows(BOTH, UNKNOWN_EXECUTION, "duplicate request: the first one may have gone through", 10014),
    *rows(BOTH, UNKNOWN_EXECUTION, "duplicate reqId on this connection: the first one may have gone through", 20006),
    # ---- the order socket's gateway restarts: what is under way ends, new requests are not taken
    *rows(BOTH, RETRY, "trade gateway restarts: not accepted, connect anew", 10019),
    # ---- limits
    *rows(BOTH, RATE, "requests a second of this account and endpoint", 10006, 10018),
    *rows(BOTH, RATE, "system protection", 10429),
    *rows(BOTH, RATE, "order socket: requests a second of this address", 10403),
    *rows(BOTH, RATE, "order socket: too many requests in this session", 20003),
    *rows(BOTH, RATE, "too many orders in a window", 170005, 170222),
    # ---- time
    *rows(BOTH, TIME, "timestamp outside the receive window", 10002),
    *rows(BOTH, TIME, "request expired", -1),
    # ---- keys, addresses
    *rows(BOTH, AUTH, "key unknown, or of another Bybit site", 10003),
    *rows(BOTH, AUTH, "signature", 10004),
    *rows(BOTH, AUTH, "the key may not do this", 10005),
    *rows(BOTH, AUTH, "authentication failed", 10007),
    *rows(BOTH, AUTH, "key expired", 33004),
    *rows(BOTH, AUTH, "address is not among those of the key", 10010),
    *rows(BOTH, FATAL, "address banned", 10009),
    *rows(BOTH, FATAL, "compliance rules or region", 10024, 110132, 170209),
    *rows(BOTH, FATAL, "trading is banned for this account", 10027),
    *rows(BOTH, AUTH, "order socket: authenticated twice on one connection", 20001),
    # ---- 10001: one code, many meanings
    row(BOTH, ANY, 10001, "position idx not match position mode", FATAL, "the account is in hedge mode"),
    row(BOTH, ANY, 10001, "duplicate", UNKNOWN_EXECUTION, "a duplicate id said in words"),
    row(BOTH, ANY, 10001, "order not modified", REJECT, "no change"),
    row(BOTH, ANY, 10001, "qty", FILTER, "bad quantity"),
    row(BOTH, ANY, 10001, "price", FILTER, "bad price"),
    row(BOTH, ANY, 10001, "exceeds maximum limit", FILTER, "more contracts than the instrument allows in one order"),
    row(BOTH, ANY, 10001, "", REJECT, "bad request: refused while being parsed"),
    # ---- money
    *rows(BOTH, BALANCE, "balance or margin not sufficient", 110004, 110006, 110007, 110012, 110014, 110044, 110045, 110051,
          110052, 110053, 170131, 170033),
    *rows(BOTH, BALANCE, "position or open interest limit", 110090, 110021),
    # ---- price, size
    *rows(BOTH, FILTER, "price out of range or off the limit", 110003, 110120, 110121, 30208, 30209, 170132, 170133, 170134,
          170192, 170193, 170194, 170371, 170372),
    *rows(BOTH, FILTER, "notional below min", 110094, 170140),
    *rows(BOTH, FILTER, "quantity or amount", 170136, 170137, 170124, 170148, 170381, 170382, 170341),
    *rows(BOTH, FILTER, "too many open orders", 110020, 170810),
    # ---- unknown or finished orders; of a query: one vote for absence where the venue says that there is none
    *rows(BOTH, UNKNOWN_ORDER, "order does not exist", 110001, 170213, 170143, is_absent=True),
    *rows(BOTH, UNKNOWN_ORDER, "completed or cancelled already: ask", 110008, 110010, 170139, 170142, 170190),
    # ---- orders that the venue refuses
    *rows(BOTH, REJECT, "post-only would have taken, or only post-only is allowed now", 170218, 170217, 110103),
    *rows(BOTH, REJECT, "reduce-only: there is nothing to reduce; the position model is wrong", 110017),
    *rows(BOTH, REJECT, "the contract may only be reduced", 110023, 110042),
    *rows(BOTH, REJECT, "no change", 110025, 110026, 110043, 34040),
    *rows(BOTH, REJECT, "trading is halted", 110066, 110074, 110063, 170151),
    # ---- rejectReason of an order that is Rejected
    *reasons(UNKNOWN_EXECUTION, "ec_duplicatedclordid"),
    *reasons(UNKNOWN_ORDER, "ec_origclordiddoesnotexist", "ec_toolatetocancel", "ec_ordernotexist"),
    *reasons(FILTER, "ec_limitorderinvalidprice", "ec_invalidpricescale", "ec_qtycannotbezero", "ec_ecinvalidqty",
             "ec_invalidamount", "ec_reachriskpricelimit", "ec_reachmarketpricelimit", "ec_invalidbasevalue"),
    *reasons(REJECT, "ec_postonlywilltakeliquidity", "ec_noimmediateqtytofill", "ec_noenoughqtytofill", "ec_cancelfornofullfill",
             "ec_bysmp", "ec_byselfmatch", "ec_stopbyselfmatch", "ec_invalidsymbolstatus", "ec_incallauctionstatus",
             "ec_securitystatusfail", "ec_others"),
)

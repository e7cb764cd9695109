"""What a venue's errors mean for the order that they answer: the classes, the shape of a venue's table, and its plain search.

A table is read top to bottom, the first row that fits counts; a row fits when market, status range, code, sub-code and text all
do. The text is compared as "contains", ignoring case. What fits no row is UNMAPPED and handled as UNKNOWN_EXECUTION: an order is
rejected only by a row that says so. Rows are data of cext/decoders/<venue>_errors.py, given to its decoder; the decoder's nogil
search (cext/decoders/orders.pyx) and `classify` here are twins.

Class -> what it says about a *new* order:
  definite (nothing executed): RETRY, REJECT, BALANCE, FILTER, RATE, AUTH, TIME, FATAL
  may have executed:           UNKNOWN_EXECUTION, UNMAPPED
  nothing by itself:           UNKNOWN_ORDER (of a cancel: ask; of a query: one vote for absence)
"""
from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

# layout.h ERROR_*: cext imports nothing of ours, tests/unit/cext compares
NONE, RETRY, REJECT, BALANCE, FILTER, RATE, AUTH, TIME, UNKNOWN_ORDER, UNKNOWN_EXECUTION, FATAL, UNMAPPED = range(12)
CLASS_NAMES = ("NONE", "RETRY", "REJECT", "BALANCE", "FILTER", "RATE", "AUTH", "TIME", "UNKNOWN_ORDER", "UNKNOWN_EXECUTION",
               "FATAL", "UNMAPPED")
DEFINITE = frozenset({RETRY, REJECT, BALANCE, FILTER, RATE, AUTH, TIME, FATAL})

ANY = 0  # code, sub-code or status: any
BOTH, SPOT, LINEAR = 0, 1, 2
MARKETS = {"spot": SPOT, "linear": LINEAR}
TEXT_BYTES_MAX = 60
SERVER_ERROR = (500, 599)


class ErrorRow(NamedTuple):
    """One row. Codes are numbers; a venue that sends them as text ("51008") means the number."""
    market: int       # BOTH, SPOT, LINEAR
    status_min: int   # HTTP or WS status; ANY = any
    status_max: int
    code: int         # ANY = any code, also none
    text: str         # lower case, contained in the message; "" = any
    error_class: int
    note: str
    sub_code: int = ANY       # a second number beside the code (OKX subCode)
    is_absent: bool = False   # as the answer to a query: the venue does not know the order


def row(market: int, status: int | tuple[int, int], code: int | str, text: str, error_class: int, note: str, *,
        sub_code: int | str = ANY, is_absent: bool = False) -> ErrorRow:
    """One row; `status` is one status, a range, or ANY. ValueError when it could not be compared as written."""
    low, high = status if isinstance(status, tuple) else (status, status)
    if len(text.encode("ascii")) > TEXT_BYTES_MAX:
        raise ValueError(f"order errors: text of {len(text)} bytes is longer than {TEXT_BYTES_MAX}: {text}")
    return ErrorRow(market, low, high, int(code), text.lower(), error_class, note, int(sub_code), is_absent)


def classify(rows: Iterable[ErrorRow], market: str, status: int, code: int, message: str, sub_code: int = 0) -> int:
    """Class of one answer: the plain twin of the decoder's nogil search. `market`: "spot" | "linear"."""
    text = message.lower()
    for entry in rows:
        if (entry.market in (BOTH, MARKETS[market])
                and (entry.status_min == ANY or entry.status_min <= status <= entry.status_max)
                and entry.code in (ANY, code) and entry.sub_code in (ANY, sub_code) and entry.text in text):
            return entry.error_class
    return UNMAPPED

"""What the calm floor needs from the hot core: exactly the calls it makes on `cext.core.Core`.

The core owns market state, reservations, limits and pair states; the calm floor tells it what became of orders, and asks it for
prices. Tests use `tests/support/fake_core.py`; cext/core.pyi is the real one's page.
"""
from __future__ import annotations

from enum import IntEnum
from typing import Any, Protocol


class PairState(IntEnum):
    """cext/core.h PAIR_*."""
    FLAT = 0
    ENTERING = 1
    OPEN = 2
    EXITING = 3
    RECOVERING = 4
    LOCKED = 5


class LockReason(IntEnum):
    """Why a row takes no new entry: a number for the core, a name for people."""
    UNKNOWN_ORDER = 1
    TIMEOUT = 2
    API_ERROR = 3
    ORPHAN = 4
    MARGIN = 5
    STALE = 6
    DIFFERENCE = 7
    FOREIGN = 8
    MANUAL = 9
    MAINTENANCE = 10


MARKET_CODES = {"spot": 1, "linear": 2}  # cext/instrument.h MARKET_*
BOOK_VALID, BOOK_CROSSED = 1, 2          # cext/layout.h


class CoreSurface(Protocol):
    def pairs(self) -> list[tuple[int, int]]: ...

    def market(self, row: int) -> dict[str, Any]: ...

    def apply_fill(self, row: int, side: int, qty: int, px: int, fee_base_qty: int = 0, fee_quote_e8: int = 0,
                   adjust_balance: bool = True) -> None: ...

    def set_leg_remaining(self, intent_id: int, leg_index: int, qty: int) -> None: ...

    def release(self, intent_id: int, leg_index: int) -> bool: ...

    def shrink_plan(self, intent_id: int, qty: int) -> None: ...

    def set_pair_state(self, pair_index: int, state: int, a_qty: int = 0, b_qty: int = 0, trade_id: int = 0,
                       opened_mono_ns: int = 0, opened_wall_ns: int = 0) -> None: ...

    def set_residual(self, pair_index: int, residual_e8: int) -> None: ...

    def rearm(self, pair_index: int, after_mono_ns: int) -> None: ...

    def request_exit(self, pair_index: int | None) -> None: ...

    def lock_row(self, row: int, until_mono_ns: int, reason: int = 0) -> None: ...

    def lock_all(self, until_mono_ns: int, reason: int = 0) -> None: ...

    def unlock(self, row: int | None = None, venue_id: int | None = None) -> None: ...

    def set_session(self, venue_id: int, market: int, is_ready: bool) -> None: ...

    def set_account_balance(self, account: str, asset: str, free_e8: int) -> None: ...

    def set_pledge(self, trade_id: int, row: int, pledged_e8: int) -> None: ...

    def set_position(self, row: int, qty: int, px: int = 0) -> None: ...

    def note_outcome(self, ok: bool, now_mono_ns: int) -> None: ...

    def note_pnl(self, pnl_usd_e8: int, now_wall_ns: int) -> None: ...


def best_prices(core: CoreSurface, row: int) -> tuple[int, int] | None:
    """(best bid, best ask) of the core's own copy of the book; None when it is not in sync or one side is empty."""
    market = core.market(row)
    if not market.get("flags", 0) & BOOK_VALID or not market["bids"] or not market["asks"]:
        return None
    return market["bids"][0][0], market["asks"][0][0]

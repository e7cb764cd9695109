"""Order entry, cancels and queries through the planted faults: one place for every dialect and every transport.

`execute` does the thing and returns an outcome of the dialect's own kind (answer or error; it never raises); `answer` sends an
outcome. Both are called at once, later or never, as a fault has it; user events are settled after the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tools.simex.contract import OE, QUERIES, Plan

if TYPE_CHECKING:
    from tools.simex.venue import Venue

PLACE_VERBS = (
    "reject", "lostreq", "silent", "lostresp", "unknown", "late", "delay", "partial", "asyncreject", "ratelimit", "ban",
)  # fmt: skip
CANCEL_VERBS = ("lostreq", "lostresp", "reject", "delay", "silent", "unknown", "ratelimit")
QUERY_VERBS = ("delay", "lostresp", "silent", "ratelimit")

Answer = Callable[[Any], None]
PLAIN = Plan()


class Desk:
    """Of one venue."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue

    def place(self, market: str, symbol: str | None, execute: Callable[[Plan], Any], answer: Answer) -> None:
        """An order."""
        self.venue.orders_received += 1
        faults = self.venue.faults
        fault = faults.take(OE, market, symbol, PLACE_VERBS) if faults.has_other else None
        if fault is not None and fault.verb == "partial":
            answer(execute(Plan(fraction=float(fault.params.get("fraction", 0.5)))))
        elif fault is not None and fault.verb == "asyncreject":
            answer(execute(Plan(is_rejected_later=True)))
        else:
            self._under(fault, market, lambda: execute(PLAIN), answer, False)
        self.venue.settle()

    def cancel(self, market: str, symbol: str | None, execute: Callable[[], Any], answer: Answer) -> None:
        """A cancel or an amendment."""
        faults = self.venue.faults
        fault = faults.take(OE, market, symbol, CANCEL_VERBS, "cancel") if faults.has_other else None
        self._under(fault, market, execute, answer, True)
        self.venue.settle()

    def query(self, market: str, symbol: str | None, execute: Callable[[], Any], answer: Answer) -> None:
        """Anything else that an account asks for."""
        faults = self.venue.faults
        fault = faults.take(QUERIES, market, symbol, QUERY_VERBS) if faults.has_other else None
        self._under(fault, market, execute, answer, False)
        self.venue.settle()

    def hides_order(self, market: str, symbol: str | None) -> bool:
        """Fault `reject` of channel q: the order that was asked for is said not to exist."""
        faults = self.venue.faults
        return faults.has_other and faults.take(QUERIES, market, symbol, ("reject",)) is not None

    def _under(self, fault: Any, market: str, execute: Callable[[], Any], answer: Answer, is_cancel: bool) -> None:
        if fault is None:
            answer(execute())
            return
        verb, options, dialect = fault.verb, fault.params, self.venue.dialect
        if verb == "reject":
            answer(dialect.rejection(fault, market, is_cancel))
        elif verb == "lostresp":
            execute()
        elif verb == "unknown":
            if options.get("executed", True):
                execute()
            answer(dialect.unknown_outcome(fault, market))
        elif verb in ("ratelimit", "ban"):
            answer(dialect.limit_outcome(fault, market, verb == "ban"))
        elif verb in ("late", "delay"):
            should_answer = bool(options.get("reply", True))

            def later() -> None:
                outcome = execute()
                if should_answer:
                    answer(outcome)
                self.venue.settle()

            self.venue.faults.defer(float(options.get("ms", 1000)) / 1e3, later)
        # lostreq, silent: the request is gone.

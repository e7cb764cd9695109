"""What both markets' operations share: reading parameters, finding orders, faults around order entry.

An operation takes an account and text parameters and returns plain data or raises VenueError; REST and WS API are two ways of
calling it.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

from tools.simex import errors
from tools.simex.errors import VenueError
from tools.simex.exact import is_plain, parse_plain
from tools.simex.instrument import Instrument
from tools.simex.ledger import Account, Order
from tools.simex.venue import Venue

Params = dict[str, str]
Reply = Callable[[Any], None]  # called with the result, or with a VenueError

SIDES = ("BUY", "SELL")
STP_MODES = ("NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER")
OE_VERBS = ("reject", "lostreq", "silent", "lostresp", "unknown", "late", "delay", "partial")


def need(params: Params, name: str) -> str:
    value = params.get(name)
    if value is None or value == "":
        raise errors.mandatory(name)
    return value


def one_of(params: Params, name: str, allowed: tuple[str, ...], default: str | None = None) -> str:
    value = params.get(name)
    if value is None or value == "":
        if default is None:
            raise errors.mandatory(name)
        return default
    if value not in allowed:
        raise (
            VenueError(-1115, "Invalid timeInForce.")
            if name == "timeInForce"
            else (
                VenueError(-1117, "Invalid side.")
                if name == "side"
                else (
                    VenueError(-1116, "Invalid orderType.")
                    if name == "type"
                    else VenueError(-1130, f"Data sent for parameter '{name}' is not valid.")
                )
            )
        )
    return value


def int_param(params: Params, name: str, default: int | None = None) -> int | None:
    value = params.get(name)
    if value is None or value == "":
        return default
    if not value.isdigit():
        raise errors.illegal(name, "^[0-9]{1,20}$")
    return int(value)


def scaled_param(params: Params, name: str, decimals: int, digits_max: int = 8) -> int:
    """A positive number as an int with `decimals` digits; refusals in the venue's order: malformed, too precise."""
    text = need(params, name)
    if not is_plain(text):
        raise errors.illegal(name, "^([0-9]{1,20})(\\.[0-9]{1,20})?$")
    value = parse_plain(text, decimals)
    if value is None:
        if parse_plain(text, digits_max) is None:
            raise errors.bad_precision(name)
        return -1
    return value


class Operations(abc.ABC):
    """Base of SpotOperations and LinearOperations."""

    market = ""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.clock = venue.clock
        self.matcher = venue.matcher
        self.limits = venue.limits[self.market]
        self.by_symbol = venue.by_symbol[self.market]
        self.books = venue.books[self.market]
        self.data = venue.data[self.market]

    def instrument(self, params: Params) -> Instrument:
        instrument = self.by_symbol.get(need(params, "symbol"))
        if instrument is None:
            raise errors.bad_symbol()
        return instrument

    def find_order(self, account: Account, params: Params) -> Order | None:
        instrument = self.instrument(params)
        order_id = int_param(params, "orderId")
        client_id = params.get("origClientOrderId")
        if order_id is None and not client_id:
            raise VenueError(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
        return account.find(self.market, instrument.symbol, order_id, client_id)

    # ---- overridden ------------------------------------------------------------------------------

    @abc.abstractmethod
    def parse_order(self, account: Account, params: Params) -> Order:
        """The order that the parameters describe; refusals as VenueError."""

    @abc.abstractmethod
    def order_reply(self, order: Order) -> dict[str, Any]:
        """The answer to an order that was taken."""

    # ---- order entry with faults -----------------------------------------------------------------

    def place(self, account: Account, params: Params, fill_fraction: float | None = None) -> dict[str, Any]:
        order = self.parse_order(account, params)
        self.limits.count_order(account, self.clock.wall_ms())
        cap = None
        if fill_fraction is not None:
            cap = int(order.qty * fill_fraction) // order.instrument.step * order.instrument.step
        self.matcher.place(order, self.clock.wall_ms(), cap)
        return self.order_reply(order)

    def submit(self, account: Account, params: Params, reply: Reply) -> None:
        """Place an order and answer through `reply`, unless a planted fault decides otherwise."""
        self.venue.orders_received += 1
        if not self.venue.faults.has_other:
            reply(self.attempt(lambda: self.place(account, params)))
            return
        fault = self.venue.faults.take("oe", self.market, params.get("symbol"), OE_VERBS)
        self.under_fault(fault, lambda fraction: self.place(account, params, fraction), reply)

    def under_fault(self, fault: Any, execute: Callable[[float | None], Any], reply: Reply) -> None:
        if fault is None:
            reply(self.attempt(lambda: execute(None)))
            return
        options = fault.params
        if fault.verb == "partial":
            reply(self.attempt(lambda: execute(float(options.get("fraction", 0.5)))))
        elif fault.verb == "reject":
            reply(
                VenueError(
                    int(options.get("code", -2010)),
                    options.get("msg", "Account has insufficient balance for requested action."),
                    int(options.get("status", 400)),
                )
            )
        elif fault.verb == "lostresp":
            self.attempt(lambda: execute(None))
        elif fault.verb == "unknown":
            if options.get("executed", True):
                self.attempt(lambda: execute(None))
            reply(errors.unknown_execution())
        elif fault.verb in ("late", "delay"):
            should_reply = bool(options.get("reply", True))

            def later() -> None:
                outcome = self.attempt(lambda: execute(None))
                if should_reply:
                    reply(outcome)
                self.venue.settle()

            self.venue.faults.defer(float(options.get("ms", 1000)) / 1e3, later)
        # lostreq, silent: the request is gone.

    @staticmethod
    def attempt(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except VenueError as error:
            return error

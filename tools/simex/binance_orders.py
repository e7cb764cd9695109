"""Binance: what both markets' operations share: reading parameters, taking and finding orders, queries that differ in a few
fields.

An operation takes an account and text parameters and returns plain data or raises VenueError (or Refused); REST and WS API are
two ways of calling it through `perform`, which lets the desk's faults have their say.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tools.simex import binance_errors as errors
from tools.simex.binance_errors import VenueError
from tools.simex.contract import LINEAR, SPOT, Plan
from tools.simex.exact import is_plain, parse_plain
from tools.simex.hub import Levels
from tools.simex.instrument import Instrument
from tools.simex.ledger import Account, Fill, Order
from tools.simex.refusals import END_SELF_TRADE, Refusal, Refused

if TYPE_CHECKING:
    from tools.simex.binance_dialect import BinanceDialect

Params = dict[str, str]
Reply = Callable[[Any], None]  # called with the result, or with a VenueError
# operation, weight (or the name of a function of the parameters), whether it is signed ("key": API key only)
Row = tuple[str, int | str, bool | str]

KEY_ONLY = "key"
SIDES = ("BUY", "SELL")
STP_MODES = ("NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER")
CANCELS = ("cancel", "cancel_all")
LISTEN_KEY_PATHS = {SPOT: "/api/v3/userDataStream", LINEAR: "/fapi/v1/listenKey"}
LISTEN_KEY_REST: dict[str, Row] = {
    "POST": ("start_stream", 1, KEY_ONLY),
    "PUT": ("keep_stream", 1, KEY_ONLY),
    "DELETE": ("close_stream", 1, KEY_ONLY),
}
LISTEN_KEY_WS: dict[str, Row] = {
    "userDataStream.start": ("start_stream", 5, KEY_ONLY),
    "userDataStream.ping": ("keep_stream", 1, KEY_ONLY),
    "userDataStream.stop": ("close_stream", 1, KEY_ONLY),
}


def status_text(order: Order) -> str:
    """The order's state in Binance's words."""
    return "EXPIRED_IN_MATCH" if order.end_reason == END_SELF_TRADE else order.status


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
    rest_table: dict[tuple[str, str], Row] = {}  # noqa: RUF012 - overridden by tables that nobody changes
    ws_table: dict[str, Row] = {}  # noqa: RUF012

    def __init__(self, dialect: BinanceDialect) -> None:
        self.dialect = dialect
        self.venue = dialect.venue
        self.clock = self.venue.clock
        self.matcher = self.venue.matcher
        self.limits = dialect.limits[self.market]
        self.by_symbol = self.venue.by_symbol[self.market]
        self.books = self.venue.books[self.market]
        self.rest_table, self.ws_table = dict(self.rest_table), dict(self.ws_table)
        if self.market in dialect.listen_keys:
            self.rest_table |= {(verb, LISTEN_KEY_PATHS[self.market]): row for verb, row in LISTEN_KEY_REST.items()}
            self.ws_table |= LISTEN_KEY_WS

    # ---- overridden ------------------------------------------------------------------------------

    @abc.abstractmethod
    def parse_order(self, account: Account, params: Params) -> Order:
        """The order that the parameters describe; refusals as VenueError or Refused."""

    @abc.abstractmethod
    def order_reply(self, order: Order) -> dict[str, Any]:
        """The answer to an order that was taken."""

    @abc.abstractmethod
    def order_state(self, order: Order) -> dict[str, Any]:
        """The order as queries show it."""

    # ---- calling ---------------------------------------------------------------------------------

    def perform(self, name: str, account: Account | None, params: Params, reply: Reply) -> None:
        """Run an operation of the tables; its result, or the VenueError, goes to `reply` unless a planted fault decides
        otherwise."""
        desk, symbol = self.venue.desk, params.get("symbol")
        if name == "submit":
            assert account is not None
            desk.place(self.market, symbol, lambda plan: self.attempt(lambda: self.place(account, params, plan), params), reply)
            return
        call = getattr(self, name)
        run = desk.cancel if name in CANCELS else desk.query
        run(self.market, symbol, lambda: self.attempt(lambda: call(account, params), params), reply)

    def attempt(self, call: Callable[[], Any], params: Params) -> Any:
        """Its result, or the error in the venue's words."""
        try:
            return call()
        except VenueError as error:
            return error
        except Refused as refused:
            return errors.worded(refused, self.market, self.by_symbol.get(params.get("symbol", "")))

    def place(self, account: Account, params: Params, plan: Plan) -> dict[str, Any]:
        order = self.parse_order(account, params)
        self.limits.count_order(account, self.clock.wall_ms())
        return self.order_reply(self.venue.place(order, plan))

    # ---- orders ----------------------------------------------------------------------------------

    def instrument(self, params: Params) -> Instrument:
        return self.venue.instrument(self.market, need(params, "symbol"))

    def find_order(self, account: Account, params: Params) -> Order | None:
        instrument = self.instrument(params)
        order_id = int_param(params, "orderId")
        client_id = params.get("origClientOrderId")
        if order_id is None and not client_id:
            raise VenueError(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
        return account.find(self.market, instrument.symbol, order_id, client_id)

    def open_order_of(self, account: Account, params: Params) -> Order:
        """The open order that is to be cancelled."""
        order = self.find_order(account, params)
        if order is None or not order.is_open:
            raise Refused(Refusal.UNKNOWN_ORDER)
        return order

    def query(self, account: Account, params: Params) -> dict[str, Any]:
        order = self.find_order(account, params)
        if order is None or self.venue.desk.hides_order(self.market, params.get("symbol")):
            raise Refused(Refusal.NO_SUCH_ORDER)
        return self.order_state(order)

    def open_orders(self, account: Account, params: Params) -> list[dict[str, Any]]:
        symbol = self.instrument(params).symbol if params.get("symbol") else None
        return [self.order_state(order) for order in self.matcher.open_orders(account, self.market, symbol)]

    def all_orders(self, account: Account, params: Params) -> list[dict[str, Any]]:
        symbol = self.instrument(params).symbol
        orders = [o for o in account.orders[self.market].values() if o.instrument.symbol == symbol]
        return [self.order_state(order) for order in orders[-(int_param(params, "limit", 500) or 500) :]]

    def fills(self, account: Account, params: Params) -> list[tuple[Order, Fill]]:
        """What the parameters of a trade list ask for, oldest first."""
        instrument = self.instrument(params)
        order_id = int_param(params, "orderId")
        start, end = int_param(params, "startTime", 0) or 0, int_param(params, "endTime", 1 << 62) or 1 << 62
        from_id = int_param(params, "fromId", 0) or 0
        found = [
            (o, f)
            for o in account.orders[self.market].values()
            if o.instrument is instrument and order_id in (None, o.order_id)
            for f in o.fills
            if start <= f.time_ms <= end and f.trade_id >= from_id
        ]
        found.sort(key=lambda pair: pair[1].trade_id)
        return found[-(int_param(params, "limit", 500) or 500) :]

    # ---- listen keys (API key only, no signature) ------------------------------------------------

    def start_stream(self, account: Account, params: Params) -> dict[str, Any]:
        return {"listenKey": self.dialect.listen_keys[self.market].new(account)}

    def keep_stream(self, account: Account, params: Params) -> dict[str, Any]:
        key = self.dialect.listen_keys[self.market].extend(account)
        if key is None:
            raise VenueError(-1125, "This listenKey does not exist.")
        return {"listenKey": key}

    def close_stream(self, account: Account, params: Params) -> dict[str, Any]:
        key = self.keep_stream(account, params)["listenKey"]
        self.dialect.listen_keys[self.market].expire(key)
        return {}

    # ---- reference and market data ---------------------------------------------------------------

    def time(self, account: Account | None, params: Params) -> dict[str, Any]:
        return {"serverTime": self.clock.wall_ms()}

    def system_status(self, account: Account | None, params: Params) -> dict[str, Any]:
        is_on = any(one.state(self.clock.wall_ms()) == "ongoing" for one in self.venue.maintenance)
        return {"status": 1, "msg": "system_maintenance"} if is_on else {"status": 0, "msg": "normal"}

    def ping(self, account: Account | None, params: Params) -> dict[str, Any]:
        return {}

    def tops(self, params: Params) -> Iterator[dict[str, Any]]:
        """Best prices of the symbol asked for, or of all."""
        for symbol, book in self.books.items():
            top = book.top()
            if top is not None and params.get("symbol") in (None, symbol):
                i = book.instrument
                yield {
                    "symbol": symbol,
                    "bidPrice": i.px_text(top[0]),
                    "bidQty": i.qty_text(top[1]),
                    "askPrice": i.px_text(top[2]),
                    "askQty": i.qty_text(top[3]),
                }

    def depth_of(self, instrument: Instrument, limit: int) -> dict[str, Any]:
        book = self.books[instrument.symbol]
        return {
            "lastUpdateId": book.update_id,
            "bids": level_rows(instrument, book.levels(True, limit)),
            "asks": level_rows(instrument, book.levels(False, limit)),
        }

    def trades_of(self, params: Params) -> list[dict[str, Any]]:
        instrument = self.instrument(params)
        return [
            {
                "id": t.trade_id,
                "price": instrument.px_text(t.px),
                "qty": instrument.qty_text(t.qty),
                "time": t.time_ms,
                "isBuyerMaker": t.buyer_is_maker,
                "quoteQty": "0",
            }
            for t in self.venue.hubs[self.market].trades[instrument.symbol]
        ]


def level_rows(instrument: Instrument, levels: Levels) -> list[list[str]]:
    px, qty = instrument.px_text, instrument.qty_text
    return [[px(p), qty(q)] for p, q in levels]

"""Bybit: orders as requests describe them: placing, cancelling, amending, alone and in batches.

The same parameters come in over the order socket and over REST; an operation returns plain data or raises VenueError (or
Refused).  What the answer says is only that a request was taken.  Source: v5 docs order/create-order, amend-order, cancel-order,
batch-*.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from tools.simex import bybit_errors as errors
from tools.simex.bybit_errors import VenueError, bad_params
from tools.simex.bybit_listing import px_text
from tools.simex.bybit_words import NO_LINK, link_text, order_id_text, order_row
from tools.simex.contract import LINEAR, OE, SPOT, Plan
from tools.simex.exact import is_plain, parse_plain
from tools.simex.filters import check_band, check_notional, check_px, check_qty
from tools.simex.instrument import Instrument
from tools.simex.ledger import Account, Order
from tools.simex.refusals import Refusal, Refused

if TYPE_CHECKING:
    from tools.simex.bybit_dialect import BybitDialect

Params = dict[str, Any]
Reply = Callable[[Any], None]  # called with the result, or with a VenueError

LINK = re.compile(r"^[A-Za-z0-9_-]{1,36}$")
SIDES = {"Buy": "BUY", "Sell": "SELL"}
TIMES = ("GTC", "IOC", "FOK", "PostOnly")
SMP = {
    "": "NONE", "None": "NONE", "CancelMaker": "EXPIRE_MAKER", "CancelTaker": "EXPIRE_TAKER", "CancelBoth": "EXPIRE_BOTH",
}  # fmt: skip
CONDITIONAL = ("triggerPrice", "triggerDirection", "takeProfit", "stopLoss", "bboSideType", "tpslMode")
BATCH_MAX = {SPOT: 10, LINEAR: 20}
OPEN_MAX = 500  # a symbol on linear, all together on spot
CANCEL_ALL_MAX = 500  # linear
NOTIONAL_MAX_E8 = 30_000_000 * 10**8


def word(params: Params, name: str, allowed: tuple[str, ...], default: str | None = None) -> str:
    value = params.get(name, default)
    if value not in allowed:
        raise bad_params(f"{name} invalid")
    return str(value)


def flag(params: Params, name: str) -> bool:
    value = params.get(name, False)
    if not isinstance(value, bool):
        raise bad_params(f"{name} must be true or false")
    return value


def market_of(params: Params) -> str:
    """`category`; only the two markets that are simulated."""
    category = params.get("category")
    if category not in (SPOT, LINEAR):
        raise bad_params("category only support linear or spot")
    return str(category)


class Orders:
    """Of one venue."""

    def __init__(self, dialect: BybitDialect) -> None:
        self.dialect = dialect
        self.venue = dialect.venue
        self.clock = self.venue.clock
        self.matcher = self.venue.matcher
        self.limits = dialect.limits
        self.by_id: dict[str, dict[str, Order]] = {SPOT: {}, LINEAR: {}}

    def attempt(self, call: Callable[[], Any], params: Params) -> Any:
        """Its result, or the error in the venue's words."""
        try:
            return call()
        except VenueError as error:
            return error
        except Refused as refused:
            market = params.get("category")
            market = market if market in (SPOT, LINEAR) else LINEAR
            instrument = self.venue.by_symbol[market].get(str(params.get("symbol", "")))
            return errors.worded(refused, market, px_text(instrument, refused.limit) if instrument and refused.limit else "")

    # ---- placing ---------------------------------------------------------------------------------

    def submit(self, account: Account, params: Params, reply: Reply) -> None:
        """order.create; `reply` gets {"orderId", "orderLinkId"} or a VenueError, unless a planted fault decides otherwise."""
        self.venue.desk.place(
            _market_or_linear(params),
            _symbol(params),
            lambda plan: self.attempt(lambda: self.place(account, params, plan), params),
            reply,
        )

    def place(self, account: Account, params: Params, plan: Plan) -> dict[str, str]:
        order = self.parse(account, params)
        self.venue.place(order, plan)
        return {"orderId": order_id_text(order), "orderLinkId": link_text(order)}

    def parse(self, account: Account, params: Params) -> Order:
        """The order that the parameters describe."""
        market = market_of(params)
        instrument = self.venue.instrument(market, _symbol(params))
        side = SIDES[word(params, "side", tuple(SIDES))]
        is_market = word(params, "orderType", ("Limit", "Market")) == "Market"
        tif = "IOC" if is_market else word(params, "timeInForce", TIMES, "GTC")
        for name in CONDITIONAL:
            if params.get(name) not in (None, "", "0", 0):
                raise bad_params(f"{name}: conditional and pegged orders are not simulated")
        if params.get("orderFilter", "Order") != "Order":
            raise bad_params("orderFilter: only Order is simulated")
        is_reducing = flag(params, "reduceOnly") and market == LINEAR
        if market == LINEAR:
            self._check_position_mode(account, params)
        elif params.get("isLeverage", 0) not in (0, 1):
            raise bad_params("isLeverage invalid")
        stp = SMP.get(params.get("smpType") or "")
        if stp is None:
            raise bad_params("smpType invalid")
        link = self._link(params, market)
        if instrument.status != "TRADING":
            raise Refused(Refusal.NOT_TRADING)
        px = 0 if is_market else self._number(params, "price", instrument.px_decimals)
        by_value_e8 = 0
        if market == SPOT and is_market and self._is_by_value(params, side):
            qty, by_value_e8 = 0, self._number(params, "qty", 8)
            if by_value_e8 <= 0:
                raise Refused(Refusal.QTY_STEP if by_value_e8 else Refusal.QTY_ZERO)
        else:
            qty = self._number(params, "qty", instrument.qty_decimals)
            if qty == 0 and is_reducing and flag(params, "closeOnTrigger"):
                qty = abs(account.position(instrument).qty)
                if qty == 0:
                    raise Refused(Refusal.REDUCE_ONLY)
        self._check_filters(instrument, side, is_market, px, qty, by_value_e8, is_reducing)
        open_orders = self.matcher.open_orders(account, market, instrument.symbol if market == LINEAR else None)
        if len(open_orders) >= OPEN_MAX:
            raise (
                VenueError(110020, "Cannot have more than 500 active orders.")
                if market == LINEAR
                else VenueError(170810, "Cannot exceed maximum of 500 conditional, TP/SL and active orders.")
            )
        order_id = self.matcher.take_order_id(market)
        return Order(
            account,
            instrument,
            order_id,
            link or f"{NO_LINK}{order_id}",
            side,
            "MARKET" if is_market else "LIMIT",
            "GTC" if tif == "PostOnly" or is_market else tif,
            px,
            qty,
            by_value_e8,
            is_reducing,
            stp,
            self.clock.wall_ms(),
            self.venue.recv_mono_ns,
            is_post_only=tif == "PostOnly",
        )

    @staticmethod
    def _is_by_value(params: Params, side: str) -> bool:
        """A spot market order's qty: of a buy the value, unless marketUnit says otherwise."""
        unit = word(params, "marketUnit", ("baseCoin", "quoteCoin"), "quoteCoin" if side == "BUY" else "baseCoin")
        return unit == "quoteCoin"

    @staticmethod
    def _check_position_mode(account: Account, params: Params) -> None:
        idx = params.get("positionIdx", 0)
        if idx not in (0, 1, 2) or isinstance(idx, bool):
            raise bad_params("positionIdx invalid")
        if (idx == 0) == account.has_flag("hedge_mode"):
            raise errors.position_mode()
        if idx:
            raise bad_params("hedge mode is not simulated")

    @staticmethod
    def _link(params: Params, market: str) -> str:
        link = params.get("orderLinkId") or ""
        if link and not (isinstance(link, str) and LINK.match(link)):
            if market == SPOT:
                raise VenueError(170130, "Data sent for parameter 'orderLinkId' is not valid.")
            raise bad_params("orderLinkId invalid")
        return str(link)

    @staticmethod
    def _number(params: Params, name: str, decimals: int) -> int:
        """A number sent as text, as an int with `decimals` digits; -1 = finer."""
        text = params.get(name)
        if not isinstance(text, str) or not is_plain(text):
            raise bad_params(f"{name} invalid")
        value = parse_plain(text, decimals)
        return -1 if value is None else value

    def _check_filters(
        self, instrument: Instrument, side: str, is_market: bool, px: int, qty: int, by_value_e8: int, is_reducing: bool
    ) -> None:
        book = self.venue.book(instrument)
        top = book.top()
        if is_market:
            px = (book.best_ask() if side == "BUY" else book.best_bid()) or 0
        else:
            check_px(instrument, px)
            reference_e8 = self.venue.mark_e8(instrument) if instrument.market == LINEAR else 0
            if instrument.market == SPOT and top is not None:
                reference_e8 = (top[0] + top[2]) * 10**8 // (2 * 10**instrument.px_decimals)
            check_band(instrument, px, reference_e8, is_buy=side == "BUY")
        if not by_value_e8:
            check_qty(instrument, qty, is_market)
        if px and not is_reducing:
            maximum = NOTIONAL_MAX_E8 if instrument.market == SPOT else 0
            check_notional(instrument, by_value_e8 or instrument.amount_e8(px, qty), maximum)

    # ---- cancelling, amending --------------------------------------------------------------------

    def find(self, account: Account, params: Params) -> Order | None:
        """By orderId, which wins, or by orderLinkId."""
        market, symbol = market_of(params), _symbol(params)
        order_id, link = params.get("orderId") or "", params.get("orderLinkId") or ""
        if not order_id and not link:
            raise bad_params("OrderId or orderLinkId is required")
        if order_id:
            order = self.by_id[market].get(str(order_id))
        else:
            order = account.last_by_client[market].get(str(link))
        if order is None or order.account is not account or (symbol and order.instrument.symbol != symbol):
            return None
        return order

    def cancel_request(self, account: Account, params: Params, reply: Reply) -> None:
        self._change(account, params, self.cancel, reply)

    def amend_request(self, account: Account, params: Params, reply: Reply) -> None:
        self._change(account, params, self.amend, reply)

    def _change(self, account: Account, params: Params, call: Callable[[Account, Params], dict[str, str]], reply: Reply) -> None:
        def execute() -> Any:
            return self.attempt(lambda: call(account, params), params)

        self.venue.desk.cancel(_market_or_linear(params), _symbol(params), execute, reply)

    def cancel(self, account: Account, params: Params) -> dict[str, str]:
        self.venue.instrument(market_of(params), _symbol(params))
        order = self.find(account, params)
        if order is not None and order.status == "FILLED" and self._races(order):
            # Both were under way: the cancel was taken, and the order says once more that it is filled.
            row = order_row(order) | {"cancelType": "CancelByUser", "rejectReason": "EC_OrigClOrdIDDoesNotExist"}
            self.dialect.tell(account, "order", order.instrument, row)
        elif order is None or not order.is_open:
            raise Refused(Refusal.UNKNOWN_ORDER)
        else:
            self.matcher.cancel(order, self.clock.wall_ms())
        return {"orderId": order_id_text(order), "orderLinkId": link_text(order)}

    def _races(self, order: Order) -> bool:
        """Fault `race`."""
        faults, instrument = self.venue.faults, order.instrument
        return faults.has_other and faults.take(OE, instrument.market, instrument.symbol, ("race",), "cancel") is not None

    def amend(self, account: Account, params: Params) -> dict[str, str]:
        """Price or quantity of an open order; it may trade at its new price."""
        instrument = self.venue.instrument(market_of(params), _symbol(params))
        order = self.find(account, params)
        if order is None or not order.is_open:
            raise Refused(Refusal.UNKNOWN_ORDER)
        px = self._number(params, "price", instrument.px_decimals) if params.get("price") else order.px
        qty = self._number(params, "qty", instrument.qty_decimals) if params.get("qty") else order.qty
        if (px, qty) == (order.px, order.qty):
            raise bad_params("order not modified")
        side = order.side
        self._check_filters(instrument, side, False, px, qty, 0, order.reduce_only)
        if qty <= order.executed:
            raise VenueError(110063, "The number of contracts modified cannot be less than or equal to the filled quantity")
        self.matcher.amend(order, px, qty, self.clock.wall_ms())
        return {"orderId": order_id_text(order), "orderLinkId": link_text(order)}

    def cancel_all(self, account: Account, params: Params) -> dict[str, Any]:
        market = market_of(params)
        scope = {name: params.get(name) or None for name in ("symbol", "baseCoin", "settleCoin")}
        if market == LINEAR and not any(scope.values()):
            raise bad_params("symbol, baseCoin or settleCoin is required")
        symbol = self.venue.instrument(market, scope["symbol"]).symbol if scope["symbol"] else None
        doomed = [
            order
            for order in self.matcher.open_orders(account, market, symbol)
            if scope["baseCoin"] in (None, order.instrument.base) and scope["settleCoin"] in (None, order.instrument.settle)
        ]
        if market == LINEAR:
            doomed = doomed[:CANCEL_ALL_MAX]
        for order in doomed:
            self.matcher.cancel(order, self.clock.wall_ms())
        rows = [{"orderId": order_id_text(order), "orderLinkId": link_text(order)} for order in doomed]
        return {"list": rows, "success": "1"}

    # ---- batches ---------------------------------------------------------------------------------

    def batch(self, kind: str, account: Account, params: Params, reply: Reply) -> None:
        """create, amend or cancel of several.  Calls `reply` with ({"list": rows}, {"list": [{"code", "msg"}]}) when each has its
        outcome; the outer code is 0 whatever became of them."""
        one = {"create": self.submit, "amend": self.amend_request, "cancel": self.cancel_request}[kind]
        requests = batch_of(params)
        outcomes: list[Any] = [None] * len(requests)
        left = len(requests)

        def note(number: int, outcome: Any) -> None:
            nonlocal left
            outcomes[number] = outcome
            left -= 1
            if left == 0:
                rows = []
                for asked, told in zip(requests, outcomes, strict=True):
                    row = {"category": asked.get("category"), "symbol": asked.get("symbol", "")}
                    missing = {"orderId": "", "orderLinkId": asked.get("orderLinkId", "")}
                    row |= missing if isinstance(told, VenueError) else told
                    rows.append(row | {"createAt": str(self.clock.wall_ms())} if kind == "create" else row)
                codes = [_code_of(outcome) for outcome in outcomes]
                reply(({"list": rows}, {"list": codes}))

        for number, asked in enumerate(requests):
            one(account, asked, partial(note, number))


def _code_of(outcome: Any) -> dict[str, Any]:
    return {"code": outcome.code, "msg": outcome.msg} if isinstance(outcome, VenueError) else {"code": 0, "msg": "OK"}


def batch_of(params: Params) -> list[Params]:
    """The requests of a batch, each with the category; VenueError when there are none or too many."""
    market = market_of(params)
    requests = params.get("request")
    if not isinstance(requests, list) or not requests or not all(isinstance(one, dict) for one in requests):
        raise bad_params("request must be a list of orders")
    if len(requests) > BATCH_MAX[market]:
        raise bad_params(f"a batch of {market} holds at most {BATCH_MAX[market]} orders")
    return [one | {"category": market} for one in requests]


def _symbol(params: Params) -> str | None:
    symbol = params.get("symbol")
    return symbol if isinstance(symbol, str) else None


def _market_or_linear(params: Params) -> str:
    """For faults, before the request was checked."""
    return SPOT if params.get("category") == SPOT else LINEAR

"""OKX: orders and what is asked about them: parameters checked, orders made, cancelled, found, listed.

The websocket names instruments by `instIdCode`, REST by `instId`; all else is the same, so both come here.  A request of several
orders is one thing to the planted faults.  An answer is a row for each order; its fate follows in the orders channel.  Source:
place order, cancel order, order list pages and error codes (2026-06 to 2026-09).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from tools.simex import okx_errors as errors
from tools.simex.contract import LINEAR, MARKETS, SPOT, Plan
from tools.simex.exact import E8, is_plain, parse_plain
from tools.simex.filters import check_band, check_notional, check_px, check_qty
from tools.simex.instrument import Instrument
from tools.simex.ledger import Account, Fill, Order
from tools.simex.okx_errors import VenueError
from tools.simex.okx_events import NO_CLIENT_ID, client_text, fill_row, order_details, state_text
from tools.simex.okx_listing import MARKETS_OF, MAX_AMOUNT_USD, OTHER_TYPES, family
from tools.simex.refusals import END_COUNTDOWN, Refusal, Refused

if TYPE_CHECKING:
    from tools.simex.okx_dialect import OkxDialect

Params = dict[str, Any]
Answer = Callable[[Any], None]  # given an Outcome
Outcome = list[Any] | VenueError  # a row or a VenueError for each order, or the refusal of them all
BATCH_MAX = 20
PENDING_MAX, PENDING_OF_INSTRUMENT_MAX = 4000, 500
PAGE_MAX = 100
UNFILLED_KEPT_MS = 2 * 3600 * 1000  # cancelled orders without a fill are in the history for so long
STP_MODES = {"cancel_maker": "EXPIRE_MAKER", "cancel_taker": "EXPIRE_TAKER", "cancel_both": "EXPIRE_BOTH"}
PRICED = ("limit", "post_only", "fok", "ioc")
ORDER_TYPES = (*PRICED, "market", "optimal_limit_ioc")
TIMES_IN_FORCE = {"fok": "FOK", "ioc": "IOC"}
NOT_READY = {"PREOPEN": (51021, "Contract to be listed."), "EXPIRED": (51027, "Contract expired."),
             "POST_ONLY": (54012, "Only post-only orders are allowed at this stage.")}  # fmt: skip
_CLIENT_ID = re.compile(r"^[A-Za-z0-9]{1,32}$")
_TAG = re.compile(r"^[A-Za-z0-9]{0,16}$")


def text_of(params: Params, name: str, default: str | None = None) -> str:
    """A parameter as text; numbers as they are written.  VenueError when it is missing and has no default."""
    value = params.get(name)
    if value is None or value == "":
        if default is None:
            raise errors.empty(name)
        return default
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise errors.bad(name)
    return str(value)


def one_of(params: Params, name: str, allowed: Sequence[str], default: str | None = None) -> str:
    value = text_of(params, name, default)
    if value not in allowed:
        raise errors.bad(name)
    return value


class Orders:
    """One instance for all accounts and both markets."""

    def __init__(self, dialect: OkxDialect) -> None:
        self.dialect = dialect
        self.venue = dialect.venue
        self.clock = self.venue.clock
        self.matcher = self.venue.matcher
        self.limits = dialect.limits
        self.by_code = dialect.by_code
        self.by_id = dialect.by_id
        self.countdowns: dict[tuple[str, str], int] = {}  # (account, tag) -> wall ms at which open orders are cancelled

    # ---- which instrument --------------------------------------------------------------------------

    def instrument(self, params: Params) -> Instrument:
        """By instId."""
        found = self.by_id.get(text_of(params, "instId"))
        if found is None:
            raise errors.no_such_instrument()
        return found

    def instrument_by_code(self, params: Params) -> Instrument:
        """By instIdCode, a number in JSON."""
        code = params.get("instIdCode")
        if code is None or code == "":
            raise errors.empty("instIdCode")
        if not isinstance(code, int) or isinstance(code, bool):
            raise errors.bad("instIdCode")
        found = self.by_code.get(code)
        if found is None:
            raise errors.no_such_instrument()
        return found

    def market_of(self, params: Params) -> tuple[str, str | None]:
        """(market, symbol) for the faults: of the first thing that is named."""
        code = params.get("instIdCode")
        found = self.by_code.get(code) if isinstance(code, int) else self.by_id.get(str(params.get("instId")))
        if found is not None:
            return found.market, found.symbol
        return MARKETS_OF.get(str(params.get("instType")), SPOT), None

    # ---- requests ----------------------------------------------------------------------------------

    def place(self, account: Account, args: list[Params], has_codes: bool, is_batch: bool, answer: Answer) -> None:
        """One order or several."""
        market, symbol = self.market_of(args[0])
        self.venue.orders_received += len(args) - 1

        def execute(plan: Plan) -> Outcome:
            return [self._attempt(partial(self._place, account, params, has_codes, is_batch, plan)) for params in args]

        self.venue.desk.place(market, symbol, execute, answer)

    def cancel(self, account: Account, args: list[Params], has_codes: bool, is_batch: bool, answer: Answer) -> None:
        self._change(self._cancel, account, args, has_codes, is_batch, answer)

    def amend(self, account: Account, args: list[Params], has_codes: bool, is_batch: bool, answer: Answer) -> None:
        self._change(self._amend, account, args, has_codes, is_batch, answer)

    def _change(
        self, change: Callable[..., Order], account: Account, args: list[Params], has_codes: bool, is_batch: bool, answer: Answer
    ) -> None:
        market, symbol = self.market_of(args[0])

        def execute() -> Outcome:
            return [self._attempt(partial(change, account, params, has_codes, is_batch)) for params in args]

        self.venue.desk.cancel(market, symbol, execute, answer)

    @staticmethod
    def _attempt(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except VenueError as error:
            return error

    def row(self, params: Params, outcome: Order | VenueError) -> dict[str, Any]:
        """The answer's row for one order."""
        now = str(self.clock.wall_ms())
        if isinstance(outcome, VenueError):
            client_id = params.get("clOrdId")
            return {
                "clOrdId": client_id if isinstance(client_id, str) else "",
                "ordId": params["ordId"] if isinstance(params.get("ordId"), str) else "",
                "tag": params["tag"] if isinstance(params.get("tag"), str) else "",
                "ts": now,
                "sCode": outcome.code,
                "sMsg": outcome.msg,
                "subCode": outcome.sub_code,
            }
        return {
            "clOrdId": client_text(outcome),
            "ordId": str(outcome.order_id),
            "tag": outcome.notes.get("tag", ""),
            "ts": now,
            "sCode": "0",
            "sMsg": "",
            "subCode": "",
        } | self._request_id(params)

    @staticmethod
    def _request_id(params: Params) -> Params:
        """Of an amendment."""
        return {"reqId": params["reqId"]} if isinstance(params.get("reqId"), str) else {}

    # ---- placing -----------------------------------------------------------------------------------

    def _place(self, account: Account, params: Params, has_codes: bool, is_batch: bool, plan: Plan) -> Order:
        instrument = self.instrument_by_code(params) if has_codes else self.instrument(params)
        is_swap = instrument.market == LINEAR
        self.limits.spend_order("place", account.name, instrument.symbol, is_swap, is_batch, self.clock.wall_ms())
        is_buy = params.get("side") == "buy"
        try:
            return self.venue.place(self.parse(account, instrument, params), plan)
        except Refused as refused:
            raise errors.worded(refused, instrument, account, is_buy) from None

    def parse(self, account: Account, instrument: Instrument, params: Params) -> Order:
        """The order that the parameters describe; VenueError, Refused."""
        is_swap = instrument.market == LINEAR
        side = one_of(params, "side", ("buy", "sell"))
        kind = one_of(params, "ordType", ORDER_TYPES)
        self._check_mode(account, is_swap, params)
        reduce_only = one_of(params, "reduceOnly", ("true", "false"), "false") == "true"
        if reduce_only and not is_swap:
            raise VenueError(51139, "Reduce-only feature is unavailable for spot transactions.")
        if kind == "optimal_limit_ioc" and not is_swap:
            raise errors.bad("ordType")
        stp = one_of(params, "stpMode", tuple(STP_MODES), "cancel_maker")
        if kind == "fok" and stp == "cancel_both":
            raise VenueError(54036, "FOK orders do not support cancel_both self-trade prevention.")
        client_id = text_of(params, "clOrdId", "")
        if client_id and not _CLIENT_ID.match(client_id):
            raise errors.bad("clOrdId")
        tag = text_of(params, "tag", "")
        if not _TAG.match(tag):
            raise errors.bad("tag")
        is_market = kind in ("market", "optimal_limit_ioc")
        size = text_of(params, "sz")
        px, qty, quote_e8, target = self._amounts(instrument, params, kind, side, size, is_swap)
        self._check_state(instrument, kind)
        self._check_amounts(instrument, px, qty, quote_e8, is_market, side == "buy")
        self._check_room(account, instrument)
        order_id = self.matcher.take_order_id(instrument.market)
        return Order(
            account,
            instrument,
            order_id,
            client_id or f"{NO_CLIENT_ID}{order_id}",
            side.upper(),
            "MARKET" if is_market else "LIMIT",
            TIMES_IN_FORCE.get(kind, "GTC"),
            px,
            qty,
            quote_e8,
            reduce_only,
            STP_MODES[stp],
            self.clock.wall_ms(),
            self.venue.recv_mono_ns,
            is_post_only=kind == "post_only",
            notes={"tag": tag, "ordType": kind, "tdMode": params["tdMode"], "sz": size, "stpMode": stp, "tgtCcy": target},
        )

    @staticmethod
    def _check_mode(account: Account, is_swap: bool, params: Params) -> None:
        """Spot without borrowing, perpetuals with cross margin, one-way."""
        mode = one_of(params, "tdMode", ("cash", "cross", "isolated", "spot_isolated"))
        if mode != ("cross" if is_swap else "cash"):
            raise errors.wrong_mode()
        position_side = one_of(params, "posSide", ("net", "long", "short"), "net")
        if is_swap and (position_side == "net") == account.has_flag("hedge_mode"):
            raise errors.bad("posSide")

    @staticmethod
    def _amounts(
        i: Instrument, params: Params, kind: str, side: str, size: str, is_swap: bool
    ) -> tuple[int, int, int, str]:  # fmt: skip
        """(px, qty, value in 1e-8 of an order by value, tgtCcy)."""
        px = 0
        if kind in PRICED:
            text = params.get("px")
            if text is None or text == "":
                raise VenueError(51204, "The price of the order is required.")
            text = text_of(params, "px")
            if not is_plain(text):
                raise errors.bad("px")
            parsed = parse_plain(text, i.px_decimals)
            px = -1 if parsed is None else parsed
            if px == 0:
                raise Refused(Refusal.PRICE_ZERO)
        target = ""
        if not is_swap and kind == "market":
            target = one_of(params, "tgtCcy", ("base_ccy", "quote_ccy"), "quote_ccy" if side == "buy" else "base_ccy")
        elif not is_swap:
            target = one_of(params, "tgtCcy", ("base_ccy", "quote_ccy", ""), "")
            target = ""  # of market orders only; ignored elsewhere
        if target == "quote_ccy":
            value = parse_plain(size, 8)
            if not value:
                raise errors.bad("sz")
            return px, 0, value, target
        qty = i.qty_of_size(size)
        if qty is None:
            raise errors.bad("sz")
        return px, qty, 0, target

    @staticmethod
    def _check_state(instrument: Instrument, kind: str) -> None:
        if instrument.status == "TRADING" or (instrument.status == "POST_ONLY" and kind == "post_only"):
            return
        if instrument.status in NOT_READY:
            raise VenueError(*NOT_READY[instrument.status])
        raise Refused(Refusal.NOT_TRADING)

    def _check_amounts(self, i: Instrument, px: int, qty: int, quote_e8: int, is_market: bool, is_buy: bool) -> None:
        if quote_e8 == 0:
            check_qty(i, qty, is_market)
        if is_market:
            return
        check_px(i, px)
        reference = self.venue.mark_e8(i) if i.market == LINEAR else self.venue.index_px_e8.get(i.symbol, 0)
        check_band(i, px, reference, is_buy=is_buy)
        check_notional(i, i.amount_e8(px, qty), MAX_AMOUNT_USD * E8)

    def _check_room(self, account: Account, instrument: Instrument) -> None:
        pending = [o for market in MARKETS for o in account.open_by_client[market].values()]
        if len(pending) >= PENDING_MAX:
            raise VenueError(51102, f"The number of pending orders reached the limit of {PENDING_MAX}.")
        if sum(o.instrument is instrument for o in pending) >= PENDING_OF_INSTRUMENT_MAX:
            raise VenueError(
                51103, f"The number of pending orders of the instrument reached the limit of {PENDING_OF_INSTRUMENT_MAX}."
            )

    # ---- finding and cancelling ----------------------------------------------------------------------

    @staticmethod
    def find(account: Account, instrument: Instrument, params: Params) -> Order | None:
        """By ordId, else by clOrdId (the latest one of that id)."""
        order_id, client_id = text_of(params, "ordId", ""), text_of(params, "clOrdId", "")
        if not order_id and not client_id:
            raise errors.empty("ordId or clOrdId")
        if order_id and not order_id.isdigit():
            raise errors.bad("ordId")
        return account.find(instrument.market, instrument.symbol, int(order_id) if order_id else None, client_id)

    def _order_of(self, action: str, account: Account, params: Params, has_codes: bool, is_batch: bool) -> Order | None:
        """The order that a cancel or an amendment names, its request counted."""
        instrument = self.instrument_by_code(params) if has_codes else self.instrument(params)
        is_swap = instrument.market == LINEAR
        self.limits.spend_order(action, account.name, instrument.symbol, is_swap, is_batch, self.clock.wall_ms())
        return self.find(account, instrument, params)

    def _cancel(self, account: Account, params: Params, has_codes: bool, is_batch: bool) -> Order:
        order = self._order_of("cancel", account, params, has_codes, is_batch)
        if order is None or not order.is_open:
            raise errors.not_cancelled()
        return self.matcher.cancel(order, self.clock.wall_ms())

    def _amend(self, account: Account, params: Params, has_codes: bool, is_batch: bool) -> Order:
        """newSz counts what traded already; the orders channel tells the result with reqId."""
        order = self._order_of("amend", account, params, has_codes, is_batch)
        if order is None or not order.is_open:
            raise VenueError(51503, "Your order has already been filled or canceled.")
        i, request_id = order.instrument, text_of(params, "reqId", "")
        if request_id and not _CLIENT_ID.match(request_id):
            raise errors.bad("reqId")
        px, qty = order.px, order.qty
        price, size = text_of(params, "newPx", ""), text_of(params, "newSz", "")
        if not price and not size:
            raise errors.empty("newSz or newPx")
        if price:
            if not is_plain(price):
                raise errors.bad("newPx")
            parsed = parse_plain(price, i.px_decimals)
            px = -1 if parsed is None else parsed
        if size:
            told = i.qty_of_size(size)
            if told is None or 0 <= told <= order.executed:
                raise errors.bad("newSz")
            qty = told
        try:
            self._check_amounts(i, px, qty, 0, False, order.is_buy)
            before = dict(order.notes)
            order.notes |= {"reqId": request_id, "sz": size or order.notes.get("sz", "")}
            try:
                return self.matcher.amend(order, px, qty, self.clock.wall_ms())
            except Refused:
                order.notes = before
                raise
        except Refused as refused:
            raise errors.worded(refused, i, account, order.is_buy) from None

    # ---- the dead-man switch -------------------------------------------------------------------------

    def cancel_all_after(self, account: Account, params: Params) -> list[dict[str, Any]]:
        """Of the account, or of the orders with a tag; 0 stops it."""
        text, tag = text_of(params, "timeOut"), text_of(params, "tag", "")
        if not text.isdigit() or not (int(text) == 0 or 10 <= int(text) <= 120):
            raise errors.bad("timeOut")
        now, key, due = self.clock.wall_ms(), (account.name, tag), 0
        self.limits.spend(("cancel-all-after", *key), 1, now, window_ms=1000)
        if int(text):
            due = self.countdowns[key] = now + int(text) * 1000
        else:
            self.countdowns.pop(key, None)
        return [{"triggerTime": str(due), "tag": tag, "ts": str(now)}]

    def run_countdowns(self, now_ms: int) -> None:
        """Cancel what a dead-man switch is due for."""
        for name, tag in [key for key, due in self.countdowns.items() if now_ms >= due]:
            del self.countdowns[(name, tag)]
            account = self.venue.accounts[name]
            for market in self.venue.sim.markets:
                for order in self.matcher.open_orders(account, market, None):
                    if tag in ("", order.notes.get("tag")):
                        self.matcher.cancel(order, now_ms, END_COUNTDOWN)
        self.venue.settle()

    # ---- queries -------------------------------------------------------------------------------------

    def details(self, account: Account, params: Params) -> list[dict[str, Any]]:
        instrument = self.instrument(params)
        order = self.find(account, instrument, params)
        if order is None or self.venue.desk.hides_order(instrument.market, instrument.symbol):
            raise errors.worded(Refused(Refusal.NO_SUCH_ORDER), instrument, account, False)
        return [order_details(order)]

    def _chosen(self, account: Account, params: Params) -> list[Order]:
        """The account's orders of instType, instFamily or uly, instId, ordType, state; newest first."""
        kind, inst_id = params.get("instType"), params.get("instId")
        if kind and kind not in MARKETS_OF and kind not in OTHER_TYPES:
            raise errors.bad("instType")
        group = params.get("instFamily") or params.get("uly")
        found = [
            o
            for market in self.venue.sim.markets
            if not kind or MARKETS_OF.get(kind) == market
            for o in account.orders[market].values()
            if inst_id in (None, "", o.instrument.symbol)
            and group in (None, "", family(o.instrument))
            and params.get("ordType") in (None, "", o.notes.get("ordType"))
            and params.get("state") in (None, "", state_text(o))
        ]
        found.sort(key=lambda o: (o.time_ms, o.order_id), reverse=True)
        return found

    def pending(self, account: Account, params: Params) -> list[dict[str, Any]]:
        return [order_details(o) for o in page(params, [o for o in self._chosen(account, params) if o.is_open], _order_key)]

    def history(self, account: Account, params: Params) -> list[dict[str, Any]]:
        """What ended."""
        text_of(params, "instType")
        oldest = self.clock.wall_ms() - UNFILLED_KEPT_MS
        ended = [o for o in self._chosen(account, params) if not o.is_open and (o.fills or o.update_ms >= oldest)]
        return [order_details(o) for o in page(params, ended, _order_key)]

    def fills(self, account: Account, params: Params) -> list[dict[str, Any]]:
        """Newest first; pages by billId."""
        order_id = text_of(params, "ordId", "")
        chosen = self._chosen(account, {name: params.get(name) for name in ("instType", "instId", "instFamily", "uly")})
        found: list[tuple[int, Order, Fill]] = [
            (bill, o, f)
            for o in chosen
            if order_id in ("", str(o.order_id))
            for bill, f in zip(o.notes.get("bills", ()), o.fills, strict=True)
        ]
        found.sort(key=lambda entry: entry[0], reverse=True)
        return [fill_row(o, f, bill) for bill, o, f in page(params, found, lambda entry: (entry[0], entry[2].time_ms))]


def _order_key(order: Order) -> tuple[int, int]:
    return order.order_id, order.time_ms


def page(params: Params, rows: list[Any], key: Callable[[Any], tuple[int, int]]) -> list[Any]:
    """Rows, newest first, cut by `after` (older than), `before` (newer than), `begin`, `end` and `limit`; `key`: (id, time ms)."""
    bounds = {}
    for name in ("after", "before", "begin", "end", "limit"):
        text = text_of(params, name, "")
        if text and not text.isdigit():
            raise errors.bad(name)
        bounds[name] = int(text) if text else None
    limit = bounds["limit"] or PAGE_MAX
    kept = []
    for row in rows:
        number, time_ms = key(row)
        if (
            (bounds["after"] is None or number < bounds["after"])
            and (bounds["before"] is None or number > bounds["before"])
            and (bounds["begin"] is None or time_ms >= bounds["begin"])
            and (bounds["end"] is None or time_ms <= bounds["end"])
        ):
            kept.append(row)
    return kept[: min(limit, PAGE_MAX)]


def whole(outcome: Outcome) -> Outcome:
    """A refusal of the request that its only order met is the request's."""
    if isinstance(outcome, list) and len(outcome) == 1 and isinstance(outcome[0], VenueError) and outcome[0].is_request:
        return outcome[0]
    return outcome

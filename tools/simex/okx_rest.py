"""OKX: REST: method, target, headers and body in; status and body out.

Checks signatures over the raw target and body, counts requests, performs.  A refusal of the whole request has its code on top; of
one order, in its row.  Source: v5 documentation (2026-06 to 2026-09).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson

from tools.simex.contract import HttpReply
from tools.simex.ledger import Account
from tools.simex.okx_errors import VenueError, request_error
from tools.simex.okx_orders import BATCH_MAX, Outcome, Params, whole

if TYPE_CHECKING:
    from tools.simex.okx_dialect import OkxDialect

# path -> (handler of Queries, or of Orders with a leading "orders.", requests in 2 s)
PUBLIC = {
    "/api/v5/public/time": ("time", 10),
    "/api/v5/system/status": ("system_status", 1),
    "/api/v5/public/instruments": ("instruments", 20),
    "/api/v5/public/funding-rate": ("funding_rate", 20),
    "/api/v5/public/funding-rate-history": ("funding_history", 20),
    "/api/v5/public/mark-price": ("mark_price", 10),
    "/api/v5/public/position-tiers": ("position_tiers", 10),
    "/api/v5/market/books": ("books", 40),
    "/api/v5/market/ticker": ("ticker", 20),
    "/api/v5/market/tickers": ("tickers", 20),
    "/api/v5/market/trades": ("trades", 100),
    "/api/v5/market/index-tickers": ("index_tickers", 20),
}
PRIVATE = {
    "/api/v5/trade/order": ("orders.details", 60),
    "/api/v5/trade/orders-pending": ("orders.pending", 60),
    "/api/v5/trade/orders-history": ("orders.history", 40),
    "/api/v5/trade/orders-history-archive": ("orders.history", 20),
    "/api/v5/trade/fills": ("orders.fills", 60),
    "/api/v5/trade/fills-history": ("orders.fills", 10),
    "/api/v5/account/balance": ("balance", 10),
    "/api/v5/account/positions": ("positions", 10),
    "/api/v5/account/config": ("config", 5),
    "/api/v5/account/instruments": ("instruments", 20),
    "/api/v5/account/leverage-info": ("leverage", 20),
    "/api/v5/account/trade-fee": ("trade_fee", 5),
    "/api/v5/account/bills": ("bills", 10),
    "/api/v5/account/bills-archive": ("bills", 10),
    "/api/v5/asset/currencies": ("currencies", 12),
    "/api/v5/asset/balances": ("funding_balances", 12),
}
CHANGES = {
    "/api/v5/account/set-leverage": ("set_leverage", 20),
    "/api/v5/trade/cancel-all-after": ("orders.cancel_all_after", 1000),  # counts for itself, by tag
}
# path -> (Orders' method, whether the body is a list)
TRADES = {
    "/api/v5/trade/order": ("place", False),
    "/api/v5/trade/batch-orders": ("place", True),
    "/api/v5/trade/cancel-order": ("cancel", False),
    "/api/v5/trade/cancel-batch-orders": ("cancel", True),
    "/api/v5/trade/amend-order": ("amend", False),
    "/api/v5/trade/amend-batch-orders": ("amend", True),
}
KNOWN = {"GET": {*PUBLIC, *PRIVATE}, "POST": {*CHANGES, *TRADES}}
TIMED = ("place", "amend")  # what the header expTime is for


class Rest:
    def __init__(self, dialect: OkxDialect) -> None:
        self.dialect = dialect
        self.venue = dialect.venue
        self.clock = self.venue.clock

    def handle(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, reply: HttpReply
    ) -> None:  # fmt: skip
        """Answer through `reply`, at once unless a planted fault delays or loses it."""
        in_us = self.clock.wall_us()
        try:
            if path not in KNOWN.get(method, ()):
                raise self._unknown(path)
            now = self.clock.wall_ms()
            self.dialect.limits.check_open(now)
            account: Account | None = None
            if method == "POST" or path in PRIVATE:
                account = self.dialect.keyring.check_request(method, path, query, headers, body, now)
            if account is not None and method == "POST" and path in TRADES:
                self._trade(account, path, headers, body, in_us, reply)
                return
            self._query(account, method, path, query, body, now, reply)
        except VenueError as error:
            self._refuse(error, reply)

    @staticmethod
    def _unknown(path: str) -> VenueError:
        if any(path in paths for paths in KNOWN.values()):
            return request_error(50115, "Invalid request method.", 405)
        return request_error(404, "Not Found", 404)

    @staticmethod
    def _refuse(error: VenueError, reply: HttpReply) -> None:
        reply(error.status, orjson.dumps({"code": error.code, "data": [], "msg": error.msg}), {})

    @staticmethod
    def _json(body: bytes) -> Any:
        if not body:
            raise request_error(50000, "Body for POST request cannot be empty.")
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            raise request_error(50002, "JSON syntax error") from None

    # ---- queries -------------------------------------------------------------------------------------

    def _query(
        self, account: Account | None, method: str, path: str, query: str, body: bytes, now: int, reply: HttpReply
    ) -> None:
        name, maximum = (CHANGES if method == "POST" else PRIVATE if account is not None else PUBLIC)[path]
        params: Params = dict(parse_qsl(query, keep_blank_values=True)) if method == "GET" else self._json(body)
        if not isinstance(params, dict):
            raise request_error(50002, "JSON syntax error")
        self.dialect.limits.spend((path, account.name if account else "ip", str(params.get("instType"))), maximum, now)
        owner, _, handler = name.rpartition(".")
        call: Callable[..., Any] = getattr(self.dialect.orders if owner else self.dialect.queries, handler)
        arguments = (account, params)

        def execute() -> Any:
            try:
                return call(*arguments)
            except VenueError as error:
                return error

        def answer(outcome: Any) -> None:
            if isinstance(outcome, VenueError):
                self._refuse(outcome, reply)
            else:
                reply(200, orjson.dumps({"code": "0", "data": outcome, "msg": ""}), {})

        self.venue.desk.query(*self.dialect.orders.market_of(params), execute, answer)

    # ---- orders --------------------------------------------------------------------------------------

    def _trade(self, account: Account, path: str, headers: Mapping[str, str], body: bytes, in_us: int, reply: HttpReply) -> None:
        name, is_list = TRADES[path]
        told = self._json(body)
        args = told if is_list else [told]
        if not isinstance(args, list) or not args or not all(isinstance(arg, dict) for arg in args):
            raise request_error(50002, "JSON syntax error")
        if len(args) > BATCH_MAX:
            raise request_error(51000, f"At most {BATCH_MAX} orders in one request.")
        if name in TIMED:
            self.dialect.check_expiry(headers.get("exptime"))

        def answer(outcome: Outcome) -> None:
            outcome = whole(outcome)
            content = self.dialect.order_answer(args, outcome, in_us)
            if content["code"] == "1":
                content["msg"] = "All operations failed"
            elif content["code"] == "2":
                content["msg"] = "Bulk operation partially succeeded."
            reply(outcome.status if isinstance(outcome, VenueError) else 200, orjson.dumps(content), {})

        getattr(self.dialect.orders, name)(account, args, False, is_list, answer)

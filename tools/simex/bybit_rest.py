"""Bybit: REST: method, path, raw query or body and headers in; the envelope out.

Keys and signatures are checked over the bytes as they came.  Every answer is HTTP 200 with `retCode`, but unknown paths (404) and
addresses that ask too much (403).  Source: v5 docs guide.mdx, rate-limit.mdx.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson

from tools.simex.bybit_errors import VenueError, bad_params
from tools.simex.bybit_orders import Params, batch_of, market_of
from tools.simex.contract import LINEAR, SPOT, HttpReply
from tools.simex.ledger import Account

if TYPE_CHECKING:
    from tools.simex.bybit_dialect import BybitDialect

# Path behind /v5/ -> operation of Queries.
PUBLIC = {
    "market/time": "time",
    "system/status": "system_status",
    "market/instruments-info": "instruments",
    "market/orderbook": "orderbook",
    "market/tickers": "tickers",
    "market/recent-trade": "recent_trades",
    "market/funding/history": "funding_history",
    "market/risk-limit": "risk_limit",
}
SIGNED = {
    "order/realtime": "open_orders",
    "order/history": "order_history",
    "execution/list": "executions",
    "position/list": "positions",
    "account/wallet-balance": "balance",
    "account/info": "account_info",
    "account/fee-rate": "fee_rate",
    "account/transaction-log": "transactions",
    "user/query-api": "key_info",
    "asset/coin/query-info": "coins",
}
# POST: path -> endpoint of the limits.
POSTED = {
    "order/create": "create",
    "order/amend": "amend",
    "order/cancel": "cancel",
    "order/cancel-all": "cancel-all",
    "order/create-batch": "create-batch",
    "order/amend-batch": "amend-batch",
    "order/cancel-batch": "cancel-batch",
    "position/set-leverage": "position/set-leverage",
}


class Rest:
    """Of one venue."""

    def __init__(self, dialect: BybitDialect) -> None:
        self.dialect = dialect
        self.venue = dialect.venue
        self.limits = dialect.limits

    def handle(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, recv_mono_ns: int, reply: HttpReply
    ) -> None:
        """Answer through `reply`, at once unless a planted fault delays or loses it."""
        self.venue.recv_mono_ns = recv_mono_ns
        name = path.removeprefix("/v5/")
        known = POSTED if method == "POST" else PUBLIC | SIGNED if method == "GET" else {}
        if not path.startswith("/v5/") or name not in known:
            reply(404, b'{"retCode":404,"retMsg":"page not found"}', {})
            return
        now_ms = self.venue.clock.wall_ms()
        account: Account | None = None
        endpoint, market = POSTED.get(name, name), LINEAR
        try:
            self.limits.count_request(now_ms)
            payload = body if method == "POST" else query.encode()
            if name not in PUBLIC:
                account, key = self.dialect.keyring.check_rest(headers, payload, now_ms)
            params = _body(body) if method == "POST" else dict(parse_qsl(query, keep_blank_values=True))
            market = SPOT if params.get("category") == SPOT else LINEAR
            if account is not None:  # what is public is counted by address alone
                cost = len(batch_of(params)) if endpoint.endswith("-batch") else 1
                self.limits.spend(account, endpoint, market, cost, now_ms)
                if name == "user/query-api":
                    params = params | {"apiKey": key}
        except VenueError as error:
            self._answer(error, account, endpoint, market, reply)
            return
        self._perform(name, endpoint, market, account, params, lambda told: self._answer(told, account, endpoint, market, reply))

    def _perform(self, name: str, endpoint: str, market: str, account: Account | None, params: Params, answer: Any) -> None:
        orders, queries, desk = self.dialect.orders, self.dialect.queries, self.venue.desk
        symbol = params.get("symbol") if isinstance(params.get("symbol"), str) else None
        if name in PUBLIC:
            call = getattr(queries, PUBLIC[name])
            answer(orders.attempt(lambda: call(None, params), params))
            return
        assert account is not None
        if name in SIGNED:
            call = getattr(queries, SIGNED[name])
            desk.query(market, symbol, lambda: orders.attempt(lambda: call(account, params), params), answer)
        elif endpoint == "cancel-all":
            desk.cancel(market, symbol, lambda: orders.attempt(lambda: orders.cancel_all(account, params), params), answer)
        elif endpoint == "position/set-leverage":
            desk.query(market, symbol, lambda: orders.attempt(lambda: queries.set_leverage(account, params), params), answer)
        elif endpoint.endswith("-batch"):
            orders.batch(endpoint.removesuffix("-batch"), account, params, answer)
        else:
            one = {"create": orders.submit, "amend": orders.amend_request, "cancel": orders.cancel_request}[endpoint]
            try:
                market_of(params)
            except VenueError as error:
                answer(error)
                return
            one(account, params, answer)

    def _answer(self, outcome: Any, account: Account | None, endpoint: str, market: str, reply: HttpReply) -> None:
        now_ms = self.venue.clock.wall_ms()
        headers = self.limits.headers(account, endpoint, market, now_ms) | {"Traceid": self.dialect.trace_id()}
        code, text, result, info, status = 0, "OK", outcome, {}, 200
        if isinstance(outcome, VenueError):
            code, text, result, status = outcome.code, outcome.msg, {}, outcome.status
        elif isinstance(outcome, tuple):
            result, info = outcome
        if status == 403:
            reply(403, text.encode(), headers)
            return
        reply(
            status, orjson.dumps({"retCode": code, "retMsg": text, "result": result, "retExtInfo": info, "time": now_ms}), headers
        )


def _body(body: bytes) -> Params:
    try:
        params = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise bad_params("the body is no JSON") from None
    if not isinstance(params, dict):
        raise bad_params("the body is no JSON object")
    return params

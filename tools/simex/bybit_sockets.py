"""Bybit: the three kinds of websocket: public market data, private topics, order entry.

Heartbeats are JSON, and each kind answers them in a shape of its own.  An answer leaves first, then the events it caused.
Source: v5 docs websocket/wss-authentication, websocket/trade/guideline, recorded acknowledgements of 2026-08.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import orjson

from tools.simex import bybit_errors as errors
from tools.simex.bybit_auth import check_window
from tools.simex.bybit_errors import VenueError, bad_params
from tools.simex.bybit_orders import batch_of, market_of
from tools.simex.bybit_streams import BybitHub
from tools.simex.contract import MD, OE, SPOT, UD, Link, Session, SessionRules
from tools.simex.hub import Stream
from tools.simex.ledger import Account

if TYPE_CHECKING:
    from tools.simex.bybit_dialect import BybitDialect

IDLE_CUT_S = 600.0
SPOT_ARGS_MAX = 10  # topics of one subscribe request
ARGS_CHARS_MAX = 21_000  # of all topics of a connection
REQUEST_ID_MAX = 36
MESSAGES_PER_S_MAX = 3000
PRIVATE_TOPICS = ("order", "execution", "execution.fast", "position")
CATEGORIES = (".spot", ".linear", ".inverse", ".option")
_ACTIVE = re.compile(r"^([0-9]+)(s|m)$")
TRADE_OPS = {
    "order.create": "create",
    "order.amend": "amend",
    "order.cancel": "cancel",
    "order.create-batch": "create-batch",
    "order.amend-batch": "amend-batch",
    "order.cancel-batch": "cancel-batch",
}


def parse_object(message: bytes) -> dict[str, Any] | None:
    try:
        request = orjson.loads(message)
    except orjson.JSONDecodeError:
        return None
    return request if isinstance(request, dict) else None


def active_rules(query: str) -> SessionRules:
    """`max_active_time` of the private and order sockets: 30s to 600s."""
    match = _ACTIVE.match(parse_qs(query).get("max_active_time", [""])[0])
    seconds = int(match.group(1)) * (60 if match.group(2) == "m" else 1) if match else int(IDLE_CUT_S)
    return SessionRules(life_s=0.0, idle_cut_s=float(min(600, max(30, seconds))))


class PublicSession(Session):
    """Market data of one market."""

    channels = (MD,)
    rules = SessionRules(life_s=0.0, idle_cut_s=IDLE_CUT_S)

    def __init__(self, hub: BybitHub, conn_id: str, link: Link) -> None:
        self.hub = hub
        self.market = hub.market
        self.conn_id = conn_id
        self.send = link.send
        self.topics: dict[str, Stream] = {}

    def close(self) -> None:
        for topic in list(self.topics):
            self._unsubscribe(topic)

    def on_text(self, message: bytes, recv_mono_ns: int) -> None:
        request = parse_object(message)
        op = request.get("op") if request is not None else None
        if request is None or op not in ("ping", "subscribe", "unsubscribe"):
            self._answer(request or {}, False, "error:invalid op", op)
        elif op == "ping":
            self.send(
                orjson.dumps(
                    {
                        "success": True,
                        "ret_msg": "pong",
                        "conn_id": self.conn_id,
                        "req_id": request.get("req_id", ""),
                        "op": "ping",
                    }
                )
            )
        else:
            self._change(request, str(op))

    def _change(self, request: dict[str, Any], op: str) -> None:
        args = request.get("args")
        if not isinstance(args, list) or not args or not all(isinstance(arg, str) for arg in args):
            self._answer(request, False, "error:args must be a list of topics", op)
            return
        if self.market == SPOT and len(args) > SPOT_ARGS_MAX:
            self._answer(request, False, f"args size >{SPOT_ARGS_MAX}", op)
            return
        if op == "subscribe":
            length = sum(len(topic) for topic in {*self.topics, *args})
            if length > ARGS_CHARS_MAX:
                self._answer(request, False, f"args length {length} > {ARGS_CHARS_MAX}", op)
                return
            streams = {topic: self.hub.make_stream(topic) for topic in dict.fromkeys(args)}
            wrong = [topic for topic, stream in streams.items() if stream is None]
            if wrong:
                for stream in streams.values():
                    if stream is not None and not stream.listeners:
                        stream.close()
                self._answer(request, False, f"Invalid topic: {','.join(wrong)}", op)
                return
            # Acknowledged first: the first message of a topic never precedes its answer.
            self._answer(request, True, "subscribe" if self.market == SPOT else "", op)
            for topic, stream in streams.items():
                if stream is not None and topic not in self.topics:
                    self.topics[topic] = stream
                    self.hub.attach(stream, self)
            return
        self._answer(request, True, "", op)
        for topic in args:
            self._unsubscribe(topic)

    def _unsubscribe(self, topic: str) -> None:
        stream = self.topics.pop(topic, None)
        if stream is not None:
            self.hub.detach(stream, self)

    def _answer(self, request: dict[str, Any], success: bool, text: str, op: Any) -> None:
        answer = {"success": success, "ret_msg": text, "conn_id": self.conn_id}
        if "req_id" in request:
            answer["req_id"] = request["req_id"]
        elif self.market != SPOT and success:
            answer["req_id"] = ""
        self.send(orjson.dumps(answer | {"op": op}))


class PrivateSession(Session):
    """Private topics of one account, told from the moment they are subscribed to."""

    channels = (UD,)

    def __init__(self, dialect: BybitDialect, query: str, conn_id: str, link: Link) -> None:
        self.dialect = dialect
        self.conn_id = conn_id
        self.send = link.send
        self.rules = active_rules(query)
        self.account: Account | None = None
        self.topics: set[str] = set()

    def close(self) -> None:
        if self.account is not None:
            self.dialect.listeners[self.account.name].remove(self)
            self.account = None

    def topic_for(self, name: str, market: str | None) -> str | None:
        """Under which topic this connection wants to hear it, None = not at all."""
        if name in self.topics:
            return name
        categorised = f"{name}.{market}"
        return categorised if categorised in self.topics else None

    def on_text(self, message: bytes, recv_mono_ns: int) -> None:
        request = parse_object(message)
        op = request.get("op") if request is not None else None
        now_ms = self.dialect.venue.clock.wall_ms()
        if request is None or op not in ("ping", "auth", "subscribe", "unsubscribe"):
            self._answer(request or {}, False, "error:invalid op", op)
        elif op == "ping":
            told = {"req_id": request["req_id"]} if "req_id" in request else {}
            self.send(orjson.dumps(told | {"op": "pong", "args": [str(now_ms)], "conn_id": self.conn_id}))
        elif op == "auth":
            self._log_on(request, now_ms)
        elif self.account is None:
            self._answer(request, False, "Request not authorized", op)
        else:
            self._change(request, str(op))

    def _log_on(self, request: dict[str, Any], now_ms: int) -> None:
        if self.account is not None:
            self._answer(request, False, "Repeat auth", "auth")
            return
        try:
            account = self.dialect.keyring.check_logon(request.get("args"), now_ms)
        except VenueError as error:
            self._answer(request, False, error.msg, "auth")
            return
        self.account = account
        self.dialect.listeners[account.name].append(self)
        self._answer(request, True, "", "auth")

    def _change(self, request: dict[str, Any], op: str) -> None:
        args = request.get("args")
        if not isinstance(args, list) or not args or not all(isinstance(arg, str) for arg in args):
            self._answer(request, False, "error:args must be a list of topics", op)
            return
        wrong = [topic for topic in args if not _is_private_topic(topic)]
        if wrong:
            self._answer(request, False, f"Invalid topic: {','.join(wrong)}", op)
            return
        kinds = {topic.endswith(CATEGORIES) for topic in args if topic != "wallet"}
        if len(kinds) > 1:
            self._answer(request, False, "all-in-one and categorised topics cannot be in the same subscription request", op)
            return
        self._answer(request, True, "", op)
        (self.topics.update if op == "subscribe" else self.topics.difference_update)(args)

    def _answer(self, request: dict[str, Any], success: bool, text: str, op: Any) -> None:
        answer = {"req_id": request["req_id"]} if "req_id" in request else {}
        answer |= {"success": success, "ret_msg": text, "op": op, "conn_id": self.conn_id}
        if not success and op == "auth":
            answer["request"] = {"op": op, "args": request.get("args")}
        self.send(orjson.dumps(answer))


def _is_private_topic(topic: str) -> bool:
    """order, order.linear, execution.fast, execution.fast.spot, wallet ..."""
    if topic == "wallet":
        return True
    for category in CATEGORIES:
        topic = topic.removesuffix(category)
    return topic in PRIVATE_TOPICS


class TradeSession(Session):
    """Order entry of one account."""

    channels = (OE,)

    def __init__(self, dialect: BybitDialect, query: str, conn_id: str, link: Link) -> None:
        self.dialect = dialect
        self.venue = dialect.venue
        self.conn_id = conn_id
        self.send = link.send
        self.rules = active_rules(query)
        self.account: Account | None = None
        self.is_restarting = False
        self._request_ids: set[str] = set()
        self._second = 0
        self._messages = 0

    def close(self) -> None:
        self.account = None

    def notice(self, now_ms: int) -> None:
        """The gateway restarts: what is under way ends, new requests get 10019."""
        self.is_restarting = True

    def on_text(self, message: bytes, recv_mono_ns: int) -> None:
        self.venue.recv_mono_ns = recv_mono_ns
        now_ms = self.venue.clock.wall_ms()
        request = parse_object(message)
        if request is None:
            self._refuse({}, "", bad_params("not a JSON object"))
            return
        op = request.get("op")
        if op == "ping":
            self.send(orjson.dumps({"retCode": 0, "retMsg": "OK", "op": "pong", "data": [str(now_ms)], "connId": self.conn_id}))
            return
        try:
            if op == "auth":
                self._log_on(request, now_ms)
            else:
                self._order(request, op, now_ms)
        except VenueError as error:
            self._refuse(request, op, error)

    def _log_on(self, request: dict[str, Any], now_ms: int) -> None:
        if self.account is not None:
            raise VenueError(errors.REPEATED_AUTH, "Repeat auth")
        self.account = self.dialect.keyring.check_logon(request.get("args"), now_ms)
        self.send(orjson.dumps(_reference(request) | {"retCode": 0, "retMsg": "OK", "op": "auth", "connId": self.conn_id}))

    # ---- orders ----------------------------------------------------------------------------------

    def _order(self, request: dict[str, Any], op: Any, now_ms: int) -> None:
        account = self.account
        if account is None:
            raise VenueError(errors.NOT_AUTHED, "Request not authorized: auth first")
        self._check(request, now_ms)
        endpoint = TRADE_OPS.get(op) if isinstance(op, str) else None
        if endpoint is None:
            raise VenueError(errors.NO_SUCH_OP, "op type is not found")
        args = request.get("args")
        if not isinstance(args, list) or len(args) != 1 or not isinstance(args[0], dict):
            raise bad_params("args must hold exactly one object")
        params = args[0]
        market = market_of(params)
        kind, is_batch = endpoint.removesuffix("-batch"), endpoint.endswith("-batch")
        cost = len(batch_of(params)) if is_batch else 1
        self.dialect.limits.spend(account, endpoint, market, cost, now_ms)

        def answer(outcome: Any) -> None:
            self._answer(request, endpoint, market, outcome)

        orders = self.dialect.orders
        if is_batch:
            orders.batch(kind, account, params, answer)
        else:
            {"create": orders.submit, "amend": orders.amend_request, "cancel": orders.cancel_request}[kind](
                account, params, answer
            )

    def _check(self, request: dict[str, Any], now_ms: int) -> None:
        """What holds for each request, whatever it asks for."""
        if self.is_restarting:
            raise errors.restarting()
        if now_ms // 1000 != self._second:
            self._second, self._messages = now_ms // 1000, 0
        self._messages += 1
        if self.venue.enforce_limits and self._messages > MESSAGES_PER_S_MAX:
            raise VenueError(errors.IP_LIMIT, "Exceeds IP rate limit")
        request_id = request.get("reqId")
        if request_id is not None:
            if not isinstance(request_id, str) or len(request_id) > REQUEST_ID_MAX:
                raise bad_params(f"reqId is a text of at most {REQUEST_ID_MAX} characters")
            if request_id in self._request_ids:
                raise VenueError(errors.DUPLICATE_REQUEST, "Duplicate reqId")
            self._request_ids.add(request_id)
        header = request.get("header")
        if not isinstance(header, dict) or not isinstance(header.get("X-BAPI-TIMESTAMP"), str):
            raise bad_params("header X-BAPI-TIMESTAMP is missing or no text")
        check_window(header["X-BAPI-TIMESTAMP"], str(header.get("X-BAPI-RECV-WINDOW", "")), now_ms)

    def _answer(self, request: dict[str, Any], endpoint: str, market: str, outcome: Any) -> None:
        code, text, data, info = 0, "OK", outcome, {}
        if isinstance(outcome, VenueError):
            code, text, data = outcome.code, outcome.msg, {}
        elif isinstance(outcome, tuple):
            data, info = outcome
        now_ms = self.venue.clock.wall_ms()
        header = self.dialect.limits.headers(self.account, endpoint, market, now_ms)
        header |= {"Traceid": self.dialect.trace_id(), "Timenow": str(now_ms)}
        answer = _reference(request) | {"retCode": code, "retMsg": text, "op": request["op"], "data": data, "retExtInfo": info}
        self.send(orjson.dumps(answer | {"header": header, "connId": self.conn_id}))

    def _refuse(self, request: dict[str, Any], op: Any, error: VenueError) -> None:
        """Before it was known what is asked for; of a known operation with what is left of its limit."""
        endpoint = TRADE_OPS.get(op) if isinstance(op, str) else None
        args = request.get("args")
        category = args[0].get("category") if isinstance(args, list) and args and isinstance(args[0], dict) else None
        if endpoint is not None and category in self.venue.sim.markets:
            self._answer(request, endpoint, category, error)
            return
        answer = _reference(request) | {"retCode": error.code, "retMsg": error.msg, "op": op, "connId": self.conn_id}
        self.send(orjson.dumps(answer))


def _reference(request: dict[str, Any]) -> dict[str, Any]:
    return {"reqId": request["reqId"]} if "reqId" in request else {}

"""OKX: one websocket: public channels, or login, private channels and orders; text ping and pong.

Every argument of a subscription is acknowledged by itself.  Source: websocket overview, order and account channels (2026-06 to
2026-09).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from tools.simex import okx_errors as errors
from tools.simex.contract import MD, OE, UD, Link, Session, SessionRules
from tools.simex.hub import Hub, Stream
from tools.simex.ledger import Account
from tools.simex.okx_errors import VenueError
from tools.simex.okx_limits import CONNECTIONS_PER_CHANNEL_MAX, HOUR_MAX
from tools.simex.okx_listing import MARKETS_OF
from tools.simex.okx_orders import BATCH_MAX, Outcome, Params
from tools.simex.okx_streams import MAKERS, TIER_CHANNELS, OkxHub

if TYPE_CHECKING:
    from tools.simex.okx_dialect import OkxDialect

PUBLIC, PRIVATE, BUSINESS = "public", "private", "business"
PATHS = {f"/ws/v5/{word}": word for word in (PUBLIC, PRIVATE, BUSINESS)}
RULES = SessionRules(life_s=0.0, idle_cut_s=30.0, idle_code=4004)
ARGS_BYTES_MAX = 65_536
LOGIN_FAILED = 4001
# op -> (Orders' method, whether several may come)
ORDER_OPS = {
    "order": ("place", False),
    "batch-orders": ("place", True),
    "cancel-order": ("cancel", False),
    "batch-cancel-orders": ("cancel", True),
    "amend-order": ("amend", False),
    "batch-amend-orders": ("amend", True),
}
PRIVATE_CHANNELS = ("orders", "account", "positions", "balance_and_position")
INST_TYPES = ("ANY", "SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")
_ID = re.compile(r"^[A-Za-z0-9]{1,32}$")


class Subscription:
    """One of a private channel."""

    def __init__(self, session: OkxSession, arg: Params) -> None:
        self.session = session
        self.arg = arg
        self.channel: str = arg["channel"]
        self.inst_type = arg.get("instType", "ANY")
        self.inst_id = arg.get("instId", "")
        self.ccy = arg.get("ccy", "")
        extra = arg.get("extraParams")
        self.is_periodic = self.channel in ("account", "positions") and _interval(extra) != "0"
        self.next_ms = 0

    def covers(self, market: str, symbol: str) -> bool:
        return self.inst_id in ("", symbol) and (self.inst_type == "ANY" or MARKETS_OF.get(self.inst_type) == market)

    def frame(self, uid: int, **content: Any) -> bytes:
        return orjson.dumps({"arg": self.arg | {"uid": str(uid)}, **content})


def _interval(extra: Any) -> str:
    """updateInterval of the JSON text extraParams."""
    try:
        return str(orjson.loads(extra)["updateInterval"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""


class OkxSession(Session):
    """`access`: public, private, business."""

    def __init__(self, dialect: OkxDialect, access: str, connection_id: str, link: Link) -> None:
        self.dialect = dialect
        self.venue = dialect.venue
        self.access = access
        self.connection_id = connection_id
        self.link = link
        self.send = link.send
        self.channels = (OE, UD) if access == PRIVATE else (MD,)
        self.rules = RULES
        self.account: Account | None = None
        self.streams: dict[str, tuple[Hub, Stream]] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self._hour_start_ms = 0
        self._requests = 0

    def close(self) -> None:
        for hub, stream in self.streams.values():
            hub.detach(stream, self)
        self.streams.clear()
        self.dialect.forget(self)

    def notice(self, now_ms: int) -> None:
        msg = "The connection will soon be closed for a service upgrade. Please reconnect."
        self._tell({"event": "notice", "code": "64008", "msg": msg})

    def _tell(self, event: dict[str, Any], request_id: Any = None) -> None:
        head = {} if request_id is None else {"id": request_id}
        self.send(orjson.dumps(head | event | {"connId": self.connection_id}))

    def _error(self, error: VenueError, request_id: Any = None) -> None:
        self._tell({"event": "error", "code": error.code, "msg": error.msg}, request_id)

    # ---- requests ------------------------------------------------------------------------------------

    def on_text(self, message: bytes, recv_mono_ns: int) -> None:
        self.venue.recv_mono_ns = recv_mono_ns
        if message == b"ping":
            self.send(b"pong")
            return
        request_id: Any = None
        try:
            try:
                request = orjson.loads(message)
            except orjson.JSONDecodeError:
                request = None
            if not isinstance(request, dict):
                raise VenueError(60012, f"Invalid request: {message[:200].decode('utf-8', 'replace')}")
            request_id = request.get("id")
            if request_id is not None and not (isinstance(request_id, str) and _ID.match(request_id)):
                request_id = None
                raise VenueError(60012, f"Invalid request: {message[:200].decode('utf-8', 'replace')}")
            self._handle(request, request_id, message)
        except VenueError as error:
            self._error(error, request_id)

    def _handle(self, request: dict[str, Any], request_id: Any, message: bytes) -> None:
        op, args = request.get("op"), request.get("args")
        if op in ORDER_OPS:
            self._order(str(op), request, request_id)
            return
        if op not in ("subscribe", "unsubscribe", "login"):
            raise VenueError(60019, f"Invalid op: {op}")
        if not isinstance(args, list) or not args or len(message) > ARGS_BYTES_MAX:
            raise VenueError(60012, f"Invalid request: {message[:200].decode('utf-8', 'replace')}")
        self._count()
        if op == "login":
            self._login(args[0])
            return
        for arg in args:
            try:
                if not isinstance(arg, dict) or not isinstance(arg.get("channel"), str):
                    raise VenueError(60012, f"Invalid request: {message[:200].decode('utf-8', 'replace')}")
                (self._subscribe if op == "subscribe" else self._unsubscribe)(arg, request_id)
            except VenueError as error:
                self._error(error, request_id)

    def _count(self) -> None:
        """480 subscriptions, unsubscriptions and logins an hour."""
        now = self.venue.clock.wall_ms()
        if now - self._hour_start_ms >= 3_600_000:
            self._hour_start_ms, self._requests = now, 0
        self._requests += 1
        if self.dialect.limits.enforce and self._requests > HOUR_MAX:
            raise VenueError(60014, "Requests too frequent. Please try again later.")

    def _login(self, told: Any) -> None:
        try:
            self.account = self.dialect.keyring.check_login(told, self.venue.clock.wall_ms())
        except VenueError as error:
            self._error(error)
            self.link.close(LOGIN_FAILED, b"Login failed.")
            return
        self._tell({"event": "login", "code": "0", "msg": ""})

    # ---- channels ------------------------------------------------------------------------------------

    def _subscribe(self, arg: Params, request_id: Any) -> None:
        key, channel = _key(arg), arg["channel"]
        if channel in PRIVATE_CHANNELS and self.access == PRIVATE:
            if self.account is None:
                raise VenueError(60011, "Please log in")
            if arg.get("instType", "ANY") not in INST_TYPES or (channel in ("orders", "positions") and "instType" not in arg):
                raise VenueError(60012, f"Invalid request: {orjson.dumps(arg).decode()}")
            self._tell({"event": "subscribe", "arg": arg}, request_id)
            self._subscribe_private(self.account, key, arg)
            return
        hub, stream = self._stream(arg)
        self._tell({"event": "subscribe", "arg": arg}, request_id)
        if key in self.streams:
            return
        self.streams[key] = (hub, stream)
        hub.attach(stream, self)
        if not stream.begins_whole:
            now: bytes | None = stream.now(self.venue.clock.wall_ms())  # type: ignore[attr-defined]
            if now is not None:
                self.send(now)

    def _subscribe_private(self, account: Account, key: str, arg: Params) -> None:
        count = self.dialect.connections(account, arg["channel"], self) + 1
        told = {"channel": arg["channel"], "connCount": str(min(count, CONNECTIONS_PER_CHANNEL_MAX))}
        if count > CONNECTIONS_PER_CHANNEL_MAX:
            self._tell({"event": "channel-conn-count-error", **told})
            return
        self._tell({"event": "channel-conn-count", **told})
        if key not in self.subscriptions:
            self.subscriptions[key] = subscription = Subscription(self, arg)
            self.dialect.add(account, subscription)

    def _stream(self, arg: Params) -> tuple[Hub, Stream]:
        channel, inst_id = arg["channel"], arg.get("instId")
        if channel in TIER_CHANNELS and self.access == PUBLIC:
            if self.account is None:
                raise VenueError(60011, "Please log in")
            raise VenueError(64003, "Your trading fee tier doesn't meet the requirement to access this channel")
        if channel in MAKERS and self.access == PUBLIC:
            for hub in self.venue.hubs.values():
                assert isinstance(hub, OkxHub)
                stream = hub.make_stream(channel, str(inst_id))
                if stream is not None:
                    return hub, stream
        raise VenueError(
            60018,
            f"Wrong URL or channel:{channel},instId:{inst_id} doesn't exist. Please use the correct URL, channel and parameters "
            "referring to API document.",
        )

    def _unsubscribe(self, arg: Params, request_id: Any) -> None:
        key = _key(arg)
        held = self.streams.pop(key, None)
        if held is not None:
            held[0].detach(held[1], self)
        subscription = self.subscriptions.pop(key, None)
        if subscription is not None:
            self.dialect.remove(subscription)
        self._tell({"event": "unsubscribe", "arg": arg}, request_id)

    # ---- orders --------------------------------------------------------------------------------------

    def _order(self, op: str, request: dict[str, Any], request_id: Any) -> None:
        in_us = self.venue.clock.wall_us()
        name, is_batch = ORDER_OPS[op]
        if self.access != PRIVATE:
            raise VenueError(
                60018, f"Wrong URL or channel:{op} doesn't exist. Please use the correct URL, channel and parameters."
            )
        if self.account is None:
            raise VenueError(60011, "Please log in")
        args = request.get("args")

        def answer(outcome: Outcome) -> None:
            told = args if isinstance(args, list) else []
            head = {"op": op} if request_id is None else {"id": request_id, "op": op}
            self.send(orjson.dumps(head | self.dialect.order_answer(told, outcome, in_us)))

        try:
            if (
                request_id is None
                or not isinstance(args, list)
                or not 1 <= len(args) <= (BATCH_MAX if is_batch else 1)
                or not all(isinstance(arg, dict) for arg in args)
            ):
                raise errors.request_error(60013, "Invalid args")
            self.dialect.limits.check_open(self.venue.clock.wall_ms())
            if name != "cancel":
                self.dialect.check_expiry(request.get("expTime"))
        except VenueError as error:
            answer(error)
            return
        getattr(self.dialect.orders, name)(self.account, args, True, is_batch, answer)


def _key(arg: Params) -> str:
    """A subscription by what names it."""
    return ":".join(str(arg.get(field, "")) for field in ("channel", "instType", "instFamily", "instId", "ccy"))

"""OKX: the dialect as one object: sockets to sessions, what happened to private channels, keys, limits.

Options of the config's `limits`: `orders_2s_max` (of an account and instrument), `connections_per_s` (0 = as many as come; OKX
has 3 an address), `checksums` (true: the CRC32 of before 2026-06 in place of 0).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from tools.simex import okx_errors as errors
from tools.simex.config import ConfigError
from tools.simex.contract import LINEAR, SPOT, Dialect, HttpReply, Link, Session
from tools.simex.faults import Fault
from tools.simex.ledger import Account, Fill, Order
from tools.simex.okx_auth import Keyring
from tools.simex.okx_errors import VenueError, request_error
from tools.simex.okx_events import NO_CLIENT_ID, Sums, Tally, money, order_push
from tools.simex.okx_limits import ORDERS_MAX, Limits
from tools.simex.okx_listing import give_codes
from tools.simex.okx_orders import Orders, Outcome, Params, whole
from tools.simex.okx_queries import Queries
from tools.simex.okx_rest import Rest
from tools.simex.okx_session import PATHS, OkxSession, Subscription
from tools.simex.okx_streams import OkxHub, px_text
from tools.simex.venue import Venue

PERIOD_MS = 5000  # of account and positions, where updateInterval is not "0"
OPTIONS = {"orders_2s_max": ORDERS_MAX, "connections_per_s": 0, "checksums": False}
REASONS = {"ORDER": "filled", "FUNDING": "funding_fee", "DEPOSIT": "deposit", "WITHDRAW": "withdraw"}


class OkxDialect(Dialect):
    """`account_level`: acctLv of all accounts: 1 spot, 2 spot and futures."""

    def __init__(self, venue: Venue, account_level: str = "2") -> None:
        super().__init__(venue)
        options = self._options(venue)
        self.account_level = account_level
        self.has_checksums = bool(options["checksums"])
        self.connections_per_s = int(options["connections_per_s"])
        self.keyring = Keyring()
        self.limits = Limits(venue.enforce_limits, int(options["orders_2s_max"]))
        self.by_code = give_codes(venue.instruments)
        self.by_id = {i.symbol: i for i in venue.instruments}
        self.subscriptions: dict[str, list[Subscription]] = defaultdict(list)  # by account
        self.tallies: dict[str, dict[str, Tally]] = defaultdict(dict)
        self.orders = Orders(self)
        self.queries = Queries(self)
        self.rest = Rest(self)
        self._next_connection = 0xA4D3AE55
        self._next_bill = 2_510_789_768_709_120_000
        self._second = (0, 0)

    @staticmethod
    def _options(venue: Venue) -> dict[str, Any]:
        for name, value in venue.limit_options.items():
            if name not in OPTIONS or type(value) is not type(OPTIONS[name]):
                raise ConfigError(f"venues.{venue.name}.limits: {name}: {value!r}: known are {OPTIONS} with values of that kind")
        return OPTIONS | venue.limit_options

    # ---- bytes ---------------------------------------------------------------------------------------

    def make_hub(self, market: str) -> OkxHub:
        return OkxHub(self.venue, market, has_checksums=self.has_checksums)

    def open_session(self, port: str, path: str, headers: Mapping[str, str], link: Link) -> Session | None:
        access = PATHS.get(path.partition("?")[0].rstrip("/"))
        if access is None or not self._may_connect():
            return None
        self._next_connection += 1
        return OkxSession(self, access, f"{self._next_connection:08x}", link)

    def _may_connect(self) -> bool:
        second = self.venue.clock.wall_ms() // 1000
        count = self._second[1] + 1 if self._second[0] == second else 1
        self._second = (second, count)
        return not self.connections_per_s or count <= self.connections_per_s

    def on_http(
        self,
        port: str,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        recv_mono_ns: int,
        reply: HttpReply,
    ) -> None:
        self.venue.recv_mono_ns = recv_mono_ns
        self.rest.handle(method, path, query, headers, body, reply)

    def make_credentials(self, account: Account) -> dict[str, bytes]:
        return self.keyring.make(account)

    # ---- answers to orders ---------------------------------------------------------------------------

    def check_expiry(self, told: Any) -> None:
        """expTime, ms; VenueError when it is over."""
        if told is None or told == "":
            return
        if not str(told).isdigit():
            raise errors.bad("expTime")
        if int(told) < self.venue.clock.wall_ms():
            msg = "The expTime can't be earlier than the current system time. Please adjust the expTime and try again."
            raise request_error(50036, msg)

    def order_answer(self, args: list[Params], outcome: Outcome, in_us: int) -> dict[str, Any]:
        """What WS and REST have in common: code, data, msg and the gateway's times in us."""
        times = {"inTime": str(in_us), "outTime": str(self.venue.clock.wall_us())}
        outcome = whole(outcome)
        if isinstance(outcome, VenueError) and outcome.is_request:
            return {"data": [], "code": outcome.code, "msg": outcome.msg, **times}
        results = [outcome] * len(args) if isinstance(outcome, VenueError) else outcome
        rows = [self.orders.row(arg, result) for arg, result in zip(args, results, strict=True)]
        failed = sum(row["sCode"] != "0" for row in rows)
        code = "0" if failed == 0 else "1" if failed == len(rows) else "2"
        return {"data": rows, "code": code, "msg": "", **times}

    # ---- private channels ----------------------------------------------------------------------------

    def sums(self, account: Account) -> Sums:
        return Sums(self.venue, account, self.tallies[account.name])

    def connections(self, account: Account, channel: str, but: OkxSession) -> int:
        """How many other connections have the channel."""
        return len({id(s.session) for s in self.subscriptions[account.name] if s.channel == channel and s.session is not but})

    def add(self, account: Account, subscription: Subscription) -> None:
        """From now on; the account's channels begin with what is there, orders do not."""
        self.subscriptions[account.name].append(subscription)
        subscription.next_ms = self.venue.clock.wall_ms() + PERIOD_MS
        frame = self._whole(account, subscription, "snapshot")
        if frame is not None:
            subscription.session.send(frame)

    def remove(self, subscription: Subscription) -> None:
        for held in self.subscriptions.values():
            if subscription in held:
                held.remove(subscription)

    def forget(self, session: OkxSession) -> None:
        for subscription in session.subscriptions.values():
            self.remove(subscription)
        session.subscriptions.clear()

    def _whole(self, account: Account, subscription: Subscription, event: str) -> bytes | None:
        """All there is to say in a channel."""
        now, sums = self.venue.clock.wall_ms(), self.sums(account)
        if subscription.channel == "account":
            assets = [asset for asset in sums.assets() if subscription.ccy in ("", asset)]
            data = [sums.summary(assets, now)]
        elif subscription.channel == "positions":
            held = [p for p in account.positions.values() if p.qty and subscription.covers(LINEAR, p.instrument.symbol)]
            data = [sums.position_row(position, now) for position in held]
        elif subscription.channel == "balance_and_position":
            held = [p for p in account.positions.values() if p.qty]
            row = self._light_row(account, sums, event, sums.assets(), [p.instrument.symbol for p in held], now)
            return subscription.frame(account.uid, data=[row])
        else:
            return None
        return subscription.frame(account.uid, eventType=event, curPage=1, lastPage=True, data=data)

    @staticmethod
    def _light_row(
        account: Account, sums: Sums, event: str, assets: list[str], symbols: list[str], now: int
    ) -> dict[str, Any]:  # fmt: skip
        positions = [sums.position_row(account.positions[symbol], now) for symbol in symbols]
        names = ("posId", "tradeId", "instId", "instType", "mgnMode", "posSide", "pos", "ccy", "posCcy", "avgPx", "uTime")
        return {
            "pTime": str(now),
            "eventType": event,
            "balData": [{"ccy": a, "cashBal": money(account.total(a)), "uTime": str(now)} for a in assets],
            "posData": [{name: position[name] for name in names} for position in positions],
            "trades": [],
        }

    def _push(self, account: Account, market: str, reason: str, assets: list[str], symbols: list[str]) -> None:
        """Coins and positions that changed, to the channels that tell them."""
        held = [s for s in self.subscriptions[account.name] if s.channel != "orders"]
        if not held:
            return
        now, sums = self.venue.clock.wall_ms(), self.sums(account)
        for s in held:
            if s.channel == "account":
                told = [asset for asset in assets if s.ccy in ("", asset)]
                if told:
                    data = [sums.summary(told, now)]
                    self._queue(s, account, market, None, eventType="event_update", curPage=1, lastPage=True, data=data)
            elif s.channel == "positions":
                rows = [sums.position_row(account.positions[n], now) for n in symbols if s.covers(LINEAR, n)]
                if rows:
                    self._queue(s, account, market, symbols[0], eventType="event_update", curPage=1, lastPage=True, data=rows)
            elif reason in REASONS:
                self._queue(
                    s, account, market, None, data=[self._light_row(account, sums, REASONS[reason], assets, symbols, now)]
                )

    def _queue(self, subscription: Subscription, account: Account, market: str, symbol: str | None, **content: Any) -> None:
        self.venue.queue(market, symbol, subscription.session.send, subscription.frame(account.uid, **content))

    # ---- what happened -------------------------------------------------------------------------------

    def on_order(self, order: Order, event: str, fill: Fill | None) -> None:
        account, i = order.account, order.instrument
        if fill is not None:
            self._next_bill += 1
            order.notes.setdefault("bills", []).append(self._next_bill)
            if i.market == LINEAR:
                self.tallies[account.name].setdefault(i.symbol, Tally()).add(fill)
        listening = [s for s in self.subscriptions[account.name] if s.channel == "orders" and s.covers(i.market, i.symbol)]
        if listening:
            trades = self.venue.hubs[i.market].trades[i.symbol]
            row = order_push(order, fill, px_text(i, trades[-1].px) if trades else "", event == "AMENDED")
            for subscription in listening:
                self._queue(subscription, account, i.market, i.symbol, data=[row])
        if i.market == LINEAR:
            # Margin moves with each event; the position after its order, so that its fees are counted.
            reason = "ORDER" if fill is not None else ""
            self._push(account, LINEAR, reason, [i.settle], [i.symbol] if fill is not None else [])

    def on_account(
        self, account: Account, market: str, reason: str, assets: list[str], symbols: list[str], change_e8: int = 0
    ) -> None:
        if market == LINEAR and reason == "ORDER":
            return  # with the order's own event
        if reason == "FUNDING":
            symbols = [account.income[-1]["symbol"]]
        self._push(account, market, reason, assets, symbols)

    # ---- faults --------------------------------------------------------------------------------------

    def rejection(self, fault: Fault, market: str, is_cancel: bool) -> VenueError:
        options = fault.params
        code, msg, sub_code = 51400, errors.not_cancelled().msg, ""
        if not is_cancel:
            code, msg, sub_code = 51008, "Order failed. Insufficient USDT balance in account.", "1000"
        code = int(options.get("code", code))
        status = int(options.get("status", 200))
        sub_code = str(options.get("sub_code", sub_code if code == 51008 else ""))
        return VenueError(code, str(options.get("msg", msg)), status=status, sub_code=sub_code, is_request=status != 200)

    def unknown_outcome(self, fault: Fault, market: str) -> VenueError:
        """50004; variant "request" = 51054, "order" = 51149, "system" = 50026."""
        known = errors.UNKNOWN_OUTCOMES
        return request_error(*known.get(str(fault.params.get("variant", "endpoint")), known["endpoint"]))

    def limit_outcome(self, fault: Fault, market: str, is_ban: bool) -> VenueError:
        """50011; as a ban, the cap of the account over all instruments: 50061."""
        return errors.too_many(is_ban)

    # ---- on time and on command ----------------------------------------------------------------------

    def outside_client_id(self, kind: str) -> str:
        """Such orders have no clOrdId that the venue would tell."""
        return f"{NO_CLIENT_ID}{kind}{self.venue.matcher.take_order_id(SPOT)}"

    def limit(self, market: str, until_ms: int, is_ban: bool) -> None:
        """Of both markets: they have one host and one socket."""
        self.limits.refuse_until_ms = until_ms

    def on_timer(self, now_ms: int) -> None:
        if self.orders.countdowns:
            self.orders.run_countdowns(now_ms)
        for name, held in self.subscriptions.items():
            for subscription in held:
                if subscription.is_periodic and now_ms >= subscription.next_ms:
                    subscription.next_ms = now_ms + PERIOD_MS
                    frame = self._whole(self.venue.accounts[name], subscription, "interval_update")
                    if frame is not None:
                        subscription.session.send(frame)

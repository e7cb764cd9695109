"""The commands of the control socket (docs/control-protocol.md), as functions over the shell."""
import time
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from cext import layout
from cext.core import GATE_NAMES
from engine import status
from engine.control import ControlError, ControlServer
from engine.events import IntentKind, LegFlag, Purpose, Side
from engine.trade.states import TradeState
from feeds.instruments import InstrumentError, to_scaled

if TYPE_CHECKING:
    from engine.shell import Shell

FOR_EVER_NS = (1 << 63) - 1
LOCK_REASON_OPERATOR = 9


def register_commands(server: ControlServer, shell: "Shell") -> None:
    """Make every command known to the server."""
    commands = Commands(shell)
    for name in ("status", "stats", "books", "opportunities", "positions", "trades", "report", "submit", "pause", "resume",
                 "lock", "unlock",
                 "kill", "release", "close", "stop", "manual", "resolve", "differences", "accept_difference"):
        server.register(name, getattr(commands, name))


class Commands:
    """One method a command; each gets its args and returns what can be written as JSON."""

    def __init__(self, shell: "Shell") -> None:
        self._shell = shell

    def _ready(self) -> "Shell":
        if self._shell.trades is None:
            raise ControlError(f"the engine is {self._shell.phase}: it has no instruments yet")
        return self._shell

    # ---------------------------------------------------------------- reading

    def status(self, args: dict[str, Any]) -> dict[str, Any]:
        return status.status(self._shell)

    def stats(self, args: dict[str, Any]) -> dict[str, Any]:
        shell = self._ready()
        return {"counters": status.counters(shell), "ring": status.ring(shell),
                "gateways": {venue: gateway.stats() for venue, gateway in shell.gateways.items()}}

    def books(self, args: dict[str, Any]) -> list[dict[str, Any]]:
        """Every book in one line each; with `name` everything that the core holds of that instrument, and its pairs."""
        shell = self._ready()
        if args.get("name") is None:
            return status.books(shell)
        row = shell.table.by_name.get(args["name"])
        if row is None:
            raise ControlError(f"unknown instrument {args['name']!r}; names look like binance:BTC/USDT")
        pairs = [index for index, pair in enumerate(shell.core.pairs()) if row.id in pair]
        return [{**shell.core.market(row.id), "pairs": [shell.core.pair_view(index, time.monotonic_ns()) for index in pairs]}]

    def opportunities(self, args: dict[str, Any]) -> list[dict[str, Any]]:
        return list(self._ready().trades.recent)[-int(args.get("limit", 20)):]

    def positions(self, args: dict[str, Any]) -> dict[str, Any]:
        report = self._ready().trades.manager.report()
        return {"balances": report["balances"], "positions": report["positions"]}

    def trades(self, args: dict[str, Any]) -> dict[str, Any]:
        return self._ready().trades.status()

    def report(self, args: dict[str, Any]) -> dict[str, Any]:
        return status.report(self._ready())

    # ---------------------------------------------------------------- changing

    def submit(self, args: dict[str, Any]) -> dict[str, Any]:
        """One intent through the same gate as every order."""
        shell = self._ready()
        legs = [self._leg(shell, leg) for leg in args["legs"]]
        kind = IntentKind.SINGLE if len(legs) == 1 else IntentKind.SIMULTANEOUS
        reason, pool_index = shell.core.submit(int(Purpose.MANUAL), 0, layout_none_pair(), legs, int(kind),
                                               shell.config.recovery.ttl_ms * 1_000_000,
                                               time.monotonic_ns(), time.time_ns())
        if reason:
            return {"accepted": False, "reason": GATE_NAMES[reason]}
        intent_id = shell.core.intent(pool_index)["intent_id"]
        shell.poller.send_pooled(pool_index)
        return {"accepted": True, "intent_id": intent_id}

    @staticmethod
    def _leg(shell: "Shell", leg: dict[str, Any]) -> tuple[int, int, int, int, int]:
        row = shell.table.by_name.get(leg["instrument"])
        if row is None:
            raise ControlError(f"unknown instrument {leg['instrument']!r}; names look like binance:BTC/USDT")
        if leg["side"] not in ("buy", "sell"):
            raise ControlError(f"side {leg['side']!r}: right is buy or sell")
        try:
            limit_px, qty = to_scaled(Decimal(leg["limit_px"]), row.px_scale), to_scaled(Decimal(leg["qty"]), row.qty_scale)
        except (InvalidOperation, InstrumentError) as error:
            raise ControlError(f"{leg['instrument']}: {error}") from error
        return (row.id, int(Side.BUY if leg["side"] == "buy" else Side.SELL), limit_px, qty,
                int(LegFlag.REDUCE_ONLY if leg.get("reduce_only") else 0))

    def pause(self, args: dict[str, Any]) -> str:
        self._ready().core.lock_all(FOR_EVER_NS, LOCK_REASON_OPERATOR)
        return "paused: no new entries"

    def resume(self, args: dict[str, Any]) -> str:
        shell = self._ready()
        shell.core.unlock()
        shell.core.clear_losses()
        shell.release("unclean_starts")
        return "resumed; loss layers start anew"

    def lock(self, args: dict[str, Any]) -> str:
        return self._lock(args["name"], time.monotonic_ns() + int(float(args["for_s"]) * 1e9)
                          if args.get("for_s") else FOR_EVER_NS)

    def unlock(self, args: dict[str, Any]) -> str:
        return self._lock(args["name"], 0)

    def _lock(self, name: str, until_mono_ns: int) -> str:
        shell = self._ready()
        venues = list(shell.instruments.venues)
        if name == "all":
            shell.core.lock_all(until_mono_ns, LOCK_REASON_OPERATOR) if until_mono_ns else shell.core.unlock()
        elif name in venues:
            venue_id = venues.index(name)
            shell.core.lock_venue(venue_id, until_mono_ns,
                                  LOCK_REASON_OPERATOR) if until_mono_ns else shell.core.unlock(venue_id=venue_id)
        elif name in shell.table.by_name:
            row = shell.table.by_name[name].id
            shell.core.lock_row(row, until_mono_ns, LOCK_REASON_OPERATOR) if until_mono_ns else shell.core.unlock(row=row)
        else:
            raise ControlError(f"unknown name {name!r}: want an instrument, a venue ({', '.join(venues)}) or all")
        return f"{name}: {'locked' if until_mono_ns else 'unlocked'}"

    def kill(self, args: dict[str, Any]) -> str:
        self._shell.state.set_operator_word(layout.TRADING_EMERGENCY)
        self._shell.alert("kill", f"killed over the control socket: {str(args.get('reason', ''))[:200]}", "critical")
        return "killed: no entries; what is open is finished"

    async def release(self, args: dict[str, Any]) -> str:
        """The operator's word back to ACTIVE, after a comparison with every venue."""
        why_not = await self._ready().kill.release()
        if why_not:
            raise ControlError(f"not released: {'; '.join(why_not[:10])}")
        return "released: ledger and venues are equal; entries may leave again"

    def manual(self, args: dict[str, Any]) -> list[dict[str, Any]]:
        """Trades that wait for a person; with `trade_id` that one alone."""
        manager = self._ready().trades.manager
        waiting = [trade for trade in manager.trades.values() if trade.state == TradeState.MANUAL]
        if args.get("trade_id") is not None:
            waiting = [trade for trade in waiting if trade.trade_id == int(args["trade_id"])]
            if not waiting:
                raise ControlError(f"trade {args['trade_id']} is not waiting for a person")
        return [manager.describe_manual(trade, time.monotonic_ns()) for trade in waiting]

    def resolve(self, args: dict[str, Any]) -> str:
        """A person's word on a MANUAL trade: `retry`, or `accept` as it is."""
        shell = self._ready()
        trade_id, decision = int(args["trade_id"]), str(args["decision"])
        refused = shell.trades.manager.resolve_manual(trade_id, decision, "a person", time.monotonic_ns())
        shell.drain()
        if refused:
            raise ControlError(refused)
        return f"trade {trade_id}: {decision}"

    def differences(self, args: dict[str, Any]) -> list[dict[str, str]]:
        """Where ledger and venue have differed for a while: what each says, and which instruments take no entries for it."""
        manager = self._ready().trades.manager
        return [{"account": one.account, "asset": one.asset, "ledger": str(one.ours), "venue": str(one.theirs),
                 "locks": ", ".join(manager.instruments[row].name for row in manager.differences.rows_of(one))}
                for one in manager.differences.all()]

    def accept_difference(self, args: dict[str, Any]) -> str:
        """A person's word that the venue is right about a balance."""
        shell = self._ready()
        account, asset = str(args["account"]), str(args["asset"])
        refused = shell.trades.manager.accept_difference(account, asset, "a person", time.monotonic_ns())
        shell.drain()
        if refused:
            raise ControlError(refused)
        return f"{account} {asset}: corrected to what the venue says"

    def close(self, args: dict[str, Any]) -> str:
        shell = self._ready()
        if args.get("trade_id") is None:
            shell.core.request_exit(None)
            return "every open pair exits"
        trade = shell.trades.manager.trades.get(int(args["trade_id"]))
        if trade is None:
            raise ControlError(f"no open trade {args['trade_id']}")
        shell.core.request_exit(trade.pair_index)
        return f"trade {args['trade_id']} exits"

    def stop(self, args: dict[str, Any]) -> str:
        self._shell.stopping.set()
        return "stopping"


def layout_none_pair() -> int:
    """Pair index of an order that belongs to no pair."""
    return 0xFFFFFFFF

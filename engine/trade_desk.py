"""Between the shell and the calm floor: hands events to the TradeManager, keeps what screen and report want to know, records ack
and fill times.

Python, after the bytes have left; nothing here decides."""
import logging
import time
from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cext.core import GATE_NAMES, SKIP_NAMES
from engine.events import BalanceUpdate, Intent, OrderEvent, OrderStatus, PositionUpdate, Purpose, SentOutcome, Side, Source
from engine.input_log import make_manager
from engine.strategies import rest_ms
from engine.trade.manager import TradeManager
from engine.trade.orders import IMMEDIATE_TYPES
from engine.trade.policy import make_policy

if TYPE_CHECKING:
    from engine.shell import Shell

log = logging.getLogger("lockstep.trade")

CMD_REFUSED = 2
SENT_KEPT = 4096
TRADES_SHOWN = 30
BAND_TELL_NS = 600_000_000_000
TRANSFER_REASONS = frozenset({"transfer", "DEPOSIT", "WITHDRAW", "MARGIN_TRANSFER", "ASSET_TRANSFER", "ADMIN_DEPOSIT",
                              "ADMIN_WITHDRAW"})


@dataclass(slots=True)
class Waits:
    """What an order that was sent still waits for."""
    sent_mono_ns: int
    is_acked: bool = False
    is_filled: bool = False


class TradeDesk:
    """One per engine."""

    def __init__(self, shell: "Shell") -> None:
        self._shell = shell
        recovery = shell.config.recovery.model_dump()
        policy = make_policy(recovery, rest_ms(shell.config), shell.config.recovery.ttl_ms)
        self.manager: TradeManager = make_manager(shell.core, shell.table, policy)
        self._waits: dict[str, Waits] = {}
        self._sent_order: deque[str] = deque()
        self._edges: dict[int, float] = {}
        self._band_told: dict[int, int] = {}       # pair -> when it was alerted
        self.recent: deque[dict[str, Any]] = deque(maxlen=500)

    # ---------------------------------------------------------------- events

    def on_sent(self, intent: Intent, outcomes: list[SentOutcome]) -> None:
        """An intent's bytes left, or not: the calm floor owns it from here on."""
        self.manager.on_intent(intent)
        for leg, outcome in zip(intent.legs, outcomes, strict=True):
            rests = leg.order_type not in IMMEDIATE_TYPES   # its fills come when somebody takes it: no latency of ours
            self._waits[leg.client_id] = Waits(outcome.send_end_mono_ns, is_filled=rests)
            self._sent_order.append(leg.client_id)
            self.manager.on_sent(outcome)
        while len(self._sent_order) > SENT_KEPT:
            self._waits.pop(self._sent_order.popleft(), None)
        if intent.purpose == Purpose.ENTRY:
            self._edges[intent.trade_id] = intent.edge_e12 / 1e8
            if len(self._edges) > SENT_KEPT:
                del self._edges[next(iter(self._edges))]
        self._remember(intent, "sent", "")

    def on_refused(self, kind: int, reason: int, intent: Intent | None) -> None:
        """A decision that the gate refused, or an edge that could not be used: kept for "why not"."""
        name = GATE_NAMES[reason] if kind == CMD_REFUSED else SKIP_NAMES[reason]
        if name == "DRY_RUN" and intent is not None:
            log.info("would send %s: %s, expected net %.4f", self.pair_name(intent.pair_index), self._legs_text(intent),
                     intent.expected_net_e8 / 1e8,
                     extra={"correlation_id": intent.trade_id})
        if name == "PRICE_BAND" and intent is not None:
            self._tell_band(intent)
        self._remember(intent, "refused" if kind == CMD_REFUSED else "skipped", name)

    def _tell_band(self, intent: Intent) -> None:
        """An edge that is too good: perhaps another symbol in the slot. Once in a while for each pair."""
        now = time.monotonic_ns()
        if now - self._band_told.get(intent.pair_index, -BAND_TELL_NS) >= BAND_TELL_NS:
            self._band_told[intent.pair_index] = now
            self._shell.alert("price_band", f"{self.pair_name(intent.pair_index)}: an edge of {intent.edge_e12 / 1e8:.0f} bps, and "
                              "a book far from those of other venues: no entry; look whether the symbols are the same coin",
                              "critical", intent.trade_id)

    def on_order_event(self, event: OrderEvent, now_mono_ns: int) -> None:
        """First answer to an order = ack, first execution seen, whatever brought it = fill; then the calm floor's."""
        waits = self._waits.get(event.client_id)
        if waits is not None and event.recv_mono_ns >= waits.sent_mono_ns:
            elapsed_ns = event.recv_mono_ns - waits.sent_mono_ns
            if not waits.is_acked and event.source == Source.REPLY and event.status not in (OrderStatus.UNKNOWN,
                                                                                            OrderStatus.NONE):
                waits.is_acked = True
                self._shell.hist.record("ack", elapsed_ns)
            if not waits.is_filled and event.is_fill:
                waits.is_filled = True
                self._shell.hist.record("fill", elapsed_ns)
        self.manager.on_order_event(event, now_mono_ns)

    def on_account(self, fact: BalanceUpdate | PositionUpdate) -> None:
        """What the venue says of balances and positions. Funding and transfers change the ledger; the rest only confirms what
        fills said."""
        if isinstance(fact, BalanceUpdate) and fact.reason == "FUNDING_FEE" and fact.delta is not None:
            self.manager.on_funding_income(fact.account, fact.asset, fact.delta, None, time.monotonic_ns())
        elif isinstance(fact, BalanceUpdate) and fact.delta and fact.reason in TRANSFER_REASONS:
            self.manager.on_transfer(fact.account, fact.asset, fact.delta, time.monotonic_ns())

    def _legs_text(self, intent: Intent) -> str:
        rows = self._shell.table.rows
        return ", ".join(f"{Side(leg.side).name} {Decimal(leg.qty).scaleb(-rows[leg.instrument_id].qty_scale)} {rows[leg.instrument_id].name} at "
                         f"{Decimal(leg.limit_px).scaleb(-rows[leg.instrument_id].px_scale)}" for leg in intent.legs)

    def _remember(self, intent: Intent | None, what: str, why: str) -> None:
        if intent is None:
            return
        self.recent.append({"at": time.strftime("%H:%M:%S"), "trade_id": intent.trade_id, "what": what, "why": why,
                            "purpose": int(intent.purpose),
                            "pair": self.pair_name(intent.pair_index), "edge_bps": intent.edge_e12 / 1e8,
                            "expected_net": intent.expected_net_e8 / 1e8, "worst_net": intent.worst_net_e8 / 1e8,
                            "notional": intent.notional_e8 / 1e8})

    # ---------------------------------------------------------------- views

    def pair_name(self, pair_index: int) -> str:
        return self._shell.strategies.describe(pair_index)

    def by_state(self) -> dict[str, int]:
        return self.manager.by_state()

    def pnl(self) -> dict[str, Any]:
        return self.manager.pnl()

    def status(self) -> dict[str, Any]:
        """Open and recent trades for screen and control socket."""
        open_trades = [self._row(self.manager.describe(trade)) for trade in list(self.manager.trades.values())[-TRADES_SHOWN:]]
        finished = [self._row(one) for one in list(self.manager.recent)[-TRADES_SHOWN:]]
        return {"by_state": self.by_state(), "recent": (open_trades + finished[::-1])[:TRADES_SHOWN]}

    def _row(self, described: dict[str, Any]) -> dict[str, Any]:
        return {"id": described["trade_id"] & 0xFFFFFFFF, "trade_id": described["trade_id"],
                "pair": self.pair_name(described["pair"]),
                "state": described["state"], "qty": next(iter(described.get("positions", {}).values()), ""),
                "edge_bps": self._edges.get(described["trade_id"]),
                "pnl_usd": described.get("net"), "orders": described.get("orders")}

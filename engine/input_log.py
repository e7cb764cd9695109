"""The input log (engine.input_log: true): everything that the core and the calm floor are given, in order, so that
`tools/replay --inputs RUN` can give it to them again and must see the same decisions.

What is an input: market records, proofs of life, feed states and the moments of evaluation (written by engine/poll.pyx as C
structs), calls of the shell and the strategies on the core (`LoggedCore`), calls of the shell on the calm floor
(`LoggedManager`). What the calm floor does to the core inside such a call follows from it and is not written. The log is a second
journal (`inputs` in place of `journal`): segments in /dev/shm, copied to `<run_dir>/inputs/` by the flusher.
"""
from __future__ import annotations

import pathlib
import time
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

import orjson

from cext.core import Core, CoreLimits, PairParams
from cext.journal import JournalWriter, boot_id
from engine.event_codec import pack_intent, pack_order_event, pack_sent, unpack_intent, unpack_order_event, unpack_sent
from engine.events import Intent, OrderEvent, SentOutcome
from engine.trade.commands import Ask, SubmitIntent
from engine.trade.manager import TradeManager
from engine.trade.unknown import QueryAnswer

STREAM = "inputs"
# Record types of this log. 101 to 105: EV_* + 100 of cext/core_types.pxd, written by engine/poll.pyx with correlation id
# (row << 32 | connection).
HOT = 100
BEGIN, RESTORE, CORE_CALL, FLOOR_CALL = 1, 2, 3, 4

CORE_CALLS = ("add_pair", "set_params", "set_signals", "set_extra_cost", "set_enabled", "set_limits", "set_order_rate",
              "set_fees", "set_leverage", "set_usd_rate", "set_trading_word", "set_session", "set_dry_run", "set_account_balance",
              "set_balance", "set_pledge", "set_position", "submit", "apply_fill", "release", "set_leg_remaining", "note_outcome",
              "note_pnl", "clear_losses", "set_pair_state", "set_residual", "rearm", "request_exit", "clear_exit", "lock_row",
              "lock_venue", "lock_all", "unlock", "shrink_plan", "watch_quotes")
FLOOR_CALLS = ("on_intent", "on_sent", "on_order_event", "on_query_answer", "on_submit_refused", "on_session",
               "on_funding_income", "on_transfer", "set_fees", "set_maintenance", "open_accounts", "reconcile",
               "reconcile_positions", "on_timer",
               "begin_stop", "resolve_manual", "accept_difference", "cancel_live", "cancel_quote", "resume")

PARAMETERS = {one.__name__: one for one in (CoreLimits, PairParams)}
PACKED: dict[str, tuple[type, Callable[[Any], bytes], Callable[[bytes], Any]]] = {
    "intent": (Intent, pack_intent, unpack_intent), "event": (OrderEvent, pack_order_event, unpack_order_event),
    "sent": (SentOutcome, pack_sent, unpack_sent)}


def pack(value: Any) -> Any:
    """As JSON that `unpack` reads back to an equal value (a tuple comes back as a list)."""
    if value is None or isinstance(value, bool | str | float) and not isinstance(value, Enum):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if isinstance(value, list | tuple):
        return [pack(one) for one in value]
    if isinstance(value, dict):
        return {"items": [[pack(key), pack(one)] for key, one in value.items()]}
    for name, (kind, to_bytes, _) in PACKED.items():
        if isinstance(value, kind):
            return {name: to_bytes(value).hex()}
    if isinstance(value, SubmitIntent):
        return {"pending": value.trade_id}
    if isinstance(value, QueryAnswer) or (is_dataclass(value) and type(value).__name__ in PARAMETERS):
        return {type(value).__name__: {one.name: pack(getattr(value, one.name)) for one in fields(value)}}
    raise TypeError(f"the input log cannot write {value!r}")


def unpack(value: Any, pending: Callable[[int], Any] = lambda trade_id: None) -> Any:
    """`pending`: trade id -> the SubmitIntent that its trade waits for."""
    if isinstance(value, list):
        return [unpack(one, pending) for one in value]
    if not isinstance(value, dict):
        return value
    (name, inner), = value.items()
    if name == "decimal":
        return Decimal(inner)
    if name == "items":
        return {unpack(key): unpack(one, pending) for key, one in inner}
    if name == "pending":
        return pending(inner)
    if name in PACKED:
        return PACKED[name][2](bytes.fromhex(inner))
    made = {key: unpack(one) for key, one in inner.items()}
    if name == "QueryAnswer":
        return QueryAnswer(**{**made, "ask": Ask(made["ask"])})
    return PARAMETERS[name](**made)


class InputLog:
    """Writes the log of one engine. `is_muted` while something is done that one record stands for."""

    def __init__(self, run_id: str, epoch: int, run_dir: pathlib.Path, segment_bytes: int) -> None:
        self.writer = JournalWriter(run_id, epoch, segment_bytes=segment_bytes, run_dir=run_dir, stream=STREAM)
        self.is_muted = False
        self._lost = 0
        self._trading_word: int | None = None

    def begin(self, limits: CoreLimits, epoch: int, instance: int) -> None:
        """The core was made with these."""
        self._append(BEGIN, {"limits": pack(limits), "epoch": epoch, "instance": instance})

    def restoring(self, identity: tuple[int, int]) -> None:
        """From here on the journal of earlier lives is read; muted until `restored`."""
        self._append(RESTORE, {"identity": list(identity), "boot": boot_id(),
                               "wall_minus_mono_ns": time.time_ns() - time.monotonic_ns()})
        self.is_muted = True

    def restored(self) -> None:
        self.is_muted = False

    def call(self, record_type: int, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        if self.is_muted:
            return
        if name == "set_trading_word":   # a hundred times a second, nearly always the same
            if args[0] == self._trading_word:
                return
            self._trading_word = args[0]
        self._append(record_type, {"call": name, "args": pack(args), "options": {key: pack(one) for key, one in options.items()}})

    def tend(self) -> bool:
        """Calm side, every few ms. False: records were lost since the last look, and the log cannot be replayed past them."""
        self.writer.tend()
        lost, self._lost = self.writer.full_count() - self._lost, self.writer.full_count()
        return lost == 0

    def close(self) -> None:
        self.writer.close()

    def _append(self, record_type: int, value: dict[str, Any]) -> None:
        self.writer.append(record_type, orjson.dumps(value), time.monotonic_ns(), time.time_ns())


class LoggedCore(Core):
    """A core whose calls from outside the calm floor are written down."""
    inputs: InputLog | None = None


class LoggedManager(TradeManager):
    """A calm floor whose calls are written down; what it calls on the core meanwhile is not."""
    inputs: InputLog | None = None


def _core_call(name: str) -> Callable[..., Any]:
    original = getattr(Core, name)

    def call(self: LoggedCore, *args: Any, **options: Any) -> Any:
        if self.inputs is not None:
            self.inputs.call(CORE_CALL, name, args, options)
        return original(self, *args, **options)
    return call


def _floor_call(name: str) -> Callable[..., Any]:
    original = getattr(TradeManager, name)

    def call(self: LoggedManager, *args: Any, **options: Any) -> Any:
        inputs = self.inputs
        if inputs is None or inputs.is_muted:
            return original(self, *args, **options)
        inputs.call(FLOOR_CALL, name, args, options)
        inputs.is_muted = True
        try:
            return original(self, *args, **options)
        finally:
            inputs.is_muted = False
    return call


for _name in CORE_CALLS:
    setattr(LoggedCore, _name, _core_call(_name))
for _name in FLOOR_CALLS:
    setattr(LoggedManager, _name, _floor_call(_name))


def make_manager(core: Any, table: Any, policy: Any) -> TradeManager:
    """The calm floor on this core; where the core's inputs are logged, so are its own."""
    if not isinstance(core, LoggedCore):
        return TradeManager(core, table, policy)
    manager = LoggedManager(core, table, policy)
    manager.inputs = core.inputs
    return manager

"""Named points inside the engine at which it can be made to die: the crash points of a transaction that lie in Python (those
between the journal's record and the second send lie in one C function: tests/dst kills there, tests/chaos about there).

    with points() as armed:
        armed.name, armed.left = "event journaled", 3     # the third time that it gets there, kill -9

`Dead` is a SystemExit: asyncio and picows let nothing of the process run on after one.
"""
from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from engine import shell as shell_module
from engine.carry_out import CommandRunner
from engine.restart import sequence as sequence_module
from engine.restart.sequence import StartSequence
from engine.shell import Shell
from engine.trade_desk import TradeDesk

# name -> (owner, function, before it or behind it)
POINTS: dict[str, tuple[Any, str, bool]] = {
    "both sent": (TradeDesk, "on_sent", True),
    "sent, and told": (TradeDesk, "on_sent", False),
    "event received": (Shell, "on_order_event", True),
    "event journaled": (TradeDesk, "on_order_event", True),
    "event applied": (TradeDesk, "on_order_event", False),
    "residual computed": (CommandRunner, "_submit", True),
    "hedge sent": (CommandRunner, "_submit", False),
    "before a record": (Shell, "journal_json", True),
    "behind a record": (Shell, "journal_json", False),
    "start: before the journal is read": (sequence_module, "restore_run", True),
    "start: journal read": (sequence_module, "restore_run", False),
    "start: account read": (shell_module, "apply_account", True),
    "start: account applied": (shell_module, "apply_account", False),
    "start: strays": (StartSequence, "_cancel_strays", True),
    "start: asking": (StartSequence, "_unproven", True),
    "start: compared": (StartSequence, "_compare", True),
    "stop: before the report": (shell_module, "write_report", True),
    "stop: behind the report": (shell_module, "write_report", False),
}
AT_START = [name for name in POINTS if name.startswith("start")]
AT_STOP = [name for name in POINTS if name.startswith("stop")]
IN_TRADE = [name for name in POINTS if name not in AT_START and name not in AT_STOP]


class Dead(SystemExit):
    """kill -9."""


class Armed:
    """What is armed just now, and how often each point was passed."""

    def __init__(self) -> None:
        self.name, self.left = "", 0
        self.passed: Counter[str] = Counter()

    def hit(self, name: str) -> None:
        self.passed[name] += 1
        if name == self.name:
            self.left -= 1
            if self.left <= 0:
                self.name = ""
                raise Dead(name)


def _wrapped(armed: Armed, name: str, original: Callable[..., Any], is_before: bool) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        if is_before:
            armed.hit(name)
        result = original(*args, **options)
        if not is_before:
            armed.hit(name)
        return result
    return call


@contextlib.contextmanager
def points() -> Iterator[Armed]:
    """Every point watched; `armed.name`, `armed.left` arm one."""
    armed, before = Armed(), []
    for name, (owner, function, is_before) in POINTS.items():
        original = getattr(owner, function)
        before.append((owner, function, original))
        setattr(owner, function, _wrapped(armed, name, original, is_before))
    try:
        yield armed
    finally:
        for owner, function, original in reversed(before):
            setattr(owner, function, original)

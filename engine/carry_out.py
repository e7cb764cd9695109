"""Carries out what the calm floor asks: orders through the gate, queries, cancels, records, alerts.

Called by the shell after each event that the calm floor saw, on the engine's loop. Orders go out in the same turn; queries are
tasks that come back as events. The order of commands is kept."""
import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from cext.core import GATE_NAMES
from engine.rest import RestError
from engine.trade.commands import Alert, CancelOrder, JournalRecord, NakedTime, QueryOrder, RestartStream, SubmitIntent
from engine.trade.unknown import QueryAnswer

if TYPE_CHECKING:
    from engine.shell import Shell

log = logging.getLogger("lockstep.trade")


class CommandRunner:
    """Executes commands for one shell. `drain()` until there is none left: an executed command may ask for more."""

    def __init__(self, shell: "Shell") -> None:
        self._shell = shell
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_draining = False

    def drain(self) -> None:
        """Execute all commands that wait. Re-entrant calls return at once: the outer one sees what they added."""
        if self._is_draining:
            return
        self._is_draining = True
        try:
            while commands := self._shell.trades.manager.take_commands():
                for command in commands:
                    self._execute(command)
        finally:
            self._is_draining = False

    def _execute(self, command: Any) -> None:
        match command:
            case SubmitIntent():
                self._submit(command)
            case JournalRecord():
                self._shell.journal_json(int(command.type), command.payload, command.trade_id)
            case NakedTime():
                self._shell.hist.record("naked", command.naked_ns)
            case Alert():
                self._shell.alert(command.code, command.text, command.severity, command.trade_id)
            case QueryOrder():
                self.spawn(self._query(command))
            case CancelOrder():
                self.spawn(self._cancel(command))
            case RestartStream():
                self._shell.gateways[command.venue].restart_stream(command.market)
            case _:
                raise TypeError(f"the calm floor asked for {command!r}, which nobody here knows")

    def _submit(self, command: SubmitIntent) -> None:
        now, wall = time.monotonic_ns(), time.time_ns()
        shell = self._shell
        reason, pool_index = shell.core.submit(command.purpose, command.trade_id, command.pair_index, command.legs, command.kind,
                                               command.ttl_ns, now, wall)
        if reason:
            shell.trades.manager.on_submit_refused(command, GATE_NAMES[reason], now)
            return
        log.info("trade %d: %s", command.trade_id, command.cause, extra={"correlation_id": command.trade_id})
        shell.poller.send_pooled(pool_index)
        if command.proof_mono_ns:
            shell.hist.record("repair", time.monotonic_ns() - command.proof_mono_ns)

    def spawn(self, coroutine: Any) -> None:
        """Run a task whose failure is told to a person."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._shell.alert("task_failed", f"a query or cancel failed in our own code: {task.exception()!r}", "critical", 0)
            log.error("query or cancel failed", exc_info=task.exception())

    async def _query(self, command: QueryOrder) -> None:
        """Ask the venue; the answer's events first, then the word that it answered. No answer counts for nothing."""
        shell = self._shell
        answer = QueryAnswer(command.client_id, command.ask, command.asked_mono_ns, 0, False)
        try:
            found = await shell.gateway_of_row(command.row).query(str(command.ask), command.row, command.client_id,
                                                                  venue_order_id=command.venue_order_id,
                                                                  since_mono_ns=command.since_mono_ns)
        except RestError as error:
            log.warning("query %s of %s brought no answer: %s", command.ask, command.client_id, error,
                        extra={"correlation_id": command.trade_id})
        else:
            answer.is_answered, answer.is_found, answer.position = True, found.is_found, found.position
            for event in found.events:
                shell.on_order_event(event)
        answer.recv_mono_ns = time.monotonic_ns()
        shell.trades.manager.on_query_answer(answer)
        self.drain()

    async def _cancel(self, command: CancelOrder) -> None:
        shell = self._shell
        try:
            for event in await shell.gateway_of_row(command.row).cancel(command.row, command.client_id):
                shell.on_order_event(event)
        except RestError as error:
            log.warning("cancel of %s brought no answer: %s", command.client_id, error,
                        extra={"correlation_id": command.trade_id})

    async def finish(self) -> None:
        """Wait for the tasks under way (at a stop)."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2.0)

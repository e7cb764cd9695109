"""The steps of an engine's start between "sessions are up" and "may trade".

`restore` before a gateway is made; user streams that come up afterwards find a manager that takes facts and decides nothing.
Then, with books and sessions there, `reconcile`: own stray orders are cancelled, unproven orders asked for, residuals closed
(never a good hedge), and balances and positions compared with the ledger twice, 250 ms apart. Until that is done the engine is
RESTRICTED: reducing orders only. On the first start of a run there is nothing to restore, and only strays and differences are
looked for.
"""
import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from cext.journal import JournalCorrupt
from engine.gateways.contract import AccountRefused
from engine.rest import RestError
from engine.restart.scan import EarlierLives, restore_run
from engine.trade.manager import NOT_REDUCING, is_later_engine
from engine.trade.restore import RestoreRefused
from engine.trade.states import TradeState

if TYPE_CHECKING:
    from engine.shell import Shell

log = logging.getLogger("lockstep.restart")

REASON = "restart"
UNCLEAN = "unclean_starts"
COMPARE_APART_S = 0.26      # RELIABILITY B-RECON: two snapshots 250 ms apart
COMPARE_LAST_S = 4.0        # between two that brought no answer or a difference
PROOF_LOOK_S = 0.02
SAY_EVERY_S = 5.0


class CannotRestore(Exception):
    """The journal of earlier lives cannot be taken over; the text says what a person can do."""


class StartSequence:
    """One for each engine."""

    def __init__(self, shell: "Shell") -> None:
        self._shell = shell
        self._exec_s = time.monotonic()
        self.lives = EarlierLives()
        self.reconciled_s: float | None = None   # from the engine's start

    @property
    def is_restart(self) -> bool:
        return self.lives.restorer is not None

    def restore(self) -> None:
        """Read what earlier lives of this run have journaled. Raises CannotRestore."""
        shell = self._shell
        manager = shell.trades.manager
        manager.identity = (shell.config.engine.instance, shell.epoch)
        if shell.inputs is not None:
            shell.inputs.restoring(manager.identity)
        try:
            self.lives = restore_run(shell.run_id, shell.run_dir, shell.epoch, manager)
        except (JournalCorrupt, RestoreRefused) as error:
            raise CannotRestore(f"the journal of this run cannot be taken over: {error}. Nothing was sent. Look at the accounts, "
                                "then start a new run; this run directory stays as it is") from error
        finally:
            if shell.inputs is not None:
                shell.inputs.restored()
        if not self.is_restart:
            return
        shell.restrict(REASON)
        found = self.lives.restored
        shell.alert("restart", f"{'restarted' if found.was_clean else 'restarted after a crash'}: {found.sentence()} "
                    f"(read in {self.lives.elapsed_s:.2f} s)")
        unclean = self.lives.unclean_lately(time.time_ns())
        if unclean >= shell.config.recovery.unclean_starts_max:
            shell.restrict(UNCLEAN)
            shell.alert(UNCLEAN, f"{unclean} unclean ends within ten minutes: reducing orders only, until `resume` "
                        "over the control socket", "critical")

    async def reconcile(self) -> None:
        """Until everything is proven and equal; says what it waits for. Never gives up: a stop ends it."""
        shell = self._shell
        self._cancel_strays()
        if not self.is_restart:
            self.reconciled_s = time.monotonic() - self._exec_s
            return
        shell.trades.manager.resume(time.monotonic_ns(), time.time_ns())
        shell.drain()
        next_say = time.monotonic() + SAY_EVERY_S
        equal, wait_s = 0, COMPARE_APART_S
        while equal < 2:
            missing = self._unproven()
            if missing:
                equal, pause_s = 0, PROOF_LOOK_S
            else:
                missing = await self._compare()
                equal = 0 if missing else equal + 1
                wait_s = min(2 * wait_s, COMPARE_LAST_S) if missing else COMPARE_APART_S   # each costs the venues' rate
                pause_s = wait_s
            if missing and time.monotonic() >= next_say:
                next_say = time.monotonic() + SAY_EVERY_S
                log.warning("not reconciled yet: %s", "; ".join(missing[:5]))
            if equal < 2:
                await asyncio.sleep(pause_s)
        self.reconciled_s = time.monotonic() - self._exec_s
        shell.release(REASON)
        log.info("reconciled %.2f s after the start: ledger and venues are equal", self.reconciled_s)

    def _unproven(self) -> list[str]:
        """What is not known or not closed yet. Trades that a person decides about are declared, and not waited for."""
        manager = self._shell.trades.manager
        missing = [f"{order.client_id} on {order.instrument.name} is not proven" for trade in manager.trades.values()
                   if trade.state != TradeState.MANUAL for order in trade.orders if not order.is_settled]
        return missing + [f"trade {trade.trade_id} is {trade.state}" for trade in manager.trades.values()
                          if (trade.state in (TradeState.RECOVERING, TradeState.UNWINDING) or trade.pending is not None)
                          and trade.gate_refusal != NOT_REDUCING]   # which only the end of this very restriction lets pass

    async def _compare(self) -> list[str]:
        """Differences of the venues that are up; a lasting one locks its rows and is alerted, and is no reason to wait."""
        shell = self._shell
        manager = shell.trades.manager
        differing = []
        for venue in shell.venues_up():
            try:
                found = await shell.compare(venue, is_critical=True)
            except (RestError, AccountRefused) as error:
                differing.append(f"{venue}: not read: {error}")
                continue
            now = time.monotonic_ns()
            differing += [str(one) for one in found if not _is_locked(manager, one, now)]
        return differing

    def _cancel_strays(self) -> None:
        """Open orders with our instance number: of earlier lives, or of an earlier run."""
        shell = self._shell
        for venue, gateway in shell.gateways.items():
            for market in gateway.markets.values():
                for symbol, client_id in market.state.own_orders:
                    if is_later_engine(client_id, shell.trades.manager.identity):
                        shell.core.lock_all((1 << 63) - 1, 8)
                        shell.alert("second_engine", f"{venue} {symbol}: open order {client_id} has our instance number and a "
                                    "later epoch: another engine trades with the same keys; no entries here", "critical")
                        continue
                    row = market.rows[symbol].id
                    shell.alert("stray_order", f"{venue} {symbol}: open order {client_id} of an earlier start: cancelled")
                    shell.spawn(self._cancel(row, client_id))

    async def _cancel(self, row: int, client_id: str) -> None:
        shell = self._shell
        try:
            for event in await shell.gateway_of_row(row).cancel(row, client_id):
                shell.on_order_event(event)
        except RestError as error:
            shell.alert("stray_order", f"{client_id} could not be cancelled: {error}", "critical")


def _is_locked(manager: Any, difference: Any, now: int) -> bool:
    """Whether all rows that a difference concerns take no entries because of it."""
    rows = [one.row for one in manager.instruments if one.account == difference.account
            and difference.asset in (one.base, one.quote, one.name)]
    return bool(rows) and all("DIFFERENCE" in manager.locks.reasons(row, now) for row in rows)

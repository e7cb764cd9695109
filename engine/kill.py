"""The kill, by whichever way it comes: the shared word (tools/kill, control socket), a signal, a file. Any one suffices.

The word stops entries by itself: it is read before each send (engine/poll.pyx), and the core's gate has it within a tick. What is
done here, once per kill and on the engine's loop: the file is looked for, orders of ours that may still execute are cancelled,
and a person hears of it. Hedges of what is unhedged go on; a good hedge is never closed. The way back is `release` alone: it
needs a person, and a comparison with every venue that finds no difference.
"""
import logging
import signal
from typing import TYPE_CHECKING

from cext import layout
from engine.gateways.contract import AccountRefused
from engine.rest import RestError

if TYPE_CHECKING:
    from engine.shell import Shell

log = logging.getLogger("lockstep.kill")

KILL_SIGNAL = signal.SIGUSR1
KILL_FILE = "KILL"            # in the run directory: `touch var/latest/KILL`


class Kill:
    """Looks and acts; one for each engine."""

    def __init__(self, shell: "Shell") -> None:
        self._shell = shell
        self._path = shell.run_dir / KILL_FILE
        self.is_acted_on = False

    def on_signal(self) -> None:
        """Its handler: the word at once, the rest with the next tick."""
        self._shell.state.set_operator_word(layout.TRADING_EMERGENCY)
        self._act("by signal")

    def look(self) -> None:
        """Each tick: has a kill come, or been taken back?"""
        word = self._shell.state.trading_word()
        if word < layout.TRADING_EMERGENCY and self._path.exists():
            self._shell.state.set_operator_word(layout.TRADING_EMERGENCY)
            self._act(f"by the file {self._path}")
        elif word >= layout.TRADING_EMERGENCY:
            self._act("by the kill word")
        else:
            self.is_acted_on = False

    def _act(self, how: str) -> None:
        """Once per kill; a second one while hedges are under way changes nothing."""
        shell = self._shell
        if self.is_acted_on:
            return
        self.is_acted_on = True
        if hasattr(shell, "core"):
            shell.core.set_trading_word(shell.state.trading_word())
        cancelled = shell.trades.manager.cancel_live() if shell.trades is not None else 0
        if shell.trades is not None:
            shell.drain()
        shell.alert("kill", f"killed {how}: no entries; {cancelled} orders in flight are cancelled, what is unhedged is hedged, "
                    "held pairs are kept", "critical")

    async def release(self) -> list[str]:
        """Differences and open questions that forbid it; [] = released. A person asks for it."""
        shell = self._shell
        if shell.trades is None:
            return ["the engine has no accounts yet"]
        manager = shell.trades.manager
        why_not = [f"{order.client_id} on {order.instrument.name} is not proven" for order in manager._orders.values()
                   if order.is_live]
        for venue in shell.gateways:
            if venue not in shell.venues_up():
                why_not.append(f"{venue} is not up")
                continue
            try:
                why_not += [str(one) for one in await shell.compare(venue)]
            except (RestError, AccountRefused) as error:
                why_not.append(f"{venue}: balances and positions not read: {error}")
        if not why_not:
            self._path.unlink(missing_ok=True)
            shell.state.set_operator_word(layout.TRADING_ACTIVE)
            self.look()
            log.warning("the kill is released: ledger and venues are equal")
        return why_not

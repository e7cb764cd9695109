"""tools/kill: the operator's word in the state page. Needs neither the engine's loop nor its control socket; taking a kill back
needs both, because the engine compares its ledger with every venue first."""
import pathlib

import click

from cext import layout, state_page
from cext.shm import ShmError
from engine import client
from tools.run_argument import find_run, run_argument

WORDS = {"kill": layout.TRADING_EMERGENCY, "halt": layout.TRADING_HALTED, "reduce-only": layout.TRADING_RESTRICTED,
         "cautious": layout.TRADING_CAUTIOUS, "release": layout.TRADING_ACTIVE}


@click.command()
@run_argument
@click.option("--word", type=click.Choice(list(WORDS)), default="kill", show_default=True,
              help="kill: no entries, orders in flight cancelled, what is unhedged hedged; release: back to ACTIVE, after the "
                   "engine has found no difference to any venue")
def main(run: str | None, word: str) -> None:
    """Stop entries now. RUN: run id or directory, default var/latest."""
    run_dir = find_run(run)
    if word == "release":
        release(run_dir)
        return
    try:
        page = state_page.StatePage.open(run_dir.name)
        present = int(page.snapshot()["operator_word"])
        page.close()
        if WORDS[word] < present:
            raise click.ClickException(f"run {run_dir.name}: the operator's word is {layout.names_of('TRADING_')[present]}; "
                                       f"{word} would lower it. Only --word release does that")
        state_page.kill(run_dir.name, WORDS[word])
    except ShmError as error:
        raise click.ClickException(f"{error}: is the engine of run {run_dir.name} running?") from error
    click.echo(f"run {run_dir.name}: operator's word is now {word.upper()}")


def release(run_dir: pathlib.Path) -> None:
    """Ask the engine; it says what stands against it."""
    try:
        click.echo(f"run {run_dir.name}: {client.call(run_dir, 'release')}")
    except (client.NotRunning, client.CommandError, OSError) as error:
        raise click.ClickException(f"run {run_dir.name}: {error}") from error

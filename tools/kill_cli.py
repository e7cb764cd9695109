"""tools/kill: the operator's word in the state page. Needs neither the engine's loop nor its control socket."""
import click

from cext import layout, state_page
from cext.shm import ShmError
from tools.run_argument import find_run, run_argument

WORDS = {"kill": layout.TRADING_EMERGENCY, "halt": layout.TRADING_HALTED, "reduce-only": layout.TRADING_RESTRICTED,
         "cautious": layout.TRADING_CAUTIOUS, "release": layout.TRADING_ACTIVE}


@click.command()
@run_argument
@click.option("--word", type=click.Choice(list(WORDS)), default="kill", show_default=True,
              help="kill: no entries, finish and repair what is open; release: the operator's word back to ACTIVE")
def main(run: str | None, word: str) -> None:
    """Stop entries now. RUN: run id or directory, default var/latest."""
    run_dir = find_run(run)
    try:
        state_page.kill(run_dir.name, WORDS[word])
    except ShmError as error:
        raise click.ClickException(f"{error}: is the engine of run {run_dir.name} running?") from error
    click.echo(f"run {run_dir.name}: operator's word is now {word.upper()}")

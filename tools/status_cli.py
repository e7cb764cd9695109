"""tools/status: one look at a running engine, or a live screen."""
import json
import time

import click
from rich.console import Console
from rich.live import Live

from engine import client
from engine.supervisor.screen import plain_line, render
from tools.run_argument import find_run, run_argument

WATCH_PERIOD_S = 0.5


@click.command()
@run_argument
@click.option("--json", "as_json", is_flag=True, help="the whole status as one JSON object")
@click.option("--watch", is_flag=True, help="a live screen until Ctrl-C (plain lines without a terminal)")
def main(run: str | None, as_json: bool, watch: bool) -> None:
    """Show the status of a running engine. RUN: run id or directory, default var/latest."""
    run_dir = find_run(run)
    console = Console()
    try:
        status = client.call(run_dir, "status", who="tools/status")
        if as_json:
            click.echo(json.dumps(status, indent=1))
        elif not watch:
            console.print(render(status, console)) if console.is_terminal else click.echo(plain_line(status))
        elif not console.is_terminal:
            while True:
                click.echo(plain_line(client.call(run_dir, "status", who="tools/status")))
                time.sleep(1.0)
        else:
            with Live(render(status, console), console=console, screen=True, auto_refresh=False) as live:
                while True:
                    live.update(render(client.call(run_dir, "status", who="tools/status"), console), refresh=True)
                    time.sleep(WATCH_PERIOD_S)
    except client.NotRunning as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        pass

"""tools/status: one look at a running engine, or a live screen."""
import asyncio
import json
import pathlib

import click
from rich.console import Console
from rich.live import Live

from engine import client
from engine.observe import Observer
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
    try:
        asyncio.run(show(run_dir, as_json, watch))
    except (client.NotRunning, client.CommandError) as error:
        raise click.ClickException(f"run {run_dir.name}: {error}") from error
    except KeyboardInterrupt:
        pass


async def show(run_dir: pathlib.Path, as_json: bool, watch: bool) -> None:
    """Print one status, or go on until Ctrl-C."""
    console = Console()
    observer = Observer(run_dir, "tools/status")
    try:
        status = await observer.status()
        if as_json:
            click.echo(json.dumps(status, indent=1))
        elif console.is_terminal and watch:
            with Live(render(status, console), console=console, screen=True, auto_refresh=False) as live:
                while True:
                    live.update(render(await observer.status(), console), refresh=True)
                    await asyncio.sleep(WATCH_PERIOD_S)
        elif console.is_terminal:
            console.print(render(status, console))
        else:
            click.echo(plain_line(status))
            while watch:
                await asyncio.sleep(1.0)
                click.echo(plain_line(await observer.status()))
    finally:
        observer.close()

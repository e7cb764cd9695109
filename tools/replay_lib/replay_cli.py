"""Command line of tools/replay. Exit codes: 0 done, 1 a capture or configuration cannot be used, or is torn; 2 wrong usage."""
from __future__ import annotations

import json
import pathlib
import sys
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import click
from pydantic import ValidationError

from cext.journal import JournalCorrupt
from engine.config import Config, ConfigError, load
from engine.input_replay import CannotReplay, replay_inputs
from engine.trade.restore import RestoreRefused
from feeds.capture_format import CaptureError
from feeds.instruments import InstrumentError
from tools.replay_lib.edges import EdgeReport, measure_edges
from tools.replay_lib.report import book_text, summary, summary_text
from tools.replay_lib.session import Delays, ReplaySession, ReplaySettings
from tools.replay_lib.tables import ReplayError
from tools.run_argument import find_run

PATH = click.Path(path_type=pathlib.Path)
STRATEGY_OPTIONS = {"entry_bps": "entry_net_bps", "exit_bps": "exit_cost_bps", "notional": "max_notional_usd",
                    "horizon_s": "horizon_s"}


def fail(error: object) -> NoReturn:
    """One sentence on stderr, exit code 1."""
    click.echo(f"replay: {error}", err=True)
    sys.exit(1)


def parse_amounts(texts: tuple[str, ...]) -> dict[str, Decimal]:
    """("BTC=0.5", ...) -> {"BTC": Decimal("0.5")}"""
    found = {}
    for text in texts:
        asset, _, amount = text.partition("=")
        try:
            found[asset] = Decimal(amount)
        except InvalidOperation:
            raise click.BadParameter(f"{text!r}: right is ASSET=AMOUNT, such as BTC=0.5") from None
    return found


def make_config(path: pathlib.Path | None, options: dict[str, Any]) -> Config:
    """The file's configuration, or the default one, with the options put over it and checked again."""
    values = (load(path) if path else Config()).model_dump()
    strategy = values["strategies"]["spot_futures"]
    for option, key in STRATEGY_OPTIONS.items():
        if options[option] is not None:
            strategy[key] = options[option]
    if options["reverse"]:
        strategy["allow_reverse"] = "inventory"
    values["risk"]["max_order_usd"] = max(values["risk"]["max_order_usd"], strategy["max_notional_usd"])
    return Config.model_validate(values)


def make_settings(options: dict[str, Any]) -> ReplaySettings:
    taker = Decimal(str(options["taker_bps"])) if options["taker_bps"] is not None else None
    return ReplaySettings(
        config=make_config(options["config"], options),
        delays=Delays(int(options["order_ms"] * 1e6), int(options["reply_ms"] * 1e6)),
        taker_bps={} if taker is None else {"spot": taker, "linear": taker},
        balance=Decimal(str(options["balance"])), inventory=parse_amounts(options["inventory"]),
        allow_truncated=options["allow_truncated"], speed=options["speed"])


@click.command()
@click.argument("captures", nargs=-1, type=PATH)
@click.option("--inputs", "run", metavar="RUN", help="In place of captures: the inputs that a run has logged (engine.input_log), "
              "given to a fresh engine; a run id, a run directory, or latest.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--speed", type=click.FloatRange(min=0), default=0.0, help="1 = real time; 0 (default) = as fast as it goes.")
@click.option("--book", "book_name", help="Print the final book of this instrument, such as binance:BTC/USDT.")
@click.option("--depth", type=click.IntRange(min=1), default=10, show_default=True, help="Levels a side of --book.")
@click.option("--edges", is_flag=True, help="Distribution of the basis edge against fee tiers; decides nothing.")
@click.option("--config", type=PATH, help="Strategy, risk and recovery parameters (default: those of the simulation).")
@click.option("--taker-bps", type=float, help="Taker fee of every instrument, in place of the table's.")
@click.option("--entry-bps", type=float, help="Net that an entry must leave (strategies.spot_futures.entry_net_bps).")
@click.option("--exit-bps", type=float, help="What closing may cost (exit_cost_bps).")
@click.option("--notional", type=float, help="Largest entry (max_notional_usd).")
@click.option("--horizon-s", type=int, help="A pair is closed after so long.")
@click.option("--reverse", is_flag=True, help="Also sell spot from inventory and buy the perpetual.")
@click.option("--inventory", multiple=True, metavar="ASSET=AMOUNT", help="Spot balance at the start, such as BTC=1.")
@click.option("--balance", type=float, default=1_000_000.0, show_default=True, help="Quote balance of each account at the start.")
@click.option("--order-ms", type=click.FloatRange(min=0), default=2.0, show_default=True,
              help="Modelled delay of an order to the venue.")
@click.option("--reply-ms", type=click.FloatRange(min=0), default=2.0, show_default=True, help="Modelled delay of its answer.")
@click.option("--allow-truncated", is_flag=True, help="Replay a torn capture up to the tear and exit with 0.")
def main(captures: tuple[pathlib.Path, ...], run: str | None, **options: Any) -> None:
    """Replay CAPTURES, merged by receive time (the one named first on a tie)."""
    if (run is None) == (not captures):
        raise click.UsageError("give one or more captures, or --inputs RUN")
    if run is not None:
        show_inputs(run, options["as_json"])
        return
    try:
        settings = make_settings(options)
        if options["edges"]:
            show_edges(measure_edges(list(captures), settings.allow_truncated), options["as_json"])
            return
        session = ReplaySession(list(captures), settings)
        name = options["book_name"]
        if name and name not in session.table.by_name:
            fail(f"{name}: not in these captures; they hold {', '.join(session.table.by_name)}")
        session.run()
    except (CaptureError, ReplayError, InstrumentError, ConfigError, OSError) as error:
        fail(error)
    except ValidationError as error:
        fail("; ".join(f"{'.'.join(map(str, one['loc']))} {one['input']!r}: {one['msg']}" for one in error.errors()))
    if options["as_json"]:
        click.echo(json.dumps(summary(session)))
    elif name:
        click.echo(book_text(session, name, options["depth"]))
    else:
        click.echo(summary_text(session))


def show_inputs(run: str, as_json: bool) -> None:
    """Every life of a run again, from its input log; ends with 1 when one decides something else."""
    try:
        lives = replay_inputs(find_run(None if run == "latest" else run))
    except (CannotReplay, JournalCorrupt, RestoreRefused, ConfigError, InstrumentError, OSError) as error:
        fail(error)
    if as_json:
        click.echo(json.dumps([{"epoch": life.epoch, "inputs": life.inputs, **life.counts, "difference": life.difference}
                               for life in lives]))
    else:
        for life in lives:
            click.echo(life.sentence())
    sys.exit(any(life.difference for life in lives))


def show_edges(report: EdgeReport, as_json: bool) -> None:
    click.echo(json.dumps(report.to_json()) if as_json else report.to_text())

"""Command line of tools/history. Exit codes: 0 done, 1 the input cannot be used as it is (nothing written), 2 wrong usage."""
from __future__ import annotations

import json
import pathlib
import sys
from decimal import Decimal, InvalidOperation
from typing import NoReturn

import click

from tools.history_import import ImportChoices, import_history
from tools.history_info import describe, to_text
from tools.history_series import HistoryError, check_out, read_history, write_history
from tools.history_sources import READERS, SourceOptions

PATH = click.Path(path_type=pathlib.Path)
OFFSET_MAX = 14  # hours; no clock on earth is farther from UTC


def fail(error: object) -> NoReturn:
    """One sentence on stderr, exit code 1."""
    click.echo(f"history: {error}", err=True)
    sys.exit(1)


def parse_offset(context: click.Context, parameter: click.Parameter, text: str | None) -> Decimal | None:
    """Hours from -14 to 14, halves and quarters too."""
    if text is None:
        return None
    try:
        hours = Decimal(text)
        if abs(hours) <= OFFSET_MAX and hours * 4 == (hours * 4).to_integral_value():
            return hours
    except InvalidOperation:
        pass
    raise click.BadParameter(f"{text!r} is no number of hours from -{OFFSET_MAX} to {OFFSET_MAX} in quarters", context, parameter)


@click.group()
def main() -> None:
    """Bring histories of funding rates and candles into one form: UTC ns, exact decimal text, a source that is named."""


@main.command("import")
@click.option("--format", "form", type=click.Choice(list(READERS)), required=True,
              help="funding_csv: Symbol,Date,Funding Rate; okx_funding_json: a reply of the funding-rate endpoint; candles_csv, "
              "candles_feather: timestamp or date, open, high, low, close, volume.")
@click.option("--utc-offset-hours", callback=parse_offset, metavar="HOURS",
              help="How far the source's times are ahead of UTC; needed where they say no zone, never guessed.")
@click.option("--symbol", default="", help="What the rows are about, where the source does not say it (candles).")
@click.option("--venue", default="", help="Kept in the header.")
@click.option("--sort", is_flag=True, help="Put rows in order of time instead of refusing those that are not.")
@click.option("--drop-duplicates", is_flag=True, help="Leave out rows that repeat another one exactly instead of refusing them.")
@click.option("--skip-bad", is_flag=True, help="Leave out rows that cannot be read instead of refusing the import.")
@click.argument("source", type=PATH)
@click.argument("out", type=PATH)
def import_command(form: str, utc_offset_hours: Decimal | None, symbol: str, venue: str, sort: bool, drop_duplicates: bool,
                   skip_bad: bool, source: pathlib.Path, out: pathlib.Path) -> None:
    """Bring SOURCE into the history OUT (.jsonl.zst or .csv)."""
    try:
        check_out(out)
        history = import_history(source, form, venue, SourceOptions(symbol, utc_offset_hours),
                                 ImportChoices(sort, drop_duplicates, skip_bad))
        write_history(out, history)
    except HistoryError as error:
        fail(error)
    for name, problem in history.header.problems.items():
        click.echo(f"history: {name}: {problem['count']} ({', '.join(problem['places'])})", err=True)
    click.echo(f"{out}: {history.header.rows} rows of {len({row.symbol for row in history.rows})} symbols")


@main.command()
@click.argument("file", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def info(file: pathlib.Path, as_json: bool) -> None:
    """What is in the history FILE."""
    try:
        told = describe(read_history(file))
    except HistoryError as error:
        fail(error)
    click.echo(json.dumps(told) if as_json else to_text(str(file), told))

"""Command line of tools/capture. Exit codes: 0 done, 1 the input cannot be used as it is (nothing written), 2 wrong usage."""
from __future__ import annotations

import json
import pathlib
import sys
from typing import NoReturn

import click

from engine.config import ConfigError
from feeds.capture_format import CaptureError
from feeds.instruments import InstrumentError, InstrumentTable
from tools.replay_lib.capture_info import read_info
from tools.replay_lib.import_common import AUTO, ImportOptions, ImportRefused, ImportReport
from tools.replay_lib.import_cryptofeed import CryptofeedImport
from tools.replay_lib.import_depthcharge import DepthchargeImport
from tools.replay_lib.import_frames import FrameImport
from tools.replay_lib.import_lines import LineImport
from tools.replay_lib.record import RecordFailed, record_alone, record_running
from tools.replay_lib.sources import SourceError
from tools.run_argument import find_run

IMPORTERS: dict[str, type[LineImport | CryptofeedImport | DepthchargeImport | FrameImport]] = {
    "lines": LineImport, "cryptofeed_v3": CryptofeedImport, "depthcharge": DepthchargeImport, "frames": FrameImport}
PATH = click.Path(path_type=pathlib.Path)


def fail(error: object) -> NoReturn:
    """One sentence on stderr, exit code 1."""
    click.echo(f"capture: {error}", err=True)
    sys.exit(1)


@click.group()
def main() -> None:
    """Record, import and describe captures of raw frames."""


@main.command()
@click.argument("out", type=PATH)
@click.option("--run", help="Run id or directory of a running system (default: var/latest).")
@click.option("--connect", "config", type=PATH, help="Start a feed process of our own with this configuration instead.")
@click.option("--feed", default="binance", show_default=True, help="Which feed.")
@click.option("--duration", type=click.FloatRange(min=0.1), help="Seconds; without it until Ctrl-C.")
def record(out: pathlib.Path, run: str | None, config: pathlib.Path | None, feed: str, duration: float | None) -> None:
    """Record the raw frames of a feed into OUT."""
    if run and config:
        raise click.UsageError("--run and --connect exclude each other")
    try:
        if config:
            record_alone(config, feed, out, duration)
        else:
            record_running(find_run(run), feed, out, duration)
        click.echo(read_info(out).to_text())
    except (RecordFailed, ConfigError, CaptureError, InstrumentError, OSError) as error:
        fail(error)


@main.command("import")
@click.option("--venue", default="", help="Whose frames they are; not needed where the source says it (depthcharge, frames). Frames "
              "of a venue that nothing here reads are kept whole, without instruments.")
@click.option("--market", type=click.Choice([AUTO, "spot", "linear"]), default=AUTO, show_default=True,
              help="auto: as the address of the connection, or the listing that has the symbol, tells.")
@click.option("--format", "form", type=click.Choice(list(IMPORTERS)), required=True,
              help="lines: `<recv_ns> <frame>` a line; cryptofeed_v3: zstd JSON lines of that project; depthcharge: NDJSON of one "
              "connection; frames: single frames in JSON objects.")
@click.option("--instruments", type=PATH, help="Instrument table to take scales and filters from (else: digits seen).")
@click.option("--keep-bad", is_flag=True, help="Keep lines that cannot be read as notes instead of refusing the import.")
@click.option("--allow-truncated", is_flag=True, help="Bring in a source that is cut off up to the cut.")
@click.argument("sources", nargs=-1, required=True, type=PATH)
@click.argument("out", type=PATH)
def import_command(venue: str, market: str, form: str, instruments: pathlib.Path | None, keep_bad: bool, allow_truncated: bool,
                   sources: tuple[pathlib.Path, ...], out: pathlib.Path) -> None:
    """Bring recordings of SOURCES, in that order, into the capture OUT."""
    try:
        given = InstrumentTable.load(instruments) if instruments else None
        options = ImportOptions(venue, market, list(sources), given, keep_bad, allow_truncated)
        report = IMPORTERS[form](options).run(out)
    except (ImportRefused, SourceError, CaptureError, InstrumentError, OSError) as error:
        fail(error)
    show_report(out, report)


def show_report(out: pathlib.Path, report: ImportReport) -> None:
    for line in report.problems.lines():
        click.echo(f"capture: {line}", err=True)
    click.echo(
        f"{out}: {report.frames} frames, {report.snapshots} snapshots, {report.notes} notes; "
        f"{', '.join(report.instruments) or 'no instrument'}"
    )


@main.command()
@click.argument("file", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
@click.option("--allow-truncated", is_flag=True, help="Exit with 0 also when the file is torn.")
def info(file: pathlib.Path, as_json: bool, allow_truncated: bool) -> None:
    """What is in the capture FILE."""
    try:
        found = read_info(file)
    except (CaptureError, InstrumentError) as error:
        fail(error)
    click.echo(json.dumps(found.to_json()) if as_json else found.to_text())
    if found.torn and not allow_truncated:
        fail(found.torn)

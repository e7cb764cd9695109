"""tools/latency_report [RUN]: one row a stage, in the order in which a tick passes them.

RUN is a run id, a run directory, or nothing for var/latest. What still runs is read from its shared-memory pages, what has
stopped from <run_dir>/hist/*.json, and both are merged by stage: histograms merge, percentiles don't. --json gives the same in
ns."""
import json
import pathlib
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cext import hist, shm
from tools.run_argument import find_run, run_argument

ORDER = ("wire", "recv", "decode", "publish", "ring", "detect", "gate", "journal", "encode", "send", "ack", "fill",
         "tick_to_trade", "own", "naked")
COLUMNS = (("count", "count"), ("min", "min_ns"), ("p50", "p50_ns"), ("p90", "p90_ns"), ("p99", "p99_ns"), ("p99.9", "p999_ns"),
           ("p99.99", "p9999_ns"), ("max", "max_ns"))
HEADLINES = ("tick_to_trade", "own")


def human_ns(value: int) -> str:
    """Three to four digits and a unit: 873 ns, 4.21 us, 12.4 ms, 1.75 s."""
    for limit, divisor, unit in ((1_000, 1, "ns"), (1_000_000, 1_000, "us"), (1_000_000_000, 1_000_000, "ms")):
        if value < limit:
            scaled = value / divisor
            return f"{scaled:.0f} {unit}" if divisor == 1 or scaled >= 100 else f"{scaled:.3g} {unit}"
    return f"{value / 1e9:.3g} s"


def collect(run_dir: pathlib.Path) -> tuple[dict[str, Any], list[str], list[str]]:
    """(stage -> histogram, components read live, components read from files). A component that runs has its page read, not its
    old file."""
    run_id = run_dir.name
    parts, live = [], []
    for component in hist.live_components(run_id):
        try:
            page = hist.HistPage.open(run_id, component)
        except shm.ShmError as error:
            if error.reason == "missing":
                continue  # it stopped just now; its file is there instead
            raise
        parts.append(page.snapshot())
        live.append(component)
    files = [path for path in sorted((run_dir / "hist").glob("*.json")) if path.stem not in live]
    parts += [hist.load(path) for path in files]
    return hist.merge(parts), live, [path.stem for path in files]


def stage_rows(run_dir: pathlib.Path) -> tuple[dict[str, dict[str, int]], list[str], list[str]]:
    """As collect(), with percentiles in place of histograms, in pipeline order; stages of other names follow."""
    merged, live, files = collect(run_dir)
    names = [name for name in ORDER if name in merged] + sorted(set(merged) - set(ORDER))
    return {name: hist.percentiles(merged[name]) for name in names}, live, files


def table(rows: dict[str, dict[str, int]]) -> Table:
    """The table a person sees; empty stages show a dash."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    made.add_column("stage", no_wrap=True)
    for title, _ in COLUMNS:
        made.add_column(title, justify="right", no_wrap=True)
    for name, row in rows.items():
        cells = [f"{row['count']:,}"] + [human_ns(row[key]) if row["count"] else "-" for _, key in COLUMNS[1:]]
        made.add_row(name, *cells, style="bold" if name in HEADLINES else "")
    return made


def show(rows: dict[str, dict[str, int]], heading: str, console: Console) -> None:
    """Print to a terminal or, without one, as plain text of full width."""
    console.print(heading, highlight=False, markup=False)
    console.print(table(rows))


@click.command()
@run_argument
@click.option("--json", "as_json", is_flag=True, help="one JSON object, all times in ns")
def main(run: str | None, as_json: bool) -> None:
    """Latency of every stage of a finished or running run (RUN: run id, run directory, or nothing for var/latest)."""
    run_dir = find_run(run)
    try:
        rows, live, files = stage_rows(run_dir)
    except (hist.HistogramFileError, shm.ShmError) as error:
        raise click.ClickException(str(error)) from error
    if not rows:
        raise click.ClickException(
            f"run {run_dir.name} has no histograms: no page in {shm.SHM_DIR} and nothing in {run_dir / 'hist'}; "
            "did it start, and did it stop in order?"
        )
    if as_json:
        click.echo(json.dumps({"run_id": run_dir.name, "is_running": bool(live), "live": live, "files": files, "stages": rows},
                              indent=1))
        return
    console = Console()
    if not console.is_terminal:
        console = Console(width=160, no_color=True)
    state = f"running ({', '.join(live)})" if live else "finished"
    show(rows, f"run {run_dir.name}, {state}", console)


if __name__ == "__main__":
    main()

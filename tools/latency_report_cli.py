"""tools/latency_report [RUN_A [RUN_B]]: one row a stage, in the order in which a tick passes them; two runs are compared.

RUN is a run id, a run directory, or nothing for var/latest. What still runs is read from its shared-memory pages, what has
stopped from <run_dir>/hist/*.json, and both are merged by stage. --json gives the same in ns, --plot draws it."""
from __future__ import annotations

import json
import pathlib

import click
from rich.console import Console
from rich.table import Table

from cext import hist
from tools.latency_report_compare import TITLES, ComparedStage, compare, comparison_json, differing_facts
from tools.latency_report_plot import PlotError, check_plot_path, ratio_text, signed_ns, write_plot
from tools.latency_report_runs import HEADLINES, Run, RunReadError, human_ns, read_run
from tools.run_argument import find_run

COLUMNS = (("count", "count"), ("min", "min_ns"), ("p50", "p50_ns"), ("p90", "p90_ns"), ("p99", "p99_ns"), ("p99.9", "p999_ns"),
           ("p99.99", "p9999_ns"), ("max", "max_ns"))


def stage_rows(run: Run) -> dict[str, dict[str, int]]:
    """Percentiles by stage, in pipeline order."""
    return {name: hist.percentiles(histogram) for name, histogram in run.histograms.items()}


def table(rows: dict[str, dict[str, int]]) -> Table:
    """The table of one run; empty stages show a dash."""
    made = empty_table(["stage"], [title for title, _ in COLUMNS])
    for name, row in rows.items():
        cells = [f"{row['count']:,}"] + [human_ns(row[key]) if row["count"] else "-" for _, key in COLUMNS[1:]]
        made.add_row(name, *cells, style="bold" if name in HEADLINES else "")
    return made


def comparison_table(stages: list[ComparedStage]) -> Table:
    """The table of two runs: one row a stage and percentile."""
    made = empty_table(["stage", "percentile"], ["A", "B", "B less A", "B / A"])
    made.add_column("says", no_wrap=True)
    for stage in stages:
        style = "bold" if stage.name in HEADLINES else ""
        made.add_row(stage.name, "samples", f"{stage.a_count:,}", f"{stage.b_count:,}", "", "", stage.says, style=style)
        for key, row in stage.rows.items():
            made.add_row("", TITLES[key], human_ns(row.a_ns), human_ns(row.b_ns), signed_ns(row.difference_ns),
                         ratio_text(row.ratio), row.says, style=style)
    return made


def empty_table(left: list[str], right: list[str]) -> Table:
    made = Table(box=None, pad_edge=False, header_style="bold")
    for title in left:
        made.add_column(title, no_wrap=True)
    for title in right:
        made.add_column(title, justify="right", no_wrap=True)
    return made


def show(runs: list[Run], console: Console) -> None:
    """Print to a terminal or, without one, as plain text of full width."""
    if len(runs) == 1:
        console.print(runs[0].heading, highlight=False, markup=False)
        console.print(table(stage_rows(runs[0])))
        return
    for mark, run in zip("AB", runs, strict=True):
        console.print(f"{mark}: {run.heading}", highlight=False, markup=False)
    for sentence in differing_facts(runs[0], runs[1]):
        console.print(f"   {sentence}", highlight=False, markup=False)
    console.print(comparison_table(compare(runs[0], runs[1])))


def as_json_text(runs: list[Run]) -> str:
    if len(runs) == 2:
        return json.dumps(comparison_json(runs[0], runs[1]), indent=1)
    return json.dumps(runs[0].head_json() | {"stages": stage_rows(runs[0])}, indent=1)


@click.command()
@click.argument("run_a", required=False, metavar="[RUN_A]")
@click.argument("run_b", required=False, metavar="[RUN_B]")
@click.option("--compare", "compared", metavar="RUN", help="the same as RUN_B: what RUN_A, or var/latest, is compared with")
@click.option("--json", "as_json", is_flag=True, help="one JSON object, all times in ns")
@click.option("--plot", type=click.Path(path_type=pathlib.Path), metavar="FILE.png|.html",
              help="draw percentile curves of every stage; HTML is one file with drawing and tables")
def main(run_a: str | None, run_b: str | None, compared: str | None, as_json: bool, plot: pathlib.Path | None) -> None:
    """Latency of every stage of a finished or running run (RUN: run id, run directory, or nothing for var/latest).

    With two runs: percentiles of both, B less A, B / A, and whether that is more than chance."""
    if run_b and compared:
        raise click.UsageError("RUN_B and --compare name the same thing: give one of them")
    second = run_b or compared
    try:
        if plot:
            check_plot_path(plot)
        runs = [read_run(find_run(run)) for run in ([run_a, second] if second else [run_a])]
        if plot:
            write_plot(plot, runs)
    except (RunReadError, PlotError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(as_json_text(runs))
        return
    console = Console()
    if not console.is_terminal:
        console = Console(width=160, no_color=True)
    show(runs, console)
    if plot:
        console.print(f"drawn: {plot}", highlight=False, markup=False)


if __name__ == "__main__":
    main()

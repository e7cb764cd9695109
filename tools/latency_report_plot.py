"""`tools/latency_report --plot FILE.png|.html`: percentile curves, one panel a stage, both runs in it when two are compared.

x is 1 / (1 - percentile) on a log scale, so that each step to the right is one more nine; y is latency, log. Sample r of n (from
the smallest) stands at percentile (r - 1/2) / n: the largest sample of a thousand is drawn at 99.95 %, not at infinity.
matplotlib is imported here, when a plot is asked for, and never otherwise; it draws without a screen. The HTML is one file: the
same drawing as inline SVG, then the tables; it loads nothing."""
from __future__ import annotations

import html
import io
import math
import os
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from cext import hist
from tools.latency_report_compare import TITLES, ComparedStage, compare, differing_facts
from tools.latency_report_runs import HEADLINES, Run, human_ns, in_order

SUFFIXES = (".png", ".html")
POINTS_A_DECADE = 60
COLORS = ("#0b5fa5", "#d1570b")      # told apart by colour-blind readers, and by the dashes
STYLES = ("-", "--")
COLUMNS = 3
PERCENT_TICKS = ((2, "50%"), (10, "90%"), (100, "99%"), (1_000, "99.9%"), (10_000, "99.99%"), (100_000, "99.999%"),
                 (1_000_000, "99.9999%"), (10_000_000, "99.99999%"))
STYLE = """body{font:15px/1.4 sans-serif;margin:2em auto;max-width:1100px;padding:0 1em;color:#222}
svg{width:100%;height:auto}table{border-collapse:collapse;margin:1em 0}
th,td{padding:.15em .8em;text-align:right;border-bottom:1px solid #ddd}th:first-child,td:first-child{text-align:left}
tr.headline{font-weight:bold}"""


class PlotError(Exception):
    """No plot can be drawn; the text says what is missing or wrong."""


def check_plot_path(path: pathlib.Path) -> None:
    """Before anything is read: a name that says what to draw, in a folder that is there."""
    if path.suffix not in SUFFIXES:
        raise PlotError(f"{path}: a plot is a file ending in {' or '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise PlotError(f"{path}: folder {path.parent} does not exist")


def write_plot(path: pathlib.Path, runs: Sequence[Run]) -> None:
    """Draw one or two runs into `path`, whole or not at all."""
    check_plot_path(path)
    stages = plotted_stages(runs)
    if not stages:
        raise PlotError(f"{path}: nothing to draw: no stage of {' or '.join(run.run_id for run in runs)} has a sample")
    figure = draw(runs, stages)
    if path.suffix == ".png":
        data = rendered(figure, "png")
    else:
        data = page(runs, inline_svg(rendered(figure, "svg").decode())).encode()
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(data)
        os.replace(partial, path)
    except OSError as error:
        raise PlotError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)


def plotted_stages(runs: Sequence[Run]) -> list[str]:
    """Stages with a sample in any run: the headlines first, then in pipeline order."""
    filled = {name for run in runs for name, histogram in run.histograms.items() if histogram.total_count}
    heads = [name for name in HEADLINES if name in filled]
    return heads + [name for name in in_order(filled) if name not in heads]


def curve(histogram: Any) -> tuple[np.ndarray, np.ndarray]:
    """(1 / (1 - percentile), ns) of one histogram, from its smallest sample to its largest; at most POINTS_A_DECADE points a
    decade. Empty arrays for an empty histogram."""
    running = np.cumsum(hist.counts_of(histogram)).astype(np.int64)
    count = int(running[-1])
    if not count:
        return np.empty(0), np.empty(0)
    from_top = np.unique(np.geomspace(1, count, max(2, int(math.log10(count) * POINTS_A_DECADE))).round().astype(np.int64))
    ranks = count + 1 - from_top[::-1]  # 1 .. count, densest at the tail
    values = [hist.highest_of_index(int(np.searchsorted(running, rank))) for rank in ranks]
    # The extremes are known exactly, the rest to three digits; 0 ns has no place on a log scale.
    ns = np.clip(values, max(1, histogram.min_value), max(1, histogram.max_value))
    return count / (count - ranks + 0.5), ns


def draw(runs: Sequence[Run], stages: Sequence[str]) -> Any:
    """A matplotlib figure: one panel a stage."""
    _, figure_class, ticker = matplotlib_parts()
    columns = min(COLUMNS, len(stages))
    rows = math.ceil(len(stages) / columns)
    figure = figure_class(figsize=(max(4.6 * columns, 7.0), 3.2 * rows + 1.1), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for panel, name in zip(axes.flat, stages, strict=False):
        draw_stage(panel, name, runs, ticker)
    for panel in list(axes.flat)[len(stages):]:
        panel.remove()
    figure.suptitle("Latency by percentile, headline stages first" if len(stages) > 1 else "Latency by percentile",
                    fontsize=13, fontweight="bold")
    handles = [axes.flat[0].plot([], [], color=COLORS[i], linestyle=STYLES[i], linewidth=1.8)[0] for i in range(len(runs))]
    labels = [f"{mark}{run.run_id}" for mark, run in zip(("A: ", "B: ") if len(runs) > 1 else ("run ",), runs, strict=True)]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(runs), frameon=False, fontsize=11)
    return figure


def draw_stage(panel: Any, name: str, runs: Sequence[Run], ticker: Any) -> None:
    """Curves of one stage in one panel."""
    panel.set_xscale("log")
    panel.set_yscale("log")
    right = 10.0
    counts = []
    for i, run in enumerate(runs):
        histogram = run.histograms.get(name)
        counts.append(histogram.total_count if histogram is not None else 0)
        if not counts[-1]:
            continue
        x, ns = curve(histogram)
        panel.plot(x, ns, color=COLORS[i], linestyle=STYLES[i], linewidth=1.8, drawstyle="steps-mid",
                   marker="o" if len(x) == 1 else None)
        right = max(right, float(x[-1]))
    panel.set_xlim(1, right * 1.3)
    ticks = [(x, text) for x, text in PERCENT_TICKS if x <= right * 1.3]
    panel.xaxis.set_major_locator(ticker.FixedLocator([x for x, _ in ticks]))
    panel.xaxis.set_major_formatter(ticker.FixedFormatter([text for _, text in ticks]))
    panel.xaxis.set_minor_locator(ticker.NullLocator())
    low, high = panel.get_ylim()
    panel.yaxis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 200 else (1.0,), numticks=12))
    panel.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: human_ns(value)))
    panel.yaxis.set_minor_formatter(ticker.NullFormatter())
    panel.tick_params(labelsize=8)
    panel.grid(True, which="major", color="#dddddd", linewidth=0.6)
    shown = " / ".join(f"{count:,}" for count in counts)
    panel.set_title(f"{name}   ({shown} samples)", fontsize=10, fontweight="bold" if name in HEADLINES else "normal", loc="left")
    panel.set_xlabel("percentile, scale 1/(1-p)", fontsize=8)
    panel.set_ylabel("latency", fontsize=8)


def matplotlib_parts() -> tuple[Any, Any, Any]:
    """(matplotlib, its Figure, its ticker module); PlotError when it is not installed."""
    try:
        import matplotlib
        from matplotlib import ticker
        from matplotlib.figure import Figure  # without pyplot: no screen, no global state
    except ImportError as error:
        raise PlotError(f"--plot needs matplotlib ({error}); `make build` installs it from requirements.lock") from None
    return matplotlib, Figure, ticker


def rendered(figure: Any, form: str) -> bytes:
    """The figure as PNG or SVG; equal figures give equal bytes."""
    matplotlib, _, _ = matplotlib_parts()
    buffer = io.BytesIO()
    # Text stays text in SVG: it can be read, searched and copied, and needs no glyph outlines.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "lockstep", "font.family": "sans-serif"}):
        metadata = {"Date": None, "Creator": None, "Format": None, "Type": None} if form == "svg" else {"Software": None}
        figure.savefig(buffer, format=form, dpi=130, metadata=metadata)
    return buffer.getvalue()


def inline_svg(document: str) -> str:
    """The <svg> element alone, as HTML holds it: no XML declaration, no DOCTYPE with an address, no empty metadata."""
    element = document[document.index("<svg"):]
    return re.sub(r"<metadata>.*?</metadata>\s*", "", element, flags=re.DOTALL)


def page(runs: Sequence[Run], svg: str) -> str:
    """One HTML document: heading, drawing, tables."""
    title = "Latency of " + " and ".join(f"run {run.run_id}" for run in runs)
    parts = ["<!DOCTYPE html>", '<html lang="en"><head><meta charset="utf-8">', f"<title>{html.escape(title)}</title>",
             f"<style>{STYLE}</style></head><body>", f"<h1>{html.escape(title)}</h1>"]
    if len(runs) == 2:
        parts.append(f"<p>A: {html.escape(runs[0].heading)}; B: {html.escape(runs[1].heading)}.</p>")
        parts += [f"<p>{html.escape(sentence)}</p>" for sentence in differing_facts(runs[0], runs[1])]
    parts.append(svg)
    parts.append(comparison_table(compare(runs[0], runs[1])) if len(runs) == 2 else run_table(runs[0]))
    return "\n".join([*parts, "</body></html>", ""])


def run_table(run: Run) -> str:
    rows = []
    for name, histogram in run.histograms.items():
        values = hist.percentiles(histogram)
        cells = [human_ns(values[key]) if values["count"] else "-" for key in ("min_ns", *TITLES)]
        rows.append((name, [f"{values['count']:,}", *cells]))
    return html_table(["stage", "count", "min", *TITLES.values()], rows)


def comparison_table(stages: Sequence[ComparedStage]) -> str:
    rows = []
    for stage in stages:
        if not stage.rows:
            rows.append((stage.name, ["", f"{stage.a_count:,} samples", f"{stage.b_count:,} samples", "", "", stage.says]))
        rows += [(stage.name, [TITLES[key], human_ns(row.a_ns), human_ns(row.b_ns), signed_ns(row.difference_ns),
                               ratio_text(row.ratio), row.says]) for key, row in stage.rows.items()]
    return html_table(["stage", "percentile", "A", "B", "B less A", "B / A", "says"], rows)


def html_table(titles: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    lines = ["<table><thead><tr>" + "".join(f"<th>{html.escape(title)}</th>" for title in titles) + "</tr></thead><tbody>"]
    for name, cells in rows:
        mark = ' class="headline"' if name in HEADLINES else ""
        lines.append(f"<tr{mark}>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in (name, *cells)) + "</tr>")
    return "\n".join([*lines, "</tbody></table>"])


def signed_ns(value: int) -> str:
    """+1.2 us, -340 ns, 0 ns."""
    return ("+" if value > 0 else "-" if value < 0 else "") + human_ns(abs(value))


def ratio_text(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.3f}"

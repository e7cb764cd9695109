"""Two runs compared: exact on made histograms, with a word where the samples say nothing, and drawn so that a person can read it."""
import json
import os
import pathlib
import subprocess
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import orjson
import pytest
from click.testing import CliRunner
from hdrh.histogram import HdrHistogram

from cext import hist
from tools.latency_report_cli import main
from tools.latency_report_compare import (
    FASTER,
    NO_DIFFERENCE,
    ONE_SAMPLE,
    SLOWER,
    compare_stage,
    comparison_json,
    differing_facts,
    interval_ranks,
)
from tools.latency_report_plot import PlotError, curve, plotted_stages, signed_ns, write_plot
from tools.latency_report_runs import Run, RunReadError, read_run

PNG = b"\x89PNG\r\n\x1a\n"


def histogram(values):
    """{ns: how often} or a list of ns."""
    made = hist.new_histogram()
    pairs = values.items() if isinstance(values, dict) else ((value, 1) for value in values)
    for value, times in pairs:
        made.record_value(value, times)
    return made


def write_run(folder: pathlib.Path, name: str, stages, report=None) -> pathlib.Path:
    """A finished run as a component leaves it."""
    run_dir = folder / "var" / "runs" / name
    (run_dir / "hist").mkdir(parents=True)
    entries = {}
    for stage, values in stages.items():
        made = histogram(values)
        entries[stage] = {"count": made.total_count, "refused": 0, "v2": made.encode().decode()}
        if made.total_count:
            entries[stage] |= {"min_ns": min(values), "max_ns": max(values)}
    (run_dir / "hist" / "engine.json").write_bytes(orjson.dumps({"component": "engine", "started_wall_ns": 0, "saved_wall_ns": 0,
                                                                 "histograms": entries}))
    if report is not None:
        (run_dir / "report.json").write_text(json.dumps(report))
    return run_dir


def run_tool(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def two_runs(tmp_path):
    """B takes twice as long in `own`; `detect` is the same; `ack` is in A alone."""
    spread = {1000 + i: 20 for i in range(0, 1000, 5)}
    a = write_run(tmp_path, f"compare-a-{os.getpid()}", {"detect": spread, "own": spread, "ack": [5], "gate": []},
                  {"mode": "sim", "commit": "aaaa", "config_hash": "c1", "machine": {"cpu": "X", "cpus": 2}})
    b = write_run(tmp_path, f"compare-b-{os.getpid()}", {"detect": spread, "own": {2 * ns: n for ns, n in spread.items()}},
                  {"mode": "sim", "commit": "bbbb", "config_hash": "c1", "machine": {"cpu": "Y", "cpus": 2}})
    return a, b

# ---------------------------------------------------------------- arithmetic


def test_percentiles_difference_and_ratio_are_exact_where_every_value_has_its_own_count():
    stage = compare_stage("own", histogram(range(1, 1001)), histogram(range(501, 1501)))
    rows = {key: (row.a_ns, row.b_ns, row.difference_ns) for key, row in stage.rows.items()}
    assert rows == {"p50_ns": (500, 1000, 500), "p90_ns": (900, 1400, 500), "p99_ns": (990, 1490, 500),
                    "p999_ns": (999, 1499, 500), "p9999_ns": (1000, 1500, 500), "max_ns": (1000, 1500, 500)}
    assert (stage.rows["p50_ns"].ratio, stage.rows["max_ns"].ratio) == (2.0, 1.5)
    assert (stage.a_count, stage.b_count, stage.says) == (1000, 1000, "")


def test_ranks_of_the_interval_are_those_of_the_binomial_distribution():
    assert interval_ranks(100, 50.0) == (40, 61)          # 50 -+ 1.96 * 5, outwards
    assert interval_ranks(10_000, 99.0) == (9880, 9921)   # 9900 -+ 1.96 * 9.95
    assert interval_ranks(1000, 99.9) is None             # reaches beyond the thousandth sample
    assert interval_ranks(4, 50.0) is None


@pytest.mark.parametrize(("count", "percent"), [(3_838, 99.9), (38_412, 99.99), (380, 99.0)])
def test_a_percentile_is_judged_only_from_where_its_interval_has_samples(count, percent):
    assert interval_ranks(count, percent) is None
    assert interval_ranks(count * 2, percent) is not None


def test_words_say_slower_faster_no_difference_and_too_few():
    fast, slow = histogram(range(1, 1001)), histogram(range(101, 1101))
    assert compare_stage("x", fast, slow).rows["p50_ns"].says == SLOWER
    assert compare_stage("x", slow, fast).rows["p50_ns"].says == FASTER
    assert compare_stage("x", fast, histogram(range(2, 1002))).rows["p50_ns"].says == NO_DIFFERENCE
    assert compare_stage("x", fast, slow).rows["p999_ns"].says == "too few samples in A and B"
    assert compare_stage("x", fast, histogram({500: 100_000})).rows["p9999_ns"].says == "too few samples in A"
    assert compare_stage("x", fast, slow).rows["max_ns"].says == ONE_SAMPLE


def test_stages_without_samples_are_said_and_have_no_numbers():
    assert compare_stage("x", histogram([1]), None).says == "no samples in B"
    assert compare_stage("x", histogram([]), histogram([])).says == "no samples in A and B"
    assert compare_stage("x", histogram([]), histogram([1])).rows == {}


def test_a_ratio_to_nothing_is_none():
    row = compare_stage("x", histogram([0] * 100), histogram([7] * 100)).rows["p50_ns"]
    assert (row.ratio, row.to_json()["ratio"], row.difference_ns, row.says) == (None, None, 7, SLOWER)


def test_facts_that_differ_or_are_not_said_are_sentences():
    a = Run("a", {}, [], [], {"mode": "sim", "commit": "1", "machine": {"cpu": "X", "cpus": 2}})
    b = Run("b", {}, [], [], {"mode": "sim", "commit": "2", "config_hash": "c", "machine": {"cpu": "Y", "cpus": 2}})
    assert differing_facts(a, b) == ["commit differs: 1 in A, 2 in B", "config hash not said by A",
                                     "machine differs: cpu X in A, Y in B"]
    assert differing_facts(b, b) == []

# ---------------------------------------------------------------- the tool


def test_two_runs_become_a_table_with_both_and_what_differs(two_runs):
    done = run_tool(*two_runs)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0].startswith("A: run compare-a") and lines[1].startswith("B: run compare-b")
    assert "commit differs: aaaa in A, bbbb in B" in done.output and "machine differs: cpu X in A, Y in B" in done.output
    own = next(i for i, line in enumerate(lines) if line.startswith("own"))
    assert lines[own].split() == ["own", "samples", "4,000", "4,000"]
    assert lines[own + 1].split() == ["p50", "1.5", "us", "2.99", "us", "+1.5", "us", "2.001", "B", "slower"]
    assert next(line for line in lines if line.startswith("ack")).split() == ["ack", "samples", "1", "0", "no", "samples", "in",
                                                                              "B"]


def test_json_gives_the_same_as_data_and_compare_is_another_spelling(two_runs):
    a, b = two_runs
    document = json.loads(run_tool(a, b, "--json").output)
    assert document == json.loads(run_tool(a, "--compare", b, "--json").output)
    assert document == json.loads(json.dumps(comparison_json(read_run(a), read_run(b))))
    assert document["a"]["facts"]["commit"] == "aaaa" and document["b"]["run_id"] == b.name
    own = document["stages"]["own"]
    assert own["percentiles"]["max_ns"] == {"a_ns": 1995, "b_ns": 3990, "difference_ns": 1995, "ratio": 2.0,
                                            "says": "one sample each"}
    assert document["stages"]["detect"]["percentiles"]["p99_ns"]["says"] == "no clear difference"
    assert document["stages"]["gate"]["says"] == "no samples in A and B"
    assert list(document["stages"]) == ["detect", "gate", "ack", "own"]


def test_two_names_for_the_second_run_are_refused(two_runs):
    assert run_tool(*two_runs, "--compare", two_runs[0]).exit_code == 2


def test_a_damaged_file_is_named_with_its_run(two_runs):
    a, b = two_runs
    path = b / "hist" / "engine.json"
    document = json.loads(path.read_text())
    document["histograms"]["own"]["count"] += 1
    path.write_text(json.dumps(document))
    done = run_tool(a, b)
    assert done.exit_code == 1 and f"run {b.name}" in done.output and "engine.json" in done.output
    assert len(done.output.splitlines()) == 1


def test_counts_of_another_layout_are_refused_and_not_added_up_wrongly(two_runs):
    a, b = two_runs
    coarse = HdrHistogram(1, 1_000_000_000, 2)
    coarse.record_value(1_000_000)
    (b / "hist" / "engine.json").write_text(json.dumps({"histograms": {"own": {
        "count": 1, "min_ns": 1_000_000, "max_ns": 1_000_000, "v2": coarse.encode().decode()}}}))
    done = run_tool(a, b)
    assert done.exit_code == 1 and "engine.json" in done.output and "laid out for" in done.output


@pytest.mark.parametrize(("text", "words"), [("{", "not JSON"), ("[]", "a list, not an object")])
def test_a_report_that_cannot_be_read_is_named(two_runs, text, words):
    (two_runs[0] / "report.json").write_text(text)
    with pytest.raises(RunReadError, match="report.json") as caught:
        read_run(two_runs[0])
    assert words in str(caught.value)


def test_a_run_without_a_report_is_compared_and_that_is_said(two_runs):
    (two_runs[1] / "report.json").unlink()
    assert "commit not said by B" in run_tool(*two_runs).output

# ---------------------------------------------------------------- plots


def test_a_curve_goes_from_the_smallest_sample_to_the_largest():
    x, ns = curve(histogram(range(1, 1001)))
    assert (x[0], x[-1]) == (1000 / 999.5, 2000.0) and (ns[0], ns[-1]) == (1, 1000)
    assert all(x[1:] > x[:-1]) and all(ns[1:] >= ns[:-1])
    # at 99 % of a thousand samples stands the sample of that rank
    assert abs(int(ns[(abs(x - 100)).argmin()]) - 990) <= 1
    assert [len(part) for part in curve(histogram([]))] == [0, 0]
    assert [list(part) for part in curve(histogram([0]))] == [[2.0], [1]]


def test_headlines_are_drawn_first_and_empty_stages_not_at_all():
    run = Run("r", {name: histogram(values) for name, values in (("detect", [1]), ("gate", []), ("own", [1]), ("zz", [1]),
                                                                 ("tick_to_trade", [2]))}, [], [], {})
    assert plotted_stages([run]) == ["tick_to_trade", "own", "detect", "zz"]


def test_signed_times_have_a_sign_and_a_unit():
    assert [signed_ns(value) for value in (0, 1500, -340)] == ["0 ns", "+1.5 us", "-340 ns"]


@pytest.mark.parametrize("name", ["x.pdf", "x"])
def test_other_kinds_of_plots_are_refused_before_anything_is_read(tmp_path, name):
    done = run_tool("no-such-run", "--plot", tmp_path / name)
    assert done.exit_code == 1 and ".png or .html" in done.output
    assert "does not exist" in run_tool("no-such-run", "--plot", tmp_path / "none" / "x.png").output


def test_without_matplotlib_only_the_plot_is_refused(two_runs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run_tool(two_runs[0]).exit_code == 0
    done = run_tool(two_runs[0], "--plot", tmp_path / "x.png")
    assert done.exit_code == 1 and "needs matplotlib" in done.output and "requirements.lock" in done.output
    assert not list(tmp_path.glob("*.png"))


def test_the_tool_does_not_import_matplotlib_by_itself():
    code = "import sys, tools.latency_report_cli; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=pathlib.Path(__file__).parents[3]).returncode == 0


class Page(HTMLParser):
    """Every tag of a page opened and closed in order; what it would load."""
    VOID = ("meta", "link", "img", "br")

    def __init__(self):
        super().__init__()
        self.open, self.loads, self.seen, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.loads += [value for name, value in attrs if name in ("src", "href", "xlink:href") and not value.startswith("#")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_png_and_html_are_written_whole(two_runs, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed here: run make build")
    png, page = tmp_path / "x.png", tmp_path / "x.html"
    assert f"drawn: {png}" in run_tool(*two_runs, "--plot", png).output.replace("\n", "")
    data = png.read_bytes()
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    assert data[:8] == PNG and data[-8:-4] == b"IEND" and width > 700 and height > 400
    assert run_tool(*two_runs, "--plot", page).exit_code == 0
    text = page.read_text()
    parsed = Page()
    parsed.feed(text)
    assert parsed.open == [] and parsed.loads == [] and "script" not in parsed.seen and parsed.seen.count("svg") == 1
    svg = text[text.index("<svg"):text.index("</svg>") + 6]
    words = "".join(ElementTree.fromstring(svg).itertext())
    for wanted in ("own", "detect", "99%", "latency", "percentile", two_runs[0].name, two_runs[1].name, "samples"):
        assert wanted in words, wanted
    assert "B slower" in "".join(parsed.text) and "commit differs" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["var", "x.html", "x.png"]


def test_one_run_is_drawn_too_and_a_run_without_samples_is_refused(two_runs, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed here: run make build")
    write_plot(tmp_path / "one.html", [read_run(two_runs[0])])
    assert "<td>ack</td><td>1</td><td>5 ns</td>" in (tmp_path / "one.html").read_text()
    empty = write_run(tmp_path, "nothing", {"own": []})
    with pytest.raises(PlotError, match="nothing to draw"):
        write_plot(tmp_path / "two.png", [read_run(empty)])


def test_names_in_a_page_are_text_and_never_markup(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed here: run make build")
    run = Run("<b>&", {"<i>x": histogram([1, 2, 3])}, [], [], {})
    write_plot(tmp_path / "x.html", [run])
    text = (tmp_path / "x.html").read_text()
    assert "<b>" not in text and "<i>" not in text and "&lt;b&gt;&amp;" in text

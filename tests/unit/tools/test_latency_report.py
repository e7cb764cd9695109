"""tools/latency_report: finished and running systems, both merged, and what it says when there is nothing to read."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

from cext import shm
from cext.hist import HistPage
from tools.latency_report_cli import stage_rows
from tools.latency_report_runs import human_ns, read_run

ROOT = pathlib.Path(__file__).resolve().parents[3]
TOOL = ROOT / "tools" / "latency_report"


@pytest.fixture
def run_dir(tmp_path: pathlib.Path):
    path = tmp_path / "var" / "runs" / f"test-report-{os.getpid()}"
    path.mkdir(parents=True)
    (tmp_path / "var" / "latest").symlink_to(path)
    yield path
    assert shm.unlink_run(path.name) == []


def record(run_dir: pathlib.Path, component: str, values: dict[str, list[int]]) -> HistPage:
    page = HistPage.create(run_dir.name, component, list(values))
    for stage, numbers in values.items():
        for number in numbers:
            page.record(stage, number)
    return page


def run_tool(*arguments: str, cwd: pathlib.Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(TOOL), *arguments], cwd=cwd, capture_output=True, text=True, check=False)


def test_finished_run_is_read_from_its_files_in_pipeline_order(run_dir: pathlib.Path) -> None:
    for component, values in (("engine", {"own": [1], "detect": [100, 200], "zz_extra": [7]}),
                              ("feed.binance", {"decode": [50], "detect": [300]})):
        page = record(run_dir, component, values)
        page.save(run_dir)
        page.close()
    run = read_run(run_dir)
    rows = stage_rows(run)
    assert list(rows) == ["decode", "detect", "own", "zz_extra"]
    assert (rows["detect"]["count"], rows["detect"]["min_ns"], rows["detect"]["p50_ns"], rows["detect"]["max_ns"]) == (3, 100,
                                                                                                                       200, 300)
    assert (run.live, run.files) == ([], ["engine", "feed.binance"])


def test_running_system_is_read_from_its_pages_and_an_old_file_is_not_counted_twice(run_dir: pathlib.Path) -> None:
    page = record(run_dir, "engine", {"detect": [100]})
    page.save(run_dir)
    page.record("detect", 900)
    run = read_run(run_dir)
    rows = stage_rows(run)
    assert (rows["detect"]["count"], rows["detect"]["max_ns"], run.live, run.files) == (2, 900, ["engine"], [])
    page.close()


def test_typed_as_is_it_prints_a_table_and_json_of_the_latest_run(run_dir: pathlib.Path) -> None:
    page = record(run_dir, "engine", {"detect": [123], "tick_to_trade": [3_500, 12_000_000], "gate": []})
    page.save(run_dir)
    page.close()
    cwd = run_dir.parents[2]
    shown = run_tool(cwd=cwd)
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[0] == f"run {run_dir.name}, finished"
    assert lines[1].split() == ["stage", "count", "min", "p50", "p90", "p99", "p99.9", "p99.99", "max"]
    assert [line.split()[0] for line in lines[2:]] == ["detect", "gate", "tick_to_trade"]
    assert "12 ms" in lines[4] and "3.5 us" in lines[4] and lines[3].split() == ["gate", "0", *["-"] * 7]
    for name in (run_dir.name, str(run_dir)):
        document = json.loads(run_tool("--json", name, cwd=cwd).stdout)
        assert document["stages"]["tick_to_trade"]["max_ns"] == 12_000_000
        assert document["is_running"] is False


@pytest.mark.parametrize(("arguments", "words"), [(("no-such-run",), "no run found"), ((), "has no histograms")])
def test_missing_runs_and_histograms_are_said_in_one_line(run_dir: pathlib.Path, arguments: tuple[str, ...], words: str) -> None:
    done = run_tool(*arguments, cwd=run_dir.parents[2])
    assert done.returncode != 0
    assert words in done.stderr and len(done.stderr.splitlines()) == 1


def test_broken_file_is_named(run_dir: pathlib.Path) -> None:
    (run_dir / "hist").mkdir()
    (run_dir / "hist" / "engine.json").write_text('{"histograms": {"detect": {"v2": "nonsense", "count": 1}}}')
    done = run_tool(str(run_dir))
    assert done.returncode != 0 and "engine.json" in done.stderr and "Traceback" not in done.stderr


def test_another_interpreter_finds_the_projects_own(run_dir: pathlib.Path) -> None:
    done = subprocess.run([os.path.realpath(sys.executable), str(TOOL), "--help"], capture_output=True, text=True, check=False,
                          cwd=run_dir, env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 0 and "Usage: tools/latency_report" in done.stdout, done.stderr


@pytest.mark.parametrize(("value", "text"),
                         [(0, "0 ns"), (999, "999 ns"), (1_000, "1 us"), (4_213, "4.21 us"), (123_456, "123 us"),
                                              (12_400_000, "12.4 ms"), (1_750_000_000, "1.75 s")])
def test_human_units(value: int, text: str) -> None:
    assert human_ns(value) == text

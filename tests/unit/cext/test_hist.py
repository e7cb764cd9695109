"""Histogram pages: the same counts as hdrh for the same values, percentiles, files, merging."""
import json
import pathlib
import random

import pytest
from hdrh.histogram import HdrHistogram

from cext import hist, layout, shm
from cext.hist import HistPage

HIGHEST = layout.HIST_HIGHEST_NS


@pytest.fixture
def page(run_id: str):
    made = HistPage.create(run_id, "engine", ["detect", "gate", "tick_to_trade"])
    yield made
    made.close()


def fill(page: HistPage, stage: str, seed: int, count: int = 5000) -> HdrHistogram:
    """Record seeded values over all magnitudes; returns the plain twin."""
    rng, twin = random.Random(seed), hist.new_histogram()
    for _ in range(count):
        value = int(10 ** rng.uniform(0, 10.7))
        page.record(stage, value)
        twin.record_value(value)
    return twin


def test_every_edge_has_the_index_that_hdrh_gives_it() -> None:
    twin = hist.new_histogram()
    assert twin.counts_len == layout.HIST_COUNTS_LENGTH
    rng = random.Random(7)
    edges = {value for power in range(37) for step in (-1, 0, 1) if 0 <= (value := (1 << power) + step) <= HIGHEST}
    for value in sorted(edges | {0, HIGHEST, HIGHEST - 1} | {rng.randrange(HIGHEST) for _ in range(5000)}):
        assert hist.index_of(value) == twin._counts_index_for(value), value


def test_page_equals_hdrh_after_the_same_values(run_id: str, page: HistPage) -> None:
    twin = fill(page, "detect", 1)
    seen = HistPage.open(run_id, "engine").snapshot()
    assert seen["detect"].equals(twin)
    assert seen["gate"].get_total_count() == 0
    assert (seen["detect"].min_value, seen["detect"].max_value) == (twin.min_value, twin.max_value)


def test_percentiles_are_those_of_hdrh_but_never_above_the_maximum(page: HistPage) -> None:
    twin = fill(page, "gate", 2)
    row = page.percentiles()["gate"]
    assert row == hist.percentiles(page.snapshot()["gate"])
    for key, percent in (("p50_ns", 50), ("p90_ns", 90), ("p99_ns", 99), ("p999_ns", 99.9), ("p9999_ns", 99.99)):
        assert row[key] == min(twin.get_value_at_percentile(percent), twin.max_value)
    assert (row["count"], row["min_ns"], row["max_ns"]) == (5000, twin.min_value, twin.max_value)


def test_empty_stage_has_zero_everywhere(page: HistPage) -> None:
    assert set(page.percentiles()["detect"].values()) == {0}
    assert hist.percentiles(page.snapshot()["detect"])["count"] == 0


def test_what_is_out_of_range_is_counted_and_not_recorded(page: HistPage) -> None:
    for value in (-1, HIGHEST + 1, -2**63):
        page.record("gate", value)
    page.record("gate", HIGHEST)
    page.record("gate", 0)
    assert page.refused()["gate"] == 3
    assert page.percentiles()["gate"]["count"] == 2
    page.reset()
    assert page.refused()["gate"] == 0 and page.percentiles()["gate"]["count"] == 0


def test_file_brings_back_the_same_counts_and_the_exact_extremes(page: HistPage, tmp_path: pathlib.Path) -> None:
    twin = fill(page, "detect", 3)
    loaded = hist.load(page.save(tmp_path))
    assert list(loaded) == page.names
    assert loaded["detect"].equals(twin)
    assert hist.percentiles(loaded["detect"]) == page.percentiles()["detect"]
    entry = json.loads((tmp_path / "hist" / "engine.json").read_text())["histograms"]["detect"]
    assert HdrHistogram.decode(entry["v2"].encode()).get_total_count() == 5000, "any HdrHistogram reader can take it"


def test_stages_of_several_components_are_added(run_id: str, page: HistPage, tmp_path: pathlib.Path) -> None:
    other = HistPage.create(run_id, "feed.binance", ["decode", "detect"])
    a, b = fill(page, "detect", 4), fill(other, "detect", 5)
    maximum = max(a.max_value, b.max_value)
    a.add(b)
    assert hist.live_components(run_id) == ["engine", "feed.binance"]
    live = hist.read_live(run_id)
    assert live["detect"].equals(a)
    page.save(tmp_path)
    other.save(tmp_path)
    stored = hist.load_run(tmp_path)
    assert stored["detect"].equals(a)
    assert hist.percentiles(stored["detect"]) == hist.percentiles(live["detect"])
    assert hist.percentiles(stored["detect"])["max_ns"] == maximum
    other.close()


@pytest.mark.parametrize("break_it", [lambda text: text[: len(text) // 2], lambda text: "{}",
                                      lambda text: text.replace('"count": 50', '"count": 51'),
                                      lambda text: text.replace("HISTF", "HISTX"), lambda text: "\x00\x01"])
def test_broken_file_is_named(page: HistPage, tmp_path: pathlib.Path, break_it) -> None:
    fill(page, "detect", 6, count=50)
    path = page.save(tmp_path)
    path.write_text(break_it(path.read_text()))
    with pytest.raises(hist.HistogramFileError, match="engine.json"):
        hist.load(path)


def test_page_is_checked_before_it_is_read(run_id: str, page: HistPage) -> None:
    segment = shm.open_segment(page.name, writable=True)
    segment.map[8] ^= 1  # layout hash
    with pytest.raises(shm.ShmError, match="this build has"):
        HistPage.open(run_id, "engine")
    segment.map[0] ^= 1  # magic
    with pytest.raises(shm.ShmError, match="no finished histogram page"):
        HistPage.open(run_id, "engine")


def test_reader_may_not_record_and_names_are_checked(run_id: str, page: HistPage) -> None:
    with pytest.raises(PermissionError):
        HistPage.open(run_id, "engine").record("detect", 1)
    with pytest.raises(KeyError, match="detect, gate"):
        page.record("nonsense", 1)
    for names in ([], ["a", "a"], ["x" * 32], [str(i) for i in range(layout.STAGES_MAX + 1)]):
        with pytest.raises(ValueError, match="page holds|1 to 31 bytes"):
            HistPage.create(run_id, "z", names)

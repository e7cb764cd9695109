"""The edge sampler: when it samples, what it counts, and where a value falls."""
import pytest

from cext.edges import SERIES, EdgeSampler

BASIS, FORWARD, REVERSE, FORWARD_MAKER, REVERSE_MAKER = range(5)


def sampler(multiplier=1.0):
    return EdgeSampler([(0, 1, multiplier)], [2, 1])


def test_nothing_is_sampled_before_both_are_known():
    edges = sampler()
    edges.on_top(0, 6_000_000, 6_000_100)
    assert edges.series(0, BASIS)["count"] == 0 and edges.series(0, BASIS)["min"] is None
    edges.on_top(1, 600_000, 600_010)
    edges.on_top(0, 6_000_000, 6_000_100)
    assert [edges.series(0, number)["count"] for number in range(len(SERIES))] == [2] * 5


def test_edges_are_those_of_the_prices_told():
    edges = sampler()
    edges.on_top(0, 6_000_000, 6_000_100)   # 60000.00 / 60001.00
    edges.on_top(1, 600_600, 600_620)       # 60060.0 / 60062.0
    last = [edges.series(0, number)["last"] for number in range(5)]
    assert last == pytest.approx([((60060 + 60062) / (60000 + 60001) - 1) * 1e4, (60060 / 60001 - 1) * 1e4,
                                  (60000 / 60062 - 1) * 1e4,
                                  (60060 / 60000 - 1) * 1e4, (60001 / 60062 - 1) * 1e4])


def test_a_book_counts_only_where_no_top_is_sent():
    edges = sampler()
    edges.on_book(0, 6_000_000, 6_000_100)
    edges.on_book(1, 600_000, 600_010)
    assert edges.series(0, BASIS)["count"] == 1
    edges.on_top(0, 6_000_000, 6_000_100)
    edges.on_book(0, 1, 2)
    assert edges.series(0, BASIS)["count"] == 2


def test_a_perpetual_of_a_thousand_is_compared_by_unit():
    edges = sampler(1000.0)
    edges.on_top(0, 200, 200)
    edges.on_top(1, 20_000, 20_000)
    assert edges.series(0, BASIS)["last"] == pytest.approx(0.0)


def test_an_empty_side_is_no_price():
    edges = sampler()
    edges.on_top(0, 0, 6_000_100)
    edges.on_top(1, 600_000, 600_010)
    assert edges.series(0, BASIS)["count"] == 0


def test_bins_hold_hundredths_and_the_ends_hold_the_rest():
    edges = EdgeSampler([(0, 1, 1.0)], [0, 0])
    edges.on_top(0, 1_000_000, 1_000_000)
    for price in (1_000_000, 1_000_001, 1_000_150, 2_000_000, 1):
        edges.on_top(1, price, price)
    found = edges.series(0, BASIS)
    assert found["bins"] == {0: 1, 1: 1, 150: 1, 29_999: 1, -30_000: 1}
    assert found["max"] == pytest.approx(10_000) and found["min"] == pytest.approx(-9_999.99)

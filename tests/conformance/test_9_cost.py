"""What decoding costs, beside orjson + SortedDict: the results are equal, level by level, and ours is faster.

A quick run of bench/bench_decode.py; `make bench` holds it to a ratio of 20. A venue that reads with another's decoder class is
measured by that one's frames."""
from __future__ import annotations

import pytest

from bench.bench_decode import measure_case
from bench.support.decode_case import load_cases
from tests.conformance.case import VenueCase
from tests.conformance.layers import Missing, leave
from tests.conformance.made import made_decoder

RATIO_LOADED = 4  # of a test machine under load, with a few dozen frames; the bound of the bench is 20


@pytest.fixture(scope="module")
def figures(case: VenueCase, market: str) -> dict[str, float]:
    leave(case, 9, market)
    decoder = type(made_decoder(case, market, {"BTCUSDT": (2, 3)}))
    cases = [found for found in load_cases()
             if found.venue == case.name or decoder is decoder_of(found.venue, found.market)]
    if not cases:
        raise Missing(f"missing: bench/support/decode_{case.name}.py (no frames to measure {decoder.__name__} with)")
    return {key: value for found in cases for key, value in measure_case(found, quick=True).items()}


def decoder_of(venue: str, market: str) -> type | None:
    """Class of another venue's decoder; None where that venue is not here."""
    from tests.conformance.case import load_case
    try:
        return type(made_decoder(load_case(venue), market, {"BTCUSDT": (2, 3)}))
    except Missing:
        return None


def test_books_are_equal_and_decoding_is_faster_than_the_reference(figures: dict[str, float]) -> None:
    ratios = {key: value for key, value in figures.items() if key.endswith("ratio_vs_sorteddict")}
    assert ratios and min(ratios.values()) > RATIO_LOADED, ratios

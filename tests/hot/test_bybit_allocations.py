"""Decoding Bybit frames, applying them and building records makes no Python object, however many frames run."""
from tests.support import alloc_count
from tests.support.bybit_rig import book, make_bybit, ticker, top
from tests.wire.test_bybit_frames import TRADE

CALLS_MAX = 40  # the loop's own call, its arguments and its result


def test_decoding_bybit_frames_allocates_no_object() -> None:
    market = make_bybit("linear")
    levels = [(f"{100 - n / 4:.2f}", f"{n + 1}.250") for n in range(20)]
    frames = [book("snapshot", 10, 1000, levels, [("101.00", "1.000")])]
    for n in range(1, 301):
        frames += [book("delta", 10 + n, 1000 + 3 * n, [levels[n % 20]], [("102.00", f"{n % 2}")]),
                   top(700 + n, 1001 + 3 * n, levels[0], ("101.00", f"{n}")),
                   ticker("snapshot", 1000 + n, markPrice="100.015", indexPrice="100.9", fundingRate="0.0001",
                          nextFundingTime="1760342400000"),
                   TRADE.replace(b"20f43950", f"{n:08x}".encode()), TRADE[:-9]]
    (_, counts), calls = alloc_count.count(market.run, frames)
    assert (counts[1], counts[2], counts[3], counts[9]) == (601, 300, 300, 300)
    # Other threads of the test run may allocate meanwhile: what the loop itself does, it does every time.
    assert min(calls, *(alloc_count.count(market.run, frames)[1] for _ in range(2))) < CALLS_MAX

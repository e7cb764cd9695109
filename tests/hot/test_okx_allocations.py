"""Decoding OKX frames, verifying their checksums and building records makes no Python object, however many frames run."""

import pytest

from tests.support import alloc_count
from tests.support.okx_rig import checksum_of, make_okx, snapshot, top, update

CALLS_MAX = 40  # the loop's own call, its arguments and its result


@pytest.mark.parametrize("with_checksums", [False, True])
def test_decoding_frames_allocates_no_object(with_checksums: bool) -> None:
    asks = [(f"{101 + number}.5", "2") for number in range(30)]
    frames = []
    for number in range(300):
        bids = [("99.5", str(number + 1)), ("98", "1.25")]
        frames += [
            update(100 + number, 101 + number, bids[:1], checksum=checksum_of(bids, asks) if with_checksums else 0),
            top(101 + number, bids[0], asks[0]),
        ]
    market = make_okx()
    market.run([snapshot(100, [("99.5", "9"), ("98", "1.25")], asks)])
    (_, counts), calls = alloc_count.count(market.run, frames)
    assert sum(counts) == 600 and counts[1] >= 300 and counts[6] == counts[9] == 0
    assert calls < CALLS_MAX

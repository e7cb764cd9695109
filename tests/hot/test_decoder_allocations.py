"""Decoding, applying and building records makes no Python object, however many frames run."""
from bench.bench_decode_book import synced_market
from bench.support.frames import generated_frames
from tests.support import alloc_count

CALLS_MAX = 40  # the loop's own call, its arguments and its result


def test_decoding_frames_allocates_no_object() -> None:
    frames = generated_frames(300)
    market = synced_market(frames)
    (_, counts), calls = alloc_count.count(market.run, frames.depth + frames.tops)
    assert sum(counts) == 600 and counts[1] >= 300
    assert calls < CALLS_MAX

"""The replay loop makes no Python object a frame: CPython's allocators are counted while thousands of frames pass decoder, record
and core."""
from cext.replay import BLOCK
from tests.support import alloc_count
from tests.support.made_captures import dislocated
from tools.replay_lib.session import FOR_EVER_NS, ReplaySession

CALLS_MAX = 20  # the call itself, its arguments and its result


def test_frames_of_a_block_allocate_nothing(tmp_path):
    session = ReplaySession([dislocated(seconds=20, at_s=99).write(tmp_path / "a", block_bytes=1 << 20)])
    session._open_sources()
    frames = session.loop.counters()["frames"]
    reason, calls = alloc_count.count(session.loop.run, FOR_EVER_NS)
    assert reason == BLOCK and session.loop.counters()["frames"] - frames > 1000
    assert calls < CALLS_MAX

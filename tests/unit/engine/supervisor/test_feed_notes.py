"""What a person reads of a venue that cannot be reached: once, then ever more rarely, and once when it is back."""
import itertools
import json
import time

import pytest

from engine.supervisor.feed_notes import AGAIN_FIRST_S, AGAIN_LAST_S, FeedNotes


class Clock:
    now_s = 1000.0


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: made.now_s)
    return made


def tell(run_dir, **fact):
    (run_dir / "feed-bybit.json").write_text(json.dumps(fact))


def look_for(notes, clock, seconds):
    """A look each second, as the supervisor does."""
    for _ in range(seconds):
        notes.look()
        clock.now_s += 1.0


def test_an_outage_is_said_at_once_then_at_doubling_distances(tmp_path, clock):
    said_at = []
    notes = FeedNotes(tmp_path, ["bybit"], lambda text: said_at.append(clock.now_s - 1000.0))
    tell(tmp_path, state="unreachable", reason="cannot connect", attempts=3)
    look_for(notes, clock, 3600)
    gaps = [later - earlier for earlier, later in itertools.pairwise(said_at)]
    assert said_at[0] == 0.0
    assert gaps[:6] == [AGAIN_FIRST_S * 2**step for step in range(6)]
    assert gaps[6:] == [AGAIN_LAST_S] * len(gaps[6:]) and len(gaps) > 8


def test_the_sentence_names_venue_reason_and_what_follows(tmp_path, clock):
    said = []
    notes = FeedNotes(tmp_path, ["bybit"], said.append)
    tell(tmp_path, state="unreachable", reason="HTTP 503", attempts=4, retry_wall_ns=time.time_ns() + 5_000_000_000)
    notes.look()
    assert said[0].startswith("bybit cannot be reached: HTTP 503; keeps trying, next attempt in ") and "(4 so far)" in said[0]
    assert notes.summary() == {"bybit": {"state": "unreachable", "reason": "HTTP 503", "attempts": 4}}


def test_coming_back_is_said_once_and_a_new_outage_begins_anew(tmp_path, clock):
    said = []
    notes = FeedNotes(tmp_path, ["bybit"], said.append)
    tell(tmp_path, state="unreachable", reason="cannot connect")
    look_for(notes, clock, 15)
    tell(tmp_path, state="live")
    look_for(notes, clock, 5)
    assert said[2:] == ["bybit is reached again"] and not notes.sentences
    tell(tmp_path, state="unreachable", reason="cannot connect")
    look_for(notes, clock, 9)
    assert len(said) == 4 and "cannot be reached" in said[3]


def test_a_file_that_is_not_written_yet_or_torn_says_nothing(tmp_path, clock):
    said = []
    notes = FeedNotes(tmp_path, ["bybit"], said.append)
    notes.look()
    (tmp_path / "feed-bybit.json").write_text('{"state": "unre')
    notes.look()
    assert not said and notes.summary() == {"bybit": {"state": "unknown"}}

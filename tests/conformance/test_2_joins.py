"""Snapshots and deltas of the simulated venue, delivered in every order that a network and a feed can make of them.

After every step the decoder's book is exactly the venue's at that id, or it is not VALID (join_rig.JoinRig.check). That it is
VALID when nothing is wrong, and again after the venue's remedy, is asked as well: a decoder that never commits itself fails."""
from __future__ import annotations

import itertools
import pathlib
import random

import pytest

from tests.conformance.case import VenueCase
from tests.conformance.feed_process import VenueFeed, assert_equal_books, feed_run_dir
from tests.conformance.join_rig import MS, Event, JoinRig
from tests.conformance.layers import feed_of, leave, sim_of
from tests.conformance.made import VALID
from tests.support.feed_system import Venues

SCHEDULES = 20
SCHEDULES_FULL = 300
TOPS_THINNED = 4  # of tops, which come in any number, each fourth is delivered


@pytest.fixture(scope="module")
def rig(case: VenueCase, market: str) -> JoinRig:
    leave(case, 2, market)
    return JoinRig(case, market, seed=11)


def stream(rig: JoinRig, count: int) -> list[Event]:
    """A beginning and `count` messages of the depth stream after it, some of the tops between them."""
    events = rig.begin()
    depth = tops = 0
    for _ in range(400):
        for event in rig.live(0.02):
            is_depth = rig.depth_id(event) > 0
            depth, tops = depth + is_depth, tops + (not is_depth)
            if is_depth or tops % TOPS_THINNED == 0:
                events.append(rig.know(event))
            if depth == count:
                rig.take()
                return events
    raise AssertionError(f"the simulated market sent {depth} depth messages in 8 s")


def test_in_order_every_step_is_valid_and_exact(rig: JoinRig) -> None:
    decoder, events = rig.decoder(), stream(rig, 25)
    joined = False
    for number, event in enumerate(events):
        said = rig.give(decoder, event)
        assert said not in ("error", "unknown"), event.body[:200]
        is_valid = rig.check(decoder, f"step {number}")
        assert is_valid or not joined, f"step {number} ({said}) lost a book that nothing was wrong with: {event.body[:200]!r}"
        joined = joined or is_valid
    stats = decoder.stats(0)
    assert joined and (stats["gaps"], stats["invalid"], stats["resyncs"]) == (0, 0, 0)
    assert stats["applied"] >= 22 and stats["tops"] > 0


def test_all_orders_of_arrival(rig: JoinRig) -> None:
    """The beginning and four depth messages: 720 orders, 120 where the beginning is one frame."""
    begun = rig.begin()
    events = [event for event in begun if rig.depth_id(event)][:2] + rig.books(4)
    events = [rig.know(event) for event in events][:6]
    valid = 0
    for number, order in enumerate(itertools.permutations(events)):
        decoder = rig.decoder()
        for step, event in enumerate(order):
            rig.give(decoder, event)
            valid += rig.check(decoder, f"order {number} step {step}")
    assert valid > 0, "no order of arrival was ever VALID"


@pytest.mark.conformance_full
def test_each_message_lost_alone_is_noticed(rig: JoinRig) -> None:
    events = [event for event in stream(rig, 12) if rig.depth_id(event)]
    for lost in range(2, len(events) - 1):
        decoder = rig.decoder()
        for number, event in enumerate(events):
            if number != lost:
                rig.give(decoder, event)
                rig.check(decoder, f"without message {lost}, step {number}")
        assert not rig.is_valid(decoder), f"message {lost} of {len(events)} was lost, and nothing said so"


def disturbed(rng: random.Random, events: list[Event]) -> list[tuple[str, Event | None]]:
    """A schedule: ("give", event), ("cut", None) for a connection that was lost."""
    steps: list[tuple[str, Event | None]] = []
    held: list[Event] = []
    for event in events:
        draw = rng.random()
        if draw < 0.06:
            continue                              # lost
        if draw < 0.12:
            held.append(event)                    # late
            continue
        steps.append(("give", event))
        if draw < 0.18:
            steps.append(("give", event))         # twice
        if draw > 0.98:
            steps.append(("cut", None))
        if held and rng.random() < 0.3:
            steps.append(("give", held.pop(rng.randrange(len(held)))))
    return steps + [("give", event) for event in held]


def timeline(rig: JoinRig, count: int) -> list[list[Event]]:
    """`count` stretches of one market's life: a beginning, 16 messages, and REST books taken meanwhile (where there are any)."""
    stretches = []
    for _ in range(count):
        events = stream(rig, 16)
        if rig.feed.snapshot_request(rig.row) is not None:
            events.append(rig.rest_book())
        stretches.append(events)
    return stretches


def run_schedules(rig: JoinRig, stretches: list[list[Event]], count: int, seed: int) -> None:
    """Each plays a disturbed stretch, REST books among it at any time, then the remedy with a later stretch."""
    valid = 0
    for number in range(count):
        rng = random.Random(seed * 1_000_003 + number)
        first, second = sorted(rng.sample(range(len(stretches)), 2))
        events = list(stretches[first])
        for book in [event for event in events if event.kind == "rest"]:
            events.insert(rng.randrange(len(events)), book)  # again: early, or late
        decoder = rig.decoder()
        for step, (verb, event) in enumerate(disturbed(rng, events)):
            where = f"seed {seed} schedule {number} step {step}"
            if event is None:
                decoder.invalidate(0)
                assert not rig.is_valid(decoder), f"{where}: VALID after its connection was lost"
            else:
                rig.give(decoder, event)
            valid += rig.check(decoder, where)
        rig.heal_with(decoder, stretches[second], f"seed {seed} schedule {number} healed")
    assert valid > count, "hardly ever VALID: the schedules prove nothing"


def test_random_schedules_of_loss_duplicates_delay_and_cuts(rig: JoinRig) -> None:
    run_schedules(rig, timeline(rig, 2), SCHEDULES, seed=1)


@pytest.mark.conformance_full
def test_many_random_schedules(rig: JoinRig, seeds: range) -> None:
    stretches = timeline(rig, 24)
    for seed in seeds if len(seeds) == 1 else range(2, 6):
        run_schedules(rig, stretches, SCHEDULES_FULL, seed)


def test_a_new_connection_leaves_no_ghost_level(rig: JoinRig) -> None:
    """While nobody listens the book moves on; the old levels must not survive the new beginning."""
    decoder = rig.decoder()
    for event in stream(rig, 8):
        rig.give(decoder, event)
    assert rig.check(decoder, "before the cut")
    before = rig.truth()
    decoder.invalidate(0)
    rig.take()
    rig.session.close()
    rig.session = None
    rig.venues.run(3.0)
    gone = {px for px, _ in before.bids} - {px for px, _ in rig.truth().bids}
    assert gone, "the market stood still: the test proves nothing"
    rig.connect()
    rig.take()
    rig.heal(decoder, "reconnected")


def test_lag_is_measured_against_the_smallest_seen(rig: JoinRig) -> None:
    """Messages that arrive 80 ms later than usual show so in the record; the difference of the clocks does not."""
    decoder, events = rig.decoder(), stream(rig, 20)
    skew = 5_000_000_000  # our clock is 5 s ahead of the venue's
    late = len(events) - 4
    for number, event in enumerate(events):
        recv = event.at_ns + (80 * MS if number >= late else 2 * MS)
        wall = recv + skew + rig.venues.clock.wall_ms() * MS - rig.venues.clock.mono_ns()
        if event.kind == "rest":
            rig.give(decoder, event)
        else:
            decoder.decode(event.body, recv, wall)
    record = decoder.record(0, recv, wall)
    assert 60 * MS <= record["lag_ns"] <= 90 * MS, record["lag_ns"]


@pytest.mark.conformance_full
def test_a_quiet_limit_is_learned_from_the_gaps_of_a_live_book(rig: JoinRig) -> None:
    """It takes a few hundred messages: books and tops of 15 s."""
    decoder = rig.decoder()
    for event in rig.begin():
        rig.give(decoder, event)
    for _ in range(15):
        for event in rig.live(1.0):
            rig.give(decoder, event)
        rig.take()
        if limit := decoder.record(0)["quiet_limit_ms"]:
            break
    assert 20 <= limit <= 60_000, limit


@pytest.mark.conformance_full
def test_a_real_feed_loses_its_connections_and_has_the_books_again(case: VenueCase, simex: Venues, home: pathlib.Path) -> None:
    """Alive and VALID, INVALID while cut, the venue's books before and after; the market rests at the comparisons."""
    feed_of(case), sim_of(case)
    simex.command("quiet", traffic=True)
    try:
        with VenueFeed(case, feed_run_dir(home, case, simex)) as feed:
            feed.wait_live()
            assert_equal_books(simex, feed, case)
            simex.command("quiet", traffic=True)
            feed.drain()
            cut = simex.command("disconnect", channel="md", venue=case.name, refuse_ms=200)["cut"]
            assert cut >= 1
            feed.drain_until(lambda record: not record["flags"] & VALID, 5.0, "an INVALID record after the cut")
            feed.wait_live()
            record = feed.reader.read_board(0) if feed.reader is not None else None
            assert record is not None and record["alive_mono_ns"] > 0
            assert_equal_books(simex, feed, case)
    finally:
        simex.command("quiet", traffic=True)

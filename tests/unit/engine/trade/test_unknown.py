"""The proof of absence: all four parts, each from a question asked late enough."""
import itertools

from engine.trade.commands import Ask
from engine.trade.policy import MS, SECOND, TradePolicy
from engine.trade.unknown import QueryAnswer, UnknownWatch

EXPIRY, LAG = 550 * MS, 1 * SECOND


def new_watch():
    return UnknownWatch(since_mono_ns=300 * MS, expiry_mono_ns=EXPIRY, lag_ns=LAG, next_ask_mono_ns=300 * MS)


def answer(ask, asked, is_found=False, is_answered=True):
    return QueryAnswer("L1", ask, asked, asked + 2 * MS, is_answered, is_found)


GOOD = [(answer(Ask.ORDER, EXPIRY), True), (answer(Ask.ORDER, EXPIRY + LAG), True), (answer(Ask.FILLS, EXPIRY + LAG), True),
        (answer(Ask.POSITION, EXPIRY + LAG), True)]


def test_all_four_parts_prove_absence_and_no_three_do():
    for count in range(5):
        for chosen in itertools.combinations(GOOD, count):
            watch = new_watch()
            for one, is_equal in chosen:
                watch.on_answer(one, is_equal)
            assert watch.is_absence_proven == (count == 4)


def test_questions_asked_too_early_count_for_nothing():
    for index, early in enumerate([EXPIRY - 1, EXPIRY + LAG - 1, EXPIRY + LAG - 1, EXPIRY + LAG - 1]):
        watch = new_watch()
        for place, (one, is_equal) in enumerate(GOOD):
            watch.on_answer(answer(one.ask, early) if place == index else one, is_equal)
        assert not watch.is_absence_proven


def test_no_answer_is_no_vote():
    watch = new_watch()
    for one, is_equal in GOOD:
        watch.on_answer(answer(one.ask, one.asked_mono_ns, is_answered=False), is_equal)
    assert not watch.is_absence_proven


def test_an_order_that_was_seen_starts_the_votes_anew():
    watch = new_watch()
    for one, is_equal in GOOD:
        watch.on_answer(one, is_equal)
    watch.on_answer(answer(Ask.ORDER, EXPIRY + 2 * LAG, is_found=True), False)
    assert not watch.is_absence_proven


def test_a_fill_or_another_position_denies_it():
    watch = new_watch()
    for one, _ in GOOD:
        watch.on_answer(one, False)
    assert not watch.is_absence_proven
    watch = new_watch()
    for one, is_equal in GOOD:
        watch.on_answer(answer(one.ask, one.asked_mono_ns, is_found=one.ask == Ask.FILLS), is_equal)
    assert not watch.is_absence_proven


def test_questions_come_at_rising_steps_and_at_the_moments_that_count():
    policy, watch = TradePolicy(), new_watch()
    now, times = 300 * MS, []
    while now < 2 * SECOND:
        times.append((now // MS, watch.take_asks(now, policy)))
        now = watch.next_ask_mono_ns
    assert [moment for moment, _ in times][:4] == [300, 350, 450, 550], "the last is the end of the time-to-live"
    assert times[0][1] == [Ask.ORDER, Ask.FILLS] and times[1][1] == [Ask.ORDER]
    assert (1550, [Ask.ORDER, Ask.FILLS, Ask.POSITION]) in times


def test_after_the_bound_questions_back_off():
    policy, watch = TradePolicy(), new_watch()
    now, gaps = 300 * MS, []
    for _ in range(40):
        watch.take_asks(now, policy)
        gaps.append(watch.next_ask_mono_ns - now)
        now = watch.next_ask_mono_ns
    assert gaps[-1] == policy.query_step_max_ns

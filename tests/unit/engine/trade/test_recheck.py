"""Questions about orders that are history: when they are asked, and what counts as an answer."""
from types import SimpleNamespace

from engine.trade.commands import Ask
from engine.trade.recheck import AGAIN_NS, EACH_MAX, FIRST_MAX, GIVE_UP_NS, Recheck

S = 1_000_000_000
LAG = 1 * S


def order(number, end_s=10):
    return SimpleNamespace(client_id=f"L{number}", row=0, decided_mono_ns=end_s * S - S // 2, end_mono_ns=end_s * S,
                           trade_id=number, venue_order_id=0, expiry_mono_ns=end_s * S)


def test_a_question_is_open_until_both_parts_are_answered_late_enough():
    recheck = Recheck(LAG)
    asked = recheck.add([order(1)], 10 * S)
    assert [question.ask for question in asked] == [Ask.ORDER], "fills are dear, and an answer proves nothing yet"
    assert not recheck.on_answer("L1", Ask.ORDER, 10 * S) and not recheck.on_answer("L1", Ask.FILLS, 10 * S)
    assert recheck.is_waiting, "asked before the venue's books could show it: proves nothing"
    assert not recheck.on_answer("L1", Ask.ORDER, 11 * S)
    assert [question.ask for question in recheck.due(12 * S)] == [Ask.FILLS]
    assert recheck.on_answer("L1", Ask.FILLS, 12 * S)
    assert not recheck.is_waiting and not recheck.on_answer("L1", Ask.FILLS, 12 * S)


def test_the_newest_first_few_at_once_and_nobody_starves():
    recheck = Recheck(LAG)
    orders = [order(number, number) for number in range(1, 41)]
    first = {question.client_id for question in recheck.add(orders, 100 * S)}
    assert first == {f"L{number}" for number in range(41 - FIRST_MAX, 41)}
    seen, now = set(first), 100 * S
    for _ in range(4):
        now += AGAIN_NS
        asked = {question.client_id for question in recheck.due(now)}
        assert len(asked) == EACH_MAX and not asked & seen
        seen |= asked
    assert len(seen) == 40
    assert recheck.add(orders, now) == [], "what is open is not opened again"


def test_it_is_given_up_after_two_minutes():
    recheck = Recheck(LAG)
    recheck.add([order(1)], 10 * S)
    assert recheck.due(10 * S + GIVE_UP_NS - 1)
    assert not recheck.due(10 * S + GIVE_UP_NS) and not recheck.is_waiting

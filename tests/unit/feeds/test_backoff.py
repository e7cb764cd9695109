"""Back-off, rate windows, weight budget: on given times, no sleeping."""
import random

from feeds.backoff import Backoff, RateWindow
from feeds.rest import WeightBudget


def test_backoff_grows_to_its_bound_with_jitter_and_repeats_with_its_seed():
    def delays(seed):
        backoff = Backoff(0.1, 30.0, random.Random(seed))
        return [backoff.next_s() for _ in range(14)]
    first = delays(1)
    assert first == delays(1) != delays(2)
    assert all(0.5 * min(30.0, 0.1 * 2**n) <= delay <= min(30.0, 0.1 * 2**n) for n, delay in enumerate(first))


def test_reset_starts_anew():
    backoff = Backoff(0.1, 30.0, random.Random(1))
    for _ in range(50):
        backoff.next_s()
    backoff.reset()
    assert backoff.next_s() <= 0.1


def test_no_window_ever_holds_more_than_the_limit():
    rng = random.Random(3)
    window = RateWindow(4, 1.0)
    now_s, taken = 0.0, []
    for _ in range(2000):
        now_s += rng.random() * 0.3
        if window.try_take(now_s):
            taken.append(now_s)
        else:
            assert 0 < window.wait_s(now_s) <= 1.0
    assert all(b - a >= 1.0 for a, b in zip(taken, taken[4:], strict=False))


def test_weight_budget_keeps_a_fifth_for_others_and_starts_anew_each_minute():
    budget = WeightBudget(100)
    assert budget.wait_s(80, now_s=120.0) == 0
    assert 0 < budget.wait_s(1, now_s=130.0) <= 50.1
    assert budget.wait_s(80, now_s=180.0) == 0
    budget.reported(5)
    assert budget.wait_s(1, now_s=181.0) > 0


def test_weight_budget_counts_in_the_venues_own_window():
    budget = WeightBudget(20, 2.0)
    assert budget.wait_s(16, now_s=100.0) == 0
    assert 0 < budget.wait_s(1, now_s=100.5) <= 1.6
    assert budget.wait_s(1, now_s=102.0) == 0


def test_one_request_larger_than_the_budget_is_still_possible():
    assert WeightBudget(20).wait_s(20, now_s=60.0) == 0

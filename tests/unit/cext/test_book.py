"""The full-depth book against a slow, obvious twin: a SortedDict a side."""
import random

import pytest
from sortedcontainers import SortedDict

from cext.book import Book

WINDOW = 16_384  # price steps of the window (book.h)


class Twin:
    """What a book is."""

    def __init__(self) -> None:
        self.sides: dict[str, SortedDict] = {"bids": SortedDict(), "asks": SortedDict()}

    def set(self, side: str, px: int, qty: int) -> None:
        key = -px if side == "bids" else px
        if qty:
            self.sides[side][key] = qty
        else:
            self.sides[side].pop(key, None)

    def levels(self, side: str) -> list[tuple[int, int]]:
        return [(abs(key), qty) for key, qty in self.sides[side].items()]


def test_levels_come_best_first_and_zero_removes() -> None:
    book = Book()
    for px, qty in ((100, 5), (102, 7), (101, 6), (99, 4)):
        book.set("bids", px, qty)
        book.set("asks", px + 10, qty)
    book.set("bids", 101, 0)
    book.set("bids", 98, 0)   # not there: normal
    book.set("asks", 110, 50)
    assert book.levels("bids") == [(102, 7), (100, 5), (99, 4)]
    assert book.levels("asks") == [(109, 4), (110, 50), (111, 6), (112, 7)]
    assert (book.best("bids"), book.best("asks"), book.count("bids")) == ((102, 7), (109, 4), 3)
    book.check()


def test_empty_side_has_no_best_level() -> None:
    book = Book()
    assert (book.best("bids"), book.levels("asks"), book.count("asks")) == ((0, 0), [], 0)
    book.set("bids", 5, 1)
    book.set("bids", 5, 0)
    assert book.best("bids") == (0, 0)
    book.check()


@pytest.mark.parametrize("side", ["bids", "asks"])
def test_walk_leaves_out_what_the_bound_hides_and_stops_at_room(side: str) -> None:
    book, sign = Book(), -1 if side == "bids" else 1
    prices = [1_000_000 + sign * step for step in (0, 1, 2, 63, 64, 65, 700, WINDOW // 2, WINDOW, 2 * WINDOW, 5 * WINDOW)]
    for px in prices:
        book.set(side, px, px)
    for bound in prices:
        assert [px for px, _ in book.levels(side, bound=bound)] == [px for px in prices if sign * px > sign * bound]
    beyond = 1_000_000 - sign * 3 * WINDOW
    assert [px for px, _ in book.levels(side, bound=beyond)] == prices
    assert [px for px, _ in book.levels(side, room=4, bound=prices[1])] == prices[2:6]
    assert [px for px, _ in book.levels(side, room=9)] == prices[:9]


def test_clear_leaves_no_ghost_level() -> None:
    book = Book()
    for px in (10, 500, 90_000, 4_000_000_000_000):
        book.set("bids", px, 1)
        book.set("asks", px, 1)
    book.clear()
    assert book.levels("bids") == [] == book.levels("asks")
    book.set("asks", 500, 3)
    assert book.levels("asks") == [(500, 3)]
    book.check()


def test_best_price_may_jump_any_distance() -> None:
    book, twin = Book(), Twin()
    for px in (1_000_000, 1, 2**62 - 1, 5_000_000, 4_999_999, 2**61, 3):
        for side in ("bids", "asks"):
            book.set(side, px, px % 97 + 1)
            twin.set(side, px, px % 97 + 1)
            assert book.levels(side) == twin.levels(side)
            book.check()
    for px in (1, 2**62 - 1, 3, 2**61, 1_000_000, 5_000_000, 4_999_999):
        for side in ("bids", "asks"):
            book.set(side, px, 0)
            twin.set(side, px, 0)
            assert book.levels(side) == twin.levels(side)
            book.check()


def test_side_refuses_more_levels_than_its_bound() -> None:
    book = Book()
    book.set("asks", 1, 1)
    accepted = sum(book.set("asks", 100_000 + 2 * number, 1) for number in range(140_000))
    assert 131_072 - 64 <= accepted < 140_000
    book.check()


def test_wrong_price_or_side_is_refused_in_words() -> None:
    book = Book()
    for px, qty in ((0, 1), (-5, 1), (2**62, 1), (5, -1)):
        with pytest.raises(ValueError, match="must"):
            book.set("bids", px, qty)
    with pytest.raises(ValueError, match="bids or asks"):
        book.set("mids", 1, 1)


@pytest.mark.parametrize(("seed", "spread", "steps"),
                         [(1, 300, 30_000), (2, 9_000, 40_000), (3, 60_000, 40_000), (4, 4_000_000, 40_000)])
def test_random_changes_match_the_twin_and_keep_every_invariant(seed: int, spread: int, steps: int) -> None:
    """Near and far levels, a drifting mid, sides that run empty; `check` states the invariants, the twin is the judge."""
    rng = random.Random(seed)
    book, twin, mid = Book(), Twin(), 1_000_000_000
    for step in range(steps):
        mid += rng.randint(-40, 40) if rng.random() < 0.999 else rng.randint(-4 * WINDOW, 4 * WINDOW)
        side = rng.choice(("bids", "asks"))
        distance = int(rng.expovariate(1 / spread))
        known = twin.sides[side]
        if known and rng.random() < 0.45:
            px = abs(known.keys()[min(int(rng.expovariate(1 / 40)), len(known) - 1)])
        else:
            px = mid - distance if side == "bids" else mid + distance
        qty = 0 if rng.random() < 0.42 else rng.randint(1, 10**12)
        book.set(side, px, qty)
        twin.set(side, px, qty)
        assert book.best(side) == (twin.levels(side)[0] if step % 50 == 0
                                   and known else book.best(side)), f"seed {seed}, step {step}"
        if step % 500 == 0 or (step > steps - 50):
            book.check()
            for name in ("bids", "asks"):
                assert book.levels(name) == twin.levels(name), f"seed {seed}, step {step}, {name}"
    for side in ("bids", "asks"):  # down to nothing, worst first on one side, best first on the other
        for px, _ in twin.levels(side)[::-1 if side == "bids" else 1]:
            book.set(side, px, 0)
        assert book.levels(side) == []
    book.check()

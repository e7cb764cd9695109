"""Client order ids: 18 letters and digits, exact both ways, never the same twice."""
from __future__ import annotations

import random
import re

import pytest

from cext.client_id import decode_client_id, encode_client_id

LARGEST = (65535, (1 << 64) - 1, 31)


def test_id_has_18_characters_that_every_venue_accepts() -> None:
    for made in (encode_client_id(0, 0, 0), encode_client_id(*LARGEST), encode_client_id(3, 7 << 32 | 55, 1)):
        assert re.fullmatch(r"L[0-9A-HJKMNP-TV-Z]{17}", made), made


def test_decode_is_the_exact_inverse() -> None:
    generator = random.Random(1)
    cases = [(0, 0, 0), LARGEST, *((generator.randrange(1 << 16), generator.randrange(1 << 64), generator.randrange(32))
                                   for _ in range(5000))]
    for case in cases:
        assert decode_client_id(encode_client_id(*case)) == case


def test_ids_of_different_orders_differ_and_sort_by_time() -> None:
    ids = [encode_client_id(1, epoch << 32 | seq, leg) for epoch in (1, 2) for seq in range(500) for leg in range(3)]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)


@pytest.mark.parametrize("foreign", ["", "x-TKT5PX2F1234", "l00000000000000000", "L0000000000000000", "L000000000000000000",
                                     "LI0000000000000000",
                                     "X00000000000000000", "autoclose-123", "L0000000000000000é", "L00000000 00000000"])
def test_ids_that_are_not_ours_are_not_taken_for_ours(foreign: str) -> None:
    assert decode_client_id(foreign) is None


@pytest.mark.parametrize(("arguments", "word"), [((-1, 0, 0), "instance"), ((65536, 0, 0), "instance"), ((0, -1, 0), "intent"),
                                                 ((0, 1 << 64, 0), "intent"), ((0, 0, 32), "leg")])
def test_parts_that_do_not_fit_are_refused_by_name(arguments: tuple[int, int, int], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        encode_client_id(*arguments)

"""Levels of four strings, read in one go: the same numbers as a plain parser's, or left to the slow way. Escapes are stepped over."""

import json
import random

import pytest

from cext import scan

REACH = b" " * 80


def level(text: str) -> tuple[int, int, int] | None:
    return scan.level(text.encode() + REACH, 2, 4, 2)


@pytest.mark.parametrize(
    ("text", "px", "qty"),
    [
        ('["8476.98","415","0","13"]', 847698, 4150000),
        ('["8477","0","0","0"]', 847700, 0),
        ('["0.01","0.0001","",""]', 1, 1),
        ('["1","1","a,]b","[x"]', 100, 10000),
        ('["123456789.12","1","0","123456789012345678"]', 12345678912, 10000),
    ],
)
def test_four_strings(text: str, px: int, qty: int) -> None:
    assert level(text) == (px, qty, len(text))


@pytest.mark.parametrize(
    "text",
    [
        '["1","1"]',
        '["1","1","0"]',
        '["1","1","0","1","2"]',
        '["1","1","0",1]',
        '["1","1",0,"1"]',
        '["1","1" ,"0","1"]',
        '["1","1","0","1" ]',
        '["1","1","0";"1"]',
        '["1","1","0","1"}',
        '["1","1","\x01","1"]',
        '["1","1","0","1',
        '["1.001","1","0","1"]',
        '["1","1.00001","0","1"]',
        '["","1","0","1"]',
        '["1","x","0","1"]',
        '["1","1","0","' + "9" * 90 + '"]',
    ],
)
def test_every_other_shape_is_left_to_the_slow_way(text: str) -> None:
    assert level(text) is None


def test_mutated_levels_are_read_as_a_plain_parser_reads_them() -> None:
    rng = random.Random(4)
    accepted = 0
    for _ in range(50_000):
        text = list('["8476.98","415.5","0","13"]')
        for _ in range(rng.randint(0, 2)):
            text[rng.randrange(len(text))] = rng.choice('"[],.0123456789x \x01')
        told = level("".join(text))
        if told is not None:
            accepted += 1
            strings = json.loads("".join(text)[: told[2]])
            assert len(strings) == 4 and (round(float(strings[0]) * 100), round(float(strings[1]) * 10**4)) == told[:2], text
    assert accepted > 5_000

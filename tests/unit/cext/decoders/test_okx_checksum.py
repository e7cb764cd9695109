"""The parts of OKX's checksum against plain twins: CRC-32, decimals as text, what is in the shortest form."""

import random
import zlib
from decimal import Decimal

import pytest

from cext.decoders.okx_checksum import crc32, decimal_text, shortest


@pytest.mark.parametrize("size", [0, 1, 15, 16, 63, 64, 65, 79, 80, 127, 128, 129, 200, 1000, 4095])
def test_crc_is_that_of_zlib(size: int) -> None:
    text = random.Random(size).randbytes(size)
    assert crc32(text) == zlib.crc32(text)


def test_examples_of_the_venue() -> None:
    assert crc32(b"3366.1:7:3366.8:9:3366:6:3368:8:3372:8") == 1362239393
    assert crc32(b"3366.1:7:3366.8:9:3368:8:3372:8") == 831078360


@pytest.mark.parametrize(
    ("value", "scale", "decimals", "text"),
    [
        (0, 0, 0, "0"),
        (0, 8, 0, "0"),
        (302380, 1, 0, "30238"),
        (302381, 1, 0, "30238.1"),
        (5, 3, 0, "0.005"),
        (10, 1, 0, "1"),
        (10, 1, 1, "1.0"),
        (10, 1, 3, "1.000"),
        (7, 0, 2, "7.00"),
        (18050747, 8, 0, "0.18050747"),
        (1, 18, 0, "0.000000000000000001"),
        (2**62 - 1, 0, 0, "4611686018427387903"),
        (2**62 - 1, 18, 0, "4.611686018427387903"),
        (10**15, 15, 0, "1"),
        (10**16 - 1, 15, 0, "9.999999999999999"),
        (10**16, 15, 0, "10"),
        (100, 0, 0, "100"),
    ],
)
def test_decimal_text(value: int, scale: int, decimals: int, text: str) -> None:
    assert decimal_text(value, scale, decimals) == decimal_text(value, scale, decimals, slow=True) == text


def test_decimal_text_is_what_decimal_writes() -> None:
    rng = random.Random(5)
    for _ in range(20_000):
        value, scale = (
            rng.getrandbits(rng.randint(1, 62)) // 10 ** rng.choice((0, 0, 2, 7)) * 10 ** rng.choice((0, 0, 3)) % 2**62,
            rng.randint(0, 18),
        )
        decimals = rng.choice((0, 0, rng.randint(0, 18)))
        text = format(Decimal(value).scaleb(-scale), "f")
        text = text.rstrip("0").rstrip(".") if "." in text else text
        have = len(text.partition(".")[2])
        text += "." * (decimals > 0 and have == 0) + "0" * max(0, decimals - have)
        assert decimal_text(value, scale, decimals) == text, (value, scale, decimals)
        assert decimal_text(value, scale, decimals, slow=True) == text, (value, scale, decimals)


@pytest.mark.parametrize(("value", "scale", "decimals"), [(2**62, 0, 0), (1, 19, 0), (1, 0, 19)])
def test_what_no_book_can_hold_is_refused(value: int, scale: int, decimals: int) -> None:
    with pytest.raises(ValueError, match="62 bits"):
        decimal_text(value, scale, decimals)


SHORT = ("0", "10", "100.5", "0.1", "0.001", "12345678.12345678", "7", "30316", "1000000")
LONG = ("1.0", "0.10", "00.1", "01", "10.50", "0.0", "100.100", "00")


def test_one_long_decimal_is_found_wherever_it_stands() -> None:
    rng = random.Random(6)
    told_short = 0
    for _ in range(20_000):
        texts = [rng.choice(SHORT) for _ in range(rng.randint(1, 30))]
        is_short = rng.random() < 0.5
        if not is_short:
            texts[rng.randrange(len(texts))] = rng.choice(LONG)
        told = shortest(f"[{','.join(f'[{chr(34)}{text}{chr(34)}]' for text in texts)}]".encode())
        assert is_short or not told, texts
        told_short += told
    assert told_short in (0, *range(8_000, 12_000))  # 0: a machine without AVX2 looks at every level

"""JSON in place: what is accepted, what is refused, and that the fast ways say the same as the slow one."""
import random
from decimal import Decimal

import pytest

from cext import scan

ROOM = b" " * 64  # with bytes behind the value the fast way is taken, without them the slow one


def both_ways(text: str, scale: int) -> int | None:
    """The value by each way; fails when they differ."""
    quoted = text.encode() + b'"'
    slow = scan.decimal(quoted, scale, slow=True)
    assert scan.decimal(quoted, scale) == slow, f"{text!r} at scale {scale}: without room"
    assert scan.decimal(quoted + ROOM, scale) == slow, f"{text!r} at scale {scale}: with room"
    return slow


@pytest.mark.parametrize(("text", "scale", "value"), [
    ("61659.70", 1, 616597), ("61659.70", 2, 6165970), ("0.014", 3, 14), ("0", 3, 0), ("0.00000000", 2, 0), ("502", 3, 502000),
    ("25.18300000", 3, 25183), ("0.00006547", 8, 6547), ("9999999.99999999", 8, 999999999999999), ("007.10", 1, 71), ("1", 0, 1),
    ("1.000", 0, 1), ("123456789012345", 0, 123456789012345), ("12345678901234567", 0, 12345678901234567),
    ("4611686018427387903", 0, 2**62 - 1), ("92233720368.54775807", 8, None), ("4611686018427387904", 0, None),
    ("0.0000000000000000010", 18, 1),
])
def test_decimal_becomes_exact_integer(text: str, scale: int, value: int | None) -> None:
    assert both_ways(text, scale) == value


@pytest.mark.parametrize("text", [
    "61659.71", "0.05", "1.0001000", "", ".", ".5", "5.", "-1", "+1", "1e3", "1E3", "NaN", "Infinity", "1,5", "1.2.3", " 1", "1 ",
    "0x10",
    "1\\u0030", "1\x002", "99999999999999999999999999", "1..2", "½",
])
def test_what_is_no_exact_decimal_is_refused(text: str) -> None:
    assert both_ways(text, 1) is None


def test_decimal_without_closing_quote_is_refused() -> None:
    assert scan.decimal(b"123.45", 2) is None
    assert scan.decimal(b"", 2) is None
    assert scan.decimal(b"1234567890123456789", 2) is None


def test_fast_and_slow_way_agree_on_random_text() -> None:
    rng = random.Random(1)
    for _ in range(60_000):
        scale = rng.randrange(0, 19)
        if rng.random() < 0.7:
            text = (
                f"{rng.randrange(10 ** rng.randrange(1, 12))}.{rng.randrange(10 ** rng.randrange(1, 9)):0{rng.randrange(1, 9)}d}"
            )
            text += "0" * rng.randrange(4)
        else:
            text = "".join(rng.choice("0123456789..\"-e\\") for _ in range(rng.randrange(0, 20)))
        value = both_ways(text, scale)
        if value is not None:
            exact = Decimal(text.split('"')[0]).scaleb(scale)
            assert exact == value, f"seed 1: {text!r} at scale {scale} gave {value}"


def test_level_way_agrees_with_two_decimals() -> None:
    rng = random.Random(2)
    accepted = 0
    for _ in range(60_000):
        px_scale, qty_scale = rng.randrange(0, 9), rng.randrange(0, 9)
        px, qty = (f"{rng.randrange(10 ** rng.randrange(1, 10))}" + (f".{rng.randrange(10 ** 8):08d}"[:rng.randrange(2, 10)]
                                                                     if rng.random() < 0.9 else "")
                   for _ in range(2))
        if rng.random() < 0.3:
            px = px.rstrip("123456789") or "0"
        text = bytearray(f'["{px}","{qty}"],'.encode())
        if rng.random() < 0.2:
            text[rng.randrange(len(text))] = rng.choice(b'0."[],x\x00')
        got = scan.level(bytes(text) + b"x" * 80, px_scale, qty_scale)
        parts = bytes(text).split(b'"')
        if got is not None:
            accepted += 1
            wanted = tuple(scan.decimal(part + b'"', scale, slow=True)
                           for part, scale in ((parts[1], px_scale), (parts[3], qty_scale)))
            assert got[:2] == wanted and text[got[2] - 1] == ord("]"), (
                f"seed 2: {bytes(text)!r} {px_scale} {qty_scale} gave {got}"
            )
    assert accepted > 8_000


def test_integer_is_read_without_sign_fraction_or_leading_zero() -> None:
    assert scan.integer(b"5123107832006,") == 5123107832006
    assert scan.integer(b"0}") == 0
    assert scan.integer(b"9223372036854775799,") == 9223372036854775799
    for text in (b"", b"-1", b"01", b"1.5", b"1e5", b'"1"', b"9223372036854775800", b"9223372036854775808",
                 b"99999999999999999999", b"null"):
        assert scan.integer(text) is None, text


@pytest.mark.parametrize("text", [
    b'"plain"', b'"with \\" and \\\\ inside"', b'"' + b"x" * 100 + b'"', b"12.5e-3", b"true", b"null", b"[]", b"{}",
    b'[1,[2,{"a":"]"}]]',
    b'{"k":"}","l":["{"]}', b"[" * 64 + b"]" * 64, b'""', b'"\\u0041"',
])
def test_value_is_stepped_over_to_its_last_byte(text: bytes) -> None:
    for behind in (b"", b",", b'}  "', b" " * 40):
        assert scan.value_bytes(text + behind) == len(text)


@pytest.mark.parametrize("text", [
    b"", b'"open', b'"' + b"x" * 50, b'"esc\\', b"[1,2", b'{"a":[}', b"[}", b"{]", b"[" * 65 + b"]" * 65, b"[" * 100_000, b",",
    b"}", b'"nul\x00"',
    b'["tab\x01"]', b"[\x00]", b'"line\n"',
])
def test_broken_value_is_refused(text: bytes) -> None:
    assert scan.value_bytes(text) == -1

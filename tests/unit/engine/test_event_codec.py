"""Orders as structs and as classes: exact inverses, and the same numbers as the shared layout."""
from __future__ import annotations

import random
import re
from decimal import Decimal
from pathlib import Path

import pytest

from engine import events
from engine.event_codec import pack_intent, pack_order_event, pack_sent, unpack_intent, unpack_order_event, unpack_sent
from engine.events import Intent, Leg, OrderEvent, SentOutcome

LAYOUT = (Path(__file__).parents[3] / "cext" / "layout.h").read_text()


@pytest.mark.parametrize(("prefix", "kind"), [
    ("SIDE_", events.Side), ("PURPOSE_", events.Purpose), ("INTENT_", events.IntentKind), ("SENT_", events.Sent),
    ("OE_SOURCE_", events.Source),
    ("ORDER_STATUS_", events.OrderStatus), ("ERROR_", events.ErrorClass)])
def test_enums_have_the_numbers_of_the_layout(prefix: str, kind: type) -> None:
    defined = {name: int(value) for name, value in re.findall(rf"#define {prefix}(\w+) (\d+)u", LAYOUT)}
    assert {member.name: member.value for member in kind} == defined  # type: ignore[attr-defined]


def test_order_types_and_flags_have_the_numbers_of_the_layout() -> None:
    numbers = {name: int(value) for name, value in re.findall(r"#define (\w+) (\d+)u", LAYOUT)}
    assert {f"ORDER_{member.name}": member.value for member in events.OrderType}.items() <= numbers.items()
    assert {f"OE_{member.name}": member.value for member in events.EventFlag}.items() <= numbers.items()
    assert numbers["LEG_REDUCE_ONLY"] == events.LegFlag.REDUCE_ONLY


def random_decimal(generator: random.Random) -> Decimal | None:
    return None if generator.random() < 0.3 else Decimal(generator.randrange(-10**12, 10**12)).scaleb(-generator.randrange(9))


def test_order_events_go_both_ways() -> None:
    generator = random.Random(3)
    for _ in range(2000):
        event = OrderEvent(
            "L" + "".join(generator.choices("0123456789ABC", k=17)), generator.randrange(1 << 32), generator.randrange(4),
            generator.randrange(9),
            generator.randrange(1 << 63), generator.randrange(1 << 63), generator.randrange(1 << 63),
            generator.randrange(1 << 62),
            generator.randrange(1 << 62), generator.randrange(-1, 1 << 62), generator.randrange(1 << 62),
            generator.randrange(1 << 62),
            random_decimal(generator), random_decimal(generator), generator.choice(["", "USDT", "BNB"]),
            generator.choice(["", "Market is closed."]),
            generator.randrange(12), generator.randrange(-1 << 31, 1 << 31), generator.randrange(32))
        packed = pack_order_event(event)
        assert len(packed) == 256
        assert unpack_order_event(packed) == event
        assert pack_order_event(unpack_order_event(packed)) == packed


def test_intents_and_outcomes_go_both_ways() -> None:
    generator = random.Random(4)
    for legs in (1, 2, 3):
        intent = Intent(5 << 32 | 7, 5 << 32 | 6, generator.randrange(3), generator.randrange(5), 1, generator.randrange(1 << 32),
                        *(generator.randrange(1 << 62) for _ in range(5)), -5, -6, -7, 8, 9999,
                        legs=[Leg(f"L{'0' * 16}{n}", *(generator.randrange(2) for _ in range(4)),
                                  *(generator.randrange(1 << 31) for _ in range(2)), n,
                                  *(generator.randrange(1 << 31) for _ in range(12))) for n in range(legs)])
        assert unpack_intent(pack_intent(intent)) == intent
    outcome = SentOutcome(5 << 32 | 7, 1, 2, 10, 11, 512)
    assert unpack_sent(pack_sent(outcome)) == outcome


def test_wrong_sizes_and_numbers_are_named() -> None:
    with pytest.raises(ValueError, match="order_event_t has 256 bytes, got 3"):
        unpack_order_event(b"abc")
    with pytest.raises(ValueError, match="1 to 3 legs, not 4"):
        pack_intent(Intent(1, 1, legs=[Leg("L", 0, 0, 0, 0, 1, 1)] * 4))
    with pytest.raises(ValueError, match="client_id"):
        pack_order_event(OrderEvent("x" * 40))
    broken = bytearray(pack_order_event(OrderEvent("L", fee=Decimal(1))))
    broken[broken.index(b"1", 24)] = ord("z")
    with pytest.raises(ValueError, match="no decimal"):
        unpack_order_event(bytes(broken))


def test_long_message_is_cut_and_exotic_text_replaced() -> None:
    made = unpack_order_event(pack_order_event(OrderEvent("L", message="é" + "y" * 100)))
    assert made.message == "?" + "y" * 62

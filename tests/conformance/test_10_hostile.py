"""Damaged and unknown bytes from the market and about orders: counted; the book is INVALID or untouched, the order UNKNOWN;
no crash and nothing taken for what it is not."""
from __future__ import annotations

import random
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from cext.client_id import encode_client_id
from engine.event_codec import unpack_order_event
from engine.events import ErrorClass, EventFlag, OrderEvent, OrderStatus
from tests.conformance.case import Scene, VenueCase
from tests.conformance.layers import gateway_of, leave
from tests.conformance.made import VALID, made_decoder
from tests.conformance.test_3_signing import make_markets
from tests.support import decoder_fuzz

if TYPE_CHECKING:
    from cext.decoders.market import MarketDecoder
    from cext.decoders.orders import OrderDecoder

FORGED = (b"", b"{", b"[]", b"null", b"0", b"\xff\xfe", b'"text"', b"{}", b'{"hello":1}', b'{"data":[]}', b'{"data":{}}',
          b'{"id":null}',
          b'{"topic":"x"}', b'{"arg":{}}', b'{"e":"depthUpdate"}', b'{"result":[]}', b"[" * 4000, b'{"a":' * 2000, b"\x00" * 64)
TAKEN = ("book", "trade", "funding", "ack", "buffered", "shutdown")
NUMBER = re.compile(rb'"([0-9]+(?:\.[0-9]+)?)"')
PLAIN = re.compile(rb"([0-9]+(?:\.[0-9]+)?)")
MUTATIONS, MUTATIONS_FULL = 300, 3000


def played(case: VenueCase, scene: Scene, steps: int) -> MarketDecoder:
    """A decoder after the first so many steps of a scene."""
    decoder = made_decoder(case, scene.market, {scene.symbol: scene.scales}, scene.contract_size)
    for number, (verb, body) in enumerate(scene.steps[:steps]):
        stamp = 1_700_000_000_000_000_000 + number * 1_000_000
        decoder.apply_snapshot(0, body, 1000, stamp, stamp) if verb == "snapshot" else decoder.decode(body, stamp, stamp)
    return decoder


def told(decoder: MarketDecoder) -> int:
    counters = decoder.counters()
    return counters["error_frames"] + counters["unknown_frames"] + counters["unknown_symbols"]


def is_json(frame: bytes) -> bool:
    try:
        orjson.loads(frame)
    except orjson.JSONDecodeError:
        return False
    return True


def scenes_of(case: VenueCase, market: str) -> list[Scene]:
    leave(case, 10, market)
    return [scene for scene in case.scenes if scene.market == market]


def test_market_frames_truncated_at_every_byte(case: VenueCase, market: str) -> None:
    for scene in scenes_of(case, market):
        for step, (verb, body) in enumerate(scene.steps):
            for cut in range(len(body)):
                decoder = played(case, scene, step)
                before, count = decoder.book(0), told(decoder)
                where = f"{scene.name} step {step} cut at {cut}: {body[:cut][-40:]!r}"
                if verb == "snapshot":
                    assert decoder.apply_snapshot(0, body[:cut]) in ("error", "ignored"), where
                else:
                    said = decoder.decode(body[:cut])["kind"]
                    assert said not in TAKEN, f"{where} was taken as {said}"
                    assert told(decoder) == count + 1, f"{where}: not counted"
                    assert decoder.book(0) == before or not decoder.record(0)["flags"] & VALID, where
                decoder.check(0)


def test_unknown_messages_are_counted_and_change_nothing(case: VenueCase, market: str) -> None:
    for scene in scenes_of(case, market):
        for frame in FORGED:
            decoder = played(case, scene, len(scene.steps))
            before, count, was_valid = decoder.book(0), told(decoder), decoder.record(0)["flags"] & VALID
            said = decoder.decode(frame)["kind"]
            assert said not in TAKEN, (frame[:40], said)
            assert told(decoder) == count + 1 and decoder.book(0) == before, frame[:40]
            assert decoder.record(0)["flags"] & VALID == was_valid, frame[:40]


def mutate(case: VenueCase, market: str, count: int, seed: int) -> None:
    """Levels of a book after a damaged frame were there before, or stand in the frame."""
    rng = random.Random(seed)
    for scene in scenes_of(case, market):
        frames = [number for number, (verb, _) in enumerate(scene.steps) if verb == "frame"]
        for number in range(count):
            step = rng.choice(frames)
            frame = decoder_fuzz.mutated(scene.steps[step][1], seed * 1_000_000 + number, rng.randint(1, 3))
            decoder = played(case, scene, step)
            before = {(px, qty) for side in decoder.book(0).values() for px, qty in side}
            decoder.decode(frame)
            decoder.check(0)
            decoder.record(0)
            if is_json(frame):
                continue
            size = Decimal(scene.contract_size)
            numbers = {Decimal(text.decode()) for text in NUMBER.findall(frame)}
            for px, qty in {(px, qty) for side in decoder.book(0).values() for px, qty in side} - before:
                price, amount = Decimal(px).scaleb(-scene.scales[0]), Decimal(qty).scaleb(-scene.scales[1])
                assert price in numbers and amount / size in numbers, (seed, number, price, amount, frame)


def test_mutated_market_frames(case: VenueCase, market: str) -> None:
    mutate(case, market, MUTATIONS, seed=1)


@pytest.mark.conformance_full
def test_many_mutated_market_frames(case: VenueCase, market: str) -> None:
    for seed in range(2, 5):
        mutate(case, market, MUTATIONS_FULL, seed)


# ---------------------------------------------------------------- orders


class Orders:
    """A decoder of order replies with an order of ours that they are about."""

    def __init__(self, case: VenueCase, market: str, folder: Any) -> None:
        leave(case, 10, market)
        gateway_of(case)
        self.gateway = make_markets(case, folder)[market]
        self.cid = encode_client_id(7, 1 << 32 | 99, 0)
        self.symbol = next(row.symbol for row in self.gateway.rows.values() if row.base == "BTC")
        self.templates = case.order_replies.get(market, ())
        assert self.templates, f"{case.name} {market}: the case has no order replies"

    def filled_in(self, template: bytes, code: str = "0") -> bytes:
        """The request id is the client id; a venue's counter behind it changes nothing."""
        return template.replace(b"<ID>", self.cid.encode()).replace(b"<CID>", self.cid.encode()).replace(
            b"<SYMBOL>", self.symbol.encode()).replace(b"<CODE>", code.encode())

    def decode(self, frame: bytes) -> tuple[str, list[OrderEvent], OrderDecoder]:
        decoder = self.gateway.make_decoder()
        kind, events = decoder.decode_frame(frame)
        return kind, [unpack_order_event(event) for event in events], decoder


@pytest.fixture(scope="module")
def orders(case: VenueCase, market: str, tmp_path_factory: pytest.TempPathFactory) -> Orders:
    return Orders(case, market, tmp_path_factory.mktemp("keys"))


def test_replies_as_documented_are_understood(orders: Orders) -> None:
    statuses = set()
    for template in orders.templates:
        if b"<CODE>" in template:
            continue
        kind, events, _ = orders.decode(orders.filled_in(template))
        assert kind == "orders" and events, template
        assert all(event.client_id == orders.cid for event in events)
        statuses |= {event.status for event in events}
    assert statuses & {OrderStatus.FILLED, OrderStatus.PARTIAL}, statuses


def test_order_replies_truncated_at_every_byte_settle_nothing(orders: Orders) -> None:
    for template in orders.templates:
        whole = orders.filled_in(template, "-99999")
        for cut in range(len(whole)):
            kind, events, decoder = orders.decode(whole[:cut])
            assert all(event.status == OrderStatus.UNKNOWN for event in events), (whole[:cut][-60:], kind, events)
            assert kind != "nothing" or decoder.malformed == 0, whole[:cut][-60:]
            assert events or kind in ("error", "nothing") and (kind == "error" or cut == 0 or decoder.malformed), (cut, kind)


def test_unknown_error_codes_are_unknown_and_counted(orders: Orders) -> None:
    seen = 0
    for template in orders.templates:
        if b"<CODE>" not in template:
            continue
        for code in ("987654", "-987654", "2147483000"):
            _, events, decoder = orders.decode(orders.filled_in(template, code))
            assert [(event.status, event.error_class) for event in events] == [(OrderStatus.UNKNOWN, ErrorClass.UNMAPPED)], (
                code, events)
            assert decoder.unmapped_errors == 1
            seen += 1
    assert seen >= 3


def test_unknown_messages_are_about_no_order(orders: Orders) -> None:
    for frame in FORGED:
        _, events, _ = orders.decode(frame)
        assert events == [], frame[:40]


def test_mutated_order_replies_say_nothing_that_does_not_stand_in_them(orders: Orders) -> None:
    rng = random.Random(10)
    for number in range(1500):
        template = rng.choice(orders.templates)
        frame = decoder_fuzz.mutated(orders.filled_in(template, "-99999"), number, rng.randint(1, 3))
        _, events, _ = orders.decode(frame)
        numbers = {Decimal(text.decode()) for text in PLAIN.findall(frame)}
        for event in events:
            # damage in what is skipped may pass; what is told stands in the frame
            if event.is_terminal and not event.flags & EventFlag.FOREIGN:
                row = next(row for row in orders.gateway.rows.values() if row.id == event.instrument_id)
                filled = Decimal(event.cum_qty).scaleb(-row.qty_scale) / row.contract_size
                assert event.client_id.encode() in frame and filled in numbers, (number, frame, event)

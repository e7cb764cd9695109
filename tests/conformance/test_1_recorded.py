"""What the venue really sent, through the real decoder: books, trades, funding, checksums come out as an independent reader
has them.

Scenes are payloads of the venue's documents and always run; recordings lie beside the project, or their tests are skipped."""
from __future__ import annotations

import re
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from tests.conformance.case import Funding, Recording, Scene, Trade, VenueCase
from tests.conformance.layers import feed_of, leave
from tests.conformance.made import VALID, decimals_of, made_decoder, scaled
from tests.conformance.recordings import Step, read_steps
from tests.support.market_rig import book_digest

if TYPE_CHECKING:
    from cext.decoders.market import MarketDecoder

CONSUMED = ("book", "trade", "funding", "nothing", "buffered", "need_snapshot", "ack", "unknown", "shutdown")


def plain_trades(made: list[dict[str, Any]], scales: tuple[int, int]) -> list[tuple[Decimal, Decimal, bool]]:
    """Trades of a decoder as (price, base units, the taker sold)."""
    return [(Decimal(t["px"]).scaleb(-scales[0]), Decimal(t["qty"]).scaleb(-scales[1]), bool(t["flags"] & 1)) for t in made]


def wanted_trades(trades: list[Trade] | tuple[Trade, ...], contract_size: str = "1") -> list[tuple[Decimal, Decimal, bool]]:
    return [(t.px, t.size * Decimal(contract_size), t.is_sell) for t in trades]


def check_funding(made: dict[str, Any] | None, wanted: Funding, px_scale: int) -> None:
    assert made is not None, f"no funding came out; wanted {wanted}"
    if wanted.mark is not None:
        # finer than a tick on some venues: at most one unit of the instrument's scale away
        assert abs(Decimal(made["mark_px"]).scaleb(-px_scale) - wanted.mark) < Decimal(1).scaleb(-px_scale)
    if wanted.rate is not None:
        assert abs(Decimal(made["rate_e8"]).scaleb(-8) - wanted.rate) <= Decimal("0.00000001")
    if wanted.next_ms is not None:
        assert made["next_funding_wall_ns"] == wanted.next_ms * 1_000_000


def play(scene: Scene, decoder: MarketDecoder) -> tuple[list[str], list[dict[str, Any]], dict[str, Any] | None, Any]:
    """(kinds, trades, last funding, last acknowledgement) of a scene's steps."""
    kinds: list[str] = []
    trades: list[dict[str, Any]] = []
    funding, ack = None, None
    for number, (verb, body) in enumerate(scene.steps):
        stamp = 1_700_000_000_000_000_000 + number * 1_000_000
        if verb == "snapshot":
            kinds.append(decoder.apply_snapshot(0, body, 1000, stamp, stamp))
            continue
        told = decoder.decode(body, stamp, stamp)
        kinds.append(told["kind"])
        trades += told.get("trades", [])
        funding = told.get("funding", funding)
        if told["kind"] == "ack":
            ack = (told["ack_id"], int(told["ack_error"] != 0))
    return kinds, trades, funding, ack


def test_scenes_of_the_documents_come_out_as_they_say(case: VenueCase, market: str) -> None:
    leave(case, 1, market)
    scenes = [scene for scene in case.scenes if scene.market == market]
    assert scenes, f"{case.name} {market} has no scene: the item would be empty without recordings"
    for scene in scenes:
        decoder = made_decoder(case, market, {scene.symbol: scene.scales}, scene.contract_size)
        kinds, trades, funding, ack = play(scene, decoder)
        assert kinds == list(scene.kinds), scene.name
        book = decoder.book(0)
        for side, wanted in (("bids", scene.bids), ("asks", scene.asks)):
            if wanted is not None:
                assert book[side] == scaled(wanted, scene.scales), (scene.name, side)
        if scene.is_valid is not None:
            assert bool(decoder.record(0)["flags"] & VALID) == scene.is_valid, scene.name
        assert plain_trades(trades, scene.scales) == wanted_trades(scene.trades), scene.name
        if scene.funding is not None:
            check_funding(funding, scene.funding, scene.scales[0])
        assert scene.ack is None or ack == scene.ack, scene.name
        decoder.check(0)


# ---------------------------------------------------------------- recordings


def digits_seen(case: VenueCase, recording: Recording, steps: list[Step]) -> dict[str, tuple[int, int]]:
    """Scales of each wanted symbol: the digits that its levels and trades have."""
    venue = feed_of(case)
    seen: dict[str, list[int]] = {book.symbol: [0, 0] for book in recording.books}
    for step in steps:
        glance = venue.glance(recording.market, step.body)
        symbol = (step.snapshot_of or glance.symbol) if glance is not None else ""
        told = list(glance.levels) if glance is not None else []
        if symbol == "" and step.snapshot_of == "":
            symbol = recording.books[0].symbol
        if glance is not None and not told:
            for trade in case.trades(recording.market, orjson.loads(step.body)):
                seen.get(trade.symbol, [0, 0])[:] = [max(seen.get(trade.symbol, [0, 0])[0], decimals_of(str(trade.px))),
                                                     max(seen.get(trade.symbol, [0, 0])[1], decimals_of(str(trade.size)))]
        if symbol in seen:
            for px, qty in told:
                seen[symbol] = [max(seen[symbol][0], decimals_of(px)), max(seen[symbol][1], decimals_of(qty))]
    return {symbol: recording.scales.get(symbol, (px, qty)) for symbol, (px, qty) in seen.items()}


def of_market(case: VenueCase, market: str, full: bool) -> list[Recording]:
    return [recording for recording in case.recordings if recording.market == market and (full or not recording.is_long)]


def run_recording(case: VenueCase, recording: Recording, steps: list[Step], scales: dict[str, tuple[int, int]],
                  ) -> tuple[MarketDecoder, dict[str, list[dict[str, Any]]], dict[str, dict[str, Any]]]:
    """(decoder, trades by symbol, last funding by symbol) after all steps; every frame must be understood or be none of ours."""
    decoder = made_decoder(case, recording.market, scales)
    symbols = list(scales)
    trades: dict[str, list[dict[str, Any]]] = defaultdict(list)
    funding: dict[str, dict[str, Any]] = {}
    for step in steps:
        if step.snapshot_of is not None:
            row = decoder.row_of_symbol(step.snapshot_of) if step.snapshot_of else 0
            if row >= 0:
                assert decoder.apply_snapshot(row, step.body, 1000, step.recv_ns, step.recv_ns) in ("synced", "waiting")
            continue
        told = decoder.decode(step.body, step.recv_ns, step.recv_ns)
        assert told["kind"] in CONSUMED, step.body[:300]
        if told["kind"] == "trade":
            trades[symbols[told["row"]]] += told["trades"]
        elif told["kind"] == "funding":
            funding[symbols[told["row"]]] = told["funding"]
    return decoder, trades, funding


def check_recording(case: VenueCase, recording: Recording) -> None:
    steps = read_steps(recording)
    scales = digits_seen(case, recording, steps)
    decoder, trades, funding = run_recording(case, recording, steps, scales)
    for wanted in recording.books:
        row, where = decoder.row_of_symbol(wanted.symbol), f"{recording.files[-1]} {wanted.symbol}"
        stats, book = decoder.stats(row), decoder.book(row)
        assert (stats["msgs"], stats["applied"]) == (wanted.msgs, wanted.applied), where
        assert (stats["gaps"], stats["crossed"], stats["invalid"], stats["resyncs"]) == (0, 0, 0, 0), where
        assert (len(book["bids"]), len(book["asks"])) == wanted.levels, where
        assert wanted.last_id is None or stats["update_id"] == wanted.last_id, where
        assert book_digest(book, *scales[wanted.symbol]) == wanted.digest, where
        decoder.check(row)
    assert decoder.counters()["error_frames"] == 0
    plain: dict[str, list[Trade]] = defaultdict(list)
    told_funding: dict[str, dict[str, Any]] = defaultdict(dict)
    for step in steps:
        if step.snapshot_of is not None or not step.body.startswith(b"{"):
            continue
        told = orjson.loads(step.body)
        for trade in case.trades(recording.market, told):
            plain[trade.symbol].append(trade)
        seen = case.funding(recording.market, told)
        if seen is not None:
            told_funding[seen.symbol] |= {key: value for key in ("mark", "rate", "next_ms")
                                          if (value := getattr(seen, key)) is not None}
    for symbol, symbol_scales in scales.items():
        assert plain_trades(trades[symbol], symbol_scales) == wanted_trades(plain[symbol]), symbol
        if len(told_funding[symbol]) == 3:
            check_funding(funding.get(symbol), Funding(symbol, **told_funding[symbol]), symbol_scales[0])


def test_recorded_books_trades_and_funding_are_those_of_an_independent_reader(case: VenueCase, market: str) -> None:
    leave(case, 1, market)
    recordings = of_market(case, market, full=False)
    if not recordings:
        pytest.skip(f"no recording of {case.name} {market} exists; its scenes stand for it")
    for recording in recordings:
        check_recording(case, recording)


@pytest.mark.conformance_full
def test_long_recordings_give_the_published_books(case: VenueCase, market: str) -> None:
    leave(case, 1, market)
    recordings = [recording for recording in of_market(case, market, full=True) if recording.is_long]
    if not recordings:
        pytest.skip(f"no long recording of {case.name} {market} exists")
    for recording in recordings:
        check_recording(case, recording)


def test_every_recorded_checksum_is_verified(case: VenueCase, market: str) -> None:
    """A digit of one checksum is changed, at many places: the book must be INVALID after exactly that message."""
    leave(case, 1, market)
    recordings = [recording for recording in of_market(case, market, full=True) if recording.checksums]
    if not recordings:
        pytest.skip(f"no recording of {case.name} {market} carries checksums")
    for recording in recordings:
        steps = read_steps(recording)
        scales = digits_seen(case, recording, steps)
        pattern = re.compile(recording.checksum)
        symbols = {book.symbol for book in recording.books}
        places = [number for number, step in enumerate(steps) if step.snapshot_of is None and pattern.search(step.body)
                  and (glance := feed_of(case).glance(recording.market, step.body)) is not None and glance.symbol in symbols]
        assert len(places) == recording.checksums
        stride = max(1, len(places) // 40)
        for place in places[::stride]:
            body = steps[place].body
            found = pattern.search(body)
            assert found is not None
            at = found.end(1) - 1
            damaged = body[:at] + (b"1" if body[at:at + 1] != b"1" else b"2") + body[at + 1:]
            decoder = made_decoder(case, recording.market, scales)
            for step in steps[:place]:
                decoder.decode(step.body, step.recv_ns, step.recv_ns)
            told = decoder.decode(damaged, steps[place].recv_ns, steps[place].recv_ns)
            row = told["row"]
            assert row >= 0 and not decoder.record(row)["flags"] & VALID, f"message {place}: a wrong checksum was accepted"

"""Sizes between what the venue counts in and base units: exact in both directions for every row, and never an order that one
of the two venues of a pair refuses."""
from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from cext.client_id import encode_client_id
from cext.core import CMD_SEND, PairParams
from cext.decoders.orders import size_to_qty
from cext.encoders.encoder import size_text
from engine.events import OrderType
from feeds.instruments import InstrumentRow, InstrumentTable, to_scaled
from tests.conformance.case import Answer, VenueCase, case_names, load_case
from tests.conformance.layers import Missing, gateway_of, leave, sim_of
from tests.conformance.listed import listed_rows, read_listing
from tests.conformance.oracle_ccxt import frozen
from tests.conformance.recordings import read_http
from tests.support.core_world import World
from tests.support.shared_data import shared_data

ROUNDS, ROUNDS_FULL = 16, 120
BASE = "XYZ"


def quantities(row: InstrumentRow, rng: random.Random) -> list[int]:
    """Whole lots: the first ones, the largest that are allowed, and some between."""
    lot = to_scaled(row.lot, row.qty_scale)
    largest = to_scaled(row.max_qty, row.qty_scale) // lot if row.max_qty else 10**12 // lot
    return [lot * n for n in {1, 2, 3, 7, 10, 99, largest, *(rng.randint(1, max(1, largest)) for _ in range(20))} if n <= largest]


def check_rows(rows: list[InstrumentRow]) -> None:
    table = InstrumentTable()
    table.merge(rows)
    array, rng = table.to_array(), random.Random(6)
    for row in table.rows:
        for qty in quantities(row, rng):
            text = size_text(array, row.id, qty)
            assert Decimal(text) * row.contract_size == Decimal(qty).scaleb(-row.qty_scale), (row.name, qty, text)
            assert size_to_qty(text, array, row.id) == qty, (row.name, qty, text)
            assert "E" not in text.upper() and not text.startswith("."), text


def test_sizes_of_awkward_instruments_are_exact_both_ways(case: VenueCase, market: str) -> None:
    leave(case, 6, market)
    rows = [row for row in listed_rows(case) if row.market == market]
    assert len(rows) >= 3, "the case's listing has hardly any instrument of this market"
    check_rows(rows)


def test_ccxt_reads_the_same_ticks_lots_and_contracts(case: VenueCase, market: str) -> None:
    leave(case, 6, market)
    client = frozen(case)
    client.load_markets()
    for row in listed_rows(case):
        if row.market != market:
            continue
        told = client.market(row.name.partition(":")[2])
        contract = Decimal(str(told.get("contractSize") or 1))
        assert told["id"] == row.symbol and contract == row.contract_size, row.name
        assert exact(told["precision"]["price"]) == row.tick, row.name
        assert exact(told["precision"]["amount"]) * contract == row.lot, row.name


def exact(value: float) -> Decimal:
    """The digits that ccxt was given: its floats print them."""
    return Decimal(repr(value))


def test_every_instrument_of_a_recorded_listing_is_exact_both_ways(case: VenueCase, market: str) -> None:
    leave(case, 6, market)
    answers = []
    for name, url, path, params in case.real_listings:
        bodies = read_http(shared_data(name), url)
        answers += [Answer(path, body, params) for body in bodies]
    if not answers:
        pytest.skip(f"no recorded listing of {case.name} exists")
    rows, problems = read_listing(case, [*answers, *(row for row in case.listing if not row.params or row.path not in
                                                       {answer.path for answer in answers})], [market])
    assert len(rows) > 20 and len(problems) <= len(rows) // 10, (len(rows), problems[:5])
    check_rows(rows)


# ---------------------------------------------------------------- joint sizing


def as_world_row(row: InstrumentRow, number: int) -> dict[str, Any]:
    """The row of a pair's leg: one base for both."""
    told = row.to_json() | {"id": number, "base": BASE, "underlying": BASE, "quote": "USDT", "settle": "USDT",
                            "status": "TRADING"}
    told["name"] = f"{row.venue}:{BASE}/USDT" + (":USDT" if row.market == "linear" else "")
    return told | {"maker_fee": "0.0002", "taker_fee": "0.001", "multiplier": 1}


def partners(case: VenueCase, market: str) -> list[InstrumentRow]:
    """Rows of other markets and venues that a pair with this one could have."""
    rows = []
    for name in case_names():
        other = load_case(name)
        try:
            gateway_of(other), sim_of(other)
        except Missing:  # its own cells say so
            continue
        for row in listed_rows(other):
            if (name, row.market) != (case.name, market) and row.market != market and row.quote in ("USDT", "USDC"):
                rows.append(row)
    return rows


def joint_orders(rng: random.Random, mine: InstrumentRow, other: InstrumentRow) -> list[dict[str, Any]]:
    """Legs that the core sizes on a pair with a large edge and random depth; [] when it finds no common size."""
    spot, linear = (mine, other) if mine.market == "spot" else (other, mine)
    world = World([as_world_row(spot, 0), as_world_row(linear, 1)], {
        "max_order_usd": 10**6, "max_position_usd": 10**8, "max_symbol_usd": 10**8, "max_venue_usd": 10**9,
        "max_total_usd": 10**9, "max_delta_usd": 10**8, "collar_bps": 5000}, fund=False)
    for account in {spot.account_name, linear.account_name}:
        for asset in ("USDT", BASE):
            world.core.set_account_balance(account, asset, 10**9 * 10**8)
    world.core.add_pair(0, 1, PairParams(entry_net_bps=1, max_notional_usd=rng.choice([200, 3_000, 50_000])))
    price = max(spot.tick, linear.tick) * rng.randint(2_000, 900_000)  # an edge of 2 % is many ticks

    def levels(row: dict[str, Any], px: Decimal, step: int) -> list[tuple[int, int]]:
        tick = to_scaled(Decimal(row["tick"]), row["px_scale"])
        first = max(tick, int(px.scaleb(row["px_scale"])) // tick * tick)
        made: list[tuple[int, int]] = []
        lot = to_scaled(Decimal(row["lot"]), row["qty_scale"])
        for number in range(rng.randint(1, 8)):
            at = first + step * number * tick
            if at <= 0:
                break
            worth = Decimal(rng.choice([30, 700, 9_000])) / px
            made.append((at, max(1, int(worth.scaleb(row["qty_scale"]))) + lot * rng.choice([0, 1, 5, 40])))
        return made
    for row_id, px in ((0, price), (1, price * Decimal("1.02"))):
        row = world.rows[row_id]
        tick = Decimal(row["tick"])
        bids, asks = levels(row, px, -1), levels(row, px + 2 * tick, 1)
        world.core.on_book(row_id, world.record(row_id, bids, asks), row_id % 2, world.now, world.wall)
    found = world.evaluate()
    return [leg for command, pool_index, _ in found if command == CMD_SEND for leg in world.core.intent(pool_index)["legs"]]


def run_joint(case: VenueCase, market: str, rounds: int, seed: int) -> None:
    from tools.simex.filters import check_px, check_qty
    from tools.simex.instrument import from_table
    rng = random.Random(seed)
    mine, others = [row for row in listed_rows(case) if row.market == market], partners(case, market)
    sized = 0
    for _ in range(rounds):
        pair = rng.choice(mine), rng.choice(others)
        try:
            legs = joint_orders(rng, *pair)
        except ValueError as refused:  # two scales whose largest sizes no 62 bits hold together: told at start, never traded
            assert "62 bits" in str(refused)
            continue
        spot, linear = pair if pair[0].market == "spot" else pair[::-1]
        for leg, row in zip(sorted(legs, key=lambda leg: leg["instrument_id"]), (spot, linear), strict=False):
            sized += 1
            venue = load_case(row.venue)
            table = InstrumentTable()
            table.merge([row])
            array = table.to_array()
            where = f"seed {seed}: {pair[0].name} with {pair[1].name}: {leg}"
            encoder = make_encoder(venue, row.market)
            frame = encoder.encode_place(array, 0, encode_client_id(7, sized, 0), leg["side"], OrderType.IOC, leg["limit_px"],
                                         leg["qty"], 1_700_000_000_000)
            assert size_text(array, 0, leg["qty"]).encode() in frame, where
            instrument = from_table(sim_of(venue), [table.rows[0].to_json()], {}, "the case's listing")[0]
            qty = Decimal(leg["qty"]).scaleb(instrument.qty_decimals - row.qty_scale)
            px = Decimal(leg["limit_px"]).scaleb(instrument.px_decimals - row.px_scale)
            assert (qty, px) == (int(qty), int(px)), where
            check_qty(instrument, int(qty), False)  # raises Refused
            check_px(instrument, int(px))
    assert sized >= rounds // 4, f"only {sized} legs in {rounds} rounds: the property was hardly tried"


def make_encoder(case: VenueCase, market: str) -> Any:
    """The encoder that the venue's gateway would use, without keys."""
    if (case.name, market) not in _ENCODERS:
        _ENCODERS[case.name, market] = gateway_encoder(case, market)
    return _ENCODERS[case.name, market]


_ENCODERS: dict[tuple[str, str], Any] = {}


def gateway_encoder(case: VenueCase, market: str) -> Any:
    import pathlib
    import tempfile

    from tests.conformance.test_3_signing import make_markets
    gateway_of(case)
    with tempfile.TemporaryDirectory() as folder:
        return make_markets(case, pathlib.Path(folder))[market].make_encoder()


def test_joint_sizes_are_refused_by_neither_venue(case: VenueCase, market: str) -> None:
    leave(case, 6, market)
    gateway_of(case), sim_of(case)
    run_joint(case, market, ROUNDS, seed=1)


@pytest.mark.conformance_full
def test_many_joint_sizes(case: VenueCase, market: str) -> None:
    leave(case, 6, market)
    for seed in range(2, 5):
        run_joint(case, market, ROUNDS_FULL, seed)

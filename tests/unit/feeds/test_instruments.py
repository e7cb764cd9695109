"""The instrument table: permanent ids, exact numbers, refusals that name the instrument."""
import os
import subprocess
import sys
from decimal import Decimal

import orjson
import pytest

from feeds.instruments import (
    InstrumentError,
    InstrumentRow,
    InstrumentTable,
    join_run_table,
    largest_max_qty,
    merge_into_file,
    on_grid,
    run_table_path,
    scale_of,
    split_multiplier,
    table_path,
    to_scaled,
    venue_table_path,
    with_room,
)
from tests.unit.feeds.rows import make_perp, make_row


def test_ids_are_dense_permanent_and_given_in_order():
    table = InstrumentTable()
    assert table.merge([make_row(), make_perp()]) == [0, 1]
    assert table.merge([make_row(name="binance:ETH/USDT", base="ETH", symbol="ETHUSDT"), make_perp(tick=Decimal("0.2"))]) == [
        2,
        1,
    ]
    assert [row.id for row in table.rows] == [0, 1, 2]
    assert table.by_name["binance:BTC/USDT:USDT"].tick == Decimal("0.2")


def test_bad_row_changes_nothing():
    table = InstrumentTable([make_row()])
    before = table.version_hash()
    with pytest.raises(InstrumentError):
        table.merge([make_perp(), make_row(name="binance:ETH/USDT", base="ETH", tick=Decimal(0))])
    assert table.version_hash() == before and len(table) == 1


def test_json_round_trip_keeps_every_field_and_the_hash():
    table = InstrumentTable([make_row(), make_perp(id=1)])
    again = InstrumentTable.from_json(orjson.loads(orjson.dumps(table.to_json())))
    assert again.rows == table.rows
    assert again.version_hash() == table.version_hash()


def test_hash_sees_every_field():
    hashes = {
        InstrumentTable([make_row(**change)]).version_hash()
        for change in (
            {},
            {"status": "HALT"},
            {"taker_fee": Decimal("0.0009")},
            {"min_notional": Decimal(6)},
            {"max_qty": Decimal(8999)},
            {"symbol": "BTCUSDX"},
        )
    }
    assert len(hashes) == 6


def test_a_file_changed_by_hand_is_refused(tmp_path):
    path = tmp_path / "instruments.json"
    InstrumentTable([make_row()]).save(path)
    path.write_text(path.read_text().replace('"0.01"', '"0.02"', 1))
    with pytest.raises(InstrumentError, match="changed by hand or damaged"):
        InstrumentTable.load(path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"version":2}', b'{"version":1,"instruments":[{}]}', b'{"version":1,"instruments":[5]}']
)
def test_damaged_files_are_named(tmp_path, content):
    path = tmp_path / "instruments.json"
    path.write_bytes(content)
    with pytest.raises(InstrumentError, match="instruments.json"):
        InstrumentTable.load(path)


def test_missing_file_is_an_empty_table_only_when_asked_for(tmp_path):
    assert len(InstrumentTable.load(tmp_path / "none.json", missing_ok=True)) == 0
    with pytest.raises(InstrumentError, match="no instrument table"):
        InstrumentTable.load(tmp_path / "none.json")


@pytest.mark.parametrize("change, part", [
    ({"tick": Decimal("0.001")}, "tick: 0.001 has more than 2 decimals"),
    ({"max_qty": Decimal(10) ** 9}, "sums could reach 2**62; a max_qty up to"),
    ({"px_scale": 19}, "scales"),
    ({"market": "inverse"}, "market 'inverse' is unknown"),
    ({"name": "binance:BTC/USD"}, "name does not match"),
    ({"taker_fee": Decimal(10)}, "not a fraction"),
    ({"min_qty": Decimal(-1)}, "negative"),
    ({"lot": Decimal(0)}, "must be above 0"),
    ({"symbol": "X" * 32}, "31 bytes"),
])
def test_unusable_rows_are_refused_with_their_name(change, part):
    with pytest.raises(InstrumentError) as caught:
        make_row(**change).check()
    assert part in str(caught.value)
    assert str(caught.value).startswith("binance:BTC/USD")


def test_overflow_bound_is_exact():
    row = make_row()
    limit = largest_max_qty(row)
    make_row(max_qty=limit).check()
    with pytest.raises(InstrumentError, match="2\\*\\*62"):
        make_row(max_qty=limit + row.lot).check()


@pytest.mark.parametrize("value, up, expected", [("0.0105", True, "0.011"), ("0.0105", False, "0.01"), ("0.011", True, "0.011"),
                                                 ("0.011", False, "0.011"), ("0", True, "0"), ("-1", False, "0")])
def test_bounds_move_to_the_grid_towards_the_careful_side(value, up, expected):
    assert on_grid(Decimal(value), Decimal("0.001"), up=up) == Decimal(expected)


def test_sizes_beyond_62_bits_are_capped_to_the_largest_that_fits():
    limit = largest_max_qty(make_row())
    assert with_room(make_row(max_qty=limit)) == make_row(max_qty=limit)
    assert with_room(make_row(max_qty=limit + make_row().lot)).max_qty == limit
    assert with_room(make_row(max_qty=Decimal(0))).max_qty == 0                 # 0 = no bound stays none
    open_priced = with_room(make_row(max_px=Decimal(0), max_qty=Decimal(10) ** 30))
    open_priced.check()
    lots = to_scaled(open_priced.max_qty, open_priced.qty_scale) // to_scaled(open_priced.lot, open_priced.qty_scale)
    assert (lots + 1) * to_scaled(open_priced.lot, open_priced.qty_scale) >= 2**62
    with pytest.raises(InstrumentError, match="no room for a useful order size"):
        with_room(make_row(min_qty=limit / 999, max_qty=limit * 2))


def test_scales_ignore_trailing_zeros():
    assert [scale_of(Decimal(text)) for text in ("0.01000000", "1.00000000", "10", "0.00000100", "5")] == [2, 0, 0, 6, 0]
    assert to_scaled(Decimal("64250.10"), 1) == 642501
    with pytest.raises(InstrumentError):
        to_scaled(Decimal("0.15"), 1)


def test_multipliers_are_split_from_real_prefixes_only():
    assert [split_multiplier(base) for base in ("BTC", "1000SHIB", "1INCH", "1000000MOG", "1MBABYDOGE", "10000SATS", "1000")] == [
        ("BTC", 1), ("SHIB", 1000), ("1INCH", 1), ("MOG", 1_000_000), ("BABYDOGE", 1_000_000), ("SATS", 10_000), ("1000", 1)]


def test_c_rows_have_the_same_numbers():
    array = InstrumentTable([make_row(), make_perp(id=1)]).to_array()
    spot, perp = array.row(0), array.row(1)
    assert (spot["tick_px"], spot["lot_qty"], spot["max_qty"], spot["min_notional"]) == (1, 1, 900_000_000, 50_000_000)
    assert (perp["tick_px"], perp["contract_qty"], perp["fee_in_base"], spot["fee_in_base"]) == (1, 1000, 0, 1)
    assert spot["taker_fee_e8"] == 100_000
    assert array.row_of_name == {"binance:BTC/USDT": 0, "binance:BTC/USDT:USDT": 1}
    assert spot["base_asset"] == perp["base_asset"] and perp["settle_asset"] == spot["quote_asset"]


def test_no_bound_becomes_the_largest_number():
    assert InstrumentTable([make_row(max_qty=Decimal(0), max_px=Decimal(0))]).to_array().row(0)["max_qty"] == 2**63 - 1


def test_rows_out_of_place_are_refused_by_table_and_array():
    from cext.instrument import make_instrument_array
    with pytest.raises(InstrumentError, match="dense"):
        InstrumentTable([make_row(id=1)])
    with pytest.raises(ValueError, match="dense"):
        make_instrument_array([make_row(id=1).to_json()])


def test_run_copy_marks_what_is_not_read_as_idle():
    table = InstrumentTable([make_row(), make_perp(id=1)])
    copy = table.for_run([1])
    assert [row.status for row in copy.rows] == ["IDLE", "TRADING"]
    assert [row["is_tradable"] for row in (copy.to_array().row(0), copy.to_array().row(1))] == [0, 1]


def test_simulated_and_real_tables_lie_apart():
    assert table_path("var", "sim") != table_path("var", "paper") == table_path("var", "testnet")
    assert run_table_path("var/runs/x").name == "instruments.json"


def test_two_processes_merging_at_once_never_share_an_id(tmp_path):
    path = tmp_path / "instruments.json"
    code = (
        "import sys\nfrom feeds.instruments import merge_into_file\nfrom tests.unit.feeds.rows import make_row\n"
        "for i in range(20):\n    b = f'{sys.argv[2]}{i}'\n    merge_into_file(sys.argv[1], [make_row(name=f'binance:{b}/USDT', base=b)])\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", code, str(path), prefix], env={**os.environ, "PYTHONPATH": os.getcwd()})
                for prefix in ("A", "B")]
    assert [child.wait(60) for child in children] == [0, 0]
    table = InstrumentTable.load(path)
    assert len(table) == 40 and {row.base for row in table.rows} == {f"{p}{i}" for p in "AB" for i in range(20)}


def test_merging_the_same_again_leaves_the_file_alone(tmp_path):
    path = tmp_path / "instruments.json"
    merge_into_file(path, [make_row()])
    before = path.stat().st_mtime_ns
    merge_into_file(path, [make_row()])
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize("change", [{"tick": 0.01}, {"id": "0"}, {"multiplier": True}, {"tick": "x"}, {"extra": 1}])
def test_rows_of_wrong_types_are_refused(change):
    with pytest.raises(InstrumentError, match="binance:BTC/USDT"):
        InstrumentRow.from_json({**make_row().to_json(), **change})


def run_tables(tmp_path):
    """Two feeds that started one after the other: the second one's table is longer, each knows only its own rows."""
    path = tmp_path / "lasting.json"
    first, ids = merge_into_file(path, [make_row(), make_perp()])
    first.for_run(ids).save(venue_table_path(tmp_path, "binance"))
    us = make_row(name="binanceus:BTC/USDT", venue="binanceus")
    second, ids = merge_into_file(path, [us])
    second.for_run(ids).save(venue_table_path(tmp_path, "binanceus"))
    return first, second


def test_the_tables_of_several_feeds_join_whatever_their_order(tmp_path):
    run_tables(tmp_path)
    joined = join_run_table(tmp_path, ["binance", "binanceus"])
    assert [(row.name, row.status) for row in joined.rows] == [
        ("binance:BTC/USDT", "TRADING"), ("binance:BTC/USDT:USDT", "TRADING"), ("binanceus:BTC/USDT", "TRADING")]
    assert join_run_table(tmp_path, ["binanceus", "binance"]).version_hash() == joined.version_hash()
    for venue in ("binance", "binanceus"):
        assert joined.venue_hash(venue) == InstrumentTable.load(venue_table_path(tmp_path, venue)).venue_hash(venue)
    alone = join_run_table(tmp_path, ["binanceus"])
    assert [row.status for row in alone.rows] == ["IDLE", "IDLE", "TRADING"]


def test_a_feed_that_is_not_there_yet_is_waited_for_by_name(tmp_path):
    run_tables(tmp_path)
    venue_table_path(tmp_path, "binance").unlink()
    with pytest.raises(InstrumentError, match="instruments.binance.json: no instrument table"):
        join_run_table(tmp_path, ["binance", "binanceus"])


def test_tables_that_give_one_id_two_meanings_are_refused(tmp_path):
    run_tables(tmp_path)
    InstrumentTable([make_row(name="binanceus:BTC/USDT", venue="binanceus")]).save(venue_table_path(tmp_path, "binanceus"))
    with pytest.raises(InstrumentError, match="id 0 is binance:BTC/USDT and binanceus:BTC/USDT in the tables of"):
        join_run_table(tmp_path, ["binance", "binanceus"])


def test_a_venues_hash_knows_its_own_rows_alone(tmp_path):
    table = InstrumentTable([make_row(), make_row(id=1, name="binanceus:BTC/USDT", venue="binanceus")])
    other = InstrumentTable([make_row(), make_row(id=1, name="binanceus:BTC/USDT", venue="binanceus", lot=Decimal("0.001"))])
    assert table.venue_hash("binance") == other.venue_hash("binance")
    assert table.venue_hash("binanceus") != other.venue_hash("binanceus")
    assert table.for_run([0]).venue_hash("binance") == table.venue_hash("binance")

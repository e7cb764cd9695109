"""Recordings of other forms become captures: every line is found again, scales are the digits seen, snapshots find their owner,
and what cannot be used is named with file and line."""
import base64
import gzip
import json
import random

import pytest
import zstandard
from click.testing import CliRunner

from cext import capture
from feeds.capture_format import CaptureReader
from feeds.instruments import InstrumentTable
from tests.support.shared_data import shared_data
from tools.replay_lib.capture_cli import main
from tools.replay_lib.symbols import decimals, split_symbol

T0 = 1_723_161_253_000_000_000


def depth(symbol, first, last, bids=(("100.10", "1.500"),), asks=(("100.30", "2.000"),), stream=True, previous=None):
    data = {"e": "depthUpdate", "E": 1, "s": symbol, "U": first, "u": last, "b": list(bids), "a": list(asks)}
    if previous is not None:
        data["pu"] = previous
    return json.dumps({"stream": f"{symbol.lower()}@depth", "data": data} if stream else data)


def ticker(symbol, bid="100.10", ask="100.30"):
    return json.dumps({"u": 5, "s": symbol, "b": bid, "B": "1.5000", "a": ask, "A": "2.0"})


def snapshot(last, bids=(("100.10", "1.500"),), asks=(("100.30", "2.000"),)):
    return json.dumps({"lastUpdateId": last, "bids": list(bids), "asks": list(asks)})


def source(path, frames, pack=gzip.compress, start=T0):
    lines = [frame if isinstance(frame, bytes) else f"{start + i * 1000} {frame}".encode() for i, frame in enumerate(frames)]
    path.write_bytes(pack(b"\n".join(lines) + b"\n"))
    return str(path)


def run(*arguments, form="lines", market="spot"):
    return CliRunner().invoke(main, ["import", "--venue", "binance", "--market", market, "--format", form, *map(str, arguments)])


def records(path):
    with CaptureReader(path) as reader:
        return InstrumentTable.from_json(reader.header.instruments), list(reader.records())


def test_every_line_comes_back_in_order_with_its_stamp(tmp_path):
    frames = [depth("BTCUSDT", i, i) for i in range(1, 50)] + [ticker("BTCUSDT"), snapshot(20)]
    result = run(source(tmp_path / "a.gz", frames), tmp_path / "o")
    assert result.exit_code == 0, result.output
    _, found = records(tmp_path / "o")
    assert [(record.recv_wall_ns, record.payload.decode()) for record in found] == [(T0 + i * 1000, f)
                                                                                    for i, f in enumerate(frames)]
    assert [record.type for record in found] == [capture.FRAME] * 50 + [capture.SNAPSHOT]
    assert {record.row for record in found} == {0}


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress, bytes])
def test_packing_is_told_by_content_and_not_by_name(tmp_path, pack):
    assert run(source(tmp_path / "a.bin", [ticker("BTCUSDT")], pack), tmp_path / "o").exit_code == 0
    assert len(records(tmp_path / "o")[1]) == 1


def test_several_sources_are_joined_in_the_order_given(tmp_path):
    one = source(tmp_path / "1", [ticker("BTCUSDT", "1.1")])
    two = source(tmp_path / "2", [ticker("BTCUSDT", "2.2")], start=T0 - 5)
    assert run(two, one, tmp_path / "o").exit_code == 0
    assert [record.recv_wall_ns for record in records(tmp_path / "o")[1]] == [T0 - 5, T0]


def test_scales_are_the_digits_seen_anywhere_in_the_source(tmp_path):
    frames = [depth("BTCUSDT", 1, 1, [["61737.63000000", "0.00000000"]], [["61837.6", "1.0"]]),
              ticker("BTCUSDT", "61837.640", "61838"),
              '{"e":"trade","E":1,"s":"BTCUSDT","t":1,"p":"61837.63000000","q":"0.00012000","T":1,"m":true}',
              '{"e":"markPriceUpdate","E":1,"s":"BTCUSDT","p":"61837.12345678","i":"1.123456789","r":"0.0001","T":1}',
              snapshot(1, [["61000.5", "0.0000010"]], [])]
    assert run(source(tmp_path / "a", frames), tmp_path / "o").exit_code == 0
    row = records(tmp_path / "o")[0].rows[0]
    assert (row.px_scale, row.qty_scale, str(row.tick), str(row.lot)) == (2, 6, "0.01", "0.000001")
    assert (row.name, row.base, row.quote, row.symbol) == ("binance:BTC/USDT", "BTC", "USDT", "BTCUSDT")


def test_a_given_table_gives_ticks_and_scales_and_digits_beyond_it_widen_the_scale(tmp_path):
    run(source(tmp_path / "a", [ticker("BTCUSDT", "1.123456", "2")]), tmp_path / "first")
    table = records(tmp_path / "first")[0]
    table.save(tmp_path / "table.json")
    result = run("--instruments", tmp_path / "table.json", source(tmp_path / "b", [ticker("BTCUSDT", "1", "2")]), tmp_path / "o")
    assert result.exit_code == 0 and records(tmp_path / "o")[0].rows[0].px_scale == 6
    fine = source(tmp_path / "c", [ticker("BTCUSDT", "1.12345678", "2")])
    assert run("--instruments", tmp_path / "table.json", fine, tmp_path / "o2").exit_code == 0
    row = records(tmp_path / "o2")[0].rows[0]
    assert (row.px_scale, str(row.tick)) == (8, "0.000001"), "tick and lot are the table's, the scale holds what was sent"


@pytest.mark.parametrize(("symbol", "parts"), [
    ("BTCUSDT", ("BTC", "USDT")), ("ETHBTC", ("ETH", "BTC")), ("BTCFDUSD", ("BTC", "FDUSD")), ("BTCBUSD", ("BTC", "BUSD")),
    ("RUNEEUR", ("RUNE", "EUR")), ("1000SHIBUSDC", ("1000SHIB", "USDC")), ("BTCUSD", ("BTC", "USD")),
    ("BNBTUSD", ("BNB", "TUSD")),
    ("BTCUSDT_240927", None), ("USDT", None), ("XYZ", None)])
def test_symbols_split_at_their_quote_asset(symbol, parts):
    assert split_symbol(symbol) == parts


@pytest.mark.parametrize(("text", "count"),
                         [("1", 0), ("1.0", 0), ("1.10", 1), ("0.00000001", 8), ("100", 0), (".5", 1), ("5.", 0)])
def test_trailing_zeros_are_no_digits(text, count):
    assert decimals(text) == count


@pytest.mark.parametrize("text", ["", ".", "1e5", "-1", "1.2.3", "abc", "1,5"])
def test_what_is_no_plain_decimal_has_no_digits(text):
    with pytest.raises(ValueError, match="plain decimal"):
        decimals(text)


def test_linear_symbols_get_their_settle_asset(tmp_path):
    assert run(source(tmp_path / "a", [ticker("1000SHIBUSDT")]), tmp_path / "o", market="linear").exit_code == 0
    row = records(tmp_path / "o")[0].rows[0]
    assert (row.name, row.settle, row.underlying, row.multiplier) == ("binance:1000SHIB/USDT:USDT", "USDT", "SHIB", 1000)


def test_a_snapshot_goes_to_the_symbol_whose_deltas_straddle_it(tmp_path):
    frames = [depth("AAAUSDT", 100, 110), depth("BBBUSDT", 5000, 5010), snapshot(5014), depth("AAAUSDT", 111, 120),
              depth("BBBUSDT", 5011, 5020), snapshot(105), snapshot(118)]
    assert run(source(tmp_path / "a", frames), tmp_path / "o").exit_code == 0
    table, found = records(tmp_path / "o")
    owners = [table.rows[record.row].symbol for record in found if record.type == capture.SNAPSHOT]
    assert owners == ["BBBUSDT", "AAAUSDT", "AAAUSDT"]


def test_a_snapshot_that_nothing_straddles_goes_to_the_nearest_by_far(tmp_path):
    frames = [depth("AAAUSDT", 100, 110), depth("BBBUSDT", 5_000_000, 5_000_010), snapshot(115)]
    assert run(source(tmp_path / "a", frames), tmp_path / "o").exit_code == 0
    table, found = records(tmp_path / "o")
    assert table.rows[found[-1].row].symbol == "AAAUSDT"


@pytest.mark.parametrize("frames", [
    [depth("AAAUSDT", 100, 110), depth("BBBUSDT", 105, 120), snapshot(107)],
    [depth("AAAUSDT", 100, 110), depth("BBBUSDT", 140, 150), snapshot(125)],
    [ticker("AAAUSDT"), ticker("BBBUSDT"), snapshot(125)]])
def test_an_ambiguous_snapshot_is_refused_with_its_place_and_candidates(tmp_path, frames):
    result = run(source(tmp_path / "a", frames), tmp_path / "o")
    assert result.exit_code == 1 and "a:3: depth snapshot with lastUpdateId" in result.output
    assert "AAAUSDT" in result.output and "BBBUSDT" in result.output and not (tmp_path / "o").exists()


def test_bad_lines_are_named_and_refuse_the_import(tmp_path):
    frames = [ticker("BTCUSDT"), b"no stamp here", b"12345 {}", ticker("BTCUSDT")]
    result = run(source(tmp_path / "a", frames), tmp_path / "o")
    assert result.exit_code == 1 and "a:2" in result.output and "a:3" in result.output and "--keep-bad" in result.output
    assert list(tmp_path.iterdir()) == [tmp_path / "a"], "nothing is left behind"


def test_bad_lines_are_kept_as_notes_when_asked(tmp_path):
    result = run("--keep-bad", source(tmp_path / "a", [ticker("BTCUSDT"), b"no stamp \xff here", ticker("BTCUSDT")]),
                 tmp_path / "o")
    assert result.exit_code == 0
    _, found = records(tmp_path / "o")
    assert [record.type for record in found] == [capture.FRAME, capture.NOTE, capture.FRAME]
    assert found[1].payload == b"no stamp \\xff here"


def test_garbled_frames_are_kept_as_frames_and_reported(tmp_path):
    frames = [ticker("BTCUSDT"), '{"e":"depthUpdate","s":"BTCUSDT","U":1', '{"e":"trade","s":"BTCUSDT","p":"1e5","q":"1"}',
              "[1,2]", "",
              '{"result":null,"id":1}']
    frames[4] = b""
    result = run(source(tmp_path / "a", frames), tmp_path / "o")
    assert result.exit_code == 0 and ": 3 (" in result.output and "a:2" in result.output and "empty lines: 1" in result.output
    assert len(records(tmp_path / "o")[1]) == 5


def test_frames_of_a_symbol_that_cannot_be_named_are_kept_without_an_instrument(tmp_path):
    result = run(source(tmp_path / "a", [ticker("BTCUSDT"), ticker("BTCUSDT_240927")]), tmp_path / "o")
    assert result.exit_code == 0 and "BTCUSDT_240927" in result.output
    assert [record.row for record in records(tmp_path / "o")[1]] == [0, -1]


def test_a_source_without_any_frame_is_refused(tmp_path):
    result = run(source(tmp_path / "a", ["{}"]), tmp_path / "o")
    assert result.exit_code == 1 and "no frame of binance spot" in result.output


def test_a_missing_source_is_named(tmp_path):
    result = run(tmp_path / "nothing.gz", tmp_path / "o")
    assert result.exit_code == 1 and "nothing.gz: cannot be read" in result.output


def test_an_existing_capture_is_never_overwritten(tmp_path):
    path = source(tmp_path / "a", [ticker("BTCUSDT")])
    assert run(path, tmp_path / "o").exit_code == 0
    before = (tmp_path / "o").read_bytes()
    result = run(path, tmp_path / "o")
    assert result.exit_code == 1 and "exists already" in result.output and (tmp_path / "o").read_bytes() == before


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_source_cut_off_anywhere_is_named_and_brought_in_only_when_allowed(tmp_path, pack):
    seed = 3
    rng = random.Random(seed)
    frames = [ticker("BTCUSDT", f"{rng.random():.6f}", f"{1 + rng.random():.6f}") for _ in range(3000)]
    whole = tmp_path / "whole"
    source(whole, frames, pack)
    data = whole.read_bytes()
    for size in (len(data) - 3, len(data) // 2):
        cut = tmp_path / f"cut{size}"
        cut.write_bytes(data[:size])
        out = tmp_path / f"o{size}"
        result = run("--keep-bad", cut, out)
        if result.exit_code == 0:  # nothing but the check sum of the end was cut off
            assert size == len(data) - 3
            continue
        assert f"cut{size}: torn after line" in result.output and not out.exists()
        result = run("--allow-truncated", "--keep-bad", cut, out)
        assert result.exit_code == 0, result.output
        kept = [record.payload.decode() for record in records(out)[1] if record.type == capture.FRAME]
        assert kept[:-1] == frames[:len(kept) - 1] and len(kept) > 1000


def cryptofeed(path, lines):
    path.write_bytes(zstandard.ZstdCompressor().compress("\n".join(json.dumps(line) for line in lines).encode()))
    return str(path)


HEADER = {"t": "header", "format": 2, "exchange": "BINANCE"}


def test_cryptofeed_records_are_sorted_and_replies_lie_between_the_deltas(tmp_path):
    lines = [HEADER,
             {"t": "http", "conn": "http.0", "ts": 2.5, "url": "https://x/api/v3/depth?symbol=BTCUSDT&limit=1000",
              "data": snapshot(5)},
             {"t": "http", "conn": "http.0", "ts": 2.6, "url": "https://x/api/v3/time", "data": "{}"},
             {"t": "connect", "conn": "ws.1", "ts": 1.0, "addr": "wss://x"},
             {"t": "send", "conn": "ws.1", "ts": 1.5, "data": "subscribe"},
             {"t": "recv", "conn": "ws.1", "ts": 2.0, "data": depth("BTCUSDT", 4, 5)},
             {"t": "recv", "conn": "ws.1", "ts": 3.000001, "b64": base64.b64encode(depth("BTCUSDT", 6, 7).encode()).decode()}]
    result = run(cryptofeed(tmp_path / "a", lines), tmp_path / "o", form="cryptofeed_v3")
    assert result.exit_code == 0, result.output
    _, found = records(tmp_path / "o")
    assert [record.type for record in found] == [3, 5, 1, 2, 5, 1]
    assert found[-1].recv_wall_ns == 3_000_001_000 and found[3].row == 0
    assert "send" in found[1].payload.decode() and "/api/v3/time" in found[4].payload.decode()


def test_cryptofeed_exchange_info_gives_ticks_and_the_digits_widen_the_scale(tmp_path):
    info = {"symbols": [{"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "baseAssetPrecision": 3,
                         "quoteAsset": "USDT", "filters": [
        {"filterType": "PRICE_FILTER", "tickSize": "0.50000000", "minPrice": "0.50000000", "maxPrice": "100000.00000000"},
        {"filterType": "LOT_SIZE", "stepSize": "0.00100000", "minQty": "0.00200000", "maxQty": "9000.00000000"},
        {"filterType": "MIN_NOTIONAL", "minNotional": "10.0"}]}]}
    lines = [HEADER, {"t": "http", "conn": "h", "ts": 1.0, "url": "https://x/api/v3/exchangeInfo", "data": json.dumps(info)},
             {"t": "recv", "conn": "w", "ts": 2.0, "data": ticker("BTCUSDT", "100.125", "101")}]
    assert run(cryptofeed(tmp_path / "a", lines), tmp_path / "o", form="cryptofeed_v3").exit_code == 0
    row = records(tmp_path / "o")[0].rows[0]
    assert (row.px_scale, row.qty_scale, str(row.tick.normalize()), str(row.min_qty.normalize()), row.min_notional) == (3, 3,
                                                                                                                        "0.5",
                                                                                                                        "0.002",
                                                                                                                        10)


def test_cryptofeed_lines_of_another_form_are_named(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(json.dumps(HEADER).encode() + b"\nnonsense\n" + json.dumps({"t": "recv", "conn": "w", "ts": 1,
                                                                                 "data": ticker("BTCUSDT")}).encode())
    result = run(path, tmp_path / "o", form="cryptofeed_v3")
    assert result.exit_code == 1 and "a:2" in result.output
    assert run("--keep-bad", path, tmp_path / "o", form="cryptofeed_v3").exit_code == 0
    other = cryptofeed(tmp_path / "b", [{"t": "header", "format": 3}])
    assert "format 3" in run(other, tmp_path / "o2", form="cryptofeed_v3").output


def test_info_says_what_is_in_a_capture_and_fails_on_a_torn_one(tmp_path):
    run(source(tmp_path / "a", [depth("BTCUSDT", i, i) for i in range(1, 20)] + [snapshot(3)]), tmp_path / "o")
    result = CliRunner().invoke(main, ["info", str(tmp_path / "o"), "--json"])
    found = json.loads(result.output)
    assert (found["frame"], found["snapshot"], found["torn"]) == (19, 1, None)
    assert found["by_instrument"] == {"binance:BTC/USDT": {"frames": 19, "snapshots": 1}}
    (tmp_path / "cut").write_bytes((tmp_path / "o").read_bytes()[:-20])
    result = CliRunner().invoke(main, ["info", str(tmp_path / "cut")])
    assert result.exit_code == 1 and "19 frames" in result.output and "torn at byte" in result.output
    assert CliRunner().invoke(main, ["info", str(tmp_path / "cut"), "--allow-truncated"]).exit_code == 0
    assert "no such capture" in CliRunner().invoke(main, ["info", str(tmp_path / "none")]).output


@pytest.mark.shared
def test_recorded_files_come_in_whole(tmp_path):
    result = run(shared_data("hftbacktest/spot/btcusdt_20240808.gz"), shared_data("hftbacktest/spot/btcusdt_20240809.gz"),
                 tmp_path / "o")
    assert result.exit_code == 0, result.output
    table, found = records(tmp_path / "o")
    assert len(found) == 41_249 + 58_325 and sum(record.type == capture.SNAPSHOT for record in found) == 1
    assert (table.rows[0].px_scale, table.rows[0].qty_scale) == (2, 6)  # 25.42618900 is there: finer than the lot of the day

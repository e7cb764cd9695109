"""Histories come into one form: UTC to the nanosecond, digits as sent, a source with its hash; whatever is doubtful is refused by
place, or left out and counted when somebody said so."""
import hashlib
import json
import sys

import pytest
import zstandard
from click.testing import CliRunner

from tests.support.shared_data import shared_data
from tools.history_cli import main

HOUR = 3600 * 10**9
T_2020 = 1_577_836_800 * 10**9
FUNDING = "Symbol,Date,Funding Rate\n"
CANDLES = "timestamp,open,high,low,close,volume\n"


def funding_csv(path, *lines):
    path.write_text(FUNDING + "\n".join(lines) + "\n")
    return path


def run(form, source, out, *options):
    return CliRunner().invoke(main, ["import", "--format", form, *map(str, options), str(source), str(out)])


def utc_funding(source, out, *options):
    return run("funding_csv", source, out, "--utc-offset-hours", "0", *options)


def told(path):
    result = CliRunner().invoke(main, ["info", str(path), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def lines_of(path):
    return [json.loads(line) for line in zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes()).splitlines()]

# ---------------------------------------------------------------- funding


def test_times_are_moved_to_utc_by_what_was_said_and_numbers_keep_their_digits(tmp_path):
    source = funding_csv(tmp_path / "a.csv", "BTC-USDT,2020-01-01 03:00:00.047,-0.00012300",
                         "BTC-USDT,2020-01-01 11:00:00,2.6e-05")
    result = run("funding_csv", source, tmp_path / "o.jsonl.zst", "--utc-offset-hours", "3", "--venue", "binance")
    assert result.exit_code == 0 and "2 rows of 1 symbols" in result.output
    header, *rows = lines_of(tmp_path / "o.jsonl.zst")
    assert rows == [{"ts_ns": T_2020 + 47_000_000, "symbol": "BTC-USDT", "rate": "-0.00012300"},
                    {"ts_ns": T_2020 + 8 * HOUR, "symbol": "BTC-USDT", "rate": "0.000026"}]
    assert header == {"kind": "funding", "venue": "binance", "source": "a.csv", "source_format": "funding_csv",
                      "source_sha256": hashlib.sha256(source.read_bytes()).hexdigest(), "utc_offset_hours": "3", "rows": 2,
                      "problems": {}, "format": "lockstep-history", "version": 1}


@pytest.mark.parametrize(("hours", "first_ns"), [("-5.5", T_2020 + 11 * HOUR // 2), ("14", T_2020 - 14 * HOUR)])
def test_offsets_may_be_negative_and_have_quarters(tmp_path, hours, first_ns):
    source = funding_csv(tmp_path / "a.csv", "X,2020-01-01 00:00:00,0.1")
    assert run("funding_csv", source, tmp_path / "o.csv", "--utc-offset-hours", hours).exit_code == 0
    assert told(tmp_path / "o.csv")["symbols"]["X"]["first_ns"] == first_ns


@pytest.mark.parametrize("hours", ["15", "0.3", "nan", "three"])
def test_other_offsets_are_wrong_usage(tmp_path, hours):
    assert run("funding_csv", funding_csv(tmp_path / "a"), tmp_path / "o.csv", "--utc-offset-hours", hours).exit_code == 2


def test_a_zone_is_never_guessed(tmp_path):
    source = funding_csv(tmp_path / "a.csv", "X,2020-01-01 03:00:00,0.1")
    result = run("funding_csv", source, tmp_path / "o.csv")
    assert result.exit_code == 1 and "--utc-offset-hours" in result.output and not (tmp_path / "o.csv").exists()
    zoned = funding_csv(tmp_path / "b.csv", "X,2020-01-01 03:00:00+00:00,0.1")
    assert "b.csv:2: date '2020-01-01 03:00:00+00:00' says a zone" in utc_funding(zoned, tmp_path / "o.csv").output


@pytest.mark.parametrize(("line", "words"), [
    ("X,2020-01-01 08:00:00", "2 fields where the header has 3"), ("X,yesterday,0.1", "Invalid isoformat"),
    ("X,2020-01-01 08:00:00,nan", "funding rate 'nan' is no number"), ("X,2020-01-01 08:00:00,", "funding rate '' is no number"),
    (",2020-01-01 08:00:00,0.1", "no symbol"), ("", "0 fields")])
def test_a_bad_row_is_named_by_file_and_line_and_left_out_only_when_asked(tmp_path, line, words):
    source = funding_csv(tmp_path / "a.csv", "X,2020-01-01 00:00:00,0.1", line, "X,2020-01-01 16:00:00,0.2")
    result = utc_funding(source, tmp_path / "o.csv")
    assert result.exit_code == 1 and "a.csv:3: " in result.output and words in result.output and "--skip-bad" in result.output
    result = utc_funding(source, tmp_path / "o.csv", "--skip-bad")
    assert result.exit_code == 0 and "left out: 1" in result.output
    problem = told(tmp_path / "o.csv")["problems"]["rows that cannot be read, left out"]
    assert problem["count"] == 1 and "a.csv:3: " in problem["places"][0]


def test_rows_out_of_order_are_refused_or_sorted_and_counted(tmp_path):
    source = funding_csv(tmp_path / "a.csv", "X,2020-01-01 08:00:00,0.2", "Y,2020-01-01 00:00:00,0.5",
                         "X,2020-01-01 00:00:00,0.1")
    result = utc_funding(source, tmp_path / "o.jsonl.zst")
    assert result.exit_code == 1 and "a.csv:4: X is earlier than the row before" in result.output and "--sort" in result.output
    assert utc_funding(source, tmp_path / "o.jsonl.zst", "--sort").exit_code == 0
    header, *rows = lines_of(tmp_path / "o.jsonl.zst")
    assert [(row["symbol"], row["rate"]) for row in rows] == [("X", "0.1"), ("Y", "0.5"), ("X", "0.2")]
    assert header["problems"]["rows that came out of order, sorted"]["count"] == 1


def test_repeated_rows_are_refused_or_dropped_and_contradictions_always_refused(tmp_path):
    row = "X,2020-01-01 00:00:00,0.1"
    source = funding_csv(tmp_path / "a.csv", row, row)
    result = utc_funding(source, tmp_path / "o.csv")
    assert result.exit_code == 1 and "a.csv:3: repeats" in result.output and "a.csv:2" in result.output
    assert utc_funding(source, tmp_path / "o.csv", "--drop-duplicates").exit_code == 0
    assert told(tmp_path / "o.csv")["rows"] == 1
    source = funding_csv(tmp_path / "b.csv", row, "X,2020-01-01 00:00:00,0.2")
    result = utc_funding(source, tmp_path / "p.csv", "--drop-duplicates", "--sort", "--skip-bad")
    assert result.exit_code == 1 and "with other values" in result.output and not (tmp_path / "p.csv").exists()


def test_a_file_without_the_columns_or_rows_is_refused(tmp_path):
    (tmp_path / "a").write_text("Symbol,Date\nX,2020\n")
    assert "a:1: no column funding rate" in utc_funding(tmp_path / "a", tmp_path / "o.csv").output
    assert "no row in it" in utc_funding(funding_csv(tmp_path / "b"), tmp_path / "o.csv", "--skip-bad").output
    assert "cannot be read" in utc_funding(tmp_path / "none", tmp_path / "o.csv").output
    (tmp_path / "c").write_bytes(b"\xff\xfe\x00")
    assert "no UTF-8" in utc_funding(tmp_path / "c", tmp_path / "o.csv").output


def okx_reply(*entries, code="0"):
    return json.dumps({"code": code, "data": list(entries)})


def swap(symbol="BTC-USDT-SWAP", **changes):
    return {"instId": symbol, "fundingRate": "0.0001000", "fundingTime": "1577865600000", "nextFundingTime": "1577894400000",
            "ts": "1577836800123"} | changes


def test_okx_rates_carry_their_own_interval(tmp_path):
    (tmp_path / "a").write_text(okx_reply(swap(), swap("ETH-USDT-SWAP", nextFundingTime="1577880000000")))
    assert run("okx_funding_json", tmp_path / "a", tmp_path / "o.jsonl.zst").exit_code == 0
    rows = lines_of(tmp_path / "o.jsonl.zst")[1:]
    assert rows == [
        {"ts_ns": T_2020 + 8 * HOUR, "symbol": "BTC-USDT-SWAP", "rate": "0.0001000", "interval_s": 28800,
         "stated_ns": T_2020 + 123_000_000},
        {"ts_ns": T_2020 + 8 * HOUR, "symbol": "ETH-USDT-SWAP", "rate": "0.0001000", "interval_s": 14400,
         "stated_ns": T_2020 + 123_000_000}]


@pytest.mark.parametrize(("text", "words"), [
    (okx_reply(code="50011"), "no reply of the funding-rate endpoint"), ("[]", "no reply"), ("{", "no reply"),
    (okx_reply(swap(fundingRate="")), "data[0]: fundingRate '' is no number"), (okx_reply({}), "data[0]: no field 'fundingTime'"),
    (okx_reply(swap(nextFundingTime="1577865600000")), "is not after"), (okx_reply(swap(ts="12")), "right are 10 digits")])
def test_okx_replies_of_another_shape_are_named(tmp_path, text, words):
    (tmp_path / "a").write_text(text)
    result = run("okx_funding_json", tmp_path / "a", tmp_path / "o.csv")
    assert result.exit_code == 1 and words in result.output


def test_an_offset_for_times_that_are_utc_is_refused(tmp_path):
    (tmp_path / "a").write_text(okx_reply(swap()))
    assert "leave it out" in run("okx_funding_json", tmp_path / "a", tmp_path / "o.csv", "--utc-offset-hours", "3").output
    (tmp_path / "b").write_text(CANDLES)
    assert "leave it out" in run("candles_csv", tmp_path / "b", tmp_path / "o.csv", "--utc-offset-hours", "3", "--symbol",
                                 "X").output

# ---------------------------------------------------------------- candles


@pytest.mark.parametrize(("stamp", "ts_ns"), [("1577836800", T_2020), ("1577836800001", T_2020 + 10**6),
                                              ("1577836800000001", T_2020 + 1000), ("1577836800000000001", T_2020 + 1)])
def test_the_length_of_a_stamp_tells_its_unit(tmp_path, stamp, ts_ns):
    (tmp_path / "a").write_text(f"{CANDLES}{stamp},10.50,11.00,10.00,10.90,0\n")
    assert run("candles_csv", tmp_path / "a", tmp_path / "o.csv", "--symbol", "BTCUSDT").exit_code == 0
    assert (tmp_path / "o.csv").read_text().splitlines()[1:] == ["ts_ns,symbol,open,high,low,close,volume",
                                                                 f"{ts_ns},BTCUSDT,10.50,11.00,10.00,10.90,0"]


@pytest.mark.parametrize(("row", "words"), [
    ("1577836800,10,9,8,9,1", "do not lie between"), ("1577836800,10,11,10.5,10.7,1", "do not lie between"),
    ("1577836800,1,1,0,1,1", "not positive"), ("1577836800,1,1,1,1,-1", "not positive"), ("15778368,1,1,1,1,1", "8 characters"),
    ("1577836800,1,1,1,x,1", "close 'x' is no number")])
def test_candles_that_cannot_be_are_named(tmp_path, row, words):
    (tmp_path / "a").write_text(CANDLES + row + "\n")
    result = run("candles_csv", tmp_path / "a", tmp_path / "o.csv", "--symbol", "X")
    assert result.exit_code == 1 and "a:2: " in result.output and words in result.output


def test_candles_need_a_symbol_and_dates_an_offset(tmp_path):
    (tmp_path / "a").write_text("Date,Open,High,Low,Close,Volume\n2020-01-01 01:00:00,1,1,1,1,1\n")
    assert "give --symbol" in run("candles_csv", tmp_path / "a", tmp_path / "o.csv").output
    assert "--utc-offset-hours" in run("candles_csv", tmp_path / "a", tmp_path / "o.csv", "--symbol", "X").output
    assert run("candles_csv", tmp_path / "a", tmp_path / "o.csv", "--symbol", "X", "--utc-offset-hours", "1").exit_code == 0
    assert told(tmp_path / "o.csv")["symbols"]["X"]["first_ns"] == T_2020


def test_without_pyarrow_feather_is_refused_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "a").write_bytes(b"ARROW1")
    result = run("candles_feather", tmp_path / "a", tmp_path / "o.csv", "--symbol", "X")
    assert result.exit_code == 1 and "need pyarrow" in result.output


@pytest.mark.parametrize("zone", ["UTC", None])
def test_feather_gives_the_shortest_digits_of_its_doubles(tmp_path, zone):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: feather files cannot be made or read here")
    from pyarrow import feather
    dates = pyarrow.array([T_2020 // 10**6, T_2020 // 10**6 + 300_000], pyarrow.timestamp("ms", zone))
    table = pyarrow.table({"date": dates, "open": [5.33e-05, 0.1], "high": [1.0, 0.3], "low": [5e-05, 0.1], "close": [0.1, 0.25],
                           "volume": [0.0, 12.5]})
    feather.write_feather(table, str(tmp_path / "a"))
    result = run("candles_feather", tmp_path / "a", tmp_path / "o.csv", "--symbol", "X",
                 *([] if zone else ["--utc-offset-hours", "0"]))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "o.csv").read_text().splitlines()[2:] == [
        f"{T_2020},X,0.0000533,1.0,0.00005,0.1,0.0", f"{T_2020 + 300 * 10**9},X,0.1,0.3,0.1,0.25,12.5"]
    (tmp_path / "bad").write_bytes(b"no feather")
    assert "no feather file" in run("candles_feather", tmp_path / "bad", tmp_path / "p.csv", "--symbol", "X").output

# ---------------------------------------------------------------- the file


def test_both_forms_of_a_history_hold_the_same(tmp_path):
    source = funding_csv(tmp_path / "a.csv", "X,2020-01-01 00:00:00,0.10", "X,2020-01-01 08:00:00,-0.20")
    for name in ("o.csv", "o.jsonl.zst"):
        assert utc_funding(source, tmp_path / name).exit_code == 0
    assert told(tmp_path / "o.csv") == told(tmp_path / "o.jsonl.zst")


def test_info_counts_holes_jitter_and_extremes(tmp_path):
    source = funding_csv(tmp_path / "a.csv", "X,2020-01-01 00:00:00,0.1", "X,2020-01-01 08:00:00.005,-0.2",
                         "X,2020-01-01 16:00:00,0.3",
                         "X,2020-01-02 00:00:00,0.1", "X,2020-01-03 00:00:00,0.2")
    assert utc_funding(source, tmp_path / "o.csv").exit_code == 0
    one = told(tmp_path / "o.csv")["symbols"]["X"]
    assert (one["holes"], one["missing"], one["widest_hole_ns"], one["jitter_ns"]) == (1, 2, 24 * HOUR, 5_000_000)
    assert (one["min"], one["max"], one["mean"], one["negative"]) == ("-0.2", "0.3", "0.100000000000", 1)
    text = CliRunner().invoke(main, ["info", str(tmp_path / "o.csv")]).output
    assert "every 8 h, 1 holes (2 rows missing, widest 24 h), up to 5 ms off, -0.2 to 0.3" in text


def test_an_existing_file_is_never_overwritten_and_another_suffix_refused(tmp_path):
    source = funding_csv(tmp_path / "a.csv", "X,2020-01-01 00:00:00,0.1")
    (tmp_path / "o.csv").write_text("mine")
    assert "exists already" in utc_funding(source, tmp_path / "o.csv").output and (tmp_path / "o.csv").read_text() == "mine"
    assert ".jsonl.zst or .csv" in utc_funding(source, tmp_path / "o.parquet").output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "o.csv"]


def test_a_history_that_was_cut_or_changed_is_named(tmp_path):
    source = funding_csv(tmp_path / "a.csv", *(f"X,2020-01-01 {hour:02}:00:00,0.1" for hour in range(24)))
    assert utc_funding(source, tmp_path / "o.csv").exit_code == 0 and utc_funding(source, tmp_path / "o.jsonl.zst").exit_code == 0
    text, data = (tmp_path / "o.csv").read_text(), (tmp_path / "o.jsonl.zst").read_bytes()
    for broken, words in ((text.rsplit("\n", 2)[0] + "\n", "23 rows, its header says 24"),
                          (text.replace(",0.1", ",abc", 1), "o:3: no row"),
                          (text.replace("ts_ns,", "ts,"), "o:2: the columns"), ("hello", "o:1: no header"),
                          ("", "o:1: no header"),
                          (text.replace('"version": 1', '"version": 2'), "version 2")):
        (tmp_path / "o").write_text(broken)
        result = CliRunner().invoke(main, ["info", str(tmp_path / "o")])
        assert result.exit_code == 1 and words in result.output, result.output
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    for broken in (data[:-9], bytes(flipped)):
        (tmp_path / "o").write_bytes(broken)
        assert CliRunner().invoke(main, ["info", str(tmp_path / "o")]).exit_code == 1

# ---------------------------------------------------------------- recorded data


@pytest.mark.shared
@pytest.mark.parametrize(("name", "offset", "rows", "low", "high", "mean", "negative", "missing"), [
    ("binance_2020", "3", 4383, -0.003, 0.003, "0.00013662", 590, 0),
    ("bybit_2021", "3", 3285, -0.00214698, 0.00375, "0.00015260", 505, 0),
    ("gate_2020", "0", 4290, -0.00375, 0.00375, "0.00012814", 801, 93),
    ("mexc_2021", "3", 3285, -0.001139, 0.0013, "0.00010904", 467, 0)])
def test_recorded_funding_comes_in_as_its_readme_counts_it(tmp_path, name, offset, rows, low, high, mean, negative, missing):
    source = shared_data(f"funding/BTC-USDT_{name}-01-01_2024-01-01_funding_history.csv")
    assert run("funding_csv", source, tmp_path / "o.jsonl.zst", "--utc-offset-hours", offset).exit_code == 0
    one = told(tmp_path / "o.jsonl.zst")["symbols"]["BTC-USDT"]
    assert (one["rows"], float(one["min"]), float(one["max"]), one["negative"], one["missing"]) == (rows, low, high, negative,
                                                                                                    missing)
    assert f"{float(one['mean']):.8f}" == mean and one["spacing_ns"] == 8 * HOUR and one["first_ns"] % (8 * HOUR) == 0


@pytest.mark.shared
def test_recorded_okx_rates_and_candles_come_in_whole(tmp_path):
    assert run("okx_funding_json", shared_data("funding/okx_get-funding-rate-any_2026-04-27.json"),
               tmp_path / "f.csv").exit_code == 0
    intervals = [one["interval_s"] for one in told(tmp_path / "f.csv")["symbols"].values()]
    assert {hours: intervals.count([hours * 3600]) for hours in (8, 4, 2)} == {8: 140, 4: 181, 2: 1} and len(intervals) == 322
    assert run("candles_csv", shared_data("ohlcv/flox_1m/btcusdt_1m.csv"), tmp_path / "c.csv", "--symbol",
               "BTCUSDT").exit_code == 0
    one = told(tmp_path / "c.csv")["symbols"]["BTCUSDT"]
    assert (one["rows"], one["holes"], one["spacing_ns"]) == (3000, 0, 60 * 10**9)


@pytest.mark.shared
def test_recorded_feather_comes_in_with_its_missing_bars(tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed: feather files cannot be made or read here")
    source = shared_data("ohlcv/freqtrade_5m/ADA_BTC-5m.feather")
    assert run("candles_feather", source, tmp_path / "o.csv", "--symbol", "ADA/BTC").exit_code == 0
    one = told(tmp_path / "o.csv")["symbols"]["ADA/BTC"]
    assert (one["rows"], one["missing"], one["spacing_ns"]) == (5720, 40, 300 * 10**9)

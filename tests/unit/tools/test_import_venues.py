"""Recordings of several venues: both markets in one file, contracts as sizes, venues that nothing reads; and the two formats of
single messages. Inputs are made here in the documented shapes; recorded files are read where they are."""
import base64
import hashlib
import json
from decimal import Decimal

import pytest
import zstandard
from click.testing import CliRunner

from cext import capture
from feeds.capture_format import MARKET_NAMES, CaptureReader
from feeds.instruments import InstrumentTable
from feeds.registry import feed_venue, venue_names
from tests.support.shared_data import shared_data
from tools.replay_lib.capture_cli import main
from tools.replay_lib.import_depthcharge import members
from tools.replay_lib.recorded import market_of_address, recorded_venue

HEADER = {"t": "header", "format": 2, "exchange": "X"}


def run(form, source, out, *options):
    return CliRunner().invoke(main, ["import", "--format", form, *map(str, options), str(source), str(out)])


def records(path):
    with CaptureReader(path) as reader:
        return InstrumentTable.from_json(reader.header.instruments), list(reader.records()), reader.venues


def cryptofeed(path, lines):
    path.write_bytes(zstandard.ZstdCompressor().compress("\n".join(json.dumps(line) for line in (HEADER, *lines)).encode()))
    return path


def connect(conn, addr, ts=1.0):
    return {"t": "connect", "conn": conn, "ts": ts, "addr": addr}


def recv(conn, frame, ts=3.0):
    return {"t": "recv", "conn": conn, "ts": ts, "data": frame if isinstance(frame, str) else json.dumps(frame)}


def http(url, body, ts=0.5):
    return {"t": "http", "conn": "http", "ts": ts, "url": url, "data": json.dumps(body)}


def jsonl(path, *lines):
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path

# ---------------------------------------------------------------- Bybit: two connections


def bybit_book(symbol, px, size, kind="delta", update_id=7):
    return {"topic": f"orderbook.200.{symbol}", "type": kind, "ts": 1,
            "data": {"s": symbol, "b": [[px, size]], "a": [], "u": update_id,
                                                                                "seq": 9}}


def bybit_listing(category, *infos):
    return http(f"https://api.bybit.com/v5/market/instruments-info?category={category}&limit=1000",
                {"retCode": 0, "result": {"category": category, "list": list(infos)}})


BYBIT_SPOT = {"symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "status": "Trading",
              "lotSizeFilter": {"basePrecision": "0.000001", "minOrderQty": "0.000011", "minOrderAmt": "5",
                                                          "maxLimitOrderQty": "83"},
              "priceFilter": {"tickSize": "0.1"}}
BYBIT_LINEAR = {"symbol": "BTCUSDT", "contractType": "LinearPerpetual", "baseCoin": "BTC", "quoteCoin": "USDT",
                "settleCoin": "USDT", "status": "Trading", "priceFilter": {"tickSize": "0.10"},
                "lotSizeFilter": {"qtyStep": "0.001", "minOrderQty": "0.002", "maxOrderQty": "1190", "minNotionalValue": "5"}}
BYBIT_DATED = BYBIT_LINEAR | {"symbol": "BTCUSDT-14AUG26", "contractType": "LinearFutures"}


def bybit_lines():
    return [bybit_listing("linear", BYBIT_LINEAR, BYBIT_DATED), bybit_listing("spot", BYBIT_SPOT),
            connect("l", "wss://stream.bybit.com/v5/public/linear"), connect("s", "wss://stream.bybit.com/v5/public/spot"),
            recv("l", {"success": True, "op": "subscribe"}), recv("l", bybit_book("BTCUSDT", "65114.20", "6.054", "snapshot")),
            recv("s", bybit_book("BTCUSDT", "65140.5", "0.6222370")), recv("l", bybit_book("BTCUSDT-14AUG26", "65000.0", "1")),
            recv("s", {"topic": "publicTrade.BTCUSDT", "type": "snapshot",
                       "data": [{"s": "BTCUSDT", "p": "65140.55", "v": "0.1"}]}),
            recv("l", {"topic": "tickers.BTCUSDT", "type": "delta", "data": {"symbol": "BTCUSDT", "bid1Price": "65114.2",
                                                                             "bid1Size": "6.0541"}})]


def test_each_connection_of_one_file_has_its_market_and_rows_come_from_the_listings(tmp_path):
    result = run("cryptofeed_v3", cryptofeed(tmp_path / "a", bybit_lines()), tmp_path / "o", "--venue", "bybit")
    assert result.exit_code == 0, result.output
    table, found, _ = records(tmp_path / "o")
    frames = [(MARKET_NAMES[record.market], table.rows[record.row].name if record.row >= 0 else "") for record in found
              if record.type == capture.FRAME]
    spot, linear = "bybit:BTC/USDT", "bybit:BTC/USDT:USDT"
    assert frames == [("linear", ""), ("linear", linear), ("spot", spot), ("linear", ""), ("spot", spot), ("linear", linear)]
    rows = {row.name: (row.tick, row.lot, row.min_qty, row.px_scale, row.qty_scale, row.account_name) for row in table.rows}
    assert rows == {spot: (Decimal("0.1"), Decimal("0.000001"), Decimal("0.000001"), 2, 6, "bybit:unified"),
                    linear: (Decimal("0.10"), Decimal("0.001"), Decimal("0.002"), 1, 3, "bybit:unified")}
    assert "BTCUSDT-14AUG26 x1" in result.output, "a dated contract is kept without an instrument, and told"


def test_a_market_that_was_asked_for_gets_the_only_rows(tmp_path):
    source = cryptofeed(tmp_path / "a", bybit_lines())
    assert run("cryptofeed_v3", source, tmp_path / "o", "--venue", "bybit", "--market", "linear").exit_code == 0
    table, found, _ = records(tmp_path / "o")
    assert [row.market for row in table.rows] == ["linear"]
    assert [record.market for record in found if record.type == capture.FRAME] == [2, 2, 1, 2, 1, 2], "nothing is lost"


def test_without_a_listing_the_spelling_and_the_digits_tell(tmp_path):
    lines = [line for line in bybit_lines() if line["t"] != "http"]
    assert run("cryptofeed_v3", cryptofeed(tmp_path / "a", lines), tmp_path / "o", "--venue", "bybit").exit_code == 0
    assert sorted(row.name for row in records(tmp_path / "o")[0].rows) == ["bybit:BTC/USDT", "bybit:BTC/USDT:USDT"]


def test_lines_of_a_venue_with_two_markets_must_say_which(tmp_path):
    source = jsonl(tmp_path / "a", f"{10**18} {json.dumps(bybit_book('BTCUSDT', '1.5', '2', 'snapshot'))}")
    result = run("lines", source, tmp_path / "o", "--venue", "bybit")
    assert result.exit_code == 1 and "--market spot or --market linear" in result.output
    assert run("lines", source, tmp_path / "o", "--venue", "bybit", "--market", "linear").exit_code == 0
    table, found, _ = records(tmp_path / "o")
    assert [record.type for record in found] == [capture.FRAME], "a whole book on the stream is a frame"
    assert table.rows[found[0].row].name == "bybit:BTC/USDT:USDT"
    assert "no market linear" in run("lines", source, tmp_path / "p", "--venue", "binanceus", "--market", "linear").output
    assert "say with --venue" in run("lines", source, tmp_path / "p").output

# ---------------------------------------------------------------- OKX: one connection, contracts


def okx_info(inst_id, kind="SWAP", **changes):
    base, quote = inst_id.split("-")[:2]
    swap = {"instType": "SWAP", "instId": inst_id, "baseCcy": "", "quoteCcy": "", "uly": f"{base}-{quote}", "settleCcy": quote,
            "ctVal": "0.01", "ctMult": "1", "ctValCcy": base, "ctType": "linear", "tickSz": "0.1", "lotSz": "1", "minSz": "1",
            "maxLmtSz": "20000", "state": "live", "instIdCode": 10458}
    spot = {"instType": "SPOT", "instId": inst_id, "baseCcy": base, "quoteCcy": quote, "uly": "", "settleCcy": "", "ctVal": "",
            "ctMult": "", "ctValCcy": "", "ctType": "", "tickSz": "0.1", "lotSz": "0.00000001", "minSz": "0.00001",
            "maxLmtSz": "9999999999", "state": "live"}
    return (swap if kind == "SWAP" else spot) | changes


def okx_listing(kind, *infos):
    return http(f"https://www.okx.com/api/v5/public/instruments?instType={kind}", {"code": "0", "data": list(infos)})


def okx_book(inst_id, px, size, action="update"):
    return {"arg": {"channel": "books", "instId": inst_id}, "action": action,
            "data": [{"asks": [[px, size, "0", "1"]], "bids": [], "ts": "1", "checksum": 0}]}


def okx_lines():
    return [okx_listing("SPOT", okx_info("BTC-USDT", "SPOT")),
            okx_listing("SWAP", okx_info("BTC-USDT-SWAP"),
                        okx_info("BTC-USD-SWAP", ctType="inverse", ctVal="100", ctValCcy="USD")),
            okx_listing("FUTURES", okx_info("BTC-USD-220527", instType="FUTURES", ctType="inverse")),
            connect("w", "wss://ws.okx.com:8443/ws/v5/public"),
            recv("w", {"event": "subscribe", "arg": {"channel": "books", "instId": "BTC-USDT"}}),
            *(recv("w", okx_book(name, "30236.2", size, "snapshot")) for name, size in (
                ("BTC-USDT", "0.18050747"), ("BTC-USDT-SWAP", "12.5"), ("BTC-USD-SWAP", "3"), ("BTC-USD-220527", "2")))]


def test_one_connection_holds_both_markets_and_contracts_become_base_units(tmp_path):
    result = run("cryptofeed_v3", cryptofeed(tmp_path / "a", okx_lines()), tmp_path / "o", "--venue", "okx")
    assert result.exit_code == 0, result.output
    table, found, _ = records(tmp_path / "o")
    assert [(MARKET_NAMES[record.market], record.row) for record in found if record.type == capture.FRAME] == [
        ("", -1), ("spot", 0), ("linear", 1), ("", -1), ("", -1)]
    spot, swap = table.rows
    assert (spot.name, spot.lot, spot.min_qty, spot.contract_size) == ("okx:BTC/USDT", Decimal("0.00000001"),
                                                                       Decimal("0.00001"), 1)
    assert (swap.name, swap.contract_size, swap.lot, swap.min_qty) == ("okx:BTC/USDT:USDT", Decimal("0.01"), Decimal("0.01"),
                                                                       Decimal("0.01"))
    assert swap.qty_scale == 3, "12.5 contracts of 0.01 are 0.125"
    assert swap.venue_code == 10458 and swap.account_name == "okx:unified"
    assert "BTC-USD-SWAP x1" in result.output and "BTC-USD-220527 x1" in result.output


def test_large_contracts_need_no_digits(tmp_path):
    lines = [okx_listing("SWAP", okx_info("SHIB-USDT-SWAP", ctVal="1000000", tickSz="0.000000001", lotSz="0.1", minSz="0.1")),
             connect("w", "wss://x"), recv("w", okx_book("SHIB-USDT-SWAP", "0.00001", "0.1"))]
    assert run("cryptofeed_v3", cryptofeed(tmp_path / "a", lines), tmp_path / "o", "--venue", "okx").exit_code == 0
    row = records(tmp_path / "o")[0].rows[0]
    assert (row.qty_scale, row.lot, row.contract_size) == (0, 100_000, 1_000_000)


def test_a_swap_without_a_listing_is_not_named_by_its_spelling(tmp_path):
    lines = [line for line in okx_lines() if line["t"] != "http"]
    result = run("cryptofeed_v3", cryptofeed(tmp_path / "a", lines), tmp_path / "o", "--venue", "okx", "--market", "linear")
    assert result.exit_code == 0 and "BTC-USDT-SWAP x1" in result.output and records(tmp_path / "o")[0].rows == []


def test_an_instrument_that_is_asked_for_by_a_table_gets_its_row(tmp_path):
    assert run("cryptofeed_v3", cryptofeed(tmp_path / "a", okx_lines()), tmp_path / "first", "--venue", "okx").exit_code == 0
    records(tmp_path / "first")[0].save(tmp_path / "table.json")
    lines = [line for line in okx_lines() if line["t"] != "http"]
    assert run("cryptofeed_v3", cryptofeed(tmp_path / "b", lines), tmp_path / "o", "--venue", "okx", "--instruments",
               tmp_path / "table.json").exit_code == 0
    assert sorted(row.name for row in records(tmp_path / "o")[0].rows) == ["okx:BTC/USDT", "okx:BTC/USDT:USDT"]


def test_a_listed_instrument_that_cannot_be_used_is_told_and_its_frames_kept(tmp_path):
    lines = [okx_listing("SWAP", okx_info("BTC-USDT-SWAP", ctValCcy="USD"), okx_info("ETH-USDT-SWAP")), connect("w", "wss://x"),
             recv("w", okx_book("BTC-USDT-SWAP", "1", "1")), recv("w", okx_book("ETH-USDT-SWAP", "1", "1"))]
    result = run("cryptofeed_v3", cryptofeed(tmp_path / "a", lines), tmp_path / "o", "--venue", "okx")
    assert result.exit_code == 0 and "BTC-USDT-SWAP: not usable" in result.output and "not an amount of BTC" in result.output
    assert [record.row for record in records(tmp_path / "o")[1] if record.type == capture.FRAME] == [-1, 0]


@pytest.mark.parametrize("venue", ["okx", "bybit", "binance"])
@pytest.mark.parametrize("frame", [b"", b"{", b"[]", b"3", b'{"topic":"orderbook.1.X","data":3}', b'{"arg":3,"data":[3]}',
                                   b'{"e":"depthUpdate","s":"X"}', b'{"arg":{"channel":"books"},"data":[{"bids":[[]],"asks":[]}]}'])
def test_frames_of_an_unknown_shape_never_raise(venue, frame):
    known = recorded_venue(venue)
    for market in known.markets:
        found = known.glance(market, frame)
        assert found is None or found.symbol == ""

# ---------------------------------------------------------------- addresses, venues, the feeds' registry


@pytest.mark.parametrize(("venue", "address", "market"), [
    ("bybit", "wss://stream.bybit.com/v5/public/spot", "spot"), ("bybit", "https://x/v5/market?category=linear", "linear"),
    ("binance", "wss://fstream.binance.com/stream?streams=x", "linear"), ("binance", "wss://stream.binance.com:9443/ws", "spot"),
    ("binance", "https://x/linear?category=spot", ""), ("okx", "wss://ws.okx.com:8443/ws/v5/public", ""), ("okx", "", "")])
def test_addresses_say_a_market_or_nothing(venue, address, market):
    assert market_of_address(recorded_venue(venue), address) == market


def test_a_venue_is_asked_itself_and_none_stands_for_those_that_nobody_reads():
    assert all(recorded_venue(name) is feed_venue(name) for name in venue_names())
    assert recorded_venue("nobody") is None


def test_frames_of_a_venue_that_nothing_reads_are_kept_whole_counted_and_said(tmp_path):
    frames = ['{"a":1}', "not json", "[1]"]
    lines = [connect("w", "wss://x/v4/spot/"), *(recv("w", frame) for frame in frames),
             {"t": "recv", "conn": "w", "ts": 4.0, "b64": base64.b64encode(b"\x00\xff").decode()},
             http("https://x/pairs", [1], 5.0)]
    result = run("cryptofeed_v3", cryptofeed(tmp_path / "a", lines), tmp_path / "o", "--venue", "bibyt")
    assert result.exit_code == 0 and "without an instrument; did you mean bybit?: 4 (" in result.output
    _, found, venues = records(tmp_path / "o")
    assert venues == ["bibyt"]
    assert [record.payload for record in found if record.type == capture.FRAME] == [b'{"a":1}', b"not json", b"[1]", b"\x00\xff"]
    assert {(record.row, MARKET_NAMES[record.market]) for record in found if record.type == capture.FRAME} == {(-1, "spot")}
    assert [record.type for record in found if record.type == capture.NOTE] == [capture.NOTE]

# ---------------------------------------------------------------- depthcharge


DEPTH_HEADER = {"captured_at": "2026-08-16T23:37:03.402652+00:00", "url": "wss://ws.kraken.com/v2", "venue": "kraken"}


def test_depthcharge_frames_keep_their_digits_and_both_clocks(tmp_path):
    body = '{"channel":"book","data":[{"symbol":"MINA/GBP","bids":[{"price":0.0280,"qty":0.50930100}]}], "x" : [1 , 2]}'
    source = jsonl(tmp_path / "a", DEPTH_HEADER, '{"rx_ns": 1000, "dir": "tx", "frame": {"method":"subscribe"}}',
                   f'{{"rx_ns": 42890613745900, "frame": {body}}}', '{"frame":"text \\u00e9","dir":"rx","rx_ns":42890613745907}')
    result = run("depthcharge", source, tmp_path / "o")
    assert result.exit_code == 0 and "2 frames, 0 snapshots, 1 notes" in result.output and "kraken" in result.output
    _, found, venues = records(tmp_path / "o")
    start = 1_786_923_423_402_652_000
    assert venues == ["kraken"] and [record.type for record in found] == [capture.CONNECT, capture.NOTE, capture.FRAME,
                                                                          capture.FRAME]
    assert [record.payload for record in found[2:]] == [body.encode(), "text é".encode()]
    assert [(record.recv_wall_ns, record.recv_mono_ns) for record in found] == [
        (start, 1000), (start, 1000), (start + 42890613744900, 42890613745900), (start + 42890613744907, 42890613745907)]
    assert found[0].payload == b"wss://ws.kraken.com/v2" and b'send wss://ws.kraken.com/v2 {"method":"subscribe"}' == found[1].payload


@pytest.mark.parametrize("line", ["nonsense", '{"rx_ns": 1}', '{"rx_ns": 1.5, "frame": {}}', '{"rx_ns": 1, "frame": {}, "dir": "up"}',
                                  '{"rx_ns": 1, "frame": {}} {}', '{"rx_ns": 1, "frame": {}', '{"rx_ns": true, "frame": {}}',
                                  "[]"])
def test_depthcharge_lines_of_another_form_are_named(tmp_path, line):
    source = jsonl(tmp_path / "a", DEPTH_HEADER, '{"rx_ns": 1, "frame": {}}', line)
    result = run("depthcharge", source, tmp_path / "o")
    assert result.exit_code == 1 and "a:3" in result.output and not (tmp_path / "o").exists()
    assert run("depthcharge", source, tmp_path / "o", "--keep-bad").exit_code == 0
    assert f"a:3: {line}".encode() in records(tmp_path / "o")[1][-1].payload


@pytest.mark.parametrize("header", ["{}", "x", DEPTH_HEADER | {"captured_at": "2026-08-16T23:37:03"},
                                    DEPTH_HEADER | {"venue": 3}])
def test_depthcharge_without_its_header_is_refused(tmp_path, header):
    result = run("depthcharge", jsonl(tmp_path / "a", header, '{"rx_ns": 1, "frame": {}}'), tmp_path / "o")
    assert result.exit_code == 1 and "a:1: no header" in result.output


def test_two_monotonic_clocks_are_not_joined(tmp_path):
    source = jsonl(tmp_path / "a", DEPTH_HEADER, '{"rx_ns": 1, "frame": {}}')
    result = CliRunner().invoke(main, ["import", "--format", "depthcharge", str(source), str(source), str(tmp_path / "o")])
    assert result.exit_code == 1 and "second recording" in result.output
    assert "no frame in" in run("depthcharge", jsonl(tmp_path / "b", DEPTH_HEADER), tmp_path / "o").output


def test_members_are_cut_out_as_they_stand():
    assert members(' { "a" : 1.50 , "b":{"x":[1,  2]},"c":"\\u0041" } ') == {
        "a": (1.5, "1.50"), "b": ({"x": [1, 2]}, '{"x":[1,  2]}'), "c": ("A", '"\\u0041"')}
    assert members("{}") == {}

# ---------------------------------------------------------------- frames


def frame(venue="mexc-spot", enc="text", payload="{}", **more):
    return {"venue": venue, "channel": "c", "dir": "recv", "enc": enc, "payload": payload} | more


def test_single_frames_keep_their_bytes_and_what_is_said_about_them(tmp_path):
    source = jsonl(tmp_path / "a", frame(enc="hex", payload="0A34ff", note="captured"), frame("crypto.com", payload='{"é":1}'),
                   frame(enc="base64", payload="AAE=", dir="recv"), frame("mexc-futures", dir="send", payload="sub"))
    result = run("frames", source, tmp_path / "o")
    assert result.exit_code == 0 and "3 frames, 0 snapshots, 4 notes" in result.output
    _, found, venues = records(tmp_path / "o")
    assert venues == ["mexc-spot", "crypto.com", "mexc-futures"]
    frames = [(venues[record.venue_index], MARKET_NAMES[record.market], record.payload) for record in found
              if record.type == capture.FRAME]
    assert frames == [("mexc-spot", "spot", b"\x0a\x34\xff"), ("crypto.com", "", '{"é":1}'.encode()),
                      ("mexc-spot", "spot", b"\x00\x01")]
    about = json.loads(found[0].payload)
    assert about == {"venue": "mexc-spot", "channel": "c", "dir": "recv", "enc": "hex", "note": "captured"}
    assert {record.recv_wall_ns for record in found} == {0}
    info = CliRunner().invoke(main, ["info", str(tmp_path / "o")]).output
    assert "nothing in it says when" in info and "3 connections" not in info and "2 connections" in info


def test_single_frames_of_a_venue_that_is_read_get_their_row(tmp_path):
    source = jsonl(tmp_path / "a", frame("bybit", payload=json.dumps(bybit_book("BTCUSDT", "1.5", "2"))), frame("kraken"))
    assert run("frames", source, tmp_path / "o", "--market", "linear").exit_code == 0
    table, found, _ = records(tmp_path / "o")
    assert [record.row for record in found if record.type == capture.FRAME] == [0, -1] and table.rows[0].market == "linear"
    result = run("frames", source, tmp_path / "p", "--venue", "bybit", "--market", "linear")
    assert result.exit_code == 0 and "frames of other venues than bybit, left out: 1" in result.output


@pytest.mark.parametrize("line", ["x", frame(enc="hex", payload="0G"), frame(enc="rot13"), frame(dir="up"), frame(payload=3),
                                  frame(venue=""),
                                  {"venue": "x"}, "[]"])
def test_lines_that_are_no_frames_are_named(tmp_path, line):
    source = jsonl(tmp_path / "a", frame(), line)
    result = run("frames", source, tmp_path / "o")
    assert result.exit_code == 1 and "a:2" in result.output
    assert run("frames", source, tmp_path / "o", "--keep-bad").exit_code == 0
    assert [record.type for record in records(tmp_path / "o")[1]] == [capture.NOTE, capture.FRAME, capture.NOTE]

# ---------------------------------------------------------------- recorded data


RECORDED = [("BINANCE", "binance", 265, 4, 4), ("BINANCE_US", "binanceus", 480, 4, 4), ("BINANCE_FUTURES", "binance", 1535, 4, 4),
            ("BYBIT", "bybit", 3227, 0, 6), ("OKX", "okx", 410, 0, 1), ("KRAKEN", "kraken", 4430, None, None),
            ("GATEIO", "gateio", 239, None, None), ("BITSTAMP", "bitstamp", 747, None, None),
            ("GEMINI", "gemini", 563, None, None),
            ("CRYPTO.COM", "cryptocom", 3163, None, None)]


@pytest.mark.shared
@pytest.mark.parametrize(("name", "venue", "frames", "snapshots", "instruments"), RECORDED)
def test_every_recorded_frame_comes_in_with_its_bytes_in_order_of_time(tmp_path, name, venue, frames, snapshots, instruments):
    path = shared_data(f"cryptofeed_v3/{name}.jsonl.zst")
    result = run("cryptofeed_v3", path, tmp_path / "o", "--venue", venue)
    assert result.exit_code == 0, result.output
    table, found, _ = records(tmp_path / "o")
    text = zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
    lines = [line for line in map(json.loads, text.splitlines()) if line["t"] != "header"]
    lines.sort(key=lambda line: round(line["ts"] * 1e6))
    assert len(found) == len(lines)
    sent = [line["data"].encode() if "data" in line else base64.b64decode(line["b64"]) for line in lines if line["t"] == "recv"]
    assert [record.payload for record in found if record.type == capture.FRAME] == sent and len(sent) == frames
    if snapshots is not None:  # a venue that is read
        assert sum(record.type == capture.SNAPSHOT for record in found) == snapshots and len(table.rows) == instruments


def digest(sides):
    """As the description of the recorded data computes it."""
    def text(side, is_bid):
        return "".join(f"{format(px.normalize(), 'f')},{format(side[px].normalize(), 'f')}\n" for px in sorted(side,
                                                                                                               reverse=is_bid))
    return hashlib.sha256((text(sides["b"], True) + "-\n" + text(sides["a"], False)).encode()).hexdigest()[:16]


def build_books(path, read):
    """name -> digest of the final book of every row; read(frame) -> (is whole book, bids, asks) or None."""
    table, found, _ = records(path)
    books = {}
    for record in found:
        told = read(json.loads(record.payload)) if record.type == capture.FRAME and record.row >= 0 else None
        if told is None:
            continue
        is_whole, bids, asks = told
        sides = books.setdefault(table.rows[record.row].name, {"b": {}, "a": {}})
        for side, levels in (("b", bids), ("a", asks)):
            if is_whole:
                sides[side].clear()
            for px, size, *_ in levels:
                sides[side][Decimal(px)] = Decimal(size)
                if not Decimal(size):
                    del sides[side][Decimal(px)]
    return {name: digest(sides) for name, sides in books.items()}


@pytest.mark.shared
def test_recorded_books_of_both_markets_of_bybit_are_those_of_their_description(tmp_path):
    assert run("cryptofeed_v3", shared_data("cryptofeed_v3/BYBIT.jsonl.zst"), tmp_path / "o", "--venue", "bybit").exit_code == 0

    def read(message):
        data = message["data"]
        return (message["type"] == "snapshot", data["b"], data["a"]) if message["topic"].startswith("orderbook") else None
    assert build_books(tmp_path / "o", read) == {
        "bybit:BTC/USDT:USDT": "feb040f0ac90391c", "bybit:DOGE/USDT:USDT": "fce65e98d3e8d092",
        "bybit:ETH/USDT:USDT": "82db2a558a4a57eb", "bybit:SOL/USDT:USDT": "73c5f2fb79bce66f",
        "bybit:BTC/USDT": "8e6b8e8adfd63cc1",
        "bybit:ETH/USDT": "733d8fb076009847"}


@pytest.mark.shared
def test_the_recorded_spot_book_of_okx_is_that_of_its_description(tmp_path):
    assert run("cryptofeed_v3", shared_data("cryptofeed_v3/OKX.jsonl.zst"), tmp_path / "o", "--venue", "okx").exit_code == 0

    def read(message):
        book = message["data"][0]
        return (message["action"] == "snapshot", book["bids"], book["asks"]) if "action" in message else None
    assert build_books(tmp_path / "o", read) == {"okx:BTC/USDT": "626a03fbe8842924"}


@pytest.mark.shared
def test_the_recorded_depthcharge_file_and_single_frames_come_in_whole(tmp_path):
    path = shared_data("depthcharge/kraken_minagbp_d25_20260816.ndjson")
    assert run("depthcharge", path, tmp_path / "d").exit_code == 0
    found = [record for record in records(tmp_path / "d")[1] if record.type == capture.FRAME]
    lines = [line for line in path.read_text().splitlines()[1:] if '"dir": "tx"' not in line]
    assert len(found) == 92 and all(line.endswith(f'"frame": {record.payload.decode()}}}')
                                    for line, record in zip(lines, found, strict=True))
    assert sum(b'"channel":"book"' in record.payload[:20] for record in found) == 30
    assert run("frames", shared_data("recent_frames/frames.jsonl"), tmp_path / "f").exit_code == 0
    found = [record for record in records(tmp_path / "f")[1] if record.type == capture.FRAME]
    assert len(found) == 16 and found[0].payload.startswith(b"\x0a\x34spot@public.aggre.bookTicker")

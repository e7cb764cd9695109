"""Recorded exchange traffic through the whole path: books, counts, digests and edges equal those of an independent script (the
tables of shared data/README.md). Skipped where that folder is not beside the checkout."""
import hashlib
from dataclasses import replace
from decimal import Decimal

import pytest
from click.testing import CliRunner

from engine.config import Config
from feeds.instruments import InstrumentTable
from tests.support.fake_core import instrument_row
from tests.support.shared_data import shared_data
from tools.replay_lib.capture_cli import main as capture_main
from tools.replay_lib.edges import describe, measure_edges
from tools.replay_lib.report import book_json, level_texts, summary
from tools.replay_lib.session import ReplaySession, ReplaySettings

pytestmark = pytest.mark.shared

# folder/files, market, venue -> symbol: (msgs, applied, bid px, bid qty, ask px, ask qty, bids, asks, last id, digest)
SPOT_08, SPOT_09 = "hftbacktest/spot/btcusdt_20240808.gz", "hftbacktest/spot/btcusdt_20240809.gz"
PERP_08 = "hftbacktest/usdm/btcusdt_20240808.gz"
EXPECTED = [
    ((SPOT_08,), "spot", "binance", "lines", {
        "BTCUSDT": (3451, 3449, "61685.99", "1.0087", "61686", "2.29327", 1209, 2196, 50093421584, "6c17ecc594630def")}),
    ((SPOT_08, SPOT_09), "spot", "binance", "lines", {
        "BTCUSDT": (6495, 6493, "61602.01", "1.67177", "61602.02", "2.66795", 1971, 2962, 50093696318, "114cb7da8dc4408c")}),
    ((PERP_08,), "linear", "binance", "lines", {
        "BTCUSDT": (6551, 6547, "61659.7", "1.486", "61659.8", "0.981", 5018, 4578, 5123135475514, "64eaf31e2f8086ff")}),
    (("cryptofeed_v3/BINANCE.jsonl.zst",), "spot", "binance", "cryptofeed_v3", {
        "BLZETH": (10, 9, "0.00006547", "100", "0.0000656", "1528", 173, 999, 281916638, "9b6f4b1f96d0e1a8"),
        "LRCBTC": (15, 13, "0.00000637", "2500", "0.00000638", "2285", 176, 1000, 259345563, "9018b662a21b7160"),
        "NKNUSDT": (150, 149, "0.3527", "9602", "0.3531", "152", 614, 994, 499870179, "a1af77d1daa8db76"),
        "RUNEEUR": (2, 1, "6.251", "69.3", "6.269", "69.3", 222, 468, 15602513, "1b129bd735039dde")}),
    (("cryptofeed_v3/BINANCE_US.jsonl.zst",), "spot", "binanceus", "cryptofeed_v3", {
        "COMPUSDT": (107, 106, "296.92", "16.81835", "297.46", "2.9", 219, 525, 113129399, "0301f14560a6fc13"),
        "CRVUSDT": (29, 28, "2.643", "1889.6", "2.648", "2026.9", 73, 62, 1938877, "7a83dcdc162a9b02"),
        "OMGBUSD": (159, 158, "13.7307", "91.95", "13.7728", "72.96", 196, 183, 77819802, "88ebbe9ab131fb2e"),
        "ZRXUSDT": (41, 40, "0.9947", "307.93", "0.9978", "7119.69", 174, 256, 96975046, "bf2f354fc445baf5")}),
    (("cryptofeed_v3/BINANCE_FUTURES.jsonl.zst",), "linear", "binance", "cryptofeed_v3", {
        "AKROUSDT": (189, 188, "0.01734", "502", "0.01735", "50697", 613, 761, 600860423964, "74c9648e384173cb"),
        "CTKUSDT": (185, 180, "1.011", "1698", "1.012", "10123", 486, 742, 600860423222, "1b6237d7a8174bc2"),
        "KEEPUSDT": (135, 132, "0.2463", "249", "0.2467", "9047", 401, 614, 600860420312, "bcee89f3e8309e9e"),
        "SUSHIUSDT": (255, 252, "7.612", "303", "7.616", "267", 1006, 1000, 600860425198, "441f0f946ccbb283")})]


def bring_in(path, market, venue, form, *sources, instruments=None):
    given = [] if instruments is None else ["--instruments", str(instruments)]
    result = CliRunner().invoke(capture_main, ["import", "--venue", venue, "--market", market, "--format", form, *given,
                                               *(str(shared_data(source)) for source in sources), str(path)])
    assert result.exit_code == 0, result.output
    return path


# The other venues: whole books come on the stream, so every message is applied. Market, symbol -> as above; last id = u (Bybit),
# time in ms (OKX of 2022, which had no numbers yet).
BYBIT = {
    ("linear", "BTCUSDT"): (414, 414, "65114.2", "5.974", "65114.3", "9.06", 200, 200, 15077365, "feb040f0ac90391c"),
    ("linear", "DOGEUSDT"): (380, 380, "0.07055", "192121", "0.07056", "4200", 200, 200, 13178638, "fce65e98d3e8d092"),
    ("linear", "ETHUSDT"): (421, 421, "1922.54", "52", "1922.55", "19.25", 200, 200, 14768880, "82db2a558a4a57eb"),
    ("linear", "SOLUSDT"): (383, 383, "77.26", "1041.8", "77.27", "356.1", 200, 200, 13783705, "73c5f2fb79bce66f"),
    ("spot", "BTCUSDT"): (300, 300, "65140.4", "0.622237", "65140.5", "0.606831", 200, 200, 62505723, "8e6b8e8adfd63cc1"),
    ("spot", "ETHUSDT"): (250, 250, "1923.28", "9.42925", "1923.29", "3.44935", 200, 200, 56726742, "733d8fb076009847")}
OKX = {("spot", "BTC-USDT"): (98, 98, "30236.1", "0.18050747", "30236.2", "0.001", 400, 400, 1652459236096, "626a03fbe8842924")}
OKX_GIVEN = {
    **OKX,
    ("linear", "BTC-USD-220527"): (99, 99, "30229.4", "2", "30238.8", "3", 74, 62, 1652459236119, "b180e099e0a8f385"),
    ("linear", "UNI-USD-SWAP"): (93, 93, "5.137", "20", "5.145", "50", 125, 118, 1652459236094, "f8df1e27b5647c9c")}


def check_books(session, books):
    assert {(row.market, row.symbol) for row in session.table.rows} == set(books)
    for row in session.table.rows:
        msgs, applied, bid_px, bid_qty, ask_px, ask_qty, bids, asks, last_id, expected = books[row.market, row.symbol]
        stats = session.market_of_row[row.id].stats(row.id)
        assert book_json(session, row.id) == {"bid": [bid_px, bid_qty], "ask": [ask_px, ask_qty], "levels": [bids, asks],
                                              "applied": applied, "gaps": 0, "invalid": 0, "crossed": 0}, row.name
        assert (stats["msgs"], stats["update_id"], digest(session, row.id)) == (msgs, last_id, expected), row.name


@pytest.mark.parametrize(("source", "venue", "books"), [("BYBIT", "bybit", BYBIT), ("OKX", "okx", OKX)])
def test_final_books_of_venues_whose_stream_begins_with_a_whole_book(tmp_path, source, venue, books):
    session = ReplaySession([bring_in(tmp_path / "o", "auto", venue, "cryptofeed_v3", f"cryptofeed_v3/{source}.jsonl.zst")])
    session.run()
    check_books(session, books)


def test_contracts_that_are_no_perpetual_of_ours_are_replayed_with_a_table_that_names_them(tmp_path):
    """Dated and inverse ones, counted in contracts: the recorded listing gives them no row."""
    kinds = (("BTC", "0.1", 1), ("UNI", "0.001", 3))
    rows = [instrument_row(number, "linear", base, "USD", tick=tick, lot="1", px_scale=px_scale, qty_scale=0, venue="okx",
                           account="unified") for number, (base, tick, px_scale) in enumerate(kinds)]
    named = [replace(row, symbol=symbol) for row, symbol in zip(rows, ("BTC-USD-220527", "UNI-USD-SWAP"), strict=True)]
    InstrumentTable(named).save(tmp_path / "given.json")
    session = ReplaySession([bring_in(tmp_path / "o", "auto", "okx", "cryptofeed_v3", "cryptofeed_v3/OKX.jsonl.zst",
                                      instruments=tmp_path / "given.json")])
    session.run()
    check_books(session, OKX_GIVEN)


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """Captures of 2024-08-08, spot and USD-M."""
    folder = tmp_path_factory.mktemp("day")
    return [bring_in(folder / "spot", "spot", "binance", "lines", SPOT_08),
            bring_in(folder / "perp", "linear", "binance", "lines", PERP_08)]


def digest(session, row):
    book = session.market_of_row[row].book(row)
    def lines(levels):
        return "".join(",".join(level_texts(session, row, level)) + "\n" for level in levels)
    return hashlib.sha256(f"{lines(book['bids'])}-\n{lines(book['asks'])}".encode()).hexdigest()[:16]


@pytest.mark.parametrize(("sources", "market", "venue", "form", "books"), EXPECTED, ids=lambda value: str(value)[:40])
def test_final_books_equal_those_of_the_independent_script(tmp_path, sources, market, venue, form, books):
    session = ReplaySession([bring_in(tmp_path / "o", market, venue, form, *sources)])
    session.run()
    check_books(session, {(market, symbol): book for symbol, book in books.items()})


def test_both_markets_together_give_the_same_books_and_every_line_is_counted(day):
    session = ReplaySession(day)
    session.run()
    found = summary(session)
    assert found["frames"] == 41_249 + 93_954
    assert [digest(session, row) for row in (0, 1)] == ["6c17ecc594630def", "64eaf31e2f8086ff"]
    assert found["trades"] == {}, "no edge of that day paid VIP0 fees"


def decide(day):
    config = Config.model_validate({"strategies": {"spot_futures": {"entry_net_bps": 0, "exit_cost_bps": 0,
                                                                    "allow_reverse": "inventory"}}})
    session = ReplaySession(day, ReplaySettings(config=config, taker_bps={"spot": Decimal("0.2"), "linear": Decimal("0.2")},
                                                inventory={"BTC": Decimal(100)}))
    session.run()
    return session


def test_decisions_provoked_by_low_fees_are_reproducible_and_leave_nothing_open_or_unhedged(day):
    one, two = decide(day), decide(day)
    found = summary(one)
    assert found["opportunities"] > 0 and sum(found["trades"].values()) > 5
    assert found["decision_hash"] == summary(two)["decision_hash"] and found["pnl"] == summary(two)["pnl"]
    assert one.manager.report()["unhedged"] == {}
    split = found["pnl"]["split"]
    assert sum(Decimal(value) for value in split.values()) == Decimal(found["pnl"]["usd"])


def test_the_basis_of_the_day_equals_that_of_the_independent_script(day):
    [series] = measure_edges(day).pairs.values()
    basis = describe(series["basis"])
    assert basis["count"] == 93_851
    assert [round(basis[key], 4) for key in ("mean", "min", "max", "last")] == [-3.7636, -11.8864, 1.7601, -4.2546]
    assert round(series["reverse taker/taker"]["max"], 4) == 11.0414
    assert round(series["forward taker/taker"]["max"], 4) == 0.7955


def test_the_basis_of_bybit_is_that_of_the_independent_script(tmp_path):
    path = bring_in(tmp_path / "o", "auto", "bybit", "cryptofeed_v3", "cryptofeed_v3/BYBIT.jsonl.zst")
    pairs = measure_edges([path]).pairs
    assert set(pairs) == {"bybit:BTC/USDT bybit:BTC/USDT:USDT", "bybit:ETH/USDT bybit:ETH/USDT:USDT"}
    btc, eth = (describe(pairs[f"bybit:{base}/USDT bybit:{base}/USDT:USDT"]["basis"]) for base in ("BTC", "ETH"))
    assert btc["count"] == 692 and round(btc["min"], 4) == round(btc["max"], 4) == -4.0221
    assert eth["count"] == 649
    assert [round(eth[key], 4) for key in ("mean", "min", "max")] == [-3.8682, -4.4715, -3.8476]

"""What the supervisor tells the simulated venues, and how it compares their ledgers with the engine's."""
import json
import pathlib
import socket
import threading
from collections.abc import Iterator

import pytest

from engine.config import Config
from engine.supervisor.ledger_check import by_venue, compare_with_venues, differences
from engine.supervisor.simex_section import simex_section
from tools.simex.config import make_config


def test_sim_names_the_venues_and_leaves_them_their_fees(tmp_path: pathlib.Path) -> None:
    section = simex_section(Config(mode="sim", simex={"pairs": 3, "inventory_usd": 50_000.0}), tmp_path)
    assert section["venues"] == {"binance": {}} and section["market"] == "synthetic"
    made = make_config(section)
    assert made.pairs == 3 and made.venues["binance"].inventory_usd == 50_000.0 and made.venues["binance"].fees == {}


def test_paper_gives_each_venue_its_feeds_table_and_the_configured_fees(tmp_path: pathlib.Path) -> None:
    config = Config(mode="paper", venues={"binance": {"fees": {"spot_taker_bps": 7.5}, "markets": ["spot"]}})
    section = simex_section(config, tmp_path)
    assert section["market"] == "external"
    assert section["instrument_tables"] == {"binance": str(tmp_path / "instruments.binance.json")}
    assert section["venues"] == {"binance": {"fees": {"spot": ["0.001", "0.00075"]}}}
    assert make_config(section).venues["binance"].fees == {"spot": ("0.001", "0.00075")}


@pytest.fixture
def control(tmp_path: pathlib.Path) -> Iterator[dict]:
    """A control socket that answers each ledger command with what the test put there."""
    answer: dict = {}
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "c.sock"))
    server.listen()

    def serve() -> None:
        while True:
            try:
                near, _ = server.accept()
            except OSError:
                return
            with near:
                near.recv(1 << 16)
                near.sendall(json.dumps({"ok": True} | answer).encode() + b"\n")

    threading.Thread(target=serve, daemon=True).start()
    (tmp_path / "simex.json").write_text(json.dumps({"control": str(tmp_path / "c.sock")}))
    yield answer
    server.close()


def test_ledgers_of_all_venues_are_compared_to_the_last_unit(tmp_path: pathlib.Path, control: dict) -> None:
    report = {"balances": {"binance:spot": {"USDT": "5", "BTC": "0"}, "bybit:unified": {"USDT": "1.00000001"}},
              "positions": {"bybit:unified": {"bybit:BTC/USDT:USDT": "-0.50"}}}
    (tmp_path / "report.json").write_text(json.dumps(report))
    control |= {"totals": {"binance:spot": {"USDT": "5.00000000"}, "bybit:unified": {"USDT": "1.00000001"}},
                "positions_by_account": {"bybit:linear": {"bybit:BTC/USDT:USDT": "-0.500"}, "binance:linear": {}}}
    assert compare_with_venues(tmp_path) == {"equal": True, "differences": []}
    control["totals"]["bybit:unified"]["USDT"] = "1.00000000"
    assert compare_with_venues(tmp_path)["differences"] == [
        {"account": "bybit:unified", "asset": "USDT", "engine": "1.00000001", "venue": "1.00000000", "difference": "1E-8"}]
    control["positions_by_account"]["bybit:linear"] = {"bybit:BTC/USDT:USDT": "0.500"}
    assert [d["account"] for d in compare_with_venues(tmp_path)["differences"]] == ["bybit:unified", "bybit"]


def test_what_cannot_be_read_is_not_equal(tmp_path: pathlib.Path) -> None:
    assert compare_with_venues(tmp_path)["equal"] is False and "FileNotFoundError" in compare_with_venues(tmp_path)["error"]
    assert differences({}, {"a": {"X": "0"}}) == []
    assert by_venue({"a": {"v:X": "1"}, "b": {"v:Y": "2"}}) == {"v": {"v:X": "1", "v:Y": "2"}}

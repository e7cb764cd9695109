"""tools/replay as typed: what it prints, and how it says what is wrong."""
import json
import pathlib
import subprocess

import pytest
from click.testing import CliRunner

from tests.support.made_captures import MadeMarket, dislocated
from tools.replay_lib.replay_cli import main

ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def paying(tmp_path_factory):
    return dislocated().write(tmp_path_factory.mktemp("made") / "paying.lscap")


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_it_runs_as_typed_from_anywhere(tmp_path, paying):
    done = subprocess.run([str(ROOT / "tools" / "replay"), str(paying), "--json"], cwd=tmp_path, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["trades"] == {"CLOSED": 1}


def test_the_summary_names_books_trades_and_the_hash(paying):
    result = run(paying)
    assert result.exit_code == 0
    for text in ("frames/s", "binance:BTC/USDT:USDT", "'CLOSED': 1", "pnl", "decision hash"):
        assert text in result.output


def test_the_final_book_is_printed_with_the_depth_asked_for(paying):
    result = run(paying, "--book", "binance:BTC/USDT", "--depth", "2")
    lines = result.output.splitlines()
    assert result.exit_code == 0 and [line.split()[0] for line in lines[1:]] == ["ask", "ask", "bid", "bid"]
    assert lines[0] == "binance:BTC/USDT: 5 bids, 5 asks"


def test_an_unknown_book_is_refused_with_the_names_there_are(paying):
    result = run(paying, "--book", "binance:ETH/USDT")
    assert result.exit_code == 1 and "binance:BTC/USDT, binance:BTC/USDT:USDT" in result.output


def test_a_high_threshold_decides_nothing_and_a_low_one_something(paying):
    assert json.loads(run(paying, "--json", "--entry-bps", "500").output)["trades"] == {}
    assert json.loads(run(paying, "--json", "--taker-bps", "0", "--entry-bps", "0").output)["trades"]


def test_the_reverse_direction_needs_inventory(tmp_path):
    path = dislocated(bps=-60).write(tmp_path / "down")
    assert json.loads(run(path, "--json").output)["trades"] == {}
    assert json.loads(run(path, "--json", "--reverse").output)["trades"] == {}
    assert json.loads(run(path, "--json", "--reverse", "--inventory", "BTC=5").output)["trades"] == {"CLOSED": 1}


@pytest.mark.parametrize(("arguments", "message"), [
    (["--entry-bps", "-5"], "entry_net_bps"), (["--config", "/nowhere.yaml"], "nowhere.yaml"),
    (["--inventory", "BTC"], "ASSET=AMOUNT"),
    (["--speed", "-1"], "speed")])
def test_wrong_settings_are_named(paying, arguments, message):
    result = run(paying, *arguments)
    assert result.exit_code != 0 and message in result.output


def test_missing_and_foreign_files_are_named(tmp_path):
    assert "nothing: no such capture" in run(tmp_path / "nothing").output
    (tmp_path / "text").write_text("1723161253937085768 {}")
    result = run(tmp_path / "text")
    assert result.exit_code == 1 and "is not a capture" in result.output and "tools/capture import" in result.output


def test_a_torn_capture_fails_unless_it_is_allowed(tmp_path, paying):
    (tmp_path / "cut").write_bytes(paying.read_bytes()[:-3000])
    result = run(tmp_path / "cut")
    assert result.exit_code == 1 and "cut: torn at byte" in result.output
    result = run(tmp_path / "cut", "--allow-truncated")
    assert result.exit_code == 0 and "torn" in result.output


def test_edges_tell_what_each_fee_tier_would_have_found(tmp_path):
    made = MadeMarket()
    for market in ("spot", "linear"):
        made.snapshot(0, market, "60000")
    for i in range(1, 101):
        made.ticker(i, "spot", "60000")
        made.ticker(i + 0.5, "linear", "60060" if i > 90 else "60000")  # + 10 bps for a tenth of the time
    path = made.write(tmp_path / "a")
    result = run(path, "--edges")
    assert result.exit_code == 0 and "VIP9 maker/taker" in result.output
    pair = json.loads(run(path, "--edges", "--json").output)["pairs"]["binance:BTC/USDT binance:BTC/USDT:USDT"]
    assert pair["basis"]["count"] == 199 and pair["basis"]["max"] == pytest.approx(10.0) and pair["basis"]["min"] == 0.0
    assert pair["forward taker/taker"]["last"] == pytest.approx((60059.99 / 60000.01 - 1) * 1e4)
    tiers = {(tier["tier"], tier["style"]): tier for tier in pair["tiers"]}
    # From the 91st perpetual price on: 10 of its samples and the 9 of spot between them.
    assert tiers["VIP9", "taker/taker"]["forward"]["pays_entry"] == pytest.approx(19 / 199)
    assert tiers["VIP9", "taker/taker"]["forward"]["pays_round_trip"] == pytest.approx(19 / 199)
    assert tiers["VIP3", "taker/taker"]["forward"]["pays_round_trip"] == 0
    assert tiers["VIP0", "taker/taker"]["forward"]["pays_entry"] == 0


def test_edges_are_sampled_from_the_books_where_no_top_is_sent(tmp_path):
    made = MadeMarket()
    for market in ("spot", "linear"):
        made.snapshot(0, market, "60000")
    for i in range(1, 11):
        made.move(i, "spot", "60000")
        made.move(i + 0.5, "linear", "60006")
    pair = json.loads(run(made.write(tmp_path / "a"), "--edges",
                          "--json").output)["pairs"]["binance:BTC/USDT binance:BTC/USDT:USDT"]
    assert pair["basis"]["count"] == 19 and pair["basis"]["last"] == pytest.approx(1.0)


def test_edges_of_a_pair_across_two_venues_are_compared_with_the_fees_that_were_recorded(tmp_path):
    made = MadeMarket()
    for market in ("spot", "linear"):
        made.snapshot(0, market, "60000")
    for i in range(1, 11):
        made.move(i, "spot", "60000")
        made.move(i + 0.5, "linear", "60120")   # + 20 bps; fees are 10 and 5
    there = made.write(tmp_path / "there", ("linear",))
    here = made.write(tmp_path / "here", ("spot",), venue="binanceus", name="binanceus:BTC/USDT")
    result = CliRunner().invoke(main, [str(here), str(there), "--edges", "--json"])
    assert result.exit_code == 0, result.output
    [(name, pair)] = json.loads(result.output)["pairs"].items()
    assert name == "binanceus:BTC/USDT binance:BTC/USDT:USDT" and pair["basis"]["last"] == pytest.approx(20.0)
    assert {(tier["tier"], tier["style"], tier["enter_bps"]) for tier in pair["tiers"]} == {
        ("recorded", "taker/taker", 15.0), ("recorded", "maker/taker", 7.0)}
    assert pair["tiers"][0]["forward"]["pays_entry"] > 0.9 and pair["tiers"][0]["reverse"]["pays_entry"] == 0


def test_edges_without_a_pair_are_refused(tmp_path):
    made = MadeMarket()
    made.snapshot(0, "spot", "60000")
    result = run(made.write(tmp_path / "a", ("spot",)), "--edges")
    assert result.exit_code == 1 and "no pair in these captures" in result.output
    assert "there are binance:BTC/USDT" in result.output

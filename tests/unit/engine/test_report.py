"""report.json is composed whole, exact, and written at once."""
import json
import platform
import sys

import pytest

from engine.machine import machine_facts
from engine.report import compose_report, write_report
from tests.support.sim_trade import S, World

KEYS = ["mode", "commit", "config_hash", "feeds", "opportunities", "trades", "orders", "rejects", "open_pairs", "unhedged",
        "dust", "naked_ms", "pnl",
        "stages", "ring"]


def part():
    world = World()
    world.enter(qty=10)
    world.run_for(1 * S)
    return world.manager.report()


def compose(**extra):
    stage = {"count": 3, "p50_ns": 1, "p90_ns": 2, "p99_ns": 3, "p999_ns": 4, "max_ns": 5}
    return compose_report(run_id="r1", mode="sim", commit="abc", config_hash="00ff", trade_part=part(),
                          feeds={"binance": {"frames": 7, "resyncs": 1}},
                          opportunities=9, gate_rejects={"LOCK_ROW": 4, "KILLED": 0}, stages={"detect": stage},
                          ring={"laps": 1, "torn": 0}, **extra)


def test_report_has_every_key_that_readers_rely_on():
    report = compose()
    assert set(KEYS) <= set(report)
    assert report["feeds"]["binance"] == {"frames": 7, "records": 0, "gaps": 0, "invalid": 0, "resyncs": 1}
    assert report["rejects"] == {"gate:LOCK_ROW": 4}
    assert report["trades"] == {"OPEN": 1} and report["orders"] == 2 and len(report["open_pairs"]) == 1
    assert report["dust"] == {"binance:BTC/USDT:USDT": "-0.00001"} and report["unhedged"] == {}
    assert report["pnl"]["split"]["rounding"] == "0"


def test_report_says_what_machine_it_was_and_nothing_of_where_it_stands():
    facts = machine_facts()
    assert compose(machine=facts)["machine"] == facts and compose()["machine"] == {}
    assert set(facts) == {"cpu", "cpus", "kernel", "python"} and facts["cpus"] >= 1 and all(facts.values())
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert not any(platform.node() == value or "/home" in str(value) for value in facts.values())


def test_extra_may_not_overwrite():
    assert compose(extra={"skips": {}})["skips"] == {}
    with pytest.raises(ValueError, match="'mode' is one of the report's own"):
        compose(extra={"mode": "live"})


def test_written_report_reads_back(tmp_path):
    report = compose()
    path = write_report(tmp_path, report)
    assert json.loads(path.read_text()) == json.loads(json.dumps(report))
    assert [one.name for one in tmp_path.iterdir()] == ["report.json"]

"""Modes without orders: dry_run decides and sends nothing because nothing exists that could; testnet is refused without keys."""
import pathlib
import signal
import subprocess
import sys

import pytest
import yaml

from cext.journal import JournalReader
from engine.config import ConfigError, load
from engine.gateways.binance_facts import ENDPOINTS as ORDER_ENDPOINTS
from engine.gateways.settings import gateway_settings
from feeds.venues.binance import VENUE
from tests.support.feed_system import ROOT, Venues, make_run_dir
from tests.support.supervised import MADE_UP_PUBLIC, Supervised


@pytest.fixture
def real_venue(home):
    run_dir = make_run_dir(home / "outside", simex={"pairs": 5, "background_msgs_per_s": 200.0, "dislocations_per_s": 1.0,
                                                    "dislocation_ms": 500.0, "dislocation_end": "time"})
    with Venues(run_dir) as venues:
        yield venues


def public_endpoints(venues):
    return {"binance": {"endpoints": {name: venues.facts["endpoints"]["binance"][name] for name in MADE_UP_PUBLIC}}}


def refusals(status) -> int:
    """Decisions that everything but the mode would have let through."""
    return status.get("counters", {}).get("rejects", {}).get("DRY_RUN", 0)


def refused(config: pathlib.Path) -> str:
    """What the supervisor says; it has to be one sentence, with exit code 1."""
    done = subprocess.run([sys.executable, "-m", "engine.supervisor", str(config), "--plain"], cwd=ROOT, capture_output=True,
                          text=True,
                          timeout=60, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr + done.stdout, done.stderr + done.stdout
    return done.stderr


def internet_sockets(pid: int) -> list[str]:
    """Inodes of TCP and UDP sockets that the process has open."""
    inodes = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        lines = pathlib.Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        inodes |= {line.split()[9] for line in lines}
    links = []
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            links.append(str(entry.readlink()))
        except OSError:
            continue
    return [link for link in links if link.startswith("socket:[") and link[8:-1] in inodes]


def test_dry_run_decides_and_refuses_every_decision_with_its_own_word(home, real_venue):
    with Supervised(home, mode="dry_run", venues=public_endpoints(real_venue)) as run:
        status = run.wait_for(lambda status: refusals(status) >= 3, "decisions refused with DRY_RUN")
        assert status["mode"] == "dry_run" and status["counters"]["orders"] == 0 and status["counters"]["intents"] == 0
        assert internet_sockets(run.child("engine")) == []
        assert internet_sockets(run.child("feed")) != [], "the look itself works"
        from engine import client
        decisions = client.call(run.run_dir, "opportunities")
        assert {"refused"} <= {one["what"] for one in decisions} and {"DRY_RUN"} <= {one["why"] for one in decisions}
        would_have = next(one for one in decisions if one["why"] == "DRY_RUN")
        assert would_have["expected_net"] > 0 and would_have["notional"] > 0
        assert run.stop(signal.SIGTERM) == 0, run.text()
        report = run.report()
        assert report["opportunities"] > 0 and report["rejects"]["gate:DRY_RUN"] >= 3, report["rejects"]
        assert report["orders"] == 0 and report["fills"] == 0 and report["trades"] == {} and report["open_pairs"] == []
        assert report["feeds"]["binance"]["frames"] > 0 and report["ledger_check"] is None
        for key in ("commit", "config_hash", "unhedged", "dust", "naked_ms", "pnl", "stages", "ring"):
            assert key in report
        assert not (run.run_dir / "simex.json").exists(), "no simulated venue either"
        run.assert_nothing_left()
    assert real_venue.command("ledger")["ok"]


def test_dry_run_journals_what_it_would_have_sent(home, real_venue):
    with Supervised(home, mode="dry_run", venues=public_endpoints(real_venue)) as run:
        run.wait_for(lambda status: refusals(status) >= 1, "a decision")
        assert run.stop() == 0
        records = list(JournalReader(run.run_dir))
        names = {record.type_name for record in records}
        assert {"RUN_START", "INTENT", "REFUSAL", "RUN_STOP"} <= names and not names & {"SENT", "ORDER_EVENT", "LEDGER"}, names
        intent = next(record.decode() for record in records if record.type_name == "INTENT")
        refused = {record.decode()["intent_id"] for record in records if record.type_name == "REFUSAL"}
        assert intent["leg_count"] == 2 and intent["intent_id"] in refused
        assert "/USDT binance>binance perp: BUY " in (run.run_dir / "logs" / "engine.log").read_text()


def test_dry_run_has_no_order_settings_at_all(home):
    config = load(ROOT / "config" / "dry_run.yaml")
    with pytest.raises(ValueError, match="mode dry_run has no order transport"):
        gateway_settings(config.venues["binance"], "dry_run")


def test_dry_run_without_network_waits_and_ends_in_order(home):
    unreachable = {name: ("http" if name.endswith("rest") else "ws") + "://127.0.0.1:9" for name in MADE_UP_PUBLIC}
    with Supervised(home, mode="dry_run", duration_s=6, venues={"binance": {"endpoints": unreachable}}) as run:
        assert run.wait() == 0, run.text()
        assert run.text().count("binance cannot be reached") == 1
        assert run.report()["engine"].startswith("was not started")
        run.assert_nothing_left()


def test_testnet_without_keys_is_refused_with_a_sentence_that_says_what_is_missing(home):
    path = home / "testnet.yaml"
    path.write_text(yaml.safe_dump({"mode": "testnet", "venues": {"binance": {"symbols": ["BTC/USDT", "BTC/USDT:USDT"]}}}))
    text = refused(path)
    assert "testnet" in text and "ed25519_key and ed25519_private" in text
    assert not (home / "var").exists()


def test_testnet_with_key_files_that_are_not_there_is_refused_before_anything_starts(home):
    path = home / "testnet.yaml"
    path.write_text(yaml.safe_dump({"mode": "testnet", "run": {"var_dir": str(home / "var")}, "venues": {"binance": {
        "symbols": ["BTC/USDT"],
        "credentials": {"ed25519_key": f"file:{home}/none.key", "ed25519_private": f"file:{home}/none.pem"}}}}))
    assert "none.key" in refused(path)
    assert not (home / "var").exists()


def test_testnet_addresses_are_the_venues_test_hosts_and_never_its_real_ones():
    feed = VENUE.endpoints["testnet"].values()
    orders = ORDER_ENDPOINTS["testnet"].values()
    real = {url.split("//")[1].split("/")[0].split(":")[0]
            for url in [*VENUE.endpoints["paper"].values(), *ORDER_ENDPOINTS["live"].values()] if url}
    for url in [url for url in [*feed, *orders] if url]:
        host = url.split("//")[1].split("/")[0].split(":")[0]
        assert host not in real and ("testnet" in host or "demo" in host), url
        assert url.startswith(("https://", "wss://"))


def test_live_is_refused_with_one_sentence():
    assert "live trading is refused until recovery and guard are proven" in refused(ROOT / "config" / "live.example.yaml")


def test_shipped_configurations_of_every_mode_are_valid():
    for name in ("sim", "dry_run", "paper"):
        assert load(ROOT / "config" / f"{name}.yaml").mode == name
    with pytest.raises(ConfigError):
        load(ROOT / "config" / "live.example.yaml")

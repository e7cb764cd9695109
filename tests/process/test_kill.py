"""B-KILL, D8: word, signal, file, control socket, each with a real engine in the middle of trading; and the way back."""
import os
import pathlib
import signal
import tempfile
import time

import pytest

from cext import layout, state_page
from cext.journal import JournalReader
from engine import client
from tests.support.supervised import Supervised

COOLDOWNS = {"recovery": {"cooldowns": {"timeout_s": 1, "orphan_s": 1, "api_error_s": 1, "stale_data_s": 1, "margin_s": 1}}}
WAYS = {
    "word": lambda run: state_page.kill(run.run_dir.name, layout.TRADING_EMERGENCY),
    "signal": lambda run: os.kill(run.child("engine"), signal.SIGUSR1),
    "file": lambda run: (run.run_dir / "KILL").touch(),
    "control": lambda run: client.call(run.run_dir, "kill", reason="a test"),
}
ENTRY = 0


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with tempfile.TemporaryDirectory(prefix="ls-") as folder, Supervised(
            pathlib.Path(folder), simex={"dislocations_per_s": 6.0}, **COOLDOWNS) as made:
        made.wait_closed_trades(1)
        yield made
        assert made.stop() == 0, made.text()
        report = made.report()
        assert report["unhedged"] == {} and report["ledger_check"]["equal"], report


def entries(run) -> list[int]:
    """When each entry's bytes left, monotonic ns."""
    sent, purposes = {}, {}
    for record in JournalReader.of_run(run.run_dir.name, run.run_dir):
        if record.type == layout.JR_INTENT:
            purposes[record.decode()["intent_id"]] = record.decode()["purpose"]
        elif record.type == layout.JR_SENT:
            told = record.decode()
            if told["outcome"] != 1 and purposes.get(told["intent_id"]) == ENTRY:
                sent[told["intent_id"]] = max(sent.get(told["intent_id"], 0), told["send_end_mono_ns"])
    return sorted(sent.values())


@pytest.mark.parametrize("way", WAYS)
def test_after_a_kill_no_entry_leaves_and_release_brings_trading_back(run, way):
    before = run.status()["counters"]["orders"]
    run.wait_for(lambda status: status["counters"]["orders"] > before, "trading")
    WAYS[way](run)
    run.wait_for(lambda status: status["trading"] == "EMERGENCY", "killed", 5)
    killed = time.monotonic_ns()
    WAYS[way](run)   # a second kill changes nothing
    time.sleep(1.5)
    late = [at for at in entries(run) if at > killed]
    assert late == [], f"{way}: {len(late)} entries after the kill, the last {(late[-1] - killed) / 1e6:.1f} ms"
    assert any(alarm["code"] == "kill" for alarm in run.status()["alarms"])
    assert client.call(run.run_dir, "release").startswith("released")
    assert not (run.run_dir / "KILL").exists()
    sent = len(entries(run))
    run.wait_for(lambda status: status["trading"] == "ACTIVE", "released", 5)
    deadline = time.monotonic() + 20
    while len(entries(run)) == sent:
        assert time.monotonic() < deadline, "no entry after the release"
        time.sleep(0.2)

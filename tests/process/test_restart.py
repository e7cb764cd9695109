"""kill -9 of a real engine among real processes: the supervisor starts it again; it restores, proves, repairs and trades on."""
import os
import re
import signal
import time

from tests.support.feed_system import wait_until
from tests.support.supervised import Supervised

COOLDOWNS = {"recovery": {"cooldowns": {"timeout_s": 1, "orphan_s": 1, "api_error_s": 1, "stale_data_s": 1, "margin_s": 1}}}


def kill_engine(run: Supervised) -> int:
    """Kills it and waits until another one trades; returns the new process id."""
    pid = run.child("engine")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: run.status() is None or run.child("engine") != pid, 20, "the engine is gone")
    run.wait_for(lambda status: status["phase"] == "trading" and run.child("engine") != pid, "trading again")
    return run.child("engine")


def engine_log(run: Supervised) -> str:
    return "".join(path.read_text() for path in (run.run_dir / "logs").glob("engine.log*"))


def test_killed_engine_comes_back_and_the_ledger_is_the_venues(home):
    with Supervised(home, simex={"dislocations_per_s": 4.0}, **COOLDOWNS) as run:
        closed = run.closed_trades(run.wait_closed_trades(2))
        for life in (2, 3):
            kill_engine(run)
            status = run.wait_closed_trades(closed + 2)
            assert "restart: restarted after a crash: " in engine_log(run)
            closed = run.closed_trades(status)
        assert run.stop() == 0, run.text()
        report = run.report()
        assert report["unhedged"] == {} and report["open_pairs"] == [], report
        assert report["ledger_check"] == {"equal": True, "differences": []}
        assert report["trades"]["CLOSED"] >= closed, "trades of earlier lives are counted"
        seconds = [float(text) for text in re.findall(r"reconciled ([0-9.]+) s after the start", engine_log(run))]
        print(f"restart to reconciled: {seconds} s")
        assert len(seconds) == 2
        run.assert_nothing_left()


def test_held_pairs_are_still_held(home):
    """Nothing exits by itself here: what was open before the kill is open after it, with the same quantities and no new order."""
    strategies = {"spot_futures": {"horizon_s": 3600, "exit_cost_bps": 0.0, "forced_exit_cost_bps": 0.0}}
    with Supervised(home, strategies=strategies, run={"on_stop": "keep", "var_dir": str(home / "var")}, **COOLDOWNS) as run:
        def held(status):
            return {row["trade_id"]: (row["state"], row["qty"]) for row in status["trades"]["recent"] if row["state"] == "OPEN"}
        before = held(run.wait_for(lambda status: len(held(status)) >= 1, "an open pair"))
        kill_engine(run)
        after = held(run.wait_for(lambda status: status["phase"] == "trading", "trading"))
        assert before.items() <= after.items(), (before, after)
        assert run.stop() == 0, run.text()
        report = run.report()
        assert report["unhedged"] == {} and report["ledger_check"]["equal"], report
        assert {pair["trade_id"] for pair in report["open_pairs"]} >= set(before)
        run.assert_nothing_left()


def test_an_operators_kill_outlives_the_engine(home):
    with Supervised(home) as run:
        run.wait_closed_trades(1)
        from cext import layout, state_page
        state_page.kill(run.run_dir.name, layout.TRADING_EMERGENCY)
        pid = run.child("engine")
        os.kill(pid, signal.SIGKILL)
        status = run.wait_for(lambda status: run.child("engine") != pid and status["phase"] in ("trading", "reconciling"), "back")
        assert status["trading"] == "EMERGENCY", status["trading"]
        orders = status["counters"]["orders"]
        time.sleep(2.0)
        assert run.status()["counters"]["orders"] == orders, "an entry left under a kill"
        assert run.stop() == 0, run.text()

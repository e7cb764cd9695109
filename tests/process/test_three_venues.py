"""Binance, Bybit and OKX under one supervisor: every kind of pair is traded in both directions; and what breaks at one venue, its
orders, streams, feed or address, costs neither a naked position nor a unit of the ledger."""
import json
import os
import signal
import time
from collections import Counter
from typing import Any

from cext.journal import JournalReader
from engine import client
from engine.event_codec import unpack_intent
from engine.events import Purpose, Side
from engine.supervisor.ledger_check import ask
from feeds.instruments import InstrumentTable, run_table_path
from tests.support.feed_system import wait_until
from tests.support.supervised import Supervised

VENUES = ("binance", "bybit", "okx")
SYMBOLS = {"binance": "BTCUSDT", "bybit": "BTCUSDT", "okx": "BTC-USDT"}
NO_REST = dict.fromkeys(("timeout_s", "api_error_s", "orphan_s", "margin_s", "stale_data_s"), 0)
# What one machine with other work on it must not fail for: these limits are tested elsewhere.
PATIENT = {"max_decision_age_ms": 1000, "breaker_consecutive": 100, "breaker_error_pct": 100, "consecutive_losses": 1000}


def three_venues(home, **simex: Any) -> Supervised:
    return Supervised(home, venues={venue: {} for venue in VENUES}, risk=PATIENT, recovery={"cooldowns": NO_REST},
                      strategies={"spot_futures": {"horizon_s": 2}, "cross_exchange": {"enabled": True}},
                      simex={"inventory_usd": 50_000.0, "background_msgs_per_s": 300.0, **simex})


class Control:
    """The simulated venues' control socket."""

    def __init__(self, run: Supervised) -> None:
        self.path = json.loads((run.run_dir / "simex.json").read_bytes())["control"]

    def __call__(self, cmd: str, **fields: Any) -> dict[str, Any]:
        answer = ask(self.path, {"cmd": cmd, **fields})
        assert answer["ok"], (cmd, fields, answer)
        return answer


def entries(run: Supervised) -> set[tuple[tuple[str, str], tuple[str, str]]]:
    """((venue, market) bought, (venue, market) sold) of every entry in the journal."""
    rows = InstrumentTable.load(run_table_path(run.run_dir)).rows
    found = set()
    for record in JournalReader(run.run_dir):
        if record.type_name == "INTENT" and (intent := unpack_intent(record.payload)).purpose == Purpose.ENTRY:
            by_side = {leg.side: rows[leg.instrument_id] for leg in intent.legs}
            found.add(tuple((by_side[side].venue, by_side[side].market) for side in (Side.BUY, Side.SELL)))
    return found


def assert_ended_well(run: Supervised) -> dict[str, Any]:
    Control(run)("quiet", dislocations=False)
    run.wait_for(lambda status: set(status["trades"]["by_state"]) == {"CLOSED"}, "every trade came to its end by itself", 30)
    assert run.stop(signal.SIGTERM) == 0, run.text()
    report = run.report()
    assert report["ledger_check"] == {"equal": True, "differences": []}, report["ledger_check"]
    assert report["open_pairs"] == [], report["open_pairs"]
    # A chase buys no fee on top: what that leaves of a spot leg is below what a venue accepts, and declared.
    assert report["unhedged"] == {} or "residual_too_small" in report["alerts"], report["unhedged"]
    assert "ledger_difference" not in report["alerts"], report["alarms"]
    for alarm in report["alarms"]:
        assert alarm["code"] not in ("exception", "task_failed", "task_ended", "hook_raised", "session"), alarm
    run.assert_nothing_left()
    return report


def test_every_kind_of_pair_is_traded_in_both_directions(home):
    """Dislocations planted one by one. The book that jumps decides who buys or sells there; which of several pairs takes it is
    the detector's affair, so of two alike it is enough that each venue was bought and sold on."""
    wanted = [("hold", spot, perp) for spot in VENUES for perp in VENUES]
    wanted += [(kind, side, venue) for kind in ("spot", "linear") for side in ("bought", "sold") for venue in VENUES]

    def plant(control: Control, coin: str, kind: str, first: str, second: str) -> None:
        other = VENUES[VENUES.index(second) - 1]
        if kind == "hold":
            jumping, counterpart, direction = f"{second}:{coin}/USDT:USDT", f"{first}:{coin}/USDT", "premium"
        else:
            jumping, counterpart = (f"{venue}:{coin}/USDT" + (":USDT" if kind == "linear" else "") for venue in (second, other))
            direction = "premium" if first == "sold" else "discount"
        ask(control.path, {"cmd": "dislocate", "bps": 25, "duration_ms": 300, "instrument": jumping, "counterpart": counterpart,
                           "direction": direction})   # refused while the coin's last one stands: another turn

    def told(run: Supervised) -> set[tuple[str, str, str]]:
        found = set()
        for (bought, bought_market), (sold, sold_market) in entries(run):
            if bought_market == sold_market:
                found |= {(bought_market, "bought", bought), (sold_market, "sold", sold)}
            else:
                assert (bought_market, sold_market) == ("spot", "linear"), "selling spot to hold is not allowed here"
                found.add(("hold", bought, sold))
        return found

    with three_venues(home, dislocations_per_s=0.0) as run:
        run.wait_for(lambda status: status["phase"] == "trading", "trading")
        control = Control(run)
        time.sleep(4)   # three looks at the normal basis
        missing, deadline = wanted, time.monotonic() + 40
        while missing and time.monotonic() < deadline:
            for coin, what in zip(("BTC", "ETH", "BNB", "SOL", "XRP"), missing, strict=False):
                plant(control, coin, *what)
            time.sleep(0.5)
            seen = told(run)
            missing = [what for what in missing[1:] + missing[:1] if what not in seen]   # another coin next time
        assert not missing, missing
        assert_ended_well(run)


def test_what_breaks_at_one_venue_costs_no_naked_position_and_no_unit(home):
    with three_venues(home, dislocations_per_s=4.0) as run:
        run.wait_closed_trades(3)
        control = Control(run)
        for verb, fields in (("reject", {}), ("partial", {"fraction": 0.4}), ("unknown", {"executed": True}), ("lostreq", {}),
                             ("lostresp", {}), ("late", {"ms": 700}), ("unknown", {"executed": False})):
            for venue in VENUES:
                control("fault", venue=venue, channel="oe", verb=verb, **fields)
                control("fault", venue=venue, channel="ud", verb="dup" if verb == "reject" else "delay", count=2)
        wait_until(lambda: not any(fault["channel"] == "oe" for fault in control("faults")["faults"]), 30, "order faults used up")

        for venue in VENUES:
            for verb in ("gap", "cross", *(() if venue == "binance" else ("nosnap", "gap"))):
                control("fault", venue=venue, channel="md", verb=verb, symbol=SYMBOLS[venue], market="spot")
        control("disconnect", venue="okx", channel="oe")
        control("disconnect", venue="bybit", channel="ud")
        os.kill(run.child("feed", "bybit"), signal.SIGKILL)
        stopped = run.child("feed", "okx")
        os.kill(stopped, signal.SIGSTOP)
        time.sleep(1.5)
        os.kill(stopped, signal.SIGCONT)
        for venue in ("bybit", "okx"):
            for instrument in control("ledger", venue=venue)["positions_by_account"].get(f"{venue}:linear", {}):
                control("funding", instrument=instrument, rate="0.0005")

        control("clear")
        run.wait_for(lambda status: set(status["feed_states"].values()) == {"attached"}, "all feeds are attached")
        wait_until(lambda: {row["state"] for row in client.call(run.run_dir, "books")} == {"LIVE"}, 30, "all books whole again")
        done = run.closed_trades(run.status())
        run.wait_closed_trades(done + 3)
        report = assert_ended_well(run)
        counted = Counter(report["alerts"])
        assert counted["order_unknown"] >= 3, "the faults did something"
        assert report["naked_ms"]["max"] < 20_000, report["naked_ms"]

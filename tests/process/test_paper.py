"""Mode paper, without network: a simulated exchange plays the real venue (its public addresses only), the paper system reads it
and fills its orders on a simulated venue of its own, against the books that the bridge carries over."""
import json
import signal
import time
from decimal import Decimal

import pytest

from feeds.instruments import InstrumentTable, run_table_path
from feeds.registry import feed_venue
from tests.support.feed_system import Venues, make_run_dir, wait_until
from tests.support.supervised import MADE_UP_PUBLIC, Supervised

PRIVATE_ROLES = {"private_ws", "trade_ws"}
UNREACHABLE = {name: ("http" if name.endswith("rest") else "ws") + "://127.0.0.1:9" for name in MADE_UP_PUBLIC}


@pytest.fixture
def real_venue(home):
    """Plays the venue on the internet. Its dislocations end by time: nobody trades there."""
    run_dir = make_run_dir(home / "outside", simex={"pairs": 5, "background_msgs_per_s": 200.0, "dislocations_per_s": 1.0,
                                                        "dislocation_ms": 500.0, "dislocation_end": "time"})
    with Venues(run_dir) as venues:
        yield venues


def public_endpoints(venues):
    """What a configuration needs to know of it, and no more."""
    return {"binance": {"endpoints": {name: venues.facts["endpoints"]["binance"][name] for name in MADE_UP_PUBLIC}}}


def test_paper_trades_on_live_books_with_simulated_fills_and_equal_ledgers(home, real_venue):
    with Supervised(home, mode="paper", venues=public_endpoints(real_venue), simex={"latency_us": 1000}) as run:
        run.wait_closed_trades(3)
        run_dir = run.run_dir
        assert run.stop(signal.SIGINT) == 0, run.text()
        report = run.report()
        assert report["mode"] == "paper" and report["trades"]["CLOSED"] >= 3, report["trades"]
        assert report["open_pairs"] == [] and report["unhedged"] == {}, report
        assert report["ledger_check"] == {"equal": True, "differences": []}
        assert report["venues"] == {"binance": {"state": "live"}}
        assert report["stages"]["bridge"]["count"] > 100
        ledger = json.loads((run_dir / "simex_ledger.json").read_bytes())
        assert ledger != {}
        run.assert_nothing_left()
    outside = real_venue.command("ledger")
    outside = outside.get("result", outside)
    totals = outside["totals"]
    assert totals["binance:spot"]["USDT"] == totals["binance:linear"]["USDT"], "nobody traded on the real venue"
    assert not any(outside["positions_by_account"].values())


def test_simulated_venue_of_paper_has_the_real_instruments_and_books(home, real_venue):
    with Supervised(home, mode="paper", venues=public_endpoints(real_venue)) as run:
        run.wait_for(lambda status: status["phase"] == "trading", "trading")
        from engine.supervisor.ledger_check import ask
        control = json.loads((run.run_dir / "simex.json").read_bytes())["control"]
        real_venue.command("quiet", traffic=False, dislocations=False)

        def is_same() -> bool:
            theirs = real_venue.command("book", market="linear", symbol="BTCUSDT")
            ours = ask(control, {"cmd": "book", "market": "linear", "symbol": "BTCUSDT"})
            theirs, ours = ({side: [[Decimal(number) for number in row] for row in book[side][:16]] for side in ("bids", "asks")}
                            for book in (theirs, ours))
            return ours == theirs and len(ours["bids"]) == 16
        wait_until(is_same, 10, "books of both venues equal, as far as the records reach")
        section = json.loads((run.run_dir / "simex-config.json").read_bytes())
        assert section["market"] == "external"
        assert section["venues"] == {"binance": {"fees": {"spot": ["0.001", "0.001"], "linear": ["0.0002", "0.0005"]}}}


def test_paper_of_three_venues_trades_across_them(home):
    """Each on books of its own outside; orders of all go to one simulated process, and nobody trades outside."""
    names = ("binance", "bybit", "okx")
    run_dir = make_run_dir(home / "outside", simex={
        "venues": list(names), "pairs": 3, "background_msgs_per_s": 200.0, "dislocations_per_s": 1.5, "dislocation_ms": 600.0,
        "dislocation_end": "time"})
    with Venues(run_dir) as outside:
        roles = {name: set(feed_venue(name).roles) - PRIVATE_ROLES for name in names}
        endpoints = {name: {"endpoints": {role: address for role, address in outside.facts["endpoints"][name].items()
                                          if role in roles[name]}} for name in names}
        with Supervised(home, mode="paper", venues=endpoints, simex={"latency_us": 1000}) as run:
            run.wait_closed_trades(4)
            for name in names:   # OKX lets three sockets a second open: the last may come after the first trades
                fact = run.run_dir / f"feed-{name}.json"
                wait_until(lambda fact=fact: json.loads(fact.read_bytes())["state"] == "live", 30, f"all sockets of {name}")
            time.sleep(1.5)      # the supervisor looks at the feeds' words once a second
            section = json.loads((run.run_dir / "simex-config.json").read_bytes())
            assert section["instrument_tables"] == {name: str(run.run_dir / f"instruments.{name}.json") for name in names}
            table = InstrumentTable.load(run_table_path(run.run_dir)).rows
            assert {row.venue for row in table} == set(names)
            assert run.stop(signal.SIGINT) == 0, run.text()
            report = run.report()
            assert report["venues"] == {name: {"state": "live"} for name in names}
            assert report["open_pairs"] == [] and report["unhedged"] == {}, report
            assert report["ledger_check"] == {"equal": True, "differences": []}
            run.assert_nothing_left()
        ledger = outside.command("ledger")
        assert not any(ledger["positions_by_account"].values()), "nobody traded on the real venues"


def test_unreachable_venue_is_said_sparingly_and_the_run_ends_in_order(home):
    """Many attempts, few sentences: the second comes ten seconds after the first (tests/unit/engine/supervisor/test_feed_notes.py
    has the whole rhythm)."""
    with Supervised(home, mode="paper", duration_s=12, venues={"binance": {"endpoints": UNREACHABLE}}) as run:
        assert run.wait() == 0, run.text()
        lines = [line for line in run.text().splitlines() if "cannot be reached" in line]
        assert 1 <= len(lines) <= 2, run.text()
        assert lines[0].startswith("binance cannot be reached: http://127.0.0.1:9/api/v3/exchangeInfo: cannot connect")
        assert "keeps trying, next attempt in" in lines[0]
        report = run.report()
        assert report["venues"]["binance"]["state"] == "unreachable" and report["venues"]["binance"]["attempts"] >= 2
        assert report["engine"].startswith("was not started") and report["ledger_check"] is None and report["trades"] == {}
        assert "binance was out of reach" in run.text()
        run.assert_nothing_left()


def test_interrupt_while_waiting_for_the_venue_ends_at_once(home):
    with Supervised(home, mode="paper", venues={"binance": {"endpoints": UNREACHABLE}}) as run:
        wait_until(lambda: "cannot be reached" in run.text(), 30, "the sentence")
        started = time.monotonic()
        assert run.stop(signal.SIGINT) == 0
        assert time.monotonic() - started < 5
        run.assert_nothing_left()


def test_a_venue_that_comes_up_later_is_taken_and_traded_on(home, real_venue):
    """The wrong port first, as seen from the feed: nothing listens; then a forwarder does."""
    import socket
    import threading
    endpoints = dict(public_endpoints(real_venue)["binance"]["endpoints"])
    target = int(endpoints["spot_rest"].rsplit(":", 1)[1])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    endpoints["spot_rest"] = f"http://127.0.0.1:{port}"

    def pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            return
        finally:
            sink.close()

    with Supervised(home, mode="paper", venues={"binance": {"endpoints": endpoints}}) as run:
        wait_until(lambda: "binance cannot be reached" in run.text(), 30, "the sentence")
        with socket.create_server(("127.0.0.1", port)) as server:
            def serve():
                try:
                    while True:
                        near, _ = server.accept()
                        far = socket.create_connection(("127.0.0.1", target))
                        threading.Thread(target=pump, args=(near, far), daemon=True).start()
                        threading.Thread(target=pump, args=(far, near), daemon=True).start()
                except OSError:
                    return
            threading.Thread(target=serve, daemon=True).start()
            run.wait_for(lambda status: status["phase"] == "trading", "trading")
            assert "binance is reached again" in run.text()
            assert run.stop() == 0
            server.close()

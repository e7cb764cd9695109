"""The supervisor with real children: what dies is restarted or ends the run with a sentence; nothing is ever left behind."""
import os
import pathlib
import signal
import subprocess
import sys
import time

import posix_ipc

from cext import shm
from engine import client
from tests.support.feed_system import ROOT, Feed, Venues, make_run_dir, wait_until
from tests.support.supervised import Supervised, processes_of, write_config


def test_sigterm_stops_in_order_and_leaves_nothing(home):
    with Supervised(home) as run:
        run.wait_closed_trades(1)
        assert run.stop(signal.SIGTERM) == 0, run.text()
        text = run.text()
        assert "stopping: the engine finishes what is in flight" in text
        assert "ledger against the venues' own: equal to the last unit" in text
        report = run.report()
        assert report["open_pairs"] == [] and report["unhedged"] == {} and "failure" not in report
        run.assert_nothing_left()


def test_a_second_signal_while_stopping_changes_nothing(home):
    with Supervised(home) as run:
        run.wait_closed_trades(1)
        run.process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        run.process.send_signal(signal.SIGINT)
        assert run.wait() == 0, run.text()
        assert run.report()["open_pairs"] == []
        run.assert_nothing_left()


def test_duration_ends_the_run_by_itself(home):
    with Supervised(home, duration_s=1.5) as run:
        assert run.wait() == 0, run.text()
        assert run.report()["mode"] == "sim"
        run.assert_nothing_left()


def test_killed_feed_is_started_again_and_the_engine_trades_on(home):
    with Supervised(home) as run:
        before = run.closed_trades(run.wait_closed_trades(1))
        first = run.child("feed")
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: "feed-binance ended with code -9; starting again" in run.text(), 20, "the sentence")
        run.wait_for(lambda status: status["feed_states"] == {"binance": "attached"} and run.child("feed") != first,
                     "the engine attached again")
        run.wait_closed_trades(before + 2)
        assert run.stop() == 0, run.text()
        report = run.report()
        assert report["open_pairs"] == [] and report["unhedged"] == {} and report["ledger_check"]["equal"], report
        run.assert_nothing_left()


def test_killed_flusher_is_started_again_and_the_journal_is_whole(home):
    from cext.journal import JournalReader
    with Supervised(home) as run:
        run.wait_closed_trades(1)
        os.kill(run.child("flusher"), signal.SIGKILL)
        wait_until(lambda: "flusher ended with code -9; starting again" in run.text(), 20, "the sentence")
        run.wait_closed_trades(2)
        assert run.stop() == 0, run.text()
        seqs = [record.seq for record in JournalReader(run.run_dir)]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        run.assert_nothing_left()


def test_killed_simulated_venue_ends_the_run_with_a_sentence(home):
    with Supervised(home) as run:
        run.wait_closed_trades(1)
        os.kill(run.child("simex"), signal.SIGKILL)
        assert run.wait() == 1, run.text()
        assert "lockstep: simex ended with code -9" in run.text() and "Traceback" not in run.text(), run.text()
        assert run.report()["failure"].startswith("simex ended with code -9")
        run.assert_nothing_left()


def test_an_engine_that_keeps_dying_ends_the_run_and_its_segments_are_removed(home):
    """Started again at first (tests/process/test_restart.py); five deaths in a minute are no accident (C20)."""
    with Supervised(home) as run:
        run.wait_closed_trades(1)
        deadline = time.monotonic() + 60
        while run.process.poll() is None and time.monotonic() < deadline:
            for pid in processes_of(run.run_dir):
                try:
                    if pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[2:3] == [b"engine"]:
                        os.kill(pid, signal.SIGKILL)
                except (OSError, ProcessLookupError):
                    continue
            time.sleep(0.2)
        assert run.wait() == 1, run.text()
        assert "engine ended 5 times within 60 s" in run.text() and "Traceback" not in run.text(), run.text()
        report = run.report()
        assert report["failure"].startswith("engine ended 5 times") and report["engine"].startswith("left no report")
        run.assert_nothing_left()
        from cext.journal import JournalReader
        assert any(record.type_name == "INTENT" for record in JournalReader(run.run_dir)), "the journal is on disk all the same"


def test_a_feed_that_keeps_dying_ends_the_run(home):
    with Supervised(home) as run:
        run.wait_for(lambda status: status["phase"] == "trading", "trading")
        deadline = time.monotonic() + 60
        while run.process.poll() is None and time.monotonic() < deadline:
            for pid in processes_of(run.run_dir):
                try:
                    words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                    if b"feeds" in words:
                        os.kill(pid, signal.SIGKILL)
                except (OSError, ProcessLookupError):
                    continue
            time.sleep(0.2)
        assert run.wait() == 1, run.text()
        assert "feed-binance ended 5 times within 60 s" in run.text(), run.text()
        run.assert_nothing_left()


def test_a_killed_supervisor_takes_its_children_with_it(home):
    with Supervised(home) as run:
        run.wait_for(lambda status: status["phase"] == "trading", "trading")
        run_dir = run.run_dir
        run.process.kill()
        run.process.wait()
        wait_until(lambda: not processes_of(run_dir), 40, "no child left")


def test_second_engine_in_the_same_run_directory_is_refused(home):
    with Supervised(home) as run:
        run.wait_for(lambda status: status["phase"] == "trading", "trading")
        first = run.child("engine")
        done = subprocess.run([sys.executable, "-m", "engine", "--run-dir", str(run.run_dir)], cwd=ROOT, capture_output=True,
                              text=True, timeout=60, check=False)
        assert done.returncode == 2
        assert f"another engine (pid {first}) runs in {run.run_dir}" in done.stderr and "Traceback" not in done.stderr
        assert client.call(run.run_dir, "ping") == "pong", "the first one is not disturbed"
        assert run.stop() == 0


def test_engine_says_which_segment_has_an_old_layout(home):
    run_dir = make_run_dir(home)
    with Venues(run_dir), Feed(run_dir) as feed:
        feed.wait_live()
        name = shm.segment_name(feed.run_id, "feed.binance")
        segment = posix_ipc.SharedMemory(name)
        with os.fdopen(segment.fd, "r+b") as file:
            file.seek(layout_hash_offset())
            file.write(b"\xee" * 8)
        with (run_dir / "engine.out").open("wb") as out:
            engine = subprocess.Popen([sys.executable, "-m", "engine", "--run-dir", str(run_dir)], cwd=ROOT, stdout=out,
                                      stderr=subprocess.STDOUT)
        try:
            def state() -> str:
                try:
                    return str(client.call(run_dir, "status").get("feed_states", {}).get("binance", ""))
                except (client.NotRunning, client.CommandError, OSError):
                    return ""
            wait_until(lambda: "layout" in state(), 30, "the reason in the status")
            assert name in state() or "feed.binance" in state(), state()
        finally:
            engine.terminate()
            assert engine.wait(30) == 0, (run_dir / "engine.out").read_text()
        kept = [name for name in shm.list_run(feed.run_id) if "feed" not in name]
        assert all(".journal." in name for name in kept), kept  # those are the flusher's to write down and remove


def layout_hash_offset() -> int:
    from cext import layout
    return int(layout.DTYPES["segment_header_t"].fields["layout_hash"][1])


def refused(config: pathlib.Path) -> str:
    """What the supervisor says, which must be one sentence and exit code 1."""
    done = subprocess.run([sys.executable, "-m", "engine.supervisor", str(config), "--plain", "--duration", "2"], cwd=ROOT,
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr


def test_var_dir_that_cannot_be_made_is_a_sentence(home):
    (home / "file").write_text("in the way")
    text = refused(write_config(home / "c.yaml", "sim", home / "file" / "var"))
    assert "run.var_dir" in text and str(home / "file") in text and "give a directory that you may write to" in text


def test_var_dir_too_long_for_sockets_is_a_sentence(home):
    text = refused(write_config(home / "c.yaml", "sim", home / ("d" * 100)))
    assert "run.var_dir" in text and "107 bytes" in text


def test_missing_and_wrong_configurations_are_sentences(home):
    assert "none.yaml" in refused(home / "none.yaml")
    (home / "wrong.yaml").write_text("mode: sim\nrun: {var_dirr: x}\n")
    text = refused(home / "wrong.yaml")
    assert "wrong.yaml:2" in text and "var_dirr" in text and "var_dir" in text

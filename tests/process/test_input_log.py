"""The input log of a real run, one engine of which is killed: fresh engines that are given it decide the same, byte for byte."""
import itertools
import json
import os
import signal
import subprocess
import sys

import orjson
import pytest

from cext.journal import JournalReader
from engine import input_replay
from engine.input_log import HOT, pack, unpack
from engine.input_replay import CannotReplay, replay_inputs
from tests.support.feed_system import ROOT, wait_until
from tests.support.supervised import Supervised

COOLDOWNS = {"recovery": {"cooldowns": {"timeout_s": 1, "orphan_s": 1, "api_error_s": 1, "stale_data_s": 1, "margin_s": 1}}}


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """Of a finished run with two lives."""
    home = tmp_path_factory.mktemp("inputs")
    with Supervised(home, simex={"dislocations_per_s": 4.0}, engine={"input_log": True}, **COOLDOWNS) as run:
        closed = run.closed_trades(run.wait_closed_trades(2))
        pid = run.child("engine")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: run.status() is None or run.child("engine") != pid, 20, "the engine is gone")
        run.wait_for(lambda status: status["phase"] == "trading", "trading again")
        run.wait_closed_trades(closed + 2)
        assert run.stop() == 0, run.text()
        run.assert_nothing_left()
        yield run.run_dir


def test_both_lives_decide_the_same_again(run_dir):
    first, second = replay_inputs(run_dir)
    assert (first.difference, second.difference) == ("", "")
    for life in (first, second):
        print(life.sentence())
        assert life.counts["books"] > 100 and life.counts["evaluations"] > 100
        assert life.counts["intents"] >= 2 and life.counts["records"] > 20


def test_the_tool_says_so(run_dir):
    replay = [sys.executable, str(ROOT / "tools" / "replay")]
    done = subprocess.run([*replay, "--inputs", str(run_dir), "--json"], check=True, cwd=ROOT, capture_output=True, text=True)
    assert [life["difference"] for life in json.loads(done.stdout)] == ["", ""]
    wrong = subprocess.run(replay, check=False, cwd=ROOT, capture_output=True, text=True)
    assert wrong.returncode == 2 and "--inputs RUN" in wrong.stderr


class Changed:
    """The run's input log with one input changed or taken out."""

    def __init__(self, run_dir, change):
        self.records = list(JournalReader.of_run(run_dir.name, run_dir, stream="inputs"))
        change(self.records)

    def of_run(self, run_id, run_dir, stream="journal"):
        return self.records if stream == "inputs" else JournalReader.of_run(run_id, run_dir)


def events(records):
    """(record, its call, the event) of every order event that was told."""
    for record in records:
        if b'"on_order_event"' in record.payload:
            told = orjson.loads(record.payload)
            yield record, told, unpack(told["args"][0])


def lose_what_was_told_of_an_order(records):
    lost = next(event.client_id for _, _, event in events(records) if event.is_fill)
    doomed = {id(record) for record, _, event in events(records) if event.client_id == lost}
    records[:] = [record for record in records if id(record) not in doomed]


def lose_the_books(records):
    records[:] = [record for record in records if record.type != HOT + 1]


def double_a_fee(records):
    record, told, event = next(one for one in events(records) if one[2].fee)
    event.fee *= 2
    told["args"][0] = pack(event)
    record.payload = orjson.dumps(told)


@pytest.mark.parametrize("change", [lose_what_was_told_of_an_order, lose_the_books, double_a_fee])
def test_another_input_is_noticed(run_dir, change, monkeypatch):
    monkeypatch.setattr(input_replay, "JournalReader", Changed(run_dir, change))
    differences = [life.difference for life in replay_inputs(run_dir)]
    assert any(differences), "the replay compares nothing"
    print(differences)


def test_a_run_without_a_log_says_how_to_get_one(run_dir, monkeypatch):
    monkeypatch.setattr(input_replay, "JournalReader", Changed(run_dir, lambda records: records.clear()))
    with pytest.raises(CannotReplay, match="engine.input_log: true"):
        replay_inputs(run_dir)


def test_every_input_is_written_before_it_is_acted_on(run_dir):
    """Times of the log never go back by more than the reading of a ring takes."""
    for one, other in itertools.pairwise(JournalReader.of_run(run_dir.name, run_dir, stream="inputs")):
        assert one.epoch != other.epoch or other.seq == one.seq + 1

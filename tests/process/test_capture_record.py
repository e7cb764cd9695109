"""tools/capture record against a real feed process on the simulated exchange: what comes out replays to the venue's own books."""
import json
import os
import pathlib
import subprocess

import pytest

from feeds.capture_format import CaptureReader
from tests.support.feed_system import Feed, Venues, make_run_dir
from tools.replay_lib.report import book_json
from tools.replay_lib.session import ReplaySession, ReplaySettings

ROOT = pathlib.Path(__file__).resolve().parents[2]


def capture(*arguments):
    return subprocess.run([str(ROOT / "tools" / "capture"), *map(str, arguments)], capture_output=True, text=True, check=False,
                          timeout=60)


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """A running simulated exchange and a feed that reads it."""
    run_dir = make_run_dir(tmp_path_factory.mktemp("capture"))
    with Venues(run_dir) as venues, Feed(run_dir) as feed:
        feed.wait_live()
        yield run_dir, venues


@pytest.fixture
def run_dir(system):
    return system[0]


def dry_run_config(path, endpoints):
    """Configuration of a feed that reads these addresses, as `make run CONFIG=config/dry_run.yaml` would read the venue's."""
    path.write_text(json.dumps({"mode": "dry_run", "run": {"var_dir": str(path.parent / "var")},
                                "venues": {"binance": {"endpoints": endpoints}}}))
    return path


def assert_replays_without_a_gap(path):
    session = ReplaySession([path], ReplaySettings(with_core=False))
    session.run()
    books = {row.name: book_json(session, row.id) for row in session.table.rows if row.status == "TRADING"}
    assert books
    for name, book in books.items():
        assert book["applied"] > 0 and book["bid"] and not (book["gaps"] or book["invalid"] or book["crossed"]), (name, book)


def test_a_recording_that_begins_in_mid_stream_replays_without_a_gap(run_dir, tmp_path):
    done = capture("record", tmp_path / "o", "--run", run_dir, "--duration", "4")
    assert done.returncode == 0, done.stderr
    assert "snapshots" in done.stdout and not (run_dir / "capture-binance.json").exists()
    with CaptureReader(tmp_path / "o") as reader:
        assert reader.header.source == "feed binance" and len(list(reader.records())) > 100
    assert_replays_without_a_gap(tmp_path / "o")


def test_an_existing_file_is_refused_before_the_feed_is_asked(run_dir, tmp_path):
    (tmp_path / "o").write_text("mine")
    done = capture("record", tmp_path / "o", "--run", run_dir, "--duration", "1")
    assert done.returncode == 1 and "exists already" in done.stderr and (tmp_path / "o").read_text() == "mine"


def test_a_second_recording_of_one_feed_is_refused(run_dir, tmp_path):
    request = run_dir / "capture-binance.json"
    request.write_text('{"path": "' + str(tmp_path / "first") + '"}')
    try:
        done = capture("record", tmp_path / "second", "--run", run_dir, "--duration", "1")
        assert done.returncode == 1 and "recording already" in done.stderr
    finally:
        request.unlink()


def test_a_run_that_does_not_run_is_named(tmp_path):
    dead = tmp_path / "dead-run"
    dead.mkdir()
    done = capture("record", tmp_path / "o", "--run", dead, "--duration", "1")
    assert done.returncode == 1 and "dead-run: feed binance did not begin to record" in done.stderr
    assert os.listdir(dead) == []
    done = capture("record", tmp_path / "o", "--run", tmp_path / "nothing")
    assert done.returncode != 0 and "no run found" in done.stderr


def test_a_feed_of_its_own_records_from_the_first_frame_and_leaves_nothing_behind(system, tmp_path):
    endpoints = system[1].facts["endpoints"]["binance"]
    config = dry_run_config(tmp_path / "config.yaml", endpoints)
    done = capture("record", tmp_path / "o", "--connect", config, "--duration", "6")
    assert done.returncode == 0, done.stderr
    assert_replays_without_a_gap(tmp_path / "o")
    with CaptureReader(tmp_path / "o") as reader:
        assert {record.type for record in reader.records()} >= {1, 2, 3}
    assert list((tmp_path / "var" / "runs").iterdir()) == []


def test_a_venue_that_cannot_be_reached_is_said_and_nothing_is_recorded(tmp_path):
    names = ("spot_rest", "spot_ws", "spot_ws_api", "linear_rest", "linear_ws_public", "linear_ws_market", "linear_ws_private",
             "linear_ws_api")
    config = dry_run_config(tmp_path / "config.yaml",
                            {name: ("http" if "rest" in name else "ws") + "://127.0.0.1:9" for name in names})
    done = capture("record", tmp_path / "o", "--connect", config, "--duration", "2")
    assert done.returncode == 1 and "reached no venue" in done.stderr and not (tmp_path / "o").exists()


def test_a_simulated_configuration_cannot_be_connected_to(tmp_path):
    done = capture("record", tmp_path / "o", "--connect", ROOT / "config" / "sim.yaml", "--duration", "1")
    assert done.returncode == 1 and "mode sim has no venue" in done.stderr

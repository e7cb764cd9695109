"""Kill words, doorbell, who may make and open the state page."""
import os
import select

import numpy as np
import pytest

from cext import layout, shm
from cext.doorbell import Doorbell
from cext.state_page import StatePage, kill


@pytest.fixture
def page(run_id: str):
    made = StatePage.create(run_id, config_hash=42)
    yield made
    made.close(unlink=True)


def poke(run_id: str, field: str, value: int) -> None:
    segment = shm.open_segment(shm.segment_name(run_id, "state"), writable=True)
    np.frombuffer(segment.map, layout.DTYPES["state_page_t"], 1)[field] = value


def test_new_page_is_active_and_says_whose_it_is(run_id: str, page: StatePage) -> None:
    seen = StatePage.open(run_id).snapshot()
    assert (seen["trading"], seen["phase"], seen["run_id"], seen["config_hash"]) == ("ACTIVE", "starting", run_id, 42)
    assert StatePage.open(run_id).is_engine_alive()


@pytest.mark.parametrize("setter", ["set_operator_word", "set_guard_word", "set_engine_word"])
def test_most_severe_word_counts_whoever_wrote_it(run_id: str, page: StatePage, setter: str) -> None:
    tool = StatePage.open(run_id, writable=True)
    getattr(tool, setter)(layout.TRADING_RESTRICTED)
    assert page.trading_word() == layout.TRADING_RESTRICTED
    page.set_engine_word(layout.TRADING_HALTED)
    assert page.trading_word() == layout.TRADING_HALTED
    getattr(tool, setter)(layout.TRADING_ACTIVE)
    page.set_engine_word(layout.TRADING_ACTIVE)
    assert page.trading_word() == layout.TRADING_ACTIVE


def test_word_that_means_nothing_is_kill(run_id: str, page: StatePage) -> None:
    poke(run_id, "guard_word", 2**63)
    assert page.trading_word() == layout.TRADING_EMERGENCY


def test_missing_or_foreign_mapping_is_kill(run_id: str, page: StatePage) -> None:
    other = StatePage.open(run_id)
    other.close()
    assert other.trading_word() == layout.TRADING_EMERGENCY
    assert page.is_linked()
    poke(run_id, "magic", 7)
    assert page.trading_word() == layout.TRADING_EMERGENCY
    shm.unlink(page.name)
    assert not page.is_linked()


def test_kill_tool_reaches_a_running_engine(run_id: str, page: StatePage) -> None:
    kill(run_id)
    assert page.trading_word() == layout.TRADING_EMERGENCY
    with pytest.raises(ValueError, match="none of 0 ACTIVE"):
        kill(run_id, 9)
    with pytest.raises(shm.ShmError, match="does not exist"):
        kill("no-such-run")


@pytest.mark.parametrize(("field", "value", "words"),
                         [("magic", 3, "no finished state page"), ("layout_hash", 3, "this build has"),
                                                        ("layout_version", 3, "this build has")])
def test_open_says_what_is_wrong(run_id: str, page: StatePage, field: str, value: int, words: str) -> None:
    poke(run_id, field, value)
    with pytest.raises(shm.ShmError, match=words):
        StatePage.open(run_id)


def test_second_engine_is_refused_while_the_first_lives_and_replaces_it_when_dead(run_id: str, page: StatePage) -> None:
    parent = os.getppid()
    poke(run_id, "engine_pid", parent)
    poke(run_id, "engine_start", shm.process_start(parent))
    with pytest.raises(shm.ShmError, match="one engine a run directory"):
        StatePage.create(run_id)
    poke(run_id, "engine_start", 1)
    assert StatePage.create(run_id).is_engine_alive()


def test_doorbell_rings_only_when_the_engine_sleeps(run_id: str, page: StatePage, tmp_path) -> None:
    engine = Doorbell(tmp_path)
    feed = Doorbell(tmp_path, StatePage.open(run_id))
    feed.ring_if_sleeping()
    assert (feed.rung(), engine.drain()) == (0, 0)
    page.set_sleeping(True)
    feed.ring_if_sleeping()
    assert select.select([engine.fileno()], [], [], 1)[0]
    assert (feed.rung(), engine.drain(), engine.drain()) == (1, 1, 0)
    page.set_sleeping(False)
    feed.ring_if_sleeping()
    assert feed.rung() == 1
    for bell in (engine, feed):
        bell.close()


def test_full_doorbell_neither_blocks_nor_fails(run_id: str, page: StatePage, tmp_path) -> None:
    bell = Doorbell(tmp_path, page)
    page.set_sleeping(True)
    for _ in range(70_000):
        bell.ring_if_sleeping()
    assert 4096 <= bell.rung() < 70_000
    assert bell.drain() == bell.rung()
    bell.close()


def test_feed_finds_the_engine_when_it_comes_and_loses_it_when_it_goes(run_id: str, tmp_path) -> None:
    bell = Doorbell(tmp_path)
    bell.ring_if_sleeping()
    assert not bell.try_attach(run_id)
    page = StatePage.create(run_id)
    assert bell.try_attach(run_id) and bell.try_attach(run_id)
    page.close(unlink=True)
    assert not bell.try_attach(run_id)
    bell.close()

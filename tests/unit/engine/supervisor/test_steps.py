"""What is started after what, and what a start waits for."""
import pathlib

import pytest

from engine.config import Config
from engine.supervisor.steps import Step, StepFailed, Steps, make_steps


def walk(config: Config, run_dir: pathlib.Path) -> tuple[Steps, list[str]]:
    started: list[str] = []
    return Steps(make_steps(config, run_dir, started.append)), started


def paper(*venues: str) -> Config:
    return Config(mode="paper", venues={venue: {} for venue in venues})


def test_paper_waits_for_the_table_of_every_venue_and_says_which_is_missing(tmp_path: pathlib.Path) -> None:
    steps, started = walk(paper("binance", "bybit", "okx"), tmp_path)
    steps.advance()
    assert started == ["feeds"] and steps.waits_outside and steps.current is not None
    assert steps.current.told == "market data of binance, bybit, okx"
    (tmp_path / "instruments.bybit.json").write_text("{}")
    (tmp_path / "instruments.okx.json").write_text("{}")
    steps.advance()
    assert steps.current.told == "market data of binance" and started == ["feeds"]
    (tmp_path / "instruments.binance.json").write_text("{}")
    steps.advance()
    assert started == ["feeds", "simex"] and steps.current.told == "simulated venues" and not steps.waits_outside


def test_engine_comes_last(tmp_path: pathlib.Path) -> None:
    (tmp_path / "instruments.binance.json").write_text("{}")
    (tmp_path / "simex.json").write_text("{}")
    steps, started = walk(paper("binance"), tmp_path)
    steps.advance()
    assert started == ["feeds", "simex", "bridge", "engine", "flusher"] and not steps.is_done
    (tmp_path / "control.sock").write_text("")
    steps.advance()
    assert steps.is_done


def test_a_step_of_ours_that_takes_too_long_is_named(tmp_path: pathlib.Path) -> None:
    steps = Steps([Step("flusher", lambda: None, lambda: False, patience_s=-1.0, missing=lambda: ["x"])])
    with pytest.raises(StepFailed, match="flusher of x not ready after"):
        steps.advance()

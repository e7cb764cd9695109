"""The suite itself: its oracle sees a wrong level, its table tells a missing layer from a failure and what is not offered."""
from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests.conformance.case import VenueCase, load_case
from tests.conformance.join_rig import JoinRig
from tests.conformance.layers import Missing, feed_of, gateway_of, leave, sim_of
from tests.conformance.summary import PROPERTY, Summary
from tests.conformance.test_2_joins import stream

LEVEL = re.compile(rb'(\["[0-9.]+","[0-9.]*[1-9])([0-9]*"[,\]])')


def changed(body: bytes) -> bytes:
    """One digit of the last size that is not zero is another. The last: of the best a top tells too, and the decoder notices."""
    found = list(LEVEL.finditer(body))
    if not found:
        return body
    at = found[-1].end(1) - 1
    return body[:at] + (b"2" if body[at:at + 1] == b"1" else b"1") + body[at + 1:]


def test_the_oracle_sees_one_wrong_digit_of_one_size(case: VenueCase) -> None:
    rig = JoinRig(case, case.markets[0], seed=3)
    events = stream(rig, 12)
    caught = 0
    for number in [n for n, event in enumerate(events) if rig.depth_id(event) and n > len(events) // 2][:4]:
        body = changed(events[number].body)
        if body == events[number].body:
            continue  # it only takes levels away
        decoder = rig.decoder()
        with pytest.raises(AssertionError, match="that the venue did not have"):
            for step, event in enumerate(events):
                decoder.decode(body, event.at_ns, event.at_ns) if step == number else rig.give(decoder, event)
                rig.check(decoder, f"step {step}")
        caught += 1
    assert caught, "no message could be damaged"


@pytest.mark.parametrize("find", [feed_of, sim_of, gateway_of])
def test_a_layer_that_is_not_there_is_missing(find) -> None:
    with pytest.raises(Missing, match="^missing: "):
        find(replace(load_case("binance"), name="nowhere"))


def test_what_a_case_does_not_offer_is_skipped_with_its_reason() -> None:
    case = replace(load_case("binance"), not_offered={8: "no accounts", (5, "linear"): "no order entry"})
    leave(case, 5, "spot")
    for item, market, text in ((8, "spot", "no accounts"), (5, "linear", "no order entry")):
        with pytest.raises(pytest.skip.Exception, match=f"not offered: {text} by binance {market}"):
            leave(case, item, market)


def report(cell: list, outcome: str, text: str = "", when: str = "call") -> SimpleNamespace:
    skip, crash = ("file", 1, f"Skipped: {text}"), SimpleNamespace(reprcrash=SimpleNamespace(message=text))
    return SimpleNamespace(user_properties=[(PROPERTY, cell)], passed=outcome == "passed", skipped=outcome == "skipped",
                           when=when, longrepr=skip if outcome == "skipped" else crash, nodeid="tests/x.py::test_x")


def test_the_table_takes_the_worst_word_of_a_cell_and_keeps_its_reasons(tmp_path) -> None:
    summary = Summary(["binance"])
    for item, outcomes in {"1": [("skipped", "recorded data is not beside"), ("passed", "")],
                           "2": [("passed", ""), ("failed", "AssertionError: ghosts"), ("passed", "")],
                           "3": [("failed", "Missing: missing: engine/gateways/x.py (none)"), ("passed", "")],
                           "4": [("skipped", "not offered: no clients by binance spot")]}.items():
        for outcome, text in outcomes:
            summary.take(report(["binance", "spot", item], outcome, text))
    items = summary.rows()[0]["items"]
    assert [items[name]["word"] for name in ("1 recorded", "2 joins", "3 signing", "4 clients", "5 orders")] == [
        "pass", "FAIL", "missing", "not offered", "not run"]
    assert items["2 joins"]["why"] == ["test_x: AssertionError: ghosts"]
    assert items["3 signing"]["why"] == ["engine/gateways/x.py (none)"]
    summary.write(tmp_path / "made" / "table.json")
    assert (tmp_path / "made" / "table.json").read_text().startswith("{")
    assert any("4 clients: not offered: no clients" in line for line in summary.lines())

"""The auditor finds nothing in a right run, and each planted wrong under its own rule's name."""
import copy
from dataclasses import dataclass
from typing import Any

import pytest

from tests.audit.auditor import RULES, audit, statements

SPOT, PERP = "binance:BTC/USDT", "binance:BTC/USDT:USDT"


@dataclass
class Rec:
    type: int
    told: dict[str, Any]
    epoch: int = 1
    correlation_id: int = 7

    def decode(self) -> dict[str, Any]:
        return self.told


def instrument(number: int, name: str, market: str, px_scale: int, qty_scale: int, lot: str) -> dict[str, Any]:
    return {"id": number, "name": name, "venue": "binance", "market": market, "base": "BTC", "quote": "USDT", "settle": "USDT",
            "underlying": "BTC", "multiplier": 1, "lot": lot, "px_scale": px_scale, "qty_scale": qty_scale}


def leg(index: int, side: int, qty: int, px: int) -> dict[str, Any]:
    return {"leg_index": index, "client_id": f"L0000000000000000{index}", "instrument_id": index, "side": side, "qty": qty,
            "limit_px": px}


def order(index: int, name: str, market: str, side: str, qty: str, px: str, fills: list[dict[str, str]]) -> dict[str, Any]:
    return {"client_id": f"L0000000000000000{index}", "instrument": name, "market": market, "side": side, "qty": qty, "px": px,
            "executed": qty, "status": "FILLED", "fills": fills}


def fill(number: int, qty: str, px: str, fee: str, asset: str) -> dict[str, str]:
    return {"trade_id": number, "qty": qty, "px": px, "fee": fee, "fee_asset": asset, "realised": "0"}


def right_run() -> tuple[list[Rec], dict[str, Any]]:
    """0.1 BTC bought on spot at 100, sold as a perpetual at 101; fees 0.0001 BTC and 0.005 USDT; held."""
    records = [
        Rec(1, {"instruments": {"instruments": [instrument(0, SPOT, "spot", 2, 5, "0.00001"),
                                                instrument(1, PERP, "linear", 1, 3, "0.001")]}}),
        Rec(8, {"kind": "opening", "balances": {"binance:spot": {"USDT": "1000", "BTC": "1"},
                                                "binance:linear": {"USDT": "500"}}}),
        Rec(2, {"intent_id": 11, "trade_id": 11, "purpose": 0, "leg_count": 2,
                "legs": [leg(0, 0, 10_000, 100_00), leg(1, 1, 100, 101_0)]}),
        Rec(3, {"intent_id": 11, "leg_index": 0, "outcome": 0}),
        Rec(3, {"intent_id": 11, "leg_index": 1, "outcome": 0}),
        Rec(4, {"client_id": "L00000000000000000", "status": 3, "cum_qty": 10_000, "trade_id": 501, "last_qty": 10_000}),
        Rec(8, {"kind": "fill", "client_id": "L00000000000000000", "venue_trade_id": 501, "postings": [
            ["binance:spot", "BTC", "0.1"], ["~trading", "BTC", "-0.1"], ["binance:spot", "USDT", "-10"],
            ["~trading", "USDT", "10"], ["binance:spot", "BTC", "-0.0001"], ["~fees", "BTC", "0.0001"]]}),
        Rec(4, {"client_id": "L00000000000000001", "status": 3, "cum_qty": 100, "trade_id": 502, "last_qty": 100}),
        Rec(8, {"kind": "fill", "client_id": "L00000000000000001", "venue_trade_id": 502, "postings": [
            ["binance:linear#" + PERP, "USDT", "10.1"], ["~trading", "USDT", "-10.1"], ["binance:linear", "USDT", "-0.005"],
            ["~fees", "USDT", "0.005"]]}),
        Rec(5, {"trade_id": 11, "from": "PENDING", "to": "OPEN"}, correlation_id=11),
        Rec(1, {"instruments": {"instruments": []}}, epoch=2),
    ]
    ledger = {"venues": {"binance": {
        "accounts": {"main": {"is_unified": False, "linear": {"income": []}, "orders": [
            order(0, SPOT, "spot", "BUY", "0.10000", "100.00", [fill(501, "0.1", "100", "0.0001", "BTC")]),
            order(1, PERP, "linear", "SELL", "0.100", "101.0", [fill(502, "0.1", "101", "0.005", "USDT")])]}},
        "totals": {"binance:spot": {"USDT": "990", "BTC": "1.0999"}, "binance:linear": {"USDT": "499.995"}}}}}
    return records, ledger


def orders_of(ledger: dict[str, Any]) -> list[dict[str, Any]]:
    return ledger["venues"]["binance"]["accounts"]["main"]["orders"]


def lost_intent(records, ledger):
    del records[2]


def other_content(records, ledger):
    records[2].told["legs"][0]["limit_px"] += 1


def sent_first(records, ledger):
    records[2], records[3] = records[3], records[2]


def twice_at_the_venue(records, ledger):
    orders_of(ledger).append({**orders_of(ledger)[0], "fills": [], "executed": "0", "status": "EXPIRED"})


def twice_in_the_journal(records, ledger):
    again = copy.deepcopy(records[2])
    again.told["intent_id"] = 12
    records.insert(9, again)


def ids_fall(records, ledger):
    records.insert(9, Rec(2, {"intent_id": 10, "trade_id": 10, "purpose": 0, "leg_count": 0, "legs": []}))


def epoch_falls(records, ledger):
    records[-1].epoch = 0


def executed_too_much(records, ledger):
    orders_of(ledger)[0]["executed"] = "0.10001"


def naked(records, ledger):
    orders_of(ledger)[1]["fills"][0]["qty"] = "0.05"


def resting(records, ledger):
    orders_of(ledger)[1]["status"] = "NEW"


def money_appeared(records, ledger):
    ledger["venues"]["binance"]["totals"]["binance:spot"]["USDT"] = "990.00000001"


def fee_not_posted(records, ledger):
    records[8].told["postings"] = records[8].told["postings"][:2]


def posted_twice(records, ledger):
    records.insert(7, copy.deepcopy(records[6]))


def posted_never(records, ledger):
    del records[6]


def posted_of_nobody(records, ledger):
    records[6].told["venue_trade_id"] = 999


def fate_left_open(records, ledger):
    records[5].told.update(status=1, cum_qty=0, trade_id=0, last_qty=0)


def good_hedge_closed(records, ledger):
    records.append(Rec(5, {"trade_id": 11, "from": "OPEN", "to": "RECOVERING"}, epoch=2, correlation_id=11))


PLANTED = [(lost_intent, "I1"), (other_content, "I1"), (sent_first, "I1"), (twice_at_the_venue, "I2"),
           (twice_in_the_journal, "I2"), (ids_fall, "I2"), (epoch_falls, "I2"), (executed_too_much, "I3"), (naked, "I5"),
           (resting, "I5"), (money_appeared, "I7"), (fee_not_posted, "I7"), (posted_twice, "I11"), (posted_never, "I11"),
           (posted_of_nobody, "I11"), (fate_left_open, "I27"), (good_hedge_closed, "HEDGE")]


def test_a_right_run_has_no_violation():
    assert audit(*right_run()) == []


@pytest.mark.parametrize(("plant", "rule"), PLANTED, ids=[plant.__name__ for plant, _ in PLANTED])
def test_each_planted_wrong_is_found(plant, rule):
    records, ledger = right_run()
    plant(records, ledger)
    found = audit(records, ledger)
    assert rule in {one.rule for one in found}, found


def test_a_late_fill_may_reopen_a_hedge():
    records, ledger = right_run()
    records.append(Rec(11, {"code": "late_fill"}, epoch=2, correlation_id=11))
    good_hedge_closed(records, ledger)
    assert audit(records, ledger) == []


def test_more_than_three_times_the_intent_is_found():
    records, ledger = right_run()
    for number in range(2, 12):
        records.append(Rec(2, {"intent_id": 20 + number, "trade_id": 11, "purpose": 2, "leg_count": 1, "legs": [
            {**leg(0, 0, 10_000, 100_00), "client_id": f"L000000000000000{number:02d}"}]}, epoch=2))
        orders_of(ledger).append(order(0, SPOT, "spot", "BUY", "0.10000", "100.00", []) | {
            "client_id": f"L000000000000000{number:02d}"})
    assert any(one.rule == "I3" and "three" not in one.what and "asked for" in one.what for one in audit(records, ledger))


def test_the_rules_are_plain_sql_and_few():
    text = RULES.read_text()
    assert len(text.splitlines()) <= 300
    assert all(one.startswith("SELECT") for one in statements(text))

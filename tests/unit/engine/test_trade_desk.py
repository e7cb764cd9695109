"""What the desk makes of account facts: funding and transfers change the ledger of the pot that the fact names."""
import types
from decimal import Decimal

import pytest

from cext.core import STRATEGIES
from engine.config import Config
from engine.events import BalanceUpdate
from engine.trade_desk import TradeDesk
from tests.support.fake_core import FakeCore, venue_pairs, venue_rows

OPENING = {"binance:linear": {"USDT": Decimal(100)}, "bybit:unified": {"USDT": Decimal(100)}}


@pytest.fixture
def desk() -> TradeDesk:
    rows = venue_rows()
    core = FakeCore(venue_pairs(), spot_rows={row.id for row in rows if row.market == "spot"})
    made = TradeDesk(types.SimpleNamespace(core=core, table=rows, config=Config()))  # type: ignore[arg-type]
    made.manager.accounts.open(OPENING)
    return made


@pytest.mark.parametrize(("fact", "account", "amount"), [
    (BalanceUpdate("binance", "linear", "USDT", delta=Decimal("-0.5"), reason="FUNDING_FEE"), "binance:linear", "99.5"),
    (BalanceUpdate("bybit", "linear", "USDT", delta=Decimal("0.5"), reason="FUNDING_FEE", account="bybit:unified"),
     "bybit:unified", "100.5"),
    (BalanceUpdate("bybit", "spot", "USDT", delta=Decimal(-7), reason="transfer"), "bybit:unified", "93"),
    (BalanceUpdate("bybit", "spot", "USDT", delta=Decimal(7), reason="DEPOSIT", account="bybit:unified"), "bybit:unified", "107"),
])
def test_money_that_came_or_went_is_posted_to_the_pot(desk: TradeDesk, fact: BalanceUpdate, account: str, amount: str) -> None:
    desk.on_account(fact)
    assert desk.manager.ledger.accounts() == {**OPENING, account: {"USDT": Decimal(amount)}}


def test_what_fills_say_already_is_not_posted_again(desk: TradeDesk) -> None:
    desk.on_account(BalanceUpdate("bybit", "spot", "USDT", wallet=Decimal(3), reason="trade", account="bybit:unified"))
    desk.on_account(BalanceUpdate("bybit", "spot", "USDT", delta=Decimal(0), reason="transfer", account="bybit:unified"))
    assert desk.manager.ledger.accounts() == OPENING


def test_each_strategy_has_its_own_rest() -> None:
    config = Config(strategies={"spot_futures": {"rearm_ms": 5}, "cross_exchange": {"rearm_ms": 70}})
    shell = types.SimpleNamespace(core=FakeCore(venue_pairs()), table=venue_rows(), config=config)
    made = TradeDesk(shell)  # type: ignore[arg-type]
    assert made.manager.policy.rest_ns == {STRATEGIES["spot_futures"]: 5_000_000, STRATEGIES["cross_exchange"]: 70_000_000}

"""What is read back from the account: exact numbers, and every mode that the engine does not know refused by name."""
from __future__ import annotations

from decimal import Decimal

import pytest

from engine.events import NO_INSTRUMENT
from engine.gateways import binance_account as account
from engine.gateways.binance_account import AccountRefused, AccountState
from tests.support.order_rows import order_table

LINEAR = {row.symbol: row for row in order_table().rows if row.market == "linear"}
SPOT_ACCOUNT = {"makerCommission": 15, "commissionRates": {"maker": "0.00150000"}, "canTrade": True, "accountType": "SPOT",
                "permissions": ["SPOT"],
                "uid": 354937868, "balances": [{"asset": "BTC", "free": "4723846.89208129", "locked": "0.00000001"}]}


def test_spot_account_is_read_exactly() -> None:
    state = AccountState("spot")
    account.parse_spot_account(SPOT_ACCOUNT, state, exch_ns=5)
    assert (state.can_trade, state.permissions, state.uid) == (True, ("SPOT",), "354937868")
    [balance] = state.balances
    assert (balance.asset, balance.free, balance.locked, balance.reason, balance.exch_ns) == (
        "BTC", Decimal("4723846.89208129"), Decimal("0.00000001"), "snapshot", 5)


@pytest.mark.parametrize(("change", "word"), [
    ({"canTrade": False}, "canTrade"), ({"canTrade": "true"}, "canTrade"), ({"accountType": "MARGIN"}, "accountType"),
    ({"balances": None}, "not a list"),
    ({"balances": [{"asset": "BTC", "free": 1.5, "locked": "0"}]}, "BTC: 1.5"),
    ({"balances": [{"asset": "BTC", "free": "NaN", "locked": "0"}]}, "finite")])
def test_spot_accounts_that_cannot_trade_are_refused(change: dict[str, object], word: str) -> None:
    with pytest.raises(AccountRefused, match=word):
        account.parse_spot_account({**SPOT_ACCOUNT, **change}, AccountState("spot"))


def test_spot_commission_adds_its_parts() -> None:
    rates = account.parse_spot_commission({
        "symbol": "BTCUSDT", "standardCommission": {"maker": "0.00000010", "taker": "0.00000020", "buyer": "0.00000030",
                                                    "seller": "0.00000040"},
        "specialCommission": {"maker": "0.01", "taker": "0.02", "buyer": "0.03", "seller": "0.04"},
        "taxCommission": {"maker": "0.1", "taker": "0.2", "buyer": "0", "seller": "0"},
        "discount": {"enabledForAccount": True, "enabledForSymbol": True, "discountAsset": "BNB", "discount": "0.75"}}, "BTCUSDT")
    assert (rates.maker, rates.taker, rates.burns_bnb) == (Decimal("0.15000050"), Decimal("0.26000060"), True)
    with pytest.raises(AccountRefused, match="standardCommission"):
        account.parse_spot_commission({"symbol": "BTCUSDT"}, "BTCUSDT")


def test_linear_commission() -> None:
    rates = account.parse_linear_commission({"symbol": "BTCUSDT", "makerCommissionRate": "0.0002",
                                             "takerCommissionRate": "0.0004"}, "BTCUSDT")
    assert (rates.maker, rates.taker) == (Decimal("0.0002"), Decimal("0.0004"))


@pytest.mark.parametrize("change", [{"enableWithdrawals": True}, {"enableInternalTransfer": True},
                                    {"permitsUniversalTransfer": True}, {"ipRestrict": False}])
def test_keys_that_can_move_money_are_refused(change: dict[str, bool]) -> None:
    good = {"ipRestrict": True, "enableWithdrawals": False, "enableSpotAndMarginTrading": True}
    account.check_key_restrictions(good)
    with pytest.raises(AccountRefused, match=next(iter(change))):
        account.check_key_restrictions({**good, **change})


@pytest.mark.parametrize("answer", [{"dualSidePosition": True}, {"dualSidePosition": "false"}, {}, [], None])
def test_hedge_mode_and_unknown_position_modes_are_refused(answer: object) -> None:
    assert account.check_position_mode({"dualSidePosition": False}) is False
    with pytest.raises(AccountRefused, match="dualSidePosition"):
        account.check_position_mode(answer)


@pytest.mark.parametrize("answer", [{"multiAssetsMargin": True}, {"multiAssetsMargin": 0}, {}])
def test_multi_assets_mode_is_refused(answer: object) -> None:
    assert account.check_multi_assets({"multiAssetsMargin": False}) is False
    with pytest.raises(AccountRefused, match="multiAssetsMargin"):
        account.check_multi_assets(answer)


def test_leverage_and_margin_type_are_read_for_every_symbol_traded() -> None:
    state = AccountState("linear")
    answer = [{"symbol": "BTCUSDT", "marginType": "CROSSED", "isAutoAddMargin": False, "leverage": 5, "maxNotionalValue": "9"},
              {"symbol": "ETHUSDT", "marginType": "isolated", "leverage": "20"},
              {"symbol": "XRPUSDT", "marginType": "?", "leverage": 125}]
    account.parse_symbol_config(answer, {"BTCUSDT", "ETHUSDT"}, state)
    assert state.leverage == {"BTCUSDT": 5, "ETHUSDT": 20}
    assert state.margin_type == {"BTCUSDT": "CROSSED", "ETHUSDT": "ISOLATED"}


@pytest.mark.parametrize(("row", "word"), [
    ({"marginType": "PORTFOLIO"}, "marginType"), ({"leverage": 21}, "leverage"), ({"leverage": 0}, "leverage"),
    ({"leverage": None}, "leverage"),
    ({"leverage": "x"}, "leverage"), ({"symbol": "OTHER"}, "no entry for BTCUSDT")])
def test_unknown_leverage_or_margin_type_is_refused(row: dict[str, object], word: str) -> None:
    good = {"symbol": "BTCUSDT", "marginType": "CROSSED", "leverage": 5}
    with pytest.raises(AccountRefused, match=word):
        account.parse_symbol_config([{**good, **row}], {"BTCUSDT"}, AccountState("linear"))


def test_positions_are_signed_and_exact() -> None:
    short, other = account.parse_linear_positions([
        {"symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "-0.030", "entryPrice": "64000.5"},
        {"symbol": "XRPUSDT", "positionSide": "BOTH", "positionAmt": "12.5", "entryPrice": "0.5"}], LINEAR)
    assert (short.instrument_id, short.qty, short.entry_px) == (1, -30, Decimal("64000.5"))
    assert (other.instrument_id, other.symbol, other.qty) == (NO_INSTRUMENT, "XRPUSDT", 1_250_000_000)


@pytest.mark.parametrize("row", [{"positionSide": "LONG"}, {"positionAmt": "0.0001"}, {"positionAmt": "x"},
                                 {"positionAmt": None}])
def test_positions_that_cannot_be_ours_are_refused(row: dict[str, object]) -> None:
    with pytest.raises(AccountRefused):
        account.parse_linear_positions([{"symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "1", **row}], LINEAR)


def test_linear_balances() -> None:
    [balance] = account.parse_linear_balances([{"accountAlias": "SgsR", "asset": "USDT", "balance": "122607.35137903",
                                                "availableBalance": "23.72469206"}])
    assert (balance.wallet, balance.free) == (Decimal("122607.35137903"), Decimal("23.72469206"))
    with pytest.raises(AccountRefused, match="not a list"):
        account.parse_linear_balances({"code": -1})

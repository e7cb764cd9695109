"""Bybit's account answers: what is understood, and what is refused with the field, its value, and what would be right."""
from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from engine.events import NO_INSTRUMENT, EventFlag, Source
from engine.gateways import bybit_account as account
from engine.gateways.bybit_streams import has_funding, parse_account_event
from engine.gateways.contract import AccountRefused, FeeRates
from feeds.instruments import InstrumentError
from tests.support.bybit_orders import LINEAR, SPOT, bybit_table, execution_told, topic

TABLE = bybit_table()
ROWS = {row.symbol: row for row in TABLE.rows if row.market == "linear"}
KEY = {"id": "13770661", "apiKey": "k", "readOnly": 0, "permissions": {"ContractTrade": ["Order", "Position"],
                                                                       "Spot": ["SpotTrade"],
       "Wallet": [], "Options": ["OptionsTrade"], "Derivatives": ["DerivativesTrade"], "Exchange": ["ExchangeHistory"]},
       "ips": ["203.0.113.7"], "unified": 0, "uta": 1, "userID": 24617703}
INFO = {"marginMode": "REGULAR_MARGIN", "updatedTime": "1697078946000", "unifiedMarginStatus": 5, "dcpStatus": "OFF",
        "timeWindow": 10,
        "smpGroup": 0, "isMasterTrader": False, "spotHedgingStatus": "OFF"}
COIN = {"coin": "BTC", "equity": "1.5", "walletBalance": "1.5", "borrowAmount": "0", "accruedInterest": "0", "locked": "0.25",
        "spotBorrow": "0", "unrealisedPnl": "0"}
WALLET = {"accountType": "UNIFIED", "totalEquity": "1", "coin": [COIN, {**COIN, "coin": "USDT", "walletBalance": "100",
                                                                        "locked": "",
                                                                       "spotBorrow": "30", "borrowAmount": "30"}]}
POSITION = {"positionIdx": 0, "symbol": "BTCUSDT", "side": "Sell", "size": "0.02", "avgPrice": "95000.5", "leverage": "10",
            "category": "linear"}
SETTLEMENT = {"id": "592324_XRPUSDT_161440249321", "symbol": "XRPUSDT", "side": "Buy", "funding": "-0.003676", "fee": "0",
              "change": "-0.003676", "cashFlow": "0", "transactionTime": "1672128000000",
              "type": "SETTLEMENT", "feeRate": "0.0001",
              "currency": "USDT", "category": "linear", "tradeId": "534c0003"}


# ---------------------------------------------------------------- key

def test_key_that_may_trade() -> None:
    told = account.parse_key(KEY, "linear")
    assert told.uid == "24617703"
    assert {"Spot.SpotTrade", "ContractTrade.Order"} <= told.rights
    account.check_key_restrictions(KEY)


@pytest.mark.parametrize(("change", "market", "word"), [
    ({"readOnly": 1}, "spot", "readOnly is 1"), ({"permissions": {"Spot": []}}, "spot", "Spot.SpotTrade"),
    ({"permissions": {"Spot": ["SpotTrade"]}}, "linear", "ContractTrade.Order or Derivatives.DerivativesTrade"),
    ({"permissions": 7}, "spot", "not an object")])
def test_key_that_may_not(change: dict[str, Any], market: str, word: str) -> None:
    with pytest.raises(AccountRefused, match=word):
        account.parse_key({**KEY, **change}, market)


@pytest.mark.parametrize(("change", "word"), [
    ({"permissions": {**KEY["permissions"], "Wallet": ["Withdraw"]}}, "Withdraw is on"),
    ({"permissions": {**KEY["permissions"], "Wallet": ["AccountTransfer", "SubMemberTransfer"]}}, "AccountTransfer, SubMemberTransfer is on"),
    ({"ips": ["*"]}, "not bound to addresses"), ({"ips": []}, "not bound"), ({"ips": "x"}, "not bound")])
def test_key_that_can_move_money_or_works_from_anywhere(change: dict[str, Any], word: str) -> None:
    with pytest.raises(AccountRefused, match=word):
        account.check_key_restrictions({**KEY, **change})


# ---------------------------------------------------------------- account

@pytest.mark.parametrize(("mode", "margin"), [("REGULAR_MARGIN", "CROSSED"), ("ISOLATED_MARGIN", "ISOLATED")])
def test_account_modes(mode: str, margin: str) -> None:
    told = account.parse_account({**INFO, "marginMode": mode})
    assert (told.mode, told.margin_type, told.disconnect) == (f"unified 2.0, {mode}", margin, "OFF")


@pytest.mark.parametrize(("change", "word"), [
    ({"unifiedMarginStatus": 1}, "unifiedMarginStatus is 1; right is a unified account"),
    ({"unifiedMarginStatus": "5"}, "unifiedMarginStatus"), ({"marginMode": "PORTFOLIO_MARGIN"},
                                                            "marginMode is 'PORTFOLIO_MARGIN'")])
def test_account_modes_that_are_refused(change: dict[str, Any], word: str) -> None:
    with pytest.raises(AccountRefused, match=word):
        account.parse_account({**INFO, **change})
    with pytest.raises(AccountRefused, match="has no 'marginMode'"):
        account.parse_account({"unifiedMarginStatus": 5})


def test_wallet_says_what_is_ours_and_what_spot_can_spend() -> None:
    btc, usdt = account.parse_wallet([WALLET], "bybit", "spot", "bybit:unified", "snapshot", 5)
    assert (btc.asset, btc.wallet, btc.locked, btc.free, btc.account, btc.exch_ns) == ("BTC", Decimal("1.5"), Decimal("0.25"),
                                                                                       Decimal("1.25"), "bybit:unified", 5)
    assert (usdt.wallet, usdt.locked, usdt.free) == (Decimal(70), Decimal(0), Decimal(70))   # 30 of the 100 are borrowed
    assert account.parse_borrowed([WALLET]) == {"USDT": Decimal(30)}


@pytest.mark.parametrize("wallet", [{**WALLET, "accountType": "FUND"}, {"accountType": "UNIFIED"},
                                    {**WALLET, "coin": [{"coin": "X"}]},
                                    {**WALLET, "coin": [{**COIN, "walletBalance": "x"}]},
                                    {**WALLET, "coin": [{**COIN, "locked": 0.5}]}])
def test_wallet_that_is_not_understood_is_refused(wallet: dict[str, Any]) -> None:
    with pytest.raises(AccountRefused):
        account.parse_wallet([wallet], "bybit", "spot", "bybit:unified", "snapshot", 0)


# ---------------------------------------------------------------- positions

@pytest.mark.parametrize(("change", "qty"), [({}, -20), ({"side": "Buy"}, 20), ({"side": "", "size": "0"}, 0),
                                             ({"side": "None", "size": "0"}, 0), ({"side": "", "size": ""}, 0)])
def test_positions_are_signed(change: dict[str, Any], qty: int) -> None:
    made = account.position_of({**POSITION, **change}, ROWS, "bybit", "bybit:unified", "snapshot", 1, 2)
    assert (made.qty, made.instrument_id, made.account) == (qty, LINEAR, "bybit:unified")
    assert made.entry_px == (Decimal("95000.5") if qty else None)


def test_position_of_a_symbol_that_is_not_ours_keeps_its_name() -> None:
    made = account.position_of({**POSITION, "symbol": "DOGEUSDT"}, ROWS, "bybit", "bybit:unified", "x", 0, 0)
    assert (made.symbol, made.instrument_id, made.qty) == ("DOGEUSDT", NO_INSTRUMENT, -2_000_000)


@pytest.mark.parametrize(("change", "word"), [({"positionIdx": 1}, "hedge mode"), ({"side": "Short"}, "side is 'Short'"),
                                              ({"size": "0.0005"}, "decimals"), ({"size": None, "side": "x"}, "")])
def test_positions_that_are_refused(change: dict[str, Any], word: str) -> None:
    if not word:
        assert account.position_of({**POSITION, **change}, ROWS, "bybit", "a:b", "x", 0, 0).qty == 0
        return
    with pytest.raises(AccountRefused, match=word):
        account.position_of({**POSITION, **change}, ROWS, "bybit", "a:b", "x", 0, 0)


def test_leverage_is_whole_and_bounded() -> None:
    assert account.parse_leverage(POSITION, "BTCUSDT") == 10
    for wrong in ("0", "21", "2.5", "", None):
        with pytest.raises(AccountRefused, match="leverage"):
            account.parse_leverage({**POSITION, "leverage": wrong}, "BTCUSDT")


def test_risk_tiers_smallest_first() -> None:
    answer = {"category": "linear", "list": [
        {"id": 2, "symbol": "BTCUSDT", "riskLimitValue": "2600000", "maintenanceMargin": "0.006", "initialMargin": "0.0111"},
        {"id": 1, "symbol": "BTCUSDT", "riskLimitValue": "2000000", "maintenanceMargin": "0.005", "initialMargin": "0.01"},
        {"id": 3, "symbol": "ETHUSDT", "riskLimitValue": "1", "maintenanceMargin": "0.1", "initialMargin": "0.1"}]}
    assert account.parse_risk_tiers(answer, "BTCUSDT") == [
        (Decimal(2_000_000), Decimal("0.01"), Decimal("0.005")), (Decimal(2_600_000), Decimal("0.0111"), Decimal("0.006"))]


# ---------------------------------------------------------------- fees, funding, fills

def test_fees_by_symbol() -> None:
    answer = {"list": [{"symbol": "ETHUSDT", "takerFeeRate": "0.0006", "makerFeeRate": "-0.0001"}]}
    assert account.parse_fees(answer) == {"ETHUSDT": FeeRates(Decimal("-0.0001"), Decimal("0.0006"))}
    for wrong in ({}, {"list": 7}, {"list": [7]}, {"list": [{"symbol": "X"}]}):
        with pytest.raises(AccountRefused):
            account.parse_fees(wrong)


def test_funding_is_positive_when_received() -> None:
    """The log's sign: `funding` -0.003676 was paid. Trades, and settlements without funding, are no payments."""
    [one, two] = account.parse_funding({"list": [
        SETTLEMENT, {**SETTLEMENT, "id": "2", "funding": "0.5"}, {**SETTLEMENT, "id": "3", "type": "TRADE", "funding": ""},
        {**SETTLEMENT, "id": "4", "funding": ""}, {**SETTLEMENT, "id": "5", "category": "inverse"}]}, "bybit:unified")
    assert (one.account, one.symbol, one.asset, one.amount, one.exch_ns, one.income_id) == (
        "bybit:unified", "XRPUSDT", "USDT", Decimal("-0.003676"), 1672128000000_000_000, "592324_XRPUSDT_161440249321")
    assert two.amount == Decimal("0.5")


def test_execution_of_the_list_is_the_fill_that_the_topic_told() -> None:
    told = execution_told("L", isMaker=True)
    fill = account.fill_of(told, TABLE.rows[LINEAR], "L", 5, 6, 7)
    assert (fill.client_id, fill.trade_id, fill.venue_order_id, fill.last_qty, fill.last_px, fill.fee, fill.fee_asset,
            fill.source,
            fill.flags, fill.exch_ns) == ("L", 5, 6, 500, 959001, Decimal("26.3725275"), "USDT", Source.QUERY,
                                          EventFlag.IS_FILL | EventFlag.MAKER, 1746270400353_000_000)
    for wrong in ({"execQty": "0.0001"}, {"execFee": 0.5}, {"execPrice": ""}, {"execTime": "x"}):
        with pytest.raises((AccountRefused, InstrumentError, ValueError)):
            account.fill_of({**told, **wrong}, TABLE.rows[LINEAR], "L", 5, 6, 7)


@pytest.mark.parametrize(("row", "side", "fee", "asset"), [(SPOT, "Buy", "1", "BTC"), (SPOT, "Sell", "1", "USDT"),
                                                          (SPOT, "Buy", "-1", "USDT"), (SPOT, "Sell", "-1", "BTC"),
                                                          (LINEAR, "Buy", "1", "USDT"), (3, "Sell", "-1", "USDC")])
def test_coin_of_a_fee_that_is_not_named(row: int, side: str, fee: str, asset: str) -> None:
    assert account.fee_asset_of(TABLE.rows[row], side, Decimal(fee)) == asset


# ---------------------------------------------------------------- topics

def parse(name: str, message: Any, market: str = "linear") -> Any:
    return parse_account_event(name, orjson.dumps(message), 9, market, ROWS, "bybit", "bybit:unified")


def test_topics_become_facts() -> None:
    [btc, usdt] = parse("wallet", topic("wallet", WALLET), "spot")
    assert (btc.wallet, usdt.wallet, btc.reason, btc.recv_mono_ns, btc.exch_ns) == (Decimal("1.5"), Decimal(70), "wallet", 9,
                                                                                   1672364262474_000_000)
    [position] = parse("position", topic("position", POSITION, {**POSITION, "category": "inverse", "symbol": "BTCUSD"}))
    assert (position.qty, position.reason) == (-20, "position")
    assert parse("position", topic("position", POSITION), "spot") == []
    assert parse("execution", topic("execution", execution_told("", execType="Funding"))) == []
    assert parse("brand_new", topic("brand_new")) is None


@pytest.mark.parametrize(("name", "message"), [("wallet", {}), ("wallet", topic("wallet", {})),
                                               ("position", topic("position", {})),
                                               ("position", topic("position", {**POSITION, "positionIdx": 2}))])
def test_topics_that_make_no_sense_are_refused(name: str, message: Any) -> None:
    with pytest.raises(AccountRefused):
        parse(name, message)


def test_funding_in_the_execution_topic_is_seen() -> None:
    assert has_funding(orjson.dumps(topic("execution", execution_told("", execType="Funding"))))
    assert not has_funding(orjson.dumps(topic("execution", execution_told(""))))

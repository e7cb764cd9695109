"""OKX's account answers as facts: documented examples, signs and contracts turned, and what is refused with its field and value."""
from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from engine.events import NO_INSTRUMENT, BalanceUpdate, EventFlag, OrderEvent, OrderStatus, PositionUpdate, Source, StreamNotice
from engine.gateways import okx_account as account
from engine.gateways.contract import AccountRefused, FeeRates, FundingIncome
from engine.gateways.okx_streams import parse_account_event
from feeds.instruments import InstrumentError
from tests.support.okx_orders import PEPE, SPOT, SWAP, okx_table

TABLE = okx_table()
ROWS = {row.symbol: row for row in TABLE.rows}
SWAPS = {row.symbol: row for row in TABLE.rows if row.market == "linear"}
CONFIG = {"uid": "44705892343619584", "mainUid": "44705892343619584", "acctLv": "2", "posMode": "net_mode", "autoLoan": False,
          "enableSpotBorrow": False, "acctStpMode": "cancel_maker", "feeType": "0", "level": "Lv1", "ip": "203.0.113.7",
          "perm": "read_only,trade", "label": "x"}
DETAIL = {"ccy": "USDT", "eq": "100.5", "cashBal": "100.52768569797846", "availBal": "90.5", "availEq": "90.5", "frozenBal": "10",
          "ordFrozen": "10", "liab": "", "upl": "0", "uTime": "1751526647084"}
POSITION = {"instType": "SWAP", "instId": "BTC-USDT-SWAP", "posId": "307173036051017730", "posSide": "net", "pos": "-2.5",
            "mgnMode": "cross", "avgPx": "31527.1", "lever": "3", "ccy": "USDT", "uTime": "1619507761462"}
FILL = {"instType": "SWAP", "instId": "BTC-USDT-SWAP", "tradeId": "77", "ordId": "312", "clOrdId": "L", "billId": "9",
        "fillPx": "31527.1", "fillSz": "2.5", "side": "sell", "posSide": "net", "execType": "M", "feeCcy": "USDT", "fee": "0.05",
        "ts": "1654084353300",
        "fillTime": "1654084353263"}


# ---------------------------------------------------------------- account config

def test_config_says_mode_and_rights() -> None:
    told = account.parse_config([CONFIG], "linear")
    assert (told.uid, told.mode, told.rights, told.ip) == ("44705892343619584", "acctLv 2 (futures), net_mode",
                                                           ("read_only", "trade"),
                                                           "203.0.113.7")
    account.check_key_restrictions(told)


@pytest.mark.parametrize(("market", "change", "words"), [
    ("linear", {"acctLv": "1"}, "acctLv is '1', which cannot trade linear; right is one of 2"),
    ("spot", {"acctLv": "9"}, "acctLv is '9'"),
    ("linear", {"posMode": "long_short_mode"}, "posMode is 'long_short_mode'; right is net_mode"),
    ("spot", {"perm": "read_only"}, "perm is 'read_only'; right is a key that may trade"),
    ("spot", {"perm": None}, "perm is None")])
def test_accounts_that_must_not_trade(market: str, change: dict[str, Any], words: str) -> None:
    with pytest.raises(AccountRefused, match=words):
        account.parse_config([{**CONFIG, **change}], market)


def test_spot_trades_in_every_mode_and_hedge_mode_is_no_matter_there() -> None:
    for level in ("1", "2", "3", "4"):
        account.parse_config([{**CONFIG, "acctLv": level, "posMode": "long_short_mode"}], "spot")
    assert account.parse_config([{**CONFIG, "autoLoan": True}], "spot").borrows == "autoLoan"


@pytest.mark.parametrize("rows", [[], [CONFIG, CONFIG], [{"acctLv": "2"}]])
def test_config_of_another_shape_is_refused(rows: list[Any]) -> None:
    with pytest.raises(AccountRefused):
        account.parse_config(rows, "linear")


@pytest.mark.parametrize(("change", "words"), [({"perm": "read_only, trade, withdraw"}, "withdraw"), ({"ip": ""}, "not bound"),
                                               ({"ip": " "}, "not bound")])
def test_keys_that_can_do_too_much_are_refused(change: dict[str, str], words: str) -> None:
    with pytest.raises(AccountRefused, match=words):
        account.check_key_restrictions(account.parse_config([{**CONFIG, **change}], "spot"))


# ---------------------------------------------------------------- balances, positions, leverage

def test_balances_are_cash_without_unrealised_profit() -> None:
    found = account.parse_balances([{"details": [DETAIL, {**DETAIL, "ccy": "BTC", "cashBal": "-0.5", "availBal": "",
                                                          "frozenBal": ""}]}],
                                   "okx", "spot", "okx:unified", "snapshot", 5)
    assert found == [
        BalanceUpdate("okx", "spot", "USDT", free=Decimal("90.5"), locked=Decimal(10), wallet=Decimal("100.52768569797846"),
                      reason="snapshot", exch_ns=5, account="okx:unified"),
        BalanceUpdate("okx", "spot", "BTC", free=Decimal("-0.5"), locked=Decimal(0), wallet=Decimal("-0.5"), reason="snapshot",
                      exch_ns=5, account="okx:unified")]
    assert account.parse_borrowed([{"details": [DETAIL, {**DETAIL, "ccy": "BTC", "liab": "0.5"}]}]) == {"BTC": Decimal("0.5")}


@pytest.mark.parametrize("detail", [{"ccy": "USDT"}, {**DETAIL, "cashBal": ""}, {**DETAIL, "cashBal": "NaN"},
                                    {**DETAIL, "cashBal": 1.5}])
def test_balance_that_is_no_number_is_refused(detail: dict[str, Any]) -> None:
    with pytest.raises(AccountRefused, match="balance USDT"):
        account.parse_balances([{"details": [detail]}], "okx", "spot", "okx:unified", "", 0)


def position(**changes: Any) -> PositionUpdate:
    return account.position_of({**POSITION, **changes}, SWAPS, "okx", "okx:unified", "snapshot", 3, 4)


def test_positions_are_signed_base_units() -> None:
    assert position() == PositionUpdate("okx", "linear", "BTC-USDT-SWAP", SWAP, -250, Decimal("31527.1"), "snapshot", 3, 4,
                                        "okx:unified")
    told = position(instId="PEPE-USDT-SWAP", pos="12.1")
    assert (told.instrument_id, told.qty) == (PEPE, 121_000_000)
    assert (position(pos="0", avgPx="", mgnMode="isolated").qty, position(pos="").qty) == (0, 0)
    told = position(instId="BTC-USD-SWAP", pos="3")
    assert (told.symbol, told.instrument_id, told.qty) == ("BTC-USD-SWAP", NO_INSTRUMENT, 300_000_000)


@pytest.mark.parametrize(("change", "words"), [
    ({"posSide": "long"}, "posSide is 'long', the account is in hedge mode"), ({"mgnMode": "isolated"}, "mgnMode is 'isolated'"),
    ({"pos": "0.001"}, "decimals"), ({"pos": "x"}, "not a decimal")])
def test_positions_that_must_not_be(change: dict[str, str], words: str) -> None:
    with pytest.raises(AccountRefused, match=words):
        position(**change)


def test_leverage() -> None:
    told = {"instId": "BTC-USDT-SWAP", "mgnMode": "cross", "posSide": "net", "lever": "10"}
    assert account.parse_leverage([told, {**told, "instId": "PEPE-USDT-SWAP", "lever": "3"}]) == {"BTC-USDT-SWAP": 10,
                                                                                                  "PEPE-USDT-SWAP": 3}
    for change in ({"lever": "21"}, {"lever": "0"}, {"lever": "2.5"}, {"lever": ""}, {"mgnMode": "isolated"},
                   {"posSide": "long"}):
        with pytest.raises(AccountRefused, match="BTC-USDT-SWAP"):
            account.parse_leverage([{**told, **change}])


def test_tiers() -> None:
    rows = [{"tier": "2", "minSz": "501", "maxSz": "1000", "imr": "0.02", "mmr": "0.01"},
            {"tier": "1", "minSz": "0", "maxSz": "500", "imr": "0.01", "mmr": "0.004"}]
    assert account.parse_tiers(rows, "BTC-USDT-SWAP")[0] == (Decimal(500), Decimal("0.01"), Decimal("0.004"))


# ---------------------------------------------------------------- fees, funding

def test_fees_by_group_with_their_sign_turned() -> None:
    told = {"level": "Lv1", "instType": "SPOT", "maker": "-9", "taker": "-9", "feeGroup": [
        {"groupId": "1", "maker": "-0.0008", "taker": "-0.001"}, {"groupId": "2", "maker": "0.0001", "taker": "-0.0002"}]}
    settles = {"BTC-USDT": "USDT", "USDC-USDT": "USDT", "NEW-USDT": "USDT"}
    assert account.parse_fees([told], settles, {"BTC-USDT": "1", "USDC-USDT": "2"}) == {
        "BTC-USDT": FeeRates(Decimal("0.0008"), Decimal("0.001")), "USDC-USDT": FeeRates(Decimal("-0.0001"), Decimal("0.0002")),
        "NEW-USDT": FeeRates(Decimal("0.0008"), Decimal("0.001"))}   # group unknown: the dearest
    assert account.parse_groups([{"instId": "BTC-USDT", "groupId": "1"}, {"instId": "X"}, {"instId": "Y", "groupId": ""}]) == {
        "BTC-USDT": "1"}


def test_fees_without_groups_go_by_settling_coin() -> None:
    told = {"instType": "SWAP", "maker": "-0.0002", "taker": "-0.0005", "makerU": "-0.0003", "takerU": "-0.0006",
            "makerUSDC": "-0.0001",
            "takerUSDC": "-0.0004", "feeGroup": []}
    assert account.parse_fees([told], {"A": "USDT", "B": "USDC"}, {}) == {
        "A": FeeRates(Decimal("0.0003"), Decimal("0.0006")), "B": FeeRates(Decimal("0.0001"), Decimal("0.0004"))}
    assert account.parse_fees([{**told, "instType": "SPOT"}], {"A": "USD"}, {}) == {"A": FeeRates(Decimal("0.0002"),
                                                                                                  Decimal("0.0005"))}
    with pytest.raises(AccountRefused, match="settled in EUR"):
        account.parse_fees([told], {"A": "EUR"}, {})
    with pytest.raises(AccountRefused, match="taker: '' is not a decimal"):
        account.parse_fees([{**told, "takerU": ""}], {"A": "USDT"}, {})


def bill(**changes: str) -> dict[str, str]:
    return {"billId": "623950854533513219", "ccy": "USDT", "instId": "BTC-USDT-SWAP", "instType": "SWAP", "type": "8",
            "subType": "174",
            "balChg": "0.02", "pnl": "0.02", "ts": "1695033476167", **changes}


def test_funding_is_positive_when_received() -> None:
    rows = [bill(), bill(billId="2", subType="173", balChg="-0.03"), bill(type="2"), bill(billId="3", balChg="0", pnl="0"),
            bill(billId="4", balChg="", pnl="0.5")]
    assert account.parse_funding(rows, "okx:unified") == [
        FundingIncome("okx:unified", "BTC-USDT-SWAP", "USDT", Decimal("0.02"), 1695033476167_000_000, "623950854533513219"),
        FundingIncome("okx:unified", "BTC-USDT-SWAP", "USDT", Decimal("-0.03"), 1695033476167_000_000, "2"),
        FundingIncome("okx:unified", "BTC-USDT-SWAP", "USDT", Decimal("0.5"), 1695033476167_000_000, "4")]


@pytest.mark.parametrize("change", [{"subType": "173"}, {"subType": "174", "balChg": "-1"}, {"subType": "1"}, {"balChg": "x"}])
def test_funding_whose_sign_is_not_certain_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(AccountRefused, match="bill 623950854533513219"):
        account.parse_funding([bill(**change)], "okx:unified")


# ---------------------------------------------------------------- fills

def test_fill_of_a_query() -> None:
    assert account.fill_of(FILL, ROWS["BTC-USDT-SWAP"], "L1", 9) == OrderEvent(
        "L1", SWAP, Source.QUERY, OrderStatus.PARTIAL, 312, 77, exch_ns=1654084353263_000_000, recv_mono_ns=9, last_qty=250,
        last_px=315271, fee=Decimal("-0.05"), fee_asset="USDT", flags=EventFlag.IS_FILL | EventFlag.MAKER)
    spot = account.fill_of({**FILL, "fillSz": "0.001", "fee": "-0.00000100", "feeCcy": "BTC", "execType": "T"}, ROWS["BTC-USDT"],
                           "L1", 9)
    assert (spot.instrument_id, spot.last_qty, spot.fee, spot.flags) == (SPOT, 100_000, Decimal("0.00000100"), EventFlag.IS_FILL)


@pytest.mark.parametrize("change", [{"fillSz": "0.001"}, {"fillPx": "1.23"}, {"fee": ""}, {"feeCcy": ""}, {"tradeId": ""},
                                    {"fillSz": "x"}])
def test_fill_that_makes_no_sense_is_refused(change: dict[str, str]) -> None:
    with pytest.raises((AccountRefused, InstrumentError, ValueError)):
        account.fill_of({**FILL, **change}, ROWS["BTC-USDT-SWAP"], "L1", 9)


# ---------------------------------------------------------------- private channels

def event(name: str, told: object, market: str = "linear") -> Any:
    return parse_account_event(name, orjson.dumps(told), 7, market, SWAPS if market == "linear" else ROWS, "okx", "okx:unified")


def test_account_channel() -> None:
    told = {"arg": {"channel": "account", "uid": "1"}, "eventType": "snapshot", "curPage": 1, "lastPage": True,
            "data": [{"uTime": "1751526647084", "totalEq": "1", "details": [DETAIL]}]}
    [balance] = event("account", told)
    assert (balance.asset, balance.wallet, balance.reason, balance.exch_ns, balance.recv_mono_ns, balance.account) == (
        "USDT", Decimal("100.52768569797846"), "snapshot", 1751526647084_000_000, 7, "okx:unified")
    assert event("account", {**told, "eventType": "event_update"})[0].reason == "account"
    assert event("account", {**told, "data": []}) == []


def test_positions_channel() -> None:
    told = {"arg": {"channel": "positions"}, "eventType": "event_update",
            "data": [POSITION, {**POSITION, "instType": "MARGIN", "posSide": "x"}, {**POSITION, "pos": "0"}]}
    assert [(one.qty, one.reason, one.exch_ns) for one in event("positions", told)] == [
        (-250, "positions", 1619507761462_000_000), (0, "positions", 1619507761462_000_000)]


def test_news_of_the_socket() -> None:
    assert event("64008", {"event": "notice", "code": "64008", "msg": "soon"}) == [
        StreamNotice("okx", "linear", "server_shutdown", "soon", 0, 7)]
    assert event("channel-conn-count-error", {"event": "channel-conn-count-error", "channel": "orders", "connCount": "30"}) == [
        StreamNotice("okx", "linear", "stream_terminated", "channel orders: 30 connections of this account hold it", 0, 7)]
    assert event("channel-conn-count", {"connCount": "2"}) == []
    assert event("64999", {"event": "notice"}) is None


@pytest.mark.parametrize("told", [{}, {"data": {}}, {"data": [7]}, {"data": [{"details": [{}]}]}])
def test_account_channel_of_another_shape_is_refused(told: object) -> None:
    with pytest.raises(AccountRefused):
        event("account", told)

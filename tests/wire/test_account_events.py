"""Balances, positions and stream news of Binance's user streams: documented examples and what they must become."""
from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from engine.events import BalanceUpdate, PositionUpdate, StreamNotice
from engine.gateways.binance_account import AccountRefused
from engine.gateways.binance_streams import Fact, parse_account_event
from tests.support.order_rows import order_table

ROWS = {row.symbol: row for row in order_table().rows if row.market == "linear"}


def parse(event: dict[str, Any], market: str = "linear", *, is_wrapped: bool = False) -> list[Fact] | None:
    data = orjson.dumps({"subscriptionId": 0, "event": event} if is_wrapped else event)
    return parse_account_event(event["e"], data, 77, market, ROWS)


@pytest.mark.parametrize("is_wrapped", [True, False])
def test_spot_balances_after_a_trade(is_wrapped: bool) -> None:
    event = {"e": "outboundAccountPosition", "E": 1564034571105, "u": 1564034571073,
             "B": [{"a": "ETH", "f": "10000.000000", "l": "0.5"}]}
    assert parse(event, "spot", is_wrapped=is_wrapped) == [BalanceUpdate(
        "binance", "spot", "ETH", free=Decimal("10000.000000"), locked=Decimal("0.5"), reason="trade",
        exch_ns=1564034571073_000_000, recv_mono_ns=77)]


def test_deposit_is_a_delta() -> None:
    assert parse({"e": "balanceUpdate", "E": 1573200697110, "a": "BTC", "d": "-100.00000000", "T": 1573200697068},
                 "spot") == [BalanceUpdate(
        "binance", "spot", "BTC", delta=Decimal("-100.00000000"), reason="transfer", exch_ns=1573200697068_000_000,
        recv_mono_ns=77)]


def test_account_update_has_wallets_and_positions_with_their_reason() -> None:
    event = {"e": "ACCOUNT_UPDATE", "E": 1564745798939, "T": 1564745798938, "a": {"m": "ORDER", "B": [
        {"a": "USDT", "wb": "122624.12345678", "cw": "100.12345678", "bc": "50.12345678"}], "P": [
        {"s": "BTCUSDT", "pa": "-0.030", "ep": "64000.10000", "bep": "0", "cr": "200", "up": "0", "mt": "isolated",
         "iw": "0.00000000", "ps": "BOTH"}]}}
    assert parse(event) == [
        BalanceUpdate("binance", "linear", "USDT", wallet=Decimal("122624.12345678"), delta=Decimal("50.12345678"),
                      reason="ORDER",
                      exch_ns=1564745798938_000_000, recv_mono_ns=77),
        PositionUpdate("binance", "linear", "BTCUSDT", 1, -30, Decimal("64000.10000"), "ORDER", 1564745798938_000_000, 77)]


def test_funding_carries_balances_only() -> None:
    [fact] = parse({"e": "ACCOUNT_UPDATE", "E": 2, "T": 1,
                    "a": {"m": "FUNDING_FEE",
                          "B": [{"a": "USDT", "wb": "10", "cw": "10", "bc": "-0.375"}]}})  # type: ignore[misc]
    assert isinstance(fact, BalanceUpdate)
    assert (fact.reason, fact.delta) == ("FUNDING_FEE", Decimal("-0.375"))


def test_hedge_mode_position_is_refused() -> None:
    with pytest.raises(AccountRefused, match="hedge mode"):
        parse({"e": "ACCOUNT_UPDATE", "T": 1, "a": {"m": "ORDER", "P": [{"s": "BTCUSDT", "pa": "1", "ep": "1", "ps": "LONG"}]}})


@pytest.mark.parametrize(("name", "what"),
                         [("listenKeyExpired", "listen_key_expired"), ("eventStreamTerminated", "stream_terminated"),
                                            ("serverShutdown", "server_shutdown")])
def test_ends_of_streams_are_notices(name: str, what: str) -> None:
    assert parse({"e": name, "E": 1736996475556}) == [StreamNotice("binance", "linear", what, "", 1736996475556_000_000, 77)]


def test_margin_call_keeps_its_text() -> None:
    [fact] = parse({"e": "MARGIN_CALL", "E": 1, "p": [{"s": "ETHUSDT"}]})  # type: ignore[misc]
    assert isinstance(fact, StreamNotice)
    assert (fact.what, "ETHUSDT" in fact.detail) == ("margin_call", True)


def test_ignored_and_unknown_types_differ() -> None:
    assert parse({"e": "listStatus", "E": 1}, "spot") == []
    assert parse({"e": "BRAND_NEW", "E": 1}) is None


@pytest.mark.parametrize("event", [{"e": "ACCOUNT_UPDATE"}, {"e": "ACCOUNT_UPDATE", "a": {"B": [{"a": "USDT"}]}},
                                   {"e": "balanceUpdate", "a": "BTC", "d": 1.5},
                                   {"e": "ACCOUNT_UPDATE", "a": {"P": [{"s": "BTCUSDT", "pa": "0.0001"}]}}])
def test_events_that_make_no_sense_are_named(event: dict[str, Any]) -> None:
    with pytest.raises(AccountRefused):
        parse(event)

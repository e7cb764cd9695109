"""OKX's account answers as typed facts: pure functions from parsed JSON, no I/O.

What the engine does not know it refuses: an account or position mode, margin mode or leverage outside the lists of okx_facts.py
is an AccountRefused with the field, the value and what would be right, before anything trades. `rows` is always the `data` of an
envelope. Contracts become base units and fees change their sign here, as in the decoder.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cext.decoders.okx_orders import trade_number
from engine.events import NO_INSTRUMENT, BalanceUpdate, EventFlag, OrderEvent, OrderStatus, PositionUpdate, Source
from engine.gateways.answers import decimal, require
from engine.gateways.contract import AccountRefused, FeeRates, FundingIncome
from engine.gateways.okx_facts import (
    FUNDING_BILL,
    FUNDING_SIGNS,
    LEVERAGE_MAX,
    MODES,
    MODES_OF_MARKET,
    MOVING_RIGHTS,
    POSITION_MODE,
    TRADE_RIGHT,
)
from feeds.instruments import InstrumentError, InstrumentRow, to_scaled


def rows_of(answer: Any, where: str) -> list[dict[str, Any]]:
    """`data` of an envelope; AccountRefused when it is no list of objects."""
    rows = require(answer, "data", where)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise AccountRefused(f"{where}: data is {str(rows)[:80]}, not a list of objects")
    return rows


def only_row(rows: Sequence[dict[str, Any]], where: str) -> dict[str, Any]:
    if len(rows) != 1:
        raise AccountRefused(f"{where}: {len(rows)} rows; right is one")
    return rows[0]


def or_zero(value: Any, where: str) -> Decimal:
    """A decimal; the venue writes "" where there is nothing."""
    return Decimal(0) if value in ("", None) else decimal(value, where)


# ---------------------------------------------------------------- the account

@dataclass(frozen=True, slots=True)
class AccountFacts:
    """GET account/config."""
    uid: str
    mode: str                  # "acctLv 2 (futures), net_mode"
    rights: tuple[str, ...]    # read_only, trade, withdraw
    ip: str                    # addresses of the key, comma separated; "" = any
    stp_mode: str              # what an order without one of its own has
    borrows: str               # in which ways coins may be borrowed; "" = none
    fee_type: str              # "1" = fees always in quote


def parse_config(rows: Sequence[dict[str, Any]], market: str) -> AccountFacts:
    """A unified account whose mode can trade this market one-way, and a key that may."""
    told = only_row(rows, "account config")
    level = require(told, "acctLv", "account config")
    if level not in MODES_OF_MARKET[market]:
        right = ", ".join(f"{one} ({MODES[one]})" for one in MODES_OF_MARKET[market])
        raise AccountRefused(f"account config: acctLv is {level!r}, which cannot trade {market}; right is one of {right}")
    position_mode = require(told, "posMode", "account config")
    if market == "linear" and position_mode != POSITION_MODE:
        raise AccountRefused(f"account config: posMode is {position_mode!r}; right is {POSITION_MODE}")
    rights = tuple(sorted(right.strip() for right in str(told.get("perm", "")).split(",") if right.strip()))
    if TRADE_RIGHT not in rights:
        raise AccountRefused(f"account config: perm is {told.get('perm')!r}; right is a key that may {TRADE_RIGHT}")
    borrows = [name for name in ("autoLoan", "enableSpotBorrow") if told.get(name) is True]
    return AccountFacts(str(told.get("uid", "")), f"acctLv {level} ({MODES[level]}), {position_mode}", rights,
                        str(told.get("ip", "")), str(told.get("acctStpMode", "")), ", ".join(borrows),
                        str(told.get("feeType", "")))


def check_key_restrictions(facts: AccountFacts) -> None:
    """A key that can move money out, or that works from any address, is refused."""
    moving = sorted(MOVING_RIGHTS & set(facts.rights))
    if moving:
        raise AccountRefused(f"API key: perm has {', '.join(moving)}; right is a key that can read and trade, and nothing else")
    if not facts.ip.strip():
        raise AccountRefused("API key: it is not bound to addresses (ip is empty); bind it to this host's address")


def parse_balances(rows: Iterable[Any], venue: str, market: str, account: str, reason: str, exch_ns: int,
                   recv_mono_ns: int = 0) -> list[BalanceUpdate]:
    """Rows of account/balance, or of the account channel -> balances of the unified account. `wallet` is cashBal: without
    unrealised profit, negative where coins are borrowed."""
    found = []
    for told in rows:
        for coin in require(told, "details", "balance"):
            asset = str(require(coin, "ccy", "balance"))
            where = f"balance {asset}"
            wallet = decimal(require(coin, "cashBal", where), where)
            locked = or_zero(coin.get("frozenBal"), where)
            free = coin.get("availBal")
            found.append(BalanceUpdate(venue, market, asset, free=decimal(free, where) if free else wallet - locked,
                                       locked=locked, wallet=wallet, reason=reason, exch_ns=exch_ns,
                                       recv_mono_ns=recv_mono_ns, account=account))
    return found


def parse_borrowed(rows: Iterable[Any]) -> dict[str, Decimal]:
    """Asset -> liability (borrowed and its interest)."""
    amounts = {str(coin.get("ccy", "")): abs(or_zero(coin.get("liab"), "balance liab"))
               for told in rows for coin in require(told, "details", "balance")}
    return {asset: amount for asset, amount in amounts.items() if amount}


# ---------------------------------------------------------------- positions

def position_of(told: Any, rows: Mapping[str, InstrumentRow], venue: str, account: str, reason: str, exch_ns: int,
                recv_mono_ns: int) -> PositionUpdate:
    """One row of account/positions or of the positions channel; contracts -> base units, signed. A symbol that is not ours keeps
    its name, with instrument_id NO_INSTRUMENT and qty in contracts of 1e-8."""
    symbol = str(require(told, "instId", "position"))
    where = f"position {symbol}"
    side = require(told, "posSide", where)
    if side != "net":
        raise AccountRefused(f"{where}: posSide is {side!r}, the account is in hedge mode; right is one-way mode (net)")
    size = or_zero(require(told, "pos", where), where)
    margin = told.get("mgnMode")
    if margin != "cross" and size:
        raise AccountRefused(f"{where}: mgnMode is {margin!r}; right is cross, close this one by hand")
    row = rows.get(symbol)
    try:
        qty = to_scaled(size * row.contract_size, row.qty_scale) if row is not None else to_scaled(size, 8)
    except InstrumentError as error:
        raise AccountRefused(f"{where}: {error}") from None
    entry = told.get("avgPx")
    return PositionUpdate(venue, "linear", symbol, row.id if row is not None else NO_INSTRUMENT, qty,
                          entry_px=decimal(entry, where) if entry and size else None, reason=reason, exch_ns=exch_ns,
                          recv_mono_ns=recv_mono_ns, account=account)


def parse_leverage(rows: Iterable[dict[str, Any]]) -> dict[str, int]:
    """account/leverage-info with mgnMode cross: symbol -> leverage."""
    found = {}
    for told in rows:
        symbol = str(require(told, "instId", "leverage"))
        where = f"leverage {symbol}"
        if require(told, "mgnMode", where) != "cross" or told.get("posSide", "net") not in ("net", ""):
            raise AccountRefused(f"{where}: mgnMode {told['mgnMode']!r}, posSide {told.get('posSide')!r}; right is cross, net")
        leverage = decimal(require(told, "lever", where), where)
        if leverage != int(leverage) or not 1 <= leverage <= LEVERAGE_MAX:
            raise AccountRefused(f"linear {symbol}: leverage is {leverage}; right is a whole number from 1 to {LEVERAGE_MAX}, "
                                 "set it on the venue")
        found[symbol] = int(leverage)
    return found


def parse_tiers(rows: Iterable[dict[str, Any]], symbol: str) -> list[tuple[Decimal, Decimal, Decimal]]:
    """public/position-tiers: (contracts up to which, initial margin rate, maintenance margin rate), smallest first."""
    where = f"position tiers {symbol}"
    return sorted((decimal(require(row, "maxSz", where), where), decimal(require(row, "imr", where), where),
                   decimal(require(row, "mmr", where), where)) for row in rows)


# ---------------------------------------------------------------- fees, funding

def parse_groups(rows: Iterable[dict[str, Any]]) -> dict[str, str]:
    """public/instruments: symbol -> fee group, of those that have one."""
    return {str(row["instId"]): str(row["groupId"]) for row in rows if row.get("instId") and row.get("groupId")}


def parse_fees(rows: Sequence[dict[str, Any]], settles: Mapping[str, str], groups: Mapping[str, str]) -> dict[str, FeeRates]:
    """account/trade-fee of one instType: symbol -> rates, of all symbols of `settles` (symbol -> settling coin). The venue writes
    what is paid as negative.

    A symbol's group decides; of a symbol without a known one the dearest group is taken. Answers without groups have one rate,
    and for contracts settled in USDT and USDC one each."""
    where = "trade fee"
    told = only_row(rows, where)
    listed = told.get("feeGroup") or ()
    if not listed:
        return {symbol: _old_rates(told, settle) for symbol, settle in settles.items()}
    by_group = {str(require(group, "groupId", where)):
                _rates(group.get("maker"), group.get("taker"), f"{where} group {group['groupId']}") for group in listed}
    dearest = FeeRates(max(one.maker for one in by_group.values()), max(one.taker for one in by_group.values()))
    return {symbol: by_group.get(groups.get(symbol, ""), dearest) for symbol in settles}


def _old_rates(told: dict[str, Any], settle: str) -> FeeRates:
    if told.get("instType") == "SPOT":
        return _rates(told.get("maker"), told.get("taker"), "trade fee")
    ending = {"USDT": "U", "USDC": "USDC"}.get(settle)
    if ending is None:
        raise AccountRefused(f"trade fee: no rate for contracts settled in {settle}; right is USDT or USDC")
    return _rates(told.get(f"maker{ending}"), told.get(f"taker{ending}"), f"trade fee {settle}")


def _rates(maker: Any, taker: Any, where: str) -> FeeRates:
    return FeeRates(0 - decimal(maker, f"{where} maker"), 0 - decimal(taker, f"{where} taker"))


def parse_funding(rows: Iterable[dict[str, Any]], account: str) -> list[FundingIncome]:
    """Bills of type 8: the change of the balance, positive when it was received. AccountRefused when amount and subType
    contradict each other: then the sign is not known."""
    found = []
    for row in rows:
        if row.get("type") != FUNDING_BILL:
            continue
        where = f"bill {require(row, 'billId', 'bills')}"
        amount = or_zero(row.get("balChg"), where) or or_zero(row.get("pnl"), where)
        sign = FUNDING_SIGNS.get(str(row.get("subType")))
        if sign is None or amount * sign < 0:
            raise AccountRefused(f"{where}: {amount} with subType {row.get('subType')!r}; right is 173 for paid, 174 for received")
        if amount:
            found.append(FundingIncome(account, str(require(row, "instId", where)), str(require(row, "ccy", where)), amount,
                                       int(require(row, "ts", where)) * 1_000_000, str(row["billId"])))
    return found


# ---------------------------------------------------------------- fills

def fill_of(told: dict[str, Any], row: InstrumentRow, client_id: str, recv_mono_ns: int) -> OrderEvent:
    """One row of trade/fills as a fill, source QUERY. AccountRefused or InstrumentError when it makes no sense."""
    where = f"fill of {row.symbol}"
    fee = decimal(require(told, "fee", where), where)
    asset = str(told.get("feeCcy") or "")
    if fee and not asset:
        raise AccountRefused(f"{where}: a fee of {fee} without its coin")
    size = decimal(require(told, "fillSz", where), where)
    return OrderEvent(
        client_id, row.id, Source.QUERY, OrderStatus.PARTIAL, trade_number(require(told, "ordId", where)),
        trade_number(require(told, "tradeId", where)),
        exch_ns=int(told.get("fillTime") or require(told, "ts", where)) * 1_000_000,
        recv_mono_ns=recv_mono_ns, last_qty=to_scaled(size * row.contract_size, row.qty_scale),
        last_px=to_scaled(decimal(require(told, "fillPx", where), where), row.px_scale), fee=0 - fee, fee_asset=asset,
        flags=EventFlag.IS_FILL | (EventFlag.MAKER if told.get("execType") == "M" else 0))

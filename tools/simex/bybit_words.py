"""Bybit: orders, executions, positions, balances as rows of its topics and lists, and the ids they carry.

Order ids are UUIDs on linear and numbers as text on spot; execution ids are UUIDs.  Fees are positive when they were paid.
Source: v5 docs websocket/private/*, order/open-order, order/execution, position/position, account/wallet-balance, enum.mdx.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tools.simex.bybit_listing import LAUNCH_MS, RISK_TIERS, plain, plain_e8, px_text, px_text_e8, qty_text
from tools.simex.contract import LINEAR, SPOT
from tools.simex.exact import E8
from tools.simex.instrument import Instrument
from tools.simex.ledger import Account, Fill, Order, Position
from tools.simex.refusals import (
    END_COUNTDOWN,
    END_FAULT,
    END_FOK,
    END_IOC,
    END_MARKET,
    END_POST_ONLY,
    END_REDUCE,
    END_SELF_TRADE,
    END_USER,
)

if TYPE_CHECKING:
    from tools.simex.venue import Venue

IDS = uuid.UUID("0ab1bdf7-4219-538b-930a-32ec863018f7")
SPOT_ID_BASE = 1_523_347_543_000_000_000
SEQ_BASE = {SPOT: 112_488_000_000, LINEAR: 753_843_000_000}
SIDES = {"BUY": "Buy", "SELL": "Sell"}
SMP_WORDS = {"EXPIRE_MAKER": "CancelMaker", "EXPIRE_TAKER": "CancelTaker", "EXPIRE_BOTH": "CancelBoth", "NONE": "None"}
CANCEL_TYPES = {
    END_USER: "CancelByUser",
    END_SELF_TRADE: "CancelBySmp",
    END_REDUCE: "CancelByReduceOnly",
    END_COUNTDOWN: "CancelByDCP",
}
REJECT_REASONS = {
    END_USER: "EC_PerCancelRequest",
    END_POST_ONLY: "EC_PostOnlyWillTakeLiquidity",
    END_IOC: "EC_NoImmediateQtyToFill",
    END_MARKET: "EC_NoImmediateQtyToFill",
    END_FOK: "EC_CancelForNoFullFill",
    END_FAULT: "EC_Others",
}
NO_LINK = "~"  # begins our own name of an order that was sent without orderLinkId


def uuid_of(*parts: object) -> str:
    """The same parts, the same id."""
    return str(uuid.uuid5(IDS, ".".join(map(str, parts))))


def order_id_text(order: Order) -> str:
    text = order.notes.get("id")
    if text is None:
        is_spot = order.instrument.market == SPOT
        text = order.notes["id"] = str(SPOT_ID_BASE + order.order_id) if is_spot else uuid_of("order", order.order_id)
    return text


def link_text(order: Order) -> str:
    return "" if order.client_id.startswith(NO_LINK) else order.client_id


def execution_id(order: Order, fill: Fill) -> str:
    return uuid_of(order.instrument.market, order.instrument.symbol, fill.trade_id, order.order_id)


def seq_of(venue: Venue, instrument: Instrument) -> int:
    """The cross sequence of a symbol: one count for all of its channels."""
    return SEQ_BASE[instrument.market] + venue.book(instrument).update_id


# ---- orders ----------------------------------------------------------------------------------------


def status_word(order: Order) -> str:
    if order.is_open or order.status == "FILLED":
        return {"NEW": "New", "PARTIALLY_FILLED": "PartiallyFilled", "FILLED": "Filled"}[order.status]
    if order.status == "REJECTED":
        return "Rejected"
    return "PartiallyFilledCanceled" if order.executed and order.instrument.market == SPOT else "Cancelled"


def tif_word(order: Order) -> str:
    return "PostOnly" if order.is_post_only else "IOC" if order.type == "MARKET" else order.tif


def fee_detail(order: Order) -> dict[str, str]:
    sums: dict[str, int] = {}
    for fill in order.fills:
        sums[fill.fee_asset] = sums.get(fill.fee_asset, 0) + fill.fee_e8
    return {asset: plain_e8(amount) for asset, amount in sums.items()}


def average_text(order: Order) -> str:
    """Average price, "" before the first fill."""
    if not order.executed:
        return ""
    instrument = order.instrument
    average = Decimal(order.cum_quote_e8) / E8 / (Decimal(order.executed).scaleb(-instrument.qty_decimals))
    return plain(round(average, instrument.px_decimals + 6))


def order_row(order: Order) -> dict[str, Any]:
    """A row of the order topic and of the order lists."""
    instrument = order.instrument
    by_value = order.quote_qty_e8 > 0
    fees = fee_detail(order)
    row = {
        "category": instrument.market,
        "symbol": instrument.symbol,
        "orderId": order_id_text(order),
        "orderLinkId": link_text(order),
        "blockTradeId": "",
        "side": SIDES[order.side],
        "positionIdx": 0,
        "orderStatus": status_word(order),
        "cancelType": CANCEL_TYPES.get(order.end_reason, "UNKNOWN"),
        "rejectReason": REJECT_REASONS.get(order.end_reason, "EC_NoError"),
        "timeInForce": tif_word(order),
        "isLeverage": "" if instrument.market == LINEAR else "0",
        "price": px_text(instrument, order.px),
        "qty": plain_e8(order.quote_qty_e8) if by_value else qty_text(instrument, order.qty),
        "avgPrice": average_text(order),
        "leavesQty": qty_text(instrument, order.leaves) if order.is_open else "0" if order.status == "FILLED" else "",
        "leavesValue": plain_e8(instrument.amount_e8(order.px, order.leaves)) if order.is_open else "",
        "cumExecQty": qty_text(instrument, order.executed),
        "cumExecValue": plain_e8(order.cum_quote_e8),
        "cumExecFee": next(iter(fees.values()), "0"),
        "cumFeeDetail": fees,
        "feeCurrency": next(iter(fees), ""),
        "closedPnl": plain_e8(sum(fill.realised_e8 for fill in order.fills)),
        "orderType": order.type.capitalize(),
        "marketUnit": ("quoteCoin" if by_value else "baseCoin") if instrument.market == SPOT and order.type == "MARKET" else "",
        "stopOrderType": "",
        "orderIv": "",
        "triggerPrice": "",
        "takeProfit": "",
        "stopLoss": "",
        "tpLimitPrice": "",
        "slLimitPrice": "",
        "triggerDirection": 0,
        "triggerBy": "",
        "tpTriggerBy": "",
        "slTriggerBy": "",
        "closeOnTrigger": False,
        "reduceOnly": order.reduce_only,
        "placeType": "",
        "smpType": SMP_WORDS[order.stp],
        "smpGroup": 0,
        "smpOrderId": "",
        "lastPriceOnCreated": "",
        "createType": "CreateByUser",
        "rpiTakerAccess": False,
        "rpiMatchedQty": "0",
        "createdTime": str(order.time_ms),
        "updatedTime": str(order.update_ms),
    }
    # Only contracts have it: clients tell the two by its presence.
    return row | {"tpslMode": ""} if instrument.market == LINEAR else row


# ---- executions ------------------------------------------------------------------------------------


# Of what the venue does to a position by itself; the id is this simulation's own and is not told.
FORCED_TYPES = {f"{NO_LINK}adl": "AdlTrade", f"{NO_LINK}liq": "BustTrade"}


def execution_row(venue: Venue, order: Order, fill: Fill) -> dict[str, Any]:
    """A row of the execution topic and of execution/list."""
    instrument = order.instrument
    is_linear = instrument.market == LINEAR
    rate = instrument.maker_fee_e8 if fill.is_maker else instrument.taker_fee_e8
    return {
        "category": instrument.market,
        "symbol": instrument.symbol,
        "closedSize": qty_text(instrument, fill_closed(order, fill)) if is_linear else "",
        "execFee": plain_e8(fill.fee_e8),
        "execFeeV2": "",
        "execId": execution_id(order, fill),
        "execPrice": px_text(instrument, fill.px),
        "execQty": qty_text(instrument, fill.qty),
        "execType": next((word for prefix, word in FORCED_TYPES.items() if order.client_id.startswith(prefix)), "Trade"),
        "execValue": plain_e8(instrument.amount_e8(fill.px, fill.qty)),
        "feeRate": plain_e8(rate),
        "feeCurrency": fill.fee_asset,
        "indexPrice": "",
        "markPrice": px_text_e8(instrument, venue.mark_e8(instrument)) if is_linear else "",
        "leavesQty": qty_text(instrument, order.qty - filled_until(order, fill)),
        "orderId": order_id_text(order),
        "orderLinkId": link_text(order),
        "orderPrice": px_text(instrument, order.px),
        "orderQty": qty_text(instrument, order.qty),
        "orderType": order.type.capitalize(),
        "stopOrderType": "UNKNOWN" if is_linear else "",
        "side": SIDES[order.side],
        "execTime": str(fill.time_ms),
        "isLeverage": "0",
        "isMaker": fill.is_maker,
        "seq": seq_of(venue, instrument),
        "marketUnit": "",
        "execPnl": plain_e8(fill.realised_e8),
        "createType": "CreateByUser",
        "tradeIv": "",
        "markIv": "",
        "blockTradeId": "",
        "underlyingPrice": "",
    }


def filled_until(order: Order, fill: Fill) -> int:
    """Executed quantity right after this fill."""
    done = 0
    for each in order.fills:
        done += each.qty
        if each is fill:
            break
    return done


def fill_closed(order: Order, fill: Fill) -> int:
    """How much of a position a fill closed, as it was noted when it happened."""
    return int(order.notes.get("closed", {}).get(fill.trade_id, 0))


def fast_row(venue: Venue, order: Order, fill: Fill) -> dict[str, Any]:
    """A row of execution.fast: no fee, and no orderLinkId of a maker."""
    instrument = order.instrument
    return {
        "category": instrument.market,
        "symbol": instrument.symbol,
        "execId": execution_id(order, fill),
        "execPrice": px_text(instrument, fill.px),
        "execQty": qty_text(instrument, fill.qty),
        "orderId": order_id_text(order),
        "isMaker": fill.is_maker,
        "orderLinkId": "" if fill.is_maker else link_text(order),
        "side": SIDES[order.side],
        "execTime": str(fill.time_ms),
        "seq": seq_of(venue, instrument),
    }


def funding_execution(row: Mapping[str, Any], instrument: Instrument) -> dict[str, Any]:
    """A funding payment in execution/list: execFee is positive when it was paid."""
    qty = Decimal(row["qty"])
    value = abs(row["mark_e8"] * qty) / E8
    return {
        "symbol": instrument.symbol,
        "orderType": "UNKNOWN",
        "underlyingPrice": "",
        "orderLinkId": "",
        "side": "Buy" if qty > 0 else "Sell",
        "indexPrice": "",
        "orderId": uuid_of("funding", row["id"]),
        "stopOrderType": "UNKNOWN",
        "leavesQty": "0",
        "execTime": str(row["time"]),
        "feeCurrency": "",
        "isMaker": False,
        "execFee": plain_e8(-row["income_e8"]),
        "feeRate": plain_e8(row["rate_e8"]),
        "execId": uuid_of("funding execution", row["id"]),
        "tradeIv": "",
        "blockTradeId": "",
        "markPrice": px_text_e8(instrument, row["mark_e8"]),
        "execPrice": px_text_e8(instrument, row["mark_e8"]),
        "markIv": "",
        "orderQty": "0",
        "orderPrice": "0",
        "execValue": plain(value),
        "execType": "Funding",
        "execQty": plain(abs(qty)),
        "closedSize": "0",
        "seq": 0,
    }


def settlement_row(account: Account, row: Mapping[str, Any], instrument: Instrument) -> dict[str, Any]:
    """A funding payment in the transaction log: `funding` is positive when it was received, the opposite of execFee."""
    qty = Decimal(row["qty"])
    amount = plain_e8(row["income_e8"])
    return {
        "id": f"{account.uid}_{instrument.symbol}_{row['id']}",
        "transSubType": "",
        "symbol": instrument.symbol,
        "side": "Buy" if qty > 0 else "Sell",
        "funding": amount,
        "orderLinkId": "",
        "orderId": "",
        "fee": "0.00000000",
        "change": amount,
        "cashFlow": "0",
        "transactionTime": str(row["time"]),
        "type": "SETTLEMENT",
        "feeRate": plain_e8(row["rate_e8"]),
        "bonusChange": "",
        "size": plain(qty),
        "qty": plain(abs(qty)),
        "cashBalance": plain_e8(row["balance_e8"]),
        "currency": instrument.settle,
        "category": LINEAR,
        "tradePrice": px_text_e8(instrument, row["mark_e8"]),
        "tradeId": uuid_of("funding execution", row["id"]),
    }


# ---- positions, balances ---------------------------------------------------------------------------


def position_row(venue: Venue, account: Account, position: Position, idx: int = 0) -> dict[str, Any]:
    """A row of position/list; the topic says entryPrice in place of avgPrice.  Realised profits are without fees and funding."""
    instrument, symbol = position.instrument, position.instrument.symbol
    mark = venue.mark_e8(instrument)
    leverage = account.leverage_of(symbol)
    value = instrument.notional_e8(mark, abs(position.qty))
    entry = plain(round(position.entry_price(), instrument.px_decimals + 6))
    margin = Decimal(RISK_TIERS[0][1])
    return {
        "category": LINEAR,
        "symbol": symbol,
        "positionIdx": idx,
        "riskId": 1,
        "riskLimitValue": RISK_TIERS[0][0],
        "side": "Buy" if position.qty > 0 else "Sell" if position.qty < 0 else "",
        "size": qty_text(instrument, abs(position.qty)),
        "avgPrice": entry,
        "leverage": str(leverage),
        "positionValue": plain_e8(abs(position.cost_e8)) if position.qty else "",
        "markPrice": px_text_e8(instrument, mark),
        "positionBalance": "0",
        "positionIM": plain_e8(value // leverage),
        "positionMM": plain_e8(int(value * margin)),
        "liqPrice": "",
        "bustPrice": "",
        "breakEvenPrice": "",
        "takeProfit": "",
        "stopLoss": "",
        "trailingStop": "0",
        "tpslMode": "Full",
        "sessionAvgPrice": "",
        "unrealisedPnl": plain_e8(position.unrealised_e8(mark)) if position.qty else "",
        "curRealisedPnl": plain_e8(position.realised_e8),
        "cumRealisedPnl": plain_e8(position.realised_e8),
        "positionStatus": "Normal",
        "adlRankIndicator": 2 if position.qty else 0,
        "autoAddMargin": 0,
        "tradeMode": 0,
        "isReduceOnly": False,
        "leverageSysUpdatedTime": "",
        "mmrSysUpdatedTime": "",
        "seq": seq_of(venue, instrument),
        "createdTime": str(LAUNCH_MS),
        "updatedTime": str(position.update_ms or LAUNCH_MS),
    }


def position_event(venue: Venue, account: Account, position: Position) -> dict[str, Any]:
    row = position_row(venue, account, position)
    return {("entryPrice" if key == "avgPrice" else key): value for key, value in row.items()}


def usd_e8(venue: Venue, asset: str) -> int:
    """Price of a coin in USD, 1e-8; 0 when nobody knows it."""
    return E8 if asset in ("USDT", "USDC") else venue.index_px_e8.get(f"{asset}USDT", 0)


def wallet_row(venue: Venue, account: Account, assets: Iterable[str] | None = None) -> dict[str, Any]:
    """The account as wallet-balance and the wallet topic tell it; `assets`: only these coins, None = all that are not zero."""
    unrealised, margins, maintenance, order_margins, realised = (dict[str, int]() for _ in range(5))
    for position in account.positions.values():
        settle, mark = position.instrument.settle, venue.mark_e8(position.instrument)
        realised[settle] = realised.get(settle, 0) + position.realised_e8
        if position.qty:
            value = position.instrument.notional_e8(mark, abs(position.qty))
            unrealised[settle] = unrealised.get(settle, 0) + position.unrealised_e8(mark)
            margins[settle] = margins.get(settle, 0) + value // account.leverage_of(position.instrument.symbol)
            maintenance[settle] = maintenance.get(settle, 0) + int(value * Decimal(RISK_TIERS[0][1]))
    for order in account.open_by_client[LINEAR].values():
        if not order.reduce_only:
            settle = order.instrument.settle
            held = order.instrument.amount_e8(order.px, order.leaves) // account.leverage_of(order.instrument.symbol)
            order_margins[settle] = order_margins.get(settle, 0) + held
    known = sorted(asset for asset in {*account.free, *account.locked, *margins} if account.total(asset) or asset in margins)

    def usd(amounts: Mapping[str, int]) -> int:
        return sum(amount * usd_e8(venue, asset) // E8 for asset, amount in amounts.items())

    balances = {asset: account.total(asset) for asset in known}
    wallet, profit = usd(balances), usd(unrealised)
    initial = usd(margins) + usd(order_margins)
    return {
        "accountType": "UNIFIED",
        "accountLTV": "0",
        "accountIMRate": "0",
        "accountMMRate": "0",
        "totalEquity": plain_e8(wallet + profit),
        "totalWalletBalance": plain_e8(wallet),
        "totalMarginBalance": plain_e8(wallet + profit),
        "totalAvailableBalance": plain_e8(wallet + profit - initial - usd(account.locked)),
        "totalPerpUPL": plain_e8(profit),
        "totalInitialMargin": plain_e8(initial),
        "totalMaintenanceMargin": plain_e8(usd(maintenance)),
        "coin": [
            {
                "coin": asset,
                "equity": plain_e8(account.total(asset) + unrealised.get(asset, 0)),
                "usdValue": plain_e8(account.total(asset) * usd_e8(venue, asset) // E8),
                "walletBalance": plain_e8(account.total(asset)),
                "availableToWithdraw": "",
                "availableToBorrow": "",
                "borrowAmount": "0",
                "accruedInterest": "0",
                "totalOrderIM": plain_e8(order_margins.get(asset, 0)),
                "totalPositionIM": plain_e8(margins.get(asset, 0)),
                "totalPositionMM": plain_e8(maintenance.get(asset, 0)),
                "unrealisedPnl": plain_e8(unrealised.get(asset, 0)),
                "cumRealisedPnl": plain_e8(realised.get(asset, 0)),
                "bonus": "0",
                "locked": plain_e8(account.locked.get(asset, 0)),
                "spotBorrow": "0",
                "spotHedgingQty": "0",
                "marginCollateral": True,
                "collateralSwitch": True,
            }
            for asset in (known if assets is None else sorted(set(assets)))
        ],
    }

"""Fees as charged against fees as decided with: a tier that changed, a discount that ended, a table that is wrong.

The ledger takes every fee from its fill and is exact whatever this finds; what drifts is the edge that entries are sized with. A
difference of more than `DRIFT_MAX` of the notional is said once for each rate that is seen, and again after the model changed.
"""
from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from engine.trade.instruments import Instrument
from engine.trade.money import AMOUNT_UNIT, EXACT, ZERO
from engine.trade.orders import Fill

DRIFT_MAX = Decimal("0.00001")   # of the notional: 0.1 bp


class FeeWatch:
    """What each row is expected to cost, as fractions of the notional (negative = rebate), and which drifts were said."""

    def __init__(self, rows: Iterable[Any]) -> None:
        """`rows`: with `taker_fee` and `maker_fee` of the instrument table, None = not known."""
        self._model: list[tuple[Decimal | None, Decimal | None]] = [
            (_or_none(row.taker_fee), _or_none(row.maker_fee)) for row in rows]
        self._told: set[tuple[int, bool, Decimal]] = set()

    def set_model(self, row: int, taker: Decimal | None, maker: Decimal | None) -> None:
        """The account's own rates, as the venue states them."""
        model = (_or_none(taker), _or_none(maker))
        if model != self._model[row]:
            self._model[row] = model
            self._told = {one for one in self._told if one[0] != row}

    def check(self, instrument: Instrument, fill: Fill, other_price: Decimal) -> str:
        """A sentence when the fill's fee is not the model's and that is news, else "". `other_price`: quote per unit of a third
        fee asset, 0 = not known: nothing can be said then. A third asset is a discount of unknown size: only dearer is drift."""
        expected = self._model[instrument.row][1 if fill.is_maker else 0]
        notional = instrument.amount(fill.px, fill.qty)
        if expected is None or fill.fee is None or notional <= 0:
            return ""
        is_third = fill.fee_asset not in ("", instrument.quote) and not (instrument.is_spot and fill.fee_asset == instrument.base)
        price = Decimal(1)
        if is_third:
            price = other_price
        elif fill.fee_asset == instrument.base:
            price = instrument.price(fill.px)
        if fill.fee and not price:
            return ""
        rate = (fill.fee * price / notional).quantize(AMOUNT_UNIT, context=EXACT)
        slack = DRIFT_MAX + abs(price) * AMOUNT_UNIT / notional   # venues round the fee itself
        drift = rate - expected
        if abs(drift) <= slack or (is_third and drift < 0):
            return ""
        key = (instrument.row, fill.is_maker, rate.quantize(DRIFT_MAX, context=EXACT))
        if key in self._told:
            return ""
        self._told.add(key)
        kind = "maker" if fill.is_maker else "taker"
        meaning = "entries pay less than they were sized for" if drift > 0 else "entries are sized too carefully"
        return (f"{instrument.name}: {kind} fee of {_bps(rate)} bps charged, {_bps(expected)} bps expected "
                f"(venue trade {fill.trade_id}): {meaning}")


def _or_none(rate: Any) -> Decimal | None:
    return None if rate is None else Decimal(rate)


def _bps(rate: Decimal) -> str:
    return f"{(rate * 10_000).normalize() + ZERO:f}"

"""The ledger against a plain twin in fractions, and its proofs."""
import random
from decimal import Decimal
from fractions import Fraction

import pytest

from engine.events import Side
from engine.trade.instruments import make_instruments
from engine.trade.ledger import Ledger
from engine.trade.money import AMOUNT_UNIT
from engine.trade.orders import Fill
from tests.support.fake_core import instrument_row, pair_rows

SPOT, PERP = make_instruments(pair_rows())


def test_spot_fill_moves_base_quote_and_fee_in_their_own_assets():
    ledger = Ledger()
    ledger.open("binance:spot", "USDT", Decimal(1000))
    fill = Fill(1, 1_000, 10_000_10, Decimal("0.00001"), "BTC")
    ledger.post_fill(SPOT, Side.BUY, fill)
    ledger.post_fee(SPOT, fill)
    assert ledger.accounts() == {"binance:spot": {"BTC": Decimal("0.00999"), "USDT": Decimal("899.999")}}
    assert ledger.profit_by_asset() == {"BTC": Decimal("0.00999"), "USDT": Decimal("-100.001")}
    ledger.check_identity()


def test_third_asset_and_rebate_fees():
    ledger = Ledger()
    for fee, asset in (("0.002", "BNB"), ("-0.5", "USDT")):
        ledger.post_fee(SPOT, Fill(1, 1, 1, Decimal(fee), asset))
    assert ledger.accounts()["binance:spot"] == {"BNB": Decimal("-0.002"), "USDT": Decimal("0.5")}
    assert ledger.post_fee(SPOT, Fill(2, 1, 1, Decimal(0), "BNB")) == []


def test_future_moves_the_wallet_only_when_it_shrinks():
    ledger = Ledger()
    ledger.post_fill(PERP, Side.SELL, Fill(1, 10, 100_000, Decimal(0)))
    assert ledger.accounts() == {} and ledger.open_cost("USDT") == Decimal(100)
    ledger.post_fill(PERP, Side.BUY, Fill(2, 4, 99_000, Decimal(0)))
    assert ledger.amount("binance:linear", "USDT") == Decimal("0.4")
    ledger.post_fill(PERP, Side.BUY, Fill(3, 6, 101_000, Decimal(0)))
    assert ledger.amount("binance:linear", "USDT") == Decimal("-0.2") and ledger.open_cost("USDT") == 0
    assert ledger.position_table() == {}


def test_future_through_zero_closes_and_opens_at_the_same_price():
    ledger = Ledger()
    ledger.post_fill(PERP, Side.BUY, Fill(1, 10, 100_000, Decimal(0)))
    ledger.post_fill(PERP, Side.SELL, Fill(2, 25, 101_000, Decimal(0)))
    position = ledger.positions[PERP.name]
    assert (position.qty, position.cost) == (Decimal("-0.015"), Decimal("151.5"))
    assert ledger.amount("binance:linear", "USDT") == Decimal(1)
    ledger.check_identity()


@pytest.mark.parametrize("seed", range(20))
def test_random_fills_equal_the_plain_twin(seed):
    rng = random.Random(seed)
    ledger, cash, base, qty = Ledger(), Fraction(0), Fraction(0), Fraction(0)
    for number in range(200):
        instrument = rng.choice([SPOT, PERP])
        side, fee = rng.choice([Side.BUY, Side.SELL]), Decimal(rng.randrange(0, 10**6)) * AMOUNT_UNIT
        fill = Fill(number, rng.randrange(1, 500), rng.randrange(90_000, 110_000), fee, "USDT")
        ledger.post_fill(instrument, side, fill)
        ledger.post_fee(instrument, fill)
        sign = 1 if side == Side.BUY else -1
        cash -= sign * Fraction(fill.px * fill.qty, 10 ** (instrument.px_scale + instrument.qty_scale)) + Fraction(fee)
        if instrument is SPOT:
            base += sign * Fraction(fill.qty, 10**5)
        else:
            qty += sign * Fraction(fill.qty, 10**3)
        ledger.check_identity()
    ours = ledger.amount("binance:spot", "USDT") + ledger.amount("binance:linear", "USDT") + ledger.open_cost("USDT")
    assert Fraction(ours) == cash, f"seed {seed}"
    assert Fraction(ledger.amount("binance:spot", "BTC")) == base and Fraction(ledger.positions[PERP.name].qty) == qty


def test_check_names_every_difference_and_ignores_accounts_not_given():
    ledger = Ledger()
    ledger.open("binance:spot", "USDT", Decimal(10))
    ledger.open("binance:linear", "USDT", Decimal(5))
    found = ledger.check({"binance:spot": {"USDT": Decimal("10.00000001"), "BTC": Decimal(1)}})
    assert [(one.asset, one.difference) for one in found] == [("BTC", Decimal(-1)), ("USDT", Decimal("-1E-8"))]
    assert ledger.check({"binance:spot": {"USDT": Decimal(10)}}) == []


def test_funding_transfer_and_correction_have_accounts_of_their_own():
    ledger = Ledger()
    ledger.post_funding("binance:linear", "USDT", Decimal("-0.5"))
    ledger.post_transfer("binance:linear", "USDT", Decimal(100))
    ledger.post_correction("binance:linear", "USDT", Decimal("0.01"))
    assert ledger.amount("binance:linear", "USDT") == Decimal("99.51")
    assert ledger.profit_by_asset() == {"USDT": Decimal("-0.49")}, "a transfer is no profit"
    assert ledger.flow("binance:linear", "USDT", "~funding") == Decimal("-0.5")


def test_position_from_before_is_taken_over_at_its_entry_price():
    ledger = Ledger()
    ledger.open_position(PERP, Decimal("-0.01"), Decimal(10_000))
    ledger.post_fill(PERP, Side.BUY, Fill(1, 10, 99_000, Decimal(0)))
    assert ledger.amount("binance:linear", "USDT") == Decimal(1)
    ledger.check_identity()


def test_broken_identity_is_seen():
    ledger = Ledger()
    ledger.open("binance:spot", "USDT", Decimal(10))
    ledger._amounts["binance:spot", "USDT"] += 1
    with pytest.raises(AssertionError, match="sum to 1"):
        ledger.check_identity()


def test_multiplied_contract_keeps_units_of_the_underlying_apart_from_its_own():
    one = make_instruments([instrument_row(0, "linear", "1000SHIB", multiplier=1000, px_scale=7, tick="0.0000001", qty_scale=0,
                                           lot="1")])[0]
    assert one.units(3) == 3000 and one.lot == 1000 and one.floor_qty(Decimal(3999)) == 3
    ledger = Ledger()
    ledger.post_fill(one, Side.BUY, Fill(1, 3, 250_000, Decimal(0)))
    assert ledger.positions[one.name].qty == 3 and ledger.open_cost("USDT") == Decimal("-0.075")

"""The engine's own books: double entry, exact, per account ("binance:spot", "bybit:unified") and asset.

Each transaction's postings sum to zero per asset. Venue accounts hold what the venues should say; nominal accounts (`~trading`,
`~fees`,
`~funding`, `~correction`, `~transfer`, `~opening`) hold where it came from. A futures fill moves no wallet: its amount goes to
`<account>#<name>` (open cost of that position) and is realised into the wallet when the position shrinks, by average cost,
rounded to 8 decimals while a rest stays open (as venues keep wallets) and exactly when it is flat. Called by the manager only;
the postings of each transaction are returned for the journal.
"""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from engine.events import Side
from engine.trade.instruments import Instrument
from engine.trade.money import AMOUNT_UNIT, EXACT, ZERO, exact, text
from engine.trade.orders import Fill

TRADING, FEES, FUNDING, CORRECTION, TRANSFER, OPENING = "~trading", "~fees", "~funding", "~correction", "~transfer", "~opening"


class Posting(NamedTuple):
    account: str
    asset: str
    amount: Decimal

    def to_json(self) -> list[str]:
        return [self.account, self.asset, text(self.amount)]


@dataclass(slots=True)
class Difference:
    """Where the venue's word and ours differ; `difference` = ours - theirs."""
    account: str
    asset: str
    ours: Decimal
    theirs: Decimal

    @property
    def difference(self) -> Decimal:
        return self.ours - self.theirs

    def __str__(self) -> str:
        return f"{self.account} {self.asset}: ledger {text(self.ours)}, venue {text(self.theirs)}, difference {text(self.difference)}"


@dataclass(slots=True)
class Position:
    """A futures position of ours, in base units of the instrument (not multiplied), signed; cost = what flowed, buys negative."""
    qty: Decimal = ZERO
    cost: Decimal = ZERO


class Ledger:
    def __init__(self) -> None:
        self._amounts: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
        self._turnover: dict[tuple[str, str, str], Decimal] = defaultdict(lambda: ZERO)  # (account, asset, nominal account)
        self._opened: set[str] = set()
        self.positions: dict[str, Position] = defaultdict(Position)
        self._position_account: dict[str, str] = {}
        self.posted_fills = 0

    # ---------------------------------------------------------------- transactions

    @exact
    def open(self, account: str, asset: str, amount: Decimal) -> list[Posting]:
        """The balance that the venue states at the start."""
        self._opened.add(account)
        return self._move(account, asset, amount - self.amount(account, asset), OPENING)

    @exact
    def open_position(self, instrument: Instrument, qty: Decimal, entry_px: Decimal) -> None:
        """A futures position that was there before us, at the venue's entry price."""
        self.positions[instrument.name] = Position(qty, -qty * entry_px)
        self._position_account[instrument.name] = instrument.account
        self._amounts[f"{instrument.account}#{instrument.name}", instrument.settle] = -qty * entry_px
        self._amounts[OPENING, instrument.settle] += qty * entry_px

    @exact
    def post_fill(self, instrument: Instrument, side: int, fill: Fill) -> list[Posting]:
        """Quantity and price of one fill (its fee comes by post_fee)."""
        self.posted_fills += 1
        sign = 1 if side == Side.BUY else -1
        cash = -sign * instrument.amount(fill.px, fill.qty)
        base = sign * instrument.units(fill.qty) / instrument.multiplier
        if instrument.is_spot:
            return (self._move(instrument.account, instrument.base, base, TRADING)
                    + self._move(instrument.account, instrument.quote, cash, TRADING))
        cost_account = f"{instrument.account}#{instrument.name}"
        postings = self._move(cost_account, instrument.settle, cash, TRADING)
        realised = self._shift_position(instrument, base, cash)
        if realised:
            postings += self._move(instrument.account, instrument.settle, realised, cost_account)
        return postings

    def _shift_position(self, instrument: Instrument, base: Decimal, cash: Decimal) -> Decimal:
        """Books the change of a futures position; what was realised by it."""
        self._position_account[instrument.name] = instrument.account
        position = self.positions[instrument.name]
        before, after = position.qty, position.qty + base
        position.qty = after
        if not before or (before > 0) == (base > 0):
            position.cost += cash
            return ZERO
        if not after:
            realised = position.cost + cash
            position.cost = ZERO
        elif (after > 0) == (before > 0):
            released = (position.cost * (-base) / before).quantize(AMOUNT_UNIT, context=EXACT)
            realised = released + cash
            position.cost -= released
        else:  # through zero: the old position is closed at this price, the rest opens at it
            opening_cash = cash * after / base
            realised = position.cost + cash - opening_cash
            position.cost = opening_cash
        return realised

    @exact
    def post_fee(self, instrument: Instrument, fill: Fill) -> list[Posting]:
        """The fee in its own asset, taken from the account on which the fill happened; a rebate is negative."""
        if not fill.fee:
            return []
        return self._move(instrument.account, fill.fee_asset or instrument.settle, -fill.fee, FEES)

    @exact
    def post_funding(self, account: str, asset: str, amount: Decimal) -> list[Posting]:
        return self._move(account, asset, amount, FUNDING)

    @exact
    def post_transfer(self, account: str, asset: str, amount: Decimal) -> list[Posting]:
        """Deposit, withdrawal or a move between wallets, by a person."""
        return self._move(account, asset, amount, TRANSFER)

    @exact
    def post_correction(self, account: str, asset: str, amount: Decimal) -> list[Posting]:
        """A difference that was accepted: its own entry, nothing is edited."""
        return self._move(account, asset, amount, CORRECTION)

    def _move(self, account: str, asset: str, amount: Decimal, nominal: str) -> list[Posting]:
        """`amount` into `account`, the same out of `nominal`."""
        if not amount:
            return []
        self._amounts[account, asset] += amount
        self._amounts[nominal, asset] -= amount
        self._turnover[account, asset, nominal] += amount
        return [Posting(account, asset, amount), Posting(nominal, asset, -amount)]

    # ---------------------------------------------------------------- looking

    def amount(self, account: str, asset: str) -> Decimal:
        return self._amounts.get((account, asset), ZERO)

    def is_open(self, account: str) -> bool:
        """Whether the venue stated its opening balances: an asset that it did not list was zero."""
        return account in self._opened

    def flow(self, account: str, asset: str, nominal: str) -> Decimal:
        """Sum of what came into `account` out of `nominal`."""
        return self._turnover.get((account, asset, nominal), ZERO)

    def accounts(self) -> dict[str, dict[str, Decimal]]:
        """Venue accounts only: {"binance:spot": {"USDT": ...}}."""
        found: dict[str, dict[str, Decimal]] = {}
        for (account, asset), amount in sorted(self._amounts.items()):
            if not account.startswith("~") and "#" not in account:
                found.setdefault(account, {})[asset] = amount
        return found

    def position_table(self) -> dict[str, dict[str, Decimal]]:
        """Open futures positions: {"binance:linear": {"binance:BTC/USDT:USDT": ...}}."""
        found: dict[str, dict[str, Decimal]] = {}
        for name, position in sorted(self.positions.items()):
            if position.qty:
                found.setdefault(self._position_account[name], {})[name] = position.qty
        return found

    def open_cost(self, asset: str) -> Decimal:
        """What futures positions still open have cost (shorts positive), in `asset`."""
        return sum((amount for (account, posted), amount in self._amounts.items() if "#" in account and posted == asset), ZERO)

    @exact
    def profit_by_asset(self) -> dict[str, Decimal]:
        """Change of each asset by trading, fees, funding and corrections (not openings, not transfers)."""
        found: dict[str, Decimal] = defaultdict(lambda: ZERO)
        for (account, asset, nominal), amount in self._turnover.items():
            if not account.startswith("~") and "#" not in account and nominal not in (OPENING, TRANSFER):
                found[asset] += amount
        return dict(sorted(found.items()))

    # ---------------------------------------------------------------- proofs

    @exact
    def check(self, balances: Mapping[str, Mapping[str, Decimal]]) -> list[Difference]:
        """Compares with what the venues say, exactly; assets that a given account does not list count as zero there."""
        ours = self.accounts()
        found = []
        for account, theirs in balances.items():
            mine = ours.get(account, {})
            for asset in sorted(set(mine) | set(theirs)):
                a, b = mine.get(asset, ZERO), Decimal(theirs.get(asset, ZERO))
                if a != b:
                    found.append(Difference(account, asset, a, b))
        return found

    @exact
    def check_identity(self) -> None:
        """Every asset's postings sum to zero, and each venue balance is the sum of what flowed in; AssertionError says where
        not."""
        sums: dict[str, Decimal] = defaultdict(lambda: ZERO)
        for (_, asset), amount in self._amounts.items():
            sums[asset] += amount
        for asset, total in sums.items():
            assert total == ZERO, f"ledger: postings of {asset} sum to {total}, not 0"
        flows: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
        for (account, asset, _), amount in self._turnover.items():
            flows[account, asset] += amount
        for key, amount in self._amounts.items():
            if not key[0].startswith("~") and "#" not in key[0]:
                assert flows[key] == amount, f"ledger: {key} holds {amount}, flows sum to {flows[key]}"
        for name, position in self.positions.items():
            held = [amount for (account, _), amount in self._amounts.items() if account.endswith(f"#{name}")]
            assert sum(held, ZERO) == position.cost, f"ledger: open cost of {name} is {held}, position says {position.cost}"

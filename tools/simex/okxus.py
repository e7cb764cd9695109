"""OKX US, simulated: OKX's protocol, spot only, accounts of the spot level.

Its keys are its own: those of another site are unknown here (50119).  Its fee groups were not seen; these are careful guesses.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from tools.simex import okx
from tools.simex.contract import SPOT
from tools.simex.okx_dialect import OkxDialect

SIM = replace(
    okx.SIM,
    name="okxus",
    markets=(SPOT,),
    fees={SPOT: ("0.002", "0.0035")},
    make_dialect=partial(OkxDialect, account_level="1"),
    account_flags=("may_withdraw",),
)

"""Binance.US, simulated: Binance's spot protocol; HMAC keys only, and user streams by listen key beside the subscriptions.

Source: binance-us-api-docs (2024-06) and its capture of 2026-08.  Fees are the 0.10 % that public clients assume; tiers vary by
pair.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from tools.simex import binance
from tools.simex.binance_dialect import BinanceDialect
from tools.simex.binance_listing import reader
from tools.simex.contract import SPOT

SIM = replace(
    binance.SIM,
    name="binanceus",
    markets=(SPOT,),
    roles=binance.SPOT_ROLES,
    fees={SPOT: ("0.001", "0.001")},
    make_dialect=partial(BinanceDialect, listen_key_markets=(SPOT,), key_kinds=("hmac",)),
    account_flags=("bnb_burn",),
    read_listing=reader("binanceus"),
)

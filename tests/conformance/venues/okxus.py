"""OKX US: OKX's protocol at other addresses; spot only."""
from __future__ import annotations

from dataclasses import replace

from tests.conformance.venues import okx

CASE = replace(
    okx.CASE,
    name="okxus",
    markets=("spot",),
    listing=(okx.SPOT_LISTING, okx.LISTING[-1]),
    scenes=(okx.SPOT_SCENE,),
    recordings=tuple(recording for recording in okx.RECORDINGS if recording.market == "spot"),
    real_listings=okx.CASE.real_listings[:1],
    ccxt=replace(okx.CCXT, id="okxus", options={"fetchCurrencies": False, "fetchMarkets": {"types": ["spot"]}},
                 symbols={"spot": "BTC/USDT"}, positions=False),
)

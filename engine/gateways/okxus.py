"""OKX US's order side: OKX's spot with other data (hosts of the OKX v5 documentation, 2026-09; okx/agent-trade-kit 2026-07).

Spot only: perpetuals are not offered by any statement of the venue. Accounts are of the spot mode there (acctLv 1: max-size and
max-avail-size answer 51010, so balances are all that is asked), with fee groups of their own, which trade-fee tells. A key of one
site is unknown on the other (50119). Another tool of the venue's reaches REST under app.okx.com, which venues.okxus.endpoints can
say.
"""
from __future__ import annotations

from dataclasses import replace

from engine.gateways import okx

GATEWAY = replace(
    okx.GATEWAY,
    name="okxus",
    markets=("spot",),
    roles={"spot": okx.GATEWAY.roles["spot"]},
    endpoints={
        "live": {"rest": "https://us.okx.com", "private_ws": "wss://wsus.okx.com:8443/ws/v5/private"},
        "testnet": {"rest": "https://us.okx.com", "private_ws": "wss://wsuspap.okx.com:8443/ws/v5/private"},
    },
    features={"spot": okx.GATEWAY.features["spot"]},
    options={
        **okx.GATEWAY.options,
        "has_tiers": False,
        "lacks": (*okx.GATEWAY.options["lacks"],
                  "no perpetuals",
                  "orders on books that several dollars share take the quote of the instrument: tradeQuoteCcy is not said"),
    })

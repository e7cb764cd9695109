"""How OKX US is read: OKX spot under other addresses. Keys of one site are unknown on the other.

Sources: hosts of the OKX v5 documentation (2026-09); okx/agent-trade-kit (2026-07) reaches REST under app.okx.com, which
venues.okxus.endpoints can say. Perpetuals are not offered by any statement of the venue. Its fee groups are its own since 2026-02
and were not seen: these rates are careful guesses until the account's are read."""

from dataclasses import replace

from feeds.venues import okx

_REAL = {
    "rest": "https://us.okx.com",
    "public_ws": "wss://wsus.okx.com:8443/ws/v5/public",
    "private_ws": "wss://wsus.okx.com:8443/ws/v5/private",
}
_DEMO = {role: url.replace("//wsus.", "//wsuspap.") for role, url in _REAL.items()}

VENUE = replace(
    okx.VENUE,
    name="okxus",
    title="OKX US",
    markets=("spot",),
    endpoints={"dry_run": _REAL, "paper": _REAL, "testnet": _DEMO},
    sockets={"spot": okx.SOCKETS},
    rest={"spot": okx.REST},
    fees={"spot_maker_bps": 20.0, "spot_taker_bps": 35.0},
)

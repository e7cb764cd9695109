"""How Binance.US is read: Binance spot under other addresses, with smaller limits and one kind of key.

Sources: binance-us-api-docs (2024-06), docs.binance.us (2026-08). The upgrade announced for 2026-08-31 raises the weights to
Binance's; until it is seen, the smaller ones hold. There is no public testnet, and no perpetual."""
from dataclasses import replace

from feeds.venue import RestLimits
from feeds.venues import binance

_REAL = {"spot_rest": "https://api.binance.us", "spot_ws": "wss://stream.binance.us:9443"}

VENUE = replace(
    binance.VENUE,
    name="binanceus",
    title="Binance.US",
    markets=("spot",),
    roles=("spot_rest", "spot_ws", "spot_ws_api"),
    endpoints={"dry_run": _REAL, "paper": _REAL},
    sockets={"spot": binance.VENUE.sockets["spot"]},
    rest={"spot": RestLimits("spot_rest", 1200, used_header="X-MBX-USED-WEIGHT-1M")},
    fees={"spot_taker_bps": 10.0, "spot_maker_bps": 10.0},
    credentials={"hmac": ("hmac_key", "hmac_secret")},
)

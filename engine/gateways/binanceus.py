"""Binance.US's order side: Binance's spot with other data (venues/binance.md, part C; venue pages of 2024-06 and 2026-08).

Spot only, HMAC keys only (no session.logon: each request carries its signature), the user stream by listen key. No testnet. After
the venue's upgrade announced for 2026-08-31 the user stream may be had over the WS API as well: then `user_stream` is the line to
change. Fees: the rates of the account, one for all symbols; whether a page of rates by symbol exists is not confirmed.
"""
from __future__ import annotations

from dataclasses import replace

from engine.gateways import binance

GATEWAY = replace(
    binance.GATEWAY,
    name="binanceus",
    markets=("spot",),
    roles={"spot": ("spot_rest", "spot_ws_api", "spot_ws")},
    endpoints={"live": {
        "spot_rest": "https://api.binance.us",
        "spot_ws_api": "wss://ws-api.binance.us:443/ws-api/v3",
        "spot_ws": "wss://stream.binance.us:9443",
    }},
    auths={"hmac": ("hmac_key", "hmac_secret")},
    features={"spot": binance.GATEWAY.features["spot"]},
    options={
        **binance.GATEWAY.options,
        "user_stream": "listen_key",
        "fees": "account",
        "has_restrictions": False,
        "weight_limits": {"spot": 1200},
        "lacks": {"spot": ("no cancel timer at the venue",
                           "fees are one rate for the account: promotions of single pairs are not seen",
                           "what the key may do besides trading cannot be read",
                           "no testnet")},
    })

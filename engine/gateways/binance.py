"""Binance's order side, declared. Facts as data stand in binance_facts.py and cext/decoders/binance_errors.py, requests and
parsers in binance_market.py, keys in binance_credentials.py."""
from __future__ import annotations

from cext.decoders.binance_errors import ERRORS
from engine.gateways.binance_credentials import load_credentials
from engine.gateways.binance_facts import ENDPOINTS, MARKETS, ROLES, VENUE, WEIGHT_LIMIT
from engine.gateways.binance_market import BinanceMarket
from engine.gateways.contract import Features, GatewayVenue

GATEWAY = GatewayVenue(
    name=VENUE,
    markets=MARKETS,
    roles=ROLES,
    endpoints=ENDPOINTS,
    make_market=BinanceMarket,
    load_credentials=load_credentials,
    auths={"ed25519": ("ed25519_key", "ed25519_private"), "hmac": ("hmac_key", "hmac_secret")},
    features={"spot": Features(ws_query=True, cancel_all=True, acks_are_final=True),
              "linear": Features(ws_query=True, reduce_only=True, amend=True, cancel_all=True, dead_man=True,
                                 acks_are_final=True)},
    errors=ERRORS,
    key_refused=frozenset({-2014, -2015, -1022, -1002}),
    options={
        "user_stream": "ws_api",
        "fees": "symbol",
        "has_restrictions": True,
        "weight_limits": WEIGHT_LIMIT,
        "lacks": {"spot": ("no cancel timer at the venue",)},
    })

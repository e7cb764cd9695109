"""Bybit's order side, declared. Facts as data stand in bybit_facts.py and cext/decoders/bybit_errors.py, requests and parsers in
bybit_market.py, keys in bybit_credentials.py."""
from __future__ import annotations

from cext.decoders.bybit_errors import ERRORS
from engine.gateways.bybit_credentials import load_credentials
from engine.gateways.bybit_facts import ENDPOINTS, MARKETS, ROLES, VENUE
from engine.gateways.bybit_market import BybitMarket
from engine.gateways.contract import UNIFIED, Features, GatewayVenue

GATEWAY = GatewayVenue(
    name=VENUE,
    markets=MARKETS,
    roles=ROLES,
    endpoints=ENDPOINTS,
    make_market=BybitMarket,
    load_credentials=load_credentials,
    auths={"hmac": ("hmac_key", "hmac_secret")},
    features={"spot": Features(cancel_all=True), "linear": Features(reduce_only=True, cancel_all=True)},
    errors=ERRORS,
    key_refused=frozenset({10003, 10004, 10005, 10007, 10010, 10024, 33004}),
    account=UNIFIED,
    # 10 (linear) and 20 (spot) requests in any second: a bucket of half of each never sends more
    order_rates={"spot": (10, 10), "linear": (5, 5)},
    options={
        "lacks": ("no cancel timer that a client drives: disconnect protection is for institutions, and the engine does not use it",
                  "an ack is no outcome: what became of an order comes with the private topics",
                  "no snapshot when a private topic is subscribed: REST is asked after each reconnect",
                  "cancel-all of a linear symbol takes 500 orders at most"),
    })

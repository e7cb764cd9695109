"""OKX's order side, declared. Facts as data stand in okx_facts.py and cext/decoders/okx_errors.py, requests and parsers in
okx_market.py, keys in okx_credentials.py."""
from __future__ import annotations

from cext.decoders.okx_errors import ERRORS
from engine.gateways.contract import UNIFIED, ClockLimits, Features, GatewayVenue
from engine.gateways.okx_credentials import load_credentials
from engine.gateways.okx_facts import ENDPOINTS, MARKETS, ROLES, VENUE
from engine.gateways.okx_market import OkxMarket

GATEWAY = GatewayVenue(
    name=VENUE,
    markets=MARKETS,
    roles=ROLES,
    endpoints=ENDPOINTS,
    make_market=OkxMarket,
    load_credentials=load_credentials,
    auths={"hmac": ("hmac_key", "hmac_secret", "passphrase")},
    features={"spot": Features(dead_man=True, native_ttl=True),
              "linear": Features(reduce_only=True, dead_man=True, native_ttl=True)},
    errors=ERRORS,
    key_refused=frozenset({50100, 50101, 50103, 50104, 50105, 50106, 50107, 50110, 50111, 50113, 50114, 50119, 50120}),
    account=UNIFIED,
    clock=ClockLimits(samples=3),   # ten in two seconds, counted by address
    options={
        "has_tiers": True,
        "lacks": ("an ack is no outcome: what became of an order comes with the orders channel",
                  "no snapshot when the orders channel is subscribed: REST is asked after each reconnect",
                  "no request cancels everything: open orders are listed and cancelled 20 at a time",
                  "orders of an instrument without instIdCode cannot be said on the socket: it is refused at start",
                  "promotions of single pairs (zero fees) are not shown by the fee request"),
    })

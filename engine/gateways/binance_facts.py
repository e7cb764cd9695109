"""Binance spot and USD-M futures as data: where, which paths, what it costs (venues/binance.md, read 2026-11-20).

Testnet addresses are the venue's demo and testnet hosts. USD-M sockets are routed (/public, /market, /private) since 2026-04-23;
user data is on /private. Nothing here is asked of a venue that configuration or simex.json points elsewhere.
"""
from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

VENUE = "binance"
MARKETS = ("spot", "linear")


@dataclass(frozen=True, slots=True)
class OrderEndpoints:
    """What the gateway connects to. Market data addresses are the feed's."""
    spot_rest: str
    spot_ws_api: str
    linear_rest: str
    linear_ws_api: str
    linear_ws_private: str  # without /ws

    def replaced(self, others: dict[str, Any]) -> OrderEndpoints:
        """The same with the addresses of `others` where it has them (config, simex.json; other keys are the feed's)."""
        return OrderEndpoints(*(others.get(f.name) or getattr(self, f.name) for f in fields(self)))


ENDPOINTS = {
    "live": OrderEndpoints(
        spot_rest="https://api.binance.com",
        spot_ws_api="wss://ws-api.binance.com:443/ws-api/v3",
        linear_rest="https://fapi.binance.com",
        linear_ws_api="wss://ws-fapi.binance.com/ws-fapi/v1",
        linear_ws_private="wss://fstream.binance.com/private"),
    "testnet": OrderEndpoints(
        spot_rest="https://testnet.binance.vision",
        spot_ws_api="wss://ws-api.testnet.binance.vision/ws-api/v3",
        linear_rest="https://demo-fapi.binance.com",
        linear_ws_api="wss://testnet.binancefuture.com/ws-fapi/v1",
        linear_ws_private="wss://demo-fstream.binance.com/private"),
}

# Documented weight limits a minute and address; exchangeInfo has the truth.
WEIGHT_LIMIT = {"spot": 6000, "linear": 2400}

PATHS: dict[str, dict[str, str]] = {
    "spot": {
        "time": "/api/v3/time",
        "account": "/api/v3/account",
        "commission": "/api/v3/account/commission",
        "order": "/api/v3/order",
        "open_orders": "/api/v3/openOrders",
        "my_trades": "/api/v3/myTrades",
        "restrictions": "/sapi/v1/account/apiRestrictions",
    },
    "linear": {
        "time": "/fapi/v1/time",
        "account": "/fapi/v3/account",
        "balance": "/fapi/v3/balance",
        "positions": "/fapi/v3/positionRisk",
        "symbol_config": "/fapi/v1/symbolConfig",
        "position_mode": "/fapi/v1/positionSide/dual",
        "multi_assets": "/fapi/v1/multiAssetsMargin",
        "commission": "/fapi/v1/commissionRate",
        "order": "/fapi/v1/order",
        "open_orders": "/fapi/v1/openOrders",
        "my_trades": "/fapi/v1/userTrades",
        "listen_key": "/fapi/v1/listenKey",
        "income": "/fapi/v1/income",
    },
}

LISTEN_KEY_KEEPALIVE_S = 1800.0    # it lives 60 min
CLOCK_SAMPLES = 5                  # of which the one with the shortest round trip counts
CLOCK_REFRESH_S = 10.0
CLOCK_UNCERTAINTY_MAX_NS = 50_000_000  # beyond: no entries (RELIABILITY B14)
FEE_REQUESTS_AT_A_TIME = 4
FEES_AT_START = 5                  # symbols whose fees are read before trading; 20 weight each
FEE_PACE_S = 3.0                   # between two of the others
FEES_REFRESH_S = 86_400.0
MARGIN_TYPES = frozenset({"CROSSED", "ISOLATED"})
LEVERAGE_MAX = 20                  # an account set higher than this is not one we know how to size for

"""Binance spot and USD-M futures as data: where, which paths, what it costs (venues/binance.md, read 2026-11-20).

Testnet addresses are the venue's demo and testnet hosts. USD-M sockets are routed (/public, /market, /private) since 2026-04-23;
user data is on /private. Nothing here is asked of a venue that configuration or simex.json points elsewhere.
"""
from __future__ import annotations

from collections.abc import Mapping

VENUE = "binance"
MARKETS = ("spot", "linear")


# The addresses that order entry connects to, by market. Those of market data are the feed's.
ROLES = {"spot": ("spot_rest", "spot_ws_api"), "linear": ("linear_rest", "linear_ws_api", "linear_ws_private")}
ENDPOINTS: Mapping[str, Mapping[str, str]] = {
    "live": {
        "spot_rest": "https://api.binance.com",
        "spot_ws_api": "wss://ws-api.binance.com:443/ws-api/v3",
        "linear_rest": "https://fapi.binance.com",
        "linear_ws_api": "wss://ws-fapi.binance.com/ws-fapi/v1",
        "linear_ws_private": "wss://fstream.binance.com/private",  # without /ws
    },
    "testnet": {
        "spot_rest": "https://testnet.binance.vision",
        "spot_ws_api": "wss://ws-api.testnet.binance.vision/ws-api/v3",
        "linear_rest": "https://demo-fapi.binance.com",
        "linear_ws_api": "wss://testnet.binancefuture.com/ws-fapi/v1",
        "linear_ws_private": "wss://demo-fstream.binance.com/private",
    },
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
        "cancel_all": "/api/v3/openOrders",
        "listen_key": "/api/v3/userDataStream",
        "my_trades": "/api/v3/myTrades",
        "restrictions": "/sapi/v1/account/apiRestrictions",
        "status": "/sapi/v1/system/status",
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
        "cancel_all": "/fapi/v1/allOpenOrders",
        "countdown": "/fapi/v1/countdownCancelAll",
        "my_trades": "/fapi/v1/userTrades",
        "listen_key": "/fapi/v1/listenKey",
        "income": "/fapi/v1/income",
    },
}

LISTEN_KEY_KEEPALIVE_S = 1800.0    # it lives 60 min
INCOME_PAGE = 1000                 # the most that one answer holds
INCOME_PAGES_MAX = 20
DEAD_MAN_SYMBOLS_MAX = 20          # the timer is set symbol by symbol, 10 weight each
MARGIN_TYPES = frozenset({"CROSSED", "ISOLATED"})
LEVERAGE_MAX = 20                  # an account set higher than this is not one we know how to size for

"""Bybit v5 spot and USDT/USDC perpetuals as data: where, which paths, what it costs (Bybit v5 documentation as of 2026-07-24).

Both markets pay from one unified account and share every address of the order side; the word `category` tells them apart.
Accounts of regional sites (bybit.eu, bybit.nl, bybit.tr, bybit.kz ...) must use their own hosts: a key of another site is
refused with 10003.
"""
from __future__ import annotations

from collections.abc import Mapping

VENUE = "bybit"
MARKETS = ("spot", "linear")

# The addresses that order entry connects to, by market. Those of market data are the feed's.
ROLES = {"spot": ("rest", "private_ws", "trade_ws"), "linear": ("rest", "private_ws", "trade_ws")}
ENDPOINTS: Mapping[str, Mapping[str, str]] = {
    "live": {
        "rest": "https://api.bybit.com",
        "private_ws": "wss://stream.bybit.com/v5/private",
        "trade_ws": "wss://stream.bybit.com/v5/trade",
    },
    "testnet": {
        "rest": "https://api-testnet.bybit.com",
        "private_ws": "wss://stream-testnet.bybit.com/v5/private",
        "trade_ws": "wss://stream-testnet.bybit.com/v5/trade",
    },
}

PATHS = {
    "time": "/v5/market/time",
    "status": "/v5/system/status",
    "key": "/v5/user/query-api",
    "account": "/v5/account/info",
    "balance": "/v5/account/wallet-balance",
    "fees": "/v5/account/fee-rate",
    "transactions": "/v5/account/transaction-log",
    "positions": "/v5/position/list",
    "risk": "/v5/market/risk-limit",
    "orders": "/v5/order/realtime",       # open, and the 500 newest finished ones
    "history": "/v5/order/history",
    "executions": "/v5/execution/list",
    "cancel": "/v5/order/cancel",
    "cancel_all": "/v5/order/cancel-all",
}

# Topics of the private socket by market, and those that are told once for the account.
TOPICS = {"spot": ("order.spot", "execution.spot"), "linear": ("order.linear", "execution.linear", "position.linear")}
ACCOUNT_TOPICS = ("wallet",)

PING = b'{"op":"ping"}'
PING_EVERY_S = 20.0
AUTH_LIFE_MS = 10_000              # how far ahead a logon of a socket expires

ORDERS_PAGE = 50                   # the most that one answer holds
EXECUTIONS_PAGE = 100
POSITIONS_PAGE = 200
TRANSACTIONS_PAGE = 50
PAGES_MAX = 40
TRANSACTION_RANGE_NS = 7 * 86_400 * 10**9 - 10**9   # the longest time that one question may span
FUNDING_POLL_S = 60.0              # the private topics may not push payments: they are read
FUNDING_OVERLAP_NS = 600 * 10**9   # read again, because they are booked late
POSITION_PACE_S = 0.04             # between two questions for one symbol's leverage: 50 a second are allowed
CANCEL_ALL_MAX = 500               # orders that one cancel-all takes
CLOSED_WORDS = frozenset({"Rejected", "Filled", "Cancelled", "PartiallyFilledCanceled", "Deactivated"})

# unifiedMarginStatus: 1 = classic, 3/4 = unified 1.0 (pro), 5/6 = unified 2.0 (pro)
UNIFIED_STATUS = {3: "unified 1.0", 4: "unified 1.0 pro", 5: "unified 2.0", 6: "unified 2.0 pro"}
MARGIN_TYPES = {"REGULAR_MARGIN": "CROSSED", "ISOLATED_MARGIN": "ISOLATED"}
LEVERAGE_MAX = 20                  # an account set higher than this is not one we know how to size for

# What a key must be able to do: one of these pairs (group, right) a market.
RIGHTS = {"spot": (("Spot", "SpotTrade"),), "linear": (("ContractTrade", "Order"), ("Derivatives", "DerivativesTrade"))}
# Rights that move money out of the account.
MOVING_RIGHTS = frozenset({"Withdraw", "AccountTransfer", "SubMemberTransfer"})

# Rate codes, and how long no request goes out.
FORBIDDEN_STOP_S = 600.0           # HTTP 403 "access too frequent": the venue wants ten minutes of silence
PROTECTION_STOP_S = 1.0            # 10429 and other windows of one second
BUCKET_WINDOW_S = 1.0
RATE_CODES = frozenset({10429, 10403, 20003})
BUCKET_CODE = 10006                # requests a second of one endpoint

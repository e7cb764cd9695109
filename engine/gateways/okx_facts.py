"""OKX v5 spot and USDT/USDC perpetuals (its SWAP) as data: where, which paths, what it costs (OKX v5 documentation 2026-06..09).

Both markets pay from one unified account and share every address of the order side; the word `instType` tells them apart. Orders
and account news take two sockets of the same address, so that neither waits for the other.
"""
from __future__ import annotations

from collections.abc import Mapping

VENUE = "okx"
MARKETS = ("spot", "linear")
INST_TYPES = {"spot": "SPOT", "linear": "SWAP"}

# The addresses that order entry connects to, by market. Market data's public_ws is the feed's.
ROLES = {"spot": ("rest", "private_ws"), "linear": ("rest", "private_ws")}
ENDPOINTS: Mapping[str, Mapping[str, str]] = {
    "live": {"rest": "https://www.okx.com", "private_ws": "wss://ws.okx.com:8443/ws/v5/private"},
    # the demo: the same REST host, told by a header
    "testnet": {"rest": "https://www.okx.com", "private_ws": "wss://wspap.okx.com:8443/ws/v5/private"},
}
DEMO_HEADERS = {"x-simulated-trading": "1"}

PATHS = {
    "time": "/api/v5/public/time",
    "status": "/api/v5/system/status",
    "instruments": "/api/v5/public/instruments",
    "tiers": "/api/v5/public/position-tiers",
    "config": "/api/v5/account/config",
    "balance": "/api/v5/account/balance",
    "positions": "/api/v5/account/positions",
    "leverage": "/api/v5/account/leverage-info",
    "fees": "/api/v5/account/trade-fee",
    "bills": "/api/v5/account/bills",                  # 7 days
    "bills_archive": "/api/v5/account/bills-archive",  # 3 months
    "order": "/api/v5/trade/order",
    "pending": "/api/v5/trade/orders-pending",
    "fills": "/api/v5/trade/fills",                    # 3 days
    "fills_history": "/api/v5/trade/fills-history",    # 3 months
    "cancel": "/api/v5/trade/cancel-order",
    "cancel_batch": "/api/v5/trade/cancel-batch-orders",
    "cancel_after": "/api/v5/trade/cancel-all-after",
}

# Requests within seconds of each path, counted here: no header tells what is left. Trading paths are counted by the venue for
# each instrument; one count for all of them is the careful side. Of paths marked ? the figure is long-standing, not read in 2026.
WINDOW_S = 2.0
LIMITS: Mapping[str, tuple[int, float]] = {
    "time": (10, WINDOW_S),
    "status": (1, 5.0),
    "instruments": (20, WINDOW_S),
    "tiers": (10, WINDOW_S),
    "config": (5, WINDOW_S),           # ?
    "balance": (10, WINDOW_S),         # ?
    "positions": (10, WINDOW_S),
    "leverage": (20, WINDOW_S),        # ?
    "fees": (5, WINDOW_S),
    "bills": (10, WINDOW_S),           # ? 5 a second
    "bills_archive": (5, WINDOW_S),
    "order": (60, WINDOW_S),
    "pending": (60, WINDOW_S),
    "fills": (60, WINDOW_S),           # ?
    "fills_history": (10, WINDOW_S),   # ?
    "cancel": (60, WINDOW_S),
    "cancel_batch": (15, WINDOW_S),    # 300 orders, 20 a request
    "cancel_after": (1, 1.0),
}
LIMIT_OF_PATH: Mapping[str, tuple[str, int, float]] = {PATHS[name]: (PATHS[name], *limit) for name, limit in LIMITS.items()}
RATE_CODES = frozenset({50011, 50061})

CONNECT_PACE_S = 0.4               # between two connections: 3 a second are allowed, and the feed's come from the same address

PING = b"ping"
PONG = b"pong"

# Channels of the private socket by market, and those that are told once for the account.
CHANNELS = {"spot": ("orders",), "linear": ("orders", "positions")}
ACCOUNT_CHANNELS = ("account",)
SILENT = '{"updateInterval":"0"}'  # extraParams: news only, no repetition every few seconds

PAGE = 100                         # the most that one answer holds
PAGES_MAX = 40
CANCEL_BATCH = 20                  # orders of one cancel-batch-orders
LEVERAGE_BATCH = 20                # instruments of one leverage-info
BILLS_RANGE_NS = 7 * 86_400 * 10**9 - 600 * 10**9   # what the short list of bills reaches back, less a margin
FUNDING_BILL = "8"                 # type of a bill
FUNDING_SIGNS = {"173": -1, "174": 1}               # subType: paid, received
FUNDING_POLL_S = 30.0              # no channel tells payments as such: they are read
FUNDING_OVERLAP_NS = 600 * 10**9   # read again, because they are booked late
FILLS_MARGIN_NS = 5 * 10**9        # how much earlier than it was sent an order's fills are looked for

# acctLv; a perpetual needs margin, which the first one has not
MODES = {"1": "spot", "2": "futures", "3": "multi-currency margin", "4": "portfolio margin"}
MODES_OF_MARKET = {"spot": ("1", "2", "3", "4"), "linear": ("2", "3", "4")}
POSITION_MODE = "net_mode"
LEVERAGE_MAX = 20                  # an account set higher than this is not one we know how to size for
# perm: what moves money out of the account
MOVING_RIGHTS = frozenset({"withdraw"})
TRADE_RIGHT = "trade"

DEAD_MAN_S = (10, 120)             # cancel-all-after takes so many seconds, or 0
DEAD_MAN_PACE_S = 1.05             # between two of them: one a second is allowed
# Codes that mean of one order's cancel: there is nothing left to cancel
GONE_CODES = frozenset({51400, 51401, 51402, 51410, 51503, 51509, 51603})

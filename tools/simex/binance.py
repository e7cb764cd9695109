"""Binance, simulated: spot and USD-M futures.  The dialect is in binance_*.py.

Fees are those of the base tier (VIP 0).  Sources as in the modules named binance_*.
"""

from __future__ import annotations

from tools.simex.binance_dialect import BinanceDialect
from tools.simex.binance_listing import WIRE_DIGITS, look, reader
from tools.simex.contract import LINEAR, SPOT, Role, SimVenue, TradingRules

SPOT_ROLES = (
    Role("spot_rest", "spot_rest", is_http=True),
    Role("spot_ws", "spot_ws"),
    Role("spot_ws_api", "spot_ws_api", "/ws-api/v3"),
)
LINEAR_ROLES = (
    Role("linear_rest", "linear_rest", is_http=True),
    Role("linear_ws_public", "linear_ws", "/public"),
    Role("linear_ws_market", "linear_ws", "/market"),
    Role("linear_ws_private", "linear_ws", "/private"),
    Role("linear_ws_api", "linear_ws_api", "/ws-fapi/v1"),
)

SIM = SimVenue(
    name="binance",
    markets=(SPOT, LINEAR),
    roles=SPOT_ROLES + LINEAR_ROLES,
    rules=TradingRules(post_only_refused=frozenset({SPOT, LINEAR}), fok_refused=frozenset({LINEAR})),
    fees={SPOT: ("0.001", "0.001"), LINEAR: ("0.0002", "0.0005")},
    look=look,
    make_dialect=BinanceDialect,
    wire_digits=WIRE_DIGITS,
    id_step={LINEAR: 3},  # update ids are shared by all symbols there, so one symbol's are not contiguous
    account_flags=("hedge_mode", "multi_assets", "bnb_burn"),
    read_listing=reader("binance"),
)

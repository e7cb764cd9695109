"""Bybit v5, simulated: spot and USDT perpetuals of one unified account.  The dialect is in bybit_*.py.

Fees are those of the base tier.  Sources as in the modules named bybit_*.
"""

from __future__ import annotations

from tools.simex.bybit_dialect import BybitDialect
from tools.simex.bybit_listing import LEVERAGE_MAX, look
from tools.simex.contract import LINEAR, MD, OE, SPOT, Role, SimVenue, TradingRules

SIM = SimVenue(
    name="bybit",
    markets=(SPOT, LINEAR),
    roles=(
        Role("rest", "rest", is_http=True),
        Role("public_spot_ws", "public", "/v5/public/spot"),
        Role("public_linear_ws", "public", "/v5/public/linear"),
        Role("private_ws", "private", "/v5/private"),
        Role("trade_ws", "private", "/v5/trade"),
    ),
    rules=TradingRules(is_unified=True, unique_client_ids="ever", client_id_scope="account"),
    fees={SPOT: ("0.001", "0.001"), LINEAR: ("0.0002", "0.00055")},
    look=look,
    make_dialect=BybitDialect,
    # md snapshot: a whole book in place of a delta; oe race: a cancel of a filled order is acknowledged, and Filled told again.
    extra_verbs={MD: frozenset({"snapshot"}), OE: frozenset({"race"})},
    leverage_max=LEVERAGE_MAX,
)

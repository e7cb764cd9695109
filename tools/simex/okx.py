"""OKX, simulated: spot and perpetuals settled in USDT (its SWAP), one balance for both.  The dialect is in okx_*.py.

Written from OKX v5's documentation (sections captured 2026-06 to 2026-09), independently of our decoders and gateways.  Fees are
those of the base tier (Lv1).
"""

from __future__ import annotations

from tools.simex.contract import LINEAR, SPOT, Role, SimVenue, TradingRules
from tools.simex.okx_dialect import OkxDialect
from tools.simex.okx_listing import look

# Public, private and business channels are paths of one socket, as on OKX's host.
ROLES = (
    Role("rest", "rest", is_http=True),
    Role("public_ws", "ws", "/ws/v5/public"),
    Role("private_ws", "ws", "/ws/v5/private"),
)

SIM = SimVenue(
    name="okx",
    markets=(SPOT, LINEAR),
    roles=ROLES,
    # A clOrdId is unique among pending orders of all instruments; post-only and fill-or-kill are accepted, then cancelled.
    rules=TradingRules(is_unified=True, unique_client_ids="open", client_id_scope="account"),
    fees={SPOT: ("0.0008", "0.001"), LINEAR: ("0.0002", "0.0005")},
    look=look,
    make_dialect=OkxDialect,
    account_flags=("hedge_mode", "may_withdraw"),
    leverage_max=100,
)

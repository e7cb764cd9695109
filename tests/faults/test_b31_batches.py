"""B31: a batch request succeeds in part. Batches cancel and nothing else: each item has an outcome of its own, one that is
missing or refused is told, and none of the others is held back by it."""
from __future__ import annotations

from typing import Any

import orjson
import pytest

from engine.rest import RestError
from tests.unit.engine.gateways.test_okx_market import answer_row, envelope, order_told, rig, run

PATH = "POST /api/v5/trade/cancel-batch-orders"


@pytest.mark.parametrize("spoilt", ["refused", "missing", "no answer"])
def test_b31_the_other_batches_are_asked_for_all_the_same(spoilt):
    async def work() -> None:
        async with rig() as r:
            r.rest.routes["GET /api/v5/trade/orders-pending"] = envelope(
                *(order_told("web", instType="SPOT", instId="BTC-USDT", ordId=str(n)) for n in range(1, 46)))
            asked: list[list[str]] = []

            async def cancel(request: Any) -> Any:
                ids = [one["ordId"] for one in await request.json()]
                asked.append(ids)
                rows = [{**answer_row(""), "ordId": one} for one in ids]
                if len(asked) == 1 and spoilt == "no answer":
                    return 503, {}, b"<html>"
                if len(asked) == 1 and spoilt == "refused":
                    rows[3] = {**rows[3], "sCode": "51000", "sMsg": "no"}
                if len(asked) == 1 and spoilt == "missing":
                    del rows[3]
                return 200, {}, orjson.dumps(envelope(*rows, code="2" if len(asked) == 1 else "0"))
            r.rest.routes[PATH] = cancel
            with pytest.raises(RestError, match="cancel of 20 orders of BTC-USDT"):
                await r.gateway.cancel_all("spot", ["BTC-USDT"])
            assert [len(ids) for ids in asked] == [20, 20, 5]
    run(work())


def test_b31_the_other_symbols_are_asked_for_all_the_same():
    async def work() -> None:
        async with rig() as r:
            spot = r.gateway.markets["spot"]
            asked: list[str] = []

            async def cancel_symbol(symbol: str) -> None:
                asked.append(symbol)
                if symbol == "BTC-USDT":
                    raise RestError("cancel", 503, 0, "no answer")
            spot.cancel_symbol = cancel_symbol
            with pytest.raises(RestError, match="no answer"):
                await spot.cancel_all(["BTC-USDT", "ETH-USDT", "SOL-USDT"])
            assert asked == ["BTC-USDT", "ETH-USDT", "SOL-USDT"]
    run(work())

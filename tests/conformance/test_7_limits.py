"""Rate limits: what the venue tells is read, our own count is kept, a stop or a ban is obeyed: nothing is sent while it lasts."""
from __future__ import annotations

import asyncio
import time

import pytest

from engine.events import ErrorClass, OrderStatus, OrderType, Side
from engine.rest import RestError
from feeds.rest import WeightBudget
from tests.conformance.case import VenueCase
from tests.conformance.layers import feed_of, leave
from tests.conformance.trade_rig import TradeRig, run, trading
from tests.support.fake_venue import until
from tests.support.feed_system import Venues


def live(case: VenueCase, market: str, simex: Venues, work: object) -> None:
    leave(case, 7, market)

    async def go() -> None:
        async with trading(case, simex) as rig:
            await work(rig)  # type: ignore[operator]
    run(go())


def test_use_is_read_from_headers_or_counted_by_ourselves(case: VenueCase, market: str, simex: Venues) -> None:
    async def work(rig: TradeRig) -> None:
        gateway = rig.gateway.markets[market]
        rate, row = gateway.rest.rate, rig.row(market)
        before = (rate.used_weight, {path: bucket.remaining for path, bucket in rate.buckets.items()},
                  {name: len(sent) for name, sent in rate._sent.items()})
        for _ in range(3):
            await rig.gateway.query("order", row.id, rig.new_id())
        after = (rate.used_weight, {path: bucket.remaining for path, bucket in rate.buckets.items()},
                 {name: len(sent) for name, sent in rate._sent.items()})
        assert before != after, f"three requests changed nothing that is known of {case.name}'s limits: {after}"
    live(case, market, simex, work)


@pytest.mark.conformance_full
def test_a_refusal_for_rate_stops_us_and_an_order_is_rejected_for_rate(case: VenueCase, market: str, simex: Venues) -> None:
    async def work(rig: TradeRig) -> None:
        rig.command("fault", channel="oe", verb="ratelimit", market=market)
        end = await rig.ended(rig.place(rig.row(market), Side.BUY, away_bps=-100, order_type=OrderType.GTC))
        assert (end.status, end.error_class) == (OrderStatus.REJECTED, ErrorClass.RATE)
    live(case, market, simex, work)


@pytest.mark.conformance_full
@pytest.mark.parametrize("is_ban", [False, True], ids=["limit", "ban"])
def test_a_stop_is_obeyed(case: VenueCase, market: str, simex: Venues, is_ban: bool) -> None:
    """After the venue said stop, the next requests fail here, not there."""
    async def work(rig: TradeRig) -> None:
        row, gateway = rig.row(market), rig.gateway.markets[market]
        rig.command("ratelimit", market=market, duration_ms=1500, ban=is_ban)
        with pytest.raises(RestError):
            await rig.gateway.query("order", row.id, rig.new_id())
        sent = gateway.rest.requests
        with pytest.raises(RestError) as refused:  # whatever it is for: a stop of everything, or of this path
            await gateway.open_orders()
        assert gateway.rest.requests == sent and not refused.value.was_sent, "a request went out while the venue wants none"
        if is_ban:
            assert gateway.rest.rate.stopped_for_s(time.monotonic()) > 0
        gateway.rest.rate.stopped_until_mono_s = 0.0
        gateway.rest.rate.buckets.clear()
        await asyncio.sleep(1.6)
        await until(lambda: True)
        assert (await rig.gateway.query("order", row.id, rig.new_id())).events[-1].status == OrderStatus.NOT_FOUND
    live(case, market, simex, work)


def test_our_own_count_stops_before_the_venue_does(case: VenueCase, market: str) -> None:
    """What a feed may ask over REST in a window, at most four fifths of what the venue allows."""
    limits = feed_of(case).rest[market]
    budget = WeightBudget(limits.budget, limits.window_s)
    now = (time.time() // limits.window_s) * limits.window_s
    allowed = sum(budget.wait_s(1, now) == 0 for _ in range(limits.budget + 10))
    assert 0 < allowed <= limits.budget * 0.8 + 1
    assert budget.wait_s(1, now) > 0
    assert budget.wait_s(1, now + limits.window_s) == 0

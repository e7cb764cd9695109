"""The life of orders through the real gateway on the simulated venue: whatever gets lost, late or refused, what is known in
the end is what the venue's ledger says, and until then it is UNKNOWN, never assumed."""
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

from engine.events import BalanceUpdate, ErrorClass, OrderEvent, OrderStatus, OrderType, PositionUpdate, Side, Source
from engine.rest import RestError
from feeds.instruments import InstrumentRow, to_scaled
from tests.conformance.case import VenueCase
from tests.conformance.layers import gateway_of, leave, sim_of
from tests.conformance.trade_rig import TradeRig, run, trading
from tests.support.fake_venue import until
from tests.support.feed_system import Venues

NOTHING_DONE = (OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED)
ENDED_EMPTY = (OrderStatus.CANCELED, OrderStatus.EXPIRED)

Work = Callable[[TradeRig, InstrumentRow], Awaitable[None]]


def live(case: VenueCase, market: str, simex: Venues, work: Work) -> None:
    """Run `work` with a started gateway and the market's BTC."""
    leave(case, 5, market)
    gateway_of(case), sim_of(case)

    async def go() -> None:
        async with trading(case, simex) as rig:
            await work(rig, rig.row(market))
    run(go())


def test_a_fill_has_the_quantities_prices_and_fees_of_the_ledger(case: VenueCase, market: str, simex: Venues) -> None:
    async def work(rig: TradeRig, row: InstrumentRow) -> None:
        for side in (Side.BUY, Side.SELL):
            client_id = rig.place(row, side)
            await rig.settled(client_id)
            end = await rig.ended(client_id)
            order = rig.agree_with_ledger(client_id, row)
            assert (end.status, end.cum_qty) == (OrderStatus.FILLED, to_scaled(Decimal(order["qty"]), row.qty_scale))
            answer = await rig.gateway.query("order", row.id, client_id)
            assert answer.is_found and answer.events[-1].status == OrderStatus.FILLED
            assert answer.events[-1].cum_qty == end.cum_qty
            fills = await rig.gateway.query("fills", row.id, client_id, venue_order_id=end.venue_order_id)
            assert {e.trade_id: (e.last_qty, e.fee, e.fee_asset) for e in fills.events if e.is_fill} == {
                trade_id: (qty, *rig.fees(client_id)[trade_id]) for trade_id, qty in rig.fills(client_id).items()}
        await until(lambda: any(isinstance(fact, BalanceUpdate) and fact.account == row.account_name for fact in rig.facts))
        if market == "linear":
            assert any(isinstance(fact, PositionUpdate) and fact.instrument_id == row.id for fact in rig.facts)
    live(case, market, simex, work)


@pytest.mark.conformance_full
def test_an_order_that_takes_nothing_ends_empty(case: VenueCase, market: str, simex: Venues) -> None:
    async def work(rig: TradeRig, row: InstrumentRow) -> None:
        end = await rig.ended(rig.place(row, Side.BUY, away_bps=-100))
        assert end.status in ENDED_EMPTY and end.cum_qty in (0, -1) and rig.fills(end.client_id) == {}
    live(case, market, simex, work)


@pytest.mark.conformance_full
def test_partial_then_cancelled(case: VenueCase, market: str, simex: Venues) -> None:
    async def work(rig: TradeRig, row: InstrumentRow) -> None:
        rig.command("fault", channel="oe", verb="partial", market=market, fraction=0.5)
        ioc = rig.place(row, Side.BUY)
        await rig.settled(ioc)
        end = await rig.ended(ioc)
        order = rig.agree_with_ledger(ioc, row)
        assert end.status in ENDED_EMPTY
        assert 0 < end.cum_qty == sum(rig.fills(ioc).values()) < to_scaled(Decimal(order["qty"]), row.qty_scale)
    live(case, market, simex, work)


def test_a_resting_order_is_acknowledged_found_and_cancelled(case: VenueCase, market: str, simex: Venues) -> None:
    async def work(rig: TradeRig, row: InstrumentRow) -> None:
        resting = rig.place(row, Side.BUY, away_bps=-100, order_type=OrderType.POST_ONLY)
        assert (await rig.heard(resting, lambda e: True)).status == OrderStatus.NEW
        await until(lambda: (rig.order_in_ledger(resting) or {}).get("status") == "NEW")
        answer = await rig.gateway.query("order", row.id, resting)
        assert answer.is_found and answer.events[-1].status == OrderStatus.NEW
        rig.events += await rig.gateway.cancel(row.id, resting)
        end = await rig.ended(resting)
        assert (end.status, max(end.cum_qty, 0)) == (OrderStatus.CANCELED, 0)
        assert (await rig.gateway.query("order", row.id, resting)).events[-1].status == OrderStatus.CANCELED
    live(case, market, simex, work)


@pytest.mark.conformance_full
def test_a_resting_order_partly_filled_is_cancelled_by_us(case: VenueCase, market: str, simex: Venues) -> None:
    """What was executed before the cancel stays: the end carries it, once."""
    async def work(rig: TradeRig, row: InstrumentRow) -> None:
        rig.command("fault", channel="oe", verb="partial", market=market, fraction=0.5)
        resting = rig.place(row, Side.BUY, order_type=OrderType.GTC)
        await rig.heard(resting, lambda event: event.is_fill)
        half = await rig.gateway.query("order", row.id, resting)
        assert half.is_found and half.events[-1].status == OrderStatus.PARTIAL and not half.events[-1].is_terminal
        rig.events += await rig.gateway.cancel(row.id, resting)
        await rig.settled(resting)
        end, order = await rig.ended(resting), rig.agree_with_ledger(resting, row)
        executed = to_scaled(Decimal(order["executed"]), row.qty_scale)
        assert end.status == OrderStatus.CANCELED and 0 < executed < to_scaled(Decimal(order["qty"]), row.qty_scale)
        told = {event.cum_qty for event in rig.of(resting) if event.is_terminal}
        assert max(told) == executed == sum(rig.fills(resting).values()), told
    live(case, market, simex, work)


@pytest.mark.conformance_full
def test_post_only_that_would_take_is_not_executed(case: VenueCase, market: str, simex: Venues) -> None:
    async def work(rig: TradeRig, row: InstrumentRow) -> None:
        end = await rig.ended(rig.place(row, Side.BUY, order_type=OrderType.POST_ONLY))
        assert end.status in NOTHING_DONE and rig.fills(end.client_id) == {}
        rig.agree_with_ledger(end.client_id, row) if rig.order_in_ledger(end.client_id) else None
    live(case, market, simex, work)


@pytest.mark.conformance_full
def test_refusals_are_classified(case: VenueCase, market: str, simex: Venues) -> None:
    """Too large, too dear, planted, too many: each REJECTED with its class, and nothing in the ledger."""
    async def work(rig: TradeRig, row: InstrumentRow) -> None:
        async def refused(error_class: ErrorClass | None, **how: int) -> OrderEvent:
            end = await rig.ended(rig.place(row, Side.BUY, away_bps=-100, order_type=OrderType.GTC, **how))
            assert end.status == OrderStatus.REJECTED and error_class in (None, ErrorClass(end.error_class)), end
            order = rig.order_in_ledger(end.client_id)
            assert order is None or Decimal(order["executed"]) == 0
            return end
        lot = to_scaled(row.lot, row.qty_scale)
        largest = to_scaled(row.max_qty, row.qty_scale)
        if largest:  # some venues have one code for all bad parameters
            too_large = await refused(None, qty=(largest // lot + 1) * lot)
            assert ErrorClass(too_large.error_class) in (ErrorClass.FILTER, ErrorClass.REJECT), too_large
        await refused(ErrorClass.BALANCE, quote=8_000_000)
        rig.command("fault", channel="oe", verb="ratelimit", market=market)
        await refused(ErrorClass.RATE)
        for market_gateway in rig.gateway.markets.values():
            market_gateway.rest.rate.stopped_until_mono_s = 0.0
        rig.command("fault", channel="oe", verb="reject", market=market)
        end = await rig.ended(rig.place(row, Side.BUY, away_bps=-100, order_type=OrderType.GTC))
        assert end.status == OrderStatus.REJECTED and end.error_class not in (
            ErrorClass.NONE, ErrorClass.UNMAPPED, ErrorClass.UNKNOWN_EXECUTION)
    live(case, market, simex, work)


@pytest.mark.conformance_full
def test_reduce_only_without_a_position_is_refused(case: VenueCase, market: str, simex: Venues) -> None:
    async def work(rig: TradeRig, row: InstrumentRow) -> None:
        if not rig.declared.features[market].reduce_only:
            pytest.skip(f"{case.name} {market} has no positions that an order could reduce")
        eth = rig.row(market, "ETH")
        end = await rig.ended(rig.place(eth, Side.SELL, reduce_only=True))
        assert end.status in NOTHING_DONE and rig.fills(end.client_id) == {}
        bought = rig.place(eth, Side.BUY)
        assert (await rig.ended(bought)).status == OrderStatus.FILLED
        held = rig.order_in_ledger(bought)
        assert held is not None
        sold = rig.place(eth, Side.SELL, reduce_only=True, qty=to_scaled(Decimal(held["executed"]), eth.qty_scale))
        assert (await rig.ended(sold)).status == OrderStatus.FILLED
        assert (await rig.gateway.query("position", eth.id, "")).position == 0
    live(case, market, simex, work)


@pytest.mark.parametrize("is_executed", [True, False], ids=["executed", "not-executed"])
def test_unknown_stays_unknown_until_a_query_tells(case: VenueCase, market: str, simex: Venues, is_executed: bool) -> None:
    async def work(rig: TradeRig, row: InstrumentRow) -> None:
        rig.command("fault", channel="oe", verb="unknown", market=market, executed=is_executed)
        client_id = rig.place(row, Side.BUY)
        reply = await rig.heard(client_id, lambda e: e.source == Source.REPLY)
        assert (reply.status, reply.error_class) == (OrderStatus.UNKNOWN, ErrorClass.UNKNOWN_EXECUTION), reply
        if not is_executed:
            await asyncio.sleep(0.3)
            assert not any(e.is_terminal for e in rig.of(client_id)), "an unknown order was declared dead without proof"
        answer = await rig.gateway.query("order", row.id, client_id)
        assert answer.events[-1].status == (OrderStatus.FILLED if is_executed else OrderStatus.NOT_FOUND)
        assert ((rig.order_in_ledger(client_id) or {}).get("status") == "FILLED") == is_executed
    live(case, market, simex, work)


@pytest.mark.conformance_full
def test_a_late_fill_is_heard(case: VenueCase, market: str, simex: Venues) -> None:
    async def work(rig: TradeRig, row: InstrumentRow) -> None:
        rig.command("fault", channel="oe", verb="late", market=market, ms=700)
        client_id = rig.place(row, Side.BUY)
        await asyncio.sleep(0.3)
        assert not any(e.is_terminal for e in rig.of(client_id))
        await rig.settled(client_id)
        assert rig.agree_with_ledger(client_id, row)["status"] == "FILLED"
    live(case, market, simex, work)


@pytest.mark.conformance_full
def test_an_id_that_is_used_again_executes_nothing_twice(case: VenueCase, market: str, simex: Venues) -> None:
    async def work(rig: TradeRig, row: InstrumentRow) -> None:
        resting = rig.place(row, Side.BUY, away_bps=-100, order_type=OrderType.POST_ONLY)
        await rig.heard(resting, lambda e: e.status == OrderStatus.NEW)
        before = len(rig.events)
        rig.place(row, Side.BUY, away_bps=-100, order_type=OrderType.POST_ONLY, client_id=resting)
        await until(lambda: any(e.source == Source.REPLY and e.error_class for e in rig.events[before:]))
        second = next(e for e in rig.events[before:] if e.source == Source.REPLY and e.error_class)
        assert ErrorClass(second.error_class) not in (ErrorClass.UNMAPPED, ErrorClass.NONE), second
        orders = rig.command("ledger")["accounts"]["main"]["orders"]
        assert len([o for o in orders if o["client_id"] == resting]) == 1
        rig.events += await rig.gateway.cancel(row.id, resting)
        await until(lambda: (rig.order_in_ledger(resting) or {}).get("status") == "CANCELED")
    live(case, market, simex, work)


@pytest.mark.conformance_full
def test_a_cancel_that_comes_too_late_does_not_hide_the_fill(case: VenueCase, market: str, simex: Venues) -> None:
    async def work(rig: TradeRig, row: InstrumentRow) -> None:
        rig.venues.command("quiet", traffic=False)  # the book must not move between us and the other side
        await asyncio.sleep(0.1)
        resting = rig.place(row, Side.BUY, px=rig.top(row)[0], order_type=OrderType.POST_ONLY)
        await rig.heard(resting, lambda e: e.status == OrderStatus.NEW)
        order = rig.order_in_ledger(resting)
        assert order is not None
        rig.command("fault", channel="oe", verb="delay", market=market, on="cancel", ms=400)
        rig.events += await rig.gateway.cancel(row.id, resting)
        book = rig.command("book", market=market, symbol=row.symbol)
        needed = sum(Decimal(qty) for px, qty in book["bids"] if Decimal(px) >= Decimal(order["px"])) + Decimal(order["qty"])
        rig.command("manual_order", account="other", market=market, symbol=row.symbol, side="SELL", quantity=str(needed),
                    price=order["px"], tif="IOC")
        rig.venues.command("quiet", traffic=True)
        await rig.heard(resting, lambda e: e.status == OrderStatus.FILLED)
        await asyncio.sleep(0.6)
        assert next(e.status for e in rig.of(resting) if e.is_terminal) == OrderStatus.FILLED
        assert not any(e.status in (OrderStatus.CANCELED, OrderStatus.REJECTED) for e in rig.of(resting)), rig.of(resting)
        rig.agree_with_ledger(resting, row)
    live(case, market, simex, work)


def test_a_cut_connection_leaves_the_order_unknown_and_comes_back(case: VenueCase, market: str, simex: Venues) -> None:
    async def work(rig: TradeRig, row: InstrumentRow) -> None:
        rig.command("fault", channel="oe", verb="lostreq", market=market)
        client_id = rig.place(row, Side.BUY)
        await asyncio.sleep(0.1)
        rig.command("disconnect", channel="oe", market=market)
        lost = await rig.heard(client_id, lambda e: e.source == Source.LOCAL)
        assert lost.status == OrderStatus.UNKNOWN and (market, "orders", False) in rig.sessions
        await until(lambda: rig.gateway.sessions()[market].is_sendable())
        assert (await rig.gateway.query("order", row.id, client_id)).events[-1].status == OrderStatus.NOT_FOUND
        assert (await rig.ended(rig.place(row, Side.SELL))).status == OrderStatus.FILLED
    live(case, market, simex, work)


@pytest.mark.conformance_full
def test_a_lost_answer_is_made_good_by_stream_or_query(case: VenueCase, market: str, simex: Venues) -> None:
    async def work(rig: TradeRig, row: InstrumentRow) -> None:
        rig.command("fault", channel="oe", verb="lostresp", market=market)
        client_id = rig.place(row, Side.BUY)
        await rig.settled(client_id)
        assert all(e.source == Source.STREAM for e in rig.of(client_id) if e.is_fill)
        assert rig.agree_with_ledger(client_id, row)["status"] == "FILLED"
    live(case, market, simex, work)


@pytest.mark.conformance_full
def test_user_stream_that_was_cut_comes_back_and_catches_up(case: VenueCase, market: str, simex: Venues) -> None:
    async def work(rig: TradeRig, row: InstrumentRow) -> None:
        user = rig.gateway.markets[market].user
        assert rig.command("disconnect", channel="ud", market=market)["cut"] >= 1
        await until(lambda: (market, "user", False) in rig.sessions)
        await until(lambda: user.is_ready and rig.gateway.sessions()[market].is_sendable())
        client_id = rig.place(row, Side.BUY)
        await rig.heard(client_id, lambda e: e.source == Source.STREAM and e.fee is not None)
        rig.command("fault", channel="ud", verb="drop", market=market, count=1000, duration_ms=1500)
        missed = rig.place(row, Side.SELL)
        await until(lambda: (rig.order_in_ledger(missed) or {}).get("status") == "FILLED")
        answer = await rig.gateway.query("order", row.id, missed)
        fills = await rig.gateway.query("fills", row.id, missed, venue_order_id=answer.events[-1].venue_order_id)
        rig.events += [*answer.events, *fills.events]
        assert answer.events[-1].status == OrderStatus.FILLED
        rig.agree_with_ledger(missed, row)
    live(case, market, simex, work)


@pytest.mark.conformance_full
def test_an_announced_end_of_a_connection_costs_no_readiness(case: VenueCase, market: str, simex: Venues) -> None:
    async def work(rig: TradeRig, row: InstrumentRow) -> None:
        sockets = rig.gateway.sessions()[market].sockets
        rig.command("shutdown_notice", market=market, in_ms=700)
        await asyncio.sleep(1.0)
        user = rig.gateway.markets[market].user
        await until(lambda: rig.gateway.sessions()[market].is_sendable() and user.is_ready)
        assert rig.gateway.sessions()[market].sockets >= sockets
        assert (await rig.ended(rig.place(row, Side.BUY))).status == OrderStatus.FILLED
    live(case, market, simex, work)


@pytest.mark.conformance_full
@pytest.mark.parametrize(("status", "body"), [(503, "Service Unavailable"), (502, ""), (500, "{}"), (200, "")])
def test_a_query_that_the_venue_cannot_answer_is_no_answer(case: VenueCase, market: str, simex: Venues, status: int,
                                                           body: str) -> None:
    async def work(rig: TradeRig, row: InstrumentRow) -> None:
        rig.command("http", status=status, body=body, count=1)
        with pytest.raises(RestError):
            await rig.gateway.query("order", row.id, rig.new_id())
    live(case, market, simex, work)


@pytest.mark.conformance_full
def test_every_way_of_signing_orders_trades(case: VenueCase, market: str, simex: Venues) -> None:
    leave(case, 5, market)

    async def go(order_auth: str) -> None:
        async with trading(case, simex, order_auth) as rig:
            row = rig.row(market)
            assert (await rig.ended(rig.place(row, Side.BUY))).status == OrderStatus.FILLED
            assert (await rig.ended(rig.place(row, Side.SELL))).status == OrderStatus.FILLED
    for order_auth in gateway_of(case).auths:
        run(go(order_auth))

"""The account: what the venue offers is read as its ledger has it, what it lacks is said."""
from __future__ import annotations

import time
from decimal import Decimal

import pytest

from engine.events import OrderStatus, Side
from tests.conformance.case import VenueCase
from tests.conformance.layers import leave
from tests.conformance.trade_rig import TradeRig, run, trading
from tests.support.fake_venue import until
from tests.support.feed_system import Venues


def live(case: VenueCase, market: str, simex: Venues, work: object) -> None:
    leave(case, 8, market)

    async def go() -> None:
        async with trading(case, simex) as rig:
            await work(rig)  # type: ignore[operator]
    run(go())


def test_balances_are_the_ledgers_to_the_last_digit(case: VenueCase, market: str, simex: Venues) -> None:
    async def work(rig: TradeRig) -> None:
        row = rig.row(market)
        client_id = rig.place(row, Side.BUY)
        assert (await rig.ended(client_id)).status == OrderStatus.FILLED
        told = await rig.gateway.balances()
        totals = rig.command("ledger")["totals"]
        assert row.account_name in told, (row.account_name, list(told))
        ours = {asset: amount for asset, amount in told[row.account_name].items() if amount}
        assert ours == {asset: Decimal(amount) for asset, amount in totals[row.account_name].items() if Decimal(amount)}
    live(case, market, simex, work)


@pytest.mark.conformance_full
def test_positions_are_the_ledgers(case: VenueCase, market: str, simex: Venues) -> None:
    async def work(rig: TradeRig) -> None:
        if market != "linear":
            assert all(position.market != "spot" for position in await rig.gateway.positions())
            return
        row = rig.row(market)
        assert (await rig.ended(rig.place(row, Side.SELL, quote=3000))).status == OrderStatus.FILLED
        held = rig.command("ledger")["positions_by_account"][f"{case.name}:linear"]
        assert (await rig.gateway.query("position", row.id, "")).position == Decimal(held.get(row.name, "0"))
    live(case, market, simex, work)


@pytest.mark.conformance_full
def test_mode_fees_and_permission_are_read_at_start(case: VenueCase, market: str, simex: Venues) -> None:
    async def work(rig: TradeRig) -> None:
        state = rig.states[market]
        assert state.can_trade and state.mode and state.account == rig.row(market).account_name
        await until(lambda: bool(state.fees))
        rates = next(iter(state.fees.values()))
        maker, taker = (Decimal(text) for text in rig.sim.fees[market])
        assert (rates.maker, rates.taker) == (maker, taker), "the sign or the size of the fees is not the venue's"
    live(case, market, simex, work)


@pytest.mark.conformance_full
def test_fees_are_taken_in_the_coin_that_the_report_says(case: VenueCase, market: str, simex: Venues) -> None:
    async def work(rig: TradeRig) -> None:
        report = next(report for report in rig.gateway.account_report() if market in report.markets)
        assert report.fee_asset, report
        client_id = rig.place(rig.row(market), Side.BUY)
        await rig.settled(client_id)
        order = rig.agree_with_ledger(client_id, rig.row(market))
        expected = "USDT" if market == "linear" else "BTC"
        assert {fill["fee_asset"] for fill in order["fills"]} == {expected}
    live(case, market, simex, work)


@pytest.mark.conformance_full
def test_funding_income_is_read(case: VenueCase, market: str, simex: Venues) -> None:
    async def work(rig: TradeRig) -> None:
        since = time.time_ns() - 1_000_000_000
        if market == "spot":
            assert not [income for income in await rig.gateway.funding_income(since) if income.account.endswith(":spot")]
            return
        row = rig.row(market)
        assert (await rig.ended(rig.place(row, Side.BUY, quote=40_000))).status == OrderStatus.FILLED
        before = rig.command("ledger")
        held = Decimal(before["positions_by_account"][f"{case.name}:linear"].get(row.name, "0"))
        rig.command("funding", symbol=row.symbol, rate="0.0004")
        after = rig.command("ledger")
        pot = row.account_name
        paid = Decimal(after["totals"][pot]["USDT"]) - Decimal(before["totals"][pot]["USDT"])
        assert (paid < 0) == (held > 0), "longs pay a positive rate"
        told = [income for income in await rig.gateway.funding_income(since) if income.symbol == row.symbol]
        assert [(income.amount, income.asset, income.account) for income in told] == [(paid, "USDT", pot)]
        assert len({income.income_id for income in told}) == len(told) and told[0].income_id
    live(case, market, simex, work)


def test_what_the_account_lacks_is_said(case: VenueCase, market: str, simex: Venues) -> None:
    async def work(rig: TradeRig) -> None:
        reports = [report for report in rig.gateway.account_report() if market in report.markets]
        assert len(reports) == 1, "each market belongs to one account"
        report = reports[0]
        assert report.account == rig.row(market).account_name and report.mode
        for name in ("risk_tiers", "borrow", "dead_man"):
            assert getattr(report, name), f"account_report says nothing about {name}: that it lacks it has to be said"
        features = rig.declared.features[market]
        if not features.dead_man:
            assert report.lacks or "no" in report.dead_man.lower(), report
        armed = await rig.gateway.arm_dead_man(30.0)
        assert (armed is not None and market in armed) == features.dead_man
        if armed:
            await rig.gateway.arm_dead_man(0.0)
    live(case, market, simex, work)


@pytest.mark.conformance_full
def test_an_account_in_the_wrong_mode_is_refused(case: VenueCase, market: str, simex: Venues) -> None:
    """Hedge mode: two positions a symbol, which nothing here counts on."""
    from engine.gateways.contract import AccountRefused
    leave(case, 8, market)
    if market == "spot":
        pytest.skip(f"{case.name} spot has no position mode")

    async def go() -> None:
        simex.command("account", venue=case.name, hedge_mode=True)
        try:
            with pytest.raises(AccountRefused):
                async with trading(case, simex):
                    pass
        finally:
            simex.command("account", venue=case.name, hedge_mode=False)
    run(go())

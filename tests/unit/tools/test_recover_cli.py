"""tools/recover against the real control server and the real commands, over a manager that has given a trade to a person."""
import asyncio
import threading
from decimal import Decimal
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from engine.client import SOCKET_NAME
from engine.commands import Commands
from engine.control import ControlServer
from engine.trade.policy import TradePolicy
from tests.support.sim_trade import S, Treatment, World
from tools.recover_cli import main

POLICY = TradePolicy(manual_after_attempts=2, chase_max=0)


def world_with_a_manual_trade() -> World:
    """Leg B is refused, and so is everything that would repair it: after two attempts a person decides."""
    world = World(pairs=1, policy=POLICY, treat=lambda leg, purpose: Treatment(reject="REJECT") if purpose or leg.leg_index
                  else Treatment())
    world.enter(0, qty=20)
    world.run_for(3 * S)
    assert world.manager.by_state() == {"MANUAL": 1}
    return world


@pytest.fixture
def served(home):
    """(world, journaled commands): a control socket in `home`."""
    world = world_with_a_manual_trade()
    journaled: list[dict] = []
    shell = SimpleNamespace(trades=SimpleNamespace(manager=world.manager), drain=world.drain, phase="trading")
    loop = asyncio.new_event_loop()
    server = ControlServer(home / SOCKET_NAME, journaled.append)
    for name in ("manual", "resolve", "differences", "accept_difference"):
        server.register(name, getattr(Commands(shell), name))
    loop.run_until_complete(server.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield world, journaled
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


def run(home, *args: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, [*args, str(home)])
    return done.exit_code, done.output


def trade_of(world: World):
    return next(iter(world.manager.trades.values()))


def test_list_and_show_say_what_a_person_needs(served, home):
    world, _ = served
    trade = trade_of(world)
    code, text = run(home, "list")
    assert code == 0 and str(trade.trade_id) in text and "2 attempts in a row did not execute" in text
    code, text = run(home, "show", str(trade.trade_id))
    assert code == 0 and "holds" in text and "UNWIND" in text and "REJECTED" in text
    assert "approve would send: SELL" in text and "binance:BTC/USDT" in text


def test_approve_recovers_again_and_is_journaled_with_who(served, home):
    world, journaled = served
    trade = trade_of(world)
    world.treat = lambda leg, purpose: Treatment()
    code, text = run(home, "approve", str(trade.trade_id))
    assert code == 0, text
    world.run_for(5 * S)
    assert abs(world.truth_net(0)) < trade.dust_limit and world.manager.by_state() == {"CLOSED": 1}
    assert journaled[-1]["cmd"] == "resolve" and journaled[-1]["who"]


def test_cancel_asks_first_and_leaves_it_as_it_is(served, home):
    world, _ = served
    trade = trade_of(world)
    sent = len(world.intents)
    done = CliRunner().invoke(main, ["cancel", str(trade.trade_id), str(home)], input="n\n")
    assert done.exit_code == 1 and "stays open and unhedged" in done.output and trade.state == "MANUAL"
    code, text = run(home, "cancel", "--yes", str(trade.trade_id))
    assert code == 0, text
    world.run_for(2 * S)
    assert len(world.intents) == sent, "something was sent for it"
    assert world.manager.dust.units(0) > Decimal("0.01")


def test_wrong_ids_are_named(served, home):
    code, text = run(home, "show", "77")
    assert code == 1 and "trade 77 is not waiting for a person" in text
    code, text = run(home, "approve", "77")
    assert code == 1 and "trade 77 is not waiting for a person" in text


def test_without_an_engine_it_says_so(home):
    code, text = run(home, "list")
    assert code == 1 and "run" in text and "Traceback" not in text


def test_differences_are_listed_and_accepted(served, home):
    world, journaled = served
    assert "equal" in run(home, "differences")[1]
    theirs = {"binance:linear": {"USDT": world.venue.wallet("binance:linear", "USDT"), "BNB": Decimal("-0.25")}}
    for later in (0, 300):
        world.manager.reconcile(theirs, world.now + later * 1_000_000)
    code, said = run(home, "differences")
    assert code == 0 and "binance:linear BNB: ledger 0, venue -0.25" in said
    code, said = run(home, "accept", "binance:linear", "BTC")
    assert code == 1 and "those that have: binance:linear BNB" in said
    code, said = run(home, "accept", "binance:linear", "BNB", "--yes")
    assert code == 0 and "corrected to what the venue says" in said
    assert world.manager.ledger.amount("binance:linear", "BNB") == Decimal("-0.25")
    assert "accept_difference" in str(journaled[-1])
    assert "equal" in run(home, "differences")[1]

"""A20: the wall clock of a feed's host steps: receive times go on from where the feed began, so no lag appears, and nothing that
is decided changes. A drift of hours is not taken for a lag either."""
import subprocess
import sys

from tests.support.feed_system import ROOT
from tests.support.market_rig import depth, make_market
from tests.whole.clock import environment

MS = 1_000_000
STEP = """
import logging, pathlib, tempfile
logging.disable(logging.CRITICAL)
from tests.whole.clock import VirtualClock
from tests.whole.world import WholeWorld
clock = VirtualClock()
world = WholeWorld(pathlib.Path(tempfile.mkdtemp(prefix="ls-a20-")), 20, ["binance"], clock,
                   strategies={{"cross_exchange": {{"enabled": False}}}})
world.start_engine()
world.wait_trading()
world.host.run_for(1.6)
before = world.orders_sent()
world.simex.clock.skew_ms -= {step} * 1000     # the venue's clock goes on as it went
clock.step_wall({step} * 1_000_000_000)
world.host.run_for(2.5)
lags = [world.shell.core.market(row.id).get("lag_ns", 0) for row in world.shell.table.rows]
print(world.orders_sent() - before, max(lags), [one["code"] for one in world.shell.alarms])
import os
os._exit(0)
"""


def test_a20_drift_is_forgiven_and_a_sudden_lag_is_not() -> None:
    """Two clocks that part by 10 millionths, 144 ms in four hours; then one message that is 400 ms late."""
    market, begin_ms = make_market("spot"), 1_700_000_000_000
    for second in range(4 * 3600):
        drift_ns = second * 10_000
        market.decode(depth(111 + second, 111 + second, event_ms=begin_ms + second * 1000),
                      recv_wall_ns=(begin_ms + second * 1000) * MS + drift_ns)
        assert market.record(0)["lag_ns"] < 5 * MS, second
    last = 4 * 3600
    market.decode(depth(111 + last, 111 + last, event_ms=begin_ms + last * 1000),
                  recv_wall_ns=(begin_ms + last * 1000 + 400) * MS)
    assert market.record(0)["lag_ns"] > 240 * MS


def look_at(step_s: int) -> list[str]:
    done = subprocess.run([sys.executable, "-c", STEP.format(step=step_s)], cwd=ROOT, env=environment(), check=True,
                          capture_output=True, text=True, timeout=110)
    return done.stdout.splitlines()[-1].split(maxsplit=2)


def test_a20_a_step_of_the_wall_clock_makes_no_lag_and_stops_no_feed() -> None:
    for step_s in (3600, -3600):
        orders, lag_ns, alarms = look_at(step_s)
        assert int(lag_ns) < 20 * MS, "the step is taken for a lag"
        assert "clock_step" in alarms, "the engine looks at its own clock (C14)"
        assert int(orders) > 0, "trading goes on once the venue's clock is measured again"

"""C14: the host's wall clock jumps."""
import asyncio
from types import SimpleNamespace

from engine.shell import Shell
from engine.wall_clock import STEP_NS, WallClock

S = 1_000_000_000


def test_c14_a_step_is_told_once_and_slewing_is_not():
    clock = WallClock()
    assert [clock.look(1_000 * S + second * S, second * S) for second in range(3)] == [0, 0, 0]
    assert clock.look(1_000 * S + 3 * S + 3600 * S, 3 * S) == 3600 * S
    assert clock.look(1_000 * S + 4 * S + 3600 * S, 4 * S) == 0
    assert clock.look(1_000 * S + 5 * S, 5 * S) == -3600 * S
    slewed = WallClock()
    assert not any(slewed.look(second * S + second * STEP_NS // 2, second * S) for second in range(20))


def test_c14_after_a_step_only_reducing_orders_leave_until_every_clock_is_measured_again():
    """The shell's own second, with a host whose clock jumps by an hour."""
    told: list[str] = []
    tries = {"left": 2}

    async def measure() -> None:
        tries["left"] -= 1
        market.clock = SimpleNamespace(is_good=tries["left"] <= 0)

    market = SimpleNamespace(measure_quietly=measure, clock=SimpleNamespace(is_good=False))
    words: list[int] = []
    shell = Shell.__new__(Shell)
    shell._restrictions, shell._wall_clock, shell._links, shell.phase = set(), WallClock(), {}, "warming"
    shell.poller = SimpleNamespace(set_wall_offset=lambda ns: None)
    shell.trades = SimpleNamespace(manager=SimpleNamespace(busy_rows=lambda: {1}))
    shell.state = SimpleNamespace(set_engine_word=words.append)
    shell.gateways = {"binance": SimpleNamespace(markets={"spot": market})}
    shell.alert = lambda code, text, severity="warning": told.append(code)
    spawned = []
    shell._runner = SimpleNamespace(spawn=spawned.append)
    shell._second(1 * S, 1_000 * S)
    assert told == [] and words == []
    shell._second(2 * S, 1_001 * S + 3600 * S)
    assert told == ["clock_step"] and words == [2] and shell.restrictions() == ["clock"]
    asyncio.run(spawned[0])
    assert words == [2, 0] and tries["left"] == 0, "released before every clock was good"

"""Does it cost the engine's own time when it reads three venues in place of one?

One bed of Binance, Bybit and OKX; rounds alternate between an engine that knows Binance alone and one that knows all three. Both
trade the same: spot against perpetual on Binance, differences planted there by the same generator at the same spacing, and no
order goes anywhere else. To the engine of three come two more feeds, two more venues' sessions, books of three times as many
instruments and all fifteen pairs of a coin in place of one (spot and perpetual across venues, perpetual and perpetual, spot and
spot): they are looked at with each record, but the other venues' fees are so high that none of them ever pays.

Binance's market data come at the same rate in both, BINANCE_FRAMES_PER_S: the venues' pace is set so before each measurement, and
the rate is measured again. Simulated venues and feeds share the other core(s), with three venues nearly twice the work; the rates
are such that they keep idle time there (`idle_pct`; `rest_busy_pct` is what the bench's own processes use of it), so that a slow
feed is not taken for a slow engine. A round is thrown out with an error where the ledgers differ, an order went elsewhere, or
pairs were not looked at. Good: the median ratio of own time is at most 1.10."""
import os
import pathlib
import random
import statistics
import time
from typing import Any, NamedTuple

from bench.harness import interleave, median_ratio, quiet
from bench.support.bed import Bed, EngineRun
from cext.hist import load_run, merge
from cext.hist import percentiles as hist_percentiles
from feeds.instruments import InstrumentTable, run_table_path

VENUES = ("binance", "bybit", "okx")
BINANCE_FRAMES_PER_S = 600.0   # of market data; the other two together have nearly twice as many
SPACING_S = 0.15         # mean time between two planted differences
SETTLE_S, SETTLE_STEPS = 4.0, 3   # before a round's first difference: the pace is found, the signals of all pairs are learned
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
RATE_APART_MAX = 0.15    # of Binance's rates in rounds with one and with three
PAIRS_A_RECORD = {1: 1, 3: 5}
LOOKED_AT_MIN = 0.6      # of those: records of one instrument that were read together are looked at once


class Round(NamedTuple):
    """What one engine's life gave."""
    stages: dict[str, Any]          # histograms
    pace: float                     # that was set
    frames_per_s: dict[str, float]  # by venue
    idle_pct: float                 # of the cores that are not the engine's
    rest_busy_pct: float            # the same cores: time that venues, feeds and flusher used
    left_open: int


class Traffic:
    """Counters over a stretch of time: frames of each venue, idle time of the other cores, time that our processes used there."""

    def __init__(self, bed: Bed, engine: EngineRun) -> None:
        self._bed = bed
        self._pids = [child.process.pid for child in (bed.simex, *engine.children[1:]) if child.process is not None]
        self._started = time.monotonic()
        self._frames = bed.frames_built()
        self._ticks = self._count_ticks()

    def _count_ticks(self) -> tuple[int, int]:
        return idle_ticks(self._bed.other_cpus), sum(used_ticks(pid) for pid in self._pids)

    def since(self) -> tuple[dict[str, float], float, float]:
        """(frames a second by venue, percent idle, percent that our processes used) since the start."""
        elapsed = time.monotonic() - self._started
        frames, percent_a_tick = self._bed.frames_built(), 100.0 / (elapsed * TICKS_PER_S * len(self._bed.other_cpus))
        idle, used = (after - before for before, after in zip(self._ticks, self._count_ticks(), strict=True))
        return ({venue: (frames[venue] - self._frames[venue]) / elapsed for venue in frames}, idle * percent_a_tick,
                used * percent_a_tick)


def idle_ticks(cpus: frozenset[int]) -> int:
    """Of these CPUs since boot, waiting for a disk included."""
    fields = {line.split()[0]: line.split()[1:] for line in pathlib.Path("/proc/stat").read_text().splitlines()}
    return sum(int(fields[f"cpu{cpu}"][3]) + int(fields[f"cpu{cpu}"][4]) for cpu in cpus)


def used_ticks(pid: int) -> int:
    """User and system time of a process since its start."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def plant_until(bed: Bed, engine: EngineRun, intents: int, seed: int) -> None:
    """Differences between Binance's two books of a coin, at random times, until the engine has sent so many intents."""
    generator = random.Random(seed)
    table = InstrumentTable.load(run_table_path(engine.run_dir))
    symbols = [row.symbol for row in table.rows if row.venue == "binance" and row.market == "spot"]
    recent: list[str] = []
    deadline = time.monotonic() + 30 + intents * SPACING_S * 3
    while engine.samples() < intents:
        if time.monotonic() > deadline or engine.engine.returncode() is not None:
            raise RuntimeError(f"{len(engine.venues)} venues: {engine.samples()} of {intents} intents: "
                               f"{engine.engine.last_words()}")
        time.sleep(generator.expovariate(1 / SPACING_S))
        symbol = generator.choice([one for one in symbols if one not in recent])
        recent = [*recent, symbol][-(len(symbols) // 4):]
        # A coin that is dislocated still says so: then nothing was planted this time.
        bed.control("dislocate", venue="binance", symbol=symbol, leg=generator.choice(("spot", "linear")))


def set_pace(bed: Bed, pace: float, steps: int) -> float:
    """Brings Binance's frames to their rate, beginning with `pace` messages a second of all venues; returns what it took. How
    many frames a message of the market gives depends on who listens, so it is found by trying."""
    for _ in range(steps):
        bed.control("set_market", background_msgs_per_s=pace)
        before = bed.frames_built()["binance"]
        time.sleep(SETTLE_S)
        rate = (bed.frames_built()["binance"] - before) / SETTLE_S
        pace *= min(2.0, max(0.5, BINANCE_FRAMES_PER_S / max(rate, 1.0)))
    bed.control("set_market", background_msgs_per_s=pace)
    return pace


def run_round(bed: Bed, venues: tuple[str, ...], pace: float, steps: int, intents: int, seed: int) -> Round:
    """One engine with these venues, from its start to its clean end."""
    engine = EngineRun(bed, venues)
    try:
        engine.wait_trading()
        pace = set_pace(bed, pace, steps)
        traffic, before = Traffic(bed, engine), looks_and_records(engine)
        plant_until(bed, engine, intents, seed)
        (rates, idle_pct, busy_pct), after = traffic.since(), looks_and_records(engine)
        report = engine.stop()
    finally:
        engine.end()
    check_round(bed, venues, (after[0] - before[0]) / (after[1] - before[1]))
    return Round(load_run(engine.run_dir), pace, {venue: rates[venue] for venue in venues}, idle_pct, busy_pct,
                 report["trades"].get("OPEN", 0))


def looks_and_records(engine: EngineRun) -> tuple[int, int]:
    """How often a pair with both books known and entries on was looked at and led to nothing, and records read, so far."""
    counters = engine.status()["counters"]
    looks = sum(count for reason, count in counters["skips"].items() if reason not in ("NO_BOOK", "DISABLED"))
    return looks, counters["records"]


def check_round(bed: Bed, venues: tuple[str, ...], looked_at: float) -> None:
    """Only Binance was traded on, and every record led to a look at all the pairs that there are."""
    elsewhere = sum(len(bed.orders(venue)) for venue in VENUES[1:])
    if elsewhere:
        raise RuntimeError(f"{elsewhere} orders went to {' or '.join(VENUES[1:])}: the rounds do not compare")
    there_are = PAIRS_A_RECORD[len(venues)]
    if looked_at < LOOKED_AT_MIN * there_are:
        raise RuntimeError(f"{looked_at:.2f} pairs were looked at for each record with {len(venues)} venues, of {there_are}: "
                           "some books or pairs are missing")


def compare(folder: pathlib.Path, quick: bool = False) -> dict[str, Any]:
    """Keys tick_to_trade.one.*, .three.* and .three_vs_one_own_p50."""
    rounds, intents, pairs, steps = (1, 10, 10, 1) if quick else (5, 400, 50, SETTLE_STEPS)
    bed = Bed(folder, venues=VENUES, dislocations_per_s=0.0, pairs=pairs)
    given: dict[int, list[Round]] = {1: [], 3: []}
    paces = {1: BINANCE_FRAMES_PER_S, 3: BINANCE_FRAMES_PER_S * 3}
    def contestant(count: int) -> float:
        made = run_round(bed, VENUES[:count], paces[count], steps, intents, seed=len(given[count]) + 1)
        paces[count] = made.pace
        given[count].append(made)
        return made.stages["own"].get_value_at_percentile(50.0)
    try:
        with quiet(min(bed.other_cpus)):   # this process plants: it stays off the engine's core
            own = interleave({"three": lambda: contestant(3), "one": lambda: contestant(1)}, rounds)
    finally:
        bed.close()
    if not quick:
        check_rates(given)
    return {"tick_to_trade.three_vs_one_own_p50": median_ratio(own["three"], own["one"]),
            "tick_to_trade.three_vs_one_rounds": [three / one for three, one in zip(own["three"], own["one"], strict=True)],
            **figures("one", given[1]), **figures("three", given[3])}


def check_rates(given: dict[int, list[Round]]) -> None:
    """The engines had the same of Binance, or their times do not compare."""
    one, three = (statistics.median(made.frames_per_s["binance"] for made in given[count]) for count in (1, 3))
    if abs(one / three - 1) > RATE_APART_MAX:
        raise RuntimeError(f"Binance sent {one:.0f} frames a second to the engine of one venue and {three:.0f} to that of three")


def figures(name: str, made: list[Round]) -> dict[str, Any]:
    """Of all rounds of one contestant, merged."""
    merged = merge([one.stages for one in made])
    total, own = hist_percentiles(merged["tick_to_trade"]), hist_percentiles(merged["own"])
    key = f"tick_to_trade.{name}"
    return {f"{key}.samples": own["count"], f"{key}.own_p50_us": own["p50_ns"] / 1e3, f"{key}.own_p99_us": own["p99_ns"] / 1e3,
            f"{key}.p50_us": total["p50_ns"] / 1e3, f"{key}.p99_us": total["p99_ns"] / 1e3,
            f"{key}.frames_per_s": statistics.median(sum(one.frames_per_s.values()) for one in made),
            f"{key}.binance_frames_per_s": statistics.median(one.frames_per_s["binance"] for one in made),
            f"{key}.idle_pct": statistics.median(one.idle_pct for one in made),
            f"{key}.rest_busy_pct": statistics.median(one.rest_busy_pct for one in made),
            f"{key}.left_open": sum(one.left_open for one in made),
            f"{key}.stages": {stage: hist_percentiles(histogram) for stage, histogram in merged.items()}}

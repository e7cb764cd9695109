"""`tools/replay --edges`: how large the edge of each pair was over the recording, and how often it paid for the fees of a tier.

An edge is what one entry would have earned before fees, in bps, sampled whenever the best price of either instrument was told
(the top-of-book stream where there is one, as it was sent). "Pays" compares it with the fees of entering both legs once, and of
the round trip."""
from __future__ import annotations

import pathlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cext.edges import BINS_PER_BPS, SERIES, EdgeSampler
from tools.replay_lib.fee_tiers import FeeTier, tiers_of
from tools.replay_lib.session import ReplaySession, ReplaySettings
from tools.replay_lib.tables import ReplayError, pairs_of

PERCENTILES = (1.0, 10.0, 50.0, 90.0, 99.0, 99.9, 99.99)
STYLES = ("taker/taker", "maker/taker")
DIRECTIONS = ("forward", "reverse")


@dataclass
class EdgeReport:
    """Series, and fee tiers, by pair name."""
    pairs: dict[str, dict[str, dict[str, Any]]]
    fee_tiers: dict[str, tuple[FeeTier, ...]]

    def to_json(self) -> dict[str, Any]:
        """Percentiles are those of the 0.01 bps bins; min, max, mean and last are of the samples themselves."""
        return {"unit": "bps", "pairs": {name: {**{title: describe(one) for title, one in series.items()},
                                                "tiers": self.tiers(name)} for name, series in self.pairs.items()}}

    def tiers(self, name: str) -> list[dict[str, Any]]:
        """What each fee tier would have found, for either direction and style."""
        rows = []
        for tier in self.fee_tiers[name]:
            for style in STYLES:
                cost = tier.cost_bps(style)
                row: dict[str, Any] = {"tier": tier.name, "style": style, "enter_bps": float(cost),
                                       "round_trip_bps": float(2 * cost)}
                for direction in DIRECTIONS:
                    series = self.pairs[name][f"{direction} {style}"]
                    row[direction] = {"pays_entry": share_above(series, cost), "pays_round_trip": share_above(series, 2 * cost)}
                rows.append(row)
        return rows

    def to_text(self) -> str:
        lines = []
        for name, series in self.pairs.items():
            lines.append(f"{name}, bps" + "".join(f"{title:>11}"
                                                  for title in ("samples", "min", "p1", "p50", "p99", "p99.9", "max", "mean",
                                                                "last")))
            for title, one in series.items():
                found = describe(one)
                lines.append(f"  {title:<{len(name) + 3}}" + f"{found['count']:>11}" + "".join(
                    f"{found[key]:>11.4f}" if found[key] is not None else f"{'-':>11}"
                    for key in ("min", "p1", "p50", "p99", "p99.9", "max", "mean", "last")))
            lines.append("  share of samples that pay the fees  entry bps   forward   reverse | round trip   forward   reverse")
            for tier in self.tiers(name):
                lines.append(f"  {tier['tier']} {tier['style']:<28}{tier['enter_bps']:>10.2f}"
                             + "".join(f"{tier[direction]['pays_entry']:>10.2%}" for direction in DIRECTIONS) + " |"
                             + f"{tier['round_trip_bps']:>11.2f}"
                             + "".join(f"{tier[direction]['pays_round_trip']:>10.2%}" for direction in DIRECTIONS))
        return "\n".join(lines)


def describe(series: dict[str, Any]) -> dict[str, Any]:
    """count, min, percentiles, max, and beside them mean and last."""
    found = {"count": series["count"], "min": series["min"]}
    found |= {f"p{percent:g}": percentile(series, percent) for percent in PERCENTILES}
    return found | {"max": series["max"], "mean": series["mean"], "last": series["last"]}


def percentile(series: dict[str, Any], percent: float) -> float | None:
    """Lower edge of the bin that holds this rank, kept within min and max."""
    if not series["count"]:
        return None
    rank = percent / 100 * series["count"]
    seen = 0
    for number in sorted(series["bins"]):
        seen += series["bins"][number]
        if seen >= rank:
            return min(max(number / BINS_PER_BPS, series["min"]), series["max"])
    return float(series["max"])


def share_above(series: dict[str, Any], cost_bps: Decimal) -> float:
    """Part of the samples with an edge of at least the cost (costs are whole bins, so this is exact but for rounding of the
    samples)."""
    first = int(cost_bps * BINS_PER_BPS)
    return sum(count for number, count in series["bins"].items() if number >= first) / series["count"] if series["count"] else 0.0


def measure_edges(paths: list[pathlib.Path], allow_truncated: bool = False) -> EdgeReport:
    """Replays the captures for their best prices alone: no core, no decisions."""
    session = ReplaySession(paths, ReplaySettings(with_core=False, allow_truncated=allow_truncated), make_edges=make_sampler)
    session.run()
    assert session.edges is not None
    report = EdgeReport({}, {})
    for index, (first_row, second_row, _) in enumerate(session.edges.pairs):
        first, second = session.table.rows[first_row], session.table.rows[second_row]
        name = f"{first.name} {second.name}"
        report.pairs[name] = {title: session.edges.series(index, number) for number, title in enumerate(SERIES)}
        report.fee_tiers[name] = tiers_of(first, second)
    return report


def make_sampler(session: ReplaySession) -> EdgeSampler:
    rows = session.table.rows
    pairs = [(first, second, rows[second].multiplier / rows[first].multiplier) for first, second in pairs_of(session.table)]
    if not pairs:
        raise ReplayError("no pair in these captures: no spot instrument with a perpetual of the same underlying and quote, and no "
                          f"two perpetuals of different venues; there are {', '.join(session.table.by_name) or 'no instruments'}")
    return EdgeSampler(pairs, [row.px_scale for row in rows])

"""Which of the instruments that a venue lists a run reads, and which of its problems are worth a word."""
from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from feeds.config import VenueConfig
from feeds.instruments import STATUS_TRADING, InstrumentRow
from feeds.venue import FeedVenue


def choose_rows(venue: FeedVenue, rows: Iterable[InstrumentRow], config: VenueConfig) -> tuple[list[InstrumentRow], list[str]]:
    """(rows of this run, problems): those named in the configuration, or every base that has all configured markets."""
    listed = {row.name: row for row in rows if row.market in config.markets}
    problems: list[str] = []
    if config.symbols != "auto":
        chosen = []
        for name in config.symbols:
            row = listed.get(f"{venue.name}:{name}")
            if row is None:
                near = difflib.get_close_matches(f"{venue.name}:{name}", listed, n=1)
                problems.append(f"{venue.name} lists no {name} in {' or '.join(config.markets)}"
                                + (f"; did you mean {near[0].removeprefix(venue.name + ':')}?" if near else ""))
            else:
                chosen.append(row)
        return chosen, problems
    by_base: dict[str, dict[str, InstrumentRow]] = {}
    for row in listed.values():
        if row.quote == config.quote and row.settle == config.quote and row.status == STATUS_TRADING and row.multiplier == 1:
            by_base.setdefault(row.base, {})[row.market] = row
    chosen = []
    for markets in by_base.values():
        if len(markets) == len(config.markets):
            if len(chosen) + len(markets) > config.symbols_max:
                problems.append(
                    f"{venue.name} lists more instruments in {config.quote} than symbols_max {config.symbols_max} allows")
                break
            chosen += [markets[market] for market in venue.markets if market in markets]
    return chosen, problems


def problems_to_tell(problems: Iterable[str], config: VenueConfig) -> list[str]:
    """Of what a venue lists and cannot be used, only what was asked for is worth a word; with `auto` that is everything."""
    if config.symbols == "auto":
        return list(problems)
    pairs = [name.split(":")[0].split("/") for name in config.symbols]
    wanted = re.compile("|".join(rf"(?<![A-Z0-9]){re.escape(base)}[-_/]?{re.escape(quote)}(?![A-Z0-9])" for base, quote in pairs))
    return [problem for problem in problems if wanted.search(problem)]

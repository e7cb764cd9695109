"""What the simulated venues are told: the section `simex`, which venues there are, and in mode paper the real venues'
instruments, the configured fees, and the word that books come from outside."""
import pathlib
from decimal import Decimal
from typing import Any

from engine.config import Config
from feeds.instruments import venue_table_path


def fees_of(config: Config, venue: str) -> dict[str, list[str]]:
    """market -> [maker, taker] as fractions in plain decimals, from venues.<venue>.fees."""
    fees = config.venues[venue].fees
    return {market: [_fraction(getattr(fees, f"{market}_{side}_bps")) for side in ("maker", "taker")]
            for market in config.venues[venue].markets}


def _fraction(bps: float) -> str:
    return format(Decimal(str(bps)).scaleb(-4).normalize(), "f")


def simex_section(config: Config, run_dir: pathlib.Path) -> dict[str, Any]:
    """The section that tools/simex reads. In mode paper the feeds have written their tables before (steps.py)."""
    section: dict[str, Any] = config.simex.model_dump(mode="json")
    section["venues"] = {venue: {} for venue in config.venues}
    if config.mode == "paper":
        section["market"] = "external"
        section["instrument_tables"] = {venue: str(venue_table_path(run_dir.resolve(), venue)) for venue in config.venues}
        for venue, options in section["venues"].items():
            options["fees"] = fees_of(config, venue)
    return section

"""What the simulated venues are told: the section `simex`, and in mode paper the real venue's instruments, the configured fees,
and the word that books come from outside."""
import json
import pathlib
from decimal import Decimal
from typing import Any

from engine.config import Config


def fees_of(config: Config, market: str) -> tuple[str, str]:
    """(maker, taker) as fractions in plain decimals, from venues.<venue>.fees."""
    fees = next(iter(config.venues.values())).fees
    return tuple(format(Decimal(str(getattr(fees, f"{market}_{side}_bps"))).scaleb(-4).normalize(), "f")
                 for side in ("maker", "taker"))  # type: ignore[return-value]


def simex_section(config: Config, run_dir: pathlib.Path) -> dict[str, Any]:
    """The section that tools/simex reads."""
    section: dict[str, Any] = json.loads(config.simex.model_dump_json())
    if config.mode == "paper":
        markets = sorted({market for venue in config.venues.values() for market in venue.markets})
        section["market"] = "external"
        section["exchange_info"] = {market: str(run_dir.resolve() / f"exchange_info.{market}.json") for market in markets}
        section["spot_fees"], section["linear_fees"] = fees_of(config, "spot"), fees_of(config, "linear")
    return section

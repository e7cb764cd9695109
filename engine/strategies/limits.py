"""The gate's limits out of the configuration; no strategy owns them."""
from dataclasses import fields
from typing import Any

from cext.core import CoreLimits


def core_limits(config: Any) -> CoreLimits:
    """The section `risk` names them as the core does, the data rules come from `feeds`."""
    given = {field.name: getattr(config.risk, field.name) for field in fields(CoreLimits) if hasattr(config.risk, field.name)}
    feeds = config.feeds
    return CoreLimits(**{**given, "ws_stale_ms": feeds.ws_stale_ms, "max_data_age_ms": feeds.max_data_age_ms,
                         "max_skew_ms": feeds.max_skew_ms})

"""Maintenance that a simulated venue has announced (control `maint`)."""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Maintenance:
    number: int
    begin_ms: int
    end_ms: int
    title: str

    def state(self, now_ms: int) -> str:
        """scheduled, ongoing or completed."""
        return "scheduled" if now_ms < self.begin_ms else "ongoing" if now_ms < self.end_ms else "completed"

"""What the feeds say of their venues (D/feed-<venue>.json), told to a person: once when a venue cannot be reached, again ever
more rarely while it cannot, once when it is back."""
import json
import pathlib
import time
from collections.abc import Callable
from typing import Any

AGAIN_FIRST_S = 10.0   # said again after 10 s, 20 s, 40 s ...
AGAIN_LAST_S = 600.0


def unreachable_sentence(venue: str, fact: dict[str, Any], now_wall_ns: int) -> str:
    """One line: who, why, what happens next."""
    reason = fact.get("reason") or "no connection"
    retry_s = (fact.get("retry_wall_ns", 0) - now_wall_ns) / 1e9
    following = f"next attempt in {max(retry_s, 0.1):.1f} s" if "retry_wall_ns" in fact else "with back-off"
    attempts = f" ({fact['attempts']} so far)" if fact.get("attempts", 0) > 1 else ""
    return f"{venue} cannot be reached: {reason}; keeps trying, {following}{attempts}"


class FeedNotes:
    """One per run; `look()` about once a second."""

    def __init__(self, run_dir: pathlib.Path, venues: list[str], say: Callable[[str], None]) -> None:
        self._run_dir = run_dir
        self._venues = venues
        self._say = say
        self._next_s: dict[str, float] = {}      # venue -> when it may be said again; present while unreachable
        self._gap_s: dict[str, float] = {}
        self.sentences: dict[str, str] = {}      # venue -> why not, as of now
        self.facts: dict[str, dict[str, Any]] = {}

    def look(self) -> None:
        """Read the files; say what is new."""
        now = time.monotonic()
        for venue in self._venues:
            try:
                fact = self.facts[venue] = json.loads((self._run_dir / f"feed-{venue}.json").read_bytes())
            except (OSError, ValueError):
                continue  # not written yet
            if fact.get("state") == "unreachable":
                self.sentences[venue] = unreachable_sentence(venue, fact, time.time_ns())
                if now >= self._next_s.get(venue, 0.0):
                    self._say(self.sentences[venue])
                    self._gap_s[venue] = min(2 * self._gap_s.get(venue, AGAIN_FIRST_S / 2), AGAIN_LAST_S)
                    self._next_s[venue] = now + self._gap_s[venue]
            elif fact.get("state") in ("connecting", "syncing", "partly connected", "live") and venue in self._next_s:
                del self._next_s[venue], self._gap_s[venue], self.sentences[venue]
                self._say(f"{venue} is reached again")

    def summary(self) -> dict[str, dict[str, Any]]:
        """By venue: the last state seen while running; out of reach: why, and how often it was tried. For report.json."""
        made = {}
        for venue in self._venues:
            fact = self.facts.get(venue, {})
            made[venue] = {"state": fact.get("state", "unknown")}
            if made[venue]["state"] == "unreachable":
                made[venue] |= {"reason": fact.get("reason", "no connection"), "attempts": fact.get("attempts", 0)}
        return made

"""venue x market x item -> pass, FAIL, missing or not offered, from the reports of a run; as a table and as JSON.

A cell passes when at least one of its tests passed and none failed. Tests carry their cell in `user_properties`, which travel
from xdist's workers with the reports."""
from __future__ import annotations

import json
import pathlib
from typing import Any

from tests.conformance.case import ITEMS, load_case

PROPERTY = "conformance"
ORDER = ("", "not offered", "no recording", "pass", "missing", "FAIL")  # a later word wins over an earlier one


class Summary:
    """Filled report by report."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.words: dict[tuple[str, str, int], str] = {}
        self.reasons: dict[tuple[str, str, int], list[str]] = {}

    def take(self, report: Any) -> None:
        """A setup, call or teardown report of any test."""
        cells = [value for key, value in report.user_properties if key == PROPERTY]
        if not cells or (report.passed and report.when != "call"):
            return
        word, reason = judge(report)
        for venue, market, item in cells:
            cell = (venue, market, int(item))
            if ORDER.index(word) > ORDER.index(self.words.get(cell, "")):
                self.words[cell] = word
                self.reasons[cell] = []
            if reason and self.words[cell] == word and reason not in self.reasons.setdefault(cell, []):
                self.reasons[cell].append(reason)

    def rows(self) -> list[dict[str, Any]]:
        """One for each venue and market: {"venue", "market", "items": {name: {"word", "why"}}}."""
        rows = []
        for name in self.names:
            for market in load_case(name).markets:
                items = {}
                for item, title in ITEMS.items():
                    cell = (name, market, item)
                    word = self.words.get(cell, "")
                    items[f"{item} {title}"] = {"word": word or "not run", "why": self.reasons.get(cell, [])}
                rows.append({"venue": name, "market": market, "items": items})
        return rows

    def write(self, path: pathlib.Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        told = {"items": [f"{n} {title}" for n, title in ITEMS.items()], "rows": self.rows()}
        path.write_text(json.dumps(told, indent=1) + "\n")

    def lines(self) -> list[str]:
        """The table, and below it why a cell is anything but a pass."""
        heads = [f"{n} {title}" for n, title in ITEMS.items()]
        width = max(len("not offered"), *map(len, heads)) + 1
        lines = [f"{'venue':10}{'market':8}" + "".join(f"{head:{width}}" for head in heads)]
        notes = []
        for row in self.rows():
            cells = row["items"]
            lines.append(f"{row['venue']:10}{row['market']:8}" + "".join(f"{cells[head]['word']:{width}}" for head in heads))
            for head in heads:
                notes += [f"{row['venue']} {row['market']} {head}: {cells[head]['word']}: {why}" for why in cells[head]["why"]]
        return lines + notes


def judge(report: Any) -> tuple[str, str]:
    """(word of ORDER, reason) of one report."""
    if report.passed:
        return "pass", ""
    if report.skipped:
        text = str(report.longrepr[2]).removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if text.startswith("not offered: "):
            return "not offered", text.removeprefix("not offered: ")
        return "no recording", text
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message if crash else report.longrepr).splitlines()[0][:200]
    if "missing: " in text:
        return "missing", text[text.index("missing: ") + 9:]
    return "FAIL", f"{report.nodeid.split('::')[-1]}: {text}"

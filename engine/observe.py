"""The whole picture of a running system, put together by whoever looks: the engine's status over the control socket, books and
feeds from their boards, latency from the histogram pages. Looking costs the engine one short answer; the rest is read from shared
memory, read-only.

Used by the supervisor's screen and tools/status."""
import asyncio
import pathlib
import time
from typing import Any

from cext import hist, layout
from cext.ring import AttachError, RingReader
from engine import client
from engine.status import decimal_text, feed_row
from feeds.instruments import InstrumentError, InstrumentTable, run_table_path

STAGES_PERIOD_S = 1.0
FEEDS_PERIOD_S = 1.0
STATUS_TIMEOUT_S = 3.0


class Observer:
    """Looks at one run. `await status()` as often as wanted; slow parts are refreshed once a second."""

    def __init__(self, run_dir: pathlib.Path, who: str) -> None:
        self.run_dir = run_dir
        self._who = who
        self._session: client.Session | None = None
        self._table: InstrumentTable | None = None
        self._readers: dict[str, RingReader] = {}
        self._cached: dict[str, tuple[float, Any]] = {}

    async def status(self) -> dict[str, Any]:
        """Everything that engine/supervisor/screen.py draws. Raises client.NotRunning or CommandError."""
        engine = await self._engine_status()
        self._load_table()
        names = list(engine.get("feed_states", {}))
        shown = {**engine, "stages": self._every("stages", STAGES_PERIOD_S, self._stages)}
        if self._table is not None:
            shown["feeds"] = self._every("feeds", FEEDS_PERIOD_S, lambda: self._feeds(names))
            shown["books"] = self._books(names)
        return shown

    async def _engine_status(self) -> dict[str, Any]:
        try:
            async with asyncio.timeout(STATUS_TIMEOUT_S):
                if self._session is None:
                    reader, writer = await asyncio.open_unix_connection(str(client.socket_path(self.run_dir)), limit=1 << 22)
                    self._session = client.Session(reader, writer, self._who)
                return await self._session.status()
        except (OSError, TimeoutError) as error:
            self._session = None
            raise client.NotRunning(f"the engine does not answer ({error or type(error).__name__})") from error

    def _every(self, name: str, period_s: float, make: Any) -> Any:
        """The value of make(), at most so old."""
        at, value = self._cached.get(name, (0.0, None))
        if time.monotonic() - at >= period_s:
            value = make()
            self._cached[name] = (time.monotonic(), value)
        return value

    def _load_table(self) -> None:
        if self._table is None:
            try:
                self._table = InstrumentTable.load(run_table_path(self.run_dir))
            except InstrumentError:
                return  # the feed has not reached its venue yet: there is nothing to show

    def _reader(self, name: str) -> RingReader | None:
        reader = self._readers.get(name)
        if reader is not None and not reader.is_current():
            self._readers.pop(name).close()
            reader = None
        if reader is None:
            try:
                reader = self._readers[name] = RingReader(self.run_dir.name, name)
            except AttachError:
                return None
        return reader

    def _stages(self) -> dict[str, dict[str, int]]:
        return {name: hist.percentiles(histogram) for name, histogram in hist.read_live(self.run_dir.name).items()}

    def _feeds(self, names: list[str]) -> list[dict[str, Any]]:
        now = time.monotonic_ns()
        rows = range(len(self._table.rows)) if self._table is not None else range(0)
        return [feed_row(name, self._reader(name), rows, now) for name in names]

    def _books(self, names: list[str]) -> list[dict[str, Any]]:
        """One row an instrument that the run reads, from the board of the venue's feed."""
        now = time.monotonic_ns()
        shown = []
        for row in self._table.rows if self._table is not None else []:
            reader = self._reader(row.venue) if row.venue in names else None
            if row.status != "TRADING" or reader is None:
                continue
            book = reader.read_board(row.id)
            if book is None:
                shown.append({"name": row.name, "state": "NONE", "age_ms": None, "bid": None, "ask": None})
                continue
            flags = book["flags"]
            state = "INVALID" if not flags & layout.BOOK_VALID else "CROSSED" if flags & layout.BOOK_CROSSED else "LIVE"
            shown.append({"name": row.name, "state": state, "age_ms": (now - book["batch_mono_ns"]) / 1e6,
                          "bid": decimal_text(book["bids"][0][0], row.px_scale) if book["bids"] else None,
                          "ask": decimal_text(book["asks"][0][0], row.px_scale) if book["asks"] else None})
        return shown

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

"""The engine's end of the feeds: attaches their segments, sees when one died or was replaced, attaches the new one.

Called by the shell a few times a second; the hot loop only ever sees readers that are attached. Until the first attachment
succeeds the engine waits and says for what."""
import logging
from collections.abc import Callable

from cext.ring import AttachError, RingReader

log = logging.getLogger("lockstep.feed_link")

HEARTBEAT_DEAD_NS = 1_000_000_000


class FeedLink:
    """One feed by name. `set_reader(reader | None)` hands the reader to the poll step."""

    def __init__(self, run_id: str, name: str, instruments_hash: int, set_reader: Callable[[RingReader | None], None],
                 on_down: Callable[[], None]) -> None:
        self.name = name
        self.reader: RingReader | None = None
        self.attachments = 0
        self.last_reason = "not looked yet"
        self._run_id = run_id
        self._instruments_hash = instruments_hash
        self._set_reader = set_reader
        self._on_down = on_down

    def check(self, now_mono_ns: int) -> bool:
        """Attach when not attached, let go of a feed that died. True while it lives."""
        if self.reader is not None and not self.reader.is_current():
            self._let_go("its segment was replaced")
        if (
            self.reader is not None
            and now_mono_ns - self.reader.heartbeat_mono_ns() > HEARTBEAT_DEAD_NS
            and not self.reader.is_producer_alive()
        ):
            self._let_go("its process died")
        if self.reader is None:
            self._attach()
        return self.reader is not None

    def _attach(self) -> None:
        try:
            reader = RingReader(self._run_id, self.name, instruments_hash=self._instruments_hash)
        except AttachError as error:
            if str(error) != self.last_reason:
                self.last_reason = str(error)
                log.info("feed %s: %s", self.name, error)
            return
        self.reader = reader
        self.attachments += 1
        self.last_reason = ""
        self._set_reader(reader)
        log.info("feed %s: attached, generation %d", self.name, reader.header()["generation"])

    def _let_go(self, reason: str) -> None:
        log.warning("feed %s: %s; nothing of it is traded on until it is back", self.name, reason)
        reader, self.reader = self.reader, None
        self._on_down()
        self._set_reader(None)
        if reader is not None:
            reader.close()
        self.last_reason = reason

    def close(self) -> None:
        """Let go for good."""
        if self.reader is not None:
            self._set_reader(None)
            self.reader.close()
            self.reader = None

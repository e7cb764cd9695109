"""Creating, opening and reading the state page (the hot side is inline in state_page.pxd).

Owner is the engine: it creates the page, beats its heart there, counts there. tools/kill, the guard and the control socket each
own one word. Everybody else maps it read-only."""
import os

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

import numpy as np

from cext import layout, shm
from cext.layout cimport LAYOUT_VERSION, STATE_MAGIC, TRADING_EMERGENCY, state_page_t

TRADING_ACTIVE_WORD = layout.TRADING_ACTIVE
PHASES = ("starting", "warming", "trading", "stopping", "stopped")


cdef state_page_t *page_address(object mapping) except NULL:
    cdef const uint8_t[::1] view = mapping
    return <state_page_t *>&view[0]


def check_word(word):
    """A TRADING_* value, or ValueError with the names that there are."""
    names = layout.names_of("TRADING_")
    if word not in names:
        raise ValueError(f"trading word {word} is none of {', '.join(f'{value} {name}' for value, name in sorted(names.items()))}")
    return word


def replace_dead(name):
    """Free the name of a page whose engine is gone -> its words (operator, guard): a kill outlives the engine that it stopped.
    ShmError while that engine lives."""
    try:
        old = shm.open_segment(name, prefault=False)
    except shm.ShmError as error:
        if error.reason == "missing":
            return TRADING_ACTIVE_WORD, TRADING_ACTIVE_WORD
        if error.reason != "empty":
            raise
        shm.unlink(name)
        return TRADING_ACTIVE_WORD, TRADING_ACTIVE_WORD
    cdef state_page_t *page = page_address(old.map)
    if page.engine_pid != <uint32_t>os.getpid() and shm.is_producer_alive(page.engine_pid, page.engine_start):
        raise shm.ShmError(f"{name} belongs to engine process {page.engine_pid}, which is running: one engine a run directory",
                           "alive")
    words = [page.operator_word, page.guard_word]
    if page.layout_hash != <uint64_t>layout.LAYOUT_HASH:
        words[0] = TRADING_EMERGENCY   # another build's page: what its words were is not known
    shm.unlink(name)
    return words[0], words[1]


cdef class StatePage:
    @classmethod
    def create(cls, run_id, config_hash=0):
        """The engine's page, phase starting, all words ACTIVE; those of operator and guard as an engine that died left them."""
        name = shm.segment_name(run_id, "state")
        operator_word, guard_word = replace_dead(name)
        cdef StatePage made = StatePage.__new__(StatePage)
        made._segment = shm.create_segment(name, sizeof(state_page_t))
        made.page = page_address(made._segment.map)
        made.name = name
        made._is_owner = True
        made.page.operator_word = operator_word
        made.page.guard_word = guard_word
        made._describe(run_id, config_hash)
        return made

    def _describe(self, run_id, config_hash):
        cdef bytes text = run_id.encode()
        self.page.engine_pid = os.getpid()
        self.page.engine_start = shm.process_start(os.getpid())
        self.page.layout_hash = layout.LAYOUT_HASH
        self.page.layout_version = LAYOUT_VERSION
        self.page.config_hash = config_hash
        memcpy(&self.page.run_id[0], <const char *>text, len(text))
        store_release_u64(&self.page.magic, STATE_MAGIC)

    @classmethod
    def open(cls, run_id, writable=False):
        """An existing page; ShmError names what is wrong with it."""
        name = shm.segment_name(run_id, "state")
        cdef StatePage made = StatePage.__new__(StatePage)
        made._segment = shm.open_segment(name, writable=writable)
        if made._segment.bytes < <uint64_t>sizeof(state_page_t):
            raise shm.ShmError(f"{name} has {made._segment.bytes} bytes, a state page has {sizeof(state_page_t)}", "size")
        made.page = page_address(made._segment.map)
        made.name = name
        made._is_owner = False
        made._check()
        return made

    def _check(self):
        if load_acquire_u64(&self.page.magic) != STATE_MAGIC:
            raise shm.ShmError(f"{self.name} is no finished state page (magic {self.page.magic:#x})", "magic")
        if self.page.layout_version != LAYOUT_VERSION or self.page.layout_hash != <uint64_t>layout.LAYOUT_HASH:
            raise shm.ShmError(f"{self.name} has layout version {self.page.layout_version} hash {self.page.layout_hash:016x}, this build has "
                               f"{LAYOUT_VERSION} {layout.LAYOUT_HASH:016x}; use the tools of the build that runs", "layout_hash")

    cdef state_page_t *_mapped(self) except NULL:
        if self.page == NULL:
            raise shm.ShmError(f"{self.name} was closed", "closed")
        return self.page

    def trading_word(self):
        """TRADING_*, most severe of the three words; EMERGENCY after close()."""
        return state_trading_word(self.page)

    def is_linked(self):
        return self.page != NULL and self._segment.is_linked()

    def set_operator_word(self, word):
        store_release_u64(&self._mapped().operator_word, check_word(word))

    def set_guard_word(self, word):
        store_release_u64(&self._mapped().guard_word, check_word(word))

    def set_engine_word(self, word):
        store_release_u64(&self._mapped().engine_word, check_word(word))

    def set_phase(self, phase):
        """0..4, see PHASES."""
        if not 0 <= phase < len(PHASES):
            raise ValueError(f"engine phase {phase} is not in 0..{len(PHASES) - 1}")
        store_release_u32(&self._mapped().engine_phase, phase)

    def set_sleeping(self, is_sleeping):
        state_set_sleeping(self._mapped(), 1 if is_sleeping else 0)

    def snapshot(self):
        """All fields as a dict: `words` by writer, rejects and skips as lists, the phase also by name."""
        self._mapped()
        record = np.frombuffer(self._segment.map, layout.DTYPES["state_page_t"], 1)[0]
        out = layout.struct_dict(record)
        out["phase"] = PHASES[out["engine_phase"]] if out["engine_phase"] < len(PHASES) else "unknown"
        out["trading"] = layout.names_of("TRADING_")[self.trading_word()]
        return out

    def is_engine_alive(self):
        """Exactly the process that made the page still runs."""
        page = self._mapped()
        return shm.is_producer_alive(page.engine_pid, page.engine_start)

    def close(self, unlink=False):
        """Let go; the owner may remove the name (then every open() fails, which counts as kill)."""
        if self.page == NULL:
            return
        self.page = NULL
        self._segment = None
        if unlink:
            shm.unlink(self.name)


def kill(run_id, word=TRADING_EMERGENCY):
    """Set the operator's word of a run."""
    page = StatePage.open(run_id, writable=True)
    page.set_operator_word(word)
    page.close()

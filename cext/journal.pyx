"""Writing and reading the journal. Format and rules: docs/journal.md; the engine writes, engine/flusher.py copies to disk.

Appending is a copy with a CRC and one release store of the commit word. Segments are reserved and touched before use, the next
one is prepared by a thread while the current one fills, so an append never waits for the kernel. A reader believes what has its
commit word, its sequence number, its epoch and its CRC, and nothing behind the first record that lacks one of them; where more
had been promised, it refuses."""
import os
import pathlib
import re
import threading
import time

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

import numpy as np
import orjson

from cext import layout, shm
from cext.layout cimport JOURNAL_COMMIT, JOURNAL_MAGIC, LAYOUT_VERSION, journal_header_t, journal_record_t

cdef extern from "journal.h" nogil:
    uint64_t load_acquire_u64(const uint64_t *p) noexcept
    void store_release_u64(uint64_t *p, uint64_t v) noexcept
    uint32_t crc32c_copy(uint32_t crc, void *to, const void *source, uint64_t size_bytes) noexcept
    uint32_t crc32c_words(uint32_t crc, const void *source, uint64_t size_bytes) noexcept
    uint32_t crc32c_table_bytes(uint32_t crc, const uint8_t *p, uint64_t size_bytes) noexcept
    uint64_t journal_padded(uint64_t size_bytes) noexcept
    uint32_t journal_crc_start(const journal_record_t *r, uint32_t segment_index) noexcept
    uint32_t journal_header_crc(const journal_header_t *h) noexcept
    uint64_t journal_check(const uint8_t *base, uint64_t at, uint64_t end, uint64_t seq, uint64_t epoch,
                           uint32_t segment_index) noexcept
    const int CRC32C_HARDWARE

cdef extern from "ring_prefetch.h" nogil:
    void prefetch_for_write(const void *where, uint64_t size_bytes) noexcept

SEGMENT_BYTES = 16 << 20    # 16 MiB hold 24,000 intents; with its spare it fits the 64 MiB of /dev/shm that containers get
RETRY_S = 1.0               # after a spare could not be made
FILE_SUFFIX = ".lsj"
STRUCT_OF_TYPE = {layout.JR_INTENT: "intent_t", layout.JR_SENT: "sent_t", layout.JR_ORDER_EVENT: "order_event_t",
                  layout.JR_REFUSAL: "refusal_t"}
TYPE_NAMES = layout.names_of("JR_")


class JournalCorrupt(Exception):
    """A journal that must not be trusted; says file, offset and what is wrong."""


cdef uint8_t *address_of(object buffer) except NULL:
    cdef const uint8_t[::1] view = buffer
    return <uint8_t *>&view[0]

# ---------------------------------------------------------------- appending


cdef uint64_t journal_append(journal_t *j, uint32_t type, const void *payload, uint32_t payload_bytes, int64_t mono, int64_t wall,
                             uint64_t correlation) noexcept nogil:  # hot
    """Sequence number of the committed record; 0 when neither the segment nor a spare has room."""
    cdef uint64_t needed = sizeof(journal_record_t) + journal_padded(payload_bytes)
    cdef journal_record_t *record
    cdef uint32_t crc
    cdef uint64_t seq
    if needed > j.active.bytes - j.position and not take_spare(j, needed):
        j.full += 1
        return 0
    seq = j.next_seq
    record = <journal_record_t *>(j.active.base + j.position)
    record.payload_bytes = payload_bytes
    record.seq = seq
    record.epoch = j.epoch
    record.mono_ns = mono
    record.wall_ns = wall
    record.type = type
    record.pad0 = 0
    record.correlation_id = correlation
    crc = crc32c_copy(journal_crc_start(record, j.active.index), <uint8_t *>record + sizeof(journal_record_t), payload,
                      payload_bytes)
    record.crc32c = ~crc
    store_release_u64(&record.commit, JOURNAL_COMMIT ^ seq)
    j.next_seq = seq + 1
    j.position += needed
    store_release_u64(&(<journal_header_t *>j.active.base).committed_bytes, j.position)
    if j.position + needed <= j.active.bytes:   # the next one is likely as long: have its lines at hand
        prefetch_for_write(j.active.base + j.position, needed)
    return seq


cdef uint32_t journal_rehearse(journal_t *j, const void *payload, uint32_t payload_bytes) noexcept nogil:  # hot
    """A checksum that nobody wants, and a prefetch of the lines that the next record of this size will take. Writes nothing."""
    cdef uint64_t needed = sizeof(journal_record_t) + journal_padded(payload_bytes)
    if needed <= j.active.bytes - j.position:
        prefetch_for_write(j.active.base + j.position, needed)
    return crc32c_words(~<uint32_t>0, payload, payload_bytes & ~<uint32_t>7)


cdef bint take_spare(journal_t *j, uint64_t needed) noexcept nogil:  # hot
    """Go on in the spare segment, which waits zeroed and touched. False when there is none or the record fits in no segment."""
    cdef journal_header_t *header = <journal_header_t *>j.spare.base
    if header == NULL or needed > j.spare.bytes - sizeof(journal_header_t) or j.retired_count == JOURNAL_RETIRED_MAX:
        return False
    j.retired[j.retired_count] = j.active
    j.retired_count += 1
    j.active = j.spare
    j.spare.base = NULL
    start_segment(j)
    return True


cdef void start_segment(journal_t *j) noexcept nogil:  # hot
    """First use of j.active: its header becomes true once its CRC is there."""
    cdef journal_header_t *header = <journal_header_t *>j.active.base
    header.first_seq = j.next_seq
    header.committed_bytes = sizeof(journal_header_t)
    j.position = sizeof(journal_header_t)
    header.header_crc32c = journal_header_crc(header)


cdef void touch_pages(uint8_t *base, uint64_t size_bytes) noexcept nogil:
    """Write one byte a page, so that no append meets a page fault."""
    cdef uint64_t offset = 0
    while offset < size_bytes:
        (<volatile uint8_t *>(base + offset))[0] = 0
        offset += 4096


def boot_id():
    """The kernel's random name for this boot."""
    return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def is_unfinished(buffer):
    """True for a segment that its writer is still making (the magic comes last, nothing was written to it)."""
    cdef const journal_header_t *header
    if len(buffer) < <Py_ssize_t>sizeof(journal_header_t):
        return True
    header = <const journal_header_t *>address_of(buffer)
    return load_acquire_u64(&header.magic) == 0 and header.header_crc32c == 0 and header.committed_bytes == 0


def map_live(name):
    """A segment on /dev/shm as bytes; None while its writer is still making it, or when the flusher took it away meanwhile."""
    try:
        mapping = shm.open_segment(name, prefault=False).map
    except shm.ShmError as error:
        if error.reason in ("empty", "missing"):
            return None
        raise
    return None if is_unfinished(mapping) else mapping


def live_segments(run_id, stream):
    """Segment number -> name, of those on /dev/shm."""
    pattern = re.compile(rf"\.{stream}\.(\d+)$")
    return {int(found.group(1)): name for name in shm.list_run(run_id) if (found := pattern.search(name)) is not None}


def next_index(run_id, run_dir, stream):
    """First segment number that neither /dev/shm nor the run directory has seen."""
    taken = list(live_segments(run_id, stream))
    if run_dir is not None:
        taken += [int(path.stem) for path in (pathlib.Path(run_dir) / stream).glob("*" + FILE_SUFFIX)]
    return max(taken, default=-1) + 1


cdef class JournalWriter:
    def __cinit__(self):
        memset(&self.j, 0, sizeof(journal_t))

    def __init__(self, run_id, epoch, *, segment_bytes=SEGMENT_BYTES, first_seq=1, run_dir=None, stream="journal"):
        if segment_bytes < 2 * shm.PAGE_BYTES or segment_bytes % shm.PAGE_BYTES:
            raise ValueError(f"journal segment of {segment_bytes} bytes: want whole pages, at least two")
        self.run_id = run_id
        self.stream = stream
        self.segment_bytes = segment_bytes
        self._segments = {}
        self._thread = self._prepared = self._failure = None
        self._retry_mono_s = 0.0
        self._next_index = next_index(run_id, run_dir, stream)
        self.j.epoch = epoch
        self.j.next_seq = first_seq
        self._install(self._make_segment(self._next_index))
        self.j.active = self.j.spare
        self.j.spare.base = NULL
        start_segment(&self.j)
        self._install(self._make_segment(self._next_index))

    def _make_segment(self, index):
        """A reserved, touched segment whose header lacks only first_seq and CRC. Runs on the preparing thread, too."""
        segment = shm.create_segment(shm.segment_name(self.run_id, f"{self.stream}.{index}"), self.segment_bytes, prefault=False)
        cdef uint8_t *base = address_of(segment.map)
        cdef uint64_t size_bytes = self.segment_bytes
        with nogil:
            touch_pages(base, size_bytes)
        cdef journal_header_t *header = <journal_header_t *>base
        cdef bytes boot = boot_id().encode()[:39]
        cdef bytes run = self.run_id.encode()
        header.layout_hash = layout.LAYOUT_HASH
        header.layout_version = LAYOUT_VERSION
        header.segment_index = index
        header.segment_bytes = size_bytes
        header.epoch = self.j.epoch
        header.created_wall_ns = time.time_ns()
        header.writer_pid = os.getpid()
        header.writer_start = shm.process_start(os.getpid())
        memcpy(&header.boot_id[0], <const char *>boot, len(boot))
        memcpy(&header.run_id[0], <const char *>run, len(run))
        store_release_u64(&header.magic, JOURNAL_MAGIC)
        return index, segment

    def _install(self, made):
        """Make a prepared segment the spare."""
        index, segment = made
        self._segments[index] = segment
        self._next_index = index + 1
        self.j.spare.base = address_of(segment.map)
        self.j.spare.bytes = self.segment_bytes
        self.j.spare.index = index

    def append(self, type, payload, mono_ns, wall_ns, correlation_id=0):
        """seq of the committed record, or 0 when the journal is full."""
        cdef const uint8_t[::1] view
        cdef const uint8_t *start = NULL
        if len(payload):
            view = payload
            start = &view[0]
        return journal_append(&self.j, type, start, len(payload), mono_ns, wall_ns, correlation_id)

    def append_json(self, type, value, mono_ns, wall_ns, correlation_id=0):
        """As append(), payload = the value as JSON."""
        return self.append(type, orjson.dumps(value, default=str), mono_ns, wall_ns, correlation_id)

    def tend(self):
        """Calm side, every few ms, from the thread that appends. Installs what the preparing thread made, starts it when a spare
        is missing, drops full segments. Raises ShmError when preparing failed (once a try, a try a second)."""
        self._drop_retired()
        if self.j.spare.base != NULL:
            return
        if self._prepared is not None:
            made, self._prepared = self._prepared, None
            self._thread.join()
            self._thread = None
            self._install(made)
        elif self._failure is not None:
            failure, self._failure = self._failure, None
            self._thread.join()
            self._thread = None
            self._retry_mono_s = time.monotonic() + RETRY_S
            raise failure
        elif self._thread is None and time.monotonic() >= self._retry_mono_s:
            self._thread = threading.Thread(target=self._prepare, args=(self._next_index,), name="journal-spare", daemon=True)
            self._thread.start()

    def _prepare(self, index):
        """On a thread: keep off the core that the engine spins on, then make the segment."""
        try:
            leave_pinned_cpu()
            self._prepared = self._make_segment(index)
        except (OSError, shm.ShmError) as error:
            self._failure = error if isinstance(error, shm.ShmError) else shm.ShmError(f"journal segment {index}: {error}",
                                                                                       "create")

    def _drop_retired(self):
        for i in range(self.j.retired_count):
            segment = self._segments.pop(self.j.retired[i].index)
            segment.close()
        self.j.retired_count = 0

    def has_spare(self):
        """False = the current segment is the last one: stop opening new risk."""
        return self.j.spare.base != NULL

    def next_seq(self):
        return self.j.next_seq

    def full_count(self):
        return self.j.full

    def segment_index(self):
        """Number of the segment that is being written."""
        return self.j.active.index

    def close(self):
        """Unmap; an unused spare loses its name, the others keep theirs until the flusher has them on disk."""
        if self._thread is not None:
            self._thread.join()
            if self._prepared is not None:
                self._install(self._prepared)
        spare = self.j.spare.index if self.j.spare.base != NULL else None
        memset(&self.j, 0, sizeof(journal_t))
        for index, segment in self._segments.items():
            segment.close()
            if index == spare:
                shm.unlink(segment.name)
        self._segments = {}


def leave_pinned_cpu():
    """When the process's main thread is pinned to one CPU, move the calling thread to the others."""
    pinned = os.sched_getaffinity(os.getpid())
    if len(pinned) == 1:
        others = set(range(os.cpu_count() or 1)) - pinned
        try:
            os.sched_setaffinity(0, others)
        except OSError:
            return  # there are no others for us: then it runs where it is

# ---------------------------------------------------------------- reading


class Record:
    """One committed record. `decode()` gives its payload as a dict."""

    __slots__ = ("seq", "type", "mono_ns", "wall_ns", "correlation_id", "epoch", "segment_index", "payload")

    def __init__(self, seq, type, mono_ns, wall_ns, correlation_id, epoch, segment_index, payload):
        self.seq = seq
        self.type = type
        self.mono_ns = mono_ns
        self.wall_ns = wall_ns
        self.correlation_id = correlation_id
        self.epoch = epoch
        self.segment_index = segment_index
        self.payload = payload

    @property
    def type_name(self):
        return TYPE_NAMES.get(self.type, f"type {self.type}")

    def decode(self):
        """dict: the struct's fields by layout name, or the JSON value."""
        name = STRUCT_OF_TYPE.get(self.type)
        if name is None:
            return orjson.loads(self.payload)
        dtype = layout.DTYPES[name]
        if len(self.payload) != dtype.itemsize:
            raise JournalCorrupt(f"record {self.seq} ({self.type_name}) has {len(self.payload)} bytes, {name} has {dtype.itemsize}")
        return layout.struct_dict(np.frombuffer(self.payload, dtype)[0])

    def __repr__(self):
        return f"<{self.seq} {self.type_name} correlation {self.correlation_id} {len(self.payload)} bytes>"


cdef class SegmentView:
    """One segment as bytes (mapping or file content): its header checked, its records walked. The flusher and every reader use
    it."""
    cdef const uint8_t *base
    cdef uint64_t bytes
    cdef object _buffer
    cdef readonly str what
    cdef readonly uint64_t position   # behind the last record that was found good
    cdef readonly uint64_t next_seq

    def __init__(self, buffer, what):
        self.what = what
        self._buffer = buffer
        self.bytes = len(buffer)
        if self.bytes < <uint64_t>sizeof(journal_header_t):
            raise JournalCorrupt(f"{what}: {self.bytes} bytes, shorter than a segment header")
        self.base = address_of(buffer)
        self._check_header()
        self.position = sizeof(journal_header_t)
        self.next_seq = (<const journal_header_t *>self.base).first_seq

    def _check_header(self):
        cdef const journal_header_t *h = <const journal_header_t *>self.base
        if h.magic != JOURNAL_MAGIC:
            raise JournalCorrupt(f"{self.what}: magic {h.magic:#x} is not that of a journal segment")
        if h.layout_version != LAYOUT_VERSION or h.layout_hash != <uint64_t>layout.LAYOUT_HASH:
            raise JournalCorrupt(f"{self.what}: layout version {h.layout_version} hash {h.layout_hash:016x}, this build reads "
                                 f"{LAYOUT_VERSION} {layout.LAYOUT_HASH:016x}; read it with the commit that wrote it")
        if h.header_crc32c != 0 and h.header_crc32c != journal_header_crc(h):
            raise JournalCorrupt(f"{self.what}: header CRC {h.header_crc32c:08x} does not fit the header")
        if h.pad0 != 0 or h.pad2 != 0 or any(h.pad1[i] != 0 for i in range(sizeof(h.pad1))):
            raise JournalCorrupt(f"{self.what}: reserved header bytes are not zero")
        if h.committed_bytes > self.bytes:
            raise JournalCorrupt(f"{self.what}: {h.committed_bytes} bytes were committed, {self.bytes} are there: it was cut off")

    def is_used(self):
        """False for a spare that nothing was written to."""
        cdef const journal_header_t *h = <const journal_header_t *>self.base
        if h.header_crc32c == 0 and (h.committed_bytes != 0 or h.first_seq != 0):
            raise JournalCorrupt(f"{self.what}: the header has no CRC although the segment was used")
        return h.header_crc32c != 0

    def header(self):
        """Header fields as dict."""
        return layout.struct_dict(np.frombuffer(self._buffer, layout.DTYPES["journal_header_t"], 1)[0])

    def is_writer_alive(self):
        """Exactly the process that made the segment still runs (and on this boot)."""
        cdef const journal_header_t *h = <const journal_header_t *>self.base
        return shm.is_producer_alive(h.writer_pid, h.writer_start) and self.header()["boot_id"] == boot_id()

    def restart(self):
        """Read the header anew (a spare that was taken into use since)."""
        self.next_seq = (<const journal_header_t *>self.base).first_seq
        self.position = sizeof(journal_header_t)

    def promised_bytes(self):
        """committed_bytes of the header."""
        return load_acquire_u64(&(<const journal_header_t *>self.base).committed_bytes)

    def skip(self):
        """Step over one committed record; False when there is none (yet)."""
        cdef const journal_header_t *h = <const journal_header_t *>self.base
        size = journal_check(self.base, self.position, self.bytes, self.next_seq, h.epoch, h.segment_index)
        self.position += size
        self.next_seq += size != 0
        return size != 0

    def skip_all(self):
        """Step over all committed records; returns the position behind the last."""
        while self.skip():
            pass
        return self.position

    def next_record(self):
        """The next committed record, or None."""
        cdef const journal_record_t *r = <const journal_record_t *>(self.base + self.position)
        if not self.skip():
            return None
        start = <const uint8_t *>r + sizeof(journal_record_t)
        return Record(r.seq, r.type, r.mono_ns, r.wall_ns, r.correlation_id, r.epoch,
                      (<const journal_header_t *>self.base).segment_index, <bytes>start[:r.payload_bytes])

    def check_end(self):
        """Called behind the last good record: raise JournalCorrupt when more was promised or when a good record follows a bad
        one. Returns the bytes of a torn tail. After another boot a hole behind the promised part is what a power cut leaves."""
        promised = self.promised_bytes()
        if self.position < promised:
            raise JournalCorrupt(f"{self.what}: record {self.next_seq} at byte {self.position} is damaged, {promised} bytes were committed")
        rest = np.frombuffer(self._buffer, np.uint8)[self.position:]
        used = np.flatnonzero(rest.copy())  # a writer may go on meanwhile
        torn = int(used.max(initial=-1)) + 1
        if torn and self.header()["boot_id"] == boot_id():
            self._refuse_hole(self.position + torn)
        return torn

    def _refuse_hole(self, end):
        """On the boot that wrote it nothing good may lie behind a bad record."""
        cdef const journal_header_t *h = <const journal_header_t *>self.base
        cdef uint64_t at = self.position + 8
        cdef const journal_record_t *r
        while at < <uint64_t>end and at + sizeof(journal_record_t) <= self.bytes:
            r = <const journal_record_t *>(self.base + at)
            if r.commit == JOURNAL_COMMIT ^ r.seq and journal_check(self.base, at, self.bytes, r.seq, h.epoch, h.segment_index):
                raise JournalCorrupt(f"{self.what}: record {self.next_seq} at byte {self.position} is damaged, but intact record {r.seq} "
                                     f"follows at byte {at}: this is no torn tail")
            at += 8


class JournalReader:
    """Committed records in order; see journal.pyi."""

    def __init__(self, path):
        path = pathlib.Path(path)
        if (path / "journal").is_dir():
            path = path / "journal"
        files = sorted(path.glob("*" + FILE_SUFFIX)) if path.is_dir() else [path]
        if not files:
            raise FileNotFoundError(f"{path} holds no journal segment (*{FILE_SUFFIX})")
        self._sources = [(str(file), lambda file=file: file.read_bytes()) for file in files]
        self.torn_bytes = 0
        self.headers = []

    @classmethod
    def live(cls, run_id):
        """The segments of a run that are still on /dev/shm."""
        made = cls.__new__(cls)
        names = sorted(live_segments(run_id, "journal").items())
        if not names:
            raise FileNotFoundError(f"run {run_id} has no journal segment on {shm.SHM_DIR}")
        made._sources = [(name, lambda name=name: map_live(name)) for _, name in names]
        made.torn_bytes = 0
        made.headers = []
        return made

    @classmethod
    def of_run(cls, run_id, run_dir, stream="journal"):
        """Everything of a run, wherever it lies: a segment that is still on /dev/shm is read there (its file may lag), else from
        its file. Empty when the run has written nothing."""
        made = cls.__new__(cls)
        files = {int(path.stem): path for path in (pathlib.Path(run_dir) / stream).glob("*" + FILE_SUFFIX)}
        live = live_segments(run_id, stream)

        def load(index):
            mapping = map_live(live[index]) if index in live else None
            path = pathlib.Path(run_dir) / stream / f"{index:06d}{FILE_SUFFIX}"   # perhaps moved there meanwhile
            return mapping if mapping is not None or not path.exists() else path.read_bytes()

        made._sources = [(live.get(index) or str(files[index]), lambda index=index: load(index))
                         for index in sorted(files.keys() | live.keys())]
        made.torn_bytes = 0
        made.headers = []
        return made

    def __iter__(self):
        self.torn_bytes = 0
        self.headers = []
        previous = None
        for what, load in self._sources:
            buffer = load()
            if buffer is None:
                continue
            view = SegmentView(buffer, what)
            if not view.is_used():
                continue
            self._check_follows(previous, view)
            if previous is not None and self.torn_bytes and previous.header()["epoch"] == view.header()["epoch"]:
                raise JournalCorrupt(f"{previous.what} ends in {self.torn_bytes} torn bytes, but {what} follows it")
            self.headers.append(view.header())
            record = view.next_record()
            while record is not None:
                yield record
                record = view.next_record()
            self.torn_bytes = view.check_end()
            previous = view

    @staticmethod
    def _check_follows(previous, view):
        """Within one epoch segments follow each other without a gap."""
        if previous is None:
            return
        before, header = previous.header(), view.header()
        if before["epoch"] == header["epoch"] and (header["segment_index"] != before["segment_index"] + 1
                                                   or header["first_seq"] != previous.next_seq):
            raise JournalCorrupt(f"{view.what} begins with record {header['first_seq']}, {previous.what} ended before record "
                                 f"{previous.next_seq}: a segment is missing")


def crc32c(data, use_table=False):
    """CRC-32C of bytes (tests); whole 8-byte words go through the same code as the journal's."""
    cdef const uint8_t[::1] view
    cdef uint64_t whole = len(data) // 8 * 8
    cdef uint32_t crc = 0xffffffff
    if len(data) == 0:
        return 0
    view = data
    if not use_table:
        crc = crc32c_words(crc, &view[0], whole)
    else:
        crc = crc32c_table_bytes(crc, &view[0], whole)
    if whole < <uint64_t>len(data):
        crc = crc32c_table_bytes(crc, &view[whole], len(data) - whole)
    return ~crc & 0xffffffff


def crc32c_is_hardware():
    return bool(CRC32C_HARDWARE)

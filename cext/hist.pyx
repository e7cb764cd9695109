"""The Python side of cext/hist.h: pages of histograms in shared memory, their HdrHistogram twins, files, merging, percentiles.

A component (feed.binance, engine) creates one page and records into it with hist_record(). Anybody maps it read-only while it
runs. On disk: <run_dir>/hist/<component>.json, one entry a stage with the V2 encoding of HdrHistogram (base64) and the exact
minimum and maximum, which that encoding rounds (docs/histograms.md). Files merge; percentiles don't."""
import os
import pathlib
import time

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset

import numpy as np
import orjson
from hdrh.histogram import HdrHistogram

from cext import layout, shm
from cext.layout cimport (HIST_COUNTS_LENGTH, HIST_HIGHEST_NS, HIST_MAGIC, HIST_SIGNIFICANT_DIGITS, LAYOUT_VERSION, STAGES_MAX,
                          hist_header_t, histogram_t)

cdef extern from "atomics.h" nogil:
    uint64_t load_acquire_u64(const uint64_t *p) noexcept
    void store_release_u64(uint64_t *p, uint64_t v) noexcept

FRACTIONS = (("p50_ns", 50.0), ("p90_ns", 90.0), ("p99_ns", 99.0), ("p999_ns", 99.9), ("p9999_ns", 99.99))
OURS = [1, int(HIST_HIGHEST_NS), int(HIST_SIGNIFICANT_DIGITS)]  # what new_histogram() lays counts out for


cdef uint8_t *map_address(object mapping) except NULL:
    cdef const uint8_t[::1] view = mapping
    return <uint8_t *>&view[0]

# ---------------------------------------------------------------- HdrHistogram twins


def new_histogram():
    """An empty HdrHistogram of our range and precision."""
    return HdrHistogram(1, HIST_HIGHEST_NS, HIST_SIGNIFICANT_DIGITS)


def counts_of(histogram):
    """The counts of an HdrHistogram as a numpy view; a decoded one may have fewer than HIST_COUNTS_LENGTH."""
    return np.frombuffer(histogram.counts, np.dtype(f"<u{histogram.word_size}"))


def make_histogram(counts, min_ns, max_ns):
    """An HdrHistogram from an array of counts and the exact extremes."""
    histogram = new_histogram()
    counts_of(histogram)[:len(counts)] = counts
    histogram.total_count = int(counts.sum())
    if histogram.total_count:
        histogram.min_value, histogram.max_value = int(min_ns), int(max_ns)
    return histogram


def index_of(ns):
    """Index of a value's count (the arithmetic of hist.h, for tests)."""
    return hist_index(ns)


def merge(parts):
    """Histograms of several components as one dict; equal stages are added. Order of first appearance is kept."""
    merged = {}
    for part in parts:
        for stage, histogram in part.items():
            if stage not in merged:
                merged[stage] = new_histogram()
            into = merged[stage]
            counts = counts_of(histogram)
            counts_of(into)[:len(counts)] += counts.astype(np.uint64)
            into.total_count += histogram.total_count
            into.min_value = min(into.min_value, histogram.min_value)
            into.max_value = max(into.max_value, histogram.max_value)
    return merged


def percentiles_of_counts(counts, min_ns, max_ns):
    """count, min_ns, p50_ns ... max_ns from an array of counts, as HdrHistogram computes them, never above the exact maximum."""
    running = np.cumsum(counts)
    total = int(running.max(initial=0))
    if total == 0:
        return {"count": 0, "min_ns": 0, **{key: 0 for key, _ in FRACTIONS}, "max_ns": 0}
    out = {"count": total, "min_ns": int(min_ns)}
    for key, percent in FRACTIONS:
        target = max(int(percent * total / 100 + 0.5), 1)
        out[key] = min(highest_of_index(int(np.searchsorted(running, target))), int(max_ns))
    out["max_ns"] = int(max_ns)
    return out


def highest_of_index(index):
    """Largest value that is counted at an index."""
    if index < 2048:
        return index
    bucket = (index >> 10) - 1
    return (((index & 1023) + 1024 + 1) << bucket) - 1


def percentiles(histogram):
    """count, min_ns, p50_ns, p90_ns, p99_ns, p999_ns, p9999_ns, max_ns of an HdrHistogram. About 50 us, where its own loop takes
    10 ms."""
    return percentiles_of_counts(counts_of(histogram), histogram.min_value, histogram.max_value)

# ---------------------------------------------------------------- pages


cdef class HistPage:
    @classmethod
    def create(cls, run_id, component, names):
        """A fresh page with one histogram a name; a page that an earlier process of this component left is replaced."""
        names = list(names)
        if not 0 < len(names) <= STAGES_MAX or len(set(names)) != len(names):
            raise ValueError(f"a page holds 1 to {STAGES_MAX} different stages, not {len(names)}: {', '.join(names)}")
        for text in (component, *names):
            if not 0 < len(text.encode()) < 32:
                raise ValueError(f"name {text!r} of a component or stage must have 1 to 31 bytes")
        cdef HistPage made = HistPage.__new__(HistPage)
        made.name = shm.segment_name(run_id, f"hist.{component}")
        shm.unlink(made.name)
        made._segment = shm.create_segment(made.name, sizeof(hist_header_t) + len(names) * sizeof(histogram_t))
        made._is_owner = True
        made._place()
        made.header.histogram_count = len(names)
        for index, stage in enumerate(names):
            made._describe(index, stage.encode())
        made._finish(component)
        made._read_names()
        return made

    cdef int _place(self) except -1:
        cdef uint8_t *base = map_address(self._segment.map)
        self.header = <hist_header_t *>base
        self.histograms = <histogram_t *>(base + sizeof(hist_header_t))
        return 0

    def _describe(self, int index, bytes stage):
        cdef histogram_t *h = &self.histograms[index]
        memcpy(&h.name[0], <const char *>stage, len(stage))
        h.min_ns = INT64_MAX

    def _finish(self, component):
        """Header last, its magic very last."""
        cdef bytes text = component.encode()
        memcpy(&self.header.component[0], <const char *>text, len(text))
        self.header.layout_hash = layout.LAYOUT_HASH
        self.header.layout_version = LAYOUT_VERSION
        self.header.started_wall_ns = time.time_ns()
        store_release_u64(&self.header.magic, HIST_MAGIC)

    @classmethod
    def open(cls, run_id, component):
        """An existing page, read-only; ShmError says what is wrong with it."""
        cdef HistPage made = HistPage.__new__(HistPage)
        made.name = shm.segment_name(run_id, f"hist.{component}")
        made._segment = shm.open_segment(made.name, prefault=False)
        made._is_owner = False
        made._check()
        made._place()
        made._read_names()
        return made

    def _check(self):
        cdef hist_header_t *header = <hist_header_t *>map_address(self._segment.map)
        if self._segment.bytes < <uint64_t>sizeof(hist_header_t) or load_acquire_u64(&header.magic) != HIST_MAGIC:
            raise shm.ShmError(f"{self.name} is no finished histogram page", "magic")
        if header.layout_version != LAYOUT_VERSION or header.layout_hash != <uint64_t>layout.LAYOUT_HASH:
            raise shm.ShmError(f"{self.name} has layout {header.layout_hash:016x}, this build has {layout.LAYOUT_HASH:016x}; "
                               "use the tools of the build that runs", "layout_hash")
        wanted = sizeof(hist_header_t) + header.histogram_count * sizeof(histogram_t)
        if <uint64_t>self._segment.bytes < <uint64_t>wanted:
            raise shm.ShmError(f"{self.name} has {self._segment.bytes} bytes, its header speaks of {wanted}", "size")

    def _read_names(self):
        self.count = self.header.histogram_count
        self.component = (<bytes>(<char *>&self.header.component[0])).decode()
        self.names = [(<bytes>(<char *>&self.histograms[i].name[0])).decode() for i in range(self.count)]

    cdef histogram_t *at(self, int index) noexcept nogil:  # hot
        """Histogram by index; the index is the caller's promise (0 <= index < count)."""
        return &self.histograms[index]

    cdef histogram_t *named(self, str stage) except NULL:
        """Histogram by stage name; KeyError names what there is."""
        if stage not in self.names:
            raise KeyError(f"page {self.component} has no stage {stage}: {', '.join(self.names)}")
        return &self.histograms[self.names.index(stage)]

    def record(self, stage, ns):
        """Record from Python (calm code)."""
        if not self._is_owner:
            raise PermissionError(f"{self.name} is mapped read-only: one writer a page")
        hist_record(self.named(stage), ns)

    def reset(self):
        """Empty every histogram (after warming). The writer's own thread only."""
        if not self._is_owner:
            raise PermissionError(f"{self.name} is mapped read-only: one writer a page")
        for index in range(self.count):
            self._reset_one(index)

    cdef int _reset_one(self, int index) except -1:
        cdef histogram_t *h = &self.histograms[index]
        memset(&h.counts[0], 0, sizeof(h.counts))
        h.total = 0
        h.refused = 0
        h.min_ns = INT64_MAX
        h.max_ns = 0
        return 0

    def _counts(self, index):
        """Copy of one histogram's counts. Single counts may be newer than others: each is right on its own."""
        offset = sizeof(hist_header_t) + index * sizeof(histogram_t) + 64
        return np.frombuffer(self._segment.map, np.uint64, HIST_COUNTS_LENGTH, offset).copy()

    def snapshot(self):
        """stage -> HdrHistogram with what has been recorded so far."""
        return {stage: make_histogram(self._counts(i), self.histograms[i].min_ns, self.histograms[i].max_ns)
                for i, stage in enumerate(self.names)}

    def percentiles(self):
        """stage -> percentiles dict, straight from the page (status screen)."""
        return {stage: percentiles_of_counts(self._counts(i), self.histograms[i].min_ns, self.histograms[i].max_ns)
                for i, stage in enumerate(self.names)}

    def refused(self):
        """stage -> values that were negative or above 60 s."""
        return {stage: self.histograms[i].refused for i, stage in enumerate(self.names)}

    def save(self, run_dir, life=""):
        """Write <run_dir>/hist/<component>.json, atomically; with `life` <component>.<life>.json: what an earlier process of the
        component had measured when it died."""
        entries = {}
        refused = self.refused()
        for stage, histogram in self.snapshot().items():
            entries[stage] = {"count": histogram.total_count, "refused": refused[stage], "v2": histogram.encode().decode()}
            if histogram.total_count:
                entries[stage] |= {"min_ns": histogram.min_value, "max_ns": histogram.max_value}
        folder = pathlib.Path(run_dir) / "hist"
        folder.mkdir(exist_ok=True)
        path = folder / f"{self.component}{'.' + life if life else ''}.json"
        temporary = path.with_name(path.name + ".tmp")
        temporary.write_bytes(orjson.dumps({"component": self.component, "started_wall_ns": self.header.started_wall_ns,
                                            "saved_wall_ns": time.time_ns(), "histograms": entries}, option=orjson.OPT_INDENT_2))
        os.replace(temporary, path)
        return path

    def close(self, unlink=None):
        """Let the mapping go; the owner also removes the name unless told otherwise. hist_record() must not be called any
        more."""
        if self.header == NULL:
            return
        self.header = NULL
        self.histograms = NULL
        self._segment = None
        if unlink if unlink is not None else self._is_owner:
            shm.unlink(self.name)

# ---------------------------------------------------------------- files and running systems


class HistogramFileError(Exception):
    """A histogram file that cannot be read; says which and why."""


def load(path):
    """stage -> HdrHistogram of one file; HistogramFileError says what is wrong with it."""
    path = pathlib.Path(path)
    try:
        document = orjson.loads(path.read_bytes())
        return {stage: _decode(entry) for stage, entry in document["histograms"].items()}
    except OSError as error:
        raise HistogramFileError(f"{path}: {error.strerror}") from error
    except Exception as error:  # whatever hdrh and orjson raise on broken input
        raise HistogramFileError(f"{path}: no histogram file, or a broken one ({type(error).__name__}: {error})") from error


def _decode(entry):
    decoded = HdrHistogram.decode(entry["v2"])
    theirs = [decoded.lowest_trackable_value, decoded.highest_trackable_value, decoded.significant_figures]
    if theirs != OURS:
        raise ValueError(f"counts are laid out for lowest, highest, digits {theirs}, this build's for {OURS}")
    counts = counts_of(decoded).astype(np.uint64)
    if int(counts.sum()) != entry["count"]:
        raise ValueError(f"holds {int(counts.sum())} samples, should hold {entry['count']}")
    return make_histogram(counts, entry["min_ns"], entry["max_ns"]) if entry["count"] else new_histogram()


def load_run(run_dir):
    """All components of a finished run, merged by stage."""
    return merge([load(path) for path in sorted((pathlib.Path(run_dir) / "hist").glob("*.json"))])


def live_components(run_id):
    """Components of a running system that have a page."""
    prefix = shm.segment_name(run_id, "hist.")
    return [name[len(prefix):] for name in shm.list_run(run_id) if name.startswith(prefix)]


def read_live(run_id):
    """All pages of a running system, merged by stage; pages that vanish meanwhile are left out."""
    parts = []
    for component in live_components(run_id):
        try:
            parts.append(HistPage.open(run_id, component).snapshot())
        except shm.ShmError as error:
            if error.reason != "missing":
                raise
    return merge(parts)

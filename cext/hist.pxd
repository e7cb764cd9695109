"""Latency histograms in shared memory, bit for bit laid out like HdrHistogram (1 ns .. 60 s, 3 digits). Recording is a few
instructions; reading, merging and encoding belong to `hdrh` and happen elsewhere."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from cext.layout cimport hist_header_t, histogram_t

cdef extern from "hist.h" nogil:
    # inline, about 2 ns: negative or above 60 s is counted in `refused` and not recorded
    void hist_record(histogram_t *h, int64_t ns) noexcept
    uint32_t hist_index(int64_t ns) noexcept


cdef class HistPage:
    """One component's page: one writer process, `count` histograms. `at(i)` is stable for the life of the page."""
    cdef hist_header_t *header
    cdef histogram_t *histograms
    cdef readonly int count
    cdef readonly str component
    cdef readonly list names
    cdef readonly str name
    cdef object _segment
    cdef bint _is_owner
    cdef histogram_t *at(self, int index) noexcept nogil  # hot
    cdef histogram_t *named(self, str stage) except NULL
    cdef int _place(self) except -1
    cdef int _reset_one(self, int index) except -1

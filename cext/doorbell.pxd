"""Doorbell: a FIFO in the run directory that wakes a sleeping engine. Rung only when the engine says that it sleeps."""
from libc.stdint cimport uint64_t

from cext.layout cimport state_page_t

ctypedef struct doorbell_t:
    const state_page_t *page     # NULL = no engine yet: nothing is rung
    int fd
    uint64_t rung                # writes done

cdef void doorbell_ring_if_sleeping(doorbell_t *bell) noexcept nogil  # hot


cdef class Doorbell:
    """Both ends: a feed calls doorbell_ring_if_sleeping(&bell.d) after publishing, the engine waits for `fileno()` and calls
    `drain()`."""
    cdef doorbell_t d
    cdef readonly str path
    cdef object _state_page

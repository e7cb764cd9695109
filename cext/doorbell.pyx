"""The FIFO `<run_dir>/doorbell` between feeds (writers) and a sleeping engine (reader).

The rule that loses no wake-up: producer publishes, fences, looks whether the engine sleeps; engine says that it sleeps, fences,
looks at the rings once more and only then waits. One of the two always sees the other. A full FIFO is fine: it will wake the
engine anyway."""
import os
import pathlib

from libc.string cimport memset
from posix.unistd cimport read, write

from cext import shm
from cext.state_page cimport StatePage, state_is_sleeping
from cext.state_page import StatePage as _StatePage

FIFO_NAME = "doorbell"


cdef void doorbell_ring_if_sleeping(doorbell_t *bell) noexcept nogil:  # hot
    """One byte into the FIFO when the engine sleeps; otherwise a fence and a look."""
    if state_is_sleeping(bell.page):
        write_byte(bell)


cdef void write_byte(doorbell_t *bell) noexcept nogil:  # hot
    """Never blocks (O_NONBLOCK). An error is dropped on purpose: a full FIFO has bytes that wake the engine."""
    cdef char one = 1
    if write(bell.fd, &one, 1) == 1:
        bell.rung += 1


cdef class Doorbell:
    def __cinit__(self):
        memset(&self.d, 0, sizeof(doorbell_t))
        self.d.fd = -1

    def __init__(self, run_dir, state_page=None):
        self.path = str(pathlib.Path(run_dir) / FIFO_NAME)
        try:
            os.mkfifo(self.path, 0o600)
        except FileExistsError:
            pass
        # Both ends in one descriptor: opening never blocks, and the reader never sees end of file when a feed goes.
        self.d.fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.attach(state_page)

    def attach(self, state_page):
        """From now on ring when this page says that the engine sleeps; None = never."""
        self._state_page = state_page
        self.d.page = (<StatePage>state_page).page if state_page is not None else NULL

    def try_attach(self, run_id):
        """Attach to the run's state page when there is one that belongs to a living engine; says whether attached."""
        if self._state_page is not None and self._state_page.is_linked():
            return True
        self.attach(None)
        try:
            page = _StatePage.open(run_id)
        except shm.ShmError:
            return False
        self.attach(page)
        return True

    def fileno(self):
        return self.d.fd

    def drain(self):
        """Bytes taken out (engine, after waking)."""
        cdef char[256] sink
        cdef Py_ssize_t taken = 0
        cdef Py_ssize_t got = read(self.d.fd, sink, sizeof(sink))
        while got > 0:
            taken += got
            got = read(self.d.fd, sink, sizeof(sink))
        return taken

    def ring(self):
        """Ring unconditionally (control, tests)."""
        write_byte(&self.d)

    def ring_if_sleeping(self):
        doorbell_ring_if_sleeping(&self.d)

    def rung(self):
        return self.d.rung

    def close(self):
        if self.d.fd >= 0:
            os.close(self.d.fd)
            self.d.fd = -1
        self.attach(None)

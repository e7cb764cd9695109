"""Distribution of the basis edge over a recording; see edges.pyx."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    EDGE_SERIES = 5
    EDGE_BINS_A_SIDE = 30_000   # 0.01 bps each: -300 to 300 bps; beyond that the end bins count, min and max stay exact

ctypedef struct edge_series_t:
    uint64_t count
    double sum
    double min
    double max
    double last
    uint32_t bins[2 * EDGE_BINS_A_SIDE]

ctypedef struct edge_pair_t:
    int spot_row
    int perp_row
    double perp_multiplier   # underlying units of the perpetual's base unit, in those of the spot instrument
    edge_series_t *series    # EDGE_SERIES of them

ctypedef struct edge_best_t:
    double bid               # 0 = not known
    double ask
    double divisor           # 10**px_scale
    uint32_t has_top         # the instrument has a top-of-book stream: its depth is not sampled

ctypedef struct edges_t:
    edge_pair_t *pairs
    edge_best_t *best        # by row
    int pair_count

# The top-of-book stream said this of `row`, as recorded.
cdef void edges_on_top(edges_t *e, int row, int64_t bid_px, int64_t ask_px) noexcept nogil
# The book of `row` changed: counts only while the row had no top-of-book message.
cdef void edges_on_book(edges_t *e, int row, int64_t bid_px, int64_t ask_px) noexcept nogil


cdef class EdgeSampler:
    cdef edges_t e
    cdef readonly list pairs

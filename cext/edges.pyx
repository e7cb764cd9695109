"""Samples the basis and its edges each time the best prices of either instrument of a pair are told: what a trader would have
had.

Called by the replay loop only (`tools/replay --edges`). Series, all in bps of the price bought at: basis of the mids; forward =
buy spot, sell the perpetual, both taking; reverse = the opposite; the same two with the spot leg resting at its own side's best.
Where both are perpetuals of two venues the first stands in the place of spot.
Doubles: nothing is decided here. Memory per pair: 1.2 MB of bins, whatever the length of the recording."""
from libc.math cimport INFINITY, floor
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

SERIES = ("basis", "forward taker/taker", "reverse taker/taker", "forward maker/taker", "reverse maker/taker")
BIN_BPS = 0.01
BINS_PER_BPS = 100


cdef inline void series_add(edge_series_t *s, double bps) noexcept nogil:  # hot
    cdef double place = floor(bps * 100.0 + 1e-7) + EDGE_BINS_A_SIDE
    s.count += 1
    s.sum += bps
    s.last = bps
    if bps < s.min:
        s.min = bps
    if bps > s.max:
        s.max = bps
    if place < 0:
        place = 0
    if place > 2 * EDGE_BINS_A_SIDE - 1:
        place = 2 * EDGE_BINS_A_SIDE - 1
    s.bins[<uint32_t>place] += 1


cdef void edges_sample(edges_t *e, int row) noexcept nogil:  # hot
    """One sample of every pair of `row` whose best prices are known."""
    cdef edge_pair_t *pair
    cdef edge_best_t *spot
    cdef edge_best_t *perp
    cdef double perp_bid, perp_ask
    cdef int i
    for i in range(e.pair_count):
        pair = &e.pairs[i]
        if pair.spot_row != row and pair.perp_row != row:
            continue
        spot = &e.best[pair.spot_row]
        perp = &e.best[pair.perp_row]
        if spot.bid <= 0 or spot.ask <= 0 or perp.bid <= 0 or perp.ask <= 0:
            continue
        perp_bid = perp.bid / pair.perp_multiplier
        perp_ask = perp.ask / pair.perp_multiplier
        series_add(&pair.series[0], ((perp_bid + perp_ask) / (spot.bid + spot.ask) - 1) * 1e4)
        series_add(&pair.series[1], (perp_bid / spot.ask - 1) * 1e4)
        series_add(&pair.series[2], (spot.bid / perp_ask - 1) * 1e4)
        series_add(&pair.series[3], (perp_bid / spot.bid - 1) * 1e4)
        series_add(&pair.series[4], (spot.ask / perp_ask - 1) * 1e4)


cdef void edges_on_top(edges_t *e, int row, int64_t bid_px, int64_t ask_px) noexcept nogil:  # hot
    """See edges.pxd."""
    cdef edge_best_t *best = &e.best[row]
    best.has_top = 1
    best.bid = <double>bid_px / best.divisor
    best.ask = <double>ask_px / best.divisor
    edges_sample(e, row)


cdef void edges_on_book(edges_t *e, int row, int64_t bid_px, int64_t ask_px) noexcept nogil:  # hot
    """See edges.pxd."""
    cdef edge_best_t *best = &e.best[row]
    if best.has_top:
        return
    best.bid = <double>bid_px / best.divisor
    best.ask = <double>ask_px / best.divisor
    edges_sample(e, row)


cdef class EdgeSampler:
    """pairs: [(spot row, perpetual row, perpetual multiplier over the spot's)]; px_scales: by row."""

    def __init__(self, list pairs, list px_scales):
        cdef int i, s
        self.pairs = list(pairs)
        self.e.pairs = <edge_pair_t *>calloc(max(1, len(pairs)), sizeof(edge_pair_t))
        self.e.best = <edge_best_t *>calloc(max(1, len(px_scales)), sizeof(edge_best_t))
        if self.e.pairs == NULL or self.e.best == NULL:
            raise MemoryError
        for i, scale in enumerate(px_scales):
            self.e.best[i].divisor = 10.0 ** scale
        for i, (spot_row, perp_row, multiplier) in enumerate(pairs):
            self.e.pairs[i].spot_row = spot_row
            self.e.pairs[i].perp_row = perp_row
            self.e.pairs[i].perp_multiplier = multiplier
            self.e.pairs[i].series = <edge_series_t *>calloc(EDGE_SERIES, sizeof(edge_series_t))
            if self.e.pairs[i].series == NULL:
                raise MemoryError
            for s in range(EDGE_SERIES):
                self.e.pairs[i].series[s].min = INFINITY
                self.e.pairs[i].series[s].max = -INFINITY
            self.e.pair_count = i + 1

    def __dealloc__(self):
        cdef int i
        for i in range(self.e.pair_count):
            free(self.e.pairs[i].series)
        free(self.e.pairs)
        free(self.e.best)

    def on_top(self, int row, int64_t bid_px, int64_t ask_px):
        """For tests."""
        edges_on_top(&self.e, row, bid_px, ask_px)

    def on_book(self, int row, int64_t bid_px, int64_t ask_px):
        """For tests."""
        edges_on_book(&self.e, row, bid_px, ask_px)

    def series(self, int pair, int index) -> dict:
        """count, min, max, mean, last of one series; bins as {bin number: count}: bin n holds n * 0.01 <= bps < (n + 1) *
        0.01."""
        cdef edge_series_t *s = &self.e.pairs[pair].series[index]
        cdef int i
        cdef dict bins = {}
        for i in range(2 * EDGE_BINS_A_SIDE):
            if s.bins[i]:
                bins[i - EDGE_BINS_A_SIDE] = s.bins[i]
        if s.count == 0:
            return {"count": 0, "min": None, "max": None, "mean": None, "last": None, "bins": bins}
        return {"count": s.count, "min": s.min, "max": s.max, "mean": s.sum / s.count, "last": s.last, "bins": bins}

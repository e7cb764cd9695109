"""Exact money in 128 bits; see money.h. `int128_t` is a C type only: Cython must be told it in every cdef, never asked to
guess."""
from libc.stdint cimport int64_t

cdef extern from "money.h" nogil:
    ctypedef long long int128_t
    const int64_t MONEY_MAX
    int64_t money_clip(int128_t value) noexcept
    int128_t floor_div(int128_t a, int64_t b) noexcept
    int128_t ceil_div(int128_t a, int64_t b) noexcept
    int64_t notional_e8_ceil(int64_t px, int64_t qty, int64_t mul, int64_t div) noexcept
    int64_t rate_ceil(int64_t amount_e8, int64_t rate_e8) noexcept
    int64_t times_q60(int64_t amount, int64_t ratio_q60) noexcept
    bint is_product_ge(int64_t a, int64_t b, int64_t c, int64_t d) noexcept
    bint is_product_gt(int64_t a, int64_t b, int64_t c, int64_t d) noexcept

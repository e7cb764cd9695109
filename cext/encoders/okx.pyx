"""Order requests of OKX's order socket as bytes (okx.pxd says what a template is).

Source: OKX v5 documentation 2026-06..09 (websocket place order, cancel order). The socket has logged in once: messages carry no
signature; `expTime` is the request's own end of life. The instrument is named by its number (instIdCode): one without a number
cannot be said here and is refused. Prices and sizes are JSON strings, sizes of SWAP count contracts. Whatever the venue has a
default for is said: spot without margin, perpetuals with cross margin in one-way mode, no reduce-only, self-trade prevention.

The request id of an order is its client id alone: it is used once in a life. A cancel may be sent again, so a counter follows its
18 characters; an id has at most 32 letters and digits. The order socket knows no query: that goes over REST.
"""
from cext.encoders.encoder cimport MARK_CANCEL, ORDER_TYPE_COUNT, OrderEncoder, set_text
from cext.instrument cimport instrument_t
from cext.layout cimport (LEG_REDUCE_ONLY, ORDER_FOK, ORDER_GTC, ORDER_IOC, ORDER_POST_ONLY, SIDE_BUY, SIDE_SELL, leg_order_t)
from cext.order_frames cimport copy_client_id, copy_text, write_decimal, write_digits, write_size
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

STP_MODES = ("cancel_maker", "cancel_taker", "cancel_both")
TYPE_WORDS = {ORDER_IOC: "ioc", ORDER_POST_ONLY: "post_only", ORDER_GTC: "limit", ORDER_FOK: "fok"}   # layout.h ORDER_*
SIDE_WORDS = {SIDE_BUY: "buy", SIDE_SELL: "sell"}
LIFE_MS_MAX = 60_000
NUMBER_BYTES_MAX = 21   # 63 bits and a point
ID_BYTES_MAX = 32

cdef enum:
    COUNTER_END = 100000000000000   # 14 digits are left of an id


cdef class OkxOrderEncoder(OrderEncoder):
    """OkxOrderEncoder("spot" | "linear", life_ms, stp_mode): after `life_ms` of the venue's clock a request is not taken any more."""

    def __init__(self, market: str, life_ms: int = 500, stp_mode: str = "cancel_maker", venue: str = "okx"):
        OrderEncoder.__init__(self, venue, market)
        if stp_mode not in STP_MODES:
            raise ValueError(f"{venue} encoder: self-trade prevention {stp_mode!r} is none of {', '.join(STP_MODES)}")
        if not 1 <= life_ms <= LIFE_MS_MAX:
            raise ValueError(f"{venue} encoder: life of a request {life_ms} ms is outside 1..{LIFE_MS_MAX}")
        self.life_ms = life_ms
        self.has_reduce_only = market == "linear"
        self.has_fok = stp_mode != "cancel_both"   # the venue refuses the two together (54036)
        self.make_order(stp_mode)
        self.make_cancel()

    # ------------------------------------------------------------ frames

    cdef int write_place(self, const instrument_t *instrument, const leg_order_t *leg, int64_t venue_wall_ms,
                         char *out) noexcept nogil:  # hot
        """Writes op "order" for `leg` at `out`; bytes written, or 0 when refused (encoder.pxd)."""
        cdef const order_template_t *template = &self.order
        cdef uint32_t side = leg.side
        cdef uint32_t order_type = leg.order_type
        cdef uint32_t reduce_only = leg.flags & LEG_REDUCE_ONLY
        if leg.limit_px <= 0 or leg.qty <= 0 or side > SIDE_SELL or order_type >= ORDER_TYPE_COUNT or venue_wall_ms <= 0:
            return 0
        if instrument.venue_code <= 0 or (reduce_only and not self.has_reduce_only):
            return 0
        if order_type == ORDER_FOK and not self.has_fok:
            return 0
        cdef char *at = copy_text(out, &template.head)
        at = copy_client_id(at, leg.client_id)
        at = copy_text(at, &template.time)
        at = write_digits(at, <uint64_t>(venue_wall_ms + self.life_ms), 13)
        at = copy_text(at, &template.code)
        at = write_digits(at, <uint64_t>instrument.venue_code, 1)
        at = copy_text(at, &template.size[side])
        at = write_size(at, <uint64_t>leg.qty, instrument.size_mul, instrument.size_scale)
        if at == NULL:
            return 0
        at = copy_text(at, &template.price)
        at = write_decimal(at, <uint64_t>leg.limit_px, instrument.px_scale)
        at = copy_text(at, &template.client_id[order_type])
        at = copy_client_id(at, leg.client_id)
        at = copy_text(at, &template.tail[reduce_only])
        return <int>(at - out)

    cdef int write_cancel(self, const instrument_t *instrument, const uint8_t *client_id, int64_t venue_wall_ms,
                          char *out) noexcept nogil:  # hot
        """Writes op "cancel-order" for `client_id` at `out`; bytes written, or 0 for an instrument without a number."""
        cdef const cancel_template_t *template = &self.by_id
        if instrument.venue_code <= 0:
            return 0
        cdef char *at = copy_text(out, &self.order.head)
        cdef char *request_id = at
        at = copy_client_id(at, client_id)
        request_id[0] = MARK_CANCEL
        at = write_digits(at, self.next_request() % <uint64_t>COUNTER_END, 1)
        at = copy_text(at, &template.code)
        at = write_digits(at, <uint64_t>instrument.venue_code, 1)
        at = copy_text(at, &template.client_id)
        at = copy_client_id(at, client_id)
        at = copy_text(at, &template.tail)
        return <int>(at - out)

    # ------------------------------------------------------------ templates

    cdef make_order(self, str stp_mode):
        cdef order_template_t *t = &self.order
        cdef int side, reduce_only, order_type
        memset(t, 0, sizeof(order_template_t))
        set_text(&t.head, '{"id":"')
        set_text(&t.time, '","op":"order","expTime":"')
        set_text(&t.code, '","args":[{"instIdCode":')
        mode = '"tdMode":"cross","posSide":"net"' if self.has_reduce_only else '"tdMode":"cash"'
        for side in range(2):
            set_text(&t.size[side], f',{mode},"side":"{SIDE_WORDS[side]}","sz":"')
        set_text(&t.price, '","px":"')
        for order_type in range(ORDER_TYPE_COUNT):
            set_text(&t.client_id[order_type], f'","ordType":"{TYPE_WORDS[order_type]}","clOrdId":"')
        for reduce_only in range(2):
            word = "true" if reduce_only else "false"
            own = f'"reduceOnly":{word},' if self.has_reduce_only else ""
            set_text(&t.tail[reduce_only], f'",{own}"stpMode":"{stp_mode}"}}]}}')
        self.check_bytes(t.head.bytes + t.time.bytes + t.code.bytes + t.size[1].bytes + t.price.bytes
                         + t.client_id[ORDER_POST_ONLY].bytes + t.tail[0].bytes + 2 * ID_BYTES_MAX + 4 * NUMBER_BYTES_MAX)

    cdef make_cancel(self):
        cdef cancel_template_t *t = &self.by_id
        memset(t, 0, sizeof(cancel_template_t))
        set_text(&t.code, '","op":"cancel-order","args":[{"instIdCode":')
        set_text(&t.client_id, ',"clOrdId":"')
        set_text(&t.tail, '"}]}')

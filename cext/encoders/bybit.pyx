"""Order requests of Bybit's order socket as bytes (bybit.pxd says what a template is).

Source: Bybit v5 documentation as of 2026-07-24 (websocket/trade/guideline, order/create-order, order/cancel-order). The socket
has authenticated once: messages carry time and receive window, no signature. Prices and sizes are JSON strings. Whatever the
venue has a default for is said: one-way position, no reduce-only, spot without borrowing, self-match prevention.

The request id of an order is its client id alone: it is used once in a life. A cancel may be sent again, and a request id must
not repeat on a connection (20006): a counter follows its 18 characters. The order socket knows no query: that goes over REST.
"""
from cext.encoders.encoder cimport MARK_CANCEL, ORDER_TYPE_COUNT, OrderEncoder, set_text
from cext.instrument cimport instrument_t
from cext.layout cimport (LEG_REDUCE_ONLY, ORDER_FOK, ORDER_GTC, ORDER_IOC, ORDER_POST_ONLY, SIDE_BUY, SIDE_SELL, leg_order_t)
from cext.order_frames cimport copy_client_id, copy_text, symbol_length, write_decimal, write_digits, write_size
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

SMP_TYPES = ("None", "CancelMaker", "CancelTaker", "CancelBoth")
FORCE_WORDS = {ORDER_IOC: "IOC", ORDER_POST_ONLY: "PostOnly", ORDER_GTC: "GTC", ORDER_FOK: "FOK"}   # layout.h ORDER_*
SIDE_WORDS = {SIDE_BUY: "Buy", SIDE_SELL: "Sell"}
RECV_WINDOW_MS_MAX = 60_000
NUMBER_BYTES_MAX = 21   # 63 bits and a point
ID_BYTES_MAX = 36


cdef class BybitOrderEncoder(OrderEncoder):
    """BybitOrderEncoder("spot" | "linear", recv_window_ms, smp_type): `smp_type` "None" leaves self-match prevention out."""

    def __init__(self, market: str, recv_window_ms: int = 500, smp_type: str = "CancelMaker", venue: str = "bybit"):
        OrderEncoder.__init__(self, venue, market)
        if smp_type not in SMP_TYPES:
            raise ValueError(f"{venue} encoder: self-match prevention {smp_type!r} is none of {', '.join(SMP_TYPES)}")
        if not 1 <= recv_window_ms <= RECV_WINDOW_MS_MAX:
            raise ValueError(f"{venue} encoder: receive window {recv_window_ms} ms is outside 1..{RECV_WINDOW_MS_MAX}")
        self.has_reduce_only = market == "linear"
        self.make_create(recv_window_ms, smp_type)
        self.make_cancel(recv_window_ms)

    # ------------------------------------------------------------ frames

    cdef int write_place(self, const instrument_t *instrument, const leg_order_t *leg, int64_t venue_wall_ms,
                         char *out) noexcept nogil:  # hot
        """Writes order.create for `leg` at `out`; bytes written, or 0 when refused (encoder.pxd)."""
        cdef const create_template_t *template = &self.create
        cdef uint32_t side = leg.side
        cdef uint32_t order_type = leg.order_type
        cdef uint32_t reduce_only = leg.flags & LEG_REDUCE_ONLY
        if leg.limit_px <= 0 or leg.qty <= 0 or side > SIDE_SELL or order_type >= ORDER_TYPE_COUNT or venue_wall_ms <= 0:
            return 0
        if reduce_only and not self.has_reduce_only:
            return 0
        cdef uint32_t symbol_bytes = symbol_length(instrument.symbol)
        cdef char *at = copy_text(out, &template.head)
        at = copy_client_id(at, leg.client_id)
        at = copy_text(at, &template.time)
        at = write_digits(at, <uint64_t>venue_wall_ms, 13)
        at = copy_text(at, &template.symbol)
        memcpy(at, instrument.symbol, 32)
        at = copy_text(at + symbol_bytes, &template.qty[side])
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
        """Writes order.cancel for `client_id` at `out`; bytes written."""
        cdef const cancel_template_t *template = &self.by_id
        cdef uint32_t symbol_bytes = symbol_length(instrument.symbol)
        cdef char *at = copy_text(out, &self.create.head)
        cdef char *request_id = at
        at = copy_client_id(at, client_id)
        request_id[0] = MARK_CANCEL
        at = write_digits(at, self.next_request(), 1)
        at = copy_text(at, &self.create.time)
        at = write_digits(at, <uint64_t>venue_wall_ms, 13)
        at = copy_text(at, &template.symbol)
        memcpy(at, instrument.symbol, 32)
        at = copy_text(at + symbol_bytes, &template.client_id)
        at = copy_client_id(at, client_id)
        at = copy_text(at, &template.tail)
        return <int>(at - out)

    # ------------------------------------------------------------ templates

    cdef make_create(self, int recv_window_ms, str smp_type):
        cdef create_template_t *t = &self.create
        cdef int side, reduce_only, order_type
        memset(t, 0, sizeof(create_template_t))
        set_text(&t.head, '{"reqId":"')
        set_text(&t.time, '","header":{"X-BAPI-TIMESTAMP":"')
        set_text(&t.symbol, f'","X-BAPI-RECV-WINDOW":"{recv_window_ms}"}},"op":"order.create","args":[{{"category":"{self.market}",'
                            '"symbol":"')
        for side in range(2):
            set_text(&t.qty[side], f'","side":"{SIDE_WORDS[side]}","orderType":"Limit","qty":"')
        set_text(&t.price, '","price":"')
        for order_type in range(ORDER_TYPE_COUNT):
            set_text(&t.client_id[order_type], f'","timeInForce":"{FORCE_WORDS[order_type]}","orderLinkId":"')
        smp = f',"smpType":"{smp_type}"' if smp_type != "None" else ""
        for reduce_only in range(2):
            word = "true" if reduce_only else "false"
            own = f'"positionIdx":0,"reduceOnly":{word}' if self.has_reduce_only else '"isLeverage":0'
            set_text(&t.tail[reduce_only], f'",{own}{smp}}}]}}')
        self.check_bytes(t.head.bytes + t.time.bytes + t.symbol.bytes + t.qty[1].bytes + t.price.bytes
                         + t.client_id[ORDER_POST_ONLY].bytes + t.tail[0].bytes + 2 * ID_BYTES_MAX + 3 * NUMBER_BYTES_MAX + 31)

    cdef make_cancel(self, int recv_window_ms):
        cdef cancel_template_t *t = &self.by_id
        memset(t, 0, sizeof(cancel_template_t))
        set_text(&t.symbol, f'","X-BAPI-RECV-WINDOW":"{recv_window_ms}"}},"op":"order.cancel","args":[{{"category":"{self.market}",'
                            '"symbol":"')
        set_text(&t.client_id, '","orderLinkId":"')
        set_text(&t.tail, '"}]}')

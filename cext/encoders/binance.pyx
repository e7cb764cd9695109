"""Order requests of Binance's WS API as bytes (binance.pxd says what a template is).

Sources: venues/binance.md A7, A8, B5, B6 (sorted parameters, no percent-encoding; decimals as JSON strings, integers as numbers).
Spot asks for FULL replies: they carry status, cumulative quantity and each fill with its fee. USD-M knows ACK and RESULT; RESULT
has the final state of an IOC, its fills and fees come with the user stream. Self-trade prevention and the receive window are
always said: the venue's defaults differ between its pages.
"""
from cext.encoders.encoder cimport MARK_CANCEL, MARK_QUERY, ORDER_TYPE_COUNT, OrderEncoder, set_text
from cext.instrument cimport instrument_t
from cext.layout cimport (LEG_REDUCE_ONLY, ORDER_FOK, ORDER_GTC, ORDER_IOC, ORDER_POST_ONLY, SIDE_BUY, SIDE_SELL, leg_order_t)
from cext.order_frames cimport copy_client_id, copy_text, symbol_length, write_decimal, write_digits, write_size
from cext.sign cimport HMAC_HEX_BYTES, HmacSha256, hmac_absorb, hmac_hex
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

STP_MODES = {
    "spot": ("NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER"),
    "linear": ("NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH"),
}
RESPONSE_TYPE = {"spot": "FULL", "linear": "RESULT"}
# layout.h ORDER_* -> (type, timeInForce)
ORDER_WORDS = {
    "spot": {ORDER_IOC: ("LIMIT", "IOC"), ORDER_POST_ONLY: ("LIMIT_MAKER", ""), ORDER_GTC: ("LIMIT", "GTC"),
             ORDER_FOK: ("LIMIT", "FOK")},
    "linear": {ORDER_IOC: ("LIMIT", "IOC"), ORDER_POST_ONLY: ("LIMIT", "GTX"), ORDER_GTC: ("LIMIT", "GTC"),
               ORDER_FOK: ("LIMIT", "FOK")},
}
SIDE_WORDS = {SIDE_BUY: "BUY", SIDE_SELL: "SELL"}
RECV_WINDOW_MS_MAX = 60_000
API_KEY_BYTES_MAX = 128


# ---------------------------------------------------------------- making templates (cold)

def json_part(parameters: list[tuple[str, str, bool]]) -> str:
    """JSON members of (name, value, is_text), in the order given, with a comma behind each."""
    return "".join(f'"{name}":"{value}",' if is_text else f'"{name}":{value},' for name, value, is_text in parameters)


def signed_part(parameters: list[tuple[str, str, bool]]) -> str:
    return "".join(f"{name}={value}&" for name, value, _ in parameters)


def middle_parameters(market: str, recv_window_ms: int, stp_mode: str, reduce_only: bool,
                      side: str) -> list[tuple[str, str, bool]]:
    """Parameters that sort between quantity and symbol."""
    reduce_part = [("reduceOnly", "true", True)] if reduce_only else []
    return [("recvWindow", str(recv_window_ms), False), *reduce_part, ("selfTradePreventionMode", stp_mode, True),
            ("side", side, True)]


cdef class BinanceOrderEncoder(OrderEncoder):
    """BinanceOrderEncoder("spot" | "linear", recv_window_ms, stp_mode, api_key="", hmac=None).

    With `hmac` each request carries apiKey and signature (order_auth: hmac); without, the session has logged on (order_auth:
    ed25519).
    """

    def __init__(self, market: str, recv_window_ms: int = 500, stp_mode: str = "EXPIRE_MAKER", api_key: str = "",
                 hmac: HmacSha256 | None = None, venue: str = "binance"):
        if market not in STP_MODES:
            raise ValueError(f"binance encoder: market {market!r} is none of {', '.join(STP_MODES)}")
        if stp_mode not in STP_MODES[market]:
            raise ValueError(f"binance encoder: self-trade prevention {stp_mode!r} is none of {', '.join(STP_MODES[market])} ({market})")
        if not 1 <= recv_window_ms <= RECV_WINDOW_MS_MAX:
            raise ValueError(f"binance encoder: receive window {recv_window_ms} ms is outside 1..{RECV_WINDOW_MS_MAX}")
        if hmac is not None and not (api_key.isascii() and api_key.isalnum() and len(api_key) <= API_KEY_BYTES_MAX):
            raise ValueError(f"binance encoder: the API key must be 1 to {API_KEY_BYTES_MAX} letters and digits, it has {len(api_key)} characters")
        OrderEncoder.__init__(self, venue, market)
        self.is_signed = hmac is not None
        self.make_place(recv_window_ms, stp_mode, api_key, hmac)
        self.make_by_id(&self.cancel, "order.cancel", MARK_CANCEL, recv_window_ms, api_key, hmac)
        self.make_by_id(&self.query, "order.status", MARK_QUERY, recv_window_ms, api_key, hmac)

    def __dealloc__(self):
        memset(&self.place, 0, sizeof(order_template_t))
        memset(&self.cancel, 0, sizeof(by_id_template_t))
        memset(&self.query, 0, sizeof(by_id_template_t))

    # ------------------------------------------------------------ frames

    cdef int write_place(self, const instrument_t *instrument, const leg_order_t *leg, int64_t venue_wall_ms,
                         char *out) noexcept nogil:  # hot
        """Writes order.place for `leg` at `out`; bytes written, or 0 when refused (encoder.pxd)."""
        cdef const order_template_t *template = &self.place
        cdef uint32_t side = leg.side
        cdef uint32_t order_type = leg.order_type
        cdef uint32_t reduce_only = leg.flags & LEG_REDUCE_ONLY
        if leg.limit_px <= 0 or leg.qty <= 0 or side > SIDE_SELL or order_type >= ORDER_TYPE_COUNT or venue_wall_ms <= 0:
            return 0
        if reduce_only and not template.has_reduce_only:
            return 0
        cdef char price[32]
        cdef char qty[32]
        cdef int price_bytes = <int>(write_decimal(price, <uint64_t>leg.limit_px, instrument.px_scale) - price)
        cdef char *qty_end = write_size(qty, <uint64_t>leg.qty, instrument.size_mul, instrument.size_scale)
        if qty_end == NULL:
            return 0
        cdef int qty_bytes = <int>(qty_end - qty)
        cdef uint32_t symbol_bytes = symbol_length(instrument.symbol)
        cdef char *at = copy_text(out, &template.head)
        at = copy_client_id(at, leg.client_id)
        at = copy_text(at, &template.client_id)
        at = copy_client_id(at, leg.client_id)
        at = copy_text(at, &template.price)
        memcpy(at, price, 32)
        at = copy_text(at + price_bytes, &template.qty)
        memcpy(at, qty, 32)
        at = copy_text(at + qty_bytes, &template.symbol[reduce_only][side])
        memcpy(at, instrument.symbol, 32)
        at = copy_text(at + symbol_bytes, &template.time[order_type])
        cdef char *time_at = at
        at = write_digits(at, <uint64_t>venue_wall_ms, 13)
        cdef int time_bytes = <int>(at - time_at)
        at = copy_text(at, &template.signature[order_type])
        cdef char signed_text[1024]
        cdef char *signed_at
        if template.is_signed:
            signed_at = copy_client_id(signed_text, leg.client_id)
            signed_at = copy_text(signed_at, &template.signed_price)
            memcpy(signed_at, price, 32)
            signed_at = copy_text(signed_at + price_bytes, &template.signed_qty)
            memcpy(signed_at, qty, 32)
            signed_at = copy_text(signed_at + qty_bytes, &template.signed_symbol[reduce_only][side])
            memcpy(signed_at, instrument.symbol, 32)
            signed_at = copy_text(signed_at + symbol_bytes, &template.signed_time[order_type])
            memcpy(signed_at, time_at, time_bytes)
            signed_at = copy_text(signed_at + time_bytes, &template.signed_end[order_type])
            hmac_hex(&template.hmac, signed_text, <size_t>(signed_at - signed_text), at)
            at += HMAC_HEX_BYTES
        at = copy_text(at, &template.tail)
        return <int>(at - out)

    cdef int write_cancel(self, const instrument_t *instrument, const uint8_t *client_id, int64_t venue_wall_ms,
                          char *out) noexcept nogil:  # hot
        return self.write_by_id(&self.cancel, instrument, client_id, venue_wall_ms, out)

    cdef int write_query(self, const instrument_t *instrument, const uint8_t *client_id, int64_t venue_wall_ms,
                         char *out) noexcept nogil:  # hot
        return self.write_by_id(&self.query, instrument, client_id, venue_wall_ms, out)

    cdef int write_by_id(self, const by_id_template_t *template, const instrument_t *instrument, const uint8_t *client_id,
                         int64_t timestamp_ms, char *out) noexcept nogil:  # hot
        """Writes order.cancel or order.status for `client_id` at `out`; bytes written. The request id is the client id with its
        mark changed, so that a reply says by itself what it answers."""
        cdef uint32_t symbol_bytes = symbol_length(instrument.symbol)
        cdef char *at = copy_text(out, &template.head)
        cdef char *request_id = at
        at = copy_client_id(at, client_id)
        request_id[0] = <char>template.request_mark
        at = copy_text(at, &template.params)
        at = copy_client_id(at, client_id)
        at = copy_text(at, &template.symbol)
        memcpy(at, instrument.symbol, 32)
        at = copy_text(at + symbol_bytes, &template.time)
        cdef char *time_at = at
        at = write_digits(at, <uint64_t>timestamp_ms, 13)
        cdef int time_bytes = <int>(at - time_at)
        at = copy_text(at, &template.signature)
        cdef char signed_text[1024]
        cdef char *signed_at
        if self.is_signed:
            signed_at = copy_client_id(signed_text, client_id)
            signed_at = copy_text(signed_at, &template.signed_symbol)
            memcpy(signed_at, instrument.symbol, 32)
            signed_at = copy_text(signed_at + symbol_bytes, &template.signed_time)
            memcpy(signed_at, time_at, time_bytes)
            hmac_hex(&template.hmac, signed_text, <size_t>(signed_at + time_bytes - signed_text), at)
            at += HMAC_HEX_BYTES
        at = copy_text(at, &template.tail)
        return <int>(at - out)

    # ------------------------------------------------------------ templates

    cdef make_place(self, int recv_window_ms, str stp_mode, str api_key, HmacSha256 hmac):
        cdef order_template_t *t = &self.place
        cdef int side, reduce_only, order_type
        memset(t, 0, sizeof(order_template_t))
        key_part = [("apiKey", api_key, True)] if hmac is not None else []
        response = [("newOrderRespType", RESPONSE_TYPE[self.market], True)]
        set_text(&t.head, '{"id":"')
        set_text(&t.client_id, '","method":"order.place","params":{' + json_part(key_part) + '"newClientOrderId":"')
        set_text(&t.price, '",' + json_part(response) + '"price":"')
        set_text(&t.qty, '","quantity":"')
        set_text(&t.signed_price, "&" + signed_part(response) + "price=")
        set_text(&t.signed_qty, "&quantity=")
        for reduce_only in range(2):
            for side in range(2):
                middle = middle_parameters(self.market, recv_window_ms, stp_mode, bool(reduce_only), SIDE_WORDS[side])
                set_text(&t.symbol[reduce_only][side], '",' + json_part(middle) + '"symbol":"')
                set_text(&t.signed_symbol[reduce_only][side], "&" + signed_part(middle) + "symbol=")
        for order_type in range(ORDER_TYPE_COUNT):
            word, in_force = ORDER_WORDS[self.market][order_type]
            force = [("timeInForce", in_force, True)] if in_force else []
            set_text(&t.time[order_type], '",' + json_part(force) + '"timestamp":')
            set_text(&t.signature[order_type], f',"type":"{word}"' + (',"signature":"' if hmac is not None else ""))
            set_text(&t.signed_time[order_type], "&" + signed_part(force) + "timestamp=")
            set_text(&t.signed_end[order_type], f"&type={word}")
        set_text(&t.tail, '"}}' if hmac is not None else "}}")
        t.has_reduce_only = self.market == "linear"
        t.is_signed = hmac is not None
        if hmac is not None:
            t.hmac = hmac.state
            absorbed = (signed_part(key_part) + "newClientOrderId=").encode("ascii")
            hmac_absorb(&t.hmac, <const char *>absorbed, len(absorbed))
        self.check_capacity(t)

    cdef check_capacity(self, const order_template_t *t):
        """The longest possible frame and signed string fit their buffers: hot code does not check again."""
        constant = (t.head.bytes + t.client_id.bytes + t.price.bytes + t.qty.bytes + t.symbol[1][1].bytes + t.time[0].bytes
                    + t.signature[0].bytes + t.tail.bytes)
        variable = 2 * 18 + 2 * 21 + 31 + 20 + 64
        self.check_bytes(constant + variable)

    cdef make_by_id(self, by_id_template_t *t, str method, int mark, int recv_window_ms, str api_key, HmacSha256 hmac):
        memset(t, 0, sizeof(by_id_template_t))
        key_part = [("apiKey", api_key, True)] if hmac is not None else []
        window = [("recvWindow", str(recv_window_ms), False)]
        set_text(&t.head, '{"id":"')
        set_text(&t.params, f'","method":"{method}","params":{{' + json_part(key_part) + '"origClientOrderId":"')
        set_text(&t.symbol, '",' + json_part(window) + '"symbol":"')
        set_text(&t.time, '","timestamp":')
        set_text(&t.signature, ',"signature":"' if hmac is not None else "")
        set_text(&t.tail, '"}}' if hmac is not None else "}}")
        set_text(&t.signed_symbol, "&" + signed_part(window) + "symbol=")
        set_text(&t.signed_time, "&timestamp=")
        t.request_mark = <uint8_t>mark
        if hmac is not None:
            t.hmac = hmac.state
            absorbed = (signed_part(key_part) + "origClientOrderId=").encode("ascii")
            hmac_absorb(&t.hmac, <const char *>absorbed, len(absorbed))

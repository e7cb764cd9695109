"""Bytes of order replies and user streams -> order_event_t (cext/layout.h): what every venue's decoder is and shares.

A venue's decoder subclasses OrderDecoder, one object a session and market, used by one thread. It gives `decode` (one whole text
frame of an order session or user stream) and `decode_body` (the body of a REST answer about one order). Both fill
`events[0:count]`, fills first, then the status. An answer about one of our orders that cannot be understood is an UNKNOWN event
for that order (`not_understood`), never silence. What is not about an order is only named (`name`); its JSON is for cold code.

The fields below are the results of the last call and are valid until the next one; spans point into the caller's bytes.
"""
from cext.client_id cimport CLIENT_ID_LENGTH, client_id_decode
from cext.instrument cimport InstrumentArray, instrument_t
from cext.json_walk cimport JSON_NUMBER, JSON_STRING, json_int, json_scaled, json_span_t
from cext.layout cimport (CLIENT_ID_BYTES, ERROR_AUTH, ERROR_BALANCE, ERROR_FATAL, ERROR_FILTER, ERROR_RATE, ERROR_REJECT,
                          ERROR_RETRY, ERROR_TIME, OE_FOREIGN, order_event_t)
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    DECODED_EVENTS_MAX = 256
    NO_ROW = 0xFFFFFFFF

# What a frame was.
cdef enum:
    DECODED_ERROR = -1     # not JSON, or a field that must be there is not, or a value does not fit: nothing may be concluded
    DECODED_NOTHING = 0    # understood, and of no use here (pongs too)
    DECODED_ORDERS = 1     # events[0:count]; a reply to a request of ours says so in `answers`
    DECODED_REPLY = 2      # answers a request that is not about an order (logon, subscribe, time): cold code parses it
    DECODED_ACCOUNT = 3    # balances, positions, stream notices, named by `name`: cold code parses it

# Whom a reply answers, by the first character of its request id.
cdef enum:
    ANSWERS_NONE = 0
    ANSWERS_PLACE = 1      # L: the request id begins with the client id
    ANSWERS_CANCEL = 2     # X
    ANSWERS_QUERY = 3      # Q

# One row of the venue's table (order_errors.ErrorRow), those of this market only.
ctypedef struct error_row_t:
    int32_t status_min
    int32_t status_max
    int64_t code
    int64_t sub_code
    uint32_t error_class
    uint32_t is_absent
    uint32_t text_bytes
    char text[60]          # lower case

ctypedef struct symbol_slot_t:
    uint64_t hash
    uint32_t row           # NO_ROW = empty


cdef class OrderDecoder:
    # results of the last call
    cdef int count
    cdef int answers                 # ANSWERS_*; the request is found by events[0].client_id
    cdef int status                  # HTTP-like status of a reply, 0 = none; a venue without one sets 429 for
                                     # "too many" and 418 for a ban: the session reports a rate stop
    cdef int64_t retry_after_ms      # venue's epoch ms until which it wants no more requests, 0 = none
    cdef order_event_t events[256]
    cdef json_span_t name            # what a DECODED_ACCOUNT is called; request id of a DECODED_REPLY
    # counters
    cdef public uint64_t malformed
    cdef public uint64_t unknown_symbols
    cdef public uint64_t unmapped_errors
    cdef public uint64_t unmapped_statuses
    cdef public uint64_t truncated_fills   # fills beyond DECODED_EVENTS_MAX: the user stream has them
    cdef readonly str venue
    cdef readonly str market
    # tables, made once
    cdef InstrumentArray instruments
    cdef error_row_t *errors
    cdef int error_count
    cdef symbol_slot_t *symbols      # the venue's spellings of this market's instruments
    cdef uint64_t symbol_mask

    # ---- a venue gives these two

    # One whole text frame -> DECODED_*. Total: any bytes, no exception. Begins with `clear(data)`.
    cdef int decode(self, const char *data, Py_ssize_t size, int64_t recv_mono_ns) noexcept nogil
    # The body of a REST answer about one order: `about` is cleared but for client id, flags, source and time; `self.status` is
    # the HTTP status and `self.answers` what was asked. `body.kind` is JSON_OBJECT. 1 = events added, 0 = not understood.
    cdef int decode_body(self, const json_span_t *body, order_event_t *about, int64_t recv_mono_ns) noexcept nogil

    # ---- and uses these

    cdef void clear(self, const char *data) noexcept nogil
    # `about` for an answer to the request `request_id` (at least 18 characters, of `request_kind` self.answers)
    cdef void begin(self, order_event_t *about, const char *request_id, int64_t recv_mono_ns) noexcept nogil
    # ERROR_* of an answer, by the table; remembers whether the row says that a query found nothing (`is_absent`)
    cdef uint32_t classify(self, int status, int64_t code, int64_t sub_code, const json_span_t *message) noexcept nogil
    cdef uint32_t is_absent
    # Class, code, text and, by what was asked, the status of an event that answers with an error
    cdef void set_error(self, order_event_t *event, int64_t code, int64_t sub_code, const json_span_t *message) noexcept nogil
    # The next event, cleared; NULL when there is no room
    cdef order_event_t *add(self, int64_t recv_mono_ns, uint32_t source) noexcept nogil
    # Replaces what was added by one event that says: ask the venue
    cdef void not_understood(self, const order_event_t *about, int64_t recv_mono_ns) noexcept nogil
    # Row of a symbol of this venue and market, NO_ROW when it is not ours
    cdef uint32_t row_of(self, const json_span_t *symbol) noexcept nogil

    cdef load_errors(self, rows)
    cdef load_symbols(self)
    cdef list taken(self)


# ---------------------------------------------------------------- leaves

cdef inline void copy_bytes(uint8_t *to, int capacity, const json_span_t *span) noexcept nogil:  # hot
    """Text into a zeroed field of `capacity` bytes, cut so that a NUL stays behind it."""
    cdef Py_ssize_t size = span.end - span.at
    if size > capacity - 1:
        size = capacity - 1
    if size > 0:
        memcpy(to, span.at, size)


cdef inline void copy_message(uint8_t *to, int capacity, const json_span_t *span) noexcept nogil:  # hot
    """As copy_bytes; control bytes, quotes' escapes and what is not ASCII become '?': this text reaches logs and screens."""
    cdef Py_ssize_t i
    cdef Py_ssize_t size = span.end - span.at
    cdef uint8_t c
    if size > capacity - 1:
        size = capacity - 1
    for i in range(size):
        c = <uint8_t>span.at[i]
        to[i] = c if 32 <= c < 127 else 63


cdef inline bint copy_decimal(uint8_t *to, const json_span_t *span) noexcept nogil:  # hot
    """Decimal text kept as sent. False when it is no decimal, or longer than the field: then it is not exact any more."""
    cdef const char *p = span.at
    cdef int digits = 0, points = 0
    if span.kind != JSON_STRING and span.kind != JSON_NUMBER or span.end - span.at > 31:
        return False
    if p < span.end and p[0] == 45:  # "-": a rebate
        p += 1
    while p < span.end:
        if p[0] == 46:
            points += 1
        elif 48 <= p[0] <= 57:
            digits += 1
        else:
            return False
        p += 1
    if digits == 0 or points > 1:
        return False
    memcpy(to, span.at, span.end - span.at)
    return True


cdef inline bint copy_decimal_negated(uint8_t *to, const json_span_t *span) noexcept nogil:  # hot
    """As copy_decimal with the other sign: a venue that writes a fee paid as a negative number (OKX). Zero keeps no sign."""
    cdef json_span_t rest = span[0]
    cdef const char *p
    if span.kind != JSON_STRING and span.kind != JSON_NUMBER or span.end <= span.at:
        return False
    if span.at[0] == 45:
        rest.at += 1
        return rest.end > rest.at and rest.at[0] != 45 and copy_decimal(to, &rest)
    if span.end - span.at > 30:
        return False
    p = span.at
    while p < span.end and (p[0] == 48 or p[0] == 46):
        p += 1
    if p == span.end:
        return copy_decimal(to, span)
    to[0] = 45
    return copy_decimal(to + 1, span)


cdef inline int64_t venue_ns(const json_span_t *span) noexcept nogil:  # hot
    """Venue's time in ns (it sends ms, or us when asked), as number or text; 0 when not given."""
    cdef int64_t value = 0
    if not json_int(span, &value) or value <= 0:
        return 0
    if value >= 100000000000000LL:  # us: ms reach this in the year 5138
        return value * 1000LL if value < 9000000000000000LL else 0LL
    return value * 1000000LL


cdef inline uint64_t positive_id(const json_span_t *span) noexcept nogil:  # hot
    """An id of the venue that is a number; 0 when not given or -1 ("none")."""
    cdef int64_t value = 0
    return <uint64_t>value if json_int(span, &value) and value > 0 else 0


cdef inline uint64_t hash_bytes(const char *p, Py_ssize_t size) noexcept nogil:  # hot
    cdef uint64_t h = 0xcbf29ce484222325ULL
    cdef Py_ssize_t i
    for i in range(size):
        h = (h ^ <uint8_t>p[i]) * 0x100000001b3ULL
    return h


cdef inline uint64_t id64_bytes(const char *p, Py_ssize_t size) noexcept nogil:  # hot
    """1 .. 2**63 - 1 for an id that is text (a UUID): FNV-1a, mixed so that every bit depends on every character."""
    cdef uint64_t h = hash_bytes(p, size)
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdULL
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53ULL
    h = (h ^ (h >> 33)) & 0x7fffffffffffffffULL
    return h if h != 0 else 1


cdef inline uint64_t text_id(const json_span_t *span) noexcept nogil:  # hot
    """`id64` of an id that is text; 0 when it is empty or not given."""
    if span.kind != JSON_STRING and span.kind != JSON_NUMBER or span.end <= span.at:
        return 0
    return id64_bytes(span.at, span.end - span.at)


cdef inline bint scaled_size(const json_span_t *span, const instrument_t *instrument, int64_t *qty) noexcept nogil:  # hot
    """The venue's size (contracts where it counts so) -> base units in the instrument's qty scale, exact. False: no unsigned
    decimal, more decimals than the venue states sizes in, or too large."""
    cdef int64_t size = 0
    if not json_scaled(span, instrument.size_scale, &size):
        return False
    if size > INT64_MAX // instrument.size_mul:
        return False
    qty[0] = size * instrument.size_mul
    return True


cdef inline bint set_client_id(order_event_t *event, const json_span_t *span) noexcept nogil:  # hot
    """Takes the id; marks it FOREIGN when it is not of our making. Returns whether it is ours."""
    cdef uint32_t instance = 0, leg = 0
    cdef uint64_t intent_id = 0
    copy_bytes(event.client_id, CLIENT_ID_BYTES, span)
    if (span.end - span.at == CLIENT_ID_LENGTH and span.at[0] == 76
            and client_id_decode(<const uint8_t *>span.at, &instance, &intent_id, &leg)):
        return True
    event.flags |= OE_FOREIGN
    return False


cdef inline int request_kind(const json_span_t *request_id) noexcept nogil:  # hot
    """ANSWERS_* of a request id: its first 18 characters are a client id with its mark changed, what follows is the venue's
    counter; ANSWERS_NONE for ids of cold code."""
    cdef uint32_t instance = 0, leg = 0
    cdef uint64_t intent_id = 0
    if request_id.kind != JSON_STRING or request_id.end - request_id.at < CLIENT_ID_LENGTH:
        return ANSWERS_NONE
    if not client_id_decode(<const uint8_t *>request_id.at, &instance, &intent_id, &leg):
        return ANSWERS_NONE
    if request_id.at[0] == 76:    # L
        return ANSWERS_PLACE
    if request_id.at[0] == 88:    # X
        return ANSWERS_CANCEL
    if request_id.at[0] == 81:    # Q
        return ANSWERS_QUERY
    return ANSWERS_NONE


cdef inline bint contains(const json_span_t *message, const char *lower, uint32_t lower_bytes) noexcept nogil:  # hot
    """Whether the text occurs in the message, ignoring case."""
    cdef Py_ssize_t start
    cdef uint32_t i
    cdef uint8_t c
    if lower_bytes == 0:
        return True
    for start in range(message.end - message.at - <Py_ssize_t>lower_bytes + 1):
        i = 0
        while i < lower_bytes:
            c = <uint8_t>message.at[start + i]
            if 65 <= c <= 90:
                c += 32
            if c != <uint8_t>lower[i]:
                break
            i += 1
        if i == lower_bytes:
            return True
    return False


cdef inline bint is_definite(uint32_t error_class) noexcept nogil:  # hot
    """The allow-list: only these say that a new order was not executed."""
    return (error_class == ERROR_RETRY or error_class == ERROR_REJECT or error_class == ERROR_BALANCE
            or error_class == ERROR_FILTER
            or error_class == ERROR_RATE or error_class == ERROR_AUTH or error_class == ERROR_TIME or error_class == ERROR_FATAL)

"""order_event_t, intent_t and sent_t <-> engine/events.py, as exact inverses. Called a few times a trade, never per market
record.

Journal payloads are the structs' bytes: `pack_*` makes them, `unpack_*` reads them back (recorder, recovery, tools, tests).
"""
from decimal import Decimal, InvalidOperation

from cext.layout cimport CLIENT_ID_BYTES, LEGS_MAX, intent_t, leg_order_t, order_event_t, sent_t
from engine.events import Intent, Leg, OrderEvent, SentOutcome
from libc.stdint cimport uint8_t
from libc.string cimport memcpy, memset

cdef object make_event = OrderEvent
cdef object make_decimal = Decimal


cdef str text_of(const uint8_t *field, int capacity):
    """Text of a NUL padded field."""
    cdef int size = 0
    while size < capacity and field[size] != 0:
        size += 1
    return (<const char *>field)[:size].decode("ascii", "replace")


cdef object decimal_of(const uint8_t *field, int capacity):
    """Exact Decimal of a text field, None when it is empty."""
    return make_decimal(text_of(field, capacity)) if field[0] != 0 else None


cdef int put_text(uint8_t *field, int capacity, str text, str name) except -1:
    cdef bytes raw = text.encode("ascii", "replace")
    if len(raw) > capacity:
        raise ValueError(f"event_codec: {name} {text!r} is longer than {capacity} bytes")
    memcpy(field, <const char *>raw, len(raw))
    return 0


cdef object order_event_from_c(const order_event_t *event):
    return make_event(
        text_of(event.client_id, CLIENT_ID_BYTES), event.instrument_id, event.source, event.status, event.venue_order_id,
        event.trade_id, event.execution_id, event.exch_ns, event.recv_mono_ns, event.cum_qty, event.last_qty, event.last_px,
        decimal_of(event.cum_quote, 32), decimal_of(event.fee, 32), text_of(event.fee_asset, 16), text_of(event.message, 64),
        event.error_class, event.venue_code, event.flags)


cdef int order_event_to_c(object event, order_event_t *out) except -1:
    memset(out, 0, sizeof(order_event_t))
    put_text(out.client_id, CLIENT_ID_BYTES, event.client_id, "client_id")
    out.instrument_id, out.source, out.status = event.instrument_id, event.source, event.status
    out.venue_order_id, out.trade_id, out.execution_id = event.venue_order_id, event.trade_id, event.execution_id
    out.exch_ns, out.recv_mono_ns = event.exch_ns, event.recv_mono_ns
    out.cum_qty, out.last_qty, out.last_px = event.cum_qty, event.last_qty, event.last_px
    if event.cum_quote is not None:
        put_text(out.cum_quote, 32, format(event.cum_quote, "f"), "cum_quote")
    if event.fee is not None:
        put_text(out.fee, 32, format(event.fee, "f"), "fee")
    put_text(out.fee_asset, 16, event.fee_asset, "fee_asset")
    put_text(out.message, 64, event.message[:63], "message")
    out.error_class, out.venue_code, out.flags = event.error_class, event.venue_code, event.flags
    return 0


cdef object leg_from_c(const leg_order_t *leg):
    return Leg(client_id=text_of(leg.client_id, CLIENT_ID_BYTES), instrument_id=leg.instrument_id, side=leg.side,
               order_type=leg.order_type, flags=leg.flags, limit_px=leg.limit_px, qty=leg.qty, leg_index=leg.leg_index,
               best_px=leg.best_px, expected_px_f64e8=leg.expected_px_f64e8, unwind_px=leg.unwind_px,
               depth_update_id=leg.depth_update_id, top_update_id=leg.top_update_id, instrument_seq=leg.instrument_seq,
               book_alive_mono_ns=leg.book_alive_mono_ns, reserved_quote=leg.reserved_quote, reserved_base=leg.reserved_base,
               book_epoch=leg.book_epoch, fee_e8=leg.fee_e8, exposure_key=leg.exposure_key)


cdef int leg_to_c(object leg, leg_order_t *out) except -1:
    memset(out, 0, sizeof(leg_order_t))
    put_text(out.client_id, CLIENT_ID_BYTES, leg.client_id, "client_id")
    out.instrument_id, out.side, out.order_type, out.flags = leg.instrument_id, leg.side, leg.order_type, leg.flags
    out.limit_px, out.qty, out.leg_index, out.best_px = leg.limit_px, leg.qty, leg.leg_index, leg.best_px
    out.expected_px_f64e8, out.unwind_px = leg.expected_px_f64e8, leg.unwind_px
    out.depth_update_id, out.top_update_id, out.instrument_seq = leg.depth_update_id, leg.top_update_id, leg.instrument_seq
    out.book_alive_mono_ns, out.reserved_quote, out.reserved_base = leg.book_alive_mono_ns, leg.reserved_quote, leg.reserved_base
    out.book_epoch, out.fee_e8, out.exposure_key = leg.book_epoch, leg.fee_e8, leg.exposure_key
    return 0


cdef object intent_from_c(const intent_t *intent):
    cdef int i
    return Intent(intent_id=intent.intent_id, trade_id=intent.trade_id, kind=intent.kind, purpose=intent.purpose,
                  strategy=intent.strategy, pair_index=intent.pair_index, decided_mono_ns=intent.decided_mono_ns,
                  decided_wall_ns=intent.decided_wall_ns, batch_mono_ns=intent.batch_mono_ns, ttl_ns=intent.ttl_ns,
                  expires_mono_ns=intent.expires_mono_ns, edge_e12=intent.edge_e12, expected_net_e8=intent.expected_net_e8,
                  worst_net_e8=intent.worst_net_e8, notional_e8=intent.notional_e8, confidence_e4=intent.confidence_e4,
                  legs=[leg_from_c(&intent.legs[i]) for i in range(min(intent.leg_count, <unsigned>LEGS_MAX))])


cdef int intent_to_c(object intent, intent_t *out) except -1:
    cdef int i
    memset(out, 0, sizeof(intent_t))
    if not 0 < len(intent.legs) <= LEGS_MAX:
        raise ValueError(f"event_codec: an intent has 1 to {LEGS_MAX} legs, not {len(intent.legs)}")
    out.intent_id, out.trade_id, out.kind, out.purpose = intent.intent_id, intent.trade_id, intent.kind, intent.purpose
    out.strategy, out.pair_index, out.leg_count = intent.strategy, intent.pair_index, len(intent.legs)
    out.decided_mono_ns, out.decided_wall_ns = intent.decided_mono_ns, intent.decided_wall_ns
    out.batch_mono_ns, out.ttl_ns, out.expires_mono_ns = intent.batch_mono_ns, intent.ttl_ns, intent.expires_mono_ns
    out.edge_e12, out.expected_net_e8, out.worst_net_e8 = intent.edge_e12, intent.expected_net_e8, intent.worst_net_e8
    out.notional_e8, out.confidence_e4 = intent.notional_e8, intent.confidence_e4
    for i in range(len(intent.legs)):
        leg_to_c(intent.legs[i], &out.legs[i])
    return 0


cdef object sent_from_c(const sent_t *sent):
    return SentOutcome(sent.intent_id, sent.leg_index, sent.outcome, sent.send_start_mono_ns, sent.send_end_mono_ns,
                       sent.frame_bytes)


cdef int check_size(bytes data, size_t size, str name) except -1:
    if <size_t>len(data) != size:
        raise ValueError(f"event_codec: {name} has {size} bytes, got {len(data)}")
    return 0


def pack_order_event(event) -> bytes:
    cdef order_event_t out
    order_event_to_c(event, &out)
    return (<char *>&out)[:sizeof(order_event_t)]


def unpack_order_event(data: bytes):
    cdef order_event_t event
    check_size(data, sizeof(order_event_t), "order_event_t")
    memcpy(&event, <const char *>data, sizeof(order_event_t))
    try:
        return order_event_from_c(&event)
    except InvalidOperation:
        raise ValueError(f"event_codec: order_event_t with an amount that is no decimal: {data!r}") from None


def pack_intent(intent) -> bytes:
    cdef intent_t out
    intent_to_c(intent, &out)
    return (<char *>&out)[:sizeof(intent_t)]


def unpack_intent(data: bytes):
    cdef intent_t intent
    check_size(data, sizeof(intent_t), "intent_t")
    memcpy(&intent, <const char *>data, sizeof(intent_t))
    return intent_from_c(&intent)


def pack_sent(outcome) -> bytes:
    cdef sent_t out
    memset(&out, 0, sizeof(out))
    out.intent_id, out.leg_index, out.outcome = outcome.intent_id, outcome.leg_index, outcome.outcome
    out.send_start_mono_ns, out.send_end_mono_ns = outcome.send_start_mono_ns, outcome.send_end_mono_ns
    out.frame_bytes = outcome.frame_bytes
    return (<char *>&out)[:sizeof(sent_t)]


def unpack_sent(data: bytes):
    cdef sent_t sent
    check_size(data, sizeof(sent_t), "sent_t")
    memcpy(&sent, <const char *>data, sizeof(sent_t))
    return sent_from_c(&sent)

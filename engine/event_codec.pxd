"""Between the C structs of orders (cext/layout.h) and the classes of engine/events.py."""
from cext.layout cimport intent_t, leg_order_t, order_event_t, sent_t

cdef object order_event_from_c(const order_event_t *event)
cdef int order_event_to_c(object event, order_event_t *out) except -1
cdef object intent_from_c(const intent_t *intent)
cdef object sent_from_c(const sent_t *sent)

"""Client order ids; see client_id.h."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from "client_id.h" nogil:
    const int CLIENT_ID_LENGTH
    void client_id_encode(uint8_t *out, uint32_t instance, uint64_t intent_id, uint32_t leg) noexcept
    bint client_id_decode(const uint8_t *id, uint32_t *instance, uint64_t *intent_id, uint32_t *leg) noexcept

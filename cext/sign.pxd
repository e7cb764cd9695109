"""Signing of order requests; see sign.h. Ed25519 (session.logon only) is cold and lives in engine/signing.py."""
from libc.stdint cimport uint8_t

cdef extern from "sign.h" nogil:
    const int HMAC_HEX_BYTES
    ctypedef struct sha256_calls_t:
        pass
    ctypedef struct hmac_sha256_t:
        pass
    void sha256_calls_portable(sha256_calls_t *calls) noexcept
    bint sha256_calls_load(sha256_calls_t *calls, const char *path) noexcept
    void hmac_init(hmac_sha256_t *state, const sha256_calls_t *calls, const uint8_t *key, size_t key_bytes) noexcept
    void hmac_absorb(hmac_sha256_t *state, const char *data, size_t size) noexcept
    void hmac_digest(const hmac_sha256_t *state, const char *data, size_t size, uint8_t *out32) noexcept
    void hmac_hex(const hmac_sha256_t *state, const char *data, size_t size, char *out64) noexcept


cdef class HmacSha256:
    """One secret's key state. `state` may be copied by value: encoders keep their own copy with a constant beginning absorbed."""
    cdef hmac_sha256_t state
    cdef readonly str backend

"""HMAC-SHA256 with the key state computed once (sign.h). Cold code signs REST requests with it, the order encoder copies its
state.

libcrypto is looked for among what the process has already mapped (Python's _hashlib loads it), then by its usual names.
"""
import _hashlib  # noqa: F401  (maps libcrypto, where the interpreter links it dynamically)
import re

from cext.sign cimport (HMAC_HEX_BYTES, hmac_digest, hmac_hex, hmac_init, hmac_sha256_t, sha256_calls_load,
                        sha256_calls_portable, sha256_calls_t)
from libc.stdint cimport uint8_t
from libc.string cimport memset

NAMES = ("libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.so")
MAPPED = re.compile(r"/\S*libcrypto\S*\.so\S*$", re.M)


def candidates() -> list[str]:
    """Where libcrypto may be, best first."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            mapped = MAPPED.findall(maps.read())
    except OSError:  # no /proc: the loader's search path is left
        mapped = []
    return list(dict.fromkeys(mapped)) + list(NAMES)


cdef str load_calls(sha256_calls_t *calls, str backend):
    """Fills `calls` and returns what was taken: a library's path, or "portable"."""
    if backend != "portable":
        for path in candidates():
            if sha256_calls_load(calls, path.encode()):
                return path
        if backend == "libcrypto":
            raise OSError("sign: no libcrypto found among " + ", ".join(candidates()))
    sha256_calls_portable(calls)
    return "portable"


cdef class HmacSha256:
    """HmacSha256(secret, backend="auto"): backend "libcrypto" or "portable" forces one, for tests and comparisons."""

    def __init__(self, secret: bytes, backend: str = "auto"):
        cdef sha256_calls_t calls
        if backend not in ("auto", "libcrypto", "portable"):
            raise ValueError(f"sign: backend {backend!r} is none of auto, libcrypto, portable")
        if not secret:
            raise ValueError("sign: the HMAC secret is empty")
        self.backend = load_calls(&calls, backend)
        hmac_init(&self.state, &calls, <const uint8_t *><const char *>secret, len(secret))

    def __dealloc__(self):
        memset(&self.state, 0, sizeof(hmac_sha256_t))

    def __repr__(self):
        return f"HmacSha256(backend={self.backend!r})"

    def __reduce__(self):
        raise TypeError("HmacSha256 holds a key: it is neither pickled nor copied")

    def hex(self, message: bytes) -> str:
        """Lower-case hex signature of `message`."""
        cdef char out[64]
        hmac_hex(&self.state, <const char *>message, len(message), out)
        return out[:HMAC_HEX_BYTES].decode("ascii")

    def digest(self, message: bytes) -> bytes:
        """The 32 bytes of the signature."""
        cdef uint8_t out[32]
        hmac_digest(&self.state, <const char *>message, len(message), out)
        return (<char *>out)[:32]

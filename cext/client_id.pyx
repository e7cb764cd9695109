"""Python's view of client order ids; the definition is in client_id.h."""
from cext.client_id cimport CLIENT_ID_LENGTH, client_id_decode, client_id_encode
from libc.stdint cimport uint8_t, uint32_t, uint64_t


def encode_client_id(instance: int, intent_id: int, leg: int) -> str:
    """The id of leg `leg` (< 32) of intent `intent_id` (epoch << 32 | sequence) of engine `instance` (< 65536)."""
    cdef uint8_t out[24]
    if not 0 <= instance < 1 << 16:
        raise ValueError(f"client id: instance {instance} is outside 0..65535")
    if not 0 <= intent_id < 1 << 64:
        raise ValueError(f"client id: intent id {intent_id} does not fit 64 bits")
    if not 0 <= leg < 32:
        raise ValueError(f"client id: leg {leg} is outside 0..31")
    client_id_encode(out, instance, intent_id, leg)
    return (<char *>out)[:CLIENT_ID_LENGTH].decode("ascii")


def decode_client_id(client_id: str) -> tuple[int, int, int] | None:
    """(instance, intent id, leg), or None when the id is not one that `encode_client_id` made."""
    cdef uint32_t instance = 0, leg = 0
    cdef uint64_t intent_id = 0
    cdef bytes raw = client_id.encode("utf-8")
    if len(raw) != CLIENT_ID_LENGTH or raw[0] != 76:  # "L"
        return None
    if not client_id_decode(<const uint8_t *><const char *>raw, &instance, &intent_id, &leg):
        return None
    return instance, intent_id, leg

"""Walks the records of a decompressed capture block in place: for the readers in Python, one tuple a record; for the replay loop,
see
capture_next() in capture.h, which it calls itself. No file and no compression here: feeds/capture_format.py does both."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

FORMAT_VERSION = CAPTURE_FORMAT_VERSION
PAYLOAD_MAX = CAPTURE_PAYLOAD_MAX
FRAME = CAPTURE_FRAME
SNAPSHOT = CAPTURE_SNAPSHOT
CONNECT = CAPTURE_CONNECT
DISCONNECT = CAPTURE_DISCONNECT
NOTE = CAPTURE_NOTE
RECORD_BYTES = sizeof(capture_record_t)


cdef class BlockCursor:
    def __init__(self, bytes block=b""):
        self.load(block)

    def load(self, bytes block):
        """Start at the first record of `block`."""
        self.block = block
        self.start = <const uint8_t *>PyBytes_AS_STRING(block)
        self.cursor.next = self.start
        self.cursor.end = self.start + PyBytes_GET_SIZE(block)

    @property
    def offset(self):
        """Bytes of the block that have been given out: where a damaged record starts."""
        return self.cursor.next - self.start

    def __iter__(self):
        return self

    def __next__(self):
        """(type, market, venue_index, connection_id, row, recv_wall_ns, recv_mono_ns, payload: bytes); ValueError when
        damaged."""
        cdef const capture_record_t *record = NULL
        cdef const uint8_t *payload = NULL
        cdef int found = capture_next(&self.cursor, &record, &payload)
        if found == 0:
            raise StopIteration
        if found < 0:
            raise ValueError(f"damaged record at byte {self.offset} of the block")
        return (record.type, record.market, record.venue_index, record.connection_id, record.row, record.recv_wall_ns,
                record.recv_mono_ns, PyBytes_FromStringAndSize(<const char *>payload, record.payload_bytes))


def whole_records(bytes block):
    """How many leading bytes of a cut-off block are complete records: what can be kept of a torn block."""
    cdef BlockCursor walk = BlockCursor(block)
    cdef const capture_record_t *record = NULL
    cdef const uint8_t *payload = NULL
    while capture_next(&walk.cursor, &record, &payload) == 1:
        pass
    return walk.offset


def count_types(bytes block):
    """(frames, snapshots, connects, disconnects, notes) of one block."""
    cdef BlockCursor walk = BlockCursor(block)
    cdef const capture_record_t *record = NULL
    cdef const uint8_t *payload = NULL
    cdef int64_t counts[6]
    cdef int i
    for i in range(6):
        counts[i] = 0
    while capture_next(&walk.cursor, &record, &payload) == 1:
        counts[record.type] += 1
    return counts[1], counts[2], counts[3], counts[4], counts[5]

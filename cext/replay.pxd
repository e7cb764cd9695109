"""The hot loop of a capture replay; see replay.pyx."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from cext.capture cimport capture_cursor_t, capture_record_t
from cext.core cimport Core
from cext.core_types cimport FEEDS_MAX, command_t, core_t
from cext.edges cimport EdgeSampler, edges_t
from cext.decoders.frames cimport frame_result_t, stamps_t
from cext.layout cimport book_record_t

cdef enum:
    # why run() came back to Python
    REPLAY_END = 0       # every source is used up
    REPLAY_BLOCK = 1     # source `at` needs its next block: load_block() or finish()
    REPLAY_TIMER = 2     # the next record lies at or beyond the time limit given to run(); nothing of it was done
    REPLAY_COMMANDS = 3  # the core decided: take_commands()
    REPLAY_DAMAGED = 4   # source `at` holds a damaged record

    COMMANDS_MAX = 64
    VENUES_PER_SOURCE = 4
    MARKETS_PER_VENUE = 4
    SNAPSHOT_KINDS = 6

ctypedef struct replay_source_t:
    capture_cursor_t cursor
    const capture_record_t *head            # next record, NULL = none left in this block
    const uint8_t *payload
    const uint8_t *block
    const int32_t *row_map                  # the capture's rows -> the run's rows
    int32_t row_count
    uint32_t is_finished
    uint64_t frames
    uint64_t snapshots
    void *markets[VENUES_PER_SOURCE * MARKETS_PER_VENUE]  # MarketDecoder by venue_index and MARKET_*; NULL = not read

ctypedef struct replay_t:
    replay_source_t sources[FEEDS_MAX]
    int source_count
    int at
    core_t *core                            # NULL = books only
    edges_t *edges                          # NULL = no sampling
    # virtual clock: the wall clock of the records, never backwards; monotonic = wall less wall_base_ns
    int64_t wall_ns
    int64_t wall_base_ns
    int64_t first_wall_ns
    # what was done
    uint64_t frames                         # records of type frame
    uint64_t snapshots
    uint64_t records                        # book records built
    uint64_t trades
    uint64_t fundings
    uint64_t unread                         # frames of a market that no decoder reads
    uint64_t lost_snapshots                 # REST replies of no known instrument
    uint64_t frame_kinds[16]                # by FRAME_*
    uint64_t snapshot_kinds[SNAPSHOT_KINDS] # by SNAPSHOT_*
    # per row of the run
    uint64_t *row_seq                       # instrument_seq of the last record
    uint32_t *row_connection                # key of the connection that brought the last frame of it
    void **row_market                       # MarketDecoder of the row
    int row_total
    # the latest commands
    command_t commands[COMMANDS_MAX]
    int command_count
    int is_unfinished                       # touched rows were left when `commands` was full
    stamps_t stamps
    frame_result_t result
    book_record_t record


cdef class ReplayLoop:
    cdef replay_t *r
    cdef readonly Core core
    cdef readonly EdgeSampler edges
    cdef list _markets         # keeps alive what `markets` points to
    cdef list _blocks          # source -> bytes of its block
    cdef list _row_maps        # source -> array that row_map points to

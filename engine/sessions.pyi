import asyncio
from collections.abc import Callable
from typing import Any

from picows import WSListener, WSTransport

from cext.decoders.orders import OrderDecoder
from cext.encoders.encoder import OrderEncoder
from cext.instrument import InstrumentArray
from engine.dialect import SocketDialect
from engine.events import Intent, OrderEvent

class RequestFailed(Exception):
    method: str
    status: int
    code: int
    message: str
    def __init__(self, method: str, status: int, code: int, message: str) -> None: ...

class VenueSocket(WSListener):
    session: VenueSession
    transport: WSTransport | None
    number: int
    closed: asyncio.Future[str]
    alive_mono_ns: int
    close_reason: str
    def __init__(self, session: VenueSession, number: int) -> None: ...
    async def request(self, key: str, frame: bytes, timeout_s: float = 5.0, *, name: str = "") -> Any: ...
    def send_text(self, frame: bytes) -> bool: ...
    def close(self, reason: str) -> None: ...
    def abort(self, reason: str) -> None: ...

class VenueSession:
    venue: str
    market: str
    kind: str
    decoder: OrderDecoder
    dialect: SocketDialect
    instruments: InstrumentArray
    socket: VenueSocket | None
    is_ready: bool
    frames: int
    undecodable: int
    sockets: int
    callback_errors: int
    late_replies: int
    pending_count: int
    on_event: Callable[[OrderEvent], Any] | None
    on_state: Callable[[bool, str], Any] | None
    on_account: Callable[[str, bytes, int], Any] | None
    on_error: Callable[[str, Exception], Any] | None
    on_retry_after: Callable[[int, int], Any] | None
    def __init__(self, venue: str, market: str, kind: str, instruments: InstrumentArray, decoder: OrderDecoder,
                 dialect: SocketDialect) -> None: ...
    def make_socket(self) -> VenueSocket: ...
    def adopt(self, socket: VenueSocket) -> None: ...
    def close(self, reason: str = "stopped") -> None: ...
    def stats(self) -> dict[str, Any]: ...

class OrderSession(VenueSession):
    encoder: OrderEncoder
    clock_offset_ns: int
    encode_refused: int
    sent_unknown: int
    def __init__(self, venue: str, market: str, instruments: InstrumentArray, decoder: OrderDecoder, encoder: OrderEncoder,
                 dialect: SocketDialect) -> None: ...
    def cancel(self, row: int, client_id: str) -> int: ...
    def query(self, row: int, client_id: str) -> int: ...
    def place(self, row: int, client_id: str, side: int, order_type: int, limit_px: int, qty: int,
              reduce_only: bool = False) -> int: ...
    def venue_time_ms(self) -> int: ...
    def is_sendable(self) -> bool: ...
    def encode_and_send(self, intent: Intent) -> list[int]: ...

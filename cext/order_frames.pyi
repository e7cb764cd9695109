from cext.instrument import InstrumentArray
from cext.sign import HmacSha256

STP_MODES: dict[str, tuple[str, ...]]

class OrderEncoder:
    market: str
    is_signed: bool
    def __init__(self, market: str, recv_window_ms: int = 500, stp_mode: str = "EXPIRE_MAKER",
                 api_key: str = "", hmac: HmacSha256 | None = None) -> None: ...
    def encode_place(self, instruments: InstrumentArray, row: int, client_id: str, side: int, order_type: int, limit_px: int,
                     qty: int, timestamp_ms: int, reduce_only: bool = False) -> bytes: ...
    def encode_cancel(self, instruments: InstrumentArray, row: int, client_id: str, timestamp_ms: int) -> bytes: ...
    def encode_query(self, instruments: InstrumentArray, row: int, client_id: str, timestamp_ms: int) -> bytes: ...

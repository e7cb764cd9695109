from cext.instrument import InstrumentArray

DECODED_NAMES: dict[int, str]

class BinanceOrderDecoder:
    malformed: int
    unknown_symbols: int
    unmapped_errors: int
    unmapped_statuses: int
    truncated_fills: int
    market: str
    def __init__(self, instruments: InstrumentArray, market: str) -> None: ...
    def decode_frame(self, data: bytes, recv_mono_ns: int = 0) -> tuple[str, list[bytes]]: ...
    def decode_rest(self, status: int, body: bytes, client_id: str, answers: str,
                    recv_mono_ns: int = 0) -> list[bytes]: ...
    def last_reply(self) -> tuple[int, int]: ...
    def classify_error(self, status: int, code: int, message: str) -> int: ...

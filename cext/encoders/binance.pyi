from cext.encoders.encoder import OrderEncoder
from cext.sign import HmacSha256

STP_MODES: dict[str, tuple[str, ...]]

class BinanceOrderEncoder(OrderEncoder):
    is_signed: bool
    def __init__(self, market: str, recv_window_ms: int = 500, stp_mode: str = "EXPIRE_MAKER",
                 api_key: str = "", hmac: HmacSha256 | None = None, venue: str = "binance") -> None: ...

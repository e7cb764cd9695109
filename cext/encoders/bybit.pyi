from cext.encoders.encoder import OrderEncoder

SMP_TYPES: tuple[str, ...]

class BybitOrderEncoder(OrderEncoder):
    has_reduce_only: bool
    def __init__(self, market: str, recv_window_ms: int = 500, smp_type: str = "CancelMaker", venue: str = "bybit") -> None: ...

from cext.encoders.encoder import OrderEncoder

STP_MODES: tuple[str, ...]

class OkxOrderEncoder(OrderEncoder):
    life_ms: int
    has_reduce_only: bool
    has_fok: bool
    def __init__(self, market: str, life_ms: int = 500, stp_mode: str = "cancel_maker", venue: str = "okx") -> None: ...

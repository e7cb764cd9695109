from cext.decoders.orders import OrderDecoder
from cext.instrument import InstrumentArray

class BybitOrderDecoder(OrderDecoder):
    limit_total: int
    limit_left: int
    limit_reset_ms: int
    foreign_executions: int
    def __init__(self, instruments: InstrumentArray, market: str, venue: str = "bybit") -> None: ...

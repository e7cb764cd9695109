from cext.decoders.orders import OrderDecoder
from cext.instrument import InstrumentArray

class OkxOrderDecoder(OrderDecoder):
    foreign_executions: int
    def __init__(self, instruments: InstrumentArray, market: str, venue: str = "okx") -> None: ...

def trade_number(text: str) -> int: ...

from cext.decoders.orders import OrderDecoder
from cext.instrument import InstrumentArray

class BinanceOrderDecoder(OrderDecoder):
    def __init__(self, instruments: InstrumentArray, market: str, venue: str = "binance") -> None: ...

"""Binance market data, spot and USD-M; the contract is that of market.pxd."""
from cext.decoders.market cimport MarketDecoder


cdef class BinanceMarket(MarketDecoder):
    pass

"""OKX v5 market data, spot and SWAP; the contract is that of market.pxd."""
from cext.decoders.market cimport MarketDecoder
from cext.decoders.okx_message cimport okx_state_t


cdef class OkxMarket(MarketDecoder):
    cdef okx_state_t *okx                       # okx_message.h

"""Binance.US: Binance's spot protocol at other addresses; HMAC keys only, no futures."""
from __future__ import annotations

from dataclasses import replace

from tests.conformance.case import Book, Recording
from tests.conformance.venues import binance

CCXT = replace(
    binance.CCXT,
    id="binanceus",
    addresses=(("https://api.binance.us", "spot_rest", ""), ("wss://stream.binance.us:9443/ws", "spot_ws", "/stream/ws"),
               ("wss://ws-api.binance.com:443/ws-api/v3", "spot_ws_api", "/ws-api/v3"),
               ("wss://ws-api.binance.us:443/ws-api/v3", "spot_ws_api", "/ws-api/v3")),
    options={"fetchCurrencies": False, "fetchMargins": False, "fetchMarkets": {"types": ["spot"]}},
    symbols={"spot": "BTC/USDT"},
    positions=False,
)

CASE = replace(
    binance.CASE,
    name="binanceus",
    markets=("spot",),
    listing=(binance.SPOT_LISTING,),
    scenes=(binance.SPOT_SCENE,),
    recordings=(Recording("spot", ("cryptofeed_v3/BINANCE_US.jsonl.zst",), (
        Book("COMPUSDT", 107, 106, (219, 525), "0301f14560a6fc13", 113129399),
        Book("CRVUSDT", 29, 28, (73, 62), "7a83dcdc162a9b02", 1938877),
        Book("OMGBUSD", 159, 158, (196, 183), "88ebbe9ab131fb2e", 77819802),
        Book("ZRXUSDT", 41, 40, (174, 256), "bf2f354fc445baf5", 96975046)), snapshot_url=binance.SNAPSHOT_URL),),
    real_listings=(("cryptofeed_v3/BINANCE_US.jsonl.zst", r"api/v3/exchangeInfo", "/api/v3/exchangeInfo", {}),),
    vectors=tuple(vector for vector in binance.VECTORS if vector.form == "hex"),
    ccxt=CCXT,
)

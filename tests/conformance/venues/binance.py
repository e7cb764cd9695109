"""Binance: spot and USD-M perpetuals. Payloads and vectors: spot web-socket-streams.md 2026-07, rest-api.md, USD-M
websocket-market-streams 2026-05; prices changed where a book has to come out of them."""
from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from tests.conformance.case import (
    Answer,
    Book,
    Ccxt,
    Funding,
    Recording,
    Scene,
    Signed,
    Trade,
    Vector,
    VenueCase,
    frame,
    snapshot,
)


def spot_symbol(base: str, quote: str, tick: str, lot: str, notional: str = "5", max_qty: str = "9000") -> dict[str, Any]:
    return {"symbol": base + quote, "status": "TRADING", "baseAsset": base, "quoteAsset": quote, "baseAssetPrecision": 8,
            "quotePrecision": 8, "quoteAssetPrecision": 8, "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
            "isSpotTradingAllowed": True, "isMarginTradingAllowed": False, "permissions": ["SPOT"], "permissionSets": [["SPOT"]],
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
                {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": max_qty, "stepSize": lot},
                {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": max_qty, "stepSize": "0.00000000"},
                {"filterType": "NOTIONAL", "minNotional": notional, "applyMinToMarket": True, "maxNotional": "9000000.00000000",
                 "applyMaxToMarket": False, "avgPriceMins": 5}]}


def linear_symbol(base: str, quote: str, tick: str, lot: str, notional: str = "5", max_qty: str = "1000") -> dict[str, Any]:
    return {"symbol": base + quote, "pair": base + quote, "contractType": "PERPETUAL", "deliveryDate": 4133404800000,
            "onboardDate": 1569398400000, "status": "TRADING", "baseAsset": base, "quoteAsset": quote, "marginAsset": quote,
            "pricePrecision": 2, "quantityPrecision": 3, "baseAssetPrecision": 8, "quotePrecision": 8, "underlyingType": "COIN",
            "orderTypes": ["LIMIT", "MARKET"], "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000", "tickSize": tick},
                {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": max_qty, "stepSize": lot},
                {"filterType": "MARKET_LOT_SIZE", "minQty": lot, "maxQty": max_qty, "stepSize": lot},
                {"filterType": "MIN_NOTIONAL", "notional": notional},
                {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500", "multiplierDown": "0.9500", "multiplierDecimal": "4"}]}


# A lot of one hundred millionth, a tick as small, a lot of 1 and of 100, a multiplier in the name, a settle coin of its own.
SPOT_LISTING = Answer("/api/v3/exchangeInfo", {"timezone": "UTC", "serverTime": 1, "rateLimits": [], "symbols": [
    spot_symbol("BTC", "USDT", "0.01000000", "0.00001000"), spot_symbol("ETH", "BTC", "0.00001000", "0.00010000", "0.0001"),
    spot_symbol("SHIB", "USDT", "0.00000001", "1.00000000", "1", "46116860414.00"),
    spot_symbol("PAXG", "USDT", "1.00000000", "0.00000001", "5", "90"),
    spot_symbol("1000CHEEMS", "USDT", "0.00000100", "100.0")]})
LINEAR_LISTING = Answer("/fapi/v1/exchangeInfo", {"timezone": "UTC", "serverTime": 1, "rateLimits": [], "assets": [], "symbols": [
    linear_symbol("BTC", "USDT", "0.10", "0.001", "50"), linear_symbol("ETH", "USDC", "0.01", "0.001", "20"),
    linear_symbol("1000SHIB", "USDT", "0.000001", "1", "5", "9000000"), linear_symbol("1MBABYDOGE", "USDT", "0.0000001", "100"),
    linear_symbol("YFI", "USDT", "1", "0.001")]})

SNAPSHOT = b'{"lastUpdateId":156,"bids":[["25.2000","1.50"],["25.1000","2"]],"asks":[["25.4000","3"],["25.5000","4.25"]]}'
SPOT_SCENE = Scene(
    "snapshot, join, top, trades", "spot", "BNBUSDT", (
        frame(b'{"e":"depthUpdate","E":1672515782136,"s":"BNBUSDT","U":150,"u":156,"b":[],"a":[]}'),
        snapshot(SNAPSHOT),
        frame(b'{"e":"depthUpdate","E":1672515782137,"s":"BNBUSDT","U":157,"u":160,'
                  b'"b":[["25.3000","10"],["25.1000","0.00000000"]],"a":[["25.6000","100"],["25.4000","3.5"]]}'),
        frame(b'{"u":161,"s":"BNBUSDT","b":"25.30000000","B":"31.21000000","a":"25.40000000","A":"40.66000000"}'),
        frame(b'{"e":"trade","E":1672515782138,"s":"BNBUSDT","t":12345,"p":"25.301","q":"100","T":1672515782138,"m":true,'
                  b'"M":true}'),
        frame(b'{"result":null,"id":7}'),
    ), ("buffered", "synced", "book", "book", "trade", "ack"), (4, 2),
    bids=(("25.3", "10"), ("25.2", "1.5")), asks=(("25.4", "3.5"), ("25.5", "4.25"), ("25.6", "100")), is_valid=True,
    trades=(Trade("BNBUSDT", Decimal("25.301"), Decimal(100), True),), ack=(7, 0))
LINEAR_SCENE = Scene(
    "join by pu, aggregate trade, mark price", "linear", "BTCUSDT", (
        frame(b'{"e":"depthUpdate","E":123456789,"T":123456788,"s":"BTCUSDT","U":157,"u":160,"pu":149,"b":[["25.10","10"]],'
                  b'"a":[["26.0","100"]]}'),
        snapshot(b'{"lastUpdateId":158,"E":1,"T":1,"bids":[["25.00","1"]],"asks":[["27.00","1.5"]]}'),
        frame(b'{"e":"depthUpdate","E":123456790,"T":123456789,"s":"BTCUSDT","U":161,"u":163,"pu":160,"b":[["25.00","0"]],'
                  b'"a":[]}'),
        frame(b'{"e":"aggTrade","E":123456789,"s":"BTCUSDT","a":5933014,"p":"25.5","q":"100","nq":"100","f":100,"l":105,'
                  b'"T":123456785,"m":false}'),
        frame(b'{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15000000","ap":"11794.15000000",'
                  b'"i":"11784.62659091","P":"11784.25641265","r":"0.00038167","T":1562306400000}'),
    ), ("buffered", "synced", "book", "trade", "funding"), (2, 3),
    bids=(("25.10", "10"),), asks=(("26", "100"), ("27", "1.5")), is_valid=True,
    trades=(Trade("BTCUSDT", Decimal("25.5"), Decimal(100), False),),
    funding=Funding("BTCUSDT", Decimal("11794.15"), Decimal("0.00038167"), 1562306400000))

SNAPSHOT_URL = r"/depth\?.*symbol=([A-Z]+)"
LINES = {"form": "lines", "snapshot_text": b'{"lastUpdateId"', "is_long": True}
SPOT_RECORDINGS = (
    Recording("spot", ("cryptofeed_v3/BINANCE.jsonl.zst",), (
        Book("BLZETH", 10, 9, (173, 999), "9b6f4b1f96d0e1a8", 281916638),
        Book("LRCBTC", 15, 13, (176, 1000), "9018b662a21b7160", 259345563),
        Book("NKNUSDT", 150, 149, (614, 994), "a1af77d1daa8db76", 499870179),
        Book("RUNEEUR", 2, 1, (222, 468), "1b129bd735039dde", 15602513)), snapshot_url=SNAPSHOT_URL),
    Recording("spot", ("hftbacktest/spot/btcusdt_20240808.gz", "hftbacktest/spot/btcusdt_20240809.gz"), (
        Book("BTCUSDT", 6495, 6493, (1971, 2962), "114cb7da8dc4408c", 50093696318),), scales={"BTCUSDT": (2, 6)}, **LINES),
)
LINEAR_RECORDINGS = (
    Recording("linear", ("cryptofeed_v3/BINANCE_FUTURES.jsonl.zst",), (
        Book("AKROUSDT", 189, 188, (613, 761), "74c9648e384173cb", 600860423964),
        Book("CTKUSDT", 185, 180, (486, 742), "1b6237d7a8174bc2", 600860423222),
        Book("KEEPUSDT", 135, 132, (401, 614), "bcee89f3e8309e9e", 600860420312),
        Book("SUSHIUSDT", 255, 252, (1006, 1000), "441f0f946ccbb283", 600860425198)), snapshot_url=SNAPSHOT_URL),
    Recording("linear", ("hftbacktest/usdm/btcusdt_20240808.gz",), (
        Book("BTCUSDT", 6551, 6547, (5018, 4578), "64eaf31e2f8086ff", 5123135475514),), scales={"BTCUSDT": (1, 3)}, **LINES),
)


def read_trades(market: str, told: Any) -> list[Trade]:
    told = told.get("data", told)
    if told.get("e") not in ("trade", "aggTrade") or told.get("X", "MARKET") != "MARKET":  # linear: INSURANCE_FUND and the like
        return []
    return [Trade(told["s"], Decimal(told["p"]), Decimal(told["q"]), told["m"])]


def read_funding(market: str, told: Any) -> Funding | None:
    told = told.get("data", told)
    if told.get("e") != "markPriceUpdate":
        return None
    return Funding(told["s"], Decimal(told["p"]), Decimal(told["r"]), told["T"])


SPOT_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SPOT_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
LINEAR_KEY = "dbefbc809e3e83c283a984c3a1459732ea7db1360ca80c5c2c8867408d28cc83"
LINEAR_SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
ED25519_SEED = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"  # RFC 8032, test key 1
LTC = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC"
VECTORS = (
    Vector("REST, published", SPOT_SECRET, LTC + "&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
           "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
    Vector("REST, symbol not ASCII, published", SPOT_SECRET,
           "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&side=BUY&type=LIMIT&timeInForce=GTC"
           "&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
           "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3"),
    Vector("REST, query and body, computed", SPOT_SECRET, LTC + "quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
           "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77"),
    Vector("order.place, published", SPOT_SECRET,
           f"apiKey={SPOT_KEY}&price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL&symbol=BTCUSDT&timeInForce=GTC"
           "&timestamp=1645423376532&type=LIMIT", "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"),
    Vector("logon shape, published", SPOT_SECRET, f"apiKey={SPOT_KEY}&timestamp=1649729878532",
           "1cf54395b336b0a9727ef27d5d98987962bc47aca6e13fe978612d0adee066ed"),
    Vector("session.logon, computed", ED25519_SEED, f"apiKey={SPOT_KEY}&timestamp=1649729878532",
           "763GJeFgG09B/06V/dq24cLu6f0R57whgDMyOCubDex4CTTElmDgPSIQqLdOsvW5TBxyaaFotVCI8tUmQMChAA==", "ed25519"),
    Vector("REST USD-M, published", LINEAR_SECRET,
           "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000&timestamp=1591702613943",
           "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"),
    Vector("WS API USD-M, computed", LINEAR_SECRET,
           f"apiKey={LINEAR_KEY}&newClientOrderId=arb-1&price=9000&quantity=1&recvWindow=5000&side=BUY&symbol=BTCUSDT"
           "&timeInForce=IOC&timestamp=1591702613943&type=LIMIT",
           "08aa083ed272897160f76368f55ba95ee7b5a5fc4d7b49616fab4d11fb828e4a"),
)


def read_signed(request: dict[str, Any], secret: str) -> Signed:
    """Query and body joined with nothing between, all before the signature, which stands last."""
    text = urlsplit(request["url"]).query + (request.get("body") or "")
    signed, _, signature = text.rpartition("&signature=")
    return Signed(signed, signature)


def read_ws_signed(frame: dict[str, Any], secret: str) -> Signed:
    """params but the signature, sorted by name; a boolean as in JSON."""
    params = dict(frame["params"])
    signature = params.pop("signature")
    def text(value: Any) -> str:
        return str(value).lower() if isinstance(value, bool) else str(value)
    return Signed("&".join(f"{key}={text(params[key])}" for key in sorted(params)), signature)


CCXT = Ccxt(
    id="binance",
    addresses=(
        ("https://api.binance.com", "spot_rest", ""), ("https://fapi.binance.com", "linear_rest", ""),
        # /stream in the path is how ccxt tells spot from futures
        ("wss://stream.binance.com:9443/ws", "spot_ws", "/stream/ws"),
        ("wss://fstream.binance.com/ws", "linear_ws_public", "/ws"),
        ("wss://fstream.binance.com/public/ws", "linear_ws_public", ""),
        ("wss://fstream.binance.com/market/ws", "linear_ws_market", ""),
        ("wss://fstream.binance.com/private/ws", "linear_ws_private", ""),
        ("wss://ws-api.binance.com:443/ws-api/v3", "spot_ws_api", "/ws-api/v3"),
        ("wss://ws-fapi.binance.com/ws-fapi/v1", "linear_ws_api", "/ws-fapi/v1"),
    ),
    options={"fetchCurrencies": False, "fetchMargins": False, "fetchMarkets": {"types": ["spot", "linear"]}},
    credentials={"apiKey": "hmac_key", "secret": "hmac_secret"},
    symbols={"spot": "BTC/USDT", "linear": "BTC/USDT:USDT"},
    client_id_param="newClientOrderId",
    book_depth=500,
    read_signed=read_signed,
    read_ws_signed=read_ws_signed,
)

LIMITS = b'"rateLimits":[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":50,"count":1}]}'
SPOT_REPLIES = (
    (b'{"id":"<ID>","status":200,"result":{"symbol":"<SYMBOL>","orderId":12569099453,"orderListId":-1,"clientOrderId":"<CID>",'
     b'"transactTime":1660801715639,"price":"23416.10000000","origQty":"0.00847000","executedQty":"0.00847000",'
     b'"cummulativeQuoteQty":"198.33521500","status":"FILLED","timeInForce":"IOC","type":"LIMIT","side":"SELL","workingTime":1,'
     b'"fills":[{"price":"23416.50000000","qty":"0.00847000","commission":"0.19833521","commissionAsset":"USDT",'
     b'"tradeId":1650422482}],"selfTradePreventionMode":"NONE"},' + LIMITS),
    b'{"id":"<ID>","status":400,"error":{"code":<CODE>,"msg":"no more than that is known"},' + LIMITS,
    (b'{"subscriptionId":0,"event":{"e":"executionReport","E":1499405658658,"s":"<SYMBOL>","c":"<CID>","S":"BUY","o":"LIMIT",'
     b'"f":"IOC","q":"1.00000000","p":"20000.10000000","P":"0.00000000","F":"0.00000000","g":-1,"C":"","x":"TRADE","X":"FILLED",'
     b'"r":"NONE","i":4293153,"l":"1.00000000","z":"1.00000000","L":"20000.10000000","n":"0.001","N":"BTC","T":1499405658657,'
     b'"t":77,'
     b'"I":8641984,"w":false,"m":false,"M":false,"O":1499405658657,"Z":"20000.10000000","Y":"20000.10000000","Q":"0.00000000"}}'),
)
LINEAR_REPLIES = (
    (b'{"id":"<ID>","status":200,"result":{"orderId":325078477,"symbol":"<SYMBOL>","status":"FILLED","clientOrderId":"<CID>",'
     b'"price":"43187.00","avgPrice":"43187.00","origQty":"0.100","executedQty":"0.100","cumQty":"0.100","cumQuote":"4318.70000",'
     b'"timeInForce":"IOC","type":"LIMIT","reduceOnly":false,"closePosition":false,"side":"SELL","positionSide":"BOTH",'
     b'"stopPrice":"0.00","workingType":"CONTRACT_PRICE","priceProtect":false,"origType":"LIMIT","priceMatch":"NONE",'
     b'"selfTradePreventionMode":"NONE","goodTillDate":0,"updateTime":1702555534435},' + LIMITS),
    SPOT_REPLIES[1],
    (b'{"e":"ORDER_TRADE_UPDATE","E":1568879465651,"T":1568879465650,"o":{"s":"<SYMBOL>","c":"<CID>","S":"SELL","o":"LIMIT",'
     b'"f":"IOC","q":"0.001","p":"9910","ap":"9910","sp":"0","x":"TRADE","X":"FILLED","i":8886774,"l":"0.001","z":"0.001",'
     b'"L":"9910","n":"0.1","N":"USDT","T":1568879465650,"t":5,"b":"0","a":"0","m":false,"R":false,"wt":"CONTRACT_PRICE",'
     b'"ot":"LIMIT","ps":"BOTH","cp":false,"rp":"0"}}'),
)

CASE = VenueCase(
    name="binance",
    markets=("spot", "linear"),
    listing=(SPOT_LISTING, LINEAR_LISTING),
    scenes=(SPOT_SCENE, LINEAR_SCENE),
    recordings=(*SPOT_RECORDINGS, *LINEAR_RECORDINGS),
    real_listings=(("cryptofeed_v3/BINANCE.jsonl.zst", r"api/v3/exchangeInfo", "/api/v3/exchangeInfo", {}),
                   ("cryptofeed_v3/BINANCE_FUTURES.jsonl.zst", r"fapi/v1/exchangeInfo", "/fapi/v1/exchangeInfo", {})),
    vectors=VECTORS,
    ccxt=CCXT,
    order_replies={"spot": SPOT_REPLIES, "linear": LINEAR_REPLIES},
    trades=read_trades,
    funding=read_funding,
)

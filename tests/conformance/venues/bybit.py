"""Bybit v5: spot and linear on a unified account. Payloads: docs/v5 of 2026-07-24, ids and prices changed where a book has to
come out of them; vectors computed with the documented rule (the documents print signatures without their secret)."""
from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from tests.conformance.case import Answer, Book, Ccxt, Funding, Recording, Scene, Signed, Trade, Vector, VenueCase, frame


def spot_symbol(base: str, quote: str, tick: str, step: str, amount: str = "5", max_qty: str = "71") -> dict[str, Any]:
    return {"symbol": base + quote, "symbolId": 9, "baseCoin": base, "quoteCoin": quote, "innovation": "0", "status": "Trading",
            "marginTrading": "utaOnly", "stTag": "0",
            "lotSizeFilter": {"basePrecision": step, "quotePrecision": "0.00000001", "minOrderQty": step, "maxOrderQty": max_qty,
                              "minOrderAmt": amount, "maxOrderAmt": "4000000", "maxLimitOrderQty": max_qty,
                              "maxMarketOrderQty": max_qty, "postOnlyMaxLimitOrderSize": max_qty},
            "priceFilter": {"tickSize": tick}, "riskParameters": {"priceLimitRatioX": "0.01", "priceLimitRatioY": "0.02"}}


def linear_symbol(base: str, quote: str, tick: str, step: str, symbol: str = "", max_qty: str = "1190",
                  minutes: int = 480) -> dict[str, Any]:
    return {"symbol": symbol or base + quote, "contractType": "LinearPerpetual", "status": "Trading", "baseCoin": base,
            "quoteCoin": quote, "settleCoin": quote, "launchTime": "1585526400000", "deliveryTime": "0", "deliveryFeeRate": "",
            "priceScale": "2", "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
            "priceFilter": {"minPrice": tick, "maxPrice": str(Decimal(tick) * 19_999_998), "tickSize": tick},
            "lotSizeFilter": {"maxOrderQty": max_qty, "minOrderQty": step, "qtyStep": step, "postOnlyMaxOrderQty": max_qty,
                              "maxMktOrderQty": max_qty, "minNotionalValue": "5"},
            "unifiedMarginTrade": True, "fundingInterval": minutes, "copyTrading": "both", "upperFundingRate": "0.00375",
            "lowerFundingRate": "-0.00375", "isPreListing": False, "preListingInfo": None,
            "riskParameters": {"priceLimitRatioX": "0.01", "priceLimitRatioY": "0.02"}}


def listed(category: str, rows: list[dict[str, Any]]) -> Answer:
    return Answer("/v5/market/instruments-info", {"retCode": 0, "retMsg": "OK", "retExtInfo": {}, "time": 1672712495660,
                                                  "result": {"category": category, "list": rows, "nextPageCursor": ""}},
                  {"category": category})


# Lots of one millionth and of 100, ticks from 0.000001 to 1, a USDC perpetual whose symbol is not base + quote, a 1 h funding.
LISTING = (
    listed("spot", [spot_symbol("BTC", "USDT", "0.1", "0.000001"), spot_symbol("ETH", "BTC", "0.000001", "0.0001", "0.00001"),
                    spot_symbol("SHIB", "USDT", "0.00000001", "0.1", "1", "3000000000"),
                    spot_symbol("XAUT", "USDT", "1", "0.000001")]),
    listed("linear", [linear_symbol("BTC", "USDT", "0.10", "0.001"), linear_symbol("ETH", "USDC", "0.01", "0.01", "ETHPERP"),
                      linear_symbol("1000PEPE", "USDT", "0.0000001", "100", max_qty="99000000", minutes=60),
                      linear_symbol("DOGE", "USDT", "0.00001", "1", max_qty="29760000", minutes=240)]),
    Answer("/v5/market/instruments-info", {"retCode": 0, "retMsg": "OK", "result": {"category": "", "list": [],
                                                                                     "nextPageCursor": ""}, "time": 1}),
)

SPOT_SCENE = Scene(
    "ts before type, snapshot, delta, top, trades", "spot", "BTCUSDT", (
        frame(b'{"success":true,"ret_msg":"subscribe","conn_id":"2324d924","req_id":"41","op":"subscribe"}'),
        frame(b'{"topic":"orderbook.50.BTCUSDT","ts":1672304484978,"type":"snapshot","data":{"s":"BTCUSDT",'
                  b'"b":[["16493.5","0.006"],["16493","0.1"]],"a":[["16611","0.029"],["16612","0.213"]],"u":18521288,'
                  b'"seq":7961638724},"cts":1672304484976}'),
        frame(b'{"topic":"orderbook.50.BTCUSDT","ts":1672304484998,"type":"delta","data":{"s":"BTCUSDT",'
                  b'"b":[["16493.5","0"],["16492","3"]],"a":[["16611","0"],["16611.5","0.892"]],"u":18521289,'
                  b'"seq":7961638725},"cts":1672304484997}'),
        frame(b'{"topic":"publicTrade.BTCUSDT","ts":1772694821917,"type":"snapshot","data":[{"i":"2280000001739247417",'
                  b'"T":1772694821917,"p":"16493.2","v":"0.04537","S":"Sell","seq":178477362706,"s":"BTCUSDT","BT":false,'
                  b'"RPI":false},'
                  b'{"i":"2280000001739247418","T":1772694821917,"p":"16493.3","v":"1","S":"Buy","seq":178477362707,'
                  b'"s":"BTCUSDT","BT":false,"RPI":false}]}'),
        frame(b'{"success":true,"ret_msg":"pong","conn_id":"0970e817-426e-429a-a679-ff7f55e0b16a","req_id":"","op":"ping"}'),
    ), ("ack", "book", "book", "trade", "nothing"), (2, 6),
    bids=(("16493", "0.1"), ("16492", "3")), asks=(("16611.5", "0.892"), ("16612", "0.213")), is_valid=True,
    trades=(Trade("BTCUSDT", Decimal("16493.2"), Decimal("0.04537"), True),
            Trade("BTCUSDT", Decimal("16493.3"), Decimal(1), False)), ack=(41, 0))
TICKER = (b'{"topic":"tickers.BTCUSDT","type":"snapshot","data":{"symbol":"BTCUSDT","tickDirection":"MinusTick",'
          b'"price24hPcnt":"-0.158315","lastPrice":"66666.60","prevPrice24h":"79206.20","highPrice24h":"79266.30",'
          b'"lowPrice24h":"65076.90","prevPrice1h":"66666.60","markPrice":"66666.60","indexPrice":"115418.19",'
          b'"openInterest":"492373.72","openInterestValue":"32824881841.75","turnover24h":"4936790807.6521",'
          b'"volume24h":"73191.3870","fundingIntervalHour":"8","fundingCap":"0.005","nextFundingTime":"1760342400000",'
          b'"fundingRate":"-0.005","bid1Price":"66666.60","bid1Size":"23789.165","ask1Price":"66666.70","ask1Size":"23775.469",'
          b'"preOpenPrice":"","preQty":"","curPreListingPhase":""},"cs":9532239429,"ts":1760325052630}')
LINEAR_SCENE = Scene(
    "type before ts, restart with u = 1, tickers merged", "linear", "BTCUSDT", (
        frame(b'{"topic":"orderbook.50.BTCUSDT","type":"snapshot","ts":1672304484978,"data":{"s":"BTCUSDT",'
                  b'"b":[["16493.50","0.006"],["16493.00","0.100"]],"a":[["16611.00","0.029"],["16612.00","0.213"]],'
                  b'"u":18521288,"seq":7961638724},"cts":1672304484976}'),
        frame(b'{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1687940967466,"data":{"s":"BTCUSDT",'
                  b'"b":[["16494.20","30.028"],["16493.50","0"]],"a":[["16611.00","0"],["16611.30","0.892"]],"u":18521289,'
                  b'"seq":66544703342},"cts":1687940967464}'),
        frame(b'{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1687940967566,"data":{"s":"BTCUSDT",'
                  b'"b":[["16400.00","1"]],"a":[["16401.00","2"]],"u":1,"seq":66544703400},"cts":1687940967564}'),
        frame(b'{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1672304486868,"data":[{"T":1672304486865,"s":"BTCUSDT",'
                  b'"S":"Buy","v":"0.001","p":"16578.50","L":"PlusTick","i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false,'
                  b'"RPI":false,"seq":1783284617}]}'),
        frame(TICKER),
        frame(b'{"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT","markPrice":"66667.10"},'
                  b'"cs":9532239430,"ts":1760325052730}'),
    ), ("book", "book", "book", "trade", "funding", "funding"), (2, 3),
    bids=(("16400", "1"),), asks=(("16401", "2"),), is_valid=True,
    trades=(Trade("BTCUSDT", Decimal("16578.50"), Decimal("0.001"), False),),
    funding=Funding("BTCUSDT", Decimal("66667.10"), Decimal("-0.005"), 1760342400000))

RECORDINGS = (
    Recording("spot", ("cryptofeed_v3/BYBIT.jsonl.zst",), (
        Book("BTCUSDT", 300, 300, (200, 200), "8e6b8e8adfd63cc1", 62505723),
        Book("ETHUSDT", 250, 250, (200, 200), "733d8fb076009847", 56726742)), address="/public/spot"),
    Recording("linear", ("cryptofeed_v3/BYBIT.jsonl.zst",), (
        Book("BTCUSDT", 414, 414, (200, 200), "feb040f0ac90391c", 15077365),
        Book("DOGEUSDT", 380, 380, (200, 200), "fce65e98d3e8d092", 13178638),
        Book("ETHUSDT", 421, 421, (200, 200), "82db2a558a4a57eb", 14768880),
        Book("SOLUSDT", 383, 383, (200, 200), "73c5f2fb79bce66f", 13783705)), address="/public/linear"),
)


def read_trades(market: str, told: Any) -> list[Trade]:
    if not str(told.get("topic", "")).startswith("publicTrade."):
        return []
    return [Trade(row["s"], Decimal(row["p"]), Decimal(row["v"]), row["S"] == "Sell") for row in told["data"]]


def read_funding(market: str, told: Any) -> Funding | None:
    """A delta holds only what changed."""
    if market != "linear" or not str(told.get("topic", "")).startswith("tickers."):
        return None
    data = told["data"]
    return Funding(data["symbol"], *(Decimal(data[key]) if data.get(key) else None for key in ("markPrice", "fundingRate")),
                   next_ms=int(data["nextFundingTime"]) if data.get("nextFundingTime") else None)


KEY, SECRET = "XXXXXXXXXX", "Y" * 36
VECTORS = (
    Vector("GET, computed", SECRET, f"1658384314791{KEY}5000category=option&symbol=BTC-29JUL22-25000-C",
           "49c26b0f76e0bec6b926f119814d66c4bdf59de44adf2a1864b1ea0bfd9c710c"),
    Vector("POST, computed", SECRET, f"1658384314791{KEY}5000" + (
        '{"category":"linear","symbol":"BTCUSDT","side":"Buy","orderType":"Limit","qty":"0.001","price":"28000",'
        '"timeInForce":"PostOnly","orderLinkId":"arb-0001"}'),
           "ed714c65bdfaaf8605bbda1cc3937640bfdf3f2ba22e894843a015f0cdc39704"),
    Vector("WS auth, computed", SECRET, "GET/realtime1662350400000",
           "9f96338b434359fa6300c2d0040ffe25962cbc700dac649bfc7c59ef64431f89"),
)


def read_signed(request: dict[str, Any], secret: str) -> Signed:
    """timestamp + key + window + (query | body)."""
    headers = {key.lower(): value for key, value in request["headers"].items()}
    return Signed(headers["x-bapi-timestamp"] + headers["x-bapi-api-key"] + headers["x-bapi-recv-window"]
                  + (request.get("body") or urlsplit(request["url"]).query), headers["x-bapi-sign"])


def read_ws_signed(frame: dict[str, Any], secret: str) -> Signed:
    """op auth: [key, expires, sign]."""
    if frame["op"] != "auth":
        raise KeyError("no logon")
    _, expires, signature = frame["args"]
    return Signed(f"GET/realtime{expires}", signature)


CCXT = Ccxt(
    id="bybit",
    addresses=(
        ("https://api.bybit.com", "rest", ""), ("wss://stream.bybit.com/v5/public/spot", "public_spot_ws", "/v5/public/spot"),
        ("wss://stream.bybit.com/v5/public/linear", "public_linear_ws", "/v5/public/linear"),
        ("wss://stream.bybit.com/v5/private", "private_ws", "/v5/private"),
        ("wss://stream.bybit.com/v5/trade", "trade_ws", "/v5/trade"),
    ),
    options={"fetchCurrencies": False, "fetchMarkets": {"types": ["spot", "linear"]}, "enableUnifiedAccount": True,
             "enableUnifiedMargin": False, "unifiedMarginStatus": 5},
    credentials={"apiKey": "hmac_key", "secret": "hmac_secret"},
    symbols={"spot": "BTC/USDT", "linear": "BTC/USDT:USDT"},
    fetch_order_params={"acknowledged": True},
    signature_fields=("X-BAPI-SIGN",),
    read_signed=read_signed,
    read_ws_signed=read_ws_signed,
)

HEADER = (b'"retExtInfo":{},"header":{"X-Bapi-Limit":"10","X-Bapi-Limit-Status":"9",'
          b'"X-Bapi-Limit-Reset-Timestamp":"1711001595208","Traceid":"38b7977b430f9bd228f4b19724794dfd",'
          b'"Timenow":"1711001595209"},"connId":"cnt5leec0hvan15eukcg-2v"}')


def order_replies(category: bytes) -> tuple[bytes, ...]:
    order = (b'{"symbol":"<SYMBOL>","category":"%s","orderId":"5cf98598-39a7-459e-97bf-76ca765ee020","orderLinkId":"<CID>",'
             b'"side":"Buy","orderType":"Limit","cancelType":"UNKNOWN","price":"72.5","qty":"1","timeInForce":"IOC",'
             b'"orderStatus":"Filled","reduceOnly":false,"leavesQty":"0","leavesValue":"","cumExecQty":"1","cumExecValue":"75",'
             b'"avgPrice":"75","positionIdx":0,"cumExecFee":"0.358635","createdTime":"1672364262444",'
             b'"updatedTime":"1672364262457","rejectReason":"EC_NoError","stopOrderType":"","feeCurrency":"",'
             b'"cumFeeDetail":{"USDT":"0.358635"}}' % category)
    execution = (b'{"category":"%s","symbol":"<SYMBOL>","execFee":"0.358635","execId":"0ab1bdf7-4219-438b-b30a-32ec863018f7",'
                 b'"execPrice":"75","execQty":"1","execType":"Trade","execValue":"75","feeRate":"0.00055","leavesQty":"0",'
                 b'"orderId":"5cf98598-39a7-459e-97bf-76ca765ee020","orderLinkId":"<CID>","orderPrice":"72.5","orderQty":"1",'
                 b'"orderType":"Limit","side":"Buy","execTime":"1746270400353","isLeverage":"0","isMaker":false,'
                 b'"seq":140612148849382,"feeCurrency":"USDT"}' % category)
    return (
        b'{"reqId":"<ID>","retCode":0,"retMsg":"OK","op":"order.create","data":{"orderId":"a4c1718e-fe53-4659-a118-1f6ecce04ad9",'
        b'"orderLinkId":"<CID>"},' + HEADER,
        b'{"reqId":"<ID>","retCode":<CODE>,"retMsg":"no more than that is known","op":"order.create","data":{},' + HEADER,
        b'{"id":"5923240c6880ab","topic":"order.%s","creationTime":1672364262474,"data":[%s]}' % (category, order),
        b'{"topic":"execution.%s","id":"386825804","creationTime":1746270400355,"data":[%s]}' % (category, execution))


CASE = VenueCase(
    name="bybit",
    markets=("spot", "linear"),
    listing=LISTING,
    scenes=(SPOT_SCENE, LINEAR_SCENE),
    recordings=RECORDINGS,
    real_listings=(
        ("cryptofeed_v3/BYBIT.jsonl.zst", r"instruments-info.*category=spot", "/v5/market/instruments-info",
         {"category": "spot"}),
        ("cryptofeed_v3/BYBIT.jsonl.zst", r"instruments-info.*category=linear", "/v5/market/instruments-info",
         {"category": "linear"})),
    vectors=VECTORS,
    ccxt=CCXT,
    trades=read_trades,
    funding=read_funding,
    order_replies={"spot": order_replies(b"spot"), "linear": order_replies(b"linear")},
    depth_levels={"spot": 50, "linear": 50},
)

"""OKX v5: spot and USDT- or USDC-settled swaps (linear) on a unified account; swaps count contracts. Payloads: docs-v5 of
2026-06 to 2026-09, ids and prices changed where a book has to come out of them; vectors computed with the documents' sample
secret."""
from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from tests.conformance.case import Answer, Book, Ccxt, Funding, Recording, Scene, Signed, Trade, Vector, VenueCase, frame


def spot_row(base: str, quote: str, tick: str, lot: str, least: str, code: int) -> dict[str, Any]:
    return {"instType": "SPOT", "instId": f"{base}-{quote}", "instIdCode": code, "baseCcy": base, "quoteCcy": quote, "uly": "",
            "instFamily": "", "settleCcy": "", "ctVal": "", "ctMult": "", "ctValCcy": "", "ctType": "", "tickSz": tick,
            "lotSz": lot, "minSz": least, "maxLmtSz": "9999999999", "maxMktSz": "1000000", "maxLmtAmt": "20000000",
            "maxMktAmt": "1000000", "state": "live", "ruleType": "normal", "listTime": "1548133413000", "lever": "10",
            "groupId": "1", "tradeQuoteCcyList": [quote]}


def swap_row(base: str, quote: str, tick: str, lot: str, value: str, code: int, kind: str = "linear") -> dict[str, Any]:
    settle = quote if kind == "linear" else base
    return {"instType": "SWAP", "instId": f"{base}-{quote}-SWAP", "instIdCode": code, "baseCcy": "", "quoteCcy": "",
            "uly": f"{base}-{quote}", "instFamily": f"{base}-{quote}", "settleCcy": settle, "ctVal": value, "ctMult": "1",
            "ctValCcy": base if kind == "linear" else "USD", "ctType": kind, "tickSz": tick, "lotSz": lot, "minSz": lot,
            "maxLmtSz": "100000000", "maxMktSz": "20000", "maxLmtAmt": "20000000", "maxMktAmt": "", "state": "live",
            "ruleType": "normal", "listTime": "1573557408000", "lever": "100", "groupId": "1"}


def listed(kind: str, rows: list[dict[str, Any]]) -> Answer:
    return Answer("/api/v5/public/instruments", {"code": "0", "msg": "", "data": rows}, {"instType": kind})


# Contracts of 0.01 to 1,000,000 base units, lots of a hundredth, a tenth and one contract; an inverse one beside them.
SPOT_LISTING = listed("SPOT", [
    spot_row("BTC", "USDT", "0.1", "0.00000001", "0.00001", 1), spot_row("ETH", "BTC", "0.00001", "0.000001", "0.001", 2),
    spot_row("SHIB", "USDT", "0.000000001", "1", "100000", 3), spot_row("BTC", "USD", "0.1", "0.00000001", "0.00001", 4)])
LISTING = (
    SPOT_LISTING,
    listed("SWAP", [
        swap_row("BTC", "USDT", "0.1", "0.01", "0.01", 10458), swap_row("ETH", "USDT", "0.01", "0.01", "0.1", 10461),
        swap_row("SOL", "USDC", "0.01", "0.1", "1", 10462), swap_row("DOGE", "USDT", "0.00001", "0.01", "1000", 10463),
        swap_row("SHIB", "USDT", "0.000000001", "0.1", "1000000", 10464), swap_row("XRP", "USDT", "0.0001", "1", "10", 10465),
        swap_row("BTC", "USD", "0.1", "1", "100", 10459, kind="inverse")]),
    Answer("/api/v5/public/instruments", {"code": "0", "msg": "", "data": []}),
)


def book(channel: str, symbol: str, action: str, bids: str, asks: str, rest: str) -> bytes:
    shown = f'"action":"{action}",' if action else ""
    return (f'{{"arg":{{"channel":"{channel}","instId":"{symbol}"}},{shown}"data":[{{"asks":[{asks}],"bids":[{bids}],{rest}}}]}}'
            ).encode()


def scene_steps(symbol: str) -> tuple[tuple[str, bytes], ...]:
    return (
        frame(b'{"id":"1512","event":"subscribe","arg":{"channel":"books","instId":"%s"},"connId":"accb8e21"}' % symbol.encode()),
        frame(book("books", symbol, "snapshot", '["8476.97","256","0","12"],["8475.55","101","0","1"]',
                       '["8476.98","415","0","13"],["8477","7","0","2"]',
                       '"ts":"1597026383085","checksum":0,"prevSeqId":-1,"seqId":123456')),
        frame(book("books", symbol, "update", "", '["8477.56","0","0","0"],["8476.98","3","0","1"]',
                       '"ts":"1597026383185","checksum":0,"prevSeqId":123456,"seqId":123457')),
        # nothing changed for a minute
        frame(book("books", symbol, "update", "", "", '"ts":"1597026443185","checksum":0,"prevSeqId":123457,"seqId":123457')),
        # ids went back at the venue, the chain holds
        frame(book("books", symbol, "update", '["8475.55","0","0","0"]', "",
                       '"ts":"1597026443285","checksum":0,"prevSeqId":123457,"seqId":42')),
        frame(b"pong"),
    )


def trade_frame(symbol: str) -> bytes:
    return (b'{"arg":{"channel":"trades","instId":"%s"},"data":[{"instId":"%s","tradeId":"130639474","px":"8476.9","sz":"12",'
            b'"side":"buy","ts":"1630048897897","count":"3","source":"0","seqId":1234}]}' % (symbol.encode(), symbol.encode()))


SPOT_SCENE = Scene(
    "snapshot, update, heartbeat, ids that go back, trades", "spot", "BTC-USDT",
    (*scene_steps("BTC-USDT"), frame(trade_frame("BTC-USDT"))),
    ("ack", "book", "book", "book", "book", "nothing", "trade"), (2, 3),
    bids=(("8476.97", "256"),), asks=(("8476.98", "3"), ("8477", "7")), is_valid=True,
    trades=(Trade("BTC-USDT", Decimal("8476.9"), Decimal(12), False),), ack=(1512, 0))
LINEAR_SCENE = Scene(
    "sizes in contracts of 0.01, mark price and funding rate", "linear", "BTC-USDT-SWAP",
    (*scene_steps("BTC-USDT-SWAP"), frame(trade_frame("BTC-USDT-SWAP")),
     frame(b'{"arg":{"channel":"mark-price","instId":"BTC-USDT-SWAP"},"data":[{"instType":"SWAP","instId":"BTC-USDT-SWAP",'
               b'"markPx":"42310.6","ts":"1630049139746"}]}'),
     frame(b'{"arg":{"channel":"funding-rate","instId":"BTC-USDT-SWAP"},"data":[{"formulaType":"noRate",'
               b'"fundingRate":"0.0001875391284828","fundingTime":"1700726400000","impactValue":"","instId":"BTC-USDT-SWAP",'
               b'"instType":"SWAP","interestRate":"","method":"current_period","maxFundingRate":"0.00375",'
               b'"minFundingRate":"-0.00375","nextFundingRate":"","nextFundingTime":"1700755200000",'
               b'"premium":"0.0001233824646391","settFundingRate":"0.0001699799259033","settState":"settled",'
               b'"ts":"1700724675402"}]}')),
    ("ack", "book", "book", "book", "book", "nothing", "trade", "nothing", "funding"), (2, 4), "0.01",
    bids=(("8476.97", "2.56"),), asks=(("8476.98", "0.03"), ("8477", "0.07")), is_valid=True,
    trades=(Trade("BTC-USDT-SWAP", Decimal("8476.9"), Decimal("0.12"), False),), ack=(1512, 0),
    funding=Funding("BTC-USDT-SWAP", Decimal("42310.6"), Decimal("0.0001875391284828"), 1700726400000))

OLD = {"checksum": rb'"checksum":-?(\d+)'}  # 2022: no sequence ids, a checksum in each message
RECORDINGS = (
    Recording("spot", ("cryptofeed_v3/OKX.jsonl.zst",), (
        Book("BTC-USDT", 98, 98, (400, 400), "626a03fbe8842924"),), checksums=98, **OLD),
    Recording("linear", ("cryptofeed_v3/OKX.jsonl.zst",), (
        Book("BTC-USD-220527", 99, 99, (74, 62), "b180e099e0a8f385"),
        Book("UNI-USD-SWAP", 93, 93, (125, 118), "f8df1e27b5647c9c")), checksums=192, **OLD),
)


def read_trades(market: str, told: Any) -> list[Trade]:
    if told.get("arg", {}).get("channel") != "trades" or "data" not in told:
        return []
    return [Trade(row["instId"], Decimal(row["px"]), Decimal(row["sz"]), row["side"] == "sell") for row in told["data"]]


def read_funding(market: str, told: Any) -> Funding | None:
    channel = told.get("arg", {}).get("channel")
    if channel == "mark-price" and "data" in told:
        return Funding(told["data"][0]["instId"], mark=Decimal(told["data"][0]["markPx"]))
    if channel == "funding-rate" and "data" in told:
        row = told["data"][0]
        return Funding(row["instId"], rate=Decimal(row["fundingRate"]), next_ms=int(row["fundingTime"]))
    return None


SECRET = "22582BD0CFF14C41EDBF1AB98506286D"
VECTORS = (
    Vector("GET, computed", SECRET, "2020-12-08T09:08:57.715ZGET/api/v5/account/balance?ccy=BTC",
           "HiZhvSfMtWJA3uUIVXV3a/bSXNPCWvYFXoGCVS8V4zY=", "base64"),
    Vector("POST, computed", SECRET, "2020-12-08T09:08:57.715ZPOST/api/v5/trade/order" + (
        '{"instId":"BTC-USDT","tdMode":"cash","side":"buy","ordType":"limit","px":"1000","sz":"0.01","clOrdId":"arb0001"}'),
        "LjQVjiHPOFRquZDkXGYjQ67Aw88SNpkV19EU30Xuhcc=", "base64"),
    Vector("WS login, computed", SECRET, "1538054050GET/users/self/verify", "+LdIr8lkkvhr5hoA3g9TMC0+uQJ849ftAcocA/ouu4M=",
           "base64"),
)


def read_signed(request: dict[str, Any], secret: str) -> Signed:
    """timestamp + METHOD + path with its query + body."""
    parts = urlsplit(request["url"])
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return Signed(request["headers"]["OK-ACCESS-TIMESTAMP"] + request["method"] + target + (request.get("body") or ""),
                  request["headers"]["OK-ACCESS-SIGN"])


def read_ws_signed(frame: dict[str, Any], secret: str) -> Signed:
    if frame["op"] != "login":
        raise KeyError("no logon")
    login = frame["args"][0]
    return Signed(f"{login['timestamp']}GET/users/self/verify", login["sign"])


CCXT = Ccxt(
    id="okx",
    addresses=(
        ("https://www.okx.com", "rest", ""), ("https://us.okx.com", "rest", ""),
        ("wss://ws.okx.com:443/ws/v5/public", "public_ws", "/ws/v5/public"),
        ("wss://ws.okx.com:443/ws/v5/private", "private_ws", "/ws/v5/private"),
        ("wss://wsus.okx.com:443/ws/v5/public", "public_ws", "/ws/v5/public"),
        ("wss://wsus.okx.com:443/ws/v5/private", "private_ws", "/ws/v5/private"),
    ),
    options={"fetchCurrencies": False, "fetchMarkets": {"types": ["spot", "swap"]}},
    credentials={"apiKey": "hmac_key", "secret": "hmac_secret", "password": "passphrase"},
    symbols={"spot": "BTC/USDT", "linear": "BTC/USDT:USDT"},
    signature_fields=("OK-ACCESS-SIGN",),
    read_signed=read_signed,
    read_ws_signed=read_ws_signed,
)

TIMES = b'"inTime":"1695190491421339","outTime":"1695190491423240"'
ORDER_REPLIES = (
    (b'{"id":"<ID>","op":"order","data":[{"clOrdId":"<CID>","ordId":"12345689","tag":"","ts":"1695190491421","sCode":"0",'
     b'"sMsg":"","subCode":""}],"code":"0","msg":"",' + TIMES + b"}"),
    (b'{"id":"<ID>","op":"order","data":[{"clOrdId":"<CID>","ordId":"","tag":"","ts":"1695190491421","sCode":"<CODE>",'
     b'"sMsg":"no more than that is known","subCode":""}],"code":"1","msg":"",' + TIMES + b"}"),
    b'{"id":"<ID>","op":"order","data":[],"code":"<CODE>","msg":"Invalid args",' + TIMES + b"}",
    (b'{"arg":{"channel":"orders","instType":"ANY","uid":"614488474791936"},"data":[{"instType":"SPOT","instId":"<SYMBOL>",'
     b'"ordId":"452197707845865472","clOrdId":"<CID>","side":"sell","posSide":"net","tdMode":"cash","ordType":"ioc",'
     b'"px":"31527.1","sz":"1","state":"filled","accFillSz":"1","avgPx":"31527.1","fillPx":"31527.1","fillSz":"1",'
     b'"tradeId":"242589207","fillTime":"1654084353263","fillFee":"-0.02522168","fillFeeCcy":"USDT","execType":"T",'
     b'"fee":"-0.02522168","feeCcy":"USDT",'
     b'"rebate":"0","rebateCcy":"BTC","reduceOnly":"false","cancelSource":"","amendResult":"","category":"normal","code":"0",'
     b'"msg":"","cTime":"1654084334977","uTime":"1654084353264"}]}'),
)

CASE = VenueCase(
    name="okx",
    markets=("spot", "linear"),
    listing=LISTING,
    scenes=(SPOT_SCENE, LINEAR_SCENE),
    recordings=RECORDINGS,
    real_listings=(("cryptofeed_v3/OKX.jsonl.zst", r"instType=SPOT", "/api/v5/public/instruments", {"instType": "SPOT"}),
                   ("cryptofeed_v3/OKX.jsonl.zst", r"instType=SWAP", "/api/v5/public/instruments", {"instType": "SWAP"})),
    vectors=VECTORS,
    ccxt=CCXT,
    trades=read_trades,
    funding=read_funding,
    order_replies={"spot": ORDER_REPLIES, "linear": tuple(reply.replace(b'"SPOT"', b'"SWAP"') for reply in ORDER_REPLIES)},
    depth_levels={"spot": 400, "linear": 400},
)

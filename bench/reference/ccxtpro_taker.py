"""The usual way, as the reference of bench_tick_to_trade: ccxt.pro on uvloop, watch_order_book on both legs, two create_order at
once.

    python bench/reference/ccxtpro_taker.py SIMEX_JSON SYMBOL CPU

Takes whenever the perpetual's bid is more than 25 bps over the spot ask, then waits until the difference is gone. Book streams at
the fastest rate that the venue offers to it (USD-M depth in real time). Prints "ready" when both books are there. Orders are
small market-like IOC limits; the simulated venue stamps their arrival, so this process measures nothing itself."""
import asyncio
import json
import os
import pathlib
import re
import sys

import ccxt.pro
import uvloop

THRESHOLD = 1.0025
REARM = 1.0012


def make_client(endpoints: dict, keys: dict, market: str):
    """A ccxt.pro client that talks to the simulated venue only."""
    client = ccxt.pro.binance({
        "apiKey": keys["key"], "secret": keys["secret"], "enableRateLimit": False,
        "options": {"defaultType": market, "fetchCurrencies": False, "fetchMargins": False, "watchOrderBookRate": "100"
                    if market == "spot" else "0",
                    "fetchMarkets": {"types": ["spot" if market == "spot" else "linear"]}, "newOrderRespType": {"limit": "ACK"}}})

    def walk(node: dict) -> None:
        for key, value in node.items():
            if isinstance(value, dict):
                walk(value)
            elif isinstance(value, str) and value.startswith("https://"):
                node[key] = re.sub(r"^https://[^/]+", endpoints["linear_rest" if "fapi" in value else "spot_rest"], value)

    walk(client.urls["api"])
    sockets = client.urls["api"]["ws"]
    sockets["spot"] = endpoints["spot_ws"] + "/stream/ws"
    sockets["linear"] = sockets["future"] = endpoints["linear_ws_public"].removesuffix("/public") + "/ws"
    return client


def read(reference: str) -> str:
    return pathlib.Path(reference.removeprefix("file:")).read_text().strip()


async def main() -> None:
    simex, symbol = json.loads(read(sys.argv[1])), sys.argv[2]
    os.sched_setaffinity(0, {int(sys.argv[3])})
    endpoints, credentials = simex["endpoints"]["binance"], simex["credentials"]
    credentials = credentials.get("binance", credentials)
    keys = {"key": read(credentials["hmac_key"]), "secret": read(credentials["hmac_secret"])}
    spot, swap = make_client(endpoints, keys, "spot"), make_client(endpoints, keys, "swap")
    books: dict = {}
    try:
        await asyncio.gather(spot.load_markets(), swap.load_markets())
        names = {"spot": symbol, "swap": f"{symbol}:{symbol.split('/')[1]}"}
        armed = asyncio.Event()
        changed = asyncio.Event()

        async def watch(client, market: str) -> None:
            while True:
                books[market] = await client.watch_order_book(names[market])
                changed.set()

        tasks = [asyncio.ensure_future(watch(spot, "spot")), asyncio.ensure_future(watch(swap, "swap"))]
        while len(books) < 2:
            await asyncio.sleep(0.05)
            for task in tasks:
                if task.done():
                    task.result()
        print("ready", flush=True)
        armed.set()
        while True:
            await changed.wait()
            changed.clear()
            for task in tasks:
                if task.done():
                    task.result()
            ask, bid = books["spot"]["asks"][0][0], books["swap"]["bids"][0][0]
            if bid < ask * REARM:
                armed.set()
            if armed.is_set() and bid > ask * THRESHOLD:
                armed.clear()
                amount = max(swap.market(names["swap"])["limits"]["amount"]["min"], 100.0 / ask)
                await asyncio.gather(
                    spot.create_order(names["spot"], "limit", "buy", amount, ask * 1.002, {"timeInForce": "IOC"}),
                    swap.create_order(names["swap"], "limit", "sell", amount, bid * 0.998, {"timeInForce": "IOC"}))
    finally:
        await asyncio.gather(spot.close(), swap.close())


if __name__ == "__main__":
    uvloop.run(main())

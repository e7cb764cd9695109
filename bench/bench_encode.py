"""How long does one leg take from int64 price and size to the signed bytes of its order.place frame?

Measured: `OrderSession.encode_leg` for both legs of an intent over 200 instruments, in place (256 KB of other memory walked
before each pair, as a turn of the engine does) and warm. Left out: journal and send. Reference in the same run: the same frame by
Python's hmac, Decimal formatting and orjson. A good number is below 1,000 ns a leg with HMAC; session.logon (no signature) shows
what SHA-256 costs.
"""
from __future__ import annotations

import hashlib
import hmac
import random
import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson

from bench.encode_loop import run
from bench.harness import interleave, median_ratio, percentiles, quiet
from cext.client_id import encode_client_id
from cext.decoders.binance_orders import BinanceOrderDecoder
from cext.encoders.binance import BinanceOrderEncoder
from cext.sign import HmacSha256
from engine.event_codec import pack_intent
from engine.events import Intent, Leg
from engine.gateways.binance_wire import BinanceSocketDialect
from engine.sessions import OrderSession
from feeds.instruments import InstrumentTable
from tests.support.order_rows import order_row

API_KEY, SECRET = "k" * 64, b"s" * 64
DISTURB_BYTES = 256 * 1024
WALL_NS = 1_700_000_000_000_000_000


def make_table(pairs: int) -> InstrumentTable:
    """`pairs` spot instruments and as many perpetuals, with changing scales."""
    ticks = ("0.01", "0.0001", "0.1", "0.00001")
    rows = []
    for index in range(pairs):
        base = f"C{index:03d}"
        rows.append(order_row(len(rows), "spot", base, ticks[index % 4], "0.001"))
        rows.append(order_row(len(rows), "linear", base, ticks[(index + 1) % 4], "0.01"))
    return InstrumentTable(rows)


def make_intents(table: InstrumentTable, count: int, seed: int) -> list[Intent]:
    """Two legs each, on instruments and prices as a random walk through the table would bring them."""
    generator = random.Random(seed)
    intents = []
    for number in range(count):
        legs = [Leg(encode_client_id(1, 5 << 32 | number, index), generator.randrange(len(table)), generator.randrange(2), 0, 0,
                    generator.randrange(100, 10_000_000), generator.randrange(1, 1_000_000), index) for index in range(2)]
        intents.append(Intent(5 << 32 | number, 5 << 32 | number, legs=legs))
    return intents


def reference_frame(table: InstrumentTable, leg: Leg, timestamp_ms: int, recv_window_ms: int = 500) -> bytes:
    """The same request as people write it in Python."""
    row = table.rows[leg.instrument_id]
    params: dict[str, Any] = {
        "apiKey": API_KEY, "newClientOrderId": leg.client_id, "newOrderRespType": "FULL",
        "price": format(Decimal(leg.limit_px).scaleb(-row.px_scale), "f"),
        "quantity": format(Decimal(leg.qty).scaleb(-row.qty_scale), "f"),
        "recvWindow": recv_window_ms, "selfTradePreventionMode": "EXPIRE_MAKER", "side": ("BUY", "SELL")[leg.side],
        "symbol": row.symbol,
        "timeInForce": "IOC", "timestamp": timestamp_ms, "type": "LIMIT"}
    payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
    params["signature"] = hmac.new(SECRET, payload.encode(), hashlib.sha256).hexdigest()
    return orjson.dumps({"id": leg.client_id, "method": "order.place", "params": params})


def check_frames(encoder: BinanceOrderEncoder, table: InstrumentTable, intents: list[Intent]) -> None:
    """Ours and the reference's are the same bytes, or there is no time to report."""
    array = table.to_array()
    for intent in intents[:200]:
        for leg in intent.legs:
            ours = encoder.encode_place(array, leg.instrument_id, leg.client_id, leg.side, leg.order_type, leg.limit_px, leg.qty,
                                        WALL_NS // 1_000_000)
            assert ours == reference_frame(table, leg, WALL_NS // 1_000_000), ours


def measure(quick: bool = False) -> dict[str, Any]:
    pairs, rounds, count = (10, 2, 500) if quick else (100, 9, 20_000)
    table = make_table(pairs)
    intents = make_intents(table, 512, seed=7)
    spot_only = [replace(intent, legs=[replace(leg, instrument_id=leg.instrument_id & ~1) for leg in intent.legs])
                 for intent in intents]
    packed = [pack_intent(intent) for intent in spot_only]
    array = table.to_array()
    signed = BinanceOrderEncoder("spot", 500, "EXPIRE_MAKER", API_KEY, HmacSha256(SECRET))
    check_frames(signed, table, spot_only)
    portable = BinanceOrderEncoder("spot", 500, "EXPIRE_MAKER", API_KEY, HmacSha256(SECRET, "portable"))
    sessions = {name: OrderSession("binance", "spot", array, BinanceOrderDecoder(array, "spot"), encoder, BinanceSocketDialect())
                for name, encoder in (("hmac", signed), ("portable", portable), ("logon", BinanceOrderEncoder("spot", 500)))}
    samples: dict[str, list[float]] = {}

    def ours(name: str, session: OrderSession, disturb_bytes: int) -> float:
        taken = run(session, packed, count, WALL_NS, disturb_bytes)
        samples.setdefault(name, []).extend(taken)
        return percentiles(taken)["p50"]

    def reference() -> float:
        legs = [leg for intent in spot_only for leg in intent.legs][:200 if quick else 1000]
        times = []
        for leg in legs:
            start = time.perf_counter_ns()
            reference_frame(table, leg, WALL_NS // 1_000_000)
            times.append(time.perf_counter_ns() - start)
        return percentiles(times)["p50"]

    with quiet():
        results = interleave({
            "in_place": lambda: ours("in_place", sessions["hmac"], DISTURB_BYTES),
            "warm": lambda: ours("warm", sessions["hmac"], 0),
            "logon": lambda: ours("logon", sessions["logon"], DISTURB_BYTES),
            "portable": lambda: ours("portable", sessions["portable"], DISTURB_BYTES),
            "python": reference}, rounds)
    made: dict[str, Any] = {"encode.ns": percentiles(samples["in_place"])["p50"], "encode.hmac": percentiles(samples["in_place"]),
                            "encode.hmac_warm": percentiles(samples["warm"]), "encode.logon": percentiles(samples["logon"]),
                            "encode.portable_sha256": percentiles(samples["portable"]),
                            "encode.python_ns": percentiles(results["python"])["p50"],
                            "encode.ratio_vs_python": median_ratio(results["python"], results["in_place"])}
    return made


def test_bench_encode() -> None:
    """Tiny sizes: it runs, and its frames equal the reference's."""
    made = measure(quick=True)
    assert made["encode.ns"] > 0


if __name__ == "__main__":
    for key, value in measure().items():
        print(key, value)

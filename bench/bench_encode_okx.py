"""How long does one leg take from int64 price and size to the bytes of its order frame for OKX's order socket?

Measured: `OrderSession.encode_leg` for both legs of an intent over 200 instruments that count contracts, in place (256 KB of
other memory walked before each pair, as a turn of the engine does) and warm. Left out: journal and send. Reference in the same
run: the same frame by Decimal formatting and orjson. A good number is below 100 ns a leg: the socket has logged in, nothing is
signed.
"""
from __future__ import annotations

import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson

from bench.bench_encode import DISTURB_BYTES, WALL_NS, make_intents, make_table
from bench.encode_loop import run
from bench.harness import interleave, median_ratio, percentiles, quiet
from cext.decoders.okx_orders import OkxOrderDecoder
from cext.encoders.okx import OkxOrderEncoder
from engine.event_codec import pack_intent
from engine.events import Intent, Leg
from engine.gateways.okx_wire import OkxSocketDialect
from engine.sessions import OrderSession
from feeds.instruments import InstrumentRow, InstrumentTable

CONTRACT = Decimal(10)   # base units; a lot is a tenth of a contract


def contract_row(row: InstrumentRow) -> InstrumentRow:
    return replace(row, venue_code=10_000 + row.id, contract_size=CONTRACT, lot=Decimal(1), min_qty=Decimal(1))


def reference_frame(row: InstrumentRow, leg: Leg, timestamp_ms: int) -> bytes:
    """The same request as people write it in Python."""
    contracts = (Decimal(leg.qty).scaleb(-row.qty_scale) / CONTRACT).quantize(Decimal("0.1"))
    return orjson.dumps({
        "id": leg.client_id, "op": "order", "expTime": str(timestamp_ms + 500),
        "args": [{"instIdCode": row.venue_code, "tdMode": "cross", "posSide": "net", "side": ("buy", "sell")[leg.side],
                  "sz": format(contracts, "f"), "px": format(Decimal(leg.limit_px).scaleb(-row.px_scale), "f"), "ordType": "ioc",
                  "clOrdId": leg.client_id, "reduceOnly": False, "stpMode": "cancel_maker"}]})


def check_frames(encoder: OkxOrderEncoder, table: InstrumentTable, intents: list[Intent]) -> None:
    """Ours and the reference's are the same bytes, or there is no time to report."""
    array = table.to_array()
    for intent in intents[:200]:
        for leg in intent.legs:
            ours = encoder.encode_place(array, leg.instrument_id, leg.client_id, leg.side, leg.order_type, leg.limit_px, leg.qty,
                                        WALL_NS // 1_000_000)
            assert ours == reference_frame(table.rows[leg.instrument_id], leg, WALL_NS // 1_000_000), ours


def measure(quick: bool = False) -> dict[str, Any]:
    pairs, rounds, count = (10, 2, 500) if quick else (100, 9, 20_000)
    table = InstrumentTable([contract_row(row) for row in make_table(pairs).rows])

    def on_a_perpetual(leg: Leg) -> Leg:
        row = leg.instrument_id | 1
        return replace(leg, instrument_id=row, qty=leg.qty * 10 ** table.rows[row].qty_scale)
    intents = [replace(intent, legs=[on_a_perpetual(leg) for leg in intent.legs]) for intent in make_intents(table, 512, seed=7)]
    packed = [pack_intent(intent) for intent in intents]
    array = table.to_array()
    encoder = OkxOrderEncoder("linear")
    check_frames(encoder, table, intents)
    session = OrderSession("okx", "linear", array, OkxOrderDecoder(array, "linear"), encoder, OkxSocketDialect())
    samples: dict[str, list[float]] = {}

    def ours(name: str, disturb_bytes: int) -> float:
        taken = run(session, packed, count, WALL_NS, disturb_bytes)
        samples.setdefault(name, []).extend(taken)
        return percentiles(taken)["p50"]

    def reference() -> float:
        legs = [leg for intent in intents for leg in intent.legs][:200 if quick else 1000]
        times = []
        for leg in legs:
            start = time.perf_counter_ns()
            reference_frame(table.rows[leg.instrument_id], leg, WALL_NS // 1_000_000)
            times.append(time.perf_counter_ns() - start)
        return percentiles(times)["p50"]

    with quiet():
        results = interleave({"in_place": lambda: ours("in_place", DISTURB_BYTES), "warm": lambda: ours("warm", 0),
                              "python": reference}, rounds)
    return {"encode_okx.ns": percentiles(samples["in_place"])["p50"], "encode_okx.in_place": percentiles(samples["in_place"]),
            "encode_okx.warm": percentiles(samples["warm"]), "encode_okx.python_ns": percentiles(results["python"])["p50"],
            "encode_okx.ratio_vs_python": median_ratio(results["python"], results["in_place"])}


def test_bench_encode_okx() -> None:
    """Tiny sizes: it runs, and its frames equal the reference's."""
    assert measure(quick=True)["encode_okx.ns"] > 0


if __name__ == "__main__":
    for key, value in measure().items():
        print(key, value)

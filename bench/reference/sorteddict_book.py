"""FROZEN. The reference of bench_decode_book: what a careful Python programmer writes for a Binance USD-M book, with the fastest
parser there is.

orjson for the frame, float prices in two SortedDicts, the venue's `pu` rule, and after each message the best 16 levels of both
sides as a record. Nothing is done that ours does not do as well; what ours does beyond it (exact numbers, top overlay, lag and
quiet) is left out here. Do not make it slower or faster: the ratio would stop meaning anything."""
from itertools import islice
from operator import neg

import orjson
from sortedcontainers import SortedDict

LEVELS = 16


class Book:
    """Best first on both sides: bids are kept under the negated price (a plain key is faster than a key function)."""

    def __init__(self, snapshot: bytes) -> None:
        told = orjson.loads(snapshot)
        self.update_id = told["lastUpdateId"]
        self.is_joined = False
        self.bids = SortedDict({-float(price): float(size) for price, size in told["bids"]})
        self.asks = SortedDict({float(price): float(size) for price, size in told["asks"]})

    def on_frame(self, frame: bytes) -> tuple:
        """Decode, check the sequence, apply; returns the record (update id, event time, bids, asks)."""
        data = orjson.loads(frame)["data"]
        if self.is_joined:
            if data["pu"] != self.update_id:
                raise ValueError("gap")
        elif data["U"] <= self.update_id <= data["u"]:
            self.is_joined = True
        else:
            raise ValueError("does not join the snapshot")
        self.update_id = data["u"]
        bids = self.bids
        for price, size in data["b"]:
            key = neg(float(price))
            amount = float(size)
            if amount:
                bids[key] = amount
            else:
                bids.pop(key, None)
        asks = self.asks
        for price, size in data["a"]:
            key = float(price)
            amount = float(size)
            if amount:
                asks[key] = amount
            else:
                asks.pop(key, None)
        return (data["u"], data["E"], [(-key, bids[key]) for key in islice(bids, LEVELS)],
                [(key, asks[key]) for key in islice(asks, LEVELS)])

    def levels(self) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        """All levels, best first."""
        return [(-key, size) for key, size in self.bids.items()], list(self.asks.items())

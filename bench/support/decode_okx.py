"""OKX spot BTC-USDT `books`: the levels of a recording (98 messages, 2022-05-13) in today's form, with sequence ids and
checksum 0; the recorded form, with a checksum to verify in each message, beside it. Without the recording: 100 messages of
the same shape."""
import re
import zlib
from itertools import chain, zip_longest

import orjson

from bench.reference.sorteddict_okx import Book, CheckedBook
from bench.support.decode_case import DecodeCase, Frames, made_book, recorded_frames

RECORDING = "cryptofeed_v3/OKX.jsonl.zst"
SEED, DEPTH, COUNT = 20220513, 400, 100
CHECKSUM = re.compile(rb'"checksum":-?\d+')


def old_form(limit: int | None) -> Frames:
    found = recorded_frames(RECORDING, lambda frame: frame.startswith(
        (b'{"arg":{"channel":"books","instId":"BTC-USDT"},"action"',)))
    return Frames(RECORDING, found[:limit]) if found is not None else generated(limit or COUNT)


def todays_form(limit: int | None) -> Frames:
    """Ids in place of the checksum."""
    frames = old_form(limit)
    made = []
    for number, frame in enumerate(frames.frames):
        ids = b'"checksum":0,"prevSeqId":%d,"seqId":%d' % (123_456 + number - 1 if number else -1, 123_456 + number)
        made.append(CHECKSUM.sub(ids, frame))
    return Frames(frames.source + ", today's form", made)


def generated(count: int) -> Frames:
    """With right checksums."""
    book: tuple[dict[str, str], dict[str, str]] = ({}, {})
    frames = []
    for number, changes in enumerate(made_book(count, DEPTH, SEED, (5, 40))):
        for side, levels in zip(book, changes, strict=True):
            for px, size in levels:
                side.pop(px, None) if size == "0" else side.__setitem__(px, size)
        best = [sorted(side, key=float, reverse=is_bid)[:25] for side, is_bid in zip(book, (True, False), strict=True)]
        pairs = chain.from_iterable(zip_longest(*([f"{px}:{side[px]}" for px in prices]
                                                  for side, prices in zip(book, best, strict=True))))
        crc = zlib.crc32(":".join(text for text in pairs if text is not None).encode())
        bids, asks = ([[px, size, "0", "1"] for px, size in levels] for levels in changes)
        frames.append(orjson.dumps({
            "arg": {"channel": "books", "instId": "BTC-USDT"}, "action": "update" if number else "snapshot",
            "data": [{"asks": asks, "bids": bids, "ts": str(1_652_459_225_381 + number * 100),
                      "checksum": crc - (1 << 32) if crc >= 1 << 31 else crc}]}))
    return Frames(f"generated, seed {SEED}", frames)


CASES = [DecodeCase("okx", "okx", "spot", "BTC-USDT", (1, 8), todays_form, lambda snapshot: Book()),
         DecodeCase("okx_checksums", "okx", "spot", "BTC-USDT", (1, 8), old_form, lambda snapshot: CheckedBook())]

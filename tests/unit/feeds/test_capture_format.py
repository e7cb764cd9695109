"""The capture file: what is written comes back; a cut or a damaged byte anywhere is named and never gives a wrong record."""
import itertools
import json
import pathlib
import random
import re
import struct
import zlib

import pytest

from cext import capture
from feeds.capture_format import BLOCK_HEADER, FILE_HEADER, RECORD_HEADER, CaptureError, CaptureReader, CaptureTorn, CaptureWriter

TABLE = {"version": 1, "instruments": [], "hash": "0"}


def write(path, records, **options):
    options = {"block_bytes": 2000, **options}
    with CaptureWriter(path, venues=["binance"], table=TABLE, source="test", **options) as writer:
        for record in records:
            writer.record(*record)
    return path


def sample(count=300, seed=7, longest=300):
    """count records of all types and lengths below `longest`, as arguments of CaptureWriter.record."""
    rng = random.Random(seed)
    return [(rng.choice([1, 1, 1, 1, 2, 3, 4, 5]), rng.choice([0, 1, 2]), rng.randrange(4), 1_700_000_000_000_000_000 + i * 1000,
             i + 1,
             rng.randbytes(rng.randrange(longest)), rng.randrange(-1, 9)) for i in range(count)]


def as_written(record):
    kind, market, connection, wall, mono, payload, row = record
    return (kind, market, 0, connection, row, wall, mono, payload)


def read(path, **options):
    with CaptureReader(path, **options) as reader:
        return [tuple(record) for record in reader.records()]


def test_records_come_back_as_they_were_written(tmp_path):
    records = sample()
    path = write(tmp_path / "a.lscap", records)
    with CaptureReader(path) as reader:
        assert reader.header.venues == ["binance"] and reader.header.instruments == TABLE and reader.header.source == "test"
        assert [tuple(record) for record in reader.records()] == [as_written(record) for record in records]
        assert reader.index["counts"]["frame"] == sum(record[0] == capture.FRAME for record in records)
        assert len(reader.index["blocks"]) > 10


def test_a_threaded_writer_writes_the_same_records(tmp_path):
    records = sample(1000)
    path = write(tmp_path / "a.lscap", records, threaded=True)
    assert read(path) == [as_written(record) for record in records]


def test_an_empty_capture_is_a_capture(tmp_path):
    assert read(write(tmp_path / "a.lscap", [])) == []


def test_blocks_may_be_read_twice(tmp_path):
    path = write(tmp_path / "a.lscap", sample())
    with CaptureReader(path) as reader:
        assert list(reader.records()) == list(reader.records())


def test_an_existing_file_is_never_overwritten(tmp_path):
    path = write(tmp_path / "a.lscap", sample(3))
    before = path.read_bytes()
    with pytest.raises(CaptureError, match="a.lscap: exists already"):
        write(path, sample(3))
    assert path.read_bytes() == before


def test_a_payload_beyond_the_format_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(capture, "PAYLOAD_MAX", 100)
    with pytest.raises(CaptureError, match="101 bytes"):
        write(tmp_path / "a.lscap", [(1, 1, 0, 1, 1, bytes(101), -1)])


def test_what_was_written_every_flush_interval_survives_a_writer_that_dies(tmp_path):
    writer = CaptureWriter(tmp_path / "a.lscap", venues=["binance"], table=TABLE, source="test", flush_s=1.0)
    for second in range(10):
        writer.frame(1, 0, 1_000_000_000 * (second + 1), 0, b"x" * 10)
    with pytest.raises(CaptureTorn, match="not closed"):
        read(tmp_path / "a.lscap")
    kept = read(tmp_path / "a.lscap", allow_truncated=True)
    assert len(kept) >= 6
    writer.close()
    assert len(read(tmp_path / "a.lscap")) == 10


def test_a_file_cut_at_any_byte_gives_what_was_before_and_says_where_it_is_torn(tmp_path):
    records = sample(12, longest=60)
    path = write(tmp_path / "a.lscap", records, block_bytes=300)
    whole = path.read_bytes()
    expected = [as_written(record) for record in records]
    cut_path = tmp_path / "cut.lscap"
    most = 0
    for size in range(len(whole)):
        cut_path.write_bytes(whole[:size])
        with pytest.raises(CaptureError, match="cut.lscap") as caught:
            read(cut_path)
        if not isinstance(caught.value, CaptureTorn):
            assert size == 0
            continue
        assert f"torn at byte {size}" in str(caught.value) or caught.value.offset <= size
        try:
            kept = read(cut_path, allow_truncated=True)
        except CaptureError:  # the file header itself is cut: nothing can be read
            assert most == 0
            continue
        assert kept == expected[:len(kept)]
        assert len(kept) >= most, "more bytes never give fewer records"
        most = len(kept)
    assert most == len(expected)


def test_a_torn_block_gives_its_whole_records(tmp_path):
    records = [(1, 1, 0, 1000 + i, 0, random.Random(i).randbytes(1000), -1) for i in range(400)]
    path = write(tmp_path / "a.lscap", records, block_bytes=1 << 20)
    path.write_bytes(path.read_bytes()[:-150_000])
    assert 50 < len(read(path, allow_truncated=True)) < 400


def test_a_damaged_byte_anywhere_is_found(tmp_path):
    records = sample(12, longest=60)
    path = write(tmp_path / "a.lscap", records, block_bytes=300)
    whole = bytearray(path.read_bytes())
    expected = [as_written(record) for record in records]
    bad_path = tmp_path / "bad.lscap"
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x41
        bad_path.write_bytes(damaged)
        with pytest.raises(CaptureError, match="bad.lscap"):
            read(bad_path)
        try:
            kept = read(bad_path, allow_truncated=True)
        except CaptureError:
            continue
        assert kept == expected[:len(kept)]


@pytest.mark.parametrize(("content", "message"), [
    (b"", "is not a capture"), (b"1723161253937085768 {}", "is not a capture"), (b"\x1f\x8b\x08", "tools/capture import"),
    (b"LOCK", "torn at byte 4"),
    (FILE_HEADER.pack(b"LOCKSCAP", 2, 2, zlib.crc32(b"{}")) + b"{}", "version 2; this build reads version 1"),
    (FILE_HEADER.pack(b"LOCKSCAP", 1, 4_000_000_000, 0), "header claims"),
    (FILE_HEADER.pack(b"LOCKSCAP", 1, 2, 0) + b"{}", "checksum of the header")])
def test_a_file_that_is_no_capture_is_refused_by_name(tmp_path, content, message):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(CaptureError, match="x: ") as caught:
        CaptureReader(tmp_path / "x")
    assert message in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CaptureError, match="nothing.lscap: no such capture"):
        CaptureReader(tmp_path / "nothing.lscap")


def test_an_index_that_disagrees_with_the_blocks_is_found(tmp_path):
    path = write(tmp_path / "a.lscap", sample(200))
    data = path.read_bytes()
    _, _, size, _ = FILE_HEADER.unpack(data[:FILE_HEADER.size])
    first = FILE_HEADER.size + size
    compressed = BLOCK_HEADER.unpack(data[first:first + BLOCK_HEADER.size])[1]
    path.write_bytes(data[:first] + data[first + BLOCK_HEADER.size + compressed:])
    with pytest.raises(CaptureError):
        read(path)


def test_a_damaged_record_inside_a_valid_block_is_named(tmp_path):
    path = tmp_path / "a.lscap"
    writer = CaptureWriter(path, venues=["binance"], table=TABLE, source="test")
    writer.frame(1, 0, 1, 1, b"good")
    writer._block += struct.pack("<IBBBBIiqq", 1_000_000, 1, 1, 0, 0, 0, -1, 0, 0)
    writer._records += 1
    writer.close()
    with pytest.raises(CaptureError, match="damaged record at byte 40"):
        read(path)


def test_a_full_disk_under_a_threaded_writer_is_said_and_does_not_stop_the_caller(tmp_path):
    writer = CaptureWriter(tmp_path / "a.lscap", venues=["binance"], table=TABLE, source="test", threaded=True, block_bytes=1000)
    def full(data):
        raise OSError(28, "No space left on device")
    writer._put = full
    for i in range(100):
        writer.frame(1, 0, i, i, bytes(500))
    writer.close()
    assert writer.dropped_records == 100 and "No space left on device" in writer.error


def test_header_is_readable_json(tmp_path):
    data = write(tmp_path / "a.lscap", []).read_bytes()
    size = FILE_HEADER.unpack(data[:FILE_HEADER.size])[2]
    assert json.loads(data[FILE_HEADER.size:FILE_HEADER.size + size])["format"] == "lockstep-capture"


def test_the_drawn_record_is_the_one_in_the_header():
    root = pathlib.Path(__file__).resolve().parents[3]
    struct_body = re.search(r"typedef struct \{(.*?)\} capture_record_t;", (root / "cext" / "capture.h").read_text(),
                            re.DOTALL).group(1)
    fields = re.findall(r"^\s*(\w+_t) (\w+);", struct_body, re.MULTILINE)
    drawn = re.findall(r"^\| (\d+) \| (\w+_t) \| (\w+) \|", (root / "docs" / "capture-format.md").read_text(), re.MULTILINE)
    offsets = itertools.accumulate([int(re.search(r"\d+", kind).group()) // 8 for kind, _ in fields], initial=0)
    assert [(int(offset), kind, name) for offset, kind, name in drawn] == [(o, k, n)
                                                                           for o, (k, n) in zip(offsets, fields, strict=False)]
    assert RECORD_HEADER.size == 32 and BLOCK_HEADER.size == 44

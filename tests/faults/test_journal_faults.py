"""What a journal may look like after a crash, a flipped bit, a recycled segment or a full disk: refused, or exactly the committed
prefix.

Never silently different. The golden journal is small, so every byte position is tried, not a sample of them."""
import errno
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from cext import layout, shm
from cext.journal import JournalCorrupt, JournalReader, JournalWriter, SegmentView

HEADER = layout.STRUCT_BYTES["journal_header_t"]
RECORD = layout.STRUCT_BYTES["journal_record_t"]
COMMITTED = layout.DTYPES["journal_header_t"].fields["committed_bytes"][1]
PAYLOADS = [b"first", b'{"second": 2}', bytes(range(40)), b""]


def golden(run_id: str, tmp_path: pathlib.Path, promised: bool) -> tuple[pathlib.Path, list[int]]:
    """A file with four records and the byte behind each. promised=False: as after a crash before the flusher's last sync."""
    writer = JournalWriter(run_id, 3, segment_bytes=8192)
    for payload in PAYLOADS:
        writer.append(layout.JR_ALERT, payload, 1, 2, 3)
    content = bytes(shm.open_segment(shm.segment_name(run_id, "journal.0")).map)
    writer.close()
    shm.unlink_run(run_id)
    ends = [HEADER]
    for payload in PAYLOADS:
        ends.append(ends[-1] + RECORD + (len(payload) + 7) // 8 * 8)
    data = bytearray(content[:ends[-1]])
    if not promised:
        data[COMMITTED:COMMITTED + 8] = HEADER.to_bytes(8, "little")
    path = tmp_path / "000000.lsj"
    path.write_bytes(data)
    return path, ends


def read(path: pathlib.Path) -> list[bytes]:
    return [record.payload for record in JournalReader(path)]


def test_journal_cut_at_every_byte_is_exactly_the_committed_prefix(run_id: str, tmp_path: pathlib.Path) -> None:
    path, ends = golden(run_id, tmp_path, promised=False)
    whole = path.read_bytes()
    for size in range(HEADER, len(whole) + 1):
        path.write_bytes(whole[:size])
        wanted = sum(end <= size for end in ends[1:])
        reader = JournalReader(path)
        assert [record.payload for record in reader] == PAYLOADS[:wanted], size
        assert reader.torn_bytes <= size - ends[wanted]
    for size in range(HEADER):
        path.write_bytes(whole[:size])
        with pytest.raises(JournalCorrupt, match="shorter than a segment header"):
            read(path)


def test_journal_cut_below_what_was_promised_is_refused_at_every_byte(run_id: str, tmp_path: pathlib.Path) -> None:
    path, _ = golden(run_id, tmp_path, promised=True)
    whole = path.read_bytes()
    assert read(path) == PAYLOADS
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(JournalCorrupt, match="cut off|shorter"):
            read(path)


def test_flip_of_any_bit_of_a_promised_journal_is_refused_or_harmless(run_id: str, tmp_path: pathlib.Path) -> None:
    """Harmless: only a smaller committed_bytes (the records behind it are still found) and only the exact content."""
    path, _ = golden(run_id, tmp_path, promised=True)
    whole = bytearray(path.read_bytes())
    header = JournalReader(path)
    list(header)
    refused = 0
    for at in range(len(whole)):
        for bit in (1, 16, 128):
            whole[at] ^= bit
            path.write_bytes(whole)
            whole[at] ^= bit
            try:
                reader = JournalReader(path)
                assert [record.payload for record in reader] == PAYLOADS, f"silently different after a flip at byte {at}"
                seen = {key: value for key, value in reader.headers[0].items() if key != "committed_bytes"}
                assert seen == {key: value for key, value in header.headers[0].items() if key != "committed_bytes"}, at
                assert COMMITTED <= at < COMMITTED + 8
            except JournalCorrupt:
                refused += 1
    assert refused > 3 * (len(whole) - 8)


def test_flip_in_an_unpromised_tail_ends_there_unless_good_records_follow(run_id: str, tmp_path: pathlib.Path) -> None:
    path, ends = golden(run_id, tmp_path, promised=False)
    whole = bytearray(path.read_bytes())
    for at in range(HEADER, len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 4
        path.write_bytes(damaged)
        index = sum(end <= at for end in ends) - 1   # the record that was hit
        if index == len(PAYLOADS) - 1:
            reader = JournalReader(path)
            assert [record.payload for record in reader] == PAYLOADS[:-1]
            assert reader.torn_bytes > 0
        else:
            with pytest.raises(JournalCorrupt, match="no torn tail"):
                read(path)


def test_hole_behind_the_promise_is_what_a_power_cut_leaves(run_id: str, tmp_path: pathlib.Path,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    path, ends = golden(run_id, tmp_path, promised=False)
    damaged = bytearray(path.read_bytes())
    damaged[ends[1] + RECORD] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(JournalCorrupt):
        read(path)
    monkeypatch.setattr("cext.journal.boot_id", lambda: "another-boot")
    reader = JournalReader(path)
    assert [record.payload for record in reader] == PAYLOADS[:1]
    assert reader.torn_bytes > 0


def test_recycled_segment_shows_no_ghosts(run_id: str, tmp_path: pathlib.Path) -> None:
    """The records of an older epoch, and of another segment of the same epoch, lie intact behind the new ones."""
    path, _ = golden(run_id, tmp_path, promised=False)
    old = path.read_bytes()
    for epoch, index in ((4, 0), (3, 1)):
        writer = JournalWriter(run_id, epoch, segment_bytes=8192)
        if index:
            while writer.segment_index() == 0:
                writer.append(layout.JR_ALERT, b"fill", 1, 2)
                writer.tend()
        name = shm.segment_name(run_id, f"journal.{index}")
        data = bytearray(shm.open_segment(name).map)
        view = SegmentView(bytes(data), name)
        end = view.skip_all()
        count = view.next_seq
        data[end:end + len(old) - HEADER] = old[HEADER:]
        writer.close()
        shm.unlink_run(run_id)
        again = SegmentView(bytes(data), name)
        assert again.skip_all() == end and again.next_seq == count


def test_file_of_another_layout_or_kind_is_refused_with_its_reason(run_id: str, tmp_path: pathlib.Path) -> None:
    path, _ = golden(run_id, tmp_path, promised=True)
    whole = bytearray(path.read_bytes())
    for at, words in ((0, "magic"), (8, "read it with the commit that wrote it"), (16, "layout version"), (24, "header CRC"),
                      (250, "reserved")):
        damaged = bytearray(whole)
        damaged[at] ^= 64
        path.write_bytes(damaged)
        with pytest.raises(JournalCorrupt, match=words):
            read(path)


def test_missing_segment_is_refused(run_id: str, tmp_path: pathlib.Path) -> None:
    writer = JournalWriter(run_id, 3, segment_bytes=8192)
    while writer.segment_index() < 2:
        if not writer.append(layout.JR_ALERT, b"x" * 500, 1, 2):
            writer.tend()
            time.sleep(0.001)
    for index in (0, 2):
        (tmp_path / f"{index:06d}.lsj").write_bytes(bytes(shm.open_segment(shm.segment_name(run_id, f"journal.{index}")).map))
    writer.close()
    shm.unlink_run(run_id)
    with pytest.raises(JournalCorrupt, match="a segment is missing"):
        read(tmp_path)


CHILD = """
import os, sys
sys.path.insert(0, {root!r})
from cext import layout
from cext.journal import JournalWriter
writer = JournalWriter({run_id!r}, 9, segment_bytes=1 << 20)
print("ready", flush=True)
number = 0
while True:
    number += 1
    while not writer.append_json(layout.JR_CONTROL, {{"n": number, "pad": "x" * (number % 50)}}, number, number):
        writer.tend()
    if number % 100 == 0:
        os.write(1, f"{{number}}\\n".encode())
"""


@pytest.mark.parametrize("trial", range(8))
def test_kill_in_the_middle_of_appending_loses_nothing_that_was_reported(run_id: str, trial: int) -> None:
    code = CHILD.format(root=os.getcwd(), run_id=run_id)
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.01 + 0.003 * trial)
    child.send_signal(signal.SIGKILL)
    reported = [int(line) for line in child.stdout.read().split("\n")[:-1]]
    child.wait()
    reader = JournalReader.live(run_id)
    sequence = [record.seq for record in reader]
    shm.unlink_run(run_id)
    assert sequence == list(range(1, len(sequence) + 1))
    assert not reported or len(sequence) >= reported[-1]


def test_journal_without_room_for_a_spare_says_so_and_recovers(run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Nth reservation fails, for every N that a short run makes."""
    real = os.posix_fallocate
    for failing in range(1, 4):
        calls = 0

        def sometimes(fd: int, offset: int, size: int, failing: int = failing) -> None:
            nonlocal calls
            calls += 1
            if calls == failing:
                raise OSError(errno.ENOSPC, "No space left on device")
            real(fd, offset, size)

        monkeypatch.setattr(os, "posix_fallocate", sometimes)
        if failing <= 2:
            with pytest.raises(shm.ShmError, match="needs 8192 bytes"):
                JournalWriter(run_id, 1, segment_bytes=8192)
            shm.unlink_run(run_id)
            continue
        writer = JournalWriter(run_id, 1, segment_bytes=8192)
        monkeypatch.setattr("cext.journal.RETRY_S", 0.0)
        written, complaints = 0, 0
        while written < 200:
            written += writer.append(layout.JR_ALERT, b"x" * 100, 1, 2) != 0
            try:
                writer.tend()
            except shm.ShmError:
                complaints += 1
        assert complaints == 1
        assert [record.seq for record in JournalReader.live(run_id)] == list(range(1, 201))
        writer.close()
        shm.unlink_run(run_id)


def test_tail_of_a_live_segment_is_torn_only_in_what_was_not_committed(run_id: str) -> None:
    """A writer that died inside an append: header fields and half a payload stand there, the commit word does not."""
    writer = JournalWriter(run_id, 1, segment_bytes=8192)
    writer.append(layout.JR_ALERT, b"good", 1, 2)
    segment = shm.open_segment(shm.segment_name(run_id, "journal.0"), writable=True)
    record = np.frombuffer(segment.map, layout.DTYPES["journal_record_t"], 1, HEADER + RECORD + 8)
    record["seq"], record["epoch"], record["payload_bytes"], record["type"] = 2, 1, 30, layout.JR_ALERT
    reader = JournalReader.live(run_id)
    assert [found.payload for found in reader] == [b"good"]
    assert reader.torn_bytes > 0
    writer.close()
    shm.unlink_run(run_id)

"""Appending, rolling over, reading back. Damage of every kind: tests/faults/test_journal_faults.py."""
import pathlib
import time

import numpy as np
import pytest

from cext import layout, shm
from cext.journal import JournalCorrupt, JournalReader, JournalWriter


@pytest.fixture
def writer(run_id: str):
    made = JournalWriter(run_id, 7, segment_bytes=8192)
    yield made
    made.close()
    shm.unlink_run(run_id)


def wait_for_spare(writer: JournalWriter) -> None:
    deadline = time.monotonic() + 5
    while not writer.has_spare():
        writer.tend()
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_records_come_back_in_order_with_their_stamps(run_id: str, writer: JournalWriter) -> None:
    assert writer.append_json(layout.JR_CONTROL, {"who": "test"}, 11, 22, 33) == 1
    assert writer.append(layout.JR_ALERT, b'"x"', 12, 23) == 2
    first, second = JournalReader.live(run_id)
    assert (first.seq, first.type_name, first.mono_ns, first.wall_ns, first.correlation_id, first.epoch) == (1, "CONTROL", 11, 22,
                                                                                                             33, 7)
    assert first.decode() == {"who": "test"}
    assert (second.payload, second.decode()) == (b'"x"', "x")


@pytest.mark.parametrize(("kind", "struct"),
                         [("JR_INTENT", "intent_t"), ("JR_SENT", "sent_t"), ("JR_ORDER_EVENT", "order_event_t"),
                                               ("JR_REFUSAL", "refusal_t")])
def test_struct_payloads_decode_by_field_name(run_id: str, writer: JournalWriter, kind: str, struct: str) -> None:
    payload = np.zeros(1, layout.DTYPES[struct])
    first = layout.DTYPES[struct].names[0]
    if payload[first].dtype == np.uint8:
        payload[first][0][:2] = list(b"ab")
    else:
        payload[first] = 5
    writer.append(getattr(layout, kind), payload.tobytes(), 1, 2)
    [record] = JournalReader.live(run_id)
    assert record.decode()[first] in (5, "ab")


def test_intent_shows_its_legs(run_id: str, writer: JournalWriter) -> None:
    intent = np.zeros(1, layout.DTYPES["intent_t"])
    intent["legs"][0][1]["limit_px"] = 77
    writer.append(layout.JR_INTENT, intent.tobytes(), 1, 2)
    [record] = JournalReader.live(run_id)
    assert [leg["limit_px"] for leg in record.decode()["legs"]] == [0, 77, 0]


def test_wrong_struct_size_is_refused_when_decoded(run_id: str, writer: JournalWriter) -> None:
    writer.append(layout.JR_SENT, b"short", 1, 2)
    [record] = JournalReader.live(run_id)
    with pytest.raises(JournalCorrupt, match="sent_t has 40"):
        record.decode()


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 4000])
def test_payloads_of_any_length_come_back_exactly(run_id: str, writer: JournalWriter, size: int) -> None:
    payload = bytes(range(1, 256)) * 16
    writer.append(layout.JR_ALERT, payload[:size], 1, 2)
    writer.append(layout.JR_ALERT, b"after", 1, 2)
    assert [record.payload for record in JournalReader.live(run_id)] == [payload[:size], b"after"]


def test_full_segment_goes_on_in_the_spare_and_another_is_prepared(run_id: str, writer: JournalWriter) -> None:
    for i in range(300):
        assert writer.append_json(layout.JR_CONTROL, {"i": i}, 1, 2) == i + 1
        if not writer.has_spare():
            wait_for_spare(writer)
    reader = JournalReader.live(run_id)
    assert [record.decode()["i"] for record in reader] == list(range(300))
    assert [header["segment_index"] for header in reader.headers] == list(range(writer.segment_index() + 1))
    assert writer.segment_index() >= 2
    assert reader.torn_bytes == 0


def test_append_without_spare_says_no_and_goes_on_when_there_is_one(run_id: str, writer: JournalWriter) -> None:
    count = 0
    while writer.append_json(layout.JR_CONTROL, {}, 1, 2):
        count += 1
    assert (writer.full_count(), writer.has_spare(), writer.segment_index()) == (1, False, 1)
    wait_for_spare(writer)
    assert writer.append_json(layout.JR_CONTROL, {}, 1, 2) == count + 1
    assert sum(1 for _ in JournalReader.live(run_id)) == count + 1


def test_record_that_fits_no_segment_is_refused_without_harm(run_id: str, writer: JournalWriter) -> None:
    assert writer.append(layout.JR_ALERT, bytes(9000), 1, 2) == 0
    assert writer.append(layout.JR_ALERT, b"ok", 1, 2) == 1


def test_next_writer_of_a_run_takes_fresh_segment_numbers(run_id: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "000004.lsj").touch()
    writer = JournalWriter(run_id, 1, segment_bytes=8192, run_dir=tmp_path)
    assert writer.segment_index() == 5
    writer.close()
    again = JournalWriter(run_id, 2, segment_bytes=8192)
    assert again.segment_index() == 6
    again.close()
    shm.unlink_run(run_id)


def test_closing_leaves_what_was_written_and_drops_the_unused_spare(run_id: str) -> None:
    writer = JournalWriter(run_id, 1, segment_bytes=8192)
    writer.append(layout.JR_ALERT, b"x", 1, 2)
    writer.close()
    assert shm.unlink_run(run_id) == [shm.segment_name(run_id, "journal.0")]


def test_nothing_to_read_is_said(run_id: str, tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match="no journal segment"):
        JournalReader.live(run_id)
    with pytest.raises(FileNotFoundError, match="holds no journal segment"):
        JournalReader(tmp_path)
    with pytest.raises(ValueError, match="whole pages"):
        JournalWriter(run_id, 1, segment_bytes=5000)

"""A feed process from start to end: instruments, segment, killing, restarting, stopping, no network, hostile venues,
recording."""

import asyncio
import signal
import time

import orjson
import pytest

from cext import shm
from cext.hist import load_run
from feeds.capture_format import CaptureReader
from tests.support.feed_system import Feed, Venues, assert_books_equal_the_venues, make_run_dir, wait_until


@pytest.fixture
def venues(tmp_path):
    run_dir = make_run_dir(tmp_path)
    with Venues(run_dir) as running:
        yield running


def test_orderly_stop_leaves_histograms_state_and_nothing_else(venues):
    with Feed(venues.run_dir) as feed:
        feed.wait_live()
        reader = feed.reader
        assert feed.stop(signal.SIGTERM) == 0
        assert shm.list_run(feed.run_id) == []
        assert reader.header()["closed"] == 1
        assert feed.state() == "stopped"
        stages = load_run(venues.run_dir)
        assert {"recv", "decode", "publish", "wire"} <= set(stages) and stages["decode"].get_total_count() > 10
        assert feed.text() == ""


def test_interrupt_stops_it_too_even_before_it_is_connected(venues):
    with Feed(venues.run_dir) as feed:
        time.sleep(0.6)
        assert feed.stop(signal.SIGINT) in (0, -signal.SIGINT)
        assert shm.list_run(feed.run_id) == []


def test_a13_a14_killed_feed_leaves_a_segment_that_its_successor_replaces_with_a_new_generation(venues):
    with Feed(venues.run_dir) as first:
        old = first.wait_live()
        assert first.stop(signal.SIGKILL) == -signal.SIGKILL
        assert not old.is_producer_alive() and shm.list_run(first.run_id)
        started = time.monotonic()
        with Feed(venues.run_dir) as second:
            new = second.wait_live()
            assert time.monotonic() - started < 10
            assert not old.is_current()
            assert new.header()["generation"] != old.header()["generation"]
            assert new.header()["instruments_hash"] == old.header()["instruments_hash"]
            assert_books_equal_the_venues(venues, second)
            assert second.stop() == 0
        assert shm.list_run(first.run_id) == []


def test_a_second_feed_for_the_same_segment_is_refused(venues):
    with Feed(venues.run_dir) as first:
        first.wait_live()
        with Feed(venues.run_dir) as second:
            assert second.process.wait(20) == 1
            assert "is being written by living process" in second.text() and str(first.process.pid) in second.text()
        assert first.process.poll() is None
        first.drain()
        assert first.drain_for(0.5), "the first one goes on"


def test_unreachable_venue_is_one_clear_line_and_no_end(tmp_path):
    run_dir = make_run_dir(tmp_path, mode="paper", binance={"endpoints": {
        "spot_rest": "http://127.0.0.1:9", "spot_ws": "ws://127.0.0.1:9", "linear_rest": "http://127.0.0.1:9",
        "linear_ws_public": "ws://127.0.0.1:9", "linear_ws_market": "ws://127.0.0.1:9"}})
    with Feed(run_dir) as feed:
        wait_until(lambda: feed.state() == "unreachable", 10, "state said")
        time.sleep(2.0)
        assert feed.process.poll() is None
        lines = [line for line in feed.text().splitlines() if line]
        assert (
            len(lines) == 1
            and "binance: no market data: http://127.0.0.1:9" in lines[0]
            and "trying again with back-off" in lines[0]
        )
        assert feed.stop() == 0


def test_missing_simulated_venues_and_bad_configuration_are_refused_with_reasons(tmp_path):
    run_dir = make_run_dir(tmp_path)
    with Feed(run_dir) as feed:
        assert feed.process.wait(20) == 1
        assert "simex.json: not there" in feed.text()
    (run_dir / "config.json").write_text('{"mode": "live", "venues": {"binance": {}}}')
    with Feed(run_dir) as feed:
        assert feed.process.wait(20) == 2
        assert "live trading is refused" in feed.text()
    (run_dir / "config.json").unlink()
    with Feed(run_dir) as feed:
        assert feed.process.wait(20) == 2
        assert "config.json" in feed.text()


def test_simulated_venues_elsewhere_are_refused(tmp_path):
    run_dir = make_run_dir(tmp_path)
    (run_dir / "simex.json").write_text('{"endpoints": {"binance": {"spot_rest": "https://api.binance.com"}}}')
    with Feed(run_dir) as feed:
        assert feed.process.wait(20) == 1
        assert "on this machine only" in feed.text()


def test_unlisted_instruments_are_named(tmp_path):
    run_dir = make_run_dir(tmp_path, binance={"symbols": ["BTC/USDC", "NOPE/USDT"]})
    with Venues(run_dir), Feed(run_dir) as feed:
        assert feed.process.wait(20) == 1
        assert "none of the configured instruments" in feed.text() and "did you mean BTC/USDT?" in feed.text()


def test_recording_on_request_holds_frames_snapshots_and_connections_in_order(venues):
    target = venues.run_dir / "day.lscap"
    with Feed(venues.run_dir) as feed:
        feed.wait_live()
        request = venues.run_dir / "capture-binance.json"
        request.write_text(orjson.dumps({"path": str(target)}).decode())
        wait_until(target.exists, 5, "recording begins")
        venues.command("disconnect", channel="md", market="spot")
        time.sleep(2.5)
        request.unlink()
        wait_until(lambda: "closed" in feed.log(), 5, "recording ends")
        with CaptureReader(target) as reader:
            kinds = [record.type for record in reader.records()]
            stamps = [record.recv_mono_ns for record in reader.records()]
            assert reader.index["dropped_records"] == 0
        assert all(kinds.count(kind) for kind in (1, 2, 3, 4)), "frames, snapshots, connects, disconnects"
        assert kinds.count(1) > 300 and stamps == sorted(stamps)
        assert feed.stop() == 0


def test_recording_from_the_start_closes_its_file_at_the_end(tmp_path):
    target = tmp_path / "captures" / "all.lscap"
    run_dir = make_run_dir(tmp_path, feeds={"capture": str(target)})
    with Venues(run_dir), Feed(run_dir) as feed:
        feed.wait_live()
        time.sleep(0.5)
        assert feed.stop() == 0
        with CaptureReader(target) as reader:
            kinds = [record.type for record in reader.records()]
        assert kinds.count(3) == 6 and kinds.count(2) >= 6
        assert kinds.count(4) == 0, "that we close our sockets at the end is no event of the venue"


def test_encrypted_sockets_and_rest_are_verified_with_the_test_authority(tmp_path):
    run_dir = make_run_dir(tmp_path, simex={"tls": True})
    with Venues(run_dir) as venues, Feed(run_dir) as feed:
        assert venues.facts["endpoints"]["binance"]["spot_ws"].startswith("wss://")
        feed.wait_live()
        assert_books_equal_the_venues(venues, feed)
        assert feed.stop() == 0
        facts = {**venues.facts, "ca": None}
        (run_dir / "simex.json").write_bytes(orjson.dumps(facts))
        with Feed(run_dir) as distrustful:
            wait_until(lambda: "certificate" in distrustful.text().lower(), 10, "an unknown authority is not trusted")
            assert distrustful.state() == "unreachable"


def test_a17_changed_filters_take_an_instrument_out_until_a_restart(tmp_path):
    run_dir = make_run_dir(tmp_path, feeds={"instruments_refresh_s": 1})
    with Venues(run_dir) as venues, Feed(run_dir) as feed:
        feed.wait_live()
        venues.command("filter", instrument="binance:ETH/USDT", status="BREAK")
        row = feed.row("binance:ETH/USDT")
        wait_until(lambda: not feed.is_valid(row), 5.0, "INVALID")
        time.sleep(1.5)
        assert not feed.is_valid(row) and feed.is_valid(feed.row("binance:BTC/USDT"))
        assert "binance:ETH/USDT changed its filters or status (now BREAK)" in feed.log()


class HostileSocketVenue:
    """Market sockets on loopback that acknowledge and then send what they are told to."""

    def __init__(self, frames):
        self.frames = frames
        self.messages: list[tuple[str, list[float]]] = []  # for each connection: its path, when messages came in

    async def serve(self):
        import picows
        outer = self

        class Listener(picows.WSListener):
            def __init__(self, path):
                self.times = []
                outer.messages.append((path, self.times))

            def on_ws_frame(self, transport, frame):
                self.times.append(time.monotonic())
                if frame.msg_type == picows.WSMsgType.TEXT:
                    request = orjson.loads(frame.get_payload_as_bytes())
                    transport.send(picows.WSMsgType.TEXT, orjson.dumps({"result": None, "id": request["id"]}))
                    for kind, payload in outer.frames:
                        transport.send(kind, payload)
                elif frame.msg_type == picows.WSMsgType.PING:
                    transport.send_pong(frame.get_payload_as_bytes())

        return await picows.ws_create_server(
            lambda request: Listener(request.path.decode()), "127.0.0.1", 0, max_frame_size=64 << 20, enable_auto_pong=False
        )


async def run_against(hostile, venues, seconds, **feeds):
    """A feed with the venues' REST but hostile sockets."""
    server = await hostile.serve()
    address = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    run_dir = make_run_dir(venues.run_dir, feeds=feeds, binance={"endpoints": {
        "spot_ws": address, "linear_ws_public": f"{address}/public", "linear_ws_market": f"{address}/market"}})
    (run_dir / "simex.json").write_bytes((venues.run_dir / "simex.json").read_bytes())
    with Feed(run_dir) as feed:
        reader = await asyncio.to_thread(feed.attach)
        await asyncio.sleep(seconds)
        assert feed.process.poll() is None, feed.text()
        header, log = reader.header(), feed.log()
        assert not any(feed.is_valid(row.id) for row in feed.table.rows)
        assert await asyncio.to_thread(feed.stop) == 0
    server.close()
    return header, log


def test_a8_hostile_frames_are_counted_and_never_end_the_process(venues):
    import picows
    text = picows.WSMsgType.TEXT
    hostile = HostileSocketVenue(
        [
            (text, payload)
            for payload in (
                b"",
                b"{",
                b"null",
                b"[[[[",
                b'{"e":"depthUpdate"}',
                b"\xff\xfe\x00\x01",
                b'{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":2,"b":[["1e5","1"]],"a":[]}',
                b'{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":2,"b":[["NaN","1"]],"a":[]}',
                b'{"e":"trade","s":"NOPE"}',
                b'{"id":99999999999999999999}',
                b'{"e":"nobodyAsked","x":1}',
                b"{" * 10000,
            )
        ]
    )
    header, log = asyncio.run(run_against(hostile, venues, 3.0))
    assert header["frames"] > 0
    assert "Traceback" not in log


def test_a8_oversized_frames_close_the_socket_and_are_counted(venues):
    import picows
    hostile = HostileSocketVenue([(picows.WSMsgType.TEXT, b" " * ((1 << 20) + 1))])
    header, log = asyncio.run(run_against(hostile, venues, 3.0))
    assert header["oversized_frames"] >= 1 and header["reconnects"] >= 1
    assert "larger than 1048576 bytes" in log


def test_binary_frames_close_the_socket(venues):
    import picows
    hostile = HostileSocketVenue([(picows.WSMsgType.BINARY, b"\x00\x01")])
    header, log = asyncio.run(run_against(hostile, venues, 2.0))
    assert header["reconnects"] >= 1 and "not part of this protocol" in log


def test_no_socket_ever_sends_more_messages_a_second_than_the_venue_allows(venues):
    hostile = HostileSocketVenue([])
    asyncio.run(run_against(hostile, venues, 5.0, ping_idle_ms=100, first_message_timeout_ms=500))
    assert len(hostile.messages) >= 6
    for path, times in hostile.messages:
        limit = 5 if path == "/ws" else 10
        assert len(times) > 5, f"{path} was neither subscribed nor pinged"
        assert all(sum(1 for at in times if start <= at < start + 1.0) <= limit for start in times), path

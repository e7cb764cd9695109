"""The simex process: starts, serves, keeps its promises about sockets and files, stops in order."""

import asyncio
import json
import os
import socket
import ssl
import stat
import time
from pathlib import Path

import orjson
import pytest
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from tests.support.simex_rig import running_simex, start_simex


class Collector(WSListener):
    """A websocket client that keeps what it hears."""

    def __init__(self):
        super().__init__()
        self.frames = []
        self.pings = []
        self.is_connected = True
        self.close_code = None

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame):
        if frame.msg_type == WSMsgType.TEXT:
            self.frames.append(orjson.loads(frame.get_payload_as_bytes()))
        elif frame.msg_type == WSMsgType.PING:
            self.pings.append(frame.get_payload_as_bytes())
            transport.send_pong(self.pings[-1])
        elif frame.msg_type == WSMsgType.CLOSE:
            self.close_code = frame.get_close_code()
            transport.send_close()
            transport.disconnect()

    def on_ws_disconnected(self, transport):
        self.is_connected = False


async def connect(url, context=None):
    transport, collector = await ws_connect(Collector, url, ssl_context=context, enable_auto_pong=False)
    return transport, collector


async def until(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def simex(tmp_path_factory):
    with running_simex(tmp_path_factory.mktemp("simex"), pairs=3, dislocations_per_s=0.0, sessions={"ping_s": 0.3}) as process:
        yield process


def test_files_are_private_and_the_ready_file_names_everything(simex):
    assert {
        "spot_rest",
        "spot_ws",
        "spot_ws_api",
        "linear_rest",
        "linear_ws_public",
        "linear_ws_market",
        "linear_ws_private",
        "linear_ws_api",
    } == set(simex.endpoints)
    keys = simex.info["credentials"]["binance"]
    assert set(keys) == {"hmac_key", "hmac_secret", "ed25519_key", "ed25519_private"}
    for path in [*(ref.removeprefix("file:") for ref in keys.values()), simex.info["control"]]:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600, path
    assert "PRIVATE KEY" in simex.secret("ed25519_private")


def test_server_pings_with_a_payload_and_frames_flow(simex):
    async def run():
        transport, heard = await connect(simex.endpoints["spot_ws"] + "/stream")
        transport.send(WSMsgType.TEXT, b'{"method":"SUBSCRIBE","params":["btcusdt@bookTicker"],"id":1}')
        await until(lambda: len(heard.pings) >= 3 and len(heard.frames) > 3)
        assert heard.frames[0] == {"result": None, "id": 1} and heard.frames[1]["stream"] == "btcusdt@bookTicker"
        assert all(p.isdigit() for p in heard.pings)
        transport.disconnect()

    asyncio.run(run())


def test_too_many_messages_in_a_second_cut_the_connection(simex):
    async def run():
        transport, heard = await connect(simex.endpoints["spot_ws"] + "/ws")
        for number in range(20):
            transport.send(WSMsgType.TEXT, b'{"method":"LIST_SUBSCRIPTIONS","id":%d}' % number)
        await until(lambda: not heard.is_connected)
        assert len(heard.frames) <= 10

    asyncio.run(run())


def test_disconnect_silence_and_shutdown_on_command(simex):
    async def run():
        _, heard = await connect(simex.endpoints["spot_ws"] + "/ws/btcusdt@bookTicker")
        await until(lambda: heard.frames)
        simex.control(cmd="silent", channel="md")
        await asyncio.sleep(0.1)
        count = len(heard.frames)
        await asyncio.sleep(0.5)
        assert len(heard.frames) == count and heard.is_connected
        simex.control(cmd="clear")
        await until(lambda: len(heard.frames) > count)
        assert simex.control(cmd="shutdown_notice", market="spot", in_ms=200)["connections"] >= 1
        await until(lambda: any(f.get("e") == "serverShutdown" for f in heard.frames))
        await until(lambda: not heard.is_connected)
        _, heard = await connect(simex.endpoints["linear_ws_public"] + "/ws/btcusdt@bookTicker")
        assert simex.control(cmd="disconnect", channel="md", market="linear")["cut"] == 1
        await until(lambda: not heard.is_connected)

    asyncio.run(run())


def test_dislocation_on_command_reaches_the_stream_and_its_log(simex):
    async def run():
        transport, heard = await connect(simex.endpoints["linear_ws_public"] + "/ws/ethusdt@bookTicker")
        await until(lambda: heard.frames)
        before = float(heard.frames[-1]["b"])
        number = simex.control(cmd="dislocate", symbol="ETHUSDT", bps=25, duration_ms=300)["number"]
        await until(lambda: float(heard.frames[-1]["b"]) > before * 1.004)
        await until(lambda: float(heard.frames[-1]["b"]) < before * 1.001)
        transport.disconnect()
        return number

    number = asyncio.run(run())
    log = simex.run_dir / "simex_dislocations.jsonl"
    deadline = time.monotonic() + 5
    while True:
        rows = [json.loads(line) for line in log.read_text().splitlines()]
        ours = [r for r in rows if r["number"] == number]
        if len(ours) == 2:
            break
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert [r["event"] for r in ours] == ["start", "end"] and ours[0]["sent_mono_ns"] > 0 and ours[0]["shift_bps"] > 50


def test_control_socket_survives_nonsense(simex):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(simex.info["control"])
        connection.settimeout(5)
        file = connection.makefile("rwb")
        for line in (
            b"{",
            b"[]",
            b'{"cmd":"nothing"}',
            b'{"cmd":"fault"}',
            b'{"cmd":"book","symbol":"X"}',
            b'{"cmd":"balance"}',
            b'{"cmd":"manual_order","symbol":"ETHUSDT","side":"BUY","quantity":"99999999"}',
        ):
            file.write(line + b"\n")
            file.flush()
            answer = orjson.loads(file.readline())
            assert answer["ok"] is False and answer["error"], line
        file.write(b'{"cmd":"help","id":7}\n')
        file.flush()
        answer = orjson.loads(file.readline())
        assert answer["id"] == 7 and {"ledger", "fault", "dislocate", "stats", "adl", "manual_order"} <= set(answer["commands"])


def test_manual_orders_and_deleveraging_move_the_ledger(simex):
    simex.control(cmd="manual_order", market="linear", symbol="BNBUSDT", side="BUY", quantity="2")
    assert simex.control(cmd="ledger")["positions_by_account"]["binance:linear"]["binance:BNB/USDT:USDT"] == "2.00"
    simex.control(cmd="adl", symbol="BNBUSDT", quantity="0.5")
    dump = simex.control(cmd="ledger")
    assert dump["positions_by_account"]["binance:linear"]["binance:BNB/USDT:USDT"] == "1.50"
    assert dump["accounts"]["main"]["orders"][-1]["client_id"] == "adl_autoclose"
    stats = simex.control(cmd="stats")
    assert stats["orders"][-1]["client_id"] == "adl_autoclose" and stats["frames_sent"] > 0


def test_http_faults_answer_in_place_of_the_venue(simex):
    import urllib.error
    import urllib.request

    simex.control(
        cmd="http", status=503, body='{"code":-1000,"msg":"Unknown error, please check your request or try again later."}'
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(simex.endpoints["linear_rest"] + "/fapi/v1/time", timeout=5)
    assert caught.value.code == 503 and b"Unknown error" in caught.value.read()
    assert b"serverTime" in urllib.request.urlopen(simex.endpoints["linear_rest"] + "/fapi/v1/time", timeout=5).read()


def test_tls_with_the_test_ca_and_only_with_it(tmp_path):
    async def run(process):
        good = ssl.create_default_context(cafile=process.info["ca"])
        transport, heard = await connect(process.endpoints["spot_ws"] + "/ws/btcusdt@bookTicker", good)
        await until(lambda: heard.frames)
        transport.disconnect()
        with pytest.raises(ssl.SSLError):
            await connect(process.endpoints["spot_ws"] + "/ws", ssl.create_default_context())

    with running_simex(tmp_path, pairs=1, tls=True) as process:
        assert all(url.startswith(("wss://", "https://")) for url in process.endpoints.values())
        asyncio.run(run(process))


def test_an_occupied_port_is_named_and_ends_with_an_error(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for role in ("spot_ws", "linear_rest"):
            process = start_simex(tmp_path / role, pairs=1, ports={role: port})
            output, _ = process.communicate(timeout=20)
            assert process.returncode == 2 and role in output and str(port) in output and "Traceback" not in output, output
            assert not (tmp_path / role / "simex.json").exists()


def test_a_bad_config_is_named_and_ends_with_an_error(tmp_path):
    process = start_simex(tmp_path, pears=1)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 2 and "config.json: unknown key 'pears'" in output and "Traceback" not in output


def test_nothing_is_left_after_a_stop_with_clients_connected(tmp_path):
    async def run(process):
        _, heard = await connect(process.endpoints["spot_ws"] + "/ws/btcusdt@bookTicker")
        await until(lambda: heard.frames)
        begin = time.monotonic()
        output = process.stop()
        await until(lambda: not heard.is_connected)
        return output, time.monotonic() - begin

    process_dir = tmp_path / "run"
    with running_simex(process_dir, pairs=1) as process:
        output, seconds = asyncio.run(run(process))
        assert "stopped" in output and seconds < 3
        process.stop = lambda: output
    assert not Path(process.info["control"]).exists()
    assert json.loads((process_dir / "simex_ledger.json").read_text())["totals"]
    for url in process.endpoints.values():
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(url.split(":")[2].split("/")[0]))) != 0


def test_external_books_are_pushed_over_their_own_socket(tmp_path):
    tmp_path.mkdir(exist_ok=True)
    with running_simex(tmp_path / "first", pairs=1, dislocations_per_s=0.0) as process:
        import urllib.request

        info = urllib.request.urlopen(process.endpoints["spot_rest"] + "/api/v3/exchangeInfo", timeout=5).read()
        (tmp_path / "info.json").write_bytes(info)
    with running_simex(tmp_path / "second", market="external", exchange_info={"spot": str(tmp_path / "info.json")}) as process:
        with socket.socket(socket.AF_UNIX) as bridge:
            bridge.connect(process.info["books"])
            bridge.sendall(b'{"i":"binance:BTC/USDT","b":[["64000.00","1"]],"a":[["64000.01","2"]]}\n')
            deadline = time.monotonic() + 5
            while not process.control(cmd="book", market="spot", symbol="BTCUSDT")["asks"]:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        result = process.control(
            cmd="manual_order", market="spot", symbol="BTCUSDT", side="BUY", quantity="0.5", price="64000.01"
        )["result"]
        assert result["status"] == "FILLED"


# ---- several venues in one process ----------------------------------------------------------------


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    config = {"venues": {"binance": {"inventory_usd": 50_000}, "binanceus": {"accounts": [{"name": "us", "spot": {"USDT": 7}}]}}}
    with running_simex(
        tmp_path_factory.mktemp("both"), pairs=3, dislocations_per_s=0.0, sessions={"idle_cut_s": 2, "idle_code": 4004}, **config
    ) as process:
        yield process


def test_each_venue_has_its_addresses_its_keys_and_its_part_of_the_ledger(both):
    assert set(both.info["endpoints"]) == set(both.info["credentials"]) == {"binance", "binanceus"}
    assert set(both.info["endpoints"]["binanceus"]) == {"spot_rest", "spot_ws", "spot_ws_api"}
    addresses = [url for roles in both.info["endpoints"].values() for url in roles.values()]
    assert len(set(addresses)) == len(addresses)
    assert set(both.info["credentials"]["binanceus"]) == {"hmac_key", "hmac_secret"}
    assert both.secret("hmac_key", "binance") != both.secret("hmac_key", "binanceus")
    whole, part = both.control(cmd="ledger"), both.control(cmd="ledger", venue="binanceus")
    assert set(whole["totals"]) == {"binance:spot", "binance:linear", "binanceus:spot"}
    assert part["totals"] == {"binanceus:spot": {"USDT": "7.00000000"}} and set(part["accounts"]) == {"us"}
    assert set(whole["totals"]["binance:spot"]) == {"BNB", "BTC", "ETH", "USDT"}
    assert set(whole["venues"]) == {"binance", "binanceus"}


def test_commands_are_for_the_venue_they_name_and_for_the_first_without(both):
    both.control(cmd="fault", venue="binanceus", channel="oe", verb="reject", market="spot")
    assert [f["venue"] for f in both.control(cmd="faults")["faults"]] == ["binanceus"]
    assert both.control(cmd="faults", venue="binance")["faults"] == []
    assert both.control(cmd="clear", venue="binance")["removed"] == 0
    assert both.control(cmd="clear")["removed"] == 1
    books = {
        v: both.control(cmd="book", venue=v, market="spot", symbol="BTCUSDT", depth=1)["bids"] for v in both.info["endpoints"]
    }
    named = both.control(cmd="book", instrument="binanceus:BTC/USDT", depth=1)["bids"]
    assert len(books["binance"]) == 1 and len(named) == 1
    both.control(
        cmd="manual_order", venue="binanceus", market="spot", symbol="BTCUSDT", side="BUY", quantity="0.0001", price="70000"
    )
    assert "BTC" in both.control(cmd="ledger", venue="binanceus")["totals"]["binanceus:spot"]
    assert both.control(cmd="stats", venue="binanceus")["orders"][0]["venue"] == "binanceus"
    assert both.control(cmd="stats", venue="binance")["orders"] == []
    with pytest.raises(AssertionError, match=r"venue 'okay' is none of binance, binanceus"):
        both.control(cmd="stats", venue="okay")


def test_a_jump_across_venues_on_command_is_shown_there_and_logged_with_its_counterpart(both):
    async def run():
        _, heard = await connect(both.info["endpoints"]["binanceus"]["spot_ws"] + "/ws/ethusdt@bookTicker")
        await until(lambda: heard.frames)
        before = float(heard.frames[-1]["b"])
        answer = both.control(
            cmd="dislocate", instrument="binanceus:ETH/USDT", counterpart="binance:ETH/USDT:USDT", duration_ms=300
        )
        assert answer["instrument"] == "binanceus:ETH/USDT" and answer["shift_bps"] > 40
        await until(lambda: float(heard.frames[-1]["b"]) > before * 1.004)
        await until(lambda: float(heard.frames[-1]["b"]) < before * 1.001)

    asyncio.run(run())
    log = both.run_dir / "simex_dislocations.jsonl"
    deadline = time.monotonic() + 5
    while len(rows := [json.loads(line) for line in log.read_text().splitlines()]) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert rows[0]["kind"] == "cross_venue" and rows[0]["counterpart"] == "binance:ETH/USDT:USDT" and rows[0]["sent_mono_ns"] > 0


def test_a_connection_on_which_nothing_moves_is_cut_with_the_venues_code(both):
    async def run():
        _, idle = await connect(both.endpoints["spot_ws_api"])
        _, busy = await connect(both.endpoints["spot_ws"] + "/ws/btcusdt@bookTicker")
        await until(lambda: not idle.is_connected, 8)
        assert int(idle.close_code) == 4004 and busy.is_connected and busy.frames

    asyncio.run(run())

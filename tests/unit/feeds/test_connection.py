"""A socket without a network: acknowledgements, text heartbeats, limits; rows that begin again, and what their stream then
says."""
import asyncio
import itertools
import random
from dataclasses import replace
from types import SimpleNamespace

import orjson
import pytest

from cext.instrument import make_instrument_array
from feeds import connection, resubscribe
from feeds.config import FeedsConfig
from feeds.connection import Route, Socket, VenueSockets
from feeds.instruments import InstrumentRow
from feeds.resubscribe import ResubscribeDesk
from feeds.venue import Heartbeat, Rate, RoutePlan, SocketLimits
from feeds.venues import binance
from tests.support.market_rig import market_row
from tests.support.toy_market import ToyMarket
from tests.unit.cext.decoders.test_stream import book, delta

MS = 1_000_000


class ToyVenue(binance.BinanceFeed):
    """Two acknowledgements a request, as a venue that answers each stream."""

    def subscribe_requests(self, market, streams, first_id, is_subscribe=True):
        requests = super().subscribe_requests(market, streams, first_id, is_subscribe)
        return [replace(request, acks=len(streams)) for request in requests]


def toy_venue(**changes):
    fields = {name: getattr(binance.VENUE, name) for name in binance.VENUE.__dataclass_fields__}
    limits = SocketLimits(Rate(1000, 1.0), 100, 50)
    own = {"name": "toy", "resync": "resubscribe", "sockets": {"linear": limits}, "attempts": (Rate(3, 1.0),)}
    return ToyVenue(**{**fields, **own, **changes})


class Wire:
    """The transport: what was sent, and an answer to it when `reply` is set."""

    def __init__(self, socket):
        self.socket, self.sent, self.pings, self.reply = socket, [], 0, None

    def send(self, kind, frame):
        self.sent.append(frame)
        if self.reply is not None:
            self.reply(frame)

    def send_ping(self, payload):
        self.pings += 1

    def disconnect(self, graceful):
        pass


def make_socket(monkeypatch, **changes):
    """(socket, wire, decoder, row); its listener is a stand-in."""
    monkeypatch.setattr(connection, "FeedListener", lambda *_: SimpleNamespace(rx_mono_ns=0))
    row = market_row(0, "BTCUSDT", "linear", 1, 2)
    decoder = ToyMarket(make_instrument_array([row]), "linear", [0])
    publisher = SimpleNamespace(set_connection_alive=lambda *_: None, publish_row=lambda *_: None)
    venue = VenueSockets(toy_venue(**changes), FeedsConfig(), publisher, random.Random(1), None, lambda *_: None)
    streams = ("btcusdt@depth@100ms", "btcusdt@bookTicker")
    plan = RoutePlan("linear-book-0", "linear", "linear_ws_public", "", (0,), streams, ((0, "book"),))
    rows = {0: InstrumentRow.from_json(row)}
    socket = Socket(Route(plan, "ws://127.0.0.1:1", decoder, rows, venue, lambda *_: None), venue)
    socket.transport = wire = Wire(socket)
    socket.is_subscribed = True
    return socket, wire, decoder, rows[0]


def run(work):
    async def within():
        async with asyncio.timeout(10):
            return await work()
    return asyncio.run(within())


def test_a_request_is_answered_when_all_its_acknowledgements_came(monkeypatch):
    async def work():
        socket, wire, _, _ = make_socket(monkeypatch)
        asked = asyncio.create_task(socket.subscribe(("a", "b")))
        await asyncio.sleep(0)
        assert orjson.loads(wire.sent[0])["params"] == ["a", "b"]
        socket.on_ack(1, 0)
        socket.on_ack(99, 0)
        await asyncio.sleep(0.01)
        assert not asked.done()
        socket.on_ack(1, 0)
        assert await asked
        socket.on_ack(1, 0)                                     # one too many is nobody's
    run(work)


@pytest.mark.parametrize("request_id", [1, -1])
def test_one_refusal_ends_the_request_with_or_without_its_id(monkeypatch, request_id):
    async def work():
        socket, _, _, _ = make_socket(monkeypatch)
        asked = asyncio.create_task(socket.subscribe(("a", "b")))
        await asyncio.sleep(0)
        socket.on_ack(1, 0)
        socket.on_ack(request_id, 60012)
        assert not await asked
    run(work)


def test_a_request_that_is_answered_in_part_is_sent_again(monkeypatch):
    monkeypatch.setattr(connection, "ACK_TIMEOUT_S", 0.05)

    async def work():
        socket, wire, _, _ = make_socket(monkeypatch)
        asked = asyncio.create_task(socket.subscribe(("a", "b")))
        await asyncio.sleep(0)
        socket.on_ack(1, 0)
        while len(wire.sent) < 2:
            await asyncio.sleep(0.005)
        socket.on_ack(1, 0)
        await asyncio.sleep(0)
        assert not asked.done()                                 # the second time both are wanted again
        socket.on_ack(1, 0)
        assert await asked
    run(work)


def test_silence_is_asked_about_in_the_venues_own_words(monkeypatch):
    async def work():
        socket, wire, _, _ = make_socket(monkeypatch, heartbeat=Heartbeat(b"ping", 5.0))
        socket.tick(4_900 * MS)
        assert wire.sent == []
        socket.tick(5_100 * MS)
        socket.tick(5_120 * MS)
        assert (wire.sent, wire.pings) == ([b"ping"], 0)
        socket.tick(9_900 * MS)
        assert not socket.closed.is_set()                       # a venue that is asked every 5 s is not dead after 4
        socket.tick(10_200 * MS)
        assert socket.closed.is_set() and "no sign of life" in socket.why
        other, plain, _, _ = make_socket(monkeypatch)
        other.tick(300 * MS)
        assert (plain.sent, plain.pings) == ([], 1)
    run(work)


def test_connection_attempts_keep_within_a_share_of_every_window(monkeypatch):
    async def work():
        socket, _, _, _ = make_socket(monkeypatch, attempts=(Rate(3, 0.2), Rate(10, 0.5)))
        loop = asyncio.get_running_loop()
        started = loop.time()
        for _ in range(3):                                      # a fifth: one each 0.2 s, and two each 0.5 s
            await socket.venue.take_attempt()
        assert loop.time() - started >= 0.45
    run(work)


def confirm(socket, then=lambda method: None):
    """Acknowledge every request twice; then(method) afterwards."""
    def reply(frame):
        request = orjson.loads(frame)

        def answer():
            for _ in request["params"]:
                socket.on_ack(request["id"], 0)
            then(request["method"])
        asyncio.get_running_loop().call_soon(answer)
    return reply


def methods(wire):
    return [orjson.loads(frame)["method"] for frame in wire.sent]


def test_a_lost_row_is_subscribed_again_and_its_whole_book_ends_it(monkeypatch):
    async def work():
        socket, wire, decoder, row = make_socket(monkeypatch)
        decoder.decode(book("snap", 5))
        decoder.decode(delta(7, 8))                             # a hole
        wire.reply = confirm(socket, lambda method: decoder.decode(book("snap", 20)) if method == "SUBSCRIBE" else None)
        desk = ResubscribeDesk(decoder, {0: row}, lambda _: socket, None, random.Random(1))
        desk.want(0)
        desk.want(0)
        while desk.in_flight:
            await asyncio.sleep(0.01)
        assert methods(wire) == ["UNSUBSCRIBE", "SUBSCRIBE"] and desk.begun == 1
        assert orjson.loads(wire.sent[0])["params"] == ["btcusdt@depth@100ms", "btcusdt@bookTicker"]
        assert decoder.needs_snapshot() == [] and decoder.stats(0)["restarts"] == 1
    run(work)


def test_a_stream_that_begins_with_a_delta_is_joined_to_a_rest_snapshot(monkeypatch):
    async def work():
        socket, wire, decoder, row = make_socket(monkeypatch)
        fetched = []

        class Rest:
            fetched = 0

            async def bring_in(self, number):
                fetched.append(decoder.apply_snapshot(number, book("snap", 30), 400))

        wire.reply = confirm(socket, lambda method: decoder.decode(delta(30, 31)) if method == "SUBSCRIBE" else None)
        desk = ResubscribeDesk(decoder, {0: row}, lambda _: socket, Rest(), random.Random(1))
        desk.want(0)
        while desk.in_flight:
            await asyncio.sleep(0.01)
        assert fetched == ["synced"] and methods(wire) == ["UNSUBSCRIBE", "SUBSCRIBE"]
    run(work)


def test_a_silent_venue_is_asked_again_with_growing_pauses(monkeypatch):
    monkeypatch.setattr(resubscribe, "BOOK_WITHIN_S", 0.04)

    async def work():
        socket, wire, decoder, row = make_socket(monkeypatch)
        times = []
        loop = asyncio.get_running_loop()
        wire.reply = confirm(socket, lambda method: times.append(loop.time()) if method == "SUBSCRIBE" else None)
        desk = ResubscribeDesk(decoder, {0: row}, lambda _: socket, None, random.Random(1))
        desk.want(0)
        while len(times) < 4:
            await asyncio.sleep(0.01)
        pauses = [b - a for a, b in itertools.pairwise(times)]
        assert pauses[0] >= 0.05 and pauses[2] >= 0.2           # 0.1, 0.2, 0.4 s, each times 0.5 to 1
        await desk.stop()
    run(work)


def test_without_a_socket_nothing_is_asked_for(monkeypatch):
    async def work():
        _, wire, decoder, row = make_socket(monkeypatch)
        desk = ResubscribeDesk(decoder, {0: row}, lambda _: None, None, random.Random(1))
        desk.want(0)
        while desk.in_flight:
            await asyncio.sleep(0.001)
        assert wire.sent == [] and desk.begun == 0
    run(work)


def test_a_socket_without_allowance_asks_to_be_replaced(monkeypatch):
    async def work():
        limits = SocketLimits(Rate(1000, 1.0), 100, 50, requests=(Rate(3, 3600.0),))
        socket, wire, _, row = make_socket(monkeypatch, sockets={"linear": limits})
        wire.reply = confirm(socket)
        assert await socket.begin_again(row)
        assert not await socket.begin_again(row)
        assert len(wire.sent) == 2 and socket.rotate_wanted.is_set()
    run(work)


def test_a_socket_that_goes_away_tells_who_waits(monkeypatch):
    async def work():
        socket, _, _, row = make_socket(monkeypatch)
        asked = asyncio.create_task(socket.begin_again(row))
        await asyncio.sleep(0.1)                                # the request is out, nobody answers
        socket.finish()
        assert not await asked
    run(work)

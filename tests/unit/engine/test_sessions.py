"""Order sessions over real sockets: what a send says, what a death means, what a callback may not do."""
from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import Any

import orjson
import pytest

from cext.client_id import encode_client_id
from cext.decoders.binance_orders import BinanceOrderDecoder
from cext.encoders.binance import BinanceOrderEncoder
from cext.encoders.encoder import OrderEncoder
from engine.connection import Connection, ConnectionPolicy
from engine.events import ErrorClass, EventFlag, Intent, Leg, OrderEvent, OrderStatus, Sent, Source
from engine.gateways.binance_wire import BinanceSocketDialect
from engine.sessions import OrderSession, RequestFailed, VenueSession, VenueSocket
from tests.support.fake_venue import FakeWs, fake_ws, until
from tests.support.order_rows import order_table

ARRAY = order_table().to_array()
DIALECT = BinanceSocketDialect()
FAST = ConnectionPolicy(first_ms=100, last_ms=200, handshake_timeout_s=2, prepare_timeout_s=1)


def order_session() -> OrderSession:
    return OrderSession("binance", "spot", ARRAY, BinanceOrderDecoder(ARRAY, "spot"), BinanceOrderEncoder("spot"), DIALECT)


async def ask(sock: VenueSocket, method: str, params: dict[str, Any] | None = None, timeout_s: float = 5.0) -> Any:
    key, frame = DIALECT.request(method, params)
    return await sock.request(key, frame, timeout_s, name=method)


def client_id(seq: int, leg: int = 0) -> str:
    return encode_client_id(1, 5 << 32 | seq, leg)


def placed(request: dict[str, Any], status: str = "FILLED") -> dict[str, Any]:
    """The venue's answer to an order.place: everything executed."""
    params = request["params"]
    return {"id": request["id"], "status": 200, "result": {
        "symbol": params["symbol"], "orderId": 7, "clientOrderId": request["id"], "executedQty": params["quantity"],
        "status": status,
        "transactTime": 1700000000000}}


class Rig:
    """A session connected to a fake venue, with everything that it said."""

    def __init__(self, venue: FakeWs) -> None:
        self.venue = venue
        self.session = order_session()
        self.events: list[OrderEvent] = []
        self.states: list[tuple[bool, str]] = []
        self.errors: list[tuple[str, str]] = []
        self.account: list[tuple[str, bytes]] = []
        self.session.on_event = self.events.append
        self.session.on_state = lambda is_ready, reason: self.states.append((is_ready, reason))
        self.session.on_error = lambda where, error: self.errors.append((where, str(error)))
        self.session.on_account = lambda name, data, _: self.account.append((name, data))

        async def url() -> str:
            return venue.url + "/ws-api/v3"

        async def prepare(sock: VenueSocket) -> None:
            await ask(sock, "session.logon", {"apiKey": "k"})

        self.connection = Connection(self.session, url, prepare, seed=1, policy=FAST)

    def place(self, seq: int, row: int = 0, qty: int = 100) -> int:
        return self.session.place(row, client_id(seq), 0, 0, 6_400_000, qty)


@contextlib.asynccontextmanager
async def rig(**answers: Callable[[dict[str, Any]], Any]) -> AsyncIterator[Rig]:
    async with fake_ws() as venue:
        venue.answers.update({name.replace("_", "."): answer for name, answer in answers.items()})
        made = Rig(venue)
        made.connection.start()
        await until(lambda: made.session.is_ready)
        try:
            yield made
        finally:
            await made.connection.stop()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


# ---------------------------------------------------------------- the usual way

def test_order_is_sent_answered_and_forgotten() -> None:
    async def work() -> None:
        async with rig(order_place=placed) as r:
            assert r.place(1) == Sent.OK
            assert r.session.pending_count == 1
            await until(lambda: r.events)
            [event] = r.events
            assert (event.client_id, event.status, event.cum_qty, event.source) == (client_id(1), OrderStatus.FILLED, 100,
                                                                                    Source.REPLY)
            assert event.recv_mono_ns > 0
            assert r.session.pending_count == 0
            assert r.venue.requests[-1]["params"]["symbol"] == "BTCUSDT"
            assert r.states == [(True, "")]
            assert r.errors == []
    run(work())


def test_both_legs_of_an_intent_leave_in_one_turn() -> None:
    async def work() -> None:
        async with rig(order_place=placed) as r:
            legs = [Leg(client_id(2, leg), leg * 2, leg, 0, 0, 100_000, 50, leg) for leg in range(2)]
            assert r.session.encode_and_send(Intent(5 << 32 | 2, 5 << 32 | 2, legs=legs)) == [Sent.OK, Sent.OK]
            assert r.session.pending_count == 2
            await until(lambda: len(r.events) == 2)
            assert {e.client_id: e.instrument_id for e in r.events} == {client_id(2, 0): 0, client_id(2, 1): 2}
    run(work())


def test_an_encoded_leg_is_sent_once() -> None:
    async def work() -> None:
        async with rig(order_place=placed) as r:
            refused = Intent(5 << 32 | 3, 5 << 32 | 3, legs=[Leg(client_id(3), 0, 0, 0, 1, 100, 5)])  # reduce-only on spot
            assert r.session.encode_and_send(refused) == [Sent.NOT]
            assert r.session.encode_refused == 1
            assert r.session.pending_count == 0
            await asyncio.sleep(0.02)
            assert [q["method"] for q in r.venue.requests] == ["session.logon"]
    run(work())


def test_error_reply_gets_the_row_of_its_request() -> None:
    async def work() -> None:
        def refuse(request: dict[str, Any]) -> dict[str, Any]:
            return {"id": request["id"], "status": 400, "error": {"code": -2010, "msg": "Market is closed."}}
        async with rig(order_place=refuse) as r:
            assert r.place(4, row=2) == Sent.OK
            await until(lambda: r.events)
            assert (r.events[0].instrument_id, r.events[0].status, r.events[0].error_class) == (2, OrderStatus.REJECTED,
                                                                                                ErrorClass.REJECT)
    run(work())


def test_cancel_and_query_over_the_socket() -> None:
    async def work() -> None:
        def canceled(request: dict[str, Any]) -> dict[str, Any]:
            return {"id": request["id"], "status": 200, "result": {
                "symbol": "BTCUSDT", "orderId": 7, "origClientOrderId": request["params"]["origClientOrderId"],
                "clientOrderId": "c9",
                "status": "CANCELED", "executedQty": "0"}}
        def unknown(request: dict[str, Any]) -> dict[str, Any]:
            return {"id": request["id"], "status": 400, "error": {"code": -2013, "msg": "Order does not exist."}}
        async with rig(order_cancel=canceled, order_status=unknown) as r:
            assert r.session.cancel(0, client_id(5)) == Sent.OK
            assert r.session.query(0, client_id(6)) == Sent.OK
            await until(lambda: len(r.events) == 2)
            assert (r.events[0].client_id, r.events[0].status, r.events[0].flags) == (client_id(5), OrderStatus.CANCELED,
                                                                                      EventFlag.CANCEL_REPLY)
            assert (r.events[1].client_id, r.events[1].status, r.events[1].source) == (client_id(6), OrderStatus.NOT_FOUND,
                                                                                       Source.QUERY)
    run(work())


def test_reply_in_pieces_and_late_reply() -> None:
    async def work() -> None:
        async with rig() as r:
            r.place(7)
            raw = orjson.dumps(placed({"id": client_id(7), "params": {"symbol": "BTCUSDT", "quantity": "0.001"}}))
            transport = r.venue.peer.transport
            assert transport is not None
            import picows
            transport.send(picows.WSMsgType.TEXT, raw[:50], False)
            transport.send(picows.WSMsgType.CONTINUATION, raw[50:90], False)
            transport.send(picows.WSMsgType.CONTINUATION, raw[90:], True)
            await until(lambda: r.events)
            assert r.events[0].status == OrderStatus.FILLED
            r.venue.peer.send(raw)
            await until(lambda: len(r.events) == 2)  # a second answer is a fact too: the calm floor knows it
            assert r.session.late_replies == 1
    run(work())


def test_pings_of_the_venue_are_answered_with_their_payload() -> None:
    async def work() -> None:
        async with rig() as r:
            r.venue.peer.transport.send_ping(b"1770123456789")  # type: ignore[union-attr]
            await until(lambda: r.venue.control_frames)
            assert r.venue.control_frames[0][1] == b"1770123456789"
    run(work())


# ---------------------------------------------------------------- nothing may be claimed that is not known

def test_not_connected_is_not_sent() -> None:
    async def work() -> None:
        session = order_session()
        assert not session.is_sendable()
        assert session.place(0, client_id(1), 0, 0, 100, 5) == Sent.NOT
        assert session.pending_count == 0
    run(work())


def test_death_of_the_socket_makes_every_pending_order_unknown() -> None:
    async def work() -> None:
        async with rig() as r:
            r.place(1)
            r.place(2, row=2)
            r.session.cancel(0, client_id(3))
            await until(lambda: len(r.venue.requests) == 4)
            r.venue.peer.transport.disconnect(False)  # type: ignore[union-attr]
            await until(lambda: len(r.events) == 3)
            assert [(e.client_id, e.instrument_id, e.status, e.error_class, e.source) for e in r.events] == [
                (client_id(1), 0, OrderStatus.UNKNOWN, ErrorClass.UNKNOWN_EXECUTION, Source.LOCAL),
                (client_id(2), 2, OrderStatus.UNKNOWN, ErrorClass.UNKNOWN_EXECUTION, Source.LOCAL),
                (client_id(3), 0, OrderStatus.NONE, ErrorClass.UNKNOWN_EXECUTION, Source.LOCAL)]
            assert r.states[1][0] is False
            assert r.session.pending_count == 0
            await until(lambda: r.session.is_ready)  # and it comes back
            assert r.states[2] == (True, "")
            assert r.session.sockets == 2
    run(work())


def test_full_socket_makes_the_order_unknown_and_stops_the_next() -> None:
    """A peer that does not read: bytes pile up, and the library calls every send a success."""
    async def work() -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        session = order_session()
        errors: list[object] = []
        session.on_error = lambda *what: errors.append(what)

        async def accept() -> socket.socket:
            import base64
            import hashlib
            peer, _ = await loop.sock_accept(listener)
            request = b""
            while b"\r\n\r\n" not in request:
                request += await loop.sock_recv(peer, 4096)
            key = next(line.split(b": ")[1] for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
            accepted = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            await loop.sock_sendall(
                peer,
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
                + accepted
                + b"\r\n\r\n",
            )
            return peer

        async def url() -> str:
            return f"ws://127.0.0.1:{listener.getsockname()[1]}/"

        async def prepare(made: VenueSocket) -> None:
            raw = made.transport.underlying_transport.get_extra_info("socket")  # type: ignore[union-attr]
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

        connection = Connection(session, url, prepare, seed=1, policy=FAST)
        accepting = asyncio.ensure_future(accept())
        connection.start()
        peer = await accepting
        await until(lambda: session.is_ready)
        outcomes = []
        for seq in range(200):
            outcomes.append(session.place(0, client_id(seq), 0, 0, 100, 5))
            if outcomes[-1] != Sent.OK:
                break
        assert outcomes[-1] == Sent.UNKNOWN
        assert session.sent_unknown == 1
        assert not session.is_sendable()
        before = session.pending_count
        assert session.place(0, client_id(999), 0, 0, 100, 5) == Sent.NOT
        assert session.pending_count == before
        peer.close()
        listener.close()
        await connection.stop()
    run(work())


def test_socket_that_died_unnoticed_does_not_report_success() -> None:
    async def work() -> None:
        async with rig() as r:
            transport = r.session.socket.transport  # type: ignore[union-attr]
            raw = transport.underlying_transport.get_extra_info("socket")  # type: ignore[union-attr]
            raw.shutdown(socket.SHUT_WR)  # send() now fails with EPIPE, the loop has not looked yet
            assert r.place(1) == Sent.UNKNOWN
            await until(lambda: r.events)
            assert r.events[0].status == OrderStatus.UNKNOWN
    run(work())


def test_too_many_requests_in_flight_are_not_sent() -> None:
    async def work() -> None:
        async with rig() as r:
            outcomes = [r.place(seq) for seq in range(257)]
            assert outcomes == [Sent.OK] * 256 + [Sent.NOT]
            assert r.session.pending_count == 256
    run(work())


# ---------------------------------------------------------------- callbacks and nonsense

def test_callback_that_raises_is_reported_and_the_socket_lives() -> None:
    async def work() -> None:
        async with rig(order_place=placed) as r:
            def broken(event: OrderEvent) -> None:
                raise KeyError("calm floor")
            r.session.on_event = broken
            r.place(1)
            await until(lambda: r.errors)
            assert r.errors == [("on_event", "'calm floor'")]
            r.session.on_event = r.events.append
            r.place(2)
            await until(lambda: r.events)
            assert r.session.callback_errors == 1
            assert r.session.sockets == 1
    run(work())


def test_reporter_that_raises_is_survived(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        async with rig(order_place=placed) as r:
            def broken(*_: object) -> None:
                raise RuntimeError("no")
            r.session.on_error = broken
            r.session.on_event = broken
            r.place(1)
            await until(lambda: r.session.callback_errors == 1)
            assert r.session.is_ready
    run(work())
    assert "on_error raised" in caplog.text


@pytest.mark.parametrize("frame", [b"", b"not json", b"{}", b'{"id":', b'{"event":{"e":"executionReport"}}', b"[" * 5000])
def test_frames_that_make_no_sense_are_counted_and_the_socket_lives(frame: bytes) -> None:
    async def work() -> None:
        async with rig() as r:
            r.venue.peer.send(frame)
            await until(lambda: r.session.undecodable == 1)
            assert r.errors[0][0] == "decode"
            assert r.session.is_ready
            assert r.events == []
    run(work())


def test_reply_that_is_json_but_no_reply_is_survived() -> None:
    async def work() -> None:
        async with rig() as r:
            r.venue.peer.send(b'{"id":null,"status":401,"error":{"code":-2015,"msg":"Invalid API-key"}}')
            r.venue.peer.send(b'{"id":[1],"result":7}')
            await until(lambda: r.session.frames == 3 and r.errors)
            assert r.errors[0][1].startswith("unasked failed: status 401, code -2015")
            assert r.session.is_ready
    run(work())


def test_account_events_are_handed_on() -> None:
    async def work() -> None:
        async with rig() as r:
            r.venue.peer.send({"event": {"e": "serverShutdown", "E": 1770123456789}})
            await until(lambda: r.account)
            assert r.account[0][0] == "serverShutdown"
    run(work())


# ---------------------------------------------------------------- connections

def test_replaced_socket_still_delivers_the_replies_it_owes() -> None:
    async def work() -> None:
        async with rig() as r:
            r.place(1)
            await until(lambda: len(r.venue.requests) == 2)
            old = r.venue.peer
            r.connection.replace("test")
            await until(lambda: r.session.socket is not None and r.session.socket.number == 2)
            assert r.states == [(True, "")]  # never down in between
            r.place(2)
            await until(lambda: len(r.venue.requests) == 4)
            assert r.venue.peer is not old
            old.send(placed({"id": client_id(1), "params": {"symbol": "BTCUSDT", "quantity": "0.001"}}))
            await until(lambda: r.events)
            assert r.events[0].client_id == client_id(1)
            assert r.session.late_replies == 0
    run(work())


def test_connection_that_no_longer_answers_pings_is_given_up() -> None:
    async def work() -> None:
        async with fake_ws(answers_pings=False) as venue:
            r = Rig(venue)
            r.connection._policy = replace(FAST, ping_idle_s=0.1, ping_reply_s=0.1)
            r.connection.start()
            await until(lambda: r.session.is_ready)
            r.place(1)
            await until(lambda: r.events)
            assert r.events[0].status == OrderStatus.UNKNOWN
            assert r.states[1][0] is False
            await r.connection.stop()
    run(work())


def test_refused_logon_is_tried_again_with_back_off() -> None:
    async def work() -> None:
        async with fake_ws() as venue:
            calls: list[int] = []

            def logon(request: dict[str, Any]) -> dict[str, Any]:
                calls.append(1)
                if len(calls) < 3:
                    return {"id": request["id"], "status": 400, "error": {"code": -1021, "msg": "Timestamp"}}
                return {"id": request["id"], "status": 200, "result": {}}
            venue.answers["session.logon"] = logon
            r = Rig(venue)
            r.connection.start()
            await until(lambda: r.session.is_ready)
            assert r.connection.failures == 2
            assert "-1021" in r.connection.last_failure
            assert r.states == [(True, "")]
            await r.connection.stop()
    run(work())


def test_logon_without_an_answer_leaves_no_socket_behind() -> None:
    async def work() -> None:
        async with fake_ws() as venue:
            venue.answers.clear()
            r = Rig(venue)
            r.connection.start()
            await until(lambda: r.connection.failures == 1)
            assert not r.session.is_ready
            await until(lambda: venue.peers[0].transport is None)
            await r.connection.stop()
    run(work())


def test_back_off_doubles_to_its_bound_and_is_the_same_for_the_same_seed() -> None:
    async def work() -> None:
        def waits(seed: int) -> list[float]:
            async def nothing(*_: object) -> Any:
                return ""
            made = Connection(order_session(), nothing, nothing, seed=seed)
            result = []
            for failures in range(1, 15):
                made.failures = failures
                result.append(made.back_off_s())
            return result
        assert waits(5) == waits(5) != waits(6)
        assert all(0.05 * 2 ** n <= wait <= 0.1 * 2 ** n for n, wait in enumerate(waits(5)[:8]))
        assert all(15 <= wait <= 30 for wait in waits(5)[9:])
    run(work())


def test_request_without_an_answer_fails_by_name() -> None:
    async def work() -> None:
        async with rig() as r:
            with pytest.raises(RequestFailed, match="time failed.*no answer within 0.05 s"):
                await ask(r.session.socket, "time", timeout_s=0.05)  # type: ignore[union-attr]
    run(work())


def test_two_requests_with_one_key_are_not_mixed_up() -> None:
    async def work() -> None:
        async with rig() as r:
            sock = r.session.socket
            assert sock is not None
            first = asyncio.ensure_future(sock.request("login", b'{"id":"login","method":"quiet"}', 0.2))
            await asyncio.sleep(0)
            with pytest.raises(RequestFailed, match="another request with the key 'login'"):
                await sock.request("login", b'{"id":"login","method":"quiet"}')
            r.venue.peer.send(b'{"id":"login","status":200,"result":{"at":7}}')
            assert (await first)["result"] == {"at": 7}
    run(work())


def test_reply_with_a_counter_behind_the_client_id_settles_its_request() -> None:
    async def work() -> None:
        async with rig() as r:
            assert r.session.cancel(0, client_id(5)) == Sent.OK
            r.venue.peer.send({"id": "X" + client_id(5)[1:] + "12", "status": 400,
                               "error": {"code": -2011, "msg": "Unknown order sent."}})
            await until(lambda: r.events)
            assert (r.events[0].client_id, r.events[0].instrument_id, r.session.pending_count) == (client_id(5), 0, 0)
            assert r.session.late_replies == 0
    run(work())


def test_venue_without_such_requests_is_not_asked_over_the_socket() -> None:
    async def work() -> None:
        async with rig() as r:
            silent = OrderSession("binance", "spot", ARRAY, BinanceOrderDecoder(ARRAY, "spot"), OrderEncoder("binance", "spot"),
                                  DIALECT)
            silent.adopt(r.session.socket)  # type: ignore[arg-type]
            assert silent.is_sendable()
            assert (silent.cancel(0, client_id(5)), silent.query(0, client_id(5))) == (Sent.NOT, Sent.NOT)
            assert silent.pending_count == 0
    run(work())


def test_parts_of_another_market_are_refused() -> None:
    with pytest.raises(ValueError, match="decoder is for linear"):
        VenueSession("binance", "spot", "user", ARRAY, BinanceOrderDecoder(ARRAY, "linear"), DIALECT)
    with pytest.raises(ValueError, match="encoder is for linear"):
        OrderSession("binance", "spot", ARRAY, BinanceOrderDecoder(ARRAY, "spot"), BinanceOrderEncoder("linear"), DIALECT)


# ---------------------------------------------------------------- heartbeats in text

TEXT_PINGS = replace(FAST, ping_idle_s=0.1, ping_reply_s=0.2, ping_frame=b"ping")


@contextlib.asynccontextmanager
async def text_rig(answer: bytes | None, policy: ConnectionPolicy = TEXT_PINGS) -> AsyncIterator[Rig]:
    async with fake_ws(answers_pings=False) as venue:
        venue.texts[b"ping"] = answer
        r = Rig(venue)
        r.connection._policy = policy
        r.connection.start()
        await until(lambda: r.session.is_ready)
        try:
            yield r
        finally:
            await r.connection.stop()


def test_text_ping_keeps_a_quiet_connection_and_any_frame_is_proof_of_life() -> None:
    async def work() -> None:
        for answer in (b'{"id":null,"result":"pong"}', b"pong"):
            async with text_rig(answer) as r:
                await until(lambda venue=r.venue: venue.raw.count(b"ping") >= 3)
                assert r.session.sockets == 1
                assert not r.venue.control_frames
    run(work())


def test_text_ping_without_an_answer_ends_the_connection() -> None:
    async def work() -> None:
        async with text_rig(None) as r:
            r.place(1)
            await until(lambda: r.events)
            assert r.events[0].status == OrderStatus.UNKNOWN
            assert r.states[1] == (False, "no answer to a ping within 0.2 s")
            assert r.venue.raw.count(b"ping") == 1
            await until(lambda: r.session.sockets >= 2)
    run(work())


def test_text_ping_is_sent_while_frames_come_where_the_venue_wants_it() -> None:
    async def work() -> None:
        async with text_rig(b"pong", replace(TEXT_PINGS, ping_idle_s=0.2, ping_every_s=0.1)) as r:
            for _ in range(30):
                r.venue.peer.send(b'{"id":null,"result":1}')
                await asyncio.sleep(0.02)
            assert r.venue.raw.count(b"ping") >= 3
            assert r.session.sockets == 1
    run(work())

"""Signatures: the venue's vectors, ccxt with a frozen clock, and ours over the same bytes.

A plain reader of the case takes the signed text and the signature out of a request. The text of a request of ccxt's, signed by
our primitive, must give ccxt's signature; the text of a request of ours, signed by ccxt's primitive, must give ours."""
from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ccxt
import orjson
import pytest

from cext.client_id import encode_client_id
from cext.sign import HmacSha256
from engine.events import OrderType, Side
from feeds.instruments import InstrumentTable
from tests.conformance.case import Signed, Vector, VenueCase
from tests.conformance.layers import gateway_of, leave
from tests.conformance.listed import listed_rows
from tests.conformance.oracle_ccxt import FROZEN_MS, KEYS, captured, captured_ws, facts_of, frozen, request_params

if TYPE_CHECKING:
    from engine.gateways.market_gateway import MarketGateway

CLIENT_ID = encode_client_id(7, 1 << 32 | 5, 0)


def sign(form: str, secret: str, text: str) -> str:
    """By our primitives."""
    if form == "ed25519":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        return base64.b64encode(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret)).sign(text.encode())).decode()
    signer = HmacSha256(secret.encode())
    return signer.hex(text.encode()) if form == "hex" else base64.b64encode(signer.digest(text.encode())).decode()


def sign_by_ccxt(form: str, secret: str, text: str) -> str:
    return ccxt.Exchange.hmac(text.encode(), secret.encode(), hashlib.sha256, form)


def form_of(case: VenueCase) -> str:
    return next((vector.form for vector in case.vectors if vector.form != "ed25519"), "hex")


def test_vectors_of_the_documents(case: VenueCase) -> None:
    assert case.vectors, f"{case.name} has no vector"
    for vector in case.vectors:
        assert sign(vector.form, vector.secret, vector.text) == vector.signature, vector.name
        changed = Vector(vector.name, vector.secret, vector.text[:-1] + "~", vector.signature, vector.form)
        assert sign(changed.form, changed.secret, changed.text) != changed.signature


def rest_calls(case: VenueCase, market: str, client: Any) -> dict[str, Callable[[], Any]]:
    facts = facts_of(case)
    symbol = facts.symbols[market]
    calls: dict[str, Callable[[], Any]] = {
        "create": lambda: client.create_order(symbol, "limit", "buy", 0.01, 20_000,
                                              {facts.client_id_param: "abc1", "timeInForce": "IOC"}),
        "cancel": lambda: client.cancel_order("12", symbol),
        "query": lambda: client.fetch_order("12", symbol, dict(facts.fetch_order_params)),
        "open orders": lambda: client.fetch_open_orders(symbol),
        "balance": lambda: client.fetch_balance({"type": "swap" if market == "linear" else "spot"})}
    if market == "linear":
        calls["positions"] = lambda: client.fetch_positions([symbol])
    return calls


def test_rest_requests_of_ccxt_carry_the_signature_that_we_make(case: VenueCase, market: str) -> None:
    leave(case, 3, market)
    facts = facts_of(case)
    assert facts.read_signed is not None
    client = frozen(case)
    client.load_markets()
    for name, call in rest_calls(case, market, client).items():
        request = captured(call)
        signed = facts.read_signed(request, KEYS["secret"])
        assert signed.signature and str(FROZEN_MS)[:10] in signed.text.replace("2023-11-14T22:13:20", str(FROZEN_MS)[:10]), name
        assert sign(form_of(case), KEYS["secret"], signed.text) == signed.signature, f"{name}: {request}"


def test_logins_and_orders_on_ccxts_websocket_carry_the_signature_that_we_make(case: VenueCase, market: str) -> None:
    leave(case, 3, market)
    facts = facts_of(case)
    assert facts.read_ws_signed is not None
    symbol = facts.symbols[market]
    seen = 0
    for call in (lambda client: client.create_order_ws(symbol, "limit", "buy", 0.01, 20_000, {"timeInForce": "IOC"}),
                 lambda client: client.cancel_order_ws("12", symbol), lambda client: client.watch_orders(symbol)):
        frame = captured_ws(case, call)
        if "url" in frame:  # a listen key, asked for over REST with the key only
            continue
        signed = facts.read_ws_signed(frame, KEYS["secret"])
        assert sign(form_of(case), KEYS["secret"], signed.text) == signed.signature, frame
        seen += 1
    assert seen >= 2


# ---------------------------------------------------------------- ours


@pytest.fixture(scope="module")
def markets(case: VenueCase, tmp_path_factory: pytest.TempPathFactory) -> dict[str, MarketGateway]:
    """Our gateway's markets with the frozen keys; never started."""
    return make_markets(case, tmp_path_factory.mktemp("keys"))


def make_markets(case: VenueCase, folder: Path) -> dict[str, MarketGateway]:
    from engine.gateways.contract import GatewaySettings
    declared = gateway_of(case)
    references = {}
    for key, value in KEYS.items():
        name = facts_of(case).credentials.get(key)
        if name is not None:
            path = folder / name
            path.write_text(value)
            path.chmod(0o600)
            references[name] = f"file:{path}"
    auth = next(name for name, fields in declared.auths.items() if set(fields) <= set(references))
    table = InstrumentTable()
    table.merge(listed_rows(case))
    endpoints = {role: ("http://127.0.0.1:9" if "rest" in role else "ws://127.0.0.1:9")
                 for role in declared.roles_of(case.markets)}
    settings = GatewaySettings(endpoints, declared.load_credentials(references), case.markets, auth, 5000, instance=7)
    declared.check(settings)

    async def make() -> Any:
        return declared.make_gateway(settings, table, table.to_array())
    return dict(asyncio.run(make()).markets)


def build(market: MarketGateway, method: str, path: str, params: dict[str, Any]) -> dict[str, Any]:
    """One request of ours in the form that a case's reader takes."""
    made = market.rest.dialect.build(method, path, params, is_signed=True, with_key=True, timestamp_ns=FROZEN_MS * 1_000_000)
    return {"method": method, "url": f"https://host{path}" + (f"?{made.query}" if made.query else ""),
            "headers": dict(made.headers), "body": made.body.decode()}


def check_ours(case: VenueCase, signed: Signed, where: str) -> None:
    assert sign_by_ccxt(form_of(case), KEYS["secret"], signed.text) == signed.signature, f"{where}: {signed}"


def test_our_rest_requests_carry_the_signature_that_ccxt_makes(case: VenueCase, market: str,
                                                               markets: dict[str, MarketGateway]) -> None:
    """With ccxt's own parameters, on its own paths, at its own time."""
    leave(case, 3, market)
    facts = facts_of(case)
    assert facts.read_signed is not None
    client = frozen(case)
    client.load_markets()
    for name, call in rest_calls(case, market, client).items():
        theirs = captured(call)
        path, params = request_params(theirs)
        ours = build(markets[market], theirs["method"], path, params)
        signed = facts.read_signed(ours, KEYS["secret"])
        check_ours(case, signed, name)
        assert all(key.lower() in {k.lower() for k in ours["headers"]} for key in theirs["headers"]
                   if key.upper().startswith(("X-", "OK-")) and key.lower() not in ("x-bapi-sign-type",)), (theirs, ours)


def test_our_rest_signature_covers_every_byte(case: VenueCase, market: str, markets: dict[str, MarketGateway]) -> None:
    leave(case, 3, market)
    facts = facts_of(case)
    assert facts.read_signed is not None
    seen = {facts.read_signed(build(markets[market], method, path, {"a": value, "b": "1"}), KEYS["secret"]).signature
            for method in ("GET", "POST") for path in ("/x", "/y") for value in ("1", "2", "ü x")}
    assert len(seen) >= (6 if form_of(case) == "hex" and case.name.startswith("bybit") else 3), seen


class CapturingSocket:
    """Stands where a VenueSocket is when a session prepares: keeps the frames; answers nothing that a logon needs."""

    def __init__(self) -> None:
        self.frames: list[Any] = []

    async def request(self, key: str, frame: bytes, timeout_s: float = 5.0, *, name: str = "") -> Any:
        self.frames.append(orjson.loads(frame))
        return {}

    def send_text(self, frame: bytes) -> bool:
        self.frames.append(orjson.loads(frame))
        return True


def test_our_logins_and_order_frames_carry_the_signature_that_ccxt_makes(case: VenueCase, market: str,
                                                                         markets: dict[str, MarketGateway]) -> None:
    """Every frame of logon and orders that has a signature; a venue that signs its logon only has one there."""
    leave(case, 3, market)
    facts = facts_of(case)
    assert facts.read_ws_signed is not None
    ours = markets[market]

    async def prepare() -> list[Any]:
        socket = CapturingSocket()
        for work in (ours.prepare_orders, ours.prepare_user):
            try:
                await work(socket)  # type: ignore[arg-type]
            except (KeyError, TypeError, LookupError):
                pass  # the answer of a real venue has more in it; what was sent stands
            except Exception as error:
                if type(error).__name__ not in ("RestError", "RequestFailed"):
                    raise
        await ours.rest.close()
        return socket.frames
    frames = asyncio.run(prepare())
    row = next(row for row in ours.rows.values() if row.status == "TRADING")
    encoder = ours.make_encoder()
    lot = int(row.lot.scaleb(row.qty_scale))
    tick = int(row.tick.scaleb(row.px_scale))
    frames.append(orjson.loads(encoder.encode_place(ours.instruments, row.id, CLIENT_ID, Side.BUY, OrderType.IOC, 1000 * tick,
                                                    100 * lot, FROZEN_MS)))
    signed = 0
    for frame in frames:
        try:
            found = facts.read_ws_signed(frame, KEYS["secret"])
        except (KeyError, TypeError, ValueError):
            continue  # carries no signature
        check_ours(case, found, str(frame)[:200])
        signed += 1
    assert signed >= 1, frames

"""Signatures against the venue's published vectors, hashlib, cryptography, and ccxt with a frozen clock (venues/binance.md A7,
B5)."""
from __future__ import annotations

import copy
import hashlib
import hmac
import pickle
import random
from urllib.parse import parse_qsl

import pytest

from cext.sign import HmacSha256, candidates
from engine.gateways.binance_credentials import Credentials, sorted_payload
from engine.gateways.binance_wire import BinanceRestDialect
from engine.secrets import Ed25519Key

SECRET = b"NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
API_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
FUTURES_SECRET = b"2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
FUTURES_KEY = "dbefbc809e3e83c283a984c3a1459732ea7db1360ca80c5c2c8867408d28cc83"
ED25519_PEM = ("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
               "-----END PRIVATE KEY-----\n")

ORDER = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
HMAC_VECTORS = {
    "1 REST": (SECRET, ORDER, "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
    "2 REST, percent-encoded symbol": (
        SECRET,
        ORDER.replace("LTCBTC", "%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96"),
        "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
    ),
    "3 REST, query and body joined by nothing": (
        SECRET,
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC" + "quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
        "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77",
    ),
    "4 WS order.place": (
        SECRET,
        (
            f"apiKey={API_KEY}&price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL&symbol=BTCUSDT&timeInForce=GTC"
            "&timestamp=1645423376532&type=LIMIT"
        ),
        "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
    ),
    "5 WS userDataStream.subscribe.signature": (
        SECRET,
        f"apiKey={API_KEY}&timestamp=1649729878532",
        "1cf54395b336b0a9727ef27d5d98987962bc47aca6e13fe978612d0adee066ed",
    ),
    "8 futures REST": (
        FUTURES_SECRET,
        "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000&timestamp=1591702613943",
        "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9",
    ),
    "9 futures REST, query and body": (
        FUTURES_SECRET,
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC" + "quantity=1&price=9000&recvWindow=5000&timestamp=1591702613943",
        "30baaf0fab549bbeda7f5ef201898b34122da25fd23c646cac2c529aebe670a4",
    ),
    "10 futures WS": (
        FUTURES_SECRET,
        (
            f"apiKey={FUTURES_KEY}&newClientOrderId=arb-1&price=9000&quantity=1&recvWindow=5000&side=BUY&symbol=BTCUSDT"
            "&timeInForce=IOC&timestamp=1591702613943&type=LIMIT"
        ),
        "08aa083ed272897160f76368f55ba95ee7b5a5fc4d7b49616fab4d11fb828e4a",
    ),
}
BACKENDS = ("libcrypto", "portable")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", HMAC_VECTORS)
def test_published_and_computed_hmac_vectors(name: str, backend: str) -> None:
    secret, message, expected = HMAC_VECTORS[name]
    assert HmacSha256(secret, backend).hex(message.encode()) == expected


@pytest.mark.parametrize(("message", "expected"), [
    (f"apiKey={API_KEY}&timestamp=1649729878532",
     "763GJeFgG09B/06V/dq24cLu6f0R57whgDMyOCubDex4CTTElmDgPSIQqLdOsvW5TBxyaaFotVCI8tUmQMChAA=="),
    ("symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=1&price=0.2&timestamp=1668481559918&recvWindow=5000",
     "XtZirsmmi0noRzUfkqktvkVfxpkq/WtbLg2UOL3QGYdUBZVlqOBEMuEVw8zioY93N54NcKj9UuAXQEa9zgTDBg=="),
], ids=["6 session.logon", "7 REST"])
def test_ed25519_vectors(message: str, expected: str) -> None:
    assert Ed25519Key(ED25519_PEM).sign_base64(message) == expected


def test_ws_parameters_reproduce_vectors_5_and_6() -> None:
    made = Credentials(API_KEY, HmacSha256(SECRET), API_KEY, Ed25519Key(ED25519_PEM))
    assert made.ws_params_hmac(1649729878532)["signature"] == HMAC_VECTORS["5 WS userDataStream.subscribe.signature"][2]
    assert made.ws_params_ed25519(1649729878532)["signature"].startswith("763GJeFgG09B")


@pytest.mark.parametrize("backend", BACKENDS)
def test_equals_hashlib_for_every_length_around_the_block(backend: str) -> None:
    generator = random.Random(11)
    for key_bytes in (1, 31, 32, 63, 64, 65, 128, 200):
        key = generator.randbytes(key_bytes)
        state = HmacSha256(key, backend)
        for size in [*range(131), 191, 192, 193, 1000]:
            message = generator.randbytes(size)
            assert state.hex(message) == hmac.new(key, message, hashlib.sha256).hexdigest(), (key_bytes, size)
            assert state.digest(message) == hmac.new(key, message, hashlib.sha256).digest()


def test_state_is_reusable_and_backends_agree() -> None:
    fast, plain = (HmacSha256(SECRET, backend) for backend in BACKENDS)
    assert [fast.hex(b"x" * n) for n in range(300)] == [plain.hex(b"x" * n) for n in range(300)]
    assert fast.hex(b"again") == fast.hex(b"again")


def test_libcrypto_is_the_copy_that_is_mapped_already() -> None:
    mapped = [path for path in candidates() if path.startswith("/")]
    if not mapped:
        pytest.skip("this interpreter has OpenSSL linked in statically: no libcrypto is mapped")
    assert HmacSha256(b"k").backend == mapped[0]


def test_key_is_not_shown_pickled_or_empty() -> None:
    state = HmacSha256(SECRET)
    assert SECRET.decode() not in repr(state)
    with pytest.raises(TypeError):
        pickle.dumps(state)
    with pytest.raises(TypeError):
        copy.copy(state)
    with pytest.raises(ValueError, match="empty"):
        HmacSha256(b"")
    with pytest.raises(ValueError, match="backend"):
        HmacSha256(b"k", "openssl")  # type: ignore[arg-type]


# ---------------------------------------------------------------- a second oracle: ccxt with a frozen clock

ccxt = pytest.importorskip("ccxt", reason="ccxt is a test-only dependency and is not installed")
FROZEN_MS = 1_700_000_000_123


def frozen(kind: type) -> object:
    exchange = kind({"apiKey": API_KEY, "secret": SECRET.decode(), "enableRateLimit": False, "options": {"recvWindow": 5000}})
    exchange.milliseconds = lambda: FROZEN_MS
    exchange.nonce = lambda: FROZEN_MS
    return exchange


@pytest.mark.parametrize(("api", "path"), [("private", "order"), ("fapiPrivate", "order")])
def test_rest_signature_equals_ccxt(api: str, path: str) -> None:
    params = {"symbol": "BTCUSDT", "origClientOrderId": "L000G00000M0000090"}
    theirs = frozen(ccxt.binance).sign(path, [api], "GET", dict(params))
    query = theirs["url"].partition("?")[2]
    credentials = Credentials(API_KEY, HmacSha256(SECRET))
    payload, _, signature = query.rpartition("&signature=")
    assert credentials.sign_rest(payload) == signature
    ours = BinanceRestDialect(API_KEY, credentials.sign_rest, 5000).signed_query(params, FROZEN_MS)
    assert {k: v for k, v in parse_qsl(ours) if k != "signature"} == {k: v for k, v in parse_qsl(query) if k != "signature"}
    assert theirs["headers"]["X-MBX-APIKEY"] == API_KEY


def test_ws_signature_equals_ccxt_pro() -> None:
    from ccxt import pro
    theirs = frozen(pro.binance).sign_params({"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "IOC",
                                              "quantity": "0.1",
                                              "price": "43187.0", "newClientOrderId": "L000G00000M0000090"})
    signature = theirs.pop("signature")
    assert HmacSha256(SECRET).hex(sorted_payload(theirs).encode()) == signature

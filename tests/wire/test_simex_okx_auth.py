"""Simulated OKX: who may do what: signatures of REST and of logins against computed vectors, one changed byte, stale stamps."""

import base64
import hmac

import orjson
import pytest

from tests.support.okx_sim_rig import KEY, PASSPHRASE, SECRET, OkxRig, sign
from tools.simex import okx, okxus
from tools.simex.ledger import Account
from tools.simex.okx_auth import ApiKey, Keyring
from tools.simex.okx_errors import VenueError

STAMP, STAMP_MS = "2020-12-08T09:08:57.715Z", 1_607_418_537_715
# Vectors of this project, computed with the sample secret of the documentation.
BODY = b'{"instId":"BTC-USDT","tdMode":"cash","side":"buy","ordType":"limit","px":"1000","sz":"0.01","clOrdId":"arb0001"}'
GET_SIGN, POST_SIGN = "HiZhvSfMtWJA3uUIVXV3a/bSXNPCWvYFXoGCVS8V4zY=", "LjQVjiHPOFRquZDkXGYjQ67Aw88SNpkV19EU30Xuhcc="
LOGIN_SIGN = "+LdIr8lkkvhr5hoA3g9TMC0+uQJ849ftAcocA/ouu4M="


@pytest.fixture
def ring():
    keyring = Keyring()
    account = Account("main", 1)
    keyring.add(account, ApiKey(KEY, SECRET, PASSPHRASE))
    return keyring, account


def request_headers(signature, **changes):
    return {
        "ok-access-key": KEY,
        "ok-access-passphrase": PASSPHRASE,
        "ok-access-timestamp": STAMP,
        "ok-access-sign": signature,
    } | changes


def test_the_computed_vectors_are_accepted(ring):
    keyring, account = ring
    told = request_headers(GET_SIGN)
    assert keyring.check_request("GET", "/api/v5/account/balance", "ccy=BTC", told, b"", STAMP_MS) is account
    assert keyring.check_request("POST", "/api/v5/trade/order", "", request_headers(POST_SIGN), BODY, STAMP_MS) is account
    login = {"apiKey": KEY, "passphrase": PASSPHRASE, "timestamp": "1538054050", "sign": LOGIN_SIGN}
    assert keyring.check_login(login, 1_538_054_050_000) is account


def test_one_changed_byte_anywhere_is_refused(ring):
    keyring, _ = ring

    def code(method, path, query, headers, body):
        with pytest.raises(VenueError) as caught:
            keyring.check_request(method, path, query, headers, body, STAMP_MS)
        return caught.value.code

    for place in range(len(BODY)):
        changed = BODY[:place] + bytes([BODY[place] ^ 1]) + BODY[place + 1 :]
        assert code("POST", "/api/v5/trade/order", "", request_headers(POST_SIGN), changed) == "50113"
    for place in range(len(POST_SIGN)):
        other = "A" if POST_SIGN[place] != "A" else "B"
        told = request_headers(POST_SIGN[:place] + other + POST_SIGN[place + 1 :])
        assert code("POST", "/api/v5/trade/order", "", told, BODY) == "50113"
    for path, query in (("/api/v5/account/balances", "ccy=BTC"), ("/api/v5/account/balance", "ccy=BTD")):
        assert code("GET", path, query, request_headers(GET_SIGN), b"") == "50113"
    assert code("PUT", "/api/v5/account/balance", "ccy=BTC", request_headers(GET_SIGN), b"") == "50113"
    hexed = hmac.digest(SECRET, f"{STAMP}GET/api/v5/account/balance?ccy=BTC".encode(), "sha256").hex()
    assert base64.b64decode(GET_SIGN).hex() == hexed
    assert code("GET", "/api/v5/account/balance", "ccy=BTC", request_headers(hexed), b"") == "50113", "hex is not base64"


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"ok-access-key": ""}, 401, "50103"),
        ({"ok-access-passphrase": ""}, 401, "50104"),
        ({"ok-access-sign": ""}, 401, "50106"),
        ({"ok-access-timestamp": ""}, 401, "50107"),
        ({"ok-access-timestamp": "1760000000"}, 401, "50112"),
        ({"ok-access-timestamp": "2025-10-09T08:52:49.000Z"}, 401, "50102"),
        ({"ok-access-timestamp": "2025-10-09T08:53:51.000Z"}, 401, "50102"),
        ({"ok-access-key": "no key"}, 401, "50111"),
        ({"ok-access-key": KEY[:-1] + "2"}, 401, "50119"),
        ({"ok-access-passphrase": "pass.phrase"}, 401, "50105"),
    ],
)
def test_refusals_of_rest_have_their_codes(changes, status, code):
    rig = OkxRig(with_market=False)
    assert rig.stamp() == "2025-10-09T08:53:20.000Z"
    got, told = rig.call("GET", "/api/v5/account/balance", **changes)
    assert (got, told["code"], told["data"]) == (status, code, [])


def test_a_stamp_within_thirty_seconds_is_taken():
    rig = OkxRig(with_market=False)
    for stamp in ("2025-10-09T08:52:50.000Z", "2025-10-09T08:53:50.000Z"):
        assert rig.call("GET", "/api/v5/account/config", **{"ok-access-timestamp": stamp})[1]["code"] == "0"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"apiKey": "nobody"}, "60005"),
        ({"passphrase": "wrong"}, "60024"),
        ({"sign": "A" * 43 + "="}, "60007"),
        ({"timestamp": "1760000000000"}, "60004"),
        ({"timestamp": "1759999969"}, "60006"),
        ({"sign": None}, "60009"),
    ],
)
def test_a_login_that_is_refused_ends_the_connection(changes, code):
    rig = OkxRig(with_market=False)
    socket = rig.private()
    (told,) = socket.login(**changes)
    assert (told["event"], told["code"], len(told["connId"])) == ("error", code, 8)
    assert socket.wire.close_code == 4001


def test_a_login_in_milliseconds_of_iso_or_seconds_of_another_clock_is_not_rest():
    rig = OkxRig(with_market=False)
    stamp = rig.stamp()
    (told,) = rig.private().login(timestamp=stamp, sign=sign(f"{stamp}GET/users/self/verify".encode()))
    assert told["code"] == "60004"


def test_made_keys_work_and_differ_by_account_and_venue():
    rig = OkxRig(with_market=False)
    made = rig.dialect.make_credentials(rig.account)
    assert set(made) == {"hmac_key", "hmac_secret", "passphrase"}
    stamp = rig.stamp()
    target = "/api/v5/account/config"
    headers = {
        "ok-access-key": made["hmac_key"].decode(),
        "ok-access-passphrase": made["passphrase"].decode(),
        "ok-access-timestamp": stamp,
        "ok-access-sign": sign(f"{stamp}GET{target}".encode(), made["hmac_secret"]),
    }
    reply = rig.http("rest", "GET", target, b"", headers)
    assert reply is not None and orjson.loads(reply.body)["code"] == "0"
    other = OkxRig(sim=okxus.SIM, with_market=False)
    reply = other.http("rest", "GET", target, b"", headers)
    assert reply is not None and (reply.status, orjson.loads(reply.body)["code"]) == (401, "50119")
    assert okx.SIM.roles == okxus.SIM.roles
